/* SPDX-License-Identifier: MIT */
/*
 * The stream on top of a stack of filters, as dialing and connections make and keep it. The struct is here so
 * that one allocation holds stream and socket; only stream*.c touch its fields.
 */
#ifndef BL_NET_STREAM_H
#define BL_NET_STREAM_H

#include "base/buf.h"
#include "belay/stream.h"
#include "net/filter.h"

#define BL_STREAM_BUFFER_MAX (1u << 20) /* bytes written and not sent */
#define BL_STREAM_FLUSH_AT   16384u
#define BL_STREAM_HELD_MAX   (1u << 20) /* bytes read and not consumed, beyond the scratch buffer */

struct bl_stream_options {
    int keepalive_idle_s, keepalive_every_s, keepalive_probes; /* idle 0: off */
    int64_t user_timeout_ms;                                   /* INT64_MAX: off */
};

/*
 * Takes over a connected descriptor; on failure it stays the caller's. No callbacks yet: reading is paused.
 * BELAY_ENOMEM.
 */
int bl_stream_new(struct belay_loop *loop, int fd, const struct belay_addr *peer,
                  const struct bl_stream_options *options, struct belay_stream **ret);

struct bl_filter *bl_stream_top(struct belay_stream *stream);

/*
 * Puts a filter on top and drives its `start` until it is done; then `fn` runs once, from the loop, with NULL or
 * the error (stage filled in; the stream is then dead but not closed). One at a time. The filter is the stream's
 * from now on.
 */
typedef void bl_stream_start_fn(const struct belay_error *error, void *arg);
void bl_stream_push(struct belay_stream *stream, struct bl_filter *filter, bl_stream_start_fn *fn, void *arg);

/* Gives back all buffers that an idle connection does not need (also TLS's). */
void bl_stream_idle(struct belay_stream *stream);

/*
 * The keeper's ear, beside the user's callbacks: told once when the stream dies or the peer ends it, whoever
 * has the callbacks. NULL: none. Runs before the user's on_end or on_lost.
 */
typedef void bl_stream_gone_fn(struct belay_stream *stream, const struct belay_error *error, void *arg);
void bl_stream_set_gone(struct belay_stream *stream, bl_stream_gone_fn *fn, void *arg);

/* Whether it is alive and the peer has not ended it. */
bool bl_stream_usable(const struct belay_stream *stream);
/* Looks at the socket now, without waiting for the loop: false if the peer closed it or sent something (a
   probe before a request that cannot be repeated). Costs a system call. */
bool bl_stream_probe(struct belay_stream *stream);
/* Bytes that came and were not consumed. */
size_t bl_stream_held(const struct belay_stream *stream);
/* Whether any byte has been handed to the kernel since the mark was set (NOT_SENT or MAYBE_SENT). */
uint64_t bl_stream_sent_total(const struct belay_stream *stream);
struct belay_loop *bl_stream_loop(const struct belay_stream *stream);

#endif
