/* SPDX-License-Identifier: MIT */
/* The pool as an object: its life, and who waits for its end. */
#include "keep/pool.h"
#include "conn/options.h"
#include "conn/watchers.h"

static void close_object(struct bl_object *object)
{
    belay_pool_close(BL_CONTAINER(object, struct belay_pool, object), NULL, NULL);
}

static void for_each_peer(struct belay_pool *pool, void (*fn)(struct belay_peer *peer))
{
    for (struct bl_map_node *n = NULL; (n = bl_map_next(&pool->peers, n));)
        fn(BL_CONTAINER(n, struct belay_peer, node));
}

static void move_peer(struct belay_peer *peer)
{
    bl_names_forget(peer);
    bl_peer_clear(peer, BELAY_CLEAR_GENTLY);
}

static void change_network(struct bl_object *object)
{
    for_each_peer(BL_CONTAINER(object, struct belay_pool, object), move_peer);
}

static int out_of_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "opening a pool: out of memory");
}

/* One that was not opened: what of it there is. */
static void discard(struct belay_pool *pool)
{
    bl_leaks_fini(&pool->leaks, pool);
    bl_timer_fini(&pool->pause, pool->loop);
    bl_free(&pool->loop->mem, pool);
}

static struct belay_pool *pool_new(struct belay_loop *loop, bool shared)
{
    struct belay_pool *pool = bl_zalloc(&loop->mem, sizeof *pool);

    if (!pool)
        return NULL;
    pool->loop = loop;
    if (bl_timer_init(&pool->pause, loop, bl_pool_on_pause, pool) == 0 &&
        bl_leaks_init(&pool->leaks, pool) == 0 && (!shared || bl_share_open(pool) == 0))
        return pool;
    discard(pool);
    return NULL;
}

int belay_pool_open(struct belay_loop *loop, const struct belay_pool_options *options,
                    struct belay_pool **ret_pool, struct belay_error *error)
{
    struct bl_pool_settings s;
    struct belay_pool *pool;
    int rc = bl_pool_settings_make(&s, options, error);

    if (rc < 0)
        return rc;
    if (loop->closing)
        return bl_error_set(error, BELAY_ECLOSED, BELAY_STAGE_NONE,
                            "opening a pool: the loop is closed");
    pool = pool_new(loop, s.options.shared);
    if (!pool)
        return out_of_memory(error);
    rc = bl_pool_cache_join(pool, s.options.cache, error);
    if (rc < 0) {
        discard(pool);
        return rc;
    }
    bl_pp_init(&pool->pp, &s.limits);
    bl_rand_seed(&pool->pp.rand, bl_rand_next(&loop->rand));
    pool->options = s.options;
    pool->dial = s.dial;
    pool->options.dial = &pool->dial;
    pool->dial_words = s.dial;
    bl_options_express(&pool->dial_words, bl_dial_options, bl_dial_options_n);
    pool->callbacks = s.callbacks;
    pool->options.callbacks = &pool->callbacks;
    pool->backoff = s.backoff;
    pool->asks = s.asks;
    bl_map_init(&pool->peers, &loop->mem, loop->hash_key);
    bl_list_init(&pool->dirty);
    bl_list_init(&pool->reused);
    bl_list_init(&pool->spare_waiters);
    bl_list_init(&pool->watchers);
    bl_task_init(&pool->run, bl_pool_run, pool);
    bl_object_init(&pool->object, loop, "pool", close_object);
    pool->object.network_changed = change_network;
    BL_TRACE(loop, "pool", pool->object.id, "", NULL, "open", "");
    *ret_pool = pool;
    return 0;
}

/* ---- the end ---- */

static void end_peer(struct belay_peer *peer, bool hurry)
{
    bl_pp_fail_all(&peer->pp, BELAY_ECLOSED);
    BL_LIST_EACH(node, &peer->pp.conns)
    {
        struct bl_pool_conn *c = bl_pool_conn_of(BL_LIST_OF(node, struct bl_pp_conn, link));

        if (hurry && c->lessor.ops && !c->pp.abroad)
            bl_lease_revoke(peer->loop, &c->lessor);
        bl_pp_close(&c->pp, BELAY_REASON_POOL_CLOSED, !hurry);
    }
}

/* Nobody is served from now on. With `hurry`, leases that are out are revoked, else they are waited
 * for. */
static void end(struct belay_pool *pool, bool hurry, belay_fn *on_closed, void *arg)
{
    if (on_closed) {
        pool->on_closed = on_closed;
        pool->closed_arg = arg;
    }
    if (!pool->closing)
        BL_TRACE(pool->loop, "pool", pool->object.id, "", "open", hurry ? "closing" : "draining",
                 "");
    pool->closing = true;
    pool->pp.closed = true;
    bl_share_recall(pool, hurry, true);
    for (struct bl_map_node *n = NULL; (n = bl_map_next(&pool->peers, n));)
        end_peer(BL_CONTAINER(n, struct belay_peer, node), hurry);
    bl_task_post(pool->loop, &pool->run);
}

void belay_pool_close(struct belay_pool *pool, belay_fn *on_closed, void *arg)
{
    if (pool)
        end(pool, true, on_closed, arg);
}

void belay_pool_drain(struct belay_pool *pool, belay_fn *on_closed, void *arg)
{
    if (pool)
        end(pool, false, on_closed, arg);
}

static void let_go(struct belay_pool *pool)
{
    struct bl_map_node *n;

    bl_share_free(pool);
    while ((n = bl_map_next(&pool->peers, NULL))) {
        bl_map_remove(&pool->peers, n);
        bl_peer_orphan(BL_CONTAINER(n, struct belay_peer, node));
    }
    bl_pool_cache_part(pool);
    bl_pool_free_spares(pool);
    bl_leaks_fini(&pool->leaks, pool);
    bl_pp_fini(&pool->pp, &pool->loop->mem);
    bl_timer_fini(&pool->pause, pool->loop);
    bl_object_fini(&pool->object, pool->loop);
}

/* Also for those who ask for the end, or for word of it, after it. */
void bl_pool_finish(struct belay_pool *pool)
{
    belay_fn *on_closed = pool->on_closed;

    if (!pool->closed) {
        BL_TRACE(pool->loop, "pool", pool->object.id, "", "closing", NULL, "");
        let_go(pool);
        pool->closed = true;
    }
    pool->refs++;
    pool->on_closed = NULL;
    if (on_closed)
        on_closed(pool->closed_arg);
    bl_watchers_tell(&pool->watchers);
    belay_pool_unref(pool);
}

/* ---- references ---- */

struct belay_pool *belay_pool_ref(struct belay_pool *pool)
{
    if (pool)
        pool->refs++;
    return pool;
}

void belay_pool_unref(struct belay_pool *pool)
{
    if (!pool || --pool->refs > 0 || !pool->closed)
        return;
    if (pool->on_closed || !bl_list_empty(&pool->watchers))
        return; /* the task has somebody to tell, and lets go afterwards */
    bl_task_cancel(&pool->run);
    bl_free(&pool->loop->mem, pool);
}

bool belay_pool_is_closed(const struct belay_pool *pool)
{
    return pool->closing;
}

int belay_pool_close_finished(struct belay_pool *pool, belay_fn *fn, void *arg)
{
    return bl_watchers_add(&pool->watchers, pool->loop, pool->closed, fn, arg);
}

/* ---- pausing ---- */

static void set_suspended(struct belay_pool *pool, bool suspended)
{
    if (pool->closing || pool->pp.suspended == suspended)
        return;
    BL_TRACE(pool->loop, "pool", pool->object.id, "", suspended ? "open" : "suspended",
             suspended ? "suspended" : "open", "");
    bl_pp_suspend(&pool->pp, suspended);
    bl_share_recall(pool, false, false);
    for_each_peer(pool, bl_pool_touch);
}

void belay_pool_suspend(struct belay_pool *pool)
{
    set_suspended(pool, true);
}

void belay_pool_resume(struct belay_pool *pool)
{
    set_suspended(pool, false);
}

void belay_pool_clear(struct belay_pool *pool, enum belay_clear how)
{
    for (struct bl_map_node *n = NULL; (n = bl_map_next(&pool->peers, n));)
        bl_peer_clear(BL_CONTAINER(n, struct belay_peer, node), how);
}

/* ---- statistics ---- */

void belay_pool_get_stats(const struct belay_pool *pool, struct belay_pool_stats *stats)
{
    struct belay_pool_stats s;
    size_t size = stats->size < sizeof s ? stats->size : sizeof s;

    bl_pp_stats(&pool->pp, &s);
    bl_share_pool_stats(pool, &s);
    memcpy(stats, &s, size);
    memcpy(stats, &size, sizeof size);
}

struct belay_peer *belay_pool_next_peer(const struct belay_pool *pool,
                                        const struct belay_peer *peer)
{
    struct bl_map_node *n = bl_map_next(&pool->peers, peer ? &peer->node : NULL);

    return n ? BL_CONTAINER(n, struct belay_peer, node) : NULL;
}
