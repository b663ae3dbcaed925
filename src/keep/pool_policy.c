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
    bl_list_init(&pp->closes);
    bl_list_init(&pp->checks);
    bl_list_init(&pp->failed);
    bl_list_init(&pp->peers);
    pp->arrivals = pp->returns = BL_PP_ARRIVALS;
    bl_rand_seed(&pp->rand, 1);
    bl_pp_set_limits(pp, limits);
}

void bl_pp_fini(struct bl_pp *pp, struct bl_mem *mem)
{
    bl_heap_free(&pp->eager, mem);
    bl_heap_free(&pp->oldest, mem);
}

int bl_pp_peer_reserve(struct bl_pp *pp, struct bl_mem *mem)
{
    if (bl_heap_reserve(&pp->eager, mem) < 0)
        return BELAY_ENOMEM;
    if (bl_heap_reserve(&pp->oldest, mem) == 0)
        return 0;
    bl_heap_unreserve(&pp->eager);
    return BELAY_ENOMEM;
}

void bl_pp_peer_init(struct bl_pp_peer *peer, struct bl_pp *pp, const struct belay_backoff *backoff)
{
    memset(peer, 0, sizeof *peer);
    peer->pool = pp;
    peer->expected = pp->limits.expected;
    peer->backoff = peer->fill = *backoff;
    bl_list_init(&peer->conns);
    bl_list_init(&peer->ready);
    bl_list_init(&peer->barren);
    for (size_t i = 0; i < BL_PP_QUEUES; i++)
        bl_list_init(&peer->queues[i]);
    bl_heap_entry_init(&peer->eager);
    bl_heap_entry_init(&peer->oldest);
    bl_list_push_back(&pp->peers, &peer->link);
}

/* ---- the lists a connection is in ---- */

static bool has_room(const struct bl_pp_conn *c)
{
    return c->state == BL_PP_OPEN && !c->reason && !c->suspect && c->leases < c->capacity;
}

/* Idle, and nobody may use it: all that can be done with it is to end it. */
static bool is_barren(const struct bl_pp_conn *c)
{
    return bl_pp_is_idle(c) && !c->reason && !c->suspect && c->capacity == 0;
}

/* Whether the inline paths may have it: its first use is counted, its last is still to come. One
 * whose capacity has shrunk may still be shared. */
static bool is_simple(const struct bl_pp_conn *c)
{
    return c->peer->pool->plain && c->state == BL_PP_OPEN && !c->reason && !c->suspect &&
           c->capacity == 1 && c->leases <= 1 && c->uses > 0 && !bl_pp_over(c->peer);
}

/* Behind all that were lent less often. They are nearly alike, so it has not far to go. */
static void insert_by_use(struct bl_pp_conn *c)
{
    struct bl_list *at = c->peer->ready.prev;

    while (at != &c->peer->ready && BL_LIST_OF(at, struct bl_pp_conn, ready)->uses > c->uses)
        at = at->prev;
    bl_list_insert_after(at, &c->ready);
}

/* Whether the one there has been idle for less time. What comes back from a lease finds none. */
static bool is_later(const struct bl_list *at, const struct bl_pp_conn *c)
{
    const struct bl_pp_conn *other = BL_LIST_OF(at, struct bl_pp_conn, ready);

    return at != &c->peer->ready && other->leases == 0 && other->idle_since > c->idle_since;
}

static void insert_lifo(struct bl_pp_conn *c)
{
    struct bl_list *at = &c->peer->ready;

    while (c->leases == 0 && is_later(at->next, c))
        at = at->next;
    bl_list_insert_after(at, &c->ready);
}

static void insert_fifo(struct bl_pp_conn *c)
{
    struct bl_list *at = c->peer->ready.prev;

    while (c->leases == 0 && is_later(at, c))
        at = at->prev;
    bl_list_insert_after(at, &c->ready);
}

static void insert_ready(struct bl_pp_conn *c)
{
    uint8_t order = c->peer->pool->limits.order;

    if (order == BELAY_REUSE_LIFO)
        insert_lifo(c);
    else if (order == BELAY_REUSE_FIFO)
        insert_fifo(c);
    else
        insert_by_use(c);
}

/* What is being checked or closed is in the list of that. */
void bl_pp_settle(struct bl_pp_conn *c)
{
    bool room = has_room(c);

    c->simple = is_simple(c);
    if (c->abroad && !c->simple)
        c->peer->pool->recall = true;
    if (c->state != BL_PP_OPEN)
        return;
    if (c->barren != is_barren(c) || (!room && !c->barren))
        bl_list_remove(&c->ready);
    c->barren = is_barren(c);
    if ((!room && !c->barren) || bl_list_linked(&c->ready))
        return;
    if (c->barren)
        bl_list_push_back(&c->peer->barren, &c->ready);
    else
        insert_ready(c);
    if (c->leases == 0)
        bl_pp_idled(c->peer, c->idle_since);
}

/* It has no lease now: counts as idle, from that moment. */
static void become_idle(struct bl_pp_conn *c, uint64_t since)
{
    uint64_t idle_end = since + c->peer->pool->limits.idle_ns;

    bl_list_remove(&c->ready);
    c->idle_since = since;
    c->due_at = c->expires_at < idle_end ? c->expires_at : idle_end;
    bl_pp_count_idle(c->peer, 1);
}

static void leave_state(struct bl_pp_conn *c)
{
    struct bl_pp_peer *peer = c->peer;

    if (c->state == BL_PP_DIALING) {
        peer->dialing--;
        peer->pool->dialing--;
        peer->filling -= c->filling;
        peer->pool->filling -= c->filling;
    }
    if (bl_pp_is_idle(c))
        bl_pp_count_idle(c->peer, -1);
    if (c->state == BL_PP_CHECKING)
        peer->checking--;
    if (c->leases > 1)
        peer->shared -= c->leases - 1;
    bl_list_remove(&c->ready);
}

void bl_pp_close(struct bl_pp_conn *c, enum belay_reason reason, bool gently)
{
    if (c->state == BL_PP_CLOSING)
        return;
    if (!c->reason)
        c->reason = (uint8_t)reason;
    if ((gently || c->abroad) && c->leases > 0) {
        bl_pp_settle(c);
        return;
    }
    leave_state(c);
    c->leases = 0; /* what was out is revoked */
    c->state = BL_PP_CLOSING;
    c->simple = false;
    bl_list_push_back(&c->peer->pool->closes, &c->todo);
    c->peer->closing++;
    c->peer->pool->closing++;
}

/* ---- expiry ---- */

uint64_t bl_pp_due(const struct bl_pp_conn *c)
{
    uint64_t due, check;

    if (!bl_pp_is_idle(c))
        return BELAY_NEVER;
    due = c->due_at < BL_PP_AGES ? c->due_at : BELAY_NEVER;
    check = bl_pp_check_due(c);
    return due < check ? due : check;
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

/* min_idle keeps it: it is another spell of idleness, begun with a check where there is one. */
static void renew(struct bl_pp_conn *c, uint64_t now)
{
    bl_pp_count_idle(c->peer, -1);
    become_idle(c, now);
    if (c->checkable)
        bl_pp_begin_check(c, true);
    bl_pp_settle(c);
}

void bl_pp_expire(struct bl_pp_conn *c, uint64_t now)
{
    struct bl_pp_peer *peer = c->peer;
    enum belay_reason reason;

    if (!bl_pp_is_idle(c))
        return;
    reason = expired(c, now);
    if (reason == BELAY_REASON_IDLE && peer->held && peer->idle <= peer->pool->limits.min_idle)
        renew(c, now);
    else if (reason != BELAY_REASON_NONE)
        bl_pp_close(c, reason, false);
    else if (now >= bl_pp_check_due(c))
        bl_pp_begin_check(c, true);
}

/* ---- lending ---- */

void bl_pp_lend(struct bl_pp_conn *c)
{
    struct bl_pp_peer *peer = c->peer;

    peer->stats.acquired++;
    if (c->leases == 0)
        bl_pp_count_idle(c->peer, -1);
    else
        peer->shared++;
    if (c->uses == 0)
        peer->first_uses++;
    c->leases++;
    if (c->uses < INT32_MAX)
        c->uses++;
    if (c->uses >= peer->pool->limits.uses && peer->pool->limits.uses != INT32_MAX)
        c->reason = BELAY_REASON_USES; /* this use is its last */
    bl_pp_settle(c);
}

/* How many of those ready are looked at. */
#define CHOICES_MAX 32

static bool is_choice(const struct bl_pp_conn *c, bool fresh, uint64_t now)
{
    return c->capacity > 1 && !(fresh && c->uses > 0) && expired(c, now) == BELAY_REASON_NONE &&
           !bl_pp_in_doubt(c, now);
}

static bool is_lighter(const struct bl_pp_conn *c, const struct bl_pp_conn *than)
{
    return (int64_t)c->leases * than->capacity < (int64_t)than->leases * c->capacity;
}

/* Of those that are shared, the less loaded of two drawn at random: none is filled while another is
 * empty, and nobody counts them all. `c` is one of them. */
static struct bl_pp_conn *less_loaded(struct bl_pp_conn *c, bool fresh, uint64_t now)
{
    struct bl_pp_peer *peer = c->peer;
    struct bl_pp_conn *drawn[2] = {c, NULL};
    unsigned n = 1;

    for (struct bl_list *node = c->ready.next; node != &peer->ready && n < CHOICES_MAX;
         node = node->next) {
        struct bl_pp_conn *other = BL_LIST_OF(node, struct bl_pp_conn, ready);
        uint64_t place;

        if (!is_choice(other, fresh, now))
            continue;
        place = n < 2 ? n : bl_rand_below(&peer->pool->rand, n + 1);
        if (place < 2)
            drawn[place] = other;
        n++;
    }
    return drawn[1] && is_lighter(drawn[1], drawn[0]) ? drawn[1] : drawn[0];
}

struct bl_pp_conn *bl_pp_pick(struct bl_pp_peer *peer, bool fresh, uint64_t now)
{
    BL_LIST_EACH(node, &peer->ready)
    {
        struct bl_pp_conn *c = BL_LIST_OF(node, struct bl_pp_conn, ready);
        enum belay_reason reason = expired(c, now);

        if (BL_UNLIKELY(reason != BELAY_REASON_NONE))
            bl_pp_close(c, reason, true);
        else if (fresh && c->uses > 0)
            continue;
        else if (BL_LIKELY(!bl_pp_in_doubt(c, now)))
            return c->capacity > 1 ? less_loaded(c, fresh, now) : c;
        else if (bl_pp_wants_check(peer))
            bl_pp_begin_check(c, true);
    }
    return NULL;
}

struct bl_pp_conn *bl_pp_pick_now(struct bl_pp_peer *peer, uint64_t now)
{
    if (peer->waiting > 0 || peer->pool->closed || peer->pool->suspended)
        return NULL;
    return bl_pp_pick(peer, false, now);
}

/* Why it ends now that one more lease is back, if nothing was said before. */
static enum belay_reason ending(const struct bl_pp_conn *c, bool broken, uint64_t now)
{
    if (broken)
        return BELAY_REASON_BROKEN;
    if (c->leases > 0)
        return BELAY_REASON_NONE;
    if (now >= c->expires_at)
        return BELAY_REASON_LIFETIME;
    return bl_pp_over(c->peer) ? BELAY_REASON_EVICTED : BELAY_REASON_NONE;
}

void bl_pp_release(struct bl_pp_conn *c, bool broken, uint64_t now)
{
    if (c->state != BL_PP_OPEN)
        return;
    if (c->leases > 1)
        c->peer->shared--;
    c->leases--;
    if (!c->reason)
        c->reason = (uint8_t)ending(c, broken, now);
    if (c->leases == 0) {
        c->proved_at = now;
        become_idle(c, now);
        if (c->reason)
            bl_pp_close(c, (enum belay_reason)c->reason, false);
        else if (c->suspect)
            bl_pp_begin_check(c, true);
    }
    bl_pp_settle(c);
}

/* ---- facts ---- */

void bl_pp_opened(struct bl_pp_conn *c, const struct bl_conn_facts *facts, uint64_t now)
{
    struct bl_pp_peer *peer = c->peer;
    uint64_t life = peer->pool->limits.lifetime_ns;
    uint64_t most = life / 100 * (uint64_t)peer->pool->limits.jitter;

    leave_state(c);
    peer->fill_at = 0;
    if (facts->capacity > 0) /* else nothing was learned */
        peer->expected = facts->capacity;
    peer->retry_at = 0;
    peer->opened_at = now;
    peer->stats.opened++;
    c->state = BL_PP_OPEN;
    c->capacity = facts->capacity;
    c->opened_at = now;
    c->expires_at = now + life - (most > 0 ? bl_rand_below(&peer->pool->rand, most) : 0);
    c->proved_at = now;
    become_idle(c, now);
    bl_pp_settle(c);
}

/* A peer that closes a connection while it is in use has broken off an answer. */
static enum belay_reason lost_as(const struct bl_pp_conn *c, const struct bl_conn_facts *facts)
{
    if (facts->lost_reason == BELAY_REASON_PEER_CLOSED && c->leases > 0)
        return BELAY_REASON_ERROR;
    return (enum belay_reason)facts->lost_reason;
}

void bl_pp_changed(struct bl_pp_conn *c, const struct bl_conn_facts *facts)
{
    if (c->state != BL_PP_OPEN && c->state != BL_PP_CHECKING)
        return;
    c->capacity = facts->capacity;
    if (facts->lost) {
        if (c->leases > 0 && c->reason != BELAY_REASON_DRAINING)
            c->reason = 0; /* what was to end it at its release has not */
        bl_pp_close(c, lost_as(c, facts), true);
    } else if (facts->draining) {
        bl_pp_close(c, BELAY_REASON_DRAINING, true);
    } else if (facts->suspect && !c->checkable) {
        bl_pp_close(c, BELAY_REASON_UNHEALTHY, true);
    } else if (facts->suspect && !c->suspect) {
        c->suspect = true;
        if (bl_pp_is_idle(c))
            bl_pp_begin_check(c, true);
    }
    bl_pp_settle(c);
}

/* Those who use it have asked, and it has answered. */
static void reassure(struct bl_pp_conn *c, uint64_t now)
{
    c->suspect = false;
    c->proved_at = now;
    bl_pp_settle(c);
}

void bl_pp_checked(struct bl_pp_conn *c, int result, uint64_t now)
{
    if (c->state == BL_PP_OPEN && c->suspect && result == 0)
        reassure(c, now);
    if (c->state != BL_PP_CHECKING)
        return;
    if (result != 0) {
        bl_pp_close(c, BELAY_REASON_UNHEALTHY, false);
        return;
    }
    leave_state(c);
    c->state = BL_PP_OPEN;
    c->suspect = false;
    c->proved_at = now;
    become_idle(c, c->idle_since); /* a check is no use: its idle time goes on */
    if (bl_pp_over(c->peer))
        bl_pp_close(c, BELAY_REASON_EVICTED, false);
    bl_pp_settle(c);
}

void bl_pp_check_peer(const struct bl_pp_peer *peer)
{
    const struct bl_pp *pp = peer->pool;
    int32_t conns = 0, idle = 0;

    BL_ASSERT(peer->connections >= peer->dialing + peer->idle + peer->checking + peer->closing);
    BL_ASSERT(peer->dialing >= 0 && peer->idle >= 0 && peer->checking >= 0 && peer->closing >= 0 &&
              peer->waiting >= 0 && peer->waiting_fresh >= 0 && peer->shared >= 0 &&
              peer->filling >= 0 && peer->filling <= peer->dialing);
    BL_ASSERT((peer->waiting == 0) == !bl_pp_oldest(peer));
    BL_LIST_EACH(node, &peer->ready)
    BL_ASSERT(has_room(BL_LIST_OF(node, struct bl_pp_conn, ready)));
    BL_LIST_EACH(node, &peer->conns)
    {
        const struct bl_pp_conn *c = BL_LIST_OF(node, struct bl_pp_conn, link);

        conns++;
        idle += bl_pp_is_idle(c);
    }
    BL_ASSERT(conns == peer->connections && idle == peer->idle);
    BL_ASSERT(peer->listed == (peer->oldest.index != BL_HEAP_OUT));
    BL_ASSERT(peer->listed || peer->idle == 0 ||
              (peer->waiting > 0 && !bl_list_empty(&peer->barren)));
    BL_ASSERT(pp->connections >= pp->dialing + pp->closing);
}
