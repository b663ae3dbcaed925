/* SPDX-License-Identifier: MIT */
/* The process as a child: started, ignored, failed, stopped and killed, under a supervisor. */
#include "belay/supervisor.h"
#include "unit/keep/process_kit.h"

#include <stdlib.h>

static struct process_kit k;
static struct actor a;
static struct belay_supervisor *supervisor;
static unsigned told, supervisor_exits;
static int told_code;
static const char *id;

static void on_supervisor_exit(struct belay_supervisor *of, struct belay_exit why, void *arg)
{
    (void)of;
    (void)why;
    (void)arg;
    supervisor_exits++;
    supervisor = NULL;
}

static int set_up(void **state)
{
    struct belay_supervisor_options o = belay_supervisor_options_init();

    (void)state;
    told = supervisor_exits = 0;
    process_kit_begin(&k);
    actor_init(&a, &k);
    o.on_exit = on_supervisor_exit;
    assert_int_equal(belay_supervisor_open(k.loop, &o, &supervisor, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    process_kit_end(&k);
    return 0;
}

static void on_told(const char *child, const struct belay_error *error, void *arg)
{
    (void)child;
    (void)arg;
    told++;
    told_code = error ? error->code : 0;
}

static struct belay_child_spec spec_of(belay_process_args_fn *make_args, belay_fn *free_args)
{
    struct belay_child_spec spec;

    a.process = NULL;
    assert_int_equal(
        belay_process_child_spec(&a.behaviour, &a, make_args, free_args, &a.options, &spec, NULL),
        0);
    return spec;
}

static void adopt(struct belay_child_spec spec)
{
    id = NULL;
    assert_int_equal(belay_supervisor_start_child(supervisor, &spec, on_told, NULL, &id, NULL), 0);
    process_kit_settle(&k);
}

static struct belay_child_info child(void)
{
    struct belay_child_info i = belay_child_info_init();

    assert_true(belay_supervisor_find_child(supervisor, id, &i));
    return i;
}

static void a_child_is_started_with_its_process(void **state)
{
    (void)state;
    adopt(spec_of(NULL, NULL));
    assert_int_equal(told, 1);
    assert_int_equal(told_code, 0);
    actor_saw(&a, "init");
    assert_ptr_equal(child().object, a.process);
    assert_string_equal(child().noun, "process");
    assert_int_equal(child().state, BELAY_CHILD_RUNNING);
}

static void a_child_that_takes_its_time_is_starting(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_pending());
    adopt(spec_of(NULL, NULL));
    assert_int_equal(told, 0);
    assert_int_equal(child().state, BELAY_CHILD_STARTING);
    belay_process_resume(a.process, belay_do_ok());
    process_kit_settle(&k);
    assert_int_equal(told, 1);
    assert_int_equal(child().state, BELAY_CHILD_RUNNING);
}

static void a_child_that_ignores_is_no_failure(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_ignore());
    adopt(spec_of(NULL, NULL));
    assert_int_equal(told, 1);
    assert_int_equal(told_code, BELAY_EIGNORED);
    assert_int_equal(a.exited, 1);
}

static void a_child_that_fails_in_init_fails(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_stop(NULL, BELAY_EXIT_ERROR, NULL));
    adopt(spec_of(NULL, NULL));
    assert_int_equal(told, 1);
    assert_int_equal(told_code, BELAY_EABORTED);
    assert_int_equal(a.exited, 1);
}

static void a_child_that_ends_is_started_again(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_CAST, belay_do_stop(NULL, BELAY_EXIT_ERROR, NULL));
    adopt(spec_of(NULL, NULL));
    cast(&a, 1);
    a.process = NULL;
    process_kit_settle(&k);
    actor_saw(&a, "init cast:1 terminate(error) init");
    assert_int_equal(child().restarts, 1);
    assert_int_equal(child().state, BELAY_CHILD_RUNNING);
    assert_int_equal(a.exited, 1);
}

static void a_child_is_stopped_with_terminate(void **state)
{
    (void)state;
    adopt(spec_of(NULL, NULL));
    assert_int_equal(belay_supervisor_stop_child(supervisor, id, on_told, NULL), 0);
    process_kit_settle(&k);
    assert_int_equal(told, 2);
    actor_saw(&a, "init terminate(shutdown)");
    assert_int_equal(child().state, BELAY_CHILD_STOPPED);
}

static void a_child_is_killed_without_terminate(void **state)
{
    struct belay_child_spec spec = spec_of(NULL, NULL);

    (void)state;
    spec.shutdown_ms = BELAY_NONE;
    adopt(spec);
    assert_int_equal(belay_supervisor_stop_child(supervisor, id, on_told, NULL), 0);
    process_kit_settle(&k);
    actor_saw(&a, "init");
    assert_int_equal(a.exit.kind, BELAY_EXIT_KILLED);
}

static void a_child_may_be_stopped_while_it_starts(void **state)
{
    (void)state;
    actor_says(&a, BL_PR_INIT, belay_do_pending());
    adopt(spec_of(NULL, NULL));
    belay_supervisor_close(supervisor, NULL, NULL);
    process_kit_settle(&k);
    actor_saw(&a, "init terminate(shutdown)");
    assert_int_equal(supervisor_exits, 1);
    assert_int_equal(a.exited, 1);
}

/* ---- args ---- */

static unsigned args_made, args_freed;

static void *make_args(void *arg)
{
    args_made++;
    return arg;
}

static void *make_none(void *arg)
{
    (void)arg;
    return NULL;
}

static void free_args(void *arg)
{
    assert_ptr_equal(arg, &a);
    args_freed++;
}

static void args_are_made_for_each_start(void **state)
{
    (void)state;
    args_made = args_freed = 0;
    actor_says(&a, BL_PR_CAST, belay_do_stop(NULL, BELAY_EXIT_ERROR, NULL));
    adopt(spec_of(make_args, free_args));
    cast(&a, 1);
    a.process = NULL;
    process_kit_settle(&k);
    assert_int_equal(args_made, 2);
    assert_int_equal(args_freed, 0);
}

static void args_of_a_start_that_fails_are_given_back(void **state)
{
    struct belay_process *other;

    (void)state;
    args_made = args_freed = 0;
    a.options.name = "service";
    assert_int_equal(
        belay_process_start(k.loop, &a.behaviour, &a, &a.options, &other, NULL, NULL, NULL), 0);
    adopt(spec_of(make_args, free_args));
    assert_int_equal(told_code, BELAY_EEXISTS);
    assert_int_equal(args_made, 1);
    assert_int_equal(args_freed, 1);
    belay_process_unref(other);
    a.options.name = NULL;
}

static unsigned early_made, early_freed;

static void *make_and_close(void *args)
{
    early_made++;
    belay_supervisor_close(supervisor, NULL, NULL); /* ahead of init */
    return args;
}

static void count_freed(void *args)
{
    assert_ptr_equal(args, &a);
    early_freed++;
}

static void args_of_a_child_that_ends_before_init_are_given_back(void **state)
{
    (void)state;
    early_made = early_freed = 0;
    adopt(spec_of(make_and_close, count_freed));
    actor_saw(&a, "");
    assert_int_equal(a.exited, 1);
    assert_int_equal(early_made, 1);
    assert_int_equal(early_freed, 1);
}

static void no_args_is_no_memory(void **state)
{
    (void)state;
    adopt(spec_of(make_none, NULL));
    assert_int_equal(told_code, BELAY_ENOMEM);
    actor_saw(&a, "");
}

static void a_spec_copies_its_options(void **state)
{
    struct belay_backoff_options backoff = belay_backoff_options_init();
    char name[] = "service";
    struct belay_child_spec spec;

    (void)state;
    backoff.delay_ms = 7;
    backoff.jitter = BELAY_JITTER_NONE;
    a.options.name = name;
    a.options.backoff = &backoff;
    spec = spec_of(NULL, NULL);
    memset(name, 'x', sizeof name - 1);
    backoff.delay_ms = -100;
    adopt(spec);
    assert_non_null(belay_process_whereis(k.loop, NULL, "service"));
    assert_int_equal(belay_process_next_backoff(a.process), 7);
}

static void an_impossible_spec_is_refused(void **state)
{
    struct belay_child_spec spec;
    struct belay_error error;

    (void)state;
    a.options.mailbox_max = -9;
    assert_int_equal(
        belay_process_child_spec(&a.behaviour, &a, NULL, NULL, &a.options, &spec, &error),
        BELAY_EINVAL);
    assert_non_null(strstr(error.text, "mailbox_max"));
    assert_int_equal(belay_process_child_spec(NULL, &a, NULL, NULL, NULL, &spec, &error),
                     BELAY_EINVAL);
}

static void a_spec_that_is_given_to_nobody_is_dropped(void **state)
{
    struct belay_child_spec spec;

    (void)state;
    a.options.name = "service";
    spec = spec_of(NULL, NULL);
    belay_child_spec_free(&spec);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_child_is_started_with_its_process),
        TEST(a_child_that_takes_its_time_is_starting),
        TEST(a_child_that_ignores_is_no_failure),
        TEST(a_child_that_fails_in_init_fails),
        TEST(a_child_that_ends_is_started_again),
        TEST(a_child_is_stopped_with_terminate),
        TEST(a_child_is_killed_without_terminate),
        TEST(a_child_may_be_stopped_while_it_starts),
        TEST(args_are_made_for_each_start),
        TEST(args_of_a_start_that_fails_are_given_back),
        TEST(args_of_a_child_that_ends_before_init_are_given_back),
        TEST(no_args_is_no_memory),
        TEST(a_spec_copies_its_options),
        TEST(an_impossible_spec_is_refused),
        TEST(a_spec_that_is_given_to_nobody_is_dropped),
    };

    return cmocka_run_group_tests_name("process_child", tests, NULL, NULL);
}
