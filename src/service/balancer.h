/* SPDX-License-Identifier: MIT */
/* Which of several kernels to connect to. Pure. */
#ifndef BL_SERVICE_BALANCER_H
#define BL_SERVICE_BALANCER_H

#include "base/rand.h"
#include "belay/chronicle.h"

struct bl_balancer {
    enum belay_chronicle_balancer kind; /* not DEFAULT */
    struct bl_rand rand;
    uint64_t next; /* of ROUND_ROBIN: counts from a random start */
};

void bl_balancer_init(struct bl_balancer *b, enum belay_chronicle_balancer kind, uint64_t seed);

/* Whether the kernels' counts are wanted: of one alone they are not. */
bool bl_balancer_probes(const struct bl_balancer *b, size_t n);

/*
 * The index of one of n (at least 1). `counts` are of LEAST_CONNECTIONS: the fewest win, those that
 * are not known (negative) are worse than any, and among equals chance decides.
 */
size_t bl_balancer_pick(struct bl_balancer *b, const int64_t *counts, size_t n);

#endif
