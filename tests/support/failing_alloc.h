/* SPDX-License-Identifier: MIT */
/*
 * An allocator that counts, and fails when told: for sweeps that let every allocation of a scenario
 * fail.
 *
 *     struct failing_alloc f;
 *     for (size_t n = 1;; n++) {
 *         failing_alloc_init(&f);
 *         failing_alloc_once(&f, n);
 *         scenario(&f.allocator);                   // must end in BELAY_ENOMEM or in success
 *         assert_int_equal(failing_alloc_live(&f), 0);
 *         if (failing_alloc_failures(&f) == 0)
 *             break;                                // fewer than n allocations: all have failed
 * once
 *     }
 *
 * Any thread may allocate; the rest belongs to the thread of the test. A block that is released
 * twice, or was never allocated here, ends the process.
 */
#ifndef TEST_SUPPORT_FAILING_ALLOC_H
#define TEST_SUPPORT_FAILING_ALLOC_H

#include <stdatomic.h>

#include "belay/base.h"

struct failing_alloc {
    struct belay_allocator allocator; /* for the world of a loop, or bl_mem_init */
    _Atomic size_t calls;             /* allocations and reallocations asked for */
    _Atomic size_t failures;          /* of them refused */
    _Atomic size_t live, live_bytes;
    _Atomic size_t peak, peak_bytes;
    _Atomic size_t fail_from, fail_to; /* numbers of the calls that fail, both included; 0: none */
    const char *secret;   /* of the test: is not to be in memory that is released; NULL: none */
    _Atomic size_t spilt; /* blocks in which it was */
};

void failing_alloc_init(struct failing_alloc *f);

/* The n-th allocation from now on fails (1 is the next), once or with all that follow. 0: none
 * fails. */
void failing_alloc_once(struct failing_alloc *f, size_t n);
void failing_alloc_from(struct failing_alloc *f, size_t n);

static inline size_t failing_alloc_live(struct failing_alloc *f)
{
    return atomic_load(&f->live);
}
static inline size_t failing_alloc_failures(struct failing_alloc *f)
{
    return atomic_load(&f->failures);
}
static inline size_t failing_alloc_calls(struct failing_alloc *f)
{
    return atomic_load(&f->calls);
}

#endif
