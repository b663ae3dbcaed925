/* SPDX-License-Identifier: MIT */
/*
 * The pool as a child of a supervisor: its start opens one, its end is the pool's. Told to stop it
 * drains; when its time to stop has passed it is closed. The pool is the child's object, so that one
 * spec may serve any number of children.
 */
#include <stdlib.h>

#include "conn/child.h"
#include "keep/pool.h"

struct pool_spec { /* from malloc: there is no loop yet */
    struct belay_pool_options options;
    belay_pool_open_fn *on_open;
    void *arg;
};

static void on_closed(void *arg)
{
    struct belay_child *child = arg;
    enum belay_exit_kind kind = child->stopping ? BELAY_EXIT_SHUTDOWN : BELAY_EXIT_NORMAL;

    belay_child_ended(child, (struct belay_exit){.kind = kind});
}

static int start(struct belay_loop *loop, struct belay_child *child, void *arg)
{
    const struct pool_spec *spec = arg;
    struct belay_error error;
    struct belay_pool *pool;

    if (belay_pool_open(loop, &spec->options, &pool, &error) < 0) {
        belay_child_failed(child, &error);
        return 0;
    }
    if (belay_pool_close_finished(pool, on_closed, child) < 0) {
        belay_pool_close(pool, NULL, NULL);
        return BELAY_ENOMEM;
    }
    belay_child_started(child, pool);
    if (spec->on_open)
        spec->on_open(pool, spec->arg);
    return 0;
}

static void stop(struct belay_child *child, void *object, void *arg)
{
    (void)child;
    (void)arg;
    belay_pool_drain(object, NULL, NULL);
}

static void kill(struct belay_child *child, void *object, void *arg)
{
    (void)child;
    (void)arg;
    belay_pool_close(object, NULL, NULL);
}

static const struct belay_child_ops pool_child = {
    .size = sizeof pool_child,
    .noun = "pool",
    .start = start,
    .stop = stop,
    .kill = kill,
    .free = free,
};

int belay_pool_child_spec(const struct belay_pool_options *options, belay_pool_open_fn *on_open,
                          void *arg, struct belay_child_spec *ret_spec, struct belay_error *error)
{
    struct bl_pool_settings checked;
    struct pool_spec *spec;
    int rc = bl_pool_settings_make(&checked, options, error);

    if (rc < 0)
        return rc;
    spec = calloc(1, sizeof *spec);
    if (!spec)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                            "a child spec of a pool: out of memory");
    rc = bl_options_resolve(&spec->options, sizeof spec->options, options, NULL, 0, error);
    if (rc < 0) {
        free(spec);
        return rc;
    }
    spec->on_open = on_open;
    spec->arg = arg;
    *ret_spec = belay_child_spec_init();
    ret_spec->ops = &pool_child;
    ret_spec->arg = spec;
    return 0;
}
