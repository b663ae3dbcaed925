/* SPDX-License-Identifier: MIT */
/* Performs what the policy says, hears the children, and tells who asked. */
#include "keep/supervisor.h"

#include <inttypes.h>

#define LOG(s, level, ...) bl_loop_log((s)->loop, "supervisor", level, __VA_ARGS__)

static void trace(const struct bl_supervised *c, const char *from, const char *to,
                  const char *cause)
{
    BL_TRACE(c->child.loop, "child", c->number, c->child.spec.id, from, to, cause);
}

/* ---- telling who asked ---- */

/* How its start came out; the child is not freed meanwhile. */
static void tell_start(struct bl_supervised *c, const struct belay_error *error)
{
    belay_supervisor_fn *fn = c->start_fn;

    if (!c->asked)
        return;
    c->asked = false;
    c->start_fn = NULL;
    if (fn)
        fn(c->child.spec.id, error, c->start_arg);
}

/* If it does not run, whoever waits for that is told, and who wanted it to start. */
static void settle(struct bl_supervised *c)
{
    struct belay_supervisor *s = c->supervisor;
    struct belay_error error;

    if (c->sp.state != BL_SP_STOPPED) { /* its group has started it again meanwhile, perhaps */
        bl_supervised_tell_stops(c, false);
        return;
    }
    if (c->asked) {
        bl_error_set(&error, s->policy.ending ? BELAY_ECLOSED : BELAY_ECANCELLED, BELAY_STAGE_NONE,
                     "%s: %s before it had started", c->child.spec.id,
                     s->policy.ending ? "its supervisor ended" : "it was stopped");
        tell_start(c, &error);
    }
    bl_supervised_tell_stops(c, true);
}

/* ---- performing ---- */

static void log_kill(const struct bl_supervised *c)
{
    if (c->child.active && c->child.stopping && c->supervisor->policy.exit != BELAY_EXIT_KILLED)
        LOG(c->supervisor, BELAY_LOG_WARN, "%s: %s has not ended within %" PRId64 " ms: killed",
            c->supervisor->options.name, c->child.spec.id, c->child.spec.shutdown_ms);
}

static void perform(struct belay_supervisor *s, struct bl_supervised *c, enum bl_sp_todo todo)
{
    switch (todo) {
    case BL_SP_START:
        trace(c, "stopped", "starting", c->sp.cause == BL_SP_AGAIN ? "restart" : "");
        bl_child_start(&c->child);
        break;
    case BL_SP_STOP:
        trace(c, c->child.answered ? "running" : "starting", "stopping", "");
        bl_timer_at(&c->limit, s->loop, c->sp.kill_at);
        bl_child_stop(&c->child);
        break;
    case BL_SP_KILL:
        trace(c, "stopping", "stopping", "kill");
        bl_timer_stop(&c->limit);
        log_kill(c);
        bl_child_kill(&c->child);
        break;
    case BL_SP_FORGET:
        settle(c);
        trace(c, "stopped", NULL, "");
        bl_supervised_free(c);
        break;
    case BL_SP_NOTHING:
        break;
    }
}

static bool step(struct belay_supervisor *s)
{
    enum bl_sp_todo todo;
    struct bl_sp_child *c = bl_sp_next(&s->policy, &todo);
    struct bl_list *node;

    if (c) {
        perform(s, BL_SUPERVISED_OF(c, sp), todo);
        return true;
    }
    node = bl_list_pop_front(&s->unsettled);
    if (node)
        settle(BL_SUPERVISED_OF(node, unsettled));
    return node != NULL;
}

/* It has ended: whoever closed it is told. */
static void tell_closed(struct belay_supervisor *s)
{
    belay_fn *fn = s->on_closed;

    s->on_closed = NULL;
    if (fn)
        fn(s->closed_arg);
}

void bl_supervisor_run(void *arg)
{
    struct belay_supervisor *s = arg;

    s->busy++;
    while (step(s))
        ;
    if (s->policy.ended && !s->ended)
        bl_supervisor_finish(s);
    if (s->ended)
        tell_closed(s);
    s->busy--;
    bl_supervisor_let_go(s);
}

/* ---- hearing the children ---- */

static void started(struct belay_child *child)
{
    struct bl_supervised *c = BL_SUPERVISED_OF(child, child);
    struct belay_supervisor *s = c->supervisor;

    s->busy++;
    bl_sp_started(&s->policy, &c->sp, bl_now(s->loop));
    if (c->sp.state == BL_SP_RUNNING) {
        trace(c, "starting", "running", "");
        LOG(s, BELAY_LOG_DEBUG, "%s: %s has started", s->options.name, child->spec.id);
        tell_start(c, NULL);
    }
    s->busy--;
    bl_supervisor_run(s);
}

static void log_gave_up(const struct belay_supervisor *s)
{
    LOG(s, BELAY_LOG_ERROR, "%s: more than %d restarts within %" PRId64 " ms: it ends",
        s->options.name, (int)s->options.intensity, s->options.period_ms);
}

static void failed(struct belay_child *child, const struct belay_error *error)
{
    struct bl_supervised *c = BL_SUPERVISED_OF(child, child);
    struct belay_supervisor *s = c->supervisor;
    bool ignored = error->code == BELAY_EIGNORED;
    bool ending = s->policy.ending;
    const char *from = bl_sp_state_names[c->sp.state];

    s->busy++;
    bl_timer_stop(&c->limit);
    LOG(s, ignored ? BELAY_LOG_DEBUG : BELAY_LOG_WARN, "%s: %s did not start: %s", s->options.name,
        child->spec.id, error->text);
    bl_sp_failed(&s->policy, &c->sp, ignored, bl_now(s->loop));
    trace(c, from, "stopped", error->text);
    if (s->policy.gave_up && !ending)
        log_gave_up(s);
    if (c->sp.state == BL_SP_STOPPED) { /* else it is started again */
        tell_start(c, error);
        bl_supervised_tell_stops(c, true);
    }
    s->busy--;
    bl_supervisor_run(s);
}

static void ended(struct belay_child *child, struct belay_exit why)
{
    struct bl_supervised *c = BL_SUPERVISED_OF(child, child);
    struct belay_supervisor *s = c->supervisor;
    bool expected = c->sp.state == BL_SP_STOPPING;
    bool abnormal = why.kind == BELAY_EXIT_ERROR || why.kind == BELAY_EXIT_KILLED;
    const char *text = why.error ? why.error->text : belay_exit_name(why.kind);
    bool ending = s->policy.ending;
    const char *from = bl_sp_state_names[c->sp.state];

    s->busy++;
    bl_timer_stop(&c->limit);
    LOG(s, abnormal && !expected ? BELAY_LOG_WARN : BELAY_LOG_DEBUG, "%s: %s has ended: %s",
        s->options.name, child->spec.id, text);
    bl_sp_ended(&s->policy, &c->sp, why.kind, bl_now(s->loop));
    trace(c, from, "stopped", text);
    if (s->policy.gave_up && !ending)
        log_gave_up(s);
    settle(c);
    s->busy--;
    bl_supervisor_run(s);
}

const struct bl_child_keeper bl_supervised_keeper = {started, failed, ended};
