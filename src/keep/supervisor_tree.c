/* SPDX-License-Identifier: MIT */
/*
 * A supervisor as a child of another. It has started when its own children have, in order; when one
 * of them does not, those before it are stopped again, and that is how its start failed.
 */
#include <stdlib.h>

#include "keep/supervisor.h"

/* What its child spec knows. Made where there is no loop: its memory is malloc's. */
struct plan {
    struct bl_mem mem;
    struct belay_supervisor_options options; /* as given; `name` is a copy or NULL */
    char *name;
    size_t n;
    struct belay_supervisor *now; /* from its start to its end */
    struct bl_child_spec specs[];
};

/* ---- starting ---- */

static void child_is_up(const char *id, const struct belay_error *error, void *arg)
{
    struct belay_supervisor *s = arg;

    (void)id;
    if (s->open || s->policy.ending)
        return;
    if (error && error->code != BELAY_EIGNORED) {
        bl_error_copy_set(&s->start_error, &s->loop->mem, error);
        bl_sp_end(&s->policy, BELAY_EXIT_ERROR, bl_now(s->loop));
        return;
    }
    if (--s->unstarted > 0)
        return;
    s->open = true;
    belay_child_started(s->parent, s);
}

static int start_children(struct belay_supervisor *s, const struct plan *plan)
{
    struct bl_child_spec spec;
    struct bl_supervised *c;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < plan->n; i++) {
        rc = bl_child_spec_copy(&spec, &s->loop->mem, &plan->specs[i]);
        if (rc == 0)
            rc = bl_supervised_add(s, &spec, child_is_up, s, &c, NULL);
        if (rc == 0)
            s->unstarted++;
    }
    return rc;
}

static int plan_start(struct belay_loop *loop, struct belay_child *child, void *arg)
{
    struct plan *plan = arg;
    struct belay_supervisor *s;
    int rc = bl_supervisor_make(loop, &plan->options, child, &s, NULL);

    if (rc < 0)
        return rc;
    rc = start_children(s, plan);
    if (rc < 0) {
        bl_supervisor_unmake(s);
        return rc;
    }
    plan->now = s;
    if (plan->n == 0) {
        s->open = true;
        belay_child_started(child, s);
    }
    return 0;
}

/* ---- ending ---- */

static void plan_stop(struct belay_child *child, void *object, void *arg)
{
    struct belay_supervisor *s = ((struct plan *)arg)->now;

    (void)child;
    (void)object;
    bl_sp_end(&s->policy, BELAY_EXIT_SHUTDOWN, bl_now(s->loop));
    bl_task_post(s->loop, &s->run);
}

static void plan_kill(struct belay_child *child, void *object, void *arg)
{
    struct belay_supervisor *s = ((struct plan *)arg)->now;

    (void)child;
    (void)object;
    bl_sp_kill(&s->policy, bl_now(s->loop));
    bl_task_post(s->loop, &s->run);
}

void bl_supervisor_tell_parent(struct belay_supervisor *s, struct belay_exit why)
{
    struct belay_child *parent = s->parent;
    struct plan *plan = parent->spec.arg;
    struct belay_error scratch;

    s->parent = NULL;
    s->released = true;
    plan->now = NULL;
    if (s->open || !s->start_error.code)
        belay_child_ended(parent, why);
    else
        belay_child_failed(parent, bl_error_copy_get(&s->start_error, &scratch, NULL));
}

static void plan_free(void *arg)
{
    struct plan *plan = arg;
    struct bl_mem mem = plan->mem;

    for (size_t i = 0; i < plan->n; i++)
        bl_child_spec_drop(&plan->specs[i], &plan->mem);
    bl_free(&plan->mem, plan->name);
    bl_free(&mem, plan);
}

static const struct belay_child_ops plan_ops = {
    .size = sizeof plan_ops,
    .noun = "supervisor",
    .start = plan_start,
    .stop = plan_stop,
    .kill = plan_kill,
    .free = plan_free,
};

/* ---- the spec ---- */

static int out_of_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                        "a supervisor's child spec: out of memory");
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Two of the same id would never start. */
static int check_ids(struct plan *plan, struct belay_error *error)
{
    char **ids;
    size_t n = 0;
    int rc;

    if (plan->n < 2)
        return 0;
    ids = bl_alloc(&plan->mem, plan->n * sizeof *ids);
    rc = ids ? 0 : out_of_memory(error);
    for (size_t i = 0; ids && i < plan->n; i++) {
        if (plan->specs[i].id)
            ids[n++] = plan->specs[i].id;
    }
    if (n > 1)
        qsort(ids, n, sizeof *ids, compare_ids);
    for (size_t i = 1; i < n && rc == 0; i++) {
        if (strcmp(ids[i - 1], ids[i]) == 0)
            rc = bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                              "specs: two children are called %s", ids[i]);
    }
    bl_free(&plan->mem, ids);
    return rc;
}

static int fill(struct plan *plan, const struct belay_supervisor_options *options,
                struct belay_child_spec *specs, size_t n, struct belay_error *error)
{
    struct belay_supervisor_options o;
    int rc = bl_supervisor_options_resolve(&o, options, error);

    if (rc == 0 && (int64_t)n > o.max_children)
        rc = bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                          "specs: there are more than max_children");
    if (rc == 0)
        rc = bl_options_resolve(&plan->options, sizeof plan->options, options, NULL, 0, error);
    if (rc == 0 && plan->options.name) {
        plan->name = bl_strdup(&plan->mem, plan->options.name);
        plan->options.name = plan->name;
        if (!plan->name)
            rc = out_of_memory(error);
    }
    for (; rc == 0 && plan->n < n; plan->n++) {
        rc = bl_child_spec_take(&plan->specs[plan->n], &plan->mem, &specs[plan->n], error);
        if (rc < 0)
            break;
    }
    return rc ? rc : check_ids(plan, error);
}

int belay_supervisor_child_spec(const struct belay_supervisor_options *options,
                                struct belay_child_spec *specs, size_t n,
                                struct belay_child_spec *ret_spec, struct belay_error *error)
{
    struct plan *plan = NULL;
    struct bl_mem mem;
    int rc = 0;

    bl_mem_init(&mem, NULL);
    if (!ret_spec || (n && !specs))
        rc = bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                          "a supervisor's child spec: ret_spec or specs is NULL");
    if (rc == 0)
        plan = bl_zalloc(&mem, sizeof *plan + n * sizeof plan->specs[0]);
    if (rc == 0 && !plan)
        rc = out_of_memory(error);
    if (plan) {
        plan->mem = mem;
        rc = fill(plan, options, specs, n, error);
    }
    for (size_t i = 0; rc < 0 && specs && i < n; i++)
        belay_child_spec_free(&specs[i]); /* those that were not taken */
    if (rc < 0) {
        if (plan)
            plan_free(plan);
        return rc;
    }
    *ret_spec = belay_child_spec_init();
    ret_spec->ops = &plan_ops;
    ret_spec->arg = plan;
    ret_spec->shutdown_ms = BELAY_FOREVER;
    return 0;
}
