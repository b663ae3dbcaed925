/* SPDX-License-Identifier: MIT */
/* Who is served first, which connection is lent, and how often. */
#include "sim/scenarios.h"

static void urgent_waiter_is_served_before_all_who_are_not(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *plain, *first, *second;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    held = lease(t);
    plain = acquire(t);
    first = ASK(t, .urgent = true);
    second = ASK(t, .urgent = true);
    sim_release(held, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, first->state == ASK_LEASED && second->state == ASK_WAITING);
    sim_release(first, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, second->state == ASK_LEASED && plain->state == ASK_WAITING);
    sim_release(second, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, plain->state == ASK_LEASED);
}

static void urgent_waiters_count_among_max_waiters(struct sim_rig *rig)
{
    struct sim_target *t;
    int code = 0;

    OPEN(rig, .max_connections_per_endpoint = 1, .max_waiters = 1);
    t = target(rig, "db.test");
    lease(t);
    ASK(t, .urgent = true);
    SIM_EXPECT(rig, !sim_acquire(t, 0, false, &code) && code == BELAY_EFULL);
}

static void try_acquire_does_not_overtake_an_urgent_waiter(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *urgent;
    int code = 0;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    held = lease(t);
    urgent = ASK(t, .urgent = true);
    sim_release(held, BELAY_REUSE);
    SIM_EXPECT(rig, !sim_try_acquire(t, &code) && code == BELAY_EAGAIN);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, urgent->state == ASK_LEASED);
}

static void freed_slot_goes_to_an_urgent_waiter_of_another_peer(struct sim_rig *rig)
{
    struct sim_target *a, *b, *c;
    struct sim_ask *of_a, *of_b, *of_c;

    OPEN(rig, .max_connections_total = 1);
    a = target(rig, "a.test");
    b = target(rig, "b.test");
    c = target(rig, "c.test");
    of_a = lease(a);
    of_b = acquire(b);
    sim_run_ms(rig->w, 5);
    of_c = ASK(c, .urgent = true);
    sim_run_ms(rig->w, 5);
    sim_release(of_a, BELAY_BROKEN);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, of_c->state == ASK_LEASED && of_b->state == ASK_WAITING);
}

/* Three connections, given back in the order of their making, 10 ms apart. */
static void three_idle(struct sim_rig *rig, struct sim_target *t, struct sim_ask *ret[3])
{
    for (int i = 0; i < 3; i++)
        ret[i] = lease(t);
    for (int i = 0; i < 3; i++) {
        sim_release(ret[i], BELAY_REUSE);
        sim_run_ms(rig->w, 10);
    }
}

static void order_lifo_lends_the_connection_used_last(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *before[3];

    OPEN(rig, .reuse_order = BELAY_REUSE_LIFO);
    t = target(rig, "db.test");
    three_idle(rig, t, before);
    SIM_EXPECT(rig, lease(t)->seen == before[2]->seen);
    SIM_EXPECT(rig, lease(t)->seen == before[1]->seen);
}

static void order_fifo_lends_the_connection_idle_for_longest(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *before[3], *ask;

    OPEN(rig, .reuse_order = BELAY_REUSE_FIFO);
    t = target(rig, "db.test");
    three_idle(rig, t, before);
    for (int i = 0; i < 6; i++) {
        ask = lease(t);
        SIM_EXPECT(rig, ask->seen == before[i % 3]->seen);
        sim_release(ask, BELAY_REUSE);
        sim_run_ms(rig->w, 10);
    }
}

static void order_least_used_spreads_the_load(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *before[3], *ask;

    OPEN(rig, .reuse_order = BELAY_REUSE_LEAST_USED);
    t = target(rig, "db.test");
    three_idle(rig, t, before);
    ask = lease(t);
    sim_release(ask, BELAY_REUSE); /* one has two uses, the others one */
    for (int i = 0; i < 30 - 4; i++) {
        ask = lease(t);
        sim_release(ask, BELAY_REUSE);
    }
    for (int i = 0; i < 3; i++)
        SIM_EXPECT(rig, before[i]->seen->uses == 10);
}

static void reuse_order_may_change_while_it_works(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *before[3], *ask;

    OPEN(rig, .reuse_order = BELAY_REUSE_LIFO);
    t = target(rig, "db.test");
    three_idle(rig, t, before);
    CHANGE(rig, .reuse_order = BELAY_REUSE_FIFO);
    ask = lease(t);
    SIM_EXPECT(rig, ask->seen == before[0]->seen);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    CHANGE(rig, .reuse_order = BELAY_REUSE_LEAST_USED);
    SIM_EXPECT(rig, lease(t)->seen != before[0]->seen);
}

static void n_uses_are_n_uses_of_a_shared_connection_too(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *asks[5];

    OPEN(rig, .max_connections_per_endpoint = 1, .max_connection_uses = 4, .expected_capacity = 3);
    t = target(rig, "db.test");
    t->host->capacity = 3;
    for (int i = 0; i < 3; i++)
        asks[i] = lease(t);
    sim_release(asks[0], BELAY_REUSE);
    asks[3] = lease(t);
    SIM_EXPECT(rig, asks[3]->seen == asks[0]->seen && t->host->dials == 1);
    asks[4] = acquire(t);
    sim_release(asks[1], BELAY_REUSE);
    sim_run_ms(rig->w, 20);
    SIM_EXPECT(rig, asks[4]->state == ASK_WAITING && asks[2]->seen->live);
    sim_release(asks[2], BELAY_REUSE);
    sim_release(asks[3], BELAY_REUSE);
    sim_run_ms(rig->w, 20);
    SIM_EXPECT(rig, asks[3]->seen->reason == BELAY_REASON_USES && asks[3]->seen->uses == 4);
    SIM_EXPECT(rig, asks[4]->state == ASK_LEASED && t->host->dials == 2);
}

static void capacity_that_grows_serves_those_who_wait(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *held, *next, *last;

    OPEN(rig, .max_connections_per_endpoint = 1);
    t = target(rig, "db.test");
    held = lease(t);
    next = acquire(t);
    last = acquire(t);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, next->state == ASK_WAITING);
    sim_fake_capacity(held->seen, 2);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, next->state == ASK_LEASED && next->seen == held->seen);
    SIM_EXPECT(rig, last->state == ASK_WAITING);
    sim_fake_capacity(held->seen, 1);
    sim_release(held, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, last->state == ASK_WAITING);
    sim_release(next, BELAY_REUSE);
    sim_run_ms(rig->w, 10);
    SIM_EXPECT(rig, last->state == ASK_LEASED);
}

const struct sim_scenario sim_order_scenarios[] = {
    SIM_SCENARIO(urgent_waiter_is_served_before_all_who_are_not),
    SIM_SCENARIO(urgent_waiters_count_among_max_waiters),
    SIM_SCENARIO(try_acquire_does_not_overtake_an_urgent_waiter),
    SIM_SCENARIO(freed_slot_goes_to_an_urgent_waiter_of_another_peer),
    SIM_SCENARIO(order_lifo_lends_the_connection_used_last),
    SIM_SCENARIO(order_fifo_lends_the_connection_idle_for_longest),
    SIM_SCENARIO(order_least_used_spreads_the_load),
    SIM_SCENARIO(reuse_order_may_change_while_it_works),
    SIM_SCENARIO(n_uses_are_n_uses_of_a_shared_connection_too),
    SIM_SCENARIO(capacity_that_grows_serves_those_who_wait),
    {0},
};
