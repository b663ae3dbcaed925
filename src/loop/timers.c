/* SPDX-License-Identifier: MIT */
/*
 * Timers on a heap of deadlines. An entry's key may be earlier than what is wanted, never later: it
 * comes up, is found to be early, and goes back. Equal deadlines fire in the order in which they
 * were put in.
 */
#include "loop/threads.h"
#include "loop/turn.h"

int bl_timer_init(struct bl_timer *timer, struct belay_loop *loop, belay_fn *fn, void *arg)
{
    int rc = bl_heap_reserve(&loop->timers, &loop->mem);
    if (rc)
        return rc;
    bl_heap_entry_init(&timer->entry);
    timer->want = BELAY_NEVER;
    timer->fn = fn;
    timer->arg = arg;
    return 0;
}

void bl_timer_fini(struct bl_timer *timer, struct belay_loop *loop)
{
    if (!timer->fn)
        return;
    bl_heap_remove(&loop->timers, &timer->entry);
    bl_heap_unreserve(&loop->timers);
    timer->want = BELAY_NEVER;
    timer->fn = NULL;
}

void bl_timer_at(struct bl_timer *timer, struct belay_loop *loop, uint64_t at_ns)
{
    timer->want = at_ns;
    if (at_ns == BELAY_NEVER)
        return;
    if (timer->entry.index != BL_HEAP_OUT) {
        if (timer->entry.key <= at_ns)
            return;
        bl_heap_remove(&loop->timers, &timer->entry);
    }
    bl_heap_insert(&loop->timers, &timer->entry, at_ns);
    if (!loop->in_turn && at_ns < loop->deadline_set)
        bl_loop_changed(loop);
}

/* The first one that is due, with the early ones before it put back. */
static struct bl_timer *next_due(struct belay_loop *loop, uint64_t now)
{
    struct bl_heap_entry *entry;
    while ((entry = bl_heap_first(&loop->timers)) && entry->key <= now) {
        struct bl_timer *timer = BL_CONTAINER(entry, struct bl_timer, entry);
        if (timer->want == entry->key)
            return timer;
        bl_heap_remove(&loop->timers, entry);
        if (timer->want != BELAY_NEVER)
            bl_heap_insert(&loop->timers, entry, timer->want);
    }
    return NULL;
}

/* Bounded by how many there are, as each may arm itself, or another, for this very moment. */
bool bl_timers_run(struct belay_loop *loop)
{
    bool fired = false;
    uint64_t now = bl_now(loop);
    struct bl_timer *timer;
    for (uint32_t n = loop->timers.count; n > 0 && (timer = next_due(loop, now)); n--) {
        bl_heap_remove(&loop->timers, &timer->entry);
        timer->want = BELAY_NEVER;
        fired = true;
        timer->fn(timer->arg);
    }
    return fired;
}

/* ---- the caller's timers ---- */

struct belay_timer {
    struct bl_list link;
    struct bl_timer timer;
    struct belay_loop *loop;
    belay_fn *fn;
    void *arg;
    bool started;
};

static void set_started(struct belay_timer *timer, bool started)
{
    if (started && !timer->started)
        timer->loop->users++;
    else if (!started && timer->started)
        timer->loop->users--;
    timer->started = started;
}

static void user_timer_fired(void *arg)
{
    struct belay_timer *timer = arg;
    set_started(timer, false);
    timer->fn(timer->arg);
}

int belay_timer_new(struct belay_loop *loop, belay_fn *fn, void *arg,
                    struct belay_timer **ret_timer)
{
    if (!loop || !fn || !ret_timer)
        return BELAY_EINVAL;
    if (loop->shutting)
        return BELAY_ECLOSED;
    struct belay_timer *timer = bl_zalloc(&loop->mem, sizeof *timer);
    if (!timer)
        return BELAY_ENOMEM;
    int rc = bl_timer_init(&timer->timer, loop, user_timer_fired, timer);
    if (rc) {
        bl_free(&loop->mem, timer);
        return rc;
    }
    timer->loop = loop;
    timer->fn = fn;
    timer->arg = arg;
    bl_list_push_back(&loop->user_timers, &timer->link);
    *ret_timer = timer;
    return 0;
}

void belay_timer_start(struct belay_timer *timer, int64_t delay_ms)
{
    struct belay_loop *loop = timer->loop;
    BL_DEBUG_ASSERT(bl_threads_here(loop));
    if (loop->shutting)
        return;
    int64_t delay = delay_ms == BELAY_FOREVER ? INT64_MAX : delay_ms;
    bl_timer_at(&timer->timer, loop, bl_after_ms(bl_now_fresh(loop), delay));
    set_started(timer, bl_timer_active(&timer->timer));
}

void belay_timer_stop(struct belay_timer *timer)
{
    bl_timer_stop(&timer->timer);
    set_started(timer, false);
}

void belay_timer_free(struct belay_timer *timer)
{
    if (!timer)
        return;
    struct belay_loop *loop = timer->loop;
    belay_timer_stop(timer);
    bl_timer_fini(&timer->timer, loop);
    bl_list_remove(&timer->link);
    bl_free(&loop->mem, timer);
}

void bl_user_timers_stop(struct belay_loop *loop)
{
    BL_LIST_EACH(node, &loop->user_timers)
    belay_timer_stop(BL_LIST_OF(node, struct belay_timer, link));
}

void bl_user_timers_free(struct belay_loop *loop)
{
    struct bl_list *node;
    while ((node = bl_list_first(&loop->user_timers)))
        belay_timer_free(BL_LIST_OF(node, struct belay_timer, link));
}
