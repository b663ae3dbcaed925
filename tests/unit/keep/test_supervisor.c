/* SPDX-License-Identifier: MIT */
/*
 * Supervisors as their users see them: what they ask for, what they are told and when. Which child
 * is started again and when is test_supervisor_policy.c's.
 */
#include <stdio.h>
#include <string.h>

#include "supervisor_scene.h"

static bool there_is(const char *id)
{
    struct belay_child_info info = belay_child_info_init();

    return belay_supervisor_find_child(k.supervisor, id, &info);
}

static struct belay_supervisor_stats stats(void)
{
    struct belay_supervisor_stats s = belay_supervisor_stats_init();

    belay_supervisor_get_stats(k.supervisor, &s);
    return s;
}

/* ---- starting ---- */

static void nothing_happens_inside_the_call_that_asks_for_it(void **state)
{
    struct belay_child_spec spec;
    struct belay_error error;
    const char *id;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[0], &k, "a");
    spec = toy_spec(&toys[0], BELAY_RESTART_DEFAULT);
    error.code = 7;
    assert_int_equal(belay_supervisor_start_child(k.supervisor, &spec, kit_told, &k, &id, &error),
                     0);
    assert_int_equal(error.code, 7); /* there was none */
    assert_journal(&k, "");
    assert_string_equal(id, "a");
    assert_ptr_not_equal(id, toys[0].name);
    assert_int_equal(info_of("a").state, BELAY_CHILD_STARTING);
    kit_settle(&k);
    assert_journal(&k, "start a, a ok");
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", kit_told, &k), 0);
    assert_journal(&k, "");
    kit_settle(&k);
    assert_journal(&k, "stop a, a ok");
    assert_int_equal(belay_supervisor_restart_child(k.supervisor, "a", kit_told, &k), 0);
    assert_journal(&k, "");
    kit_settle(&k);
    assert_journal(&k, "start a, a ok");
    belay_supervisor_close(k.supervisor, kit_on_closed, &k);
    assert_journal(&k, "");
    kit_settle(&k);
    assert_journal(&k, "stop a, free a, exit shutdown, closed");
}

static void children_start_one_after_another(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    for (int i = 0; i < 3; i++) {
        toy_init(&toys[i], &k, (const char *[]){"a", "b", "c"}[i]);
        toys[i].starts = "l";
        toy_start(&toys[i], BELAY_RESTART_DEFAULT);
    }
    assert_journal(&k, "start a");
    toy_up(&toys[0]);
    assert_journal(&k, "a ok, start b");
    toy_fails(&toys[1], BELAY_ECONNECT);
    assert_journal(&k, "b ECONNECT, free b, start c");
    assert_int_equal(stats().children, 2);
    assert_int_equal(stats().running, 1);
    assert_false(there_is("b"));
}

static void ways_of_starting(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    for (int i = 0; i < 4; i++) {
        toy_init(&toys[i], &k, (const char *[]){"a", "b", "c", "d"}[i]);
        toys[i].starts = (const char *[]){"i", "f", "r", "i"}[i];
        toy_start(&toys[i], i == 3 ? BELAY_RESTART_TEMPORARY : BELAY_RESTART_DEFAULT);
    }
    assert_journal(&k, "start a, a EIGNORED, start b, b ECONNECT, free b, start c, c EMFILE, free "
                       "c, start d, d EIGNORED, free d");
    assert_int_equal(info_of("a").state, BELAY_CHILD_STOPPED);
    assert_null(info_of("a").object);
    toys[0].starts = "u";
    assert_int_equal(belay_supervisor_restart_child(k.supervisor, "a", NULL, NULL), 0);
    kit_settle(&k);
    assert_ptr_equal(info_of("a").object, &toys[0]);
    assert_int_equal(info_of("a").restarts, 0);
}

static char told_text[BELAY_ERROR_TEXT_MAX];

static void keep_text(const char *id, const struct belay_error *error, void *arg)
{
    (void)id;
    (void)arg;
    snprintf(told_text, sizeof told_text, "%s", error ? error->text : "");
}

static void how_a_start_failed_is_told_in_words(void **state)
{
    static const char *const want[] = {"it would not start", "a: no more file descriptors",
                                       "a: it did not want to start"};

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    for (int i = 0; i < 3; i++) {
        struct belay_child_spec spec;

        toy_init(&toys[i], &k, "a");
        toys[i].starts = (const char *[]){"f", "r", "i"}[i];
        spec = toy_spec(&toys[i], BELAY_RESTART_DEFAULT);
        assert_int_equal(
            belay_supervisor_start_child(k.supervisor, &spec, keep_text, NULL, NULL, NULL), 0);
        kit_settle(&k);
        assert_string_equal(told_text, want[i]);
    }
    assert_string_equal(k.log, "supervisor: a did not start: it would not start\n"
                               "supervisor: a did not start: a: no more file descriptors\n");
}

/* ---- what is refused ---- */

static int try(struct toy *toy, struct belay_child_spec *spec, const char *text)
{
    struct belay_error error;
    unsigned frees = toy->frees_n;
    int rc = belay_supervisor_start_child(k.supervisor, spec, kit_told, &k, NULL, &error);

    assert_int_equal(error.code, rc);
    assert_non_null(strstr(error.text, text));
    assert_int_equal(toy->frees_n, frees + 1); /* it was the supervisor's all the same */
    belay_child_spec_free(spec);               /* and nothing is left to be freed */
    assert_int_equal(toy->frees_n, frees + 1);
    toy->frees_n = 0;
    return rc;
}

static void specs_that_make_no_sense_are_refused_and_freed(void **state)
{
    struct belay_child_ops ops;
    struct belay_child_spec good, spec;
    struct toy *a = &toys[0];

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(a, &k, "a");
    good = toy_spec(a, BELAY_RESTART_DEFAULT);
    spec = good;
    spec.restart = (enum belay_restart)9;
    assert_int_equal(try(a, &spec, "restart"), BELAY_EINVAL);
    spec = good;
    spec.shutdown_ms = -7;
    assert_int_equal(try(a, &spec, "shutdown_ms"), BELAY_EINVAL);
    spec = good;
    spec.id = "";
    assert_int_equal(try(a, &spec, "id"), BELAY_EINVAL);
    spec = good;
    spec.id = "a\nb";
    assert_int_equal(try(a, &spec, "id"), BELAY_EINVAL);
    spec = good;
    spec.size = 3;
    assert_int_equal(try(a, &spec, "size"), BELAY_EINVAL);
    for (int i = 0; i < 3; i++) {
        ops = *good.ops;
        if (i == 0)
            ops.start = NULL;
        if (i == 1)
            ops.stop = NULL;
        if (i == 2)
            ops.noun = NULL;
        spec = good;
        spec.ops = &ops;
        assert_int_equal(try(a, &spec, (const char *[]){"start", "stop", "noun"}[i]), BELAY_EINVAL);
    }
    spec = good;
    spec.ops = NULL;
    assert_int_equal(belay_supervisor_start_child(k.supervisor, &spec, NULL, NULL, NULL, NULL),
                     BELAY_EINVAL);
    assert_int_equal(belay_supervisor_start_child(k.supervisor, NULL, NULL, NULL, NULL, NULL),
                     BELAY_EINVAL);
    spec = good;
    assert_int_equal(belay_supervisor_start_child(NULL, &spec, NULL, NULL, NULL, NULL),
                     BELAY_EINVAL);
    assert_int_equal(a->frees_n, 1);
    kit_settle(&k);
    assert_int_equal(a->starts_n, 0);
    assert_int_equal(stats().children, 0);
}

static void an_id_is_unique_among_siblings(void **state)
{
    struct belay_child_spec spec;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toys_start(toys, &k, "a");
    toy_init(&toys[1], &k, "a");
    spec = toy_spec(&toys[1], BELAY_RESTART_DEFAULT);
    assert_int_equal(try(&toys[1], &spec, "supervisor has a child of that name already: a"),
                     BELAY_EEXISTS);
    /* It is free again as soon as its child is forgotten. */
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", NULL, NULL), 0);
    kit_settle(&k);
    assert_int_equal(belay_supervisor_delete_child(k.supervisor, "a"), 0);
    assert_false(there_is("a"));
    toy_init(&toys[1], &k, "a");
    spec = toy_spec(&toys[1], BELAY_RESTART_DEFAULT);
    assert_int_equal(belay_supervisor_start_child(k.supervisor, &spec, NULL, NULL, NULL, NULL), 0);
    kit_settle(&k);
    assert_int_equal(toys[0].frees_n, 1);
    assert_ptr_equal(info_of("a").object, &toys[1]);
}

static void children_without_an_id_are_numbered(void **state)
{
    const char *id[3];

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[3], &k, "toy-2");
    toy_start(&toys[3], BELAY_RESTART_DEFAULT);
    for (int i = 0; i < 3; i++) {
        struct belay_child_spec spec;

        toy_init(&toys[i], &k, "x");
        spec = toy_spec(&toys[i], BELAY_RESTART_DEFAULT);
        spec.id = NULL;
        assert_int_equal(
            belay_supervisor_start_child(k.supervisor, &spec, NULL, NULL, &id[i], NULL), 0);
    }
    assert_string_equal(id[0], "toy-1");
    assert_string_equal(id[1], "toy-3");
    assert_string_equal(id[2], "toy-4");
    kit_settle(&k);
    assert_string_equal(info_of("toy-3").id, "toy-3");
}

static void no_more_than_max_children(void **state)
{
    struct belay_supervisor_options o = kit_options(&k, BELAY_ONE_FOR_ONE);
    struct belay_child_spec spec;

    (void)state;
    o.max_children = 2;
    assert_int_equal(belay_supervisor_open(k.loop, &o, &k.supervisor, NULL), 0);
    toys_start(toys, &k, "ab");
    toy_init(&toys[2], &k, "c");
    spec = toy_spec(&toys[2], BELAY_RESTART_DEFAULT);
    assert_int_equal(try(&toys[2], &spec, "max_children"), BELAY_EFULL);
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", NULL, NULL), 0);
    kit_settle(&k);
    spec = toy_spec(&toys[2], BELAY_RESTART_DEFAULT);
    assert_int_equal(try(&toys[2], &spec, "max_children"), BELAY_EFULL); /* a is still known */
    assert_int_equal(belay_supervisor_delete_child(k.supervisor, "a"), 0);
    toy_start(&toys[2], BELAY_RESTART_DEFAULT);
    assert_true(there_is("c"));
}

static void options_that_make_no_sense_are_refused(void **state)
{
    struct belay_supervisor_options o = belay_supervisor_options_init();
    struct belay_supervisor *s;
    struct belay_error error;

    (void)state;
    o.name = "";
    assert_int_equal(belay_supervisor_open(k.loop, &o, &s, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "name"));
    o.name = NULL;
    o.strategy = (enum belay_strategy)4;
    assert_int_equal(belay_supervisor_open(k.loop, &o, &s, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "strategy"));
    assert_int_equal(belay_supervisor_open(NULL, NULL, &s, &error), BELAY_EINVAL);
    assert_int_equal(belay_supervisor_open(k.loop, NULL, NULL, &error), BELAY_EINVAL);
    belay_supervisor_close(NULL, NULL, NULL);
    belay_supervisor_unref(NULL);
    assert_null(belay_supervisor_ref(NULL));
}

/* ---- stopping, starting again, forgetting ---- */

static void calls_for_children_that_there_are_not(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", kit_told, &k), BELAY_ENONAME);
    assert_int_equal(belay_supervisor_restart_child(k.supervisor, "a", kit_told, &k),
                     BELAY_ENONAME);
    assert_int_equal(belay_supervisor_delete_child(k.supervisor, "a"), BELAY_ENONAME);
    assert_int_equal(belay_supervisor_delete_child(k.supervisor, NULL), BELAY_EINVAL);
    assert_int_equal(belay_supervisor_stop_child(NULL, "a", kit_told, &k), BELAY_EINVAL);
    assert_false(there_is("a"));
    assert_false(there_is(NULL));
    kit_settle(&k);
    assert_journal(&k, "");
}

static void only_stopped_children_are_started_and_forgotten(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toys_start(toys, &k, "a");
    toys[0].on_stop = 'x';
    for (int i = 0; i < 2; i++) { /* while it runs, and while it stops */
        assert_int_equal(belay_supervisor_restart_child(k.supervisor, "a", kit_told, &k),
                         BELAY_EINVAL);
        assert_int_equal(belay_supervisor_delete_child(k.supervisor, "a"), BELAY_EINVAL);
        assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", kit_told, &k), 0);
        kit_settle(&k);
        assert_int_equal(info_of("a").state, BELAY_CHILD_STOPPING);
        assert_int_equal(stats().running, 0);
    }
    assert_journal(&k, "stop a");
    toy_ends(&toys[0], BELAY_EXIT_NORMAL);
    assert_journal(&k, "a ok, a ok");
    assert_int_equal(info_of("a").state, BELAY_CHILD_STOPPED);
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", kit_told, &k), 0);
    kit_settle(&k);
    assert_journal(&k, "a ok"); /* it does not run */
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", kit_told, &k), 0);
    assert_int_equal(belay_supervisor_restart_child(k.supervisor, "a", kit_told, &k), BELAY_EINVAL);
    kit_settle(&k); /* first somebody had to be told that it is stopped */
    assert_int_equal(belay_supervisor_restart_child(k.supervisor, "a", kit_told, &k), 0);
    assert_int_equal(belay_supervisor_restart_child(k.supervisor, "a", kit_told, &k), BELAY_EINVAL);
    kit_settle(&k);
    assert_journal(&k, "a ok, start a, a ok");
}

static void a_stop_ends_a_start_that_is_under_way(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[0], &k, "a");
    toy_init(&toys[1], &k, "b");
    toys[0].starts = "l";
    toy_start(&toys[0], BELAY_RESTART_DEFAULT);
    toy_start(&toys[1], BELAY_RESTART_DEFAULT);
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "b", kit_told, &k), 0);
    kit_settle(&k);
    assert_journal(&k, "start a, b ECANCELLED, b ok, free b");
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", kit_told, &k), 0);
    kit_settle(&k);
    assert_journal(&k, "stop a, a ECANCELLED, a ok, free a");
    assert_int_equal(stats().children, 0);
}

static void a_late_answer_to_a_stop_is_an_end(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[0], &k, "a");
    toys[0].starts = "l";
    toys[0].on_stop = 'x';
    toy_start(&toys[0], BELAY_RESTART_DEFAULT);
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "a", kit_told, &k), 0);
    kit_settle(&k);
    assert_journal(&k, "start a, stop a");
    toy_fails(&toys[0], BELAY_ECONNECT); /* as if it had ended */
    assert_journal(&k, "a ECANCELLED, a ok, free a");
}

/* ---- looking ---- */

static void children_are_listed_in_order_of_their_start(void **state)
{
    struct belay_child_info info = belay_child_info_init();

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toys_start(toys, &k, "abcd");
    for (size_t i = 0; i < 4; i++) {
        assert_true(belay_supervisor_get_child(k.supervisor, i, &info));
        assert_string_equal(info.id, toys[i].name);
        assert_string_equal(info.noun, "toy");
        assert_int_equal(info.state, BELAY_CHILD_RUNNING);
        assert_int_equal(info.restart, BELAY_RESTART_PERMANENT);
        assert_ptr_equal(info.object, &toys[i]);
    }
    assert_false(belay_supervisor_get_child(k.supervisor, 4, &info));
    assert_true(belay_supervisor_get_child(k.supervisor, 1, &info));
    assert_string_equal(info.id, "b");
    assert_true(belay_supervisor_get_child(k.supervisor, 3, &info));
    assert_int_equal(belay_supervisor_stop_child(k.supervisor, "b", NULL, NULL), 0);
    kit_settle(&k);
    assert_true(belay_supervisor_get_child(k.supervisor, 1, &info));
    assert_int_equal(belay_supervisor_delete_child(k.supervisor, "b"), 0);
    assert_true(belay_supervisor_get_child(k.supervisor, 1, &info));
    assert_string_equal(info.id, "c");
    kit_settle(&k);
    assert_int_equal(toys[1].frees_n, 1);
    assert_true(belay_supervisor_get_child(k.supervisor, 1, &info));
    assert_string_equal(info.id, "c");
    assert_true(belay_supervisor_get_child(k.supervisor, 2, &info));
    assert_string_equal(info.id, "d");
    assert_false(belay_supervisor_get_child(k.supervisor, 3, &info));
    assert_int_equal(stats().children, 3);
    assert_int_equal(stats().running, 3);
}

static void an_older_program_gets_what_it_knows(void **state)
{
    struct belay_child_info info;
    struct belay_supervisor_stats s;

    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toys_start(toys, &k, "a");
    memset(&info, 0x55, sizeof info);
    info.size = offsetof(struct belay_child_info, noun);
    assert_true(belay_supervisor_get_child(k.supervisor, 0, &info));
    assert_string_equal(info.id, "a");
    assert_int_equal(info.size, offsetof(struct belay_child_info, noun));
    assert_int_equal(((const unsigned char *)&info.noun)[0], 0x55);
    memset(&s, 0x55, sizeof s);
    s.size = offsetof(struct belay_supervisor_stats, running);
    belay_supervisor_get_stats(k.supervisor, &s);
    assert_int_equal(s.children, 1);
    assert_int_equal(s.running, 0x55555555);
}

static void states_of_those_that_wait(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ALL);
    for (int i = 0; i < 2; i++) {
        toy_init(&toys[i], &k, (const char *[]){"a", "b"}[i]);
        toys[i].starts = "l";
        toy_start(&toys[i], BELAY_RESTART_DEFAULT);
    }
    assert_int_equal(info_of("a").state, BELAY_CHILD_STARTING);
    assert_int_equal(info_of("b").state, BELAY_CHILD_STARTING);
    toy_up(&toys[0]);
    toy_up(&toys[1]);
    toy_ends(&toys[0], BELAY_EXIT_ERROR);
    assert_int_equal(info_of("a").state, BELAY_CHILD_STARTING);
    assert_int_equal(info_of("b").state, BELAY_CHILD_RESTARTING);
}

static void how_children_end_is_logged_where_it_is_abnormal(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toys_start(toys, &k, "a");
    toy_ends(&toys[0], BELAY_EXIT_NORMAL);
    toy_ends(&toys[0], BELAY_EXIT_SHUTDOWN);
    assert_string_equal(k.log, "");
    toy_ends(&toys[0], BELAY_EXIT_KILLED);
    assert_string_equal(k.log, "supervisor: a has ended: killed\n");
}

static void restarts_are_counted_and_shown(void **state)
{
    (void)state;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toys_start(toys, &k, "ab");
    toys[0].starts = "ufl";
    toy_ends(&toys[0], BELAY_EXIT_ERROR);
    assert_journal(&k, "start a, start a");
    assert_int_equal(info_of("a").state, BELAY_CHILD_RESTARTING);
    assert_int_equal(info_of("a").restarts, 2);
    assert_int_equal(info_of("b").restarts, 0);
    assert_int_equal(stats().restarts, 2);
    toy_up(&toys[0]);
    assert_int_equal(info_of("a").state, BELAY_CHILD_RUNNING);
    assert_journal(&k, "");               /* whoever asked for the first start was told of that */
    toy_ends(&toys[0], BELAY_EXIT_ERROR); /* one start more, which has not failed yet */
    assert_int_equal(info_of("a").state, BELAY_CHILD_STARTING);
    assert_journal(&k, "start a");
    assert_string_equal(k.log, "supervisor: a has ended: it broke\n"
                               "supervisor: a did not start: it would not start\n"
                               "supervisor: a has ended: it broke\n");
}

/* ---- what the trace sees ---- */

static void on_trace(const struct belay_trace *t, void *arg)
{
    (void)arg;
    kit_note(&k, "%s %s: %s > %s (%s)", t->noun, t->name, t->from ? t->from : "-",
             t->to ? t->to : "-", t->cause);
}

static void every_change_is_traced(void **state)
{
    (void)state;
    k.loop->on_trace = on_trace;
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[0], &k, "a");
    toy_start(&toys[0], BELAY_RESTART_DEFAULT);
    assert_journal(&k, "supervisor supervisor: - > open (), child a: - > stopped (supervisor), "
                       "child a: stopped > starting (), start a, child a: starting > running (), "
                       "a ok");
    toy_ends(&toys[0], BELAY_EXIT_ERROR);
    assert_journal(&k, "child a: running > stopped (it broke), child a: stopped > starting "
                       "(restart), start a, child a: starting > running ()");
    belay_supervisor_close(k.supervisor, NULL, NULL);
    kit_settle(&k);
    assert_journal(&k, "child a: running > stopping (), stop a, child a: stopping > stopped "
                       "(shutdown), child a: stopped > - (), free a, supervisor supervisor: open "
                       "> - (shutdown), exit shutdown");
    kit_open(&k, BELAY_ONE_FOR_ONE);
    toy_init(&toys[1], &k, "b");
    toys[1].starts = "uf";
    toys[1].on_stop = 'x';
    toy_start(&toys[1], BELAY_RESTART_DEFAULT);
    toys[1].starts = "ufu";
    k.journal[0] = '\0';
    toy_ends(&toys[1], BELAY_EXIT_NORMAL);
    assert_journal(&k, "child b: running > stopped (normal), child b: stopped > starting "
                       "(restart), start b, child b: starting > stopped (it would not start), "
                       "child b: stopped > starting (restart), start b, child b: starting > "
                       "running ()");
    belay_supervisor_close(k.supervisor, NULL, NULL);
    kit_pass(&k, 5000);
    assert_journal(&k,
                   "child b: running > stopping (), stop b, @5000, child b: stopping > stopping "
                   "(kill), kill b, child b: stopping > stopped (killed), child b: stopped > - "
                   "(), free b, supervisor supervisor: open > - (shutdown), exit shutdown");
    k.loop->on_trace = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_happens_inside_the_call_that_asks_for_it),
        TEST(children_start_one_after_another),
        TEST(ways_of_starting),
        TEST(how_a_start_failed_is_told_in_words),
        TEST(specs_that_make_no_sense_are_refused_and_freed),
        TEST(an_id_is_unique_among_siblings),
        TEST(children_without_an_id_are_numbered),
        TEST(no_more_than_max_children),
        TEST(options_that_make_no_sense_are_refused),
        TEST(calls_for_children_that_there_are_not),
        TEST(only_stopped_children_are_started_and_forgotten),
        TEST(a_stop_ends_a_start_that_is_under_way),
        TEST(a_late_answer_to_a_stop_is_an_end),
        TEST(children_are_listed_in_order_of_their_start),
        TEST(an_older_program_gets_what_it_knows),
        TEST(states_of_those_that_wait),
        TEST(how_children_end_is_logged_where_it_is_abnormal),
        TEST(restarts_are_counted_and_shown),
        TEST(every_change_is_traced),
    };

    return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
