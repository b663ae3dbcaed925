/* SPDX-License-Identifier: MIT */
/* Waiting for a connection to Chronicle by calls that block, on the loop's thread and on others. */
#include "chronicle_kit.h"

#include <pthread.h>
#include <stdatomic.h>

struct asker {
    pthread_t thread;
    struct belay_chronicle *c;
    enum belay_chronicle_phase phase;
    int64_t timeout_ms;
    int rc;
    struct belay_error error;
    atomic_bool done;
};

static void *ask(void *arg)
{
    struct asker *a = arg;

    if (a->phase == BELAY_CHRONICLE_CONNECTED)
        a->rc = belay_chronicle_connect_wait(a->c, a->timeout_ms, &a->error);
    else
        a->rc = belay_chronicle_wait_until_wait(a->c, a->phase, a->timeout_ms, &a->error);
    atomic_store(&a->done, true);
    return NULL;
}

static void begin(struct asker *a, struct belay_chronicle *c, enum belay_chronicle_phase phase,
                  int64_t timeout_ms)
{
    memset(a, 0, sizeof *a);
    a->c = c;
    a->phase = phase;
    a->timeout_ms = timeout_ms;
    assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0);
}

/* The loop turns until it is done. */
static void finish(struct chronicle_kit *k, struct asker *a, int rc)
{
    CHK_UNTIL(k, atomic_load(&a->done));
    pthread_join(a->thread, NULL);
    if (a->rc != rc)
        fail_msg("%s: %s", belay_error_name(a->rc), a->error.text);
}

#define ASKERS 4

static void other_threads_wait_until_it_is_connected(void **state)
{
    struct chronicle_kit k;
    struct asker a[ASKERS], registered;

    (void)state;
    chk_open(&k);
    k.options.no_auto_connect = true;
    chk_start(&k);
    chk_a_while(&k); /* somebody turns the loop */
    assert_int_equal(k.dials, 0);
    begin(&registered, k.c, BELAY_CHRONICLE_REGISTERED, 20000);
    for (int i = 0; i < ASKERS; i++)
        begin(&a[i], k.c, BELAY_CHRONICLE_CONNECTED, 20000);
    for (int i = 0; i < ASKERS; i++)
        finish(&k, &a[i], 0);
    assert_true(belay_chronicle_connected(k.c));
    assert_int_equal(k.dials, 1);
    assert_false(atomic_load(&registered.done));
    belay_chronicle_registered(k.c, NULL);
    finish(&k, &registered, 0);
    begin(&a[0], k.c, BELAY_CHRONICLE_DISCONNECTED, 0); /* at once */
    CHK_UNTIL(&k, atomic_load(&a[0].done));
    pthread_join(a[0].thread, NULL);
    chk_close(&k);
}

static void other_threads_are_told_why_not(void **state)
{
    struct chronicle_kit k;
    struct asker late, closed;

    (void)state;
    chk_open(&k);
    k.refuses = true;
    chk_start(&k);
    chk_a_while(&k);
    begin(&late, k.c, BELAY_CHRONICLE_CONNECTED, 30);
    finish(&k, &late, BELAY_ETIMEDOUT);
    assert_non_null(strstr(late.error.text, "the test refuses"));
    begin(&closed, k.c, BELAY_CHRONICLE_CONNECTED, BELAY_FOREVER);
    chk_a_while(&k);
    belay_chronicle_ref(k.c);
    belay_chronicle_disconnect(k.c, NULL, NULL);
    finish(&k, &closed, BELAY_ECLOSED);
    belay_chronicle_unref(k.c);
    chk_a_while(&k);
    assert_int_equal(k.exits, 1);
    k.c = NULL;
    chk_close(&k);
}

/* ---- on the loop's own thread ---- */

struct mover {
    pthread_t thread;
    struct h2_server *server;
    atomic_bool stop;
};

static void *move(void *arg)
{
    struct mover *m = arg;

    while (!atomic_load(&m->stop)) {
        h2_step(m->server);
        sched_yield();
    }
    return NULL;
}

static void the_loop_s_own_thread_turns_it_meanwhile(void **state)
{
    struct chronicle_kit k;
    struct belay_error error;
    struct mover m;

    (void)state;
    chk_open(&k);
    chk_start(&k);
    m.server = &k.net.servers[0];
    atomic_init(&m.stop, false);
    assert_int_equal(pthread_create(&m.thread, NULL, move, &m), 0);
    assert_int_equal(belay_chronicle_connect_wait(k.c, 20000, &error), 0);
    atomic_store(&m.stop, true);
    pthread_join(m.thread, NULL);
    assert_true(belay_chronicle_connected(k.c));
    assert_int_equal(belay_chronicle_connect_wait(k.c, 20000, &error), 0); /* at once */
    assert_int_equal(belay_chronicle_wait_until_wait(k.c, BELAY_CHRONICLE_REGISTERED, 20, &error),
                     BELAY_ETIMEDOUT);
    assert_non_null(strstr(error.text, "not registered within 20 ms"));
    belay_chronicle_ref(k.c);
    belay_chronicle_disconnect(k.c, NULL, NULL);
    assert_int_equal(belay_chronicle_connect_wait(k.c, 20, &error), BELAY_ECLOSED);
    assert_non_null(strstr(error.text, "closed"));
    belay_chronicle_unref(k.c);
    chk_a_while(&k);
    k.c = NULL;
    chk_close(&k);
}

static void in_a_callback(const struct belay_error *why, void *arg)
{
    struct chronicle_kit *k = arg;
    struct belay_error error;

    (void)why;
    assert_int_equal(belay_chronicle_connect_wait(k->c, 20, &error), BELAY_EDEADLK);
    k->closed = true; /* it was here */
}

static void a_callback_cannot_wait(void **state)
{
    struct chronicle_kit k;

    (void)state;
    chk_open(&k);
    chk_start(&k);
    assert_int_equal(belay_chronicle_connect(k.c, 20000, NULL, in_a_callback, &k), 0);
    CHK_UNTIL(&k, k.closed);
    k.closed = false;
    chk_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_threads_wait_until_it_is_connected),
        cmocka_unit_test(other_threads_are_told_why_not),
        cmocka_unit_test(the_loop_s_own_thread_turns_it_meanwhile),
        cmocka_unit_test(a_callback_cannot_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
