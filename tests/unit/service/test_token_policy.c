/* SPDX-License-Identifier: MIT */
/* When tokens are fetched, in virtual time. */
#include "service/token_policy.h"

#include "support/test.h"

#define S(n) ((uint64_t)(n)*1000000000u)

struct rig {
    struct bl_tp tp;
    uint64_t now;
};

static void rig_open(struct rig *r)
{
    bl_tp_init(&r->tp);
    r->now = S(1000);
}

static void expect(struct rig *r, uint64_t refused, enum bl_tp_verdict verdict, bool fetch)
{
    bool begun;

    assert_int_equal(bl_tp_ask(&r->tp, refused, r->now, &begun), verdict);
    assert_int_equal(begun, fetch);
}

/* The first token, good for so long. */
static void begin(struct rig *r, int64_t life_s)
{
    rig_open(r);
    expect(r, 0, BL_TP_WAIT, true);
    bl_tp_fetched(&r->tp, life_s);
    assert_int_equal(bl_tp_settled(&r->tp, true, r->now), BL_TP_USE);
}

static void the_first_who_asks_begins_the_first_fetch(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_false(r.tp.fetching);
    expect(&r, 0, BL_TP_WAIT, true);
}

static void who_asks_at_the_same_time_shares_one_fetch(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    expect(&r, 0, BL_TP_WAIT, true);
    expect(&r, 0, BL_TP_WAIT, false);
    r.now += S(3);
    expect(&r, 0, BL_TP_WAIT, false);
}

static void a_token_with_time_left_is_used(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 3600);
    r.now += S(3600 - 60) - 1;
    expect(&r, 0, BL_TP_USE, false);
}

static void a_token_with_60_seconds_left_is_used_and_renewed(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 3600);
    r.now += S(3600 - 60);
    expect(&r, 0, BL_TP_USE, true);
    expect(&r, 0, BL_TP_USE, false);
    bl_tp_fetched(&r.tp, 3600);
    assert_int_equal(r.tp.number, 2);
    r.now += S(3539);
    expect(&r, 0, BL_TP_USE, false);
}

static void a_token_whose_time_is_over_is_not_used(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 3600);
    r.now += S(3600) - 1;
    expect(&r, 0, BL_TP_USE, true);
    r.now++;
    expect(&r, 0, BL_TP_WAIT, false);
}

static void a_token_lives_from_when_its_fetch_began(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    expect(&r, 0, BL_TP_WAIT, true);
    r.now += S(8);
    bl_tp_fetched(&r.tp, 3600);
    r.now += S(3600 - 60 - 8);
    expect(&r, 0, BL_TP_USE, true);
}

static void after_a_failed_fetch_the_token_is_used_until_its_time_is_over(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 3600);
    r.now += S(3590);
    expect(&r, 0, BL_TP_USE, true);
    bl_tp_failed(&r.tp, r.now);
    assert_int_equal(bl_tp_settled(&r.tp, false, r.now), BL_TP_USE);
    expect(&r, 0, BL_TP_USE, false);
    r.now += S(5) - 1;
    expect(&r, 0, BL_TP_USE, false);
    r.now++;
    expect(&r, 0, BL_TP_USE, true);
    r.now += S(5);
    bl_tp_failed(&r.tp, r.now);
    assert_int_equal(bl_tp_settled(&r.tp, false, r.now), BL_TP_NONE);
    expect(&r, 0, BL_TP_NONE, false);
}

static void without_a_token_nobody_waits_for_the_throttle(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    expect(&r, 0, BL_TP_WAIT, true);
    bl_tp_failed(&r.tp, r.now);
    assert_int_equal(bl_tp_settled(&r.tp, false, r.now), BL_TP_NONE);
    r.now += S(5) - 1;
    expect(&r, 0, BL_TP_NONE, false);
    r.now++;
    expect(&r, 0, BL_TP_WAIT, true);
}

static void a_refused_token_is_replaced_whatever_failed_before(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 3600);
    r.now += S(3550);
    expect(&r, 0, BL_TP_USE, true);
    bl_tp_failed(&r.tp, r.now);
    expect(&r, 1, BL_TP_WAIT, true);
    expect(&r, 1, BL_TP_WAIT, false);
    bl_tp_fetched(&r.tp, 3600);
    assert_int_equal(bl_tp_settled(&r.tp, true, r.now), BL_TP_USE);
}

static void who_was_refused_with_an_older_token_gets_the_newer(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 3600);
    expect(&r, 1, BL_TP_WAIT, true);
    bl_tp_fetched(&r.tp, 3600);
    expect(&r, 1, BL_TP_USE, false);
    expect(&r, 2, BL_TP_WAIT, true);
}

static void who_was_refused_waits_for_the_fetch_under_way(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 3600);
    r.now += S(3550);
    expect(&r, 0, BL_TP_USE, true);
    expect(&r, 1, BL_TP_WAIT, false);
}

static void a_short_lived_token_is_not_renewed_with_each_call(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, 30);
    expect(&r, 0, BL_TP_USE, false);
    r.now += S(15) - 1;
    expect(&r, 0, BL_TP_USE, false);
    r.now++;
    expect(&r, 0, BL_TP_USE, true);
}

static void who_waited_gets_what_came_though_its_time_is_over(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    expect(&r, 0, BL_TP_WAIT, true);
    r.now += S(9);
    bl_tp_fetched(&r.tp, 5);
    assert_int_equal(bl_tp_settled(&r.tp, true, r.now), BL_TP_USE);
    expect(&r, 0, BL_TP_WAIT, true);
}

static void a_life_of_ages_is_a_year(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, INT64_MAX);
    r.now += S(BL_TP_LIFE_MAX_S - 60);
    expect(&r, 0, BL_TP_USE, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_who_asks_begins_the_first_fetch),
        cmocka_unit_test(who_asks_at_the_same_time_shares_one_fetch),
        cmocka_unit_test(a_token_with_time_left_is_used),
        cmocka_unit_test(a_token_with_60_seconds_left_is_used_and_renewed),
        cmocka_unit_test(a_token_whose_time_is_over_is_not_used),
        cmocka_unit_test(a_token_lives_from_when_its_fetch_began),
        cmocka_unit_test(after_a_failed_fetch_the_token_is_used_until_its_time_is_over),
        cmocka_unit_test(without_a_token_nobody_waits_for_the_throttle),
        cmocka_unit_test(a_refused_token_is_replaced_whatever_failed_before),
        cmocka_unit_test(who_was_refused_with_an_older_token_gets_the_newer),
        cmocka_unit_test(who_was_refused_waits_for_the_fetch_under_way),
        cmocka_unit_test(a_short_lived_token_is_not_renewed_with_each_call),
        cmocka_unit_test(who_waited_gets_what_came_though_its_time_is_over),
        cmocka_unit_test(a_life_of_ages_is_a_year),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
