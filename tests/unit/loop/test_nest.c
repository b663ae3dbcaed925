/* SPDX-License-Identifier: MIT */
/* The one descriptor: readable for all that a turn would do, and quiet otherwise. */
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "fake_world.h"

static struct belay_loop *loop;
static int fd;
static int count;

static bool readable(int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) == 1;
}

/* Turns while there is something to do, which is at most a few times. */
static void settle(void)
{
    for (int turns = 0; readable(0); turns++) {
        assert_true(turns < 5);
        assert_int_equal(belay_loop_turn(loop, 0), 0);
    }
}

static int set_up(void **state)
{
    (void)state;
    count = 0;
    assert_int_equal(belay_loop_new(NULL, &loop, NULL), 0);
    fd = belay_loop_descriptor(loop);
    assert_true(fd >= 0);
    assert_int_equal(belay_loop_descriptor(loop), fd);
    settle();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    belay_loop_free(loop);
    return 0;
}

static void on_count(void *arg)
{
    (void)arg;
    count++;
}

static void nothing(void *arg)
{
    (void)arg;
}

static void a_timer_started_outside_makes_it_readable_when_due(void **state)
{
    (void)state;
    struct belay_timer *timer;
    assert_int_equal(belay_timer_new(loop, on_count, NULL, &timer), 0);
    belay_timer_start(timer, 3600000);
    assert_true(readable(0)); /* the turn arms the descriptor's timer */
    settle();
    assert_int_equal(count, 0);
    belay_timer_start(timer, 30);
    int turns = 0;
    for (; count == 0 && turns < 10; turns++) {
        assert_true(readable(10000));
        assert_int_equal(belay_loop_turn(loop, 0), 0);
    }
    assert_int_equal(count, 1);
    assert_in_range(turns, 1, 3);
    settle();
    assert_int_equal(count, 1);
    belay_timer_free(timer);
}

static void an_earlier_timer_behind_a_stopped_one_is_not_lost(void **state)
{
    (void)state;
    struct belay_timer *first, *last, *between;
    assert_int_equal(belay_timer_new(loop, nothing, NULL, &first), 0);
    assert_int_equal(belay_timer_new(loop, on_count, NULL, &last), 0);
    assert_int_equal(belay_timer_new(loop, on_count, NULL, &between), 0);
    belay_timer_start(first, 10);
    belay_timer_start(last, 3600000);
    settle();
    belay_timer_free(first);
    settle();
    belay_timer_start(between, 20); /* later than what the backend was told */
    settle();
    for (int turns = 0; count == 0 && turns < 10; turns++) {
        assert_true(readable(10000));
        assert_int_equal(belay_loop_turn(loop, 0), 0);
    }
    assert_int_equal(count, 1);
    belay_timer_free(last);
    belay_timer_free(between);
}

static void *post_from_here(void *arg)
{
    (void)arg;
    if (belay_loop_post(loop, on_count, NULL))
        count = -100;
    return NULL;
}

static void a_post_from_a_thread_makes_it_readable(void **state)
{
    (void)state;
    pthread_t thread;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(pthread_create(&thread, NULL, post_from_here, NULL), 0);
        pthread_join(thread, NULL);
        assert_true(readable(0));
        settle();
        assert_int_equal(count, i);
    }
}

static void a_post_from_outside_a_turn_makes_it_readable(void **state)
{
    (void)state;
    assert_int_equal(belay_loop_post(loop, on_count, NULL), 0);
    assert_true(readable(0));
    settle();
    assert_int_equal(count, 1);
}

static void on_readable(unsigned events, void *arg)
{
    char byte;
    assert_int_equal(events, BELAY_READABLE);
    assert_int_equal(read(*(int *)arg, &byte, 1), 1);
    count++;
}

static void a_watch_started_outside_is_part_of_it(void **state)
{
    (void)state;
    int ends[2];
    struct belay_watch *watch;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(belay_watch_new(loop, ends[0], BELAY_READABLE, on_readable, ends, &watch), 0);
    settle();
    assert_int_equal(count, 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_true(readable(0));
    settle();
    assert_int_equal(count, 1);
    belay_watch_free(watch);
    assert_int_equal(write(ends[1], "x", 1), 1);
    settle();
    assert_int_equal(count, 1);
    close(ends[0]);
    close(ends[1]);
}

struct starter {
    int ends[2];
    struct belay_watch *watch;
};

static void start_watch(void *arg)
{
    struct starter *s = arg;
    assert_int_equal(
        belay_watch_new(loop, s->ends[0], BELAY_READABLE, on_readable, s->ends, &s->watch), 0);
}

static void a_watch_started_at_the_end_of_a_turn_is_part_of_it(void **state)
{
    (void)state;
    struct starter s = {.watch = NULL};
    struct belay_timer *timer;
    assert_int_equal(pipe(s.ends), 0);
    assert_int_equal(write(s.ends[1], "x", 1), 1);
    assert_int_equal(belay_timer_new(loop, start_watch, &s, &timer), 0);
    belay_timer_start(timer, 1);
    for (int turns = 0; count == 0 && turns < 10; turns++) {
        assert_true(readable(10000));
        assert_int_equal(belay_loop_turn(loop, 0), 0);
    }
    assert_int_equal(count, 1);
    settle();
    belay_timer_free(timer);
    belay_watch_free(s.watch);
    close(s.ends[0]);
    close(s.ends[1]);
}

static void post_again(void *arg)
{
    count++;
    if (count < 4)
        assert_int_equal(belay_loop_post(loop, post_again, arg), 0);
}

static void what_a_turn_leaves_over_keeps_it_readable(void **state)
{
    (void)state;
    assert_int_equal(belay_loop_post(loop, post_again, NULL), 0);
    for (int turns = 0; count < 4 && turns < 10; turns++) {
        assert_true(readable(0));
        assert_int_equal(belay_loop_turn(loop, 0), 0);
    }
    assert_int_equal(count, 4);
    settle();
}

static void a_fake_backend_cannot_be_nested(void **state)
{
    (void)state;
    struct fake_world w;
    fake_world_open(&w, NULL);
    assert_int_equal(belay_loop_descriptor(w.loop), BELAY_ENOTSUP);
    fake_world_close(&w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_timer_started_outside_makes_it_readable_when_due),
        T(an_earlier_timer_behind_a_stopped_one_is_not_lost),
        T(a_post_from_a_thread_makes_it_readable),
        T(a_post_from_outside_a_turn_makes_it_readable),
        T(a_watch_started_outside_is_part_of_it),
        T(a_watch_started_at_the_end_of_a_turn_is_part_of_it),
        T(what_a_turn_leaves_over_keeps_it_readable),
        cmocka_unit_test(a_fake_backend_cannot_be_nested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
