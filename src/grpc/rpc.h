/* SPDX-License-Identifier: MIT */
/*
 * One call, from belay_rpc_start to on_done. rpc.c: its life; rpc_make.c: from the caller's options;
 * rpc_fields.c: metadata; rpc_attempt.c: the request it is; rpc_send.c: messages going out;
 * rpc_receive.c: what comes in; rpc_result.c: what it came to; unary.c: one message each way;
 * unary_wait.c, rpc_stream.c: for those who block.
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
#include "grpc/retry_policy.h"
#include "loop/loop.h"
#include "wire/grpc_frame.h"
#include "wire/grpc_timeout.h"

struct bl_rpc_home;

/* How an attempt ended: with a status of the server's, or an error of belay's. */
struct bl_rpc_attempt {
    int status;
    const struct belay_error *error; /* NULL: the server said so */
    enum belay_sent sent; /* NOT_SENT: the server has not seen it (refused, GOAWAY, never left) */
    bool committed;       /* no further attempt can be made: messages have come or are not kept */
    bool unplaced;        /* there was no connection for it: bl_rpc_refuse */
    bool pushed_back;     /* grpc-retry-pushback-ms was there: */
    int64_t pushback_ms;  /* below 0: no further attempt */
};

enum { BL_RPC_NO_MORE = -1 };

struct bl_rpc_home_ops {
    /*
     * It wants a connection: the home puts rpc->link on a list of its own, and places it by
     * bl_rpc_go, at once or later, or fails it by bl_rpc_refuse or bl_rpc_fail. The call takes itself
     * off the list when it goes, fails, or is over.
     */
    void (*want)(struct belay_rpc *rpc);
    /* Its attempt has let go of its connection, however that came; rpc->place says which. */
    void (*freed)(struct belay_rpc *rpc);
    /*
     * An attempt ended by itself, well or not (not by cancel, deadline or bl_rpc_fail; nor where
     * credentials were refused that can be renewed): in how many ms the next is to be made, or
     * BL_RPC_NO_MORE; of what is committed the answer is ignored. `want` comes again after the delay
     * and the credentials.
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
    char known[96];                              /* the method that was found good last */
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
    struct bl_list link;        /* of the home, while WAITING */
    struct bl_list of_home;     /* the home's own; zeroed at first */
    struct bl_retry_call retry; /* likewise */
    int32_t unplaced;           /* likewise: attempts for which there was no connection */
    void *place;                /* of the home: what it gave at bl_rpc_go */
    int32_t attempts;           /* begun */
    bool wait_for_ready;

    struct bl_rpc_home *home; /* NULL: it has left */
    struct belay_loop *loop;
    uint64_t id;
    uint8_t state;         /* enum bl_rpc_state */
    uint8_t calls;         /* callbacks of the user's that have not returned */
    bool asked;            /* the credentials hook owes an answer; the memory stays until then */
    uint64_t mark;         /* of this attempt's credentials; 0: they have none */
    uint64_t refused;      /* the mark of those that the server refused */
    struct bl_timer timer; /* the deadline, or the next attempt */
    struct bl_task task;
    uint64_t deadline; /* BELAY_NEVER: none */
    int64_t deadline_ms;
    uint64_t again_at; /* BACKING_OFF */
    struct belay_rpc_callbacks callbacks;
    void *arg;

    char *method;                       /* in url */
    char *authority;                    /* NULL: the home's */
    struct bl_rpc_fields metadata;      /* as they travel */
    struct bl_rpc_fields credentials;   /* of this attempt */
    struct belay_http_request *request; /* RUNNING */
    struct belay_lease lease;           /* ... on */
    int32_t previous;                   /* attempts that the server may have seen */
    struct bl_buf head;                 /* struct belay_header: the request's, which point to: */
    char timeout_text[BL_GRPC_TIMEOUT_MAX];
    char previous_text[12];

    /* What goes out; up to out_at the attempt has read it. */
    struct bl_buf out;
    uint32_t out_at;
    int32_t max_send;
    bool gzip;      /* the server is told so */
    bool plain;     /* ... but messages are not compressed for now */
    bool ended;     /* belay_rpc_end was called */
    bool starved;   /* the attempt waits for more */
    bool full;      /* EAGAIN was returned, and on_writable is owed */
    bool committed; /* no further attempt: what was read of `out` is not kept */

    /* What comes in. */
    struct bl_grpc_frames frames;
    struct bl_buf left;     /* behind the message at which it was paused */
    struct bl_buf inflated; /* a message */
    int32_t max_receive;
    bool trailers_only;
    bool paused;       /* by the user */
    bool held;         /* so the request is paused, too */
    bool gzip_in;      /* grpc-encoding is gzip */
    char encoding[32]; /* ... or another one */

    /* What it came to. */
    int status;
    bool status_seen; /* of the server */
    bool failed;      /* `error` is belay's, and says why */
    bool unsent;      /* ... and it has not left this process */
    struct belay_error error;
    char *message; /* NULL: none came */
    struct bl_rpc_fields trailers;
    bool pushed_back;
    int64_t pushback_ms;

    /* Of unary.c. */
    belay_unary_fn *unary;
    struct bl_buf response;
    bool responded;

    char url[]; /* the home's, and the method */
};

/*
 * belay_rpc_start in a home (channel_calls.c has belay_rpc_start itself, and belay_channel_unary);
 * whether there is room for one more is the home's affair. On 0 `want` or `left` has been called or
 * will be. Errors: BELAY_EINVAL, BELAY_ENOMEM.
 */
int bl_rpc_start(struct bl_rpc_home *home, const char *method,
                 const struct belay_rpc_options *options,
                 const struct belay_rpc_callbacks *callbacks, void *arg, struct belay_rpc **ret_rpc,
                 struct belay_error *error);

/* belay_channel_unary in a home. */
int bl_unary_start(struct bl_rpc_home *home, const char *method, const void *request, size_t len,
                   const struct belay_rpc_options *options, struct belay_rpc **ret_rpc,
                   belay_unary_fn *fn, void *arg, struct belay_error *error);

/* The one message of a call, and its end. What has failed already will say so itself: that is no
 * error. BELAY_ELIMIT, BELAY_ENOMEM. */
int bl_rpc_write_only(struct belay_rpc *rpc, const void *message, size_t len);

/*
 * A WAITING call goes over that connection. `http` has no time limits of its own, HTTP/2 only, and
 * max_header_bytes of max_metadata_bytes. On 0 it is RUNNING, off the home's list, with rpc->place =
 * place; or there was no memory, `freed` has been called already, and it fails later. Calls none of
 * the user's back.
 *
 * BELAY_EAGAIN  the connection carries as many as it can; nothing has changed
 * BELAY_ESTALE  it is gone, or going
 */
int bl_rpc_go(struct belay_rpc *rpc, struct belay_http *http, const struct belay_lease *lease,
              void *place);

/* A WAITING call gets no connection: that is an attempt which failed, and the home is asked for
 * another; without one it fails. `error` as of bl_rpc_fail. */
void bl_rpc_refuse(struct belay_rpc *rpc, int status, const struct belay_error *error);

/* It is over, whatever its state: stops its attempt, and tells the user later. `error`: belay's,
 * copied; its text is the message. */
void bl_rpc_fail(struct belay_rpc *rpc, int status, const struct belay_error *error);

/*
 * For a credentials hook whose credentials age, before it answers: they have this mark, not 0. Where
 * the server then says UNAUTHENTICATED before anything else, the call is attempted once more, at
 * once and whatever the retry policy says: the hook is asked again, and bl_rpc_refused is the mark,
 * from then on. Otherwise it is 0.
 */
static inline void bl_rpc_mark_credentials(struct belay_rpc *rpc, uint64_t mark)
{
    rpc->mark = mark;
}
static inline uint64_t bl_rpc_refused(const struct belay_rpc *rpc)
{
    return rpc->refused;
}

/* ---- between the parts ---- */

/* rpc.c: the only place that changes its state. */
void bl_rpc_step(struct belay_rpc *rpc, enum bl_rpc_state to, const char *cause);
/* The attempt has ended by itself: another follows, or the user is told, and the call is gone. */
void bl_rpc_attempt_over(struct belay_rpc *rpc, enum belay_sent sent);
/* The same of one that goes on: it is stopped first. What it came to is set. */
void bl_rpc_stop(struct belay_rpc *rpc);
/* Around callbacks of the user's, while RUNNING; after leave returned false the attempt is over, and
 * the call may be gone. */
void bl_rpc_enter(struct belay_rpc *rpc);
bool bl_rpc_leave(struct belay_rpc *rpc);

/* rpc_make.c: how much memory a call takes; it is all zeros at first. Errors as belay_rpc_start. */
size_t bl_rpc_size(const struct bl_rpc_home *home, const char *method);
int bl_rpc_make(struct belay_rpc *rpc, const char *method, const struct belay_rpc_options *given,
                const struct belay_rpc_callbacks *callbacks, struct belay_error *error);
/* Checked; as it travels. */
int bl_rpc_add_metadata(struct bl_rpc_fields *f, struct bl_mem *mem,
                        const struct belay_header *headers, size_t n, struct belay_error *error);

/* rpc_fields.c. Adding: values as they are given; `finish` makes the headers. With room for all,
 * names and values, nothing is left behind where memory grows. BELAY_ENOMEM. */
int bl_rpc_fields_reserve(struct bl_rpc_fields *f, struct bl_mem *mem, size_t n, size_t bytes);
int bl_rpc_fields_add(struct bl_rpc_fields *f, struct bl_mem *mem, struct bl_span name,
                      struct bl_span value);
int bl_rpc_fields_finish(struct bl_rpc_fields *f, struct bl_mem *mem);
/* What is metadata of an answer's fields, decoded. BELAY_EPROTO: bad base64. */
int bl_rpc_fields_read(struct bl_rpc_fields *f, struct bl_mem *mem,
                       const struct belay_header *headers, size_t n);
const struct belay_header *bl_rpc_fields_headers(const struct bl_rpc_fields *f);
void bl_rpc_fields_clear(struct bl_rpc_fields *f);
/* Of secrets, before they are cleared or freed. */
void bl_rpc_fields_wipe(struct bl_rpc_fields *f);
void bl_rpc_fields_free(struct bl_rpc_fields *f, struct bl_mem *mem);

/* rpc_send.c: as belay_http_read_fn; and back to the first byte. */
ptrdiff_t bl_rpc_read(void *out, size_t size, void *rpc);
void bl_rpc_rewind(struct belay_rpc *rpc);
/* No further attempt will be made. */
void bl_rpc_commit(struct belay_rpc *rpc);
/* on_writable, if it is owed and there is room. False: the attempt is over, the call perhaps gone. */
bool bl_rpc_tell_writable(struct belay_rpc *rpc);

/* rpc_receive.c */
extern const struct belay_http_callbacks bl_rpc_http_callbacks;
/* What was held back goes to the user, until it is used up or the call is paused again; the call may
 * be gone afterwards. */
void bl_rpc_give_left(struct belay_rpc *rpc);
/* As before the answer; frees what it took. */
void bl_rpc_receive_reset(struct belay_rpc *rpc);

/* rpc_result.c. `error` is copied; its text is the call's message. */
void bl_rpc_set_error(struct belay_rpc *rpc, int status, const struct belay_error *error);
void bl_rpc_set_failure(struct belay_rpc *rpc, int status, int code, const char *format, ...)
    BELAY_PRINTF(4, 5);
/* h2_error: the code that the stream was reset with; -1: it was not. */
void bl_rpc_set_http_error(struct belay_rpc *rpc, const struct belay_error *error,
                           int64_t h2_error);
void bl_rpc_take_trailers(struct belay_rpc *rpc, const struct belay_header *headers, size_t n);
void bl_rpc_fill_result(const struct belay_rpc *rpc, struct belay_rpc_result *result);

#endif
