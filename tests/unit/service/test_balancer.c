/* SPDX-License-Identifier: MIT */
/* Which of several kernels is chosen. */
#include "service/balancer.h"

#include "support/test.h"

#define SEEDS 200

static void the_fewest_connections_win(void **state)
{
    static const int64_t counts[] = {7, 3, 9};
    struct bl_balancer b;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        bl_balancer_init(&b, BELAY_CHRONICLE_LEAST_CONNECTIONS, seed);
        assert_int_equal(bl_balancer_pick(&b, counts, 3), 1);
    }
}

static void a_kernel_that_did_not_answer_is_worse_than_any(void **state)
{
    static const int64_t counts[] = {-1, INT64_MAX, -1};
    struct bl_balancer b;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        bl_balancer_init(&b, BELAY_CHRONICLE_LEAST_CONNECTIONS, seed);
        assert_int_equal(bl_balancer_pick(&b, counts, 3), 1);
    }
}

/* How often each of `n` was chosen, once per seed. */
static void count_picks(enum belay_chronicle_balancer kind, const int64_t *counts, size_t n,
                        int *picks)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct bl_balancer b;
        size_t at;

        bl_balancer_init(&b, kind, seed);
        at = bl_balancer_pick(&b, counts, n);
        assert_true(at < n);
        picks[at]++;
    }
}

static void among_equals_chance_decides(void **state)
{
    static const int64_t counts[] = {2, 5, 2, 2};
    int picks[4] = {0};

    (void)state;
    count_picks(BELAY_CHRONICLE_LEAST_CONNECTIONS, counts, 4, picks);
    assert_int_equal(picks[1], 0);
    for (int i = 0; i < 4; i++)
        assert_true(i == 1 || picks[i] > SEEDS / 6);
}

static void where_none_answered_chance_decides(void **state)
{
    static const int64_t counts[] = {-1, -1};
    int picks[2] = {0};

    (void)state;
    count_picks(BELAY_CHRONICLE_LEAST_CONNECTIONS, counts, 2, picks);
    assert_true(picks[0] > SEEDS / 4 && picks[1] > SEEDS / 4);
}

static void random_takes_all(void **state)
{
    int picks[3] = {0};

    (void)state;
    count_picks(BELAY_CHRONICLE_RANDOM, NULL, 3, picks);
    for (int i = 0; i < 3; i++)
        assert_true(picks[i] > SEEDS / 6);
}

static void round_robin_takes_each_in_turn(void **state)
{
    struct bl_balancer b;
    size_t first;

    (void)state;
    bl_balancer_init(&b, BELAY_CHRONICLE_ROUND_ROBIN, 5);
    first = bl_balancer_pick(&b, NULL, 3);
    for (size_t i = 1; i < 10; i++)
        assert_int_equal(bl_balancer_pick(&b, NULL, 3), (first + i) % 3);
}

static void round_robin_starts_anywhere(void **state)
{
    int picks[3] = {0};

    (void)state;
    count_picks(BELAY_CHRONICLE_ROUND_ROBIN, NULL, 3, picks);
    for (int i = 0; i < 3; i++)
        assert_true(picks[i] > SEEDS / 6);
}

static void one_alone_is_not_asked(void **state)
{
    struct bl_balancer b;

    (void)state;
    bl_balancer_init(&b, BELAY_CHRONICLE_LEAST_CONNECTIONS, 1);
    assert_false(bl_balancer_probes(&b, 1));
    assert_true(bl_balancer_probes(&b, 2));
    assert_int_equal(bl_balancer_pick(&b, NULL, 1), 0);
    bl_balancer_init(&b, BELAY_CHRONICLE_ROUND_ROBIN, 1);
    assert_false(bl_balancer_probes(&b, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fewest_connections_win),
        cmocka_unit_test(a_kernel_that_did_not_answer_is_worse_than_any),
        cmocka_unit_test(among_equals_chance_decides),
        cmocka_unit_test(where_none_answered_chance_decides),
        cmocka_unit_test(random_takes_all),
        cmocka_unit_test(round_robin_takes_each_in_turn),
        cmocka_unit_test(round_robin_starts_anywhere),
        cmocka_unit_test(one_alone_is_not_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
