/* SPDX-License-Identifier: MIT */
/* Calls over channels: messages both ways, further attempts, health, another address. */
#include <stdio.h>
#include <stdlib.h>

#include "sim/grpc_rig.h"
#include "sim/scenarios.h"

struct scene {
    struct sim_rig *rig;
    struct met met;
    struct grpc_lives lives;
    struct grpc_channel *channel;
};

static void on_closed(void *arg)
{
    struct scene *s = arg;

    s->channel->over = true;
}

static bool is_over(void *arg)
{
    struct scene *s = arg;

    return s->channel->over;
}

static void end(void *arg)
{
    struct scene *s = arg;
    struct bl_list *node;

    if (s->channel->channel) {
        s->channel->closing = true;
        belay_channel_close(s->channel->channel, on_closed, s);
        if (!sim_run_until(s->rig->w, SIM_END_MS, is_over, s))
            sim_fail(s->rig->w, "a channel does not close");
    }
    BL_LIST_EACH(one, &s->lives.calls)
    {
        const struct grpc_call *call = BL_LIST_OF(one, struct grpc_call, link);

        if (grpc_goes_on(call))
            sim_fail(s->rig->w, "call %zu outlives its channel", call->number);
    }
    sim_run_ms(s->rig->w, 100); /* the servers hear of it */
    s->rig->w->after_turn = NULL;
    while ((node = bl_list_pop_front(&s->lives.calls)))
        free(BL_LIST_OF(node, struct grpc_call, link));
}

static void add_hosts(struct scene *s, int n)
{
    struct grpc_channel *ch = s->channel;
    size_t len = (size_t)snprintf(ch->target, sizeof ch->target, "ipv4:");

    for (int i = 0; i < n; i++) {
        struct grpc_host *h = &ch->hosts[i];
        char name[16], text[BELAY_ADDR_TEXT_MAX];

        snprintf(name, sizeof name, "%c.test", 'a' + i);
        h2_host_init(&h->h2, sim_host_add(s->rig->w, name, 50051, &h2_server), &grpc_server, h,
                     &s->met);
        h->channel = ch;
        h->serving = true;
        belay_addr_print(&h->h2.host->addrs[0], text, sizeof text);
        len +=
            (size_t)snprintf(ch->target + len, sizeof ch->target - len, "%s%s", i ? "," : "", text);
    }
    ch->hosts_n = n;
}

/* A channel to so many hosts, without retries or health unless that was asked for. */
static struct scene *set(struct sim_rig *rig, int hosts, enum belay_lb_policy policy, bool retries,
                         const char *health)
{
    static struct scene scene; /* servers outlive what is cleaned up */
    struct scene *s = &scene;
    struct grpc_channel *ch;

    memset(s, 0, sizeof *s);
    s->rig = rig;
    s->lives = (struct grpc_lives){.w = rig->w, .met = &s->met, .n = 1, .lenient = rig->lenient};
    bl_list_init(&s->lives.calls);
    ch = s->channel = &s->lives.channels[0];
    ch->all = &s->lives;
    sim_rig_later(rig, end, s);
    add_hosts(s, hosts);
    ch->options = belay_channel_options_init();
    ch->options.plain = true;
    ch->options.idle_timeout_ms = 60000; /* worlds do not last longer */
    ch->options.lb_policy = policy;
    ch->options.health_service = health;
    ch->backoff = belay_backoff_options_init();
    ch->backoff.delay_ms = 200;
    ch->backoff.delay_max_ms = 1000;
    ch->options.backoff = &ch->backoff;
    ch->retry = belay_retry_policy_init();
    ch->retry.attempts_max = 3;
    ch->retry.delay_ms = 50;
    ch->options.retry = retries ? &ch->retry : NULL;
    grpc_oracle_attach(&s->lives);
    SIM_EXPECT(rig,
               belay_channel_open(rig->w->loop, ch->target, &ch->options, &ch->channel, NULL) == 0);
    return s;
}

static struct grpc_call *call(struct scene *s, const struct grpc_call_plan *plan)
{
    struct grpc_call *one = grpc_call(s->channel, plan);

    SIM_EXPECT(s->rig, one != NULL);
    return one;
}

static void expect_ok(struct scene *s, const struct grpc_call *one)
{
    sim_run_ms(s->rig->w, 3000);
    SIM_EXPECT(s->rig, one->done && one->status == BELAY_GRPC_OK);
}

static const struct grpc_call_plan unary = {.unary = true, .waits_for_ready = true};
static const struct grpc_call_plan messages = {
    .echo = true, .waits_for_ready = true, .sends = 4, .filler = 30000};

static void calls_of_every_kind_are_answered(struct sim_rig *rig)
{
    struct scene *s = set(rig, 1, BELAY_PICK_FIRST, false, NULL);
    struct grpc_call *a = call(s, &unary), *b = call(s, &messages);

    expect_ok(s, a);
    expect_ok(s, b);
    SIM_EXPECT(rig, b->got == 4 && s->channel->hosts[0].h2.host->dials == 1);
}

static void a_call_that_failed_is_attempted_again(struct sim_rig *rig)
{
    struct scene *s = set(rig, 1, BELAY_PICK_FIRST, true, NULL);
    struct grpc_call *one;

    s->channel->hosts[0].always = BELAY_GRPC_UNAVAILABLE;
    one = call(s, &unary);
    sim_run_ms(rig->w, 8);
    s->channel->hosts[0].always = 0;
    sim_run_ms(rig->w, 3000);
    SIM_EXPECT(rig, one->done && one->attempts_n > 1);
}

static void calls_go_to_addresses_that_serve(struct sim_rig *rig)
{
    struct scene *s = set(rig, 2, BELAY_ROUND_ROBIN, false, "sim.S");

    s->channel->hosts[0].serving = false;
    for (int i = 0; i < 3; i++)
        expect_ok(s, call(s, &unary));
    s->channel->hosts[0].serving = true;
    grpc_tell_health(&s->channel->hosts[0]);
    sim_run_ms(rig->w, 100);
    for (int i = 0; i < 2; i++)
        expect_ok(s, call(s, &unary));
    for (int i = 0; i < 2; i++)
        SIM_EXPECT(rig, s->channel->hosts[i].h2.host->accepted > 0);
}

static void another_address_is_used_when_one_dies(struct sim_rig *rig)
{
    struct scene *s = set(rig, 2, BELAY_PICK_FIRST, false, NULL);

    expect_ok(s, call(s, &unary));
    sim_host_kill(s->channel->hosts[0].h2.host);
    sim_run_ms(rig->w, 20);
    expect_ok(s, call(s, &unary));
    SIM_EXPECT(rig, s->channel->hosts[1].h2.host->accepted == 1);
}

static void calls_under_way_end_with_their_channel(struct sim_rig *rig)
{
    struct scene *s = set(rig, 1, BELAY_PICK_FIRST, true, NULL);

    s->channel->hosts[0].h2.hangs = 100;
    call(s, &unary);
    call(s, &messages);
    sim_run_ms(rig->w, 100);
}

const struct sim_scenario sim_grpc_scenarios[] = {
    SIM_SCENARIO(calls_of_every_kind_are_answered),
    SIM_SCENARIO(a_call_that_failed_is_attempted_again),
    SIM_SCENARIO(calls_go_to_addresses_that_serve),
    SIM_SCENARIO(another_address_is_used_when_one_dies),
    SIM_SCENARIO(calls_under_way_end_with_their_channel),
    {.name = NULL},
};
