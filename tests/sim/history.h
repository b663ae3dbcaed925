/* SPDX-License-Identifier: MIT */
/*
 * A history: a random life of a pool under a random schedule of faults, all of it decided by one number. Then the faults
 * heal, and everything must come to a good end.
 */
#ifndef TEST_SIM_HISTORY_H
#define TEST_SIM_HISTORY_H

#include "sim/coverage.h"
#include "sim/life.h"
#include "sim/rig.h"

#define HISTORY_PEERS_MAX 6

enum history_kind { HISTORY_FAKE, HISTORY_WIRES, HISTORY_SESSIONS, HISTORY_TLS, HISTORY_KINDS };

struct history {
    struct life life;
    struct sim_rig *rig;
    struct coverage *coverage;
    enum history_kind kind;
    struct sim_target *targets[HISTORY_PEERS_MAX];
    int n;         /* peers */
    bool reckless; /* callbacks do things too */
    bool keys;     /* several endpoints at one host, that differ in what makes a key */
    bool settled;  /* the pool is left as it was opened */
};

static inline struct history *history_of(struct life *life)
{
    return BL_CONTAINER(life, struct history, life);
}

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

/* One more fault, or one less, somewhere. */
void history_fault(struct history *h);
void history_heal(struct history *h);

/* Makes pool and hosts; -1 when that cannot be. */
int history_draw(struct history *h);

/* 0, or -1: what was wrong is in `text`. */
int history_run(uint64_t seed, const struct history_options *options, struct coverage *coverage,
                char *text, size_t size);

#endif
