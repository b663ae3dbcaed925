/* SPDX-License-Identifier: MIT */
/* Waiting until a process is in a state that belay knows of: connected, backing off, ended. */
#include "keep/process_await.h"
#include "loop/threads.h"

struct waiter {
    struct bl_loop_await base;
    int32_t state;
    belay_process_state_fn *fn;
    void *arg;
};

static bool is_possible(const struct belay_process *p, enum belay_process_state state,
                        int64_t timeout_ms)
{
    return p && state >= BELAY_PROCESS_STARTING && state <= BELAY_PROCESS_ENDED &&
           (timeout_ms >= 0 || timeout_ms == BELAY_FOREVER);
}

/* That it ended is what some wait for. */
static int result_of(int result, int32_t state)
{
    return result == BELAY_ENOPROC && state == BELAY_PROCESS_ENDED ? 0 : result;
}

/* ---- with a callback ---- */

static void waiter_free(struct bl_loop_await *a)
{
    bl_free(&a->process->loop->mem, BL_CONTAINER(a, struct waiter, base));
}

static void waiter_deliver(struct bl_loop_await *a, int result)
{
    struct waiter *w = BL_CONTAINER(a, struct waiter, base);
    belay_process_state_fn *fn = w->fn;
    void *arg = w->arg;

    result = result_of(result, w->state);
    waiter_free(a);
    fn(result, arg);
}

static int wait_until(struct belay_process *process, enum belay_process_state state,
                      int64_t timeout_ms, struct waiter **ret, belay_process_state_fn *fn,
                      void *arg)
{
    struct waiter *w = bl_alloc(&process->loop->mem, sizeof *w);

    if (!w)
        return BELAY_ENOMEM;
    w->state = (int32_t)state;
    w->fn = fn;
    w->arg = arg;
    w->base.deliver = waiter_deliver;
    w->base.dropped = waiter_free;
    if (bl_loop_await_init(&w->base, process, timeout_ms) < 0) {
        bl_free(&process->loop->mem, w);
        return BELAY_ENOMEM;
    }
    bl_loop_await_for_state(&w->base, state);
    *ret = w;
    return 0;
}

int belay_process_wait_until(struct belay_process *process, enum belay_process_state state,
                             int64_t timeout_ms, belay_process_state_fn *fn, void *arg)
{
    struct waiter *w;

    if (!is_possible(process, state, timeout_ms) || !fn)
        return BELAY_EINVAL;
    if (!bl_threads_here(process->loop))
        return BELAY_ENOTSUP;
    return wait_until(process, state, timeout_ms, &w, fn, arg);
}

/* ---- blocking ---- */

struct blocked {
    struct bl_wait wait;
    struct belay_process *process;
    enum belay_process_state state;
    struct waiter *waiter;
};

static void blocked_done(int result, void *arg)
{
    struct blocked *b = arg;

    bl_wait_done(&b->wait, result);
}

static int blocked_start(struct bl_wait *wait)
{
    struct blocked *b = BL_CONTAINER(wait, struct blocked, wait);

    return wait_until(b->process, b->state, BELAY_FOREVER, &b->waiter, blocked_done, b);
}

static void blocked_cancel(struct bl_wait *wait)
{
    bl_loop_await_cancel(&BL_CONTAINER(wait, struct blocked, wait)->waiter->base);
}

static int wait_by_loop(struct belay_process *p, enum belay_process_state state, int64_t timeout_ms)
{
    struct blocked b = {
        .wait = {.loop = p->loop, .start = blocked_start, .cancel = blocked_cancel},
        .process = p,
        .state = state,
    };

    return bl_wait(&b.wait, timeout_ms);
}

static int wait_directly(struct belay_process *p, enum belay_process_state state,
                         int64_t timeout_ms)
{
    struct bl_sleeper s;
    int rc;

    if (bl_sleeper_init(&s) < 0)
        return BELAY_ENOMEM;
    rc = bl_await_state(p->table, &p->awaits, &s.await, &p->shown, (int32_t)state);
    if (!rc)
        rc = bl_sleeper_wait(&s, bl_process_sleep_until(timeout_ms), bl_process_thread_nap());
    bl_sleeper_fini(&s);
    return result_of(rc, (int32_t)state);
}

int belay_process_wait_until_wait(struct belay_process *process, enum belay_process_state state,
                                  int64_t timeout_ms)
{
    if (!is_possible(process, state, timeout_ms))
        return BELAY_EINVAL;
    if (bl_process_thread_is_self(process))
        return BELAY_EDEADLK;
    if (bl_process_is_elsewhere(process))
        return wait_directly(process, state, timeout_ms);
    return wait_by_loop(process, state, timeout_ms);
}
