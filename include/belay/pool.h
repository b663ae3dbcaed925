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

#include "belay/child.h"
#include "belay/lease.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_pool;
struct belay_peer;   /* one endpoint of a pool: what "hot" calls use */
struct belay_waiter; /* one pending acquire */
struct belay_cache;  /* belay/cache.h */

enum belay_reuse_order {
    BELAY_REUSE_DEFAULT = 0, /* LIFO */
    BELAY_REUSE_LIFO,        /* the one used last: spare ones idle out */
    BELAY_REUSE_FIFO,        /* the one idle for longest: all are kept warm */
    BELAY_REUSE_LEAST_USED,  /* the one lent least often: the load spreads */
};

/* A lease that is out for longer than leak_threshold_ms: told once. */
struct belay_leak {
    size_t size;
    struct belay_lease lease;
    struct belay_peer *peer;
    uint64_t connection; /* its number (belay_conn_id) */
    const char *tag;     /* of the acquire (belay_acquire_options); NULL: none was given */
    const char *place;   /* "file.c:12", likewise */
    int64_t held_ms;
};

/*
 * What a pool asks and tells; all may be NULL. The hooks run from the loop, after what they tell;
 * every call is allowed in them. health_check and connector.is_healthy are asked *inside*
 * try_acquire, acquire's turn and release, for what is about to be lent or has come back: they may
 * look at the connection, and answer; other calls on the pool are not theirs to make.
 */
struct belay_pool_callbacks {
    size_t size;
    /*
     * Is this connection good? Asked before an idle one is lent, and at its release. 1 yes, 0 no
     * (it is closed, reason `unhealthy`, and the next one is tried), or BELAY_EAGAIN: the answer
     * comes later by belay_conn_checked, within check_timeout_ms; nobody is lent it meanwhile.
     */
    int (*health_check)(struct belay_conn *conn, void *arg);
    void (*on_connection_created)(struct belay_peer *peer, uint64_t connection, void *arg);
    /* One that had been created. `error` is NULL where nothing failed. */
    void (*on_connection_closed)(struct belay_peer *peer, uint64_t connection,
                                 enum belay_reason reason, const struct belay_error *error,
                                 void *arg);
    /* Lent again: not at its first use. */
    void (*on_connection_reused)(struct belay_peer *peer, uint64_t connection, void *arg);
    void (*on_leak)(const struct belay_leak *leak, void *arg);
};

/* In this order docs/options.md has them as a table; a test compares. */
struct belay_pool_options {
    size_t size;
    struct belay_connector connector;      /* zero: plain streams */
    const struct belay_dial_options *dial; /* NULL: the defaults */
    int32_t max_connections_per_endpoint;  /* 10, those that are dialled and closed among them */
    int32_t max_connections_total;         /* 1,000, of all endpoints */
    int64_t max_idle_time_ms;              /* 60,000, from the last release */
    int64_t max_connection_lifetime_ms;    /* 300,000; one in use ends at its release */
    int32_t max_connection_uses;           /* BELAY_FOREVER; N is N uses */
    int32_t max_waiters;                   /* per endpoint; 10,000 */
    int64_t acquire_timeout_ms;            /* waiting for a connection; 30,000 */
    int32_t connect_retry_count;           /* 3: up to 4 dials before a waiter fails */
    int64_t connect_retry_delay_ms;        /* 100, doubling up to 10,000, +-20 % */
    int32_t expected_capacity; /* uses of one connection at a time, before one is open: 1;
                                       BELAY_NONE: unknown (dial one, then one more every 50 ms) */
    const struct belay_pool_callbacks *callbacks; /* NULL: none; the struct is copied */
    void *callbacks_arg;
    int32_t min_idle; /* 0: verified connections kept ready for each endpoint whose peer is held */
    int32_t max_idle_per_endpoint;  /* BELAY_FOREVER; BELAY_NONE: closed when nobody waits for it */
    int32_t max_idle_total;         /* BELAY_FOREVER; of all endpoints */
    int32_t max_dials_per_endpoint; /* in flight at a time; 64 */
    int32_t max_dials_total;        /* 256, of all endpoints */
    int32_t lifetime_jitter;        /* BELAY_NONE; per cent taken off lifetimes at random, to 50 */
    enum belay_reuse_order reuse_order; /* which idle connection is lent */
    int64_t check_after_idle_ms; /* BELAY_FOREVER; one idle for longer is checked before it is
                                       lent */
    int64_t check_interval_ms;   /* BELAY_FOREVER; idle ones are checked as often, lent or not:
                                       for connections without a descriptor to watch */
    int64_t check_timeout_ms;    /* 5,000, for the answer to a check */
    int64_t leak_threshold_ms;   /* BELAY_FOREVER; leases that are out for longer are reported */
    int64_t resolve_interval_ms; /* 30,000; names of open connections are looked up again as often:
                                    those to addresses twice missing are retired. BELAY_FOREVER:
                                    never */
    struct belay_cache *cache;   /* where idle connections are kept; NULL: the pool's own; not
                                    together with min_idle or shared */
    bool shared;                 /* may be used by attached threads (belay/share.h) */
};
BELAY_OPTIONS_INIT(belay_pool_options)

/*
 * Opens a pool. BELAY_EINVAL: an option is out of range or contradicts another, `error` names it.
 * BELAY_ENOMEM, BELAY_ECLOSED (the loop is ending).
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
 * While a reference is held the pool may be asked and closed after its end. on_closed of a second
 * close takes the place of the first's; who did not ask for the end may watch for it: fn runs once,
 * after on_closed, or in a later turn when the pool is closed already. BELAY_ENOMEM, BELAY_EINVAL
 * (no fn).
 */
BELAY_API struct belay_pool *belay_pool_ref(struct belay_pool *pool);
BELAY_API void belay_pool_unref(struct belay_pool *pool);
BELAY_API bool belay_pool_is_closed(const struct belay_pool *pool); /* from close or drain on */
BELAY_API int belay_pool_close_finished(struct belay_pool *pool, belay_fn *fn, void *arg);

/*
 * Changes options while it works: all numbers, and reuse_order. As everywhere, 0 is the default:
 * start from belay_pool_get_options. What the struct has besides must be zero, or as it was opened
 * with. Connections above a lowered limit go: idle ones now (reason `evicted`), those in use at
 * their release; so do those that are older, or idle for longer, than is allowed now. A longer life
 * is for connections yet to come up, uses are counted from when they are limited, and leaks looked
 * for among the leases given from then on. BELAY_EINVAL names the option, and nothing has changed.
 */
BELAY_API int belay_pool_set_options(struct belay_pool *pool,
                                     const struct belay_pool_options *options,
                                     struct belay_error *error);

/*
 * Suspended, it lends nothing and dials nobody: acquires wait, with their time limits,
 * and try_acquire returns BELAY_EAGAIN. Leases that are out go on. Both may be called again.
 */
BELAY_API void belay_pool_suspend(struct belay_pool *pool);
BELAY_API void belay_pool_resume(struct belay_pool *pool);

/*
 * Closes connections (reason `cleared`): idle ones now, those in use at their release. With NOW
 * both, now: leases are revoked. Those in flight are dialled anew. Waiters go on waiting, and
 * what was learned of failures is forgotten.
 */
enum belay_clear { BELAY_CLEAR_GENTLY = 0, BELAY_CLEAR_NOW };
BELAY_API void belay_peer_clear(struct belay_peer *peer, enum belay_clear how);
BELAY_API void belay_pool_clear(struct belay_pool *pool, enum belay_clear how);

/*
 * The handle of an endpoint, with one reference for the caller; it holds one of the endpoint. Its
 * key is looked up once. It keeps the endpoint's place (its statistics, what was learned of it) and
 * may be held after the pool is closed. BELAY_ENOMEM, BELAY_ECLOSED.
 */
BELAY_API int belay_pool_peer(struct belay_pool *pool, struct belay_endpoint *endpoint,
                              struct belay_peer **ret_peer);
/* The pool; NULL once it is closed. */
BELAY_API struct belay_pool *belay_peer_pool(const struct belay_peer *peer);

/*
 * A pool for one endpoint, and that peer, with a reference for the caller. At the pool's end, and
 * when this call fails, `done(arg)` runs (may be NULL): for what the connector needs. Errors of
 * belay_pool_open.
 */
BELAY_API int belay_pool_open_for(struct belay_endpoint *endpoint,
                                  const struct belay_pool_options *options, belay_fn *done,
                                  void *arg, struct belay_peer **ret_peer,
                                  struct belay_error *error);

BELAY_API struct belay_peer *belay_peer_ref(struct belay_peer *peer);
BELAY_API void belay_peer_unref(struct belay_peer *peer);
BELAY_API struct belay_endpoint *belay_peer_endpoint(const struct belay_peer *peer);

/*
 * A connection, now. BELAY_EAGAIN when none is idle, or somebody waits already; BELAY_ECLOSED;
 * BELAY_ENOMEM.
 */
BELAY_API int belay_peer_try_acquire(struct belay_peer *peer, struct belay_lease *ret_lease);
/* The same, saying whose it is and where, for on_leak; both as in belay_acquire_options. */
BELAY_API int belay_peer_try_acquire_as(struct belay_peer *peer, const char *tag, const char *place,
                                        struct belay_lease *ret_lease);

/* With a lease, or with an error and a lease that is stale. */
typedef void belay_acquire_fn(struct belay_lease lease, const struct belay_error *error, void *arg);

/* "file.c:12", of where it stands. */
#define BELAY_HERE            __FILE__ ":" BELAY_HERE_TEXT(__LINE__)
#define BELAY_HERE_TEXT(line) BELAY_HERE_LINE(line)
#define BELAY_HERE_LINE(line) #line

struct belay_acquire_options {
    size_t size;
    int64_t timeout_ms; /* 0: the pool's */
    bool fresh;         /* a new connection, never one that was used */
    bool urgent;        /* served before all who are not */
    const char *tag;    /* for on_leak: whose it is; not copied, must stay as long as the lease */
    const char *place;  /* likewise; BELAY_HERE */
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
 * argument. ANY THREAD; another than the loop's gets a lease of its own (belay/lease.h).
 */
BELAY_API int belay_peer_acquire_wait(struct belay_peer *peer, int64_t timeout_ms,
                                      struct belay_lease *ret_lease, struct belay_error *error);

/* The same with options (a tag and a place, urgent, fresh); their timeout_ms does not count. */
BELAY_API int belay_peer_acquire_wait_as(struct belay_peer *peer, int64_t timeout_ms,
                                         const struct belay_acquire_options *options,
                                         struct belay_lease *ret_lease, struct belay_error *error);

struct belay_pool_stats {
    size_t size;
    uint32_t endpoints;                      /* peers known (1 for a peer's own) */
    uint32_t idle, in_use, dialing, closing; /* connections; `in_use` has those being checked */
    uint32_t leases;                         /* out now */
    uint32_t waiting;                        /* acquires */
    uint32_t peak;                    /* connections at a time, dialing and closing included */
    uint64_t acquired, reused;        /* leases given; those on a connection used before */
    uint64_t opened;                  /* connections that came up */
    uint64_t closed[BELAY_REASONS_N]; /* by reason */
    uint64_t failed[BELAY_STAGES_N];  /* dials, by stage */
    uint64_t refused[BELAY_STAGES_N]; /* acquires, by stage of the error */
    uint64_t waited_ns;               /* in all, by acquires that were served */
    uint64_t checks;                  /* connections checked, by whatever means */
    uint64_t leaks;                   /* leases reported by on_leak, or that would have been */
    uint32_t checking;                /* of `in_use` */
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

/*
 * Options as text: "max_connections_per_endpoint 10, max_connections_total 1000, ..."; fields that
 * are zero read `default`. Writes at most `size` bytes, terminated, and returns how long it
 * is in full, like snprintf.
 */
BELAY_API size_t belay_pool_options_print(const struct belay_pool_options *options, char *out,
                                          size_t size);

/* The last error of a peer's dials: its text, stage and age; false when the last dial succeeded.
 * `error` is filled (without `tried`). */
BELAY_API bool belay_peer_last_error(const struct belay_peer *peer, struct belay_error *error,
                                     int64_t *ret_age_ms);

/*
 * A child spec (belay/child.h): the supervisor opens a pool with these options (copied, what they
 * point to is not) and drains it, or closes it when its time to stop has passed. `on_open` (may be
 * NULL) is given each pool as it is opened. A pool that somebody else closed ended normally.
 * BELAY_EINVAL, BELAY_ENOMEM.
 */
typedef void belay_pool_open_fn(struct belay_pool *pool, void *arg);
BELAY_API int belay_pool_child_spec(const struct belay_pool_options *options,
                                    belay_pool_open_fn *on_open, void *arg,
                                    struct belay_child_spec *ret_spec, struct belay_error *error);

#ifdef __cplusplus
}
#endif

#endif
