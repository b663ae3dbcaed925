/* SPDX-License-Identifier: MIT */
/* What happens to the channel and its addresses, and what of it is the channel's state. */
#include "grpc/channel_policy.h"

/* Not at once: what fails inside the call would be asked for again for ever. */
static uint64_t backoff_after(struct bl_cp *cp, struct belay_backoff *backoff, uint64_t from)
{
    int64_t ms = belay_backoff_failed(backoff, bl_rand_next(&cp->rand));

    if (ms == BELAY_FOREVER)
        return BELAY_NEVER;
    return bl_cp_later(from, ms > 0 ? (uint64_t)ms * 1000000u : 1000000u);
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
    BL_CP_EACH_SUB(sub, cp)
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
    BL_CP_EACH_SUB(sub, cp)
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
    BL_CP_EACH_SUB(sub, cp)
    {
        if (!sub->failing)
            return false;
    }
    return true;
}

/* One pass is over when each address was tried, and none is under way that was begun in it. */
static void check_pass(struct bl_cp *cp)
{
    BL_CP_EACH_SUB(sub, cp)
    {
        if (!sub->tried || (sub->opening && !sub->failing))
            return;
    }
    cp->passed = !bl_list_empty(&cp->subs);
}

void bl_cp_settle(struct bl_cp *cp)
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

/* That it failed, long ago, is forgotten: it may be tried. */
static void forget_failure(struct bl_cp_sub *sub, uint64_t now)
{
    if (sub->next_at > now || sub->opening || sub->ready > 0)
        return;
    sub->failing = false;
    sub->state = BELAY_CHANNEL_IDLE;
}

static void begin_pass(struct bl_cp *cp, uint64_t now)
{
    cp->passed = false;
    cp->stagger_at = now;
    BL_CP_EACH_SUB(sub, cp)
    {
        sub->tried = false;
        if (cp->limits.lb == BELAY_PICK_FIRST)
            forget_failure(sub, now);
    }
}

/* ---- what happened ---- */

static void begin_idle_limit(struct bl_cp *cp, uint64_t now)
{
    bool idle = cp->active && cp->calls == 0;

    cp->idle_at = idle ? bl_cp_later(now, cp->limits.idle_ns) : BELAY_NEVER;
}

void bl_cp_connect(struct bl_cp *cp, uint64_t now)
{
    if (cp->closing || cp->active)
        return;
    cp->active = true;
    cp->want_resolve |= bl_list_empty(&cp->subs);
    begin_idle_limit(cp, now);
    BL_CP_EACH_SUB(sub, cp)
    {
        sub->final = false;
        forget_failure(sub, now);
    }
    begin_pass(cp, now);
    bl_cp_settle(cp);
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
    cp->resolve_at = bl_cp_later(now, BL_CP_RESOLVE_NS);
    belay_backoff_reset(&cp->resolve_backoff);
    if (changed && !cp->chosen)
        begin_pass(cp, now);
    bl_cp_settle(cp);
}

void bl_cp_unresolved(struct bl_cp *cp, uint64_t now)
{
    cp->resolving = false;
    cp->want_resolve = true;
    cp->resolve_at = backoff_after(cp, &cp->resolve_backoff, now);
    cp->failing |= cp->active && bl_list_empty(&cp->subs);
    bl_cp_settle(cp);
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
    bl_cp_settle(cp);
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
    bl_cp_settle(cp);
}

void bl_cp_lost(struct bl_cp *cp, struct bl_cp_sub *sub, bool goaway, bool useful, uint64_t now)
{
    sub->ready--;
    sub->ending += goaway;
    cp->want_resolve = true;
    if (!useful)
        sub->next_at = bl_cp_later(sub->started_at, (uint64_t)cp->limits.backoff.options.delay_ms *
                                                        UINT64_C(1000000));
    if (sub->next_at <= now)
        sub->next_at = 0;
    if (sub->ready > 0)
        return;
    sub->state = sub->opening ? BELAY_CHANNEL_CONNECTING : BELAY_CHANNEL_IDLE;
    if (cp->chosen == sub) {
        cp->chosen = NULL;
        cp->active = sub->opening;
        begin_pass(cp, now);
        sub->tried = sub->opening;
        begin_idle_limit(cp, now);
    }
    bl_cp_settle(cp);
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
    bl_cp_settle(cp);
}

void bl_cp_full(struct bl_cp *cp, struct bl_cp_sub *sub)
{
    sub->more = bl_cp_may_grow(cp, sub);
}

void bl_cp_enough(struct bl_cp *cp)
{
    BL_CP_EACH_SUB(sub, cp)
    {
        sub->more = false;
    }
}

void bl_cp_reset_backoff(struct bl_cp *cp, uint64_t now)
{
    belay_backoff_reset(&cp->resolve_backoff);
    if (!cp->resolving)
        cp->resolve_at = now;
    BL_CP_EACH_SUB(sub, cp)
    {
        belay_backoff_reset(&sub->backoff);
        sub->next_at = 0;
        sub->final = false;
    }
}

void bl_cp_close(struct bl_cp *cp)
{
    cp->closing = true;
    bl_cp_settle(cp);
}
