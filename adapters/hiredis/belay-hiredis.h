/* SPDX-License-Identifier: MIT */
/*
 * belay-hiredis.h - connections of hiredis under belay's keepers: a lease gives a redisContext,
 * connected, authenticated and blocking, with a time limit for each command.
 *
 * They are opened asynchronously, to endpoints "tcp://host:port" and "unix:///path"; names are
 * looked up by belay. An idle one is watched: a server that ends it is seen at once. A check is a
 * PING. One that has an error, or replies that nobody read, is closed at its release. On the loop's
 * thread an acquire and a release cost no system call; those of an attached thread (belay/share.h)
 * go through the loop, which asks each time. What a user leaves behind on the server (SELECT, MULTI,
 * WATCH, SUBSCRIBE) is for the user to undo, or to be released as BELAY_BROKEN. TLS is not
 * supported: endpoints with it are refused.
 *
 * Link with libbelay-hiredis (pkg-config belay-hiredis, CMake belay::hiredis). Start to finish:
 * examples/pool_redis.c.
 */
#ifndef BELAY_HIREDIS_H
#define BELAY_HIREDIS_H

#include <belay/pool.h>
#include <hiredis/hiredis.h>

#ifdef __cplusplus
extern "C" {
#endif

struct belay_hiredis;

struct belay_hiredis_options {
    size_t size;
    const char *username;       /* AUTH; NULL: the default user */
    const char *password;       /* NULL: no AUTH */
    int32_t db;                 /* SELECT; 0 */
    const char *client_name;    /* CLIENT SETNAME; NULL: none */
    int64_t command_timeout_ms; /* of each read and write of a user's; 5,000; BELAY_FOREVER */
};
BELAY_OPTIONS_INIT(belay_hiredis_options)

/*
 * How to open; `options` may be NULL. It must outlive the keepers that use it; any loop, any
 * thread. BELAY_EINVAL: an option is out of range, `error` names it; BELAY_ENOMEM.
 */
BELAY_API int belay_hiredis_new(const struct belay_hiredis_options *options,
                                struct belay_hiredis **ret_hiredis, struct belay_error *error);
BELAY_API void belay_hiredis_free(struct belay_hiredis *hiredis);

BELAY_API struct belay_connector belay_hiredis_connector(struct belay_hiredis *hiredis);

/*
 * All of it together: a pool of connections to one server ("tcp://host:port", "unix:///path"), and
 * the peer to acquire them from, a reference to which is the caller's. `pool_options` may be NULL;
 * their connector is ignored. The pool (`belay_peer_pool`) is closed with the loop, or before.
 * Errors are those of belay_hiredis_new, belay_endpoint_parse and belay_pool_open.
 */
BELAY_API int belay_hiredis_open(struct belay_loop *loop, const char *url,
                                 const struct belay_hiredis_options *options,
                                 const struct belay_pool_options *pool_options,
                                 struct belay_peer **ret_peer, struct belay_error *error);

/*
 * What is leased; NULL when the lease is stale. Not to be given to redisFree or redisReconnect.
 * (belay_lease_state is the adapter's own.) Of a lease of an attachment (belay/share.h) from ANY
 * THREAD, which may then use the context.
 */
BELAY_API redisContext *belay_hiredis_context(struct belay_lease lease);

#ifdef __cplusplus
}
#endif

#endif
