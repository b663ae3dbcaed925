/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's decisions: whom to start, to stop and to kill, and when to give up. Pure: facts
 * and `now` go in, what is to be done comes out of bl_sp_next, in order; no clock, no memory.
 * supervisor_run.c performs.
 *
 *     stopped --> waiting --> starting --> running --> stopping --> stopped
 *
 * A child *waits* to be started until those before it have started. A start is the child's first, or
 * was asked for (restart_child), or is a restart; what its failure means depends on that: the child
 * is forgotten, stays stopped, or is started again, which counts as one more restart.
 *
 * A *group* is what is stopped before it is started again (one_for_all, rest_for_one): all children
 * from one on. They stop one at a time from the last, then wait, and so start in order. What ends by
 * itself while its group is being stopped is no further restart. The end is the same for all
 * children, and nothing is started after it.
 */
#ifndef BL_KEEP_SUPERVISOR_POLICY_H
#define BL_KEEP_SUPERVISOR_POLICY_H

#include "base/list.h"
#include "belay/supervisor.h"

enum bl_sp_state { BL_SP_STOPPED, BL_SP_WAITING, BL_SP_STARTING, BL_SP_RUNNING, BL_SP_STOPPING };
extern const char *const bl_sp_state_names[];

enum bl_sp_cause { BL_SP_FIRST, BL_SP_ASKED, BL_SP_AGAIN };

enum bl_sp_todo {
    BL_SP_NOTHING,
    BL_SP_START,
    BL_SP_STOP, /* child->kill_at: when to come back with bl_sp_expire */
    BL_SP_KILL,
    BL_SP_FORGET, /* it is in no list any more */
};

#define BL_SP_NO_GROUP UINT64_MAX

struct bl_sp {
    enum belay_strategy strategy;
    uint64_t period_ns;
    uint64_t *times; /* of the last restarts: the caller's, as many as `intensity` */
    uint32_t intensity, times_n, times_at;
    struct bl_list children; /* in order of their start */
    struct bl_list waiting;  /* in the same order */
    struct bl_list starting;
    struct bl_list todo;
    struct bl_list *cursor; /* where the stopping of a group, or of all, has come to */
    uint64_t group;         /* number of its first child, while it is being stopped */
    uint64_t numbers;
    uint32_t children_n, running_n, active_n; /* active: starting, running, stopping */
    uint64_t restarts;
    uint8_t exit; /* enum belay_exit_kind, once it is `ending` */
    bool ending;
    bool gave_up; /* for too many restarts */
    bool ended;   /* no child is left, but those to be forgotten */
};

struct bl_sp_child {
    struct bl_list link;  /* sp->children */
    struct bl_list place; /* sp->waiting or starting */
    struct bl_list job;   /* sp->todo */
    uint64_t number;
    uint64_t shutdown_ns; /* 0: killed at once; BELAY_NEVER: never */
    uint64_t kill_at;     /* while it is stopping */
    uint32_t restarts;
    uint8_t state, cause, todo;
    uint8_t restart; /* enum belay_restart */
    bool failed;     /* its last start, a restart, did */
    bool stay;       /* its group is started without it */
    bool forgotten;
};

void bl_sp_init(struct bl_sp *sp, enum belay_strategy strategy, uint32_t intensity, uint64_t *times,
                uint64_t period_ns);
/* What is to be done next; NULL: nothing. It counts as done. */
struct bl_sp_child *bl_sp_next(struct bl_sp *sp, enum bl_sp_todo *ret_todo);

/* A new child, the last of all. */
void bl_sp_add(struct bl_sp *sp, struct bl_sp_child *child, enum belay_restart restart,
               uint64_t shutdown_ns, uint64_t now);

/* ---- facts ---- */

void bl_sp_started(struct bl_sp *sp, struct bl_sp_child *child, uint64_t now);
void bl_sp_failed(struct bl_sp *sp, struct bl_sp_child *child, bool ignored, uint64_t now);
void bl_sp_ended(struct bl_sp *sp, struct bl_sp_child *child, enum belay_exit_kind kind,
                 uint64_t now);
void bl_sp_expire(struct bl_sp *sp, struct bl_sp_child *child, uint64_t now);

/* ---- wishes ---- */

void bl_sp_stop(struct bl_sp *sp, struct bl_sp_child *child, uint64_t now);
/* Stopped ones are started, and forgotten; false: it is not stopped. */
bool bl_sp_restart(struct bl_sp *sp, struct bl_sp_child *child, uint64_t now);
bool bl_sp_delete(struct bl_sp *sp, struct bl_sp_child *child);
/* All end, in reverse order; the first who says how is heard. */
void bl_sp_end(struct bl_sp *sp, enum belay_exit_kind kind, uint64_t now);
/* The same at once: whatever is active is killed. */
void bl_sp_kill(struct bl_sp *sp, uint64_t now);

#endif
