/* SPDX-License-Identifier: MIT */
/* What the channel is to do next, when it is to be asked again, and where a call goes. */
#include "grpc/channel_policy.h"

/* ---- what is to be done ---- */

static enum bl_cp_todo start(struct bl_cp *cp, struct bl_cp_sub *sub, uint64_t now)
{
    sub->opening = true;
    sub->tried = true;
    sub->started_at = now;
    sub->limit_at = bl_cp_later(now, cp->limits.attempt_ns);
    if (sub->ready == 0)
        sub->state = BELAY_CHANNEL_CONNECTING;
    bl_cp_settle(cp);
    return BL_CP_DIAL;
}

static void stop(struct bl_cp_sub *sub)
{
    sub->opening = false;
    sub->limit_at = BELAY_NEVER;
    if (sub->ready == 0)
        sub->state = BELAY_CHANNEL_IDLE;
}

static bool wants_more(const struct bl_cp_sub *sub)
{
    return sub->more && sub->ready > 0 && !sub->opening;
}

/* The first that was not tried in this pass. One that failed and must wait is passed over; one that
 * was lost too soon is waited for. */
static struct bl_cp_sub *next_of_pass(struct bl_cp *cp, uint64_t now)
{
    BL_CP_EACH_SUB(sub, cp)
    {
        bool waits = sub->next_at > now;

        if (sub->tried)
            continue;
        if (!waits && !sub->opening)
            return sub;
        sub->tried = sub->opening || sub->failing;
    }
    return NULL;
}

static struct bl_cp_sub *first_dial(struct bl_cp *cp, uint64_t now)
{
    if (cp->chosen)
        return wants_more(cp->chosen) && cp->chosen->next_at <= now ? cp->chosen : NULL;
    if (!cp->passed && now >= cp->stagger_at) {
        struct bl_cp_sub *sub = next_of_pass(cp, now);

        if (sub) {
            cp->stagger_at = bl_cp_later(now, BL_CP_STAGGER_NS);
            return sub;
        }
        bl_cp_settle(cp);
    }
    if (cp->passed) {
        BL_CP_EACH_SUB(sub, cp)
        {
            if (!sub->opening && sub->next_at <= now)
                return sub;
        }
    }
    return NULL;
}

static struct bl_cp_sub *each_dial(struct bl_cp *cp, uint64_t now)
{
    BL_CP_EACH_SUB(sub, cp)
    {
        if (!sub->opening && sub->next_at <= now && (sub->ready == 0 || sub->more))
            return sub;
    }
    return NULL;
}

/* What is not wanted any more: attempts beside the chosen one, and all when it sleeps. */
static struct bl_cp_sub *surplus(struct bl_cp *cp)
{
    bool alone = cp->limits.lb == BELAY_PICK_FIRST && cp->chosen;

    BL_CP_EACH_SUB(sub, cp)
    {
        if (sub->opening && (!cp->active || (alone && sub != cp->chosen)))
            return sub;
    }
    return NULL;
}

/* A connection of another address than the chosen one: two had answered at the same time. */
static struct bl_cp_sub *unused(struct bl_cp *cp)
{
    bool alone = cp->limits.lb == BELAY_PICK_FIRST && cp->chosen;

    BL_CP_EACH_SUB(sub, cp)
    {
        if (sub->ready > 0 && (!cp->active || (alone && sub != cp->chosen)))
            return sub;
    }
    return NULL;
}

static void sleep_if_due(struct bl_cp *cp, uint64_t now)
{
    if (!cp->active || cp->calls > 0 || now < cp->idle_at)
        return;
    cp->active = false;
    cp->chosen = NULL;
    cp->idle_at = BELAY_NEVER;
    cp->want_resolve = true; /* addresses age: when it wakes they are asked for again */
    bl_cp_settle(cp);
}

static enum bl_cp_todo tidy(struct bl_cp *cp, uint64_t now, struct bl_cp_sub **ret_sub)
{
    if ((*ret_sub = surplus(cp))) {
        stop(*ret_sub);
        return BL_CP_CANCEL;
    }
    if ((*ret_sub = unused(cp))) {
        (*ret_sub)->ready = 0;
        (*ret_sub)->state = BELAY_CHANNEL_IDLE;
        return BL_CP_RELEASE;
    }
    BL_CP_EACH_SUB(sub, cp)
    {
        if (sub->opening && now >= sub->limit_at) {
            *ret_sub = sub;
            sub->limit_at = BELAY_NEVER;
            return BL_CP_GIVE_UP;
        }
    }
    return BL_CP_NONE;
}

enum bl_cp_todo bl_cp_next(struct bl_cp *cp, uint64_t now, struct bl_cp_sub **ret_sub)
{
    enum bl_cp_todo todo;

    *ret_sub = NULL;
    if (cp->closing)
        return BL_CP_NONE;
    sleep_if_due(cp, now);
    todo = tidy(cp, now, ret_sub);
    if (todo != BL_CP_NONE || !cp->active)
        return todo;
    if (cp->want_resolve && !cp->resolving && now >= cp->resolve_at) {
        cp->resolving = true;
        cp->want_resolve = false;
        return BL_CP_RESOLVE;
    }
    *ret_sub = cp->limits.lb == BELAY_PICK_FIRST ? first_dial(cp, now) : each_dial(cp, now);
    return *ret_sub ? start(cp, *ret_sub, now) : BL_CP_NONE;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t sub_wakes(const struct bl_cp *cp, const struct bl_cp_sub *sub)
{
    if (sub->opening)
        return sub->limit_at;
    if (sub->ready > 0)
        return sub->more ? sub->next_at : BELAY_NEVER;
    if (cp->limits.lb == BELAY_ROUND_ROBIN)
        return sub->next_at;
    if (cp->chosen)
        return BELAY_NEVER;
    if (cp->passed)
        return sub->next_at;
    if (sub->tried)
        return BELAY_NEVER;
    return sub->next_at > cp->stagger_at ? sub->next_at : cp->stagger_at;
}

uint64_t bl_cp_wakes(const struct bl_cp *cp)
{
    uint64_t at = BELAY_NEVER;

    if (cp->closing || !cp->active)
        return at;
    if (cp->calls == 0)
        at = least(at, cp->idle_at);
    if (cp->want_resolve && !cp->resolving)
        at = least(at, cp->resolve_at);
    BL_CP_EACH_SUB(sub, cp)
    {
        at = least(at, sub_wakes(cp, sub));
    }
    return at;
}

/* ---- where a call goes ---- */

static struct bl_cp_sub *after(struct bl_cp *cp, struct bl_cp_sub *sub)
{
    struct bl_list *next = sub ? sub->link.next : cp->subs.next;

    if (next == &cp->subs)
        next = next->next;
    return bl_cp_sub_of(next);
}

struct bl_cp_sub *bl_cp_pick(struct bl_cp *cp, bool (*has_room)(const struct bl_cp_sub *sub),
                             struct bl_cp_sub **ret_full)
{
    struct bl_cp_sub *sub, *first;

    *ret_full = NULL;
    if (cp->limits.lb == BELAY_PICK_FIRST) {
        sub = cp->chosen && cp->chosen->state == BELAY_CHANNEL_READY ? cp->chosen : NULL;
        if (!sub || has_room(sub))
            return sub;
        *ret_full = sub;
        return NULL;
    }
    if (bl_list_empty(&cp->subs))
        return NULL;
    first = sub = after(cp, cp->last);
    do {
        if (sub->state == BELAY_CHANNEL_READY && has_room(sub)) {
            cp->last = sub;
            return sub;
        }
        if (sub->state == BELAY_CHANNEL_READY &&
            (!*ret_full || (!bl_cp_may_grow(cp, *ret_full) && bl_cp_may_grow(cp, sub))))
            *ret_full = sub;
        sub = after(cp, sub);
    } while (sub != first);
    return NULL;
}
