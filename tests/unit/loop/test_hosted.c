/* SPDX-License-Identifier: MIT */
/* A loop on the caller's uv_loop_t: it turns when that does, and leaves it clean. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "fake_world.h"
#include "support/failing_alloc.h"

static uv_loop_t uv;
static struct failing_alloc memory;
static struct belay_loop *loop;
static int count, closed;

static int set_up(void **state)
{
    (void)state;
    count = closed = 0;
    struct belay_world world = belay_world_init();
    struct belay_loop_options o = belay_loop_options_init();
    failing_alloc_init(&memory);
    world.allocator = &memory.allocator;
    o.world = &world;
    o.uv_loop = &uv;
    assert_int_equal(uv_loop_init(&uv), 0);
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
    return 0;
}

static void on_closed(void *arg)
{
    (void)arg;
    closed++;
}

static int tear_down(void **state)
{
    (void)state;
    if (!closed)
        belay_loop_close(loop, on_closed, NULL);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(closed, 1);
    assert_int_equal(uv_loop_close(&uv), 0);
    assert_int_equal(failing_alloc_live(&memory), 0);
    return 0;
}

static void on_count(void *arg)
{
    (void)arg;
    count++;
}

static void count_and_close(void *arg)
{
    count++;
    belay_loop_close(loop, on_closed, arg);
    assert_int_equal(closed, 0);
}

static void the_callers_loop_runs_timers_and_posts(void **state)
{
    (void)state;
    struct belay_timer *timer;
    assert_int_equal(belay_timer_new(loop, count_and_close, NULL, &timer), 0);
    belay_timer_start(timer, 5);
    assert_int_equal(belay_loop_post(loop, on_count, NULL), 0);
    assert_int_equal(count, 0);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(count, 2);
    assert_int_equal(closed, 1);
}

static void belay_does_not_turn_a_loop_that_is_not_its_own(void **state)
{
    (void)state;
    assert_int_equal(belay_loop_run(loop), BELAY_ENOTSUP);
    assert_int_equal(belay_loop_turn(loop, 0), BELAY_ENOTSUP);
    assert_int_equal(belay_loop_descriptor(loop), BELAY_ENOTSUP);
    struct bl_wait wait = {.loop = loop};
    assert_int_equal(bl_wait(&wait, 0), BELAY_EDEADLK);
}

static struct bl_task task;
static struct belay_timer *late;

/* A callback of the program's own on its loop: outside every turn of belay's. */
static void on_foreign_timer(uv_timer_t *handle)
{
    bl_task_init(&task, count_and_close, NULL);
    bl_task_post(loop, &task);
    belay_timer_start(late, 3600000);
    assert_int_equal(count, 0);
    uv_close((uv_handle_t *)handle, NULL);
}

static void what_foreign_callbacks_change_is_seen_before_the_loop_sleeps(void **state)
{
    (void)state;
    uv_timer_t foreign;
    assert_int_equal(belay_timer_new(loop, on_count, NULL, &late), 0);
    uv_timer_init(&uv, &foreign);
    uv_timer_start(&foreign, on_foreign_timer, 1, 0);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(count, 1);
    assert_int_equal(closed, 1);
}

static void on_foreign_poll(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    bl_task_init(&task, count_and_close, NULL);
    bl_task_post(loop, &task);
    uv_close((uv_handle_t *)handle, NULL);
}

static void what_a_foreign_poll_callback_changes_is_done_in_the_same_iteration(void **state)
{
    (void)state;
    uv_poll_t foreign;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(uv_poll_init(&uv, &foreign, ends[0]), 0);
    uv_poll_start(&foreign, UV_READABLE, on_foreign_poll);
    uv_run(&uv, UV_RUN_ONCE);
    assert_int_equal(count, 1);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(closed, 1);
    close(ends[0]);
    close(ends[1]);
}

static void *post_from_here(void *arg)
{
    (void)arg;
    if (belay_loop_post(loop, count_and_close, NULL))
        abort();
    return NULL;
}

static void a_post_from_a_thread_wakes_the_callers_loop(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, post_from_here, NULL), 0);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    pthread_join(thread, NULL);
    assert_int_equal(count, 1);
}

static void close_when_tired(void *arg)
{
    count++;
    if (count == 50)
        belay_loop_close(loop, on_closed, NULL);
    else
        bl_task_post(loop, arg);
}

static void a_task_that_goes_on_for_ever_does_not_let_the_loop_sleep(void **state)
{
    (void)state;
    bl_task_init(&task, close_when_tired, &task);
    bl_task_post(loop, &task);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(count, 50);
}

static void free_only_begins_the_end_here(void **state)
{
    (void)state;
    belay_loop_free(loop);
    assert_true(failing_alloc_live(&memory) > 0);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(failing_alloc_live(&memory), 0);
    closed = 1;
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_callers_loop_runs_timers_and_posts),
        T(belay_does_not_turn_a_loop_that_is_not_its_own),
        T(what_foreign_callbacks_change_is_seen_before_the_loop_sleeps),
        T(what_a_foreign_poll_callback_changes_is_done_in_the_same_iteration),
        T(a_post_from_a_thread_wakes_the_callers_loop),
        T(a_task_that_goes_on_for_ever_does_not_let_the_loop_sleep),
        T(free_only_begins_the_end_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
