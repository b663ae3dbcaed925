/* SPDX-License-Identifier: MIT */
/* The oracle on statistics: sums that hold at any time, and, when all is quiet, the world's own count. */
#include "sim/rig.h"

#define ID(seen) ((unsigned long long)(seen)->id)

static uint64_t sum(const uint64_t *values, size_t n)
{
    uint64_t total = 0;

    for (size_t i = 0; i < n; i++)
        total += values[i];
    return total;
}

static void check_monotone(struct sim_rig *rig, const struct belay_pool_stats *s)
{
    const struct belay_pool_stats *last = &rig->last;

    if (s->acquired < last->acquired || s->reused < last->reused || s->opened < last->opened ||
        s->peak < last->peak || s->waited_ns < last->waited_ns)
        sim_fail(rig->w, "a total went down");
    for (int i = 0; i < BELAY_REASONS_N; i++)
        if (s->closed[i] < last->closed[i])
            sim_fail(rig->w, "closed[%s] went down", belay_reason_name((enum belay_reason)i));
    rig->last = *s;
}

/* What holds of the statistics at any time. */
static void check_sums(struct sim_rig *rig, const struct belay_pool_stats *s)
{
    struct sim_world *w = rig->w;
    uint64_t now_there = (uint64_t)s->idle + s->in_use + s->dialing + s->closing;
    uint64_t closed = sum(s->closed, BELAY_REASONS_N);

    if (s->opened > closed + now_there - s->dialing)
        sim_fail(w, "opened %llu, closed %llu, open %llu", (unsigned long long)s->opened,
                 (unsigned long long)closed, (unsigned long long)(now_there - s->dialing));
    if (s->closed[BELAY_REASON_NONE])
        sim_fail(w, "a connection ended without a reason");
    if (s->closed[BELAY_REASON_OPEN_FAILED] < sum(s->failed, BELAY_STAGES_N))
        sim_fail(w, "more dials failed than connections did not open");
    if (s->reused > s->acquired)
        sim_fail(w, "reused more often than acquired");
}

struct counts {
    uint32_t idle, in_use, dialing, closing, waiting, leases;
};

static struct counts count(struct sim_rig *rig)
{
    struct counts c = {0};

    BL_LIST_EACH(node, &rig->w->seen)
    {
        struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);

        if (seen->taken)
            continue;
        if (seen->closing)
            c.closing++;
        else if (!seen->open)
            c.dialing++;
        else if (seen->leases)
            c.in_use++;
        else
            c.idle++;
    }
    BL_LIST_EACH(node, &rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        c.waiting += ask->state == ASK_WAITING;
        c.leases += ask->state == ASK_LEASED && belay_lease_valid(ask->lease);
    }
    return c;
}

/* What holds when all is quiet: the pool's numbers are the world's. */
void sim_oracle_counts(struct sim_rig *rig, const struct belay_pool_stats *s)
{
    struct sim_world *w = rig->w;
    struct counts c = count(rig);
    uint64_t refused;

    if (s->waiting != c.waiting || s->leases != c.leases)
        sim_fail(w, "statistics: %u waiting and %u leases; there are %u and %u", s->waiting,
                 s->leases, c.waiting, c.leases);
    if (s->acquired != rig->given || (s->reused != rig->given - w->first_uses && !rig->lost_waits))
        sim_fail(w, "statistics: acquired %llu, reused %llu; it was %llu, %llu",
                 (unsigned long long)s->acquired, (unsigned long long)s->reused,
                 (unsigned long long)rig->given, (unsigned long long)(rig->given - w->first_uses));
    refused = sum(s->refused, BELAY_STAGES_N);
    if (refused < rig->refused || refused > rig->refused + rig->waits_failed)
        sim_fail(w, "statistics: refused %llu; it was %llu", (unsigned long long)refused,
                 (unsigned long long)rig->refused);
    if (rig->wires)
        return;
    /* A dial that is given up at its limit is a failing one for the pool, a closing one here. */
    if (s->idle + s->in_use != c.idle + c.in_use || s->in_use < c.in_use ||
        s->dialing + s->closing != c.dialing + c.closing || s->dialing < c.dialing)
        sim_fail(
            w, "statistics: %u idle, %u in use, %u dialing, %u closing; there are %u, %u, %u, %u",
            s->idle, s->in_use, s->dialing, s->closing, c.idle, c.in_use, c.dialing, c.closing);
    BL_LIST_EACH(node, &w->seen)
    {
        struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);

        if (seen->held != seen->leases && !seen->closing)
            sim_fail(w, "connection %llu was told of %d leases and has %d", ID(seen), seen->held,
                     seen->leases);
    }
}

/* The parts add up to the whole. */
static void check_peers(struct sim_rig *rig, const struct belay_pool_stats *s)
{
    struct belay_pool_stats all = {0}, one = belay_pool_stats_init();

    for (struct belay_peer *p = NULL; (p = belay_pool_next_peer(rig->pool, p));) {
        belay_peer_get_stats(p, &one);
        all.idle += one.idle;
        all.in_use += one.in_use;
        all.dialing += one.dialing;
        all.closing += one.closing;
        all.leases += one.leases;
        all.waiting += one.waiting;
        if (!rig->changed_turn && one.idle + one.in_use + one.dialing + one.closing >
                                      (uint32_t)rig->options.max_connections_per_endpoint)
            sim_fail(rig->w, "a peer says that it has %u connections",
                     one.idle + one.in_use + one.dialing + one.closing);
    }
    if (all.idle != s->idle || all.in_use != s->in_use || all.dialing != s->dialing ||
        all.closing != s->closing || all.leases != s->leases || all.waiting != s->waiting)
        sim_fail(rig->w, "the peers' statistics do not add up to the pool's");
}

void sim_oracle_stats(struct sim_rig *rig, const struct belay_pool_stats *s)
{
    check_monotone(rig, s);
    check_sums(rig, s);
    check_peers(rig, s);
}
