/* SPDX-License-Identifier: MIT */
/*
 * One request, from the call to on_done. request.c: its life; request_make.c: from the caller's
 * options; request_exchange.c: what comes from the session; request_follow.c: redirects;
 * request_limits.c: time.
 */
#ifndef BL_HTTP_REQUEST_H
#define BL_HTTP_REQUEST_H

#include "http/client.h"
#include "http/session.h"
#include "http/target.h"
#include "wire/h1_write.h"

enum bl_request_state {
    BL_REQUEST_SPARE,
    BL_REQUEST_WAITING, /* for a connection: it has a waiter */
    BL_REQUEST_RUNNING, /* it has a lease, and a session its exchange */
    BL_REQUEST_POSTED,  /* the task will tell a failure, or try again */
    BL_REQUEST_DONE,    /* on_done runs */
    BL_REQUEST_GONE,    /* cancelled from within a callback of its own, which has not returned */
};

struct belay_http_request {
    struct bl_list link; /* the client's requests, or spare */
    struct belay_http *http;
    struct bl_message message;
    struct bl_exchange ex;
    struct belay_lease lease;
    struct belay_waiter *waiter;
    struct bl_timer timer;
    struct bl_task task;
    uint64_t id;
    uint8_t state;            /* enum bl_request_state */
    uint8_t calls;            /* callbacks of the caller's that have not returned */
    bool probe;               /* a used connection is looked at before it is written to */
    bool body_read;           /* the callback has given bytes */
    bool reused, tls_resumed; /* of the connection it had last */
    bool given;               /* the lease is the caller's, and stays so */
    bool again;               /* POSTED: it had a lease, and waits ahead of others */
    bool discard;             /* what comes is a redirect's body */
    bool unsafe_replay, keep_credentials;
    enum belay_sent sent;
    enum belay_sent sent_before; /* by attempts before this one */

    const struct belay_http_callbacks *callbacks;
    void *arg;
    belay_http_read_fn *read_body;
    belay_http_rewind_fn *rewind_body;
    void *body_arg;
    struct belay_header *headers; /* the message's, copied, with what they point to; or NULL */
    char method[BL_METHOD_MAX];

    struct bl_request_limits limits;
    uint64_t started_at, asked_at, sent_at, first_byte_at, done_at;
    uint64_t wait_ns;
    uint64_t progress;                /* bytes out when last looked at */
    uint64_t window_at, window_bytes; /* where the rate is measured from */
    uint64_t connection;
    int64_t bytes_in, bytes_out; /* of earlier exchanges */
    int32_t status, replays, redirects, max_redirects;
    uint8_t major, minor; /* of HTTP in the response */
    int code;             /* POSTED: what the task will tell; 0: try again */

    struct belay_http_target
        *owner; /* of message.authorization, where it is an earlier one than the message's */
    struct belay_http_target *next; /* where the redirect goes */
    bool next_to_get, next_same_origin;
    struct bl_buf location;
};

/* request_make.c: fills a spare one. Errors as belay_http_request; it is then as it was. */
int bl_request_make(struct belay_http_request *r, const struct belay_http_request_options *options,
                    struct belay_error *error);
void bl_request_clear(struct belay_http_request *r);

/*
 * request_lease.c: a lease of the caller's. Errors as belay_http_request; it is on no connection
 * then. let_go: what the keeper of the connection is to know of it.
 */
int bl_request_use_lease(struct belay_http_request *r, const struct belay_lease *lease,
                         struct belay_error *error);
void bl_request_let_go(struct belay_http_request *r, enum belay_release how);

/* request.c */
void bl_request_step(struct belay_http_request *r, enum bl_request_state to, const char *cause);
int bl_request_go(struct belay_http_request *r);
void bl_request_go_later(struct belay_http_request *r);
/* RUNNING: nothing of it has left, and its connection has no room for it. */
void bl_request_given_back(struct belay_http_request *r);
/* The lease goes back. */
void bl_request_release(struct belay_http_request *r, enum belay_release how);
/* RUNNING: its exchange is stopped, if that is not over, and the lease goes back. */
void bl_request_stop(struct belay_http_request *r);
/* It failed: sends it again if it may be, else tells; the caller touches it no more. */
void bl_request_failed(struct belay_http_request *r, const struct belay_error *error,
                       enum belay_release how);
void bl_request_finish(struct belay_http_request *r, const struct belay_error *error);
/* Stops what is under way, tells the failure. No replay. */
void bl_request_abort(struct belay_http_request *r, struct belay_error *error);
void bl_request_fail_later(struct belay_http_request *r, int code);
void bl_request_free(struct belay_http_request *r);

/* Around each callback of the caller's; after leave returned false the request is gone. */
static inline void bl_request_enter(struct belay_http_request *r)
{
    r->calls++;
}
bool bl_request_leave(struct belay_http_request *r);

/* request_exchange.c */
extern const struct bl_exchange_ops bl_request_exchange_ops;

/* request_follow.c: whether the response is a redirect that will be followed; BELAY_... when it
   fails because of it, told already. The request may be gone. */
enum bl_follow { BL_FOLLOW_NOT, BL_FOLLOW_WILL, BL_FOLLOW_OVER };
enum bl_follow bl_request_follow(struct belay_http_request *r,
                                 const struct belay_http_response *response);
/* Its response has been read: goes there. */
void bl_request_followed(struct belay_http_request *r);

/* request_limits.c */
void bl_request_arm(struct belay_http_request *r);
void bl_request_on_timer(void *r);
/* The rate counts from now on. */
void bl_request_begin_rate(struct belay_http_request *r);

#endif
