/* SPDX-License-Identifier: MIT */
/*
 * A pool's connections with the threads, as the pool sees them. To its policy such a connection is
 * lent: the *loan* holds the lease, and gives it back when the connection comes home. What is said
 * here is the loop's thread's; share_threads.c has the other side.
 */
#ifndef BL_KEEP_SHARE_H
#define BL_KEEP_SHARE_H

#include "base/list.h"
#include "belay/share.h"
#include "conn/thread_lease.h"

struct bl_pool_conn;
struct bl_share; /* of a pool that was opened as shared; NULL in others */
struct bl_group; /* of a peer that threads are attached to, or have connections of; else NULL */

/* Part of a pool's connection. */
struct bl_loan {
    struct bl_thread_slot *slot; /* NULL: it was never with the threads */
    struct bl_group *group;      /* NULL: it is not with the threads now */
    struct bl_list link;         /* group->loans */
    struct bl_list running;      /* link: group->running, while nobody has recalled it */
    struct belay_lease lease;    /* the pool's */
    uint32_t place;              /* on the group's board */
    uint32_t counted;            /* generation up to which acquires are in the statistics */
    bool watched;                /* while it is parked */
    uint64_t seen, seen_at;      /* the slot's word when the sweep first saw it like this */
};

/* BELAY_ENOMEM. */
int bl_share_open(struct belay_pool *pool);
void bl_share_free(struct belay_pool *pool);
/* Nobody is attached any more, nor has anything. */
bool bl_share_is_quiet(const struct belay_pool *pool);

/*
 * Everything comes home: what is parked now, what is out at its release. With `revoke` the leases
 * that are out are stale at once; their connections come home nevertheless. With `closed` threads
 * are told so.
 */
void bl_share_recall(struct belay_pool *pool, bool revoke, bool closed);
void bl_share_recall_peer(struct belay_peer *peer, bool revoke);
/* Those of which the policy has said so (pp.recall). */
void bl_share_recall_marked(struct belay_pool *pool);
/* Something has happened to this one. */
void bl_share_recall_conn(struct bl_pool_conn *conn);
/* Its descriptor is readable while it is watched as parked: whether it was, and is home. */
bool bl_share_stirs(struct bl_pool_conn *conn);

/* Somebody waits, and nothing is ready: parked ones come home, as many as wait; where these are not
 * enough, those that are out at their release. How many came. */
unsigned bl_share_reclaim(struct belay_peer *peer, unsigned wanted);
/* One that is parked, for somebody who does not wait. */
bool bl_share_reclaim_one(struct belay_peer *peer);
/* Somebody of another peer waits for the place of an idle one. */
void bl_share_make_room(struct belay_pool *pool);

static inline bool bl_loan_is_out(const struct bl_loan *loan)
{
    return loan->group != NULL;
}
/* The connection is gone. */
void bl_loan_fini(struct bl_loan *loan);

/* Parked ones count as idle, and the threads' acquires were acquires. */
void bl_share_peer_stats(const struct belay_peer *peer, struct belay_pool_stats *stats);
void bl_share_pool_stats(const struct belay_pool *pool, struct belay_pool_stats *stats);

#endif
