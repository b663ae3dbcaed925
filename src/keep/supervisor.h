/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's shell: what its files share.
 *
 *     supervisor.c           opening, closing, the end
 *     supervisor_children.c  what its users ask for: starting, stopping, looking
 *     supervisor_run.c       performs what the policy says, hears the children, tells who asked
 *     supervisor_tree.c      a supervisor as a child of another
 *
 * Whoever asks for something changes the policy and posts `run`; children are heard from their own
 * tasks. Only bl_supervisor_run performs, and frees children and, at last, the supervisor.
 */
#ifndef BL_KEEP_SUPERVISOR_H
#define BL_KEEP_SUPERVISOR_H

#include "base/map.h"
#include "conn/child.h"
#include "keep/supervisor_policy.h"

struct belay_supervisor {
    struct bl_sp policy;
    struct belay_loop *loop;
    struct bl_object object;
    struct belay_supervisor_options options; /* effective; `name` is a copy */
    struct bl_map ids;                       /* children */
    struct bl_list unsettled;                /* children that may have somebody to tell */
    struct bl_task run;
    uint32_t refs;
    uint32_t busy;    /* somebody is being called, or it performs */
    uint32_t numbers; /* of children without an id */
    bool open;        /* it has come up: on_exit is due at its end */
    bool released;    /* nobody will close it any more */
    bool ended;
    struct bl_list ended_link; /* of its loop: those that ended */
    belay_fn *on_closed;
    void *closed_arg;

    /* supervisor_tree.c: as a child of another */
    struct belay_child *parent; /* NULL: none */
    size_t unstarted;           /* children to be started before it has */
    struct bl_error_copy start_error;

    /* belay_supervisor_get_child: where the last call was */
    struct bl_list *seek;
    size_t seek_index;
    uint64_t seek_forgotten; /* children, by then */
};

/* One child. */
struct bl_supervised {
    struct bl_sp_child sp;
    struct belay_child child;
    struct belay_supervisor *supervisor;
    struct bl_map_node node; /* supervisor->ids */
    bool listed;             /* it is in there */
    uint64_t number;         /* for the trace */
    struct bl_timer limit;   /* sp.kill_at */
    bool asked;              /* start_fn is due */
    belay_supervisor_fn *start_fn;
    void *start_arg;
    struct bl_list stops;     /* who waits for its end */
    struct bl_list unsettled; /* supervisor->unsettled */
};

#define BL_SUPERVISED_OF(ptr, member) BL_CONTAINER(ptr, struct bl_supervised, member)

extern const struct bl_option bl_supervisor_options[];
extern const size_t bl_supervisor_options_n;

int bl_supervisor_options_resolve(struct belay_supervisor_options *ret,
                                  const struct belay_supervisor_options *given,
                                  struct belay_error *error);
/* For a parent, or for the user (NULL). */
int bl_supervisor_make(struct belay_loop *loop, const struct belay_supervisor_options *options,
                       struct belay_child *parent, struct belay_supervisor **ret,
                       struct belay_error *error);
/* Ends it without a word, before it has run. */
void bl_supervisor_unmake(struct belay_supervisor *supervisor);
/* It has no children left. */
void bl_supervisor_finish(struct belay_supervisor *supervisor);
/* Nobody is called, and nobody may call any more: frees it. */
void bl_supervisor_let_go(struct belay_supervisor *supervisor);

void bl_supervisor_run(void *supervisor); /* the task */

/* ---- children ---- */

extern const struct bl_child_keeper bl_supervised_keeper;

/* Takes *spec, in any case. Its id is made up where it has none. BELAY_EEXISTS, BELAY_EFULL,
 * BELAY_ECLOSED, BELAY_ENOMEM. */
int bl_supervised_add(struct belay_supervisor *supervisor, struct bl_child_spec *spec,
                      belay_supervisor_fn *fn, void *arg, struct bl_supervised **ret,
                      struct belay_error *error);
/* It is in the policy no more. */
void bl_supervised_free(struct bl_supervised *child);
/* Who waits for its end is called. The child is not freed meanwhile. */
/* `all`, or those alone who asked when it did not run. */
void bl_supervised_tell_stops(struct bl_supervised *child, bool all);

/* ---- supervisor_tree.c ---- */

/* At the end of one that has a parent. */
void bl_supervisor_tell_parent(struct belay_supervisor *supervisor, struct belay_exit why);

#endif
