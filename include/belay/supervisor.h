/* SPDX-License-Identifier: MIT */
/*
 * belay/supervisor.h - starts children in order, starts them again when they fail, stops them in
 * reverse order, and gives up when they fail too often: OTP's supervisor, as far as connections
 * need it. Children are links, processes, pools, supervisors, and what else has a child spec. Loop
 * thread. examples/tree.c is a tree.
 *
 *     belay_supervisor_open(loop, NULL, &supervisor, &error);
 *     belay_link_child_spec(source, &options, NULL, NULL, &spec, &error);
 *     belay_supervisor_start_child(supervisor, &spec, NULL, NULL, NULL, &error);
 *
 * A restart that fails is tried again at once, which counts as one more. What is started again as a
 * group (ONE_FOR_ALL, REST_FOR_ONE) are all children of it, those among them that had ended or been
 * stopped, too; but temporary ones are forgotten. The log has the tag `supervisor`.
 */
#ifndef BELAY_SUPERVISOR_H
#define BELAY_SUPERVISOR_H

#include "belay/child.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_supervisor;
struct belay_pool_options;
struct belay_pool;

enum belay_strategy {
    BELAY_ONE_FOR_ONE = 0, /* the child that ended */
    BELAY_ONE_FOR_ALL,     /* all: the others are stopped first */
    BELAY_REST_FOR_ONE,    /* that one, and those that were started after it */
    BELAY_DYNAMIC,         /* many of a kind, one_for_one, started and stopped together and in no
                              order; what has ended is forgotten */
};

struct belay_supervisor_options {
    size_t size;
    const char *name; /* for logs; NULL: "supervisor" */
    enum belay_strategy strategy;
    int32_t intensity;    /* 3, to 10,000: so many restarts are allowed ... BELAY_NONE: none */
    int64_t period_ms;    /* 5,000: ... within so long (one that is exactly as old counts); the next
                          ends the supervisor and all children */
    int32_t max_children; /* 10,000 */
    /* It has ended, and all children with it: SHUTDOWN, KILLED, or ERROR with BELAY_ERESTARTS. Runs
       once. May be NULL. */
    void (*on_exit)(struct belay_supervisor *supervisor, struct belay_exit why, void *arg);
    void *exit_arg;
};
BELAY_OPTIONS_INIT(belay_supervisor_options)

/* BELAY_EINVAL (`error` names the option), BELAY_ENOMEM, BELAY_ECLOSED. */
BELAY_API int belay_supervisor_open(struct belay_loop *loop,
                                    const struct belay_supervisor_options *options,
                                    struct belay_supervisor **ret_supervisor,
                                    struct belay_error *error);

/*
 * Ends it: children stop in reverse order of their start, each within its shutdown_ms (of a DYNAMIC
 * one all at once), then on_closed (may be NULL). Where children were still being started, whoever
 * asked for that is told BELAY_ECLOSED. The end of the loop closes supervisors first: a tree ends
 * from its root, in order, and until it has, timers, posts and all else on the loop go on.
 *
 * One that has ended by itself needs no closing, and may be asked and closed until its loop is
 * freed; closing it gives its memory back. After on_closed only who holds a reference may ask.
 */
BELAY_API void belay_supervisor_close(struct belay_supervisor *supervisor, belay_fn *on_closed,
                                      void *arg);
BELAY_API struct belay_supervisor *belay_supervisor_ref(struct belay_supervisor *supervisor);
BELAY_API void belay_supervisor_unref(struct belay_supervisor *supervisor);
BELAY_API bool belay_supervisor_is_closed(const struct belay_supervisor *supervisor);

/* With the child's id and 0, or how its start failed; ignored: BELAY_EIGNORED. */
typedef void belay_supervisor_fn(const char *id, const struct belay_error *error, void *arg);

/*
 * Takes a spec, in any case (it is empty afterwards), and starts it, after those before it have
 * started (DYNAMIC: at once). fn (may be NULL) runs once; when a start failed, or was ended by
 * stop_child (BELAY_ECANCELLED), the child is forgotten, and when it was ignored it is kept (but of
 * a temporary or DYNAMIC one). *ret_id (may be NULL) lives as long as the child. BELAY_EEXISTS (the
 * id is taken), BELAY_EFULL, BELAY_ECLOSED, BELAY_EINVAL (`error` names it), BELAY_ENOMEM.
 */
BELAY_API int belay_supervisor_start_child(struct belay_supervisor *supervisor,
                                           struct belay_child_spec *spec, belay_supervisor_fn *fn,
                                           void *arg, const char **ret_id,
                                           struct belay_error *error);
/*
 * Stops a child; its spec is kept (but of a temporary or DYNAMIC one): fn runs when it has ended,
 * or soon where it did not run. Start it again, forget it: only when it is stopped (BELAY_EINVAL);
 * where that start fails it stays stopped. BELAY_ENONAME: no such child; BELAY_ENOMEM,
 * BELAY_ECLOSED.
 */
BELAY_API int belay_supervisor_stop_child(struct belay_supervisor *supervisor, const char *id,
                                          belay_supervisor_fn *fn, void *arg);
BELAY_API int belay_supervisor_restart_child(struct belay_supervisor *supervisor, const char *id,
                                             belay_supervisor_fn *fn, void *arg);
BELAY_API int belay_supervisor_delete_child(struct belay_supervisor *supervisor, const char *id);

enum belay_child_state {
    BELAY_CHILD_STOPPED = 1, /* or ignored, or ended and not to be restarted */
    BELAY_CHILD_STARTING,
    BELAY_CHILD_RUNNING,
    BELAY_CHILD_STOPPING,
    BELAY_CHILD_RESTARTING, /* its restart failed: it is tried again, which counts */
};

struct belay_child_info {
    size_t size;
    const char *id;
    const char *noun;
    enum belay_child_state state;
    enum belay_restart restart;
    void *object; /* the link, the process, ...; NULL where it does not run */
    uint32_t restarts;
};
BELAY_OPTIONS_INIT(belay_child_info)

/* Children in order of their start: `index` from 0; false behind the last. Lives until the next
 * call or turn. */
BELAY_API bool belay_supervisor_get_child(const struct belay_supervisor *supervisor, size_t index,
                                          struct belay_child_info *info);
/* One by its id; false: none. */
BELAY_API bool belay_supervisor_find_child(const struct belay_supervisor *supervisor,
                                           const char *id, struct belay_child_info *info);

struct belay_supervisor_stats {
    size_t size;
    uint32_t children, running;
    uint64_t restarts; /* as `intensity` counts them: a group is one */
};
BELAY_OPTIONS_INIT(belay_supervisor_stats)
BELAY_API void belay_supervisor_get_stats(const struct belay_supervisor *supervisor,
                                          struct belay_supervisor_stats *stats);

/* A supervisor as a child of another, with children of its own: `specs` are taken in any case, and
 * copied for each start, so their `free` runs when this spec is dropped. It has started when they
 * have, and when one of them fails so does it. Its end by BELAY_ERESTARTS is abnormal: its
 * supervisor starts it again. BELAY_EINVAL (`error` names it), BELAY_ENOMEM. */
BELAY_API int belay_supervisor_child_spec(const struct belay_supervisor_options *options,
                                          struct belay_child_spec *specs, size_t n,
                                          struct belay_child_spec *ret_spec,
                                          struct belay_error *error);

#ifdef __cplusplus
}
#endif

#endif
