/* SPDX-License-Identifier: MIT */
/* Limits that are hard, and lives that end in time, with no traffic to remind of it. */
#include "sim/scenarios.h"

static void total_limit_evicts_the_longest_idle_of_another_peer(struct sim_rig *rig)
{
    struct sim_target *a, *b, *c;
    struct sim_ask *of_a, *of_b, *of_c;

    OPEN(rig, .max_connections_total = 2);
    a = target(rig, "a.test");
    b = target(rig, "b.test");
    c = target(rig, "c.test");
    of_a = lease(a);
    of_b = lease(b);
    sim_release(of_b, BELAY_REUSE);
    sim_run_ms(rig->w, 5);
    sim_release(of_a, BELAY_REUSE);
    of_c = lease(c);
    SIM_EXPECT(rig, of_c->state == ASK_LEASED);
    SIM_EXPECT(rig, of_b->seen->reason == BELAY_REASON_EVICTED && of_a->seen->live);
}

static void slow_close_of_the_evicted_counts_until_it_is_done(struct sim_rig *rig)
{
    struct sim_target *a, *b;
    struct sim_ask *of_a, *of_b;

    OPEN(rig, .max_connections_total = 1);
    a = target(rig, "a.test");
    b = target(rig, "b.test");
    a->host->close_ns = SIM_MS(700);
    of_a = lease(a);
    sim_release(of_a, BELAY_REUSE);
    of_b = acquire(b);
    sim_run_ms(rig->w, 600);
    SIM_EXPECT(rig, of_b->state == ASK_WAITING && b->host->dials == 0);
    SIM_EXPECT(rig, stats(rig).closing == 1);
    sim_run_ms(rig->w, 200);
    SIM_EXPECT(rig, of_b->state == ASK_LEASED);
}

static void freed_slot_goes_to_the_oldest_waiter_that_can_use_it(struct sim_rig *rig)
{
    struct sim_target *a, *b, *c;
    struct sim_ask *of_a, *of_b, *of_c;

    OPEN(rig, .max_connections_total = 1);
    a = target(rig, "a.test");
    b = target(rig, "b.test");
    c = target(rig, "c.test");
    of_a = lease(a);
    of_c = acquire(c);
    sim_run_ms(rig->w, 5);
    of_b = acquire(b);
    sim_run_ms(rig->w, 5);
    sim_release(of_a, BELAY_BROKEN);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, of_c->state == ASK_LEASED && of_b->state == ASK_WAITING);
    sim_release(of_c, BELAY_REUSE);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, of_b->state == ASK_LEASED);
}

static void limit_per_endpoint_is_hard(struct sim_rig *rig)
{
    struct sim_target *t;

    OPEN(rig, .max_connections_per_endpoint = 2);
    t = target(rig, "db.test");
    for (int i = 0; i < 20; i++)
        acquire(t);
    for (int i = 0; i < 18; i++) {
        sim_run_ms(rig->w, 20);
        SIM_EXPECT(rig, sim_oldest(rig, t, ASK_LEASED) != NULL);
        sim_release(sim_oldest(rig, t, ASK_LEASED), i % 3 ? BELAY_REUSE : BELAY_BROKEN);
    }
    sim_run_ms(rig->w, 20);
    SIM_EXPECT(rig, t->host->peak == 2 && sim_count(rig, t, ASK_WAITING) == 0);
}

static void idle_connection_ends_in_time_without_traffic(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .max_idle_time_ms = 5000);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_run_ms(rig->w, 6000);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 4990);
    SIM_EXPECT(rig, ask->seen->live);
    sim_run_ms(rig->w, 20);
    SIM_EXPECT(rig, !ask->seen->live && ask->seen->reason == BELAY_REASON_IDLE);
}

static void idle_time_counts_from_the_last_release(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .max_idle_time_ms = 5000);
    t = target(rig, "db.test");
    for (int i = 0; i < 4; i++) {
        ask = lease(t);
        sim_release(ask, BELAY_REUSE);
        sim_run_ms(rig->w, 4000);
    }
    SIM_EXPECT(rig, t->host->dials == 1);
    sim_run_ms(rig->w, 1100);
    SIM_EXPECT(rig, t->host->live == 0);
}

static void life_ends_in_time_without_traffic(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    OPEN(rig, .max_idle_time_ms = BELAY_FOREVER, .max_connection_lifetime_ms = 20000);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 20100);
    SIM_EXPECT(rig, !ask->seen->live && ask->seen->reason == BELAY_REASON_LIFETIME);
}

static void connection_in_use_outlives_its_life_until_release(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask, *next;

    OPEN(rig, .max_connections_per_endpoint = 1, .max_connection_lifetime_ms = 10000);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_run_ms(rig->w, 25000);
    SIM_EXPECT(rig, belay_lease_valid(ask->lease) && ask->seen->live);
    next = acquire(t);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 20);
    SIM_EXPECT(rig, ask->seen->reason == BELAY_REASON_LIFETIME);
    SIM_EXPECT(rig, next->state == ASK_LEASED && next->seen != ask->seen);
}

static void connection_is_used_n_times(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask = NULL;

    OPEN(rig, .max_connections_per_endpoint = 1, .max_connection_uses = 3);
    t = target(rig, "db.test");
    for (int i = 0; i < 3; i++) {
        ask = lease(t);
        sim_release(ask, BELAY_REUSE);
        sim_run_ms(rig->w, 1);
    }
    SIM_EXPECT(rig, t->host->dials == 1 && !ask->seen->live);
    SIM_EXPECT(rig, ask->seen->reason == BELAY_REASON_USES);
    lease(t);
    SIM_EXPECT(rig, t->host->dials == 2);
}

static void broken_connection_is_not_lent_again(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask, *next;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    ask = lease(t);
    next = acquire(t);
    sim_release(ask, BELAY_BROKEN);
    sim_run_ms(rig->w, 20);
    SIM_EXPECT(rig, next->state == ASK_LEASED && next->seen != ask->seen);
    SIM_EXPECT(rig, ask->seen->reason == BELAY_REASON_BROKEN);
}

static void close_by_the_peer_while_idle_is_seen_at_once(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    rig->wires = true;
    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 1000);
    sim_host_close_idle(t->host);
    sim_run_ms(rig->w, 5);
    SIM_EXPECT(rig, rig->w->fds_open == 0);
    SIM_EXPECT(rig, stats(rig).closed[BELAY_REASON_PEER_CLOSED] == 1 && stats(rig).idle == 0);
}

static void bytes_that_nobody_asked_for_make_it_unhealthy(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    rig->wires = true;
    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    ask = lease(t);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 1000);
    sim_host_garbage(t->host);
    sim_run_ms(rig->w, 5);
    SIM_EXPECT(rig, stats(rig).closed[BELAY_REASON_UNHEALTHY] == 1 && stats(rig).idle == 0);
}

static void restart_of_a_host_empties_its_idle_connections(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *asks[3];

    rig->wires = true;
    OPEN(rig, .max_connections_per_endpoint = 3);
    t = target(rig, "db.test");
    for (int i = 0; i < 3; i++)
        asks[i] = acquire(t);
    sim_run_ms(rig->w, 50);
    for (int i = 0; i < 3; i++)
        sim_release(asks[i], BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, stats(rig).idle == 3);
    sim_host_kill(t->host);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, stats(rig).idle == 0 && rig->w->fds_open == 0);
    sim_host_heal(t->host);
    lease(t);
    SIM_EXPECT(rig, t->host->dials == 4);
}

const struct sim_scenario sim_limit_scenarios[] = {
    SIM_SCENARIO(total_limit_evicts_the_longest_idle_of_another_peer),
    SIM_SCENARIO(slow_close_of_the_evicted_counts_until_it_is_done),
    SIM_SCENARIO(freed_slot_goes_to_the_oldest_waiter_that_can_use_it),
    SIM_SCENARIO(limit_per_endpoint_is_hard),
    SIM_SCENARIO(idle_connection_ends_in_time_without_traffic),
    SIM_SCENARIO(idle_time_counts_from_the_last_release),
    SIM_SCENARIO(life_ends_in_time_without_traffic),
    SIM_SCENARIO(connection_in_use_outlives_its_life_until_release),
    SIM_SCENARIO(connection_is_used_n_times),
    SIM_SCENARIO(broken_connection_is_not_lent_again),
    SIM_SCENARIO(close_by_the_peer_while_idle_is_seen_at_once),
    SIM_SCENARIO(bytes_that_nobody_asked_for_make_it_unhealthy),
    SIM_SCENARIO(restart_of_a_host_empties_its_idle_connections),
    {0},
};
