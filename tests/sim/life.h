/* SPDX-License-Identifier: MIT */
/*
 * A life: what every history has in common, whatever lives it. First its world is drawn, then it goes step by step, then all
 * heals and must come right, then it ends, and nothing may be left. All of it is decided by one number.
 */
#ifndef TEST_SIM_LIFE_H
#define TEST_SIM_LIFE_H

#include "sim/history_items.h"
#include "sim/world.h"

struct life;

/* What lives it. */
struct life_ops {
    int (*draw)(struct life *life); /* -1: it cannot be made */
    void (*step)(struct life *life);
    bool (*is_rich)(const struct life *life); /* enough has happened; NULL: as said in life.c */
    void (*recover)(struct life *life);       /* heals all, and fails when not all recovers */
    void (*finish)(struct life *life);        /* nothing is left, the loop neither */
};

struct life {
    struct sim_world *w;
    const struct history_items *items; /* NULL: all */
    volatile unsigned *progress;       /* the item under way; may be NULL */
    int steps;
    bool alloc_fails; /* now and then there is no memory */
    bool healed;      /* the end has begun */
};

/* From now on the random numbers are this item's; false: it is left out. */
bool life_begin(struct life *life, unsigned item);
/* The world's, before its steps: once. */
static inline void life_begin_world(struct life *life)
{
    life_begin(life, HISTORY_DRAWS - 1);
}

/* Makes life->w, and its loop, unless there is no memory for that. */
void life_make_world(struct life *life, uint64_t seed, const struct history_options *options,
                     belay_trace_fn *on_trace, void *trace_arg);

/* Hosts a, b, ... of the line server, and an endpoint of each; -1: there is no memory for one. */
int life_add_hosts(struct life *life, struct sim_host **hosts, struct belay_endpoint **endpoints,
                   int n);

/* life->w is made, its loop too, or not: then it is told. 0, or -1: what was wrong is in `text`, and all is left as it is. */
int life_run(struct life *life, const struct life_ops *ops, const struct history_options *options,
             char *text, size_t size);

#endif
