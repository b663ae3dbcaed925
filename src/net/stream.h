/* SPDX-License-Identifier: MIT */
/*
 * The stream on top of a stack of filters, as dialing and connections make and keep it. The struct
 * is here so that one allocation holds stream and socket; only stream*.c touch its fields.
 */
#ifndef BL_NET_STREAM_H
#define BL_NET_STREAM_H

#include "base/buf.h"
#include "belay/stream.h"
#include "net/filter.h"

#define BL_STREAM_BUFFER_MAX (1u << 20) /* bytes written and not sent */
#define BL_STREAM_FLUSH_AT   16384u
#define BL_STREAM_HELD_MAX   (1u << 20) /* bytes read and not consumed, beyond the scratch buffer */

#define BL_STREAM_READS_MAX 16 /* in one go, before others have their turn */

struct bl_stream_options {
    int keepalive_idle_s, keepalive_every_s, keepalive_probes; /* idle 0: off */
    int64_t user_timeout_ms;                                   /* INT64_MAX: off */
};

/*
 * Takes over a connected descriptor; on failure it stays the caller's. No callbacks yet: reading is
 * paused. BELAY_ENOMEM.
 */
int bl_stream_new(struct belay_loop *loop, int fd, const struct belay_addr *peer,
                  const struct bl_stream_options *options, struct belay_stream **ret);

struct bl_filter *bl_stream_top(struct belay_stream *stream);

/* What TLS there is ends at proxies: it says nothing about the peer. */
void bl_stream_hide_tls(struct belay_stream *stream);

/*
 * Puts a filter on top and drives its `start` until it is done; then `fn` runs once, from the loop,
 * with NULL or the error (stage filled in; the stream is then dead but not closed). One at a time.
 * The filter is the stream's from now on.
 */
typedef void bl_stream_start_fn(const struct belay_error *error, void *arg);
void bl_stream_push(struct belay_stream *stream, struct bl_filter *filter, bl_stream_start_fn *fn,
                    void *arg);

/* Gives back all buffers that an idle connection does not need (also TLS's). */
void bl_stream_idle(struct belay_stream *stream);

/*
 * The keeper's ear, beside the user's callbacks: told once when the stream dies or the peer ends
 * it, whoever has the callbacks. NULL: none. Runs before the user's on_end or on_lost.
 */
typedef void bl_stream_gone_fn(struct belay_stream *stream, const struct belay_error *error,
                               void *arg);
void bl_stream_set_gone(struct belay_stream *stream, bl_stream_gone_fn *fn, void *arg);
bool bl_stream_is_kept(const struct belay_stream *stream); /* somebody has that ear */

/* Whether it is alive and the peer has not ended it. */
bool bl_stream_usable(const struct belay_stream *stream);
/* Looks at the socket now, without waiting for the loop: false if the peer closed it or sent
   something (a probe before a request that cannot be repeated). Costs a system call. */
bool bl_stream_probe(struct belay_stream *stream);
/* What was written and has not left never will. */
void bl_stream_drop_output(struct belay_stream *stream);
/* Whether no more than `most` bytes are to be sent; else on_drain follows. */
bool bl_stream_ask_room(struct belay_stream *stream, size_t most);
/* Bytes that came and were not consumed. */
size_t bl_stream_held(const struct belay_stream *stream);
struct belay_loop *bl_stream_loop(const struct belay_stream *stream);

/* ---- between the files stream*.c ---- */

/* What only a stream at work needs; an idle one has none. */
struct bl_stream_work {
    struct bl_buf out;  /* bytes to be sent, copied */
    struct bl_buf held; /* bytes that came and were not consumed */
    struct bl_list
        refs; /* struct stream_ref (stream_write.c), to be sent between the bytes of `out` */
    struct bl_list done;   /* those whose `done` is due */
    size_t refs_len;       /* bytes of refs to be sent */
    size_t before_refs;    /* bytes of `out` that go before the last ref */
    struct bl_timer timer; /* of a blocked write; while closing, its limit */
};

/*
 * Nothing is freed but by the task, so whoever called out may look at the flags afterwards. At
 * loop's end a stream that nobody keeps (no ear, no start in progress) is closed by the loop.
 */
struct belay_stream {
    struct bl_object object;
    struct bl_filter *top;
    struct bl_stream_work *work;
    const struct belay_stream_callbacks *callbacks;
    void *arg;
    bl_stream_gone_fn *gone;
    void *gone_arg;
    union {
        bl_stream_start_fn *start; /* while starting */
        belay_fn *on_closed;       /* while closing */
    } then;
    void *then_arg;
    uint64_t sent_total;
    struct belay_backend_slot watch;
    struct bl_task task;
    int32_t user_timeout_ms; /* 0: off */
    int dead_code;           /* 0: alive */
    int dead_os;
    unsigned starting : 1; /* a filter on top is shaking hands */
    unsigned started : 1;  /* it is done, `start` is to be told */
    unsigned closing : 1;
    unsigned closed : 1; /* the descriptor is gone, the task frees the rest */
    unsigned ending : 1; /* no more will be written */
    unsigned ended : 1;  /* the filters have been told so */
    unsigned eof : 1;    /* the peer has finished */
    unsigned gone_told : 1;
    unsigned end_told : 1;
    unsigned lost_told : 1;
    unsigned paused : 1;     /* by the user */
    unsigned stuck : 1;      /* held bytes were refused: until resume */
    unsigned hungry : 1;     /* held bytes are offered again only with more after them */
    unsigned in_data : 1;    /* on_data is running */
    unsigned resumed : 1;    /* resume was called inside it */
    unsigned blocked : 1;    /* the bottom takes no more: waiting until it does */
    unsigned suspect : 1;    /* the peer looked dead; a moment later it is looked at again */
    unsigned full : 1;       /* a write was refused: on_drain is owed */
    unsigned drained : 1;    /* on_drain is to be told by the task */
    unsigned look : 1;       /* the task is to offer what is held and to read */
    unsigned soon : 1;       /* the task is among the loop's tasks, not its flushes */
    unsigned read_wants : 2; /* what reading waits for, when not the obvious */
    unsigned write_wants : 2;
    unsigned facts_hidden : 1;      /* all TLS ends at proxies */
    unsigned proxied : 1;           /* a proxy is on the way: errors quote nothing that comes */
    unsigned way : 4;               /* which of the dial's routes leads there; 0 without any */
    struct bl_socket_filter socket; /* last, see there */
};

/* NULL when memory is out. */
struct bl_stream_work *bl_stream_work(struct belay_stream *s);
/* Watches for what is wanted. Unless exactly, reading that is wanted no more goes on being watched
   for, as that costs nothing until something comes. */
void bl_stream_watch(struct belay_stream *s, bool exactly);
/* Runs the task soon: from it all is told that must not be told inside a call. */
void bl_stream_soon(struct belay_stream *s);
/* The stream is dead. Inside a caller's call this is all; the task tells. From the loop
   bl_stream_mourn follows: hands over what came before the end, then tells. */
void bl_stream_die(struct belay_stream *s, const struct belay_error *error);
void bl_stream_mourn(struct belay_stream *s, struct belay_error *error);
/* The peer has ended it: tells the keeper at once, and the user when nothing is held back. */
void bl_stream_tell_end(struct belay_stream *s);
const char *bl_stream_peer_text(const struct belay_stream *s, char out[BELAY_ADDR_TEXT_MAX]);
void bl_stream_describe_death(struct belay_stream *s, struct belay_error *error);
/* Closes the descriptor; the task does the rest. `kindly`: with the filters' farewell. */
void bl_stream_shut(struct belay_stream *s, bool kindly);

/* stream_start.c: goes on with the handshake of the filter on top. */
void bl_stream_drive_start(struct belay_stream *s);

/* stream_wait.c: who waits for it is told that there is nothing more to wait for. */
void bl_stream_end_wait(struct belay_stream *s);

/* stream_read.c */
bool bl_stream_may_read(const struct belay_stream *s);
void bl_stream_read(struct belay_stream *s);
void bl_stream_look(
    struct belay_stream *s); /* offers what is held, then reads if there may be more */

/* stream_write.c: 0 all was sent, BELAY_EAGAIN the bottom is full (it is watched), or the error. */
int bl_stream_send(struct belay_stream *s, struct belay_error *error);
bool bl_stream_unsent(
    const struct belay_stream *s); /* something is still to be sent, an end included */
/* Sends at the end of the turn, if there is anything and nothing stands in the way. */
void bl_stream_flush_later(struct belay_stream *s);
/* From the loop: sends, and mourns when that fails. */
void bl_stream_flush_now(struct belay_stream *s);
void bl_stream_on_timer(void *arg);
void bl_stream_run_done(struct belay_stream *s);

#endif
