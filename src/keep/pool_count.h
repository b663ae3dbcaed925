/* SPDX-License-Identifier: MIT */
/* Counting: every event counts for its peer and for the pool. */
#ifndef BL_KEEP_POOL_COUNT_H
#define BL_KEEP_POOL_COUNT_H

#include "keep/pool_policy.h"

#define BL_PP_ADD(peer_, field, n)                                                                 \
    do {                                                                                           \
        (peer_)->stats.field += (n);                                                               \
        (peer_)->pool->stats.field += (n);                                                         \
    } while (0)
#define BL_PP_COUNT(peer_, field) BL_PP_ADD(peer_, field, 1)

#endif
