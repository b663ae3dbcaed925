/* SPDX-License-Identifier: MIT */
/* Acquiring and releasing through the pool's calls, over a loop in virtual time. */
#include "keep/pool.h"
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

/* ---- acquiring ---- */

static void an_acquire_is_answered_once_and_later(void **state)
{
    struct ask ask;

    (void)state;
    ask_now(&ask, &k, k.a);
    assert_served(&ask);
    assert_int_equal(k.puppet.n, 1);
    assert_int_equal(puppet_of_lease(ask.lease)->acquires, 1);
    assert_int_equal(belay_lease_release(ask.lease, BELAY_REUSE), 0);
    assert_int_equal(k.puppet.conns[0].releases, 1);
    assert_false(belay_lease_valid(ask.lease));
    assert_int_equal(belay_lease_release(ask.lease, BELAY_REUSE), BELAY_ESTALE);
    assert_null(belay_lease_conn(ask.lease));
    assert_null(belay_lease_state(ask.lease));
    pool_kit_settle(&k);
    assert_int_equal(ask.told, 1);
    assert_int_equal(pool_kit_stats(&k).idle, 1);
}

static void trying_gives_what_is_idle_and_nothing_else(void **state)
{
    struct belay_lease lease, other;
    struct ask ask;

    (void)state;
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), BELAY_EAGAIN);
    pool_kit_settle(&k);
    assert_int_equal(k.puppet.n, 0); /* trying opens nothing */
    ask_now(&ask, &k, k.a);
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), BELAY_EAGAIN);
    belay_lease_release(ask.lease, BELAY_REUSE);
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), 0);
    assert_int_equal(puppet_of_lease(lease)->acquires, 2);
    assert_int_equal(belay_peer_try_acquire(k.a, &other), BELAY_EAGAIN);
    assert_int_equal(belay_peer_try_acquire(k.b, &other), BELAY_EAGAIN);
    belay_lease_release(lease, BELAY_REUSE);
    assert_int_equal(pool_kit_stats(&k).acquired, 2);
    assert_int_equal(pool_kit_stats(&k).reused, 1);
}

static void trying_takes_nothing_from_those_who_wait(void **state)
{
    struct belay_lease lease;
    struct ask first, second;

    (void)state;
    ask_now(&first, &k, k.a);
    ask_init(&second, &k);
    assert_int_equal(ask_peer(&second, k.a, 0, false), 0);
    belay_lease_release(first.lease, BELAY_REUSE);
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), BELAY_EAGAIN);
    pool_kit_settle(&k);
    assert_served(&second);
    belay_lease_release(second.lease, BELAY_REUSE);
}

static void a_warm_acquire_and_release_allocates_nothing(void **state)
{
    struct belay_lease lease;
    struct ask ask;
    size_t calls;

    (void)state;
    ask_now(&ask, &k, k.a);
    belay_lease_release(ask.lease, BELAY_REUSE);
    ask_now(&ask, &k, k.a);
    belay_lease_release(ask.lease, BELAY_REUSE);
    pool_kit_settle(&k);
    calls = failing_alloc_calls(&k.alloc);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(belay_peer_try_acquire(k.a, &lease), 0);
        assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
        ask_now(&ask, &k, k.a);
        assert_served(&ask);
        belay_lease_release(ask.lease, BELAY_REUSE);
    }
    assert_int_equal(failing_alloc_calls(&k.alloc), calls);
}

static void bad_arguments_change_nothing(void **state)
{
    struct belay_acquire_options o = belay_acquire_options_init();
    struct belay_waiter *waiter = NULL;
    struct ask ask;

    (void)state;
    ask_init(&ask, &k);
    o.timeout_ms = -3;
    assert_int_equal(belay_peer_acquire(k.a, &o, &waiter, NULL, &ask), BELAY_EINVAL);
    assert_int_equal(ask_peer(&ask, k.a, -3, false), BELAY_EINVAL);
    assert_int_equal(ask_peer(&ask, k.a, BELAY_NONE, false), BELAY_EINVAL);
    assert_int_equal(belay_peer_acquire(k.a, NULL, NULL, NULL, NULL), BELAY_EINVAL);
    assert_null(waiter);
    pool_kit_settle(&k);
    assert_int_equal(ask.told + k.puppet.n, 0);
    assert_int_equal(pool_kit_stats(&k).waiting, 0);
}

static void waiters_may_be_limited(void **state)
{
    struct ask asks[3];

    (void)state;
    k.puppet.capacity = 0;
    k.options.max_waiters = 2;
    pool_kit_open(&k);
    for (int i = 0; i < 3; i++) {
        ask_init(&asks[i], &k);
        assert_int_equal(ask_peer(&asks[i], k.a, 0, false), i < 2 ? 0 : BELAY_EFULL);
    }
    pool_kit_settle(&k);
    puppet_up(puppet_conn(&k.puppet, 0), 1);
    pool_kit_settle(&k);
    assert_served(&asks[0]);
    assert_int_equal(ask_peer(&asks[2], k.a, 0, false), 0);
    belay_waiter_cancel(asks[2].waiter);
    belay_waiter_cancel(asks[1].waiter);
    belay_lease_release(asks[0].lease, BELAY_REUSE);
}

static void who_cancels_is_never_told(void **state)
{
    struct ask waiting, dialling, served;

    (void)state;
    belay_waiter_cancel(NULL);
    ask_init(&waiting, &k);
    assert_int_equal(ask_peer(&waiting, k.a, 0, false), 0);
    belay_waiter_cancel(waiting.waiter);
    pool_kit_settle(&k);
    assert_int_equal(k.puppet.n, 0); /* nobody wants it any more */

    k.puppet.capacity = 0;
    ask_now(&dialling, &k, k.a);
    assert_int_equal(k.puppet.n, 1);
    belay_waiter_cancel(dialling.waiter);
    puppet_up(puppet_conn(&k.puppet, 0), 1);
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).idle, 1);
    ask_now(&served, &k, k.a);
    assert_served(&served);
    assert_int_equal(waiting.told + dialling.told, 0);
    belay_lease_release(served.lease, BELAY_REUSE);
}

static void a_failed_waiter_may_still_cancel_before_it_is_told(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.capacity = 0;
    ask_now(&ask, &k, k.a);
    belay_pool_close(k.pool, pool_kit_on_closed, &k);
    belay_waiter_cancel(ask.waiter);
    pool_kit_settle(&k);
    assert_int_equal(ask.told, 0);
    assert_int_equal(k.closed, 1);
}

/* ---- time ---- */

static void a_deadline_belongs_to_the_queue_and_says_what_failed_last(void **state)
{
    struct ask ask, other;

    (void)state;
    k.puppet.capacity = 0;
    ask_init(&ask, &k);
    assert_int_equal(ask_peer(&ask, k.a, 40, false), 0);
    pool_kit_pass(&k, 39);
    assert_int_equal(ask.told, 0);
    pool_kit_pass(&k, 1);
    assert_refused(&ask, BELAY_ETIMEDOUT, BELAY_STAGE_QUEUE);
    assert_string_equal(ask.text,
                        "waiting for a connection to tcp://a.test:1: none was free within "
                        "40 ms");
    ask_init(&other, &k);
    assert_int_equal(ask_peer(&other, k.a, 40, false), 0);
    puppet_fail(puppet_conn(&k.puppet, 0), BELAY_ECONNECT);
    pool_kit_pass(&k, 40);
    assert_refused(&other, BELAY_ETIMEDOUT, BELAY_STAGE_QUEUE);
    assert_non_null(strstr(other.text, "last attempt: puppet: could not connect"));
    assert_int_equal(pool_kit_stats(&k).refused[BELAY_STAGE_QUEUE], 2);
}

static void without_a_limit_of_its_own_an_acquire_has_the_pools(void **state)
{
    struct ask ours, forever;

    (void)state;
    k.puppet.capacity = 0;
    k.options.acquire_timeout_ms = 300;
    pool_kit_open(&k);
    ask_init(&ours, &k);
    ask_init(&forever, &k);
    assert_int_equal(ask_peer(&ours, k.a, 0, false), 0);
    assert_int_equal(ask_peer(&forever, k.a, BELAY_FOREVER, false), 0);
    pool_kit_pass(&k, 299);
    assert_int_equal(ours.told, 0);
    pool_kit_pass(&k, 1);
    assert_refused(&ours, BELAY_ETIMEDOUT, BELAY_STAGE_QUEUE);
    pool_kit_pass(&k, 9000);
    assert_int_equal(forever.told, 0);
    belay_waiter_cancel(forever.waiter);
}

static void idle_connections_end_without_anybody_looking(void **state)
{
    struct ask ask;

    (void)state;
    k.options.max_idle_time_ms = 500;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    pool_kit_pass(&k, 5000); /* in use: no limit */
    assert_true(belay_lease_valid(ask.lease));
    belay_lease_release(ask.lease, BELAY_REUSE);
    pool_kit_pass(&k, 499);
    assert_int_equal(k.puppet.conns[0].closes, 0);
    pool_kit_pass(&k, 1);
    assert_int_equal(k.puppet.conns[0].closes, 1);
    assert_int_equal(k.puppet.conns[0].reason, BELAY_REASON_IDLE);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_IDLE], 1);
}

static void no_idle_time_ends_a_connection_at_its_release(void **state)
{
    struct ask ask;

    (void)state;
    k.options.max_idle_time_ms = BELAY_NONE;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    assert_served(&ask);
    belay_lease_release(ask.lease, BELAY_REUSE);
    pool_kit_pass(&k, 1);
    assert_int_equal(k.puppet.n, 1);
    assert_int_equal(k.puppet.conns[0].reason, BELAY_REASON_IDLE);
}

static void lifetimes_end_idle_connections_and_lent_ones_at_release(void **state)
{
    struct ask idle, lent;

    (void)state;
    k.options.max_connection_lifetime_ms = 700;
    pool_kit_open(&k);
    ask_now(&idle, &k, k.a);
    ask_now(&lent, &k, k.a);
    belay_lease_release(idle.lease, BELAY_REUSE);
    pool_kit_pass(&k, 700);
    assert_int_equal(k.puppet.conns[0].reason, BELAY_REASON_LIFETIME);
    assert_int_equal(k.puppet.conns[1].closes, 0);
    belay_lease_release(lent.lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(k.puppet.conns[1].reason, BELAY_REASON_LIFETIME);
}

/* Whatever is configured, a pool at rest sleeps. */
static void a_pool_at_rest_wakes_nobody(void **state)
{
    struct ask idle, lent;
    unsigned turns;

    (void)state;
    k.options.max_idle_time_ms = BELAY_FOREVER;
    k.options.max_connection_lifetime_ms = BELAY_FOREVER;
    pool_kit_open(&k);
    ask_now(&idle, &k, k.a);
    ask_now(&lent, &k, k.a);
    belay_lease_release(idle.lease, BELAY_REUSE);
    pool_kit_pass(&k, 5000);
    turns = k.world.turns;
    pool_kit_pass(&k, 10000);
    assert_true(k.world.turns - turns < 40);
    belay_lease_release(lent.lease, BELAY_REUSE);
    pool_kit_pass(&k, 5000);
    turns = k.world.turns;
    pool_kit_pass(&k, 3600000);
    assert_true(k.world.turns - turns < 10);
}

/* After a second of rest, whatever the limits; and again after the next use. */
static void an_idle_connection_gives_its_buffers_back(void **state)
{
    struct bl_pool_conn *c;
    struct ask ask;

    (void)state;
    for (int forever = 0; forever < 2; forever++) {
        if (forever) {
            pool_kit_end(&k);
            pool_kit_begin(&k);
            k.options.max_idle_time_ms = BELAY_FOREVER;
            k.options.max_connection_lifetime_ms = BELAY_FOREVER;
            pool_kit_open(&k);
        }
        ask_now(&ask, &k, k.a);
        c = bl_conn_extra(belay_lease_conn(ask.lease));
        for (int use = 0; use < 3; use++) {
            pool_kit_pass(&k, 3000);
            assert_false(c->trimmed); /* in use */
            belay_lease_release(ask.lease, BELAY_REUSE);
            pool_kit_pass(&k, 999);
            assert_false(c->trimmed);
            pool_kit_pass(&k, 1);
            assert_true(c->trimmed);
            assert_int_equal(belay_peer_try_acquire(k.a, &ask.lease), 0);
            belay_lease_release(ask.lease, BELAY_REUSE);
            assert_int_equal(belay_peer_try_acquire(k.a, &ask.lease), 0);
        }
        belay_lease_release(ask.lease, BELAY_REUSE);
    }
}

static void many_may_wait_at_a_time(void **state)
{
    static struct ask asks[300];
    size_t live;

    (void)state;
    k.puppet.capacity = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 300; i++) {
            ask_init(&asks[i], &k);
            assert_int_equal(ask_peer(&asks[i], k.a, 0, false), 0);
        }
        assert_int_equal(pool_kit_stats(&k).waiting, 300);
        live = failing_alloc_live(&k.alloc);
        for (int i = 0; i < 300; i++)
            belay_waiter_cancel(asks[i].waiter);
        assert_true(failing_alloc_live(&k.alloc) < live); /* only some are kept for the next */
        assert_int_equal(pool_kit_stats(&k).waiting, 0);
    }
}

/* ---- what becomes of connections ---- */

static void a_broken_connection_is_replaced(void **state)
{
    struct ask ask;

    (void)state;
    ask_now(&ask, &k, k.a);
    belay_lease_release(ask.lease, BELAY_BROKEN);
    pool_kit_settle(&k);
    assert_int_equal(k.puppet.conns[0].reason, BELAY_REASON_BROKEN);
    ask_now(&ask, &k, k.a);
    assert_int_equal(k.puppet.n, 2);
    belay_lease_release(ask.lease, BELAY_REUSE);
}

static void a_lost_connection_is_not_lent_again(void **state)
{
    struct ask ask, next;

    (void)state;
    ask_now(&ask, &k, k.a);
    puppet_lose(puppet_of_lease(ask.lease), BELAY_ERESET);
    pool_kit_settle(&k);
    assert_true(belay_lease_valid(ask.lease)); /* who holds it must let go of it */
    assert_int_equal(k.puppet.conns[0].closes, 0);
    belay_lease_release(ask.lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(k.puppet.conns[0].reason, BELAY_REASON_ERROR);
    ask_now(&next, &k, k.a);
    belay_lease_release(next.lease, BELAY_REUSE);
    puppet_lose(puppet_conn(&k.puppet, 1), BELAY_EEOF);
    pool_kit_settle(&k);
    assert_int_equal(k.puppet.conns[1].reason, BELAY_REASON_PEER_CLOSED);
    assert_int_equal(belay_peer_try_acquire(k.a, &next.lease), BELAY_EAGAIN);
}

/* What was reported in this turn counts, although the pool has not been told yet. */
static void what_was_lost_a_moment_ago_is_not_lent(void **state)
{
    struct belay_lease lease;
    struct ask ask;

    (void)state;
    ask_now(&ask, &k, k.a);
    puppet_lose(puppet_conn(&k.puppet, 0), BELAY_ERESET);
    belay_lease_release(ask.lease, BELAY_REUSE);
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), BELAY_EAGAIN);
}

static void a_suspect_is_checked_and_lent_or_ended(void **state)
{
    struct ask ask, waiting;

    (void)state;
    k.options.max_connections_per_endpoint = 1;
    pool_kit_open(&k);
    k.puppet.check_later = true;
    ask_now(&ask, &k, k.a);
    belay_lease_release(ask.lease, BELAY_REUSE);
    belay_conn_suspect(k.puppet.conns[0].conn);
    pool_kit_settle(&k);
    assert_int_equal(k.puppet.conns[0].checks, 1);
    ask_now(&waiting, &k, k.a);
    assert_int_equal(waiting.told, 0);
    belay_conn_checked(k.puppet.conns[0].conn, 0);
    pool_kit_settle(&k);
    assert_served(&waiting);
    belay_lease_release(waiting.lease, BELAY_REUSE);

    k.puppet.check_later = false;
    k.puppet.check_result = BELAY_EUNHEALTHY;
    belay_conn_suspect(k.puppet.conns[0].conn);
    pool_kit_settle(&k);
    assert_int_equal(k.puppet.conns[0].reason, BELAY_REASON_UNHEALTHY);
}

static void a_check_that_is_never_answered_ends_too(void **state)
{
    struct ask ask;

    (void)state;
    k.options.check_timeout_ms = 400;
    k.puppet.check_later = true;
    pool_kit_open(&k);
    ask_now(&ask, &k, k.a);
    belay_lease_release(ask.lease, BELAY_REUSE);
    belay_conn_suspect(k.puppet.conns[0].conn);
    pool_kit_pass(&k, 399);
    assert_int_equal(k.puppet.conns[0].closes, 0);
    pool_kit_pass(&k, 1);
    assert_int_equal(k.puppet.conns[0].closes, 1);
    assert_int_equal(k.puppet.conns[0].reason, BELAY_REASON_UNHEALTHY);
}

static void a_shared_connection_serves_as_many_as_it_carries(void **state)
{
    struct ask asks[5];

    (void)state;
    k.puppet.capacity = 3;
    k.options.expected_capacity = BELAY_NONE;
    k.options.max_connections_per_endpoint = 1;
    pool_kit_open(&k);
    for (int i = 0; i < 5; i++) {
        ask_init(&asks[i], &k);
        assert_int_equal(ask_peer(&asks[i], k.a, 0, false), 0);
    }
    pool_kit_pass(&k, 300); /* a limit is in the way of a second: no spinning */
    assert_int_equal(k.puppet.n, 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(asks[i].told, i < 3);
    assert_int_equal(pool_kit_stats(&k).leases, 3);
    belay_conn_draining(k.puppet.conns[0].conn);
    for (int i = 0; i < 3; i++)
        belay_lease_release(asks[i].lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(k.puppet.conns[0].reason, BELAY_REASON_DRAINING);
    assert_served(&asks[3]);
    assert_served(&asks[4]);
    assert_int_equal(k.puppet.n, 2);
    belay_lease_release(asks[3].lease, BELAY_REUSE);
    belay_lease_release(asks[4].lease, BELAY_REUSE);
}

static void what_has_no_stream_cannot_be_taken(void **state)
{
    struct belay_stream *stream = NULL;
    struct ask ask;

    (void)state;
    ask_now(&ask, &k, k.a);
    assert_null(belay_lease_stream(ask.lease));
    assert_int_equal(belay_lease_take(ask.lease, &stream), BELAY_ENOTSUP);
    assert_null(stream);
    assert_true(belay_lease_valid(ask.lease));
    belay_lease_release(ask.lease, BELAY_REUSE);
    assert_int_equal(belay_lease_take(ask.lease, &stream), BELAY_ESTALE);
}

/* ---- limits over peers ---- */

static void one_endpoint_gives_way_to_another(void **state)
{
    struct ask a, b;

    (void)state;
    k.options.max_connections_total = 1;
    pool_kit_open(&k);
    ask_now(&a, &k, k.a);
    ask_now(&b, &k, k.b);
    assert_int_equal(b.told, 0);
    belay_lease_release(a.lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(k.puppet.conns[0].reason, BELAY_REASON_EVICTED);
    assert_served(&b);
    assert_int_equal(pool_kit_stats(&k).peak, 1);
    belay_lease_release(b.lease, BELAY_REUSE);
}

static void a_fresh_connection_was_never_used(void **state)
{
    struct ask used, fresh;

    (void)state;
    ask_now(&used, &k, k.a);
    belay_lease_release(used.lease, BELAY_REUSE);
    ask_init(&fresh, &k);
    assert_int_equal(ask_peer(&fresh, k.a, 0, true), 0);
    pool_kit_settle(&k);
    assert_served(&fresh);
    assert_ptr_equal(puppet_of_lease(fresh.lease), &k.puppet.conns[1]);
    belay_lease_release(fresh.lease, BELAY_REUSE);
}

#define BARE(name) cmocka_unit_test_setup_teardown(name, set_up_bare, tear_down)
#define OPEN(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPEN(an_acquire_is_answered_once_and_later),
        OPEN(trying_gives_what_is_idle_and_nothing_else),
        OPEN(trying_takes_nothing_from_those_who_wait),
        OPEN(a_warm_acquire_and_release_allocates_nothing),
        OPEN(bad_arguments_change_nothing),
        BARE(waiters_may_be_limited),
        OPEN(who_cancels_is_never_told),
        OPEN(a_failed_waiter_may_still_cancel_before_it_is_told),
        OPEN(a_deadline_belongs_to_the_queue_and_says_what_failed_last),
        BARE(without_a_limit_of_its_own_an_acquire_has_the_pools),
        BARE(idle_connections_end_without_anybody_looking),
        BARE(no_idle_time_ends_a_connection_at_its_release),
        BARE(lifetimes_end_idle_connections_and_lent_ones_at_release),
        BARE(a_pool_at_rest_wakes_nobody),
        OPEN(an_idle_connection_gives_its_buffers_back),
        OPEN(many_may_wait_at_a_time),
        OPEN(a_broken_connection_is_replaced),
        OPEN(a_lost_connection_is_not_lent_again),
        OPEN(what_was_lost_a_moment_ago_is_not_lent),
        BARE(a_suspect_is_checked_and_lent_or_ended),
        BARE(a_check_that_is_never_answered_ends_too),
        BARE(a_shared_connection_serves_as_many_as_it_carries),
        OPEN(what_has_no_stream_cannot_be_taken),
        BARE(one_endpoint_gives_way_to_another),
        OPEN(a_fresh_connection_was_never_used),
    };
    return cmocka_run_group_tests_name("keep_pool", tests, NULL, NULL);
}
