/* SPDX-License-Identifier: MIT */
/*
 * belay/pool.h - lends connections: per endpoint a peer with idle connections, connections in use,
 * dials in flight and waiters.
 *
 * A waiter is served by whatever comes first, an idle connection or any dial; waiters are served in
 * order of arrival. Idle connections are watched, so a peer's close is seen when it happens; a warm
 * acquire makes no system call and allocates nothing. Limits are hard.
 */
#ifndef BELAY_POOL_H
#define BELAY_POOL_H

#include "belay/lease.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_pool;
struct belay_peer;   /* one endpoint of a pool: what "hot" calls use */
struct belay_waiter; /* one pending acquire */

struct belay_pool_options {
    size_t size;
    struct belay_connector connector;      /* zero: plain streams */
    const struct belay_dial_options *dial; /* NULL: the defaults */
    int32_t max_connections_per_endpoint;  /* 10 */
    int32_t max_connections_total;         /* 1,000 */
    int64_t max_idle_time_ms;              /* 60,000, from the last release */
    int64_t max_connection_lifetime_ms;    /* 300,000; one in use ends at its release */
    int32_t max_connection_uses;           /* BELAY_FOREVER; N is N uses */
    int32_t max_waiters;                   /* per endpoint; 10,000 */
    int64_t acquire_timeout_ms;            /* waiting for a connection; 30,000 */
    int32_t connect_retry_count;           /* 3: up to 4 dials before a waiter fails */
    int64_t connect_retry_delay_ms;        /* 100, doubling up to 10,000, +-20 % */
    int32_t expected_capacity; /* uses of one connection at a time, before one is open: 1;
                                       BELAY_NONE: unknown (dial one, then one more every 50 ms) */
};
BELAY_OPTIONS_INIT(belay_pool_options)

/*
 * Opens a pool. BELAY_EINVAL: an option is out of range, `error` names it. BELAY_ENOMEM,
 * BELAY_ECLOSED (the loop is ending).
 */
BELAY_API int belay_pool_open(struct belay_loop *loop, const struct belay_pool_options *options,
                              struct belay_pool **ret_pool, struct belay_error *error);

/*
 * Ends it: waiters fail with BELAY_ECLOSED, leases are revoked, connections closed; then on_closed
 * (may be NULL). belay_pool_drain waits for the leases that are out (belay_pool_close hurries it
 * up).
 */
BELAY_API void belay_pool_close(struct belay_pool *pool, belay_fn *on_closed, void *arg);
BELAY_API void belay_pool_drain(struct belay_pool *pool, belay_fn *on_closed, void *arg);

/*
 * The handle of an endpoint, with one reference for the caller; it holds one of the endpoint. Its
 * key is looked up once. It keeps the endpoint's place (its statistics, what was learned of it) and
 * may be held after the pool is closed. BELAY_ENOMEM, BELAY_ECLOSED.
 */
BELAY_API int belay_pool_peer(struct belay_pool *pool, struct belay_endpoint *endpoint,
                              struct belay_peer **ret_peer);
BELAY_API struct belay_peer *belay_peer_ref(struct belay_peer *peer);
BELAY_API void belay_peer_unref(struct belay_peer *peer);
BELAY_API struct belay_endpoint *belay_peer_endpoint(const struct belay_peer *peer);

/*
 * A connection, now. BELAY_EAGAIN when none is idle, or somebody waits already; BELAY_ECLOSED;
 * BELAY_ENOMEM.
 */
BELAY_API int belay_peer_try_acquire(struct belay_peer *peer, struct belay_lease *ret_lease);

/* With a lease, or with an error and a lease that is stale. */
typedef void belay_acquire_fn(struct belay_lease lease, const struct belay_error *error, void *arg);

struct belay_acquire_options {
    size_t size;
    int64_t timeout_ms; /* 0: the pool's */
    bool fresh;         /* a new connection, never one that was used */
};
BELAY_OPTIONS_INIT(belay_acquire_options)

/*
 * A connection, when there is one. On 0, fn runs once, later. *ret_waiter (may be NULL) is for
 * belay_waiter_cancel and valid until then. The error's stage says what failed: queue (waited too
 * long), resolve, connect, tls, protocol.
 *
 * BELAY_EFULL    max_waiters are waiting already
 * BELAY_ECLOSED, BELAY_ENOMEM, BELAY_EINVAL
 */
BELAY_API int belay_peer_acquire(struct belay_peer *peer,
                                 const struct belay_acquire_options *options,
                                 struct belay_waiter **ret_waiter, belay_acquire_fn *fn, void *arg);
BELAY_API void belay_waiter_cancel(struct belay_waiter *waiter);

/*
 * Blocks until there is one; see belay/loop.h for where it may be called. timeout_ms as an
 * argument. ANY THREAD.
 */
BELAY_API int belay_peer_acquire_wait(struct belay_peer *peer, int64_t timeout_ms,
                                      struct belay_lease *ret_lease, struct belay_error *error);

struct belay_pool_stats {
    size_t size;
    uint32_t endpoints;                      /* peers known (1 for a peer's own) */
    uint32_t idle, in_use, dialing, closing; /* connections */
    uint32_t leases;                         /* out now */
    uint32_t waiting;                        /* acquires */
    uint32_t peak;                    /* connections at a time, dialing and closing included */
    uint64_t acquired, reused;        /* leases given; those on a connection used before */
    uint64_t opened;                  /* connections that came up */
    uint64_t closed[BELAY_REASONS_N]; /* by reason */
    uint64_t failed[BELAY_STAGES_N];  /* dials, by stage */
    uint64_t refused[BELAY_STAGES_N]; /* acquires, by stage of the error */
    uint64_t waited_ns;               /* in all, by acquires that were answered */
};
BELAY_OPTIONS_INIT(belay_pool_stats)

BELAY_API void belay_pool_get_stats(const struct belay_pool *pool, struct belay_pool_stats *stats);
BELAY_API void belay_peer_get_stats(const struct belay_peer *peer, struct belay_pool_stats *stats);

/*
 * The peers of a pool, one after the other: NULL starts, NULL ends. Valid until the next call on
 * the pool.
 */
BELAY_API struct belay_peer *belay_pool_next_peer(const struct belay_pool *pool,
                                                  const struct belay_peer *peer);

/* The effective options, defaults filled in. */
BELAY_API void belay_pool_get_options(const struct belay_pool *pool,
                                      struct belay_pool_options *options);

#ifdef __cplusplus
}
#endif

#endif
