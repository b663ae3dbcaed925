/* SPDX-License-Identifier: MIT */
/*
 * Processes under watch: toys whose callbacks return what chance says, and a model of each, made from the manual alone, that
 * knows what may come next. A toy's connect may dial a host, so that what befalls hosts befalls processes.
 *
 *     process_toy.c     the behaviour: what its callbacks do
 *     process_model.c   what directives make of a process, and what is expected of it
 *     process_mail.c    messages, each with its fate; calls and who answers them
 *     process_ties.c    links, monitors, who waits for a state, names
 *     process_history.c what is done to them
 */
#ifndef TEST_SIM_PROCESS_RIG_H
#define TEST_SIM_PROCESS_RIG_H

#include "sim/life.h"
#include "sim/met.h"

#define TOYS_MAX       6
#define TOY_HOSTS      3
#define TOY_MOMENT_NS  SIM_MS(2)
#define TOY_MAIL_MAX   64
#define TOY_BEHAVIOURS 3
#define TOY_ENDS_MAX   8

#define TOY_DEEDS(X)                                                                               \
    X(START, "started")                                                                            \
    X(START_LINK, "started, and linked")                                                           \
    X(PARENT_ENDED, "ended by its parent, though it traps exits")                                  \
    X(IGNORED, "start ignored")                                                                    \
    X(START_FAILED, "start failed")                                                                \
    X(START_LATE, "start took too long")                                                           \
    X(TAKEN_NAME, "name taken")                                                                    \
    X(CALL, "call")                                                                                \
    X(CAST, "cast")                                                                                \
    X(SEND, "send")                                                                                \
    X(FULL, "mailbox full")                                                                        \
    X(DROPPED, "oldest message dropped")                                                           \
    X(REPLIED, "call answered")                                                                    \
    X(REPLIED_LATER, "call answered by a kept from")                                               \
    X(REPLY_STALE, "reply that nobody waits for")                                                  \
    X(CALL_TIMED_OUT, "call's time passed")                                                        \
    X(CALL_ENDED, "call ended with its process")                                                   \
    X(CALL_CANCELLED, "call cancelled")                                                            \
    X(CALL_BLOCKED, "call, blocking")                                                              \
    X(CONNECT, "connect called")                                                                   \
    X(CONNECT_BACKOFF, "connect called by the backoff")                                            \
    X(DISCONNECT, "disconnect called")                                                             \
    X(DIALLED, "connect that dials")                                                               \
    X(PENDING, "pending")                                                                          \
    X(RESUMED, "resumed")                                                                          \
    X(RESUME_REFUSED, "resume of what is not pending")                                             \
    X(SERVED_PENDING, "message handled while connecting")                                          \
    X(GIVEN_UP, "pending connect given up")                                                        \
    X(BACKOFF, "backoff armed")                                                                    \
    X(BACKOFF_FOREVER, "backoff for ever")                                                         \
    X(BACKOFF_CANCELLED, "backoff cancelled")                                                      \
    X(POSTPONED, "postponed")                                                                      \
    X(REDELIVERED, "redelivered")                                                                  \
    X(TIMEOUT, "idle timeout")                                                                     \
    X(HIBERNATED, "hibernated")                                                                    \
    X(BAD_RETURN, "bad return")                                                                    \
    X(UNHANDLED, "callback that is missing")                                                       \
    X(STOPPED, "stopped itself")                                                                   \
    X(STOP, "stopped from outside")                                                                \
    X(KILLED, "killed at its limit")                                                               \
    X(EXIT_SENT, "exit signal")                                                                    \
    X(LINKED, "linked")                                                                            \
    X(LINK_ENDED, "ended by a link")                                                               \
    X(EXIT_TRAPPED, "exit trapped")                                                                \
    X(MONITOR_TOLD, "monitor told")                                                                \
    X(DOWN_TOLD, "monitor told by a message")                                                      \
    X(CODE, "code changed")                                                                        \
    X(CODE_REFUSED, "change of code refused")                                                      \
    X(WAIT_STATE, "state waited for")                                                              \
    X(WAIT_STATE_LATE, "state waited for in vain")                                                 \
    X(STATUS, "status asked")

enum toy_deed {
#define X(name, text) TOY_##name,
    TOY_DEEDS(X)
#undef X
        TOY_DEEDS_N
};

enum toy_callback { CB_INIT, CB_CONNECT, CB_DISCONNECT, CB_CALL, CB_CAST, CB_INFO, CB_NONE };

struct toys;
struct toy;

/* ---- messages ---- */

enum parcel_state { PARCEL_OURS, PARCEL_QUEUED, PARCEL_IN_HAND, PARCEL_POSTPONED, PARCEL_GONE };

/* What every message of the toys carries: it knows what became of it. */
struct parcel {
    struct bl_list link;  /* of all */
    struct bl_list queue; /* of its toy, in the order of delivery */
    struct toys *all;
    struct toy *to;
    uint64_t id, posted_ns;
    enum toy_callback kind;
    enum parcel_state state;
    struct toy_call *call; /* of a call's request, until it is answered; of a reply */
    bool is_reply;
};

struct toy_call {
    struct bl_list link; /* of the toy: until it is answered */
    struct toys *all;
    struct toy *toy;
    struct belay_call *call;
    struct belay_from from;
    bool arrived, replied; /* a reply is on its way */
    bool blocked;          /* call_wait */
    uint64_t id, asked_turn, deadline_ns;
};

/* ---- a toy ---- */

struct toy_tie { /* one link: both have it */
    struct toy *a, *b;
    bool parent; /* a started b */
};

struct toy_watch { /* one monitor, of a toy or of the rig */
    struct bl_list link;
    struct toy *toy, *by; /* by NULL: a function */
    struct belay_monitor *monitor;
    struct belay_process *process;
};

struct toy_wait { /* one wait_until */
    struct bl_list link;
    struct toy *toy;
    enum belay_process_state state;
    uint64_t deadline_ns, visits;
    bool now; /* it was in that state when it was asked */
};

struct toy {
    struct toys *all;
    int n;
    struct belay_process *p; /* a reference; NULL: none */
    uint64_t generation;     /* how often this place was filled */
    struct belay_process_options options;
    char name[16];
    struct sim_host *host;
    struct belay_endpoint *endpoint;

    /* the model */
    enum belay_process_state state;
    bool begun, init_done, started, started_told;
    bool start_asked;          /* with a callback */
    int depth;                 /* a callback runs */
    enum toy_callback pending; /* CB_NONE: none is */
    bool resumed;              /* with: */
    struct belay_directive resume;
    enum toy_callback next; /* CB_CONNECT or CB_DISCONNECT comes next; CB_NONE */
    uint64_t next_id;       /* of its info */
    uint64_t backoff_at, idle_at;
    bool hibernate;
    int32_t attempts;
    bool ending; /* it is to end: terminate or on_exit comes next */
    int exits;   /* signals that may have ended it, at any moment until all is quiet */
    bool terminated, ended, killed;
    uint64_t traps_due, downs_due; /* messages of belay's own that are to come */
    struct toy_end {
        enum belay_exit_kind kind;
        int code;         /* of its error; 0: any */
    } ends[TOY_ENDS_MAX]; /* how it may have ended */
    int ends_n;
    int behaviour; /* which of them is its */
    int stops_asked, stops_told;
    uint64_t start_limit_ns;
    uint64_t visits[BELAY_PROCESS_ENDED + 1],
        visits_n;                   /* the number of the last visit of each state */
    struct bl_list mail, postponed; /* parcels */
    struct parcel *hand;            /* what is handled */
    struct bl_list calls, waits, watches;
    uint64_t calls_n, casts_n, infos_n, connects_n, disconnects_n, backoffs_n, dropped_n;
    int codes_asked, codes_told;

    /* its connection */
    struct belay_dial *dial;
    struct belay_stream *stream;
    bool lost_sent;
};

struct toys {
    struct life life;
    struct sim_world *w;
    struct met *met;
    struct toy toys[TOYS_MAX];
    int n;
    struct sim_host *hosts[TOY_HOSTS];
    struct belay_endpoint *endpoints[TOY_HOSTS];
    struct bl_list parcels;
    struct bl_list kept; /* parcels that a callback took and keeps */
    uint64_t next_id;
    int in_call;
    uint64_t posting_turn; /* of the last blocking call */
    bool lenient, reckless;
    bool abandoned; /* the loop ends, and all with it */
    struct toy_tie ties[TOYS_MAX * TOYS_MAX];
    int ties_n;
    uint64_t checks;
    struct parcel *dropped; /* destroyed in the call that is under way */
};

static inline void toy_did(struct toys *all, enum toy_deed deed)
{
    all->met->deeds[deed]++;
}

static inline bool toy_is_alive(const struct toy *toy)
{
    return toy->p && belay_process_is_alive(toy->p);
}

#define TOY_GET(all, expression)                                                                   \
    __extension__({                                                                                \
        (all)->in_call++;                                                                          \
        __typeof__(expression) result_ = (expression);                                             \
        (all)->in_call--;                                                                          \
        result_;                                                                                   \
    })
#define TOY_DO(all, call)                                                                          \
    do {                                                                                           \
        (all)->in_call++;                                                                          \
        call;                                                                                      \
        (all)->in_call--;                                                                          \
    } while (0)

/* process_mail.c */
struct parcel *parcel_new(struct toys *all);
struct belay_message parcel_message(struct parcel *parcel, int32_t tag);
struct parcel *parcel_of(const struct belay_message *message); /* NULL: it is none of the toys' */
void parcel_arrive(struct toy *toy, struct belay_message *message, enum toy_callback kind,
                   struct belay_from from);
void parcels_end(struct toys *all);
int toy_post(struct toy *toy, enum toy_callback kind);
int toy_call(struct toy *toy, int64_t timeout_ms);
void toy_call_wait(struct toy *toy, int64_t timeout_ms);
void toy_call_cancel(struct toy_call *call);
/* A reply in the directive that answers `hand`, or by its kept from. */
struct belay_message toy_reply(struct toy *toy, struct toy_call *call);
void toy_reply_later(struct toy_call *call);
struct toy_call *toy_some_call(struct toy *toy, bool arrived);
bool toy_unhandled(struct toy *toy);
void toy_check_calls(struct toy *toy, bool quiet);

/* process_toy.c */
extern const struct belay_behaviour *const toy_behaviours[TOY_BEHAVIOURS];
struct belay_directive toy_draw(struct toy *toy, enum toy_callback callback);
void toy_hang_up(struct toy *toy);

/* process_model.c */
void toy_model_init(struct toy *toy);
/* A callback begins: with the info of connect and disconnect, the tag of handle_info. */
void toy_enter(struct toy *toy, enum toy_callback callback, int behaviour, int32_t tag);
/* ... and returns. */
void toy_leave(struct toy *toy, enum toy_callback callback,
               const struct belay_directive *directive);
/* It is to end so; or may (`surely` false), and will have when all is quiet. */
void toy_expect_end(struct toy *toy, bool surely, enum belay_exit_kind kind, int code);
void toy_ended(struct toy *toy, struct belay_exit why);
void toy_set_state(struct toy *toy, enum belay_process_state state);
void toy_resumed(struct toy *toy, const struct belay_directive *directive);
/* What a resume said has taken effect, by all that is seen. */
void toy_settle(struct toy *toy);
void toy_check(struct toy *toy, bool quiet);
void toy_attach(struct toys *all);

/* process_ties.c */
void toy_tie(struct toy *a, struct toy *b, bool parent); /* a link was made */
void toy_link(struct toy *a, struct toy *b);
void toy_unlink(struct toy *a, struct toy *b);
void toy_watch(struct toy *toy, struct toy *by);
void toy_unwatch(struct toy *toy);
void toy_wait_until(struct toy *toy);
void toy_on_signal(struct toy *toy, const struct belay_message *message);
void toy_ties_end(struct toy *toy, struct belay_exit why);
void toy_watches_end(struct toy *toy);
/* Killed, or its start takes too long, or one of those it is linked to has ended: a signal is on its way. */
bool toy_may_end_otherwise(const struct toy *toy);
bool toy_may_end(struct toy *toy); /* so, or as was expected */
void toy_check_ties(struct toy *toy);

/* process_life.c */
int toy_start(struct toy *toy);
void toy_stop(struct toy *toy);
void toy_change_code(struct toy *toy);
void toy_exit(struct toy *toy);
void toy_resume(struct toy *toy);
void toy_status(struct toy *toy);
void toy_forget(struct toy *toy); /* it has ended */

/* process_history.c */
void toy_recklessly(struct toy *toy);
int toy_history_run(uint64_t seed, const struct history_options *options, struct met *met,
                    char *text, size_t size);

#endif
