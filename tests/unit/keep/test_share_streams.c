/* SPDX-License-Identifier: MIT */
/* Plain streams of a shared pool in the hands of threads that block. */
#include <stdio.h>

#include "belay/stream.h"
#include "unit/keep/share_echo.h"
#include "unit/keep/share_shop.h"

#define THREADS 4
#define ASKS    200

/* ---- those who talk to it ---- */

static atomic_uint numbers;

static void ask(struct belay_attachment *a, unsigned number)
{
    struct belay_stream *stream;
    struct belay_lease lease;
    char text[32], got[32];
    size_t len = (size_t)snprintf(text, sizeof text, "question %u\n", number), at = 0, n;

    assert_int_equal(belay_attachment_acquire(a, 60000, &lease, NULL), 0);
    stream = belay_lease_stream(lease);
    assert_non_null(stream);
    assert_int_equal(belay_stream_write_wait(stream, text, len, 60000), 0);
    for (; at < len; at += n)
        assert_int_equal(belay_stream_read_wait(stream, got + at, sizeof got - at, 60000, &n), 0);
    assert_int_equal(at, len);
    assert_memory_equal(got, text, len);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
}

static void *talk(void *arg)
{
    struct shop *s = arg;
    struct belay_attachment *a;

    assert_int_equal(belay_peer_attach(s->peer, &a), 0);
    for (int i = 0; i < ASKS; i++)
        ask(a, atomic_fetch_add(&numbers, 1));
    belay_attachment_detach(a);
    return NULL;
}

static void threads_talk_over_streams(void **state)
{
    struct shop s;
    struct echo e;
    struct belay_pool_stats stats;
    pthread_t threads[THREADS];

    (void)state;
    echo_open(&e, false);
    shop_init(&s);
    s.plain = true;
    s.port = e.port;
    s.options.max_connections_per_endpoint = 2;
    shop_open(&s);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, talk, &s), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    stats = shop_stats(&s);
    assert_int_equal(stats.acquired, THREADS * ASKS);
    assert_int_equal(stats.idle, 2);
    assert_int_equal(stats.opened, 2);
    shop_close(&s);
    echo_close(&e);
}

/* ---- with everything that a loop may do meanwhile ---- */

struct talker {
    pthread_t thread;
    struct shop *shop;
    atomic_bool *stop;
    unsigned answered, interrupted;
};

/* An answer, whole and the right one, or the lease was revoked. */
static int ask_anyhow(struct belay_lease lease, unsigned number)
{
    struct belay_stream *stream = belay_lease_stream(lease);
    char text[32], got[32];
    size_t len = (size_t)snprintf(text, sizeof text, "question %u\n", number), at = 0, n;
    int rc;

    if (!stream)
        return BELAY_ECLOSED;
    rc = belay_stream_write_wait(stream, text, len, 60000);
    for (; rc == 0 && at < len; at += rc == 0 ? n : 0)
        rc = belay_stream_read_wait(stream, got + at, sizeof got - at, 60000, &n);
    if (rc == 0)
        assert_memory_equal(got, text, len);
    return rc;
}

static void *talk_anyhow(void *arg)
{
    struct talker *t = arg;
    struct belay_attachment *a;
    struct belay_lease lease;

    assert_int_equal(belay_peer_attach(t->shop->peer, &a), 0);
    while (!atomic_load(t->stop)) {
        int rc, released;

        assert_int_equal(belay_attachment_acquire(a, BELAY_FOREVER, &lease, NULL), 0);
        rc = ask_anyhow(lease, atomic_fetch_add(&numbers, 1));
        assert_true(rc == 0 || rc == BELAY_ECLOSED);
        released = belay_lease_release(lease, rc == 0 ? BELAY_REUSE : BELAY_BROKEN);
        assert_true(released == 0 || released == BELAY_ESTALE);
        if (rc)
            assert_int_equal(released, BELAY_ESTALE);
        t->answered += rc == 0;
        t->interrupted += rc != 0;
    }
    belay_attachment_detach(a);
    return NULL;
}

static void the_loop_may_do_what_it_likes_meanwhile(void **state)
{
    struct chaos chaos = {.steps = 300};
    struct talker talkers[THREADS];
    struct shop s;
    struct echo e;

    (void)state;
    echo_open(&e, false);
    shop_init(&s);
    s.plain = true;
    s.port = e.port;
    s.options.max_connections_per_endpoint = 4;
    shop_open(&s);
    shop_begin_chaos(&s, &chaos);
    for (int i = 0; i < THREADS; i++) {
        talkers[i] = (struct talker){.shop = &s, .stop = &chaos.stop};
        assert_int_equal(pthread_create(&talkers[i].thread, NULL, talk_anyhow, &talkers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(talkers[i].thread, NULL);
        assert_true(talkers[i].answered > 0);
    }
    shop_await_waiting(&s, 0);
    shop_end_chaos(&s, &chaos);
    assert_int_equal(shop_stats(&s).leases, 0);
    shop_close(&s);
    echo_close(&e);
}

/* ---- the end ---- */

static void *hang(void *arg)
{
    struct shop *s = arg;
    struct belay_attachment *a;
    struct belay_lease lease;
    size_t n;
    char data[8];

    assert_int_equal(belay_peer_attach(s->peer, &a), 0);
    assert_int_equal(belay_attachment_acquire(a, 60000, &lease, NULL), 0);
    atomic_fetch_add(&numbers, 1);
    assert_int_equal(
        belay_stream_read_wait(belay_lease_stream(lease), data, sizeof data, BELAY_FOREVER, &n),
        BELAY_ECLOSED);
    assert_false(belay_lease_valid(lease));
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), BELAY_ESTALE);
    belay_attachment_detach(a);
    return NULL;
}

static void closing_wakes_who_waits_for_a_stream(void **state)
{
    struct shop s;
    struct echo e;
    pthread_t thread;

    (void)state;
    echo_open(&e, true);
    shop_init(&s);
    s.plain = true;
    s.port = e.port;
    shop_open(&s);
    atomic_store(&numbers, 0);
    assert_int_equal(pthread_create(&thread, NULL, hang, &s), 0);
    while (atomic_load(&numbers) == 0)
        shop_stats(&s);
    shop_stats(&s);
    shop_begin_close(&s, false);
    pthread_join(thread, NULL);
    shop_join(&s);
    echo_close(&e);
}

static void on_ended(void *arg)
{
    *(bool *)arg = true;
}

/* Where everything happens on the loop's thread. */
static void the_end_of_the_loop_waits_for_a_stream_that_is_out(void **state)
{
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_attachment *a;
    struct belay_endpoint *endpoint;
    struct belay_loop *loop;
    struct belay_lease lease;
    struct belay_pool *pool;
    struct belay_peer *peer;
    struct echo e;
    bool over = false;
    char url[64];

    (void)state;
    echo_open(&e, false);
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", e.port);
    o.shared = true;
    assert_int_equal(belay_loop_new(NULL, &loop, NULL), 0);
    assert_int_equal(belay_endpoint_parse(loop, url, &endpoint, NULL), 0);
    assert_int_equal(belay_pool_open(loop, &o, &pool, NULL), 0);
    assert_int_equal(belay_pool_peer(pool, endpoint, &peer), 0);
    assert_int_equal(belay_peer_attach(peer, &a), 0);
    assert_int_equal(belay_attachment_acquire(a, 10000, &lease, NULL), 0);
    belay_peer_unref(peer);
    belay_endpoint_unref(endpoint);
    belay_loop_close(loop, on_ended, &over);
    for (int i = 0; i < 10; i++)
        assert_int_equal(belay_loop_turn(loop, 0), 0);
    assert_false(over);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), BELAY_ESTALE);
    belay_attachment_detach(a);
    for (int i = 0; i < 100 && !over; i++)
        assert_int_equal(belay_loop_turn(loop, 100), 0);
    assert_true(over);
    echo_close(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_talk_over_streams),
        cmocka_unit_test(the_loop_may_do_what_it_likes_meanwhile),
        cmocka_unit_test(closing_wakes_who_waits_for_a_stream),
        cmocka_unit_test(the_end_of_the_loop_waits_for_a_stream_that_is_out),
    };
    return cmocka_run_group_tests_name("keep_share_streams", tests, NULL, NULL);
}
