/* SPDX-License-Identifier: MIT */
/*
 * The turn: events, then due timers, then posts, then tasks and more due timers until there are
 * none, then flushes; then the backend is told the next deadline. Whatever posts without end gets
 * ROUNDS_MAX rounds and the next turn.
 */
#include "loop/turn.h"

#include "loop/nest.h"
#include "loop/threads.h"

#define ROUNDS_MAX 8

uint64_t bl_now_fresh(struct belay_loop *loop)
{
    if (!loop->in_turn)
        loop->now_stale = true;
    return bl_now(loop);
}

uint64_t bl_after_ms(uint64_t now_ns, int64_t ms)
{
    if (ms < 0)
        return now_ns;
    if ((uint64_t)ms > (BELAY_NEVER - now_ns) / BL_MS(1))
        return BELAY_NEVER;
    return now_ns + BL_MS((uint64_t)ms);
}

int64_t belay_loop_now_ms(struct belay_loop *loop)
{
    return (int64_t)(bl_now(loop) / BL_MS(1));
}

/* ---- for backends ---- */

void belay_backend_begin(struct belay_loop *loop)
{
    if (loop->in_turn || loop->detaching)
        return;
    loop->in_turn = true;
    loop->now_stale = true;
    bl_threads_take(loop);
}

void belay_backend_event(struct belay_backend_slot *slot, unsigned events)
{
    belay_backend_begin(slot->loop);
    events &= slot->mask;
    if (events)
        slot->fn(events, slot->arg);
}

static bool deadline_is_news(const struct belay_loop *loop)
{
    struct bl_heap_entry *first = bl_heap_first(&loop->timers);
    return first && first->key < loop->deadline_set;
}

/* A deadline that moved later is not told: the backend comes early once, and then is. */
static void tell_deadline(struct belay_loop *loop)
{
    if (!deadline_is_news(loop) &&
        (loop->deadline_set == BELAY_NEVER || bl_now(loop) < loop->deadline_set))
        return;
    struct bl_heap_entry *first = bl_heap_first(&loop->timers);
    loop->deadline_set = first ? first->key : BELAY_NEVER;
    loop->backend.set_deadline(loop->deadline_set, loop->backend.arg);
}

static bool run_round(struct belay_loop *loop)
{
    bool fired = bl_timers_run(loop);
    bool ran = bl_tasks_run(loop);
    return fired || ran;
}

/* Whether anything ran. */
static bool end_turn(struct belay_loop *loop)
{
    belay_backend_begin(loop);
    bool ran = bl_timers_run(loop);
    if (bl_threads_run(loop))
        ran = true;
    int rounds = ROUNDS_MAX;
    do {
        for (; rounds > 0 && run_round(loop); rounds--)
            ran = true;
        if (bl_flushes_run(loop))
            ran = true;
    } while (rounds-- > 0 && !bl_list_empty(&loop->tasks));
    tell_deadline(loop);
    loop->in_turn = false;
    loop->now_stale = true;
    if (BL_UNLIKELY(loop->closing) && bl_loop_may_end(loop)) {
        loop->ended = true;
        if (loop->hosted)
            bl_loop_end(loop);
    }
    return ran;
}

void belay_backend_end(struct belay_loop *loop)
{
    if (!loop->detaching)
        end_turn(loop);
}

bool belay_backend_pending(struct belay_loop *loop)
{
    if (loop->detaching || loop->ended)
        return false;
    return loop->in_turn || !bl_list_empty(&loop->tasks) || !bl_list_empty(&loop->flushes) ||
           deadline_is_news(loop) || bl_threads_pending(loop->threads) ||
           (loop->closing && bl_loop_may_end(loop));
}

/* ---- for those who own the loop ---- */

/* The backend may count in coarser steps: a loop that is turned without waiting must not spin till
 * then. */
static bool deadline_has_come(struct belay_loop *loop)
{
    return loop->deadline_set != BELAY_NEVER && bl_now_fresh(loop) >= loop->deadline_set;
}

int bl_turn(struct belay_loop *loop, int64_t timeout_ns)
{
    bool gone = false;
    int rc = 0;
    loop->gone = &gone;
    loop->turning = true;
    loop->watch_changed = false;
    if (loop->nest)
        bl_nest_clear(loop->nest);
    if (belay_backend_pending(loop) || (timeout_ns == 0 && deadline_has_come(loop))) {
        if (end_turn(loop) || belay_backend_pending(loop))
            timeout_ns = 0;
    }
    if (!loop->ended || loop->detaching)
        rc = loop->backend.run(timeout_ns, loop->backend.arg);
    if (!gone && loop->ended && !loop->detaching)
        bl_loop_end(loop);
    if (gone)
        return BL_TURN_GONE;
    loop->gone = NULL;
    loop->turning = false;
    loop->now_stale = true; /* also where nothing happened but time */
    if (loop->nest) {
        bl_nest_set_deadline(loop->nest, loop);
        /* A new watch becomes part of the backend's descriptor when it polls again. */
        if (loop->watch_changed || loop->ended || belay_backend_pending(loop))
            bl_nest_signal(loop->nest);
    }
    return rc < 0 ? rc : 0;
}

void bl_loop_changed(struct belay_loop *loop)
{
    if (loop->nest && !loop->turning)
        bl_nest_signal(loop->nest);
}

bool bl_loop_alive(const struct belay_loop *loop)
{
    const struct bl_loop_threads *t = loop->threads;
    return !bl_list_empty(&loop->objects) || loop->users > 0 || bl_threads_pending(t) ||
           atomic_load(&t->open) > 0 || loop->closing;
}

static int may_turn(const struct belay_loop *loop)
{
    if (loop->hosted)
        return BELAY_ENOTSUP;
    return loop->in_turn || loop->turning ? BELAY_EDEADLK : 0;
}

int belay_loop_run(struct belay_loop *loop)
{
    int rc = may_turn(loop);
    if (rc)
        return rc;
    bl_waits_enter(loop);
    while (bl_loop_alive(loop)) {
        rc = bl_turn(loop, atomic_load(&loop->threads->stop) ? 0 : -1);
        if (rc == BL_TURN_GONE)
            return 0;
        if (rc < 0 || atomic_load(&loop->threads->stop))
            break;
    }
    atomic_store(&loop->threads->stop, false);
    bl_waits_leave(loop);
    return rc;
}

int belay_loop_turn(struct belay_loop *loop, int64_t timeout_ms)
{
    int rc = may_turn(loop);
    if (rc)
        return rc;
    if (timeout_ms < 0 && timeout_ms != BELAY_FOREVER)
        return BELAY_EINVAL;
    if (!loop->driven) {
        loop->driven = true;
        bl_waits_enter(loop); /* for ever: turns will go on to be made bit by bit */
    }
    int64_t timeout_ns = -1;
    if (timeout_ms != BELAY_FOREVER)
        timeout_ns = timeout_ms > INT64_MAX / 1000000 ? INT64_MAX : timeout_ms * 1000000;
    rc = bl_turn(loop, timeout_ns);
    return rc == BL_TURN_GONE ? 0 : rc;
}

void belay_loop_stop(struct belay_loop *loop)
{
    struct bl_loop_threads *t = loop->threads;
    atomic_store(&t->stop, true);
    if (bl_threads_here(loop))
        return; /* in a turn, which ends, or outside: the next one does not wait */
    bl_mutex_lock(&t->lock);
    if (!t->ended)
        loop->backend.wake(loop->backend.arg);
    bl_mutex_unlock(&t->lock);
}
