/* SPDX-License-Identifier: MIT */
/* A small seedable generator (xoshiro256**): jitter and choices that a test can replay. Not for
 * secrets. */
#ifndef BL_BASE_RAND_H
#define BL_BASE_RAND_H

#include "belay/base.h"

struct bl_rand {
    uint64_t s[4];
};

void bl_rand_seed(struct bl_rand *r, uint64_t seed);
uint64_t bl_rand_next(struct bl_rand *r);
/* Uniform in [0, bound); 0 when bound is 0. */
uint64_t bl_rand_below(struct bl_rand *r, uint64_t bound);
/* Uniform in [0, 1). */
double bl_rand_unit(struct bl_rand *r);

#endif
