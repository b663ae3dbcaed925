/* SPDX-License-Identifier: MIT */
/*
 * The pool's shell: what pool.c (life, peers, options, statistics) and pool_run.c (performing what
 * the policy decided) share.
 */
#ifndef BL_KEEP_POOL_H
#define BL_KEEP_POOL_H

#include "base/map.h"
#include "base/options.h"
#include "conn/conn.h"
#include "conn/endpoint.h"
#include "conn/error_copy.h"
#include "conn/lease.h"
#include "keep/pool_policy.h"

#define BL_SPARE_WAITERS_MAX                                                                       \
    128 /* kept for the next acquire, so that a busy pool allocates nothing */

struct belay_pool {
    struct bl_pp pp;
    struct bl_object object;
    struct belay_loop *loop;
    struct belay_pool_options options; /* effective; dial points at the next */
    struct belay_dial_options dial;
    struct belay_backoff backoff; /* as each peer begins */
    struct bl_map peers;          /* by endpoint key */
    struct bl_list conns;
    struct bl_list dirty; /* peers to look at in the next run */
    struct bl_list spare_waiters;
    uint32_t spare_waiters_n;
    struct bl_task run;
    struct bl_timer pause; /* dialling rests after a local failure */
    bool closing;          /* close or drain was called */
    belay_fn *on_closed;
    void *closed_arg;
};

struct belay_peer {
    struct bl_pp_peer pp;
    struct belay_pool *pool; /* NULL once it is closed */
    struct belay_loop *loop;
    struct belay_endpoint *endpoint;
    struct bl_map_node node;
    struct bl_list dirty;  /* link */
    struct bl_timer timer; /* when dialling becomes possible */
    struct bl_error_copy last_error;
    uint32_t refs;
};

struct belay_waiter {
    struct bl_pp_waiter pp;
    struct belay_peer *peer;
    struct bl_timer timer;
    int64_t timeout_ms;
    belay_acquire_fn *fn;
    void *arg;
    uint64_t id;
};

/* What a connection of a pool has beside belay's own part: in its extra bytes. */
struct bl_pool_conn {
    struct bl_pp_conn pp;
    struct bl_lessor lessor;
    struct bl_list link; /* pool->conns */
    bool heeded;         /* its connector, or a trace, wants to hear of its leases */
    bool trimmed;
};

extern const struct bl_option bl_pool_options[];
extern const size_t bl_pool_options_n;

static inline struct belay_peer *bl_peer_of(struct bl_pp_peer *pp)
{
    return BL_CONTAINER(pp, struct belay_peer, pp);
}
static inline struct bl_pool_conn *bl_pool_conn_of(struct bl_pp_conn *pp)
{
    return BL_CONTAINER(pp, struct bl_pool_conn, pp);
}

/* pool_run.c: the policy of this peer has something to say. */
void bl_pool_touch(struct belay_peer *peer);
void bl_pool_run(void *pool);      /* the task */
void bl_pool_on_pause(void *pool); /* its timer */
void bl_peer_on_timer(void *peer); /* its timer */
void bl_waiter_spare(struct belay_pool *pool, struct belay_waiter *waiter);

/* pool.c: it has no handle, connection or waiter any more. */
void bl_peer_reap(struct belay_peer *peer);
/* pool.c: everything is closed: tells, and frees the pool. */
void bl_pool_finish(struct belay_pool *pool);

#endif
