/* SPDX-License-Identifier: MIT */
/* The end of a world: it comes to rest, and nothing is left in it. */
#include "loop/loop.h"
#include "sim/parts.h"

static bool never(void *arg)
{
    (void)arg;
    return false;
}

/* With every object gone, no timer may be left that would do something. */
static void check_timers(struct sim_world *w)
{
    const struct bl_heap *h = &w->loop->timers;

    for (uint32_t i = 0; i < h->count; i++) {
        const struct bl_timer *t = BL_CONTAINER(h->entries[i], struct bl_timer, entry);

        if (bl_timer_active(t))
            sim_fail(w, "a timer is armed after the end");
    }
}

void sim_rest(struct sim_world *w)
{
    sim_run_until(w, SIM_END_MS, never, NULL);
    if (!sim_is_dry(w))
        sim_fail(w, "the loop does not come to rest");
    check_timers(w);
}

void sim_end(struct sim_world *w)
{
    sim_loop_free(w);
    if (w->fds_open)
        sim_fail(w, "%d descriptors are left", w->fds_open);
    if (!bl_list_empty(&w->watches))
        sim_fail(w, "a watch is left");
    if (!bl_list_empty(&w->queries))
        sim_fail(w, "a query is left");
    if (failing_alloc_live(&w->alloc))
        sim_fail(w, "%zu blocks of memory are left", failing_alloc_live(&w->alloc));
}
