/* SPDX-License-Identifier: MIT */
/* The channel's decisions in virtual time. */
#include "grpc/channel_policy.h"

#include "support/test.h"

#define MS(n)  ((uint64_t)(n)*1000000u)
#define SUBS_N 4

struct rig {
    struct bl_cp cp;
    struct bl_cp_sub subs[SUBS_N];
    uint64_t now;
};

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

static void rig_open(struct rig *r, enum belay_lb_policy lb)
{
    struct belay_backoff_options o = belay_backoff_options_init();
    struct bl_cp_limits limits = {
        .lb = lb, .attempt_ns = MS(20000), .idle_ns = MS(60000), .connections_max = 2};

    o.delay_ms = 1000;
    o.delay_max_ms = 120000;
    o.factor_percent = 160;
    o.spread_percent = BELAY_NONE;
    assert_int_equal(belay_backoff_init(&limits.backoff, &o), 0);
    r->now = MS(1000000);
    bl_cp_init(&r->cp, &limits, 1, r->now);
}

static enum bl_cp_todo next(struct rig *r, struct bl_cp_sub **sub)
{
    return bl_cp_next(&r->cp, r->now, sub);
}

static void expect_nothing(struct rig *r)
{
    struct bl_cp_sub *sub;

    assert_int_equal(next(r, &sub), BL_CP_NONE);
}

static void expect(struct rig *r, enum bl_cp_todo todo, int of)
{
    struct bl_cp_sub *sub;

    assert_int_equal(next(r, &sub), todo);
    if (of < 0)
        assert_null(sub);
    else
        assert_ptr_equal(sub, &r->subs[of]);
}

static void expect_state(const struct rig *r, enum belay_channel_state state)
{
    assert_string_equal(belay_channel_state_name(r->cp.state), belay_channel_state_name(state));
}

/* The look-up gives so many addresses. */
static void begin_again(struct rig *r, int n)
{
    expect(r, BL_CP_RESOLVE, -1);
    expect_nothing(r);
    for (int i = 0; i < n; i++) {
        bl_cp_sub_init(&r->subs[i], &r->cp);
        bl_list_push_back(&r->cp.subs, &r->subs[i].link);
    }
    bl_cp_resolved(&r->cp, true, r->now);
}

/* Connects, too. */
static void begin(struct rig *r, int n)
{
    bl_cp_connect(&r->cp, r->now);
    expect_state(r, BELAY_CHANNEL_CONNECTING);
    begin_again(r, n);
    expect_state(r, BELAY_CHANNEL_CONNECTING);
}

/* To where the policy wants to be asked, which is so many ms from now. */
static void wake(struct rig *r, uint64_t ms)
{
    uint64_t at = bl_cp_wakes(&r->cp);

    assert_int_equal((at - r->now) / 1000000u, ms);
    r->now = at;
}

static void it_is_idle_until_somebody_wants_it(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_PICK_FIRST);
    expect_state(&r, BELAY_CHANNEL_IDLE);
    expect_nothing(&r);
    assert_true(bl_cp_wakes(&r.cp) == BELAY_NEVER);
    begin(&r, 1);
    expect(&r, BL_CP_DIAL, 0);
    expect_nothing(&r);
    bl_cp_opened(&r.cp, &r.subs[0]);
    expect_state(&r, BELAY_CHANNEL_READY);
    expect_nothing(&r);
}

/* 1 s, x 1.6, from start to start. */
static void one_address_is_tried_at_these_times(void **state)
{
    static const uint64_t waits[] = {1000, 1600, 2560, 4096, 6553};
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_PICK_FIRST);
    begin(&r, 1);
    bl_cp_call(&r.cp);
    for (int i = 0; i < 5; i++) {
        uint64_t start = r.now;

        expect(&r, BL_CP_DIAL, 0);
        r.now += MS(100);
        bl_cp_failed(&r.cp, &r.subs[0], false, r.now);
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
    rig_open(&r, BELAY_PICK_FIRST);
    begin(&r, 1);
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_failed(&r.cp, &r.subs[0], false, r.now);
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
    rig_open(&r, BELAY_PICK_FIRST);
    begin(&r, 3);
    expect(&r, BL_CP_DIAL, 0);
    expect_nothing(&r);
    wake(&r, 250);
    expect(&r, BL_CP_DIAL, 1);
    expect_nothing(&r);
    bl_cp_failed(&r.cp, &r.subs[1], false, r.now);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
    expect(&r, BL_CP_DIAL, 2);
    bl_cp_opened(&r.cp, &r.subs[2]);
    expect_state(&r, BELAY_CHANNEL_READY);
    expect(&r, BL_CP_CANCEL, 0);
}

static void it_fails_when_all_addresses_have(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_PICK_FIRST);
    begin(&r, 2);
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_failed(&r.cp, &r.subs[0], false, r.now);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
    expect(&r, BL_CP_DIAL, 1);
    bl_cp_failed(&r.cp, &r.subs[1], false, r.now);
    expect_state(&r, BELAY_CHANNEL_TRANSIENT_FAILURE);
    wake(&r, 1000);
    expect(&r, BL_CP_RESOLVE, -1);
    expect(&r, BL_CP_DIAL, 0);
    expect(&r, BL_CP_DIAL, 1);
    expect_state(&r, BELAY_CHANNEL_TRANSIENT_FAILURE);
    bl_cp_opened(&r.cp, &r.subs[1]);
    expect_state(&r, BELAY_CHANNEL_READY);
}

static void an_attempt_has_its_limit(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_PICK_FIRST);
    begin(&r, 1);
    bl_cp_call(&r.cp);
    expect(&r, BL_CP_DIAL, 0);
    wake(&r, 20000);
    expect(&r, BL_CP_GIVE_UP, 0);
}

static void a_lost_connection_leaves_pick_first_idle(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_PICK_FIRST);
    begin(&r, 1);
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_opened(&r.cp, &r.subs[0]);
    bl_cp_lost(&r.cp, &r.subs[0], false, true, r.now);
    expect_state(&r, BELAY_CHANNEL_IDLE);
    expect_nothing(&r);
    r.now += MS(5000);
    bl_cp_connect(&r.cp, r.now);
    expect(&r, BL_CP_RESOLVE, -1);
    expect(&r, BL_CP_DIAL, 0);
}

static void of_two_that_answer_at_once_pick_first_keeps_one(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_PICK_FIRST);
    begin(&r, 2);
    expect(&r, BL_CP_DIAL, 0);
    wake(&r, 250);
    expect(&r, BL_CP_DIAL, 1);
    bl_cp_opened(&r.cp, &r.subs[1]);
    bl_cp_opened(&r.cp, &r.subs[0]);
    expect(&r, BL_CP_RELEASE, 0);
    expect_nothing(&r);
    expect_state(&r, BELAY_CHANNEL_READY);
}

/* One had failed long before, and is the only one that the next answer leaves. */
static void what_failed_before_another_was_chosen_is_tried_before_it_fails(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_PICK_FIRST);
    begin(&r, 2);
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_failed(&r.cp, &r.subs[0], false, r.now);
    expect(&r, BL_CP_DIAL, 1);
    bl_cp_opened(&r.cp, &r.subs[1]);
    expect_state(&r, BELAY_CHANNEL_READY);
    r.now += MS(5000);
    expect(&r, BL_CP_RESOLVE, -1);
    bl_cp_remove(&r.cp, &r.subs[1]);
    bl_cp_resolved(&r.cp, true, r.now);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
    expect(&r, BL_CP_DIAL, 0);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
    bl_cp_failed(&r.cp, &r.subs[0], false, r.now);
    expect_state(&r, BELAY_CHANNEL_TRANSIENT_FAILURE);
}

/* Nothing came of it: it would go on for ever at the speed of the network. */
static void a_connection_that_was_of_no_use_is_not_opened_again_at_once(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_PICK_FIRST);
    begin(&r, 1);
    bl_cp_call(&r.cp);
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_opened(&r.cp, &r.subs[0]);
    r.now += MS(10);
    bl_cp_lost(&r.cp, &r.subs[0], false, false, r.now);
    bl_cp_connect(&r.cp, r.now);
    expect_nothing(&r);
    expect_state(&r, BELAY_CHANNEL_CONNECTING); /* calls wait for it */
    wake(&r, 990);
    expect(&r, BL_CP_RESOLVE, -1);
    expect(&r, BL_CP_DIAL, 0);
}

static void nor_is_one_beside_another(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_PICK_FIRST);
    begin(&r, 1);
    bl_cp_call(&r.cp);
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_opened(&r.cp, &r.subs[0]);
    r.now += MS(5000);
    bl_cp_full(&r.cp, &r.subs[0]);
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_opened(&r.cp, &r.subs[0]);
    bl_cp_lost(&r.cp, &r.subs[0], false, false, r.now);
    bl_cp_full(&r.cp, &r.subs[0]);
    expect(&r, BL_CP_RESOLVE, -1);
    expect_nothing(&r);
    expect_state(&r, BELAY_CHANNEL_READY);
    wake(&r, 1000);
    expect(&r, BL_CP_DIAL, 0);
}

static void a_name_is_looked_up_once_a_second_at_most(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_ROUND_ROBIN);
    begin(&r, 1);
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_failed(&r.cp, &r.subs[0], false, r.now);
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
    rig_open(&r, BELAY_ROUND_ROBIN);
    begin(&r, 3);
    for (int i = 0; i < 3; i++)
        expect(&r, BL_CP_DIAL, i);
    bl_cp_failed(&r.cp, &r.subs[0], false, r.now);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
    bl_cp_opened(&r.cp, &r.subs[1]);
    expect_state(&r, BELAY_CHANNEL_READY);
    bl_cp_failed(&r.cp, &r.subs[2], false, r.now);
    expect_state(&r, BELAY_CHANNEL_READY);
    bl_cp_lost(&r.cp, &r.subs[1], false, true, r.now);
    expect_state(&r, BELAY_CHANNEL_CONNECTING);
    expect(&r, BL_CP_DIAL, 1); /* at once */
    bl_cp_failed(&r.cp, &r.subs[1], false, r.now);
    expect_state(&r, BELAY_CHANNEL_TRANSIENT_FAILURE);
}

static void round_robin_gives_each_its_turn(void **state)
{
    struct bl_cp_sub *full;
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_ROUND_ROBIN);
    begin(&r, 3);
    for (int i = 0; i < 3; i++)
        expect(&r, BL_CP_DIAL, i);
    bl_cp_opened(&r.cp, &r.subs[0]);
    bl_cp_opened(&r.cp, &r.subs[2]);
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
    rig_open(&r, BELAY_PICK_FIRST);
    begin(&r, 1);
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_opened(&r.cp, &r.subs[0]);
    expect_nothing(&r);
    bl_cp_full(&r.cp, &r.subs[0]);
    expect(&r, BL_CP_DIAL, 0);
    expect_state(&r, BELAY_CHANNEL_READY);
    expect_nothing(&r);
    bl_cp_opened(&r.cp, &r.subs[0]);
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
    rig_open(&r, BELAY_ROUND_ROBIN);
    begin(&r, 2);
    for (int i = 0; i < 2; i++) {
        expect(&r, BL_CP_DIAL, i);
        bl_cp_opened(&r.cp, &r.subs[i]);
    }
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
    rig_open(&r, BELAY_PICK_FIRST);
    begin(&r, 1);
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_opened(&r.cp, &r.subs[0]);
    bl_cp_full(&r.cp, &r.subs[0]);
    bl_cp_enough(&r.cp);
    expect_nothing(&r);
    bl_cp_full(&r.cp, &r.subs[0]);
    expect(&r, BL_CP_DIAL, 0);
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
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_failed(&r.cp, &r.subs[0], false, r.now);
    while (next(&r, &sub) == BL_CP_RESOLVE)
        bl_cp_resolved(&r.cp, false, r.now);
    assert_null(sub);
    r.now += MS(1);
    expect(&r, BL_CP_DIAL, 0);
}

static void it_sleeps_when_there_was_no_call_for_long(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_ROUND_ROBIN);
    begin(&r, 2);
    expect(&r, BL_CP_DIAL, 0);
    expect(&r, BL_CP_DIAL, 1);
    bl_cp_opened(&r.cp, &r.subs[0]);
    bl_cp_opened(&r.cp, &r.subs[1]);
    bl_cp_call(&r.cp);
    assert_true(bl_cp_wakes(&r.cp) == BELAY_NEVER);
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
    rig_open(&r, BELAY_ROUND_ROBIN);
    begin(&r, 1);
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_failed(&r.cp, &r.subs[0], false, r.now);
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
    rig_open(&r, BELAY_PICK_FIRST);
    begin(&r, 1);
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_opened(&r.cp, &r.subs[0]);
    bl_cp_full(&r.cp, &r.subs[0]);
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_lost(&r.cp, &r.subs[0], false, true, r.now);
    bl_cp_opened(&r.cp, &r.subs[0]);
    expect_state(&r, BELAY_CHANNEL_READY);
    wake(&r, 1000);
    expect(&r, BL_CP_RESOLVE, -1);
    bl_cp_resolved(&r.cp, false, r.now);
    wake(&r, 59000);
    expect(&r, BL_CP_RELEASE, 0);
    expect_state(&r, BELAY_CHANNEL_IDLE);
}

static void a_final_failure_is_the_last(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, BELAY_PICK_FIRST);
    begin(&r, 1);
    bl_cp_call(&r.cp);
    expect(&r, BL_CP_DIAL, 0);
    assert_false(bl_cp_is_final(&r.cp));
    bl_cp_failed(&r.cp, &r.subs[0], true, r.now);
    assert_true(bl_cp_is_final(&r.cp));
    assert_true(bl_cp_wakes(&r.cp) == BELAY_NEVER);
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
    expect(&r, BL_CP_DIAL, 0);
    bl_cp_opened(&r.cp, &r.subs[0]);
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
    rig_open(&r, BELAY_ROUND_ROBIN);
    begin(&r, 2);
    bl_cp_close(&r.cp);
    expect_state(&r, BELAY_CHANNEL_SHUTDOWN);
    expect_nothing(&r);
    assert_true(bl_cp_wakes(&r.cp) == BELAY_NEVER);
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
        cmocka_unit_test(nor_is_one_beside_another),
        cmocka_unit_test(of_two_that_answer_at_once_pick_first_keeps_one),
        cmocka_unit_test(what_failed_before_another_was_chosen_is_tried_before_it_fails),
        cmocka_unit_test(a_name_is_looked_up_once_a_second_at_most),
        cmocka_unit_test(look_ups_that_fail_back_off_and_keep_what_is_known),
        cmocka_unit_test(round_robin_is_as_good_as_its_best_address),
        cmocka_unit_test(round_robin_gives_each_its_turn),
        cmocka_unit_test(a_full_address_gets_connections_up_to_its_limit),
        cmocka_unit_test(an_address_at_its_limit_does_not_stand_before_another),
        cmocka_unit_test(a_connection_that_nobody_waits_for_any_more_is_not_opened),
        cmocka_unit_test(what_fails_inside_the_call_is_not_asked_for_again_in_it),
        cmocka_unit_test(it_sleeps_when_there_was_no_call_for_long),
        cmocka_unit_test(what_failed_before_it_slept_is_tried_when_it_wakes),
        cmocka_unit_test(it_sleeps_though_what_it_had_was_lost),
        cmocka_unit_test(a_final_failure_is_the_last),
        cmocka_unit_test(health_decides_where_it_is_asked),
        cmocka_unit_test(a_closed_channel_does_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
