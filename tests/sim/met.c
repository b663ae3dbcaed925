/* SPDX-License-Identifier: MIT */
/* The table of what was met, and what is expected of it. */
#include "sim/met.h"

#include <stdio.h>

#include "sim/parts.h"

/* Per 1,000 histories each of these must have been met so often. */
#define LEAST_PER_1000 5

static bool same(const char *kept, const char *text)
{
    return strcmp(kept, text ? text : "") == 0;
}

void met_trace(const struct belay_trace *t, void *arg)
{
    struct met *m = arg;
    struct met_step *s;

    for (size_t i = 0; i < m->steps_n; i++) {
        s = &m->steps[i];
        if (same(s->to, t->to) && same(s->from, t->from) && same(s->noun, t->noun)) {
            s->n++;
            return;
        }
    }
    if (m->steps_n == MET_STEPS_MAX)
        return;
    s = &m->steps[m->steps_n++];
    snprintf(s->noun, sizeof s->noun, "%s", t->noun);
    snprintf(s->from, sizeof s->from, "%s", t->from ? t->from : "");
    snprintf(s->to, sizeof s->to, "%s", t->to ? t->to : "");
    s->n = 1;
}

static void least(uint64_t *kept, uint64_t value, bool first)
{
    if (first || value < *kept)
        *kept = value;
}

void met_add(struct met *m, const struct sim_world *w)
{
    uint64_t kinds = 0, peers = 0;

    for (int i = 0; i < SIM_FAULTS_N; i++) {
        m->faults[i] += w->faults[i];
        kinds += w->faults[i] > 0;
    }
    BL_LIST_EACH(node, &w->hosts)
    peers += BL_LIST_OF(node, struct sim_host, link)->dials > 0;
    least(&m->events_least, w->events, m->histories == 0);
    least(&m->faults_least, kinds, m->histories == 0);
    least(&m->peers_least, peers, m->histories == 0);
    m->histories++;
    m->events += w->events;
    m->turns += w->turns;
    m->dials += w->dials;
}

void met_row(const char *what, const char *name, uint64_t n)
{
    printf("  %-12s %-36s %12llu\n", what, name, (unsigned long long)n);
}

void met_heading(const struct met *m)
{
    printf("%llu histories, %llu events, %llu turns, %llu dials\n",
           (unsigned long long)m->histories, (unsigned long long)m->events,
           (unsigned long long)m->turns, (unsigned long long)m->dials);
}

void met_print(const struct met *m)
{
    printf("at least %llu events, %llu peers and %llu kinds of fault in each\n",
           (unsigned long long)m->events_least, (unsigned long long)m->peers_least,
           (unsigned long long)m->faults_least);
    for (size_t i = 0; i < m->steps_n; i++) {
        char name[56];

        snprintf(name, sizeof name, "%s -> %s", m->steps[i].from[0] ? m->steps[i].from : "(new)",
                 m->steps[i].to[0] ? m->steps[i].to : "(gone)");
        met_row(m->steps[i].noun, name, m->steps[i].n);
    }
    for (size_t i = 0; i < m->deeds_n; i++)
        met_row("deed", m->deed_names[i], m->deeds[i]);
    for (int i = 0; i < SIM_FAULTS_N; i++)
        met_row("fault", sim_fault_name((enum sim_fault)i), m->faults[i]);
}

/* ---- what must have been met ---- */

uint64_t met_wanted(const struct met *m)
{
    return m->histories * LEAST_PER_1000 / 1000;
}

int met_lacks(const char *what, const char *name, uint64_t n, uint64_t wanted)
{
    if (n >= wanted)
        return 0;
    printf("hardly met: %s %s, %llu times (wanted %llu)\n", what, name, (unsigned long long)n,
           (unsigned long long)wanted);
    return 1;
}

static uint64_t times(const struct met *m, const struct met_expected *e)
{
    for (size_t i = 0; i < m->steps_n; i++)
        if (same(m->steps[i].to, e->to) && same(m->steps[i].from, e->from) &&
            same(m->steps[i].noun, e->noun))
            return m->steps[i].n;
    return 0;
}

int met_lacking_steps(const struct met *m, const struct met_expected *expected, size_t n)
{
    int lacking = 0;

    for (size_t i = 0; i < n; i++) {
        char name[64];

        snprintf(name, sizeof name, "%s: %s -> %s", expected[i].noun, expected[i].from,
                 expected[i].to);
        lacking += met_lacks("transition", name, times(m, &expected[i]), met_wanted(m));
    }
    return lacking;
}

int met_lacking_deeds(const struct met *m)
{
    int lacking = 0;

    for (size_t i = 0; i < m->deeds_n; i++)
        lacking += met_lacks("deed", m->deed_names[i], m->deeds[i], met_wanted(m));
    return lacking;
}

int met_lacking_fault(const struct met *m, enum sim_fault fault)
{
    return met_lacks("fault", sim_fault_name(fault), m->faults[fault], met_wanted(m));
}

int met_lacking_size(const struct met *m)
{
    if (!m->histories)
        return 0;
    return met_lacks("in the poorest history:", "events", m->events_least, 200) +
           met_lacks("in the poorest history:", "peers", m->peers_least, 3) +
           met_lacks("in the poorest history:", "kinds of fault", m->faults_least, 3);
}
