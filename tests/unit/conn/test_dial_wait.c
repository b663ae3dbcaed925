/* SPDX-License-Identifier: MIT */
/* belay_dial_wait, on real sockets: on the loop's thread, inside its callbacks, and on others. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "belay/connector.h"
#include "unit/conn/stream_kit.h"

static struct stream_kit kit;

static int set_up(void **state)
{
    (void)state;
    stream_kit_set_up(&kit);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stream_kit_tear_down(&kit);
    return 0;
}

static void it_gives_the_stream(void **state)
{
    static const int64_t limits[] = {10000, BELAY_FOREVER, INT64_MAX};
    struct belay_stream *stream;

    (void)state;
    for (size_t i = 0; i < BL_COUNT(limits); i++) {
        stream = NULL;
        assert_int_equal(belay_dial_wait(kit.endpoint, NULL, limits[i], &stream, NULL), 0);
        assert_non_null(stream);
        assert_int_equal(belay_stream_write(stream, "one line\n", 9), 0);
        STREAM_KIT_UNTIL(&kit, kit.server.n == i + 1 && kit.server.conns[i].lines == 1);
        belay_stream_close(stream, 100, NULL, NULL);
        STREAM_KIT_UNTIL(&kit, kit.server.conns[i].end);
    }
}

static void a_refusal_is_the_callbacks_error(void **state)
{
    struct belay_endpoint *dead = stream_kit_endpoint(&kit, net_kit_dead_port());
    struct belay_stream *stream = NULL;
    struct belay_error error;

    (void)state;
    assert_int_equal(belay_dial_wait(dead, NULL, 10000, &stream, &error), BELAY_ECONNECT);
    assert_null(stream);
    assert_int_equal(error.code, BELAY_ECONNECT);
    assert_int_equal(error.stage, BELAY_STAGE_CONNECT);
    assert_int_equal(error.tried_n, 0); /* what it points to is gone */
    assert_null(error.tried);
    assert_non_null(strstr(error.text, "connection refused"));
    assert_int_equal(belay_dial_wait(dead, NULL, 10000, &stream, NULL), BELAY_ECONNECT);
    belay_endpoint_unref(dead);
}

static void bad_options_are_named(void **state)
{
    struct belay_dial_options o = belay_dial_options_init();
    struct belay_stream *stream = NULL;
    struct belay_error error;

    (void)state;
    o.race_delay_ms = -3;
    assert_int_equal(belay_dial_wait(kit.endpoint, &o, 10000, &stream, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "race_delay_ms"));
    assert_null(stream);
}

/* A listener whose queue is full answers nobody: its name is known, its connection does not come. */
static struct belay_endpoint *silent_endpoint(int *ret_fd, int fillers[2])
{
    struct belay_addr addr;

    *ret_fd = net_kit_listen(&addr, 0);
    for (int i = 0; i < 2; i++) {
        struct sockaddr_storage ss;
        socklen_t len = sizeof ss;

        assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&ss, &len), 0);
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(fillers[i] >= 0);
        (void)!connect(fillers[i], (struct sockaddr *)&ss, len);
    }
    return stream_kit_endpoint(&kit, addr.port);
}

static void its_limit_says_what_was_waited_for(void **state)
{
    struct belay_stream *stream = NULL;
    struct belay_endpoint *silent;
    struct belay_error error;
    int fd, fillers[2];

    (void)state;
    silent = silent_endpoint(&fd, fillers);
    assert_int_equal(belay_dial_wait(silent, NULL, 30, &stream, &error), BELAY_ETIMEDOUT);
    assert_null(stream);
    assert_int_equal(error.code, BELAY_ETIMEDOUT);
    assert_int_equal(error.stage, BELAY_STAGE_CONNECT);
    assert_non_null(strstr(error.text, "127.0.0.1"));
    assert_int_equal(belay_dial_wait(silent, NULL, 0, &stream, &error), BELAY_ETIMEDOUT);
    belay_endpoint_unref(silent);
    close(fd);
    close(fillers[0]);
    close(fillers[1]);
}

static void inside(void *arg)
{
    struct belay_stream *stream = NULL;
    struct belay_error error;

    *(int *)arg = belay_dial_wait(kit.endpoint, NULL, 1000, &stream, &error);
    assert_int_equal(error.code, BELAY_EDEADLK);
}

static void inside_a_callback_it_is_refused(void **state)
{
    int rc = 0;

    (void)state;
    assert_int_equal(belay_loop_post(kit.net.loop, inside, &rc), 0);
    STREAM_KIT_UNTIL(&kit, rc != 0);
    assert_int_equal(rc, BELAY_EDEADLK);
}

static void every_allocation_may_fail(void **state)
{
    size_t n;

    (void)state;
    for (n = 1; n < 100; n++) {
        struct belay_stream *stream = NULL;
        size_t failures = failing_alloc_failures(&kit.net.alloc);
        struct belay_error error;
        int rc;

        failing_alloc_once(&kit.net.alloc, n);
        rc = belay_dial_wait(kit.endpoint, NULL, 10000, &stream, &error);
        failing_alloc_once(&kit.net.alloc, 0);
        failures = failing_alloc_failures(&kit.net.alloc) - failures;
        if (rc == 0)
            belay_stream_close(stream, 0, NULL, NULL);
        else
            assert_int_equal(error.code, BELAY_ENOMEM);
        assert_true((rc == 0) == (stream != NULL));
        if (!failures) {
            assert_int_equal(rc, 0);
            break;
        }
    }
    assert_true(n > 3 && n < 100);
}

/* ---- other threads ---- */

#define THREADS 6

struct dial_thread {
    pthread_t thread;
    struct belay_endpoint *endpoint;
    struct belay_stream *stream;
    struct belay_error error;
    int64_t limit_ms;
    int rc;
    _Atomic bool done;
    bool joined;
};

static void *dial_elsewhere(void *arg)
{
    struct dial_thread *t = arg;

    t->rc = belay_dial_wait(t->endpoint, NULL, t->limit_ms, &t->stream, &t->error);
    atomic_store(&t->done, true);
    return NULL;
}

static void threads_wait_for_the_loop_to_dial(void **state)
{
    struct belay_endpoint *dead = stream_kit_endpoint(&kit, net_kit_dead_port());
    struct dial_thread threads[THREADS];
    unsigned ended = 0;

    (void)state;
    assert_int_equal(belay_loop_turn(kit.net.loop, 0), 0); /* it is turned bit by bit */
    for (int i = 0; i < THREADS; i++) {
        threads[i] = (struct dial_thread){.endpoint = i % 3 == 2 ? dead : kit.endpoint,
                                          .limit_ms = i == 0 ? 1 : 10000};
        assert_int_equal(pthread_create(&threads[i].thread, NULL, dial_elsewhere, &threads[i]), 0);
    }
    while (ended < THREADS) {
        stream_kit_turn(&kit);
        for (int i = 0; i < THREADS; i++) {
            struct dial_thread *t = &threads[i];

            if (t->joined || !atomic_load(&t->done))
                continue;
            pthread_join(t->thread, NULL);
            t->joined = true;
            ended++;
            if (i % 3 == 2)
                assert_int_equal(t->rc, BELAY_ECONNECT);
            else
                assert_true(t->rc == 0 || (i == 0 && t->rc == BELAY_ETIMEDOUT));
            assert_true(t->rc == 0 || t->error.code == t->rc);
            if (t->rc == 0)
                belay_stream_close(t->stream, 0, NULL, NULL);
        }
    }
    belay_endpoint_unref(dead);
}

static void nobody_runs_the_loop(void **state)
{
    struct dial_thread t = {.endpoint = kit.endpoint, .limit_ms = 10000};

    (void)state;
    assert_int_equal(pthread_create(&t.thread, NULL, dial_elsewhere, &t), 0);
    pthread_join(t.thread, NULL);
    assert_int_equal(t.rc, BELAY_ENOTRUNNING);
    assert_int_equal(t.error.code, BELAY_ENOTRUNNING);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void dialled(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    (void)stream, (void)error, (void)arg;
    fail_msg("a call that was refused has called back");
}

static void *dial_plainly(void *arg)
{
    *(int *)arg = belay_dial(kit.endpoint, NULL, NULL, dialled, NULL);
    return NULL;
}

static void on_another_thread_the_other_form_is_refused(void **state)
{
    pthread_t thread;
    int rc = 0;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, dial_plainly, &rc), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(rc, BELAY_ENOTSUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_gives_the_stream),
        TEST(a_refusal_is_the_callbacks_error),
        TEST(bad_options_are_named),
        TEST(on_another_thread_the_other_form_is_refused),
        TEST(its_limit_says_what_was_waited_for),
        TEST(inside_a_callback_it_is_refused),
        TEST(every_allocation_may_fail),
        TEST(threads_wait_for_the_loop_to_dial),
        TEST(nobody_runs_the_loop),
    };
    return cmocka_run_group_tests_name("conn_dial_wait", tests, NULL, NULL);
}
