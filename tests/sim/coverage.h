/* SPDX-License-Identifier: MIT */
/* How often everything that can happen did: transitions of the trace, faults, reasons of closes, stages of errors. */
#ifndef TEST_SIM_COVERAGE_H
#define TEST_SIM_COVERAGE_H

#include "sim/rig.h"

#define COVERAGE_STEPS_MAX 128

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
    uint64_t histories, kinds[8], events, turns, dials, asks, given, checks, operations, told;
    uint64_t events_least, peers_least, faults_least; /* of any history */
};

void coverage_trace(const struct belay_trace *trace, void *coverage);
void coverage_add(struct coverage *c, const struct sim_rig *rig);
void coverage_print(const struct coverage *c);
/* What was hardly met, printed; how many. A share of all histories is asked for, so few histories ask for little. */
int coverage_lacking(const struct coverage *c);

#endif
