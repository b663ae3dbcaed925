/* SPDX-License-Identifier: MIT */
/* Connections see a change of their names; connections of different keys are kept apart. */
#include "sim/scenarios.h"

/* A host of `n` addresses whose name is looked up again every second. */
static struct sim_target *named(struct sim_rig *rig, int n)
{
    struct sim_target *t = target(rig, "db.test");

    for (int i = 1; i < n; i++)
        sim_host_more(t->host);
    sim_name_of(rig->w, "db.test")->ttl_s = 1;
    return t;
}

/* The bit of the address that a connection goes to. */
static unsigned bit_of(const struct sim_ask *ask)
{
    const struct sim_host *h = ask->target->host;

    for (unsigned i = 0; i < h->addrs_n; i++)
        if (belay_addr_equal(&h->addrs[i], &ask->seen->addr))
            return 1u << i;
    return 0;
}

static void connections_to_a_vanished_address_are_retired_gently(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *idle, *used, *next;

    rig->wires = true;
    OPEN(rig, .resolve_interval_ms = 1000);
    t = named(rig, 2);
    used = lease(t);
    idle = lease(t);
    SIM_EXPECT(rig, bit_of(idle) == bit_of(used));
    sim_release(idle, BELAY_REUSE);
    sim_run_ms(rig->w, 15000); /* it is looked up, and nothing is missing */
    SIM_EXPECT(rig, stats(rig).closed[BELAY_REASON_RETIRED] == 0);
    sim_host_publish(t->host, ~bit_of(used));
    sim_run_ms(rig->w, 20000); /* that it has no IPv6 address is believed for 5 s */
    SIM_EXPECT(rig, rig->told_closed[BELAY_REASON_RETIRED] == 1);
    SIM_EXPECT(rig, used->state == ASK_LEASED && belay_lease_valid(used->lease));
    next = lease(t);
    SIM_EXPECT(rig, bit_of(next) && bit_of(next) != bit_of(used));
    sim_release(used, BELAY_REUSE);
    sim_run_ms(rig->w, 100);
    SIM_EXPECT(rig, rig->told_closed[BELAY_REASON_RETIRED] == 2);
    sim_run_ms(rig->w, 10000);
    SIM_EXPECT(rig, belay_lease_valid(next->lease));
}

static void address_that_is_missing_once_is_not_retired(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;
    uint32_t asked;

    rig->wires = true;
    OPEN(rig, .resolve_interval_ms = 1000);
    t = named(rig, 2);
    ask = lease(t);
    sim_release(ask, BELAY_REUSE);
    sim_run_ms(rig->w, 5000);
    sim_host_publish(t->host, ~bit_of(ask));
    asked = sim_name_of(rig->w, "db.test")->queries;
    for (int i = 0; i < 100 && sim_name_of(rig->w, "db.test")->queries == asked; i++)
        sim_run_ms(rig->w, 50);
    sim_run_ms(rig->w, 10); /* one answer */
    sim_host_publish(t->host, ~0u);
    sim_run_ms(rig->w, 10000);
    SIM_EXPECT(rig, stats(rig).closed[BELAY_REASON_RETIRED] == 0 && ask->seen->live);
}

static void name_that_shows_another_subset_each_time_does_not_churn(struct sim_rig *rig)
{
    struct sim_target *t;

    rig->wires = true;
    OPEN(rig, .resolve_interval_ms = 1000, .max_idle_time_ms = BELAY_FOREVER,
         .max_connection_lifetime_ms = BELAY_FOREVER);
    t = named(rig, 4);
    for (int i = 0; i < 600; i++) {
        struct sim_ask *ask = lease(t);

        sim_host_publish(t->host, 3u << i % 3);
        sim_run_ms(rig->w, 1000);
        sim_release(ask, BELAY_REUSE);
    }
    SIM_EXPECT(rig, sim_name_of(rig->w, "db.test")->queries > 100);
    SIM_EXPECT(rig, stats(rig).opened <= 4);
}

static void name_that_cannot_be_looked_up_retires_nothing(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    rig->wires = true;
    OPEN(rig, .resolve_interval_ms = 1000);
    t = named(rig, 1);
    ask = lease(t);
    sim_release(ask, BELAY_REUSE);
    sim_name_of(rig->w, "db.test")->fails = true;
    sim_run_ms(rig->w, 20000);
    SIM_EXPECT(rig, ask->seen->live && stats(rig).closed[BELAY_REASON_RETIRED] == 0);
    sim_name_of(rig->w, "db.test")->fails = false;
    sim_name_of(rig->w, "db.test")->missing = true;
    sim_run_ms(rig->w, 20000);
    SIM_EXPECT(rig, ask->seen->live && stats(rig).closed[BELAY_REASON_RETIRED] == 0);
}

static void names_are_left_alone_where_that_is_asked_for(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;
    uint32_t asked;

    rig->wires = true;
    OPEN(rig, .resolve_interval_ms = BELAY_FOREVER);
    t = named(rig, 1);
    ask = lease(t);
    sim_release(ask, BELAY_REUSE);
    asked = sim_name_of(rig->w, "db.test")->queries;
    sim_host_move(t->host);
    sim_run_ms(rig->w, 30000);
    SIM_EXPECT(rig, sim_name_of(rig->w, "db.test")->queries == asked && ask->seen->live);
}

static void address_that_failed_is_tried_last_for_a_while(struct sim_rig *rig)
{
    struct sim_target *t;
    struct sim_ask *ask;

    rig->wires = true;
    OPEN(rig, .max_connections_per_endpoint = 8);
    t = named(rig, 2);
    t->host->bad_addr = 1; /* the first refuses */
    ask = acquire(t);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, ask->state == ASK_LEASED && bit_of(ask) == 2 && t->host->dials == 2);
    ask = acquire(t);
    sim_run_ms(rig->w, 50); /* now the other comes first */
    SIM_EXPECT(rig, ask->state == ASK_LEASED && bit_of(ask) == 2 && t->host->dials == 3);
    sim_run_ms(rig->w, 70000);
    ask = acquire(t);
    sim_run_ms(rig->w, 50);
    SIM_EXPECT(rig, ask->state == ASK_LEASED && t->host->dials == 5); /* it has another chance */
}

static void connections_of_different_keys_are_never_shared(struct sim_rig *rig)
{
    struct belay_endpoint_options o = belay_endpoint_options_init();
    struct sim_target *targets[4];
    struct sim_host *host;
    struct sim_ask *asks[4];

    OPEN(rig, .max_connections_per_endpoint = 2);
    rig->lax = rig->w->shared_hosts = true;
    host = sim_rig_host(rig, "db.test");
    o.scheme = "tcp";
    o.host = "db.test";
    o.port = 7000;
    for (int i = 0; i < 4; i++) {
        o.tag = i & 1 ? "one" : NULL;
        o.source_addr = i & 2 ? "10.0.0.9" : NULL;
        targets[i] = sim_target_with(rig, host, &o);
        SIM_EXPECT(rig, targets[i] != NULL);
        targets[i]->key = i + 1;
    }
    for (int i = 0; i < 4; i++)
        asks[i] = lease(targets[i]);
    SIM_EXPECT(rig, host->dials == 4);
    for (int i = 0; i < 4; i++)
        sim_release(asks[i], BELAY_REUSE);
    for (int i = 3; i >= 0; i--)
        SIM_EXPECT(rig, lease(targets[i])->seen == asks[i]->seen);
    SIM_EXPECT(rig, host->dials == 4);
}

const struct sim_scenario sim_name_scenarios[] = {
    SIM_SCENARIO(connections_to_a_vanished_address_are_retired_gently),
    SIM_SCENARIO(address_that_is_missing_once_is_not_retired),
    SIM_SCENARIO(name_that_shows_another_subset_each_time_does_not_churn),
    SIM_SCENARIO(name_that_cannot_be_looked_up_retires_nothing),
    SIM_SCENARIO(names_are_left_alone_where_that_is_asked_for),
    SIM_SCENARIO(address_that_failed_is_tried_last_for_a_while),
    SIM_SCENARIO(connections_of_different_keys_are_never_shared),
    {0},
};
