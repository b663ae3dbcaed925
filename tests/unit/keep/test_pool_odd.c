/* SPDX-License-Identifier: MIT */
/*
 * Connectors that do what they should not, under a pool in virtual time: a clear error or nothing,
 * and the pool goes on.
 */
#include "unit/keep/pool_kit.h"

static struct pool_kit k;

static int set_up(void **state)
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

/* The pool works: one who asks is served, by a connector that has become good. */
static void assert_works(void)
{
    struct ask ask;

    k.puppet.capacity = 1;
    k.puppet.fail = 0;
    ask_init(&ask, &k);
    assert_int_equal(ask_peer(&ask, k.a, 20000, false), 0);
    pool_kit_pass(&k, 15000);
    assert_served(&ask);
    assert_int_equal(belay_lease_release(ask.lease, BELAY_REUSE), 0);
    pool_kit_settle(&k);
}

/* ---- open ---- */

static void open_twice(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    struct puppet_conn *c;

    (void)endpoint, (void)arg;
    c = &k.puppet.conns[k.puppet.n++];
    *c = (struct puppet_conn){.conn = conn, .id = belay_conn_id(conn), .puppet = &k.puppet};
    belay_conn_open_done(conn, c, 1);
    belay_conn_open_done(conn, NULL, 7);
    belay_conn_open_failed(conn, NULL);
}

static void an_open_that_completes_twice_counts_once(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.ops.open = open_twice;
    k.options.max_connections_per_endpoint = 1;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    assert_served(&ask);
    assert_ptr_equal(belay_lease_state(ask.lease), &k.puppet.conns[0]);
    assert_int_equal(pool_kit_stats(&k).opened, 1);
    assert_int_equal(pool_kit_stats(&k).failed[BELAY_STAGE_PROTOCOL], 0);
    belay_lease_release(ask.lease, BELAY_REUSE);
    assert_works();
}

static void fail_then_open(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    struct belay_error error = puppet_error(BELAY_EPROTO, BELAY_STAGE_PROTOCOL);

    (void)endpoint, (void)arg;
    belay_conn_open_failed(conn, &error);
    belay_conn_open_done(conn, NULL, 1);
    belay_conn_open_failed(conn, NULL);
    belay_conn_closed(conn);
}

static void an_open_that_fails_and_completes_has_failed(void **state)
{
    void (*good)(struct belay_conn *, struct belay_endpoint *, void *) = k.puppet.ops.open;
    struct ask ask;

    (void)state;
    k.puppet.ops.open = fail_then_open;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    assert_refused(&ask, BELAY_EPROTO, BELAY_STAGE_PROTOCOL);
    assert_int_equal(pool_kit_stats(&k).opened, 0);
    k.puppet.ops.open = good;
    assert_works();
}

static void fail_without_a_code(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    struct belay_error nothing = {.code = 0};

    (void)endpoint, (void)arg;
    belay_conn_open_failed(conn, &nothing);
}

static void a_failure_without_a_code_is_one(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.ops.open = fail_without_a_code;
    k.options.connect_retry_count = BELAY_NONE;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    assert_refused(&ask, BELAY_ECONNECT, BELAY_STAGE_PROTOCOL);
    assert_true(ask.text[0]);
}

static void an_open_that_never_ends_is_cancelled_and_waited_for(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.capacity = 0;
    k.puppet.cancel_later = true;
    k.options.connect_retry_count = BELAY_NONE;
    pool_kit_open(&k);
    ask_init(&ask, &k);
    assert_int_equal(ask_peer(&ask, k.a, 30000, false), 0);
    pool_kit_pass(&k, 11000); /* session_timeout_ms */
    assert_int_equal(puppet_conn(&k.puppet, 0)->cancels, 1);
    assert_int_equal(pool_kit_stats(&k).closing + pool_kit_stats(&k).dialing, 1);
    pool_kit_pass(&k, 30000);
    assert_refused(&ask, BELAY_ETIMEDOUT, BELAY_STAGE_QUEUE); /* it has its own limit */
    belay_pool_close(k.pool, pool_kit_on_closed, &k);
    pool_kit_pass(&k, 100000);
    assert_int_equal(k.closed, 0);
    puppet_closed(puppet_conn(&k.puppet, 0));
    pool_kit_settle(&k);
    assert_int_equal(k.closed, 1);
}

/* ---- acquired and released ---- */

static void lose_when_acquired_first(struct belay_conn *conn, void *arg)
{
    struct belay_error error = puppet_error(BELAY_ERESET, BELAY_STAGE_USE);

    (void)arg;
    if (belay_conn_state(conn) != puppet_conn(&k.puppet, 0))
        return;
    belay_conn_lost(conn, BELAY_REASON_ERROR, &error);
    belay_conn_closed(conn); /* not asked for */
}

static void lose_when_acquired(struct belay_conn *conn, void *arg)
{
    struct belay_error error = puppet_error(BELAY_ERESET, BELAY_STAGE_USE);

    (void)arg;
    belay_conn_lost(conn, BELAY_REASON_ERROR, &error);
}

/* Whoever waits gets the error, after as many dials as any other failure is worth. */
static void connections_that_all_fail_when_acquired_are_not_dialled_without_end(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.ops.acquired = lose_when_acquired;
    pool_kit_open(&k);
    ask_init(&ask, &k);
    assert_int_equal(ask_peer(&ask, k.a, 5000, false), 0);
    pool_kit_pass(&k, 6000);
    assert_refused(&ask, BELAY_ERESET, BELAY_STAGE_USE);
    assert_int_equal(k.puppet.n, 4);
    assert_int_equal(pool_kit_stats(&k).leases, 0);
}

static void a_connection_that_fails_when_acquired_is_not_lent(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.ops.acquired = lose_when_acquired_first;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    pool_kit_pass(&k, 1000);
    assert_served(&ask);
    assert_ptr_equal(puppet_of_lease(ask.lease), puppet_conn(&k.puppet, 1));
    assert_int_equal(puppet_conn(&k.puppet, 0)->closes, 1);
    assert_int_equal(pool_kit_stats(&k).leases, 1);
    belay_lease_release(ask.lease, BELAY_REUSE);
}

static void shrink_when_acquired(struct belay_conn *conn, void *arg)
{
    (void)arg;
    belay_conn_set_capacity(conn, 0);
}

static void grow_when_released(struct belay_conn *conn, void *arg)
{
    (void)arg;
    belay_conn_set_capacity(conn, 1);
}

static void a_capacity_may_change_when_acquired_and_released(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.ops.acquired = shrink_when_acquired;
    k.puppet.ops.released = grow_when_released;
    k.options.max_connections_per_endpoint = 1;
    pool_kit_open(&k);
    for (int i = 0; i < 3; i++) {
        ask_now(&ask, &k, k.a);
        assert_served(&ask);
        assert_int_equal(belay_lease_release(ask.lease, BELAY_REUSE), 0);
        pool_kit_settle(&k);
    }
    assert_int_equal(k.puppet.n, 1);
}

static void lose_when_released(struct belay_conn *conn, void *arg)
{
    (void)arg;
    belay_conn_lost(conn, BELAY_REASON_UNHEALTHY, NULL);
    belay_conn_lost(conn, BELAY_REASON_ERROR, NULL); /* once is enough */
}

static void a_connection_that_fails_when_released_is_not_lent_again(void **state)
{
    struct ask first, second;

    (void)state;
    k.puppet.ops.released = lose_when_released;
    pool_kit_open(&k);
    ask_now(&first, &k, k.a);
    belay_lease_release(first.lease, BELAY_REUSE);
    assert_int_equal(belay_peer_try_acquire(k.a, &second.lease), BELAY_EAGAIN);
    ask_now(&second, &k, k.a);
    assert_served(&second);
    assert_int_equal(k.puppet.n, 2);
    assert_int_equal(puppet_conn(&k.puppet, 0)->closes, 1);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_UNHEALTHY], 1);
    belay_lease_release(second.lease, BELAY_REUSE);
}

static void suspect_when_released(struct belay_conn *conn, void *arg)
{
    (void)arg;
    belay_conn_suspect(conn);
}

/* So it can be cleaned before the next user: see the adapter to libpq. */
static void a_connection_may_be_checked_at_every_release(void **state)
{
    struct ask ask;
    struct belay_lease lease;

    (void)state;
    k.puppet.ops.released = suspect_when_released;
    k.puppet.check_later = true;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    belay_lease_release(ask.lease, BELAY_REUSE);
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), BELAY_EAGAIN);
    pool_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 1);
    belay_conn_checked(puppet_conn(&k.puppet, 0)->conn, 0);
    pool_kit_settle(&k);
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), 0);
    assert_int_equal(k.puppet.n, 1);
    belay_lease_release(lease, BELAY_BROKEN);
}

/* ---- capacity ---- */

static void a_connection_for_nobody_serves_nobody_until_it_may(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.capacity = -1;
    k.options.max_connections_per_endpoint = 1;
    pool_kit_open(&k);
    ask_init(&ask, &k);
    assert_int_equal(ask_peer(&ask, k.a, 5000, false), 0);
    pool_kit_pass(&k, 1000);
    assert_int_equal(ask.told, 0);
    assert_int_equal(k.puppet.n, 1);
    belay_conn_set_capacity(puppet_conn(&k.puppet, 0)->conn, -5); /* as good as none */
    belay_conn_set_capacity(puppet_conn(&k.puppet, 0)->conn, 1);
    pool_kit_settle(&k);
    assert_served(&ask);
    belay_lease_release(ask.lease, BELAY_REUSE);
}

static void one_who_waits_for_a_connection_for_nobody_is_told_in_time(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.capacity = -1;
    pool_kit_open(&k);
    ask_init(&ask, &k);
    assert_int_equal(ask_peer(&ask, k.a, 5000, false), 0);
    pool_kit_pass(&k, 6000);
    assert_int_equal(ask.told, 1);
    assert_int_not_equal(ask.code, 0);
    assert_in_range(k.puppet.n, 1, 40);
}

/* ---- checks ---- */

static bool sick;

static bool is_healthy(struct belay_conn *conn, void *arg)
{
    (void)conn, (void)arg;
    return !sick;
}

static bool loses_and_says_yes(struct belay_conn *conn, void *arg)
{
    (void)arg;
    belay_conn_lost(conn, BELAY_REASON_NONE, NULL);
    return true;
}

static void a_connection_that_is_not_healthy_is_not_lent(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.ops.is_healthy = is_healthy;
    sick = false;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    belay_lease_release(ask.lease, BELAY_REUSE);
    pool_kit_pass(&k, 10);
    sick = true;
    assert_int_equal(belay_peer_try_acquire(k.a, &ask.lease), BELAY_EAGAIN);
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_UNHEALTHY], 1);
    sick = false;
    assert_works();
}

static void a_connection_that_is_lost_while_it_is_asked_is_not_lent(void **state)
{
    struct ask ask;
    int rc;

    (void)state;
    k.puppet.ops.is_healthy = is_healthy;
    sick = false;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    belay_lease_release(ask.lease, BELAY_REUSE);
    pool_kit_pass(&k, 10);
    k.puppet.ops.is_healthy = loses_and_says_yes;
    rc = belay_peer_try_acquire(k.a, &ask.lease);
    if (rc == 0)
        belay_lease_release(ask.lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 0)->closes, 1);
    k.puppet.ops.is_healthy = is_healthy;
    assert_works();
}

static void check_twice(struct belay_conn *conn, void *arg)
{
    (void)arg;
    belay_conn_checked(conn, 0);
    belay_conn_checked(conn, BELAY_EUNHEALTHY);
    belay_conn_closed(conn);
}

static void answers_that_nobody_asked_for_do_no_harm(void **state)
{
    struct ask ask;

    (void)state;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    belay_conn_checked(puppet_conn(&k.puppet, 0)->conn, BELAY_EUNHEALTHY);
    pool_kit_settle(&k);
    assert_true(belay_lease_valid(ask.lease));
    belay_lease_release(ask.lease, BELAY_REUSE);
    belay_conn_checked(puppet_conn(&k.puppet, 0)->conn, BELAY_EUNHEALTHY);
    pool_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 0)->closes, 0);
    k.puppet.ops.check = check_twice; /* the last answer counts */
    belay_conn_suspect(puppet_conn(&k.puppet, 0)->conn);
    pool_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 0)->closes, 1);
    assert_works();
}

static void a_check_that_never_ends_is_ended(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.check_later = true;
    k.options.check_timeout_ms = 100;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    belay_lease_release(ask.lease, BELAY_REUSE);
    belay_conn_suspect(puppet_conn(&k.puppet, 0)->conn);
    pool_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 1);
    pool_kit_pass(&k, 200);
    assert_int_equal(puppet_conn(&k.puppet, 0)->closes, 1);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_UNHEALTHY], 1);
    assert_works();
}

static void lose_when_checked(struct belay_conn *conn, void *arg)
{
    (void)arg;
    belay_conn_lost(conn, BELAY_REASON_PEER_CLOSED, NULL);
}

static void a_check_may_find_that_it_is_lost(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.ops.check = lose_when_checked;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    belay_lease_release(ask.lease, BELAY_REUSE);
    belay_conn_suspect(puppet_conn(&k.puppet, 0)->conn);
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_PEER_CLOSED], 1);
    assert_works();
}

/* ---- close ---- */

static void lose_when_closed(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    (void)reason, (void)arg;
    belay_conn_lost(conn, BELAY_REASON_ERROR, NULL);
    belay_conn_open_done(conn, NULL, 3);
    belay_conn_set_capacity(conn, 9);
    belay_conn_suspect(conn);
    puppet_closed(puppet_of(conn));
    belay_conn_closed(conn); /* again */
}

static void a_close_that_says_too_much_is_a_close(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.ops.close = lose_when_closed;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    belay_lease_release(ask.lease, BELAY_BROKEN);
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_BROKEN], 1);
    assert_works();
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_open_that_completes_twice_counts_once),
        T(an_open_that_fails_and_completes_has_failed),
        T(a_failure_without_a_code_is_one),
        T(an_open_that_never_ends_is_cancelled_and_waited_for),
        T(a_connection_that_fails_when_acquired_is_not_lent),
        T(connections_that_all_fail_when_acquired_are_not_dialled_without_end),
        T(a_capacity_may_change_when_acquired_and_released),
        T(a_connection_that_fails_when_released_is_not_lent_again),
        T(a_connection_may_be_checked_at_every_release),
        T(a_connection_for_nobody_serves_nobody_until_it_may),
        T(one_who_waits_for_a_connection_for_nobody_is_told_in_time),
        T(a_connection_that_is_not_healthy_is_not_lent),
        T(a_connection_that_is_lost_while_it_is_asked_is_not_lent),
        T(answers_that_nobody_asked_for_do_no_harm),
        T(a_check_that_never_ends_is_ended),
        T(a_check_may_find_that_it_is_lost),
        T(a_close_that_says_too_much_is_a_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
