/* SPDX-License-Identifier: MIT */
/*
 * What must not go round and round: dials that come to nothing in all sorts of ways, checks that
 * answer at once, and callers who never leave the loop alone.
 */
#include "unit/keep/pool_kit.h"

static struct pool_kit k;
static unsigned turns_of_work;

static int set_up(void **state)
{
    (void)state;
    turns_of_work = 0;
    pool_kit_begin(&k);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pool_kit_end(&k);
    return 0;
}

static struct belay_lease lend(struct belay_peer *peer)
{
    struct ask ask;

    ask_now(&ask, &k, peer);
    assert_served(&ask);
    return ask.lease;
}

static void a_limit_of_none_checks_each_spell_of_idleness_once(void **state)
{
    struct belay_lease lease;
    struct ask ask;

    (void)state;
    k.options.check_after_idle_ms = BELAY_NONE;
    pool_kit_open(&k);
    lease = lend(k.a); /* one that has just come up is no doubt */
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 0);
    belay_lease_release(lease, BELAY_REUSE);
    pool_kit_pass(&k, 1);
    ask_now(&ask, &k, k.a);
    assert_served(&ask);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 1);
    belay_lease_release(ask.lease, BELAY_REUSE);
}

static void suspect_at_once(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    (void)endpoint;
    (void)arg;
    turns_of_work++;
    belay_conn_open_done(conn, NULL, 1);
    belay_conn_suspect(conn);
}

static void fail_check(struct belay_conn *conn, void *arg)
{
    (void)arg;
    belay_conn_checked(conn, BELAY_EUNHEALTHY);
}

static void connections_that_fail_their_first_check_are_failed_dials(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.ops.open = suspect_at_once;
    k.puppet.ops.check = fail_check;
    k.puppet.ops.close = NULL;
    pool_kit_open(&k);
    ask_init(&ask, &k);
    assert_int_equal(ask_peer(&ask, k.a, 10000, false), 0);
    pool_kit_pass(&k, 10000);
    assert_refused(&ask, BELAY_EUNHEALTHY, BELAY_STAGE_PROTOCOL);
    assert_int_equal(turns_of_work, 4);
}

static void connections_that_nobody_may_use_are_failed_dials_when_they_expire(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.capacity = -1; /* comes up with a capacity of 0 */
    k.options.max_idle_time_ms = BELAY_NONE;
    pool_kit_open(&k);
    ask_init(&ask, &k);
    assert_int_equal(ask_peer(&ask, k.a, 5000, false), 0);
    pool_kit_pass(&k, 5000);
    assert_int_equal(ask.told, 1);
    assert_int_equal(k.puppet.n, 4);
}

static void fills_that_are_lost_at_once_come_slower_and_slower(void **state)
{
    (void)state;
    k.options.min_idle = 1;
    k.options.connect_retry_delay_ms = 100;
    pool_kit_open(&k);
    belay_peer_unref(k.b);
    k.b = NULL;
    for (int i = 0; i < 600; i++) { /* a minute */
        pool_kit_pass(&k, 100);
        for (unsigned n = 0; n < k.puppet.n; n++)
            if (k.puppet.conns[n].conn && k.puppet.conns[n].closes == 0)
                puppet_lose(&k.puppet.conns[n], BELAY_ERESET);
    }
    assert_in_range(k.puppet.n, 8, 20); /* 0.1, 0.2, 0.4, ... 10 s */
}

static void fills_for_want_of_descriptors_evict_nobody(void **state)
{
    struct belay_lease lease;

    (void)state;
    pool_kit_open(&k);
    lease = lend(k.b);
    belay_lease_release(lease, BELAY_REUSE);
    k.puppet.capacity = 0;
    k.puppet.fail = BELAY_EMFILE;
    k.options = belay_pool_options_init();
    k.options.min_idle = 2;
    assert_int_equal(belay_pool_set_options(k.pool, &k.options, NULL), 0);
    pool_kit_pass(&k, 10000);
    assert_int_equal(pool_kit_stats(&k).idle, 1);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_EVICTED], 0);
}

static void a_limit_of_this_process_is_tried_again(void **state)
{
    struct ask first, second;

    (void)state;
    k.puppet.capacity = 0;
    k.puppet.fail = BELAY_EFULL;
    pool_kit_open(&k);
    ask_now(&first, &k, k.a);
    ask_now(&second, &k, k.a);
    assert_int_equal(first.told + second.told, 0);
    k.puppet.fail = 0;
    k.puppet.capacity = 1;
    pool_kit_pass(&k, 500);
    assert_served(&first);
    assert_served(&second);
    belay_lease_release(first.lease, BELAY_REUSE);
    belay_lease_release(second.lease, BELAY_REUSE);
}

/* ---- those who come back at once ---- */

static struct ask eager;

static void release_and_ask_again(struct ask *ask)
{
    struct belay_lease lease = ask->lease;

    turns_of_work++;
    belay_lease_release(lease, BELAY_REUSE);
    if (turns_of_work < 1000)
        assert_int_equal(ask_peer(&eager, k.a, 1000, false), 0);
}

static void who_asks_again_in_the_callback_does_not_keep_the_loop_to_itself(void **state)
{
    (void)state;
    pool_kit_open(&k);
    belay_lease_release(lend(k.a), BELAY_REUSE);
    ask_init(&eager, &k);
    eager.then = release_and_ask_again;
    assert_int_equal(ask_peer(&eager, k.a, 1000, false), 0);
    assert_int_equal(belay_loop_turn(k.loop, 0), 0);
    assert_in_range(turns_of_work, 1, 100);
    while (turns_of_work < 1000)
        assert_int_equal(belay_loop_turn(k.loop, 0), 0);
    assert_int_equal(k.puppet.n, 1); /* nor is another dialled while one is idle */
}

static void count(void *arg)
{
    (*(unsigned *)arg)++;
}

static void word_of_an_end_comes_whoever_lets_go(void **state)
{
    struct belay_pool *pool;
    unsigned told = 0;

    (void)state;
    pool_kit_open(&k);
    pool = belay_pool_ref(k.pool);
    belay_pool_close(pool, pool_kit_on_closed, &k);
    pool_kit_settle(&k);
    assert_int_equal(belay_pool_close_finished(pool, count, &told), 0);
    belay_pool_unref(pool);
    pool_kit_settle(&k);
    assert_int_equal(told, 1);
}

static void a_slow_close_is_waited_for_no_longer_than_a_second(void **state)
{
    struct belay_lease lease[3];
    struct ask ask;

    (void)state;
    k.options.max_connections_total = 3;
    k.puppet.close_later = true;
    pool_kit_open(&k);
    for (int i = 0; i < 3; i++)
        lease[i] = lend(k.b);
    belay_lease_release(lease[0], BELAY_BROKEN); /* its close hangs */
    pool_kit_settle(&k);
    belay_lease_release(lease[1], BELAY_REUSE);
    belay_lease_release(lease[2], BELAY_REUSE);
    k.puppet.close_later = false;
    ask_now(&ask, &k, k.a);
    assert_int_equal(ask.told, 0);
    pool_kit_pass(&k, 1000);
    assert_served(&ask);
    belay_lease_release(ask.lease, BELAY_REUSE);
}

static void idle_limits_of_all_spare_what_somebody_waits_for(void **state)
{
    struct belay_lease a, b;
    struct ask for_a, for_b;

    (void)state;
    k.options.max_idle_total = BELAY_NONE;
    k.options.max_connections_per_endpoint = 1;
    pool_kit_open(&k);
    a = lend(k.a);
    b = lend(k.b);
    ask_now(&for_a, &k, k.a);
    ask_now(&for_b, &k, k.b);
    belay_lease_release(a, BELAY_REUSE);
    belay_lease_release(b, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_served(&for_a);
    assert_served(&for_b);
    assert_int_equal(k.puppet.n, 2);
    belay_lease_release(for_a.lease, BELAY_REUSE);
    belay_lease_release(for_b.lease, BELAY_REUSE);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_limit_of_none_checks_each_spell_of_idleness_once),
        T(connections_that_fail_their_first_check_are_failed_dials),
        T(connections_that_nobody_may_use_are_failed_dials_when_they_expire),
        T(fills_that_are_lost_at_once_come_slower_and_slower),
        T(fills_for_want_of_descriptors_evict_nobody),
        T(a_limit_of_this_process_is_tried_again),
        T(who_asks_again_in_the_callback_does_not_keep_the_loop_to_itself),
        T(word_of_an_end_comes_whoever_lets_go),
        T(a_slow_close_is_waited_for_no_longer_than_a_second),
        T(idle_limits_of_all_spare_what_somebody_waits_for),
    };
    return cmocka_run_group_tests_name("keep_pool_storms", tests, NULL, NULL);
}
