/* SPDX-License-Identifier: MIT */
/* Closing: in what order things end, from where it may be called, and that all memory comes back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_world.h"
#include "support/failing_alloc.h"

static struct fake_world w;
static struct failing_alloc memory;
static char ran[64];

static void note(char c)
{
    size_t len = strlen(ran);
    assert_true(len + 1 < sizeof ran);
    ran[len] = c;
    ran[len + 1] = '\0';
}

static void on_note(void *arg)
{
    note(*(const char *)arg);
}

static void on_worker(void *arg)
{
    (void)arg;
}

/* An object that ends so many turns after it was told to close. */
struct thing {
    struct bl_object object;
    struct bl_task task;
    char name;
    int turns;
    int told;
    struct thing *opens;
    struct bl_task *leaves;
};

static void thing_close(struct bl_object *object);

static void thing_open(struct thing *t, char name, int turns)
{
    t->name = name;
    t->turns = turns;
    bl_object_init(&t->object, w.loop, "thing", thing_close);
}

static void thing_step(void *arg)
{
    struct thing *t = arg;
    if (t->turns-- > 0) {
        assert_int_equal(belay_loop_post(w.loop, on_note, "!"), BELAY_ECLOSED);
        bl_task_post(w.loop, &t->task);
        return;
    }
    bl_object_fini(&t->object, w.loop);
    note(t->name);
    if (t->leaves)
        bl_task_post(w.loop, t->leaves);
    if (t->opens)
        thing_open(t->opens, 'N', 0);
}

static void thing_close(struct bl_object *object)
{
    struct thing *t = BL_CONTAINER(object, struct thing, object);
    if (t->told++ == 0) {
        bl_task_init(&t->task, thing_step, t);
        bl_task_post(w.loop, &t->task);
    }
}

static void free_room(struct belay_loop *loop, void *ptr)
{
    assert_ptr_equal(loop, w.loop);
    note(*(const char *)ptr);
}

static int set_up(void **state)
{
    (void)state;
    ran[0] = '\0';
    failing_alloc_init(&memory);
    fake_world_open(&w, &memory.allocator);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_world_close(&w);
    assert_int_equal(failing_alloc_live(&memory), 0);
    return 0;
}

static void closing_ends_objects_then_rooms_from_the_highest_then_tells(void **state)
{
    (void)state;
    struct thing a = {0}, b = {0};
    w.loop->rooms[BL_ROOM_NET].ptr = "0";
    w.loop->rooms[BL_ROOM_NET].free = free_room;
    w.loop->rooms[BL_ROOM_CONN].ptr = "2";
    w.loop->rooms[BL_ROOM_CONN].free = free_room;
    thing_open(&a, 'a', 20);
    thing_open(&b, 'b', 0);
    assert_true(a.object.id != b.object.id);
    assert_int_equal(belay_loop_post(w.loop, on_note, "p"), 0);
    failing_alloc_from(&memory, 1); /* closing never allocates */
    belay_loop_close(w.loop, on_note, "C");
    belay_loop_close(w.loop, on_note, "D"); /* once is enough */
    assert_string_equal(ran, "");
    assert_int_equal(belay_loop_run(w.loop), 0);
    assert_string_equal(ran, "pba20C");
    assert_null(w.loop);
    assert_int_equal(a.told, 1);
}

static void an_object_made_while_closing_is_closed_too(void **state)
{
    (void)state;
    struct thing a = {0}, late = {0};
    a.opens = &late;
    thing_open(&a, 'a', 1);
    belay_loop_free(w.loop);
    assert_string_equal(ran, "aN");
    assert_int_equal(late.told, 1);
}

static void close_loop(void *arg)
{
    note('x');
    belay_loop_close(w.loop, on_note, arg);
}

static void what_the_last_object_leaves_to_be_done_is_done(void **state)
{
    (void)state;
    for (int turns = 0; turns < 20; turns++) { /* in whichever round of a turn that is */
        struct bl_task last;
        struct thing a = {.leaves = &last};
        bl_task_init(&last, on_note, "l");
        ran[0] = '\0';
        thing_open(&a, 'a', turns);
        fake_world_close(&w);
        assert_string_equal(ran, "al");
        assert_int_equal(failing_alloc_live(&memory), 0);
        fake_world_open(&w, &memory.allocator);
    }
}

static void who_asks_later_to_be_told_is_told(void **state)
{
    (void)state;
    struct thing a = {0};
    thing_open(&a, 'a', 2);
    belay_loop_close(w.loop, NULL, NULL);
    belay_loop_close(w.loop, on_note, "C");
    belay_loop_free(w.loop);
    assert_null(w.loop);
    assert_string_equal(ran, "aC");
}

static void closing_in_a_post_ends_the_run(void **state)
{
    (void)state;
    struct thing a = {0};
    thing_open(&a, 'a', 2);
    assert_int_equal(belay_loop_post(w.loop, close_loop, "C"), 0);
    assert_int_equal(belay_loop_post(w.loop, on_note, "p"), 0);
    assert_int_equal(belay_loop_run(w.loop), 0);
    assert_string_equal(ran, "xpaC");
}

static void closing_in_a_timer_during_a_single_turn_ends_in_the_turns_that_follow(void **state)
{
    (void)state;
    struct belay_timer *timer, *other;
    assert_int_equal(belay_timer_new(w.loop, close_loop, "C", &timer), 0);
    assert_int_equal(belay_timer_new(w.loop, on_note, "t", &other), 0);
    belay_timer_start(timer, 10);
    belay_timer_start(other, 10);
    while (w.loop)
        assert_int_equal(belay_loop_turn(w.loop, 5), 0);
    assert_string_equal(ran, "xC"); /* and the other timer, due in the same moment, was stopped */
}

static void on_watch(unsigned events, void *arg)
{
    (void)events;
    close_loop(arg);
}

static void closing_in_a_watch_stops_all_watches(void **state)
{
    (void)state;
    struct belay_watch *a, *b;
    assert_int_equal(belay_watch_new(w.loop, 3, BELAY_READABLE, on_watch, "C", &a), 0);
    assert_int_equal(belay_watch_new(w.loop, 4, BELAY_READABLE, on_watch, "D", &b), 0);
    fake_world_ready(&w, 3, BELAY_READABLE);
    assert_int_equal(belay_loop_run(w.loop), 0);
    assert_string_equal(ran, "xC");
}

static void everything_is_refused_after_close(void **state)
{
    (void)state;
    struct belay_timer *timer;
    struct belay_watch *watch;
    struct thing a = {0};
    thing_open(&a, 'a', 3);
    assert_int_equal(belay_timer_new(w.loop, on_note, "t", &timer), 0);
    assert_int_equal(belay_watch_new(w.loop, 3, 0, on_watch, "C", &watch), 0);
    belay_loop_close(w.loop, NULL, NULL);
    belay_timer_start(timer, 0);
    assert_int_equal(belay_watch_set(watch, BELAY_READABLE), BELAY_ECLOSED);
    assert_int_equal(belay_timer_new(w.loop, on_note, "t", &timer), BELAY_ECLOSED);
    assert_int_equal(belay_watch_new(w.loop, 3, 0, on_watch, "C", &watch), BELAY_ECLOSED);
    assert_int_equal(belay_loop_post(w.loop, on_note, "p"), BELAY_ECLOSED);
    assert_int_equal(belay_loop_offload(w.loop, on_note, on_note, "w"), BELAY_ECLOSED);
    belay_loop_free(w.loop);
    assert_string_equal(ran, "a");
}

static void the_trace_tells_changes_with_the_time_of_the_turn(const struct belay_trace *trace,
                                                              void *arg)
{
    int *n = arg;
    ++*n;
    assert_int_equal(trace->now_ns, 1000000000u);
    assert_string_equal(trace->noun, "thing");
    assert_int_equal(trace->id, 7);
    assert_null(trace->from);
    assert_string_equal(trace->to, "open");
}

static void a_trace_costs_nothing_without_a_listener(void **state)
{
    (void)state;
    int n = 0;
    BL_TRACE(w.loop, "thing", 7, "name", NULL, "open", "test");
    w.loop->on_trace = the_trace_tells_changes_with_the_time_of_the_turn;
    w.loop->trace_arg = &n;
    BL_TRACE(w.loop, "thing", 7, "name", NULL, "open", "test");
    assert_int_equal(n, 1);
}

/* ---- every allocation fails once ---- */

static void scenario(struct belay_loop_options *o, bool *ret_done)
{
    struct belay_loop *loop = NULL;
    struct belay_timer *timer = NULL;
    struct belay_watch *watch = NULL;
    struct belay_error error = {0};
    int fds[2];
    int rc = belay_loop_new(o, &loop, &error);
    if (rc) {
        assert_int_equal(rc, BELAY_ENOMEM);
        assert_int_equal(error.code, BELAY_ENOMEM);
        assert_non_null(strstr(error.text, "memory"));
        assert_null(loop);
        return;
    }

    assert_int_equal(pipe(fds), 0);
    ran[0] = '\0';
    rc = belay_timer_new(loop, on_note, "t", &timer);
    if (!rc)
        belay_timer_start(timer, 0);
    if (!rc)
        rc = belay_watch_new(loop, fds[0], BELAY_READABLE, on_watch, NULL, &watch);
    if (!rc)
        rc = belay_loop_post(loop, on_note, "p");
    if (!rc)
        rc = belay_loop_offload(loop, on_worker, on_note, "w");
    if (!rc)
        rc = belay_loop_descriptor(loop) >= 0 ? 0 : BELAY_ENOMEM;
    assert_true(rc == 0 || rc == BELAY_ENOMEM);
    belay_loop_free(loop);
    *ret_done = rc == 0;

    close(fds[0]);
    close(fds[1]);
}

static void a_loop_survives_the_failure_of_each_allocation(void **state)
{
    (void)state;
    struct failing_alloc f;
    struct belay_world world = belay_world_init();
    struct belay_loop_options o = belay_loop_options_init();
    world.allocator = &f.allocator;
    o.world = &world;
    o.dns_servers = "192.0.2.1";
    o.hosts_file = "/dev/null";
    size_t n = 1;
    for (bool done = false; !done; n++) {
        failing_alloc_init(&f);
        failing_alloc_once(&f, n);
        scenario(&o, &done);
        assert_int_equal(failing_alloc_live(&f), 0);
        assert_true(done || failing_alloc_failures(&f) == 1);
    }
    assert_true(n > 8);
}

static void on_log(enum belay_log_level level, const char *tag, const char *line, void *arg)
{
    assert_int_equal(level, BELAY_LOG_ERROR);
    assert_string_equal(tag, "loop");
    snprintf(arg, 200, "%s", line);
}

/* A debug build aborts there, so that the debugger shows the loop. */
static void references_that_were_kept_are_told(void **state)
{
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_loop *loop;
    char line[200] = "";
    void *kept;

    (void)state;
#ifndef NDEBUG
    skip();
#endif
    o.on_log = on_log;
    o.log_arg = line;
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
    kept = bl_alloc(&loop->mem, 1);
    belay_loop_free(loop);
    assert_non_null(strstr(line, "1 blocks of its memory are still held: references"));
    free(kept);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_that_were_kept_are_told),
        T(closing_ends_objects_then_rooms_from_the_highest_then_tells),
        T(an_object_made_while_closing_is_closed_too),
        T(what_the_last_object_leaves_to_be_done_is_done),
        T(who_asks_later_to_be_told_is_told),
        T(closing_in_a_post_ends_the_run),
        T(closing_in_a_timer_during_a_single_turn_ends_in_the_turns_that_follow),
        T(closing_in_a_watch_stops_all_watches),
        T(everything_is_refused_after_close),
        T(a_trace_costs_nothing_without_a_listener),
        cmocka_unit_test(a_loop_survives_the_failure_of_each_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
