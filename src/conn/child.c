/* SPDX-License-Identifier: MIT */
/* Child specs, and what nouns answer to those who keep them. */
#include "conn/child.h"

#include "base/text.h"

const char *belay_exit_name(enum belay_exit_kind kind)
{
    static const char *const names[] = {
        [BELAY_EXIT_NORMAL] = "normal",
        [BELAY_EXIT_SHUTDOWN] = "shutdown",
        [BELAY_EXIT_KILLED] = "killed",
        [BELAY_EXIT_ERROR] = "error",
    };

    return (size_t)kind < BL_COUNT(names) ? names[kind] : "unknown";
}

/* ---- specs ---- */

#define YEAR_MS INT64_C(31536000000)

const struct bl_option bl_child_spec_options[] = {
    BL_OPTION(belay_child_spec, restart, BELAY_RESTART_PERMANENT, BL_NOT_ALLOWED, BL_NOT_ALLOWED,
              BELAY_RESTART_PERMANENT, BELAY_RESTART_TEMPORARY),
    BL_OPTION(belay_child_spec, shutdown_ms, 5000, 0, INT64_MAX, 1, YEAR_MS),
};
const size_t bl_child_spec_options_n = BL_COUNT(bl_child_spec_options);

void belay_child_spec_free(struct belay_child_spec *spec)
{
    const struct belay_child_ops *ops = spec ? spec->ops : NULL;
    void *arg = spec ? spec->arg : NULL;

    if (!spec)
        return;
    spec->id = NULL;
    spec->ops = NULL;
    spec->arg = NULL;
    if (ops && ops->size >= sizeof *ops && ops->free)
        ops->free(arg);
}

static int check_ops(struct belay_child_ops *ret, const struct belay_child_ops *ops,
                     struct belay_error *error)
{
    int rc;

    if (!ops)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "ops is NULL");
    rc = bl_options_resolve(ret, sizeof *ret, ops, NULL, 0, error);
    if (rc < 0) {
        bl_error_prefix(error, "ops");
        return rc;
    }
    if (!ret->noun || !bl_text_is_name(ret->noun))
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "ops.noun is not a word");
    if (!ret->start || !ret->stop)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "ops.%s is NULL",
                            ret->start ? "stop" : "start");
    return 0;
}

static int take(struct bl_child_spec *ret, struct bl_mem *mem, const struct belay_child_spec *given,
                struct belay_error *error)
{
    struct belay_child_spec s;
    int rc = bl_options_resolve(&s, sizeof s, given, bl_child_spec_options, bl_child_spec_options_n,
                                error);

    if (rc == 0)
        rc = check_ops(&ret->ops, s.ops, error);
    if (rc < 0)
        return rc;
    if (s.id && !bl_text_is_name(s.id))
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "id: is empty, or has control characters");
    ret->arg = s.arg;
    ret->restart = (uint8_t)s.restart;
    ret->shutdown_ms = s.shutdown_ms;
    ret->id = s.id ? bl_strdup(mem, s.id) : NULL;
    if (s.id && !ret->id)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "a child spec: out of memory");
    return 0;
}

int bl_child_spec_take(struct bl_child_spec *ret, struct bl_mem *mem,
                       struct belay_child_spec *given, struct belay_error *error)
{
    int rc;

    if (!given)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "spec is NULL");
    rc = take(ret, mem, given, error);
    if (rc < 0) {
        memset(ret, 0, sizeof *ret);
        belay_child_spec_free(given);
        return rc;
    }
    given->id = NULL;
    given->ops = NULL;
    given->arg = NULL;
    return 0;
}

int bl_child_spec_copy(struct bl_child_spec *ret, struct bl_mem *mem,
                       const struct bl_child_spec *spec)
{
    *ret = *spec;
    ret->ops.free = NULL;
    ret->id = spec->id ? bl_strdup(mem, spec->id) : NULL;
    if (!spec->id || ret->id)
        return 0;
    memset(ret, 0, sizeof *ret);
    return BELAY_ENOMEM;
}

void bl_child_spec_drop(struct bl_child_spec *spec, struct bl_mem *mem)
{
    void (*free_arg)(void *) = spec->ops.free;
    void *arg = spec->arg;

    bl_free(mem, spec->id);
    memset(spec, 0, sizeof *spec);
    if (free_arg)
        free_arg(arg);
}

/* ---- telling ---- */

/* One thing at a time: the keeper may free the child when it hears the last one. */
static void tell(void *arg)
{
    struct belay_child *c = arg;
    struct belay_loop *loop = c->loop;
    struct bl_error_copy kept = c->error;
    const struct belay_error *error;
    struct belay_error scratch;

    if (c->tell_started) {
        c->tell_started = false;
        if (c->tell_ended)
            bl_task_post(loop, &c->task);
        c->keeper->started(c);
        return;
    }
    error = kept.code ? bl_error_copy_get(&kept, &scratch, NULL) : NULL;
    memset(&c->error, 0, sizeof c->error);
    if (c->tell_failed) {
        c->tell_failed = false;
        c->keeper->failed(c, error);
    } else {
        c->tell_ended = false;
        c->object = NULL;
        c->keeper->ended(c, (struct belay_exit){(enum belay_exit_kind)c->exit, error});
    }
    bl_error_copy_clear(&kept, &loop->mem);
}

static void has_failed(struct belay_child *c, const struct belay_error *error)
{
    c->active = false;
    c->tell_failed = true;
    bl_error_copy_set(&c->error, &c->loop->mem, error);
    bl_task_post(c->loop, &c->task);
}

static void has_ended(struct belay_child *c, enum belay_exit_kind kind,
                      const struct belay_error *error)
{
    c->active = false;
    c->tell_ended = true;
    c->exit = (uint8_t)kind;
    if (error)
        bl_error_copy_set(&c->error, &c->loop->mem, error);
    bl_task_post(c->loop, &c->task);
}

/* ---- the answers ---- */

void belay_child_started(struct belay_child *c, void *object)
{
    if (!c->active || c->answered)
        return;
    c->answered = true;
    c->object = object;
    if (c->stopping)
        return; /* nobody wants to know any more */
    c->tell_started = true;
    bl_task_post(c->loop, &c->task);
}

void belay_child_ignored(struct belay_child *c)
{
    struct belay_error error;

    bl_error_set(&error, BELAY_EIGNORED, BELAY_STAGE_NONE, "%s: it did not want to start",
                 c->spec.id);
    belay_child_failed(c, &error);
}

void belay_child_failed(struct belay_child *c, const struct belay_error *error)
{
    struct belay_error unsaid;

    if (!c->active || c->answered)
        return;
    if (!error || !error->code) {
        bl_error_set(&unsaid, BELAY_EBADRETURN, BELAY_STAGE_NONE,
                     "%s: its start failed without an error", c->spec.id);
        error = &unsaid;
    }
    if (c->stopping)
        has_ended(c, error->code == BELAY_EIGNORED ? BELAY_EXIT_SHUTDOWN : BELAY_EXIT_ERROR, error);
    else
        has_failed(c, error);
}

void belay_child_ended(struct belay_child *c, struct belay_exit why)
{
    struct belay_error unsaid;

    if (!c->active)
        return;
    if (why.error && !why.error->code)
        why.error = NULL;
    if (!why.error && (why.kind == BELAY_EXIT_ERROR || (!c->answered && !c->stopping))) {
        bl_error_set(&unsaid, BELAY_EBADRETURN, BELAY_STAGE_NONE, "%s: it ended (%s) %s",
                     c->spec.id, belay_exit_name(why.kind),
                     c->answered ? "without an error" : "before it had started");
        why.error = &unsaid;
    }
    if (c->answered || c->stopping)
        has_ended(c, why.kind, why.error);
    else
        has_failed(c, why.error);
}

/* ---- for the keeper ---- */

void bl_child_init(struct belay_child *c, struct belay_loop *loop,
                   const struct bl_child_keeper *keeper, struct bl_child_spec *spec)
{
    memset(c, 0, sizeof *c);
    c->loop = loop;
    c->keeper = keeper;
    c->spec = *spec;
    memset(spec, 0, sizeof *spec);
    bl_task_init(&c->task, tell, c);
}

void bl_child_fini(struct belay_child *c)
{
    BL_ASSERT(!c->active);
    bl_task_cancel(&c->task);
    bl_error_copy_clear(&c->error, &c->loop->mem);
    bl_child_spec_drop(&c->spec, &c->loop->mem);
}

void bl_child_start(struct belay_child *c)
{
    struct belay_error error;
    int rc;

    BL_ASSERT(!c->active && !c->tell_failed && !c->tell_ended);
    c->active = true;
    c->answered = c->stopping = c->killed = false;
    rc = c->spec.ops.start(c->loop, c, c->spec.arg);
    if (rc >= 0)
        return;
    bl_error_set(&error, rc, BELAY_STAGE_NONE, "%s: %s", c->spec.id, belay_strerror(rc));
    belay_child_failed(c, &error);
}

void bl_child_stop(struct belay_child *c)
{
    if (!c->active || c->stopping)
        return;
    c->stopping = true;
    c->spec.ops.stop(c, c->object, c->spec.arg);
}

void bl_child_kill(struct belay_child *c)
{
    if (!c->active || c->killed)
        return;
    if (!c->spec.ops.kill) {
        bl_child_stop(c);
        return;
    }
    c->stopping = c->killed = true;
    c->spec.ops.kill(c, c->object, c->spec.arg);
}
