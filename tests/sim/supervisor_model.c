/* SPDX-License-Identifier: MIT */
/*
 * What is expected of supervisors, from the manual (belay/supervisor.h, belay/child.h) alone: in which order children start and
 * stop, who is started again and how often, who is killed and when.
 */
#include "sim/supervisor_rig.h"

#define SLACK_NS SIM_MS(5)

static bool is_active(const struct kid *kid)
{
    return kid->state != KID_IDLE;
}

static bool is_root(const struct boss *boss)
{
    return boss->parent == NULL;
}

/* It stops children that have done nothing. */
static bool may_stop(const struct boss *boss)
{
    for (; boss; boss = boss->parent)
        if (boss->closing || boss->gave_up || boss->grouping || boss->start_failed ||
            boss->asked > 0)
            return true;
    return false;
}

static bool was_killed(const struct boss *boss)
{
    for (; boss->parent; boss = boss->parent)
        if (boss->shutdown_ms != BELAY_FOREVER && may_stop(boss->parent))
            return true;
    return boss->closing && boss->all->life.healed;
}

/* ---- restarts ---- */

/* One more: whether it is one too many. */
static bool count(struct boss *boss)
{
    uint64_t now = boss->all->w->now_ns, period = SIM_MS(boss->options.period_ms);
    int32_t intensity = boss->options.intensity == BELAY_NONE ? 0 : boss->options.intensity;
    int n = 1;

    for (unsigned i = 0; i < boss->restarts_n && i < RESTARTS_KEPT; i++)
        n += now - boss->restarts_ns[i] <= period;
    if (n > intensity) {
        boss->gave_up = true;
        tree_did(boss->all, TREE_GAVE_UP);
        return true;
    }
    boss->restarts_ns[boss->restarts_n++ % RESTARTS_KEPT] = now;
    return false;
}

/* When all of the group has stopped, what was said of it holds no more. */
static void check_group_over(struct boss *boss)
{
    if (!boss->grouping)
        return;
    BL_LIST_EACH(node, &boss->kids)
    {
        const struct kid *kid = BL_LIST_OF(node, struct kid, link);

        if (kid->known && kid->number >= boss->group_from)
            return;
    }
    boss->grouping = false;
    tree_did(boss->all, TREE_GROUP);
    BL_LIST_EACH(node, &boss->kids)
    BL_LIST_OF(node, struct kid, link)->stay = false;
}

static void again(struct kid *kid)
{
    struct boss *boss = kid->boss;

    sim_note(kid->all->w, "%s is to be started again, its group %d", kid->id, boss->grouping);
    if (boss->grouping && kid->number >= boss->group_from)
        return; /* with its group */
    if (count(boss))
        return;
    if (boss->options.strategy == BELAY_ONE_FOR_ALL ||
        boss->options.strategy == BELAY_REST_FOR_ONE) {
        uint64_t from = boss->options.strategy == BELAY_ONE_FOR_ALL ? 0 : kid->number;

        boss->group_from = boss->grouping && boss->group_from < from ? boss->group_from : from;
        boss->grouping = true;
        BL_LIST_EACH(node, &boss->kids)
        {
            struct kid *other = BL_LIST_OF(node, struct kid, link);

            other->stay |= other->number >= from && other->asked_stop && other->known;
            if (other->number < from || other->stay || other->gone)
                continue; /* who was told to stop stays so */
            /* whoever has waited since before goes on as it was */
            other->restarts |= other->starts > 0 && !other->known && !other->wanted;
            other->wanted = true;
        }
    } else {
        kid->wanted = kid->wanted_now = true;
    }
}

void kid_on_end(struct kid *kid, enum belay_exit_kind kind, bool by_itself)
{
    sim_note(kid->all->w, "%s ends: %s, by itself %d", kid->id, belay_exit_name(kind), by_itself);
    kid->exit_kind = kind;
    if (by_itself && !kid->stopping)
        tree_did(kid->all, TREE_ENDED);
}

void kid_on_failure(struct kid *kid, bool ignored)
{
    sim_note(kid->all->w, "%s %s", kid->id, ignored ? "is ignored" : "fails to start");
    tree_did(kid->all, ignored ? TREE_IGNORED : TREE_START_FAILED);
    kid->ignored = ignored;
}

/* Its supervisor has heard of its end, as the trace tells. */
static void end_heard(struct kid *kid)
{
    struct boss *boss = kid->boss;
    bool abnormal = kid->exit_kind == BELAY_EXIT_ERROR || kid->exit_kind == BELAY_EXIT_KILLED;

    if (boss->closing || boss->gave_up || boss->over || boss->start_failed)
        return;
    if (kid->restart == BELAY_RESTART_PERMANENT ||
        (kid->restart == BELAY_RESTART_TRANSIENT && abnormal))
        again(kid);
    else
        tree_did(kid->all, TREE_NOT_RESTARTED);
}

static void failure_heard(struct kid *kid)
{
    struct boss *boss = kid->boss;
    bool ignored = kid->ignored;

    bool grouped = boss->grouping && kid->number >= boss->group_from;

    kid->ignored = false;
    if (ignored || boss->closing || boss->gave_up) {
        kid->restarts |= grouped;
        return;
    }
    if (kid->restarts) {
        tree_did(kid->all, TREE_RESTART_FAILED);
        again(kid);
    } else if (!is_root(boss)) {
        boss->start_failed = true; /* it has not started, and stops those before */
    }
    kid->restarts |= grouped; /* with the others */
}

/* As it was before its children were first started. */
static void renew(struct boss *boss)
{
    boss->gave_up = boss->grouping = boss->start_failed = false;
    boss->restarts_n = 0;
    BL_LIST_EACH(node, &boss->kids)
    {
        struct kid *kid = BL_LIST_OF(node, struct kid, link);

        kid->starts = 0;
        kid->restarts = kid->wanted = kid->wanted_now = kid->gone = false;
    }
}

/* One that is a child itself is over; where it has come up its on_exit follows. */
static void over(struct boss *boss)
{
    BL_LIST_EACH(node, &boss->kids)
    {
        const struct kid *kid = BL_LIST_OF(node, struct kid, link);

        if (is_active(kid))
            sim_fail(boss->all->w, "supervisor %d is over, and %s runs", boss->n, kid->id);
    }
    boss->had_given_up = boss->gave_up;
    renew(boss);
}

/* What becomes of a child that is not the rig's own is told by the trace alone. */
static void went(struct kid *kid, const char *from, const char *to)
{
    bool stopped = strcmp(to, "stopped") == 0;

    kid->known = !stopped;
    if (kid->opaque && strcmp(to, "starting") == 0) {
        kid_on_start(kid);
        kid->state = KID_STARTING;
    } else if (kid->opaque && strcmp(to, "running") == 0) {
        kid->state = KID_RUNNING;
    } else if (kid->opaque && strcmp(to, "stopping") == 0) {
        kid->stopping = true;
    } else if (kid->opaque && stopped) {
        kid->state = KID_IDLE;
        kid->stopping = false;
    }
    if (strcmp(to, "running") == 0)
        kid->restarts = true;
    if (stopped && strcmp(from, "running") == 0)
        end_heard(kid);
    else if (stopped && strcmp(from, "starting") == 0)
        failure_heard(kid);
    if (stopped)
        check_group_over(kid->boss);
}

void tree_trace(struct tree *all, const struct belay_trace *t)
{
    bool child = strcmp(t->noun, "child") == 0;

    for (int i = 0; i < all->n; i++) {
        struct boss *boss = &all->bosses[i];

        if (i > 0 && !t->to && strcmp(t->noun, "supervisor") == 0 &&
            strcmp(t->name, boss->name) == 0)
            over(boss);
        BL_LIST_EACH(node, &boss->kids)
        {
            struct kid *kid = BL_LIST_OF(node, struct kid, link);

            if (!child || !t->from || strcmp(t->name, kid->id) != 0)
                continue;
            if (t->to) {
                went(kid, t->from, t->to);
                continue;
            }
            kid->wanted = kid->wanted_now = false;
            kid->gone = true;
            if (kid->opaque) {
                bl_list_remove(&kid->link);
                bl_list_push_back(&all->dead_kids, &kid->link);
            }
        }
    }
}

/* ---- starting ---- */

void kid_on_start(struct kid *kid)
{
    struct boss *boss = kid->boss;
    struct sim_world *w = kid->all->w;
    bool at_once = kid->wanted_now;
    bool grouped = boss->grouping && kid->number >= boss->group_from;

    sim_note(w, "%s is started", kid->id);
    if (is_active(kid) || kid->freed)
        sim_fail(w, "%s is started, and runs, or was freed %d", kid->id, kid->freed);
    if (boss->over || boss->gave_up ||
        (boss->start_failed && boss->options.strategy != BELAY_DYNAMIC) ||
        (boss->closing && boss->closing_turn < w->turns))
        sim_fail(w, "%s is started by one that closes %d, gave up %d", kid->id, boss->closing,
                 boss->gave_up);
    if (kid->starts && !kid->wanted && !kid->asked_start)
        sim_fail(w, "%s is started again, and nobody said so", kid->id);
    BL_LIST_EACH(node, &boss->kids)
    {
        const struct kid *other = BL_LIST_OF(node, struct kid, link);

        if (other == kid || boss->options.strategy == BELAY_DYNAMIC || at_once)
            continue;
        if (other->number < kid->number && other->state == KID_STARTING && !other->stopping)
            sim_fail(w, "%s is started before %s has started", kid->id, other->id);
        if (grouped && other->number >= boss->group_from && is_active(other))
            sim_fail(w, "%s is started before %s has stopped", kid->id, other->id);
    }
    if (kid->wanted)
        tree_did(kid->all, TREE_RESTARTED);
    kid->restarts &= !kid->asked_start;
    kid->wanted = kid->wanted_now = kid->asked_start = false;
    kid->starts++;
}

/* ---- stopping ---- */

void kid_on_stop(struct kid *kid, bool kill)
{
    struct boss *boss = kid->boss;
    struct sim_world *w = kid->all->w;
    bool at_once = kid->shutdown_ms == BELAY_NONE || was_killed(boss);
    uint64_t due = kid->stop_ns + (kid->shutdown_ms > 0 ? SIM_MS(kid->shutdown_ms) : 0);

    sim_note(w, "%s is %s", kid->id, kill ? "killed" : "stopped");
    if (!is_active(kid) || kid->freed || (!kill && kid->stopping))
        sim_fail(w, "%s is stopped: active %d, stopped already %d", kid->id, is_active(kid),
                 kid->stopping);
    if (kill && !at_once && (!kid->stopping || w->now_ns + KID_MOMENT_NS + w->jump_ns < due))
        sim_fail(w, "%s is killed: stopped %d, %.3f s before its time", kid->id, kid->stopping,
                 (double)(due - w->now_ns) / 1e9);
    if (!may_stop(boss) && !kid->asked_stop)
        sim_fail(w, "%s is stopped, and nobody said so", kid->id);
    if (!kill && kid->shutdown_ms == BELAY_NONE && !was_killed(boss))
        sim_fail(w, "%s has no time to stop, and is not killed", kid->id);
    if (kid->state == KID_STARTING)
        tree_did(kid->all, TREE_STOP_STARTING);
    tree_did(kid->all, !kill ? TREE_STOP : kid->stopping ? TREE_KILL : TREE_KILL_AT_ONCE);
    BL_LIST_EACH(node, &boss->kids)
    {
        const struct kid *other = BL_LIST_OF(node, struct kid, link);

        if (other->number > kid->number && is_active(other) && !kid->asked_stop && !kid->stopping &&
            boss->options.strategy != BELAY_DYNAMIC && !was_killed(boss))
            sim_fail(w, "%s is stopped before %s, which was started later", kid->id, other->id);
    }
    if (!kid->stopping)
        kid->stop_ns = w->now_ns;
    kid->stopping = true;
    kid->killed |= kill;
}

/* ---- the end ---- */

void boss_on_exit(struct belay_supervisor *supervisor, struct belay_exit why, void *arg)
{
    struct boss *boss = arg;
    struct tree *all = boss->all;
    bool restarts = why.kind == BELAY_EXIT_ERROR;

    (void)supervisor;
    sim_note(all->w, "supervisor %d has ended: %s %s", boss->n, belay_exit_name(why.kind),
             why.error ? why.error->text : "");
    if (all->in_call)
        sim_fail(all->w, "supervisor %d: on_exit runs inside a call", boss->n);
    if (restarts && (!why.error || why.error->code != BELAY_ERESTARTS))
        sim_fail(all->w, "supervisor %d ends by an error of another kind", boss->n);
    if (restarts != boss->gave_up && !boss->closing && is_root(boss))
        sim_fail(all->w, "supervisor %d ended: too many restarts %d, and should %d", boss->n,
                 restarts, boss->gave_up);
    if (restarts && !(is_root(boss) ? boss->gave_up : boss->had_given_up))
        sim_fail(all->w, "supervisor %d gives up too early", boss->n);
    if (boss->over)
        sim_fail(all->w, "supervisor %d ends twice", boss->n);
    BL_LIST_EACH(node, &boss->kids)
    if (is_active(BL_LIST_OF(node, struct kid, link)))
        sim_fail(all->w, "supervisor %d has ended, and %s runs", boss->n,
                 BL_LIST_OF(node, struct kid, link)->id);
    boss->exits_told++;
    if (is_root(boss)) {
        boss->over = true;
        return;
    }
    if (restarts) /* to its own supervisor it is a child like others */
        kid_on_end(boss->as_kid, BELAY_EXIT_ERROR, true);
}

/* ---- when all is quiet ---- */

static void check_kid(struct kid *kid)
{
    struct boss *boss = kid->boss;
    struct sim_world *w = kid->all->w;

    if (kid->stopping && !kid->killed && kid->shutdown_ms > 0 &&
        w->now_ns > kid->stop_ns + SIM_MS(kid->shutdown_ms) + SLACK_NS + w->jump_ns)
        sim_fail(w, "%s should have been killed", kid->id);
    if (kid->wanted_now && !is_active(kid) && !may_stop(boss))
        sim_fail(w, "%s should have been started again", kid->id);
}

static void check_infos(struct boss *boss)
{
    struct tree *all = boss->all;

    BL_LIST_EACH(node, &boss->kids)
    {
        struct kid *kid = BL_LIST_OF(node, struct kid, link);
        struct belay_child_info info = belay_child_info_init();
        bool found;

        found = belay_supervisor_find_child(boss->supervisor, kid->id, &info);
        if (!found && is_active(kid))
            sim_fail(all->w, "%s runs, and is not found", kid->id);
        if (found &&
            (info.state == BELAY_CHILD_RUNNING) != (kid->state == KID_RUNNING && !kid->stopping))
            sim_fail(all->w, "%s is said to be in state %d, and is in %d", kid->id, (int)info.state,
                     (int)kid->state);
    }
}

/* Who is to be started again is, unless one before it has not started yet. */
static void check_wanted(struct boss *boss)
{
    const struct kid *first = NULL; /* that starts */

    if (boss->grouping || may_stop(boss))
        return;
    BL_LIST_EACH(node, &boss->kids)
    {
        const struct kid *kid = BL_LIST_OF(node, struct kid, link);

        if (kid->state == KID_STARTING && (!first || kid->number < first->number))
            first = kid;
    }
    BL_LIST_EACH(node, &boss->kids)
    {
        const struct kid *kid = BL_LIST_OF(node, struct kid, link);

        if (kid->wanted && !is_active(kid) && (!first || first->number > kid->number))
            sim_fail(boss->all->w, "supervisor %d does not start %s again", boss->n, kid->id);
    }
}

static void after_turn(struct sim_world *w, void *arg)
{
    struct tree *all = arg;

    if (!w->loop || !sim_is_quiet(w))
        return;
    for (int i = 0; i < all->n; i++) {
        struct boss *boss = &all->bosses[i];

        if (boss->over)
            continue;
        BL_LIST_EACH(node, &boss->kids)
        check_kid(BL_LIST_OF(node, struct kid, link));
        check_wanted(boss);
        if (boss->supervisor && !boss->closing)
            check_infos(boss);
    }
}

void tree_attach(struct tree *all)
{
    all->w->after_turn = after_turn;
    all->w->after_turn_arg = all;
}
