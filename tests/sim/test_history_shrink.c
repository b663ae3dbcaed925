/* SPDX-License-Identifier: MIT */
/* A history that fails is made small, and the small one fails in the same way. The failures are made on purpose. */
#include "sim/history.h"
#include "sim/history_shrink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS 40

static struct coverage coverage;

static int run(uint64_t seed, const struct history_options *options, char *text, size_t size)
{
    return history_run(seed, options, &coverage, text, size);
}

static uint64_t first_that_fails(const struct history_options *options, struct history_shrunk *ret)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        if (history_shrink(run, seed, options, ret) == 0)
            return seed;
    fail_msg("none of %d histories fails", SEEDS);
    return 0;
}

static void history_that_fails_is_shrunk_to_a_few_steps(void **state)
{
    struct history_options o = {.sabotage = SIM_SABOTAGE_USES};
    struct history_shrunk shrunk, again;
    uint64_t seed = first_that_fails(&o, &shrunk);

    (void)state;
    assert_non_null(strstr(shrunk.before_text, "is lent for the 9th time"));
    assert_true(history_same_failure(shrunk.before_text, shrunk.text));
    assert_true(shrunk.after * 4 <= shrunk.before);
    assert_in_range(shrunk.after, 1, 24);
    o.items = &shrunk.items;
    assert_int_equal(history_shrink(run, seed, &o, &again), 0);
    assert_string_equal(again.before_text, shrunk.text);
    o.sabotage = SIM_SABOTAGE_NONE;
    assert_int_equal(history_shrink(run, seed, &o, &again), -1);
}

static void history_that_crashes_is_shrunk_too(void **state)
{
    struct history_options o = {.sabotage = SIM_SABOTAGE_CRASH};
    struct history_shrunk shrunk;

    (void)state;
    first_that_fails(&o, &shrunk);
    assert_non_null(strstr(shrunk.before_text, "signal 6"));
    assert_non_null(strstr(shrunk.text, "signal 6"));
    assert_true(shrunk.after * 4 <= shrunk.before);
    assert_in_range(shrunk.after, 1, 24);
}

static void what_is_left_of_a_history_is_text_and_back(void **state)
{
    struct history_items items = {0}, back;
    char text[HISTORY_ITEMS_TEXT];

    (void)state;
    history_items_keep(&items, 3, true);
    for (unsigned i = 62; i < 70; i++)
        history_items_keep(&items, i, true);
    history_items_keep(&items, HISTORY_ITEMS_MAX - 1, true);
    history_items_print(&items, text, sizeof text);
    assert_string_equal(text, "3,62-69,1023");
    assert_int_equal(history_items_parse(&back, text), 0);
    assert_memory_equal(&back, &items, sizeof items);
    assert_int_equal(history_items_parse(&back, ""), 0);
    assert_int_equal(history_items_count(&back), 0);
    assert_int_equal(history_items_parse(&back, "4-2"), -1);
    assert_int_equal(history_items_parse(&back, "1024"), -1);
    assert_int_equal(history_items_parse(&back, "1,x"), -1);
}

static void failures_are_the_same_but_for_numbers_and_hosts(void **state)
{
    (void)state;
    assert_true(
        history_same_failure("connection 12 is lent 3 times", "connection 7 is lent 2 times"));
    assert_true(history_same_failure("a.sim.test is full", "b.sim.test is full"));
    assert_false(history_same_failure("connection 1 is lent", "connection 1 is idle"));
    assert_false(history_same_failure("connection 1 is lent", "connection 1 is lent twice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history_that_fails_is_shrunk_to_a_few_steps),
        cmocka_unit_test(history_that_crashes_is_shrunk_too),
        cmocka_unit_test(what_is_left_of_a_history_is_text_and_back),
        cmocka_unit_test(failures_are_the_same_but_for_numbers_and_hosts),
    };

    return cmocka_run_group_tests_name("history_shrink", tests, NULL, NULL);
}
