/* SPDX-License-Identifier: MIT */
/* What a history of links begins with: hosts, sources, options, all drawn from the seed. */
#include <stdio.h>

#include "sim/link_history.h"

static void draw_delay(struct sim_link *l, struct belay_link_options *o)
{
    struct sim_world *w = l->all->w;
    struct belay_backoff_options *b = &l->backoff;

    o->retry_delay_ms = (int64_t)sim_between(w, 50, sim_chance(w, 50) ? 1000 : 10000);
    o->retry_spread = sim_chance(w, 40)   ? 0
                      : sim_chance(w, 40) ? BELAY_NONE
                                          : (int32_t)sim_between(w, 1, 90);
    if (sim_chance(w, 25)) {
        link_did(l, LINK_WITH_FUNCTION);
        l->base_ms = o->retry_delay_ms;
        o->retry_delay_ms = 0;
        o->retry_delay = link_delay;
        o->retry_delay_arg = l;
    } else if (sim_chance(w, 35)) {
        link_did(l, LINK_WITH_BACKOFF);
        *b = belay_backoff_options_init();
        b->delay_ms = (int64_t)sim_between(w, 1, 2000);
        b->delay_max_ms = b->delay_ms * (int64_t)sim_between(w, 1, 8);
        b->factor_percent = (int32_t)sim_between(w, 100, 300);
        b->jitter = (enum belay_jitter)sim_below(w, 4);
        b->spread_percent = (int32_t)sim_between(w, 1, 60);
        b->attempts_max = sim_chance(w, 50)   ? BELAY_FOREVER
                          : sim_chance(w, 10) ? BELAY_NONE
                                              : (int32_t)sim_between(w, 1, 12);
        o->backoff = b;
        o->retry_delay_ms = 0;
        o->retry_spread = 0;
    }
}

static void draw_dial(struct sim_link *l)
{
    struct sim_world *w = l->all->w;
    struct belay_dial_options *d = &l->dial;

    *d = belay_dial_options_init();
    d->resolve_timeout_ms = (int64_t)sim_between(w, 300, 5000);
    d->connect_timeout_ms = (int64_t)sim_between(w, 300, 5000);
    d->session_timeout_ms = (int64_t)sim_between(w, 300, 5000);
    d->close_timeout_ms = (int64_t)sim_between(w, 1, 2000);
}

static void draw_options(struct sim_link *l)
{
    struct sim_world *w = l->all->w;
    struct belay_link_options *o = &l->options;

    *o = belay_link_options_init();
    snprintf(l->name, sizeof l->name, "service %d", l->n);
    o->server_name = l->name;
    draw_delay(l, o);
    draw_dial(l);
    o->attempt_timeout_ms = (int64_t)sim_between(w, 200, sim_chance(w, 70) ? 4000 : 30000);
    if (sim_chance(w, 40) && l->source_kind != SOURCE_SHUFFLED)
        o->move_interval_ms = (int64_t)sim_between(w, 200, 10000);
    o->max_waiters = sim_chance(w, 80) ? 10000 : (int32_t)sim_between(w, 2, 6);
    if (l->wires) {
        o->connector.ops = sim_chance(w, 40) ? &sim_session_ops : NULL;
        o->connector.arg = w;
    } else {
        o->connector = sim_fake_connector(w);
    }
    if (o->connector.ops && sim_chance(w, 50)) {
        o->check_interval_ms = (int64_t)sim_between(w, 100, 5000);
        o->check_timeout_ms = (int64_t)sim_between(w, 50, 3000);
    }
}

static int new_host(struct sim_link *l, int i)
{
    struct sim_world *w = l->all->w;
    struct belay_endpoint_options o = belay_endpoint_options_init();
    struct sim_host *h;
    char name[32];

    snprintf(name, sizeof name, "%c%d.sim.test", 'a' + i, l->n);
    h = sim_host_add(w, name, 7000, &sim_line_server);
    for (uint64_t more = l->source_kind == SOURCE_DNS ? sim_below(w, 3) : 0; more > 0; more--)
        sim_host_more(h);
    sim_name_of(w, name)->ttl_s = (uint32_t)sim_below(w, 20);
    if (sim_chance(w, 20))
        h->latency_ns = 0;
    o.scheme = "tcp";
    o.host = h->name;
    o.port = h->port;
    l->hosts[i] = h;
    l->hosts_n = i + 1;
    return belay_endpoint_new(w->loop, &o, &l->endpoints[i], NULL);
}

static enum link_source some_source(struct sim_world *w)
{
    uint64_t dice = sim_below(w, 100);

    return dice < 35   ? SOURCE_LIST
           : dice < 50 ? SOURCE_SHUFFLED
           : dice < 70 ? SOURCE_DNS
           : dice < 78 ? SOURCE_FILE
                       : SOURCE_CUSTOM;
}

static int new_link(struct links *all, int n)
{
    static const enum link_deed deeds[] = {LINK_LIST, LINK_SHUFFLED, LINK_DNS, LINK_FILE,
                                           LINK_CUSTOM};
    struct sim_world *w = all->w;
    struct sim_link *l = &all->links[n];
    int hosts;

    l->all = all;
    l->n = n;
    all->n = n + 1;
    bl_list_init(&l->waits);
    l->wires = sim_chance(w, 35);
    l->source_kind = some_source(w);
    link_did(l, deeds[l->source_kind]);
    hosts = l->source_kind == SOURCE_DNS ? 1 : (int)sim_between(w, 1, LINK_HOSTS_MAX);
    for (int i = 0; i < hosts; i++)
        if (new_host(l, i) < 0)
            return -1;
    if (link_source_make(l) < 0)
        return -1;
    return link_history_open(l);
}

int link_history_open(struct sim_link *l)
{
    draw_options(l);
    return link_open(l);
}

int link_history_draw(struct life *life)
{
    struct links *all = BL_CONTAINER(life, struct links, life);
    struct sim_world *w = all->w;
    int n = 3;

    if (life_begin(life, 0))
        all->reckless = sim_chance(w, 40);
    if (life_begin(life, 1))
        life->alloc_fails = life->alloc_fails || sim_chance(w, 15);
    if (life_begin(life, 2))
        n = LINKS_MAX;
    all->lenient = life->alloc_fails;
    link_oracle_attach(all);
    for (int i = 0; i < n; i++) {
        life_begin(life, 4 + (unsigned)i);
        if (new_link(all, i) < 0)
            return -1;
    }
    life_begin_world(life);
    return 0;
}
