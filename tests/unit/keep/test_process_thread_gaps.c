/* SPDX-License-Identifier: MIT */
/*
 * What the loop does while a process's thread is between two things: its last callback has returned
 * and terminate is to run, it has ended and nobody was told, or some of its messages are on their
 * way.
 */
#include <time.h>

#include "unit/keep/thread_kit.h"

#define WATCHED 200

enum { STOP_SLOWLY = 1, STOP, FAIL, WATCH, START };

static sem_t entered, go;
static atomic_int asked, downs, terminated, rc;
static struct belay_process *target;
static struct belay_monitor *monitors[WATCHED];

static void be_slow(void *value)
{
    (void)value;
    sem_post(&entered);
    wait_sem(&go);
}

static void watch(struct belay_process *process)
{
    for (int i = 0; i < WATCHED; i++)
        assert_int_equal(belay_process_monitor_by(target, process, &monitors[i]), 0);
    sem_post(&entered);
}

static struct belay_directive on_cast(struct belay_process *process, struct belay_message *message,
                                      void *state)
{
    struct belay_directive d = belay_do_stop(process, BELAY_EXIT_NORMAL, NULL);

    (void)state;
    switch (message->tag) {
    case STOP_SLOWLY:
        d.info = belay_message(0, NULL, be_slow); /* nobody takes it */
        return d;
    case FAIL:
        return belay_do_stop(process, BELAY_EXIT_ERROR, NULL);
    case WATCH:
        watch(process);
        return belay_do_noreply();
    case START:
        rc = belay_process_start(belay_process_loop(process), &worker, NULL, NULL, NULL, NULL, NULL,
                                 NULL);
        sem_post(&entered);
        return belay_do_noreply();
    default:
        return d;
    }
}

/* Of many downs the first is the last. */
static struct belay_directive on_info(struct belay_process *process, struct belay_message *message,
                                      void *state)
{
    const struct belay_down *down = message->value;

    (void)process;
    (void)state;
    assert_int_equal(message->tag, BELAY_TAG_DOWN);
    assert_ptr_equal(down->process, target);
    if (atomic_fetch_add(&downs, 1) == 0)
        for (int i = 1; i < WATCHED; i++)
            belay_monitor_cancel(monitors[i]);
    return belay_do_noreply();
}

static void status(struct belay_process *process, bool ending, char *out, size_t size, void *state)
{
    (void)process;
    (void)out;
    (void)size;
    (void)state;
    if (ending)
        be_slow(NULL);
    else
        asked++;
}

static void terminate(struct belay_process *process, struct belay_exit why, void *state)
{
    (void)process;
    (void)why;
    (void)state;
    terminated++;
}

static const struct belay_behaviour gaps = {
    BELAY_SIZED(belay_behaviour), .name = "gaps",          .handle_cast = on_cast,
    .handle_info = on_info,       .format_status = status, .terminate = terminate,
};

static struct belay_process *start_gaps(const char *name)
{
    struct belay_process_options o = belay_process_options_init();
    struct belay_process *p;

    sem_init(&entered, 0, 0);
    sem_init(&go, 0, 0);
    asked = downs = terminated = rc = 0;
    o.own_thread = true;
    o.name = name;
    assert_int_equal(belay_process_start_wait(loop, &gaps, NULL, &o, &p, NULL), 0);
    return p;
}

static enum belay_process_state wanted;

static void *wait_for_it(void *process)
{
    rc = belay_process_wait_until_wait(process, wanted, 10000);
    return NULL;
}

/* Without a turn of the loop. */
static void wait_elsewhere_for(struct belay_process *p, enum belay_process_state state)
{
    pthread_t thread;

    wanted = state;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_it, p), 0);
    pthread_join(thread, NULL);
    assert_int_equal(rc, 0);
}

static void the_status_is_not_asked_of_one_that_is_about_to_terminate(void **state)
{
    struct belay_process *p = start_gaps(NULL);
    char text[512];

    (void)state;
    assert_int_equal(belay_process_cast(p, counted(STOP_SLOWLY)), 0);
    wait_sem(&entered);
    belay_process_status(p, text, sizeof text);
    assert_int_equal(asked, 0);
    sem_post(&go);
    belay_process_unref(p);
}

static void who_is_killed_on_the_way_to_terminate_does_not_come_to_it(void **state)
{
    struct belay_process *p = start_gaps(NULL);

    (void)state;
    assert_int_equal(belay_process_cast(p, counted(FAIL)), 0);
    wait_sem(&entered); /* in format_status */
    assert_int_equal(belay_process_stop_wait(p, BELAY_EXIT_SHUTDOWN, 0), 0);
    sem_post(&go);
    belay_process_unref(p);
    belay_loop_free(loop); /* and with it the thread is gone */
    loop = NULL;
    assert_int_equal(terminated, 0);
}

static void a_name_is_free_as_soon_as_anybody_knows_of_the_end(void **state)
{
    struct belay_process *p = start_gaps("it"), *q;

    (void)state;
    assert_ptr_equal(belay_process_whereis(loop, NULL, "it"), p);
    assert_int_equal(belay_process_cast(p, counted(STOP)), 0);
    wait_elsewhere_for(p, BELAY_PROCESS_ENDED);
    assert_null(belay_process_whereis(loop, NULL, "it"));
    q = start_gaps("it");
    assert_ptr_equal(belay_process_whereis(loop, NULL, "it"), q);
    belay_process_unref(p);
    belay_process_unref(q);
}

static void a_down_that_was_cancelled_on_its_way_does_not_come(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct belay_process *by = start_gaps(NULL);

        target = start_gaps(NULL);
        assert_int_equal(belay_process_cast(by, counted(WATCH)), 0);
        wait_sem(&entered);
        assert_int_equal(belay_process_stop_wait(target, BELAY_EXIT_NORMAL, BELAY_FOREVER), 0);
        assert_int_equal(belay_process_stop_wait(by, BELAY_EXIT_NORMAL, BELAY_FOREVER), 0);
        assert_true(downs <= 1);
        belay_process_unref(target);
        belay_process_unref(by);
    }
}

static void on_exit_is(struct belay_process *process, struct belay_exit why, void *kind)
{
    (void)process;
    *(int *)kind = (int)why.kind;
}

/* The loop comes round late. */
static void who_has_started_in_time_is_not_ended_though_nobody_heard(void **state)
{
    struct belay_process_options o = belay_process_options_init();
    struct belay_process *p;
    struct timespec begin, now;
    int kind = -1;

    (void)state;
    o.own_thread = true;
    o.start_timeout_ms = 20;
    o.on_exit = on_exit_is;
    o.exit_arg = &kind;
    assert_int_equal(belay_process_start(loop, &gaps, NULL, &o, &p, NULL, NULL, NULL), 0);
    wait_elsewhere_for(p, BELAY_PROCESS_DISCONNECTED);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < 25);
    assert_int_equal(belay_process_stop_wait(p, BELAY_EXIT_NORMAL, BELAY_FOREVER), 0);
    assert_int_equal(kind, BELAY_EXIT_NORMAL); /* and not by its limit */
    belay_process_unref(p);
}

static void only_the_loop_s_thread_starts_processes(void **state)
{
    struct belay_process *p = start_gaps(NULL);

    (void)state;
    assert_int_equal(belay_process_cast(p, counted(START)), 0);
    wait_sem(&entered);
    assert_int_equal(rc, BELAY_ENOTSUP);
    belay_process_unref(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, thread_kit_up, thread_kit_down)
        T(the_status_is_not_asked_of_one_that_is_about_to_terminate),
        T(who_is_killed_on_the_way_to_terminate_does_not_come_to_it),
        T(a_name_is_free_as_soon_as_anybody_knows_of_the_end),
        T(a_down_that_was_cancelled_on_its_way_does_not_come),
        T(who_has_started_in_time_is_not_ended_though_nobody_heard),
        T(only_the_loop_s_thread_starts_processes),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
