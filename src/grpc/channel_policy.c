/* SPDX-License-Identifier: MIT */
/* What the channel's addresses go through, and what of it is the channel's state. */
#include "grpc/channel_policy.h"

#define EACH_SUB(sub, cp)                                                                          \
    for (struct bl_cp_sub *sub = sub_of((cp)->subs.next); &sub->link != &(cp)->subs;               \
         sub = sub_of(sub->link.next))

static struct bl_cp_sub *sub_of(struct bl_list *node)
{
    return BL_LIST_OF(node, struct bl_cp_sub, link);
}

static uint64_t later(uint64_t at, uint64_t span)
{
    return span >= BELAY_NEVER - at ? BELAY_NEVER : at + span;
}

/* Not at once: what fails inside the call would be asked for again for ever. */
static uint64_t backoff_after(struct bl_cp *cp, struct belay_backoff *backoff, uint64_t from)
{
    int64_t ms = belay_backoff_failed(backoff, bl_rand_next(&cp->rand));

    if (ms == BELAY_FOREVER)
        return BELAY_NEVER;
    return later(from, ms > 0 ? (uint64_t)ms * 1000000u : 1000000u);
}

void bl_cp_init(struct bl_cp *cp, const struct bl_cp_limits *limits, uint64_t seed, uint64_t now)
{
    *cp = (struct bl_cp){.limits = *limits,
                         .state = BELAY_CHANNEL_IDLE,
                         .idle_at = BELAY_NEVER,
                         .resolve_at = now,
                         .resolve_backoff = limits->backoff};
    bl_rand_seed(&cp->rand, seed);
    bl_list_init(&cp->subs);
}

void bl_cp_sub_init(struct bl_cp_sub *sub, const struct bl_cp *cp)
{
    *sub = (struct bl_cp_sub){
        .state = BELAY_CHANNEL_IDLE, .limit_at = BELAY_NEVER, .backoff = cp->limits.backoff};
    bl_list_init(&sub->link);
}

/* ---- the channel's state ---- */

bool bl_cp_is_final(const struct bl_cp *cp)
{
    if (bl_list_empty(&cp->subs))
        return false;
    EACH_SUB(sub, cp)
    {
        if (!sub->final)
            return false;
    }
    return true;
}

static bool any_ready(const struct bl_cp *cp)
{
    if (cp->limits.lb == BELAY_PICK_FIRST)
        return cp->chosen && cp->chosen->state == BELAY_CHANNEL_READY;
    EACH_SUB(sub, cp)
    {
        if (sub->state == BELAY_CHANNEL_READY)
            return true;
    }
    return false;
}

static bool all_failing(const struct bl_cp *cp)
{
    if (bl_list_empty(&cp->subs))
        return false;
    if (cp->limits.lb == BELAY_PICK_FIRST)
        return cp->passed || (cp->chosen && cp->chosen->failing);
    EACH_SUB(sub, cp)
    {
        if (!sub->failing)
            return false;
    }
    return true;
}

/* One pass is over when each address was tried, and none is under way that was begun in it. */
static void check_pass(struct bl_cp *cp)
{
    EACH_SUB(sub, cp)
    {
        if (!sub->tried || (sub->opening && !sub->failing))
            return;
    }
    cp->passed = !bl_list_empty(&cp->subs);
}

static void settle(struct bl_cp *cp)
{
    if (cp->limits.lb == BELAY_PICK_FIRST && !cp->passed && !cp->chosen)
        check_pass(cp);
    if (cp->closing) {
        cp->state = BELAY_CHANNEL_SHUTDOWN;
    } else if (!cp->active) {
        cp->state = BELAY_CHANNEL_IDLE;
        cp->failing = false;
    } else if (any_ready(cp)) {
        cp->state = BELAY_CHANNEL_READY;
        cp->failing = false;
    } else {
        cp->failing |= all_failing(cp);
        cp->state = cp->failing ? BELAY_CHANNEL_TRANSIENT_FAILURE : BELAY_CHANNEL_CONNECTING;
    }
}

static void begin_pass(struct bl_cp *cp, uint64_t now)
{
    cp->passed = false;
    cp->stagger_at = now;
    EACH_SUB(sub, cp)
    {
        sub->tried = false;
    }
}

/* ---- what happened ---- */

static void begin_idle_limit(struct bl_cp *cp, uint64_t now)
{
    bool idle = cp->active && cp->calls == 0;

    cp->idle_at = idle ? later(now, cp->limits.idle_ns) : BELAY_NEVER;
}

/* That it failed, long ago, is forgotten. */
static void wake(struct bl_cp_sub *sub, uint64_t now)
{
    sub->final = false;
    if (sub->next_at > now || sub->opening || sub->ready > 0)
        return;
    sub->failing = false;
    sub->state = BELAY_CHANNEL_IDLE;
}

void bl_cp_connect(struct bl_cp *cp, uint64_t now)
{
    if (cp->closing || cp->active)
        return;
    cp->active = true;
    cp->want_resolve |= bl_list_empty(&cp->subs);
    begin_idle_limit(cp, now);
    EACH_SUB(sub, cp)
    {
        wake(sub, now);
    }
    begin_pass(cp, now);
    settle(cp);
}

void bl_cp_call(struct bl_cp *cp)
{
    cp->calls++;
    cp->idle_at = BELAY_NEVER;
}

void bl_cp_call_done(struct bl_cp *cp, uint64_t now)
{
    if (--cp->calls == 0)
        begin_idle_limit(cp, now);
}

void bl_cp_resolved(struct bl_cp *cp, bool changed, uint64_t now)
{
    cp->resolving = false;
    cp->resolve_at = later(now, BL_CP_RESOLVE_NS);
    belay_backoff_reset(&cp->resolve_backoff);
    if (changed && !cp->chosen)
        begin_pass(cp, now);
    settle(cp);
}

void bl_cp_unresolved(struct bl_cp *cp, uint64_t now)
{
    cp->resolving = false;
    cp->want_resolve = true;
    cp->resolve_at = backoff_after(cp, &cp->resolve_backoff, now);
    cp->failing |= cp->active && bl_list_empty(&cp->subs);
    settle(cp);
}

void bl_cp_remove(struct bl_cp *cp, struct bl_cp_sub *sub)
{
    if (cp->chosen == sub)
        cp->chosen = NULL;
    if (cp->last == sub)
        cp->last = NULL;
    bl_list_remove(&sub->link);
}

void bl_cp_opened(struct bl_cp *cp, struct bl_cp_sub *sub)
{
    sub->opening = false;
    sub->limit_at = BELAY_NEVER;
    sub->more = false;
    sub->ready++;
    belay_backoff_reset(&sub->backoff);
    sub->next_at = 0;
    if (sub->state == BELAY_CHANNEL_CONNECTING && !cp->limits.health) {
        sub->state = BELAY_CHANNEL_READY;
        sub->failing = false;
    }
    if (cp->limits.lb == BELAY_PICK_FIRST && !cp->chosen && bl_list_linked(&sub->link))
        cp->chosen = sub;
    settle(cp);
}

void bl_cp_failed(struct bl_cp *cp, struct bl_cp_sub *sub, bool final, uint64_t now)
{
    sub->opening = false;
    sub->limit_at = BELAY_NEVER;
    sub->next_at = final ? BELAY_NEVER : backoff_after(cp, &sub->backoff, sub->started_at);
    sub->final = sub->next_at == BELAY_NEVER;
    cp->want_resolve |= !sub->final;
    cp->stagger_at = now; /* its successor need not wait */
    if (sub->ready == 0) {
        sub->state = BELAY_CHANNEL_TRANSIENT_FAILURE;
        sub->failing = true;
    }
    settle(cp);
}

void bl_cp_lost(struct bl_cp *cp, struct bl_cp_sub *sub, bool goaway, bool useful, uint64_t now)
{
    sub->ready--;
    sub->ending += goaway;
    cp->want_resolve = true;
    if (sub->ready > 0)
        return;
    if (!useful)
        sub->next_at = later(sub->started_at,
                             (uint64_t)cp->limits.backoff.options.delay_ms * UINT64_C(1000000));
    if (sub->next_at <= now)
        sub->next_at = 0;
    sub->state = sub->opening ? BELAY_CHANNEL_CONNECTING : BELAY_CHANNEL_IDLE;
    if (cp->chosen == sub) {
        cp->chosen = NULL;
        cp->active = sub->opening;
        begin_pass(cp, now);
        sub->tried = sub->opening;
        begin_idle_limit(cp, now);
    }
    settle(cp);
}

void bl_cp_ended(struct bl_cp_sub *sub)
{
    sub->ending--;
}

void bl_cp_health(struct bl_cp *cp, struct bl_cp_sub *sub, enum belay_channel_state said)
{
    if (sub->ready == 0)
        return;
    sub->state = said;
    if (said != BELAY_CHANNEL_CONNECTING)
        sub->failing = said == BELAY_CHANNEL_TRANSIENT_FAILURE;
    settle(cp);
}

static bool may_grow(const struct bl_cp *cp, const struct bl_cp_sub *sub)
{
    return sub->ready + sub->ending < cp->limits.connections_max;
}

void bl_cp_full(struct bl_cp *cp, struct bl_cp_sub *sub)
{
    sub->more = may_grow(cp, sub);
}

void bl_cp_enough(struct bl_cp *cp)
{
    EACH_SUB(sub, cp)
    {
        sub->more = false;
    }
}

void bl_cp_reset_backoff(struct bl_cp *cp, uint64_t now)
{
    belay_backoff_reset(&cp->resolve_backoff);
    if (!cp->resolving)
        cp->resolve_at = now;
    EACH_SUB(sub, cp)
    {
        belay_backoff_reset(&sub->backoff);
        sub->next_at = 0;
        sub->final = false;
    }
}

void bl_cp_close(struct bl_cp *cp)
{
    cp->closing = true;
    settle(cp);
}

/* ---- what is to be done ---- */

static enum bl_cp_todo start(struct bl_cp *cp, struct bl_cp_sub *sub, uint64_t now)
{
    sub->opening = true;
    sub->tried = true;
    sub->started_at = now;
    sub->limit_at = later(now, cp->limits.attempt_ns);
    if (sub->ready == 0)
        sub->state = BELAY_CHANNEL_CONNECTING;
    settle(cp);
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
    EACH_SUB(sub, cp)
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
            cp->stagger_at = later(now, BL_CP_STAGGER_NS);
            return sub;
        }
        settle(cp);
    }
    if (cp->passed) {
        EACH_SUB(sub, cp)
        {
            if (!sub->opening && sub->next_at <= now)
                return sub;
        }
    }
    return NULL;
}

static struct bl_cp_sub *each_dial(struct bl_cp *cp, uint64_t now)
{
    EACH_SUB(sub, cp)
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

    EACH_SUB(sub, cp)
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

    EACH_SUB(sub, cp)
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
    settle(cp);
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
    EACH_SUB(sub, cp)
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
    EACH_SUB(sub, cp)
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
    return sub_of(next);
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
            (!*ret_full || (!may_grow(cp, *ret_full) && may_grow(cp, sub))))
            *ret_full = sub;
        sub = after(cp, sub);
    } while (sub != first);
    return NULL;
}
