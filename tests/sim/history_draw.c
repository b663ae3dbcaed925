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
    h->alloc_fails = h->alloc_fails || sim_chance(h->rig->w, 15);
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

static draw_fn *const draws[] = {
    draw_kind,    draw_reckless,  draw_alloc,    draw_dial, draw_per_endpoint,
    draw_total,   draw_idle_time, draw_lifetime, draw_uses, draw_waiters,
    draw_timeout, draw_retries,   draw_capacity,
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
    if (sim_chance(w, 20))
        host->latency_ns = 0;
    return sim_target_new(h->rig, host);
}

int history_draw(struct history *h, const struct history_options *options)
{
    struct sim_rig *rig = h->rig;
    struct sim_world *w = rig->w;
    struct belay_tls_options tls = belay_tls_options_init();
    struct belay_pool_options o = belay_pool_options_init();

    h->kind = HISTORY_FAKE;
    h->alloc_fails = options->alloc_fails;
    rig->dial = belay_dial_options_init();
    for (unsigned i = 0; i < BL_COUNT(draws); i++) {
        history_begin(h, i);
        if (history_has(h->items, i))
            draws[i](h, &o);
    }
    history_begin(h, HISTORY_DRAWS - 1); /* its world */
    h->n = (int)sim_between(w, 3, HISTORY_PEERS_MAX);
    rig->lenient = h->alloc_fails;
    rig->wires = h->kind != HISTORY_FAKE;
    rig->lax = rig->wires;
    if (h->kind == HISTORY_TLS) {
        tls.ca_pem = sim_tls_ca_pem();
        sim_tls_seed(w->seed);
        if (belay_tls_new(w->loop, &tls, &rig->tls, NULL) < 0)
            return -1;
    }
    if (sim_rig_open(rig, &o) < 0)
        return -1;
    for (int i = 0; i < h->n; i++)
        h->targets[i] = new_host(h, i);
    return 0;
}
