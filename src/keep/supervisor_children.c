/* SPDX-License-Identifier: MIT */
/* What a supervisor's users ask for. */
#include <stdio.h>

#include "keep/supervisor.h"

/* Who waits for the end of a child. */
struct stop {
    struct bl_list link;
    belay_supervisor_fn *fn;
    void *arg;
    bool done; /* it did not run when that was asked */
};

void bl_supervised_tell_stops(struct bl_supervised *c, bool all)
{
    struct bl_mem *mem = &c->supervisor->loop->mem;
    struct bl_list now, *node;

    bl_list_init(&now);
    bl_list_splice(&now, &c->stops);
    while ((node = bl_list_pop_front(&now))) {
        struct stop stop = *BL_LIST_OF(node, struct stop, link);

        if (!all && !stop.done) {
            bl_list_push_back(&c->stops, node);
            continue;
        }
        bl_free(mem, BL_LIST_OF(node, struct stop, link));
        stop.fn(c->child.spec.id, NULL, stop.arg);
    }
}

/* ---- making one ---- */

static void on_limit(void *arg)
{
    struct bl_supervised *c = arg;
    struct belay_supervisor *s = c->supervisor;

    bl_sp_expire(&s->policy, &c->sp, bl_now(s->loop));
    bl_supervisor_run(s);
}

static struct bl_supervised *find(const struct belay_supervisor *s, const char *id)
{
    struct bl_map_node *node = id ? bl_map_find(&s->ids, id, strlen(id)) : NULL;
    struct bl_supervised *c = node ? BL_SUPERVISED_OF(node, node) : NULL;

    return c && !c->sp.forgotten ? c : NULL;
}

static void unlist(struct bl_supervised *c)
{
    if (c->listed)
        bl_map_remove(&c->supervisor->ids, &c->node);
    c->listed = false;
}

/* Of a child that is forgotten an id is free, though it is still to be told so. */
static bool is_taken(struct belay_supervisor *s, const char *id)
{
    struct bl_map_node *node = bl_map_find(&s->ids, id, strlen(id));
    struct bl_supervised *c = node ? BL_SUPERVISED_OF(node, node) : NULL;

    if (c && c->sp.forgotten) {
        unlist(c);
        c = NULL;
    }
    return c != NULL;
}

/* An id that its siblings do not have. */
static int number(struct belay_supervisor *s, struct bl_child_spec *spec)
{
    size_t size = strlen(spec->ops.noun) + 12;

    spec->id = bl_alloc(&s->loop->mem, size);
    if (!spec->id)
        return BELAY_ENOMEM;
    do
        snprintf(spec->id, size, "%s-%u", spec->ops.noun, ++s->numbers);
    while (is_taken(s, spec->id));
    return 0;
}

static int refuse(struct belay_error *error, int code, const char *what)
{
    return bl_error_set(error, code, BELAY_STAGE_NONE, "starting a child: %s", what);
}

static int admit(struct belay_supervisor *s, struct bl_child_spec *spec, struct belay_error *error)
{
    if (s->policy.ending || s->loop->closing)
        return refuse(error, BELAY_ECLOSED, "the supervisor is ending");
    if (s->policy.children_n >= (uint32_t)s->options.max_children)
        return refuse(error, BELAY_EFULL, "there are max_children already");
    if (!spec->id && number(s, spec) < 0)
        return refuse(error, BELAY_ENOMEM, "out of memory");
    if (is_taken(s, spec->id))
        return bl_error_set(error, BELAY_EEXISTS, BELAY_STAGE_NONE,
                            "starting a child: %s has a child of that name already: %s",
                            s->options.name, spec->id);
    return 0;
}

/* *spec is moved when this succeeds. */
static int make(struct belay_supervisor *s, struct bl_child_spec *spec, struct bl_supervised **ret)
{
    struct bl_supervised *c = bl_zalloc(&s->loop->mem, sizeof *c);
    int rc = c ? bl_timer_init(&c->limit, s->loop, on_limit, c) : BELAY_ENOMEM;

    if (rc == 0)
        rc = bl_map_add(&s->ids, spec->id, strlen(spec->id), &c->node);
    if (rc < 0) {
        if (c)
            bl_timer_fini(&c->limit, s->loop);
        bl_free(&s->loop->mem, c);
        return rc;
    }
    c->listed = true;
    c->supervisor = s;
    c->number = ++s->loop->next_id;
    bl_list_init(&c->stops);
    bl_list_init(&c->unsettled);
    bl_child_init(&c->child, s->loop, &bl_supervised_keeper, spec);
    *ret = c;
    return 0;
}

void bl_supervised_free(struct bl_supervised *c)
{
    struct belay_supervisor *s = c->supervisor;

    unlist(c);
    bl_list_remove(&c->unsettled);
    bl_timer_fini(&c->limit, s->loop);
    bl_child_fini(&c->child);
    bl_free(&s->loop->mem, c);
}

static uint64_t shutdown_ns(int64_t ms)
{
    return ms == INT64_MAX ? BELAY_NEVER : BL_MS(ms);
}

int bl_supervised_add(struct belay_supervisor *s, struct bl_child_spec *spec,
                      belay_supervisor_fn *fn, void *arg, struct bl_supervised **ret,
                      struct belay_error *error)
{
    struct bl_supervised *c = NULL;
    int rc = admit(s, spec, error);

    if (rc == 0) {
        rc = make(s, spec, &c);
        if (rc < 0)
            refuse(error, rc, belay_strerror(rc));
    }
    if (rc < 0) {
        bl_child_spec_drop(spec, &s->loop->mem);
        return rc;
    }
    c->asked = true;
    c->start_fn = fn;
    c->start_arg = arg;
    BL_TRACE(s->loop, "child", c->number, c->child.spec.id, NULL, "stopped", s->options.name);
    bl_sp_add(&s->policy, &c->sp, (enum belay_restart)c->child.spec.restart,
              shutdown_ns(c->child.spec.shutdown_ms), bl_now_fresh(s->loop));
    bl_task_post(s->loop, &s->run);
    *ret = c;
    return 0;
}

int belay_supervisor_start_child(struct belay_supervisor *supervisor, struct belay_child_spec *spec,
                                 belay_supervisor_fn *fn, void *arg, const char **ret_id,
                                 struct belay_error *error)
{
    struct bl_child_spec taken;
    struct bl_supervised *c;
    int rc;

    if (!supervisor) {
        belay_child_spec_free(spec);
        return refuse(error, BELAY_EINVAL, "supervisor is NULL");
    }
    rc = bl_child_spec_take(&taken, &supervisor->loop->mem, spec, error);
    if (rc == 0)
        rc = bl_supervised_add(supervisor, &taken, fn, arg, &c, error);
    if (rc == 0 && ret_id)
        *ret_id = c->child.spec.id;
    return rc;
}

/* ---- stopping, starting again, forgetting ---- */

static int look_up(const struct belay_supervisor *s, const char *id, struct bl_supervised **ret)
{
    if (!s || !id)
        return BELAY_EINVAL;
    if (s->policy.ending)
        return BELAY_ECLOSED;
    *ret = find(s, id);
    return *ret ? 0 : BELAY_ENONAME;
}

/* Somebody may have to be told: when it performs. */
static void post(struct bl_supervised *c)
{
    struct belay_supervisor *s = c->supervisor;

    if (!bl_list_linked(&c->unsettled))
        bl_list_push_back(&s->unsettled, &c->unsettled);
    bl_task_post(s->loop, &s->run);
}

int belay_supervisor_stop_child(struct belay_supervisor *s, const char *id, belay_supervisor_fn *fn,
                                void *arg)
{
    struct bl_supervised *c;
    struct stop *stop = NULL;
    int rc = look_up(s, id, &c);

    if (rc < 0)
        return rc;
    if (fn) {
        stop = bl_alloc(&s->loop->mem, sizeof *stop);
        if (!stop)
            return BELAY_ENOMEM;
        stop->fn = fn;
        stop->arg = arg;
        bl_list_init(&stop->link);
        bl_list_push_back(&c->stops, &stop->link);
    }
    bl_sp_stop(&s->policy, &c->sp, bl_now_fresh(s->loop));
    if (stop)
        stop->done = c->sp.state == BL_SP_STOPPED;
    post(c);
    return 0;
}

int belay_supervisor_restart_child(struct belay_supervisor *s, const char *id,
                                   belay_supervisor_fn *fn, void *arg)
{
    struct bl_supervised *c;
    int rc = look_up(s, id, &c);

    if (rc < 0)
        return rc;
    if (c->asked || !bl_list_empty(&c->stops))
        return BELAY_EINVAL; /* somebody has to be told first that it does not run */
    if (!bl_sp_restart(&s->policy, &c->sp, bl_now_fresh(s->loop)))
        return BELAY_EINVAL;
    c->asked = true;
    c->start_fn = fn;
    c->start_arg = arg;
    post(c);
    return 0;
}

int belay_supervisor_delete_child(struct belay_supervisor *s, const char *id)
{
    struct bl_supervised *c;
    int rc = look_up(s, id, &c);

    if (rc < 0)
        return rc;
    if (!bl_sp_delete(&s->policy, &c->sp))
        return BELAY_EINVAL;
    post(c);
    return 0;
}

/* ---- looking ---- */

static enum belay_child_state state_of(const struct bl_supervised *c)
{
    switch ((enum bl_sp_state)c->sp.state) {
    case BL_SP_WAITING:
        return c->sp.cause == BL_SP_AGAIN ? BELAY_CHILD_RESTARTING : BELAY_CHILD_STARTING;
    case BL_SP_STARTING:
        return c->sp.failed ? BELAY_CHILD_RESTARTING : BELAY_CHILD_STARTING;
    case BL_SP_RUNNING:
        return BELAY_CHILD_RUNNING;
    case BL_SP_STOPPING:
        return BELAY_CHILD_STOPPING;
    case BL_SP_STOPPED:
        break;
    }
    return BELAY_CHILD_STOPPED;
}

static void describe(const struct bl_supervised *c, struct belay_child_info *info)
{
    struct belay_child_info i = {
        .id = c->child.spec.id,
        .noun = c->child.spec.ops.noun,
        .state = state_of(c),
        .restart = (enum belay_restart)c->child.spec.restart,
        .object = c->child.active ? c->child.object : NULL,
        .restarts = c->sp.restarts,
    };
    size_t size = info->size < sizeof i ? info->size : sizeof i;

    memcpy(info, &i, size);
    memcpy(info, &size, sizeof size);
}

bool belay_supervisor_get_child(const struct belay_supervisor *supervisor, size_t index,
                                struct belay_child_info *info)
{
    /* The place of the last call is remembered, until a child is forgotten: who looks at all of
     * them walks once. */
    struct belay_supervisor *s = (struct belay_supervisor *)(uintptr_t)supervisor;
    uint64_t forgotten = s->policy.numbers - s->policy.children_n;
    bool onward = s->seek && s->seek_forgotten == forgotten && s->seek_index <= index;
    struct bl_list *at = onward ? s->seek : s->policy.children.next;
    size_t i = onward ? s->seek_index : 0;

    if (index >= s->policy.children_n)
        return false;
    for (; i < index; i++)
        at = at->next;
    s->seek = at;
    s->seek_index = index;
    s->seek_forgotten = forgotten;
    describe(BL_SUPERVISED_OF(BL_LIST_OF(at, struct bl_sp_child, link), sp), info);
    return true;
}

bool belay_supervisor_find_child(const struct belay_supervisor *s, const char *id,
                                 struct belay_child_info *info)
{
    const struct bl_supervised *c = find(s, id);

    if (c)
        describe(c, info);
    return c != NULL;
}

void belay_supervisor_get_stats(const struct belay_supervisor *supervisor,
                                struct belay_supervisor_stats *stats)
{
    struct belay_supervisor_stats s = {
        .children = supervisor->policy.children_n,
        .running = supervisor->policy.running_n,
        .restarts = supervisor->policy.restarts,
    };
    size_t size = stats->size < sizeof s ? stats->size : sizeof s;

    memcpy(stats, &s, size);
    memcpy(stats, &size, sizeof size);
}
