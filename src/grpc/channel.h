/* SPDX-License-Identifier: MIT */
/*
 * The channel's shell: what its files share.
 *
 *     channel.c          life: open, close, drain, references
 *     channel_options.c  options
 *     channel_target.c   from a target to a source of addresses
 *     channel_run.c      feeds the policy, and performs what it decides
 *     channel_resolve.c  look-ups, and what their answers make of the list of addresses
 *     subchannel.c       one address and its connections
 *     channel_calls.c    calls: the queue, where each goes, and whether it is attempted again
 *     channel_health.c   what a server says of its health
 *     channel_wait.c     those who wait for a state, and the watch
 *     channel_stats.c    what has come of it all
 *     channel_child.c    a channel under a supervisor
 *     channel_copy.h     options that outlive the call which gave them
 *
 * User code runs from the task alone; what a caller asks for, or a connection tells, is written
 * down and the task posted.
 */
#ifndef BL_GRPC_CHANNEL_H
#define BL_GRPC_CHANNEL_H

#include "base/options.h"
#include "belay/source.h"
#include "conn/conn.h"
#include "conn/endpoint.h"
#include "conn/error_copy.h"
#include "conn/lease.h"
#include "grpc/channel_policy.h"
#include "grpc/retry_policy.h"
#include "grpc/rpc.h"

struct bl_subchannel;

struct belay_channel {
    struct bl_object object;
    struct belay_loop *loop;
    struct bl_cp cp;
    struct bl_rpc_home home;
    struct belay_channel_options options; /* effective; what it points to is the channel's */
    struct bl_retry_limits retry;
    struct bl_retry_tokens tokens;
    char *target, *url;
    char *authority, *user_agent, *health_service; /* of the options; NULL */

    struct belay_http *http; /* NULL: it has ended */
    struct belay_connector connector;
    struct belay_dial_options dial;
    struct belay_source *source;
    struct belay_source_query *query; /* under way; or NULL */
    bool asked;                       /* the source was, once: further answers are to be fresh */

    struct bl_list subs;    /* all, those that are out of the policy's list included */
    struct bl_list calls;   /* rpc->of_home */
    struct bl_list waiting; /* rpc->link: for a connection, in order of arrival */
    uint32_t calls_n;
    struct belay_channel_options health_options; /* without credentials */

    struct bl_task run;
    struct bl_timer timer;
    struct bl_error_copy error; /* the last failure or loss */
    enum belay_channel_state told;
    belay_channel_state_fn *watch, *keep;
    void *watch_arg, *keep_arg;
    struct bl_list blocked;           /* who waits for a state */
    struct belay_channel_stats stats; /* what is counted since it was opened */

    bool closing, draining;
    bool ended; /* nothing is left of it but its memory */
    uint32_t refs;
    belay_fn *on_closed;
    void *closed_arg;
    struct belay_child *child; /* under a supervisor; NULL */
};

static inline uint64_t bl_channel_now(const struct belay_channel *ch)
{
    return bl_now(ch->loop);
}

/* It is READY no more by its server's wish (GOAWAY), which finishes what it has. It may be connecting,
 * where a call that the server refused with it is attempted again. */
bool bl_channel_is_sent_away(const struct belay_channel *ch);

/* Calls that are attempted from now on ask this one. */
static inline void bl_channel_set_credentials(struct belay_channel *ch,
                                              belay_rpc_credentials_fn *fn, void *arg)
{
    ch->options.credentials = fn;
    ch->options.credentials_arg = arg;
}

/* ---- channel.c ---- */

/* Ends it, if nothing is left that it waits for; true: `ch` may be gone. */
bool bl_channel_finish(struct belay_channel *ch);

/* ---- channel_options.c ---- */

extern const struct bl_option bl_channel_options[];
extern const size_t bl_channel_options_n;

/* From what was given to what holds; EINVAL names the option. `limits`: the policy's. */
int bl_channel_options_resolve(struct belay_channel_options *ret, struct bl_cp_limits *limits,
                               struct bl_retry_limits *retry,
                               const struct belay_channel_options *given,
                               struct belay_error *error);
/* Those of the channel's HTTP client. `user_agent` as it is to be said. */
struct belay_http_options bl_channel_http_options(const struct belay_channel_options *o,
                                                  const char *user_agent);

/* ---- channel_target.c ---- */

/* Sets ch->url and ch->source. BELAY_EINVAL, BELAY_ENOMEM, and of belay_tls_new. */
int bl_channel_make_source(struct belay_channel *ch, const struct belay_channel_options *o,
                           struct belay_error *error);

/* ---- channel_run.c ---- */

void bl_channel_run(void *channel); /* the task, and the timer */
static inline void bl_channel_run_later(struct belay_channel *ch)
{
    bl_task_post(ch->loop, &ch->run);
}
/* What went wrong last; NULL forgets it. */
void bl_channel_remember(struct belay_channel *ch, const struct belay_error *error);
/* NULL: nothing went wrong. */
const struct belay_error *bl_channel_last(const struct belay_channel *ch,
                                          struct belay_error *scratch);

/* ---- channel_resolve.c ---- */

void bl_channel_resolve(struct belay_channel *ch);

/* ---- channel_calls.c ---- */

extern const struct bl_rpc_home_ops bl_channel_home_ops;
/* Gives the calls that wait to connections, or fails them. */
void bl_channel_place(struct belay_channel *ch);
/* All of them end with CANCELLED. */
void bl_channel_cancel_calls(struct belay_channel *ch);

/* ---- channel_wait.c ---- */

/* Tells what the state is by now, and those who wait for it. */
void bl_channel_tell(struct belay_channel *ch);
/* For whoever lends the channel to others, whose watch is theirs: told before it, and may close the
 * channel. fn NULL: nobody does. */
void bl_channel_keep(struct belay_channel *ch, belay_channel_state_fn *fn, void *arg);
/* Somebody waits until it is READY. */
bool bl_channel_is_awaited(const struct belay_channel *ch);
/* It is closed: all of them have waited long enough. */
void bl_channel_end_waits(struct belay_channel *ch);

/* ---- channel_child.c ---- */

void bl_channel_child_ended(struct belay_channel *ch);

#endif
