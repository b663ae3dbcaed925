/* SPDX-License-Identifier: MIT */
/*
 * Chronicle's connection: what the files of its shell share.
 *
 *     chronicle.c           life: start, disconnect, references
 *     chronicle_name.c      its name, which is a process's
 *     chronicle_options.c   options and connection string, and what contradicts what
 *     chronicle_run.c       feeds the policy, and performs what it decides
 *     chronicle_attempt.c   one attempt: from an address to a channel that is READY and understood
 *     chronicle_resolve.c   the addresses of the string
 *     chronicle_probe.c     how many connections each kernel has
 *     chronicle_query.c     what the caller's functions are asked, and their answers
 *     chronicle_wait.c      those who wait
 *     chronicle_phases.c    subscribers
 *     chronicle_child.c     a connection under a supervisor
 *     chronicle_session.h   what is spoken with the kernel on a channel
 *     chronicle_auth.h      how its calls are secured
 *
 * User code runs from the task, and when a waiter's time is over: what a caller asks for, a function
 * of theirs answers, or a channel tells, is written down and the task posted. What is belay's own is
 * let go inside belay_chronicle_disconnect, so that a loop which is closed finds it still there; the
 * channel, for which a function of the caller's may be asked, goes from the task.
 */
#ifndef BL_SERVICE_CHRONICLE_H
#define BL_SERVICE_CHRONICLE_H

#include "base/options.h"
#include "belay/process.h"
#include "conn/error_copy.h"
#include "grpc/channel_copy.h"
#include "loop/loop.h"
#include "service/balancer.h"
#include "service/chronicle_auth.h"
#include "service/chronicle_policy.h"
#include "service/chronicle_session.h"
#include "wire/chronicle_string.h"
#include "wire/url.h"

#define BL_CHRONICLE_TAG        "chronicle" /* of its lines in the log */
#define BL_CHRONICLE_ID_SIZE    37          /* of a connection: a UUID, terminated */
#define BL_CHRONICLE_LABEL_SIZE 128
#define BL_CHRONICLE_PLACE_SIZE (BL_HOST_MAX + 10)

/* Where kernels may be; names are from the loop's memory. */
struct bl_chronicle_places {
    struct bl_chronicle_host *list;
    size_t n;
};

/* What an attempt is waiting for. */
enum bl_chronicle_step {
    BL_CHRONICLE_NOTHING, /* there is none, or it has given its channel */
    BL_CHRONICLE_RESOLVING,
    BL_CHRONICLE_RESOLVED, /* for the task, to choose */
    BL_CHRONICLE_PROBING,
    BL_CHRONICLE_CHOSEN,   /* for the task, to open a channel */
    BL_CHRONICLE_OPENING,  /* for a channel of connect's */
    BL_CHRONICLE_READYING, /* for the channel to be READY */
    BL_CHRONICLE_CHECKING, /* for the kernel to say that it understands */
    BL_CHRONICLE_CHECKED,  /* for the task */
};

struct bl_chronicle_lookup; /* chronicle_resolve.c */
struct bl_chronicle_probes; /* chronicle_probe.c */

struct bl_chronicle_attempt {
    uint64_t number; /* of the policy */
    enum bl_chronicle_step step;
    struct bl_chronicle_places places;
    size_t place;                       /* the one that was chosen, from CHOSEN on */
    struct bl_chronicle_lookup *lookup; /* belay's own; NULL: none */
    struct bl_chronicle_probes *probes; /* NULL: none */
    bool failed;                        /* of `error`; for the task */
    struct bl_error_copy error;
};

/* What callers want, and what the session tells: heeded by the task. */
enum {
    BL_CHRONICLE_WANT = 1, /* a connection */
    BL_CHRONICLE_RECONNECT = 2,
    BL_CHRONICLE_REGISTER = 4,
    BL_CHRONICLE_KEPT = 8,
};

struct belay_chronicle {
    struct bl_object object;
    struct belay_loop *loop;
    struct bl_chp policy;
    struct bl_balancer balancer;
    struct belay_chronicle_options options; /* effective; of what it points to `registry` is left */
    struct belay_chronicle_functions functions;
    struct bl_chronicle_string *string;
    char label[BL_CHRONICLE_LABEL_SIZE]; /* its hosts, for people */
    char *client_type, *client_version, *name;
    bool skip_check; /* the string's, or the option's */

    struct bl_chronicle_access *access;             /* NULL: it has been closed */
    struct bl_channel_options_copy channel_options; /* of every attempt */

    char id[BL_CHRONICLE_ID_SIZE]; /* of the session that is, or will be */
    struct bl_chronicle_attempt attempt;
    struct belay_channel *channel;        /* being opened, or open; with a reference; NULL: none */
    struct bl_chronicle_session *session; /* on it, from CHECKING on; NULL: none */
    struct belay_http *http;              /* for probes; NULL: there was no need, or it has ended */

    struct bl_list leaving; /* channels whose server sent them away, with calls under way */

    struct bl_list asked;    /* queries that are not answered */
    struct bl_list answered; /* for the task */
    unsigned asks;           /* BL_CHRONICLE_... */

    struct bl_error_copy error; /* the last failure or loss; code 0: none, or it is connected */
    uint64_t error_at;
    unsigned todo;             /* of the policy: what the end left to the task */
    enum belay_exit_kind exit; /* how it ended; of ERROR, `error` says why */
    struct bl_task run;
    struct bl_timer timer; /* bl_chp_wakes */

    struct bl_list waiters; /* in order of arrival */
    uint32_t waiters_n;
    struct bl_list subscriptions; /* in order of subscription */
    struct bl_list cursor;        /* behind the one that is being told */
    uint64_t subscribed;          /* numbers them */
    uint64_t greeted;             /* the last one that was told the phase that is */

    struct belay_process *process; /* has the name; NULL: none */
    bool process_ended;

    bool let_go;  /* of all that is belay's own */
    bool closing; /* the caller has given it up */
    bool told;    /* of its end */
    bool ended;   /* nothing is left of it but its memory */
    uint32_t refs;
    belay_fn *on_closed;
    void *closed_arg;
    struct belay_child *child; /* under a supervisor; NULL */
};

static inline uint64_t bl_chronicle_now(const struct belay_chronicle *c)
{
    return bl_now(c->loop);
}

static inline void bl_chronicle_run_later(struct belay_chronicle *c)
{
    bl_task_post(c->loop, &c->run);
}

/* ---- chronicle.c ---- */

/* Inside the caller's call: it ends, whatever it is doing; the task does the rest. */
void bl_chronicle_end(struct belay_chronicle *c, enum belay_exit_kind kind);
/* All that is belay's own. May be called again. */
void bl_chronicle_let_go(struct belay_chronicle *c);
/* If nothing is left that its end waits for; `c` may be gone afterwards. */
void bl_chronicle_finish(struct belay_chronicle *c);
void bl_chronicle_new_id(struct belay_chronicle *c);

/* ---- chronicle_name.c ---- */

/* BELAY_EEXISTS, BELAY_EINVAL, BELAY_ENOMEM; nothing where it has none. */
int bl_chronicle_take_name(struct belay_chronicle *c, struct belay_error *error);
/* Its process ends so. */
void bl_chronicle_give_name_back(struct belay_chronicle *c, struct belay_exit why);

/* ---- chronicle_options.c ---- */

extern const struct bl_option bl_chronicle_options[];
extern const size_t bl_chronicle_options_n;

/* Fills in what the options say, and what they point to; what was made is in `c` in any case. */
int bl_chronicle_options_apply(struct belay_chronicle *c,
                               const struct belay_chronicle_options *given,
                               struct belay_error *error);
void bl_chronicle_options_free(struct belay_chronicle *c);
/* The same checks, without a loop: BELAY_EINVAL, BELAY_ENOMEM. */
int bl_chronicle_options_check(const struct belay_chronicle_options *given,
                               struct belay_error *error);

/* ---- chronicle_text.c ---- */

/* The same once more, in other memory. BELAY_ENOMEM. */
int bl_chronicle_string_copy(const struct belay_chronicle_string *string, struct bl_mem *mem,
                             struct bl_chronicle_string **ret);

/* ---- chronicle_run.c ---- */

void bl_chronicle_run(void *chronicle); /* the task, and the timer */
void bl_chronicle_ask(struct belay_chronicle *c, unsigned what);
/* NULL forgets. */
void bl_chronicle_remember(struct belay_chronicle *c, const struct belay_error *error);
/* How it ended; its error, where it has one, is in *scratch. */
struct belay_exit bl_chronicle_exit(const struct belay_chronicle *c, struct belay_error *scratch);
/* The last failure or loss; NULL: none. */
const struct belay_error *bl_chronicle_last(const struct belay_chronicle *c,
                                            struct belay_error *scratch);

/* ---- chronicle_attempt.c ---- */

void bl_chronicle_attempt_begin(struct belay_chronicle *c);
/* By the task: its next step, where that is not waited for; false: it is. */
bool bl_chronicle_attempt_step(struct belay_chronicle *c);
/* Nothing comes of it any more; its channel stays. */
void bl_chronicle_attempt_cancel(struct belay_chronicle *c);
/* It failed, or the channel it gave did: heeded by the task. */
void bl_chronicle_attempt_fail(struct belay_chronicle *c, const struct belay_error *error);
void bl_chronicle_attempt_no_memory(struct belay_chronicle *c, const char *what);
/* What it waits for, in words: "while ..." */
const char *bl_chronicle_attempt_doing(const struct belay_chronicle *c);
/* A channel for the attempt, whose it becomes. */
void bl_chronicle_take_channel(struct belay_chronicle *c, struct belay_channel *channel);

/* ---- chronicle_drop.c ---- */

/* By the task: the caller's function may be called. */
void bl_chronicle_drop_channel(struct belay_chronicle *c);
void bl_chronicle_close_channel(struct belay_chronicle *c, struct belay_channel *channel);
/* Those that were left to finish their calls are closed. */
void bl_chronicle_end_leaving(struct belay_chronicle *c);
/* Calls of the one there is get no credentials any more: those of the connection may be of another
 * kernel by now, or are about to be freed. The caller's own stay. */
void bl_chronicle_disown_channel(struct belay_chronicle *c);
belay_rpc_credentials_fn bl_chronicle_refuse_call; /* what they are told */

/* ---- chronicle_resolve.c ---- */

void bl_chronicle_resolve(struct belay_chronicle *c);
void bl_chronicle_resolve_cancel(struct belay_chronicle *c);
/* "host[:port]" to the end of `places`, which has room. BELAY_EINVAL, BELAY_ENOMEM. */
int bl_chronicle_places_add(struct bl_chronicle_places *places, struct bl_mem *mem,
                            const char *host, struct belay_error *error);
/* Room for n, from none. BELAY_ENOMEM. */
int bl_chronicle_places_make(struct bl_chronicle_places *places, struct bl_mem *mem, size_t n);
void bl_chronicle_places_free(struct bl_chronicle_places *places, struct bl_mem *mem);
/* "host:port", "[address]:port" */
const char *bl_chronicle_place_text(const struct bl_chronicle_host *place,
                                    char out[BL_CHRONICLE_PLACE_SIZE]);

/* ---- chronicle_probe.c ---- */

/* One is chosen, perhaps after all have been asked. */
void bl_chronicle_choose(struct belay_chronicle *c);
bool bl_chronicle_probe_step(struct belay_chronicle *c); /* as of an attempt */
void bl_chronicle_probe_cancel(struct belay_chronicle *c);
void bl_chronicle_probe_answer(struct belay_chronicle *c, size_t place, int64_t count);

/* ---- chronicle_query.c ---- */

enum bl_chronicle_query_kind { BL_CHRONICLE_Q_RESOLVE, BL_CHRONICLE_Q_PROBE, BL_CHRONICLE_Q_OPEN };

/* For the attempt that is; `place` is of PROBE. NULL: no memory. */
struct belay_chronicle_query *bl_chronicle_query_new(struct belay_chronicle *c,
                                                     enum bl_chronicle_query_kind kind,
                                                     size_t place);
/* The caller's function is asked for a channel. */
void bl_chronicle_query_open(struct belay_chronicle *c, const char *target);
/* By the task: one that was answered; false: there was none. */
bool bl_chronicle_query_heed(struct belay_chronicle *c);

/* ---- chronicle_wait.c ---- */

/* Tells those who wait for what is, or, with an error, all. */
void bl_chronicle_answer(struct belay_chronicle *c, const struct belay_error *error);

/* ---- chronicle_phases.c ---- */

void bl_chronicle_tell(struct belay_chronicle *c, enum belay_chronicle_phase phase);
/* Those up to number `last` who have not been told yet; false: there were none. */
bool bl_chronicle_greet(struct belay_chronicle *c, uint64_t last);
void bl_chronicle_free_subscriptions(struct belay_chronicle *c);

/* ---- chronicle_child.c ---- */

void bl_chronicle_child_ended(struct belay_chronicle *c);

#endif
