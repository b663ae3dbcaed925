/* SPDX-License-Identifier: MIT */
/* Leases: given at once where a connection is ready, asked about before and after, given back. */
#include "keep/pool.h"

/* ---- looking after idle ones ---- */

/* To trim it, to check it, then to end it. */
static uint64_t next_look(const struct bl_pool_conn *c)
{
    uint64_t due = bl_pp_due(&c->pp), trim;

    if (!bl_pp_is_idle(&c->pp))
        return BELAY_NEVER;
    trim = c->trimmed ? BELAY_NEVER : c->pp.idle_since + BL_POOL_TRIM_NS;
    return due < trim ? due : trim;
}

/* The timer stays as it is while the connection is lent, and then finds nothing to do. */
void bl_pool_look_again(struct belay_pool *pool, struct bl_pool_conn *c)
{
    bl_timer_at(bl_conn_timer(c->lessor.conn), pool->loop, next_look(c));
}

/* After a lease came back: somebody may be waiting for it, or for its place. */
BL_SELDOM static void settle(struct belay_pool *pool, struct bl_pool_conn *c)
{
    struct belay_peer *peer = bl_peer_of(c->pp.peer);
    bool awaited = pool->pp.eager.count > 0;

    if (c->pp.state == BL_PP_OPEN &&
        (c->trimmed || !bl_timer_active(bl_conn_timer(c->lessor.conn)))) {
        c->trimmed = false;
        bl_pool_look_again(pool, c);
    }
    bl_pool_cache_settled(pool, c);
    if (bl_pp_hungry(&peer->pp) || awaited || !pool->pp.plain || !bl_list_empty(&pool->pp.closes) ||
        !bl_list_empty(&pool->pp.checks))
        bl_pool_touch(peer);
}

/* ---- asking ---- */

/* What its connector has reported and its task has not told yet. */
static inline bool is_troubled(const struct bl_pool_conn *c)
{
    return bl_conn_is_troubled(c->lessor.conn);
}

/* 1, 0, or BELAY_EAGAIN: the answer comes later. */
static int ask(struct belay_pool *pool, struct bl_pool_conn *c)
{
    c->pp.peer->stats.checks++;
    if (!bl_conn_is_healthy(c->lessor.conn))
        return 0;
    return pool->callbacks.health_check ? bl_pool_ask_health(pool, c->lessor.conn) : 1;
}

/* An idle one, which stays so if it is good. */
static void ask_idle(struct belay_pool *pool, struct bl_pool_conn *c)
{
    int rc = ask(pool, c);

    if (!bl_pp_is_idle(&c->pp))
        return; /* whoever was asked has done something to it */
    if (rc == 0) {
        bl_pp_close(&c->pp, BELAY_REASON_UNHEALTHY, false);
    } else if (rc < 0) {
        bl_pp_begin_check(&c->pp, false);
        bl_pool_await_check(pool, c);
    } else {
        c->pp.proved_at = bl_pool_now(pool);
    }
}

bool bl_pool_vet(struct belay_pool *pool, struct bl_pp_conn *pp)
{
    struct bl_pool_conn *c = bl_pool_conn_of(pp);

    if (BL_UNLIKELY(is_troubled(c))) {
        bl_pool_heed_facts(pool, c);
        return false;
    }
    if (!pool->asks || pp->leases > 0 || pp->proved_at == bl_pool_now(pool))
        return true;
    ask_idle(pool, c);
    return false;
}

/* ---- giving ---- */

BL_SELDOM static bool tell_of_lease(struct belay_pool *pool, struct bl_pool_conn *c,
                                    struct bl_lessee lessee, struct belay_lease lease)
{
    struct belay_conn *conn = c->lessor.conn;

    bl_pool_cache_lent(pool, c);
    bl_conn_acquired(conn);
    if (bl_conn_facts(conn)->lost) {
        c->pp.peer->stats.acquired--; /* nobody has got it */
        belay_lease_release(lease, BELAY_BROKEN);
        return false;
    }
    BL_TRACE(pool->loop, "lease", belay_conn_id(conn), bl_peer_name(bl_peer_of(c->pp.peer)), "idle",
             "lent", "");
    if (pool->options.leak_threshold_ms != INT64_MAX)
        bl_leaks_add(pool, lease, lessee.tag, lessee.place);
    if (c->pp.uses > 1)
        bl_hook_reused(pool, c);
    return true;
}

static inline bool give(struct belay_pool *pool, struct bl_pp_conn *pp, struct bl_lessee lessee,
                        struct belay_lease *ret)
{
    struct bl_pool_conn *c = bl_pool_conn_of(pp);
    int rc = bl_lease_give(pool->loop, &c->lessor, ret);

    BL_ASSERT(rc == 0);
    return BL_LIKELY(!c->heeded) || tell_of_lease(pool, c, lessee, *ret);
}

bool bl_pool_give(struct belay_pool *pool, struct bl_pp_conn *pp, struct bl_lessee lessee,
                  struct belay_lease *ret)
{
    bool first = pp->uses == 0;
    struct belay_error scratch;

    bl_pp_lend(pp);
    if (give(pool, pp, lessee, ret))
        return true;
    if (!first)
        return false;
    pp->peer->first_uses--;
    if (bl_pp_hungry(pp->peer)) /* then this is the pool's task */
        bl_pool_waste(pool, bl_pool_conn_of(pp),
                      bl_conn_error(bl_pool_conn_of(pp)->lessor.conn, &scratch));
    return false;
}

/* What is not simple: nothing is ready, somebody waits, the first has expired or is to be asked, or
 * it is shared. */
BL_SELDOM static int try_slowly(struct belay_peer *peer, struct bl_lessee lessee,
                                struct belay_lease *ret_lease)
{
    struct belay_pool *pool = peer->pool;
    struct bl_pp_conn *c;

    if (!pool || pool->closing)
        return BELAY_ECLOSED;
    if (bl_lease_reserve(pool->loop) < 0)
        return BELAY_ENOMEM;
    do {
        c = bl_pp_pick_now(&peer->pp, bl_pool_now(pool));
        if (!c && !bl_pp_hungry(&peer->pp) && bl_share_reclaim_one(peer))
            c = bl_pp_pick_now(&peer->pp, bl_pool_now(pool));
    } while (c && !(bl_pool_vet(pool, c) && bl_pool_give(pool, c, lessee, ret_lease)));
    if (!bl_list_empty(&pool->pp.closes) || !bl_list_empty(&pool->pp.checks) ||
        pool->options.min_idle > 0 || (c && bl_pp_is_tight(c)))
        bl_pool_touch(peer);
    if (c)
        return 0;
    return pool->closing ? BELAY_ECLOSED : BELAY_EAGAIN;
}

/* It was lent by the inline path, and its connector has just reported against it. */
BL_SELDOM static void take_back(struct bl_pool_conn *c)
{
    c->pp.peer->stats.acquired--;
    bl_pool_heed_facts(bl_peer_of(c->pp.peer)->pool, c);
    bl_pp_release(&c->pp, false, c->pp.idle_since);
}

int belay_peer_try_acquire(struct belay_peer *peer, struct belay_lease *ret_lease)
{
    struct bl_lessee nobody = {0};
    struct bl_pp_conn *c = bl_pp_try_simple(&peer->pp, bl_now(peer->loop));

    if (BL_UNLIKELY(!c))
        return try_slowly(peer, nobody, ret_lease);
    if (BL_UNLIKELY(is_troubled(bl_pool_conn_of(c)))) {
        take_back(bl_pool_conn_of(c));
        return try_slowly(peer, nobody, ret_lease);
    }
    if (BL_UNLIKELY(!give(peer->pool, c, nobody, ret_lease)))
        return try_slowly(peer, nobody, ret_lease);
    return 0;
}

int belay_peer_try_acquire_as(struct belay_peer *peer, const char *tag, const char *place,
                              struct belay_lease *ret_lease)
{
    return try_slowly(peer, (struct bl_lessee){tag, place}, ret_lease);
}

/* ---- back ---- */

/* Asks what has come back, when this was the last lease on it. True: it is to be checked. */
static bool ask_returned(struct belay_pool *pool, struct bl_pool_conn *c)
{
    int rc;

    if (!pool->asks || c->pp.leases != 1 || c->pp.reason || c->pp.state != BL_PP_OPEN)
        return false;
    rc = ask(pool, c);
    if (rc == 0)
        bl_pp_close(&c->pp, BELAY_REASON_UNHEALTHY, true);
    return rc < 0;
}

BL_SELDOM static void release_slowly(struct belay_pool *pool, struct bl_pool_conn *c, bool broken)
{
    struct belay_conn *conn = c->lessor.conn;
    bool check;

    BL_TRACE(pool->loop, "lease", belay_conn_id(conn), bl_peer_name(bl_peer_of(c->pp.peer)), "lent",
             broken ? "broken" : "idle", "");
    if (c->heeded)
        bl_conn_released(conn);
    if (is_troubled(c)) /* reported, and not told yet */
        bl_pool_heed_facts(pool, c);
    check = !broken && ask_returned(pool, c);
    bl_pp_release(&c->pp, broken, bl_pool_now(pool));
    if (check && bl_pp_is_idle(&c->pp)) {
        bl_pp_begin_check(&c->pp, false);
        bl_pool_await_check(pool, c);
    }
    settle(pool, c);
}

static void on_release(struct belay_conn *conn, enum belay_release how, void *owner)
{
    struct belay_pool *pool = owner;
    struct bl_pool_conn *c = bl_conn_extra(conn);

    if (BL_UNLIKELY(c->heeded || bl_conn_is_troubled(conn) ||
                    !bl_pp_release_simple(&c->pp, how != BELAY_REUSE, bl_pool_now(pool))))
        release_slowly(pool, c, how != BELAY_REUSE);
    else if (BL_UNLIKELY(c->trimmed || !bl_timer_active(bl_conn_timer(conn)) ||
                         bl_pp_hungry(c->pp.peer) || pool->pp.eager.count > 0))
        settle(pool, c);
}

void bl_pool_unpark(struct belay_pool *pool, struct bl_pool_conn *c, uint64_t since)
{
    bl_lease_revoke(pool->loop, &c->lessor);
    if (c->heeded)
        bl_conn_released(c->lessor.conn);
    bl_pp_release(&c->pp, false, bl_pool_now(pool));
    bl_pp_backdate(&c->pp, since);
    if (is_troubled(c))
        bl_pool_heed_facts(pool, c);
    c->trimmed = false;
    if (c->pp.state == BL_PP_OPEN)
        bl_pool_look_again(pool, c);
    settle(pool, c);
}

static int on_take(struct belay_conn *conn, struct belay_stream **ret, void *owner)
{
    struct belay_pool *pool = owner;
    struct bl_pool_conn *c = bl_conn_extra(conn);

    BL_TRACE(pool->loop, "lease", belay_conn_id(conn), bl_peer_name(bl_peer_of(c->pp.peer)), "lent",
             "taken", "");
    *ret = bl_conn_take(conn);
    c->pp.reason = BELAY_REASON_TAKEN;
    bl_pp_release(&c->pp, true, bl_pool_now(pool));
    settle(pool, c);
    return 0;
}

const struct bl_lease_owner_ops bl_pool_lessor_ops = {.release = on_release, .take = on_take};
