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

struct history {
    struct sim_rig *rig;
    struct coverage *coverage;
    enum history_kind kind;
    struct sim_target *targets[HISTORY_PEERS_MAX];
    int n; /* peers */
    bool alloc_fails;
    bool reckless; /* callbacks do things too */
    int steps;
};

void history_acquire(struct history *h, struct sim_target *t);

/* One more fault, or one less, somewhere (faults.c). */
void history_fault(struct history *h);
void history_heal(struct history *h);

struct history_options {
    bool verbose;
    bool alloc_fails; /* in every history, not only in some */
};

/* Makes world, pool and hosts; -1 when that cannot be. */
int history_draw(struct history *h, const struct history_options *options);

/* 0, or -1: what was wrong is in `text`. */
int history_run(uint64_t seed, const struct history_options *options, struct coverage *coverage,
                char *text, size_t size);

#endif
