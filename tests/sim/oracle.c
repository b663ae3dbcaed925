/* SPDX-License-Identifier: MIT */
/*
 * The oracle: what must hold, whatever the pool does inside. At each dial and close, at each
 * answer, after each turn, and at the end. Where the pool may be in the middle of something (the
 * turn has left work for the next one) only inequalities are checked; when all is quiet,
 * equalities.
 */
#include <stdlib.h>

#include "loop/loop.h"
#include "sim/parts.h"
#include "sim/rig.h"

/* What a socket needs to be closed politely, beyond its expiry: form 1 flushes and waits for the
 * far side. */
#define WIRE_CLOSE_NS SIM_MS(2500)
#define MOMENT_NS     SIM_MS(2)

#define ID(seen) ((unsigned long long)(seen)->id)

/* A wire is open here when the host accepts it; for the pool, when TLS and the session are done, too. */
static uint64_t grace_of(const struct sim_rig *rig, const struct sim_seen *seen)
{
    const struct belay_dial_options *d = rig->options.dial;
    const struct sim_world *w = rig->w;
    uint64_t setting_up;

    if (seen->fake)
        return MOMENT_NS;
    setting_up = SIM_MS(d->tls_timeout_ms + d->session_timeout_ms);
    if (seen->opened_ns < w->jumped_at && seen->opened_ns + setting_up + w->jump_ns > w->jumped_at)
        setting_up += w->jump_ns;
    return MOMENT_NS + setting_up;
}

/* ---- limits, at each dial ---- */

static void check_limits(struct sim_rig *rig, const struct sim_host *host)
{
    struct sim_world *w = rig->w;
    int here = 0, total = 0;

    BL_LIST_EACH(node, &w->seen)
    {
        struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);

        if (seen->taken)
            continue;
        total++;
        here += seen->host == host;
    }
    if (total > rig->options.max_connections_total)
        sim_fail(w, "%d connections in all, and %d are allowed", total,
                 rig->options.max_connections_total);
    if (!rig->lax && here > rig->options.max_connections_per_endpoint)
        sim_fail(w, "%d connections to %s, and %d are allowed", here, host->name,
                 rig->options.max_connections_per_endpoint);
}

static void on_dial(struct sim_seen *seen, void *arg)
{
    struct sim_rig *rig = arg;

    check_limits(rig, seen->host);
    sim_oracle_dialed(rig, seen);
    if (rig->closing && !rig->http && rig->w->turns > rig->closing_turn + 1)
        sim_fail(rig->w, "a closing pool dials %s", seen->host->name);
}

/* ---- reasons, at each close (form 2) ---- */

static bool is_full(struct sim_rig *rig, const struct sim_host *host)
{
    const struct sim_world *w = rig->w;
    /* Decisions of one turn are made before any of them is carried out. */
    int total = w->unborn + (w->ended_turn == w->turns ? w->ended : 0), here = total;

    BL_LIST_EACH(node, &rig->w->seen)
    {
        struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);

        total += !seen->taken;
        here += !seen->taken && seen->host == host;
    }
    return total >= rig->options.max_connections_total ||
           here >= rig->options.max_connections_per_endpoint;
}

static bool is_justified(struct sim_rig *rig, const struct sim_seen *seen)
{
    uint64_t now = rig->w->now_ns;
    const struct belay_pool_options *o = &rig->options;

    switch ((enum belay_reason)seen->reason) {
    case BELAY_REASON_IDLE:
        return now - seen->idle_since_ns + MOMENT_NS >= SIM_MS(o->max_idle_time_ms);
    case BELAY_REASON_LIFETIME:
        return now - seen->opened_ns + MOMENT_NS >= SIM_MS(o->max_connection_lifetime_ms) / 10 * 7;
    case BELAY_REASON_USES:
        return seen->uses >= o->max_connection_uses;
    case BELAY_REASON_UNHEALTHY:
        return seen->suspect_turn || seen->gone_turn || seen->checked_turn == rig->w->turns;
    case BELAY_REASON_PEER_CLOSED:
    case BELAY_REASON_ERROR:
        return seen->gone_turn;
    case BELAY_REASON_DRAINING:
        return seen->draining_turn;
    case BELAY_REASON_BROKEN:
        return seen->broken;
    case BELAY_REASON_EVICTED:
        return is_full(rig, seen->host) || now < rig->evict_excused_ns;
    case BELAY_REASON_POOL_CLOSED:
        return rig->closing;
    default:
        return false;
    }
}

static void on_close(struct sim_seen *seen, void *arg)
{
    struct sim_rig *rig = arg;
    bool dead = seen->gone_turn || rig->closing;

    rig->reasons[seen->reason]++;
    if (!is_justified(rig, seen))
        sim_fail(rig->w, "connection %llu is closed as %s, which it is not", ID(seen),
                 belay_reason_name((enum belay_reason)seen->reason));
    if (seen->reason == BELAY_REASON_EVICTED)
        sim_oracle_evicted(rig, seen);
    if (seen->held > 0 && !dead)
        sim_fail(rig->w, "connection %llu is closed while it is lent", ID(seen));
}

/* ---- answers ---- */

static void check_lease(struct sim_rig *rig, struct sim_ask *ask, struct sim_seen *seen)
{
    struct sim_world *w = rig->w;
    uint64_t life = SIM_MS(rig->options.max_connection_lifetime_ms);

    if (seen->host != ask->target->host ||
        !belay_endpoint_equal(belay_conn_endpoint(belay_lease_conn(ask->lease)),
                              ask->target->endpoint))
        sim_fail(w, "a lease for %s is on a connection to %s", ask->target->host->name,
                 seen->host->name);
    if (!seen->open || seen->taken || seen->broken)
        sim_fail(w, "connection %llu is lent: open %d, taken %d, broken %d", ID(seen), seen->open,
                 seen->taken, seen->broken);
    if (seen->gone_turn && seen->gone_turn < w->turns)
        sim_fail(w, "connection %llu is lent after it was lost", ID(seen));
    if (!seen->fake && seen->leases > 0)
        sim_fail(w, "connection %llu is lent twice at a time", ID(seen));
    if (seen->uses > rig->options.max_connection_uses ||
        (rig->sabotage == SIM_SABOTAGE_USES && seen->uses > 8))
        sim_fail(w, "connection %llu is lent for the %dth time", ID(seen), seen->uses);
    if (rig->options.max_connection_lifetime_ms != INT64_MAX &&
        w->now_ns - seen->opened_ns > life + (seen->fake ? 0 : grace_of(rig, seen)))
        sim_fail(w, "connection %llu is lent when its life is over", ID(seen));
    if (ask->fresh && !ask->was_new)
        sim_fail(w, "connection %llu is lent to one who wants a fresh one", ID(seen));
}

static void check_unique(struct sim_rig *rig, struct sim_ask *ask)
{
    BL_LIST_EACH(node, &rig->pending)
    {
        struct sim_ask *other = BL_LIST_OF(node, struct sim_ask, pending);

        if (other != ask && other->state == ASK_LEASED && other->lease.slot == ask->lease.slot &&
            other->lease.generation == ask->lease.generation)
            sim_fail(rig->w, "the same lease is given twice");
    }
}

void sim_oracle_given(struct sim_ask *ask)
{
    struct sim_rig *rig = ask->rig;
    struct sim_target *t = ask->target;
    struct sim_seen *seen = sim_seen_of_lease(rig->w, ask->lease);

    if (!belay_lease_valid(ask->lease) || !seen)
        sim_fail(rig->w, "acquire %llu is answered with a stale lease",
                 (unsigned long long)ask->seq);
    if (rig->closing)
        sim_fail(rig->w, "a closing pool lends");
    ask->seen = seen;
    if (!seen->fake)
        rig->w->first_uses += seen->uses++ == 0;
    ask->was_new = seen->uses <= 1;
    check_lease(rig, ask, seen);
    if (!ask->fresh && !rig->waits)
        sim_oracle_chosen(rig, seen);
    check_unique(rig, ask);
    seen->leases++;
    rig->given++;
    if (t->served_turn == rig->w->turns && t->served_seq > ask->seq && !ask->fresh && !ask->tried)
        sim_fail(rig->w, "acquire %llu is served after a younger one",
                 (unsigned long long)ask->seq);
    if (!ask->fresh && !ask->tried) {
        t->served_seq = ask->seq;
        t->served_turn = rig->w->turns;
    }
    sim_note(rig->w, "acquire %llu: leased connection %llu", (unsigned long long)ask->seq,
             ID(seen));
}

void sim_oracle_refused(struct sim_ask *ask)
{
    struct sim_rig *rig = ask->rig;
    const struct belay_error *e = &ask->error;

    rig->refused++;
    rig->stages[e->stage]++;
    sim_oracle_told_failure(ask);
    if (belay_lease_valid(ask->lease))
        sim_fail(rig->w, "an error comes with a lease");
    if (e->code >= 0 || e->kind != belay_error_kind_of(e->code) || !e->text[0] ||
        e->stage == BELAY_STAGE_NONE)
        sim_fail(rig->w, "an error without substance: code %d, kind %d, stage %d, \"%s\"", e->code,
                 (int)e->kind, (int)e->stage, e->text);
    if (e->code == BELAY_ECLOSED && !rig->closing)
        sim_fail(rig->w, "acquire %llu is told that the pool is closed",
                 (unsigned long long)ask->seq);
    if (e->code == BELAY_ETIMEDOUT && e->stage == BELAY_STAGE_QUEUE &&
        rig->w->now_ns + MOMENT_NS < ask->deadline_ns)
        sim_fail(rig->w, "acquire %llu gives up before its time", (unsigned long long)ask->seq);
    if (e->code == BELAY_ENOMEM && !rig->lenient)
        sim_fail(rig->w, "out of memory, and there was enough");
}

void sim_oracle_back(struct sim_ask *ask, enum belay_release how)
{
    struct sim_seen *seen = ask->seen;

    if (how == BELAY_BROKEN)
        seen->broken = true;
    if (--seen->leases == 0 && !seen->fake)
        seen->idle_since_ns = ask->rig->w->now_ns;
}

/* Whoever was answered in this turn must not have overtaken one who goes on waiting. */
static void check_order(struct sim_rig *rig)
{
    struct sim_world *w = rig->w;

    for (struct bl_list *n = rig->asks.prev; n != &rig->asks; n = n->prev) {
        struct sim_ask *ask = BL_LIST_OF(n, struct sim_ask, link);
        struct sim_ask *older;
        bool failed = ask->error.kind == BELAY_KIND_RETRY && ask->error.stage != BELAY_STAGE_QUEUE;

        if (ask->answered_turn != w->turns || ask->tried || (ask->state == ASK_FAILED && !failed))
            continue;
        older = sim_oldest(rig, ask->target, ASK_WAITING);
        if (!older || older->seq > ask->seq || (older->fresh && !ask->was_new))
            continue;
        sim_fail(w, "acquire %llu is %s before %llu, which is older", (unsigned long long)ask->seq,
                 failed ? "failed" : "served", (unsigned long long)older->seq);
    }
}

/* ---- after each turn ---- */

static void check_asks(struct sim_rig *rig)
{
    struct sim_world *w = rig->w;

    BL_LIST_EACH(node, &rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        if (ask->state == ASK_WAITING && ask->deadline_ns != BELAY_NEVER &&
            w->now_ns > ask->deadline_ns + MOMENT_NS)
            sim_fail(w, "acquire %llu waits beyond its time", (unsigned long long)ask->seq);
        if (ask->state == ASK_LEASED && !belay_lease_valid(ask->lease) && !ask->seen->gone_turn)
            sim_fail(w, "lease %llu went stale by itself", (unsigned long long)ask->seq);
    }
}

/* Idle connections end in time although nobody asks for anything. */
static void check_expiry(struct sim_rig *rig)
{
    struct sim_world *w = rig->w;
    const struct belay_pool_options *o = &rig->options;

    BL_LIST_EACH(node, &w->seen)
    {
        struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);
        uint64_t grace = grace_of(rig, seen) + (seen->fake ? 0 : WIRE_CLOSE_NS), idle, age;

        if (!seen->open || seen->closing || seen->taken || seen->leases || seen->held)
            continue;
        idle = w->now_ns - seen->idle_since_ns;
        age = w->now_ns - seen->opened_ns;
        if (seen->suspect_turn)
            continue; /* its check takes its time */
        if (o->max_idle_time_ms != INT64_MAX && idle > SIM_MS(o->max_idle_time_ms) + grace)
            sim_fail(w, "connection %llu is idle for %.3f s", ID(seen), (double)idle / 1e9);
        if (o->max_connection_lifetime_ms != INT64_MAX &&
            age > SIM_MS(o->max_connection_lifetime_ms) + grace)
            sim_fail(w, "connection %llu lives for %.3f s", ID(seen), (double)age / 1e9);
        if (seen->gone_turn && seen->fake && seen->gone_turn + 3 < w->turns)
            sim_fail(w, "connection %llu is dead and kept", ID(seen));
    }
}

static void after_turn(struct sim_world *w, void *arg)
{
    struct sim_rig *rig = arg;
    struct belay_pool_stats s;
    bool quiet;

    rig->checks++;
    if (!rig->pool || !w->loop)
        return;
    quiet = sim_is_quiet(w);
    sim_rig_stats(rig, &s);
    if (!rig->http)
        check_order(rig);
    sim_oracle_stats(rig, &s);
    if (!quiet || rig->http || rig->waits || rig->abandoned)
        return;
    check_asks(rig);
    sim_oracle_queues(rig);
    check_expiry(rig);
    sim_oracle_counts(rig, &s);
}

void sim_oracle_attach(struct sim_rig *rig)
{
    rig->w->after_turn = after_turn;
    rig->w->on_close = on_close;
    rig->w->on_dial = on_dial;
    rig->w->on_dial_failed = sim_oracle_dial_failed;
    rig->w->after_turn_arg = rig;
}

/* ---- at the end ---- */

void sim_oracle_closed(struct sim_rig *rig)
{
    struct sim_world *w = rig->w;

    BL_LIST_EACH(node, &rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        sim_fail(w, "acquire %llu is in state %d after the pool's end",
                 (unsigned long long)ask->seq, (int)ask->state);
    }
    BL_LIST_EACH(node, &w->seen)
    {
        struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);

        if (!seen->taken)
            sim_fail(w, "connection %llu outlives its pool", ID(seen));
    }
}

void sim_oracle_end(struct sim_rig *rig)
{
    struct sim_world *w = rig->w;

    if (w->fds_open)
        sim_fail(w, "%d descriptors are left", w->fds_open);
    if (!bl_list_empty(&w->watches))
        sim_fail(w, "a watch is left");
    if (!bl_list_empty(&w->queries))
        sim_fail(w, "a query is left");
    if (failing_alloc_live(&w->alloc))
        sim_fail(w, "%zu blocks of memory are left", failing_alloc_live(&w->alloc));
}
