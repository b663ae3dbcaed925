/* SPDX-License-Identifier: MIT */
/* One life, from its drawing to its end. */
#include "sim/life.h"

#include <setjmp.h>
#include <stdio.h>

#define EVENTS_MIN 500
#define FAULTS_MIN 3 /* kinds */
#define STEPS_MIN  120
#define STEPS_MAX  600
_Static_assert(HISTORY_DRAWS + STEPS_MAX <= HISTORY_ITEMS_MAX, "each step is an item");

bool life_begin(struct life *life, unsigned item)
{
    bl_rand_seed(&life->w->rand, life->w->seed << 20 | (item + 1));
    if (life->progress && item < HISTORY_ITEMS_MAX)
        *life->progress = item;
    return item >= HISTORY_ITEMS_MAX || history_has(life->items, item);
}

static bool is_rich(const struct life *life)
{
    int kinds = 0;

    for (int i = 0; i < SIM_FAULTS_N; i++)
        kinds += life->w->faults[i] > 0;
    return life->steps >= STEPS_MIN && life->w->events >= EVENTS_MIN && kinds >= FAULTS_MIN;
}

static void step(struct life *life, const struct life_ops *ops)
{
    if (life_begin(life, HISTORY_DRAWS + (unsigned)life->steps)) {
        life->w->events++;
        ops->step(life);
    }
    life->steps++;
}

static void live(struct life *life, const struct life_ops *ops)
{
    bool (*enough)(const struct life *) = ops->is_rich ? ops->is_rich : is_rich;

    if (life->items)
        while (HISTORY_DRAWS + (unsigned)life->steps < life->items->n)
            step(life, ops);
    else
        while (!enough(life) && life->steps < STEPS_MAX)
            step(life, ops);
    life_begin(life, HISTORY_ITEMS_MAX);
    ops->recover(life);
    life_begin(life, HISTORY_ITEMS_MAX + 1);
    ops->finish(life);
}

void life_make_world(struct life *life, uint64_t seed, const struct history_options *options,
                     belay_trace_fn *on_trace, void *trace_arg)
{
    struct sim_world *w = sim_world_bare(seed);

    life->w = w;
    w->verbose = options->verbose;
    w->on_trace = on_trace;
    w->trace_arg = trace_arg;
    if (sim_world_start(w) < 0)
        w->loop = NULL;
}

int life_add_hosts(struct life *life, struct sim_host **hosts, struct belay_endpoint **endpoints,
                   int n)
{
    for (int i = 0; i < n; i++) {
        struct belay_endpoint_options o = belay_endpoint_options_init();
        char name[16];

        snprintf(name, sizeof name, "%c.sim.test", 'a' + i);
        hosts[i] = sim_host_add(life->w, name, 7000, &sim_line_server);
        o.scheme = "tcp";
        o.host = hosts[i]->name;
        o.port = hosts[i]->port;
        if (belay_endpoint_new(life->w->loop, &o, &endpoints[i], NULL) < 0)
            return -1;
    }
    return 0;
}

int life_run(struct life *life, const struct life_ops *ops, const struct history_options *options,
             char *text, size_t size)
{
    jmp_buf failed;

    life->w->quiet_failure = !options->verbose;
    life->w->on_fail = &failed;
    life->items = options->items;
    life->progress = options->progress;
    life->alloc_fails = options->alloc_fails;
    if (setjmp(failed)) {
        snprintf(text, size, "%s", life->w->failure);
        return -1;
    }
    if (!life->w->loop || ops->draw(life) < 0)
        sim_fail(life->w, "the world cannot be made");
    live(life, ops);
    life->w->on_fail = NULL;
    return 0;
}
