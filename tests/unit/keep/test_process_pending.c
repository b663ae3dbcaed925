/* SPDX-License-Identifier: MIT */
/*
 * What takes time: init, connect and disconnect that return pending and are resumed; starting with
 * a time limit, and with the first connect; messages meanwhile.
 */
#include "unit/keep/process_scene.h"

#include <pthread.h>

static void resume(struct belay_directive directive)
{
    assert_int_equal(belay_process_resume(a.process, directive), 0);
}

/* Connecting, until it is resumed. */
static void connect_slowly(void)
{
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    actor_says(&a, BL_PR_CONNECT, belay_do_pending());
    actor_start(&a);
    process_kit_settle(&k);
    actor_is(&a, BELAY_PROCESS_CONNECTING);
}

/* ---- each of the three ---- */

static void a_pending_init_is_done_when_it_is_resumed(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_pending());
    actor_start(&a);
    cast(&a, 3);
    process_kit_pass(&k, 1000);
    actor_saw(&a, "init");
    actor_is(&a, BELAY_PROCESS_STARTING);
    resume(belay_do_connect(counted(2)));
    process_kit_settle(&k);
    actor_saw(&a, "started connect:2 cast:3");
}

static void a_pending_init_may_fail(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_pending());
    actor_start(&a);
    process_kit_settle(&k);
    resume(belay_do_ignore());
    process_kit_settle(&k);
    actor_saw(&a, "init failed");
    assert_int_equal(a.start_code, BELAY_EIGNORED);
}

static void no_message_is_handled_while_connect_is_pending(void **state)
{
    static struct asked asked;

    (void)state;
    connect_slowly();
    call(&a, 5, &asked);
    cast(&a, 6);
    process_kit_pass(&k, 1000);
    actor_saw(&a, "init started connect:1");
    resume(belay_do_ok());
    process_kit_settle(&k);
    actor_saw(&a, "call:5 cast:6");
    actor_is(&a, BELAY_PROCESS_CONNECTED);
    assert_int_equal(asked.tag, 5);
}

static void a_caller_times_out_while_connect_is_pending_and_its_reply_is_dropped(void **state)
{
    static struct asked asked;

    (void)state;
    connect_slowly();
    call(&a, 5, &asked);
    process_kit_pass(&k, 4999);
    assert_int_equal(asked.told, 0);
    process_kit_pass(&k, 1);
    assert_int_equal(asked.told, 1);
    assert_int_equal(asked.code, BELAY_ETIMEDOUT);
    actor_says(&a, BL_PR_CALL, belay_do_reply(counted(9)));
    resume(belay_do_ok());
    process_kit_settle(&k);
    actor_saw(&a, "init started connect:1 call:5");
    assert_int_equal(asked.told, 1);
}

static void a_pending_connect_may_back_off(void **state)
{
    (void)state;
    connect_slowly();
    process_kit_pass(&k, 70);
    resume(belay_do_backoff(30)); /* counts from here */
    process_kit_pass(&k, 29);
    actor_is(&a, BELAY_PROCESS_BACKING_OFF);
    assert_int_equal(stats_of(&a).attempts, 1);
    process_kit_pass(&k, 1);
    actor_saw(&a, "init started connect:1 connect:-2");
}

static void a_pending_disconnect_is_done_when_it_is_resumed(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_CAST, belay_do_disconnect(counted(2)));
    actor_says(&a, BL_PR_DISCONNECT, belay_do_pending());
    actor_begin(&a);
    cast(&a, 5);
    cast(&a, 6);
    process_kit_pass(&k, 1000);
    actor_saw(&a, "init started cast:5 disconnect:2");
    actor_is(&a, BELAY_PROCESS_DISCONNECTING);
    resume(belay_do_connect(counted(7)));
    process_kit_settle(&k);
    actor_saw(&a, "connect:7 cast:6");
}

static void what_is_pending_may_be_pending_still(void **state)
{
    (void)state;
    connect_slowly();
    resume(belay_do_pending());
    process_kit_settle(&k);
    actor_is(&a, BELAY_PROCESS_CONNECTING);
    resume(belay_do_ok());
    process_kit_settle(&k);
    actor_is(&a, BELAY_PROCESS_CONNECTED);
}

/* ---- resumes ---- */

static void resume_at_once(struct actor *actor, enum bl_pr_callback callback,
                           struct belay_message *message)
{
    (void)message;
    if (callback == BL_PR_CONNECT)
        resume(belay_with_timeout(belay_do_ok(), 5));
    (void)actor;
}

static void resume_with_a_message(struct actor *actor, enum bl_pr_callback callback,
                                  struct belay_message *message)
{
    (void)message;
    (void)actor;
    if (callback == BL_PR_CONNECT)
        resume(belay_do_connect(counted(5)));
}

static void a_resume_may_come_before_the_callback_has_returned(void **state)
{
    (void)state;
    a.during = resume_at_once;
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    actor_says(&a, BL_PR_CONNECT, belay_do_pending());
    actor_start(&a);
    process_kit_pass(&k, 5);
    actor_saw(&a, "init started connect:1 info:-1");
    actor_is(&a, BELAY_PROCESS_CONNECTED);
}

static void a_resume_that_the_callback_did_not_wait_for_is_dropped(void **state)
{
    (void)state;
    a.during = resume_with_a_message;
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    actor_says(&a, BL_PR_CONNECT, belay_do_backoff(BELAY_FOREVER));
    actor_start(&a);
    process_kit_settle(&k);
    actor_is(&a, BELAY_PROCESS_BACKING_OFF);
}

static void a_resume_without_need_is_refused(void **state)
{
    struct belay_directive d = belay_do_connect(counted(1));

    (void)state;
    actor_begin(&a);
    assert_int_equal(belay_process_resume(a.process, d), BELAY_EINVAL);
    bl_directive_drop(&d); /* it is the caller's */
}

static void a_second_resume_is_refused(void **state)
{
    (void)state;
    connect_slowly();
    resume(belay_do_ok());
    assert_int_equal(belay_process_resume(a.process, belay_do_ok()), BELAY_EINVAL);
    process_kit_settle(&k);
    assert_int_equal(belay_process_resume(a.process, belay_do_ok()), BELAY_EINVAL);
}

static void *resume_elsewhere(void *arg)
{
    return (void *)(intptr_t)belay_process_resume(arg, belay_do_ok());
}

static void a_resume_may_come_from_another_thread(void **state)
{
    pthread_t thread;
    void *result;

    (void)state;
    connect_slowly();
    assert_int_equal(pthread_create(&thread, NULL, resume_elsewhere, a.process), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_int_equal((intptr_t)result, 0);
    process_kit_settle(&k);
    actor_is(&a, BELAY_PROCESS_CONNECTED);
}

static void a_resume_with_nonsense_ends_it(void **state)
{
    (void)state;
    connect_slowly();
    resume(belay_do_noreply());
    process_kit_settle(&k);
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_EBADRETURN);
}

static void what_is_pending_is_given_up_by_a_stop(void **state)
{
    (void)state;
    for (enum bl_pr_callback in = BL_PR_INIT; in <= BL_PR_DISCONNECT; in++) {
        start_over();
        if (in != BL_PR_INIT)
            actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
        if (in == BL_PR_DISCONNECT)
            actor_says(&a, BL_PR_CAST, belay_do_disconnect(counted(1)));
        actor_says(&a, in, belay_do_pending());
        actor_start(&a);
        cast(&a, 3);
        process_kit_settle(&k);
        belay_process_stop(a.process, BELAY_EXIT_SHUTDOWN, NULL, BELAY_FOREVER, NULL, NULL);
        process_kit_settle(&k);
        actor_ended(&a, BELAY_EXIT_SHUTDOWN, 0);
        assert_non_null(strstr(a.log, "terminate(shutdown)"));
        assert_int_equal(belay_process_resume(a.process, belay_do_ok()), BELAY_EINVAL);
    }
}

static void a_resume_that_a_stop_outruns_is_dropped(void **state)
{
    (void)state;
    connect_slowly();
    resume(belay_do_connect(counted(5)));
    belay_process_stop(a.process, BELAY_EXIT_SHUTDOWN, NULL, BELAY_FOREVER, NULL, NULL);
    process_kit_settle(&k);
    actor_ended(&a, BELAY_EXIT_SHUTDOWN, 0);
}

/* ---- serve_while_connecting ---- */

static void messages_are_served_while_connecting_where_that_is_wanted(void **state)
{
    (void)state;
    a.options.serve_while_connecting = true;
    connect_slowly();
    assert_int_equal(ask(&a, 5), 5);
    cast(&a, 6);
    process_kit_settle(&k);
    actor_saw(&a, "init started connect:1 call:5 cast:6");
    actor_is(&a, BELAY_PROCESS_CONNECTING);
    resume(belay_do_ok());
    process_kit_settle(&k);
    actor_is(&a, BELAY_PROCESS_CONNECTED);
}

static void a_connect_meanwhile_gives_the_pending_one_up(void **state)
{
    (void)state;
    a.options.serve_while_connecting = true;
    connect_slowly();
    actor_says(&a, BL_PR_CAST, belay_do_connect(counted(4)));
    cast(&a, 6);
    process_kit_settle(&k);
    actor_saw(&a, "init started connect:1 cast:6 connect:4");
    actor_is(&a, BELAY_PROCESS_CONNECTED);
    assert_int_equal(belay_process_resume(a.process, belay_do_ok()), BELAY_EINVAL);
}

static void a_disconnect_meanwhile_gives_the_pending_connect_up(void **state)
{
    (void)state;
    a.options.serve_while_connecting = true;
    connect_slowly();
    actor_says(&a, BL_PR_CAST, belay_do_disconnect(counted(4)));
    cast(&a, 6);
    process_kit_settle(&k);
    actor_saw(&a, "init started connect:1 cast:6 disconnect:4");
    actor_is(&a, BELAY_PROCESS_DISCONNECTED);
    assert_int_equal(belay_process_resume(a.process, belay_do_ok()), BELAY_EINVAL);
}

static void idle_timeouts_go_on_while_connecting(void **state)
{
    (void)state;
    a.options.serve_while_connecting = true;
    connect_slowly();
    actor_says(&a, BL_PR_CAST, belay_with_timeout(belay_do_noreply(), 5));
    cast(&a, 6);
    process_kit_pass(&k, 5);
    actor_saw(&a, "init started connect:1 cast:6 info:-1");
}

static void a_pending_disconnect_is_not_served(void **state)
{
    (void)state;
    a.options.serve_while_connecting = true;
    actor_says(&a, BL_PR_CAST, belay_do_disconnect(counted(2)));
    actor_says(&a, BL_PR_DISCONNECT, belay_do_pending());
    actor_begin(&a);
    cast(&a, 5);
    cast(&a, 6);
    process_kit_settle(&k);
    actor_saw(&a, "init started cast:5 disconnect:2");
    resume(belay_do_noconnect());
    process_kit_settle(&k);
    actor_saw(&a, "cast:6");
}

/* ---- sync_connect ---- */

static void sync_connect_starts_with_the_first_connect(void **state)
{
    (void)state;
    a.options.sync_connect = a.options.serve_while_connecting = true;
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    actor_says(&a, BL_PR_CONNECT, belay_do_pending());
    actor_start(&a);
    cast(&a, 3);
    process_kit_pass(&k, 1000);
    actor_saw(&a, "init connect:1");
    resume(belay_do_ok());
    process_kit_settle(&k);
    actor_saw(&a, "started cast:3");
}

static void sync_connect_is_content_with_a_connect_that_backs_off(void **state)
{
    (void)state;
    a.options.sync_connect = true;
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    actor_says(&a, BL_PR_CONNECT, belay_do_backoff(10));
    actor_start(&a);
    process_kit_pass(&k, 9);
    actor_saw(&a, "init connect:1 started");
    assert_int_equal(a.start_code, 0);
}

static void sync_connect_gives_the_error_of_a_connect_that_stops(void **state)
{
    (void)state;
    a.options.sync_connect = true;
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    actor_says(&a, BL_PR_CONNECT, belay_do_stop(NULL, BELAY_EXIT_ERROR, NULL));
    actor_start(&a);
    process_kit_settle(&k);
    actor_saw(&a, "init connect:1 terminate(error) failed");
    assert_int_equal(a.start_code, BELAY_EABORTED);
}

static void sync_connect_without_a_connect_starts_with_init(void **state)
{
    (void)state;
    for (int backs_off = 0; backs_off < 2; backs_off++) {
        start_over();
        a.options.sync_connect = true;
        if (backs_off)
            actor_says(&a, BL_PR_INIT, belay_do_backoff(10));
        actor_start(&a);
        process_kit_settle(&k);
        actor_saw(&a, "init started");
    }
}

/* ---- start_timeout ---- */

static void a_start_that_takes_too_long_ends_it(void **state)
{
    (void)state;
    for (int sync = 0; sync < 2; sync++) {
        start_over();
        a.options.start_timeout_ms = 50;
        a.options.name = "slow";
        a.options.sync_connect = sync;
        if (sync)
            actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
        actor_says(&a, sync ? BL_PR_CONNECT : BL_PR_INIT, belay_do_pending());
        actor_start(&a);
        process_kit_pass(&k, 49);
        assert_int_equal(a.started, 0);
        process_kit_pass(&k, 1);
        assert_int_equal(a.started, 1);
        assert_int_equal(a.start_code, BELAY_ETIMEDOUT);
        assert_non_null(strstr(a.start_text, "slow: it did not start within 50 ms"));
        actor_ended(&a, BELAY_EXIT_ERROR, BELAY_ETIMEDOUT);
        actor_saw(&a,
                  sync ? "init connect:1 terminate(error) failed" : "init terminate(error) failed");
        assert_null(belay_process_whereis(k.loop, NULL, "slow"));
    }
}

static void a_start_in_time_is_not_limited_any_more(void **state)
{
    (void)state;
    a.options.start_timeout_ms = 50;
    actor_begin(&a);
    process_kit_pass(&k, 1000);
    assert_true(belay_process_is_alive(a.process));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pending_init_is_done_when_it_is_resumed),
        TEST(a_pending_init_may_fail),
        TEST(no_message_is_handled_while_connect_is_pending),
        TEST(a_caller_times_out_while_connect_is_pending_and_its_reply_is_dropped),
        TEST(a_pending_connect_may_back_off),
        TEST(a_pending_disconnect_is_done_when_it_is_resumed),
        TEST(what_is_pending_may_be_pending_still),
        TEST(a_resume_may_come_before_the_callback_has_returned),
        TEST(a_resume_that_the_callback_did_not_wait_for_is_dropped),
        TEST(a_resume_without_need_is_refused),
        TEST(a_second_resume_is_refused),
        TEST(a_resume_may_come_from_another_thread),
        TEST(a_resume_with_nonsense_ends_it),
        TEST(what_is_pending_is_given_up_by_a_stop),
        TEST(a_resume_that_a_stop_outruns_is_dropped),
        TEST(messages_are_served_while_connecting_where_that_is_wanted),
        TEST(a_connect_meanwhile_gives_the_pending_one_up),
        TEST(a_disconnect_meanwhile_gives_the_pending_connect_up),
        TEST(idle_timeouts_go_on_while_connecting),
        TEST(a_pending_disconnect_is_not_served),
        TEST(sync_connect_starts_with_the_first_connect),
        TEST(sync_connect_is_content_with_a_connect_that_backs_off),
        TEST(sync_connect_gives_the_error_of_a_connect_that_stops),
        TEST(sync_connect_without_a_connect_starts_with_init),
        TEST(a_start_that_takes_too_long_ends_it),
        TEST(a_start_in_time_is_not_limited_any_more),
    };

    return cmocka_run_group_tests_name("process_pending", tests, NULL, NULL);
}
