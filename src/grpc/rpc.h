/* SPDX-License-Identifier: MIT */
/*
 * One call, from belay_rpc_start to on_done. rpc.c: its life; rpc_make.c: from the caller's options;
 * rpc_send.c: messages going out; rpc_receive.c: what comes in; rpc_result.c: what it came to;
 * unary.c: one message each way.
 *
 *     NEW --credentials--> WAITING --a connection--> RUNNING --status--> DONE
 *      ^                      ^                         |
 *      +----- credentials ----+------ BACKING_OFF <-----+ an attempt failed, and another is made
 *
 * A call stands in its *home*, which gives it connections and decides on further attempts: the
 * channel, or whoever else makes calls (health checks). What is sent is kept until no further
 * attempt can follow.
 */
#ifndef BL_GRPC_RPC_H
#define BL_GRPC_RPC_H

#include "base/buf.h"
#include "belay/grpc.h"
#include "loop/loop.h"
#include "wire/grpc_frame.h"

struct bl_rpc_home;

/* How an attempt ended: with a status of the server's, or an error of belay's. */
struct bl_rpc_attempt {
    int status;
    const struct belay_error *error; /* NULL: the server said so */
    enum belay_sent sent; /* NOT_SENT: the server has not seen it (refused, GOAWAY, never left) */
    bool committed;       /* no further attempt can be made: messages have come or are not kept */
    bool pushed_back;     /* grpc-retry-pushback-ms was there: */
    int64_t pushback_ms;  /* below 0: no further attempt */
};

enum { BL_RPC_NO_MORE = -1 };

struct bl_rpc_home_ops {
    /*
     * It wants a connection: the home puts rpc->link on a list of its own, and places it by
     * bl_rpc_go, at once or later, or fails it by bl_rpc_fail. The call takes itself off the list
     * when it goes, fails, or is over.
     */
    void (*want)(struct belay_rpc *rpc);
    /* Its attempt has let go of its connection, however that came; rpc->place says which. */
    void (*freed)(struct belay_rpc *rpc);
    /*
     * An attempt ended by itself, well or not (not by cancel, deadline or bl_rpc_fail): in how many
     * ms the next is to be made, or BL_RPC_NO_MORE. It is not asked for what is committed: then the
     * answer is ignored. `want` comes again after the delay and the credentials.
     */
    int64_t (*ended)(struct belay_rpc *rpc, const struct bl_rpc_attempt *attempt);
    /* It is over, in whatever way; once for each bl_rpc_start that returned 0, last. The user may
     * not have been told yet, but the home is not touched any more. */
    void (*left)(struct belay_rpc *rpc);
};

/* What calls of a home have in common; a part of the channel. All of it outlives its calls. */
struct bl_rpc_home {
    struct belay_loop *loop;
    const struct bl_rpc_home_ops *ops;
    const struct belay_channel_options *options; /* effective: limits, gzip, credentials */
    const char *name;                            /* the target, for messages */
    const char *url;                             /* "http://authority" or "https://authority" */
};

enum bl_rpc_state {
    BL_RPC_NEW = 1,     /* waits for its credentials */
    BL_RPC_WAITING,     /* for a connection: in the home's hands */
    BL_RPC_RUNNING,     /* `request` is under way */
    BL_RPC_BACKING_OFF, /* until the next attempt */
    BL_RPC_POSTED,      /* its end is known, and will be told by the task */
    BL_RPC_DONE,        /* on_done runs, or has run */
    BL_RPC_GONE,        /* cancelled; its memory waits for somebody who still holds it */
};

/* Metadata in one piece of memory. */
struct bl_rpc_fields {
    struct bl_buf text;    /* names and values, each with a NUL behind */
    struct bl_buf places;  /* where they are in it */
    struct bl_buf headers; /* struct belay_header: made of both */
    size_t n;
};

struct belay_rpc {
    struct bl_list link; /* of the home, while WAITING */
    void *place;         /* of the home: what it gave at bl_rpc_go */
    int32_t attempts;    /* begun */
    bool wait_for_ready;

    /* The home's own; zero at first. */
    struct bl_list of_home; /* its calls, from start to `left` */
    int32_t unseen;         /* attempts that no server has seen */
    bool turned_away;       /* ... the last: its connection took no more calls */

    struct bl_rpc_home *home; /* NULL: it has left */
    struct belay_loop *loop;
    uint64_t id;
    uint8_t state;         /* enum bl_rpc_state */
    uint8_t calls;         /* callbacks of the user's that have not returned */
    bool asked;            /* the credentials hook has not answered; the memory stays until then */
    bool no_gzip;          /* of the options */
    struct bl_timer timer; /* deadline, or the next attempt */
    struct bl_task task;
    uint64_t deadline; /* BELAY_NEVER: none */
    uint64_t again_at; /* BACKING_OFF */
    const struct belay_rpc_callbacks *callbacks;
    struct belay_rpc_callbacks own; /* a copy */
    void *arg;

    char *method, *url, *authority;     /* authority: NULL, the channel's */
    struct bl_rpc_fields metadata;      /* as they travel */
    struct bl_rpc_fields credentials;   /* of the hook, for the next attempt */
    struct belay_http_request *request; /* RUNNING */
    struct belay_lease lease;           /* ... on */

    /* What goes out: from out_at on the attempt has not read. */
    struct bl_buf out;
    uint32_t out_at;
    bool ended;     /* belay_rpc_end was called */
    bool starved;   /* the attempt waits for more */
    bool full;      /* EAGAIN was returned, and on_writable is owed */
    bool committed; /* what was read from `out` is not kept */

    /* What comes in. */
    struct bl_grpc_frames frames;
    struct bl_buf left; /* behind the message at which it was paused */
    bool head_seen, trailers_only, paused, resumed, gzip_in, encoding_unknown, stopped;
    struct bl_buf encoding; /* grpc-encoding, where it is unknown */
    struct bl_buf inflated;
    bool status_seen;
    bool pushed_back;
    int64_t pushback_ms;

    /* What it came to. */
    int status;
    bool failed; /* `error` is belay's */
    struct belay_error error;
    struct bl_buf message; /* NUL at its end */
    struct bl_rpc_fields trailers;
};

/*
 * belay_rpc_start in a home; whether there is room for one more is the home's affair. On 0 `want`
 * or `left` has been called or will be. Errors: BELAY_EINVAL, BELAY_ENOMEM.
 */
int bl_rpc_start(struct bl_rpc_home *home, const char *method,
                 const struct belay_rpc_options *options,
                 const struct belay_rpc_callbacks *callbacks, void *arg, struct belay_rpc **ret_rpc,
                 struct belay_error *error);

/* belay_channel_unary in a home. */
int bl_unary_start(struct bl_rpc_home *home, const char *method, const void *request, size_t len,
                   const struct belay_rpc_options *options, struct belay_rpc **ret_rpc,
                   belay_unary_fn *fn, void *arg, struct belay_error *error);

/*
 * A WAITING call goes over that connection. `http` has no time limits of its own, HTTP/2 only, and
 * max_header_bytes of max_metadata_bytes. On 0 it is RUNNING (or fails later for want of memory),
 * off the home's list, with rpc->place = place. Calls nobody back.
 *
 * BELAY_EAGAIN  the connection carries as many as it can; nothing has changed
 * BELAY_ESTALE  it is gone, or going
 */
int bl_rpc_go(struct belay_rpc *rpc, struct belay_http *http, const struct belay_lease *lease,
              void *place);

/* It is over, whatever its state: stops its attempt, and tells the user later. `error`: belay's,
 * copied; its text is the message. */
void bl_rpc_fail(struct belay_rpc *rpc, int status, const struct belay_error *error);

/* ---- between the parts ---- */

/* rpc.c. The attempt has ended: asks for another, or tells. `rpc` may be gone afterwards. */
void bl_rpc_attempt_over(struct belay_rpc *rpc, enum belay_sent sent);
/* The attempt is stopped, and over, with what bl_rpc_set_status said. */
void bl_rpc_stop(struct belay_rpc *rpc);
/* Around callbacks of the user's; after leave returned false it is gone, or over. */
void bl_rpc_enter(struct belay_rpc *rpc);
bool bl_rpc_leave(struct belay_rpc *rpc);

/* rpc_make.c */
int bl_rpc_make(struct belay_rpc *rpc, const char *method, const struct belay_rpc_options *options,
                struct belay_error *error);
int bl_rpc_add_metadata(struct belay_rpc *rpc, struct bl_rpc_fields *fields,
                        const struct belay_header *headers, size_t n, struct belay_error *error);

/* rpc_fields.c */
int bl_rpc_fields_add(struct bl_rpc_fields *f, struct bl_mem *mem, struct bl_span name,
                      struct bl_span value);

int bl_rpc_fields_finish(struct bl_rpc_fields *f, struct bl_mem *mem);
/* Of an answer: custom ones, decoded. */
int bl_rpc_fields_read(struct bl_rpc_fields *f, struct bl_mem *mem,
                       const struct belay_header *headers, size_t n);
const struct belay_header *bl_rpc_fields_headers(const struct bl_rpc_fields *f);
void bl_rpc_fields_clear(struct bl_rpc_fields *f);
void bl_rpc_fields_free(struct bl_rpc_fields *f, struct bl_mem *mem);

/* rpc_send.c: as belay_http_read_fn; and back to the first byte. */
ptrdiff_t bl_rpc_read(void *out, size_t size, void *rpc);
void bl_rpc_rewind(struct belay_rpc *rpc);
/* No further attempt will be made. */
void bl_rpc_commit(struct belay_rpc *rpc);
/* Tells on_writable, if it is owed and there is room. False: the call is gone, or over. */
bool bl_rpc_tell_writable(struct belay_rpc *rpc);

/* rpc_receive.c */
extern const struct belay_http_callbacks bl_rpc_http_callbacks;
/* What was held back goes to the user. False: it is gone, over, or paused again. */
bool bl_rpc_give_left(struct belay_rpc *rpc);
void bl_rpc_receive_reset(struct belay_rpc *rpc);

/* rpc_result.c */
void bl_rpc_set_error(struct belay_rpc *rpc, int status, const struct belay_error *error);
void bl_rpc_set_failure(struct belay_rpc *rpc, int status, int code, const char *format, ...)
    BELAY_PRINTF(4, 5);
/* grpc-status, grpc-message and the rest of trailers. */
void bl_rpc_take_trailers(struct belay_rpc *rpc, const struct belay_header *headers, size_t n);
void bl_rpc_set_http_error(struct belay_rpc *rpc, const struct belay_error *error);
void bl_rpc_fill_result(const struct belay_rpc *rpc, struct belay_rpc_result *result);

#endif
