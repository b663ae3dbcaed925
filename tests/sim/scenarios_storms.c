/* SPDX-License-Identifier: MIT */
/* Outages that must not become storms, and leases that do not come back. */
#include "sim/scenarios.h"

static void dials_in_flight_are_limited_per_endpoint(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .max_connections_per_endpoint = 50, .max_dials_per_endpoint = 3);
    t = target(rig, "db.test");
    t->host->latency_ns = SIM_MS(20);
    for (int i = 0; i < 20; i++)
        acquire(t);
    for (int i = 0; i < 200 && sim_count(rig, t, ASK_WAITING) > 0; i++) {
        SIM_EXPECT(rig, stats(rig).dialing <= 3);
        sim_run_turn(rig->w);
    }
    SIM_EXPECT(rig, sim_count(rig, t, ASK_LEASED) == 20 && t->host->peak == 20);
}

static void dials_in_flight_are_limited_in_all(struct sim_rig *rig)
{
    struct sim_target *a, *b;

    OPEN(rig, .max_dials_total = 4);
    a = target(rig, "a.test");
    b = target(rig, "b.test");
    a->host->latency_ns = b->host->latency_ns = SIM_MS(20);
    for (int i = 0; i < 6; i++) {
        acquire(a);
        acquire(b);
    }
    for (int i = 0; i < 200 && sim_count(rig, NULL, ASK_WAITING) > 0; i++) {
        SIM_EXPECT(rig, stats(rig).dialing <= 4);
        sim_run_turn(rig->w);
    }
    SIM_EXPECT(rig, sim_count(rig, NULL, ASK_LEASED) == 12);
}

static void outage_with_many_waiters_is_no_storm(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .max_connections_per_endpoint = 100, .max_dials_per_endpoint = 4,
         .connect_retry_delay_ms = 100, .connect_retry_count = BELAY_FOREVER,
         .acquire_timeout_ms = BELAY_FOREVER);
    t = target(rig, "db.test");
    t->host->black_hole = true;
    for (int i = 0; i < 100; i++)
        acquire(t);
    for (int i = 0; i < 60; i++) {
        sim_run_ms(rig->w, 1000);
        SIM_EXPECT(rig, t->host->live <= 4);
    }
    SIM_EXPECT(rig, t->host->dials <= 40); /* 4 at a time, 10 s each, and the backoff between */
    sim_host_heal(t->host);
    sim_run_ms(rig->w, 25000);
    SIM_EXPECT(rig, sim_count(rig, t, ASK_LEASED) == 100);
}

static void peer_that_is_down_does_not_take_the_dials_of_others_for_good(struct sim_rig *rig)
{
    struct sim_target *down, *up;
    struct sim_ask *ask;

    rig->dial = belay_dial_options_init();
    rig->dial.session_timeout_ms = 1000;
    OPEN(rig, .max_dials_total = 1, .connect_retry_count = BELAY_FOREVER,
         .connect_retry_delay_ms = 1000);
    down = target(rig, "down.test");
    up = target(rig, "up.test");
    down->host->black_hole = true;
    acquire(down);
    sim_run_ms(rig->w, 100);
    ask = acquire(up);
    sim_run_ms(rig->w, 500);
    SIM_EXPECT(rig, ask->state == ASK_WAITING);
    sim_run_ms(rig->w, 800);
    SIM_EXPECT(rig, ask->state == ASK_LEASED);
}

static void lease_held_for_too_long_is_told_once_with_tag_and_place(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *leaks, *good;

    OPEN(rig, .leak_threshold_ms = 5000);
    t = target(rig, "db.test");
    leaks = ASK(t, .tag = "the report", .place = BELAY_HERE);
    sim_run_ms(rig->w, 4000);
    good = lease(t);
    sim_run_ms(rig->w, 900);
    SIM_EXPECT(rig, rig->told_leaks == 0);
    sim_run_ms(rig->w, 1500);
    SIM_EXPECT(rig, rig->told_leaks == 1 && leaks->leaked && !good->leaked);
    sim_release(good, BELAY_REUSE);
    sim_run_ms(rig->w, 60000);
    SIM_EXPECT(rig, rig->told_leaks == 1 && stats(rig).leaks == 1);
    SIM_EXPECT(rig, belay_lease_valid(leaks->lease)); /* told, and left alone */
    sim_release(leaks, BELAY_REUSE);
    leaks = lease(t);
    sim_run_ms(rig->w, 6500);
    SIM_EXPECT(rig, rig->told_leaks == 2 && leaks->leaked);
}

static void release_in_hook(struct sim_rig *rig, void *arg)
{
    struct sim_ask **ask = arg;

    if (*ask && (*ask)->leaked && (*ask)->state == ASK_LEASED)
        sim_release(*ask, BELAY_BROKEN);
    (void)rig;
}

static void leaked_lease_may_be_given_back_in_the_hook(struct sim_rig *rig)
{
    static struct sim_ask *ask;
    struct sim_target *t;

    ask = NULL;
    rig->then_hook = release_in_hook;
    rig->hook_arg = &ask;
    OPEN(rig, .leak_threshold_ms = 1000);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_run_ms(rig->w, 3000);
    SIM_EXPECT(rig, ask->state == ASK_RELEASED && t->host->live == 0);
    SIM_EXPECT(rig, rig->told_closed[BELAY_REASON_BROKEN] == 1);
}

static void acquire_in_hook(struct sim_rig *rig, void *arg)
{
    struct sim_target **t = arg;

    if (*t && rig->next_seq < 4)
        sim_acquire(*t, 0, false, NULL);
}

static void hooks_may_ask_the_pool_for_more(struct sim_rig *rig)
{
    static struct sim_target *t;

    t = NULL;
    rig->then_hook = acquire_in_hook;
    rig->hook_arg = &t;
    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    acquire(t);
    for (int i = 0; i < 10; i++) {
        sim_run_ms(rig->w, 20);
        while (sim_oldest(rig, t, ASK_LEASED))
            sim_release(sim_oldest(rig, t, ASK_LEASED), BELAY_REUSE);
    }
    SIM_EXPECT(rig, sim_count(rig, t, ASK_RELEASED) == 4);
    SIM_EXPECT(rig, rig->told_reused == stats(rig).reused);
    t = NULL;
}

static void close_in_hook(struct sim_rig *rig, void *arg)
{
    (void)arg;
    sim_rig_close(rig);
}

static void pool_may_be_closed_in_a_hook(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    rig->then_hook = close_in_hook;
    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    ask = acquire(t);
    sim_run_ms(rig->w, 20);
    SIM_EXPECT(rig, rig->closed && ask->state != ASK_WAITING);
}

const struct sim_scenario sim_storm_scenarios[] = {
    SIM_SCENARIO(dials_in_flight_are_limited_per_endpoint),
    SIM_SCENARIO(dials_in_flight_are_limited_in_all),
    SIM_SCENARIO(outage_with_many_waiters_is_no_storm),
    SIM_SCENARIO(peer_that_is_down_does_not_take_the_dials_of_others_for_good),
    SIM_SCENARIO(lease_held_for_too_long_is_told_once_with_tag_and_place),
    SIM_SCENARIO(leaked_lease_may_be_given_back_in_the_hook),
    SIM_SCENARIO(hooks_may_ask_the_pool_for_more),
    SIM_SCENARIO(pool_may_be_closed_in_a_hook),
    {0},
};
