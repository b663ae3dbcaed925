/* SPDX-License-Identifier: MIT */
/*
 * An idle connection moves from one pool to another that shares its cache. To the one it has ended
 * (reason `taken`), to the other it has come up; what it is, how old, how long idle and how
 * often used, it stays. Only from the task of a pool, as hooks tell of it.
 *
 * Nobody is to wait while one that would do is idle elsewhere. So each side looks when something
 * has changed on it:
 *
 *     who waits   whenever its peer is attended to, and when there is room again in its whole pool
 *     who has     whenever one has become idle or can be used again, when its own have been served
 *
 * A peer whose limit is reached by its own dials waits for these.
 */
#include "keep/pool_cache_conn.h"

/* Whether its pool can do without it. */
static bool can_go(const struct belay_pool *pool)
{
    return !pool->pp.closed && !pool->pp.suspended;
}

/* It would have ended by now, or could have, at this pool. */
static bool is_too_old(const struct bl_pp_limits *l, const struct bl_pp_conn *pp, uint64_t now)
{
    return now - pp->opened_at >= l->lifetime_ns - l->lifetime_ns / 100 * (uint64_t)l->jitter;
}

/* What this pool would not lend, had it been its own. */
static bool is_wanted(const struct belay_pool *pool, const struct bl_cached_conn *cc, uint64_t now)
{
    const struct bl_pp_limits *l = &pool->pp.limits;
    const struct bl_pp_conn *pp = &cc->conn.pp;

    return bl_pp_is_idle(pp) && !pp->reason && !pp->suspect && pp->capacity > 0 &&
           !bl_conn_is_troubled(cc->conn.lessor.conn) && now < pp->due_at &&
           now - pp->idle_since < l->idle_ns && pp->uses < l->uses && !is_too_old(l, pp, now);
}

/* The connector's side of it, which comes first: the rest cannot fail. */
static bool change_context(struct bl_cached_conn *cc, const struct belay_connector *from,
                           const struct belay_connector *to)
{
    return from->arg == to->arg || from->ops->move(cc->conn.lessor.conn, from->arg, to->arg);
}

/* How many more wait for any connection than what it has can carry. */
static int32_t lacking_for(const struct bl_pp_peer *peer)
{
    int32_t lacking = peer->waiting - peer->waiting_fresh;

    BL_LIST_EACH(node, &peer->ready)
    {
        const struct bl_pp_conn *c = BL_LIST_OF(node, struct bl_pp_conn, ready);

        if (lacking <= 0)
            break;
        lacking -= c->capacity - c->leases;
    }
    return lacking;
}

/* This pool would ask it first: so many are asked as are needed, and no more are taken for that. */
static bool is_doubtful(const struct belay_pool *pool, const struct bl_pp_conn *pp, uint64_t now)
{
    uint64_t limit = pool->pp.limits.check_after_ns;

    return pool->asks || (limit != BELAY_NEVER && pp->checkable && now - pp->proved_at >= limit);
}

static bool suits(const struct belay_peer *peer, const struct bl_cached_conn *cc, uint64_t now)
{
    return is_wanted(peer->pool, cc, now) && (!is_doubtful(peer->pool, &cc->conn.pp, now) ||
                                              peer->pp.checking < lacking_for(&peer->pp));
}

static bool may_take(const struct belay_pool *pool, const struct belay_peer *peer)
{
    const struct bl_pp_limits *l = &pool->pp.limits;

    return !pool->pp.closed && !pool->pp.suspended && lacking_for(&peer->pp) > 0 &&
           peer->pp.connections < l->per_endpoint && pool->pp.connections < l->total;
}

static struct bl_cached_conn *choose(struct belay_pool *pool, struct belay_peer *peer, uint64_t now)
{
    struct belay_cache_entry *e = NULL;

    while ((e = bl_cache_next_on(peer->shelf, e))) {
        struct bl_cached_conn *cc = BL_CONTAINER(e, struct bl_cached_conn, entry);
        struct belay_pool *other = bl_peer_of(cc->conn.pp.peer)->pool;

        if (can_go(other) && suits(peer, cc, now) &&
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
    c->opened_at = was.opened_at;
    c->expires_at -= now - c->opened_at;
    c->expires_at = was.expires_at < c->expires_at ? was.expires_at : c->expires_at;
    c->due_at = c->expires_at < c->due_at ? c->expires_at : c->due_at;
    bl_pp_settle(c);
    bl_pp_backdate(c, was.idle_since);
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

static void take(struct belay_pool *pool, struct belay_peer *peer, struct bl_cached_conn *cc)
{
    struct belay_peer *from = belay_peer_ref(bl_peer_of(cc->conn.pp.peer));
    uint32_t untold = cc->conn.untold;

    move_conn(pool, peer, cc);
    BL_TRACE(pool->loop, "conn", belay_conn_id(cc->conn.lessor.conn), bl_peer_name(peer), "open",
             "open", "adopted");
    bl_names_consider(from);
    bl_names_consider(peer);
    bl_pool_touch(from);
    bl_pool_cache_settled(pool, &cc->conn); /* should nobody want it after all */
    bl_hook_moved(from, &cc->conn,
                  untold); /* tells both; last, as whoever is told may do anything */
    belay_peer_unref(from);
}

bool bl_pool_adopt(struct belay_pool *pool, struct belay_peer *peer)
{
    struct bl_cached_conn *cc;

    if (!pool->kept.cache || !may_take(pool, peer))
        return false;
    cc = choose(pool, peer, bl_pool_now(pool));
    if (!cc)
        return false;
    take(pool, peer, cc);
    return true;
}

/* ---- who waits ---- */

static struct belay_peer *waiting_peer(struct bl_list *node)
{
    return BL_CONTAINER(BL_LIST_OF(node, struct bl_cache_wait, link), struct belay_peer, wait);
}

void bl_cache_wait_init(struct bl_cache_wait *wait)
{
    bl_list_init(&wait->link);
    bl_list_init(&wait->own);
}

void bl_cache_wait_end(struct bl_cache_wait *wait)
{
    bl_list_remove(&wait->link);
    bl_list_remove(&wait->own);
}

/* Behind those who have waited for longer. */
static void wait_at_shelf(struct belay_pool *pool, struct belay_peer *peer, uint64_t since)
{
    struct bl_list *waits = &peer->shelf->waits, *at;

    if (bl_list_linked(&peer->wait.link) && peer->wait.since == since)
        return;
    bl_cache_wait_end(&peer->wait);
    peer->wait.since = since;
    for (at = waits->prev; at != waits && waiting_peer(at)->wait.since > since;)
        at = at->prev;
    bl_list_insert_after(at, &peer->wait.link);
    bl_list_push_back(&pool->kept.waits, &peer->wait.own);
}

/* Others wait, and what is idle here may have become of use to them. */
static void offer_idle(struct belay_pool *pool, struct belay_peer *peer)
{
    BL_LIST_EACH(node, &peer->pp.ready)
    bl_pool_cache_settled(pool, bl_pool_conn_of(BL_LIST_OF(node, struct bl_pp_conn, ready)));
}

void bl_pool_cache_attended(struct belay_pool *pool, struct belay_peer *peer)
{
    const struct bl_pp_waiter *oldest;

    if (!peer->shelf)
        return;
    oldest = bl_pp_oldest_used(&peer->pp);
    if (oldest)
        wait_at_shelf(pool, peer, oldest->since_ns);
    else
        bl_cache_wait_end(&peer->wait);
    if (peer->pp.idle > 0 && !bl_list_empty(&peer->shelf->waits))
        offer_idle(pool, peer);
}

void bl_pool_cache_room(struct belay_pool *pool)
{
    BL_LIST_EACH(node, &pool->kept.waits)
    {
        struct bl_cache_wait *wait = BL_LIST_OF(node, struct bl_cache_wait, own);
        struct belay_peer *peer = BL_CONTAINER(wait, struct belay_peer, wait);

        if (peer->shelf->n > 0)
            bl_pool_touch(peer);
    }
}

bool bl_pool_hand_over(struct belay_pool *pool, struct bl_cached_conn *cc)
{
    struct bl_cache_group *shelf = bl_peer_of(cc->conn.pp.peer)->shelf;
    const struct belay_connector *connector = &pool->options.connector;

    if (cc->entry.state == BELAY_CACHE_UNKNOWN || !can_go(pool))
        return false;
    BL_LIST_EACH(node, &shelf->waits)
    {
        struct belay_peer *peer = waiting_peer(node);
        struct belay_pool *to = peer->pool;

        if (!may_take(to, peer) || !suits(peer, cc, bl_pool_now(pool)) ||
            !change_context(cc, connector, &to->options.connector))
            continue;
        bl_pool_touch(peer);
        take(to, peer, cc);
        return true;
    }
    return false;
}
