/* SPDX-License-Identifier: MIT */
/* Starting and ending: stops and their limits, processes that have ended, references, the loop's end. */
#include "unit/keep/process_scene.h"

static unsigned stopped;

static void on_stopped(void *arg)
{
    const struct actor *actor = arg;

    assert_int_equal(actor->exited, 1); /* before */
    stopped++;
}

static void stop(enum belay_exit_kind kind, int64_t limit_ms)
{
    stopped = 0;
    belay_process_stop(a.process, kind, NULL, limit_ms, on_stopped, &a);
    assert_int_equal(stopped, 0);
}

/* ---- starting ---- */

static void init_does_not_run_inside_the_call(void **state)
{
    (void)state;
    actor_start(&a);
    actor_saw(&a, "");
    process_kit_settle(&k);
    actor_saw(&a, "init started");
}

static void a_process_goes_on_without_references(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_backoff(10));
    actor_begin(&a);
    actor_forget(&a);
    process_kit_pass(&k, 10);
    actor_saw(&a, "init started connect:-2");
    assert_int_equal(a.exited, 0);
}

static void start_wait_is_back_when_init_is_done(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    assert_int_equal(
        belay_process_start_wait(k.loop, &a.behaviour, &a, &a.options, &a.process, NULL), 0);
    assert_non_null(strstr(a.log, "init"));
    process_kit_settle(&k);
    actor_saw(&a, "init connect:1");
}

static void start_wait_gives_what_the_callback_would(void **state)
{
    struct belay_error error;

    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_ignore());
    assert_int_equal(
        belay_process_start_wait(k.loop, &a.behaviour, &a, &a.options, &a.process, &error),
        BELAY_EIGNORED);
    assert_int_equal(error.code, BELAY_EIGNORED);
    a.process = NULL;
    a.options.mailbox_max = -5;
    assert_int_equal(
        belay_process_start_wait(k.loop, &a.behaviour, &a, &a.options, &b.process, &error),
        BELAY_EINVAL);
    assert_non_null(strstr(error.text, "mailbox_max"));
}

static int32_t count_children(struct belay_process *parent)
{
    struct belay_process *child = NULL;
    int rc = belay_process_start_link_wait(parent, &b.behaviour, &b, &b.options, &child, NULL);

    b.process = child;
    return rc;
}

static void start_link_ties_the_two(void **state)
{
    (void)state;
    actor_begin(&a);
    assert_int_equal(count_children(a.process), 0);
    actor_says(&b, BL_PR_CAST, belay_do_stop(NULL, BELAY_EXIT_ERROR, NULL));
    cast(&b, 1);
    process_kit_settle(&k);
    actor_ended(&b, BELAY_EXIT_ERROR, BELAY_EABORTED);
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_EABORTED);
}

static void start_link_to_one_that_has_ended_is_refused(void **state)
{
    (void)state;
    actor_begin(&a);
    stop(BELAY_EXIT_NORMAL, BELAY_FOREVER);
    process_kit_settle(&k);
    assert_int_equal(count_children(a.process), BELAY_ENOPROC);
}

static void impossible_options_are_refused_by_name(void **state)
{
    struct belay_process_options o = belay_process_options_init();
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_behaviour none = {.size = 0};
    struct belay_error error;

    (void)state;
    backoff.factor_percent = 5;
    o.backoff = &backoff;
    assert_int_equal(belay_process_start(k.loop, &a.behaviour, &a, &o, NULL, NULL, NULL, &error),
                     BELAY_EINVAL);
    assert_non_null(strstr(error.text, "backoff"));
    o.backoff = NULL;
    o.name = "two\nlines";
    assert_int_equal(belay_process_start(k.loop, &a.behaviour, &a, &o, NULL, NULL, NULL, &error),
                     BELAY_EINVAL);
    assert_non_null(strstr(error.text, "name"));
    assert_int_equal(belay_process_start(k.loop, NULL, &a, NULL, NULL, NULL, NULL, &error),
                     BELAY_EINVAL);
    assert_non_null(strstr(error.text, "behaviour"));
    assert_int_equal(belay_process_start(k.loop, &none, &a, NULL, NULL, NULL, NULL, &error),
                     BELAY_EINVAL);
    assert_int_equal(belay_process_start(NULL, &a.behaviour, &a, NULL, NULL, NULL, NULL, &error),
                     BELAY_EINVAL);
    process_kit_settle(&k);
    actor_saw(&a, "");
}

/* ---- stop ---- */

static void a_stop_is_ahead_of_the_mailbox(void **state)
{
    (void)state;
    actor_begin(&a);
    cast(&a, 1);
    stop(BELAY_EXIT_SHUTDOWN, BELAY_FOREVER);
    process_kit_settle(&k);
    actor_saw(&a, "init started terminate(shutdown)");
    actor_ended(&a, BELAY_EXIT_SHUTDOWN, 0);
    assert_int_equal(stopped, 1);
}

static void a_stop_with_an_error_ends_it_with_that(void **state)
{
    struct belay_error error = error_of(BELAY_EFILE, "the disk is gone");

    (void)state;
    actor_begin(&a);
    belay_process_stop(a.process, BELAY_EXIT_ERROR, &error, BELAY_FOREVER, NULL, NULL);
    process_kit_settle(&k);
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_EFILE);
    assert_string_equal(a.exit_error.text, "the disk is gone");
    assert_non_null(strstr(k.log, "the disk is gone"));
}

static void the_first_stop_is_heard(void **state)
{
    (void)state;
    actor_begin(&a);
    stop(BELAY_EXIT_NORMAL, BELAY_FOREVER);
    stop(BELAY_EXIT_SHUTDOWN, BELAY_FOREVER);
    process_kit_settle(&k);
    actor_ended(&a, BELAY_EXIT_NORMAL, 0);
    assert_int_equal(stopped, 1);
}

static void a_stop_without_time_kills(void **state)
{
    (void)state;
    actor_begin(&a);
    stop(BELAY_EXIT_NORMAL, 0);
    process_kit_settle(&k);
    actor_saw(&a, "init started"); /* no terminate */
    actor_ended(&a, BELAY_EXIT_KILLED, 0);
    assert_int_equal(stopped, 1);
}

static void a_stop_before_init_ends_it_without_callbacks(void **state)
{
    (void)state;
    actor_start(&a);
    stop(BELAY_EXIT_SHUTDOWN, 100);
    process_kit_settle(&k);
    actor_saw(&a, "failed");
    assert_int_equal(a.start_code, BELAY_EABORTED);
    actor_ended(&a, BELAY_EXIT_SHUTDOWN, 0);
}

static void stop_itself(struct actor *actor, enum bl_pr_callback callback,
                        struct belay_message *message)
{
    (void)message;
    if (callback == BL_PR_CAST)
        belay_process_stop(actor->process, BELAY_EXIT_SHUTDOWN, NULL, BELAY_FOREVER, on_stopped,
                           actor);
}

static void a_process_may_stop_itself_in_a_callback(void **state)
{
    (void)state;
    stopped = 0;
    a.during = stop_itself;
    actor_begin(&a);
    actor_says(&a, BL_PR_CAST, belay_do_connect(counted(3))); /* never called */
    cast(&a, 1);
    process_kit_settle(&k);
    actor_saw(&a, "init started cast:1 terminate(shutdown)");
    assert_int_equal(stopped, 1);
}

static void who_is_told_to_stop_ends_as_it_was_told(void **state)
{
    (void)state;
    a.during = stop_itself;
    actor_begin(&a);
    actor_says(&a, BL_PR_CAST, belay_do_stop(NULL, BELAY_EXIT_ERROR, NULL));
    cast(&a, 1);
    process_kit_settle(&k);
    actor_saw(&a, "init started cast:1 terminate(shutdown)");
    actor_ended(&a, BELAY_EXIT_SHUTDOWN, 0);
}

static void kill_itself(struct actor *actor, enum bl_pr_callback callback,
                        struct belay_message *message)
{
    (void)message;
    if (callback == BL_PR_CAST)
        belay_process_stop(actor->process, BELAY_EXIT_SHUTDOWN, NULL, 0, NULL, NULL);
}

static void a_process_may_kill_itself_in_a_callback(void **state)
{
    (void)state;
    a.during = kill_itself;
    actor_begin(&a);
    cast(&a, 1);
    process_kit_settle(&k);
    actor_saw(&a, "init started cast:1");
    actor_ended(&a, BELAY_EXIT_KILLED, 0);
}

static void stop_wait_is_back_when_it_has_ended(void **state)
{
    (void)state;
    actor_begin(&a);
    assert_int_equal(belay_process_stop_wait(a.process, BELAY_EXIT_SHUTDOWN, 100), 0);
    actor_ended(&a, BELAY_EXIT_SHUTDOWN, 0);
    assert_int_equal(belay_process_stop_wait(a.process, BELAY_EXIT_SHUTDOWN, 100), 0);
    assert_int_equal(belay_process_stop_wait(NULL, BELAY_EXIT_SHUTDOWN, 100), BELAY_EINVAL);
}

static void stop_after_the_end_tells_too(void **state)
{
    (void)state;
    actor_begin(&a);
    stop(BELAY_EXIT_NORMAL, BELAY_FOREVER);
    process_kit_settle(&k);
    stop(BELAY_EXIT_NORMAL, BELAY_FOREVER);
    actor_forget(&a); /* the last reference */
    process_kit_settle(&k);
    assert_int_equal(stopped, 1);
}

/* ---- one that has ended ---- */

static void no_reply(struct belay_message *reply, const struct belay_error *error, void *arg)
{
    (void)reply;
    (void)error;
    (void)arg;
    fail_msg("it was refused");
}

static void one_that_has_ended_says_so_to_all(void **state)
{
    struct belay_message m = counted(1);
    struct belay_error error;

    (void)state;
    actor_begin(&a);
    stop(BELAY_EXIT_NORMAL, BELAY_FOREVER);
    process_kit_settle(&k);
    assert_false(belay_process_is_alive(a.process));
    assert_int_equal(belay_process_cast(a.process, m), BELAY_ENOPROC);
    assert_int_equal(belay_process_send(a.process, m), BELAY_ENOPROC);
    assert_int_equal(belay_process_call(a.process, m, 0, NULL, no_reply, NULL), BELAY_ENOPROC);
    belay_message_destroy(&m);
    assert_int_equal(belay_process_change_code(a.process, &a.behaviour, NULL, NULL, NULL),
                     BELAY_ENOPROC);
    assert_int_equal(belay_process_resume(a.process, belay_do_ok()), BELAY_EINVAL);
    assert_int_equal(belay_process_wait_until_wait(a.process, BELAY_PROCESS_CONNECTED, 10),
                     BELAY_ENOPROC);
    m = counted(2); /* this one takes it */
    assert_int_equal(belay_process_call_wait(a.process, m, 10, NULL, &error), BELAY_ENOPROC);
    assert_non_null(strstr(error.text, "normal"));
    assert_int_equal(stats_of(&a).state, BELAY_PROCESS_ENDED);
}

static void calls_that_wait_fail_at_the_end(void **state)
{
    static struct asked taken, queued;

    (void)state;
    actor_begin(&a);
    actor_says(&a, BL_PR_CALL, belay_do_noreply());
    call(&a, 1, &taken);
    process_kit_settle(&k);
    call(&a, 2, &queued);
    stop(BELAY_EXIT_SHUTDOWN, BELAY_FOREVER);
    process_kit_settle(&k);
    assert_int_equal(taken.told, 1);
    assert_int_equal(taken.code, BELAY_ENOPROC);
    assert_int_equal(queued.told, 1);
    assert_int_equal(queued.code, BELAY_ENOPROC);
    assert_non_null(strstr(queued.text, "shutdown"));
    assert_int_equal(belay_from_reply(a.froms[0], counted(3)), BELAY_ESTALE);
}

static struct belay_process *exited;

static void unref_in_exit(struct belay_process *process, struct belay_exit why, void *arg)
{
    (void)why;
    exited = process;
    actor_forget(arg);
}

static void the_last_reference_may_go_in_on_exit(void **state)
{
    (void)state;
    exited = NULL;
    a.options.on_exit = unref_in_exit;
    actor_begin(&a);
    belay_process_stop(a.process, BELAY_EXIT_NORMAL, NULL, BELAY_FOREVER, NULL, NULL);
    process_kit_settle(&k);
    assert_non_null(exited);
}

/* ---- the end of the loop ---- */

static void begin_in(enum belay_process_state state)
{
    switch (state) {
    case BELAY_PROCESS_STARTING:
        actor_says(&a, BL_PR_INIT, belay_do_pending());
        break;
    case BELAY_PROCESS_CONNECTING:
        actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
        actor_says(&a, BL_PR_CONNECT, belay_do_pending());
        break;
    case BELAY_PROCESS_CONNECTED:
        actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
        break;
    case BELAY_PROCESS_BACKING_OFF:
        actor_says(&a, BL_PR_INIT, belay_do_backoff(100));
        break;
    case BELAY_PROCESS_DISCONNECTING:
        actor_says(&a, BL_PR_CAST, belay_do_disconnect(counted(1)));
        actor_says(&a, BL_PR_DISCONNECT, belay_do_pending());
        break;
    default:
        break;
    }
    actor_start(&a);
    cast(&a, 1);
    if (state != BELAY_PROCESS_ENDED)
        process_kit_settle(&k);
}

static void the_loop_may_end_with_a_process_in_any_state(void **state)
{
    (void)state;
    for (int s = BELAY_PROCESS_STARTING; s <= BELAY_PROCESS_ENDED; s++) { /* ENDED: before init */
        static struct asked asked;

        begin_in((enum belay_process_state)s);
        if (s != BELAY_PROCESS_ENDED)
            actor_is(&a, (enum belay_process_state)s);
        call(&a, 2, &asked);
        actor_forget(&a);
        process_kit_end(&k);
        assert_int_equal(a.exited, 1);
        assert_int_equal(a.exit.kind, BELAY_EXIT_SHUTDOWN);
        assert_int_equal(a.started, 1);
        assert_int_equal(asked.told, 1);
        set_up(NULL);
    }
}

static void a_loop_that_closes_starts_nothing(void **state)
{
    (void)state;
    actor_begin(&b); /* so that it does not end at once */
    belay_loop_close(k.loop, NULL, NULL);
    assert_int_equal(
        belay_process_start(k.loop, &a.behaviour, &a, &a.options, &a.process, NULL, NULL, NULL),
        BELAY_ECLOSED);
    actor_forget(&b);
}

static void close_the_loop(void *arg)
{
    belay_loop_close(arg, NULL, NULL);
}

static void start_wait_is_back_when_the_loop_has_ended_meanwhile(void **state)
{
    struct belay_process *p = NULL;
    struct belay_timer *timer;
    struct belay_error error;

    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_pending());
    assert_int_equal(belay_timer_new(k.loop, close_the_loop, k.loop, &timer), 0);
    belay_timer_start(timer, 10);
    assert_int_equal(belay_process_start_wait(k.loop, &a.behaviour, &a, &a.options, &p, &error),
                     BELAY_EABORTED);
    assert_null(p);
    a.process = NULL;
    assert_int_equal(failing_alloc_live(&k.alloc), 0); /* the loop's, too */
    process_kit_begin(&k);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(init_does_not_run_inside_the_call),
        TEST(a_process_goes_on_without_references),
        TEST(start_wait_is_back_when_init_is_done),
        TEST(start_wait_gives_what_the_callback_would),
        TEST(start_wait_is_back_when_the_loop_has_ended_meanwhile),
        TEST(start_link_ties_the_two),
        TEST(start_link_to_one_that_has_ended_is_refused),
        TEST(impossible_options_are_refused_by_name),
        TEST(a_stop_is_ahead_of_the_mailbox),
        TEST(a_stop_with_an_error_ends_it_with_that),
        TEST(the_first_stop_is_heard),
        TEST(a_stop_without_time_kills),
        TEST(a_stop_before_init_ends_it_without_callbacks),
        TEST(a_process_may_stop_itself_in_a_callback),
        TEST(who_is_told_to_stop_ends_as_it_was_told),
        TEST(a_process_may_kill_itself_in_a_callback),
        TEST(stop_wait_is_back_when_it_has_ended),
        TEST(stop_after_the_end_tells_too),
        TEST(one_that_has_ended_says_so_to_all),
        TEST(calls_that_wait_fail_at_the_end),
        TEST(the_last_reference_may_go_in_on_exit),
        TEST(the_loop_may_end_with_a_process_in_any_state),
        TEST(a_loop_that_closes_starts_nothing),
    };

    return cmocka_run_group_tests_name("process_life", tests, NULL, NULL);
}
