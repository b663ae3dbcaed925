/* SPDX-License-Identifier: MIT */
/* A connection of a pool that has a cache: between pool_cache.c and pool_adopt.c. */
#ifndef BL_KEEP_POOL_CACHE_CONN_H
#define BL_KEEP_POOL_CACHE_CONN_H

#include "keep/cache.h"
#include "keep/pool.h"

struct bl_cached_conn {
    struct bl_pool_conn conn; /* first: it is what the connection's extra bytes begin with */
    struct belay_cache_entry entry;
    struct bl_list resting; /* link: pool->kept.resting */
    bool entered;           /* it has come up: the rest is filled in */
    bool leaving;           /* the cache has closed it, and waits until it is gone */
};

static inline struct bl_cached_conn *bl_cached_conn_of(struct bl_pool_conn *conn)
{
    return (struct bl_cached_conn *)(void *)conn;
}

/* An idle one goes to the peer of another pool that has waited for it longest. From its pool's task;
 * false: nobody waits who may have it. */
bool bl_pool_hand_over(struct belay_pool *pool, struct bl_cached_conn *conn);

/* Whether its connections may go from one context to another. The table may be of a program that
 * was compiled before `move` was in it. */
static inline bool bl_connector_moves(const struct belay_connector_ops *ops)
{
    return ops && ops->size >= offsetof(struct belay_connector_ops, move) + sizeof ops->move &&
           ops->move;
}

#endif
