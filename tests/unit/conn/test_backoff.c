/* SPDX-License-Identifier: MIT */
/* Delays as a table, jitter within its bounds, and failures without end. */
#include "belay/backoff.h"

#include "base/assert.h"
#include "base/rand.h"
#include "conn/options.h"
#include "support/test.h"

static struct belay_backoff backoff_of(struct belay_backoff_options o)
{
    struct belay_backoff b;

    o.size = sizeof o;
    assert_int_equal(belay_backoff_init(&b, &o), 0);
    return b;
}

static void delays_follow_the_table(void **state)
{
    static const struct {
        struct belay_backoff_options o;
        int64_t delays[7];
    } rows[] = {
        {{.jitter = BELAY_JITTER_NONE}, {100, 200, 400, 800, 1600, 3200, 6400}},
        {{.jitter = BELAY_JITTER_NONE, .delay_ms = 3000}, {3000, 6000, 10000, 10000, 10000}},
        {{.jitter = BELAY_JITTER_NONE, .factor_percent = 100}, {100, 100, 100, 100}},
        {{.jitter = BELAY_JITTER_NONE, .factor_percent = BELAY_NONE}, {100, 100, 100, 100}},
        {{.jitter = BELAY_JITTER_NONE, .factor_percent = 150, .delay_ms = 10},
         {10, 15, 22, 33, 50}},
        {{.jitter = BELAY_JITTER_NONE, .delay_ms = BELAY_NONE}, {0, 0, 0, 0}},
        {{.jitter = BELAY_JITTER_NONE, .delay_ms = 500, .delay_max_ms = 50}, {50, 50, 50}},
        {{.jitter = BELAY_JITTER_NONE, .delay_max_ms = BELAY_FOREVER, .factor_percent = 10000},
         {100, 10000, 1000000, 86400000, 86400000}},
        {{.jitter = BELAY_JITTER_NONE, .attempts_max = 3},
         {100, 200, 400, BELAY_FOREVER, BELAY_FOREVER}},
        {{.jitter = BELAY_JITTER_NONE, .attempts_max = BELAY_NONE}, {BELAY_FOREVER, BELAY_FOREVER}},
        {{.jitter = BELAY_JITTER_PROPORTIONAL, .spread_percent = BELAY_NONE}, {100, 200, 400}},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct belay_backoff b = backoff_of(rows[i].o);

        for (int again = 0; again < 2; again++) {
            for (int n = 0; n < 7 && (rows[i].delays[n] || n == 0); n++)
                assert_int_equal(belay_backoff_failed(&b, UINT64_MAX / 3), rows[i].delays[n]);
            belay_backoff_reset(&b); /* and all over again */
        }
    }
}

static void no_options_are_the_defaults(void **state)
{
    struct belay_backoff b;

    (void)state;
    assert_int_equal(belay_backoff_init(&b, NULL), 0);
    assert_int_equal(b.options.delay_ms, 100);
    assert_int_equal(b.options.delay_max_ms, 10000);
    assert_int_equal(b.options.factor_percent, 200);
    assert_int_equal(b.options.jitter, BELAY_JITTER_PROPORTIONAL);
    assert_int_equal(b.options.spread_percent, 20);
    assert_int_equal(b.options.attempts_max, INT32_MAX);
    assert_int_equal(b.failures, 0);
}

static void jitter_stays_within_its_bounds_and_reaches_them(void **state)
{
    static const struct {
        enum belay_jitter jitter;
        int32_t spread;
        int64_t low, high; /* of 1,000 ms; high is never reached */
    } rows[] = {
        {BELAY_JITTER_DEFAULT, 0, 800, 1200},
        {BELAY_JITTER_PROPORTIONAL, 50, 500, 1500},
        {BELAY_JITTER_PROPORTIONAL, 100, 0, 2000},
        {BELAY_JITTER_FULL, 0, 0, 1000},
    };
    struct bl_rand rand;

    (void)state;
    bl_rand_seed(&rand, 7);
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct belay_backoff b =
            backoff_of((struct belay_backoff_options){.delay_ms = 1000,
                                                      .factor_percent = 100,
                                                      .jitter = rows[i].jitter,
                                                      .spread_percent = rows[i].spread});
        int64_t least = INT64_MAX, most = 0, sum = 0, middle = (rows[i].low + rows[i].high) / 2;

        assert_int_equal(belay_backoff_failed(&b, 0), rows[i].low);
        assert_in_range(belay_backoff_failed(&b, UINT64_MAX), rows[i].high - 1, rows[i].high);
        for (int n = 0; n < 10000; n++) {
            int64_t delay = belay_backoff_failed(&b, bl_rand_next(&rand));

            least = delay < least ? delay : least;
            most = delay > most ? delay : most;
            sum += delay;
        }
        assert_true(least >= rows[i].low && least < rows[i].low + 20);
        assert_true(most <= rows[i].high && most >= rows[i].high - 20);
        assert_true(sum / 10000 > middle - 20 && sum / 10000 < middle + 20);
    }
}

static void the_cap_holds_before_jitter(void **state)
{
    struct belay_backoff b =
        backoff_of((struct belay_backoff_options){.delay_ms = 900, .delay_max_ms = 1000});

    (void)state;
    belay_backoff_failed(&b, 0);
    assert_in_range(belay_backoff_failed(&b, UINT64_MAX), 1199, 1200);
}

static void failures_without_end_neither_overflow_nor_take_time(void **state)
{
    struct belay_backoff b = backoff_of(
        (struct belay_backoff_options){.delay_ms = BELAY_NONE, .jitter = BELAY_JITTER_NONE});

    (void)state;
    b.failures = INT32_MAX - 2;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(belay_backoff_failed(&b, 0), 0);
    assert_int_equal(b.failures, INT32_MAX);
    b = backoff_of((struct belay_backoff_options){.jitter = BELAY_JITTER_NONE});
    b.failures = INT32_MAX - 2;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(belay_backoff_failed(&b, 0), 10000);
    b = backoff_of(
        (struct belay_backoff_options){.jitter = BELAY_JITTER_NONE, .attempts_max = INT32_MAX - 1});
    b.failures = INT32_MAX - 2;
    assert_int_equal(belay_backoff_failed(&b, 0), 10000);
    assert_int_equal(belay_backoff_failed(&b, 0), BELAY_FOREVER);
}

static void bad_options_change_nothing(void **state)
{
    static const struct belay_backoff_options bad[] = {
        {.delay_ms = -3},
        {.delay_ms = 86400001},
        {.delay_ms = BELAY_FOREVER},
        {.delay_max_ms = BELAY_NONE},
        {.factor_percent = 99},
        {.factor_percent = BELAY_FOREVER},
        {.spread_percent = 101},
        {.attempts_max = -3},
        {.jitter = (enum belay_jitter)4},
        {.jitter = (enum belay_jitter) - 1},
    };
    struct belay_backoff b, before;

    (void)state;
    memset(&before, 0x5a, sizeof before);
    b = before;
    for (size_t i = 0; i < BL_COUNT(bad); i++) {
        struct belay_backoff_options o = bad[i];

        o.size = sizeof o;
        assert_int_equal(belay_backoff_init(&b, &o), BELAY_EINVAL);
        assert_memory_equal(&b, &before, sizeof b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_follow_the_table),
        cmocka_unit_test(no_options_are_the_defaults),
        cmocka_unit_test(jitter_stays_within_its_bounds_and_reaches_them),
        cmocka_unit_test(the_cap_holds_before_jitter),
        cmocka_unit_test(failures_without_end_neither_overflow_nor_take_time),
        cmocka_unit_test(bad_options_change_nothing),
    };
    return cmocka_run_group_tests_name("conn_backoff", tests, NULL, NULL);
}
