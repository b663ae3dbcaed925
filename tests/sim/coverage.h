/* SPDX-License-Identifier: MIT */
/* How often everything that can happen to a pool did: what is met anywhere (met.h), reasons of closes, stages of errors. */
#ifndef TEST_SIM_COVERAGE_H
#define TEST_SIM_COVERAGE_H

#include "sim/met.h"
#include "sim/rig.h"

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

struct coverage {
    struct met met;
    uint64_t closed[BELAY_REASONS_N]; /* connections by reason */
    uint64_t failed[BELAY_STAGES_N];  /* dials by stage */
    uint64_t refused[BELAY_STAGES_N]; /* acquires by stage */
    uint64_t kinds[8], asks, given, checks;
};

static inline void coverage_did(struct coverage *c, enum coverage_deed deed)
{
    c->met.deeds[deed]++;
}

void coverage_add(struct coverage *c, const struct sim_rig *rig);
void coverage_print(const struct coverage *c);
/* What was hardly met, printed; how many. */
int coverage_lacking(const struct coverage *c);

#endif
