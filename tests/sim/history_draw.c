/* SPDX-License-Identifier: MIT */
/* What a history begins with: its kind, its options, its hosts, all drawn from the seed. */
#include <stdio.h>

#include "sim/history.h"

static int32_t maybe(struct sim_world *w, unsigned percent, int32_t otherwise, int32_t low,
                     int32_t high)
{
    return sim_chance(w, percent) ? otherwise
                                  : (int32_t)sim_between(w, (uint64_t)low, (uint64_t)high);
}

static void draw_dial(struct history *h)
{
    struct sim_world *w = h->rig->w;
    struct belay_dial_options *d = &h->rig->dial;

    *d = belay_dial_options_init();
    d->resolve_timeout_ms = (int64_t)sim_between(w, 300, 5000);
    d->connect_timeout_ms = (int64_t)sim_between(w, 300, 5000);
    d->tls_timeout_ms = (int64_t)sim_between(w, 300, 5000);
    d->session_timeout_ms = (int64_t)sim_between(w, 300, 5000);
    d->close_timeout_ms = (int64_t)sim_between(w, 1, 2000);
}

static struct belay_pool_options draw_options(struct history *h)
{
    struct sim_world *w = h->rig->w;
    struct belay_pool_options o = belay_pool_options_init();

    draw_dial(h);
    o.max_connections_per_endpoint = (int32_t)sim_between(w, 1, 5);
    o.max_connections_total = (int32_t)sim_between(w, 2, 14);
    o.max_idle_time_ms = maybe(w, 10, BELAY_FOREVER, 100, 30000);
    o.max_connection_lifetime_ms = maybe(w, 20, BELAY_FOREVER, 500, 60000);
    o.max_connection_uses = maybe(w, 60, BELAY_FOREVER, 1, 8);
    o.max_waiters = maybe(w, 70, 0, 3, 30);
    o.acquire_timeout_ms = maybe(w, 30, BELAY_FOREVER, 50, 40000);
    o.connect_retry_count = maybe(w, 20, BELAY_NONE, 1, 5);
    o.connect_retry_delay_ms = (int64_t)sim_between(w, 10, 1000);
    o.expected_capacity = maybe(w, 30, BELAY_NONE, 1, 3);
    if (h->kind == HISTORY_SESSIONS)
        o.connector.ops = &sim_session_ops;
    return o;
}

static enum history_kind draw_kind(struct sim_world *w)
{
    uint64_t dice = sim_below(w, 1000);

    return dice < 40    ? HISTORY_TLS
           : dice < 190 ? HISTORY_SESSIONS
           : dice < 440 ? HISTORY_WIRES
                        : HISTORY_FAKE;
}

int history_draw(struct history *h, const struct history_options *options)
{
    struct sim_rig *rig = h->rig;
    struct sim_world *w = rig->w;
    struct belay_tls_options tls = belay_tls_options_init();
    struct belay_pool_options o;

    h->kind = draw_kind(w);
    h->n = (int)sim_between(w, 3, HISTORY_PEERS_MAX);
    h->reckless = sim_chance(w, 40);
    h->alloc_fails = options->alloc_fails || sim_chance(w, 15);
    rig->lenient = h->alloc_fails;
    rig->wires = h->kind != HISTORY_FAKE;
    rig->lax = rig->wires;
    if (h->kind == HISTORY_TLS) {
        tls.ca_pem = sim_tls_ca_pem();
        sim_tls_seed(w->seed);
        if (belay_tls_new(w->loop, &tls, &rig->tls, NULL) < 0)
            return -1;
    }
    o = draw_options(h);
    if (sim_rig_open(rig, &o) < 0)
        return -1;
    for (int i = 0; i < h->n; i++) {
        char name[16];
        struct sim_host *host;

        snprintf(name, sizeof name, "%c.sim.test", 'a' + i);
        host = sim_rig_host(rig, name);
        host->tls = h->kind == HISTORY_TLS;
        host->capacity = (int)sim_between(w, 1, 3);
        if (sim_chance(w, 20))
            host->latency_ns = 0;
        h->targets[i] = sim_target_new(rig, host);
    }
    return 0;
}
