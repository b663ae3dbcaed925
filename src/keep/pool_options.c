/* SPDX-License-Identifier: MIT */
/* The pool's options: their ranges, what contradicts what, and their change while it works. */
#include "keep/pool.h"

#define YEAR_MS INT64_C(31536000000)
#define DAY_MS  INT64_C(86400000)

#define COUNT(field, fallback, none)                                                               \
    BL_OPTION(belay_pool_options, field, fallback, none, INT32_MAX, 1, INT32_MAX)
#define TIME(field, fallback, none, forever)                                                       \
    BL_OPTION(belay_pool_options, field, fallback, none, forever, 1, YEAR_MS)

const struct bl_option bl_pool_options[] = {
    COUNT(max_connections_per_endpoint, 10, BL_NOT_ALLOWED),
    COUNT(max_connections_total, 1000, BL_NOT_ALLOWED),
    TIME(max_idle_time_ms, 60000, 0, INT64_MAX),
    TIME(max_connection_lifetime_ms, 300000, BL_NOT_ALLOWED, INT64_MAX),
    COUNT(max_connection_uses, INT32_MAX, BL_NOT_ALLOWED),
    COUNT(max_waiters, 10000, BL_NOT_ALLOWED),
    TIME(acquire_timeout_ms, 30000, BL_NOT_ALLOWED, INT64_MAX),
    BL_OPTION(belay_pool_options, connect_retry_count, 3, 0, INT32_MAX, 1, 1000000),
    BL_OPTION(belay_pool_options, connect_retry_delay_ms, 100, 0, BL_NOT_ALLOWED, 1, DAY_MS),
    BL_OPTION(belay_pool_options, expected_capacity, 1, 0, BL_NOT_ALLOWED, 1, 1000000),
    BL_OPTION(belay_pool_options, min_idle, 0, 0, BL_NOT_ALLOWED, 1, 1000000),
    COUNT(max_idle_per_endpoint, INT32_MAX, 0),
    COUNT(max_idle_total, INT32_MAX, 0),
    COUNT(max_dials_per_endpoint, 64, BL_NOT_ALLOWED),
    COUNT(max_dials_total, 256, BL_NOT_ALLOWED),
    BL_OPTION(belay_pool_options, lifetime_jitter, 0, 0, BL_NOT_ALLOWED, 1, 50),
    BL_OPTION(belay_pool_options, reuse_order, BELAY_REUSE_LIFO, BL_NOT_ALLOWED, BL_NOT_ALLOWED,
              BELAY_REUSE_LIFO, BELAY_REUSE_LEAST_USED),
    TIME(check_after_idle_ms, INT64_MAX, 0, INT64_MAX),
    TIME(check_interval_ms, INT64_MAX, BL_NOT_ALLOWED, INT64_MAX),
    TIME(check_timeout_ms, 5000, BL_NOT_ALLOWED, INT64_MAX),
    TIME(leak_threshold_ms, INT64_MAX, BL_NOT_ALLOWED, INT64_MAX),
    TIME(resolve_interval_ms, 30000, BL_NOT_ALLOWED, INT64_MAX),
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

static const struct belay_connector_ops *ops_of(const struct bl_pool_settings *s)
{
    return s->options.connector.ops;
}

static bool has_is_healthy(const struct bl_pool_settings *s)
{
    const struct belay_connector_ops *ops = ops_of(s);

    return ops && ops->size > offsetof(struct belay_connector_ops, is_healthy) && ops->is_healthy;
}

static struct bl_pp_limits limits_of(const struct bl_pool_settings *s)
{
    const struct belay_pool_options *o = &s->options;

    return (struct bl_pp_limits){
        .per_endpoint = o->max_connections_per_endpoint,
        .total = o->max_connections_total,
        .uses = o->max_connection_uses,
        .waiters = o->max_waiters,
        .idle_ns = ns_of(o->max_idle_time_ms),
        .lifetime_ns = ns_of(o->max_connection_lifetime_ms),
        .retries = o->connect_retry_count,
        .expected = o->expected_capacity,
        .dials = o->max_dials_per_endpoint,
        .dials_total = o->max_dials_total,
        .min_idle = o->min_idle,
        .max_idle = o->max_idle_per_endpoint,
        .max_idle_total = o->max_idle_total,
        .jitter = o->lifetime_jitter,
        .check_after_ns = ns_of(o->check_after_idle_ms),
        .check_every_ns = ns_of(o->check_interval_ms),
        .order = (uint8_t)o->reuse_order,
        .watched = s->asks || s->callbacks.on_connection_reused ||
                   o->leak_threshold_ms != INT64_MAX || o->cache,
    };
}

/* ---- contradictions ---- */

static int refuse(struct belay_error *error, const char *field, const char *why)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s: %s", field, why);
}

static int check_min_idle(const struct belay_pool_options *o, struct belay_error *error)
{
    if (o->min_idle > o->max_connections_per_endpoint)
        return refuse(error, "min_idle", "is above max_connections_per_endpoint");
    if (o->min_idle > o->max_connections_total)
        return refuse(error, "min_idle", "is above max_connections_total");
    if (o->min_idle > o->max_idle_per_endpoint)
        return refuse(error, "min_idle", "is above max_idle_per_endpoint");
    if (o->min_idle > o->max_idle_total)
        return refuse(error, "min_idle", "is above max_idle_total");
    if (o->min_idle > 0 && o->max_idle_time_ms == 0)
        return refuse(error, "min_idle", "is of no use with max_idle_time_ms none");
    return 0;
}

static int check_settings(const struct bl_pool_settings *s, struct belay_error *error)
{
    const struct belay_pool_options *o = &s->options;
    bool can_ask = s->callbacks.health_check || (ops_of(s) && ops_of(s)->check);
    const char *nobody = "there is no health_check, and the connector has no check";

    if (o->check_after_idle_ms != INT64_MAX && !can_ask)
        return refuse(error, "check_after_idle_ms", nobody);
    if (o->check_interval_ms != INT64_MAX && !can_ask)
        return refuse(error, "check_interval_ms", nobody);
    if (o->cache && o->min_idle > 0)
        return refuse(error, "min_idle", "cannot be held in a cache, which may refuse to keep");
    if (o->cache && o->shared)
        return refuse(error, "cache", "cannot be used by a shared pool");
    return check_min_idle(o, error);
}

int bl_pool_settings_make(struct bl_pool_settings *s, const struct belay_pool_options *given,
                          struct belay_error *error)
{
    int rc = bl_options_resolve(&s->options, sizeof s->options, given, bl_pool_options,
                                bl_pool_options_n, error);

    if (rc == 0)
        rc = bl_dial_options_resolve(&s->dial, s->options.dial, error);
    if (rc == 0)
        rc = bl_options_resolve(&s->callbacks, sizeof s->callbacks, s->options.callbacks, NULL, 0,
                                error);
    if (rc == 0)
        rc = check_settings(s, error);
    if (rc < 0)
        return rc;
    rc = backoff_of(&s->options, &s->backoff);
    BL_ASSERT(rc == 0); /* its range lies within the pool's options' */
    s->asks = has_is_healthy(s) || s->callbacks.health_check;
    s->limits = limits_of(s);
    return 0;
}

/* ---- live change ---- */

static bool same_or_none(const void *given, const void *own, const void *effective)
{
    return !given || given == own || given == effective;
}

/* What cannot change is filled in as it is. */
static int keep_fixed(struct belay_pool *pool, struct belay_pool_options *o,
                      struct belay_error *error)
{
    const struct belay_pool_options *own = &pool->options;

    if ((o->connector.ops && o->connector.ops != own->connector.ops) ||
        (o->connector.arg && o->connector.arg != own->connector.arg))
        return refuse(error, "connector", "cannot be changed while the pool works");
    if (!same_or_none(o->dial, own->dial, &pool->dial_words))
        return refuse(error, "dial", "cannot be changed while the pool works");
    if (!same_or_none(o->callbacks, own->callbacks, &pool->callbacks) ||
        (o->callbacks_arg && o->callbacks_arg != own->callbacks_arg))
        return refuse(error, "callbacks", "cannot be changed while the pool works");
    if (o->cache && o->cache != own->cache)
        return refuse(error, "cache", "cannot be changed while the pool works");
    if (o->shared && !own->shared)
        return refuse(error, "shared", "cannot be changed while the pool works");
    o->connector = own->connector;
    o->dial = &pool->dial;
    o->callbacks = &pool->callbacks;
    o->callbacks_arg = own->callbacks_arg;
    o->cache = own->cache;
    o->shared = own->shared;
    return 0;
}

static void apply(struct belay_pool *pool, const struct bl_pool_settings *s)
{
    pool->options = s->options;
    pool->backoff = s->backoff;
    bl_pp_set_limits(&pool->pp, &s->limits);
    for (struct bl_map_node *n = NULL; (n = bl_map_next(&pool->peers, n));) {
        struct belay_peer *peer = BL_CONTAINER(n, struct belay_peer, node);
        int32_t failures = peer->pp.backoff.failures, fills = peer->pp.fill.failures;

        peer->pp.backoff = peer->pp.fill = s->backoff;
        peer->pp.backoff.failures = failures;
        peer->pp.fill.failures = fills;
        if (peer->pp.stats.opened == 0)
            peer->pp.expected = s->limits.expected;
        BL_LIST_EACH(node, &peer->pp.conns)
        {
            struct bl_pool_conn *c = bl_pool_conn_of(BL_LIST_OF(node, struct bl_pp_conn, link));

            if (c->created)
                bl_pool_heed(pool, c);
            if (bl_pp_is_idle(&c->pp))
                bl_pool_look_again(pool, c);
            else if (c->pp.state == BL_PP_OPEN)
                bl_timer_stop(bl_conn_timer(c->lessor.conn)); /* at its release, anew */
        }
        bl_names_consider(peer);
        bl_pool_touch(peer);
    }
    bl_leaks_arm(pool);
}

int belay_pool_set_options(struct belay_pool *pool, const struct belay_pool_options *options,
                           struct belay_error *error)
{
    struct bl_pool_settings s;
    struct belay_pool_options o;
    int rc;

    if (pool->closing)
        return bl_error_set(error, BELAY_ECLOSED, BELAY_STAGE_NONE,
                            "changing options: the pool is closed");
    rc = bl_options_resolve(&o, sizeof o, options, NULL, 0, error);
    if (rc == 0)
        rc = keep_fixed(pool, &o, error);
    o.dial = &pool->dial_words;
    if (rc == 0)
        rc = bl_pool_settings_make(&s, &o, error);
    if (rc < 0)
        return rc;
    s.options.dial = &pool->dial;
    apply(pool, &s);
    return 0;
}

/* In the words of options, so that they may be given back: none and forever as such. */
void belay_pool_get_options(const struct belay_pool *pool, struct belay_pool_options *options)
{
    size_t size = options->size < sizeof *options ? options->size : sizeof *options;
    struct belay_pool_options o = pool->options;

    bl_options_express(&o, bl_pool_options, bl_pool_options_n);
    o.dial = &pool->dial_words;
    memcpy(options, &o, size);
    memcpy(options, &size, sizeof size);
}
