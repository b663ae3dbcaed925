/* SPDX-License-Identifier: MIT */
/* The end of the loop, in the middle of things; supervisors by the thousand. */
#include <stdio.h>
#include <string.h>

#include "supervisor_scene.h"

static void slow_ones(size_t first, const char *names)
{
    for (size_t i = 0; names[i]; i++) {
        struct toy *toy = &toys[first + i];

        toy_init(toy, &k, (const char[]){names[i], '\0'});
        toy->on_stop = 'l';
        toy->stop_ms = 100;
    }
}

/* ---- with supervisors ---- */

static void every_tree_ends_in_order(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    slow_ones(0, "ab");
    toy_start(&toys[0], BELAY_RESTART_DEFAULT);
    toy_start(&toys[1], BELAY_RESTART_DEFAULT);
    kit_open(&k, BELAY_ONE_FOR_ONE); /* another */
    slow_ones(2, "c");
    toy_start(&toys[2], BELAY_RESTART_DEFAULT);
    k.journal[0] = '\0';
    kit_end(&k); /* timers of toys still fire: they have not stopped */
    assert_journal(&k, "stop b, stop c, @100, stop a, free c, exit shutdown, @200, free b, free a, "
                       "exit shutdown");
}

static void a_nested_tree_ends_from_its_root(void **state)
{
    struct belay_supervisor_options o = belay_supervisor_options_init();
    struct belay_child_spec specs[2], spec;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    slow_ones(0, "abc");
    specs[0] = toy_spec(&toys[0], BELAY_RESTART_DEFAULT);
    specs[1] = toy_spec(&toys[1], BELAY_RESTART_DEFAULT);
    assert_int_equal(belay_supervisor_child_spec(&o, specs, 2, &spec, NULL), 0);
    assert_int_equal(belay_supervisor_start_child(k.supervisor, &spec, NULL, NULL, NULL, NULL), 0);
    toy_start(&toys[2], BELAY_RESTART_DEFAULT);
    k.journal[0] = '\0';
    kit_end(&k);
    assert_journal(
        &k, "stop c, @100, stop b, @200, stop a, @300, free c, free a, free b, exit shutdown");
}

/* An object that nobody supervises. */
struct thing {
    struct bl_object object;
    struct bl_task task;
    bool told;
};

static void thing_ends(void *arg)
{
    struct thing *t = arg;

    kit_note(&k, "thing");
    bl_object_fini(&t->object, k.loop);
}

static void thing_close(struct bl_object *object)
{
    struct thing *t = BL_CONTAINER(object, struct thing, object);

    if (!t->told)
        bl_task_post(k.loop, &t->task);
    t->told = true;
}

static void thing_open(struct thing *t)
{
    t->told = false;
    bl_task_init(&t->task, thing_ends, t);
    bl_object_init(&t->object, k.loop, "thing", thing_close);
}

static struct thing made_late;

static void makes_a_thing(struct toy *toy, const char *what)
{
    (void)toy;
    if (strcmp(what, "stop") == 0)
        thing_open(&made_late);
}

static void tick(void *arg)
{
    struct belay_timer **timer = arg;

    kit_note(&k, "tick");
    belay_timer_start(*timer, 70);
}

static void posted(void *arg)
{
    kit_note(&k, "posted %s", (const char *)arg);
}

static void stops_by_post(struct toy *toy, const char *what)
{
    if (strcmp(what, "stop") == 0)
        assert_int_equal(belay_loop_post(k.loop, posted, toy->name), 0);
}

static void what_nobody_supervises_ends_after_all_supervisors(void **state)
{
    struct belay_supervisor *refused;
    struct belay_timer *timer;
    struct thing thing;

    (void)state;
    thing_open(&thing);
    kit_open(&k, BELAY_ONE_FOR_ONE);
    slow_ones(0, "ab");
    toys[0].hook = stops_by_post;
    toys[1].hook = makes_a_thing;
    toy_start(&toys[0], BELAY_RESTART_DEFAULT);
    toy_start(&toys[1], BELAY_RESTART_DEFAULT);
    assert_int_equal(belay_timer_new(k.loop, tick, &timer, &timer), 0);
    belay_timer_start(timer, 70);
    k.journal[0] = '\0';
    belay_loop_close(k.loop, NULL, NULL);
    assert_int_equal(belay_supervisor_open(k.loop, NULL, &refused, NULL), BELAY_ECLOSED);
    kit_end(&k);
    assert_journal(&k,
                   "stop b, @70, tick, @100, stop a, posted a, @140, tick, @200, free b, free a, "
                   "exit shutdown, thing, thing");
}

static void nothing_is_started_any_more_below_either(void **state)
{
    struct belay_child_info info = belay_child_info_init();
    struct belay_child_spec spec;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    assert_int_equal(belay_supervisor_child_spec(NULL, NULL, 0, &spec, NULL), 0);
    spec.id = "low";
    assert_int_equal(belay_supervisor_start_child(k.supervisor, &spec, NULL, NULL, NULL, NULL), 0);
    kit_settle(&k);
    assert_true(belay_supervisor_find_child(k.supervisor, "low", &info));
    belay_loop_close(k.loop, NULL, NULL);
    toy_init(&toys[0], &k, "a");
    spec = toy_spec(&toys[0], BELAY_RESTART_DEFAULT);
    assert_int_equal(belay_supervisor_start_child(info.object, &spec, NULL, NULL, NULL, NULL),
                     BELAY_ECLOSED);
    kit_end(&k);
    assert_journal(&k, "free a, exit shutdown");
}

static void while_children_start(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    slow_ones(0, "abc");
    toys[1].starts = "l";
    for (int i = 0; i < 3; i++)
        toy_start(&toys[i], BELAY_RESTART_DEFAULT);
    k.journal[0] = '\0';
    kit_end(&k);
    assert_journal(&k, "stop b, @100, b ECLOSED, stop a, @200, c ECLOSED, free c, free b, free a, "
                       "exit shutdown");
}

static void before_anything_has_begun(void **state)
{
    struct belay_child_spec spec;

    (void)state;
    kit_open(&k, BELAY_DYNAMIC);
    slow_ones(0, "ab");
    for (int i = 0; i < 2; i++) {
        spec = toy_spec(&toys[i], BELAY_RESTART_DEFAULT);
        assert_int_equal(
            belay_supervisor_start_child(k.supervisor, &spec, kit_told, &k, NULL, NULL), 0);
    }
    belay_loop_close(k.loop, NULL, NULL);
    spec = toy_spec(&toys[0], BELAY_RESTART_DEFAULT);
    kit_end(&k);
    assert_journal(&k, "b ECLOSED, free b, a ECLOSED, free a, exit shutdown");
}

static void while_a_group_stops(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ALL);
    slow_ones(0, "abc");
    for (int i = 0; i < 3; i++)
        toy_start(&toys[i], BELAY_RESTART_DEFAULT);
    k.journal[0] = '\0';
    toy_ends(&toys[0], BELAY_EXIT_ERROR);
    kit_pass(&k, 50);
    kit_end(&k);
    assert_journal(&k, "stop c, @100, stop b, @200, free c, free b, free a, exit shutdown");
}

static void while_children_are_started_again(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    slow_ones(0, "ab");
    toys[0].starts = "ul";
    for (int i = 0; i < 2; i++)
        toy_start(&toys[i], BELAY_RESTART_DEFAULT);
    k.journal[0] = '\0';
    toy_ends(&toys[0], BELAY_EXIT_ERROR);
    kit_end(&k);
    assert_journal(&k, "start a, stop b, @100, stop a, @200, free b, free a, exit shutdown");
}

static void while_it_ends_already(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    slow_ones(0, "a");
    toy_start(&toys[0], BELAY_RESTART_DEFAULT);
    k.journal[0] = '\0';
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    kit_end(&k);
    assert_journal(&k, "stop a, @100, free a, exit shutdown, closed");
}

static void after_one_has_given_up_that_nobody_closed(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[0], &k, "a");
    toys[0].starts = "uf";
    toy_start(&toys[0], BELAY_RESTART_DEFAULT);
    toy_ends(&toys[0], BELAY_EXIT_ERROR);
    k.journal[0] = '\0';
    kit_end(&k);
    assert_journal(&k, "");
}

static void close_at_last(struct belay_supervisor *supervisor, struct belay_exit why, void *arg)
{
    (void)arg;
    (void)why;
    belay_supervisor_close(supervisor, kit_on_closed, &k);
}

static void closed_once_more_in_its_on_exit(void **state)
{
    struct belay_supervisor_options o = kit_options(&k, BELAY_ONE_FOR_ONE);

    (void)state;
    o.on_exit = close_at_last;
    assert_int_equal(belay_supervisor_open(k.loop, &o, &k.supervisor, NULL), 0);
    kit_end(&k);
    assert_journal(&k, "closed");
}

static void end_loop(struct toy *toy, const char *what)
{
    if (strcmp(what, "start") == 0)
        belay_loop_close(toy->kit->loop, NULL, NULL);
}

static void closed_while_a_child_is_being_started(void **state)
{
    struct belay_child_spec spec;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    for (int i = 0; i < 2; i++) {
        toy_init(&toys[i], &k, (const char *[]){"a", "b"}[i]);
        toys[i].hook = end_loop;
        spec = toy_spec(&toys[i], BELAY_RESTART_DEFAULT);
        assert_int_equal(
            belay_supervisor_start_child(k.supervisor, &spec, kit_told, &k, NULL, NULL), 0);
    }
    assert_int_equal(belay_loop_turn(k.loop, 0), 0);
    kit_end(&k);
    assert_journal(&k, "start a, stop a, a ECLOSED, b ECLOSED, free b, free a, exit shutdown");
}

static void a_supervisor_alone_keeps_the_loop_going(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    assert_true(!bl_list_empty(&k.loop->objects));
    belay_supervisor_close(k.supervisor, NULL, NULL);
    assert_int_equal(belay_loop_run(k.loop), 0);
    assert_true(bl_list_empty(&k.loop->objects));
    kit_end(&k);
}

/* ---- many ---- */

#define MANY 5000

static struct toy many[MANY];

static void thousands_start_fail_and_end(void **state)
{
    struct belay_supervisor_options o = kit_options(&k, BELAY_DYNAMIC);
    struct belay_supervisor_stats s = belay_supervisor_stats_init();
    struct belay_child_info info = belay_child_info_init();
    size_t seen = 0;

    (void)state;
    o.intensity = MANY;
    assert_int_equal(belay_supervisor_open(k.loop, &o, &k.supervisor, NULL), 0);
    k.quiet = true;
    for (size_t i = 0; i < MANY; i++) {
        struct belay_child_spec spec;

        toy_init(&many[i], &k, "x");
        many[i].on_stop = 'l';
        many[i].stop_ms = 10;
        many[i].starts = i % 5 == 4 ? "f" : "u";
        spec = toy_spec(&many[i], i % 5 == 3 ? BELAY_RESTART_TEMPORARY : BELAY_RESTART_DEFAULT);
        spec.id = NULL;
        assert_int_equal(belay_supervisor_start_child(k.supervisor, &spec, NULL, NULL, NULL, NULL),
                         0);
    }
    kit_settle(&k);
    belay_supervisor_get_stats(k.supervisor, &s);
    assert_int_equal(s.children, MANY / 5 * 4);
    assert_int_equal(s.running, MANY / 5 * 4);
    for (size_t i = 0; i < MANY; i++) {
        struct belay_child *child = many[i].child;

        many[i].child = NULL;
        if (child)
            belay_child_ended(child, (struct belay_exit){BELAY_EXIT_KILLED, NULL});
    }
    kit_settle(&k);
    belay_supervisor_get_stats(k.supervisor, &s);
    assert_int_equal(s.running, MANY / 5 * 3);
    assert_int_equal(s.restarts, MANY / 5 * 3);
    while (belay_supervisor_get_child(k.supervisor, seen, &info)) {
        assert_int_equal(info.restarts, 1);
        seen++;
    }
    assert_int_equal(seen, MANY / 5 * 3);
    kit_end(&k);
    assert_int_equal(k.world.now_ns, 1010000000u); /* all at once */
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(many[i].frees_n, 1);
}

static void thousands_in_order_as_one_group(void **state)
{
    struct belay_supervisor_stats s = belay_supervisor_stats_init();

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ALL);
    k.quiet = true;
    for (size_t i = 0; i < MANY; i++) {
        struct belay_child_spec spec;

        toy_init(&many[i], &k, "x");
        spec = toy_spec(&many[i], BELAY_RESTART_DEFAULT);
        spec.id = NULL;
        assert_int_equal(belay_supervisor_start_child(k.supervisor, &spec, NULL, NULL, NULL, NULL),
                         0);
    }
    while (s.running < MANY) {
        kit_settle(&k);
        belay_supervisor_get_stats(k.supervisor, &s);
    }
    toy_ends(&many[MANY / 2], BELAY_EXIT_ERROR);
    while (many[MANY - 1].starts_n < 2)
        kit_settle(&k);
    kit_end(&k);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(many[i].starts_n, 2);
        assert_int_equal(many[i].stops_n, i == MANY / 2 ? 1 : 2);
        assert_int_equal(many[i].frees_n, 1);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_tree_ends_in_order),
        TEST(a_nested_tree_ends_from_its_root),
        TEST(what_nobody_supervises_ends_after_all_supervisors),
        TEST(nothing_is_started_any_more_below_either),
        TEST(while_children_start),
        TEST(before_anything_has_begun),
        TEST(while_a_group_stops),
        TEST(while_children_are_started_again),
        TEST(while_it_ends_already),
        TEST(after_one_has_given_up_that_nobody_closed),
        TEST(closed_once_more_in_its_on_exit),
        TEST(closed_while_a_child_is_being_started),
        TEST(a_supervisor_alone_keeps_the_loop_going),
        TEST(thousands_start_fail_and_end),
        TEST(thousands_in_order_as_one_group),
    };

    return cmocka_run_group_tests_name("supervisor_loop", tests, NULL, NULL);
}
