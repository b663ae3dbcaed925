/* SPDX-License-Identifier: MIT */
/* The channel's decisions in virtual time: its states, what is dialled and looked up, and when. */
#include "policy_rig.h"

static void it_is_idle_until_somebody_wants_it(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_PICK_FIRST);
    expect_state(&r, BELAY_CHANNEL_IDLE);
    expect_nothing(&r);
    expect_no_wake(&r);
    begin(&r, 1);
    expect(&r, BL_CP_DIAL, 0);
    expect_nothing(&r);
    opened(&r, 0);
    expect_state(&r, BELAY_CHANNEL_READY);
    expect_nothing(&r);
}

/* 1 s, x 1.6, from start to start. */
static void one_address_is_tried_at_these_times(void **state)
{
    static const uint64_t waits[] = {1000, 1600, 2560, 4096, 6553};
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_PICK_FIRST, 1);
    bl_cp_call(&r.cp);
    for (int i = 0; i < 5; i++) {
        uint64_t start = r.now;

        expect(&r, BL_CP_DIAL, 0);
        r.now += MS(100);
        failed(&r, 0);
        expect_state(&r, BELAY_CHANNEL_TRANSIENT_FAILURE);
        for (struct bl_cp_sub *sub; r.now < start + MS(waits[i]);) {
            enum bl_cp_todo todo = next(&r, &sub);

            if (todo == BL_CP_RESOLVE)
                bl_cp_resolved(&r.cp, false, r.now);
            else
                assert_int_equal(todo, BL_CP_NONE);
            if (bl_cp_wakes(&r.cp) > start + MS(waits[i]))
                fail_msg("wakes too late");
            r.now = bl_cp_wakes(&r.cp);
        }
        assert_int_equal((r.now - start) / 1000000u, waits[i]);
        expect_state(&r, BELAY_CHANNEL_TRANSIENT_FAILURE);
        if (r.cp.want_resolve) {
            expect(&r, BL_CP_RESOLVE, -1);
            bl_cp_resolved(&r.cp, false, r.now);
        }
    }
}

static void reset_backoff_forgets_the_failures(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_PICK_FIRST, 1);
    dial_failed(&r, 0);
    expect_nothing(&r);
    bl_cp_reset_backoff(&r.cp, r.now);
    expect(&r, BL_CP_RESOLVE, -1);
    expect(&r, BL_CP_DIAL, 0);
    assert_int_equal(r.subs[0].backoff.failures, 0);
}

static void the_next_address_is_tried_when_one_fails_or_is_slow(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_PICK_FIRST, 3);
    expect(&r, BL_CP_DIAL, 0);
    expect_nothing(&r);
    wake(&r, 250);
    expect(&r, BL_CP_DIAL, 1);
    expect_nothing(&r);
    failed(&r, 1);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
    dial_opened(&r, 2);
    expect_state(&r, BELAY_CHANNEL_READY);
    expect(&r, BL_CP_CANCEL, 0);
}

static void it_fails_when_all_addresses_have(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_PICK_FIRST, 2);
    dial_failed(&r, 0);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
    dial_failed(&r, 1);
    expect_state(&r, BELAY_CHANNEL_TRANSIENT_FAILURE);
    wake(&r, 1000);
    expect(&r, BL_CP_RESOLVE, -1);
    expect(&r, BL_CP_DIAL, 0);
    expect(&r, BL_CP_DIAL, 1);
    expect_state(&r, BELAY_CHANNEL_TRANSIENT_FAILURE);
    opened(&r, 1);
    expect_state(&r, BELAY_CHANNEL_READY);
}

static void an_attempt_has_its_limit(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_PICK_FIRST, 1);
    bl_cp_call(&r.cp);
    expect(&r, BL_CP_DIAL, 0);
    wake(&r, 20000);
    expect(&r, BL_CP_GIVE_UP, 0);
}

static void a_lost_connection_leaves_pick_first_idle(void **state)
{
    struct rig r;

    (void)state;
    rig_up(&r);
    lost(&r, 0);
    expect_state(&r, BELAY_CHANNEL_IDLE);
    expect_nothing(&r);
    r.now += MS(5000);
    bl_cp_connect(&r.cp, r.now);
    expect(&r, BL_CP_RESOLVE, -1);
    expect(&r, BL_CP_DIAL, 0);
}

/* Nothing came of it: it would go on for ever at the speed of the network. */
static void a_connection_that_was_of_no_use_is_not_opened_again_at_once(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_PICK_FIRST, 1);
    bl_cp_call(&r.cp);
    dial_opened(&r, 0);
    r.now += MS(10);
    bl_cp_lost(&r.cp, &r.subs[0], false, false, r.now);
    bl_cp_connect(&r.cp, r.now);
    expect_nothing(&r);
    expect_state(&r, BELAY_CHANNEL_CONNECTING); /* calls wait for it */
    wake(&r, 990);
    expect(&r, BL_CP_RESOLVE, -1);
    expect(&r, BL_CP_DIAL, 0);
}

/* One had failed long before, and is the only one that the next answer leaves. */
static void what_failed_before_another_was_chosen_is_tried_before_it_fails(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_PICK_FIRST, 2);
    dial_failed(&r, 0);
    dial_opened(&r, 1);
    expect_state(&r, BELAY_CHANNEL_READY);
    r.now += MS(5000);
    expect(&r, BL_CP_RESOLVE, -1);
    bl_cp_remove(&r.cp, &r.subs[1]);
    bl_cp_resolved(&r.cp, true, r.now);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
    expect(&r, BL_CP_DIAL, 0);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
    failed(&r, 0);
    expect_state(&r, BELAY_CHANNEL_TRANSIENT_FAILURE);
}

static void a_name_is_looked_up_once_a_second_at_most(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_ROUND_ROBIN, 1);
    dial_failed(&r, 0);
    expect_nothing(&r);
    r.now += MS(999);
    expect_nothing(&r);
    r.now += MS(1);
    expect(&r, BL_CP_RESOLVE, -1);
}

static void look_ups_that_fail_back_off_and_keep_what_is_known(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_PICK_FIRST);
    bl_cp_call(&r.cp);
    bl_cp_connect(&r.cp, r.now);
    expect(&r, BL_CP_RESOLVE, -1);
    bl_cp_unresolved(&r.cp, r.now);
    expect_state(&r, BELAY_CHANNEL_TRANSIENT_FAILURE);
    wake(&r, 1000);
    expect(&r, BL_CP_RESOLVE, -1);
    bl_cp_unresolved(&r.cp, r.now);
    wake(&r, 1600);
    expect(&r, BL_CP_RESOLVE, -1);
}

static void round_robin_is_as_good_as_its_best_address(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_ROUND_ROBIN, 3);
    for (int i = 0; i < 3; i++)
        expect(&r, BL_CP_DIAL, i);
    failed(&r, 0);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
    opened(&r, 1);
    expect_state(&r, BELAY_CHANNEL_READY);
    failed(&r, 2);
    expect_state(&r, BELAY_CHANNEL_READY);
    lost(&r, 1);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
    expect(&r, BL_CP_DIAL, 1); /* at once */
    failed(&r, 1);
    expect_state(&r, BELAY_CHANNEL_TRANSIENT_FAILURE);
}

/* Out of memory, say: the turn would never end. */
static void what_fails_inside_the_call_is_not_asked_for_again_in_it(void **state)
{
    struct bl_cp_sub *sub;
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_PICK_FIRST);
    r.cp.limits.backoff.options.delay_ms = r.cp.resolve_backoff.options.delay_ms = 0;
    bl_cp_connect(&r.cp, r.now);
    expect(&r, BL_CP_RESOLVE, -1);
    bl_cp_unresolved(&r.cp, r.now);
    expect_nothing(&r);
    r.now += MS(1);
    begin_again(&r, 1);
    dial_failed(&r, 0);
    while (next(&r, &sub) == BL_CP_RESOLVE)
        bl_cp_resolved(&r.cp, false, r.now);
    assert_null(sub);
    r.now += MS(1);
    expect(&r, BL_CP_DIAL, 0);
}

static void a_final_failure_is_the_last(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_PICK_FIRST, 1);
    bl_cp_call(&r.cp);
    expect(&r, BL_CP_DIAL, 0);
    assert_false(bl_cp_is_final(&r.cp));
    bl_cp_failed(&r.cp, &r.subs[0], true, r.now);
    assert_true(bl_cp_is_final(&r.cp));
    expect_no_wake(&r);
    bl_cp_reset_backoff(&r.cp, r.now);
    expect(&r, BL_CP_DIAL, 0);
}

static void health_decides_where_it_is_asked(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_PICK_FIRST);
    r.cp.limits.health = true;
    begin(&r, 1);
    dial_opened(&r, 0);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
    bl_cp_health(&r.cp, &r.subs[0], BELAY_CHANNEL_TRANSIENT_FAILURE);
    expect_state(&r, BELAY_CHANNEL_TRANSIENT_FAILURE);
    bl_cp_health(&r.cp, &r.subs[0], BELAY_CHANNEL_READY);
    expect_state(&r, BELAY_CHANNEL_READY);
    bl_cp_health(&r.cp, &r.subs[0], BELAY_CHANNEL_CONNECTING);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
}

static void a_closed_channel_does_nothing(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_ROUND_ROBIN, 2);
    bl_cp_close(&r.cp);
    expect_state(&r, BELAY_CHANNEL_SHUTDOWN);
    expect_nothing(&r);
    expect_no_wake(&r);
    bl_cp_connect(&r.cp, r.now);
    expect_state(&r, BELAY_CHANNEL_SHUTDOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_idle_until_somebody_wants_it),
        cmocka_unit_test(one_address_is_tried_at_these_times),
        cmocka_unit_test(reset_backoff_forgets_the_failures),
        cmocka_unit_test(the_next_address_is_tried_when_one_fails_or_is_slow),
        cmocka_unit_test(it_fails_when_all_addresses_have),
        cmocka_unit_test(an_attempt_has_its_limit),
        cmocka_unit_test(a_lost_connection_leaves_pick_first_idle),
        cmocka_unit_test(a_connection_that_was_of_no_use_is_not_opened_again_at_once),
        cmocka_unit_test(what_failed_before_another_was_chosen_is_tried_before_it_fails),
        cmocka_unit_test(a_name_is_looked_up_once_a_second_at_most),
        cmocka_unit_test(look_ups_that_fail_back_off_and_keep_what_is_known),
        cmocka_unit_test(round_robin_is_as_good_as_its_best_address),
        cmocka_unit_test(what_fails_inside_the_call_is_not_asked_for_again_in_it),
        cmocka_unit_test(a_final_failure_is_the_last),
        cmocka_unit_test(health_decides_where_it_is_asked),
        cmocka_unit_test(a_closed_channel_does_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
