/* SPDX-License-Identifier: MIT */
/*
 * belay/connector.h - the one small interface under every keeper: how a connection is opened, used
 * and ended.
 *
 * A connector is a table of down-calls. It answers by up-calls, and does nothing else to belay:
 * from within a down-call it may make up-calls (they take effect afterwards) and use streams,
 * timers and watches, but no keeper.
 *
 * The life of a connection:
 *
 *     open --> open_done --> { acquired --> released }* --> close --> closed
 *        \--> open_failed                                     ^
 *         \------------- cancel, while opening ---> closed    |
 *                          lost, once, at any time after open_done
 *
 * Two forms. *Over an opened stream*: give `session_open`; belay dials (TCP, TLS, ...) and hands
 * over the stream. *From the endpoint*: give `open`; the connector dials itself and belay never
 * sees a descriptor.
 *
 * One session over a stream, in full: tests/support/toy_connector.c. One from the endpoint, with an
 * address of its own type: examples/connector.c.
 */
#ifndef BELAY_CONNECTOR_H
#define BELAY_CONNECTOR_H

#include "belay/endpoint.h"
#include "belay/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_conn; /* one connection, between its connector and its keeper */

struct belay_connector_ops {
    size_t size;
    const char *name; /* "http", "postgres": for logs */

    /*
     * Form 1: the stream is open (belay_conn_stream), its TLS facts known. Start the protocol; then
     * belay_conn_open_done or belay_conn_open_failed, at once or later, within session_timeout_ms.
     * On failure belay closes the stream. The stream's callbacks are the connector's from now until
     * close. NULL: the plain stream connector: open at once; callbacks belong to whoever holds the
     * lease.
     */
    void (*session_open)(struct belay_conn *conn, struct belay_stream *stream, void *arg);

    /*
     * Form 2: dial and start, then open_done or open_failed. belay limits the whole by
     * session_timeout_ms.
     */
    void (*open)(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg);

    /*
     * Neither open_done nor open_failed has been made, and neither is wanted any more: the keeper
     * has closed it, the limit has passed, or (form 1) its stream has died. Make belay_conn_closed
     * when nothing of it is left; what opens late is closed by the connector first. NULL: closed at
     * once. What session_open made must be found here: belay_conn_set_state keeps it.
     */
    void (*cancel)(struct belay_conn *conn, void *arg);

    /*
     * End it, and make belay_conn_closed, which is waited for as long as it takes; in `open_done`
     * .. `closed` it comes exactly once. Form 1: may still write; after `closed` what was written
     * is flushed and the stream closed, and after close_timeout_ms it is closed in any case:
     * belay_conn_stream is NULL then, and a stream that was kept must not be used. So it is with
     * BELAY_REASON_TAKEN, when the stream is in other hands. Leases that were revoked are not
     * released first. NULL: closed at once.
     */
    void (*close)(struct belay_conn *conn, enum belay_reason reason, void *arg);

    /*
     * Is it alive? Answer by belay_conn_checked, at once or within session_timeout_ms. It is lent
     * to nobody meanwhile. NULL: cannot be asked.
     */
    void (*check)(struct belay_conn *conn, void *arg);

    /* A lease on it was given, or given back (not when it was taken). Both may be NULL. */
    void (*acquired)(struct belay_conn *conn, void *arg);
    void (*released)(struct belay_conn *conn, void *arg);

    /*
     * Asked, not called: is it good, as far as is known without waiting? Before an idle one is lent
     * and at its release; false closes it (reason `unhealthy`). It looks and answers, nothing else.
     * NULL: what was reported by up-calls decides.
     */
    bool (*is_healthy)(struct belay_conn *conn, void *arg);

    /*
     * An idle connection goes over to another pool that shares the cache (belay/cache.h), whose
     * connector has these functions too, with the context `to`: what it has of `arg` it is to have
     * of `to` from now on. Looks and answers, like is_healthy; false: it stays. NULL: connections
     * move between equal contexts alone, unasked.
     */
    bool (*move)(struct belay_conn *conn, void *arg, void *to);
};

/* A connector is its table and its own context; both must outlive the keeper that uses it. */
struct belay_connector {
    const struct belay_connector_ops *ops; /* NULL: plain streams */
    void *arg;
};

/* ---- up-calls: loop thread ---- */

/*
 * It is up: `state` is the connector's own (belay_conn_state, belay_lease_state), `capacity` how
 * many may use it at a time (1: one).
 */
BELAY_API void belay_conn_open_done(struct belay_conn *conn, void *state, int capacity);

/*
 * It did not come up; the error is copied (a kind of 0 becomes the code's). Nothing more is called
 * on it, but what is attached ends inside: free what is yours first, and what `end` needs after.
 * `final`: do not try again. The kind decides what a pool does: RETRY is tried again, LIMIT is this
 * process's own trouble, anything else fails all who wait.
 */
BELAY_API void belay_conn_open_failed(struct belay_conn *conn, const struct belay_error *error);

/* How many may use it now (0: nobody new). */
BELAY_API void belay_conn_set_capacity(struct belay_conn *conn, int capacity);

/* The peer will close it: no new use; those who use it finish. */
BELAY_API void belay_conn_draining(struct belay_conn *conn);

/* It may be dead: it is checked before it is lent again, or closed when it cannot be checked. */
BELAY_API void belay_conn_suspect(struct belay_conn *conn);

/*
 * It is dead; once, at any time (before open_done it is the same as open_failed). `reason` is
 * PEER_CLOSED, UNHEALTHY or ERROR (0: PEER_CLOSED when the error is BELAY_EEOF, or NULL, else
 * ERROR). `close` follows, at the latest when the last lease is back. In form 1 belay sees by
 * itself that the stream has died or ended: only what the protocol says need be told.
 */
BELAY_API void belay_conn_lost(struct belay_conn *conn, enum belay_reason reason,
                               const struct belay_error *error);

/* The answer to `check`: 0 is healthy. */
BELAY_API void belay_conn_checked(struct belay_conn *conn, int result);

/* Nothing of it is left. */
BELAY_API void belay_conn_closed(struct belay_conn *conn);

/*
 * Form 2: a descriptor of the connection's to watch while nobody uses it. When it becomes readable
 * then, the connection is suspect: checked, or closed when it cannot be. The check reads what is
 * there, else it is asked for again and again. While it opens, is lent, or is being checked, what
 * it does means nothing to belay, and whoever has it may watch it: a link's connection is in use
 * as long as it is up, so there the connector watches it, and says belay_conn_lost. It stays the
 * connector's, and is to be open while the connection is idle: where a user may have closed it,
 * `released` sets the one that is there now, or -1. (Where it does not, that is found out when the
 * connection has been idle for a second, or before: it is suspect then.) Another may be set at any
 * time, the first in the turn of open_done at the latest. A lease costs no system call where
 * nothing stirred; on a backend of the caller's (belay/world.h) the descriptor is watched anew
 * after each. BELAY_ENOMEM, BELAY_ECLOSED, BELAY_EINVAL (form 1, or too late).
 */
BELAY_API int belay_conn_set_descriptor(struct belay_conn *conn, int fd);

/*
 * A timer, a watch, a reader that the connector attaches to its connection: `end(arg)` runs once,
 * at the latest before `close` or `cancel` is called (the last attached ends first), when a lease
 * takes the stream, or inside open_failed. What `end` says by up-calls is not heard. Detach is for
 * what has ended by itself. BELAY_ENOMEM; BELAY_ECLOSED: it is ending, and `end` does not run.
 */
BELAY_API int belay_conn_attach(struct belay_conn *conn, belay_fn *end, void *arg);
BELAY_API void belay_conn_detach(struct belay_conn *conn, belay_fn *end, void *arg);

/* ---- what a connection knows ---- */

BELAY_API struct belay_loop *belay_conn_loop(const struct belay_conn *conn);
BELAY_API struct belay_endpoint *belay_conn_endpoint(const struct belay_conn *conn);
/* NULL in form 2. */
BELAY_API struct belay_stream *belay_conn_stream(const struct belay_conn *conn);
BELAY_API void *belay_conn_state(const struct belay_conn *conn);
/* Before open_done, if useful; open_done sets it again. */
BELAY_API void belay_conn_set_state(struct belay_conn *conn, void *state);
BELAY_API uint64_t belay_conn_id(const struct belay_conn *conn);

/* How a connection is dialled: limits of each stage, and the socket's watchfulness. */
struct belay_dial_options {
    size_t size;
    int64_t resolve_timeout_ms; /* 5,000, for the addresses of a name */
    int64_t connect_timeout_ms; /* 10,000: of the race of addresses alone */
    int64_t tls_timeout_ms;     /* 10,000, for the handshake */
    int64_t session_timeout_ms; /* 10,000: the connector's session; in form 2 all of it */
    int64_t close_timeout_ms;   /* 2,000: what is left to be sent at close */
    int64_t race_delay_ms;      /* 250: from one address to the next (RFC 8305) */
    int32_t keepalive_idle_s;   /* 20; BELAY_NONE: no probes */
    int32_t keepalive_every_s;  /* 5, from one probe to the next */
    int32_t keepalive_probes;   /* 3 without an answer, and it is dead */
    int64_t user_timeout_ms;    /* 30,000: unacknowledged data; a peer that reads slowly lives. Not
                                   more than the probes take: idle + every * probes */
    int64_t dial_timeout_ms;    /* resolve, connect, proxy and TLS together; BELAY_FOREVER */
    int64_t proxy_timeout_ms;   /* 10,000: of each proxy, to its answer */
};
BELAY_OPTIONS_INIT(belay_dial_options)

/* ---- a connection without a keeper ---- */

struct belay_dial;

/* The stream is the callee's, to be closed with belay_stream_close; or NULL and the error. */
typedef void belay_dial_fn(struct belay_stream *stream, const struct belay_error *error, void *arg);

/*
 * Dials an endpoint once. `options` may be NULL. *ret_dial (may be NULL) is for belay_dial_cancel
 * and valid until the callback. BELAY_EINVAL, BELAY_ENOMEM, BELAY_ECLOSED; BELAY_ENOTSUP on another
 * thread than the loop's: belay_dial_wait is for these.
 */
BELAY_API int belay_dial(struct belay_endpoint *endpoint, const struct belay_dial_options *options,
                         struct belay_dial **ret_dial, belay_dial_fn *fn, void *arg);
BELAY_API void belay_dial_cancel(struct belay_dial *dial);

/* Blocks until it is open, for at most timeout_ms; *ret_stream is the caller's. The errors of the
 * callback; see belay/loop.h for where it may be called. ANY THREAD. */
BELAY_API int belay_dial_wait(struct belay_endpoint *endpoint,
                              const struct belay_dial_options *options, int64_t timeout_ms,
                              struct belay_stream **ret_stream, struct belay_error *error);

#ifdef __cplusplus
}
#endif

#endif
