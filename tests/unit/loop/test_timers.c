/* SPDX-License-Identifier: MIT */
/* Timers: their order, how little moving one costs, what a callback may do. */
#include "fake_world.h"

static char fired[64];
static struct fake_world w;

struct named {
    struct bl_timer timer;
    char name;
    uint64_t again; /* arm anew, so far from now */
    int left;       /* so many times */
    struct named *kills;
};

static void on_fire(void *arg)
{
    struct named *n = arg;
    size_t len = strlen(fired);
    assert_true(len + 1 < sizeof fired);
    fired[len] = n->name;
    fired[len + 1] = '\0';
    if (n->kills)
        bl_timer_fini(&n->kills->timer, w.loop);
    if (n->left-- > 0)
        bl_timer_at(&n->timer, w.loop, bl_now(w.loop) + n->again);
}

static void named_init(struct named *n, char name)
{
    memset(n, 0, sizeof *n);
    n->name = name;
    assert_int_equal(bl_timer_init(&n->timer, w.loop, on_fire, n), 0);
}

static int set_up(void **state)
{
    (void)state;
    fired[0] = '\0';
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

static void timers_fire_in_order_of_their_deadlines(void **state)
{
    (void)state;
    struct named t[4];
    static const uint64_t at_ms[] = {30, 10, 20, 10};
    for (int i = 0; i < 4; i++) {
        named_init(&t[i], (char)('a' + i));
        bl_timer_at(&t[i].timer, w.loop, bl_now(w.loop) + BL_MS(at_ms[i]));
    }
    turn(25);
    assert_string_equal(fired, "bd");
    assert_int_equal(w.now_ns, 1010000000u);
    turn(25);
    assert_string_equal(fired, "bdc");
    turn(25);
    assert_string_equal(fired, "bdca");
    for (int i = 0; i < 4; i++) {
        assert_false(bl_timer_active(&t[i].timer));
        bl_timer_fini(&t[i].timer, w.loop);
    }
}

static void timers_that_are_late_together_fire_in_order(void **state)
{
    (void)state;
    struct named t[3];
    for (int i = 0; i < 3; i++) {
        named_init(&t[i], (char)('a' + i));
        bl_timer_at(&t[i].timer, w.loop, bl_now(w.loop) + BL_MS(10u * (unsigned)(i + 1)));
    }
    /* Moved behind the others without touching the heap: it must not fire at its old place. */
    bl_timer_at(&t[0].timer, w.loop, bl_now(w.loop) + BL_MS(25));
    turn(0);
    w.now_ns += BL_MS(100);
    turn(0);
    assert_string_equal(fired, "bac");
    for (int i = 0; i < 3; i++)
        bl_timer_fini(&t[i].timer, w.loop);
}

static void moving_a_timer_later_touches_neither_heap_nor_backend(void **state)
{
    (void)state;
    struct named t;
    named_init(&t, 'a');
    bl_timer_at(&t.timer, w.loop, bl_now(w.loop) + BL_MS(100));
    turn(0);
    assert_int_equal(w.deadlines_told, 1);
    uint64_t key = t.timer.entry.key;
    for (unsigned i = 1; i < 50; i++) {
        w.now_ns += BL_MS(1);
        bl_timer_at(&t.timer, w.loop, bl_now_fresh(w.loop) + BL_MS(100));
        turn(0);
    }
    assert_int_equal(t.timer.entry.key, key);
    assert_int_equal(w.deadlines_told, 1);
    turn(1000); /* comes early, once */
    assert_string_equal(fired, "");
    assert_int_equal(w.deadlines_told, 2);
    turn(1000);
    assert_string_equal(fired, "a");
    assert_int_equal(w.now_ns, 1000000000u + BL_MS(149));
    bl_timer_fini(&t.timer, w.loop);
}

static void an_earlier_deadline_is_told_at_the_end_of_the_turn(void **state)
{
    (void)state;
    struct named t;
    named_init(&t, 'a');
    bl_timer_at(&t.timer, w.loop, bl_now(w.loop) + BL_MS(100));
    turn(0);
    bl_timer_at(&t.timer, w.loop, bl_now(w.loop) + BL_MS(40));
    bl_timer_at(&t.timer, w.loop, bl_now(w.loop) + BL_MS(20));
    assert_int_equal(w.deadlines_told, 1);
    turn(0);
    assert_int_equal(w.deadlines_told, 2);
    assert_int_equal(w.deadline_ns, 1000000000u + BL_MS(20));
    bl_timer_fini(&t.timer, w.loop);
}

static void a_stopped_timer_does_not_fire_and_lets_the_backend_sleep(void **state)
{
    (void)state;
    struct named t, later;
    named_init(&t, 'a');
    named_init(&later, 'b');
    bl_timer_at(&t.timer, w.loop, bl_now(w.loop) + BL_MS(10));
    bl_timer_at(&later.timer, w.loop, bl_now(w.loop) + BL_MS(50));
    turn(0);
    bl_timer_stop(&t.timer);
    assert_false(bl_timer_active(&t.timer));
    turn(20);
    turn(100);
    assert_string_equal(fired, "b");
    bl_timer_fini(&t.timer, w.loop);
    bl_timer_fini(&later.timer, w.loop);
}

static void a_timer_freed_by_another_of_the_same_moment_does_not_fire(void **state)
{
    (void)state;
    struct named t[3];
    for (int i = 0; i < 3; i++) {
        named_init(&t[i], (char)('a' + i));
        bl_timer_at(&t[i].timer, w.loop, bl_now(w.loop) + BL_MS(10));
    }
    t[0].kills = &t[1];
    turn(20);
    assert_string_equal(fired, "ac");
    bl_timer_fini(&t[1].timer, w.loop); /* harmless twice */
    bl_timer_fini(&t[0].timer, w.loop);
    bl_timer_fini(&t[2].timer, w.loop);
}

static void a_timer_that_arms_itself_for_now_neither_hangs_the_turn_nor_starves_others(void **state)
{
    (void)state;
    struct named self, other;
    named_init(&self, 'a');
    named_init(&other, 'b');
    self.left = 40;
    bl_timer_at(&self.timer, w.loop, bl_now(w.loop));
    bl_timer_at(&other.timer, w.loop, bl_now(w.loop));
    turn(0);
    assert_memory_equal(fired, "ab", 2);
    size_t n = strlen(fired);
    assert_in_range(n, 3, 30);
    assert_true(belay_backend_pending(w.loop) || w.deadline_ns <= w.now_ns);
    turn(BELAY_FOREVER);
    assert_true(strlen(fired) > n);
    assert_int_equal(w.now_ns, 1000000000u);
    bl_timer_fini(&self.timer, w.loop);
    bl_timer_fini(&other.timer, w.loop);
}

static void a_timer_of_zeroed_memory_may_be_finished(void **state)
{
    (void)state;
    struct bl_timer zero;
    memset(&zero, 0, sizeof zero);
    bl_timer_fini(&zero, w.loop);
    assert_false(bl_timer_active(&zero));
}

static void after_ms_saturates(void **state)
{
    (void)state;
    assert_int_equal(bl_after_ms(5, 1), 1000005);
    assert_int_equal(bl_after_ms(5, 0), 5);
    assert_true(bl_after_ms(5, INT64_MAX) == BELAY_NEVER);
    assert_true(bl_after_ms(BELAY_NEVER - 10, 1) == BELAY_NEVER);
}

/* ---- the public ones ---- */

static int count;

static void on_count(void *arg)
{
    struct belay_timer **timer = arg;
    count++;
    if (timer && count < 3)
        belay_timer_start(*timer, 5);
    else if (timer)
        belay_timer_free(*timer);
}

static void run_ends_when_the_last_timer_of_the_program_has_fired(void **state)
{
    (void)state;
    struct belay_timer *timer, *idle;
    count = 0;
    assert_int_equal(belay_timer_new(w.loop, on_count, &timer, &timer), 0);
    assert_int_equal(belay_timer_new(w.loop, on_count, NULL, &idle), 0);
    belay_timer_start(timer, 5);
    belay_timer_start(idle, BELAY_FOREVER); /* never comes: keeps nothing going */
    assert_int_equal(belay_loop_run(w.loop), 0);
    assert_int_equal(count, 3);
    assert_int_equal(w.now_ns, 1000000000u + BL_MS(15));
    belay_timer_free(idle);
}

static void a_timer_started_outside_a_turn_counts_from_that_moment(void **state)
{
    (void)state;
    struct belay_timer *timer;
    count = 0;
    assert_int_equal(belay_timer_new(w.loop, on_count, NULL, &timer), 0);
    (void)belay_loop_now_ms(w.loop);
    w.now_ns += BL_MS(250);
    belay_timer_start(timer, 100);
    belay_timer_start(timer, 200); /* replaces the first */
    assert_int_equal(belay_loop_run(w.loop), 0);
    assert_int_equal(w.now_ns, 1000000000u + BL_MS(450));
    assert_int_equal(count, 1);
    belay_timer_start(timer, 10);
    belay_timer_stop(timer);
    assert_int_equal(belay_loop_run(w.loop), 0);
    assert_int_equal(count, 1);
    belay_timer_free(timer);
    belay_timer_free(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(timers_fire_in_order_of_their_deadlines),
        T(timers_that_are_late_together_fire_in_order),
        T(moving_a_timer_later_touches_neither_heap_nor_backend),
        T(an_earlier_deadline_is_told_at_the_end_of_the_turn),
        T(a_stopped_timer_does_not_fire_and_lets_the_backend_sleep),
        T(a_timer_freed_by_another_of_the_same_moment_does_not_fire),
        T(a_timer_that_arms_itself_for_now_neither_hangs_the_turn_nor_starves_others),
        T(a_timer_of_zeroed_memory_may_be_finished),
        T(after_ms_saturates),
        T(run_ends_when_the_last_timer_of_the_program_has_fired),
        T(a_timer_started_outside_a_turn_counts_from_that_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
