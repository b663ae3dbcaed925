/* SPDX-License-Identifier: MIT */
/* The connection of a link, or of a pool that is not shared, in the hands of threads that have waited
 * for it. */
#include <sched.h>
#include <stdio.h>

#include "belay/link.h"
#include "belay/pool.h"
#include "belay/stream.h"
#include "support/failing_alloc.h"
#include "support/test.h"
#include "unit/keep/share_echo.h"

#define THREADS 4
#define ASKS    50

/* A loop on a thread of its own, with one link and one pool to the same server. */
static struct {
    pthread_t thread;
    struct echo echo;
    struct failing_alloc alloc;
    struct belay_loop *loop;
    struct belay_link *link;
    struct belay_pool *pool;
    struct belay_peer *peer;
    atomic_bool ready, gone;
} w;

static void *run_loop(void *arg)
{
    struct belay_link_options lo = belay_link_options_init();
    struct belay_pool_options po = belay_pool_options_init();
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_world world = {.size = sizeof world};
    struct belay_endpoint *endpoint;
    char url[64];

    (void)arg;
    failing_alloc_init(&w.alloc);
    world.allocator = &w.alloc.allocator;
    o.world = &world;
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", w.echo.port);
    lo.retry_delay_ms = 1;
    po.max_connections_per_endpoint = 2;
    assert_int_equal(belay_loop_new(&o, &w.loop, NULL), 0);
    assert_int_equal(belay_endpoint_parse(w.loop, url, &endpoint, NULL), 0);
    assert_int_equal(belay_link_open_to(endpoint, &lo, &w.link, NULL), 0);
    assert_int_equal(belay_pool_open(w.loop, &po, &w.pool, NULL), 0);
    assert_int_equal(belay_pool_peer(w.pool, endpoint, &w.peer), 0);
    belay_endpoint_unref(endpoint);
    assert_int_equal(belay_loop_turn(w.loop, 0), 0); /* it counts as run from now on */
    atomic_store(&w.ready, true);
    assert_int_equal(belay_loop_run(w.loop), 0);
    belay_loop_free(w.loop);
    return NULL;
}

static int set_up(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    echo_open(&w.echo, false);
    assert_int_equal(pthread_create(&w.thread, NULL, run_loop, NULL), 0);
    while (!atomic_load(&w.ready))
        sched_yield();
    return 0;
}

static void on_gone(void *arg)
{
    (void)arg;
    atomic_store(&w.gone, true);
}

static void close_link(void *arg)
{
    (void)arg;
    belay_link_close(w.link, on_gone, NULL);
}

static void close_pool(void *arg)
{
    (void)arg;
    belay_peer_unref(w.peer);
    belay_pool_close(w.pool, on_gone, NULL);
}

static void post(belay_fn *fn)
{
    assert_int_equal(belay_loop_post(w.loop, fn, NULL), 0);
}

static void close_both(void *arg)
{
    close_link(arg);
    close_pool(arg);
}

static int tear_down(void **state)
{
    (void)state;
    pthread_join(w.thread, NULL);
    echo_close(&w.echo);
    assert_int_equal(failing_alloc_live(&w.alloc), 0);
    return 0;
}

/* ---- those who use it ---- */

static int lease_of_link(struct belay_lease *ret)
{
    return belay_link_connected_wait(w.link, 60000, ret, NULL);
}

static int lease_of_pool(struct belay_lease *ret)
{
    return belay_peer_acquire_wait(w.peer, 60000, ret, NULL);
}

static int (*const lease_of[])(struct belay_lease *ret) = {lease_of_link, lease_of_pool};

static int ask(struct belay_lease lease)
{
    struct belay_stream *stream = belay_lease_stream(lease);
    char got[8];
    size_t n;
    int rc;

    rc = belay_stream_write_wait(stream, "?", 1, 60000);
    return rc < 0 ? rc : belay_stream_read_wait(stream, got, sizeof got, 60000, &n);
}

/* A pool's connection is its thread's alone. */
static void *ask_pool(void *arg)
{
    struct belay_lease lease;

    (void)arg;
    for (int i = 0; i < ASKS; i++) {
        assert_int_equal(lease_of_pool(&lease), 0);
        assert_true(belay_lease_valid(lease));
        assert_null(belay_lease_state(lease));
        assert_int_equal(ask(lease), 0);
        assert_int_equal(belay_lease_release(lease, i % 5 ? BELAY_REUSE : BELAY_BROKEN), 0);
        assert_false(belay_lease_valid(lease));
        assert_int_equal(belay_lease_release(lease, BELAY_REUSE), BELAY_ESTALE);
    }
    return NULL;
}

/* A link's is everybody's. */
static void *write_to_link(void *arg)
{
    struct belay_lease lease;

    for (int i = 0; i < ASKS; i++) {
        assert_int_equal(lease_of_link(&lease), 0);
        belay_stream_write_wait(belay_lease_stream(lease), "?", 1, 60000);
        belay_lease_release(lease, !arg || i % 5 ? BELAY_REUSE : BELAY_BROKEN);
        assert_false(belay_lease_valid(lease));
    }
    return NULL;
}

static void run_threads(void *(*fn)(void *arg), void *arg)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fn, arg), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void threads_use_and_release_what_they_waited_for(void **state)
{
    (void)state;
    run_threads(ask_pool, NULL);
    run_threads(write_to_link, NULL);
    run_threads(write_to_link, &w);
    post(close_both);
}

static void a_release_of_a_links_lease_leaves_the_connection_up(void **state)
{
    struct belay_lease a, b;

    (void)state;
    assert_int_equal(lease_of_link(&a), 0);
    assert_int_equal(lease_of_link(&b), 0);
    assert_ptr_equal(belay_lease_stream(a), belay_lease_stream(b));
    assert_int_equal(belay_lease_release(a, BELAY_REUSE), 0);
    assert_true(belay_lease_valid(b));
    assert_int_equal(ask(b), 0);
    assert_int_equal(belay_lease_release(b, BELAY_REUSE), 0);
    post(close_both);
}

/* ---- what the loop does meanwhile ---- */

static void a_connection_is_not_closed_while_a_thread_has_it(void **state)
{
    belay_fn *const closes[] = {close_link, close_pool};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct belay_stream *stream;
        struct belay_lease lease;
        char data[8];
        size_t n;

        atomic_store(&w.gone, false);
        assert_int_equal(lease_of[i](&lease), 0);
        stream = belay_lease_stream(lease);
        assert_int_equal(ask(lease), 0);
        post(closes[i]);
        assert_int_equal(belay_stream_read_wait(stream, data, sizeof data, 60000, &n),
                         BELAY_ECLOSED);
        assert_false(belay_lease_valid(lease));
        assert_null(belay_lease_stream(lease));
        assert_int_equal(ask(lease), BELAY_ECLOSED);
        assert_int_equal(
            belay_stream_read_wait(belay_lease_stream(lease), data, sizeof data, 0, &n),
            BELAY_ECLOSED);
        assert_int_equal(belay_stream_read_wait(stream, data, sizeof data, 60000, &n),
                         BELAY_ECLOSED);
        assert_false(atomic_load(&w.gone));
        assert_int_equal(belay_lease_release(lease, BELAY_REUSE), BELAY_ESTALE);
        while (!atomic_load(&w.gone))
            sched_yield();
    }
}

static void a_links_next_connection_does_not_wait_for_the_former(void **state)
{
    struct belay_lease old, broken, next;

    (void)state;
    assert_int_equal(lease_of_link(&old), 0);
    assert_int_equal(lease_of_link(&broken), 0);
    assert_int_equal(belay_lease_release(broken, BELAY_BROKEN), 0);
    while (belay_lease_valid(old))
        sched_yield();
    assert_int_equal(lease_of_link(&next), 0);
    assert_int_equal(ask(next), 0);
    assert_int_equal(belay_lease_release(next, BELAY_REUSE), 0);
    assert_int_equal(belay_lease_release(old, BELAY_REUSE), BELAY_ESTALE);
    post(close_both);
}

static void take(void *arg)
{
    struct belay_stream *stream;
    struct belay_lease lease;

    (void)arg;
    assert_int_equal(belay_link_current(w.link, &lease), 0);
    assert_int_equal(belay_lease_take(lease, &stream), BELAY_EAGAIN);
    atomic_store(&w.gone, true);
}

static void nothing_is_taken_from_a_threads_hands(void **state)
{
    struct belay_stream *stream;
    struct belay_lease lease;

    (void)state;
    assert_int_equal(lease_of_link(&lease), 0);
    assert_int_equal(belay_lease_take(lease, &stream), BELAY_ENOTSUP);
    post(take);
    while (!atomic_load(&w.gone))
        sched_yield();
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    post(close_both);
}

/* Each allocation fails once; what was to be lent stays where it is. */
static void without_memory_for_the_thread_nothing_is_lent(void **state)
{
    struct belay_lease lease;

    (void)state;
    for (int i = 0; i < 2; i++) {
        int refused = 0;

        assert_int_equal(lease_of[i](&lease), 0); /* it is up */
        assert_int_equal(ask(lease), 0);
        assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
        for (size_t n = 1; n <= 6; n++) {
            int rc;

            failing_alloc_once(&w.alloc, n);
            rc = lease_of[i](&lease);
            failing_alloc_from(&w.alloc, 0);
            assert_true(rc == 0 || rc == BELAY_ENOMEM);
            refused += rc != 0;
            if (rc == 0)
                assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
        }
        assert_true(refused >= 1);
    }
    post(close_both);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(threads_use_and_release_what_they_waited_for),
        T(a_release_of_a_links_lease_leaves_the_connection_up),
        T(a_connection_is_not_closed_while_a_thread_has_it),
        T(a_links_next_connection_does_not_wait_for_the_former),
        T(nothing_is_taken_from_a_threads_hands),
        T(without_memory_for_the_thread_nothing_is_lent),
    };
    return cmocka_run_group_tests_name("keep_link_threads", tests, NULL, NULL);
}
