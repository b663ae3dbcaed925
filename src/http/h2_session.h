/* SPDX-License-Identifier: MIT */
/*
 * HTTP/2 on one connection, over nghttp2: what its parts share. h2_session.c: its life, SETTINGS,
 * GOAWAY, PING; h2_stream.c: an exchange's down-calls; h2_send.c: heads and bodies going out;
 * h2_receive.c: what comes in; h2_limits.c: how much of it is borne.
 *
 * Nobody's code runs inside nghttp2. Input is fed frame by frame, its callbacks only take notes,
 * and what was noted is handed over between two frames; bodies are read from their callbacks before
 * nghttp2 asks for them. Requests wait in `unsent` until they may be submitted, so that nghttp2
 * never queues one, and one that is cancelled there has not been sent.
 */
#ifndef BL_HTTP_H2_SESSION_H
#define BL_HTTP_H2_SESSION_H

#include <nghttp2/nghttp2.h>

#include "http/client.h"
#include "http/h2_memory.h"
#include "http/session.h"
#include "http/target.h"
#include "net/stream.h"
#include "wire/h1_write.h"

#define BL_H2_FRAME_HEADER 9

/* A block of fields while it comes in; handed over whole. */
struct bl_h2_head {
    struct bl_buf text;    /* names and values */
    struct bl_buf headers; /* struct belay_header, which point into it */
    uint32_t n;
    size_t bytes; /* as limits count them */
    int status;   /* 0: no ":status", so trailers */
    int64_t content_length;
    int failed; /* BELAY_ELIMIT, BELAY_ENOMEM: what comes is not kept */
};

struct bl_h2_held {
    struct bl_list link; /* stream->heads */
    struct bl_h2_head head;
};

struct bl_h2_stream {
    struct bl_list link;   /* session->unsent, streams or spare */
    struct bl_list event;  /* session->events: it has closed */
    struct bl_list hungry; /* session->hungry: its body is to be read from its callback */
    struct bl_h2_session *session;
    struct bl_exchange *ex;     /* NULL: nobody wants it any more */
    int32_t id;                 /* 0: not submitted */
    bool ended;                 /* the response is whole */
    bool framed;                /* its head has left nghttp2, and cannot be taken back */
    bool closed;                /* nghttp2 has let go of it */
    bool refused;               /* ... because what came breaks the protocol: reset by us */
    bool deferred;              /* nghttp2 waits for the body */
    uint32_t code;              /* it was closed with */
    uint32_t taken;             /* of the body, and nghttp2 does not know it yet */
    struct bl_list heads;       /* struct bl_h2_held: came while the exchange was paused */
    struct bl_buf held;         /* of the body: likewise */
    struct bl_h2_head trailers; /* likewise */
};

/* Frames that a peer may send for nothing, each kind in a bucket that drains with time. */
enum bl_h2_flood {
    BL_H2_FLOOD_CONTROL, /* SETTINGS, PING, and what is to be answered */
    BL_H2_FLOOD_RESET,   /* RST_STREAM */
    BL_H2_FLOOD_EMPTY,   /* frames without content: DATA, HEADERS, CONTINUATION */
    BL_H2_FLOOD_OTHER,   /* WINDOW_UPDATE, PRIORITY, unknown ones */
    BL_H2_FLOODS_N
};

struct bl_h2_limits {
    uint64_t drained_at;
    uint32_t level[BL_H2_FLOODS_N];
    uint32_t block; /* bytes of the header block that comes in, as they are on the wire */
};

struct bl_h2_session {
    struct bl_session base;
    nghttp2_session *nghttp2;
    struct bl_list unsent, streams, spare, events, hungry;
    struct bl_list dying; /* of a broken one: still to be told */
    uint32_t submitted;   /* requests that nghttp2 has */
    uint32_t spare_n;
    uint32_t peer_max;          /* MAX_CONCURRENT_STREAMS */
    uint32_t peer_header_bytes; /* MAX_HEADER_LIST_SIZE */
    struct bl_task flush;
    struct bl_task end;    /* it never came up: frees it */
    struct bl_timer timer; /* PING */
    struct bl_h2_limits limits;
    struct bl_blocks blocks; /* nghttp2's */

    /* The frame that comes in. */
    uint8_t header[BL_H2_FRAME_HEADER];
    uint8_t header_n;
    uint32_t left; /* of its payload */
    struct bl_h2_head head;
    struct bl_h2_stream *head_stream; /* whose head has just come; or NULL */
    bool head_done, settings_done, goaway_done;
    struct bl_h2_stream *chunk_stream;
    struct bl_h2_stream *found; /* looked up last, as long as nghttp2 has it; or NULL */
    const uint8_t *chunk;
    size_t chunk_len;
    uint32_t stream_window;       /* as the peer was told, whosever client it is now */
    size_t taken;                 /* of bodies, in this read: for the connection's window */
    struct bl_h2_stream *current; /* under the callback that runs; NULL: it went meanwhile */

    bool ready;    /* the first SETTINGS have come */
    bool goaway;   /* no new streams, by the peer or for want of ids */
    bool broken;   /* nothing more goes in or out */
    bool full;     /* the stream takes no more until it drains */
    bool pinging;  /* a PING waits for its answer */
    bool checking; /* ... and the keeper for what comes of it */
    uint32_t goaway_code;
    bool calm;                   /* a GOAWAY said that there were too many PINGs */
    uint64_t heard_at, whole_at; /* when bytes last came, and something whole */
    uint64_t pinged_at;          /* when the last PING went */
    int code;                    /* of a failure where none can be told; 0: none */
    char why[160];
    bool *gone; /* set when it is freed: of whoever looks, the innermost */
};

static inline struct bl_h2_session *bl_h2_of(struct bl_session *base)
{
    return BL_CONTAINER(base, struct bl_h2_session, base);
}
static inline struct belay_loop *bl_h2_loop(const struct bl_h2_session *s)
{
    return s->base.http->loop;
}
static inline struct bl_mem *bl_h2_mem(const struct bl_h2_session *s)
{
    return &s->base.http->loop->mem;
}

/* Around what may end the session, `gone` says whether it has. They nest. */
struct bl_h2_inside {
    bool gone;
    bool *outer;
};
static inline void bl_h2_enter(struct bl_h2_session *s, struct bl_h2_inside *in)
{
    *in = (struct bl_h2_inside){.outer = s->gone};
    s->gone = &in->gone;
}
static inline void bl_h2_leave(struct bl_h2_session *s, struct bl_h2_inside *in)
{
    if (!in->gone)
        s->gone = in->outer;
    else if (in->outer)
        *in->outer = true;
}

/* ---- h2_session.c ---- */

/* The connection is lost: all exchanges fail, each with its own `sent`. `format`: why. */
void bl_h2_die(struct bl_h2_session *s, int code, const char *format, ...) BELAY_PRINTF(3, 4);
void bl_h2_die_of(struct bl_h2_session *s, const struct belay_error *error);
/* What the peer said of itself. The session may be gone after the first two. */
void bl_h2_on_settings(struct bl_h2_session *s);
void bl_h2_on_goaway(struct bl_h2_session *s);
void bl_h2_on_pong(struct bl_h2_session *s);
/* Out of memory where nobody can be told: the connection ends soon. */
void bl_h2_note(struct bl_h2_session *s, int code);
/* Ends it with a GOAWAY of that code. */
void bl_h2_end(struct bl_h2_session *s, uint32_t h2_code, int code, const char *why);
/* How often it listens, depending on what is under way. */
void bl_h2_arm(struct bl_h2_session *s);
/* A request has waited in vain: if nothing whole came since `since`, it is asked. */
void bl_h2_doubt(struct bl_exchange *ex, uint64_t since);

/* ---- h2_stream.c ---- */

int bl_h2_start(struct bl_session *base, struct bl_exchange *ex);
enum belay_release bl_h2_stop(struct bl_exchange *ex);
enum belay_sent bl_h2_sent(const struct bl_exchange *ex);
uint64_t bl_h2_bytes_out(const struct bl_exchange *ex);
void bl_h2_resume(struct bl_exchange *ex);
void bl_h2_body_ready(struct bl_exchange *ex);
void bl_h2_run(struct bl_exchange *ex);
void bl_h2_detached(struct bl_session *base, struct bl_exchange *ex);
/* Of a stream nghttp2 does not know, or no longer. */
void bl_h2_stream_free(struct bl_h2_stream *st);
void bl_h2_stream_release(struct bl_h2_session *s,
                          struct bl_h2_stream *st); /* its memory, at the end */
/* The stream's exchange fails, and it alone. */
void bl_h2_stream_fail(struct bl_h2_stream *st, int code, enum belay_sent sent, const char *format,
                       ...) BELAY_PRINTF(4, 5);
/* What came for it is handed over. It, and the session, may be gone afterwards. */
void bl_h2_give_head(struct bl_h2_stream *st, struct bl_h2_head *head);
void bl_h2_give_data(struct bl_h2_stream *st, const char *data, size_t len);
void bl_h2_give_end(struct bl_h2_stream *st);

/* It waits for the peer to take more: goes elsewhere, if it may. */
void bl_h2_give_back(struct bl_h2_stream *st);

/* ---- h2_send.c ---- */

/* Frames go to the connection's stream in the turn's task. */
void bl_h2_flush_later(struct bl_h2_session *s);
void bl_h2_flush(void *session);
/* The head as nghttp2 takes it, and the stream's number. BELAY_ENOMEM, BELAY_ELIMIT: more than the
 * peer takes; and what nghttp2 says. */
int bl_h2_submit(struct bl_h2_session *s, struct bl_h2_stream *st);
/* The rest of the body is not wanted, or may go on. */
void bl_h2_body_go_on(struct bl_h2_stream *st);

/* ---- h2_receive.c ---- */

extern const struct belay_stream_callbacks bl_h2_stream_callbacks;
/* What was noted inside nghttp2 is handed over. False: the session is gone, or broken. */
bool bl_h2_hand_over(struct bl_h2_session *s, const bool *gone);
int bl_h2_callbacks_new(nghttp2_session_callbacks **ret);
void bl_h2_head_clear(struct bl_h2_head *head);
void bl_h2_head_free(struct bl_h2_head *head, struct bl_mem *mem);

/* ---- h2_limits.c ---- */

/* A frame begins: whether it is borne. Otherwise *ret_why says what is too much. */
bool bl_h2_limits_allow(struct bl_h2_limits *limits, const uint8_t header[BL_H2_FRAME_HEADER],
                        size_t header_bytes_max, uint64_t now, const char **ret_why);
/* A head begins that nobody waits for: its stream is over, or was reset. Whether it is borne. */
bool bl_h2_limits_unwanted(struct bl_h2_limits *limits, uint64_t now);
static inline uint32_t bl_h2_frame_length(const uint8_t header[BL_H2_FRAME_HEADER])
{
    return (uint32_t)header[0] << 16 | (uint32_t)header[1] << 8 | header[2];
}
/* A frame of ours has left, for which the peer may send some. */
void bl_h2_limits_earn(struct bl_h2_limits *limits, uint8_t type, size_t length);

#endif
