/* SPDX-License-Identifier: MIT */
/*
 * Lending: who gets which connection, and when one is no longer worth keeping.
 *
 * What holds between calls: `ready` has exactly the open connections with room for one more lease
 * and no reason to end; whoever is on
 * `closes` is CLOSING and in no other list.
 */
#include "keep/pool_policy.h"

void bl_pp_init(struct bl_pp *pp, const struct bl_pp_limits *limits)
{
    memset(pp, 0, sizeof *pp);
    pp->limits = *limits;
    if (pp->limits.idle_ns == 0) /* until the end of the turn: one that has come up may serve */
        pp->limits.idle_ns = 1;
    if (pp->limits.idle_ns > BL_PP_AGES)
        pp->limits.idle_ns = BL_PP_AGES;
    if (pp->limits.lifetime_ns > BL_PP_AGES)
        pp->limits.lifetime_ns = BL_PP_AGES;
    bl_list_init(&pp->closes);
    bl_list_init(&pp->checks);
    bl_list_init(&pp->failed);
    bl_list_init(&pp->peers);
    bl_list_init(&pp->eager);
}

void bl_pp_peer_init(struct bl_pp_peer *peer, struct bl_pp *pp, const struct belay_backoff *backoff)
{
    memset(peer, 0, sizeof *peer);
    peer->pool = pp;
    peer->expected = pp->limits.expected;
    peer->backoff = *backoff;
    bl_list_init(&peer->ready);
    bl_list_init(&peer->waiters);
    bl_list_init(&peer->eager);
    bl_list_push_back(&pp->peers, &peer->link);
}

/* ---- the lists a connection is in ---- */

static bool has_room(const struct bl_pp_conn *c)
{
    return c->state == BL_PP_OPEN && !c->reason && !c->suspect && c->leases < c->capacity;
}

/* Whether the inline paths may have it: its first use is counted, its last is still to come. One
 * whose capacity has shrunk may still be shared. */
static bool is_simple(const struct bl_pp_conn *c)
{
    return c->state == BL_PP_OPEN && !c->reason && !c->suspect && c->capacity == 1 &&
           c->leases <= 1 && c->uses > 0 && c->peer->pool->limits.uses == INT32_MAX;
}

/* Puts it where it belongs now. The one used last is lent first. */
static void settle(struct bl_pp_conn *c)
{
    bool room = has_room(c);

    c->simple = is_simple(c);
    if (room && !bl_list_linked(&c->ready))
        bl_list_push_front(&c->peer->ready, &c->ready);
    else if (!room)
        bl_list_remove(&c->ready);
}

/* It has no lease now: counts as idle, from this moment, and goes to the front of `ready`. */
static void become_idle(struct bl_pp_conn *c, uint64_t now)
{
    uint64_t idle_end = now + c->peer->pool->limits.idle_ns;

    bl_list_remove(&c->ready);
    c->idle_since = now;
    c->due_at = c->expires_at < idle_end ? c->expires_at : idle_end;
    c->peer->idle++;
}

void bl_pp_close(struct bl_pp_conn *c, enum belay_reason reason, bool gently)
{
    if (c->state == BL_PP_CLOSING)
        return;
    if (!c->reason)
        c->reason = (uint8_t)reason;
    if (gently && c->leases > 0) {
        settle(c);
        return;
    }
    if (c->state == BL_PP_DIALING)
        c->peer->dialing--;
    if (bl_pp_is_idle(c))
        c->peer->idle--;
    if (c->state == BL_PP_CHECKING)
        c->peer->checking--;
    if (c->leases > 1)
        c->peer->shared -= c->leases - 1;
    c->leases = 0; /* what was out is revoked */
    c->state = BL_PP_CLOSING;
    c->simple = false;
    bl_list_remove(&c->ready);
    bl_list_remove(&c->todo);
    bl_list_push_back(&c->peer->pool->closes, &c->todo);
    c->peer->closing++;
    c->peer->pool->closing++;
}

/* ---- expiry ---- */

uint64_t bl_pp_due(const struct bl_pp_conn *c)
{
    return bl_pp_is_idle(c) && c->due_at < BL_PP_AGES ? c->due_at : BELAY_NEVER;
}

/* Why it must not be lent any more. One with other leases on it is only too old, never too long
 * idle. */
static enum belay_reason expired(const struct bl_pp_conn *c, uint64_t now)
{
    if (BL_LIKELY(now < c->due_at))
        return BELAY_REASON_NONE;
    if (now >= c->expires_at)
        return BELAY_REASON_LIFETIME;
    return c->leases == 0 ? BELAY_REASON_IDLE : BELAY_REASON_NONE;
}

void bl_pp_expire(struct bl_pp_conn *c, uint64_t now)
{
    if (bl_pp_is_idle(c) && now >= c->due_at)
        bl_pp_close(c, expired(c, now), false);
}

/* ---- lending ---- */

static void lend(struct bl_pp_conn *c)
{
    struct bl_pp_peer *peer = c->peer;

    peer->stats.acquired++;
    if (c->leases == 0)
        peer->idle--;
    else
        peer->shared++;
    if (c->uses == 0)
        peer->first_uses++;
    c->leases++;
    if (c->uses < INT32_MAX)
        c->uses++;
    if (c->uses >= peer->pool->limits.uses && peer->pool->limits.uses != INT32_MAX)
        c->reason = BELAY_REASON_USES; /* this use is its last */
    settle(c);
}

/* The first ready connection that has not expired; with `fresh`, one that was never used. */
static struct bl_pp_conn *first_ready(struct bl_pp_peer *peer, bool fresh, uint64_t now)
{
    BL_LIST_EACH(node, &peer->ready)
    {
        struct bl_pp_conn *c = BL_LIST_OF(node, struct bl_pp_conn, ready);
        enum belay_reason reason = expired(c, now);

        if (BL_UNLIKELY(reason != BELAY_REASON_NONE))
            bl_pp_close(c, reason, true);
        else if (BL_LIKELY(!fresh || c->uses == 0))
            return c;
    }
    return NULL;
}

struct bl_pp_conn *bl_pp_try(struct bl_pp_peer *peer, uint64_t now)
{
    struct bl_pp_conn *c;

    if (!bl_list_empty(&peer->waiters) || peer->pool->closed)
        return NULL;
    c = first_ready(peer, false, now);
    if (c)
        lend(c);
    return c;
}

static void begin_check(struct bl_pp_conn *c)
{
    c->peer->idle--;
    c->peer->checking++;
    c->state = BL_PP_CHECKING;
    bl_list_push_back(&c->peer->pool->checks, &c->todo);
}

void bl_pp_release(struct bl_pp_conn *c, bool broken, uint64_t now)
{
    if (c->state != BL_PP_OPEN)
        return;
    if (c->leases > 1)
        c->peer->shared--;
    c->leases--;
    if (broken && !c->reason)
        c->reason = BELAY_REASON_BROKEN;
    if (c->leases == 0 && !c->reason && now >= c->expires_at)
        c->reason = BELAY_REASON_LIFETIME;
    if (c->leases == 0) {
        become_idle(c, now);
        if (c->reason)
            bl_pp_close(c, (enum belay_reason)c->reason, false);
        else if (c->suspect)
            begin_check(c);
    }
    settle(c);
}

/* ---- waiting ---- */

int bl_pp_wait(struct bl_pp_peer *peer, struct bl_pp_waiter *w, bool fresh, uint64_t now)
{
    if (peer->pool->closed)
        return BELAY_ECLOSED;
    if (peer->waiting >= peer->pool->limits.waiters)
        return BELAY_EFULL;
    w->peer = peer;
    w->arrival = peer->pool->arrivals++;
    w->since_ns = now;
    w->round = peer->round;
    w->code = 0;
    w->fresh = fresh;
    bl_list_push_back(&peer->waiters, &w->link);
    peer->waiting++;
    return 0;
}

/* A queue that has emptied has no outage behind it: the next to come starts anew. */
static void leave(struct bl_pp_waiter *w)
{
    struct bl_pp_peer *peer = w->peer;

    bl_list_remove(&w->link);
    if (--peer->waiting > 0)
        return;
    bl_list_remove(&peer->eager);
    belay_backoff_reset(&peer->backoff);
    peer->retry_at = 0;
}

void bl_pp_forget(struct bl_pp_waiter *w)
{
    if (w->code)
        bl_list_remove(&w->link); /* on `failed`: it has left the queue before */
    else
        leave(w);
}

struct bl_pp_waiter *bl_pp_serve(struct bl_pp_peer *peer, struct bl_pp_conn **ret, uint64_t now)
{
    if (bl_list_empty(&peer->ready) || peer->pool->closed)
        return NULL;
    BL_LIST_EACH(node, &peer->waiters)
    {
        struct bl_pp_waiter *w = BL_LIST_OF(node, struct bl_pp_waiter, link);
        struct bl_pp_conn *c = first_ready(peer, w->fresh, now);

        if (c) {
            lend(c);
            leave(w);
            peer->stats.waited_ns += now - w->since_ns;
            *ret = c;
            return w;
        }
        if (!w->fresh)
            break; /* nothing is ready for anybody */
    }
    return NULL;
}

static void fail(struct bl_pp_waiter *w, int code)
{
    leave(w);
    w->code = code;
    bl_list_push_back(&w->peer->pool->failed, &w->link);
}

void bl_pp_fail_all(struct bl_pp_peer *peer, int code)
{
    BL_LIST_EACH(node, &peer->waiters)
    fail(BL_LIST_OF(node, struct bl_pp_waiter, link), code);
}

void bl_pp_fail_oldest(struct bl_pp_peer *peer, int code)
{
    struct bl_list *oldest = bl_list_first(&peer->waiters);

    if (oldest)
        fail(BL_LIST_OF(oldest, struct bl_pp_waiter, link), code);
}

/* ---- facts ---- */

void bl_pp_opened(struct bl_pp_conn *c, const struct bl_conn_facts *facts, uint64_t now)
{
    struct bl_pp_peer *peer = c->peer;

    peer->dialing--;
    peer->expected = facts->capacity > 0 ? facts->capacity : 1;
    belay_backoff_reset(&peer->backoff);
    peer->retry_at = 0;
    peer->stats.opened++;
    c->state = BL_PP_OPEN;
    c->capacity = facts->capacity;
    c->expires_at = now + peer->pool->limits.lifetime_ns;
    become_idle(c, now);
    settle(c);
}

/* A peer that closes a connection while it is in use has broken off an answer. */
static enum belay_reason lost_as(const struct bl_pp_conn *c, const struct bl_conn_facts *facts)
{
    if (facts->lost_reason == BELAY_REASON_PEER_CLOSED && c->leases > 0)
        return BELAY_REASON_ERROR;
    return (enum belay_reason)facts->lost_reason;
}

void bl_pp_changed(struct bl_pp_conn *c, const struct bl_conn_facts *facts, bool can_check)
{
    if (c->state != BL_PP_OPEN && c->state != BL_PP_CHECKING)
        return;
    c->capacity = facts->capacity;
    if (facts->lost) {
        bl_pp_close(c, lost_as(c, facts), true);
    } else if (facts->draining) {
        bl_pp_close(c, BELAY_REASON_DRAINING, true);
    } else if (facts->suspect && !can_check) {
        bl_pp_close(c, BELAY_REASON_UNHEALTHY, true);
    } else if (facts->suspect && !c->suspect) {
        c->suspect = true;
        if (bl_pp_is_idle(c))
            begin_check(c);
    }
    settle(c);
}

void bl_pp_checked(struct bl_pp_conn *c, int result)
{
    if (c->state != BL_PP_CHECKING)
        return;
    if (result != 0) {
        bl_pp_close(c, BELAY_REASON_UNHEALTHY, false);
        return;
    }
    c->peer->checking--;
    c->state = BL_PP_OPEN;
    c->suspect = false;
    become_idle(c, c->idle_since); /* a check is no use: its idle time goes on */
    settle(c);
}

void bl_pp_check_peer(const struct bl_pp_peer *peer)
{
    const struct bl_pp *pp = peer->pool;

    BL_ASSERT(peer->connections >= peer->dialing + peer->idle + peer->checking + peer->closing);
    BL_ASSERT(peer->dialing >= 0 && peer->idle >= 0 && peer->checking >= 0 && peer->closing >= 0 &&
              peer->waiting >= 0 && peer->shared >= 0);
    BL_ASSERT(peer->connections <= pp->limits.per_endpoint);
    BL_ASSERT(pp->connections <= pp->limits.total);
    BL_ASSERT((peer->waiting == 0) == bl_list_empty(&peer->waiters));
    BL_LIST_EACH(node, &peer->ready)
    BL_ASSERT(has_room(BL_LIST_OF(node, struct bl_pp_conn, ready)));
}
