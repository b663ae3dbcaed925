/* SPDX-License-Identifier: MIT */
/*
 * The link's shell: what its files share.
 *
 *     link.c          life: open, close, references, who waits for the end
 *     link_run.c      feeds the policy, and performs what it decides
 *     link_attempt.c  one attempt: the source is asked, an address dialled
 *     link_current.c  connections: what is told of them, the one there is now, its lease
 *     link_wait.c     those who wait for a connection, blocking or not
 *     link_events.c   events: the log, on_event, subscribers
 *     link_options.c  options
 *     link_stats.c    what it knows of itself
 *     link_child.c    a link under a supervisor
 *
 * A caller's call writes down what is wanted (`asks`) and posts the task: so no callback runs inside
 * it, and closing a link in any of its callbacks is a flag until the callback has returned.
 */
#ifndef BL_KEEP_LINK_H
#define BL_KEEP_LINK_H

#include "base/options.h"
#include "conn/conn.h"
#include "conn/endpoint.h"
#include "conn/error_copy.h"
#include "conn/lease.h"
#include "conn/source.h"
#include "keep/link_policy.h"

#define BL_LINK_TAG "persistent-connection-to" /* of its lines in the log */

/* Connections that are being ended at a time, before another attempt is begun: of connectors that
 * do not come to an end. */
#define BL_LINK_ENDING_MAX 16

/* What callers want, done by the task in this order. CUT: the current connection was released as
 * broken, or taken. */
enum {
    BL_LINK_CLOSE = 1,
    BL_LINK_CUT = 2,
    BL_LINK_FINISH = 4,
    BL_LINK_RESET = 8,
    BL_LINK_KICK = 16
};

struct belay_link {
    struct bl_lp lp;
    struct bl_object object;
    struct belay_loop *loop;
    struct belay_source *source;
    struct belay_link_options options; /* effective; pointers lead to the next three */
    struct belay_dial_options dial, dial_words;
    struct belay_backoff_options backoff;
    char *server_name;

    /* The attempt under way; while the link is up, of a candidate. */
    struct belay_source_query *query;
    struct belay_conn *attempt;
    struct belay_endpoint *found; /* its address, from the answer on */
    size_t found_at;              /* where it stood in the answer */
    bool fresh;                   /* names are looked up anew */

    struct belay_conn *current; /* NULL: not connected */
    struct belay_lease lease;   /* on it */
    uint8_t reason;             /* enum belay_reason: what it is closed for, in the end */

    struct belay_endpoint *address; /* the last one that was obtained, and is not a candidate's */
    size_t address_at;
    struct belay_endpoint *former; /* of DISCONNECTED, until it is told */

    struct bl_error_copy error; /* the last failure or loss; code 0: none */
    uint64_t error_at;

    struct bl_task run;
    struct bl_timer timer; /* bl_lp_wakes */
    uint8_t asks;
    int mishap;      /* the attempt could not even be begun: a code, to be heeded */
    bool released;   /* the caller has given it up: it goes when it has ended */
    bool spent;      /* it ended by itself, of `error` */
    bool ended;      /* let go */
    uint32_t ending; /* connections that are being ended */
    uint32_t refs;

    struct bl_list waiters; /* in order of arrival */
    uint32_t waiters_n;
    struct bl_list subscriptions; /* in order of subscription */
    struct bl_list cursor;        /* behind the one that is being told */
    uint64_t subscribed;          /* numbers them */
    uint32_t subscriptions_n;

    struct bl_list watchers; /* of the end */
    belay_fn *on_closed;
    void *closed_arg;
    struct belay_child *child; /* under a supervisor; NULL */

    uint64_t opened_at, up_at, down_at, total_up_ns;
    uint64_t attempts, connected, moves;
    uint64_t failed[BELAY_STAGES_N];
};

/* What a connection of a link has beside belay's own part: in its extra bytes. */
struct bl_link_conn {
    struct bl_lessor lessor;
};

static inline uint64_t bl_link_now(const struct belay_link *link)
{
    return bl_now(link->loop);
}

/* ---- link.c ---- */

/* It is over: tells, and frees the link if the caller has given it up. */
void bl_link_finish(struct belay_link *link);

/* ---- link_run.c ---- */

void bl_link_run(void *link); /* the task, and the timer */
/* Something happened: decides, performs, and does what is to be done next. `why` may be NULL. */
void bl_link_feed(struct belay_link *link, enum bl_lp_event event, struct bl_lp_facts facts,
                  const struct belay_error *why);
/* The attempt failed. */
void bl_link_fail(struct belay_link *link, const struct belay_error *why);
/* The current connection has ended, for this reason; `why` NULL: it was ended here. */
void bl_link_lose(struct belay_link *link, enum belay_reason reason, const struct belay_error *why);
void bl_link_find(struct belay_link *link, enum bl_lp_finding finding);
/* What callers want. Inside their calls, and callbacks: done by the task, or ... */
void bl_link_ask(struct belay_link *link, unsigned what);
/* ... here. */
void bl_link_heed(struct belay_link *link);

/* ---- link_attempt.c ---- */

void bl_link_ask_source(struct belay_link *link);
void bl_link_dial(struct belay_link *link);
void bl_link_cancel_attempt(struct belay_link *link);
/* Its address is the link's from now on. */
void bl_link_settle_address(struct belay_link *link);

/* ---- link_current.c ---- */

extern const struct bl_conn_keeper_ops bl_link_keeper_ops;

int bl_link_conn_prepare(struct belay_link *link, struct belay_conn *conn);
void bl_link_adopt(struct belay_link *link);
void bl_link_revoke(struct belay_link *link);
/* Ends a connection, and waits for that. */
void bl_link_end_conn(struct belay_link *link, struct belay_conn *conn, enum belay_reason reason);
/* There is a current connection, and it is not known to be dead. */
bool bl_link_is_live(const struct belay_link *link);

/* ---- link_wait.c ---- */

/* Tells those who wait: the lease, or the error; `all`, or those alone who wait for a result. */
void bl_link_answer(struct belay_link *link, const struct belay_error *error, bool all);

/* ---- link_events.c ---- */

void bl_link_tell(struct belay_link *link, enum belay_link_event_type type,
                  struct belay_endpoint *address, const struct belay_error *error);
/* A candidate failed. */
void bl_link_note(struct belay_link *link, const struct belay_error *error);
void bl_link_free_subscriptions(struct belay_link *link);

/* ---- link_options.c ---- */

extern const struct bl_option bl_link_options[];
extern const size_t bl_link_options_n;

struct bl_link_settings {
    struct belay_link_options options;
    struct belay_dial_options dial;
    struct belay_backoff backoff;
    struct bl_lp_limits limits;
};
/* From what was given to what holds; EINVAL names the option. */
int bl_link_settings_make(struct bl_link_settings *ret, const struct belay_link_options *given,
                          struct belay_error *error);
/* Moves them into the link; BELAY_ENOMEM. */
int bl_link_settings_apply(struct belay_link *link, const struct bl_link_settings *settings);

/* ---- link_stats.c ---- */

void bl_link_remember(struct belay_link *link, const struct belay_error *error);
/* The last failure or loss; NULL: there was none. */
const struct belay_error *bl_link_last(const struct belay_link *link, struct belay_error *scratch);

/* ---- link_child.c ---- */

/* A link under a supervisor has ended. */
void bl_link_child_ended(struct belay_link *link);

#endif
