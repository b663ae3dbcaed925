/* SPDX-License-Identifier: MIT */
#include "base/rand.h"

#include "support/test.h"

/* splitmix64 from 0 begins with these numbers; xoshiro256** from 1, 2, 3, 4 with those. */
static void generator_gives_the_published_numbers(void **state)
{
    static const uint64_t published[] = {11520, 0, 1509978240, 1215971899390074240};
    struct bl_rand r;

    (void)state;
    bl_rand_seed(&r, 0);
    assert_int_equal(r.s[0], 0xe220a8397b1dcdaf);
    assert_int_equal(r.s[1], 0x6e789e6aa1b965f4);
    r = (struct bl_rand){{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++)
        assert_int_equal(bl_rand_next(&r), published[i]);
}

static void the_same_seed_replays(void **state)
{
    struct bl_rand a, b, other;
    bool differs = false;

    (void)state;
    bl_rand_seed(&a, 42);
    bl_rand_seed(&b, 42);
    bl_rand_seed(&other, 43);
    for (int i = 0; i < 100; i++) {
        uint64_t x = bl_rand_next(&a);

        assert_int_equal(x, bl_rand_next(&b));
        differs = differs || x != bl_rand_next(&other);
    }
    assert_true(differs);
}

static void below_stays_below_and_reaches_all(void **state)
{
    int counts[7] = {0};
    struct bl_rand r;

    (void)state;
    bl_rand_seed(&r, 5);
    assert_int_equal(bl_rand_below(&r, 0), 0);
    assert_int_equal(bl_rand_below(&r, 1), 0);
    for (int i = 0; i < 70000; i++)
        counts[bl_rand_below(&r, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(counts[i], 9500, 10500);
}

/* With a bound of three quarters of 2^64 a plain remainder would favour the lowest third by two to
 * one. */
static void below_is_even_for_large_bounds(void **state)
{
    const uint64_t bound = UINT64_C(3) << 62;
    struct bl_rand r;
    int low = 0;

    (void)state;
    bl_rand_seed(&r, 6);
    for (int i = 0; i < 30000; i++) {
        uint64_t x = bl_rand_below(&r, bound);

        assert_true(x < bound);
        low += x < bound / 3;
    }
    assert_in_range(low, 9500, 10500);
}

static void unit_is_even_from_0_to_1(void **state)
{
    struct bl_rand r;
    int below_quarter = 0;

    (void)state;
    bl_rand_seed(&r, 7);
    for (int i = 0; i < 40000; i++) {
        double x = bl_rand_unit(&r);

        assert_true(x >= 0 && x < 1);
        below_quarter += x < 0.25;
    }
    assert_in_range(below_quarter, 9500, 10500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generator_gives_the_published_numbers),
        cmocka_unit_test(the_same_seed_replays),
        cmocka_unit_test(below_stays_below_and_reaches_all),
        cmocka_unit_test(below_is_even_for_large_bounds),
        cmocka_unit_test(unit_is_even_from_0_to_1),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
