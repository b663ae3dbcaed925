/* SPDX-License-Identifier: MIT */
/*
 * Connectors in haste: connections that come up only to end, before anybody could use them. Whoever
 * waits is not better off than after a failed dial, and the peer is not to be stormed.
 */
#include "unit/keep/pool_kit.h"

#include "base/error.h"

static struct pool_kit k;
static unsigned opens;
static enum { LOSE, LOSE_FATALLY, DRAIN } then;

static void open_and_end(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    struct belay_error error =
        puppet_error(then == LOSE ? BELAY_EEOF : BELAY_ETLS, BELAY_STAGE_USE);

    (void)endpoint;
    (void)arg;
    opens++;
    belay_conn_open_done(conn, NULL, 1);
    if (then == DRAIN)
        belay_conn_draining(conn);
    else
        belay_conn_lost(conn, BELAY_REASON_NONE, &error);
}

static int set_up(void **state)
{
    (void)state;
    opens = 0;
    pool_kit_begin(&k);
    k.puppet.ops.open = open_and_end;
    k.puppet.ops.close = NULL;
    k.puppet.ops.acquired = k.puppet.ops.released = NULL;
    pool_kit_open(&k);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pool_kit_end(&k);
    return 0;
}

static void a_peer_that_ends_what_it_lets_up_is_not_stormed(void **state)
{
    struct ask ask;

    (void)state;
    for (then = LOSE; then <= DRAIN; then++) {
        if (then == LOSE_FATALLY)
            continue;
        opens = 0;
        ask_now(&ask, &k, k.a);
        assert_int_equal(opens, 1);
        assert_int_equal(ask.told, 0);
        pool_kit_pass(&k, 70);
        assert_int_equal(opens, 1); /* the first delay is at least 80 ms */
        pool_kit_pass(&k, 2000);
        assert_int_equal(opens, 4); /* as many as dials that fail */
        assert_refused(&ask, BELAY_EEOF, then == LOSE ? BELAY_STAGE_USE : BELAY_STAGE_PROTOCOL);
    }
}

static void one_that_ends_for_good_fails_all(void **state)
{
    struct ask first, second;

    (void)state;
    then = LOSE_FATALLY;
    ask_init(&first, &k);
    assert_int_equal(ask_peer(&first, k.a, 0, false), 0);
    ask_now(&second, &k, k.a);
    assert_int_equal(first.told + second.told, 2);
    assert_refused(&first, BELAY_ETLS, BELAY_STAGE_USE);
    assert_refused(&second, BELAY_ETLS, BELAY_STAGE_USE);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_ERROR], opens);
}

/* What ends while nobody waits is nobody's failure. */
static void one_that_ends_unused_and_unwanted_costs_nothing(void **state)
{
    struct ask ask;

    (void)state;
    puppet_init(&k.puppet);
    k.puppet.capacity = 0;
    ask_now(&ask, &k, k.a);
    belay_waiter_cancel(ask.waiter);
    puppet_up(puppet_conn(&k.puppet, 0), 1);
    pool_kit_settle(&k);
    puppet_lose(puppet_conn(&k.puppet, 0), BELAY_EEOF);
    pool_kit_settle(&k);
    k.puppet.capacity = 1;
    ask_now(&ask, &k, k.a);
    assert_served(&ask); /* at once */
    belay_lease_release(ask.lease, BELAY_REUSE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_peer_that_ends_what_it_lets_up_is_not_stormed),
        T(one_that_ends_for_good_fails_all),
        T(one_that_ends_unused_and_unwanted_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
