/* SPDX-License-Identifier: MIT */
/*
 * A child as its keeper sees it. Nouns answer through belay/child.h at any moment, also inside the
 * keeper's calls; what they say is written down, and told from a task: `started` before `ended`.
 */
#ifndef BL_CONN_CHILD_H
#define BL_CONN_CHILD_H

#include "base/options.h"
#include "belay/child.h"
#include "conn/error_copy.h"
#include "loop/loop.h"

/* ---- specs ---- */

/* A spec that was taken over. */
struct bl_child_spec {
    struct belay_child_ops ops; /* complete; ops.free NULL where `arg` is another's */
    void *arg;
    char *id;            /* own; NULL: its keeper numbers it */
    uint8_t restart;     /* enum belay_restart, never DEFAULT */
    int64_t shutdown_ms; /* 0: killed at once; INT64_MAX: no limit */
};

extern const struct bl_option bl_child_spec_options[];
extern const size_t bl_child_spec_options_n;

/* Takes what is in *given, in any case: on an error it is dropped; *given is empty afterwards.
 * BELAY_EINVAL names the field, BELAY_ENOMEM. */
int bl_child_spec_take(struct bl_child_spec *ret, struct bl_mem *mem,
                       struct belay_child_spec *given, struct belay_error *error);
/* The same again, with an `arg` that stays the first one's. BELAY_ENOMEM. */
int bl_child_spec_copy(struct bl_child_spec *ret, struct bl_mem *mem,
                       const struct bl_child_spec *spec);
void bl_child_spec_drop(struct bl_child_spec *spec, struct bl_mem *mem); /* harmless on zeros */

/* ---- children ---- */

/* What became of a child. Runs from a task; the child may be freed in the last two. */
struct bl_child_keeper {
    void (*started)(struct belay_child *child); /* child->object */
    /* It does not run: how its start failed, or BELAY_EIGNORED. */
    void (*failed)(struct belay_child *child, const struct belay_error *error);
    void (*ended)(struct belay_child *child, struct belay_exit why);
};

struct belay_child {
    struct belay_loop *loop;
    const struct bl_child_keeper *keeper;
    struct bl_child_spec spec;
    void *object; /* from its answer to its end */
    struct bl_task task;
    struct bl_error_copy error; /* of `failed` or `ended` */
    uint8_t exit;               /* enum belay_exit_kind */
    bool active;   /* ops.start was called, and there was no last answer: ignored, failed, ended */
    bool answered; /* since then: belay_child_started */
    bool stopping; /* ops.stop or ops.kill was called */
    bool killed;   /* ops.kill was */
    bool tell_started, tell_failed, tell_ended;
};

/* Moves *spec, whose id is set, into the child. */
void bl_child_init(struct belay_child *child, struct belay_loop *loop,
                   const struct bl_child_keeper *keeper, struct bl_child_spec *spec);
void bl_child_fini(struct belay_child *child); /* never while it is active */

/* Not while it is active, or something of it is still to be told. */
void bl_child_start(struct belay_child *child);
/* `ended` follows, unless something else that is final is told first. May be called again. */
void bl_child_stop(struct belay_child *child);
/* Also after stop. Where the noun cannot, it is asked to stop. May be called again. */
void bl_child_kill(struct belay_child *child);

#endif
