/* SPDX-License-Identifier: MIT */
/*
 * The oracle on limits, also while they change: connections are counted by the states that they pass through (the trace),
 * from the moment they are made to the moment nothing is left of them. After a limit was lowered what is above it may stay
 * until it goes, and nothing new comes.
 */
#include <stdlib.h>

#include "sim/rig.h"

static bool is(const char *state, const char *text)
{
    return state && strcmp(state, text) == 0;
}

static bool is_dialing(const char *state)
{
    return is(state, "new") || is(state, "dialing") || is(state, "starting");
}

/* Two endpoints of one host have one name: the longest that fits is the host's. */
static struct sim_host *host_of(struct sim_world *w, const char *name)
{
    struct sim_host *found = NULL;

    BL_LIST_EACH(node, &w->hosts)
    {
        struct sim_host *h = BL_LIST_OF(node, struct sim_host, link);

        if (strstr(name, h->name) && (!found || strlen(h->name) > strlen(found->name)))
            found = h;
    }
    return found;
}

static void count(struct sim_rig *rig, struct sim_host *h, int conns, int dialing)
{
    rig->conns += conns;
    rig->dialing += dialing;
    if (h) {
        h->conns += conns;
        h->dialing += dialing;
    }
}

/* What may be there: the limit, or what was there when it was lowered and has not gone since. */
static void settle(int *allowed, int there, int limit)
{
    if (there < *allowed)
        *allowed = there;
    if (*allowed < limit)
        *allowed = limit;
}

static void settle_all(struct sim_rig *rig)
{
    const struct belay_pool_options *o = &rig->options;

    settle(&rig->total_allowed, rig->conns, o->max_connections_total);
    settle(&rig->dials_allowed, rig->dialing, o->max_dials_total);
    BL_LIST_EACH(node, &rig->w->hosts)
    {
        struct sim_host *h = BL_LIST_OF(node, struct sim_host, link);

        settle(&h->conns_allowed, h->conns, o->max_connections_per_endpoint);
        settle(&h->dials_allowed, h->dialing, o->max_dials_per_endpoint);
    }
}

static void made(struct sim_rig *rig, const struct belay_trace *t)
{
    struct sim_told *told = calloc(1, sizeof *told);

    if (!told)
        abort();
    settle_all(rig);
    told->id = t->id;
    told->host = host_of(rig->w, t->name);
    told->dialing = true;
    bl_list_push_back(&rig->told, &told->link);
    count(rig, told->host, 1, 1);
    if (rig->conns > rig->total_allowed)
        sim_fail(rig->w, "%d connections in all, and %d are allowed", rig->conns,
                 rig->total_allowed);
    if (!rig->lax && told->host && told->host->conns > told->host->conns_allowed)
        sim_fail(rig->w, "%d connections to %s, and %d are allowed", told->host->conns,
                 told->host->name, told->host->conns_allowed);
    if (rig->suspended && rig->suspended_turn < rig->w->turns)
        sim_fail(rig->w, "%s is dialled by a suspended pool", t->name);
}

static void failed_to_open(struct sim_rig *rig, const struct sim_told *told)
{
    if (!told->host)
        return;
    told->host->fruitless++;
    told->host->fruitless_ns = rig->w->now_ns;
}

static void on_conn(const struct belay_trace *t, void *arg)
{
    struct sim_rig *rig = arg;
    struct sim_told *told;

    if (rig->http)
        return;
    if (!t->from) {
        made(rig, t);
        return;
    }
    told = sim_told_of(rig, t->id);
    if (!told)
        return;
    if (told->dialing && !is_dialing(t->to)) {
        told->dialing = false;
        count(rig, told->host, 0, -1);
    }
    if (is(t->to, "open"))
        told->up = true;
    if (t->to)
        return;
    told->gone = true;
    rig->gone += told->created > 0;
    count(rig, told->host, -1, 0);
    if (!told->up || !told->used)
        failed_to_open(rig, told);
}

/* ---- changes ---- */

static void widen(struct sim_range *range, int64_t value)
{
    if (value < range->least)
        range->least = value;
    if (value > range->most)
        range->most = value;
}

static void widen_all(struct sim_rig *rig)
{
    const struct belay_pool_options *o = &rig->options;

    widen(&rig->idle_ms, o->max_idle_time_ms);
    widen(&rig->life_ms, o->max_connection_lifetime_ms);
    widen(&rig->uses, o->max_connection_uses);
    widen(&rig->jitter, o->lifetime_jitter);
    widen(&rig->total_limit, o->max_connections_total);
    widen(&rig->host_limit, o->max_connections_per_endpoint);
    widen(&rig->waiters, o->max_waiters);
    widen(&rig->retries, o->connect_retry_count);
    widen(&rig->delay_ms, o->connect_retry_delay_ms);
}

void sim_limits_attach(struct sim_rig *rig)
{
    const struct belay_pool_options *o = &rig->options;

#define BOTH(value) ((struct sim_range){(value), (value)})
    rig->idle_ms = BOTH(o->max_idle_time_ms);
    rig->life_ms = BOTH(o->max_connection_lifetime_ms);
    rig->uses = BOTH(o->max_connection_uses);
    rig->jitter = BOTH(o->lifetime_jitter);
    rig->total_limit = BOTH(o->max_connections_total);
    rig->host_limit = BOTH(o->max_connections_per_endpoint);
    rig->waiters = BOTH(o->max_waiters);
    rig->retries = BOTH(o->connect_retry_count);
    rig->delay_ms = BOTH(o->connect_retry_delay_ms);
#undef BOTH
    rig->w->on_conn = on_conn;
    settle_all(rig);
}

void sim_limits_changed(struct sim_rig *rig)
{
    rig->changed_turn = rig->w->turns;
    rig->changed_ns = rig->w->now_ns;
    rig->total_allowed = rig->conns;
    rig->dials_allowed = rig->dialing;
    BL_LIST_EACH(node, &rig->w->hosts)
    {
        struct sim_host *h = BL_LIST_OF(node, struct sim_host, link);

        h->conns_allowed = h->conns;
        h->dials_allowed = h->dialing;
    }
    widen_all(rig);
    settle_all(rig);
    BL_LIST_EACH(node, &rig->w->seen)
    {
        struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);

        if (seen->idle_limit_ms && seen->idle_limit_ms < rig->options.max_idle_time_ms)
            seen->idle_limit_ms = rig->options.max_idle_time_ms;
    }
}

/* ---- checks ---- */

/* At any time: the statistics within what may be there. */
void sim_limits_check(struct sim_rig *rig, const struct belay_pool_stats *s)
{
    struct sim_world *w = rig->w;
    uint64_t there = (uint64_t)s->idle + s->in_use + s->dialing + s->closing;

    settle_all(rig);
    if (there > (uint64_t)rig->total_allowed || s->peak > (uint64_t)rig->total_limit.most)
        sim_fail(w, "the statistics say %llu connections, %u at most", (unsigned long long)there,
                 s->peak);
    if (there > s->peak)
        sim_fail(w, "%llu connections, and a peak of %u", (unsigned long long)there, s->peak);
}

static bool is_idle(const struct sim_seen *seen)
{
    return seen->fake && seen->open && !seen->closing && seen->held == 0 && seen->capacity > 0 &&
           !seen->asked;
}

static int idle_limits(struct sim_rig *rig)
{
    const struct belay_pool_options *o = &rig->options;
    int total = 0;

    BL_LIST_EACH(node, &rig->w->hosts)
    {
        const struct sim_host *h = BL_LIST_OF(node, struct sim_host, link);
        int here = 0;

        BL_LIST_EACH(other, &rig->w->seen)
        {
            const struct sim_seen *seen = BL_LIST_OF(other, struct sim_seen, link);

            here += seen->host == h && is_idle(seen);
        }
        total += here;
        if (!rig->lax && here > o->max_idle_per_endpoint)
            sim_fail(rig->w, "%s has %d idle connections, and %d may be", h->name, here,
                     o->max_idle_per_endpoint);
    }
    if (total > o->max_idle_total)
        sim_fail(rig->w, "%d connections are idle, and %d may be", total, o->max_idle_total);
    return total;
}

/* Connections that are above a lowered limit, and that nobody uses, go at once. */
static void lowered_limits(struct sim_rig *rig, int idle, int closing)
{
    int most = rig->options.max_connections_total;

    if (rig->changed_turn + 2 <= rig->w->turns && rig->conns - closing > most && idle > 0)
        sim_fail(rig->w, "%d connections, %d are allowed, and %d are idle", rig->conns - closing,
                 most, idle);
}

void sim_limits_quiet(struct sim_rig *rig, const struct belay_pool_stats *s)
{
    struct sim_world *w = rig->w;

    if (rig->dialing > rig->dials_allowed)
        sim_fail(w, "%d dials in flight, and %d are allowed", rig->dialing, rig->dials_allowed);
    if (s->idle + s->in_use + s->dialing + s->closing != (uint32_t)rig->conns)
        sim_fail(w, "the statistics say %u connections, and there are %d",
                 s->idle + s->in_use + s->dialing + s->closing, rig->conns);
    BL_LIST_EACH(node, &w->hosts)
    {
        struct sim_host *h = BL_LIST_OF(node, struct sim_host, link);

        if (!rig->lax && h->dialing > h->dials_allowed)
            sim_fail(w, "%d dials of %s in flight, and %d are allowed", h->dialing, h->name,
                     h->dials_allowed);
    }
    lowered_limits(rig, idle_limits(rig), (int)s->closing);
}
