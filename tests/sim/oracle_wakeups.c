/* SPDX-License-Identifier: MIT */
/*
 * The oracle on lost wake-ups: nobody waits while a connection that could be lent is idle, or while a slot is free and
 * dialling is allowed, and nothing is being done about it.
 *
 * What excuses the pool: it is suspended; connections are checked; a dial is under way; the last one came to nothing, and
 * the backoff it entitles to has not passed; descriptors have run out.
 */
#include "sim/rig.h"

#define BACKOFF_MAX  10000.0
#define SPREAD       1.21
#define FRESHNESS_NS SIM_MS(1100) /* names that are not there are asked for once per second */

/* Fails the same way each time a while is over: what was learned of failures delays at most so long. */
static uint64_t backoff_ns(const struct sim_rig *rig, const struct sim_host *h)
{
    double delay = (double)rig->delay_ms.most, most = delay > BACKOFF_MAX ? delay : BACKOFF_MAX;

    for (int i = 1; i < h->fruitless && delay < most; i++)
        delay *= 2;
    return SIM_MS((int64_t)((delay < most ? delay : most) * SPREAD) + 2) + FRESHNESS_NS;
}

static bool could_be_lent(const struct sim_rig *rig, const struct sim_seen *seen)
{
    const struct sim_world *w = rig->w;
    uint64_t idle = w->now_ns - seen->idle_since_ns, age = w->now_ns - seen->opened_ns;

    return seen->fake && seen->open && !seen->closing && seen->held < seen->capacity &&
           seen->capacity_turn != w->turns && !seen->gone_turn && !seen->draining_turn &&
           !seen->suspect_turn && !seen->doubt_turn && !seen->broken && !seen->asked &&
           !seen->sick_ns && seen->uses < rig->uses.least && !sim_is_cleared(rig, seen, false) &&
           (rig->idle_ms.least == INT64_MAX || idle < SIM_MS(rig->idle_ms.least)) &&
           (rig->life_ms.least == INT64_MAX ||
            age < SIM_MS(rig->life_ms.least) / 100 * (uint64_t)(100 - rig->jitter.most));
}

static struct sim_ask *waiting_for_any(struct sim_rig *rig, struct sim_target *t)
{
    BL_LIST_EACH(node, &rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        if (ask->state == ASK_WAITING && ask->target == t && !ask->fresh)
            return ask;
    }
    return NULL;
}

/* One that is to be asked first, while as many are being asked as somebody waits for. */
static bool is_in_line(const struct sim_rig *rig, const struct sim_target *t,
                       const struct sim_seen *seen)
{
    int64_t after = rig->options.check_after_idle_ms;
    unsigned asked = 0, waiting = 0;

    if (after == INT64_MAX || rig->w->now_ns - seen->idle_since_ns < SIM_MS(after))
        return false;
    BL_LIST_EACH(node, &rig->w->seen)
    {
        const struct sim_seen *other = BL_LIST_OF(node, struct sim_seen, link);

        asked += other->host == t->host && other->open && other->asked;
    }
    BL_LIST_EACH(node, &rig->pending)
    {
        const struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        waiting += ask->state == ASK_WAITING && ask->target == t && !ask->fresh;
    }
    return asked >= waiting;
}

static void idle_for_nobody(struct sim_rig *rig, struct sim_target *t)
{
    struct sim_ask *ask = waiting_for_any(rig, t);

    if (!ask || rig->lax || t->host->conns > rig->options.max_connections_per_endpoint ||
        rig->conns > rig->options.max_connections_total)
        return; /* what is above a limit goes when it comes back */
    BL_LIST_EACH(node, &rig->w->seen)
    {
        struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);

        if (seen->host == t->host && could_be_lent(rig, seen) && !is_in_line(rig, t, seen))
            sim_fail(rig->w, "acquire %llu waits, and connection %llu could be lent",
                     (unsigned long long)ask->seq, (unsigned long long)seen->id);
    }
}

/* An idle connection of another peer that would make room. */
static bool could_be_evicted(struct sim_rig *rig, const struct sim_host *h)
{
    BL_LIST_EACH(node, &rig->w->seen)
    {
        struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);

        if (seen->host != h && seen->held == 0 && could_be_lent(rig, seen))
            return true;
    }
    return false;
}

static void nobody_dials(struct sim_rig *rig, struct sim_target *t,
                         const struct belay_pool_stats *all)
{
    const struct belay_pool_options *o = &rig->options;
    struct sim_world *w = rig->w;
    struct sim_host *h = t->host;
    struct belay_pool_stats s = belay_pool_stats_init();

    belay_peer_get_stats(t->peer, &s);
    if (s.waiting == 0 || s.dialing > 0 || s.closing > 0 || s.checking > 0)
        return;
    if (s.idle + s.in_use >= (uint32_t)o->max_connections_per_endpoint ||
        all->dialing >= (uint32_t)o->max_dials_total || w->now_ns < rig->evict_excused_ns)
        return;
    if (h->fruitless && w->now_ns - h->fruitless_ns <= backoff_ns(rig, h))
        return;
    if (rig->conns >= o->max_connections_total &&
        (rig->wires || all->closing > 0 || all->checking > 0 || !could_be_evicted(rig, h)))
        return;
    sim_fail(w, "%u wait for %s, nothing is done, and a slot is free", s.waiting, h->name);
}

void sim_oracle_wakeups(struct sim_rig *rig, const struct belay_pool_stats *s)
{
    if (rig->suspended || rig->closing || rig->lenient || s->waiting == 0)
        return;
    BL_LIST_EACH(node, &rig->targets)
    {
        struct sim_target *t = BL_LIST_OF(node, struct sim_target, link);

        if (!sim_oldest(rig, t, ASK_WAITING))
            continue;
        idle_for_nobody(rig, t);
        nobody_dials(rig, t, s);
    }
}
