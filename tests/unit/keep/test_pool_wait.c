/* SPDX-License-Identifier: MIT */
/* belay_peer_acquire_wait: for those who block, on the loop's thread and on others. */
#include <pthread.h>
#include <stdatomic.h>

#include "unit/conn/stream_kit.h"
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

static void a_wait_gives_a_lease(void **state)
{
    static const int64_t limits[] = {1000, 0, BELAY_FOREVER, INT64_MAX};
    struct belay_lease lease;

    (void)state;
    for (size_t i = 0; i < BL_COUNT(limits); i++) {
        assert_int_equal(belay_peer_acquire_wait(k.a, limits[i], &lease, NULL), 0);
        assert_true(belay_lease_valid(lease));
        belay_lease_release(lease, BELAY_REUSE);
    }
    assert_int_equal(k.puppet.n, 1);
}

static void a_wait_ends_at_its_limit(void **state)
{
    struct belay_lease lease = {0};
    struct belay_error error;
    uint64_t before;

    (void)state;
    k.puppet.capacity = 0;
    before = k.world.now_ns;
    assert_int_equal(belay_peer_acquire_wait(k.a, 70, &lease, &error), BELAY_ETIMEDOUT);
    assert_int_equal(k.world.now_ns - before, BL_MS(70));
    assert_int_equal(error.code, BELAY_ETIMEDOUT);
    assert_int_equal(error.stage, BELAY_STAGE_QUEUE);
    assert_non_null(strstr(error.text, "tcp://a.test:1"));
    assert_int_equal(pool_kit_stats(&k).waiting, 0);
    assert_int_equal(belay_peer_acquire_wait(k.a, 0, &lease, NULL), BELAY_ETIMEDOUT);
    assert_false(belay_lease_valid(lease));
    puppet_up(puppet_conn(&k.puppet, 0), 1); /* nobody waits any more */
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).idle, 1);
}

static void an_error_is_copied(void **state)
{
    struct belay_lease lease;
    struct belay_error error;

    (void)state;
    k.puppet.fail = BELAY_ECERT;
    assert_int_equal(belay_peer_acquire_wait(k.a, 1000, &lease, &error), BELAY_ECERT);
    assert_int_equal(error.code, BELAY_ECERT);
    assert_int_equal(error.stage, BELAY_STAGE_PROTOCOL);
    assert_int_equal(error.tried_n, 0);
    assert_string_equal(error.text, "puppet: the peer's certificate was refused");
    assert_int_equal(belay_peer_acquire_wait(k.a, 1000, &lease, NULL), BELAY_ECERT);
}

static void wait_inside(struct ask *ask)
{
    struct belay_lease lease;
    struct belay_error error;

    (void)ask;
    assert_int_equal(belay_peer_acquire_wait(k.b, 1000, &lease, &error), BELAY_EDEADLK);
    assert_int_equal(error.code, BELAY_EDEADLK);
}

static void a_wait_inside_a_callback_is_refused(void **state)
{
    struct ask ask;

    (void)state;
    ask_init(&ask, &k);
    ask.then = wait_inside;
    assert_int_equal(ask_peer(&ask, k.a, 0, false), 0);
    pool_kit_settle(&k);
    assert_served(&ask);
    belay_lease_release(ask.lease, BELAY_REUSE);
    assert_int_equal(k.puppet.n, 1);
}

static void a_wait_without_memory_says_so(void **state)
{
    struct belay_lease lease;
    struct belay_error error;

    (void)state;
    failing_alloc_from(&k.alloc, 1);
    assert_int_equal(belay_peer_acquire_wait(k.a, 1000, &lease, &error), BELAY_ENOMEM);
    assert_int_equal(error.code, BELAY_ENOMEM);
    failing_alloc_from(&k.alloc, 0);
}

/* ---- other threads ---- */

struct waiter_thread {
    pthread_t thread;
    struct belay_peer *peer;
    struct belay_lease lease;
    struct belay_error error;
    int64_t limit_ms;
    int rc;
    _Atomic bool done;
};

static void *wait_elsewhere(void *arg)
{
    struct waiter_thread *t = arg;

    t->rc = belay_peer_acquire_wait(t->peer, t->limit_ms, &t->lease, &t->error);
    atomic_store(&t->done, true);
    return NULL;
}

#define THREADS 6

static void threads_wait_for_the_loop_to_serve_them(void **state)
{
    struct belay_pool_options o = belay_pool_options_init();
    struct waiter_thread threads[THREADS];
    struct belay_pool *pool;
    struct belay_peer *peer;
    struct puppet puppet;
    struct stream_kit kit;
    unsigned served = 0;

    (void)state;
    stream_kit_set_up(&kit);
    puppet_init(&puppet);
    puppet.capacity = 1;
    o.connector = puppet.connector;
    o.max_connections_per_endpoint = 2;
    assert_int_equal(belay_pool_open(kit.net.loop, &o, &pool, NULL), 0);
    assert_int_equal(belay_pool_peer(pool, kit.endpoint, &peer), 0);
    assert_int_equal(belay_loop_turn(kit.net.loop, 0), 0); /* it is turned bit by bit */
    for (int i = 0; i < THREADS; i++) {
        threads[i] = (struct waiter_thread){.peer = peer, .limit_ms = i < 5 ? 10000 : 1};
        assert_int_equal(pthread_create(&threads[i].thread, NULL, wait_elsewhere, &threads[i]), 0);
    }
    while (served < THREADS) {
        stream_kit_turn(&kit);
        for (int i = 0; i < THREADS; i++) {
            if (!atomic_load(&threads[i].done) || !threads[i].peer)
                continue;
            pthread_join(threads[i].thread, NULL);
            threads[i].peer = NULL;
            served++;
            if (i < 5)
                assert_int_equal(threads[i].rc, 0);
            else
                assert_true(threads[i].rc == 0 || threads[i].rc == BELAY_ETIMEDOUT);
            if (threads[i].rc == 0)
                assert_int_equal(belay_lease_release(threads[i].lease, BELAY_REUSE), 0);
        }
    }
    assert_true(puppet.n <= 2);
    belay_peer_unref(peer);
    belay_pool_close(pool, NULL, NULL);
    stream_kit_tear_down(&kit);
}

static void nobody_runs_the_loop(void **state)
{
    struct waiter_thread t = {.limit_ms = 10000};
    struct net_kit net;
    struct belay_pool *pool;
    struct belay_endpoint *endpoint;

    (void)state;
    memset(&net, 0, sizeof net);
    net_kit_set_up(&net);
    assert_int_equal(belay_pool_open(net.loop, NULL, &pool, NULL), 0);
    assert_int_equal(belay_endpoint_parse(net.loop, "tcp://127.0.0.1:1", &endpoint, NULL), 0);
    assert_int_equal(belay_pool_peer(pool, endpoint, &t.peer), 0);
    belay_endpoint_unref(endpoint);
    assert_int_equal(pthread_create(&t.thread, NULL, wait_elsewhere, &t), 0);
    pthread_join(t.thread, NULL);
    assert_int_equal(t.rc, BELAY_ENOTRUNNING);
    assert_int_equal(t.error.code, BELAY_ENOTRUNNING);
    belay_peer_unref(t.peer);
    net_kit_tear_down(&net);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_wait_gives_a_lease),
        TEST(a_wait_ends_at_its_limit),
        TEST(an_error_is_copied),
        TEST(a_wait_inside_a_callback_is_refused),
        TEST(a_wait_without_memory_says_so),
        cmocka_unit_test(threads_wait_for_the_loop_to_serve_them),
        cmocka_unit_test(nobody_runs_the_loop),
    };
    return cmocka_run_group_tests_name("keep_pool_wait", tests, NULL, NULL);
}
