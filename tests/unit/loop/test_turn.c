/* SPDX-License-Identifier: MIT */
/* The turn: frozen time, the order of what runs in it, what ends belay_loop_run. */
#include "fake_world.h"

static char ran[128];
static struct fake_world w;

static void note(char c)
{
    size_t len = strlen(ran);
    assert_true(len + 1 < sizeof ran);
    ran[len] = c;
    ran[len + 1] = '\0';
}

struct step {
    struct bl_task task;
    char name;
    struct step *then_task, *then_flush;
    struct step *cancels;
    belay_fn *then_post;
};

static void on_post(void *arg)
{
    note(*(const char *)arg);
}

static void on_step(void *arg)
{
    struct step *s = arg;
    note(s->name);
    if (s->then_task)
        bl_task_post(w.loop, &s->then_task->task);
    if (s->then_flush)
        bl_flush_post(w.loop, &s->then_flush->task);
    if (s->cancels)
        bl_task_cancel(&s->cancels->task);
    if (s->then_post)
        assert_int_equal(belay_loop_post(w.loop, s->then_post, &s->name), 0);
}

static struct step step_of(char name)
{
    struct step s = {.name = name};
    return s;
}

static void step_init(struct step *s)
{
    bl_task_init(&s->task, on_step, s);
}

static int set_up(void **state)
{
    (void)state;
    ran[0] = '\0';
    fake_world_open(&w, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_world_close(&w);
    return 0;
}

static void turn(int64_t timeout_ms)
{
    assert_int_equal(belay_loop_turn(w.loop, timeout_ms), 0);
}

static void on_slow_event(unsigned events, void *arg)
{
    uint64_t *seen = arg;
    assert_int_equal(events, BELAY_READABLE);
    *seen = bl_now(w.loop);
    assert_int_equal(bl_now_fresh(w.loop), *seen);
    w.now_ns += BL_MS(70); /* this callback takes its time */
}

static void time_stands_still_in_a_turn_and_is_read_once(void **state)
{
    (void)state;
    struct belay_backend_slot a, b;
    uint64_t seen_a = 0, seen_b = 0;
    bl_watch_init(&a, w.loop, 3, on_slow_event, &seen_a);
    bl_watch_init(&b, w.loop, 4, on_slow_event, &seen_b);
    assert_int_equal(bl_watch_set(&a, BELAY_READABLE), 0);
    assert_int_equal(bl_watch_set(&b, BELAY_READABLE), 0);
    fake_world_ready(&w, 3, BELAY_READABLE | BELAY_WRITABLE);
    fake_world_ready(&w, 4, BELAY_READABLE);
    w.clock_reads = 0;
    turn(BELAY_FOREVER);
    assert_int_equal(seen_a, 1000000000u);
    assert_int_equal(seen_b, 1000000000u);
    assert_int_equal(w.clock_reads, 1);
    assert_int_equal(belay_loop_now_ms(w.loop), 1140);
    w.now_ns += BL_MS(10);
    assert_int_equal(belay_loop_now_ms(w.loop), 1140);
    assert_int_equal(bl_now_fresh(w.loop), 1150000000u);
    bl_watch_set(&a, 0);
    bl_watch_set(&b, 0);
}

static void tasks_run_in_order_and_flushes_after_all_of_them(void **state)
{
    (void)state;
    struct step a = step_of('a'), b = step_of('b'), c = step_of('c'), f = step_of('f');
    step_init(&a), step_init(&b), step_init(&c), step_init(&f);
    a.then_task = &c;
    a.then_flush = &f;
    bl_flush_post(w.loop, &f.task);
    bl_task_post(w.loop, &a.task);
    bl_task_post(w.loop, &b.task);
    bl_task_post(w.loop, &a.task); /* posted already */
    assert_true(bl_task_posted(&a.task));
    turn(BELAY_FOREVER);
    assert_string_equal(ran, "abcf");
    assert_false(bl_task_posted(&a.task));
    assert_false(w.slept);
}

static void a_flush_that_posts_a_task_gets_it_run_in_the_same_turn(void **state)
{
    (void)state;
    struct step a = step_of('a'), f = step_of('f'), g = step_of('g');
    step_init(&a), step_init(&f), step_init(&g);
    f.then_task = &a;
    a.then_flush = &g;
    bl_flush_post(w.loop, &f.task);
    turn(0);
    assert_string_equal(ran, "fag");
}

static void a_task_cancelled_by_one_before_it_does_not_run(void **state)
{
    (void)state;
    struct step a = step_of('a'), b = step_of('b'), c = step_of('c');
    step_init(&a), step_init(&b), step_init(&c);
    a.cancels = &b;
    bl_task_post(w.loop, &a.task);
    bl_task_post(w.loop, &b.task);
    bl_task_post(w.loop, &c.task);
    turn(0);
    assert_string_equal(ran, "ac");
}

static void a_task_that_posts_itself_for_ever_leaves_room_for_flushes_and_events(void **state)
{
    (void)state;
    struct step a = step_of('a'), f = step_of('f');
    step_init(&a), step_init(&f);
    a.then_task = &a;
    a.then_flush = &f;
    bl_task_post(w.loop, &a.task);
    belay_backend_end(w.loop);
    assert_string_equal(ran, "aaaaaaaaf");
    assert_true(belay_backend_pending(w.loop)); /* so that no backend sleeps */
    bl_task_cancel(&a.task);
}

static void posts_run_in_the_next_turn_in_order(void **state)
{
    (void)state;
    assert_int_equal(belay_loop_post(w.loop, on_post, "1"), 0);
    assert_int_equal(belay_loop_post(w.loop, on_post, "2"), 0);
    assert_int_equal(belay_loop_post(w.loop, on_post, "3"), 0);
    assert_int_equal(belay_loop_post(w.loop, NULL, NULL), BELAY_EINVAL);
    assert_string_equal(ran, "");
    turn(BELAY_FOREVER);
    assert_string_equal(ran, "123");
    assert_false(w.slept);
}

static void a_post_made_in_a_turn_waits_for_the_next(void **state)
{
    (void)state;
    struct step a = step_of('p');
    step_init(&a);
    a.then_post = on_post;
    bl_task_post(w.loop, &a.task);
    belay_backend_end(w.loop);
    assert_string_equal(ran, "p");
    assert_true(belay_backend_pending(w.loop));
    belay_backend_end(w.loop);
    assert_string_equal(ran, "pp");
    assert_false(belay_backend_pending(w.loop));
}

static void due_timers_run_before_posts_and_posts_before_tasks(void **state)
{
    (void)state;
    struct step a = step_of('a');
    struct bl_timer timer;
    step_init(&a);
    assert_int_equal(bl_timer_init(&timer, w.loop, on_post, "t"), 0);
    bl_task_post(w.loop, &a.task);
    assert_int_equal(belay_loop_post(w.loop, on_post, "p"), 0);
    bl_timer_at(&timer, w.loop, bl_now(w.loop));
    belay_backend_end(w.loop);
    assert_string_equal(ran, "tpa");
    bl_timer_fini(&timer, w.loop);
}

static void run_ends_at_once_when_nothing_is_open(void **state)
{
    (void)state;
    assert_int_equal(belay_loop_run(w.loop), 0);
    assert_int_equal(w.turns, 0);
    assert_int_equal(belay_loop_post(w.loop, on_post, "x"), 0);
    assert_int_equal(belay_loop_run(w.loop), 0);
    assert_string_equal(ran, "x");
}

static void keep_going(unsigned events, void *arg)
{
    (void)events;
    (void)arg;
    note('e');
    fake_world_ready(&w, 3, BELAY_READABLE);
    if (strlen(ran) == 5)
        belay_loop_stop(w.loop);
}

static void stop_ends_the_run_after_its_turn_and_only_that_one(void **state)
{
    (void)state;
    struct belay_watch *watch;
    assert_int_equal(belay_watch_new(w.loop, 3, BELAY_READABLE, keep_going, NULL, &watch), 0);
    fake_world_ready(&w, 3, BELAY_READABLE);
    assert_int_equal(belay_loop_run(w.loop), 0);
    assert_string_equal(ran, "eeeee");
    belay_loop_stop(w.loop); /* before a run: it makes one turn */
    assert_int_equal(belay_loop_run(w.loop), 0);
    assert_string_equal(ran, "eeeeee");
    belay_watch_free(watch);
    assert_int_equal(belay_loop_run(w.loop), 0);
    assert_string_equal(ran, "eeeeee");
}

static void try_to_turn(void *arg)
{
    int *rc = arg;
    rc[0] = belay_loop_run(w.loop);
    rc[1] = belay_loop_turn(w.loop, 0);
}

static void a_callback_cannot_turn_its_loop(void **state)
{
    (void)state;
    int rc[2] = {0, 0};
    assert_int_equal(belay_loop_post(w.loop, try_to_turn, rc), 0);
    turn(0);
    assert_int_equal(rc[0], BELAY_EDEADLK);
    assert_int_equal(rc[1], BELAY_EDEADLK);
    assert_int_equal(belay_loop_turn(w.loop, -7), BELAY_EINVAL);
}

static void a_watch_sees_only_what_it_asked_for(void **state)
{
    (void)state;
    struct belay_watch *watch;
    assert_int_equal(belay_watch_new(w.loop, 3, 0, keep_going, NULL, &watch), 0);
    assert_int_equal(belay_watch_set(watch, 8), BELAY_EINVAL);
    assert_int_equal(belay_watch_set(watch, BELAY_WRITABLE), 0);
    fake_world_ready(&w, 3, BELAY_READABLE);
    turn(0);
    assert_string_equal(ran, "");
    w.watch_fails = BELAY_ENOMEM;
    assert_int_equal(belay_watch_set(watch, BELAY_READABLE), BELAY_ENOMEM);
    assert_int_equal(belay_watch_new(w.loop, -1, 0, keep_going, NULL, &watch), BELAY_EINVAL);
    w.watch_fails = BELAY_EINVAL;
    struct belay_watch *other;
    assert_int_equal(belay_watch_new(w.loop, 5, BELAY_READABLE, keep_going, NULL, &other),
                     BELAY_EINVAL);
    belay_watch_free(watch);
    assert_int_equal(belay_loop_run(w.loop), 0); /* nothing is watched any more */
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(time_stands_still_in_a_turn_and_is_read_once),
        T(tasks_run_in_order_and_flushes_after_all_of_them),
        T(a_flush_that_posts_a_task_gets_it_run_in_the_same_turn),
        T(a_task_cancelled_by_one_before_it_does_not_run),
        T(a_task_that_posts_itself_for_ever_leaves_room_for_flushes_and_events),
        T(posts_run_in_the_next_turn_in_order),
        T(a_post_made_in_a_turn_waits_for_the_next),
        T(due_timers_run_before_posts_and_posts_before_tasks),
        T(run_ends_at_once_when_nothing_is_open),
        T(stop_ends_the_run_after_its_turn_and_only_that_one),
        T(a_callback_cannot_turn_its_loop),
        T(a_watch_sees_only_what_it_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
