/* SPDX-License-Identifier: MIT */
/* What is wished of a supervisor while it is busy with something else, and in its callbacks. */
#include <string.h>

#include "supervisor_scene.h"

/* ---- in callbacks ---- */

static struct toy *next;

static void start_next(const char *id, const struct belay_error *error, void *arg)
{
    struct belay_child_spec spec = toy_spec(next, BELAY_RESTART_TEMPORARY);

    kit_told(id, error, arg);
    assert_int_equal(belay_supervisor_start_child(k.supervisor, &spec, kit_told, &k, NULL, NULL),
                     0);
}

static void who_hears_that_a_child_is_forgotten_may_use_its_id(void **state)
{
    struct belay_child_spec spec;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[0], &k, "a");
    next = &toys[1];
    toy_init(next, &k, "a");
    toy_start(&toys[0], BELAY_RESTART_TEMPORARY);
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", start_next, &k), 0);
    kit_settle(&k);
    assert_journal(&k, "start a, a ok, stop a, a ok, free a, start a, a ok");
    assert_int_equal(toys[1].starts_n, 1);

    toy_init(&toys[2], &k, "b");
    toys[2].starts = "f";
    next = &toys[3];
    toy_init(next, &k, "b");
    spec = toy_spec(&toys[2], BELAY_RESTART_DEFAULT);
    assert_int_equal(belay_supervisor_start_child(k.supervisor, &spec, start_next, &k, NULL, NULL),
                     0);
    kit_settle(&k);
    assert_journal(&k, "start b, b ECONNECT, free b, start b, b ok");
}

static unsigned seen;

static void look_at_the_second(const char *id, const struct belay_error *error, void *arg)
{
    struct belay_child_info info = belay_child_info_init();

    kit_told(id, error, arg);
    assert_true(belay_supervisor_get_child(k.supervisor, 1, &info));
    assert_string_equal(info.id, "c");
    assert_false(belay_supervisor_get_child(k.supervisor, 2, &info));
    seen++;
}

static void who_hears_that_a_child_is_forgotten_does_not_find_it_in_the_list(void **state)
{
    struct belay_child_info info = belay_child_info_init();

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    for (int i = 0; i < 3; i++) {
        toy_init(&toys[i], &k, (const char *[]){"a", "b", "c"}[i]);
        toy_start(&toys[i], BELAY_RESTART_TEMPORARY);
    }
    assert_true(belay_supervisor_get_child(k.supervisor, 1, &info));
    assert_string_equal(info.id, "b");
    seen = 0;
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "b", look_at_the_second, &k), 0);
    kit_settle(&k);
    assert_int_equal(seen, 1);
}

/* ---- a stop that meets something else ---- */

static void stop_it(struct toy *toy, const char *what)
{
    if (strcmp(what, "start") == 0 && toy->starts_n == 2)
        assert_int_equal(belay_supervisor_stop_child(k.supervisor, toy->name, kit_told, &k), 0);
}

static void a_stop_of_a_child_whose_restart_has_just_failed_is_answered(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[0], &k, "a");
    toys[0].starts = "uf";
    toys[0].hook = stop_it;
    toy_start(&toys[0], BELAY_RESTART_DEFAULT);
    toy_ends(&toys[0], BELAY_EXIT_ERROR);
    assert_journal(&k, "start a, a ok, start a, a ok");
    assert_int_equal(info_of("a").state, BELAY_CHILD_STOPPED);
    toys[0].starts = "u";
    assert_int_equal(belay_supervisor_restart_child(k.supervisor, "a", kit_told, &k), 0);
    kit_settle(&k);
    assert_journal(&k, "start a, a ok");
}

static void a_child_that_is_being_stopped_stays_so_when_its_group_begins_again(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ALL);
    toy_init(&toys[0], &k, "a");
    toy_init(&toys[1], &k, "b");
    toys[0].on_stop = 'l';
    toys[0].stop_ms = 100;
    toy_start(&toys[0], BELAY_RESTART_DEFAULT);
    toy_start(&toys[1], BELAY_RESTART_DEFAULT);
    assert_journal(&k, "start a, a ok, start b, b ok");
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", kit_told, &k), 0);
    kit_settle(&k);
    toy_ends(&toys[1], BELAY_EXIT_ERROR);
    assert_journal(&k, "stop a");
    kit_pass(&k, 100);
    assert_journal(&k, "@100, a ok, start b");
    assert_int_equal(info_of("a").state, BELAY_CHILD_STOPPED);
    assert_int_equal(info_of("b").state, BELAY_CHILD_RUNNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        T(who_hears_that_a_child_is_forgotten_may_use_its_id),
        T(who_hears_that_a_child_is_forgotten_does_not_find_it_in_the_list),
        T(a_stop_of_a_child_whose_restart_has_just_failed_is_answered),
        T(a_child_that_is_being_stopped_stays_so_when_its_group_begins_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
