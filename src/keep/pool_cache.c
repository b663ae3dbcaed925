/* SPDX-License-Identifier: MIT */
/* The pool's connections as entries of a cache. */
#include "keep/pool_cache_conn.h"

static const struct bl_cache_ops entry_ops;

static struct bl_cached_conn *of_entry(const struct belay_cache_entry *e)
{
    return BL_CONTAINER(e, struct bl_cached_conn, entry);
}

static struct belay_peer *peer_of(struct bl_cached_conn *cc)
{
    return bl_peer_of(cc->conn.pp.peer);
}

/* ---- the pool and its peers ---- */

int bl_pool_cache_join(struct belay_pool *pool, struct belay_cache *cache,
                       struct belay_error *error)
{
    int rc;

    bl_list_init(&pool->kept.resting);
    bl_list_init(&pool->kept.waits);
    if (!cache)
        return 0;
    if (cache->loop != pool->loop)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "cache: is of another loop");
    rc = bl_cache_join(cache, pool, &pool->kept.owner);
    if (rc < 0)
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "cache: %s", belay_strerror(rc));
    pool->kept.cache = cache;
    return 0;
}

void bl_pool_cache_part(struct belay_pool *pool)
{
    if (pool->kept.cache)
        bl_cache_part(pool->kept.cache, pool->kept.owner);
    pool->kept.cache = NULL;
}

/* One way: the same functions, and the same context where that matters. */
int bl_pool_cache_shelf(struct belay_pool *pool, struct belay_endpoint *endpoint,
                        struct bl_cache_group **ret)
{
    const struct belay_connector *connector = &pool->options.connector;
    const void *way[2] = {connector->ops,
                          bl_connector_moves(connector->ops) ? NULL : connector->arg};

    *ret = NULL;
    if (!pool->kept.cache)
        return 0;
    return bl_cache_shelf(pool->kept.cache, endpoint, way, sizeof way, ret);
}

/* ---- connections ---- */

size_t bl_pool_cache_conn_size(const struct belay_pool *pool)
{
    return pool->kept.cache ? sizeof(struct bl_cached_conn) : sizeof(struct bl_pool_conn);
}

void bl_pool_cache_opened(struct belay_pool *pool, struct bl_pool_conn *c)
{
    struct bl_cached_conn *cc = bl_cached_conn_of(c);

    if (!pool->kept.cache)
        return;
    bl_list_init(&cc->resting);
    cc->entered = true;
    bl_cache_enter(pool->kept.cache, &cc->entry, &entry_ops, pool->kept.owner, peer_of(cc)->shelf);
    bl_pool_cache_settled(pool, c);
}

void bl_pool_cache_lent(struct belay_pool *pool, struct bl_pool_conn *c)
{
    struct bl_cached_conn *cc = bl_cached_conn_of(c);

    if (pool->kept.cache && cc->entry.state == BELAY_CACHE_INACTIVE)
        bl_cache_lend(pool->kept.cache, &cc->entry, pool->kept.owner);
}

void bl_pool_cache_settled(struct belay_pool *pool, struct bl_pool_conn *c)
{
    struct bl_cached_conn *cc = bl_cached_conn_of(c);

    if (!pool->kept.cache || !cc->entered || bl_list_linked(&cc->resting) || !bl_pp_is_idle(&c->pp))
        return;
    bl_list_push_back(&pool->kept.resting, &cc->resting);
    bl_task_post(pool->loop, &pool->run);
}

/* Not known as idle. In a closed cache a new one has no place at all. */
static bool wants_rest(const struct bl_cached_conn *cc)
{
    return cc->entry.state == BELAY_CACHE_ACTIVE || cc->entry.state == BELAY_CACHE_UNKNOWN;
}

/* It serves its own in the next round; or it carries nothing, and the next one that is dialled for
 * those who wait would be like it. */
static bool is_waited_for(const struct bl_pp_conn *pp)
{
    const struct bl_pp_peer *peer = pp->peer;
    bool any_use = pp->barren || pp->uses == 0;

    return !peer->pool->suspended && peer->waiting > (any_use ? 0 : peer->waiting_fresh);
}

void bl_pool_cache_rest(struct belay_pool *pool)
{
    struct bl_list *node, later;

    if (!pool->kept.cache)
        return;
    bl_list_init(&later);
    while ((node = bl_list_pop_front(&pool->kept.resting))) {
        struct bl_cached_conn *cc = BL_LIST_OF(node, struct bl_cached_conn, resting);

        if (!bl_pp_is_idle(&cc->conn.pp))
            continue;
        if (is_waited_for(&cc->conn.pp))
            bl_list_push_back(&later, node);
        else if (!bl_pool_hand_over(pool, cc) && wants_rest(cc) &&
                 !bl_cache_rest(pool->kept.cache, &cc->entry))
            bl_pp_close(&cc->conn.pp, BELAY_REASON_EVICTED, false);
    }
    bl_list_splice(&pool->kept.resting, &later);
}

bool bl_pool_cache_ends(struct belay_pool *pool, struct bl_pool_conn *c)
{
    struct bl_cached_conn *cc = bl_cached_conn_of(c);

    if (!pool->kept.cache || !cc->entered)
        return false;
    if (cc->entry.state == BELAY_CACHE_CLOSING)
        return true;
    bl_cache_gone(pool->kept.cache, &cc->entry);
    return false;
}

void bl_pool_cache_gone(struct belay_pool *pool, struct bl_pool_conn *c)
{
    struct bl_cached_conn *cc = bl_cached_conn_of(c);

    if (!pool->kept.cache)
        return;
    bl_pool_cache_room(pool);
    if (!cc->entered)
        return;
    bl_list_remove(&cc->resting);
    bl_cache_gone(pool->kept.cache, &cc->entry);
    if (cc->leaving)
        bl_cache_left(pool->kept.cache);
}

/* ---- what the cache asks of them ---- */

static void describe(const struct belay_cache_entry *e, struct belay_cache_facts *f)
{
    const struct bl_cached_conn *cc = of_entry(e);

    f->what.kind = BELAY_CACHED_CONNECTION;
    f->what.fd = -1;
    f->what.conn = cc->conn.lessor.conn;
    f->found = cc->conn.pp.uses > 0 ? (uint64_t)cc->conn.pp.uses - 1 : 0;
}

/* Nobody is lent it from now on. Whoever has it keeps it until on_closed was told. */
static void condemned(struct belay_cache_entry *e)
{
    struct bl_cached_conn *cc = of_entry(e);

    bl_pp_close(&cc->conn.pp, (enum belay_reason)e->reason, true);
    bl_pool_touch(peer_of(cc));
}

/* Its pool's task may have met it already, and left it to this; or is still to come. */
static void close_entry(struct belay_cache_entry *e, struct belay_cache *cache,
                        enum belay_reason reason)
{
    struct bl_cached_conn *cc = of_entry(e);
    struct bl_pp_conn *pp = &cc->conn.pp;
    bool was_met = pp->state == BL_PP_CLOSING && !bl_list_linked(&pp->todo);

    bl_cache_leave(&cache->table, e);
    cc->leaving = true;
    cache->leaving++;
    if (was_met) {
        bl_conn_close(cc->conn.lessor.conn, (enum belay_reason)pp->reason);
        return;
    }
    bl_lease_revoke(cache->loop, &cc->conn.lessor);
    bl_pp_close(pp, reason, false);
    bl_pool_touch(peer_of(cc));
}

static const struct bl_cache_ops entry_ops = {
    .describe = describe,
    .condemned = condemned,
    .close = close_entry,
};
