/* SPDX-License-Identifier: MIT */
/* The coverage table, and what is expected of it. */
#include "sim/coverage.h"

#include <stdio.h>

#include "sim/parts.h"

/* Per 1,000 histories each of these must have been met so often. */
#define LEAST_PER_1000 5

static bool same(const char *kept, const char *text)
{
    return strcmp(kept, text ? text : "") == 0;
}

void coverage_trace(const struct belay_trace *t, void *arg)
{
    struct coverage *c = arg;
    struct coverage_step *s;

    for (size_t i = 0; i < c->steps_n; i++) {
        s = &c->steps[i];
        if (same(s->to, t->to) && same(s->from, t->from) && same(s->noun, t->noun)) {
            s->n++;
            return;
        }
    }
    if (c->steps_n == COVERAGE_STEPS_MAX)
        return;
    s = &c->steps[c->steps_n++];
    snprintf(s->noun, sizeof s->noun, "%s", t->noun);
    snprintf(s->from, sizeof s->from, "%s", t->from ? t->from : "");
    snprintf(s->to, sizeof s->to, "%s", t->to ? t->to : "");
    s->n = 1;
}

static const char *const deed_names[] = {
#define X(name, text) [COVERAGE_##name] = (text),
    COVERAGE_DEEDS(X)
#undef X
};

static void add_drawn(struct coverage *c, const struct sim_rig *rig)
{
    const struct belay_pool_options *o = &rig->options;

    c->deeds[COVERAGE_KEYS] += rig->w->shared_hosts;
    c->deeds[COVERAGE_HEALTH] += rig->asks_health && !rig->no_hooks;
    c->deeds[COVERAGE_MIN_IDLE] += o->min_idle > 0;
    c->deeds[COVERAGE_MAX_IDLE] +=
        o->max_idle_per_endpoint < INT32_MAX || o->max_idle_total < INT32_MAX;
    c->deeds[COVERAGE_FIFO] += o->reuse_order == BELAY_REUSE_FIFO;
    c->deeds[COVERAGE_LEAST_USED] += o->reuse_order == BELAY_REUSE_LEAST_USED;
    c->deeds[COVERAGE_ASKED] += rig->asked;
    c->deeds[COVERAGE_CREATED] += rig->told_created;
    c->deeds[COVERAGE_REUSED] += rig->told_reused;
    c->deeds[COVERAGE_LEAK] += rig->told_leaks;
    c->deeds[COVERAGE_REVOKED] += rig->revoked;
    for (int i = 0; i < BELAY_REASONS_N; i++)
        c->deeds[COVERAGE_CLOSED] += rig->told_closed[i];
}

static void least(uint64_t *kept, uint64_t value, bool first)
{
    if (first || value < *kept)
        *kept = value;
}

void coverage_add(struct coverage *c, const struct sim_rig *rig)
{
    const struct sim_world *w = rig->w;
    uint64_t kinds = 0, peers = 0;

    for (int i = 0; i < SIM_FAULTS_N; i++) {
        c->faults[i] += w->faults[i];
        kinds += w->faults[i] > 0;
    }
    for (int i = 0; i < BELAY_REASONS_N; i++)
        c->closed[i] += rig->last.closed[i];
    for (int i = 0; i < BELAY_STAGES_N; i++) {
        c->failed[i] += rig->last.failed[i];
        c->refused[i] += rig->stages[i];
    }
    BL_LIST_EACH(node, &w->hosts)
    peers += BL_LIST_OF(node, struct sim_host, link)->dials > 0;
    least(&c->events_least, w->events, c->histories == 0);
    least(&c->faults_least, kinds, c->histories == 0);
    least(&c->peers_least, peers, c->histories == 0);
    c->histories++;
    c->events += w->events;
    c->turns += w->turns;
    c->dials += w->dials;
    c->asks += rig->next_seq;
    c->given += rig->given;
    c->checks += rig->checks;
    add_drawn(c, rig);
}

static void row(const char *what, const char *name, uint64_t n)
{
    printf("  %-12s %-36s %12llu\n", what, name, (unsigned long long)n);
}

void coverage_print(const struct coverage *c)
{
    printf("%llu histories, %llu events, %llu turns, %llu checks, %llu dials, %llu acquires, %llu "
           "leases\n",
           (unsigned long long)c->histories, (unsigned long long)c->events,
           (unsigned long long)c->turns, (unsigned long long)c->checks,
           (unsigned long long)c->dials, (unsigned long long)c->asks, (unsigned long long)c->given);
    printf("at least %llu events, %llu peers and %llu kinds of fault in each\n",
           (unsigned long long)c->events_least, (unsigned long long)c->peers_least,
           (unsigned long long)c->faults_least);
    for (size_t i = 0; i < c->steps_n; i++) {
        char name[40];

        snprintf(name, sizeof name, "%s -> %s", c->steps[i].from[0] ? c->steps[i].from : "(new)",
                 c->steps[i].to[0] ? c->steps[i].to : "(gone)");
        row(c->steps[i].noun, name, c->steps[i].n);
    }
    for (int i = 0; i < COVERAGE_DEEDS_N; i++)
        row("deed", deed_names[i], c->deeds[i]);
    for (int i = 0; i < SIM_FAULTS_N; i++)
        row("fault", sim_fault_name((enum sim_fault)i), c->faults[i]);
    for (int i = 1; i < BELAY_REASONS_N; i++)
        row("closed", belay_reason_name((enum belay_reason)i), c->closed[i]);
    for (int i = 1; i < BELAY_STAGES_N; i++)
        row("dial failed", belay_stage_name((enum belay_stage)i), c->failed[i]);
    for (int i = 1; i < BELAY_STAGES_N; i++)
        row("refused", belay_stage_name((enum belay_stage)i), c->refused[i]);
}

/* ---- what must have been met ---- */

static const struct {
    const char *noun, *from, *to;
} steps_expected[] = {
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

static int lacks(const char *what, const char *name, uint64_t n, uint64_t wanted)
{
    if (n >= wanted)
        return 0;
    printf("hardly met: %s %s, %llu times (wanted %llu)\n", what, name, (unsigned long long)n,
           (unsigned long long)wanted);
    return 1;
}

static uint64_t met(const struct coverage *c, const char *noun, const char *from, const char *to)
{
    for (size_t i = 0; i < c->steps_n; i++)
        if (same(c->steps[i].to, to) && same(c->steps[i].from, from) &&
            same(c->steps[i].noun, noun))
            return c->steps[i].n;
    return 0;
}

int coverage_lacking(const struct coverage *c)
{
    uint64_t wanted = c->histories * LEAST_PER_1000 / 1000;
    int n = 0;

    for (size_t i = 0; i < BL_COUNT(steps_expected); i++) {
        char name[64];

        snprintf(name, sizeof name, "%s: %s -> %s", steps_expected[i].noun, steps_expected[i].from,
                 steps_expected[i].to);
        n += lacks("transition", name,
                   met(c, steps_expected[i].noun, steps_expected[i].from, steps_expected[i].to),
                   wanted);
    }
    for (int i = 0; i < COVERAGE_DEEDS_N; i++)
        n += lacks("deed", deed_names[i], c->deeds[i], wanted);
    for (int i = 0; i < SIM_FAULTS_N; i++)
        n += lacks("fault", sim_fault_name((enum sim_fault)i), c->faults[i], wanted);
    for (size_t i = 0; i < BL_COUNT(reasons_expected); i++)
        n += lacks("reason", belay_reason_name(reasons_expected[i]), c->closed[reasons_expected[i]],
                   wanted);
    for (size_t i = 0; i < BL_COUNT(stages_expected); i++)
        n += lacks("failure at", belay_stage_name(stages_expected[i]),
                   c->failed[stages_expected[i]], wanted);
    n += lacks("refusal at", "queue", c->refused[BELAY_STAGE_QUEUE], wanted);
    if (c->histories)
        n += lacks("in the poorest history:", "events", c->events_least, 200) +
             lacks("in the poorest history:", "peers", c->peers_least, 3) +
             lacks("in the poorest history:", "kinds of fault", c->faults_least, 3);
    return n;
}
