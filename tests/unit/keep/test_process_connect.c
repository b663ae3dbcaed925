/* SPDX-License-Identifier: MIT */
/*
 * The seed's cases of connect, each by way of init and by way of the backoff, and of disconnect.
 * What it reaches by exit, raise or throw is stop(error) here.
 */
#include "unit/keep/process_scene.h"

#include <stdio.h>

enum way { BY_INIT, BY_BACKOFF, BY_DISCONNECT };

/* Comes to the callback in question, which returns what is in `a`; what went before is forgotten. */
static void reach(enum way way)
{
    if (way == BY_INIT)
        actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    else if (way == BY_BACKOFF)
        actor_says(&a, BL_PR_INIT, belay_do_backoff(10));
    else
        actor_says(&a, BL_PR_CAST, belay_do_disconnect(counted(2)));
    actor_start(&a);
    if (way == BY_DISCONNECT)
        cast(&a, 1);
    process_kit_pass(&k, way == BY_BACKOFF ? 10 : 0);
}

static const char *prologue(enum way way)
{
    static const char *const texts[] = {"init started connect:1", "init started connect:-2",
                                        "init started cast:1 disconnect:2"};

    return texts[way];
}

static void saw_after(enum way way, const char *rest)
{
    char expected[256];

    snprintf(expected, sizeof expected, "%s%s", prologue(way), rest);
    actor_saw(&a, expected);
}

/* ---- what connect may say ---- */

static void connect_ok_is_connected(void **state)
{
    (void)state;
    for (enum way way = BY_INIT; way <= BY_BACKOFF; way++) {
        start_over();
        reach(way);
        saw_after(way, "");
        actor_is(&a, BELAY_PROCESS_CONNECTED);
        assert_int_equal(ask(&a, 4), 4);
    }
}

static void connect_ok_with_a_timeout_gets_it_as_a_message(void **state)
{
    (void)state;
    for (enum way way = BY_INIT; way <= BY_BACKOFF; way++) {
        start_over();
        actor_says(&a, BL_PR_CONNECT, belay_with_timeout(belay_do_ok(), 5));
        reach(way);
        process_kit_pass(&k, 4);
        saw_after(way, "");
        process_kit_pass(&k, 1);
        actor_saw(&a, "info:-1");
    }
}

static void connect_ok_with_hibernate_hibernates(void **state)
{
    (void)state;
    for (enum way way = BY_INIT; way <= BY_BACKOFF; way++) {
        start_over();
        actor_says(&a, BL_PR_CONNECT, belay_with_hibernate(belay_do_ok()));
        reach(way);
        saw_after(way, " hibernate");
    }
}

static void connect_backoff_connects_again_after_that_time(void **state)
{
    (void)state;
    for (enum way way = BY_INIT; way <= BY_BACKOFF; way++) {
        start_over();
        actor_says(&a, BL_PR_CONNECT, belay_do_backoff(30));
        reach(way);
        actor_is(&a, BELAY_PROCESS_BACKING_OFF);
        saw_after(way, "");
        process_kit_pass(&k, 29);
        actor_saw(&a, "");
        process_kit_pass(&k, 1);
        actor_saw(&a, "connect:-2");
        actor_is(&a, BELAY_PROCESS_CONNECTED);
    }
}

static void connect_stop_shutdown_ends_it_and_is_not_logged(void **state)
{
    (void)state;
    for (enum way way = BY_INIT; way <= BY_BACKOFF; way++) {
        start_over();
        actor_says(&a, BL_PR_CONNECT, belay_do_stop(NULL, BELAY_EXIT_SHUTDOWN, NULL));
        reach(way);
        saw_after(way, " terminate(shutdown)");
        actor_ended(&a, BELAY_EXIT_SHUTDOWN, 0);
        assert_string_equal(k.log, "");
    }
}

static int32_t stop_code;
static enum belay_exit_kind stop_kind;
static enum bl_pr_callback stop_in;

static void stop(struct actor *actor, enum bl_pr_callback callback, struct belay_message *message)
{
    struct belay_error error = error_of(stop_code, "said so");

    (void)message;
    if (callback == stop_in)
        actor_says(actor, callback, belay_do_stop(actor->process, stop_kind, &error));
}

static void stops_in(enum bl_pr_callback callback, enum belay_exit_kind kind, int code)
{
    stop_in = callback;
    stop_kind = kind;
    stop_code = code;
    a.during = stop;
}

static void a_shutdown_may_say_why(void **state)
{
    (void)state;
    stops_in(BL_PR_CONNECT, BELAY_EXIT_SHUTDOWN, BELAY_ECLOSED);
    reach(BY_INIT);
    saw_after(BY_INIT, " terminate(shutdown)");
    actor_ended(&a, BELAY_EXIT_SHUTDOWN, BELAY_ECLOSED);
    assert_string_equal(k.log, "");
}

static void connect_stop_error_ends_it_and_is_logged_as_error(void **state)
{
    (void)state;
    for (enum way way = BY_INIT; way <= BY_BACKOFF; way++) {
        start_over();
        stops_in(BL_PR_CONNECT, BELAY_EXIT_ERROR, BELAY_ECONNECT);
        reach(way);
        saw_after(way, " terminate(error)");
        actor_ended(&a, BELAY_EXIT_ERROR, BELAY_ECONNECT);
        assert_non_null(strstr(k.log, "error: actor"));
        assert_non_null(strstr(k.log, "said so (ECONNECT)"));
    }
}

static void an_error_without_one_says_that_a_callback_asked(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_CONNECT, belay_do_stop(NULL, BELAY_EXIT_ERROR, NULL));
    reach(BY_INIT);
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_EABORTED);
}

/* ---- what disconnect may say ---- */

static void disconnect_noconnect_stays_until_told(void **state)
{
    (void)state;
    reach(BY_DISCONNECT);
    saw_after(BY_DISCONNECT, "");
    actor_is(&a, BELAY_PROCESS_DISCONNECTED);
    process_kit_pass(&k, 100000);
    actor_saw(&a, "");
    assert_int_equal(ask(&a, 9), 9);
}

static void disconnect_noconnect_with_a_timeout_gets_it_as_a_message(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_DISCONNECT, belay_with_timeout(belay_do_noconnect(), 5));
    reach(BY_DISCONNECT);
    process_kit_pass(&k, 4);
    saw_after(BY_DISCONNECT, "");
    process_kit_pass(&k, 1);
    actor_saw(&a, "info:-1");
}

static void disconnect_noconnect_with_hibernate_hibernates(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_DISCONNECT, belay_with_hibernate(belay_do_noconnect()));
    reach(BY_DISCONNECT);
    saw_after(BY_DISCONNECT, " hibernate");
}

static void disconnect_connect_connects_ahead_of_the_mailbox(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_DISCONNECT, belay_do_connect(counted(8)));
    actor_says(&a, BL_PR_CAST, belay_do_disconnect(counted(2)));
    actor_start(&a);
    cast(&a, 1);
    cast(&a, 3);
    process_kit_settle(&k);
    actor_saw(&a, "init started cast:1 disconnect:2 connect:8 cast:3");
}

static void disconnect_backoff_connects_after_that_time(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_DISCONNECT, belay_do_backoff(20));
    reach(BY_DISCONNECT);
    actor_is(&a, BELAY_PROCESS_BACKING_OFF);
    assert_int_equal(stats_of(&a).attempts, 0); /* no connect has failed */
    process_kit_pass(&k, 19);
    saw_after(BY_DISCONNECT, "");
    process_kit_pass(&k, 1);
    actor_saw(&a, "connect:-2");
}

static void disconnect_stop_shutdown_ends_it_and_is_not_logged(void **state)
{
    (void)state;
    stops_in(BL_PR_DISCONNECT, BELAY_EXIT_SHUTDOWN, BELAY_ECLOSED);
    reach(BY_DISCONNECT);
    saw_after(BY_DISCONNECT, " terminate(shutdown)");
    actor_ended(&a, BELAY_EXIT_SHUTDOWN, BELAY_ECLOSED);
    assert_string_equal(k.log, "");
}

static void disconnect_stop_error_ends_it_and_is_logged_as_error(void **state)
{
    (void)state;
    stops_in(BL_PR_DISCONNECT, BELAY_EXIT_ERROR, BELAY_ERESET);
    reach(BY_DISCONNECT);
    saw_after(BY_DISCONNECT, " terminate(error)");
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_ERESET);
    assert_non_null(strstr(k.log, "said so (ERESET)"));
}

/* ---- failures ---- */

static void fails(struct actor *actor, enum bl_pr_callback callback, struct belay_message *message)
{
    struct belay_error error = error_of(BELAY_ECONNECT, "nobody at the door");

    (void)message;
    if (callback != BL_PR_CONNECT || actor->said_n[BL_PR_CONNECT] == 2)
        return;
    belay_process_connect_failed(actor->process, &error);
    actor_says(actor, BL_PR_CONNECT, belay_do_backoff(belay_process_next_backoff(actor->process)));
}

static void failed_connects_are_counted_logged_and_forgotten(void **state)
{
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_error error;

    (void)state;
    backoff.delay_ms = 100;
    backoff.jitter = BELAY_JITTER_NONE;
    a.options.backoff = &backoff;
    a.during = fails;
    reach(BY_INIT);
    assert_int_equal(belay_process_attempts(a.process), 1);
    assert_true(belay_process_last_error(a.process, &error));
    assert_string_equal(error.text, "nobody at the door");
    assert_string_equal(
        k.log, "warn: actor (1): could not connect (1 in a row): nobody at the door; next attempt "
               "in 100 ms\n");
    process_kit_pass(&k, 100);
    assert_int_equal(belay_process_attempts(a.process), 2);
    assert_non_null(strstr(k.log, "(2 in a row): nobody at the door; next attempt in 200 ms"));
    process_kit_pass(&k, 199);
    saw_after(BY_INIT, " connect:-2");
    process_kit_pass(&k, 1);
    actor_saw(&a, "connect:-2");
    actor_is(&a, BELAY_PROCESS_CONNECTED);
    assert_int_equal(belay_process_attempts(a.process), 0);
    assert_false(belay_process_last_error(a.process, NULL));
}

static void a_policy_whose_attempts_are_spent_waits_for_ever(void **state)
{
    struct belay_backoff_options backoff = belay_backoff_options_init();

    (void)state;
    backoff.attempts_max = 1;
    backoff.jitter = BELAY_JITTER_NONE;
    a.options.backoff = &backoff;
    a.during = fails;
    reach(BY_INIT);
    process_kit_pass(&k, 100000);
    saw_after(BY_INIT, " connect:-2");
    actor_is(&a, BELAY_PROCESS_BACKING_OFF);
    assert_non_null(strstr(k.log, "not to be tried again"));
}

static void a_reason_is_that_of_one_attempt(void **state)
{
    (void)state;
    a.during = fails;
    actor_says(&a, BL_PR_CONNECT, belay_do_backoff(10)); /* before that of `fails` */
    reach(BY_INIT);
    a.during = NULL;
    k.log[0] = '\0';
    process_kit_pass(&k, 10);
    assert_non_null(strstr(k.log, "(2 in a row): no reason was given"));
}

static void a_backoff_that_gives_no_reason_is_logged_too(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_CONNECT, belay_do_backoff(30));
    reach(BY_INIT);
    assert_non_null(strstr(k.log, "warn: actor"));
    assert_non_null(strstr(k.log, "no reason was given"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connect_ok_is_connected),
        TEST(connect_ok_with_a_timeout_gets_it_as_a_message),
        TEST(connect_ok_with_hibernate_hibernates),
        TEST(connect_backoff_connects_again_after_that_time),
        TEST(connect_stop_shutdown_ends_it_and_is_not_logged),
        TEST(a_shutdown_may_say_why),
        TEST(connect_stop_error_ends_it_and_is_logged_as_error),
        TEST(an_error_without_one_says_that_a_callback_asked),
        TEST(disconnect_noconnect_stays_until_told),
        TEST(disconnect_noconnect_with_a_timeout_gets_it_as_a_message),
        TEST(disconnect_noconnect_with_hibernate_hibernates),
        TEST(disconnect_connect_connects_ahead_of_the_mailbox),
        TEST(disconnect_backoff_connects_after_that_time),
        TEST(disconnect_stop_shutdown_ends_it_and_is_not_logged),
        TEST(disconnect_stop_error_ends_it_and_is_logged_as_error),
        TEST(failed_connects_are_counted_logged_and_forgotten),
        TEST(a_policy_whose_attempts_are_spent_waits_for_ever),
        TEST(a_reason_is_that_of_one_attempt),
        TEST(a_backoff_that_gives_no_reason_is_logged_too),
    };

    return cmocka_run_group_tests_name("process_connect", tests, NULL, NULL);
}
