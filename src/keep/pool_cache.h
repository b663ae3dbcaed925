/* SPDX-License-Identifier: MIT */
/*
 * A pool whose connections are kept in a cache of the caller's (keep/cache.h has the other side of
 * it). Without one these do nothing, and nobody asks them where it would cost anything.
 *
 * A connection enters the cache when it has come up, as active. It becomes inactive only in the
 * pool's task, when all who wait have been served and it is still idle: so what comes back and is
 * lent again within a turn does not move, and a policy is asked about what nobody needs.
 */
#ifndef BL_KEEP_POOL_CACHE_H
#define BL_KEEP_POOL_CACHE_H

#include "base/list.h"
#include "belay/pool.h"

struct bl_cache_group;
struct bl_pool_conn;
struct bl_pp_conn;
struct bl_pp_peer;
struct bl_conn_facts;

/* A peer that waits for a connection which others keep. */
struct bl_cache_wait {
    struct bl_list link; /* the shelf's waits: who has waited longest first */
    struct bl_list own;  /* its pool's */
    uint64_t since;
};

struct bl_pool_cache {
    struct belay_cache *cache; /* NULL: none; held */
    struct bl_cache_group *owner;
    struct bl_list resting; /* connections that may become inactive */
    struct bl_list waits;   /* its peers that wait */
};

/* BELAY_EINVAL, BELAY_ENOMEM, BELAY_ECLOSED. */
int bl_pool_cache_join(struct belay_pool *pool, struct belay_cache *cache,
                       struct belay_error *error);
void bl_pool_cache_part(struct belay_pool *pool);
/* The shelf of the pool's connections to an endpoint; NULL without a cache. BELAY_ENOMEM. */
int bl_pool_cache_shelf(struct belay_pool *pool, struct belay_endpoint *endpoint,
                        struct bl_cache_group **ret);

/* The extra bytes that a connection of the pool has. */
size_t bl_pool_cache_conn_size(const struct belay_pool *pool);
void bl_pool_cache_opened(struct belay_pool *pool, struct bl_pool_conn *conn);
void bl_pool_cache_lent(struct belay_pool *pool, struct bl_pool_conn *conn);
/* It may be idle now. */
void bl_pool_cache_settled(struct belay_pool *pool, struct bl_pool_conn *conn);
/* From the task, when everybody has been served. */
void bl_pool_cache_rest(struct belay_pool *pool);
/* The policy wants it closed. True: the cache's task tells of it first, and closes it. */
bool bl_pool_cache_ends(struct belay_pool *pool, struct bl_pool_conn *conn);
void bl_pool_cache_gone(struct belay_pool *pool, struct bl_pool_conn *conn);

/* ---- between pools (pool_adopt.c) ---- */

void bl_cache_wait_init(struct bl_cache_wait *wait);
void bl_cache_wait_end(struct bl_cache_wait *wait);
/* Takes over an idle connection of another pool, for those who wait at this peer. */
bool bl_pool_adopt(struct belay_pool *pool, struct belay_peer *peer);
/* From the task: what could be done for the peer is done. It waits at its shelf from now on, or
 * does so no more; and what it has idle others may have. */
void bl_pool_cache_attended(struct belay_pool *pool, struct belay_peer *peer);
/* There may be room for one more connection in the whole pool. */
void bl_pool_cache_room(struct belay_pool *pool);

#endif
