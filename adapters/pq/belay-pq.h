/* SPDX-License-Identifier: MIT */
/*
 * belay-pq.h - connections of libpq under belay's keepers: a lease gives a PGconn, connected and
 * blocking, as PQconnectdb would have made it.
 *
 * They are opened asynchronously. Names are looked up by belay, except in a list of several hosts,
 * which libpq looks up by itself, one after the other, blocking the loop. An idle one is watched: a
 * server that ends it is seen at once. At its release one that is not idle (PQtransactionStatus) is
 * closed, or reset, as the options say; one that has ended is closed, reason `unhealthy`, with the
 * server's words. On the loop's thread an acquire and a release cost no system call; those of an
 * attached thread (belay/share.h) go through the loop, which asks each time.
 *
 * Link with libbelay-pq (pkg-config belay-pq, CMake belay::pq). Start to finish: examples/pool_pq.c.
 */
#ifndef BELAY_PQ_H
#define BELAY_PQ_H

#include <belay/pool.h>
#include <libpq-fe.h>

#ifdef __cplusplus
extern "C" {
#endif

struct belay_pq;

/* What becomes of a connection at its release. */
enum belay_pq_reset {
    BELAY_PQ_CLOSE = 0, /* within a transaction: it is closed, reason `unhealthy` */
    BELAY_PQ_ROLLBACK,  /* within a transaction: ROLLBACK, then it may be lent again */
    BELAY_PQ_DISCARD,   /* always DISCARD ALL, after a ROLLBACK where one is needed */
};

struct belay_pq_options {
    size_t size;
    /*
     * As for PQconnectdb: "host=db.example dbname=shop user=app password=...", or a URI. What it
     * leaves out comes from the environment (PGHOST, ...) and libpq's defaults. NULL: "". Without
     * `service`; connect_timeout has no meaning (session_timeout_ms of the dial options has).
     */
    const char *conninfo;
    enum belay_pq_reset reset;
    /* Of the server, one line; NULL: they are dropped. Runs wherever the connection is used. */
    void (*on_notice)(const char *text, void *arg);
    void *notice_arg;
};
BELAY_OPTIONS_INIT(belay_pq_options)

/*
 * How to connect; `options` may be NULL. It must outlive the keepers that use it; any loop, any
 * thread. BELAY_EINVAL: conninfo cannot be read (the error does not repeat it), BELAY_ENOMEM.
 */
BELAY_API int belay_pq_new(const struct belay_pq_options *options, struct belay_pq **ret_pq,
                           struct belay_error *error);
BELAY_API void belay_pq_free(struct belay_pq *pq);

BELAY_API struct belay_connector belay_pq_connector(struct belay_pq *pq);

/*
 * The endpoint of conninfo, "tcp://host:port" or "unix:///dir/.s.PGSQL.port", told apart by user and
 * database, with a reference for the caller. It is dialled as conninfo says. Any other endpoint
 * takes the place of conninfo's host and port: so one pool has a primary and its replicas.
 * Endpoints with TLS or a proxy are refused; TLS is conninfo's sslmode.
 */
BELAY_API int belay_pq_endpoint(const struct belay_pq *pq, struct belay_loop *loop,
                                struct belay_endpoint **ret_endpoint, struct belay_error *error);

/*
 * All of it together: a pool of connections to one server, and the peer to acquire them from, a
 * reference to which is the caller's. `pool_options` may be NULL; their connector is ignored. The
 * pool (`belay_peer_pool`) is closed with the loop, or before. Errors are those of belay_pq_new,
 * belay_pq_endpoint and belay_pool_open.
 */
BELAY_API int belay_pq_open(struct belay_loop *loop, const struct belay_pq_options *options,
                            const struct belay_pool_options *pool_options,
                            struct belay_peer **ret_peer, struct belay_error *error);

/*
 * What is leased; NULL when the lease is stale. Not to be given to PQfinish or PQreset.
 * (belay_lease_state is the adapter's own.) Of a lease of an attachment (belay/share.h) from ANY
 * THREAD, which may then use the PGconn.
 */
BELAY_API PGconn *belay_pq_conn(struct belay_lease lease);

#ifdef __cplusplus
}
#endif

#endif
