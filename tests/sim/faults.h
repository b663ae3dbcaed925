/* SPDX-License-Identifier: MIT */
/* The schedule of faults: one at a time, at any host, for as long as chance leaves it. */
#ifndef TEST_SIM_FAULTS_H
#define TEST_SIM_FAULTS_H

#include "sim/world.h"

/* One more fault, or one less: at this host, on the way to it, or at home. */
void sim_fault(struct sim_world *w, struct sim_host *host, bool alloc_fails);
/* When all has healed: it can be dialled. */
void sim_expect_well(struct sim_world *w, struct belay_endpoint *endpoint);
/* Of all of them nothing is left. */
void sim_heal(struct sim_world *w);

#endif
