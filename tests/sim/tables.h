/* SPDX-License-Identifier: MIT */
/* All tables of scenarios as one. */
#ifndef TEST_SIM_TABLES_H
#define TEST_SIM_TABLES_H

#include "sim/scenarios.h"

static const struct sim_scenario *const sim_tables[] = {
    sim_waiter_scenarios,    sim_failure_scenarios, sim_limit_scenarios,   sim_end_scenarios,
    sim_stream_scenarios,    sim_http_scenarios,    sim_order_scenarios,   sim_check_scenarios,
    sim_idle_scenarios,      sim_change_scenarios,  sim_storm_scenarios,   sim_name_scenarios,
    sim_connector_scenarios, sim_link_scenarios,    sim_process_scenarios, sim_supervisor_scenarios,
    sim_h2_scenarios,        sim_grpc_scenarios,
};

/* The first scenario of the tables from `table` on; NULL when there is none. */
static inline const struct sim_scenario *sim_next_scenario(size_t *table,
                                                           const struct sim_scenario *s)
{
    s = s ? s + 1 : sim_tables[*table];
    while (!s->name) {
        if (++*table == BL_COUNT(sim_tables))
            return NULL;
        s = sim_tables[*table];
    }
    return s;
}

#define SIM_EACH_SCENARIO(s)                                                                       \
    for (size_t table_ = 0, once_ = 1; once_; once_ = 0)                                           \
        for (const struct sim_scenario *s = sim_next_scenario(&table_, NULL); s;                   \
             s = sim_next_scenario(&table_, s))

#endif
