/* SPDX-License-Identifier: MIT */
/* The decisions of Chronicle's connection in virtual time: attempts, session, keep-alives, phases. */
#include "service/chronicle_policy.h"

#include "belay/world.h"
#include "support/test.h"

#define MS(n) ((uint64_t)(n)*1000000u)

#define DOWN (BL_CHP_DO_CLOSE | BL_CHP_DO_TELL_DOWN | BL_CHP_DO_NEW_ID)
#define OVER (BL_CHP_DO_REFUSE | BL_CHP_DO_END)

struct rig {
    struct bl_chp p;
    uint64_t now;
    enum bl_chp_state late;
};

static void rig_open_as(struct rig *r, int32_t retries, bool no_session, bool wait)
{
    struct belay_backoff_options o = belay_backoff_options_init();
    struct bl_chp_limits limits = {.retries_max = retries,
                                   .no_session = no_session,
                                   .attempt_ns = MS(30000),
                                   .session_ns = MS(5000),
                                   .stale_ns = MS(5000)};

    o.delay_ms = 1000;
    o.delay_max_ms = 10000;
    o.jitter = BELAY_JITTER_NONE;
    assert_int_equal(belay_backoff_init(&limits.backoff, &o), 0);
    r->now = MS(1000000);
    bl_chp_init(&r->p, &limits, wait, 1, r->now);
}

static void rig_open(struct rig *r)
{
    rig_open_as(r, 5, false, false);
}

static unsigned due(struct rig *r)
{
    return bl_chp_due(&r->p, r->now, &r->late);
}

/* To when something is due. */
static unsigned wake(struct rig *r)
{
    r->now = bl_chp_wakes(&r->p);
    assert_true(r->now != BELAY_NEVER);
    return due(r);
}

static void dials(struct rig *r)
{
    assert_int_equal(due(r), BL_CHP_DO_DIAL);
    assert_int_equal(r->p.state, BL_CHP_DIALING);
}

static void comes_up(struct rig *r)
{
    uint64_t n = r->p.attempt;

    assert_int_equal(bl_chp_opened(&r->p, n, r->now), BL_CHP_DO_SESSION);
    assert_int_equal(bl_chp_kept(&r->p, n, r->now), BL_CHP_DO_TELL_UP);
    assert_int_equal(r->p.phase, BELAY_CHRONICLE_CONNECTED);
}

static void rig_up(struct rig *r)
{
    rig_open(r);
    dials(r);
    comes_up(r);
}

/* The wait before the next attempt. */
static uint64_t wait_ms(const struct rig *r)
{
    assert_int_equal(r->p.state, BL_CHP_WAITING);
    return (bl_chp_wakes(&r->p) - r->now) / MS(1);
}

/* ---- connection ---- */

static void before_it_connects_it_is_not_connected(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_false(bl_chp_is_in(&r.p, BELAY_CHRONICLE_CONNECTED));
    dials(&r);
    assert_false(bl_chp_is_in(&r.p, BELAY_CHRONICLE_CONNECTED));
    comes_up(&r);
    assert_true(bl_chp_is_in(&r.p, BELAY_CHRONICLE_CONNECTED));
}

static void without_auto_connect_the_first_who_waits_begins(void **state)
{
    struct rig r;

    (void)state;
    rig_open_as(&r, 5, false, true);
    assert_int_equal(bl_chp_wakes(&r.p), BELAY_NEVER);
    assert_int_equal(due(&r), 0);
    bl_chp_want(&r.p, r.now);
    dials(&r);
    bl_chp_want(&r.p, r.now);
    assert_int_equal(r.p.state, BL_CHP_DIALING);
}

static void it_retries_until_it_succeeds(void **state)
{
    static const uint64_t delays[] = {1000, 2000, 4000, 8000, 10000, 10000, 10000};
    struct rig r;

    (void)state;
    rig_open_as(&r, INT32_MAX, false, false);
    dials(&r);
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        assert_int_equal(bl_chp_failed(&r.p, r.p.attempt, false, r.now), 0);
        assert_int_equal(wait_ms(&r), delays[i]);
        r.now = bl_chp_wakes(&r.p) - 1;
        assert_int_equal(due(&r), 0);
        r.now++;
        dials(&r);
    }
    comes_up(&r);
}

static void it_gives_up_when_retries_are_spent(void **state)
{
    static const int32_t retries[] = {0, 1, 5};
    struct rig r;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        rig_open_as(&r, retries[i], false, false);
        for (int32_t n = 0; n < retries[i]; n++) {
            assert_int_equal(wake(&r), BL_CHP_DO_DIAL);
            assert_int_equal(bl_chp_failed(&r.p, r.p.attempt, false, r.now), 0);
        }
        assert_int_equal(wake(&r), BL_CHP_DO_DIAL);
        assert_int_equal(bl_chp_failed(&r.p, r.p.attempt, false, r.now), OVER);
        assert_true(r.p.gave_up);
        assert_int_equal(r.p.attempt, (uint64_t)retries[i] + 1);
        assert_int_equal(bl_chp_wakes(&r.p), BELAY_NEVER);
        assert_int_equal(bl_chp_close(&r.p), 0);
    }
}

static void success_gives_all_retries_back(void **state)
{
    struct rig r;

    (void)state;
    rig_open_as(&r, 1, false, false);
    dials(&r);
    bl_chp_failed(&r.p, 1, false, r.now);
    assert_int_equal(wake(&r), BL_CHP_DO_DIAL);
    comes_up(&r);
    assert_int_equal(bl_chp_lost(&r.p, 2, r.now), DOWN);
    assert_int_equal(wait_ms(&r), 1000);
    assert_int_equal(wake(&r), BL_CHP_DO_DIAL);
    assert_int_equal(bl_chp_failed(&r.p, 3, false, r.now), 0);
    assert_int_equal(wait_ms(&r), 2000);
    assert_int_equal(wake(&r), BL_CHP_DO_DIAL);
    assert_int_equal(bl_chp_failed(&r.p, 4, false, r.now), OVER);
}

static void an_error_called_final_ends_it(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    dials(&r);
    assert_int_equal(bl_chp_failed(&r.p, 1, true, r.now), OVER);
    assert_true(r.p.gave_up);
}

static void an_attempt_that_takes_too_long_is_cancelled(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    dials(&r);
    assert_int_equal(bl_chp_wakes(&r.p) - r.now, MS(30000));
    assert_int_equal(wake(&r), BL_CHP_DO_CANCEL);
    assert_int_equal(r.late, BL_CHP_DIALING);
    assert_int_equal(wait_ms(&r), 1000);
}

static void a_late_dial_is_dropped(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    dials(&r);
    assert_int_equal(wake(&r), BL_CHP_DO_CANCEL);
    assert_int_equal(bl_chp_opened(&r.p, 1, r.now), BL_CHP_DO_DROP);
    assert_int_equal(wake(&r), BL_CHP_DO_DIAL);
    assert_int_equal(bl_chp_opened(&r.p, 1, r.now), BL_CHP_DO_DROP);
    comes_up(&r);
    bl_chp_close(&r.p);
    assert_int_equal(bl_chp_opened(&r.p, 2, r.now), BL_CHP_DO_DROP);
}

static void a_late_error_does_not_end_a_live_channel(void **state)
{
    struct rig r;

    (void)state;
    rig_up(&r);
    assert_int_equal(bl_chp_failed(&r.p, 1, false, r.now), 0);
    assert_int_equal(bl_chp_failed(&r.p, 0, true, r.now), 0);
    assert_int_equal(bl_chp_lost(&r.p, 0, r.now), 0);
    assert_int_equal(r.p.state, BL_CHP_UP);
}

static void reconnect_dials_at_once(void **state)
{
    struct rig r;

    (void)state;
    rig_up(&r);
    assert_int_equal(bl_chp_reconnect(&r.p, r.now), DOWN | BL_CHP_DO_DIAL);
    assert_int_equal(r.p.attempt, 2);
    assert_int_equal(bl_chp_wakes(&r.p), r.now + MS(30000));
    assert_int_equal(bl_chp_lost(&r.p, 1, r.now), 0);
    comes_up(&r);
}

static void reconnect_without_a_channel_is_nothing(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(bl_chp_reconnect(&r.p, r.now), 0);
    dials(&r);
    assert_int_equal(bl_chp_reconnect(&r.p, r.now), 0);
    bl_chp_failed(&r.p, 1, false, r.now);
    assert_int_equal(bl_chp_reconnect(&r.p, r.now), 0);
    assert_int_equal(wait_ms(&r), 1000);
}

static void another_network_ends_a_wait_alone(void **state)
{
    struct rig r;

    (void)state;
    rig_open_as(&r, 5, false, true);
    bl_chp_kick(&r.p, r.now); /* it does not begin what nobody wants */
    assert_int_equal(due(&r), 0);
    rig_open(&r);
    dials(&r);
    bl_chp_kick(&r.p, r.now);
    assert_int_equal(r.p.state, BL_CHP_DIALING);
    bl_chp_failed(&r.p, 1, false, r.now);
    assert_int_equal(wait_ms(&r), 1000);
    bl_chp_kick(&r.p, r.now);
    dials(&r);
    bl_chp_failed(&r.p, 2, false, r.now);
    assert_int_equal(wait_ms(&r), 2000); /* failures are failures */
}

static void disconnect_ends_what_there_is(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(bl_chp_close(&r.p), OVER);
    assert_int_equal(bl_chp_close(&r.p), 0);
    rig_open(&r);
    dials(&r);
    assert_int_equal(bl_chp_close(&r.p), BL_CHP_DO_CANCEL | OVER);
    rig_open(&r);
    dials(&r);
    bl_chp_opened(&r.p, 1, r.now);
    assert_int_equal(bl_chp_close(&r.p), BL_CHP_DO_CLOSE | OVER);
    rig_up(&r);
    assert_int_equal(bl_chp_close(&r.p), DOWN | OVER);
    assert_false(r.p.gave_up);
    assert_false(bl_chp_is_in(&r.p, BELAY_CHRONICLE_DISCONNECTED));
}

static void without_a_session_it_is_connected_when_its_channel_is(void **state)
{
    struct rig r;

    (void)state;
    rig_open_as(&r, 5, true, false);
    dials(&r);
    assert_int_equal(bl_chp_opened(&r.p, 1, r.now), BL_CHP_DO_TELL_UP);
    assert_int_equal(bl_chp_wakes(&r.p), BELAY_NEVER);
    assert_int_equal(bl_chp_lost(&r.p, 1, r.now), DOWN);
}

/* ---- session ---- */

static void the_first_keep_alive_connects_once_only(void **state)
{
    struct rig r;

    (void)state;
    rig_up(&r);
    for (int i = 0; i < 3; i++) {
        r.now += MS(1000);
        assert_int_equal(bl_chp_kept(&r.p, 1, r.now), 0);
    }
}

static void a_session_that_was_never_up_reports_no_disconnect(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    dials(&r);
    bl_chp_opened(&r.p, 1, r.now);
    assert_int_equal(bl_chp_lost(&r.p, 1, r.now), BL_CHP_DO_CLOSE);
    assert_int_equal(wait_ms(&r), 1000);
    assert_int_equal(wake(&r), BL_CHP_DO_DIAL);
    bl_chp_opened(&r.p, 2, r.now);
    assert_int_equal(bl_chp_wakes(&r.p) - r.now, MS(5000));
    assert_int_equal(wake(&r), BL_CHP_DO_CLOSE);
    assert_int_equal(r.late, BL_CHP_SESSION);
    assert_int_equal(wait_ms(&r), 2000);
}

static void a_double_drop_schedules_one_reconnect(void **state)
{
    struct rig r;

    (void)state;
    rig_up(&r);
    assert_int_equal(bl_chp_lost(&r.p, 1, r.now), DOWN);
    assert_int_equal(bl_chp_lost(&r.p, 1, r.now), 0);
    assert_int_equal(wait_ms(&r), 1000);
}

static void a_keep_alive_of_a_former_session_is_none(void **state)
{
    struct rig r;

    (void)state;
    rig_up(&r);
    bl_chp_reconnect(&r.p, r.now);
    bl_chp_opened(&r.p, 2, r.now);
    assert_int_equal(bl_chp_kept(&r.p, 1, r.now), 0);
    assert_int_equal(r.p.state, BL_CHP_SESSION);
}

/* ---- keep-alives ---- */

static void a_fresh_session_is_kept(void **state)
{
    struct rig r;

    (void)state;
    rig_up(&r);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(wake(&r), 0);
        bl_chp_kept(&r.p, 1, r.now);
    }
    assert_int_equal(r.p.state, BL_CHP_UP);
}

static void a_silent_session_is_dropped_after_5_seconds(void **state)
{
    struct rig r;

    (void)state;
    rig_up(&r);
    for (int i = 1; i < 5; i++)
        assert_int_equal(wake(&r), 0);
    assert_int_equal(wake(&r), DOWN);
    assert_int_equal(r.late, BL_CHP_UP);
    assert_int_equal(r.now, MS(1005000));
    assert_int_equal(wait_ms(&r), 1000);
}

static void after_a_long_sleep_keep_alives_are_read_first(void **state)
{
    struct rig r;

    (void)state;
    rig_up(&r);
    r.now += MS(60000);
    assert_int_equal(due(&r), 0);
    bl_chp_kept(&r.p, 1, r.now);
    assert_int_equal(wake(&r), 0);
    r.now += MS(60000);
    assert_int_equal(due(&r), 0);
    assert_int_equal(wake(&r), DOWN);
}

/* ---- lifecycle ---- */

static void registered_follows_connected_alone(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r);
    assert_int_equal(bl_chp_registered(&r.p), 0);
    dials(&r);
    comes_up(&r);
    assert_false(bl_chp_is_in(&r.p, BELAY_CHRONICLE_REGISTERED));
    assert_int_equal(bl_chp_registered(&r.p), BL_CHP_DO_TELL_REGISTERED);
    assert_int_equal(bl_chp_registered(&r.p), 0);
    assert_true(bl_chp_is_in(&r.p, BELAY_CHRONICLE_CONNECTED));
    assert_true(bl_chp_is_in(&r.p, BELAY_CHRONICLE_REGISTERED));
    assert_int_equal(bl_chp_lost(&r.p, 1, r.now), DOWN);
    assert_false(bl_chp_is_in(&r.p, BELAY_CHRONICLE_CONNECTED));
    assert_true(bl_chp_is_in(&r.p, BELAY_CHRONICLE_DISCONNECTED));
}

static void phases_have_names(void **state)
{
    (void)state;
    assert_string_equal(belay_chronicle_phase_name(BELAY_CHRONICLE_DISCONNECTED), "disconnected");
    assert_string_equal(belay_chronicle_phase_name(BELAY_CHRONICLE_CONNECTED), "connected");
    assert_string_equal(belay_chronicle_phase_name(BELAY_CHRONICLE_REGISTERED), "registered");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_it_connects_it_is_not_connected),
        cmocka_unit_test(without_auto_connect_the_first_who_waits_begins),
        cmocka_unit_test(it_retries_until_it_succeeds),
        cmocka_unit_test(it_gives_up_when_retries_are_spent),
        cmocka_unit_test(success_gives_all_retries_back),
        cmocka_unit_test(an_error_called_final_ends_it),
        cmocka_unit_test(an_attempt_that_takes_too_long_is_cancelled),
        cmocka_unit_test(a_late_dial_is_dropped),
        cmocka_unit_test(a_late_error_does_not_end_a_live_channel),
        cmocka_unit_test(reconnect_dials_at_once),
        cmocka_unit_test(reconnect_without_a_channel_is_nothing),
        cmocka_unit_test(another_network_ends_a_wait_alone),
        cmocka_unit_test(disconnect_ends_what_there_is),
        cmocka_unit_test(without_a_session_it_is_connected_when_its_channel_is),
        cmocka_unit_test(the_first_keep_alive_connects_once_only),
        cmocka_unit_test(a_session_that_was_never_up_reports_no_disconnect),
        cmocka_unit_test(a_double_drop_schedules_one_reconnect),
        cmocka_unit_test(a_keep_alive_of_a_former_session_is_none),
        cmocka_unit_test(a_fresh_session_is_kept),
        cmocka_unit_test(a_silent_session_is_dropped_after_5_seconds),
        cmocka_unit_test(after_a_long_sleep_keep_alives_are_read_first),
        cmocka_unit_test(registered_follows_connected_alone),
        cmocka_unit_test(phases_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
