/* SPDX-License-Identifier: MIT */
/*
 * The oracle on dials that fail: who pays for them, and when the next may be made. Known exactly where the fake connector
 * is the far side; elsewhere nothing is said.
 *
 * Dials of a host that were under way together when one failed are one round. While somebody goes on waiting, the next
 * dial comes after the first delay at the earliest, and whoever is told the failure has seen retries + 1 rounds.
 */
#include "sim/rig.h"

#define SPREAD_NS SIM_MS(50)
#define JITTER                                                                                     \
    0.79 /* the least share of a delay that +-20 % leaves, and the rounding to milliseconds */

static int under_way(const struct sim_rig *rig, const struct sim_host *h,
                     const struct sim_seen *but)
{
    int n = 0;

    BL_LIST_EACH(node, &rig->w->seen)
    {
        struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);

        n += seen != but && seen->host == h && !seen->open && /* being cancelled, too */
             !sim_is_cleared(rig, seen, false);
    }
    return n;
}

void sim_oracle_dialed(struct sim_rig *rig, struct sim_seen *seen)
{
    const struct sim_world *w = rig->w;
    struct sim_host *h = seen->host;
    double delay = (double)rig->delay_ms.least * 1e6 * JITTER - 1e6;
    int others;

    if (!seen->fake || rig->lax || rig->options.min_idle)
        return;
    others = under_way(rig, h, seen);
    if (others == 0 && h->failed_turn + 1 < w->turns) /* else the pool may not know yet */
        h->busy_since_ns = w->now_ns;
    if (h->round_failed_ns == w->now_ns && (!h->told || h->excused-- > 0))
        return; /* it was decided before */
    if (h->round_failed_ns && (double)(w->now_ns - h->round_failed_ns) < delay)
        sim_fail(rig->w, "%s is dialled %.3f ms after it failed", h->name,
                 (double)(w->now_ns - h->round_failed_ns) / 1e6);
    if (rig->options.expected_capacity == 0 && h->accepted == 0 &&
        (uint64_t)others * SPREAD_NS > w->now_ns - h->busy_since_ns + SIM_MS(1))
        sim_fail(rig->w, "%s has %d dials under way, and its capacity is not known", h->name,
                 others + 1);
}

void sim_oracle_dial_failed(struct sim_seen *seen, enum belay_error_kind kind, void *arg)
{
    struct sim_rig *rig = arg;
    struct sim_world *w = rig->w;
    struct sim_host *h = seen->host;

    if (h->failed_turn + 1 <
        w->turns) /* a long turn is cut in two: what it failed is told in the next */
        h->failed = h->refused = 0;
    h->failed++;
    h->failed_turn = w->turns;
    if (kind == BELAY_KIND_FATAL) {
        h->fatal_mark = ++w->next_id;
        return;
    }
    if (kind == BELAY_KIND_NONE && sim_is_cleared(rig, seen, false)) {
        h->rounds++; /* it was cancelled for that, or had failed before */
        return;
    }
    if (kind != BELAY_KIND_NONE && seen->dialed_ns < h->round_ns)
        return; /* of a round that has failed already */
    h->rounds++;
    h->round_ns = w->now_ns;
    if (kind == BELAY_KIND_NONE)
        return; /* its end is not known to be a failure (it was cancelled): it may be a round, and delays nothing */
    h->round_failed_ns = w->now_ns;
    h->told = false; /* until its connection is gone, the pool may not know of it */
}

void sim_oracle_asked(struct sim_ask *ask)
{
    const struct sim_host *h = ask->target->host;

    ask->mark = ++ask->rig->w->next_id;
    ask->rounds = h->rounds;
    if (h->failed_turn + 1 >= ask->rig->w->turns) /* the pool may hear of them only now */
        ask->rounds -= h->rounds < (uint64_t)h->failed ? h->rounds : (uint64_t)h->failed;
}

/* A queue that has emptied, and a connection that has come up, end the story of failures. */
void sim_oracle_left(struct sim_ask *ask)
{
    struct sim_host *h = ask->target->host;

    if (sim_waiting(ask->target) == 0 || ask->state == ASK_LEASED)
        h->round_failed_ns = 0;
}

/* A connection that ended before anybody could use it, its check failed or its time as an idle one over, is as good as a
 * dial that failed; when that is decided only the pool knows. */
static bool is_waste(const struct belay_error *e)
{
    return e->stage == BELAY_STAGE_PROTOCOL &&
           (e->code == BELAY_EUNHEALTHY || e->code == BELAY_EEOF);
}

void sim_oracle_told_failure(struct sim_ask *ask)
{
    struct sim_rig *rig = ask->rig;
    struct sim_world *w = rig->w;
    struct sim_host *h = ask->target->host;
    const struct belay_error *e = &ask->error;

    if (rig->wires || rig->lax || rig->options.min_idle || e->kind != BELAY_KIND_RETRY ||
        e->stage == BELAY_STAGE_QUEUE)
        return;
    if (is_waste(e))
        return;
    if (h->failed_turn + 1 < w->turns || ++h->refused > h->failed)
        sim_fail(w, "acquire %llu fails, and no dial of its own has", (unsigned long long)ask->seq);
    if (h->rounds - ask->rounds <= (uint64_t)rig->retries.least)
        sim_fail(w, "acquire %llu fails after %llu rounds of dials", (unsigned long long)ask->seq,
                 (unsigned long long)(h->rounds - ask->rounds));
}

void sim_oracle_queues(struct sim_rig *rig)
{
    BL_LIST_EACH(node, &rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        if (ask->state == ASK_WAITING && ask->mark < ask->target->host->fatal_mark &&
            !rig->options.min_idle && !rig->lax)
            sim_fail(rig->w, "acquire %llu goes on waiting for what failed for good",
                     (unsigned long long)ask->seq);
    }
    BL_LIST_EACH(node, &rig->targets)
    {
        struct sim_target *t = BL_LIST_OF(node, struct sim_target, link);

        if (!rig->lax && sim_waiting(t) > (unsigned)rig->waiters.most)
            sim_fail(rig->w, "%u wait for %s, and %d may", sim_waiting(t), t->host->name,
                     (int)rig->waiters.most);
    }
}
