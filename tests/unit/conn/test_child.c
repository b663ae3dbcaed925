/* SPDX-License-Identifier: MIT */
/* Child specs, and what a keeper hears of what nouns answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn/child.h"
#include "support/failing_alloc.h"
#include "unit/loop/fake_world.h"

static struct failing_alloc alloc;
static struct fake_world world;
static struct belay_loop *loop;
static struct belay_child child;
static char journal[1024];
static char object[] = "object";
static int start_code;         /* what start returns */
static void (*in_start)(void); /* answers at once */
static void (*in_stop)(void);
static unsigned frees;

static void note(const char *text)
{
    size_t len = strlen(journal);

    snprintf(journal + len, sizeof journal - len, "%s%s", len ? ", " : "", text);
}

static void assert_journal(const char *want)
{
    for (int i = 0; i < 5; i++)
        assert_int_equal(belay_loop_turn(loop, 0), 0);
    assert_string_equal(journal, want);
    journal[0] = '\0';
}

/* ---- the noun ---- */

static int on_start(struct belay_loop *of, struct belay_child *c, void *arg)
{
    assert_ptr_equal(of, loop);
    assert_ptr_equal(c, &child);
    assert_ptr_equal(arg, object);
    if (in_start)
        in_start();
    return start_code;
}

static void on_stop(struct belay_child *c, void *it, void *arg)
{
    assert_ptr_equal(c, &child);
    assert_ptr_equal(arg, object);
    note(it ? "stop object" : "stop nothing");
    if (in_stop)
        in_stop();
}

static void on_kill(struct belay_child *c, void *it, void *arg)
{
    (void)c;
    (void)arg;
    note(it ? "kill object" : "kill nothing");
}

static void on_free(void *arg)
{
    assert_ptr_equal(arg, object);
    frees++;
}

static struct belay_child_ops ops = {sizeof ops, "noun", on_start, on_stop, on_kill, on_free};

static struct belay_child_spec spec_of(const char *id)
{
    struct belay_child_spec spec = belay_child_spec_init();

    spec.id = id;
    spec.ops = &ops;
    spec.arg = object;
    return spec;
}

/* ---- the keeper ---- */

static void started(struct belay_child *c)
{
    note(c->object == object ? "started" : "started something else");
}

static void failed(struct belay_child *c, const struct belay_error *error)
{
    assert_false(c->active);
    note("failed");
    note(error->text);
}

static void ended(struct belay_child *c, struct belay_exit why)
{
    assert_false(c->active);
    assert_null(c->object);
    note(belay_exit_name(why.kind));
    if (why.error)
        note(why.error->text);
}

static const struct bl_child_keeper keeper = {started, failed, ended};

static int set_up(void **state)
{
    struct belay_child_spec spec = spec_of("it");
    struct bl_child_spec taken;

    (void)state;
    failing_alloc_init(&alloc);
    fake_world_open(&world, &alloc.allocator);
    loop = world.loop;
    journal[0] = '\0';
    start_code = 0;
    in_start = in_stop = NULL;
    frees = 0;
    ops.kill = on_kill;
    assert_int_equal(bl_child_spec_take(&taken, &loop->mem, &spec, NULL), 0);
    bl_child_init(&child, loop, &keeper, &taken);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (child.active)
        belay_child_ended(&child, (struct belay_exit){BELAY_EXIT_NORMAL, NULL});
    bl_child_fini(&child);
    assert_int_equal(frees, 1);
    fake_world_close(&world);
    assert_int_equal(failing_alloc_live(&alloc), 0);
    return 0;
}

static void up(void)
{
    belay_child_started(&child, object);
}

static void no(void)
{
    belay_child_ignored(&child);
}

static void down(void)
{
    belay_child_ended(&child, (struct belay_exit){BELAY_EXIT_NORMAL, NULL});
}

static void broken(void)
{
    struct belay_error error = {.code = BELAY_ERESET, .text = "it broke"};

    belay_child_ended(&child, (struct belay_exit){BELAY_EXIT_ERROR, &error});
}

static void refuse(void)
{
    struct belay_error error = {.code = BELAY_ECONNECT, .text = "no way"};

    belay_child_failed(&child, &error);
}

/* ---- names ---- */

static void ways_of_ending_have_names(void **state)
{
    (void)state;
    assert_string_equal(belay_exit_name(BELAY_EXIT_NORMAL), "normal");
    assert_string_equal(belay_exit_name(BELAY_EXIT_SHUTDOWN), "shutdown");
    assert_string_equal(belay_exit_name(BELAY_EXIT_KILLED), "killed");
    assert_string_equal(belay_exit_name(BELAY_EXIT_ERROR), "error");
    assert_string_equal(belay_exit_name((enum belay_exit_kind)77), "unknown");
}

/* ---- specs ---- */

static void a_spec_is_taken_whole(void **state)
{
    char id[] = "name";
    struct belay_child_spec spec = spec_of(id);
    struct bl_child_spec taken, copy;

    (void)state;
    assert_int_equal(bl_child_spec_take(&taken, &loop->mem, &spec, NULL), 0);
    assert_null(spec.arg);
    assert_null(spec.ops);
    belay_child_spec_free(&spec);
    assert_int_equal(frees, 0);
    id[0] = 'X';
    assert_string_equal(taken.id, "name");
    assert_int_equal(taken.restart, BELAY_RESTART_PERMANENT);
    assert_int_equal(taken.shutdown_ms, 5000);
    assert_int_equal(bl_child_spec_copy(&copy, &loop->mem, &taken), 0);
    assert_string_equal(copy.id, "name");
    assert_ptr_not_equal(copy.id, taken.id);
    assert_ptr_equal(copy.arg, object);
    bl_child_spec_drop(&copy, &loop->mem);
    assert_int_equal(frees, 0);
    bl_child_spec_drop(&taken, &loop->mem);
    assert_int_equal(frees, 1);
    bl_child_spec_drop(&taken, &loop->mem);
    assert_int_equal(frees, 1);
    frees = 0;
}

static void limits_of_time(void **state)
{
    static const int64_t given[] = {0, BELAY_NONE, BELAY_FOREVER, 1, INT64_C(31536000000)};
    static const int64_t want[] = {5000, 0, INT64_MAX, 1, INT64_C(31536000000)};

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct belay_child_spec spec = spec_of(NULL);
        struct bl_child_spec taken;

        spec.shutdown_ms = given[i];
        assert_int_equal(bl_child_spec_take(&taken, &loop->mem, &spec, NULL), 0);
        assert_int_equal(taken.shutdown_ms, want[i]);
        bl_child_spec_drop(&taken, &loop->mem);
    }
    frees = 0;
}

static void without_memory_a_spec_is_freed_and_refused(void **state)
{
    struct belay_child_spec spec = spec_of("name");
    struct bl_child_spec taken, copy;
    struct belay_error error;

    (void)state;
    failing_alloc_once(&alloc, 1);
    assert_int_equal(bl_child_spec_take(&taken, &loop->mem, &spec, &error), BELAY_ENOMEM);
    assert_int_equal(error.code, BELAY_ENOMEM);
    assert_int_equal(frees, 1);
    spec = spec_of("name");
    assert_int_equal(bl_child_spec_take(&taken, &loop->mem, &spec, NULL), 0);
    failing_alloc_once(&alloc, 1);
    assert_int_equal(bl_child_spec_copy(&copy, &loop->mem, &taken), BELAY_ENOMEM);
    bl_child_spec_drop(&copy, &loop->mem);
    bl_child_spec_drop(&taken, &loop->mem);
    assert_int_equal(frees, 2);
    frees = 0;
}

static void ops_of_an_older_program_are_complete_with_nothing(void **state)
{
    struct belay_child_ops older = ops;
    struct belay_child_spec spec = spec_of(NULL);
    struct bl_child_spec taken;

    (void)state;
    older.size = offsetof(struct belay_child_ops, kill);
    spec.ops = &older;
    assert_int_equal(bl_child_spec_take(&taken, &loop->mem, &spec, NULL), 0);
    assert_null(taken.ops.kill);
    assert_null(taken.ops.free);
    bl_child_spec_drop(&taken, &loop->mem);
    assert_int_equal(frees, 0);
}

/* ---- starting ---- */

static void answers_are_heard_later(void **state)
{
    (void)state;
    in_start = up;
    bl_child_start(&child);
    assert_string_equal(journal, "");
    assert_journal("started");
    broken();
    assert_string_equal(journal, "");
    assert_journal("error, it broke");
    in_start = refuse;
    bl_child_start(&child);
    assert_journal("failed, no way");
    in_start = no;
    bl_child_start(&child);
    assert_journal("failed, it: it did not want to start");
    in_start = NULL;
    start_code = BELAY_EMFILE;
    bl_child_start(&child);
    assert_journal("failed, it: no more file descriptors");
}

static void up_and_down_at_once_are_heard_in_order(void **state)
{
    (void)state;
    bl_child_start(&child);
    up();
    down();
    assert_journal("started, normal");
}

static void only_the_first_answer_counts(void **state)
{
    (void)state;
    bl_child_start(&child);
    up();
    up();
    refuse();
    no();
    assert_journal("started");
    down();
    broken();
    up();
    assert_journal("normal");
    down();
    assert_journal("");
    in_start = refuse;
    start_code = BELAY_ENOMEM; /* said twice */
    bl_child_start(&child);
    up();
    assert_journal("failed, no way");
}

static void an_end_before_the_start_is_a_failed_start(void **state)
{
    (void)state;
    in_start = down;
    bl_child_start(&child);
    assert_journal("failed, it: it ended (normal) before it had started");
    in_start = broken;
    bl_child_start(&child);
    assert_journal("failed, it broke");
}

static void an_error_is_never_missing(void **state)
{
    struct belay_error none = {0};

    (void)state;
    bl_child_start(&child);
    belay_child_failed(&child, NULL);
    assert_journal("failed, it: its start failed without an error");
    bl_child_start(&child);
    belay_child_failed(&child, &none);
    assert_journal("failed, it: its start failed without an error");
    bl_child_start(&child);
    up();
    belay_child_ended(&child, (struct belay_exit){BELAY_EXIT_ERROR, NULL});
    assert_journal("started, error, it: it ended (error) without an error");
    bl_child_start(&child);
    up();
    belay_child_ended(&child, (struct belay_exit){BELAY_EXIT_ERROR, &none});
    assert_journal("started, error, it: it ended (error) without an error");
    bl_child_start(&child);
    up();
    belay_child_ended(&child, (struct belay_exit){BELAY_EXIT_SHUTDOWN, &none});
    assert_journal("started, shutdown");
}

static void without_memory_the_code_is_told(void **state)
{
    (void)state;
    bl_child_start(&child);
    failing_alloc_from(&alloc, 1);
    refuse();
    failing_alloc_from(&alloc, 0);
    assert_journal("failed, could not connect");
}

static const struct belay_tried *tried;

static void failed_with_tried(struct belay_child *c, const struct belay_error *error)
{
    (void)c;
    assert_int_equal(error->tried_n, 2);
    assert_int_equal(error->tried[1].os_error, 111);
    assert_ptr_not_equal(error->tried, tried);
    note("heard");
}

static void every_address_that_was_tried_is_told(void **state)
{
    static const struct bl_child_keeper other = {started, failed_with_tried, ended};
    struct belay_tried two[2] = {{.os_error = 110}, {.os_error = 111}};
    struct belay_error error = {.code = BELAY_ECONNECT, .tried = two, .tried_n = 2};

    (void)state;
    tried = two;
    child.keeper = &other;
    bl_child_start(&child);
    belay_child_failed(&child, &error);
    memset(two, 0, sizeof two);
    assert_journal("heard");
}

/* ---- stopping ---- */

static void stopped_once_however_often_it_is_asked(void **state)
{
    (void)state;
    bl_child_stop(&child); /* it does not even run */
    bl_child_kill(&child);
    bl_child_start(&child);
    up();
    bl_child_stop(&child);
    bl_child_stop(&child);
    assert_journal("stop object, started");
    bl_child_kill(&child);
    bl_child_kill(&child);
    bl_child_stop(&child);
    assert_journal("kill object");
    down();
    bl_child_stop(&child); /* its end is still to be told */
    assert_journal("normal");
}

static void stopped_while_it_starts_only_its_end_is_awaited(void **state)
{
    (void)state;
    bl_child_start(&child);
    bl_child_stop(&child);
    up();
    assert_journal("stop nothing");
    bl_child_kill(&child); /* it has an object by now */
    assert_journal("kill object");
    down();
    assert_journal("normal");
    bl_child_start(&child);
    bl_child_stop(&child);
    refuse();
    assert_journal("stop nothing, error, no way");
    bl_child_start(&child);
    bl_child_stop(&child);
    no();
    assert_journal("stop nothing, shutdown, it: it did not want to start");
    in_stop = down;
    bl_child_start(&child);
    bl_child_stop(&child);
    assert_journal("stop nothing, normal");
}

static void what_cannot_be_killed_is_stopped(void **state)
{
    (void)state;
    child.spec.ops.kill = NULL;
    bl_child_start(&child);
    up();
    bl_child_kill(&child);
    bl_child_kill(&child);
    assert_journal("stop object, started");
}

static void a_failure_on_its_way_is_not_stopped(void **state)
{
    (void)state;
    bl_child_start(&child);
    refuse();
    bl_child_stop(&child);
    assert_journal("failed, no way");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ways_of_ending_have_names),
        TEST(a_spec_is_taken_whole),
        TEST(limits_of_time),
        TEST(without_memory_a_spec_is_freed_and_refused),
        TEST(ops_of_an_older_program_are_complete_with_nothing),
        TEST(answers_are_heard_later),
        TEST(up_and_down_at_once_are_heard_in_order),
        TEST(only_the_first_answer_counts),
        TEST(an_end_before_the_start_is_a_failed_start),
        TEST(an_error_is_never_missing),
        TEST(without_memory_the_code_is_told),
        TEST(every_address_that_was_tried_is_told),
        TEST(stopped_once_however_often_it_is_asked),
        TEST(stopped_while_it_starts_only_its_end_is_awaited),
        TEST(what_cannot_be_killed_is_stopped),
        TEST(a_failure_on_its_way_is_not_stopped),
    };

    return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
