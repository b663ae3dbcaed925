/* SPDX-License-Identifier: MIT */
/* The channel's connections in virtual time: which serve a call, those beyond the first, and none when no one calls. */
#include "policy_rig.h"

static bool all_have_room(const struct bl_cp_sub *sub)
{
    (void)sub;
    return true;
}

static bool none_has_room(const struct bl_cp_sub *sub)
{
    (void)sub;
    return false;
}

static void one_of_no_use_beside_another_is_not_opened_again_at_once(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_PICK_FIRST, 1);
    bl_cp_call(&r.cp);
    dial_opened(&r, 0);
    r.now += MS(5000);
    bl_cp_full(&r.cp, &r.subs[0]);
    dial_opened(&r, 0);
    bl_cp_lost(&r.cp, &r.subs[0], false, false, r.now);
    bl_cp_full(&r.cp, &r.subs[0]);
    expect(&r, BL_CP_RESOLVE, -1);
    expect_nothing(&r);
    expect_state(&r, BELAY_CHANNEL_READY);
    wake(&r, 1000);
    expect(&r, BL_CP_DIAL, 0);
}

static void of_two_that_answer_at_once_pick_first_keeps_one(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_PICK_FIRST, 2);
    expect(&r, BL_CP_DIAL, 0);
    wake(&r, 250);
    dial_opened(&r, 1);
    opened(&r, 0);
    expect(&r, BL_CP_RELEASE, 0);
    expect_nothing(&r);
    expect_state(&r, BELAY_CHANNEL_READY);
}

static void round_robin_gives_each_its_turn(void **state)
{
    struct bl_cp_sub *full;
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_ROUND_ROBIN, 3);
    for (int i = 0; i < 3; i++)
        expect(&r, BL_CP_DIAL, i);
    opened(&r, 0);
    opened(&r, 2);
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(bl_cp_pick(&r.cp, all_have_room, &full), &r.subs[0]);
        assert_ptr_equal(bl_cp_pick(&r.cp, all_have_room, &full), &r.subs[2]);
    }
    assert_null(full);
    assert_null(bl_cp_pick(&r.cp, none_has_room, &full));
    assert_non_null(full);
}

static void a_full_address_gets_connections_up_to_its_limit(void **state)
{
    struct rig r;

    (void)state;
    rig_up(&r);
    expect_nothing(&r);
    bl_cp_full(&r.cp, &r.subs[0]);
    expect(&r, BL_CP_DIAL, 0);
    expect_state(&r, BELAY_CHANNEL_READY);
    expect_nothing(&r);
    opened(&r, 0);
    bl_cp_full(&r.cp, &r.subs[0]);
    expect_nothing(&r);
    bl_cp_lost(&r.cp, &r.subs[0], true, true, r.now);
    expect_state(&r, BELAY_CHANNEL_READY);
    bl_cp_full(&r.cp, &r.subs[0]); /* the one that ends still counts */
    r.now += MS(1000);
    expect(&r, BL_CP_RESOLVE, -1);
    expect_nothing(&r);
    bl_cp_ended(&r.subs[0]);
    bl_cp_full(&r.cp, &r.subs[0]);
    expect(&r, BL_CP_DIAL, 0);
}

/* Otherwise calls would wait for the one while the other may grow. */
static void an_address_at_its_limit_does_not_stand_before_another(void **state)
{
    struct bl_cp_sub *full;
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_ROUND_ROBIN, 2);
    for (int i = 0; i < 2; i++)
        dial_opened(&r, i);
    r.subs[0].ready = 2; /* of two */
    assert_null(bl_cp_pick(&r.cp, none_has_room, &full));
    assert_ptr_equal(full, &r.subs[1]);
    r.subs[1].ready = 2;
    assert_null(bl_cp_pick(&r.cp, none_has_room, &full));
    assert_ptr_equal(full, &r.subs[0]);
}

static void a_connection_that_nobody_waits_for_any_more_is_not_opened(void **state)
{
    struct rig r;

    (void)state;
    rig_up(&r);
    bl_cp_full(&r.cp, &r.subs[0]);
    bl_cp_enough(&r.cp);
    expect_nothing(&r);
    bl_cp_full(&r.cp, &r.subs[0]);
    expect(&r, BL_CP_DIAL, 0);
}

static void it_sleeps_when_there_was_no_call_for_long(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_ROUND_ROBIN, 2);
    expect(&r, BL_CP_DIAL, 0);
    expect(&r, BL_CP_DIAL, 1);
    opened(&r, 0);
    opened(&r, 1);
    bl_cp_call(&r.cp);
    expect_no_wake(&r);
    r.now += MS(100000);
    bl_cp_call_done(&r.cp, r.now);
    wake(&r, 60000);
    expect(&r, BL_CP_RELEASE, 0);
    expect(&r, BL_CP_RELEASE, 1);
    expect_nothing(&r);
    expect_state(&r, BELAY_CHANNEL_IDLE);
    bl_cp_connect(&r.cp, r.now);
    expect(&r, BL_CP_RESOLVE, -1); /* who knows what has become of them meanwhile */
    expect(&r, BL_CP_DIAL, 0);
}

static void what_failed_before_it_slept_is_tried_when_it_wakes(void **state)
{
    struct rig r;

    (void)state;
    rig_begin(&r, BELAY_ROUND_ROBIN, 1);
    dial_failed(&r, 0);
    expect_state(&r, BELAY_CHANNEL_TRANSIENT_FAILURE);
    r.now += MS(60000);
    expect_nothing(&r);
    expect_state(&r, BELAY_CHANNEL_IDLE);
    bl_cp_connect(&r.cp, r.now);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
    expect(&r, BL_CP_RESOLVE, -1);
    expect(&r, BL_CP_DIAL, 0);
}

static void it_sleeps_though_what_it_had_was_lost(void **state)
{
    struct rig r;

    (void)state;
    rig_up(&r);
    bl_cp_full(&r.cp, &r.subs[0]);
    expect(&r, BL_CP_DIAL, 0);
    lost(&r, 0);
    opened(&r, 0);
    expect_state(&r, BELAY_CHANNEL_READY);
    wake(&r, 1000);
    expect(&r, BL_CP_RESOLVE, -1);
    bl_cp_resolved(&r.cp, false, r.now);
    wake(&r, 59000);
    expect(&r, BL_CP_RELEASE, 0);
    expect_state(&r, BELAY_CHANNEL_IDLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_no_use_beside_another_is_not_opened_again_at_once),
        cmocka_unit_test(of_two_that_answer_at_once_pick_first_keeps_one),
        cmocka_unit_test(round_robin_gives_each_its_turn),
        cmocka_unit_test(a_full_address_gets_connections_up_to_its_limit),
        cmocka_unit_test(an_address_at_its_limit_does_not_stand_before_another),
        cmocka_unit_test(a_connection_that_nobody_waits_for_any_more_is_not_opened),
        cmocka_unit_test(it_sleeps_when_there_was_no_call_for_long),
        cmocka_unit_test(what_failed_before_it_slept_is_tried_when_it_wakes),
        cmocka_unit_test(it_sleeps_though_what_it_had_was_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
