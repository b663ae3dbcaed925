/* SPDX-License-Identifier: MIT */
/*
 * How many to keep: what is evicted when room is needed or too many are idle, and what is dialled
 * so that min_idle are ready.
 *
 * Which connection of the whole pool has been idle for longest is found by a heap of the peers. The
 * key of a peer is never later than the moment when the one idle for longest became so: lending and
 * releasing leave it alone, and whoever comes to the top with a key that is too early is put in
 * anew. Who comes there with none idle leaves the heap, and its next release, which is not one of
 * the inline ones, puts it in again. So an eviction looks at those who have lent or got back
 * something since the one before, and else at few, however many there are, idle or busy.
 */
#include "keep/pool_policy.h"

/* Those that nobody may use. While somebody waits for them they stay: the next one dialled would be
 * like them. */
static struct bl_pp_conn *longest_barren(const struct bl_pp_peer *peer)
{
    struct bl_pp_conn *longest = NULL;

    BL_LIST_EACH(node, &peer->barren)
    {
        struct bl_pp_conn *c = BL_LIST_OF(node, struct bl_pp_conn, ready);

        if (!longest || c->idle_since < longest->idle_since)
            longest = c;
    }
    return longest;
}

/* Where its order says it is; there may be others in use among the ready ones. */
struct bl_pp_conn *bl_pp_longest_idle(const struct bl_pp_peer *peer)
{
    bool lifo = peer->pool->limits.order == BELAY_REUSE_LIFO;
    bool sorted = peer->pool->limits.order != BELAY_REUSE_LEAST_USED;
    struct bl_pp_conn *longest = NULL;

    if (peer->idle == 0)
        return NULL;
    if (peer->waiting == 0)
        longest = longest_barren(peer);
    for (struct bl_list *node = lifo ? peer->ready.prev : peer->ready.next; node != &peer->ready;
         node = lifo ? node->prev : node->next) {
        struct bl_pp_conn *c = BL_LIST_OF(node, struct bl_pp_conn, ready);

        if (c->leases > 0)
            continue;
        if (!longest || c->idle_since < longest->idle_since)
            longest = c;
        if (sorted)
            break;
    }
    return longest;
}

static void list(struct bl_pp_peer *peer, uint64_t key)
{
    bl_heap_remove(&peer->pool->oldest, &peer->oldest);
    bl_heap_insert(&peer->pool->oldest, &peer->oldest, key);
    peer->listed = true;
}

static void unlist(struct bl_pp_peer *peer)
{
    bl_heap_remove(&peer->pool->oldest, &peer->oldest);
    peer->listed = false;
}

void bl_pp_idled(struct bl_pp_peer *peer, uint64_t since)
{
    if (!peer->listed || peer->oldest.key > since)
        list(peer, since);
}

void bl_pp_backdate(struct bl_pp_conn *c, uint64_t since)
{
    struct bl_pp_peer *peer = c->peer;
    uint64_t idle_end = since + peer->pool->limits.idle_ns;
    struct bl_list *at = c->ready.next;

    if (!bl_pp_is_idle(c) || since >= c->idle_since)
        return;
    c->idle_since = since;
    c->due_at = c->expires_at < idle_end ? c->expires_at : idle_end;
    bl_pp_idled(peer, since);
    if (peer->pool->limits.order != BELAY_REUSE_LIFO)
        return;
    while (at != &peer->ready && BL_LIST_OF(at, struct bl_pp_conn, ready)->idle_since > since)
        at = at->next;
    bl_list_remove(&c->ready);
    bl_list_insert_after(at->prev, &c->ready);
}

static struct bl_pp_conn *oldest_idle(struct bl_pp *pp)
{
    struct bl_heap_entry *top;

    while ((top = bl_heap_first(&pp->oldest))) {
        struct bl_pp_peer *peer = BL_CONTAINER(top, struct bl_pp_peer, oldest);
        struct bl_pp_conn *c = bl_pp_longest_idle(peer);

        if (c && c->idle_since <= top->key)
            return c;
        if (c)
            list(peer, c->idle_since);
        else
            unlist(peer);
    }
    return NULL;
}

void bl_pp_make_room(struct bl_pp *pp)
{
    struct bl_pp_conn *victim = oldest_idle(pp);

    if (victim)
        bl_pp_close(victim, BELAY_REASON_EVICTED, false);
}

void bl_pp_trim(struct bl_pp_peer *peer)
{
    struct bl_pp_conn *c;

    while (peer->idle > peer->pool->limits.max_idle && (c = bl_pp_longest_idle(peer)))
        bl_pp_close(c, BELAY_REASON_EVICTED, false);
}

void bl_pp_trim_total(struct bl_pp *pp)
{
    struct bl_pp_conn *c;

    if (pp->limits.max_idle_total == INT32_MAX)
        return;
    while (pp->idle > pp->limits.max_idle_total && (c = oldest_idle(pp)))
        bl_pp_close(c, BELAY_REASON_EVICTED, false);
}

/* ---- min_idle ---- */

/* Whether one more may be idle, and is not closed for that at once. */
bool bl_pp_fill_fits(const struct bl_pp *pp)
{
    return pp->limits.max_idle_total == INT32_MAX ||
           pp->idle + pp->filling < pp->limits.max_idle_total;
}

/* One at a time, each after a moment of its own: many pools that start or lose their server
 * together do not come back together. */
bool bl_pp_wants_fill(struct bl_pp_peer *peer, int32_t for_waiters, uint64_t now)
{
    const struct bl_pp_limits *l = &peer->pool->limits;

    if (l->min_idle == 0 || !peer->held ||
        peer->idle + peer->checking + peer->dialing - for_waiters >= l->min_idle) {
        if (peer->fill.failures == 0)
            peer->fill_at = 0;
        return false;
    }
    if (peer->filling > 0)
        return false;
    if (peer->fill_at == 0)
        peer->fill_at = now + bl_rand_below(&peer->pool->rand, BL_PP_FILL_NS);
    return now >= peer->fill_at;
}

uint64_t bl_pp_fill_due(const struct bl_pp_peer *peer, uint64_t now)
{
    return peer->fill_at > now && peer->filling == 0 ? peer->fill_at : BELAY_NEVER;
}

void bl_pp_fill_failed(struct bl_pp_peer *peer, uint64_t now)
{
    uint64_t random = bl_rand_next(&peer->pool->rand), delay;

    delay = bl_pp_failure_delay(peer, &peer->fill, &peer->fill_failed_at, random, now);
    peer->fill_at = now + (delay > BL_PP_FILL_NS ? delay : BL_PP_FILL_NS);
}
