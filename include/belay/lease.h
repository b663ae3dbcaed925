/* SPDX-License-Identifier: MIT */
/*
 * belay/lease.h - the right to use a connection, as a value. It resolves in a table of its loop:
 * one that was released, taken or revoked is caught (BELAY_ESTALE), whatever became of the
 * connection.
 */
#ifndef BELAY_LEASE_H
#define BELAY_LEASE_H

#include "belay/connector.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_lease_table;

struct belay_lease {
    struct belay_lease_table *table;
    uint32_t slot, generation;
};

enum belay_release {
    BELAY_REUSE = 0, /* as good as before */
    BELAY_BROKEN,    /* do not lend it again */
};

/*
 * Gives it back. BELAY_ESTALE.
 *
 * A lease that was waited for on another thread than the loop's (by belay_link_connected_wait,
 * belay_peer_acquire_wait, or through an attachment, belay/share.h) is that thread's: it is given
 * back and asked from ANY THREAD, by the functions up to belay_lease_conn, and what it is on is not
 * closed before it was given back. When its owner wants the connection to end it becomes stale, and
 * who waits for the stream gets BELAY_ECLOSED; the release then returns BELAY_ESTALE, but it is what
 * the connection, and whatever is closed with it, waits for. All other leases are for the loop's
 * thread.
 */
BELAY_API int belay_lease_release(struct belay_lease lease, enum belay_release how);

BELAY_API bool belay_lease_valid(struct belay_lease lease);

/*
 * What is leased, or NULL when stale; lives until release. belay_lease_stream is NULL too for
 * form 2.
 */
BELAY_API struct belay_stream *belay_lease_stream(struct belay_lease lease);
BELAY_API void *belay_lease_state(struct belay_lease lease);
BELAY_API struct belay_conn *belay_lease_conn(struct belay_lease lease);

/*
 * Takes the connection out of belay's hands for good; the lease ends, nobody else may hold one on
 * it. *ret_stream is then the caller's (belay_stream_close), without callbacks; bytes that the
 * session had not consumed are held in it. BELAY_ESTALE; BELAY_EAGAIN when others share it, or
 * threads have it; BELAY_ENOTSUP in form 2, and of a thread's lease.
 */
BELAY_API int belay_lease_take(struct belay_lease lease, struct belay_stream **ret_stream);

#ifdef __cplusplus
}
#endif

#endif
