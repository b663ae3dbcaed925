/* SPDX-License-Identifier: MIT */
/* Leases that are out for longer than leak_threshold_ms, told once each. */
#ifndef BL_KEEP_POOL_LEAKS_H
#define BL_KEEP_POOL_LEAKS_H

#include "belay/pool.h"
#include "loop/loop.h"

struct bl_leak_record; /* of one slot of the lease table */

struct bl_leaks {
    struct bl_leak_record *records; /* by slot */
    uint32_t capacity;
    uint32_t first, last; /* in order of lending */
    struct bl_timer timer;
};

int bl_leaks_init(struct bl_leaks *leaks, struct belay_pool *pool); /* BELAY_ENOMEM */
void bl_leaks_fini(struct bl_leaks *leaks, struct belay_pool *pool);
/* A lease was given. For want of memory it is not watched. */
void bl_leaks_add(struct belay_pool *pool, struct belay_lease lease, const char *tag,
                  const char *place);
/* Leases end without a word; the watch finds out. Another threshold: looks again. */
void bl_leaks_arm(struct belay_pool *pool);

#endif
