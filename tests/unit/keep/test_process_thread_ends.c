/* SPDX-License-Identifier: MIT */
/* What ends a process with a thread of its own, what becomes of the thread, and what waits for it. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/keep/thread_kit.h"

/* ---- ends ---- */

static void after_the_limit_a_thread_is_abandoned_and_the_loop_waits_for_it(void **state)
{
    static struct worker w;
    struct belay_process *p = start_thread(&w);
    struct caller c;

    (void)state;
    caller_start(&c, p, BLOCK, 1);
    wait_sem(&w.entered);
    assert_int_equal(belay_process_stop_wait(p, BELAY_EXIT_SHUTDOWN, 5), 0);
    assert_false(belay_process_is_alive(p));
    assert_int_equal(w.exited, 1);
    assert_int_equal(w.why, BELAY_EXIT_KILLED);
    pthread_join(c.thread, NULL); /* told, though the callback has not returned */
    assert_int_equal(c.rc, BELAY_ENOPROC);
    assert_int_equal(w.terminated, 0);
    belay_process_unref(p);
    sem_post(&w.go); /* and the reply that it comes to is destroyed */
}

static void who_does_not_start_in_time_is_ended(void **state)
{
    static struct worker w;
    struct belay_process_options o = options_of(&w);
    struct belay_process *p;
    struct belay_error error;

    (void)state;
    worker_init(&w);
    w.blocks_in_init = true;
    o.start_timeout_ms = 5;
    assert_int_equal(belay_process_start_wait(loop, &worker, &w, &o, &p, &error), BELAY_ETIMEDOUT);
    sem_post(&w.go); /* it may be in init, or never get there */
}

static void who_stops_in_init_does_not_start(void **state)
{
    static struct worker w;
    struct belay_process_options o = options_of(&w);
    struct belay_process *p;
    struct belay_error error;

    (void)state;
    worker_init(&w);
    w.stops_in_init = true;
    assert_int_equal(belay_process_start_wait(loop, &worker, &w, &o, &p, &error), BELAY_EPROTO);
    assert_string_equal(error.text, "it does not like it here");
    assert_int_equal(w.terminated, 0);
}

/* A server that accepts and says nothing. */
static int listen_somewhere(char *url, size_t size)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(url, size, "tcp://127.0.0.1:%u", ntohs(at.sin_port));
    return fd;
}

static struct belay_process *start_reading(struct worker *w, int *ret_fd)
{
    struct belay_process *p = start_thread(w);
    char url[64];

    *ret_fd = listen_somewhere(url, sizeof url);
    assert_int_equal(belay_endpoint_parse(loop, url, &w->server, NULL), 0);
    assert_int_equal(belay_process_cast(p, counted(READ)), 0);
    while (sem_trywait(&w->entered) < 0)
        assert_int_equal(belay_loop_turn(loop, 1), 0);
    assert_int_equal(w->rc, 0);
    return p;
}

static void a_stop_interrupts_a_read_and_the_stream_is_closed_by_terminate(void **state)
{
    static struct worker w;
    int fd;
    struct belay_process *p = start_reading(&w, &fd);

    (void)state;
    assert_int_equal(belay_process_stop_wait(p, BELAY_EXIT_SHUTDOWN, BELAY_FOREVER), 0);
    assert_int_equal(w.rc, BELAY_ECLOSED);
    assert_int_equal(w.terminated, 1);
    assert_int_equal(w.why, BELAY_EXIT_SHUTDOWN);
    belay_process_unref(p);
    belay_endpoint_unref(w.server);
    close(fd);
}

static struct worker reader; /* outlives the loop */

static void the_end_of_the_loop_interrupts_a_read_as_well(void **state)
{
    int fd;
    struct belay_process *p = start_reading(&reader, &fd);

    (void)state;
    belay_process_unref(p);
    belay_endpoint_unref(reader.server);
    belay_loop_free(loop);
    loop = NULL;
    assert_int_equal(reader.rc, BELAY_ECLOSED);
    assert_int_equal(reader.terminated, 1);
    assert_int_equal(reader.exited, 1);
    close(fd);
}

static void a_stop_interrupts_a_call_to_another(void **state)
{
    static struct worker a, b;
    struct belay_process *pa = start_thread(&a), *pb = start_thread(&b);
    struct caller c;

    (void)state;
    a.other = pb;
    a.asks = KEEP; /* which b does not answer */
    caller_start(&c, pa, TALK, 1);
    wait_sem(&b.entered);
    assert_int_equal(belay_process_stop_wait(pa, BELAY_EXIT_SHUTDOWN, BELAY_FOREVER), 0);
    pthread_join(c.thread, NULL);
    assert_int_equal(a.rc, BELAY_ECLOSED);
    assert_int_equal(a.terminated, 1);
    assert_int_equal(belay_from_reply(b.from, counted(1)), BELAY_ESTALE);
    belay_process_unref(pa);
    belay_process_unref(pb);
}

static void a_thread_that_cannot_be_had_is_an_error(void **state)
{
    static struct worker w;
    struct belay_process_options o = options_of(&w);
    struct belay_process *p = NULL;
    struct belay_error error;
    int rc;

    (void)state;
    worker_init(&w);
    for (size_t n = 1;; n++) {
        failing_alloc_once(&alloc, n);
        rc = belay_process_start_wait(loop, &worker, &w, &o, &p, &error);
        failing_alloc_once(&alloc, 0);
        if (rc == 0)
            break;
        assert_int_equal(rc, BELAY_ENOMEM);
    }
    belay_process_unref(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, thread_kit_up, thread_kit_down)
        T(after_the_limit_a_thread_is_abandoned_and_the_loop_waits_for_it),
        T(who_does_not_start_in_time_is_ended),
        T(who_stops_in_init_does_not_start),
        T(a_stop_interrupts_a_read_and_the_stream_is_closed_by_terminate),
        T(the_end_of_the_loop_interrupts_a_read_as_well),
        T(a_stop_interrupts_a_call_to_another),
        T(a_thread_that_cannot_be_had_is_an_error),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
