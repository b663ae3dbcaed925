/* SPDX-License-Identifier: MIT */
/*
 * What a history begins with: its kind, its options, its hosts, all drawn from the seed. Each draw is an item of the
 * history (history.h): where it is left out, the default is taken.
 */
#include <stdio.h>

#include "sim/history.h"

static int32_t maybe(struct sim_world *w, unsigned percent, int32_t otherwise, int32_t low,
                     int32_t high)
{
    return sim_chance(w, percent) ? otherwise
                                  : (int32_t)sim_between(w, (uint64_t)low, (uint64_t)high);
}

typedef void draw_fn(struct history *h, struct belay_pool_options *o);

static void draw_kind(struct history *h, struct belay_pool_options *o)
{
    uint64_t dice = sim_below(h->rig->w, 1000);

    h->kind = dice < 40    ? HISTORY_TLS
              : dice < 190 ? HISTORY_SESSIONS
              : dice < 440 ? HISTORY_WIRES
                           : HISTORY_FAKE;
    if (h->kind == HISTORY_SESSIONS)
        o->connector.ops = &sim_session_ops;
}

static void draw_reckless(struct history *h, struct belay_pool_options *o)
{
    (void)o;
    h->reckless = sim_chance(h->rig->w, 40);
}

static void draw_alloc(struct history *h, struct belay_pool_options *o)
{
    (void)o;
    h->life.alloc_fails = h->life.alloc_fails || sim_chance(h->rig->w, 15);
}

static void draw_dial(struct history *h, struct belay_pool_options *o)
{
    struct sim_world *w = h->rig->w;
    struct belay_dial_options *d = &h->rig->dial;

    (void)o;
    d->resolve_timeout_ms = (int64_t)sim_between(w, 300, 5000);
    d->connect_timeout_ms = (int64_t)sim_between(w, 300, 5000);
    d->tls_timeout_ms = (int64_t)sim_between(w, 300, 5000);
    d->session_timeout_ms = (int64_t)sim_between(w, 300, 5000);
    d->close_timeout_ms = (int64_t)sim_between(w, 1, 2000);
}

static void draw_per_endpoint(struct history *h, struct belay_pool_options *o)
{
    o->max_connections_per_endpoint = (int32_t)sim_between(h->rig->w, 1, 5);
}

static void draw_total(struct history *h, struct belay_pool_options *o)
{
    o->max_connections_total = (int32_t)sim_between(h->rig->w, 2, 14);
}

static void draw_idle_time(struct history *h, struct belay_pool_options *o)
{
    o->max_idle_time_ms = maybe(h->rig->w, 10, BELAY_FOREVER, 100, 30000);
}

static void draw_lifetime(struct history *h, struct belay_pool_options *o)
{
    o->max_connection_lifetime_ms = maybe(h->rig->w, 20, BELAY_FOREVER, 500, 60000);
}

static void draw_uses(struct history *h, struct belay_pool_options *o)
{
    o->max_connection_uses = maybe(h->rig->w, 60, BELAY_FOREVER, 1, 8);
}

static void draw_waiters(struct history *h, struct belay_pool_options *o)
{
    o->max_waiters = maybe(h->rig->w, 70, 0, 3, 30);
}

static void draw_timeout(struct history *h, struct belay_pool_options *o)
{
    o->acquire_timeout_ms = maybe(h->rig->w, 30, BELAY_FOREVER, 50, 40000);
}

static void draw_retries(struct history *h, struct belay_pool_options *o)
{
    o->connect_retry_count = maybe(h->rig->w, 20, BELAY_NONE, 1, 5);
    o->connect_retry_delay_ms = (int64_t)sim_between(h->rig->w, 10, 1000);
}

static void draw_capacity(struct history *h, struct belay_pool_options *o)
{
    o->expected_capacity = maybe(h->rig->w, 30, BELAY_NONE, 1, 3);
}

static void draw_hooks(struct history *h, struct belay_pool_options *o)
{
    (void)o;
    h->rig->no_hooks = sim_chance(h->rig->w, 20);
    h->rig->asks_health = sim_chance(h->rig->w, 40);
}

static void draw_min_idle(struct history *h, struct belay_pool_options *o)
{
    if (sim_chance(h->rig->w, 25))
        o->min_idle = (int32_t)sim_between(h->rig->w, 1, 3);
}

static void draw_max_idle(struct history *h, struct belay_pool_options *o)
{
    o->max_idle_per_endpoint = maybe(h->rig->w, 75, 0, 0, 3);
    o->max_idle_total = maybe(h->rig->w, 85, 0, 1, 8);
    if (sim_chance(h->rig->w, 3))
        o->max_idle_per_endpoint = BELAY_NONE;
}

static void draw_dials(struct history *h, struct belay_pool_options *o)
{
    o->max_dials_per_endpoint = maybe(h->rig->w, 70, 0, 1, 3);
    o->max_dials_total = maybe(h->rig->w, 70, 0, 1, 5);
}

static void draw_jitter(struct history *h, struct belay_pool_options *o)
{
    o->lifetime_jitter = maybe(h->rig->w, 60, BELAY_NONE, 1, 50);
}

static void draw_order(struct history *h, struct belay_pool_options *o)
{
    o->reuse_order = (enum belay_reuse_order)sim_below(h->rig->w, 4);
}

static void draw_checks(struct history *h, struct belay_pool_options *o)
{
    o->check_after_idle_ms = maybe(h->rig->w, 70, BELAY_FOREVER, 1, 3000);
    o->check_interval_ms = maybe(h->rig->w, 80, BELAY_FOREVER, 100, 5000);
    o->check_timeout_ms = maybe(h->rig->w, 40, 0, 10, 3000);
}

static void draw_leaks(struct history *h, struct belay_pool_options *o)
{
    o->leak_threshold_ms = maybe(h->rig->w, 60, BELAY_FOREVER, 1, 10000);
}

static void draw_resolving(struct history *h, struct belay_pool_options *o)
{
    o->resolve_interval_ms = maybe(h->rig->w, 40, 0, 100, 10000);
}

static void draw_settled(struct history *h, struct belay_pool_options *o)
{
    (void)o;
    h->settled = sim_chance(h->rig->w, 50);
}

static void draw_keys(struct history *h, struct belay_pool_options *o)
{
    (void)o;
    h->keys = sim_chance(h->rig->w, 10);
}

static draw_fn *const draws[] = {
    draw_kind,      draw_reckless, draw_alloc,    draw_dial,     draw_per_endpoint, draw_total,
    draw_idle_time, draw_lifetime, draw_uses,     draw_waiters,  draw_timeout,      draw_retries,
    draw_capacity,  draw_hooks,    draw_min_idle, draw_max_idle, draw_dials,        draw_jitter,
    draw_order,     draw_checks,   draw_leaks,    draw_settled,  draw_resolving,    draw_keys,
};
_Static_assert(BL_COUNT(draws) < HISTORY_DRAWS, "each draw is an item");

static struct sim_target *new_host(struct history *h, int i)
{
    struct sim_world *w = h->rig->w;
    struct sim_host *host;
    char name[16];

    snprintf(name, sizeof name, "%c.sim.test", 'a' + i);
    host = sim_rig_host(h->rig, name);
    host->tls = h->kind == HISTORY_TLS;
    host->capacity = (int)sim_between(w, 1, 3);
    for (uint64_t more = sim_chance(w, 30) ? sim_between(w, 1, 3) : 0; more > 0; more--)
        sim_host_more(host);
    sim_name_of(w, name)->ttl_s = (uint32_t)sim_below(w, 30);
    if (sim_chance(w, 20))
        host->latency_ns = 0;
    return sim_target_new(h->rig, host);
}

/* What was drawn may contradict itself, as nobody's options may. */
static void reconcile(const struct history *h, struct belay_pool_options *o)
{
    int32_t most = o->max_connections_per_endpoint;

    if (most && o->max_connections_total && o->max_connections_total < most)
        most = o->max_connections_total;
    if (o->max_idle_per_endpoint > 0 && o->max_idle_per_endpoint < most)
        most = o->max_idle_per_endpoint;
    if (o->max_idle_total > 0 && o->max_idle_total < most)
        most = o->max_idle_total;
    if (o->max_idle_per_endpoint == BELAY_NONE)
        o->min_idle = 0;
    if (most && o->min_idle > most)
        o->min_idle = most;
    if (!history_can_check(h))
        o->check_after_idle_ms = o->check_interval_ms = BELAY_FOREVER;
}

/* One of a few hosts, by one of many endpoints: those that are equal are one peer. */
static struct sim_target *new_variant(struct history *h, int i)
{
    struct sim_world *w = h->rig->w;
    struct belay_endpoint_options o = belay_endpoint_options_init();
    static const char *const names[] = {"a.sim.test", "b.sim.test", "c.sim.test"};
    struct sim_host *host = sim_host_named(w, names[i % 3]);
    uint64_t variant = sim_below(w, 6) * sim_between(w, 1, 2);
    struct sim_target *t;

    if (!host)
        host = sim_rig_host(h->rig, names[i % 3]);
    host->tls = h->kind == HISTORY_TLS;
    o.scheme = host->tls ? "tls" : "tcp";
    o.host = host->name;
    o.port = host->port;
    o.tls = host->tls ? h->rig->tls : NULL;
    o.tag = (const char *const[]){NULL, "one", "two"}[variant % 3];
    o.source_addr = variant / 3 % 2 ? "10.0.0.9" : NULL;
    o.family = variant / 6 ? BELAY_FAMILY_IPV4 : BELAY_FAMILY_NONE;
    t = sim_target_with(h->rig, host, &o);
    if (!t)
        return NULL;
    t->key = 1 + (int)variant;
    for (int j = 0; j < i; j++)
        if ((h->targets[j]->peer == t->peer) !=
            (h->targets[j]->host == host && h->targets[j]->key == t->key))
            sim_fail(w, "endpoints %d and %d: two keys are one, or one is two", j, i);
    return t;
}

int history_draw(struct history *h)
{
    struct sim_rig *rig = h->rig;
    struct sim_world *w = rig->w;
    struct belay_tls_options tls = belay_tls_options_init();
    struct belay_pool_options o = belay_pool_options_init();

    h->kind = HISTORY_FAKE;
    rig->dial = belay_dial_options_init();
    for (unsigned i = 0; i < BL_COUNT(draws); i++) {
        if (life_begin(&h->life, i))
            draws[i](h, &o);
    }
    life_begin_world(&h->life);
    h->n = (int)sim_between(w, 3, HISTORY_PEERS_MAX);
    rig->lenient = h->life.alloc_fails;
    rig->wires = h->kind != HISTORY_FAKE;
    rig->lax = rig->wires || h->keys;
    w->shared_hosts = h->keys;
    reconcile(h, &o);
    if (h->kind == HISTORY_TLS) {
        tls.ca_pem = sim_tls_ca_pem();
        sim_tls_seed(w->seed);
        if (belay_tls_new(w->loop, &tls, &rig->tls, NULL) < 0)
            return -1;
    }
    if (sim_rig_open(rig, &o) < 0)
        return -1;
    for (int i = 0; i < h->n; i++)
        h->targets[i] = h->keys ? new_variant(h, i) : new_host(h, i);
    return 0;
}
