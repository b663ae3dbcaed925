/* SPDX-License-Identifier: MIT */
/* How supervisors end: the order, time limits, giving up, references, and closing inside every
 * callback. The end of the loop is test_supervisor_loop.c's. */
#include <stdio.h>
#include <string.h>

#include "supervisor_scene.h"

/* Toys that take so long to stop, with the default limit; started, and the journal emptied. */
static void start_slow_ones(const char *names, int64_t stop_ms)
{
    for (size_t i = 0; names[i]; i++) {
        toy_init(&toys[i], &k, (const char[]){names[i], '\0'});
        toys[i].on_stop = 'l';
        toys[i].stop_ms = stop_ms;
        toy_start(&toys[i], BELAY_RESTART_DEFAULT);
    }
    k.journal[0] = '\0';
}

/* ---- order and limits ---- */

static void children_stop_in_reverse_order_each_after_the_next(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    start_slow_ones("abc", 100);
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    kit_pass(&k, 1000);
    assert_journal(&k, "stop c, @100, stop b, @200, stop a, @300, free c, free b, free a, exit "
                       "shutdown, closed");
    assert_string_equal(k.log, "");
}

static void of_many_all_stop_at_once(void **state)
{
    (void)state;
    kit_open(&k, BELAY_DYNAMIC);
    start_slow_ones("abc", 100);
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    kit_pass(&k, 1000);
    assert_journal(&k,
                   "stop a, stop b, stop c, @100, free c, free b, free a, exit shutdown, closed");
}

static void who_does_not_stop_in_time_is_killed(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    start_slow_ones("ab", 5000); /* as long as the limit: killed, as the limit was armed first */
    toys[0].stop_ms = 4999;
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    kit_pass(&k, 20000);
    assert_journal(&k,
                   "stop b, @5000, kill b, stop a, @9999, free b, free a, exit shutdown, closed");
    assert_string_equal(k.log, "supervisor: b has not ended within 5000 ms: killed\n");
}

static void limits_are_each_child_s_own(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    for (int i = 0; i < 3; i++) {
        struct belay_child_spec spec;

        toy_init(&toys[i], &k, (const char *[]){"a", "b", "c"}[i]);
        toys[i].on_stop = 'l';
        toys[i].stop_ms = 100000;
        spec = toy_spec(&toys[i], BELAY_RESTART_DEFAULT);
        spec.shutdown_ms = (int64_t[]){BELAY_NONE, 250, BELAY_FOREVER}[i];
        assert_int_equal(belay_supervisor_start_child(k.supervisor, &spec, NULL, NULL, NULL, NULL),
                         0);
    }
    kit_settle(&k);
    k.journal[0] = '\0';
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    kit_pass(&k, 200000);
    assert_journal(&k, "stop c, @100000, stop b, @100250, kill b, kill a, free c, free b, free a, "
                       "exit shutdown, closed");
}

static void who_cannot_be_killed_is_waited_for(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[0], &k, "a");
    toys[0].unkillable = true;
    toys[0].on_stop = 'l';
    toys[0].stop_ms = 60000;
    toy_start(&toys[0], BELAY_RESTART_DEFAULT);
    toy_init(&toys[1], &k, "b");
    toys[1].hardy = true;
    toys[1].on_stop = 'x';
    toy_start(&toys[1], BELAY_RESTART_DEFAULT);
    k.journal[0] = '\0';
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    kit_pass(&k, 30000);
    assert_journal(&k, "stop b, @5000, kill b");
    toy_ends(&toys[1], BELAY_EXIT_KILLED);
    kit_pass(&k, 100000);
    assert_journal(&k, "@30000, stop a, @90000, free b, free a, exit shutdown, closed");
}

static void a_stop_that_was_asked_for_has_its_limit_too(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    start_slow_ones("a", 6000);
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", kit_told, &k), 0);
    kit_pass(&k, 10000);
    assert_journal(&k, "stop a, @5000, kill a, a ok");
    assert_int_equal(belay_supervisor_restart_child(k.supervisor, "a", NULL, NULL), 0);
    kit_pass(&k, 10000);
    assert_int_equal(toys[0].kills_n, 1); /* the limit was of that stop alone */
    assert_non_null(toys[0].child);
}

static void a_group_s_stop_has_its_limits(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ALL);
    start_slow_ones("abc", 8000);
    toys[1].stop_ms = 100;
    toy_ends(&toys[0], BELAY_EXIT_ERROR);
    kit_pass(&k, 10000);
    assert_journal(&k, "stop c, @5000, kill c, stop b, @5100, start a, start b, start c");
}

/* ---- giving up ---- */

static void too_many_restarts_end_it_and_all_children(void **state)
{
    struct belay_supervisor_options o = kit_options(&k, BELAY_ONE_FOR_ONE);

    (void)state;
    o.name = "lookouts";
    o.intensity = 2;
    o.period_ms = 1000;
    assert_int_equal(belay_supervisor_open(k.loop, &o, &k.supervisor, NULL), 0);
    toys_start(toys, &k, "abc");
    for (int i = 0; i < 3; i++) {
        toy_ends(&toys[1], BELAY_EXIT_ERROR);
        kit_pass(&k, 500);
    }
    assert_journal(&k,
                   "start b, @500, start b, @1000, stop c, stop a, free c, free b, free a, exit "
                   "error ERESTARTS");
    assert_string_equal(k.log, "lookouts: b has ended: it broke\n"
                               "lookouts: b has ended: it broke\n"
                               "lookouts: b has ended: it broke\n"
                               "lookouts: more than 2 restarts within 1000 ms: it ends\n");
    assert_true(belay_supervisor_is_closed(k.supervisor));
    /* It may be asked and closed all the same. */
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", NULL, NULL), BELAY_ECLOSED);
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    kit_settle(&k);
    assert_journal(&k, "@1500, closed");
}

static void at_the_border_of_the_period(void **state)
{
    struct belay_supervisor_options o = kit_options(&k, BELAY_ONE_FOR_ONE);

    (void)state;
    o.intensity = 1;
    assert_int_equal(belay_supervisor_open(k.loop, &o, &k.supervisor, NULL), 0);
    toys_start(toys, &k, "a");
    toy_ends(&toys[0], BELAY_EXIT_ERROR);
    kit_pass(&k, 5001);
    toy_ends(&toys[0], BELAY_EXIT_ERROR);
    kit_pass(&k, 5000);
    assert_journal(&k, "start a, @5001, start a");
    toy_ends(&toys[0], BELAY_EXIT_ERROR);
    assert_journal(&k, "@10001, free a, exit error ERESTARTS");
}

static void a_start_that_always_fails_ends_it_at_once(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[0], &k, "a");
    toys[0].starts = "ur";
    toy_start(&toys[0], BELAY_RESTART_DEFAULT);
    toy_ends(&toys[0], BELAY_EXIT_KILLED);
    assert_journal(&k, "start a, a ok, start a, start a, start a, free a, exit error ERESTARTS");
    assert_string_equal(k.log, "supervisor: a has ended: killed\n"
                               "supervisor: a did not start: a: no more file descriptors\n"
                               "supervisor: a did not start: a: no more file descriptors\n"
                               "supervisor: a did not start: a: no more file descriptors\n"
                               "supervisor: more than 3 restarts within 5000 ms: it ends\n");
}

/* ---- references ---- */

static void who_holds_a_reference_may_ask_after_the_end(void **state)
{
    struct belay_supervisor_stats s = belay_supervisor_stats_init();
    struct belay_child_info info = belay_child_info_init();
    struct belay_supervisor *held;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toys_start(toys, &k, "a");
    held = belay_supervisor_ref(k.supervisor);
    assert_false(belay_supervisor_is_closed(held));
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    assert_true(belay_supervisor_is_closed(held));
    kit_settle(&k);
    assert_journal(&k, "stop a, free a, exit shutdown, closed");
    belay_supervisor_get_stats(held, &s);
    assert_int_equal(s.children, 0);
    assert_false(belay_supervisor_get_child(held, 0, &info));
    belay_supervisor_close(held, kit_on_closed, &k);
    kit_settle(&k);
    assert_journal(&k, "closed");
    belay_supervisor_unref(held);
}

static void what_was_closed_has_given_its_memory_back(void **state)
{
    size_t live = 0;

    (void)state;
    for (int i = 0; i < 5; i++) {
        kit_open(&k, BELAY_ONE_FOR_ONE);
        toys_start(toys, &k, "ab");
        if (i == 1)
            belay_supervisor_ref(k.supervisor);
        if (i == 2) { /* ended by itself before */
            toys[0].starts = "r";
            toy_ends(&toys[0], BELAY_EXIT_ERROR);
            assert_true(failing_alloc_live(&k.alloc) > live);
        }
        belay_supervisor_close(k.supervisor, i == 4 ? kit_on_closed : NULL, &k);
        kit_settle(&k);
        if (i == 1)
            belay_supervisor_unref(k.supervisor);
        if (i == 0) /* what the loop keeps for the next ones */
            live = failing_alloc_live(&k.alloc);
        assert_int_equal(failing_alloc_live(&k.alloc), live);
    }
}

static void the_last_who_closes_it_is_told(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    start_slow_ones("a", 10);
    belay_supervisor_close(k.supervisor, NULL, NULL);
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    belay_supervisor_close(k.supervisor, NULL, NULL);
    kit_pass(&k, 20);
    assert_journal(&k, "stop a, @10, free a, exit shutdown, closed");
}

/* ---- closing inside callbacks ---- */

static const char *close_in; /* the callback that closes */

static void close_now(void)
{
    const char *in = close_in;

    close_in = NULL;
    if (in)
        belay_supervisor_close(k.supervisor, kit_on_closed, &k);
}

static void hook(struct toy *toy, const char *what)
{
    (void)toy;
    if (close_in && strcmp(close_in, what) == 0)
        close_now();
}

static void told(const char *id, const struct belay_error *error, void *arg)
{
    kit_told(id, error, &k);
    if (close_in && strcmp(close_in, arg) == 0)
        close_now();
}

static void on_exit_too(struct belay_supervisor *supervisor, struct belay_exit why, void *arg)
{
    kit_on_exit(supervisor, why, arg);
    hook(NULL, "exit");
}

/* Two children: the first comes up, its sibling fails to start; the first is stopped, started again
 * and forgotten, and what is left dies too often. Closed somewhere on the way. */
static void walk(enum belay_strategy strategy)
{
    struct belay_supervisor_options o = kit_options(&k, strategy);
    struct belay_supervisor *held;
    struct belay_child_spec spec;

    o.on_exit = on_exit_too;
    o.intensity = BELAY_NONE;
    assert_int_equal(belay_supervisor_open(k.loop, &o, &k.supervisor, NULL), 0);
    held = belay_supervisor_ref(k.supervisor);
    for (int i = 0; i < 3; i++) {
        toy_init(&toys[i], &k, (const char *[]){"a", "b", "c"}[i]);
        toys[i].hook = hook;
        toys[i].starts = i == 1 ? "f" : "u";
        spec = toy_spec(&toys[i], BELAY_RESTART_DEFAULT);
        belay_supervisor_start_child(k.supervisor, &spec, told, (void *)(uintptr_t) "started", NULL,
                                     NULL);
    }
    kit_settle(&k);
    belay_supervisor_stop_child(held, "a", told, (void *)(uintptr_t) "stopped");
    kit_settle(&k);
    belay_supervisor_restart_child(held, "a", told, (void *)(uintptr_t) "restarted");
    kit_settle(&k);
    belay_supervisor_stop_child(held, "a", NULL, NULL);
    kit_settle(&k);
    belay_supervisor_delete_child(held, "a");
    kit_settle(&k);
    if (toys[2].child)
        toy_ends(&toys[2], BELAY_EXIT_ERROR);
    kit_settle(&k);
    assert_true(belay_supervisor_is_closed(held));
    belay_supervisor_unref(held);
    for (int i = 0; i < 3; i++) {
        assert_null(toys[i].child);
        assert_int_equal(toys[i].frees_n, 1);
    }
}

static void closed_inside_each_callback_it_ends_in_order(void **state)
{
    static const char *const places[] = {"start",   "stop",      "free", "started",
                                         "stopped", "restarted", "exit"};

    (void)state;
    for (int strategy = BELAY_ONE_FOR_ONE; strategy <= BELAY_DYNAMIC; strategy++) {
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            size_t len;

            if (strategy == BELAY_DYNAMIC && strcmp(places[i], "restarted") == 0)
                continue; /* stopped ones of many are forgotten */
            close_in = places[i];
            walk((enum belay_strategy)strategy);
            assert_null(close_in);
            len = strlen(k.journal);
            assert_true(len > 6 && strcmp(k.journal + len - 6, "closed") == 0);
            assert_null(strstr(strstr(k.journal, "exit") + 1, "exit")); /* once */
            k.journal[0] = '\0';
        }
    }
}

static void whoever_closes_may_be_let_go_in_on_exit(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    belay_supervisor_ref(k.supervisor);
    belay_supervisor_close(k.supervisor, NULL, NULL);
    belay_supervisor_unref(k.supervisor);
    kit_settle(&k);
    assert_journal(&k, "exit shutdown");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(children_stop_in_reverse_order_each_after_the_next),
        TEST(of_many_all_stop_at_once),
        TEST(who_does_not_stop_in_time_is_killed),
        TEST(limits_are_each_child_s_own),
        TEST(who_cannot_be_killed_is_waited_for),
        TEST(a_stop_that_was_asked_for_has_its_limit_too),
        TEST(a_group_s_stop_has_its_limits),
        TEST(too_many_restarts_end_it_and_all_children),
        TEST(at_the_border_of_the_period),
        TEST(a_start_that_always_fails_ends_it_at_once),
        TEST(who_holds_a_reference_may_ask_after_the_end),
        TEST(what_was_closed_has_given_its_memory_back),
        TEST(the_last_who_closes_it_is_told),
        TEST(closed_inside_each_callback_it_ends_in_order),
        TEST(whoever_closes_may_be_let_go_in_on_exit),
    };

    return cmocka_run_group_tests_name("supervisor_life", tests, NULL, NULL);
}
