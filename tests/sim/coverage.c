/* SPDX-License-Identifier: MIT */
/* The coverage table of pools, and what is expected of it. */
#include "sim/coverage.h"

#include <stdio.h>

#include "sim/parts.h"

static const char *const deed_names[] = {
#define X(name, text) [COVERAGE_##name] = (text),
    COVERAGE_DEEDS(X)
#undef X
};

static void add_drawn(struct coverage *c, const struct sim_rig *rig)
{
    const struct belay_pool_options *o = &rig->options;

    c->met.deeds[COVERAGE_KEYS] += rig->w->shared_hosts;
    c->met.deeds[COVERAGE_HEALTH] += rig->asks_health && !rig->no_hooks;
    c->met.deeds[COVERAGE_MIN_IDLE] += o->min_idle > 0;
    c->met.deeds[COVERAGE_MAX_IDLE] +=
        o->max_idle_per_endpoint < INT32_MAX || o->max_idle_total < INT32_MAX;
    c->met.deeds[COVERAGE_FIFO] += o->reuse_order == BELAY_REUSE_FIFO;
    c->met.deeds[COVERAGE_LEAST_USED] += o->reuse_order == BELAY_REUSE_LEAST_USED;
    c->met.deeds[COVERAGE_ASKED] += rig->asked;
    c->met.deeds[COVERAGE_CREATED] += rig->told_created;
    c->met.deeds[COVERAGE_REUSED] += rig->told_reused;
    c->met.deeds[COVERAGE_LEAK] += rig->told_leaks;
    c->met.deeds[COVERAGE_REVOKED] += rig->revoked;
    for (int i = 0; i < BELAY_REASONS_N; i++)
        c->met.deeds[COVERAGE_CLOSED] += rig->told_closed[i];
}

void coverage_add(struct coverage *c, const struct sim_rig *rig)
{
    c->met.deed_names = deed_names;
    c->met.deeds_n = COVERAGE_DEEDS_N;
    met_add(&c->met, rig->w);
    for (int i = 0; i < BELAY_REASONS_N; i++)
        c->closed[i] += rig->last.closed[i];
    for (int i = 0; i < BELAY_STAGES_N; i++) {
        c->failed[i] += rig->last.failed[i];
        c->refused[i] += rig->stages[i];
    }
    c->asks += rig->next_seq;
    c->given += rig->given;
    c->checks += rig->checks;
    add_drawn(c, rig);
}

void coverage_print(const struct coverage *c)
{
    const struct met *m = &c->met;

    printf("%llu histories, %llu events, %llu turns, %llu checks, %llu dials, %llu acquires, %llu "
           "leases\n",
           (unsigned long long)m->histories, (unsigned long long)m->events,
           (unsigned long long)m->turns, (unsigned long long)c->checks,
           (unsigned long long)m->dials, (unsigned long long)c->asks, (unsigned long long)c->given);
    met_print(m);
    for (int i = 1; i < BELAY_REASONS_N; i++)
        met_row("closed", belay_reason_name((enum belay_reason)i), c->closed[i]);
    for (int i = 1; i < BELAY_STAGES_N; i++)
        met_row("dial failed", belay_stage_name((enum belay_stage)i), c->failed[i]);
    for (int i = 1; i < BELAY_STAGES_N; i++)
        met_row("refused", belay_stage_name((enum belay_stage)i), c->refused[i]);
}

/* ---- what must have been met ---- */

static const struct met_expected steps_expected[] = {
    {"conn", "", "new"},
    {"conn", "new", "dialing"},
    {"conn", "new", "starting"},
    {"conn", "dialing", "starting"},
    {"conn", "dialing", "closed"},
    {"conn", "starting", "open"},
    {"conn", "starting", "ending"},
    {"conn", "starting", "shutting"},
    {"conn", "open", "ending"},
    {"conn", "ending", "shutting"},
    {"conn", "shutting", "closed"},
    {"conn", "closed", ""},
    {"waiter", "", "waiting"},
    {"waiter", "waiting", ""},
    {"lease", "idle", "lent"},
    {"lease", "lent", "idle"},
    {"lease", "lent", "broken"},
    {"lease", "lent", "taken"},
    {"pool", "", "open"},
    {"pool", "open", "closing"},
    {"pool", "open", "draining"},
    {"pool", "closing", ""},
    {"pool", "open", "suspended"},
    {"pool", "suspended", "open"},
};

static const enum belay_reason reasons_expected[] = {
    BELAY_REASON_IDLE,      BELAY_REASON_LIFETIME,    BELAY_REASON_USES,
    BELAY_REASON_UNHEALTHY, BELAY_REASON_PEER_CLOSED, BELAY_REASON_DRAINING,
    BELAY_REASON_ERROR,     BELAY_REASON_BROKEN,      BELAY_REASON_EVICTED,
    BELAY_REASON_TAKEN,     BELAY_REASON_OPEN_FAILED, BELAY_REASON_POOL_CLOSED,
    BELAY_REASON_CLEARED,   BELAY_REASON_RETIRED,
};

static const enum belay_stage stages_expected[] = {BELAY_STAGE_RESOLVE, BELAY_STAGE_CONNECT,
                                                   BELAY_STAGE_TLS, BELAY_STAGE_PROTOCOL};

int coverage_lacking(const struct coverage *c)
{
    const struct met *m = &c->met;
    uint64_t wanted = met_wanted(m);
    int n = met_lacking_steps(m, steps_expected, BL_COUNT(steps_expected)) + met_lacking_deeds(m);

    for (int i = 0; i < SIM_FAULTS_N; i++)
        n += met_lacking_fault(m, (enum sim_fault)i);
    for (size_t i = 0; i < BL_COUNT(reasons_expected); i++)
        n += met_lacks("reason", belay_reason_name(reasons_expected[i]),
                       c->closed[reasons_expected[i]], wanted);
    for (size_t i = 0; i < BL_COUNT(stages_expected); i++)
        n += met_lacks("failure at", belay_stage_name(stages_expected[i]),
                       c->failed[stages_expected[i]], wanted);
    n += met_lacks("refusal at", "queue", c->refused[BELAY_STAGE_QUEUE], wanted);
    return n + met_lacking_size(m);
}
