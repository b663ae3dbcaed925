/* SPDX-License-Identifier: MIT */
/* The behaviour of a running process is replaced; and what can be seen of a process. */
#include "unit/keep/process_scene.h"

#include <stdio.h>

/* ---- code_change ---- */

static struct belay_behaviour next;
static int changed, change_gives;
static char order[64];

static struct belay_directive next_cast(struct belay_process *process, struct belay_message *m,
                                        void *state)
{
    (void)process;
    (void)m;
    (void)state;
    strcat(order, "new ");
    return belay_do_noreply();
}

static int code_change(struct belay_process *process, const struct belay_behaviour *former,
                       void *extra, void *state)
{
    assert_ptr_equal(former, &a.behaviour);
    assert_ptr_equal(extra, order);
    assert_ptr_equal(state, belay_process_get_state(process));
    strcat(order, "change ");
    return change_gives;
}

static void old_cast(struct actor *actor, enum bl_pr_callback callback,
                     struct belay_message *message)
{
    (void)actor;
    (void)message;
    if (callback == BL_PR_CAST)
        strcat(order, "old ");
}

static void on_changed(int result, void *arg)
{
    changed++;
    *(int *)arg = result;
}

static int change_code(int gives)
{
    static int result;

    order[0] = '\0';
    changed = 0;
    change_gives = gives;
    result = 1;
    next = a.behaviour;
    next.name = "next";
    next.handle_cast = next_cast;
    next.code_change = code_change;
    a.during = old_cast;
    cast(&a, 1);
    assert_int_equal(belay_process_change_code(a.process, &next, order, on_changed, &result), 0);
    cast(&a, 2);
    assert_int_equal(changed, 0);
    process_kit_settle(&k);
    assert_int_equal(changed, 1);
    return result;
}

static void the_behaviour_changes_between_two_messages(void **state)
{
    (void)state;
    actor_begin(&a);
    assert_int_equal(change_code(0), 0);
    assert_string_equal(order, "old change new ");
}

static void a_change_that_fails_leaves_the_former(void **state)
{
    (void)state;
    actor_begin(&a);
    assert_int_equal(change_code(BELAY_ENOTSUP), BELAY_ENOTSUP);
    assert_string_equal(order, "old change old ");
}

static void a_change_leaves_the_idle_timeout_alone(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_with_timeout(belay_do_ok(), 10));
    actor_begin(&a);
    process_kit_pass(&k, 6);
    assert_int_equal(belay_process_change_code(a.process, &a.behaviour, NULL, NULL, NULL), 0);
    process_kit_pass(&k, 4);
    actor_saw(&a, "init started info:-1");
}

static void a_change_waits_for_what_is_pending(void **state)
{
    static int result;

    (void)state;
    result = 1;
    changed = 0;
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    actor_says(&a, BL_PR_CONNECT, belay_do_pending());
    actor_start(&a);
    process_kit_settle(&k);
    assert_int_equal(belay_process_change_code(a.process, &a.behaviour, NULL, on_changed, &result),
                     0);
    process_kit_settle(&k);
    assert_int_equal(changed, 0);
    belay_process_resume(a.process, belay_do_ok());
    process_kit_settle(&k);
    assert_int_equal(changed, 1);
    assert_int_equal(result, 0);
}

static void a_change_that_the_end_outruns_says_so(void **state)
{
    static int result;

    (void)state;
    changed = 0;
    actor_begin(&a);
    assert_int_equal(belay_process_change_code(a.process, &a.behaviour, NULL, on_changed, &result),
                     0);
    belay_process_stop(a.process, BELAY_EXIT_NORMAL, NULL, BELAY_FOREVER, NULL, NULL);
    process_kit_settle(&k);
    assert_int_equal(changed, 1);
    assert_int_equal(result, BELAY_ENOPROC);
}

static void no_behaviour_is_no_change(void **state)
{
    (void)state;
    actor_begin(&a);
    assert_int_equal(belay_process_change_code(a.process, NULL, NULL, NULL, NULL), BELAY_EINVAL);
    assert_int_equal(belay_process_change_code(NULL, &a.behaviour, NULL, NULL, NULL), BELAY_EINVAL);
}

/* ---- status, statistics, logs, traces ---- */

static void put_status(struct belay_process *process, bool ending, char *out, size_t size,
                       void *state)
{
    (void)process;
    (void)ending;
    (void)state;
    snprintf(out, size, "three books lent");
}

static void status_is_words_of_several_lines(void **state)
{
    char text[512], little[24];
    size_t len;

    (void)state;
    a.behaviour.format_status = put_status;
    a.options.name = "library";
    actor_says(&a, BL_PR_INIT, belay_do_backoff(250));
    actor_says(&a, BL_PR_CAST, belay_do_postpone());
    actor_begin(&a);
    cast(&a, 1);
    process_kit_pass(&k, 50);
    len = belay_process_status(a.process, text, sizeof text);
    assert_int_equal(len, strlen(text));
    assert_string_equal(text, "process library (1): backing_off\n"
                              "mailbox: 1 of 1024, postponed 1, dropped 0\n"
                              "attempts failed: 0, next in 200 ms\n"
                              "state: three books lent\n");
    assert_int_equal(belay_process_status(a.process, little, sizeof little), len);
    assert_string_equal(little, "process library (1): ba");
    assert_int_equal(belay_process_status(a.process, NULL, 0), len);
}

static void statistics_count_what_was_handled(void **state)
{
    struct belay_process_stats s;
    struct {
        size_t size;
        enum belay_process_state state;
    } old = {sizeof old, 0};

    (void)state;
    actor_begin(&a);
    ask(&a, 1);
    cast(&a, 2);
    info(&a, 3);
    actor_says(&a, BL_PR_CAST, belay_do_disconnect(counted(1)));
    actor_says(&a, BL_PR_DISCONNECT, belay_do_connect(counted(1)));
    actor_says(&a, BL_PR_CONNECT, belay_do_backoff(10));
    actor_says(&a, BL_PR_CONNECT, belay_do_backoff(1000));
    cast(&a, 4);
    process_kit_pass(&k, 10);
    s = stats_of(&a);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.casts, 2);
    assert_int_equal(s.infos, 1);
    assert_int_equal(s.connects, 2);
    assert_int_equal(s.disconnects, 1);
    assert_int_equal(s.backoffs, 2);
    assert_int_equal(s.attempts, 2);
    assert_int_equal(s.state, BELAY_PROCESS_BACKING_OFF);
    belay_process_get_stats(a.process, (struct belay_process_stats *)(void *)&old);
    assert_int_equal(old.state, BELAY_PROCESS_BACKING_OFF);
    assert_int_equal(old.size, sizeof old);
}

static void the_debug_option_logs_every_event_of_that_process(void **state)
{
    (void)state;
    belay_log_set_level(k.loop, "process", BELAY_LOG_DEBUG);
    a.options.debug = true;
    actor_begin(&a);
    ask(&a, 5);
    belay_process_stop(a.process, BELAY_EXIT_NORMAL, NULL, BELAY_FOREVER, NULL, NULL);
    process_kit_settle(&k);
    assert_string_equal(k.log, "debug: actor (1): init\n"
                               "debug: actor (1): init returned ok\n"
                               "debug: actor (1): handle_call (tag 5)\n"
                               "debug: actor (1): handle_call returned reply\n"
                               "debug: actor (1): ends: normal\n"
                               "debug: actor (1): terminate (normal)\n");
}

static void without_it_nothing_is_logged_of_what_goes_well(void **state)
{
    (void)state;
    belay_log_set_level(k.loop, "process", BELAY_LOG_DEBUG);
    actor_begin(&a);
    ask(&a, 5);
    belay_process_stop(a.process, BELAY_EXIT_NORMAL, NULL, BELAY_FOREVER, NULL, NULL);
    process_kit_settle(&k);
    assert_string_equal(k.log, "");
}

static char traces[512];

static void on_trace(const struct belay_trace *t, void *arg)
{
    size_t len = strlen(traces);

    (void)arg;
    if (strcmp(t->noun, "process") == 0)
        snprintf(traces + len, sizeof traces - len, "%s>%s(%s) ", t->from ? t->from : "",
                 t->to ? t->to : "", t->cause);
}

static void the_trace_sees_each_change_of_state(void **state)
{
    (void)state;
    traces[0] = '\0';
    k.loop->on_trace = on_trace;
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    actor_says(&a, BL_PR_CONNECT, belay_do_backoff(10));
    actor_begin(&a);
    process_kit_pass(&k, 10);
    actor_says(&a, BL_PR_CAST, belay_do_disconnect(counted(1)));
    cast(&a, 1);
    process_kit_settle(&k);
    belay_process_stop(a.process, BELAY_EXIT_SHUTDOWN, NULL, BELAY_FOREVER, NULL, NULL);
    process_kit_settle(&k);
    assert_string_equal(traces, ">starting() starting>connecting(connect) "
                                "connecting>backing_off(backoff) "
                                "backing_off>connecting(the backoff is over) "
                                "connecting>connected(ok) connected>disconnecting(disconnect) "
                                "disconnecting>disconnected(noconnect) disconnected>(shutdown) ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_behaviour_changes_between_two_messages),
        TEST(a_change_that_fails_leaves_the_former),
        TEST(a_change_leaves_the_idle_timeout_alone),
        TEST(a_change_waits_for_what_is_pending),
        TEST(a_change_that_the_end_outruns_says_so),
        TEST(no_behaviour_is_no_change),
        TEST(status_is_words_of_several_lines),
        TEST(statistics_count_what_was_handled),
        TEST(the_debug_option_logs_every_event_of_that_process),
        TEST(without_it_nothing_is_logged_of_what_goes_well),
        TEST(the_trace_sees_each_change_of_state),
    };

    return cmocka_run_group_tests_name("process_code", tests, NULL, NULL);
}
