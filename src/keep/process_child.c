/* SPDX-License-Identifier: MIT */
/* The process as a child of a supervisor. */
#include "keep/process.h"

#include <stdlib.h>

#include "belay/child.h"

struct process_spec { /* from malloc: there is no loop yet */
    const struct belay_behaviour *behaviour;
    void *args;
    belay_process_args_fn *make_args;
    belay_fn *free_args;
    struct belay_process_options options;
    struct belay_backoff_options backoff;
    char *name;
    struct bl_list lives;
};

struct life { /* from a start to its end */
    struct bl_list link;
    struct process_spec *spec;
    struct belay_child *child;
    struct belay_process *process;
    bool started, stopped;
};

/* What was made for an init that was never called. */
static void give_back(const struct process_spec *spec, void *args)
{
    if (spec->make_args && spec->free_args)
        spec->free_args(args);
}

static void on_started(struct belay_process *process, const struct belay_error *error, void *arg)
{
    struct life *life = arg;

    belay_process_unref(process); /* there is one already */
    if (!error) {
        life->started = true;
        belay_child_started(life->child, life->process);
    } else if (life->stopped) {
        life->started = true; /* that it ends is the answer */
    } else if (error->code == BELAY_EIGNORED) {
        belay_child_ignored(life->child);
    } else {
        belay_child_failed(life->child, error);
    }
}

static void on_ended(struct belay_process *process, struct belay_exit why, void *arg)
{
    struct life *life = arg;
    const struct belay_process_options *o = &life->spec->options;
    struct life l = *life;

    bl_list_remove(&life->link);
    bl_free(&process->loop->mem, life);
    if (!process->policy.begun)
        give_back(l.spec, process->args);
    if (o->on_exit)
        o->on_exit(process, why, o->exit_arg);
    if (l.started)
        belay_child_ended(l.child, why);
    belay_process_unref(l.process);
}

static int start_process(struct belay_loop *loop, struct life *life, struct belay_error *error)
{
    const struct process_spec *s = life->spec;
    struct belay_process_options o = s->options;
    void *args = s->make_args ? s->make_args(s->args) : s->args;
    int rc;

    if (s->make_args && !args)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                            "starting a process: there were no args for it");
    o.on_exit = on_ended;
    o.exit_arg = life;
    rc = belay_process_start(loop, s->behaviour, args, &o, &life->process, on_started, life, error);
    if (rc < 0)
        give_back(s, args);
    return rc;
}

static int start(struct belay_loop *loop, struct belay_child *child, void *arg)
{
    struct process_spec *spec = arg;
    struct life *life = bl_zalloc(&loop->mem, sizeof *life);
    struct belay_error error;

    if (!life)
        return BELAY_ENOMEM;
    life->spec = spec;
    life->child = child;
    bl_list_push_back(&spec->lives, &life->link);
    if (start_process(loop, life, &error) < 0) {
        bl_list_remove(&life->link);
        bl_free(&loop->mem, life);
        belay_child_failed(child, &error);
    }
    return 0;
}

static struct life *life_of(const struct process_spec *spec, const struct belay_child *child)
{
    BL_LIST_EACH(node, &spec->lives)
    {
        struct life *life = BL_LIST_OF(node, struct life, link);

        if (life->child == child)
            return life;
    }
    return NULL;
}

static void end(struct process_spec *spec, struct belay_child *child, int64_t limit_ms)
{
    struct life *life = life_of(spec, child);

    if (!life)
        return;
    life->stopped = true;
    belay_process_stop(life->process, BELAY_EXIT_SHUTDOWN, NULL, limit_ms, NULL, NULL);
}

static void stop(struct belay_child *child, void *object, void *arg)
{
    (void)object;
    end(arg, child, BELAY_FOREVER);
}

static void kill(struct belay_child *child, void *object, void *arg)
{
    (void)object;
    end(arg, child, 0);
}

static void free_spec(void *arg)
{
    struct process_spec *spec = arg;

    free(spec->name);
    free(spec);
}

static const struct belay_child_ops process_child = {
    .size = sizeof process_child,
    .noun = "process",
    .start = start,
    .stop = stop,
    .kill = kill,
    .free = free_spec,
};

static int copy_options(struct process_spec *spec, const struct belay_process_options *given,
                        struct belay_error *error)
{
    struct belay_process_options *o = &spec->options;
    int rc = bl_options_resolve(o, sizeof *o, given, NULL, 0, error);

    if (rc == 0 && o->backoff) {
        rc = bl_options_resolve(&spec->backoff, sizeof spec->backoff, o->backoff, NULL, 0, error);
        o->backoff = &spec->backoff;
    }
    if (rc < 0 || !o->name)
        return rc;
    spec->name = strdup(o->name);
    o->name = spec->name;
    if (!spec->name)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                            "a child spec of a process: out of memory");
    return 0;
}

int belay_process_child_spec(const struct belay_behaviour *behaviour, void *args,
                             belay_process_args_fn *make_args, belay_fn *free_args,
                             const struct belay_process_options *options,
                             struct belay_child_spec *ret_spec, struct belay_error *error)
{
    struct belay_process_options checked;
    struct belay_backoff backoff;
    struct process_spec *spec;
    int rc = bl_behaviour_check(behaviour, error);

    if (rc == 0)
        rc = bl_process_options_resolve(&checked, options, &backoff, error);
    if (rc < 0)
        return rc;
    spec = calloc(1, sizeof *spec);
    if (!spec)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                            "a child spec of a process: out of memory");
    spec->behaviour = behaviour;
    spec->args = args;
    spec->make_args = make_args;
    spec->free_args = free_args;
    bl_list_init(&spec->lives);
    rc = copy_options(spec, options, error);
    if (rc < 0) {
        free_spec(spec);
        return rc;
    }
    *ret_spec = belay_child_spec_init();
    ret_spec->ops = &process_child;
    ret_spec->arg = spec;
    return 0;
}
