/* SPDX-License-Identifier: MIT */
/*
 * What the threads do without telling, the loop finds out by looking: what is parked and unused
 * comes home, what is too old is recalled; acquires are counted by generations.
 */
#include "keep/share_parts.h"

#define REST_NS  1000000000u /* unused for as long, it comes home */
#define WATCH_NS 20000000u /* until one that has been parked is watched; later if it was out long */

static uint64_t rest_ns(const struct belay_pool *pool)
{
    return pool->pp.limits.idle_ns < REST_NS ? pool->pp.limits.idle_ns : REST_NS;
}

/* Two generations are one acquire; the first was the pool's own. */
static uint32_t uncounted(const struct bl_loan *loan)
{
    uint64_t word = atomic_load_explicit(&loan->slot->word, memory_order_relaxed);

    return (BL_SLOT_GENERATION(word) - loan->counted) / 2;
}

void bl_loan_count(struct bl_pool_conn *c)
{
    uint32_t n = uncounted(&c->loan);

    c->loan.counted += n * 2;
    c->pp.peer->stats.acquired += n;
}

/* Whoever has had it for long will have it for a while. */
static uint64_t until_watch(uint64_t out, uint64_t rest)
{
    uint64_t wait = out / 4 > WATCH_NS ? out / 4 : WATCH_NS;

    return wait < rest ? wait : rest;
}

/* When to look at it again at the latest; BELAY_NEVER when it has come home. */
static uint64_t look(struct belay_pool *pool, struct bl_loan *loan, uint64_t now)
{
    struct bl_pool_conn *c = bl_conn_of_loan(loan);
    uint64_t word = atomic_load_explicit(&loan->slot->word, memory_order_relaxed);
    uint64_t rest = rest_ns(pool);

    bl_loan_count(c);
    if (loan->seen != word) {
        loan->seen = word;
        loan->seen_at = now;
    }
    if (now >= c->pp.expires_at || ((word & BL_SLOT_PARKED) && now - loan->seen_at >= rest)) {
        bl_share_recall_conn(c);
        if (!bl_loan_is_out(loan))
            return BELAY_NEVER;
    }
    if (!loan->watched && bl_conn_has_descriptor(c->lessor.conn)) {
        loan->watched = word & BL_SLOT_PARKED;
        bl_conn_set_parked(c->lessor.conn, loan->watched);
        if (!loan->watched)
            rest = until_watch(now - loan->seen_at, rest);
    }
    return now < c->pp.expires_at && c->pp.expires_at < now + rest ? c->pp.expires_at : now + rest;
}

void bl_share_on_sweep(void *arg)
{
    struct belay_pool *pool = arg;
    uint64_t now = bl_now(pool->loop), next = BELAY_NEVER;

    BL_LIST_EACH(gnode, &pool->share->groups)
    {
        struct bl_group *g = BL_LIST_OF(gnode, struct bl_group, link);

        bl_group_hold(g);
        BL_LIST_EACH(node, &g->loans)
        {
            uint64_t due = look(pool, BL_LIST_OF(node, struct bl_loan, link), now);

            next = due < next ? due : next;
        }
        bl_group_let_go(g);
    }
    bl_timer_at(&pool->share->sweep, pool->loop, next);
}

void bl_share_watch_loan(struct bl_loan *loan)
{
    struct belay_pool *pool = loan->group->peer->pool;
    struct bl_timer *timer = &pool->share->sweep;
    uint64_t due = look(pool, loan, bl_now(pool->loop));

    if (!bl_timer_active(timer) || due < timer->want)
        bl_timer_at(timer, pool->loop, due);
}

/* ---- statistics ---- */

void bl_share_peer_stats(const struct belay_peer *peer, struct belay_pool_stats *s)
{
    const struct bl_group *g = peer->group;

    if (!g)
        return;
    BL_LIST_EACH(node, &g->loans)
    {
        const struct bl_loan *loan = BL_LIST_OF(node, struct bl_loan, link);
        uint64_t word = atomic_load_explicit(&loan->slot->word, memory_order_relaxed);
        uint32_t n = uncounted(loan);

        s->acquired += n;
        s->reused += n;
        if (!(word & BL_SLOT_PARKED))
            continue;
        s->idle++;
        s->in_use--;
        s->leases--;
    }
}

void bl_share_pool_stats(const struct belay_pool *pool, struct belay_pool_stats *s)
{
    if (!pool->share)
        return;
    BL_LIST_EACH(node, &pool->share->groups)
    {
        bl_share_peer_stats(BL_LIST_OF(node, struct bl_group, link)->peer, s);
    }
}
