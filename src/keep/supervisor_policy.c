/* SPDX-License-Identifier: MIT */
/* Decisions alone; performing is the shell's. */
#include "keep/supervisor_policy.h"

const char *const bl_sp_state_names[] = {
    [BL_SP_STOPPED] = "stopped", [BL_SP_WAITING] = "waiting",   [BL_SP_STARTING] = "starting",
    [BL_SP_RUNNING] = "running", [BL_SP_STOPPING] = "stopping",
};

void bl_sp_init(struct bl_sp *sp, enum belay_strategy strategy, uint32_t intensity, uint64_t *times,
                uint64_t period_ns)
{
    memset(sp, 0, sizeof *sp);
    sp->strategy = strategy;
    sp->intensity = intensity;
    sp->times = times;
    sp->period_ns = period_ns;
    sp->group = BL_SP_NO_GROUP;
    bl_list_init(&sp->children);
    bl_list_init(&sp->waiting);
    bl_list_init(&sp->starting);
    bl_list_init(&sp->todo);
    sp->cursor = &sp->children;
}

static struct bl_sp_child *of_link(struct bl_list *node)
{
    return BL_LIST_OF(node, struct bl_sp_child, link);
}

static struct bl_sp_child *of_place(struct bl_list *node)
{
    return BL_LIST_OF(node, struct bl_sp_child, place);
}

/* ---- what is to be done ---- */

static void decide(struct bl_sp *sp, struct bl_sp_child *c, enum bl_sp_todo todo)
{
    c->todo = (uint8_t)todo;
    bl_list_remove(&c->job);
    bl_list_push_back(&sp->todo, &c->job);
}

static void undecide(struct bl_sp_child *c)
{
    c->todo = BL_SP_NOTHING;
    bl_list_remove(&c->job);
}

struct bl_sp_child *bl_sp_next(struct bl_sp *sp, enum bl_sp_todo *ret_todo)
{
    struct bl_list *node = bl_list_pop_front(&sp->todo);
    struct bl_sp_child *c;

    if (!node)
        return NULL;
    c = BL_LIST_OF(node, struct bl_sp_child, job);
    *ret_todo = (enum bl_sp_todo)c->todo;
    c->todo = BL_SP_NOTHING;
    if (*ret_todo == BL_SP_START && c->cause == BL_SP_AGAIN)
        c->restarts++;
    return c;
}

/* A stopped one. */
static void forget(struct bl_sp *sp, struct bl_sp_child *c)
{
    if (sp->cursor == &c->link)
        sp->cursor = c->link.prev;
    bl_list_remove(&c->link);
    c->forgotten = true;
    sp->children_n--;
    decide(sp, c, BL_SP_FORGET);
}

/* ---- states ---- */

static bool is_active(const struct bl_sp_child *c)
{
    return c->state >= BL_SP_STARTING;
}

static bool in_group(const struct bl_sp *sp, const struct bl_sp_child *c)
{
    return c->number >= sp->group;
}

static bool is_kept(const struct bl_sp *sp, const struct bl_sp_child *c)
{
    return c->restart != BELAY_RESTART_TEMPORARY && sp->strategy != BELAY_DYNAMIC;
}

/* In its place among those that wait: most come last. */
static void wait(struct bl_sp *sp, struct bl_sp_child *c, enum bl_sp_cause cause)
{
    struct bl_list *at = sp->waiting.prev;

    while (at != &sp->waiting && of_place(at)->number > c->number)
        at = at->prev;
    bl_list_insert_after(at, &c->place);
    c->state = BL_SP_WAITING;
    c->cause = (uint8_t)cause;
}

static void start(struct bl_sp *sp, struct bl_sp_child *c)
{
    bl_list_remove(&c->place);
    bl_list_push_back(&sp->starting, &c->place);
    c->state = BL_SP_STARTING;
    sp->active_n++;
    decide(sp, c, BL_SP_START);
}

/* It runs no more, or never did. */
static void leave(struct bl_sp *sp, struct bl_sp_child *c)
{
    if (c->state == BL_SP_RUNNING)
        sp->running_n--;
    if (is_active(c))
        sp->active_n--;
    bl_list_remove(&c->place);
    undecide(c);
    c->state = BL_SP_STOPPED;
    c->kill_at = BELAY_NEVER;
}

/* It was stopped, or ended while its group was being stopped. */
static void rest(struct bl_sp *sp, struct bl_sp_child *c)
{
    bool grouped = in_group(sp, c) && !c->stay && !sp->ending;

    leave(sp, c);
    if (sp->ending)
        return;
    if (grouped && c->cause != BL_SP_AGAIN)
        wait(sp, c, (enum bl_sp_cause)c->cause); /* whoever asked has had no answer yet */
    else if (c->cause == BL_SP_FIRST || !is_kept(sp, c))
        forget(sp, c);
}

static void stop(struct bl_sp *sp, struct bl_sp_child *c, uint64_t now)
{
    bool unstarted = c->todo == BL_SP_START;

    if (c->state == BL_SP_STOPPING)
        return;
    if (unstarted) {
        rest(sp, c);
        return;
    }
    if (c->state == BL_SP_RUNNING)
        sp->running_n--;
    bl_list_remove(&c->place);
    c->state = BL_SP_STOPPING;
    if (c->shutdown_ns && c->shutdown_ns < BELAY_NEVER - now)
        c->kill_at = now + c->shutdown_ns;
    decide(sp, c, c->shutdown_ns ? BL_SP_STOP : BL_SP_KILL);
}

/* ---- going on ---- */

/* The last one that still runs is to stop. False: the group, or all, have stopped. */
static bool stop_one(struct bl_sp *sp, uint64_t now)
{
    while (sp->cursor != &sp->children) {
        struct bl_sp_child *c = of_link(sp->cursor);

        if (!in_group(sp, c))
            return false;
        if (is_active(c)) {
            stop(sp, c, now);
            if (is_active(c))
                return true;
        }
        if (sp->cursor == &c->link) /* else it was forgotten */
            sp->cursor = c->link.prev;
    }
    return false;
}

static void finish(struct bl_sp *sp)
{
    struct bl_list *node;

    sp->ended = true;
    while ((node = bl_list_last(&sp->children)))
        forget(sp, of_link(node));
}

/* The group has stopped, and the cursor is in front of it: it waits to be started again. */
static void regroup(struct bl_sp *sp)
{
    for (struct bl_list *at = sp->cursor->next; at != &sp->children; at = at->next) {
        struct bl_sp_child *c = of_link(at);

        if (c->state == BL_SP_STOPPED && !c->stay)
            wait(sp, c, BL_SP_AGAIN);
        c->stay = false;
    }
    sp->group = BL_SP_NO_GROUP;
}

static bool is_held_up(const struct bl_sp *sp, const struct bl_sp_child *c)
{
    if (in_group(sp, c))
        return true;
    if (sp->strategy == BELAY_DYNAMIC)
        return false;
    BL_LIST_EACH(node, &sp->starting)
    {
        if (of_place(node)->number < c->number)
            return true;
    }
    return false;
}

static void advance(struct bl_sp *sp, uint64_t now)
{
    struct bl_list *node;

    if (sp->ended)
        return;
    if (sp->ending) {
        if (sp->strategy == BELAY_DYNAMIC || sp->exit == BELAY_EXIT_KILLED ? sp->active_n == 0
                                                                           : !stop_one(sp, now))
            finish(sp);
        return;
    }
    if (sp->group != BL_SP_NO_GROUP && !stop_one(sp, now))
        regroup(sp);
    while ((node = bl_list_first(&sp->waiting)) && !is_held_up(sp, of_place(node)))
        start(sp, of_place(node));
}

void bl_sp_add(struct bl_sp *sp, struct bl_sp_child *c, enum belay_restart restart,
               uint64_t shutdown_ns, uint64_t now)
{
    memset(c, 0, sizeof *c);
    bl_list_init(&c->place);
    bl_list_init(&c->job);
    bl_list_init(&c->link);
    bl_list_push_back(&sp->children, &c->link);
    c->number = sp->numbers++;
    c->restart = (uint8_t)restart;
    c->shutdown_ns = shutdown_ns;
    c->kill_at = BELAY_NEVER;
    sp->children_n++;
    wait(sp, c, BL_SP_FIRST);
    advance(sp, now);
}

/* ---- restarts ---- */

/* One more; false: that is too many. One that is as old as the period still counts. */
static bool count_restart(struct bl_sp *sp, uint64_t now)
{
    if (sp->intensity == 0)
        return false;
    if (sp->times_n == sp->intensity && now - sp->times[sp->times_at] <= sp->period_ns)
        return false;
    sp->times[sp->times_at] = now;
    sp->times_at = (sp->times_at + 1) % sp->intensity;
    if (sp->times_n < sp->intensity)
        sp->times_n++;
    sp->restarts++;
    return true;
}

/* What was to be started now is not, yet. */
static void hold_back(struct bl_sp *sp)
{
    BL_LIST_EACH(node, &sp->children)
    {
        struct bl_sp_child *c = of_link(node);

        if (c->todo == BL_SP_START && in_group(sp, c))
            rest(sp, c);
    }
}

/* Who was told to stop before that stays so. */
static void begin_group(struct bl_sp *sp, uint64_t first)
{
    BL_LIST_EACH(node, &sp->children)
    {
        struct bl_sp_child *c = of_link(node);

        if (c->state == BL_SP_STOPPING && c->number >= first && !in_group(sp, c))
            c->stay = true;
    }
    if (first < sp->group)
        sp->group = first;
    hold_back(sp);
    sp->cursor = sp->children.prev;
}

/* A child that has run is started again, unless that is once too often. */
static void again(struct bl_sp *sp, struct bl_sp_child *c, uint64_t now)
{
    if (!count_restart(sp, now)) {
        sp->gave_up = true;
        bl_sp_end(sp, BELAY_EXIT_ERROR, now);
    } else if (sp->strategy == BELAY_ONE_FOR_ALL) {
        begin_group(sp, 0);
    } else if (sp->strategy == BELAY_REST_FOR_ONE) {
        begin_group(sp, c->number);
    } else {
        start(sp, c); /* whatever the others do */
    }
}

/* ---- facts ---- */

void bl_sp_started(struct bl_sp *sp, struct bl_sp_child *c, uint64_t now)
{
    if (c->state != BL_SP_STARTING)
        return; /* it is being stopped */
    bl_list_remove(&c->place);
    c->state = BL_SP_RUNNING;
    c->cause = BL_SP_AGAIN;
    c->failed = false;
    sp->running_n++;
    advance(sp, now);
}

void bl_sp_failed(struct bl_sp *sp, struct bl_sp_child *c, bool ignored, uint64_t now)
{
    enum bl_sp_cause cause = (enum bl_sp_cause)c->cause;

    if (c->state == BL_SP_STOPPING) {
        rest(sp, c);
    } else if (c->state == BL_SP_STARTING) {
        leave(sp, c);
        c->failed = !ignored && cause == BL_SP_AGAIN;
        if (c->failed && !in_group(sp, c)) /* as all are at the end */
            again(sp, c, now);
        else if (!sp->ending && (ignored ? !is_kept(sp, c) : cause == BL_SP_FIRST))
            forget(sp, c);
    }
    advance(sp, now);
}

void bl_sp_ended(struct bl_sp *sp, struct bl_sp_child *c, enum belay_exit_kind kind, uint64_t now)
{
    bool abnormal = kind == BELAY_EXIT_ERROR || kind == BELAY_EXIT_KILLED;

    if (!is_active(c))
        return;
    if (c->state == BL_SP_STOPPING || sp->ending || in_group(sp, c)) {
        rest(sp, c);
    } else {
        leave(sp, c);
        if (c->restart == BELAY_RESTART_PERMANENT ||
            (c->restart == BELAY_RESTART_TRANSIENT && abnormal))
            again(sp, c, now);
        else if (!is_kept(sp, c))
            forget(sp, c);
    }
    advance(sp, now);
}

void bl_sp_expire(struct bl_sp *sp, struct bl_sp_child *c, uint64_t now)
{
    if (c->state != BL_SP_STOPPING || now < c->kill_at)
        return;
    c->kill_at = BELAY_NEVER;
    decide(sp, c, BL_SP_KILL);
}

/* ---- wishes ---- */

void bl_sp_stop(struct bl_sp *sp, struct bl_sp_child *c, uint64_t now)
{
    if (sp->ending || c->forgotten)
        return;
    c->stay = in_group(sp, c);
    if (is_active(c))
        stop(sp, c, now);
    else if (c->state == BL_SP_WAITING)
        rest(sp, c);
    advance(sp, now);
}

bool bl_sp_restart(struct bl_sp *sp, struct bl_sp_child *c, uint64_t now)
{
    if (c->state != BL_SP_STOPPED || sp->ending || c->forgotten)
        return false;
    wait(sp, c, BL_SP_ASKED);
    advance(sp, now);
    return true;
}

bool bl_sp_delete(struct bl_sp *sp, struct bl_sp_child *c)
{
    if (c->state != BL_SP_STOPPED || sp->ending || c->forgotten)
        return false;
    forget(sp, c);
    return true;
}

/* Nothing is started any more. */
static void begin_end(struct bl_sp *sp, enum belay_exit_kind kind)
{
    struct bl_list *node;

    sp->ending = true;
    sp->exit = (uint8_t)kind;
    sp->group = 0;
    sp->cursor = sp->children.prev;
    while ((node = bl_list_first(&sp->waiting)))
        leave(sp, of_place(node));
    hold_back(sp);
}

void bl_sp_end(struct bl_sp *sp, enum belay_exit_kind kind, uint64_t now)
{
    if (sp->ending)
        return;
    begin_end(sp, kind);
    if (sp->strategy == BELAY_DYNAMIC) {
        BL_LIST_EACH(node, &sp->children)
        {
            if (is_active(of_link(node)))
                stop(sp, of_link(node), now);
        }
    }
    advance(sp, now);
}

void bl_sp_kill(struct bl_sp *sp, uint64_t now)
{
    struct bl_list *at;

    if (sp->ended)
        return;
    begin_end(sp, BELAY_EXIT_KILLED);
    for (at = sp->children.prev; at != &sp->children; at = at->prev) {
        struct bl_sp_child *c = of_link(at);

        if (!is_active(c))
            continue;
        stop(sp, c, now);
        if (!is_active(c))
            continue; /* it had not even begun */
        c->kill_at = BELAY_NEVER;
        decide(sp, c, BL_SP_KILL);
    }
    advance(sp, now);
}
