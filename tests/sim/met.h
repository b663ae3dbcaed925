/* SPDX-License-Identifier: MIT */
/*
 * How often everything that can happen did, whatever lived: transitions of the trace, faults, and deeds, which are numbered and
 * named by whoever counts them.
 */
#ifndef TEST_SIM_MET_H
#define TEST_SIM_MET_H

#include "sim/world.h"

#define MET_STEPS_MAX 128
#define MET_DEEDS_MAX 96

struct met_step {
    char noun[16], from[24], to[24];
    uint64_t n;
};

struct met {
    const char *const *deed_names;
    size_t deeds_n;
    uint64_t deeds[MET_DEEDS_MAX];
    struct met_step steps[MET_STEPS_MAX];
    size_t steps_n;
    uint64_t faults[SIM_FAULTS_N];
    uint64_t histories, events, turns, dials;
    uint64_t events_least, peers_least, faults_least; /* of any history */
};

/* "" is nothing: before its beginning, after its end. */
struct met_expected {
    const char *noun, *from, *to;
};

void met_trace(const struct belay_trace *trace, void *met);
/* What happened in this world, at its end. */
void met_add(struct met *m, const struct sim_world *w);
void met_heading(const struct met *m);
void met_print(const struct met *m);
void met_row(const char *what, const char *name, uint64_t n);
/* What was hardly met, printed; how many. A share of all histories is asked for, so few histories ask for little. */
uint64_t met_wanted(const struct met *m);
int met_lacks(const char *what, const char *name, uint64_t n, uint64_t wanted);
int met_lacking_steps(const struct met *m, const struct met_expected *expected, size_t n);
int met_lacking_deeds(const struct met *m);
int met_lacking_fault(const struct met *m, enum sim_fault fault);
int met_lacking_size(const struct met *m);

#endif
