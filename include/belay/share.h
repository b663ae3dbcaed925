/* SPDX-License-Identifier: MIT */
/*
 * belay/share.h - a pool used by several threads.
 *
 * A pool opened with the option `shared` still belongs to its loop, and all that belay/pool.h has is
 * for the loop's thread. Another thread attaches to a peer; through the attachment it acquires and
 * blocks while none is free; leases that it gets are released from any thread:
 *
 *     belay_peer_attach(peer, &attachment);                 // once per thread and peer
 *     while (...) {
 *         if (belay_attachment_acquire(attachment, 1000, &lease, &error) == 0) {
 *             PGconn *db = belay_pq_conn(lease); // or belay_lease_state: what the connector made
 *             ...
 *             belay_lease_release(lease, BELAY_REUSE);
 *         }
 *     }
 *     belay_attachment_detach(attachment);
 *
 * Somebody has to run the loop meanwhile, and before: it dials, watches, and serves those who wait,
 * threads and callers on the loop in one queue, in order of arrival. A complete program, which
 * starts its threads once the loop runs: examples/threads.c.
 *
 * What costs little. A connection that comes back while nobody waits is *parked*: the next acquire
 * of an attached thread takes it, without the loop, a lock, a system call or memory. Each
 * attachment first tries those that it had last. Parked connections count as idle; one that nobody
 * has used for a second goes back to the loop, which takes them all as soon as somebody waits, the
 * pool is suspended, cleared or closed, or they must end. A connection parks if nothing is to be
 * done at its acquire and release: it is exclusive; its connector has neither `acquired` nor
 * `released` nor `is_healthy`; it is no plain stream; and the pool has no health check, no hook
 * on_connection_reused, no limit on uses or idle connections (max_idle_...), no check_after_idle_ms,
 * no leak_threshold_ms and no reuse_order but the default. All others go through the loop at each
 * acquire and release: the same calls, and some ten microseconds instead of some ten nanoseconds.
 * So do those of belay-pq and belay-hiredis: what a user left behind is looked at before the next
 * one gets it.
 *
 * What a thread may do with a lease from an attachment, all of it from ANY THREAD: release it, ask
 * whether it is valid, and get its state, connection or stream. Whoever uses what it got sees to it
 * that nobody else gives the lease back meanwhile. What the connector's handle allows is the
 * connector's to say. A stream is used by belay_stream_read_wait and belay_stream_write_wait
 * (belay/stream.h), or on the loop's thread. belay_lease_take gives BELAY_ENOTSUP.
 *
 * Watching. While a thread uses a connection its descriptor stirs without meaning anything: the
 * first time, the watch is put aside, and taken up again 20 ms after the connection was put back; after
 * a long use later, by a quarter of it at most, and never by more than a second.
 *
 * Ending. When the pool is closed, a thread that waits gets BELAY_ECLOSED, and its next acquire,
 * too. A lease that a thread holds becomes stale (belay_lease_state gives NULL), but its connection
 * is closed only when it has been released: nobody may be using the handle by then. That release
 * returns BELAY_ESTALE. So with belay_peer_clear and BELAY_CLEAR_NOW. belay_pool_drain waits for the
 * leases as such. on_closed waits for both: all leases of threads given back, all attachments
 * detached.
 */
#ifndef BELAY_SHARE_H
#define BELAY_SHARE_H

#include "belay/pool.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_attachment; /* one thread's access to one peer of a shared pool */

/*
 * Makes an attachment: for one thread at a time, the caller's or one that it is handed to. It holds
 * the peer; that the peer lives during the call is the caller's to see to. On the loop's thread it
 * is made at once, also inside a callback; elsewhere the loop makes it, and the call blocks until
 * then. ANY THREAD.
 *
 * BELAY_ENOTSUP      the pool is not shared
 * BELAY_ENOTRUNNING  nobody runs the loop
 * BELAY_ECLOSED, BELAY_ENOMEM
 */
BELAY_API int belay_peer_attach(struct belay_peer *peer, struct belay_attachment **ret_attachment);

/*
 * Gives it back; it does not block, and never fails. Leases that were acquired through it stay
 * valid. Nobody may be acquiring through it. ANY THREAD.
 */
BELAY_API void belay_attachment_detach(struct belay_attachment *attachment);

/*
 * A connection, at once where one is parked; else blocks until there is one, for at most timeout_ms
 * (BELAY_FOREVER: no limit). `error` may be NULL; its stage says what failed. ANY THREAD; on the
 * loop's own it turns the loop, as all that ends in _wait does.
 *
 * BELAY_ETIMEDOUT    none within timeout_ms
 * BELAY_ENOTRUNNING  none is parked, and nobody runs the loop
 * BELAY_EFULL        max_waiters are waiting already
 * BELAY_EDEADLK, BELAY_ECLOSED, BELAY_ENOMEM, and what a dial that failed gives
 */
BELAY_API int belay_attachment_acquire(struct belay_attachment *attachment, int64_t timeout_ms,
                                       struct belay_lease *ret_lease, struct belay_error *error);

/*
 * One that is parked, now. BELAY_EAGAIN: none is, or somebody waits; the loop may have idle ones
 * nevertheless, and belay_attachment_acquire asks it. ANY THREAD.
 */
BELAY_API int belay_attachment_try_acquire(struct belay_attachment *attachment,
                                           struct belay_lease *ret_lease);

#ifdef __cplusplus
}
#endif

#endif
