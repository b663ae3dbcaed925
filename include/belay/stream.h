/* SPDX-License-Identifier: MIT */
/*
 * belay/stream.h - an open byte stream: TCP, Unix, with TLS or proxies underneath, all alike.
 *
 * A stream pushes: it reads whenever it may and hands what came to `on_data`. It comes from a lease
 * (belay_lease_stream), or from belay_dial.
 */
#ifndef BELAY_STREAM_H
#define BELAY_STREAM_H

#include "belay/loop.h"
#include "belay/tls.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_stream;

/*
 * All may be NULL. The struct must outlive the stream's use of it (a static const one, usually). In
 * each of them every call on the stream is allowed, belay_stream_close included.
 */
struct belay_stream_callbacks {
    size_t size;
    /*
     * Bytes came. Returns how many were consumed; the rest is held, reading pauses, and it is
     * offered again with what follows it after belay_stream_resume. NULL: reading is paused.
     */
    size_t (*on_data)(struct belay_stream *stream, const char *data, size_t len, void *arg);
    /* After BELAY_EAGAIN from a write: there is room again. */
    void (*on_drain)(struct belay_stream *stream, void *arg);
    /* The peer has finished sending; writing is still possible. Nothing more comes. */
    void (*on_end)(struct belay_stream *stream, void *arg);
    /* The stream is dead; only close makes sense now. At most once. */
    void (*on_lost)(struct belay_stream *stream, const struct belay_error *error, void *arg);
};

/* Data held back by the former callbacks is offered to the new ones in a later turn. NULL: none. */
BELAY_API void belay_stream_set_callbacks(struct belay_stream *stream,
                                          const struct belay_stream_callbacks *callbacks,
                                          void *arg);

/*
 * Writes all of it or nothing: copied, and sent at the end of the turn, at 16 KiB, or at flush.
 *
 * BELAY_EAGAIN  the stream's buffer (1 MiB) is full; on_drain follows
 * BELAY_ECLOSED close or end was called   BELAY_ERESET  the stream is dead   BELAY_ENOMEM
 */
BELAY_API int belay_stream_write(struct belay_stream *stream, const void *data, size_t len);

/*
 * The same without a copy: `data` must stay as it is until `done(arg)`, which runs once, in a later
 * turn, when it was sent or never will be.
 */
BELAY_API int belay_stream_write_ref(struct belay_stream *stream, const void *data, size_t len,
                                     belay_fn *done, void *arg);

/* Sends now what is buffered, as far as the peer takes it. */
BELAY_API void belay_stream_flush(struct belay_stream *stream);

/* No more will be written: after what is buffered, TLS close_notify and a TCP half-close. */
BELAY_API void belay_stream_end(struct belay_stream *stream);

/*
 * on_data is not called between pause and resume. Inside on_data, resume says that the rest is
 * wanted again: at once where some was consumed, else together with what follows it.
 */
BELAY_API void belay_stream_pause(struct belay_stream *stream);
BELAY_API void belay_stream_resume(struct belay_stream *stream);

/*
 * For those who block, on a stream that they have a lease on, or own; see belay/loop.h for where
 * they may be called. While the call lasts the stream's callbacks are belay's, and afterwards there
 * are none: what comes is held for the next read. One read at a time; a write meanwhile may not
 * have to wait for room. ANY THREAD.
 *
 * read_wait returns with what has come, one byte at least. BELAY_EEOF after the last.
 * write_wait returns when all is on its way: in the stream's buffer, if not sent. After an error or
 * BELAY_ETIMEDOUT a part of it may be.
 *
 * BELAY_ETIMEDOUT, BELAY_ENOTRUNNING, BELAY_EDEADLK
 * BELAY_EAGAIN    another call waits for the stream
 * BELAY_ECLOSED   it is being closed, the lease was revoked (its stream is NULL then), or callbacks
 *                 were set meanwhile
 * BELAY_ERESET, and whatever else the stream dies of; BELAY_ENOMEM, BELAY_EINVAL
 */
BELAY_API int belay_stream_read_wait(struct belay_stream *stream, void *data, size_t len,
                                     int64_t timeout_ms, size_t *ret_len);
BELAY_API int belay_stream_write_wait(struct belay_stream *stream, const void *data, size_t len,
                                      int64_t timeout_ms);

/* Bytes written that have not left this process; and those that have, which a dead stream knows
 * too until it is closed. What the kernel has taken may still not arrive. */
BELAY_API size_t belay_stream_buffered(const struct belay_stream *stream);
BELAY_API uint64_t belay_stream_sent(const struct belay_stream *stream);
/* Bytes on the wire, those of TLS and an end included, that the other end's system has not
 * acknowledged; what it has, its program may still not have read. BELAY_ENOTSUP where that cannot be
 * known: Unix sockets. */
BELAY_API int64_t belay_stream_unacked(const struct belay_stream *stream);

/*
 * Ends the stream: what is buffered is sent first, for at most `limit_ms` (0: dropped), then
 * close_notify, then the descriptor is closed. No callback but `on_closed` (may be NULL) runs any
 * more. A leased stream is not closed but released, or taken first.
 */
BELAY_API void belay_stream_close(struct belay_stream *stream, int64_t limit_ms,
                                  belay_fn *on_closed, void *arg);

/* The same for those who block: returns when the descriptor is closed. An error (BELAY_ENOTRUNNING,
 * BELAY_EDEADLK, BELAY_ECLOSED: it is being closed already) has not closed it. NULL is closed
 * already. ANY THREAD; a process's own thread is not interrupted in it. */
BELAY_API int belay_stream_close_wait(struct belay_stream *stream, int64_t limit_ms);

/* The address at the other end, and ours. BELAY_ENOTSUP where there is none. */
BELAY_API int belay_stream_peer_addr(const struct belay_stream *stream, struct belay_addr *ret);
BELAY_API int belay_stream_local_addr(const struct belay_stream *stream, struct belay_addr *ret);

/* Fills facts->size bytes at most. BELAY_ENOTSUP when the stream has no TLS, BELAY_EINVAL. */
BELAY_API int belay_stream_tls_facts(struct belay_stream *stream, struct belay_tls_facts *facts);

#ifdef __cplusplus
}
#endif

#endif
