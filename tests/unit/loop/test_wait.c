/* SPDX-License-Identifier: MIT */
/* bl_wait: on the loop's thread, from others, with limits, and when the loop stops or closes
 * meanwhile. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "fake_world.h"
#include "loop/threads.h"

static atomic_bool inner_left; /* the thread that a test starts in the run */

/* An operation that ends after so many milliseconds of the loop's time. */
struct op {
    struct bl_wait wait;
    struct bl_timer timer;
    struct belay_loop *loop;
    int64_t takes_ms; /* below 0: never ends */
    int result;
    int start_error;
    int started, cancelled;
};

static atomic_int started_ops;

static void op_end(void *arg)
{
    struct op *op = arg;
    bl_timer_fini(&op->timer, op->loop);
    bl_wait_done(&op->wait, op->result);
}

static int op_start(struct bl_wait *wait)
{
    struct op *op = BL_CONTAINER(wait, struct op, wait);
    op->started++;
    if (op->start_error)
        return op->start_error;
    assert_int_equal(bl_timer_init(&op->timer, op->loop, op_end, op), 0);
    if (op->takes_ms >= 0)
        bl_timer_at(&op->timer, op->loop, bl_after_ms(bl_now_fresh(op->loop), op->takes_ms));
    atomic_fetch_add(&started_ops, 1);
    return 0;
}

static void op_cancel(struct bl_wait *wait)
{
    struct op *op = BL_CONTAINER(wait, struct op, wait);
    op->cancelled++;
    bl_timer_fini(&op->timer, op->loop);
}

static void op_init(struct op *op, struct belay_loop *loop, int64_t takes_ms)
{
    memset(op, 0, sizeof *op);
    op->loop = loop;
    op->takes_ms = takes_ms;
    op->result = 42;
    op->wait.loop = loop;
    op->wait.start = op_start;
    op->wait.cancel = op_cancel;
}

/* ---- the loop's thread ---- */

static struct fake_world w;

static int fake_up(void **state)
{
    (void)state;
    fake_world_open(&w, NULL);
    return 0;
}

static int fake_down(void **state)
{
    (void)state;
    fake_world_close(&w);
    return 0;
}

static void on_its_own_thread_a_wait_turns_the_loop(void **state)
{
    (void)state;
    struct op op;
    op_init(&op, w.loop, 30);
    assert_int_equal(bl_wait(&op.wait, 1000), 42);
    assert_int_equal(w.now_ns, 1000000000u + BL_MS(30));
    assert_int_equal(op.cancelled, 0);
    op_init(&op, w.loop, 30);
    assert_int_equal(bl_wait(&op.wait, BELAY_FOREVER), 42);
    op_init(&op, w.loop, 0);
    assert_int_equal(bl_wait(&op.wait, 0), 42); /* what needs no waiting is done without a limit */
}

static void on_its_own_thread_a_wait_ends_at_its_limit(void **state)
{
    (void)state;
    struct op op;
    op_init(&op, w.loop, 31);
    assert_int_equal(bl_wait(&op.wait, 30), BELAY_ETIMEDOUT);
    assert_int_equal(op.cancelled, 1);
    assert_int_equal(w.now_ns, 1000000000u + BL_MS(30));
    op_init(&op, w.loop, 31);
    op.start_error = BELAY_EFULL;
    assert_int_equal(bl_wait(&op.wait, 30), BELAY_EFULL);
    assert_int_equal(op.cancelled, 0);
}

static void wait_within(void *arg)
{
    struct op *op = arg;
    op->result = bl_wait(&op->wait, 5);
}

static void a_wait_inside_a_callback_is_refused(void **state)
{
    (void)state;
    struct op op;
    op_init(&op, w.loop, 1);
    assert_int_equal(belay_loop_post(w.loop, wait_within, &op), 0);
    assert_int_equal(belay_loop_run(w.loop), 0);
    assert_int_equal(op.result, BELAY_EDEADLK);
    assert_int_equal(op.started, 0);
}

static void close_it(void *arg)
{
    struct op *op = arg;
    belay_loop_close(op->loop, NULL, NULL);
    op_end(op); /* as every object does when it closes */
}

static void a_wait_outlives_its_loop(void **state)
{
    (void)state;
    struct op op;
    op_init(&op, w.loop, -1);
    op.result = BELAY_ECLOSED;
    assert_int_equal(belay_loop_post(w.loop, close_it, &op), 0);
    assert_int_equal(bl_wait(&op.wait, BELAY_FOREVER), BELAY_ECLOSED);
    while (w.loop)
        assert_int_equal(belay_loop_turn(w.loop, 0), 0);
}

/* ---- other threads, on a real loop ---- */

static struct bl_patience patience;

struct caller {
    pthread_t thread;
    struct op op;
    int64_t timeout_ms;
    int result;
    belay_fn *then; /* posted to the loop afterwards */
    bool patient;
};

static struct caller inner;

static void *call(void *arg)
{
    struct caller *c = arg;
    struct belay_loop *loop = c->op.loop;
    if (c->patient)
        bl_wait_patiently(&patience);
    c->result = bl_wait(&c->op.wait, c->timeout_ms);
    atomic_store(&inner_left, c == &inner);
    if (c->then)
        belay_loop_post(loop, c->then, loop);
    return NULL;
}

static void caller_start(struct caller *c, struct belay_loop *loop, int64_t takes_ms,
                         int64_t timeout_ms, belay_fn *then)
{
    op_init(&c->op, loop, takes_ms);
    c->timeout_ms = timeout_ms;
    c->result = 0;
    c->then = then;
    c->patient = false;
    assert_int_equal(pthread_create(&c->thread, NULL, call, c), 0);
}

static struct belay_loop *real_loop(void)
{
    struct belay_loop *loop;
    assert_int_equal(belay_loop_new(NULL, &loop, NULL), 0);
    atomic_store(&started_ops, 0);
    atomic_store(&inner_left, false);
    patience.interrupted = false;
    return loop;
}

static void nothing(void *arg)
{
    (void)arg;
}

static void stop_loop(void *arg)
{
    belay_loop_stop(arg);
}

/* A timer that is never due in a test: it keeps belay_loop_run going. */
static struct belay_timer *keeper(struct belay_loop *loop)
{
    struct belay_timer *timer;
    assert_int_equal(belay_timer_new(loop, nothing, NULL, &timer), 0);
    belay_timer_start(timer, 3600000);
    return timer;
}

static void threads_wait_while_another_runs_the_loop(void **state)
{
    (void)state;
    enum { CALLERS = 8 };
    struct belay_loop *loop = real_loop();
    struct caller callers[CALLERS];
    assert_int_equal(belay_loop_turn(loop, 0), 0); /* from now on it counts as run */
    for (int i = 0; i < CALLERS; i++)
        caller_start(&callers[i], loop, i % 3, BELAY_FOREVER, NULL);
    while (atomic_load(&started_ops) < CALLERS)
        assert_int_equal(belay_loop_turn(loop, BELAY_FOREVER), 0);
    assert_int_equal(belay_loop_run(loop), 0); /* a sleeping thread is a reason to go on */
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].result, 42);
        assert_int_equal(callers[i].op.cancelled, 0);
    }
    belay_loop_free(loop);
}

static void a_thread_is_refused_when_nobody_runs_the_loop(void **state)
{
    (void)state;
    struct belay_loop *loop = real_loop();
    struct caller c;
    caller_start(&c, loop, 0, BELAY_FOREVER, NULL);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.result, BELAY_ENOTRUNNING);
    assert_int_equal(c.op.started, 0);
    assert_int_equal(belay_loop_run(loop), 0); /* and after a run has ended, too */
    caller_start(&c, loop, 0, BELAY_FOREVER, NULL);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.result, BELAY_ENOTRUNNING);
    belay_loop_free(loop);
}

static void a_thread_leaves_at_its_limit(void **state)
{
    (void)state;
    struct belay_loop *loop = real_loop();
    struct belay_timer *timer = keeper(loop);
    struct caller c;
    assert_int_equal(belay_loop_turn(loop, 0), 0);
    caller_start(&c, loop, -1, 20, stop_loop);
    assert_int_equal(belay_loop_run(loop), 0);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.result, BELAY_ETIMEDOUT);
    assert_int_equal(c.op.started, 1);
    assert_int_equal(c.op.cancelled, 1);
    belay_timer_free(timer);
    belay_loop_free(loop);
}

static void a_call_that_was_never_fetched_is_taken_back(void **state)
{
    (void)state;
    struct belay_loop *loop = real_loop();
    struct caller c;
    assert_int_equal(belay_loop_turn(loop, 0), 0);
    caller_start(&c, loop, 0, 5, NULL);
    pthread_join(c.thread, NULL); /* nobody turns the loop meanwhile */
    assert_int_equal(c.result, BELAY_ETIMEDOUT);
    assert_int_equal(belay_loop_turn(loop, 0), 0);
    assert_int_equal(c.op.started, 0);
    belay_loop_free(loop);
}

static void an_error_of_the_start_reaches_the_thread(void **state)
{
    (void)state;
    struct belay_loop *loop = real_loop();
    struct belay_timer *timer = keeper(loop);
    struct caller c;
    assert_int_equal(belay_loop_turn(loop, 0), 0);
    op_init(&c.op, loop, 0);
    c.patient = false;
    c.op.start_error = BELAY_EFULL;
    c.timeout_ms = BELAY_FOREVER;
    c.then = stop_loop;
    assert_int_equal(pthread_create(&c.thread, NULL, call, &c), 0);
    assert_int_equal(belay_loop_run(loop), 0);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.result, BELAY_EFULL);
    belay_timer_free(timer);
    belay_loop_free(loop);
}

/* Asked while nobody runs the loop; started, and left alone again; finished in the third run. */
static void a_patient_thread_waits_until_somebody_runs_the_loop(void **state)
{
    (void)state;
    struct belay_loop *loop = real_loop();
    struct caller c = {.timeout_ms = BELAY_FOREVER, .patient = true, .then = stop_loop};
    op_init(&c.op, loop, -1);
    assert_int_equal(pthread_create(&c.thread, NULL, call, &c), 0);
    while (atomic_load(&started_ops) < 1) {
        belay_loop_stop(loop);
        assert_int_equal(belay_loop_run(loop), 0);
    }
    assert_int_equal(c.op.cancelled, 0);
    bl_timer_at(&c.op.timer, loop, bl_now_fresh(loop));
    assert_int_equal(belay_loop_run(loop), 0);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.result, 42);
    assert_int_equal(c.op.cancelled, 0);
    belay_loop_free(loop);
}

static void a_patient_thread_keeps_to_its_limit(void **state)
{
    (void)state;
    struct belay_loop *loop = real_loop();
    struct caller c = {.timeout_ms = 5, .patient = true};
    op_init(&c.op, loop, -1);
    assert_int_equal(pthread_create(&c.thread, NULL, call, &c), 0);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.result, BELAY_ETIMEDOUT);
    assert_int_equal(c.op.started, 0);
    belay_loop_free(loop);
}

static void interrupt_when_started(void *arg)
{
    struct belay_timer **timer = arg;
    if (atomic_load(&started_ops) > 0)
        bl_waits_interrupt(inner.op.loop, &patience);
    else
        belay_timer_start(*timer, 1);
}

static void start_patient_inner(void *arg)
{
    inner = (struct caller){.timeout_ms = BELAY_FOREVER, .patient = true, .then = stop_loop};
    op_init(&inner.op, arg, -1);
    assert_int_equal(pthread_create(&inner.thread, NULL, call, &inner), 0);
}

/* The one under way, those that follow, and none after they are allowed again. */
static void waits_of_a_thread_can_be_interrupted(void **state)
{
    (void)state;
    struct belay_loop *loop = real_loop();
    struct belay_timer *timer;
    assert_int_equal(belay_timer_new(loop, interrupt_when_started, &timer, &timer), 0);
    assert_int_equal(belay_loop_post(loop, start_patient_inner, loop), 0);
    belay_timer_start(timer, 1);
    assert_int_equal(belay_loop_run(loop), 0);
    pthread_join(inner.thread, NULL);
    assert_int_equal(inner.result, BELAY_ECLOSED);
    assert_int_equal(inner.op.cancelled, 1);
    start_patient_inner(loop);
    pthread_join(inner.thread, NULL);
    assert_int_equal(inner.result, BELAY_ECLOSED);
    assert_int_equal(inner.op.started, 0);
    bl_waits_allow(loop, &patience);
    start_patient_inner(loop);
    bl_waits_interrupt(loop, &patience); /* it has asked, or will */
    pthread_join(inner.thread, NULL);
    assert_int_equal(inner.result, BELAY_ECLOSED);
    bl_waits_allow(loop, &patience);
    atomic_store(&inner_left, false);
    inner = (struct caller){.timeout_ms = BELAY_FOREVER, .patient = true};
    op_init(&inner.op, loop, 0);
    assert_int_equal(pthread_create(&inner.thread, NULL, call, &inner), 0);
    while (belay_loop_turn(loop, 1) == 0 && !atomic_load(&inner_left))
        ;
    pthread_join(inner.thread, NULL);
    assert_int_equal(inner.result, 42);
    belay_loop_free(loop);
}

static void start_inner(void *arg)
{
    caller_start(&inner, arg, -1, BELAY_FOREVER, NULL);
}

static void stop_when_started(void *arg)
{
    struct belay_timer **timer = arg;
    if (atomic_load(&started_ops) > 0)
        belay_loop_stop(inner.op.loop);
    else
        belay_timer_start(*timer, 1);
}

static void a_thread_is_released_when_the_run_ends(void **state)
{
    (void)state;
    struct belay_loop *loop = real_loop();
    struct belay_timer *timer;
    assert_int_equal(belay_timer_new(loop, stop_when_started, &timer, &timer), 0);
    assert_int_equal(belay_loop_post(loop, start_inner, loop), 0);
    belay_timer_start(timer, 1);
    assert_int_equal(belay_loop_run(loop), 0);
    pthread_join(inner.thread, NULL);
    assert_int_equal(inner.result, BELAY_ENOTRUNNING);
    assert_int_equal(inner.op.cancelled, 1);
    belay_loop_free(loop);
}

static void a_thread_is_released_when_the_loop_ends(void **state)
{
    (void)state;
    struct belay_loop *loop = real_loop();
    struct caller c, late;
    assert_int_equal(belay_loop_turn(loop, 0), 0);
    caller_start(&c, loop, -1, BELAY_FOREVER, NULL);
    while (atomic_load(&started_ops) < 1)
        assert_int_equal(belay_loop_turn(loop, 1), 0);
    belay_loop_close(loop, NULL, NULL);
    caller_start(&late, loop, 0, BELAY_FOREVER, NULL);
    pthread_join(late.thread, NULL);
    assert_int_equal(late.result, BELAY_ECLOSED);
    belay_loop_free(loop);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.result, BELAY_ECLOSED);
    assert_int_equal(c.op.cancelled, 1);
}

/* ---- limits and results that come at the same moment ---- */

enum { RACERS = 6, RACES = 300 };

struct racer {
    pthread_t thread;
    struct belay_loop *loop;
    atomic_int *left;
    int odd, done, timed_out;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    for (int i = 0; i < RACES; i++) {
        struct op op;
        op_init(&op, r->loop, i % 3);
        int rc = bl_wait(&op.wait, (i + 1) % 3);
        if (rc == 42 && op.started == 1 && op.cancelled == 0)
            r->done++;
        else if (rc == BELAY_ETIMEDOUT && op.started == op.cancelled)
            r->timed_out++;
        else
            r->odd++;
    }
    if (atomic_fetch_sub(r->left, 1) == 1)
        belay_loop_stop(r->loop);
    return NULL;
}

static void each_call_ends_either_by_its_result_or_by_its_limit(void **state)
{
    (void)state;
    struct belay_loop *loop = real_loop();
    struct belay_timer *timer = keeper(loop);
    struct racer racers[RACERS];
    atomic_int left = RACERS;
    assert_int_equal(belay_loop_turn(loop, 0), 0);
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.loop = loop, .left = &left};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    assert_int_equal(belay_loop_run(loop), 0);
    int done = 0;
    for (int i = 0; i < RACERS; i++) {
        pthread_join(racers[i].thread, NULL);
        assert_int_equal(racers[i].odd, 0);
        assert_int_equal(racers[i].done + racers[i].timed_out, RACES);
        done += racers[i].done;
    }
    assert_true(done > 0);
    belay_timer_free(timer);
    belay_loop_free(loop);
}

/* ---- posts and stop from threads ---- */

enum { POSTERS = 4, POSTS = 2000 };

struct poster {
    pthread_t thread;
    struct belay_loop *loop;
    int next; /* which of its posts comes next */
    int *left;
};

struct numbered {
    struct poster *poster;
    int number;
};

static struct numbered numbers[POSTERS][POSTS];

static void on_numbered(void *arg)
{
    struct numbered *n = arg;
    assert_int_equal(n->number, n->poster->next);
    n->poster->next++;
    if (--*n->poster->left == 0)
        belay_loop_stop(n->poster->loop);
}

static void *post_many(void *arg)
{
    struct poster *p = arg;
    struct numbered *mine = numbers[p->next];
    p->next = 0;
    for (int i = 0; i < POSTS; i++) {
        mine[i] = (struct numbered){.poster = p, .number = i};
        if (belay_loop_post(p->loop, on_numbered, &mine[i]))
            abort();
    }
    return NULL;
}

static void posts_of_each_thread_run_in_its_order(void **state)
{
    (void)state;
    struct belay_loop *loop = real_loop();
    struct belay_timer *timer = keeper(loop);
    struct poster posters[POSTERS];
    int left = POSTERS * POSTS;
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.loop = loop, .next = i, .left = &left};
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]), 0);
    }
    assert_int_equal(belay_loop_run(loop), 0);
    assert_int_equal(left, 0);
    for (int i = 0; i < POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
    belay_timer_free(timer);
    belay_loop_free(loop);
}

static void *stop_from_here(void *arg)
{
    belay_loop_stop(arg);
    return NULL;
}

static void stop_from_a_thread_ends_a_sleeping_run(void **state)
{
    (void)state;
    struct belay_loop *loop = real_loop();
    struct belay_timer *timer = keeper(loop);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_from_here, loop), 0);
    assert_int_equal(belay_loop_run(loop), 0);
    pthread_join(thread, NULL);
    belay_timer_free(timer);
    belay_loop_free(loop);
}

#define F(f) cmocka_unit_test_setup_teardown(f, fake_up, fake_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        F(on_its_own_thread_a_wait_turns_the_loop),
        F(on_its_own_thread_a_wait_ends_at_its_limit),
        F(a_wait_inside_a_callback_is_refused),
        F(a_wait_outlives_its_loop),
        cmocka_unit_test(threads_wait_while_another_runs_the_loop),
        cmocka_unit_test(a_thread_is_refused_when_nobody_runs_the_loop),
        cmocka_unit_test(a_thread_leaves_at_its_limit),
        cmocka_unit_test(a_call_that_was_never_fetched_is_taken_back),
        cmocka_unit_test(an_error_of_the_start_reaches_the_thread),
        cmocka_unit_test(a_patient_thread_waits_until_somebody_runs_the_loop),
        cmocka_unit_test(a_patient_thread_keeps_to_its_limit),
        cmocka_unit_test(waits_of_a_thread_can_be_interrupted),
        cmocka_unit_test(a_thread_is_released_when_the_run_ends),
        cmocka_unit_test(a_thread_is_released_when_the_loop_ends),
        cmocka_unit_test(each_call_ends_either_by_its_result_or_by_its_limit),
        cmocka_unit_test(posts_of_each_thread_run_in_its_order),
        cmocka_unit_test(stop_from_a_thread_ends_a_sleeping_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
