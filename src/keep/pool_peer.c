/* SPDX-License-Identifier: MIT */
/* The endpoints of a pool: their handles, which keep their place, and what they tell. */
#include "keep/cache_table.h"
#include "keep/pool.h"

static struct belay_peer *peer_new(struct belay_pool *pool, struct belay_endpoint *endpoint)
{
    struct bl_mem *mem = &pool->loop->mem;
    struct belay_peer *peer = bl_zalloc(mem, sizeof *peer);
    size_t len;
    const void *key = bl_endpoint_key(endpoint, &len);

    if (!peer)
        return NULL;
    if (bl_pool_cache_shelf(pool, endpoint, &peer->shelf) < 0) {
        bl_free(mem, peer);
        return NULL;
    }
    if (bl_timer_init(&peer->timer, pool->loop, bl_peer_on_timer, peer) < 0) {
        bl_cache_group_drop(peer->shelf);
        bl_free(mem, peer);
        return NULL;
    }
    if (bl_pp_peer_reserve(&pool->pp, mem) == 0) {
        if (bl_map_add(&pool->peers, key, len, &peer->node) == 0)
            return peer;
        bl_heap_unreserve(&pool->pp.eager);
        bl_heap_unreserve(&pool->pp.oldest);
    }
    bl_cache_group_drop(peer->shelf);
    bl_timer_fini(&peer->timer, pool->loop);
    bl_free(mem, peer);
    return NULL;
}

static void hold(struct belay_peer *peer)
{
    if (!peer->pp.held && peer->pool && peer->pool->options.min_idle > 0)
        bl_pool_touch(peer);
    peer->pp.held = true;
}

int belay_pool_peer(struct belay_pool *pool, struct belay_endpoint *endpoint,
                    struct belay_peer **ret_peer)
{
    struct bl_map_node *node;
    struct belay_peer *peer;
    const void *key;
    size_t len;

    if (pool->closing)
        return BELAY_ECLOSED;
    key = bl_endpoint_key(endpoint, &len);
    node = bl_map_find(&pool->peers, key, len);
    if (node) {
        *ret_peer = belay_peer_ref(BL_CONTAINER(node, struct belay_peer, node));
        return 0;
    }
    peer = peer_new(pool, endpoint);
    if (!peer)
        return BELAY_ENOMEM;
    bl_pp_peer_init(&peer->pp, &pool->pp, &pool->backoff);
    bl_list_init(&peer->dirty);
    bl_names_init(&peer->names);
    bl_cache_wait_init(&peer->wait);
    peer->pool = pool;
    peer->loop = pool->loop;
    peer->endpoint = belay_endpoint_ref(endpoint);
    peer->refs = 1;
    hold(peer);
    *ret_peer = peer;
    return 0;
}

static void part(struct belay_peer *peer)
{
    bl_names_fini(peer);
    bl_list_remove(&peer->dirty);
    bl_timer_stop(&peer->timer);
    bl_pp_peer_fini(&peer->pp);
    bl_cache_wait_end(&peer->wait);
    bl_cache_group_drop(peer->shelf);
    peer->shelf = NULL;
    peer->pool = NULL;
    peer->pp.pool = NULL;
}

static void peer_free(struct belay_peer *peer)
{
    bl_timer_fini(&peer->timer, peer->loop);
    bl_error_copy_clear(&peer->last_error, &peer->loop->mem);
    belay_endpoint_unref(peer->endpoint);
    bl_free(&peer->loop->mem, peer);
}

void bl_peer_reap(struct belay_peer *peer)
{
    if (peer->refs > 0 || peer->pp.connections > 0 || peer->pp.waiting > 0)
        return;
    if (peer->pool) {
        bl_map_remove(&peer->pool->peers, &peer->node);
        part(peer);
    }
    peer_free(peer);
}

void bl_peer_orphan(struct belay_peer *peer)
{
    part(peer);
    if (peer->refs == 0)
        peer_free(peer);
}

struct belay_peer *belay_peer_ref(struct belay_peer *peer)
{
    if (!peer)
        return NULL;
    peer->refs++;
    hold(peer);
    return peer;
}

void belay_peer_unref(struct belay_peer *peer)
{
    if (!peer || --peer->refs > 0)
        return;
    peer->pp.held = false;
    if (peer->pool)
        bl_pool_touch(peer); /* looked at, and reaped, when nothing else is going on */
    else
        bl_peer_reap(peer);
}

/* ---- clearing ---- */

void bl_peer_clear(struct belay_peer *peer, enum belay_clear how)
{
    bool now = how == BELAY_CLEAR_NOW;

    bl_share_recall_peer(peer, now);
    BL_LIST_EACH(node, &peer->pp.conns)
    {
        struct bl_pool_conn *c = bl_pool_conn_of(BL_LIST_OF(node, struct bl_pp_conn, link));

        if (now && c->lessor.ops && !c->pp.abroad)
            bl_lease_revoke(peer->loop, &c->lessor);
    }
    bl_pp_clear(&peer->pp, now);
    bl_pool_touch(peer);
}

void bl_peer_narrow(struct belay_peer *peer, const uint8_t *alpn, size_t len, int32_t capacity)
{
    peer->alpn = alpn;
    peer->alpn_len = len;
    peer->pp.expected = capacity;
    bl_peer_clear(peer, BELAY_CLEAR_GENTLY);
}

void belay_peer_clear(struct belay_peer *peer, enum belay_clear how)
{
    if (peer->pool)
        bl_peer_clear(peer, how);
}

/* ---- what it tells ---- */

struct belay_endpoint *belay_peer_endpoint(const struct belay_peer *peer)
{
    return peer->endpoint;
}

void belay_peer_get_stats(const struct belay_peer *peer, struct belay_pool_stats *stats)
{
    struct belay_pool_stats s;
    size_t size = stats->size < sizeof s ? stats->size : sizeof s;

    bl_pp_peer_stats(&peer->pp, &s);
    bl_share_peer_stats(peer, &s);
    memcpy(stats, &s, size);
    memcpy(stats, &size, sizeof size);
}

void bl_peer_note_error(struct belay_peer *peer, const struct belay_error *error)
{
    bl_error_copy_set(&peer->last_error, &peer->loop->mem, error);
    peer->last_error_at = bl_now(peer->loop);
}

bool belay_peer_last_error(const struct belay_peer *peer, struct belay_error *error,
                           int64_t *ret_age_ms)
{
    if (!bl_error_copy_tell(&peer->last_error, peer->endpoint, error))
        return false;
    if (ret_age_ms)
        *ret_age_ms = (int64_t)((bl_now_fresh(peer->loop) - peer->last_error_at) / 1000000u);
    return true;
}
