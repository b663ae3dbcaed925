/* SPDX-License-Identifier: MIT */
/*
 * Links under watch: every call on them is made through here, so that the oracle (link_oracle.c) sees what was asked and what
 * came of it. Each link has hosts of its own, so that a connection tells whose it is.
 *
 * The oracle knows what the hosts saw, calls, callbacks and statistics; of the link's code it knows nothing. A waiter of its own
 * (`probe`) hears how every attempt ends, those included of which no event tells.
 */
#ifndef TEST_SIM_LINK_RIG_H
#define TEST_SIM_LINK_RIG_H

#include "sim/life.h"
#include "sim/met.h"

#define LINKS_MAX      4
#define LINK_HOSTS_MAX 3
#define LINK_SUBS_MAX  6
#define LINK_MOMENT_NS SIM_MS(2) /* public times are in milliseconds */

#define LINK_DEEDS(X)                                                                              \
    X(OPEN, "opened")                                                                              \
    X(REOPEN, "opened again")                                                                      \
    X(CLOSE, "closed")                                                                             \
    X(CLOSE_LAST, "close when current closes")                                                     \
    X(KICK, "kicked while waiting")                                                                \
    X(RESET, "backoff reset while waiting")                                                        \
    X(WAIT, "waited")                                                                              \
    X(WAIT_FAILED, "waited for the next result")                                                   \
    X(WAIT_BLOCKED, "waited, blocking")                                                            \
    X(WAIT_SERVED, "waiter served")                                                                \
    X(WAIT_TIMED_OUT, "waiter's time passed")                                                      \
    X(WAIT_TOLD, "waiter told a failure")                                                          \
    X(WAIT_CLOSED, "waiter told of the end")                                                       \
    X(WAIT_CANCELLED, "waiter cancelled")                                                          \
    X(WAIT_FULL, "waiter refused")                                                                 \
    X(SUBSCRIBE, "subscribed")                                                                     \
    X(UNSUBSCRIBE, "unsubscribed")                                                                 \
    X(IN_CALLBACK, "something done in a callback")                                                 \
    X(BROKEN, "lease broken")                                                                      \
    X(TAKEN, "lease taken")                                                                        \
    X(ATTEMPTING, "event: attempting")                                                             \
    X(OBTAINED, "event: obtained address")                                                         \
    X(FAILED, "event: failed")                                                                     \
    X(CONNECTED, "event: connected")                                                               \
    X(DISCONNECTED, "event: disconnected")                                                         \
    X(SUPPRESSED, "failure like the last, not told")                                               \
    X(SAME_ADDRESS, "address like the last, not told")                                             \
    X(LATE_ATTEMPT, "attempt longer than its delay")                                               \
    X(LONG_LIFE, "connection longer than its delay")                                               \
    X(FLAP, "connection shorter than its delay")                                                   \
    X(GAVE_UP, "ended with its attempts spent")                                                    \
    X(FINAL, "ended by a final error")                                                             \
    X(MOVED, "moved to a better address")                                                          \
    X(TWO, "current and candidate at a time")                                                      \
    X(CHECKED, "death found by a check")                                                           \
    X(LIST, "link with a list")                                                                    \
    X(SHUFFLED, "link with a shuffled list")                                                       \
    X(DNS, "link with a name")                                                                     \
    X(FILE, "link with a file")                                                                    \
    X(CUSTOM, "link with a source of its own")                                                     \
    X(SOURCE_FAILS, "source fails")                                                                \
    X(SOURCE_HANGS, "source hangs")                                                                \
    X(SOURCE_EMPTY, "source gives nothing")                                                        \
    X(WITH_FUNCTION, "link with a delay function")                                                 \
    X(WITH_BACKOFF, "link with a backoff")

enum link_deed {
#define X(name, text) LINK_##name,
    LINK_DEEDS(X)
#undef X
        LINK_DEEDS_N
};

enum link_source { SOURCE_LIST, SOURCE_SHUFFLED, SOURCE_DNS, SOURCE_FILE, SOURCE_CUSTOM };

struct links;
struct sim_link;

/* One belay_link_connected, or connected_or_failed. */
struct link_wait {
    struct bl_list link; /* of the link, while it waits */
    struct sim_link *l;
    struct belay_link_waiter *waiter;
    bool or_failed, probe;
    uint64_t asked_ns, asked_turn, deadline_ns;
    uint64_t failures; /* attempts that had failed when it was asked */
};

struct link_sub {
    struct sim_link *l;
    struct belay_link_subscription *subscription;
    uint64_t next; /* the number of the event that it hears next */
    uint64_t order;
};

/* What a source of the caller's own does with a question. */
enum link_answer { ANSWER_AT_ONCE, ANSWER_LATER, ANSWER_ERROR, ANSWER_NOTHING, ANSWER_NEVER };

struct link_custom {
    struct sim_link *l;
    enum link_answer how;
    uint64_t delay_ns;
    struct belay_source_query *query; /* unanswered */
    struct sim_event event;
    bool freed;
};

struct sim_link {
    struct links *all;
    int n;
    struct sim_host *hosts[LINK_HOSTS_MAX];
    struct belay_endpoint *endpoints[LINK_HOSTS_MAX];
    int hosts_n;
    bool wires;
    enum link_source source_kind;
    struct belay_source *source;
    struct link_custom custom;
    char path[64]; /* of SOURCE_FILE */
    char name[16]; /* of the service: unique, for the trace */

    struct belay_link *link; /* until on_closed has run */
    struct belay_link_options options;
    struct belay_backoff_options backoff;
    int64_t base_ms; /* of its delay function */
    struct belay_dial_options dial;
    uint64_t opened_ns, opens;
    bool closing, last_closes; /* close, close_when_current_closes were called */
    uint64_t closing_turn;
    bool over; /* it ended, by whatever */
    int closed_told, finished_told, finished_asked;
    struct bl_list waits;
    struct link_wait *probe;
    unsigned blocked; /* calls that wait */
    struct link_sub *subs[LINK_SUBS_MAX];
    uint64_t next_order;

    /* what the events told */
    uint64_t events, told_order; /* how many; the last subscriber who heard the last one */
    bool episode, up;
    bool found_told;                /* the address of the attempt under way */
    struct belay_endpoint *address; /* the last of this episode */
    struct belay_error *error;      /* likewise */
    struct belay_lease lease;
    uint64_t up_since_ns, up_total_ns, ups;
    bool draining; /* its host said so: a candidate is wanted */
    bool broken;   /* by its user: taken, or released as broken */
    int failures_in_a_row;
    bool uncertain; /* how many: it is said when all is quiet */

    /* what the probe told */
    struct belay_error *probed; /* a failure that an event is still to tell of */
    bool probe_lost;            /* there was no memory for one: less is known from then on */

    /* attempts, as trace, statistics and the delay function tell of them */
    uint64_t begun, failed, connected, moves, delays_asked;
    uint64_t started_ns, ended_ns;
    int64_t delay_least_ms, delay_most_ms; /* of the last attempt */
    uint64_t kept_started_ns;              /* of the attempt before a candidate's */
    int64_t kept_least_ms, kept_most_ms;
    int64_t delay_said_ms,
        delay_said_most_ms; /* by the function: last, and since the last attempt */
    uint64_t asked_ns;      /* when it asked its source while up (trace) */
    uint64_t reset_turn, kicked_turn;
    uint64_t asks, tries, resets; /* how often it did; tried; was told to forget */
    bool hurried;                 /* kick or reset_backoff since the last attempt */
    bool kicked;                  /* ... and it is to try now */
    bool was_closed;              /* it had ended when it was closed */
};

struct links {
    struct life life;
    struct sim_world *w;
    struct met *met;
    struct sim_link links[LINKS_MAX];
    int n;
    int in_call;
    bool reckless, lenient;
    uint64_t checks;
    void (*then)(struct sim_link *l); /* in each callback */
};

static inline void link_did(struct sim_link *l, enum link_deed deed)
{
    l->all->met->deeds[deed]++;
}

#define LINK_CALL(l, expression)                                                                   \
    __extension__({                                                                                \
        (l)->all->in_call++;                                                                       \
        __typeof__(expression) result_ = (expression);                                             \
        (l)->all->in_call--;                                                                       \
        result_;                                                                                   \
    })
#define LINK_DO(l, call)                                                                           \
    do {                                                                                           \
        (l)->all->in_call++;                                                                       \
        call;                                                                                      \
        (l)->all->in_call--;                                                                       \
    } while (0)

/* link_rig.c. Codes are belay's. */
int link_open(struct sim_link *l); /* with l->options, l->source */
void link_close(struct sim_link *l);
void link_close_last(struct sim_link *l);
void link_finished(struct sim_link *l);
void link_kick(struct sim_link *l);
void link_reset(struct sim_link *l);
void link_break(struct sim_link *l);
void link_take(struct sim_link *l);
void link_forget(struct sim_link *l); /* it is over */
void link_fini(struct sim_link *l);   /* lets go of all that is the rig's */
void link_enter_callback(struct sim_link *l, const char *what);
void link_get_stats(const struct sim_link *l, struct belay_link_stats *s);
uint64_t link_failed(const struct belay_link_stats *s); /* at all stages */

/* link_waits.c */
void link_probe(struct sim_link *l);
int link_wait(struct sim_link *l, bool or_failed, int64_t timeout_ms);
void link_wait_blocked(struct sim_link *l, bool or_failed, int64_t timeout_ms);
void link_cancel(struct link_wait *wait);
struct link_wait *link_some_wait(struct sim_link *l); /* NULL: none but the probe */
void link_subscribe(struct sim_link *l);
void link_unsubscribe(struct sim_link *l, int n);
void link_subs_forget(struct sim_link *l);
belay_link_event_fn link_on_event;

/* link_sources.c */
int link_source_make(struct sim_link *l);
void link_source_disturb(struct sim_link *l);
void link_source_heal(struct sim_link *l);
void link_source_fini(struct sim_link *l);

/* link_oracle.c */
void link_oracle_event(struct sim_link *l, const struct belay_link_event *event);
void link_oracle_answer(struct link_wait *wait, struct belay_lease lease,
                        const struct belay_error *error);
void link_oracle_closed(struct sim_link *l);

/* link_connections.c */
void link_oracle_attach(struct links *all);
void link_oracle_opened(struct sim_link *l);

/* link_attempts.c */
void link_check_attempts(struct sim_link *l, const struct belay_link_stats *s);
uint64_t link_latest(const struct sim_link *l); /* by when the next one is to begin */
void link_oracle_hurried(struct sim_link *l, bool kicked);
void link_oracle_reset(struct sim_link *l);
void link_oracle_trace(struct links *all, const struct belay_trace *trace);
int64_t link_delay(int32_t failures, void *link); /* its delay function */
bool link_same_error(const struct belay_error *a, const struct belay_error *b);
int64_t link_largest_delay(const struct sim_link *l);

#endif
