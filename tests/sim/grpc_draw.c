/* SPDX-License-Identifier: MIT */
/* What a history of channels begins with, drawn from the seed; and the names of services, which change. */
#include <stdio.h>

#include "sim/grpc_rig.h"

/* ---- the name of a service ---- */

static void publish(struct grpc_channel *ch, unsigned which)
{
    struct sim_name *name = sim_name_of(ch->all->w, ch->name);

    name->addrs_n = 0;
    for (int i = 0; i < ch->hosts_n; i++) {
        struct grpc_host *h = &ch->hosts[i];

        if (!h->published || !(which >> i & 1) ||
            !belay_addr_equal(&h->told, &h->h2.host->addrs[0]))
            h->left_ns = ch->all->w->now_ns;
        h->told = h->h2.host->addrs[0];
        h->published = which >> i & 1;
        h->forgiven_ns = ch->all->w->now_ns; /* what is new has no past */
        if (h->published)
            name->addrs[name->addrs_n++] = h->h2.host->addrs[0];
    }
}

void grpc_name_disturb(struct grpc_channel *ch)
{
    struct sim_world *w = ch->all->w;
    struct sim_name *name = sim_name_of(w, ch->name);

    switch (sim_below(w, 6)) {
    case 0:
        grpc_did(ch->all, GRPC_NAME_FAILS);
        name->fails = true;
        break;
    case 1:
        grpc_did(ch->all, GRPC_NAME_MISSING);
        name->missing = true;
        break;
    case 2:
        grpc_did(ch->all, GRPC_NAME_SLOW);
        name->delay_ns = SIM_MS(sim_between(w, 100, 6000));
        break;
    default:
        grpc_did(ch->all, GRPC_ADDRESSES);
        publish(ch, (unsigned)sim_between(w, 1, (1u << ch->hosts_n) - 1));
    }
    name->ttl_s = (uint32_t)sim_below(w, 5);
}

void grpc_name_heal(struct grpc_channel *ch)
{
    struct sim_name *name = sim_name_of(ch->all->w, ch->name);

    name->fails = name->missing = false;
    name->delay_ns = SIM_MS(1);
    publish(ch, ~0u);
}

/* ---- drawing ---- */

static void draw_options(struct grpc_channel *ch)
{
    struct sim_world *w = ch->all->w;
    struct belay_channel_options *o = &ch->options;

    *o = belay_channel_options_init();
    ch->backoff = belay_backoff_options_init();
    ch->backoff.delay_ms = (int64_t)sim_between(w, 50, 1000);
    ch->backoff.delay_max_ms = ch->backoff.delay_ms * (int64_t)sim_between(w, 1, 6);
    o->backoff = &ch->backoff;
    o->plain = true;
    o->lb_policy = sim_chance(w, 50) ? BELAY_PICK_FIRST : BELAY_ROUND_ROBIN;
    grpc_did(ch->all, o->lb_policy == BELAY_PICK_FIRST ? GRPC_PICK_FIRST : GRPC_ROUND_ROBIN);
    o->connect_timeout_ms = (int64_t)sim_between(w, 200, 4000);
    o->idle_timeout_ms = sim_chance(w, 40) ? (int64_t)sim_between(w, 100, 5000) : 120000;
    if (sim_chance(w, 50)) {
        o->keepalive_ms = (int64_t)sim_between(w, 1000, 4000);
        o->keepalive_timeout_ms = (int64_t)sim_between(w, 100, 3000);
        o->keepalive_when_idle = sim_chance(w, 50);
    }
    o->max_connections = (int32_t)sim_between(w, 1, 4);
    if (sim_chance(w, 50)) {
        grpc_did(ch->all, GRPC_WITH_RETRY);
        ch->retry = belay_retry_policy_init();
        ch->retry.attempts_max = (int32_t)sim_between(w, 2, 5);
        ch->retry.delay_ms = (int64_t)sim_between(w, 1, 300);
        ch->retry.delay_max_ms = ch->retry.delay_ms * (int64_t)sim_between(w, 1, 5);
        ch->retry.tokens_max = (int32_t)sim_between(w, 2, 20);
        o->retry = &ch->retry;
    }
    if (sim_chance(w, 30)) {
        grpc_did(ch->all, GRPC_WITH_HEALTH);
        o->health_service = "sim.S";
    }
}

static void new_host(struct grpc_channel *ch, int i)
{
    struct sim_world *w = ch->all->w;
    struct grpc_host *h = &ch->hosts[i];
    struct sim_host *host;
    char name[24];

    snprintf(name, sizeof name, "%c%d.sim.test", 'a' + i, ch->n);
    host = sim_host_add(w, name, 50051, &h2_server);
    h2_host_init(&h->h2, host, &grpc_server, h, ch->all->met);
    h->channel = ch;
    h->addr = host->addrs[0];
    h->serving = true;
    if (sim_chance(w, 30))
        host->latency_ns = 0;
    if (sim_chance(w, 30))
        h->h2.max_streams = (uint32_t)sim_between(w, 1, 8);
    ch->hosts_n = i + 1;
}

static void make_target(struct grpc_channel *ch)
{
    size_t n = 0;

    snprintf(ch->name, sizeof ch->name, "service%d.test", ch->n);
    grpc_name_heal(ch);
    if (ch->by_name) {
        grpc_did(ch->all, GRPC_BY_NAME);
        snprintf(ch->target, sizeof ch->target, "dns:service%d.test:50051", ch->n);
        return;
    }
    n = (size_t)snprintf(ch->target, sizeof ch->target, "ipv4:");
    for (int i = 0; i < ch->hosts_n; i++) {
        char text[BELAY_ADDR_TEXT_MAX];

        belay_addr_print(&ch->hosts[i].h2.host->addrs[0], text, sizeof text);
        n += (size_t)snprintf(ch->target + n, sizeof ch->target - n, "%s%s", i ? "," : "", text);
    }
}

static void on_state(struct belay_channel *channel, enum belay_channel_state state,
                     const struct belay_error *error, void *arg)
{
    static const enum grpc_deed deeds[] = {[BELAY_CHANNEL_IDLE] = GRPC_IDLE,
                                           [BELAY_CHANNEL_CONNECTING] = GRPC_CONNECTING,
                                           [BELAY_CHANNEL_READY] = GRPC_READY,
                                           [BELAY_CHANNEL_TRANSIENT_FAILURE] =
                                               GRPC_TRANSIENT_FAILURE,
                                           [BELAY_CHANNEL_SHUTDOWN] = GRPC_SHUTDOWN};
    struct grpc_channel *ch = arg;
    struct sim_world *w = ch->all->w;

    if (ch->all->in_call || ch->over)
        sim_fail(w, "the watch of channel %d runs inside a call, or after its end", ch->n);
    if (state == ch->told || ch->told == BELAY_CHANNEL_SHUTDOWN)
        sim_fail(w, "channel %d is told to be %s", ch->n, belay_channel_state_name(state));
    if (state != belay_channel_get_state(channel))
        sim_fail(w, "channel %d is told to be %s, and is not", ch->n,
                 belay_channel_state_name(state));
    if (state == BELAY_CHANNEL_TRANSIENT_FAILURE && (!error || !error->text[0]))
        sim_fail(w, "channel %d fails without a word", ch->n);
    ch->told = state;
    grpc_did(ch->all, deeds[state]);
    if (ch->all->then)
        ch->all->then(ch);
}

int grpc_channel_new(struct grpc_lives *all, int n)
{
    struct grpc_channel *ch = &all->channels[n];
    int hosts = (int)sim_between(all->w, all->n == 1 ? 3 : 2, GRPC_HOSTS_MAX);
    int r;

    ch->all = all;
    ch->n = n;
    ch->by_name = sim_chance(all->w, 60);
    for (int i = 0; i < hosts; i++)
        new_host(ch, i);
    make_target(ch);
    draw_options(ch);
    r = belay_channel_open(all->w->loop, ch->target, &ch->options, &ch->channel, NULL);
    if (r < 0)
        return -1;
    belay_channel_watch(ch->channel, on_state, ch);
    return 0;
}
