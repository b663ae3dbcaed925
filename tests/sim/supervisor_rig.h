/* SPDX-License-Identifier: MIT */
/*
 * Trees under watch: supervisors (bosses) with children (kids) that start, fail, end and stop as chance says, each call on them
 * noted. A boss may be a kid of another. Beside kids there are links and processes, which live on hosts that fail.
 *
 *     supervisor_kid.c      a child of the rig's own, and what its supervisor may do to it
 *     supervisor_model.c    order, intensity, who must run and who must not
 *     supervisor_specs.c    the other children: links, processes, supervisors
 *     supervisor_asks.c     what is asked of them
 *     supervisor_history.c  their life
 */
#ifndef TEST_SIM_SUPERVISOR_RIG_H
#define TEST_SIM_SUPERVISOR_RIG_H

#include "sim/life.h"
#include "sim/met.h"

#define BOSSES_MAX    4
#define KIDS_MAX      7
#define RESTARTS_KEPT 64
#define KID_MOMENT_NS SIM_MS(2)
#define TREE_HOSTS    3
#define TREE_CELLS    2048 /* of links and processes in one history: enough for all its steps */

#define TREE_DEEDS(X)                                                                              \
    X(OPEN, "supervisor opened")                                                                   \
    X(NESTED, "supervisor of a supervisor")                                                        \
    X(ONE_FOR_ONE, "one for one")                                                                  \
    X(ONE_FOR_ALL, "one for all")                                                                  \
    X(REST_FOR_ONE, "rest for one")                                                                \
    X(DYNAMIC, "dynamic")                                                                          \
    X(START, "child started")                                                                      \
    X(START_LATER, "child started later")                                                          \
    X(IGNORED, "child ignored")                                                                    \
    X(START_FAILED, "start failed")                                                                \
    X(RESTART_FAILED, "restart failed")                                                            \
    X(NEVER_STARTED, "child that does not come to start")                                          \
    X(ENDED, "child ended")                                                                        \
    X(RESTARTED, "child restarted")                                                                \
    X(GROUP, "child restarted for another")                                                        \
    X(NOT_RESTARTED, "child ended and not restarted")                                              \
    X(STOP, "child stopped")                                                                       \
    X(STOP_STARTING, "child stopped while it started")                                             \
    X(KILL, "child killed")                                                                        \
    X(KILL_AT_ONCE, "child killed at once")                                                        \
    X(GAVE_UP, "too many restarts")                                                                \
    X(CLOSE, "supervisor closed")                                                                  \
    X(ADD, "child added")                                                                          \
    X(TAKEN_ID, "id taken")                                                                        \
    X(FULL, "too many children")                                                                   \
    X(STOP_ASKED, "child stopped by id")                                                           \
    X(RESTART_ASKED, "child started again by id")                                                  \
    X(DELETED, "child deleted by id")                                                              \
    X(NO_NAME, "no such child")                                                                    \
    X(LINK, "link started")                                                                        \
    X(PROCESS, "process started")                                                                  \
    X(FREED, "spec freed")                                                                         \
    X(IN_CALLBACK, "something done in a callback")                                                 \
    X(LOOP_END, "tree ended with its loop")

enum tree_deed {
#define X(name, text) TREE_##name,
    TREE_DEEDS(X)
#undef X
        TREE_DEEDS_N
};

struct tree;
struct boss;

enum kid_state { KID_IDLE, KID_STARTING, KID_RUNNING };
enum kid_way { KID_AT_ONCE, KID_LATER, KID_NEVER };

struct kid {
    struct tree *all;
    struct boss *boss;
    struct bl_list link; /* of the boss, in order of being added */
    uint64_t number;
    char id[16];
    enum belay_restart restart;
    int64_t shutdown_ms;
    struct belay_child *child; /* while it is active */
    enum kid_state state;
    bool opaque; /* a supervisor, a link, a process: what is done to it is not seen */
    bool stopping, killed, freed;
    bool wanted;                  /* to be started again */
    bool wanted_now;              /* whatever the others do */
    bool restarts;                /* it ran: its next start is a restart */
    bool asked_start, asked_stop; /* by id */
    bool gone;                    /* its supervisor has forgotten it */
    bool stay;                    /* its group is started without it */
    bool by_itself;               /* a process that has chosen to end */
    uint64_t stop_ns, starts;
    bool known;   /* to its supervisor, to be active */
    bool ignored; /* its last start was */
    enum belay_exit_kind exit_kind;
    struct sim_event event;
    enum belay_exit_kind exit; /* of the event */
};

struct boss {
    struct tree *all;
    int n;
    struct boss *parent;
    char name[16];
    struct kid *as_kid;                  /* NULL */
    struct belay_supervisor *supervisor; /* root only; until its end */
    struct belay_supervisor_options options;
    int64_t shutdown_ms; /* as a child */
    int asked;           /* stops of children by their id */
    struct bl_list kids;
    uint64_t restarts_ns[RESTARTS_KEPT];
    unsigned restarts_n;
    bool grouping; /* one_for_all, rest_for_one: others are stopped for one that ended */
    uint64_t group_from;
    bool start_failed, had_given_up; /* of one that is a child itself */
    uint64_t closing_turn;
    bool closing, over, gave_up;
    int exits_told, closed_told;
};

struct tree {
    struct life life;
    struct sim_world *w;
    struct met *met;
    struct boss bosses[BOSSES_MAX]; /* the first is the root */
    int n;
    uint64_t numbers;
    struct bl_list dead_kids; /* freed: their memory is kept until the end */
    struct sim_host *hosts[TREE_HOSTS];
    struct belay_endpoint *endpoints[TREE_HOSTS];
    struct kid *cells[TREE_CELLS]; /* whom the callbacks of links and processes mean */
    unsigned cells_n, links_n;
    struct kid *made; /* the last that is not the rig's own */
    int in_call;
    bool lenient, reckless;
    int asked, told; /* answers of start_child and the like */
};

static inline void tree_did(struct tree *all, enum tree_deed deed)
{
    all->met->deeds[deed]++;
}

#define TREE_CALL(all, expression)                                                                 \
    __extension__({                                                                                \
        (all)->in_call++;                                                                          \
        __typeof__(expression) result_ = (expression);                                             \
        (all)->in_call--;                                                                          \
        result_;                                                                                   \
    })

/* supervisor_kid.c */
struct kid *kid_new(struct boss *boss, struct belay_child_spec *ret_spec);
/* It ends by itself, or fails. */
void kid_end(struct kid *kid, enum belay_exit_kind kind);
void kids_free(struct tree *all);

/* supervisor_model.c */
void kid_on_start(struct kid *kid);
void kid_on_stop(struct kid *kid, bool kill);
void kid_on_end(struct kid *kid, enum belay_exit_kind kind, bool by_itself);
void kid_on_failure(struct kid *kid, bool ignored);
void tree_trace(struct tree *all, const struct belay_trace *trace);
void boss_on_exit(struct belay_supervisor *supervisor, struct belay_exit why, void *boss);
void tree_attach(struct tree *all);

/* supervisor_specs.c */
void boss_draw(struct boss *boss); /* its options */
int boss_make_spec(struct boss *boss, struct belay_child_spec *ret_spec);
int boss_make_nested(struct boss *parent, struct belay_child_spec *ret_spec);

/* supervisor_asks.c: of the root */
bool boss_is_open(const struct boss *boss);
void boss_add(struct boss *boss);
void boss_stop_one(struct boss *boss);
void boss_restart_one(struct boss *boss);
void boss_delete_one(struct boss *boss);

/* supervisor_history.c */
struct kid *boss_some_kid(struct boss *boss); /* any; NULL: it has none */
void tree_recklessly(struct tree *all);
int tree_history_run(uint64_t seed, const struct history_options *options, struct met *met,
                     char *text, size_t size);

#endif
