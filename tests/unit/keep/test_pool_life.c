/* SPDX-License-Identifier: MIT */
/* The ends of a pool: close, drain, the loop's end, handles that outlive it, callbacks that do it. */
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

static int tear_down(void **state)
{
    (void)state;
    pool_kit_end(&k);
    return 0;
}

static void close_pool(struct ask *ask)
{
    belay_pool_close(ask->kit->pool, pool_kit_on_closed, ask->kit);
}

static void drain_pool(struct ask *ask)
{
    belay_pool_drain(ask->kit->pool, pool_kit_on_closed, ask->kit);
}

static void close_loop(struct ask *ask)
{
    belay_pool_close(ask->kit->pool, pool_kit_on_closed, ask->kit);
    belay_loop_close(ask->kit->loop, NULL, NULL);
}

static void give_back(struct ask *ask)
{
    assert_int_equal(belay_lease_release(ask->lease, BELAY_REUSE), 0);
}

static void ask_again(struct ask *ask)
{
    ask->then = NULL;
    ask_peer(ask, ask->kit->a, 0, false);
}

/* ---- close and drain ---- */

static void closing_answers_all_and_revokes_what_is_lent(void **state)
{
    struct ask lent, idle, waiting, dialling;

    (void)state;
    ask_now(&lent, &k, k.a);
    ask_now(&idle, &k, k.a);
    belay_lease_release(idle.lease, BELAY_REUSE);
    k.puppet.capacity = 0;
    ask_now(&dialling, &k, k.b);
    ask_init(&waiting, &k);
    assert_int_equal(ask_peer(&waiting, k.b, 0, false), 0);
    belay_pool_close(k.pool, pool_kit_on_closed, &k);
    assert_int_equal(waiting.told + dialling.told + k.closed, 0); /* never inside the call */
    assert_false(belay_lease_valid(lent.lease));
    assert_int_equal(belay_lease_release(lent.lease, BELAY_REUSE), BELAY_ESTALE);
    belay_pool_close(k.pool, pool_kit_on_closed, &k); /* again: harmless */
    pool_kit_settle(&k);
    assert_refused(&waiting, BELAY_ECLOSED, BELAY_STAGE_QUEUE);
    assert_refused(&dialling, BELAY_ECLOSED, BELAY_STAGE_QUEUE);
    assert_int_equal(k.closed, 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(k.puppet.conns[i].closes, 1);
        assert_int_equal(k.puppet.conns[i].reason, BELAY_REASON_POOL_CLOSED);
    }
    assert_int_equal(k.puppet.conns[2].cancels, 1);
}

static void a_closed_pool_takes_nothing_new(void **state)
{
    struct belay_endpoint *endpoint;
    struct belay_peer *peer;
    struct belay_lease lease;
    struct ask ask;

    (void)state;
    k.puppet.close_later = true;
    ask_now(&ask, &k, k.a);
    belay_lease_release(ask.lease, BELAY_REUSE);
    belay_pool_close(k.pool, pool_kit_on_closed, &k);
    ask_init(&ask, &k);
    assert_int_equal(belay_endpoint_parse(k.loop, "tcp://c.test:1", &endpoint, NULL), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask_peer(&ask, k.a, 0, false), BELAY_ECLOSED);
        assert_int_equal(belay_peer_try_acquire(k.a, &lease), BELAY_ECLOSED);
        assert_int_equal(belay_pool_peer(k.pool, endpoint, &peer), BELAY_ECLOSED);
        pool_kit_settle(&k);
        assert_int_equal(k.closed, 0); /* one is still closing */
    }
    belay_endpoint_unref(endpoint);
    puppet_closed(puppet_conn(&k.puppet, 0));
    pool_kit_settle(&k);
    assert_int_equal(k.closed, 1);
    assert_int_equal(ask.told, 0);
}

static void draining_waits_for_what_is_lent(void **state)
{
    struct ask lent, idle, waiting;

    (void)state;
    ask_now(&lent, &k, k.a);
    ask_now(&idle, &k, k.a);
    belay_lease_release(idle.lease, BELAY_REUSE);
    ask_init(&waiting, &k);
    assert_int_equal(ask_peer(&waiting, k.b, 0, false), 0);
    belay_pool_drain(k.pool, pool_kit_on_closed, &k);
    pool_kit_pass(&k, 60000);
    assert_refused(&waiting, BELAY_ECLOSED, BELAY_STAGE_QUEUE);
    assert_int_equal(k.puppet.conns[1].closes, 1);
    assert_int_equal(k.puppet.conns[0].closes, 0);
    assert_true(belay_lease_valid(lent.lease));
    assert_int_equal(k.closed, 0);
    assert_int_equal(belay_lease_release(lent.lease, BELAY_REUSE), 0);
    pool_kit_settle(&k);
    assert_int_equal(k.puppet.conns[0].reason, BELAY_REASON_POOL_CLOSED);
    assert_int_equal(k.closed, 1);
}

static void close_hurries_a_drain_up(void **state)
{
    struct ask lent;

    (void)state;
    ask_now(&lent, &k, k.a);
    belay_pool_drain(k.pool, NULL, NULL);
    pool_kit_settle(&k);
    belay_pool_close(k.pool, pool_kit_on_closed, &k);
    assert_false(belay_lease_valid(lent.lease));
    pool_kit_settle(&k);
    assert_int_equal(k.closed, 1);
}

static void closing_an_empty_pool_and_no_pool(void **state)
{
    (void)state;
    belay_pool_close(NULL, NULL, NULL);
    belay_pool_drain(NULL, NULL, NULL);
    belay_pool_drain(k.pool, pool_kit_on_closed, &k);
    assert_int_equal(k.closed, 0);
    pool_kit_settle(&k);
    assert_int_equal(k.closed, 1);
}

static void the_end_of_the_loop_is_the_end_of_the_pool(void **state)
{
    struct ask lent, waiting;

    (void)state;
    ask_now(&lent, &k, k.a);
    k.puppet.capacity = 0;
    ask_now(&waiting, &k, k.a);
    belay_loop_close(k.loop, NULL, NULL);
    assert_int_equal(ask_peer(&lent, k.a, 0, false), BELAY_ECLOSED);
    belay_peer_unref(k.a);
    belay_peer_unref(k.b);
    k.a = k.b = NULL;
    k.pool = NULL;
    while (k.world.loop)
        belay_loop_turn(k.loop, 0);
    assert_refused(&waiting, BELAY_ECLOSED, BELAY_STAGE_QUEUE);
}

/* ---- races within one turn ---- */

static void a_dial_that_ends_as_the_pool_closes(void **state)
{
    (void)state;
    for (int how = 0; how < 6; how++) {
        struct ask ask;
        struct puppet_conn *c;

        if (how > 0)
            set_up(NULL);
        k.puppet.capacity = 0;
        ask_now(&ask, &k, k.a);
        c = puppet_conn(&k.puppet, 0);
        if (how % 2 == 0)
            puppet_up(c, 1);
        else
            puppet_fail(c, how == 1 ? BELAY_ECONNECT : BELAY_ECERT);
        if (how < 4)
            belay_pool_close(k.pool, pool_kit_on_closed, &k);
        else
            belay_pool_drain(k.pool, pool_kit_on_closed, &k);
        pool_kit_settle(&k);
        assert_refused(&ask, BELAY_ECLOSED, BELAY_STAGE_QUEUE);
        assert_int_equal(k.closed, 1);
        if (how < 5)
            tear_down(NULL);
    }
}

static void whatever_is_reported_as_the_pool_closes(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        struct ask ask;
        struct puppet_conn *c;

        if (how > 0)
            set_up(NULL);
        k.puppet.check_later = true;
        ask_now(&ask, &k, k.a);
        c = puppet_of_lease(ask.lease);
        belay_lease_release(ask.lease, BELAY_REUSE);
        if (how == 0) {
            puppet_lose(c, BELAY_ERESET);
        } else if (how == 1) {
            belay_conn_set_capacity(c->conn, 5);
        } else {
            belay_conn_suspect(c->conn);
            if (how == 3) {
                pool_kit_settle(&k);
                belay_conn_checked(c->conn, 0);
            }
        }
        belay_pool_close(k.pool, pool_kit_on_closed, &k);
        pool_kit_settle(&k);
        assert_int_equal(k.closed, 1);
        assert_int_equal(c->closes, 1);
        if (how < 3)
            tear_down(NULL);
    }
}

/* ---- from within callbacks ---- */

static void a_callback_may_end_the_pool(void **state)
{
    static void (*const ends[])(struct ask *) = {close_pool, drain_pool};

    (void)state;
    for (size_t end = 0; end < BL_COUNT(ends); end++)
        for (int fails = 0; fails < 3; fails++) {
            struct ask first, others[3];

            if (end + (size_t)fails > 0)
                set_up(NULL);
            k.puppet.fail = fails == 1 ? BELAY_ECERT : fails == 2 ? BELAY_ENOMEM : 0;
            ask_init(&first, &k);
            first.then = ends[end];
            assert_int_equal(ask_peer(&first, k.a, 0, false), 0);
            for (int i = 0; i < 3; i++) {
                ask_init(&others[i], &k);
                assert_int_equal(ask_peer(&others[i], i < 2 ? k.a : k.b, 0, false), 0);
            }
            pool_kit_settle(&k);
            assert_int_equal(first.told, 1);
            for (int i = 0; i < 3; i++)
                assert_int_equal(others[i].told, 1);
            if (!fails && end == 1) { /* it waits for what was lent meanwhile */
                belay_lease_release(first.lease, BELAY_REUSE);
                for (int i = 0; i < 3; i++)
                    belay_lease_release(others[i].lease, BELAY_REUSE);
                pool_kit_settle(&k);
            }
            assert_int_equal(k.closed, 1);
            if (end + 1 < BL_COUNT(ends) || fails < 2)
                tear_down(NULL);
        }
}

static void a_callback_may_close_the_loop(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        struct ask ask;

        if (fails)
            set_up(NULL);
        k.puppet.fail = fails ? BELAY_ECERT : 0;
        ask_init(&ask, &k);
        ask.then = close_loop;
        belay_peer_unref(k.b);
        k.b = NULL;
        assert_int_equal(ask_peer(&ask, k.a, 0, false), 0);
        belay_peer_unref(k.a);
        k.a = NULL;
        while (k.world.loop)
            belay_loop_turn(k.loop, 0);
        assert_int_equal(ask.told, 1);
        if (!fails)
            tear_down(NULL);
    }
}

static void a_callback_may_give_back_what_it_got(void **state)
{
    struct ask asks[3];

    (void)state;
    k.puppet.capacity = 0;
    for (int i = 0; i < 3; i++) {
        ask_init(&asks[i], &k);
        asks[i].then = give_back;
        assert_int_equal(ask_peer(&asks[i], k.a, 0, false), 0);
    }
    pool_kit_settle(&k);
    puppet_up(puppet_conn(&k.puppet, 0), 1); /* one is enough for all of them */
    pool_kit_settle(&k);
    for (int i = 0; i < 3; i++)
        assert_int_equal(asks[i].told, 1);
    assert_int_equal(pool_kit_stats(&k).acquired, 3);
    for (unsigned i = 1; i < 3; i++)
        puppet_up(puppet_conn(&k.puppet, i), 1);
}

static void a_callback_may_ask_again(void **state)
{
    struct ask ask;

    (void)state;
    k.puppet.fail = BELAY_ECERT;
    ask_init(&ask, &k);
    ask.then = ask_again;
    assert_int_equal(ask_peer(&ask, k.a, 0, false), 0);
    pool_kit_settle(&k);
    assert_int_equal(ask.told, 2);
    assert_int_equal(k.puppet.n, 2);
}

static struct ask *victim;

static void cancel_another(struct ask *ask)
{
    (void)ask;
    belay_waiter_cancel(victim->waiter);
    victim->waiter = NULL;
}

static void a_callback_may_cancel_another(void **state)
{
    (void)state;
    for (int fails = 0; fails < 2; fails++) {
        struct ask first, second;

        if (fails)
            set_up(NULL);
        k.puppet.fail = fails ? BELAY_ECERT : 0;
        ask_init(&first, &k);
        ask_init(&second, &k);
        victim = &second;
        first.then = cancel_another;
        assert_int_equal(ask_peer(&first, k.a, 0, false), 0);
        assert_int_equal(ask_peer(&second, k.a, 0, false), 0);
        pool_kit_settle(&k);
        assert_int_equal(first.told, 1);
        assert_int_equal(second.told, 0);
        if (!fails)
            tear_down(NULL);
    }
}

/* ---- peers ---- */

static void a_peer_may_outlive_its_pool(void **state)
{
    struct belay_pool_stats s = belay_pool_stats_init();
    struct belay_lease lease, *none = NULL;
    struct belay_error error;
    struct ask ask;

    (void)state;
    (void)none;
    ask_now(&ask, &k, k.a);
    belay_pool_close(k.pool, pool_kit_on_closed, &k);
    pool_kit_settle(&k);
    assert_int_equal(k.closed, 1);
    ask_init(&ask, &k);
    assert_int_equal(ask_peer(&ask, k.a, 0, false), BELAY_ECLOSED);
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), BELAY_ECLOSED);
    assert_int_equal(belay_peer_acquire_wait(k.a, 10, &lease, &error), BELAY_ECLOSED);
    assert_int_equal(error.code, BELAY_ECLOSED);
    assert_string_equal(belay_endpoint_host(belay_peer_endpoint(k.a)), "a.test");
    belay_peer_get_stats(k.a, &s);
    assert_int_equal(s.acquired, 1);
    assert_int_equal(s.closed[BELAY_REASON_POOL_CLOSED], 1);
    assert_int_equal(s.idle + s.in_use + s.closing + s.leases, 0);
}

static void an_endpoint_has_one_peer(void **state)
{
    struct belay_peer *again = pool_kit_peer(&k, "tcp://a.test:1"), *seen = NULL;
    unsigned n = 0;

    (void)state;
    assert_ptr_equal(again, k.a);
    assert_ptr_equal(belay_peer_ref(again), k.a);
    belay_peer_unref(again);
    belay_peer_unref(again);
    assert_null(belay_peer_ref(NULL));
    belay_peer_unref(NULL);
    while ((seen = belay_pool_next_peer(k.pool, seen))) {
        assert_true(seen == k.a || seen == k.b);
        n++;
    }
    assert_int_equal(n, 2);
}

static void a_peer_that_nobody_holds_goes_and_its_counts_stay(void **state)
{
    struct ask ask;

    (void)state;
    ask_now(&ask, &k, k.a);
    belay_peer_unref(k.a);
    k.a = NULL;
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).endpoints, 2); /* it has a connection */
    belay_lease_release(ask.lease, BELAY_BROKEN);
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).endpoints, 1);
    assert_int_equal(pool_kit_stats(&k).acquired, 1);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_BROKEN], 1);
}

static void a_waiter_keeps_its_peer(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        struct ask ask;

        if (how > 0)
            set_up(NULL);
        if (how == 3)
            k.puppet.fail = BELAY_ECERT;
        ask_init(&ask, &k);
        assert_int_equal(ask_peer(&ask, k.a, 50, false), 0);
        belay_peer_unref(k.a);
        k.a = NULL;
        if (how == 0)
            belay_pool_close(k.pool, pool_kit_on_closed, &k);
        else if (how == 1)
            belay_waiter_cancel(ask.waiter);
        else if (how == 2)
            failing_alloc_from(&k.alloc, 1);
        pool_kit_settle(&k);
        failing_alloc_from(&k.alloc, 0);
        assert_int_equal(ask.told, how != 1);
        if (how > 0)
            assert_int_equal(pool_kit_stats(&k).endpoints, 1);
        if (how < 3)
            tear_down(NULL);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(closing_answers_all_and_revokes_what_is_lent),
        TEST(a_closed_pool_takes_nothing_new),
        TEST(draining_waits_for_what_is_lent),
        TEST(close_hurries_a_drain_up),
        TEST(closing_an_empty_pool_and_no_pool),
        TEST(the_end_of_the_loop_is_the_end_of_the_pool),
        TEST(a_dial_that_ends_as_the_pool_closes),
        TEST(whatever_is_reported_as_the_pool_closes),
        TEST(a_callback_may_end_the_pool),
        TEST(a_callback_may_close_the_loop),
        TEST(a_callback_may_give_back_what_it_got),
        TEST(a_callback_may_ask_again),
        TEST(a_callback_may_cancel_another),
        TEST(a_peer_may_outlive_its_pool),
        TEST(an_endpoint_has_one_peer),
        TEST(a_peer_that_nobody_holds_goes_and_its_counts_stay),
        TEST(a_waiter_keeps_its_peer),
    };
    return cmocka_run_group_tests_name("keep_pool_life", tests, NULL, NULL);
}
