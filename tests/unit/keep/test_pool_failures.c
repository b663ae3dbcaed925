/* SPDX-License-Identifier: MIT */
/* Dials that fail, over a loop in virtual time: who is told what, and when. */
#include "unit/keep/pool_kit.h"

static struct pool_kit k;

static int set_up(void **state)
{
    (void)state;
    pool_kit_begin(&k);
    pool_kit_open(&k);
    return 0;
}

static int set_up_bare(void **state)
{
    (void)state;
    pool_kit_begin(&k);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pool_kit_end(&k);
    return 0;
}

static void failures_are_tried_again_and_counted(void **state)
{
    struct ask ask;
    struct belay_pool_stats s;

    (void)state;
    k.puppet.fail = BELAY_ECONNECT;
    ask_now(&ask, &k, k.a);
    pool_kit_pass(&k, 10000);
    assert_refused(&ask, BELAY_ECONNECT, BELAY_STAGE_PROTOCOL);
    assert_int_equal(ask.attempt, 4);
    assert_int_equal(k.puppet.n, 4);
    s = pool_kit_stats(&k);
    assert_int_equal(s.failed[BELAY_STAGE_PROTOCOL], 4);
    assert_int_equal(s.closed[BELAY_REASON_OPEN_FAILED], 4);
    assert_int_equal(s.refused[BELAY_STAGE_PROTOCOL], 1);
    assert_int_equal(s.waiting + s.dialing, 0);
}

static void a_fatal_failure_is_told_at_once_and_to_all(void **state)
{
    struct ask asks[3];

    (void)state;
    k.puppet.capacity = 0;
    k.options.max_connections_per_endpoint = 1;
    pool_kit_open(&k);
    for (int i = 0; i < 3; i++)
        ask_now(&asks[i], &k, k.a);
    puppet_fail(puppet_conn(&k.puppet, 0), BELAY_ECERT);
    pool_kit_settle(&k);
    for (int i = 0; i < 3; i++) {
        assert_refused(&asks[i], BELAY_ECERT, BELAY_STAGE_PROTOCOL);
        assert_int_equal(asks[i].attempt, 1);
    }
}

static void an_error_without_a_kind_has_that_of_its_code(void **state)
{
    struct belay_error error = {.code = BELAY_ECONNECT, .stage = BELAY_STAGE_PROTOCOL};
    struct puppet_conn *c;
    struct ask ask;

    (void)state;
    k.puppet.capacity = 0;
    ask_now(&ask, &k, k.a);
    c = puppet_conn(&k.puppet, 0);
    belay_conn_open_failed(c->conn, &error);
    c->conn = NULL;
    pool_kit_settle(&k);
    assert_int_equal(ask.told, 0); /* it can be tried again, and is */
    pool_kit_pass(&k, 200);
    assert_int_equal(k.puppet.n, 2);
    puppet_up(puppet_conn(&k.puppet, 1), 1);
    pool_kit_settle(&k);
    assert_served(&ask);
    belay_lease_release(ask.lease, BELAY_REUSE);
}

static void without_descriptors_dialling_rests(void **state)
{
    struct ask idle, ask;

    (void)state;
    ask_now(&idle, &k, k.b);
    belay_lease_release(idle.lease, BELAY_REUSE);
    k.puppet.fail = BELAY_EMFILE;
    ask_now(&ask, &k, k.a);
    assert_int_equal(k.puppet.n, 2);
    assert_int_equal(k.puppet.conns[0].reason, BELAY_REASON_EVICTED);
    k.puppet.fail = 0;
    pool_kit_pass(&k, 99);
    assert_int_equal(k.puppet.n, 2);
    pool_kit_pass(&k, 1);
    assert_served(&ask);
    belay_lease_release(ask.lease, BELAY_REUSE);
}

static void a_session_that_does_not_start_is_given_up(void **state)
{
    struct belay_dial_options dial = belay_dial_options_init();
    struct ask ask;

    (void)state;
    dial.session_timeout_ms = 250;
    k.options.dial = &dial;
    k.options.connect_retry_count = BELAY_NONE;
    k.puppet.capacity = 0;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    pool_kit_pass(&k, 249);
    assert_int_equal(ask.told, 0);
    pool_kit_pass(&k, 1);
    assert_refused(&ask, BELAY_ETIMEDOUT, BELAY_STAGE_PROTOCOL);
    assert_int_equal(k.puppet.conns[0].cancels, 1);
}

#define BARE(name) cmocka_unit_test_setup_teardown(name, set_up_bare, tear_down)
#define OPEN(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(failures_are_tried_again_and_counted),
        BARE(a_fatal_failure_is_told_at_once_and_to_all),
        OPEN(an_error_without_a_kind_has_that_of_its_code),
        OPEN(without_descriptors_dialling_rests),
        BARE(a_session_that_does_not_start_is_given_up),
    };
    return cmocka_run_group_tests_name("keep_pool_failures", tests, NULL, NULL);
}
