/* SPDX-License-Identifier: MIT */
/*
 * A history: a random life of a pool under a random schedule of faults, all of it decided by one number. Then the faults
 * heal, and everything must come to a good end.
 */
#ifndef TEST_SIM_HISTORY_H
#define TEST_SIM_HISTORY_H

#include "sim/coverage.h"
#include "sim/rig.h"

#define HISTORY_PEERS_MAX 6

enum history_kind { HISTORY_FAKE, HISTORY_WIRES, HISTORY_SESSIONS, HISTORY_TLS, HISTORY_KINDS };

/*
 * What a history is made of, in order: what was drawn for it (kind, options), then its steps. Each has random numbers of its
 * own, so that leaving some out changes as little as may be of the others: that is how one that fails is shrunk.
 */
#define HISTORY_DRAWS     32
#define HISTORY_ITEMS_MAX 1024

struct history_items {
    unsigned n; /* of them; none of those after */
    uint64_t kept[HISTORY_ITEMS_MAX / 64];
};

struct history {
    struct sim_rig *rig;
    struct coverage *coverage;
    enum history_kind kind;
    struct sim_target *targets[HISTORY_PEERS_MAX];
    int n; /* peers */
    bool alloc_fails;
    bool reckless; /* callbacks do things too */
    bool keys;     /* several endpoints at one host, that differ in what makes a key */
    bool settled;  /* the pool is left as it was opened */
    int steps;
    bool healed;                       /* the end has begun: callbacks do nothing of their own */
    const struct history_items *items; /* NULL: all */
    volatile unsigned *progress;       /* the item under way; may be NULL */
};

static inline bool history_has(const struct history_items *items, unsigned item)
{
    return !items || (item < items->n && (items->kept[item / 64] >> item % 64 & 1));
}
/* From now on the random numbers are this item's. */
void history_begin(struct history *h, unsigned item);

/* history_steps.c */
void history_acquire(struct history *h, struct sim_target *t);
struct sim_target *history_target(struct history *h);
struct sim_ask *history_ask(struct history *h, enum sim_ask_state state);
void history_hang_up(struct history *h, bool all);
void history_step(struct history *h);
void history_in_hook(struct sim_rig *rig, void *history);

/* Whether there is a way to ask a connection if it is good. */
static inline bool history_can_check(const struct history *h)
{
    return h->kind == HISTORY_FAKE || h->kind == HISTORY_SESSIONS ||
           (h->rig->asks_health && !h->rig->no_hooks);
}

/* history_ops.c: something done to the pool as a whole. */
void history_operate(struct history *h);

/* One more fault, or one less, somewhere (faults.c). */
void history_fault(struct history *h);
void history_heal(struct history *h);

struct history_options {
    bool verbose;
    bool alloc_fails; /* in every history, not only in some */
    bool one_by_one;  /* no shrinking: what fails is told, and that is all */
    enum sim_sabotage sabotage;
    const struct history_items *items; /* NULL: all */
    volatile unsigned *progress;       /* may be NULL */
};

/* Makes world, pool and hosts; -1 when that cannot be. */
int history_draw(struct history *h, const struct history_options *options);

/* 0, or -1: what was wrong is in `text`. */
int history_run(uint64_t seed, const struct history_options *options, struct coverage *coverage,
                char *text, size_t size);

#endif
