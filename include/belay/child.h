/* SPDX-License-Identifier: MIT */
/*
 * belay/child.h - how something ends, and what a supervisor (belay/supervisor.h) has to know to
 * start it, stop it and learn of its end. Links, processes, pools and supervisors each make their
 * own child spec; a noun of the caller's own is six lines more.
 */
#ifndef BELAY_CHILD_H
#define BELAY_CHILD_H

#include "belay/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How something ended. */
enum belay_exit_kind {
    BELAY_EXIT_NORMAL = 0, /* it was done */
    BELAY_EXIT_SHUTDOWN,   /* it was told to, or chose to; `error` may say more */
    BELAY_EXIT_KILLED,     /* it was ended without being asked */
    BELAY_EXIT_ERROR,      /* abnormally: `error` says why, and is never NULL */
};

/* Where a callback gets one, `error` lives until it returns. */
struct belay_exit {
    enum belay_exit_kind kind;
    const struct belay_error *error;
};

/* "normal", "shutdown", "killed", "error". Any thread. */
BELAY_API const char *belay_exit_name(enum belay_exit_kind kind);

enum belay_restart {
    BELAY_RESTART_DEFAULT = 0, /* permanent, but for a spec that says otherwise */
    BELAY_RESTART_PERMANENT,   /* always started again */
    BELAY_RESTART_TRANSIENT,   /* after an abnormal end: killed or error */
    BELAY_RESTART_TEMPORARY,   /* never, and forgotten at its end */
};

struct belay_child; /* one child of a supervisor: what the functions below answer to */

/*
 * What a supervisor does with a child. `arg` is the spec's; `object` is what started gave. All run
 * on the loop's thread, never inside a callback of the child's.
 */
struct belay_child_ops {
    size_t size;
    const char *noun; /* "link", "process": for logs */

    /*
     * Starts it, and answers by belay_child_started, belay_child_ignored or belay_child_failed, at
     * once or later; afterwards by belay_child_ended, once, when it has ended by itself or after
     * stop. An error is the same as belay_child_failed with its code. What was answered is acted
     * upon in a later turn; after its last answer the child is not to be used any more.
     */
    int (*start)(struct belay_loop *loop, struct belay_child *child, void *arg);

    /* Ends it, in its own time; belay_child_ended follows. Called once at most, and never fails.
     * Also while it starts: then `object` is NULL, and belay_child_ended is the only answer
     * awaited. */
    void (*stop)(struct belay_child *child, void *object, void *arg);

    /* Its time to stop has passed, or it has none: the same, at once. NULL: `stop` is waited for as
     * long as it takes. */
    void (*kill)(struct belay_child *child, void *object, void *arg);

    /* The spec is forgotten: the last call. May be NULL. */
    void (*free)(void *arg);
};

/*
 * Copied when it is given to a supervisor, its strings too; whether that succeeds or fails, `arg`
 * is the supervisor's from then on, and `free(arg)` is called once when it is done with. A spec
 * that is given to nobody is dropped with belay_child_spec_free.
 */
struct belay_child_spec {
    size_t size;
    const char *id; /* unique among its siblings; NULL: numbered ("link-3") */
    const struct belay_child_ops *ops;
    void *arg;
    enum belay_restart restart;
    int64_t shutdown_ms; /* from stop to kill; 5,000, of a supervisor BELAY_FOREVER. BELAY_NONE:
                            killed at once */
};
BELAY_OPTIONS_INIT(belay_child_spec)

/* Empties it; harmless on one that is empty. */
BELAY_API void belay_child_spec_free(struct belay_child_spec *spec);

/* ---- the answers: loop thread ---- */

BELAY_API void belay_child_started(struct belay_child *child, void *object);
/* It does not want to run: kept as a spec without a child, which is no failure. */
BELAY_API void belay_child_ignored(struct belay_child *child);
BELAY_API void belay_child_failed(struct belay_child *child, const struct belay_error *error);
BELAY_API void belay_child_ended(struct belay_child *child, struct belay_exit why);

#ifdef __cplusplus
}
#endif

#endif
