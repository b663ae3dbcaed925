/* SPDX-License-Identifier: MIT */
/* What is done to a pool while it works: options change, it is cleared, suspended, watched to its end. */
#include "sim/scenarios.h"

static void lowered_limit_per_endpoint_closes_idle_ones_now_and_others_at_release(
    struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *asks[4];

    OPEN(rig, .max_connections_per_endpoint = 4);
    t = target(rig, "db.test");
    for (int i = 0; i < 4; i++)
        asks[i] = lease(t);
    sim_release(asks[3], BELAY_REUSE);
    CHANGE(rig, .max_connections_per_endpoint = 2);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, asks[3]->seen->reason == BELAY_REASON_EVICTED && t->host->live == 3);
    sim_release(asks[2], BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, asks[2]->seen->reason == BELAY_REASON_EVICTED && t->host->live == 2);
    sim_release(asks[1], BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, t->host->live == 2 && stats(rig).idle == 1);
    SIM_EXPECT(rig, belay_lease_valid(asks[0]->lease));
}

static void lowered_total_limit_closes_the_longest_idle(struct sim_rig *rig)
{
    struct sim_target *a, *b;
    struct sim_ask *of_a, *of_b, *other;

    OPEN(rig, .max_connections_total = 10);
    a = target(rig, "a.test");
    b = target(rig, "b.test");
    of_a = lease(a);
    of_b = lease(b);
    other = lease(b);
    sim_release(of_b, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    sim_release(of_a, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    CHANGE(rig, .max_connections_total = 2);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, of_b->seen->reason == BELAY_REASON_EVICTED);
    SIM_EXPECT(rig, of_a->seen->live && other->seen->live);
}

static void raised_limit_serves_those_who_wait(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *next;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    lease(t);
    next = acquire(t);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, next->state == ASK_WAITING);
    CHANGE(rig, .max_connections_per_endpoint = 2);
    sim_run_ms(rig->w, 20);
    SIM_EXPECT(rig, next->state == ASK_LEASED);
}

static void lowered_idle_time_holds_from_the_next_release_on(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    ask = lease(t);
    CHANGE(rig, .max_idle_time_ms = 500);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 450);
    SIM_EXPECT(rig, ask->seen->live);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, ask->seen->reason == BELAY_REASON_IDLE);
}

static void lowered_limit_on_uses_holds_from_the_next_release_on(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .max_connections_per_endpoint = 1, .max_connection_uses = 100);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_release(ask, BELAY_REUSE);
    ask = lease(t);
    CHANGE(rig, .max_connection_uses = 2);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, !ask->seen->live && ask->seen->reason == BELAY_REASON_USES);
}

static void options_that_contradict_each_other_change_nothing(struct sim_rig *rig)
{
    struct belay_pool_options o = {BELAY_SIZED(belay_pool_options), .min_idle = 9,
                                   .max_connections_per_endpoint = 3, .max_waiters = 1};
    struct belay_pool_options before;
    struct belay_error e = {0};

    OPEN(rig, .max_connections_per_endpoint = 4);
    before = rig->options;
    SIM_EXPECT(rig, sim_set_options(rig, &o, &e) == BELAY_EINVAL);
    SIM_EXPECT(rig, strstr(e.text, "min_idle") != NULL);
    SIM_EXPECT(rig, memcmp(&before, &rig->options, sizeof before) == 0);
}

static void clear_gently_closes_idle_ones_now_and_those_in_use_at_release(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *a, *b, *next;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    a = lease(t);
    b = lease(t);
    sim_release(b, BELAY_REUSE);
    sim_clear(rig, t, BELAY_CLEAR_GENTLY);
    next = acquire(t);
    sim_run_ms(rig->w, 20);
    SIM_EXPECT(rig, b->seen->reason == BELAY_REASON_CLEARED && a->seen->live);
    SIM_EXPECT(rig, belay_lease_valid(a->lease));
    SIM_EXPECT(rig, next->state == ASK_LEASED && next->seen != b->seen);
    sim_release(a, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, a->seen->reason == BELAY_REASON_CLEARED && !a->seen->live);
    SIM_EXPECT(rig, rig->told_closed[BELAY_REASON_CLEARED] == 2);
}

static void clear_now_revokes_leases(struct sim_rig *rig)
{
    struct sim_target *a, *b;
    struct sim_ask *of_a, *of_b;

    OPEN(rig, .max_connections_per_endpoint = 2);
    a = target(rig, "a.test");
    b = target(rig, "b.test");
    of_a = lease(a);
    of_b = lease(b);
    sim_clear(rig, a, BELAY_CLEAR_NOW);
    SIM_EXPECT(rig, of_a->state == ASK_REVOKED && of_b->state == ASK_LEASED);
    SIM_EXPECT(rig, belay_lease_release(of_a->lease, BELAY_REUSE) == BELAY_ESTALE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, !of_a->seen->live && of_a->seen->reason == BELAY_REASON_CLEARED);
    sim_clear(rig, NULL, BELAY_CLEAR_NOW);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, of_b->state == ASK_REVOKED && b->host->live == 0);
    SIM_EXPECT(rig, lease(a)->state == ASK_LEASED);
}

static void clear_dials_anew_for_those_who_wait(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .connect_retry_delay_ms = 5000);
    t = target(rig, "db.test");
    t->host->refuse = true;
    ask = acquire(t);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, t->host->dials == 1);
    sim_host_heal(t->host);
    sim_clear(rig, t, BELAY_CLEAR_GENTLY);
    sim_run_ms(rig->w, 20);
    SIM_EXPECT(rig, t->host->dials == 2 && ask->state == ASK_LEASED);
}

static void change_of_network_clears_kicks_the_backoff_and_looks_up_anew(struct sim_rig *rig)
{
    struct sim_target *a, *b;
    struct sim_ask *of_a, *idle, *of_b;

    rig->wires = true;
    OPEN(rig, .connect_retry_delay_ms = 8000);
    a = target(rig, "a.test");
    b = target(rig, "b.test");
    of_a = lease(a);
    idle = lease(a);
    sim_release(idle, BELAY_REUSE);
    b->host->refuse = true;
    of_b = acquire(b);
    sim_run_ms(rig->w, 200);
    SIM_EXPECT(rig, of_b->state == ASK_WAITING && b->host->dials == 1);
    sim_host_heal(b->host);
    sim_host_move(b->host);
    sim_network_changed(rig);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, of_b->state == ASK_LEASED && b->host->dials == 2);
    SIM_EXPECT(rig, stats(rig).closed[BELAY_REASON_CLEARED] == 1);
    SIM_EXPECT(rig, belay_lease_valid(of_a->lease));
    sim_release(of_a, BELAY_REUSE);
    sim_run_ms(rig->w, 3000);
    SIM_EXPECT(rig, stats(rig).closed[BELAY_REASON_CLEARED] == 2 && a->host->live == 0);
}

static void suspended_pool_lends_and_dials_nobody_and_deadlines_run(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *first, *second;
    int code = 0;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    held = lease(t);
    sim_suspend(rig);
    sim_suspend(rig);
    first = ASK(t, .timeout_ms = 500);
    second = acquire(t);
    sim_release(held, BELAY_REUSE);
    sim_run_ms(rig->w, 400);
    SIM_EXPECT(rig, first->state == ASK_WAITING && t->host->dials == 1);
    SIM_EXPECT(rig, !sim_try_acquire(t, &code) && code == BELAY_EAGAIN);
    sim_run_ms(rig->w, 200);
    SIM_EXPECT(rig, first->state == ASK_FAILED && first->error.code == BELAY_ETIMEDOUT);
    SIM_EXPECT(rig, first->error.stage == BELAY_STAGE_QUEUE);
    sim_resume(rig);
    sim_resume(rig);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, second->state == ASK_LEASED && second->seen == held->seen);
}

static void suspended_pool_goes_on_with_leases_and_ages(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *idle;

    OPEN(rig, .max_connections_per_endpoint = 2, .max_idle_time_ms = 1000);
    t = target(rig, "db.test");
    held = lease(t);
    idle = lease(t);
    sim_release(idle, BELAY_REUSE);
    sim_suspend(rig);
    sim_run_ms(rig->w, 1100);
    SIM_EXPECT(rig, idle->seen->reason == BELAY_REASON_IDLE && belay_lease_valid(held->lease));
}

static void pool_may_be_closed_while_it_is_suspended(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    sim_suspend(rig);
    ask = acquire(t);
    sim_rig_drain(rig);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, ask->state == ASK_FAILED && ask->error.code == BELAY_ECLOSED && rig->closed);
}

struct watcher {
    struct sim_rig *rig;
    int told;
};

static void on_finished(void *arg)
{
    struct watcher *watcher = arg;

    SIM_EXPECT(watcher->rig, watcher->rig->closed);
    watcher->told++;
}

static void those_who_watch_for_the_end_are_told_once_after_on_closed(struct sim_rig *rig)
{
    static struct watcher early, late;
    struct belay_pool *pool;
    bool watched;

    early = late = (struct watcher){.rig = rig};
    OPEN(rig, .max_connections_per_endpoint = 2);
    pool = belay_pool_ref(rig->pool);
    watched = belay_pool_close_finished(pool, on_finished, &early) == 0;
    if (!watched)
        belay_pool_unref(pool);
    SIM_EXPECT(rig, watched);
    SIM_EXPECT(rig, !belay_pool_is_closed(pool));
    sim_rig_close(rig);
    SIM_EXPECT(rig, belay_pool_is_closed(pool) && early.told == 0);
    sim_run_ms(rig->w, 10);
    if (early.told == 1 && belay_pool_close_finished(pool, on_finished, &late) == 0) {
        belay_pool_close(pool, NULL, NULL); /* harmless */
        sim_run_ms(rig->w, 10);
    }
    belay_pool_unref(pool);
    SIM_EXPECT(rig, early.told == 1 && late.told == 1);
}

const struct sim_scenario sim_change_scenarios[] = {
    SIM_SCENARIO(lowered_limit_per_endpoint_closes_idle_ones_now_and_others_at_release),
    SIM_SCENARIO(lowered_total_limit_closes_the_longest_idle),
    SIM_SCENARIO(raised_limit_serves_those_who_wait),
    SIM_SCENARIO(lowered_idle_time_holds_from_the_next_release_on),
    SIM_SCENARIO(lowered_limit_on_uses_holds_from_the_next_release_on),
    SIM_SCENARIO(options_that_contradict_each_other_change_nothing),
    SIM_SCENARIO(clear_gently_closes_idle_ones_now_and_those_in_use_at_release),
    SIM_SCENARIO(clear_now_revokes_leases),
    SIM_SCENARIO(clear_dials_anew_for_those_who_wait),
    SIM_SCENARIO(change_of_network_clears_kicks_the_backoff_and_looks_up_anew),
    SIM_SCENARIO(suspended_pool_lends_and_dials_nobody_and_deadlines_run),
    SIM_SCENARIO(suspended_pool_goes_on_with_leases_and_ages),
    SIM_SCENARIO(pool_may_be_closed_while_it_is_suspended),
    SIM_SCENARIO(those_who_watch_for_the_end_are_told_once_after_on_closed),
    {0},
};
