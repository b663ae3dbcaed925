/* SPDX-License-Identifier: MIT */
/*
 * An idle connection moves from one pool to another that shares its cache. To the one it has ended
 * (reason `taken`), to the other it has come up; what it is, how old it is and how often it was
 * used, it stays. Only from the task of the pool that adopts, as hooks tell of it.
 */
#include "keep/pool_cache_conn.h"

/* Whether its pool can do without it. */
static bool can_go(const struct belay_pool *pool)
{
    return !pool->pp.closed && !pool->pp.suspended;
}

/* What this pool would not lend, had it been its own. */
static bool is_wanted(const struct belay_pool *pool, const struct bl_cached_conn *cc, uint64_t now)
{
    const struct bl_pp_limits *l = &pool->pp.limits;
    const struct bl_pp_conn *pp = &cc->conn.pp;

    return bl_pp_is_idle(pp) && !pp->reason && !pp->suspect && pp->capacity > 0 &&
           !bl_conn_is_troubled(cc->conn.lessor.conn) && now < pp->due_at &&
           now - pp->idle_since < l->idle_ns && pp->uses < l->uses;
}

/* The connector's side of it, which comes first: the rest cannot fail. */
static bool change_context(struct bl_cached_conn *cc, const struct belay_connector *from,
                           const struct belay_connector *to)
{
    return from->arg == to->arg || from->ops->move(cc->conn.lessor.conn, from->arg, to->arg);
}

/* None of this pool's own is idle. */
static struct bl_cached_conn *choose(struct belay_pool *pool, struct belay_peer *peer, uint64_t now)
{
    struct belay_cache_entry *e = NULL;

    while ((e = bl_cache_next_on(peer->shelf, e))) {
        struct bl_cached_conn *cc = BL_CONTAINER(e, struct bl_cached_conn, entry);
        struct belay_pool *other = bl_peer_of(cc->conn.pp.peer)->pool;

        if (can_go(other) && is_wanted(pool, cc, now) &&
            change_context(cc, &other->options.connector, &pool->options.connector))
            return cc;
    }
    return NULL;
}

/* ---- the move ---- */

/* By the policies of both, as an end and a beginning. */
static void move_counts(struct bl_pp_conn *c, struct bl_pp_peer *to,
                        const struct bl_conn_facts *facts, uint64_t now)
{
    struct bl_pp_conn was = *c;

    bl_pp_close(c, BELAY_REASON_TAKEN, false);
    bl_pp_gone(c);
    bl_pp_dial_started(c, to, now);
    bl_pp_opened(c, facts, now);
    c->uses = was.uses;
    c->addr = was.addr;
    c->proved_at = was.proved_at;
    c->expires_at = was.expires_at < c->expires_at ? was.expires_at : c->expires_at;
    c->due_at = c->expires_at < c->due_at ? c->expires_at : c->due_at;
    bl_pp_settle(c);
}

static void move_conn(struct belay_pool *pool, struct belay_peer *peer, struct bl_cached_conn *cc)
{
    struct bl_pool_conn *c = &cc->conn;
    struct belay_conn *conn = c->lessor.conn;

    bl_cache_to_owner(&cc->entry, pool->kept.owner);
    bl_list_remove(&cc->resting);
    bl_list_remove(&c->reused);
    move_counts(&c->pp, &peer->pp, bl_conn_facts(conn), bl_pool_now(pool));
    bl_conn_adopt(conn, &pool->options.connector, &pool->dial, pool);
    c->lessor.owner = pool;
    c->untold = 0;
    c->pp.checkable = bl_conn_can_check(conn) || pool->callbacks.health_check;
    bl_pool_heed(pool, c);
    bl_pool_look_again(pool, c);
    pool->kept.cache->stats.adopted++;
}

bool bl_pool_adopt(struct belay_pool *pool, struct belay_peer *peer)
{
    const struct bl_pp_limits *l = &pool->pp.limits;
    struct bl_cached_conn *cc;
    struct belay_peer *from;
    uint32_t untold;

    if (!pool->kept.cache || pool->pp.closed || pool->pp.suspended ||
        peer->pp.waiting == peer->pp.waiting_fresh || peer->pp.idle > 0 ||
        peer->pp.connections >= l->per_endpoint || pool->pp.connections >= l->total)
        return false;
    cc = choose(pool, peer, bl_pool_now(pool));
    if (!cc)
        return false;
    from = belay_peer_ref(bl_peer_of(cc->conn.pp.peer));
    untold = cc->conn.untold;
    move_conn(pool, peer, cc);
    BL_TRACE(pool->loop, "conn", belay_conn_id(cc->conn.lessor.conn), bl_peer_name(peer), "open",
             "open", "adopted");
    bl_names_consider(from);
    bl_names_consider(peer);
    bl_pool_touch(from);
    bl_hook_moved(from, &cc->conn,
                  untold); /* tells both; last, as whoever is told may do anything */
    belay_peer_unref(from);
    return true;
}
