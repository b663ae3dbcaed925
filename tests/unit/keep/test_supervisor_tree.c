/* SPDX-License-Identifier: MIT */
/* Supervisors as children of supervisors: starting, ending, failing, and what comes up to the next. */
#include <stdio.h>
#include <string.h>

#include "supervisor_scene.h"

static void on_exit_below(struct belay_supervisor *supervisor, struct belay_exit why, void *arg)
{
    (void)supervisor;
    kit_note(&k, "exit %s %s%s%s", (const char *)arg, belay_exit_name(why.kind),
             why.error ? " " : "", why.error ? belay_error_name(why.error->code) : "");
}

static struct belay_supervisor_options below(const char *name, enum belay_strategy strategy)
{
    struct belay_supervisor_options o = belay_supervisor_options_init();

    o.name = name;
    o.strategy = strategy;
    o.on_exit = on_exit_below;
    o.exit_arg = (void *)(uintptr_t)name;
    return o;
}

/* A supervisor spec over the toys from `first` on, named by the letters. */
static struct belay_child_spec branch(const char *name, enum belay_strategy strategy, size_t first,
                                      const char *letters)
{
    struct belay_supervisor_options o = below(name, strategy);
    struct belay_child_spec specs[8], spec;
    size_t n = 0;

    for (; letters[n]; n++) {
        struct toy *toy = &toys[first + n];

        if (!toy->kit)
            toy_init(toy, &k, (const char[]){letters[n], '\0'});
        specs[n] = toy_spec(toy, BELAY_RESTART_DEFAULT);
    }
    assert_int_equal(belay_supervisor_child_spec(&o, specs, n, &spec, NULL), 0);
    spec.id = name;
    return spec;
}

static void start(struct belay_child_spec *spec)
{
    assert_int_equal(belay_supervisor_start_child(k.supervisor, spec, kit_told, &k, NULL, NULL), 0);
    kit_settle(&k);
}

static struct belay_supervisor *supervisor_of(const char *id)
{
    struct belay_child_info info = belay_child_info_init();

    assert_true(belay_supervisor_find_child(k.supervisor, id, &info));
    assert_string_equal(info.noun, "supervisor");
    return info.object;
}

/* ---- starting ---- */

static void a_branch_has_started_when_its_children_have(void **state)
{
    struct belay_child_spec spec;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[0], &k, "a");
    toy_init(&toys[1], &k, "b");
    toys[0].starts = toys[1].starts = "l";
    spec = branch("low", BELAY_ONE_FOR_ONE, 0, "ab");
    start(&spec);
    toy_init(&toys[2], &k, "c");
    toy_start(&toys[2], BELAY_RESTART_DEFAULT);
    assert_journal(&k, "start a");
    assert_null(supervisor_of("low"));
    toy_up(&toys[0]);
    assert_journal(&k, "start b");
    toy_up(&toys[1]);
    assert_journal(&k, "low ok, start c, c ok");
    assert_non_null(supervisor_of("low"));
}

static void a_branch_without_children_has_started_at_once(void **state)
{
    struct belay_supervisor_options o = below("low", BELAY_DYNAMIC);
    struct belay_child_spec spec, child;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    assert_int_equal(belay_supervisor_child_spec(&o, NULL, 0, &spec, NULL), 0);
    spec.id = "low";
    start(&spec);
    toy_init(&toys[0], &k, "a");
    child = toy_spec(&toys[0], BELAY_RESTART_DEFAULT);
    assert_int_equal(
        belay_supervisor_start_child(supervisor_of("low"), &child, kit_told, &k, NULL, NULL), 0);
    kit_settle(&k);
    assert_journal(&k, "low ok, start a, a ok");
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    kit_settle(&k);
    assert_journal(&k, "stop a, free a, exit low shutdown, exit shutdown, closed");
}

static void who_is_ignored_below_is_no_failure(void **state)
{
    struct belay_child_spec spec;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[0], &k, "a");
    toys[0].starts = "i";
    spec = branch("low", BELAY_ONE_FOR_ONE, 0, "ab");
    start(&spec);
    assert_journal(&k, "start a, start b, low ok");
}

static void a_child_that_fails_below_is_a_failed_start(void **state)
{
    struct belay_child_spec spec;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[2], &k, "c");
    toys[2].starts = "f";
    spec = branch("low", BELAY_ONE_FOR_ONE, 0, "abcd");
    start(&spec);
    assert_journal(&k, "start a, start b, start c, stop b, stop a, low ECONNECT, free a, free b, "
                       "free c, free d");
    assert_non_null(strstr(k.log, "supervisor: low did not start: it would not start\n"));
}

static void stopped_while_it_starts(void **state)
{
    struct belay_child_spec spec;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[1], &k, "b");
    toys[1].starts = "l";
    toys[1].on_stop = 'l';
    toys[1].stop_ms = 100;
    spec = branch("low", BELAY_ONE_FOR_ONE, 0, "abc");
    start(&spec);
    assert_journal(&k, "start a, start b");
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "low", kit_told, &k), 0);
    kit_pass(&k, 200);
    assert_journal(&k, "stop b, @100, stop a, low ECANCELLED, low ok, free a, free b, free c");
}

static void a_toy_that_dies_for_good_while_its_branch_starts(void **state)
{
    struct belay_child_spec spec;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[0], &k, "a");
    toys[0].starts = "uf";
    toy_init(&toys[1], &k, "b");
    toys[1].starts = "l";
    spec = branch("low", BELAY_ONE_FOR_ONE, 0, "ab");
    start(&spec);
    toy_ends(&toys[0], BELAY_EXIT_ERROR);
    assert_journal(&k, "start a, start b, start a, start a, start a, stop b, low ERESTARTS, free "
                       "a, free b");
}

/* ---- ending ---- */

static void a_tree_ends_from_its_root_in_reverse_order(void **state)
{
    struct belay_child_spec low, high;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    for (int i = 0; i < 5; i++) {
        toy_init(&toys[i], &k, (const char[]){(char)('a' + i), '\0'});
        toys[i].on_stop = 'l';
        toys[i].stop_ms = 3000; /* each within its limit, all together not within one */
    }
    toy_start(&toys[0], BELAY_RESTART_DEFAULT);
    low = branch("low", BELAY_ONE_FOR_ONE, 1, "bc");
    start(&low);
    high = branch("high", BELAY_ONE_FOR_ALL, 3, "de");
    start(&high);
    k.journal[0] = '\0';
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    kit_pass(&k, 20000);
    assert_journal(&k, "stop e, @3000, stop d, @6000, exit high shutdown, stop c, @9000, stop b, "
                       "@12000, exit low shutdown, stop a, @15000, free d, free e, free b, free c, "
                       "free a, exit shutdown, closed");
}

static void a_branch_that_gives_up_is_started_again_by_the_next(void **state)
{
    struct belay_child_spec spec;
    size_t live;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    spec = branch("low", BELAY_ONE_FOR_ONE, 0, "ab");
    start(&spec);
    live = failing_alloc_live(&k.alloc);
    toys[0].starts = "uuuurru";
    for (int i = 0; i < 3; i++)
        toy_ends(&toys[0], BELAY_EXIT_ERROR);
    k.journal[0] = '\0';
    /* The fourth is too many; the new branch fails twice, then it is there again. */
    toy_ends(&toys[0], BELAY_EXIT_ERROR);
    assert_journal(&k, "stop b, exit low error ERESTARTS, start a, start a, start a, start b");
    assert_non_null(strstr(k.log, "low: more than 3 restarts within 5000 ms: it ends\n"));
    assert_non_null(supervisor_of("low"));
    assert_int_equal(failing_alloc_live(&k.alloc), live); /* nothing is left of the former */
}

static void when_all_give_up_the_root_does(void **state)
{
    struct belay_child_spec spec;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[0], &k, "a");
    spec = branch("low", BELAY_ONE_FOR_ONE, 0, "ab");
    start(&spec);
    toys[0].starts = "uf";
    k.journal[0] = '\0';
    toy_ends(&toys[0], BELAY_EXIT_ERROR);
    /* Three tries below; then three times a new branch whose first child fails. */
    assert_journal(&k,
                   "start a, start a, start a, stop b, exit low error ERESTARTS, start a, start "
                   "a, start a, free a, free b, exit error ERESTARTS");
}

static void a_branch_whose_time_is_up_is_killed_with_all_in_it(void **state)
{
    struct belay_child_spec spec;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    for (int i = 0; i < 3; i++) {
        toy_init(&toys[i], &k, (const char[]){(char)('a' + i), '\0'});
        toys[i].on_stop = 'l';
        toys[i].stop_ms = 2000;
    }
    spec = branch("low", BELAY_ONE_FOR_ONE, 0, "abc");
    spec.shutdown_ms = 3000;
    start(&spec);
    k.journal[0] = '\0';
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "low", kit_told, &k), 0);
    kit_pass(&k, 10000);
    assert_journal(&k, "stop c, @2000, stop b, @3000, kill b, kill a, exit low killed, low ok");
    assert_string_equal(k.log, "supervisor: low has not ended within 3000 ms: killed\n");
}

static void a_branch_without_time_is_killed_at_once(void **state)
{
    struct belay_child_spec spec;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[0], &k, "a");
    toys[0].starts = "l";
    spec = branch("low", BELAY_ONE_FOR_ONE, 0, "ab");
    spec.shutdown_ms = BELAY_NONE;
    start(&spec);
    k.journal[0] = '\0';
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "low", kit_told, &k), 0);
    kit_settle(&k);
    assert_journal(&k, "kill a, low ECANCELLED, low ok, free a, free b");
    assert_string_equal(k.log, "");
}

static void a_branch_that_is_closed_from_outside_is_started_again(void **state)
{
    struct belay_child_spec spec;
    struct belay_supervisor *held;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    spec = branch("low", BELAY_ONE_FOR_ONE, 0, "a");
    start(&spec);
    held = belay_supervisor_ref(supervisor_of("low"));
    k.journal[0] = '\0';
    belay_supervisor_close(held, kit_on_closed, &k);
    kit_settle(&k);
    assert_journal(&k, "stop a, exit low shutdown, closed, start a");
    assert_true(belay_supervisor_is_closed(held));
    assert_ptr_not_equal(held, supervisor_of("low"));
    belay_supervisor_unref(held);
}

static void three_floors(void **state)
{
    struct belay_supervisor_options o = below("middle", BELAY_REST_FOR_ONE);
    struct belay_child_spec specs[3], middle;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    specs[0] = branch("low", BELAY_ONE_FOR_ALL, 0, "ab");
    toy_init(&toys[2], &k, "c");
    specs[1] = toy_spec(&toys[2], BELAY_RESTART_DEFAULT);
    assert_int_equal(belay_supervisor_child_spec(&o, specs, 2, &middle, NULL), 0);
    middle.id = "middle";
    start(&middle);
    assert_journal(&k, "start a, start b, start c, middle ok");
    for (int i = 0; i < 3; i++)
        toy_ends(&toys[1], BELAY_EXIT_ERROR);
    k.journal[0] = '\0';
    toy_ends(&toys[1], BELAY_EXIT_ERROR); /* low gives up, and what stands on it is built anew */
    assert_journal(&k, "stop a, exit low error ERESTARTS, stop c, start a, start b, start c");
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    kit_settle(&k);
    assert_journal(&k, "stop c, stop b, stop a, exit low shutdown, exit middle shutdown, free a, "
                       "free b, free c, exit shutdown, closed");
}

/* ---- specs ---- */

static void specs_that_make_no_sense_are_refused_and_all_freed(void **state)
{
    struct belay_supervisor_options o = below("low", BELAY_ONE_FOR_ONE);
    struct belay_child_spec specs[3], spec;
    struct belay_error error;

    (void)state;
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 3; i++) {
            toy_init(&toys[i], &k, (const char[]){(char)('a' + i), '\0'});
            specs[i] = toy_spec(&toys[i], BELAY_RESTART_DEFAULT);
        }
        o = below("low", BELAY_ONE_FOR_ONE);
        if (round == 0)
            specs[1].restart = (enum belay_restart)7;
        if (round == 1)
            o.intensity = -9;
        if (round == 2)
            specs[2].id = "a";
        if (round == 3)
            o.max_children = 2;
        if (round == 5)
            specs[2].id = "b";
        assert_int_equal(
            belay_supervisor_child_spec(&o, specs, 3, round == 4 ? NULL : &spec, &error),
            BELAY_EINVAL);
        assert_non_null(
            strstr(error.text, (const char *[]){"restart", "intensity", "called a", "max_children",
                                                "ret_spec", "called b"}[round]));
        for (int i = 0; i < 3; i++)
            assert_int_equal(toys[i].frees_n, 1);
    }
    k.journal[0] = '\0';
}

static void what_a_spec_was_made_of_is_copied(void **state)
{
    struct belay_supervisor_options o = belay_supervisor_options_init();
    struct belay_child_spec specs[2], spec;
    char name[] = "low", id[] = "a";

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    o.name = name;
    o.max_children = 2;
    for (int i = 0; i < 2; i++) {
        toy_init(&toys[i], &k, (const char *[]){"a", "b"}[i]);
        specs[i] = toy_spec(&toys[i], BELAY_RESTART_TEMPORARY);
    }
    specs[0].id = id;
    assert_int_equal(belay_supervisor_child_spec(&o, specs, 2, &spec, NULL), 0);
    memset(name, 'x', sizeof name - 1);
    memset(id, 'x', sizeof id - 1);
    memset(&o, 0x55, sizeof o);
    start(&spec);
    toy_ends(&toys[0], BELAY_EXIT_KILLED);
    assert_string_equal(k.log, "low: a has ended: killed\n");
}

static void a_spec_that_is_given_to_nobody_is_dropped(void **state)
{
    struct belay_child_spec spec = branch("low", BELAY_ONE_FOR_ONE, 0, "ab");

    (void)state;
    belay_child_spec_free(&spec);
    assert_journal(&k, "free a, free b");
    belay_child_spec_free(&spec);
    belay_child_spec_free(NULL);
    assert_journal(&k, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_branch_has_started_when_its_children_have),
        TEST(a_branch_without_children_has_started_at_once),
        TEST(who_is_ignored_below_is_no_failure),
        TEST(a_child_that_fails_below_is_a_failed_start),
        TEST(stopped_while_it_starts),
        TEST(a_toy_that_dies_for_good_while_its_branch_starts),
        TEST(a_tree_ends_from_its_root_in_reverse_order),
        TEST(a_branch_that_gives_up_is_started_again_by_the_next),
        TEST(when_all_give_up_the_root_does),
        TEST(a_branch_whose_time_is_up_is_killed_with_all_in_it),
        TEST(a_branch_without_time_is_killed_at_once),
        TEST(a_branch_that_is_closed_from_outside_is_started_again),
        TEST(three_floors),
        TEST(specs_that_make_no_sense_are_refused_and_all_freed),
        TEST(what_a_spec_was_made_of_is_copied),
        TEST(a_spec_that_is_given_to_nobody_is_dropped),
    };

    return cmocka_run_group_tests_name("supervisor_tree", tests, NULL, NULL);
}
