/* SPDX-License-Identifier: MIT */
/* How often everything that can happen did: transitions of the trace, faults, reasons of closes, stages of errors. */
#ifndef TEST_SIM_COVERAGE_H
#define TEST_SIM_COVERAGE_H

#include "sim/rig.h"

#define COVERAGE_STEPS_MAX 128

/* What histories do beyond asking and giving back, and what they draw. */
#define COVERAGE_DEEDS(X)                                                                          \
    X(CHANGE, "options changed")                                                                   \
    X(REFUSED, "contradictory options refused")                                                    \
    X(CLEAR, "peer cleared gently")                                                                \
    X(CLEAR_NOW, "peer cleared now")                                                               \
    X(CLEAR_ALL, "pool cleared")                                                                   \
    X(NETWORK, "another network")                                                                  \
    X(SUSPEND, "suspended")                                                                        \
    X(RESUME, "resumed")                                                                           \
    X(URGENT, "urgent acquire")                                                                    \
    X(FRESH, "acquire of a fresh one")                                                             \
    X(RECKLESS, "something done in a callback")                                                    \
    X(KEYS, "history of several keys")                                                             \
    X(HEALTH, "history with health_check")                                                         \
    X(MIN_IDLE, "history with min_idle")                                                           \
    X(MAX_IDLE, "history with max_idle")                                                           \
    X(FIFO, "history with FIFO")                                                                   \
    X(LEAST_USED, "history with least used")                                                       \
    X(ASKED, "health_check asked")                                                                 \
    X(CREATED, "hook: created")                                                                    \
    X(CLOSED, "hook: closed")                                                                      \
    X(REUSED, "hook: reused")                                                                      \
    X(LEAK, "hook: leak")                                                                          \
    X(REVOKED, "lease revoked by clearing")

enum coverage_deed {
#define X(name, text) COVERAGE_##name,
    COVERAGE_DEEDS(X)
#undef X
        COVERAGE_DEEDS_N
};

struct coverage_step {
    char noun[16], from[16], to[16];
    uint64_t n;
};

struct coverage {
    struct coverage_step steps[COVERAGE_STEPS_MAX];
    size_t steps_n;
    uint64_t faults[SIM_FAULTS_N];
    uint64_t closed[BELAY_REASONS_N]; /* connections by reason */
    uint64_t failed[BELAY_STAGES_N];  /* dials by stage */
    uint64_t refused[BELAY_STAGES_N]; /* acquires by stage */
    uint64_t histories, kinds[8], events, turns, dials, asks, given, checks;
    uint64_t deeds[COVERAGE_DEEDS_N];
    uint64_t events_least, peers_least, faults_least; /* of any history */
};

void coverage_trace(const struct belay_trace *trace, void *coverage);
void coverage_add(struct coverage *c, const struct sim_rig *rig);
void coverage_print(const struct coverage *c);
/* What was hardly met, printed; how many. A share of all histories is asked for, so few histories ask for little. */
int coverage_lacking(const struct coverage *c);

#endif
