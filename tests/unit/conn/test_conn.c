/* SPDX-License-Identifier: MIT */
/*
 * A connection from the endpoint (form 2), in virtual time: in every phase every up-call does what
 * the table says, or nothing.
 */
#include "conn/conn.h"

#include <stdio.h>

#include "conn/endpoint.h"
#include "unit/conn/conn_world.h"
#include "unit/conn/keeper_kit.h"

static struct conn_world world;
static struct belay_endpoint *endpoint;
static struct puppet puppet;
static struct keeper keeper;

static int set_up(void **state)
{
    (void)state;
    conn_world_set_up(&world);
    endpoint = conn_world_endpoint(&world, "tcp://a.test:1");
    puppet_init(&puppet);
    keeper_init(&keeper);
    return 0;
}

static void settle(void)
{
    conn_world_settle(&world);
}

static void pass(int64_t ms)
{
    conn_world_pass(&world, ms);
}

static int tear_down(void **state)
{
    (void)state;
    if (keeper.conn) {
        puppet.close_later = puppet.cancel_later = false;
        bl_conn_close(keeper.conn, BELAY_REASON_OWNER_CLOSED);
        if (keeper.conn)
            belay_conn_closed(keeper.conn);
        settle();
        assert_null(keeper.conn);
    }
    belay_endpoint_unref(endpoint);
    conn_world_tear_down(&world);
    return 0;
}

static struct belay_conn *open_conn(void)
{
    assert_int_equal(keeper_open(&keeper, endpoint, &puppet.connector), 0);
    return keeper.conn;
}

/* ---- phases and up-calls ---- */

enum phase { NEW, SESSION, OPEN, LOST, CANCELLING, ENDING, DONE, PHASES };
enum up_call { DONE_1, FAILED, CAPACITY, DRAINING, SUSPECT, LOSE, CHECKED, CLOSED, UP_CALLS };

static const char *const phase_names[] = {"new",        "session", "open", "lost",
                                          "cancelling", "ending",  "done"};
static const char *const call_names[] = {"open_done", "open_failed", "set_capacity", "draining",
                                         "suspect",   "lost",        "checked",      "closed"};

static void bring_to(enum phase phase)
{
    struct belay_conn *c = open_conn();

    puppet.close_later = puppet.cancel_later = true;
    if (phase == NEW)
        return;
    settle();
    assert_int_equal(puppet.n, 1);
    if (phase == SESSION)
        return;
    if (phase == CANCELLING) {
        bl_conn_close(c, BELAY_REASON_EVICTED);
        return;
    }
    if (phase == DONE) {
        puppet_fail(puppet_conn(&puppet, 0), BELAY_ECONNECT);
        return;
    }
    puppet_up(puppet_conn(&puppet, 0), 1);
    if (phase == LOST)
        puppet_lose(puppet_conn(&puppet, 0), BELAY_ERESET);
    settle();
    if (phase == ENDING)
        bl_conn_close(c, BELAY_REASON_EVICTED);
}

static void call_up(struct belay_conn *c, enum up_call call)
{
    struct belay_error error = puppet_error(BELAY_EPROTO, BELAY_STAGE_PROTOCOL);

    switch (call) {
    case DONE_1:
        belay_conn_open_done(c, belay_conn_state(c), 3);
        break;
    case FAILED:
        belay_conn_open_failed(c, &error);
        break;
    case CAPACITY:
        belay_conn_set_capacity(c, 7);
        break;
    case DRAINING:
        belay_conn_draining(c);
        break;
    case SUSPECT:
        belay_conn_suspect(c);
        break;
    case LOSE:
        belay_conn_lost(c, BELAY_REASON_UNHEALTHY, &error);
        break;
    case CHECKED:
        belay_conn_checked(c, 0);
        break;
    case CLOSED:
        belay_conn_closed(c);
        break;
    case UP_CALLS:
        break;
    }
}

/* What each up-call brings about in each phase: told, or - for ignored. */
static const char effects[PHASES][UP_CALLS + 1] = {
    /*               done failed capacity draining suspect lost checked closed */
    [NEW] = "--------",        [SESSION] = "of---f--", [OPEN] = "--ccccx-", [LOST] = "--ccc-x-",
    [CANCELLING] = "-------e", [ENDING] = "-------e",  [DONE] = "--------",
};

static void check_effect(enum phase phase, enum up_call call, const struct keeper *before)
{
    char effect = effects[phase][call];
    bool ok = keeper.opened - before->opened == (effect == 'o') &&
              keeper.failed - before->failed == (effect == 'f' || phase == DONE) &&
              keeper.changed - before->changed == (effect == 'c') &&
              keeper.checked - before->checked == (effect == 'x') &&
              keeper.closed - before->closed == (effect == 'e');

    if (!ok)
        fail_msg("%s in phase %s: %u opened, %u failed, %u changed, %u checked, %u closed",
                 call_names[call], phase_names[phase], keeper.opened, keeper.failed, keeper.changed,
                 keeper.checked, keeper.closed);
}

static void every_up_call_in_every_phase(void **state)
{
    (void)state;
    for (int phase = 0; phase < PHASES; phase++)
        for (int call = 0; call < UP_CALLS; call++) {
            struct keeper before;
            struct belay_conn *c;

            if (phase + call > 0)
                set_up(NULL);
            bring_to((enum phase)phase);
            before = keeper;
            c = keeper.conn;
            call_up(c, (enum up_call)call);
            assert_int_equal(keeper_told(&keeper), keeper_told(&before)); /* never inside */
            settle();
            check_effect((enum phase)phase, (enum up_call)call, &before);
            if (phase + call < PHASES + UP_CALLS - 2)
                tear_down(NULL);
        }
}

static void facts_are_what_was_said(void **state)
{
    struct belay_conn *c;

    (void)state;
    bring_to(OPEN);
    c = keeper.conn;
    assert_int_equal(keeper.facts.capacity, 1);
    belay_conn_set_capacity(c, 1); /* no news */
    settle();
    assert_int_equal(keeper.changed, 0);
    belay_conn_set_capacity(c, 9);
    belay_conn_draining(c);
    belay_conn_draining(c);
    belay_conn_suspect(c);
    settle();
    assert_int_equal(keeper.changed, 1); /* told together */
    assert_int_equal(keeper.facts.capacity, 9);
    assert_true(keeper.facts.draining && keeper.facts.suspect && !keeper.facts.lost);
    belay_conn_set_capacity(c, -5);
    settle();
    assert_int_equal(keeper.facts.capacity, 0);
    belay_conn_set_capacity(c, -6);
    settle();
    assert_int_equal(keeper.changed, 2);
    belay_conn_checked(c, 0);
    settle();
    assert_false(bl_conn_facts(c)->suspect);
    belay_conn_suspect(c);
    belay_conn_checked(c, BELAY_EUNHEALTHY);
    settle();
    assert_int_equal(keeper.check_result, BELAY_EUNHEALTHY);
    assert_true(bl_conn_facts(c)->suspect);
}

static void lost_is_told_once_with_a_reason(void **state)
{
    static const struct {
        enum belay_reason given;
        int code; /* 0: no error */
        enum belay_reason told;
    } rows[] = {
        {BELAY_REASON_NONE, BELAY_EEOF, BELAY_REASON_PEER_CLOSED},
        {BELAY_REASON_NONE, 0, BELAY_REASON_PEER_CLOSED},
        {BELAY_REASON_NONE, BELAY_ERESET, BELAY_REASON_ERROR},
        {BELAY_REASON_UNHEALTHY, BELAY_EEOF, BELAY_REASON_UNHEALTHY},
        {BELAY_REASON_PEER_CLOSED, BELAY_ERESET, BELAY_REASON_PEER_CLOSED},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct belay_error error = {.code = rows[i].code, .stage = BELAY_STAGE_USE};

        if (i > 0)
            set_up(NULL);
        bring_to(OPEN);
        error.kind = belay_error_kind_of(error.code);
        snprintf(error.text, sizeof error.text, "row %zu", i);
        belay_conn_lost(keeper.conn, rows[i].given, error.code ? &error : NULL);
        belay_conn_lost(keeper.conn, BELAY_REASON_ERROR, &error);
        memset(&error, 0x5a, sizeof error); /* it was copied */
        settle();
        assert_int_equal(keeper.changed, 1);
        assert_int_equal(keeper.facts.lost_reason, rows[i].told);
        assert_int_equal(keeper.code, rows[i].code ? rows[i].code : BELAY_EEOF);
        assert_int_equal(keeper.stage, BELAY_STAGE_USE);
        if (i + 1 < BL_COUNT(rows))
            tear_down(NULL);
    }
}

/* ---- opening ---- */

static void opening_calls_nobody_back_inside(void **state)
{
    struct belay_conn *c;

    (void)state;
    puppet.capacity = 4;
    c = open_conn();
    assert_int_equal(puppet.n, 0);
    assert_int_equal(bl_conn_get_state(c), BL_CONN_OPENING);
    assert_ptr_equal(belay_conn_loop(c), world.loop);
    assert_ptr_equal(belay_conn_endpoint(c), endpoint);
    assert_null(belay_conn_stream(c));
    assert_true(belay_conn_id(c) > 0);
    assert_ptr_equal(bl_conn_of_extra(bl_conn_extra(c)), c);
    for (int i = 0; i < 64; i++)
        assert_int_equal(((char *)bl_conn_extra(c))[i], 0);
    settle();
    assert_int_equal(keeper.opened, 1);
    assert_int_equal(keeper.facts.capacity, 4);
    assert_ptr_equal(belay_conn_state(c), &puppet.conns[0]);
    assert_null(bl_conn_take(c)); /* there is nothing to take */
}

static void a_failure_is_told_with_its_error(void **state)
{
    (void)state;
    puppet.fail = BELAY_ECERT;
    puppet.final = true;
    open_conn();
    settle();
    assert_int_equal(keeper.failed, 1);
    assert_int_equal(keeper.code, BELAY_ECERT);
    assert_int_equal(keeper.stage, BELAY_STAGE_PROTOCOL);
    assert_true(keeper.final);
    assert_int_equal(puppet.conns[0].cancels + puppet.conns[0].closes, 0);
}

static void no_error_at_all_is_an_error_still(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        if (how)
            set_up(NULL);
        bring_to(SESSION);
        if (how)
            belay_conn_lost(keeper.conn, BELAY_REASON_NONE, NULL);
        else
            belay_conn_open_failed(keeper.conn, NULL);
        settle();
        assert_int_equal(keeper.failed, 1);
        assert_int_equal(keeper.code, BELAY_EEOF);
        assert_int_equal(keeper.stage, BELAY_STAGE_PROTOCOL);
        if (!how)
            tear_down(NULL);
    }
}

static void a_session_has_a_limit(void **state)
{
    (void)state;
    keeper.dial.session_timeout_ms = 300;
    open_conn();
    puppet.cancel_later = true;
    pass(299);
    assert_int_equal(puppet.conns[0].cancels, 0);
    pass(1);
    assert_int_equal(puppet.conns[0].cancels, 1);
    assert_int_equal(bl_conn_get_state(keeper.conn), BL_CONN_CLOSING);
    puppet_up(puppet_conn(&puppet, 0), 1); /* it came up late: nobody wants it */
    pass(100000);
    assert_int_equal(keeper_told(&keeper),
                     0); /* an open that cannot be interrupted is waited for */
    puppet_closed(puppet_conn(&puppet, 0));
    settle();
    assert_int_equal(keeper.failed, 1);
    assert_int_equal(keeper.code, BELAY_ETIMEDOUT);
    assert_int_equal(keeper.stage, BELAY_STAGE_PROTOCOL);
    assert_string_equal(keeper.text,
                        "starting puppet with tcp://a.test:1: no result within 300 ms");
}

static void a_limit_does_not_outlive_the_opening(void **state)
{
    (void)state;
    keeper.dial.session_timeout_ms = 300;
    puppet.capacity = 1;
    open_conn();
    pass(10000);
    assert_int_equal(keeper.opened, 1);
    assert_int_equal(keeper_told(&keeper), 1);
}

static void a_keeper_that_closes_during_an_abandoned_open_hears_closed(void **state)
{
    (void)state;
    keeper.dial.session_timeout_ms = 300;
    open_conn();
    puppet.cancel_later = true;
    pass(300);
    bl_conn_close(keeper.conn, BELAY_REASON_POOL_CLOSED);
    assert_int_equal(puppet.conns[0].cancels, 1);
    puppet_closed(puppet_conn(&puppet, 0));
    settle();
    assert_int_equal(keeper.closed, 1);
}

/* ---- dialling, as far as the name server ---- */

static void start_dial(void)
{
    puppet_init_session(&puppet);
    open_conn();
    settle();
    assert_int_equal(fake_dns_open(&world.dns), 2);
    assert_int_equal(bl_conn_get_state(keeper.conn), BL_CONN_OPENING);
}

static void closing_while_dialling_starts_no_session(void **state)
{
    (void)state;
    start_dial();
    for (int call = 0; call < UP_CALLS; call++)
        call_up(keeper.conn, (enum up_call)call); /* what has no session cannot say anything */
    bl_conn_close(keeper.conn, BELAY_REASON_POOL_CLOSED);
    assert_int_equal(keeper.closed, 0);
    assert_int_equal(fake_dns_open(&world.dns), 0);
    settle();
    assert_int_equal(keeper.closed, 1);
    assert_int_equal(keeper_told(&keeper), 1);
    assert_int_equal(puppet.n, 0);
}

static void a_dial_that_fails_is_told(void **state)
{
    (void)state;
    start_dial();
    fake_dns_answer(fake_dns_find(&world.dns, "a.test", BELAY_DNS_A), BELAY_ENONAME, NULL, 0);
    fake_dns_answer(fake_dns_find(&world.dns, "a.test", BELAY_DNS_AAAA), BELAY_ENONAME, NULL, 0);
    settle();
    assert_int_equal(keeper.failed, 1);
    assert_int_equal(keeper.code, BELAY_ENONAME);
    assert_int_equal(keeper.stage, BELAY_STAGE_RESOLVE);
    assert_int_equal(puppet.n, 0);
}

static void each_stage_has_its_own_limit(void **state)
{
    (void)state;
    keeper.dial.resolve_timeout_ms = 70;
    start_dial();
    pass(69);
    assert_int_equal(keeper.failed, 0);
    pass(1);
    assert_int_equal(keeper.failed, 1);
    assert_int_equal(keeper.code, BELAY_ETIMEDOUT);
    assert_int_equal(keeper.stage, BELAY_STAGE_RESOLVE);
}

/* ---- closing ---- */

static void closing_in_each_phase_is_told_once(void **state)
{
    (void)state;
    for (int phase = 0; phase < PHASES; phase++)
        for (int twice = 0; twice < 2; twice++) {
            struct puppet_conn *c = &puppet.conns[0];

            if (phase + twice > 0)
                set_up(NULL);
            bring_to((enum phase)phase);
            puppet.close_later = puppet.cancel_later = false;
            bl_conn_close(keeper.conn, BELAY_REASON_POOL_CLOSED);
            if (twice)
                bl_conn_close(keeper.conn, BELAY_REASON_IDLE);
            if (phase == CANCELLING || phase == ENDING)
                puppet_closed(c);
            assert_int_equal(keeper.closed, 0);
            settle();
            assert_int_equal(keeper.closed, 1);
            assert_int_equal(keeper.failed, 0);
            if (phase == NEW) {
                assert_int_equal(puppet.n, 0);
            } else {
                assert_int_equal(c->cancels, phase == SESSION || phase == CANCELLING);
                assert_int_equal(c->closes, phase == OPEN || phase == LOST || phase == ENDING);
            }
            if (phase == OPEN || phase == LOST)
                assert_int_equal(c->reason, BELAY_REASON_POOL_CLOSED);
            if (phase + twice < PHASES)
                tear_down(NULL);
        }
}

static void who_closes_hears_nothing_else(void **state)
{
    (void)state;
    bring_to(OPEN);
    puppet.close_later = false;
    belay_conn_draining(keeper.conn);
    puppet_lose(puppet_conn(&puppet, 0), BELAY_ERESET);
    belay_conn_checked(keeper.conn, 0);
    bl_conn_close(keeper.conn, BELAY_REASON_EVICTED);
    settle();
    assert_int_equal(keeper.changed + keeper.checked, 0);
    assert_int_equal(keeper.closed, 1);
    assert_int_equal(puppet.conns[0].reason, BELAY_REASON_EVICTED);
}

static void who_closes_before_it_was_told_open_hears_only_closed(void **state)
{
    (void)state;
    bring_to(SESSION);
    puppet_up(puppet_conn(&puppet, 0), 1);
    bl_conn_close(keeper.conn, BELAY_REASON_EVICTED);
    settle();
    assert_int_equal(keeper_told(&keeper), 0);
    puppet_closed(puppet_conn(&puppet, 0));
    settle();
    assert_int_equal(keeper.closed, 1);
    assert_int_equal(keeper_told(&keeper), 1);
}

static void closing_from_within_opened(void **state)
{
    (void)state;
    keeper.close_at_once = true;
    open_conn();
    settle();
    puppet_up(puppet_conn(&puppet, 0), 1);
    puppet_lose(puppet_conn(&puppet, 0), BELAY_ERESET); /* in the same turn */
    settle();
    assert_int_equal(keeper.opened, 1);
    assert_int_equal(keeper.changed, 0);
    assert_int_equal(keeper.closed, 1);
}

/* ---- functions that a connector may leave out ---- */

static void what_is_missing_is_done_at_once(void **state)
{
    (void)state;
    puppet.ops.cancel = NULL;
    puppet.ops.close = NULL;
    puppet.ops.check = NULL;
    puppet.ops.acquired = NULL;
    puppet.ops.released = NULL;
    puppet.ops.name = NULL;
    keeper.dial.session_timeout_ms = 50;
    open_conn();
    pass(50);
    assert_int_equal(keeper.failed, 1);
    assert_non_null(strstr(keeper.text, "starting a session with"));

    keeper_init(&keeper);
    puppet.capacity = 1;
    open_conn();
    settle();
    assert_false(bl_conn_can_check(keeper.conn));
    assert_false(bl_conn_minds_leases(keeper.conn));
    bl_conn_acquired(keeper.conn);
    bl_conn_released(keeper.conn);
    bl_conn_check(keeper.conn);
    settle();
    assert_int_equal(keeper.checked, 1);
    assert_int_equal(keeper.check_result, 0);
    bl_conn_close(keeper.conn, BELAY_REASON_IDLE);
    settle();
    assert_int_equal(keeper.closed, 1);
}

static void checks_and_leases_reach_the_connector(void **state)
{
    (void)state;
    bring_to(OPEN);
    puppet.check_result = BELAY_EUNHEALTHY;
    assert_true(bl_conn_can_check(keeper.conn));
    assert_true(bl_conn_minds_leases(keeper.conn));
    bl_conn_acquired(keeper.conn);
    bl_conn_acquired(keeper.conn);
    bl_conn_released(keeper.conn);
    bl_conn_check(keeper.conn);
    assert_int_equal(keeper.checked, 0);
    settle();
    assert_int_equal(keeper.checked, 1);
    assert_int_equal(keeper.check_result, BELAY_EUNHEALTHY);
    assert_int_equal(puppet.conns[0].acquires, 2);
    assert_int_equal(puppet.conns[0].releases, 1);
    assert_int_equal(puppet.conns[0].checks, 1);
}

/* ---- memory ---- */

static void every_allocation_may_fail(void **state)
{
    size_t n, refused;

    (void)state;
    for (n = 1; n < 50; n++) {
        if (n > 1)
            set_up(NULL);
        puppet.capacity = 1;
        failing_alloc_once(&world.alloc, n);
        if (keeper_open(&keeper, endpoint, &puppet.connector) == 0) {
            settle();
            assert_int_equal(keeper.opened, 1);
            puppet_lose(puppet_conn(&puppet, 0), BELAY_ERESET);
            settle();
            assert_int_equal(keeper.code, BELAY_ERESET); /* known without memory too */
            assert_int_equal(keeper.stage, BELAY_STAGE_USE);
        } else {
            assert_null(keeper.conn);
            assert_int_equal(failing_alloc_failures(&world.alloc), 1);
        }
        refused = failing_alloc_failures(&world.alloc);
        if (refused == 0)
            break;
        tear_down(NULL);
    }
    assert_true(n > 2 && n < 50);
}

static void a_failure_without_memory_keeps_what_matters(void **state)
{
    (void)state;
    bring_to(SESSION);
    puppet.final = true;
    failing_alloc_from(&world.alloc, 1);
    puppet_fail(puppet_conn(&puppet, 0), BELAY_ECONNECT);
    settle();
    failing_alloc_from(&world.alloc, 0);
    assert_int_equal(keeper.failed, 1);
    assert_int_equal(keeper.code, BELAY_ECONNECT);
    assert_int_equal(keeper.stage, BELAY_STAGE_PROTOCOL);
    assert_true(keeper.final);
    assert_string_equal(keeper.text, "tcp://a.test:1: could not connect");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_up_call_in_every_phase),
        TEST(facts_are_what_was_said),
        TEST(lost_is_told_once_with_a_reason),
        TEST(opening_calls_nobody_back_inside),
        TEST(a_failure_is_told_with_its_error),
        TEST(no_error_at_all_is_an_error_still),
        TEST(a_session_has_a_limit),
        TEST(a_limit_does_not_outlive_the_opening),
        TEST(a_keeper_that_closes_during_an_abandoned_open_hears_closed),
        TEST(closing_while_dialling_starts_no_session),
        TEST(a_dial_that_fails_is_told),
        TEST(each_stage_has_its_own_limit),
        TEST(closing_in_each_phase_is_told_once),
        TEST(who_closes_hears_nothing_else),
        TEST(who_closes_before_it_was_told_open_hears_only_closed),
        TEST(closing_from_within_opened),
        TEST(what_is_missing_is_done_at_once),
        TEST(checks_and_leases_reach_the_connector),
        TEST(every_allocation_may_fail),
        TEST(a_failure_without_memory_keeps_what_matters),
    };
    return cmocka_run_group_tests_name("conn", tests, NULL, NULL);
}
