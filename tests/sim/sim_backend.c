/* SPDX-License-Identifier: MIT */
/*
 * The backend: one turn takes what happens in the next instant (part of it, as the seed decides),
 * tells some of the watches that are ready, in any order, and ends the turn. What was left is told
 * in the next one.
 */
#include "sim/parts.h"

#define TURNS_OF_INSTANT_MAX 20000
#define TURNS_MAX            5000000

struct sim_watch {
    struct bl_list link;
    struct sim_world *world;
    struct belay_backend_slot *slot;
    int fd;
    unsigned mask;
};

static int attach(struct belay_loop *loop, const struct belay_allocator *allocator, void *arg)
{
    struct sim_world *w = arg;

    (void)allocator;
    w->loop = loop;
    return 0;
}

static int watch(int fd, unsigned mask, struct belay_backend_slot *slot, void **handle, void *arg)
{
    struct sim_world *w = arg;
    struct sim_watch *watch = *handle;

    if (!sim_net_is_open(w, fd))
        return BELAY_EINVAL;
    if (!watch) {
        watch = w->alloc.allocator.allocate(sizeof *watch, w->alloc.allocator.arg);
        if (!watch)
            return BELAY_ENOMEM;
        watch->world = w;
        bl_list_push_back(&w->watches, &watch->link);
    }
    watch->slot = slot;
    watch->fd = fd;
    watch->mask = mask;
    *handle = watch;
    return 0;
}

static void unwatch(void **handle, void *arg)
{
    struct sim_world *w = arg;
    struct sim_watch *watch = *handle;

    if (!watch)
        return;
    bl_list_remove(&watch->link);
    w->alloc.allocator.release(watch, w->alloc.allocator.arg);
    *handle = NULL;
}

/* A time that no clock will show: a pool has such timers. */
#define AGES (UINT64_MAX / 4)

static void set_deadline(uint64_t at_ns, void *arg)
{
    struct sim_world *w = arg;

    w->deadline = at_ns < AGES ? at_ns : BELAY_NEVER;
}

static void wake(void *arg)
{
    struct sim_world *w = arg;

    w->woken = true;
}

bool sim_watched(struct sim_world *w, int fd)
{
    BL_LIST_EACH(node, &w->watches)
    if (BL_LIST_OF(node, struct sim_watch, link)->fd == fd)
        return true;
    return false;
}

static unsigned ready(struct sim_world *w, const struct sim_watch *watch)
{
    return sim_net_ready(w, watch->fd) & watch->mask;
}

static bool any_ready(struct sim_world *w)
{
    BL_LIST_EACH(node, &w->watches)
    if (ready(w, BL_LIST_OF(node, struct sim_watch, link)))
        return true;
    return false;
}

bool sim_is_quiet(struct sim_world *w)
{
    return !w->woken && w->deadline > w->now_ns && sim_next_event_ns(w) > w->now_ns &&
           !belay_backend_pending(w->loop) && !any_ready(w);
}

bool sim_is_dry(struct sim_world *w)
{
    return sim_is_quiet(w) && w->deadline == BELAY_NEVER && !bl_heap_first(&w->heap);
}

/* When something is to be done: now, at an event, at the loop's deadline. */
static uint64_t next_ns(struct sim_world *w)
{
    uint64_t next = sim_next_event_ns(w);

    if (w->woken || belay_backend_pending(w->loop) || any_ready(w))
        return w->now_ns;
    return w->deadline < next ? w->deadline : next;
}

static void run_events(struct sim_world *w)
{
    while (sim_next_event_ns(w) <= w->now_ns) {
        struct bl_heap_entry *first = bl_heap_first(&w->heap);
        struct sim_event *e = BL_CONTAINER(first, struct sim_event, entry);

        bl_heap_remove(&w->heap, first);
        w->events++;
        e->fn(e->arg);
        if (!w->serial && sim_chance(w, 30))
            break;
    }
}

/* Picks one ready watch that has not been told in this turn: they are moved to `told` first. */
static struct sim_watch *pick(struct sim_world *w, struct bl_list *told, unsigned *events)
{
    struct sim_watch *found = NULL;
    uint64_t n = 0;

    BL_LIST_EACH(node, &w->watches)
    {
        struct sim_watch *candidate = BL_LIST_OF(node, struct sim_watch, link);
        unsigned e = ready(w, candidate);

        if (e && (n++ == 0 || (!w->serial && sim_below(w, n) == 0))) {
            found = candidate;
            *events = e;
        }
    }
    if (found) {
        bl_list_remove(&found->link);
        bl_list_push_back(told, &found->link);
    }
    return found;
}

static void tell_watches(struct sim_world *w)
{
    struct bl_list told;
    struct sim_watch *found;
    unsigned events = 0;

    bl_list_init(&told);
    while ((found = pick(w, &told, &events))) {
        w->events++;
        belay_backend_event(found->slot, events);
        if (!w->serial && sim_chance(w, 20))
            break;
    }
    bl_list_splice(&w->watches, &told);
    if (w->spurious && !bl_list_empty(&w->watches) && sim_chance(w, 3)) {
        found = BL_LIST_OF(bl_list_first(&w->watches), struct sim_watch, link);
        sim_did(w, SIM_FAULT_SPURIOUS, NULL);
        belay_backend_event(found->slot, found->mask);
    }
}

static int run(int64_t timeout_ns, void *arg)
{
    struct sim_world *w = arg;
    uint64_t next = next_ns(w);

    if (timeout_ns < 0 && next == BELAY_NEVER)
        sim_fail(w, "hang: the loop waits, and nothing will ever happen");
    if (timeout_ns >= 0 && next > w->now_ns + (uint64_t)timeout_ns)
        next = w->now_ns + (uint64_t)timeout_ns;
    if (next > w->now_ns) {
        w->now_ns = next;
        w->turns_of_instant = 0;
    }
    if (++w->turns_of_instant > TURNS_OF_INSTANT_MAX)
        sim_fail(w, "the loop spins: %d turns, and no time has passed", TURNS_OF_INSTANT_MAX);
    w->woken = false;
    if (++w->turns > TURNS_MAX)
        sim_fail(w, "this goes on for %d turns and does not end", TURNS_MAX);
    belay_backend_begin(w->loop);
    run_events(w);
    tell_watches(w);
    belay_backend_end(w->loop);
    if (w->after_turn)
        w->after_turn(w, w->after_turn_arg);
    return 0;
}

static int descriptor(void *arg)
{
    (void)arg;
    return -1;
}

static void detach(void (*done)(void *), void *done_arg, void *arg)
{
    struct sim_world *w = arg;

    if (!bl_list_empty(&w->watches))
        sim_fail(w, "the loop ended with a watch");
    w->loop = NULL;
    done(done_arg);
}

void sim_backend_init(struct sim_world *w)
{
    w->backend = (struct belay_backend){
        .size = sizeof w->backend,
        .attach = attach,
        .watch = watch,
        .unwatch = unwatch,
        .set_deadline = set_deadline,
        .wake = wake,
        .run = run,
        .descriptor = descriptor,
        .detach = detach,
        .arg = w,
    };
}
