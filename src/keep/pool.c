/* SPDX-License-Identifier: MIT */
/* The pool as an object: options, life, peers, statistics. What happens in it is in pool_run.c. */
#include "keep/pool.h"

#define YEAR_MS INT64_C(31536000000)
#define DAY_MS  INT64_C(86400000)

const struct bl_option bl_pool_options[] = {
    BL_OPTION(belay_pool_options, max_connections_per_endpoint, 10, BL_NOT_ALLOWED, INT32_MAX, 1,
              INT32_MAX),
    BL_OPTION(belay_pool_options, max_connections_total, 1000, BL_NOT_ALLOWED, INT32_MAX, 1,
              INT32_MAX),
    BL_OPTION(belay_pool_options, max_idle_time_ms, 60000, 0, INT64_MAX, 1, YEAR_MS),
    BL_OPTION(belay_pool_options, max_connection_lifetime_ms, 300000, BL_NOT_ALLOWED, INT64_MAX, 1,
              YEAR_MS),
    BL_OPTION(belay_pool_options, max_connection_uses, INT32_MAX, BL_NOT_ALLOWED, INT32_MAX, 1,
              INT32_MAX),
    BL_OPTION(belay_pool_options, max_waiters, 10000, BL_NOT_ALLOWED, INT32_MAX, 1, INT32_MAX),
    BL_OPTION(belay_pool_options, acquire_timeout_ms, 30000, BL_NOT_ALLOWED, INT64_MAX, 1, YEAR_MS),
    BL_OPTION(belay_pool_options, connect_retry_count, 3, 0, INT32_MAX, 1, 1000000),
    BL_OPTION(belay_pool_options, connect_retry_delay_ms, 100, 0, BL_NOT_ALLOWED, 1, DAY_MS),
    BL_OPTION(belay_pool_options, expected_capacity, 1, 0, BL_NOT_ALLOWED, 1, 1000000),
};
const size_t bl_pool_options_n = BL_COUNT(bl_pool_options);

static uint64_t ns_of(int64_t ms)
{
    return ms == INT64_MAX ? BELAY_NEVER : BL_MS(ms);
}

static int backoff_of(const struct belay_pool_options *o, struct belay_backoff *ret)
{
    struct belay_backoff_options b = belay_backoff_options_init();

    b.delay_ms = o->connect_retry_delay_ms ? o->connect_retry_delay_ms : BELAY_NONE;
    b.delay_max_ms = o->connect_retry_delay_ms > 10000 ? o->connect_retry_delay_ms : 10000;
    return belay_backoff_init(ret, &b);
}

static struct bl_pp_limits limits_of(const struct belay_pool_options *o)
{
    return (struct bl_pp_limits){
        .per_endpoint = o->max_connections_per_endpoint,
        .total = o->max_connections_total,
        .uses = o->max_connection_uses,
        .waiters = o->max_waiters,
        .idle_ns = ns_of(o->max_idle_time_ms),
        .lifetime_ns = ns_of(o->max_connection_lifetime_ms),
        .retries = o->connect_retry_count,
        .expected = o->expected_capacity,
    };
}

/* ---- life ---- */

static void close_object(struct bl_object *object)
{
    belay_pool_close(BL_CONTAINER(object, struct belay_pool, object), NULL, NULL);
}

static int out_of_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "opening a pool: out of memory");
}

int belay_pool_open(struct belay_loop *loop, const struct belay_pool_options *options,
                    struct belay_pool **ret_pool, struct belay_error *error)
{
    struct belay_pool_options o;
    struct belay_dial_options dial;
    struct bl_pp_limits limits;
    struct belay_pool *pool;
    int rc = bl_options_resolve(&o, sizeof o, options, bl_pool_options, bl_pool_options_n, error);

    if (rc == 0)
        rc = bl_dial_options_resolve(&dial, o.dial, error);
    if (rc < 0)
        return rc;
    if (loop->closing)
        return bl_error_set(error, BELAY_ECLOSED, BELAY_STAGE_NONE,
                            "opening a pool: the loop is closed");
    pool = bl_zalloc(&loop->mem, sizeof *pool);
    if (!pool || bl_timer_init(&pool->pause, loop, bl_pool_on_pause, pool) < 0) {
        bl_free(&loop->mem, pool);
        return out_of_memory(error);
    }
    rc = backoff_of(&o, &pool->backoff);
    BL_ASSERT(rc == 0); /* its range lies within the pool's options' */
    limits = limits_of(&o);
    bl_pp_init(&pool->pp, &limits);
    pool->loop = loop;
    pool->options = o;
    pool->dial = dial;
    pool->options.dial = &pool->dial;
    bl_map_init(&pool->peers, &loop->mem, loop->hash_key);
    bl_list_init(&pool->conns);
    bl_list_init(&pool->dirty);
    bl_list_init(&pool->spare_waiters);
    bl_task_init(&pool->run, bl_pool_run, pool);
    bl_object_init(&pool->object, loop, "pool", close_object);
    BL_TRACE(loop, "pool", pool->object.id, "", NULL, "open", "");
    *ret_pool = pool;
    return 0;
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
    for (struct bl_map_node *n = NULL; (n = bl_map_next(&pool->peers, n));)
        bl_pp_fail_all(&BL_CONTAINER(n, struct belay_peer, node)->pp, BELAY_ECLOSED);
    BL_LIST_EACH(node, &pool->conns)
    {
        struct bl_pool_conn *c = BL_LIST_OF(node, struct bl_pool_conn, link);

        if (hurry && c->lessor.ops)
            bl_lease_revoke(pool->loop, &c->lessor);
        bl_pp_close(&c->pp, BELAY_REASON_POOL_CLOSED, !hurry);
    }
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

void bl_pool_finish(struct belay_pool *pool)
{
    struct belay_loop *loop = pool->loop;
    belay_fn *on_closed = pool->on_closed;
    void *arg = pool->closed_arg;
    struct bl_map_node *n;
    struct bl_list *node;

    BL_TRACE(loop, "pool", pool->object.id, "", "closing", NULL, "");
    while ((n = bl_map_next(&pool->peers, NULL))) {
        struct belay_peer *peer = BL_CONTAINER(n, struct belay_peer, node);

        belay_peer_ref(peer); /* reap takes it out of the map */
        bl_map_remove(&pool->peers, n);
        bl_list_remove(&peer->dirty);
        bl_timer_stop(&peer->timer);
        bl_pp_peer_fini(&peer->pp);
        peer->pool = NULL;
        peer->pp.pool = NULL;
        belay_peer_unref(peer);
    }
    while ((node = bl_list_pop_front(&pool->spare_waiters))) {
        struct belay_waiter *w = BL_LIST_OF(node, struct belay_waiter, pp.link);

        bl_timer_fini(&w->timer, loop);
        bl_free(&loop->mem, w);
    }
    bl_task_cancel(&pool->run);
    bl_timer_fini(&pool->pause, loop);
    bl_object_fini(&pool->object, loop);
    bl_free(&loop->mem, pool);
    if (on_closed)
        on_closed(arg);
}

/* ---- peers ---- */

int belay_pool_peer(struct belay_pool *pool, struct belay_endpoint *endpoint,
                    struct belay_peer **ret_peer)
{
    struct belay_loop *loop = pool->loop;
    struct belay_peer *peer;
    const void *key;
    size_t len;

    if (pool->closing)
        return BELAY_ECLOSED;
    key = bl_endpoint_key(endpoint, &len);
    struct bl_map_node *node = bl_map_find(&pool->peers, key, len);
    if (node) {
        *ret_peer = belay_peer_ref(BL_CONTAINER(node, struct belay_peer, node));
        return 0;
    }
    peer = bl_zalloc(&loop->mem, sizeof *peer);
    if (!peer)
        return BELAY_ENOMEM;
    if (bl_timer_init(&peer->timer, loop, bl_peer_on_timer, peer) < 0 ||
        bl_map_add(&pool->peers, bl_endpoint_key(endpoint, &len), len, &peer->node) < 0) {
        bl_timer_fini(&peer->timer, loop);
        bl_free(&loop->mem, peer);
        return BELAY_ENOMEM;
    }
    bl_pp_peer_init(&peer->pp, &pool->pp, &pool->backoff);
    bl_list_init(&peer->dirty);
    peer->pool = pool;
    peer->loop = loop;
    peer->endpoint = belay_endpoint_ref(endpoint);
    peer->refs = 1;
    *ret_peer = peer;
    return 0;
}

void bl_peer_reap(struct belay_peer *peer)
{
    if (peer->refs > 0 || peer->pp.connections > 0 || peer->pp.waiting > 0)
        return;
    if (peer->pool)
        bl_map_remove(&peer->pool->peers, &peer->node);
    bl_list_remove(&peer->dirty);
    bl_pp_peer_fini(&peer->pp);
    bl_timer_fini(&peer->timer, peer->loop);
    bl_error_copy_clear(&peer->last_error, &peer->loop->mem);
    belay_endpoint_unref(peer->endpoint);
    bl_free(&peer->loop->mem, peer);
}

struct belay_peer *belay_peer_ref(struct belay_peer *peer)
{
    if (peer)
        peer->refs++;
    return peer;
}

void belay_peer_unref(struct belay_peer *peer)
{
    if (!peer || --peer->refs > 0)
        return;
    if (peer->pool)
        bl_pool_touch(peer); /* looked at, and reaped, when nothing else is going on */
    else
        bl_peer_reap(peer);
}

struct belay_endpoint *belay_peer_endpoint(const struct belay_peer *peer)
{
    return peer->endpoint;
}

struct belay_peer *belay_pool_next_peer(const struct belay_pool *pool,
                                        const struct belay_peer *peer)
{
    struct bl_map_node *n = bl_map_next(&pool->peers, peer ? &peer->node : NULL);

    return n ? BL_CONTAINER(n, struct belay_peer, node) : NULL;
}

/* ---- statistics and options ---- */

static void copy_out(struct belay_pool_stats *out, const struct belay_pool_stats *s)
{
    size_t size = out->size < sizeof *s ? out->size : sizeof *s;

    memcpy(out, s, size);
    memcpy(out, &size, sizeof size);
}

void belay_pool_get_stats(const struct belay_pool *pool, struct belay_pool_stats *stats)
{
    struct belay_pool_stats s;

    bl_pp_stats(&pool->pp, &s);
    copy_out(stats, &s);
}

void belay_peer_get_stats(const struct belay_peer *peer, struct belay_pool_stats *stats)
{
    struct belay_pool_stats s;

    bl_pp_peer_stats(&peer->pp, &s);
    copy_out(stats, &s);
}

void belay_pool_get_options(const struct belay_pool *pool, struct belay_pool_options *options)
{
    size_t size = options->size < sizeof *options ? options->size : sizeof *options;

    memcpy(options, &pool->options, size);
    memcpy(options, &size, sizeof size);
}
