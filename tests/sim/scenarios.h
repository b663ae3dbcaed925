/* SPDX-License-Identifier: MIT */
/* The scenarios: tables of named stories, each run plainly by test_scenarios and with failing
 * allocations by test_out_of_memory. */
#ifndef TEST_SIM_SCENARIOS_H
#define TEST_SIM_SCENARIOS_H

#include "sim/rig.h"

extern const struct sim_scenario sim_waiter_scenarios[], sim_failure_scenarios[],
    sim_limit_scenarios[], sim_end_scenarios[], sim_stream_scenarios[], sim_http_scenarios[],
    sim_order_scenarios[], sim_check_scenarios[], sim_idle_scenarios[], sim_change_scenarios[],
    sim_storm_scenarios[], sim_name_scenarios[], sim_connector_scenarios[], sim_link_scenarios[],
    sim_process_scenarios[], sim_supervisor_scenarios[], sim_h2_scenarios[], sim_grpc_scenarios[];

/* Opens the rig's pool with options by name. */
#define OPEN(rig, ...)                                                                             \
    SIM_EXPECT(rig, sim_rig_open(rig, &(struct belay_pool_options){                                \
                                          BELAY_SIZED(belay_pool_options), __VA_ARGS__}) == 0)

/* Changes options of the open pool by name. */
#define CHANGE(rig, ...)                                                                           \
    SIM_EXPECT(rig, sim_set_options(rig,                                                           \
                                    &(struct belay_pool_options){BELAY_SIZED(belay_pool_options),  \
                                                                 __VA_ARGS__},                     \
                                    NULL) == 0)

/* Acquires with options by name. */
#define ASK(target, ...)                                                                           \
    ask_with(target,                                                                               \
             &(struct belay_acquire_options){BELAY_SIZED(belay_acquire_options), __VA_ARGS__})

/* A host of that name and its target. */
static inline struct sim_target *target(struct sim_rig *rig, const char *name)
{
    struct sim_target *t = sim_target_new(rig, sim_rig_host(rig, name));

    SIM_EXPECT(rig, t != NULL);
    return t;
}

static inline struct sim_ask *acquire(struct sim_target *t)
{
    struct sim_ask *ask = sim_acquire(t, 0, false, NULL);

    SIM_EXPECT(t->rig, ask != NULL);
    return ask;
}

static inline struct sim_ask *ask_with(struct sim_target *t, const struct belay_acquire_options *o)
{
    struct sim_ask *ask = sim_acquire_with(t, o, NULL);

    SIM_EXPECT(t->rig, ask != NULL);
    return ask;
}

/* Acquires and runs until it is there. */
static inline struct sim_ask *lease(struct sim_target *t)
{
    struct sim_ask *ask = acquire(t);

    sim_run_ms(t->rig->w, 20);
    SIM_EXPECT(t->rig, ask->state == ASK_LEASED);
    return ask;
}

static inline struct belay_pool_stats stats(struct sim_rig *rig)
{
    struct belay_pool_stats s;

    sim_rig_stats(rig, &s);
    return s;
}

/* Milliseconds from one dial of a host to another. */
static inline int64_t dial_gap_ms(const struct sim_host *h, int from, int to)
{
    return (int64_t)((h->dialed_ns[to] - h->dialed_ns[from]) / 1000000u);
}

#endif
