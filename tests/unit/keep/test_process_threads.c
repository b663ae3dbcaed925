/* SPDX-License-Identifier: MIT */
/* Who may call a process from where: threads, processes with threads, and those on the loop. */
#include "unit/keep/thread_kit.h"

#define CALLS 200

static void threads_call_a_process_with_its_own_thread_though_nobody_runs_the_loop(void **state)
{
    struct caller callers[4];
    static struct worker w;
    struct belay_process *p = start_thread(&w);

    (void)state;
    for (int i = 0; i < 4; i++)
        caller_start(&callers[i], p, ECHO, CALLS);
    for (int i = 0; i < 4; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].rc, 0);
        assert_int_equal(callers[i].done, CALLS);
    }
    assert_int_equal(w.handled, 4 * CALLS);
    belay_process_unref(p);
}

static void *call_and_stop(void *arg)
{
    call_often(arg);
    belay_loop_stop(loop);
    return NULL;
}

static void a_thread_calls_a_process_on_the_loop_while_that_runs(void **state)
{
    static struct worker w;
    struct caller c = {.process = start_on_loop(&w), .tag = ECHO, .calls = 50, .timeout_ms = 10000};

    (void)state;
    assert_int_equal(belay_loop_turn(loop, 0), 0); /* from now on it counts as run */
    assert_int_equal(pthread_create(&c.thread, NULL, call_and_stop, &c), 0);
    assert_int_equal(belay_loop_run(loop), 0);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.rc, 0);
    assert_int_equal(c.done, 50);
    belay_process_unref(c.process);
}

static void a_thread_is_told_that_nobody_runs_the_loop_of_a_process(void **state)
{
    static struct worker w;
    struct belay_process *p = start_on_loop(&w);
    struct caller c;

    (void)state;
    caller_start(&c, p, ECHO, 1);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.rc, BELAY_ENOTRUNNING);
    belay_process_unref(p);
}

static void a_process_cannot_wait_for_itself(void **state)
{
    static struct worker w;
    struct belay_process *p = start_thread(&w);
    struct belay_message reply;

    (void)state;
    assert_int_equal(belay_process_call_wait(p, counted(SELF), 0, &reply, NULL), 0);
    assert_int_equal(reply.tag, 1);
    belay_message_destroy(&reply);
    belay_process_unref(p);
}

static void processes_on_threads_call_each_other_and_those_on_the_loop(void **state)
{
    static struct worker a, b, c;
    struct belay_process *pa = start_thread(&a), *pb = start_thread(&b), *pc = start_on_loop(&c);
    struct belay_message reply;

    (void)state;
    a.other = pb;
    b.other = pc;
    assert_int_equal(belay_process_call_wait(pa, counted(TALK), 0, &reply, NULL), 0);
    assert_int_equal(reply.tag, ECHO);
    belay_message_destroy(&reply);
    assert_int_equal(belay_process_call_wait(pb, counted(TALK), 0, &reply, NULL), 0);
    assert_int_equal(reply.tag, ECHO);
    belay_message_destroy(&reply);
    belay_process_unref(pa);
    belay_process_unref(pb);
    belay_process_unref(pc);
}

static void a_thread_waits_no_longer_than_its_limit(void **state)
{
    static struct worker w;
    struct belay_process *p = start_thread(&w);
    struct caller c = {.process = p, .tag = KEEP, .calls = 1, .timeout_ms = 1};

    (void)state;
    assert_int_equal(pthread_create(&c.thread, NULL, call_often, &c), 0);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.rc, BELAY_ETIMEDOUT);
    wait_sem(&w.entered);
    assert_int_equal(belay_from_reply(w.from, counted(1)), BELAY_ESTALE);
    belay_process_unref(p);
}

static void the_end_of_a_process_answers_threads_that_wait(void **state)
{
    static struct worker w;
    struct belay_process *p = start_thread(&w);
    struct caller c;

    (void)state;
    caller_start(&c, p, KEEP, 1);
    wait_sem(&w.entered);
    assert_int_equal(belay_process_stop_wait(p, BELAY_EXIT_SHUTDOWN, BELAY_FOREVER), 0);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.rc, BELAY_ENOPROC);
    assert_int_equal(w.terminated, 1);
    belay_process_unref(p);
}

/* ---- replies by mail ---- */

static void on_reply(struct belay_message *reply, const struct belay_error *error, void *arg)
{
    int *told = arg;

    assert_null(error);
    *told += reply->tag;
}

static void *reply_to(void *arg)
{
    assert_int_equal(belay_from_reply(*(struct belay_from *)arg, counted(7)), 0);
    return NULL;
}

/* Another thread has replied, and the loop has not heard of it. */
static struct belay_call *call_answered_elsewhere(struct belay_process *p, struct worker *w,
                                                  int *told)
{
    struct belay_call *call;
    pthread_t thread;

    assert_int_equal(belay_process_call(p, counted(KEEP), 0, &call, on_reply, told), 0);
    wait_sem(&w->entered);
    assert_int_equal(pthread_create(&thread, NULL, reply_to, &w->from), 0);
    pthread_join(thread, NULL);
    return call;
}

static void a_reply_of_another_thread_is_told_by_the_loop(void **state)
{
    static struct worker w;
    struct belay_process *p = start_thread(&w);
    int told = 0;

    (void)state;
    call_answered_elsewhere(p, &w, &told);
    assert_int_equal(told, 0);
    while (!told)
        assert_int_equal(belay_loop_turn(loop, 10), 0);
    assert_int_equal(told, 7);
    belay_process_unref(p);
}

static void a_reply_that_is_on_its_way_can_be_cancelled(void **state)
{
    static struct worker w;
    struct belay_process *p = start_thread(&w);
    int told = 0;

    (void)state;
    belay_call_cancel(call_answered_elsewhere(p, &w, &told));
    assert_int_equal(belay_loop_turn(loop, 0), 0);
    call_answered_elsewhere(p, &w, &told);
    belay_process_unref(p);
    belay_loop_free(loop); /* tells the second */
    loop = NULL;
    assert_int_equal(told, 7);
}

static void *call_with_a_callback(void *arg)
{
    struct caller *c = arg;
    struct belay_message m = counted(ECHO);
    int told;

    c->rc = belay_process_call(c->process, m, 0, NULL, on_reply, &told);
    belay_message_destroy(&m);
    return NULL;
}

static void callbacks_are_for_the_loops_own_thread(void **state)
{
    static struct worker w;
    struct caller c = {.process = start_thread(&w)};

    (void)state;
    assert_int_equal(pthread_create(&c.thread, NULL, call_with_a_callback, &c), 0);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.rc, BELAY_ENOTSUP);
    belay_process_unref(c.process);
}

/* What was accepted is handled, what was refused is not. */
struct flood {
    pthread_t thread;
    struct belay_process *process;
    int accepted, refused;
};

static void *cast_often(void *arg)
{
    struct flood *f = arg;

    for (int i = 0; i < 2000; i++) {
        struct belay_message m = counted(FLOOD);
        int rc = belay_process_cast(f->process, m);

        if (rc == 0) {
            f->accepted++;
            continue;
        }
        belay_message_destroy(&m);
        f->refused += rc == BELAY_EAGAIN;
    }
    return NULL;
}

static void threads_cast_into_a_small_mailbox(void **state)
{
    static struct worker w;
    struct belay_process_options o = options_of(&w);
    struct flood floods[3] = {0};
    int accepted = 0;

    (void)state;
    worker_init(&w);
    o.mailbox_max = 8;
    struct belay_process *p = start(&w, &o);
    for (int i = 0; i < 3; i++) {
        floods[i].process = p;
        assert_int_equal(pthread_create(&floods[i].thread, NULL, cast_often, &floods[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(floods[i].thread, NULL);
        assert_int_equal(floods[i].accepted + floods[i].refused, 2000);
        accepted += floods[i].accepted;
    }
    while (belay_process_call_wait(p, counted(ECHO), 0, NULL, NULL) == BELAY_EAGAIN)
        ;
    assert_int_equal(w.handled, accepted + 1);
    belay_process_unref(p);
}

/* ---- links, monitors and states across threads ---- */

static void an_exit_goes_from_a_thread_to_the_loop_and_back(void **state)
{
    static struct worker a, b, c;
    struct belay_process *pa = start_thread(&a), *pb = start_on_loop(&b), *pc;
    struct belay_process_options o = options_of(&c);
    struct belay_error why = {.code = BELAY_EPROTO, .text = "the wire was cut"};

    (void)state;
    worker_init(&c);
    o.trap_exit = true;
    pc = start(&c, &o);
    assert_int_equal(belay_process_link(pa, pb), 0);
    assert_int_equal(belay_process_link(pb, pc), 0);
    assert_int_equal(belay_process_monitor_by(pa, pc, NULL), 0);
    assert_int_equal(belay_process_exit(pa, (struct belay_exit){BELAY_EXIT_ERROR, &why}), 0);
    assert_int_equal(belay_process_wait_until_wait(pb, BELAY_PROCESS_ENDED, 10000), 0);
    for (int i = 0; i < 2; i++) { /* an exit and a down */
        while (sem_trywait(&c.entered) < 0)
            assert_int_equal(belay_loop_turn(loop, 1), 0);
        assert_int_equal(c.told[i], BELAY_EPROTO);
    }
    assert_int_equal(a.exited, 1);
    assert_int_equal(b.exited, 1);
    assert_int_equal(b.why, BELAY_EXIT_ERROR);
    assert_true(belay_process_is_alive(pc));
    belay_process_unref(pa);
    belay_process_unref(pb);
    belay_process_unref(pc);
}

static void *wait_for_the_end(void *arg)
{
    struct caller *c = arg;

    c->rc = belay_process_wait_until_wait(c->process, BELAY_PROCESS_ENDED, 10000);
    return NULL;
}

static void a_thread_waits_for_a_state_of_a_process_with_its_own(void **state)
{
    static struct worker w;
    struct belay_process *p = start_thread(&w);
    struct caller c = {.process = p};

    (void)state;
    assert_int_equal(pthread_create(&c.thread, NULL, wait_for_the_end, &c), 0);
    assert_int_equal(belay_process_stop_wait(p, BELAY_EXIT_NORMAL, BELAY_FOREVER), 0);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.rc, 0);
    assert_int_equal(belay_process_wait_until_wait(p, BELAY_PROCESS_CONNECTED, 0), BELAY_ENOPROC);
    belay_process_unref(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, thread_kit_up, thread_kit_down)
        T(threads_call_a_process_with_its_own_thread_though_nobody_runs_the_loop),
        T(a_thread_calls_a_process_on_the_loop_while_that_runs),
        T(a_thread_is_told_that_nobody_runs_the_loop_of_a_process),
        T(a_process_cannot_wait_for_itself),
        T(processes_on_threads_call_each_other_and_those_on_the_loop),
        T(a_thread_waits_no_longer_than_its_limit),
        T(the_end_of_a_process_answers_threads_that_wait),
        T(a_reply_of_another_thread_is_told_by_the_loop),
        T(a_reply_that_is_on_its_way_can_be_cancelled),
        T(callbacks_are_for_the_loops_own_thread),
        T(threads_cast_into_a_small_mailbox),
        T(an_exit_goes_from_a_thread_to_the_loop_and_back),
        T(a_thread_waits_for_a_state_of_a_process_with_its_own),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
