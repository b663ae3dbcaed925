/* SPDX-License-Identifier: MIT */
/* What is changed while the pool works: its limits, whether it lends at all, and a clean slate. */
#include "keep/pool_policy.h"

static uint64_t bounded(uint64_t ns)
{
    return ns > BL_PP_AGES ? BL_PP_AGES : ns;
}

/* Whether nothing has to be seen or decided at each lease. */
static bool is_plain(const struct bl_pp *pp)
{
    const struct bl_pp_limits *l = &pp->limits;

    return !pp->suspended && !l->watched && l->min_idle == 0 && l->order == BELAY_REUSE_LIFO &&
           l->uses == INT32_MAX && l->max_idle == INT32_MAX && l->max_idle_total == INT32_MAX &&
           l->check_after_ns == BELAY_NEVER && l->check_every_ns == BELAY_NEVER;
}

/* Nobody lives for longer than is allowed now; a longer life is for those that come up from now on. */
static void shorten(struct bl_pp_conn *c)
{
    const struct bl_pp_limits *l = &c->peer->pool->limits;
    uint64_t life_end = c->opened_at + l->lifetime_ns, idle_end = c->idle_since + l->idle_ns;

    if (c->state != BL_PP_OPEN && c->state != BL_PP_CHECKING)
        return;
    if (life_end < c->expires_at)
        c->expires_at = life_end;
    c->due_at = c->expires_at < idle_end ? c->expires_at : idle_end;
}

/* Their order too may be another one now: each is put in anew. */
static void settle_peer(struct bl_pp_peer *peer)
{
    BL_LIST_EACH(node, &peer->conns)
    {
        struct bl_pp_conn *c = BL_LIST_OF(node, struct bl_pp_conn, link);

        shorten(c);
        if (c->state == BL_PP_OPEN)
            bl_list_remove(&c->ready);
        if (c->state == BL_PP_OPEN && c->uses >= peer->pool->limits.uses && c->uses < INT32_MAX)
            bl_pp_close(c, BELAY_REASON_USES, true);
        bl_pp_settle(c);
    }
}

/* Everybody anew: what is simple, how many are idle. */
static void settle_all(struct bl_pp *pp)
{
    pp->plain = is_plain(pp);
    BL_LIST_EACH(node, &pp->peers)
    settle_peer(BL_LIST_OF(node, struct bl_pp_peer, link));
    pp->idle = 0;
    BL_LIST_EACH(node, &pp->peers)
    pp->idle += BL_LIST_OF(node, struct bl_pp_peer, link)->idle;
}

static void evict_dials(struct bl_pp_peer *peer)
{
    BL_LIST_EACH(node, &peer->conns)
    {
        struct bl_pp_conn *c = BL_LIST_OF(node, struct bl_pp_conn, link);

        if (c->state == BL_PP_DIALING && bl_pp_over(peer))
            bl_pp_close(c, BELAY_REASON_EVICTED, false);
    }
}

static void evict_idle(struct bl_pp_peer *peer)
{
    struct bl_pp_conn *c;

    while (peer->connections - peer->closing > peer->pool->limits.per_endpoint &&
           (c = bl_pp_longest_idle(peer)))
        bl_pp_close(c, BELAY_REASON_EVICTED, false);
}

void bl_pp_set_limits(struct bl_pp *pp, const struct bl_pp_limits *limits)
{
    int32_t before;

    pp->limits = *limits;
    if (pp->limits.idle_ns == 0) /* until the end of the turn: one that has come up may serve */
        pp->limits.idle_ns = 1;
    pp->limits.idle_ns = bounded(pp->limits.idle_ns);
    pp->limits.lifetime_ns = bounded(pp->limits.lifetime_ns);
    BL_LIST_EACH(node, &pp->peers)
    {
        struct bl_pp_peer *peer = BL_LIST_OF(node, struct bl_pp_peer, link);

        evict_dials(peer);
        evict_idle(peer);
    }
    do {
        before = pp->closing;
        if (pp->connections - pp->closing > pp->limits.total)
            bl_pp_make_room(pp);
    } while (pp->closing > before);
    settle_all(pp);
}

void bl_pp_suspend(struct bl_pp *pp, bool suspended)
{
    pp->suspended = suspended;
    settle_all(pp);
}

void bl_pp_clear(struct bl_pp_peer *peer, bool at_once)
{
    BL_LIST_EACH(node, &peer->conns)
    bl_pp_close(BL_LIST_OF(node, struct bl_pp_conn, link), BELAY_REASON_CLEARED, !at_once);
    belay_backoff_reset(&peer->backoff);
    belay_backoff_reset(&peer->fill);
    peer->retry_at = 0;
    peer->fill_at = 0;
}
