/* SPDX-License-Identifier: MIT */
/* How many connections are kept ready, how many at most, and how long they live. */
#include "sim/scenarios.h"

static uint32_t idle_of(struct sim_target *t)
{
    struct belay_pool_stats s = belay_pool_stats_init();

    belay_peer_get_stats(t->peer, &s);
    return s.idle;
}

static void min_idle_connections_are_ready_before_anybody_asks(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .min_idle = 3);
    t = target(rig, "db.test");
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, idle_of(t) == 3 && t->host->dials == 3);
    ask = sim_try_acquire(t, NULL);
    SIM_EXPECT(rig, ask != NULL);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, idle_of(t) == 3 && t->host->dials == 4);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 1000);
    SIM_EXPECT(rig, idle_of(t) == 4 && t->host->dials == 4); /* what is more idles out */
}

static void min_idle_fills_one_by_one_with_spaces_between(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .min_idle = 5);
    t = target(rig, "db.test");
    t->host->latency_ns = SIM_MS(10);
    for (int i = 0; i < 3000 && idle_of(t) < 5; i++) {
        SIM_EXPECT(rig, stats(rig).dialing <= 1);
        sim_run_turn(rig->w);
    }
    SIM_EXPECT(rig, idle_of(t) == 5 && t->host->dials == 5);
    SIM_EXPECT(rig, dial_gap_ms(t->host, 0, 4) >= 80 && dial_gap_ms(t->host, 0, 4) <= 700);
}

static void min_idle_backs_off_while_the_peer_is_down_and_comes_back(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .min_idle = 3, .connect_retry_delay_ms = 100);
    t = target(rig, "db.test");
    t->host->refuse = true;
    sim_run_ms(rig->w, 60000);
    SIM_EXPECT(rig, t->host->dials >= 5 && t->host->dials <= 20); /* 0.1, 0.2, ... 10 s */
    sim_host_heal(t->host);
    sim_run_ms(rig->w, 13000);
    SIM_EXPECT(rig, idle_of(t) == 3);
}

static void min_idle_replaces_what_ends_by_age(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .min_idle = 2, .max_connection_lifetime_ms = 10000, .lifetime_jitter = 20);
    t = target(rig, "db.test");
    sim_run_ms(rig->w, 1000);
    for (int i = 0; i < 60; i++) {
        sim_run_ms(rig->w, 1000);
        SIM_EXPECT(rig, idle_of(t) >= 1);
    }
    SIM_EXPECT(rig, stats(rig).closed[BELAY_REASON_LIFETIME] >= 8);
    SIM_EXPECT(rig, t->host->dials <= 20);
}

static void min_idle_outlasts_max_idle_time(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .min_idle = 1, .max_idle_time_ms = 2000);
    t = target(rig, "db.test");
    sim_release(lease(t), BELAY_REUSE);
    sim_run_ms(rig->w, 20000);
    SIM_EXPECT(rig, idle_of(t) >= 1 && t->host->dials <= 3); /* kept, not replaced */
}

static void min_idle_holds_as_long_as_the_peer_is_held(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .min_idle = 2, .max_idle_time_ms = 1000);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_run_ms(rig->w, 500);
    SIM_EXPECT(rig, stats(rig).idle == 2);
    belay_peer_unref(t->peer);
    t->peer = NULL;
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 5000);
    SIM_EXPECT(rig, stats(rig).idle == 0 && t->host->live == 0);
}

static void min_idle_of_many_peers_gives_way_to_limits_of_all(struct sim_rig *rig)
{
    struct sim_target *targets[4];
    uint64_t dials = 0;

    OPEN(rig, .min_idle = 3, .max_idle_total = 5, .max_connections_total = 7);
    for (int i = 0; i < 4; i++)
        targets[i] = target(rig, (const char *const[]){"a.test", "b.test", "c.test", "d.test"}[i]);
    sim_run_ms(rig->w, 2000);
    SIM_EXPECT(rig, stats(rig).idle == 5);
    lease(targets[0]);
    lease(targets[1]);
    sim_run_ms(rig->w, 50000);
    for (int i = 0; i < 4; i++)
        dials += targets[i]->host->dials;
    SIM_EXPECT(rig, stats(rig).idle <= 5 && dials <= 9); /* nobody's is taken for another's */
}

static void min_idle_above_a_maximum_is_refused(struct sim_rig *rig)
{
    struct belay_pool_options o = belay_pool_options_init();

    o.min_idle = 5;
    o.max_connections_per_endpoint = 4;
    SIM_EXPECT(rig, sim_rig_open(rig, &o) == BELAY_EINVAL);
    o.max_connections_per_endpoint = 5;
    o.max_idle_per_endpoint = 4;
    SIM_EXPECT(rig, sim_rig_open(rig, &o) == BELAY_EINVAL);
    o.max_idle_per_endpoint = 5;
    o.max_connections_total = 4;
    SIM_EXPECT(rig, sim_rig_open(rig, &o) == BELAY_EINVAL);
    o.max_connections_total = 5;
    SIM_EXPECT(rig, sim_rig_open(rig, &o) == 0);
}

static void idle_connections_above_max_idle_are_closed(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *asks[4];

    OPEN(rig, .max_idle_per_endpoint = 2);
    t = target(rig, "db.test");
    for (int i = 0; i < 4; i++)
        asks[i] = lease(t);
    for (int i = 0; i < 4; i++) {
        sim_release(asks[i], BELAY_REUSE);
        sim_run_ms(rig->w, 10);
        SIM_EXPECT(rig, idle_of(t) <= 2);
    }
    SIM_EXPECT(rig, idle_of(t) == 2 && stats(rig).closed[BELAY_REASON_EVICTED] == 2);
}

static void connection_above_max_idle_serves_those_who_wait(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *next;

    OPEN(rig, .max_idle_per_endpoint = BELAY_NONE, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    held = lease(t);
    next = acquire(t);
    sim_release(held, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, next->state == ASK_LEASED && next->seen == held->seen);
    sim_release(next, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, idle_of(t) == 0 && t->host->live == 0);
}

static void max_idle_total_closes_the_longest_idle_of_all(struct sim_rig *rig)
{
    struct sim_target *a, *b;
    struct sim_ask *of_a, *of_b, *last;

    OPEN(rig, .max_idle_total = 2);
    a = target(rig, "a.test");
    b = target(rig, "b.test");
    of_a = lease(a);
    of_b = lease(b);
    last = lease(b);
    sim_release(of_a, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    sim_release(of_b, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    sim_release(last, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, of_a->seen->reason == BELAY_REASON_EVICTED);
    SIM_EXPECT(rig, idle_of(b) == 2);
}

static void jitter_spreads_the_ends_of_lives(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *asks[10];
    uint32_t gone_first = 0, gone_late;

    OPEN(rig, .max_connection_lifetime_ms = 100000, .lifetime_jitter = 50,
         .max_idle_time_ms = BELAY_FOREVER);
    t = target(rig, "db.test");
    for (int i = 0; i < 10; i++)
        asks[i] = lease(t);
    for (int i = 0; i < 10; i++)
        sim_release(asks[i], BELAY_REUSE);
    sim_run_ms(rig->w, 49700);
    SIM_EXPECT(rig, idle_of(t) == 10); /* not before half of it */
    sim_run_ms(rig->w, 25000);
    gone_first = 10 - idle_of(t);
    sim_run_ms(rig->w, 25600);
    gone_late = 10 - idle_of(t);
    SIM_EXPECT(rig, gone_first >= 1 && gone_first <= 9 && gone_late == 10);
    SIM_EXPECT(rig, stats(rig).closed[BELAY_REASON_LIFETIME] == 10);
}

const struct sim_scenario sim_idle_scenarios[] = {
    SIM_SCENARIO(min_idle_connections_are_ready_before_anybody_asks),
    SIM_SCENARIO(min_idle_fills_one_by_one_with_spaces_between),
    SIM_SCENARIO(min_idle_backs_off_while_the_peer_is_down_and_comes_back),
    SIM_SCENARIO(min_idle_replaces_what_ends_by_age),
    SIM_SCENARIO(min_idle_outlasts_max_idle_time),
    SIM_SCENARIO(min_idle_holds_as_long_as_the_peer_is_held),
    SIM_SCENARIO(min_idle_of_many_peers_gives_way_to_limits_of_all),
    SIM_SCENARIO(min_idle_above_a_maximum_is_refused),
    SIM_SCENARIO(idle_connections_above_max_idle_are_closed),
    SIM_SCENARIO(connection_above_max_idle_serves_those_who_wait),
    SIM_SCENARIO(max_idle_total_closes_the_longest_idle_of_all),
    SIM_SCENARIO(jitter_spreads_the_ends_of_lives),
    {0},
};
