/* SPDX-License-Identifier: MIT */
/*
 * What the loop has to say of a process on a thread of its own: its start, before anything else
 * happens; its status, between two callbacks; its log and its trace, in order and on the loop's
 * thread.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/error.h"
#include "keep/process.h"
#include "support/test.h"

static struct belay_loop *loop;
static struct belay_process *process;
static pthread_t loop_thread;
static sem_t entered, leave;
static atomic_bool told, early;
static char lines[2048];

static void on_log(enum belay_log_level level, const char *tag, const char *line, void *arg)
{
    size_t len = strlen(lines);

    (void)level;
    (void)tag;
    (void)arg;
    assert_true(pthread_equal(pthread_self(), loop_thread));
    snprintf(lines + len, sizeof lines - len, "%s\n", line);
}

static void on_trace(const struct belay_trace *t, void *arg)
{
    size_t len = strlen(lines);

    (void)arg;
    assert_true(pthread_equal(pthread_self(), loop_thread));
    if (strcmp(t->noun, "process") == 0)
        snprintf(lines + len, sizeof lines - len, "%s>%s\n", t->from ? t->from : "",
                 t->to ? t->to : "");
}

static int set_up(void **state)
{
    struct belay_loop_options o = belay_loop_options_init();

    (void)state;
    loop_thread = pthread_self();
    lines[0] = '\0';
    atomic_store(&told, false);
    atomic_store(&early, false);
    sem_init(&entered, 0, 0);
    sem_init(&leave, 0, 0);
    o.on_log = on_log;
    o.log_level = BELAY_LOG_DEBUG;
    return belay_loop_new(&o, &loop, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    belay_process_unref(process);
    belay_loop_free(loop);
    sem_destroy(&entered);
    sem_destroy(&leave);
    return 0;
}

/* ---- a behaviour ---- */

static struct belay_directive init(struct belay_process *p, void *args)
{
    (void)p;
    (void)args;
    sem_post(&entered);
    return belay_do_connect(belay_message_tag(1));
}

static struct belay_directive connect(struct belay_process *p, struct belay_message *info,
                                      void *state)
{
    (void)p;
    (void)info;
    (void)state;
    if (!atomic_load(&told))
        atomic_store(&early, true);
    return belay_do_ok();
}

static struct belay_directive wait_for_leave(struct belay_process *p, struct belay_message *message,
                                             void *state)
{
    (void)p;
    (void)message;
    (void)state;
    sem_post(&entered);
    sem_wait(&leave);
    return belay_do_noreply();
}

static void put_status(struct belay_process *p, bool ending, char *out, size_t size, void *state)
{
    (void)p;
    (void)state;
    snprintf(out, size, ending ? "at its end" : "at rest");
}

static const struct belay_behaviour behaviour = {
    .size = sizeof behaviour,
    .name = "own",
    .init = init,
    .connect = connect,
    .handle_cast = wait_for_leave,
    .format_status = put_status,
};

static void on_started(struct belay_process *p, const struct belay_error *error, void *arg)
{
    (void)arg;
    assert_null(error);
    belay_process_unref(p);
    atomic_store(&told, true);
}

static void start(bool debug)
{
    struct belay_process_options o = belay_process_options_init();

    o.own_thread = true;
    o.debug = debug;
    assert_int_equal(
        belay_process_start(loop, &behaviour, NULL, &o, &process, on_started, NULL, NULL), 0);
    sem_wait(&entered);
}

static void turn_until(enum belay_process_state state)
{
    assert_int_equal(belay_process_wait_until_wait(process, state, BELAY_FOREVER), 0);
}

/* ---- the tests ---- */

static void *nothing(void *arg)
{
    return arg;
}

static void the_starter_hears_before_anything_else_happens(void **state)
{
    pthread_t other;

    (void)state;
    start(false);
    for (int i = 0; i < 20; i++) { /* time for the process to go ahead, if it would */
        assert_int_equal(pthread_create(&other, NULL, nothing, NULL), 0);
        assert_int_equal(pthread_join(other, NULL), 0);
    }
    turn_until(BELAY_PROCESS_CONNECTED);
    assert_true(atomic_load(&told));
    assert_false(atomic_load(&early));
}

static void status_is_asked_between_two_callbacks_only(void **state)
{
    char text[512];

    (void)state;
    start(false);
    turn_until(BELAY_PROCESS_CONNECTED);
    assert_int_equal(belay_process_cast(process, belay_message_tag(1)), 0);
    sem_wait(&entered);
    belay_process_status(process, text, sizeof text);
    assert_non_null(strstr(text, "own"));
    assert_non_null(strstr(text, "on a thread of its own"));
    assert_null(strstr(text, "at rest"));
    sem_post(&leave);
    do {
        belay_process_status(process, text, sizeof text);
    } while (!strstr(text, "at rest"));
    assert_int_equal(belay_process_cast(process, belay_message_tag(1)), 0);
    sem_wait(&entered); /* it goes on afterwards */
    sem_post(&leave);
}

static void logs_and_traces_are_the_loops_in_order(void **state)
{
    (void)state;
    loop->on_trace = on_trace;
    start(true);
    turn_until(BELAY_PROCESS_CONNECTED);
    belay_process_stop_wait(process, BELAY_EXIT_NORMAL, BELAY_FOREVER);
    assert_string_equal(lines, ">starting\n"
                               "own (1): init\n"
                               "own (1): init returned connect\n"
                               "starting>connecting\n"
                               "own (1): connect (tag 1)\n"
                               "own (1): connect returned ok\n"
                               "connecting>connected\n"
                               "own (1): ends: normal\n"
                               "connected>\n");
}

static void lines_beyond_what_is_kept_are_lost_and_nothing_else(void **state)
{
    (void)state;
    start(true);
    turn_until(BELAY_PROCESS_CONNECTED);
    for (int i = 0; i < 400; i++) { /* two lines each */
        assert_int_equal(belay_process_cast(process, belay_message_tag(1)), 0);
        sem_post(&leave);
        sem_wait(&entered);
    }
    lines[0] = '\0';
    assert_int_equal(belay_process_stop_wait(process, BELAY_EXIT_NORMAL, BELAY_FOREVER), 0);
    assert_non_null(strstr(lines, "handle_cast (tag 1)"));
}

static void of_two_stops_the_nearer_limit_holds(void **state)
{
    (void)state;
    start(false);
    turn_until(BELAY_PROCESS_CONNECTED);
    assert_int_equal(belay_process_cast(process, belay_message_tag(1)), 0);
    sem_wait(&entered);
    belay_process_stop(process, BELAY_EXIT_SHUTDOWN, NULL, BELAY_FOREVER, NULL, NULL);
    belay_process_stop(process, BELAY_EXIT_SHUTDOWN, NULL, 1, NULL, NULL);
    belay_process_stop(process, BELAY_EXIT_SHUTDOWN, NULL, BELAY_FOREVER, NULL, NULL);
    turn_until(BELAY_PROCESS_ENDED); /* though its callback still runs */
    assert_non_null(strstr(lines, "in the middle of a callback"));
    sem_post(&leave);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_starter_hears_before_anything_else_happens),
        TEST(status_is_asked_between_two_callbacks_only),
        TEST(logs_and_traces_are_the_loops_in_order),
        TEST(lines_beyond_what_is_kept_are_lost_and_nothing_else),
        TEST(of_two_stops_the_nearer_limit_holds),
    };

    return cmocka_run_group_tests_name("process_own", tests, NULL, NULL);
}
