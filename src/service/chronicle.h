/* SPDX-License-Identifier: MIT */
/*
 * Chronicle's connection: what the files of its shell share.
 *
 *     chronicle.c           life: start, disconnect, references, its name
 *     chronicle_options.c   options and connection string, and what contradicts what
 *     chronicle_run.c       feeds the policy, and performs what it decides
 *     chronicle_attempt.c   one attempt: from an address to a channel that is READY and understood
 *     chronicle_resolve.c   the addresses of the string
 *     chronicle_probe.c     how many connections each kernel has
 *     chronicle_query.c     what the caller's functions are asked, and their answers
 *     chronicle_wait.c      those who wait, and subscribers
 *     chronicle_child.c     a connection under a supervisor
 *     chronicle_session.h   what is spoken with the kernel on a channel
 *     chronicle_auth.h      how its calls are secured
 *
 * User code runs from the task alone: what a caller asks for, a function of theirs answers, or a
 * channel tells, is written down and the task posted. Everything of belay's own is let go inside
 * belay_chronicle_disconnect, so that a loop which is closed finds it still there; the caller's
 * functions and callbacks come afterwards.
 */
#ifndef BL_SERVICE_CHRONICLE_H
#define BL_SERVICE_CHRONICLE_H

#include "base/options.h"
#include "belay/process.h"
#include "conn/error_copy.h"
#include "loop/loop.h"
#include "service/balancer.h"
#include "service/chronicle_auth.h"
#include "service/chronicle_policy.h"
#include "service/chronicle_session.h"
#include "wire/chronicle_string.h"

#define BL_CHRONICLE_ID_SIZE 37 /* of a connection, a UUID, terminated */

/* Where a kernel may be: "host:port", "[address]:port". One block, from the loop's memory. */
struct bl_chronicle_places {
    char **list;
    size_t n;
};

/* What an attempt is waiting for. */
enum bl_chronicle_step {
    BL_CHRONICLE_NOTHING, /* there is none, or it has given its channel */
    BL_CHRONICLE_RESOLVING,
    BL_CHRONICLE_PROBING,
    BL_CHRONICLE_OPENING,  /* for a channel of connect's */
    BL_CHRONICLE_READYING, /* for the channel to be READY */
    BL_CHRONICLE_CHECKING, /* for the kernel to say that it understands */
};

struct bl_chronicle_lookup; /* chronicle_resolve.c */
struct bl_chronicle_probes; /* chronicle_probe.c */

struct bl_chronicle_attempt {
    uint64_t number; /* of the policy */
    enum bl_chronicle_step step;
    struct bl_chronicle_places places;
    struct bl_chronicle_lookup *lookup; /* belay's own, under way; or NULL */
    struct bl_chronicle_probes *probes; /* under way; or NULL */
    size_t place;                       /* the one that was chosen, from OPENING on */
    bool failed, final;                 /* of `error`; to be heeded by the task */
    struct bl_error_copy error;
};

/* What callers want, done by the task. */
enum {
    BL_CHRONICLE_WANT = 1, /* a connection */
    BL_CHRONICLE_RECONNECT = 2,
    BL_CHRONICLE_REGISTERED = 4,
};

/* What the session reports, heeded by the task. */
enum { BL_CHRONICLE_KEPT = 1, BL_CHRONICLE_LOST = 2, BL_CHRONICLE_READY = 4 };

struct belay_chronicle {
    struct bl_object object;
    struct belay_loop *loop;
    struct bl_chp policy;
    struct bl_balancer balancer;
    struct belay_chronicle_options options; /* effective; what it points to is the connection's */
    struct belay_chronicle_functions functions;
    struct bl_chronicle_string *string;
    char *label; /* the string for people: without secrets */
    char *client_type, *client_version;
    bool skip_check; /* the string's, or the option's */

    struct bl_chronicle_access *access;
    struct belay_channel_options channel_options; /* of every attempt; its texts are copies */
    struct belay_backoff_options channel_backoff;
    struct belay_retry_policy channel_retry;
    char *authority, *user_agent, *health_service;

    char id[BL_CHRONICLE_ID_SIZE]; /* of the session that is, or will be */
    struct bl_chronicle_attempt attempt;
    struct belay_channel *channel;        /* being opened, or open; a reference, to be disconnected */
    struct bl_chronicle_session *session; /* on it, from CHECKING on; NULL: none */
    struct belay_http *http;              /* for probes; NULL: none was needed yet, or it has ended */

    struct bl_list asked;    /* queries that are not answered */
    struct bl_list answered; /* to be heeded by the task */
    unsigned asks, news;     /* of the enums above */
    struct bl_error_copy error; /* the last failure or loss; code 0: none */

    struct bl_task run;
    struct bl_timer timer; /* bl_chp_wakes */
    struct bl_list waiters, subscriptions, cursor;
    uint32_t waiters_n;

    struct belay_process *process; /* has the name; NULL: none */
    bool process_ended;

    unsigned todo;  /* of the end: what the task still performs */
    bool closing;   /* the caller has given it up */
    bool told_exit; /* on_exit ran */
    bool ended;     /* nothing is left of it but its memory */
    uint32_t refs;
    belay_fn *on_closed;
    void *closed_arg;
    struct belay_child *child; /* under a supervisor; NULL */
};

static inline uint64_t bl_chronicle_now(const struct belay_chronicle *c)
{
    return bl_now(c->loop);
}

/* ---- chronicle.c ---- */

/* Ends it, if nothing is left that it waits for; true: `c` may be gone. */
bool bl_chronicle_finish(struct belay_chronicle *c);

#endif
