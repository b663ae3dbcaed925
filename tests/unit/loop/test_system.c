/* SPDX-License-Identifier: MIT */
/* The libuv backend where the system is unkind: clocks that differ from its own, no descriptors
 * left. */
#include <sys/resource.h>
#include <unistd.h>

#include "fake_world.h"
#include "loop/sys.h"
#include "support/failing_alloc.h"

/* The kernel's time since the start, at half its speed, from an origin of its own. */
static uint64_t start_ns;

static uint64_t slow_now(void *arg)
{
    (void)arg;
    return UINT64_C(77000000000) + (bl_sys_monotonic_ns() - start_ns) / 2;
}

static void on_time(void *arg)
{
    *(uint64_t *)arg = bl_sys_monotonic_ns();
}

static void timers_follow_the_loops_clock_not_libuvs(void **state)
{
    (void)state;
    struct belay_clock clock = {.size = sizeof clock, .now_ns = slow_now};
    struct belay_world world = belay_world_init();
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_loop *loop;
    struct belay_timer *timer;
    uint64_t fired = 0;
    start_ns = bl_sys_monotonic_ns();
    world.clock = &clock;
    o.world = &world;
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
    assert_int_equal(belay_timer_new(loop, on_time, &fired, &timer), 0);
    uint64_t begin = bl_sys_monotonic_ns();
    belay_timer_start(timer, 20);
    assert_int_equal(belay_loop_run(loop), 0);
    assert_true(fired - begin >= BL_MS(40));
    assert_true(belay_loop_now_ms(loop) >= 77020);
    belay_loop_free(loop);
}

static void a_nested_loop_follows_its_own_clock_too(void **state)
{
    (void)state;
    struct belay_clock clock = {.size = sizeof clock, .now_ns = slow_now};
    struct belay_world world = belay_world_init();
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_loop *loop;
    struct belay_timer *timer;
    uint64_t fired = 0;
    int turns = 0;
    start_ns = bl_sys_monotonic_ns();
    world.clock = &clock;
    o.world = &world;
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
    assert_true(belay_loop_descriptor(loop) >= 0);
    assert_int_equal(belay_timer_new(loop, on_time, &fired, &timer), 0);
    uint64_t begin = bl_sys_monotonic_ns();
    belay_timer_start(timer, 20);
    do {
        assert_int_equal(belay_loop_turn(loop, 5), 0);
        turns++;
    } while (!fired);
    assert_true(fired - begin >= BL_MS(40));
    assert_in_range(turns, 1, 20);
    belay_loop_free(loop);
}

static struct rlimit before;

/* As many descriptors as are open now, and `more`. */
static void leave_descriptors(int more)
{
    int next = dup(0);
    assert_true(next >= 0);
    close(next);
    struct rlimit limit = {.rlim_cur = (rlim_t)(next + more), .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void without_descriptors_a_loop_is_not_made(void **state)
{
    (void)state;
    struct failing_alloc memory;
    struct belay_world world = belay_world_init();
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_error error;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int refused = 0;
    for (int more = 0; more < 12; more++) {
        struct belay_loop *loop = NULL;
        failing_alloc_init(&memory);
        world.allocator = &memory.allocator;
        o.world = &world;
        leave_descriptors(more);
        int rc = belay_loop_new(&o, &loop, &error);
        if (rc == 0) {
            int fd = belay_loop_descriptor(loop);
            assert_true(fd >= 0 || fd == BELAY_EMFILE);
            refused += fd < 0;
            belay_loop_free(loop);
        } else {
            refused++;
            assert_int_equal(rc, BELAY_EMFILE);
            assert_int_equal(error.code, BELAY_EMFILE);
            assert_null(loop);
        }
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(failing_alloc_live(&memory), 0);
    }
    assert_in_range(refused, 3, 11);
}

static void a_turn_in_which_nothing_happens_lets_time_pass(void **state)
{
    struct belay_loop *loop;
    int64_t began;

    (void)state;
    assert_int_equal(belay_loop_new(NULL, &loop, NULL), 0);
    began = belay_loop_now_ms(loop);
    for (int i = 0; i < 100 && belay_loop_now_ms(loop) == began; i++)
        assert_int_equal(belay_loop_turn(loop, 2), 0);
    assert_true(belay_loop_now_ms(loop) > began);
    belay_loop_free(loop);
}

/* libuv counts whole milliseconds, and looks at the clock again before it polls. */
static void a_short_turn_ends_wherever_in_a_millisecond_it_begins(void **state)
{
    (void)state;
    struct belay_loop *loop;
    struct belay_timer *timer;
    uint64_t fired = 0;
    assert_int_equal(belay_loop_new(NULL, &loop, NULL), 0);
    assert_int_equal(belay_timer_new(loop, on_time, &fired, &timer), 0);
    for (uint64_t early_ns = 20; early_ns < 6000; early_ns += 20) {
        uint64_t begin;
        belay_timer_start(timer, 5000);
        assert_int_equal(belay_loop_turn(loop, 0), 0);
        do
            begin = bl_sys_monotonic_ns();
        while (begin % BL_MS(1) < BL_MS(1) - early_ns);
        assert_int_equal(belay_loop_turn(loop, 1), 0);
        assert_true(bl_sys_monotonic_ns() - begin < BL_MS(2500));
    }
    assert_int_equal(fired, 0);
    belay_timer_free(timer);
    belay_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_follow_the_loops_clock_not_libuvs),
        cmocka_unit_test(a_nested_loop_follows_its_own_clock_too),
        cmocka_unit_test(without_descriptors_a_loop_is_not_made),
        cmocka_unit_test(a_turn_in_which_nothing_happens_lets_time_pass),
        cmocka_unit_test(a_short_turn_ends_wherever_in_a_millisecond_it_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
