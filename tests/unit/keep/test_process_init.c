/* SPDX-License-Identifier: MIT */
/*
 * The seed's cases of init and of what it leads to. Its exit, raise and throw are stop(error) here:
 * C has no other way out of a callback.
 */
#include "unit/keep/process_scene.h"

/* ---- what a behaviour without callbacks does (__using__) ---- */

static void bare(void)
{
    a.behaviour = (struct belay_behaviour){.size = sizeof a.behaviour, .name = "bare"};
    actor_start(&a);
    process_kit_settle(&k);
    assert_int_equal(a.started, 1);
    assert_int_equal(a.start_code, 0);
    actor_is(&a, BELAY_PROCESS_DISCONNECTED);
    assert_ptr_equal(belay_process_get_state(a.process), &a);
}

static void a_bare_behaviour_ignores_messages(void **state)
{
    (void)state;
    bare();
    info(&a, 1);
    process_kit_settle(&k);
    assert_true(belay_process_is_alive(a.process));
    assert_int_equal(stats_of(&a).infos, 1);
}

static void a_bare_behaviour_ends_by_a_call_as_bad_call(void **state)
{
    static struct asked asked;

    (void)state;
    bare();
    call(&a, 7, &asked);
    process_kit_settle(&k);
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_EUNHANDLED);
    assert_non_null(strstr(a.exit_error.text, "bad_call"));
    assert_non_null(strstr(a.exit_error.text, "7"));
    assert_int_equal(asked.told, 1);
    assert_int_equal(asked.code, BELAY_ENOPROC);
    assert_non_null(strstr(asked.text, "bad_call"));
}

static void a_bare_behaviour_ends_by_a_cast_as_bad_cast(void **state)
{
    (void)state;
    bare();
    cast(&a, 1);
    process_kit_settle(&k);
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_EUNHANDLED);
    assert_non_null(strstr(a.exit_error.text, "bad_cast"));
}

static void a_behaviour_without_connect_ends_as_bad_connect(void **state)
{
    (void)state;
    a.behaviour.connect = NULL;
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(3)));
    actor_start(&a);
    process_kit_settle(&k);
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_EUNHANDLED);
    assert_non_null(strstr(a.exit_error.text, "bad_connect"));
    actor_saw(&a, "init started terminate(error)");
}

static void a_behaviour_without_disconnect_ends_as_bad_disconnect(void **state)
{
    (void)state;
    a.behaviour.disconnect = NULL;
    actor_begin(&a);
    actor_says(&a, BL_PR_CAST, belay_do_disconnect(counted(3)));
    cast(&a, 1);
    process_kit_settle(&k);
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_EUNHANDLED);
    assert_non_null(strstr(a.exit_error.text, "bad_disconnect"));
}

/* ---- init ---- */

static void init_ok_starts_it(void **state)
{
    (void)state;
    actor_begin(&a);
    actor_saw(&a, "init started");
    actor_is(&a, BELAY_PROCESS_DISCONNECTED);
    process_kit_pass(&k, 100000);
    actor_saw(&a, "");
}

static void init_ok_with_a_timeout_gets_it_as_a_message(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_with_timeout(belay_do_ok(), 10));
    actor_begin(&a);
    process_kit_pass(&k, 9);
    actor_saw(&a, "init started");
    process_kit_pass(&k, 1);
    actor_saw(&a, "info:-1");
    process_kit_pass(&k, 1000);
    actor_saw(&a, "");
}

static void init_ok_with_hibernate_hibernates(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_with_hibernate(belay_do_ok()));
    actor_begin(&a);
    actor_saw(&a, "init started hibernate");
    assert_int_equal(stats_of(&a).hibernations, 1);
}

static void init_connect_connects_when_the_starter_knows(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(5)));
    actor_start(&a);
    cast(&a, 6); /* sent before all: it waits */
    process_kit_settle(&k);
    actor_saw(&a, "init started connect:5 cast:6");
    actor_is(&a, BELAY_PROCESS_CONNECTED);
}

static void init_backoff_connects_after_that_time(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_backoff(10));
    actor_begin(&a);
    actor_is(&a, BELAY_PROCESS_BACKING_OFF);
    process_kit_pass(&k, 9);
    actor_saw(&a, "init started");
    process_kit_pass(&k, 1);
    actor_saw(&a, "connect:-2");
    actor_is(&a, BELAY_PROCESS_CONNECTED);
}

static void init_backoff_with_a_timeout_has_both(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_with_timeout(belay_do_backoff(10), 4));
    actor_begin(&a);
    process_kit_pass(&k, 4);
    actor_saw(&a, "init started info:-1");
    process_kit_pass(&k, 5);
    actor_saw(&a, "");
    process_kit_pass(&k, 1);
    actor_saw(&a, "connect:-2");
}

static void init_backoff_with_hibernate_has_both(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_with_hibernate(belay_do_backoff(10)));
    actor_begin(&a);
    actor_saw(&a, "init started hibernate");
    process_kit_pass(&k, 10);
    actor_saw(&a, "connect:-2");
}

static bool name_is_free(const char *name)
{
    return belay_process_whereis(k.loop, NULL, name) == NULL;
}

static void it_did_not_start(int code)
{
    assert_int_equal(a.started, 1);
    assert_int_equal(a.start_code, code);
    assert_int_equal(a.exited, 1);
    actor_saw(&a, "init failed");
    assert_true(name_is_free("service"));
}

static void begin_and_fail(struct belay_directive directive)
{
    a.options.name = "service";
    actor_says(&a, BL_PR_INIT, directive);
    actor_start(&a);
    assert_false(name_is_free("service"));
    process_kit_settle(&k);
}

static void init_ignore_is_no_start_and_no_failure(void **state)
{
    (void)state;
    begin_and_fail(belay_do_ignore());
    it_did_not_start(BELAY_EIGNORED);
    actor_ended(&a, BELAY_EXIT_NORMAL, 0);
    assert_string_equal(k.log, "");
}

static void stop_in_init(struct actor *actor, enum bl_pr_callback callback,
                         struct belay_message *message)
{
    struct belay_error error = error_of(BELAY_EFILE, "no such table");

    (void)message;
    if (callback == BL_PR_INIT)
        actor_says(actor, BL_PR_INIT, belay_do_stop(actor->process, BELAY_EXIT_ERROR, &error));
}

/* The seed's init {:stop, reason}, exit, error and throw: terminate is not called. */
static void init_stop_gives_its_error_to_the_starter(void **state)
{
    (void)state;
    a.during = stop_in_init;
    a.options.name = "service";
    actor_start(&a);
    process_kit_settle(&k);
    it_did_not_start(BELAY_EFILE);
    assert_string_equal(a.start_text, "no such table");
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_EFILE);
    assert_non_null(strstr(k.log, "error: service"));
    assert_non_null(strstr(k.log, "no such table"));
}

static void init_stop_shutdown_is_not_logged(void **state)
{
    (void)state;
    begin_and_fail(belay_do_stop(NULL, BELAY_EXIT_SHUTDOWN, NULL));
    it_did_not_start(BELAY_EABORTED);
    actor_ended(&a, BELAY_EXIT_SHUTDOWN, 0);
    assert_string_equal(k.log, "");
}

static void check_name(struct belay_process *process, const struct belay_error *error, void *arg)
{
    bool *was_free = arg;

    assert_null(process);
    assert_non_null(error);
    *was_free = name_is_free("service");
}

static void a_name_is_free_before_the_starter_hears_of_the_failure(void **state)
{
    struct belay_process_options o = a.options;
    bool was_free = false;

    (void)state;
    o.name = "service";
    actor_says(&a, BL_PR_INIT, belay_do_ignore());
    assert_int_equal(
        belay_process_start(k.loop, &a.behaviour, &a, &o, &a.process, check_name, &was_free, NULL),
        0);
    process_kit_settle(&k);
    assert_true(was_free);
}

static void a_name_is_taken_once(void **state)
{
    struct belay_process *second = NULL;
    struct belay_error error;

    (void)state;
    a.options.name = "service";
    actor_begin(&a);
    assert_int_equal(
        belay_process_start(k.loop, &a.behaviour, &a, &a.options, &second, NULL, NULL, &error),
        BELAY_EEXISTS);
    assert_null(second);
    assert_ptr_equal(belay_process_whereis(k.loop, NULL, "service"), a.process);
}

/* ---- init -> connect -> the end ---- */

static void stop_in_connect(struct actor *actor, enum bl_pr_callback callback,
                            struct belay_message *message)
{
    struct belay_error error = error_of(BELAY_ECONNECT, "abnormal");

    (void)message;
    if (callback == BL_PR_CONNECT)
        actor_says(actor, BL_PR_CONNECT, belay_do_stop(actor->process, BELAY_EXIT_ERROR, &error));
}

static void an_error_in_the_connect_of_init_ends_it_after_the_start(void **state)
{
    (void)state;
    a.during = stop_in_connect;
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    actor_start(&a);
    process_kit_settle(&k);
    actor_saw(&a, "init started connect:1 terminate(error)");
    assert_int_equal(a.start_code, 0);
    actor_ended(&a, BELAY_EXIT_ERROR, BELAY_ECONNECT);
    assert_non_null(strstr(k.log, "error: actor"));
}

static void a_shutdown_in_the_connect_of_init_is_quiet(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_connect(counted(1)));
    actor_says(&a, BL_PR_CONNECT, belay_do_stop(NULL, BELAY_EXIT_SHUTDOWN, NULL));
    actor_start(&a);
    process_kit_settle(&k);
    actor_saw(&a, "init started connect:1 terminate(shutdown)");
    actor_ended(&a, BELAY_EXIT_SHUTDOWN, 0);
    assert_string_equal(k.log, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bare_behaviour_ignores_messages),
        TEST(a_bare_behaviour_ends_by_a_call_as_bad_call),
        TEST(a_bare_behaviour_ends_by_a_cast_as_bad_cast),
        TEST(a_behaviour_without_connect_ends_as_bad_connect),
        TEST(a_behaviour_without_disconnect_ends_as_bad_disconnect),
        TEST(init_ok_starts_it),
        TEST(init_ok_with_a_timeout_gets_it_as_a_message),
        TEST(init_ok_with_hibernate_hibernates),
        TEST(init_connect_connects_when_the_starter_knows),
        TEST(init_backoff_connects_after_that_time),
        TEST(init_backoff_with_a_timeout_has_both),
        TEST(init_backoff_with_hibernate_has_both),
        TEST(init_ignore_is_no_start_and_no_failure),
        TEST(init_stop_gives_its_error_to_the_starter),
        TEST(init_stop_shutdown_is_not_logged),
        TEST(a_name_is_free_before_the_starter_hears_of_the_failure),
        TEST(a_name_is_taken_once),
        TEST(an_error_in_the_connect_of_init_ends_it_after_the_start),
        TEST(a_shutdown_in_the_connect_of_init_is_quiet),
    };

    return cmocka_run_group_tests_name("process_init", tests, NULL, NULL);
}
