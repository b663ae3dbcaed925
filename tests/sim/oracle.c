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
#define STEADY_NS     SIM_MS(20000) /* a peer that stayed up for so long is well */
#define LEAK_GRACE_NS SIM_MS(1000)  /* leaks are looked for now and then */

#define ID(seen) ((unsigned long long)(seen)->id)

/* A wire is open here when the host accepts it; for the pool, when TLS and the session are done, too. */
static uint64_t grace_of(const struct sim_rig *rig, const struct sim_seen *seen)
{
    const struct belay_dial_options *d = rig->options.dial;
    const struct sim_world *w = rig->w;
    uint64_t grace = MOMENT_NS;

    if (!seen->fake)
        grace += SIM_MS(d->tls_timeout_ms + d->session_timeout_ms);
    /* The clock has jumped before the pool knew of it. */
    if (seen->opened_ns < w->jumped_at && seen->opened_ns + grace + w->jump_ns > w->jumped_at)
        grace += w->jump_ns;
    return grace;
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
    const struct sim_told *told = sim_told_of(rig, seen->conn_id);

    seen->cleared = told ? told->cleared : 0;
    if (!rig->changed_turn && !rig->w->races)
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

/* The limits have just been lowered, or on idle ones there always is one. */
static bool is_trimmed(struct sim_rig *rig, const struct sim_seen *victim)
{
    const struct belay_pool_options *o = &rig->options;
    /* Decisions of one turn are made before any of them is carried out. */
    int ended = rig->w->ended_turn == rig->w->turns ? rig->w->ended : 0;
    int given = rig->w->lent_turn == rig->w->turns ? rig->w->lent : 0;
    int here = ended + given, total = ended + given;

    if (rig->changed_turn && rig->changed_turn + 2 >= rig->w->turns)
        return true;
    if (rig->conns + ended > o->max_connections_total ||
        victim->host->conns + ended > o->max_connections_per_endpoint)
        return true;
    BL_LIST_EACH(node, &rig->w->seen)
    {
        const struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);
        bool idle = seen->open && !seen->taken && seen->held == 0;

        total += idle;
        here += idle && seen->host == victim->host;
    }
    return total > o->max_idle_total || here > o->max_idle_per_endpoint;
}

bool sim_is_cleared(const struct sim_rig *rig, const struct sim_seen *seen, bool at_once)
{
    if (seen->cleared > at_once)
        return true;
    BL_LIST_EACH(node, &rig->targets)
    {
        const struct sim_target *t = BL_LIST_OF(node, struct sim_target, link);

        if (t->host == seen->host && seen->id < (at_once ? t->revoke_mark : t->clear_mark))
            return true;
    }
    return false;
}

static bool is_justified(struct sim_rig *rig, const struct sim_seen *seen)
{
    uint64_t now = rig->w->now_ns, age = now - seen->opened_ns + MOMENT_NS;

    switch ((enum belay_reason)seen->reason) {
    case BELAY_REASON_IDLE:
        return now - seen->idle_since_ns + MOMENT_NS >= SIM_MS(rig->idle_ms.least);
    case BELAY_REASON_LIFETIME:
        return age >= SIM_MS(rig->life_ms.least) / 100 * (uint64_t)(100 - rig->jitter.most);
    case BELAY_REASON_USES:
        return seen->uses >= rig->uses.least;
    case BELAY_REASON_UNHEALTHY: /* an answer that comes with the end of its time may be late */
        return seen->suspect_turn || seen->doubt_turn || seen->gone_turn || seen->failed_turn ||
               seen->asked || seen->checked_turn == rig->w->turns;
    case BELAY_REASON_PEER_CLOSED:
    case BELAY_REASON_ERROR:
        return seen->gone_turn;
    case BELAY_REASON_DRAINING:
        return seen->draining_turn;
    case BELAY_REASON_BROKEN:
        return seen->broken;
    case BELAY_REASON_EVICTED:
        return is_full(rig, seen->host) || now < rig->evict_excused_ns || is_trimmed(rig, seen);
    case BELAY_REASON_CLEARED:
        return sim_is_cleared(rig, seen, false);
    case BELAY_REASON_POOL_CLOSED:
        return rig->closing;
    default:
        return false;
    }
}

static void on_close(struct sim_seen *seen, void *arg)
{
    struct sim_rig *rig = arg;
    struct sim_told *told = sim_told_of(rig, seen->conn_id);
    bool dead = seen->gone_turn || rig->closing || sim_is_cleared(rig, seen, true);

    rig->reasons[seen->reason]++;
    if (told)
        told->told_reason = seen->reason;
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
    uint64_t life = SIM_MS(rig->life_ms.most);

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
    if (seen->uses > rig->uses.most || (rig->sabotage == SIM_SABOTAGE_USES && seen->uses > 8))
        sim_fail(w, "connection %llu is lent for the %dth time", ID(seen), seen->uses);
    if (rig->life_ms.most != INT64_MAX &&
        w->now_ns - seen->opened_ns > life + (seen->fake ? 0 : grace_of(rig, seen)))
        sim_fail(w, "connection %llu is lent when its life is over", ID(seen));
    if (ask->fresh && !ask->was_new)
        sim_fail(w, "connection %llu is lent to one who wants a fresh one", ID(seen));
    if (seen->id < ask->target->clear_mark && !rig->http && !ask->blocked)
        sim_fail(w, "connection %llu is lent after it was cleared", ID(seen));
    if (seen->key && ask->target->key && seen->key != ask->target->key)
        sim_fail(w, "connection %llu of key %d is lent to one of key %d", ID(seen), seen->key,
                 ask->target->key);
    seen->key = ask->target->key;
}

/* Nobody who came before, or is more urgent, waits for the same. */
static void check_turn(struct sim_rig *rig, struct sim_ask *ask)
{
    BL_LIST_EACH(node, &rig->pending)
    {
        struct sim_ask *other = BL_LIST_OF(node, struct sim_ask, pending);

        if (other == ask || other->target->peer != ask->target->peer ||
            other->state != ASK_WAITING || (other->fresh && !ask->was_new))
            continue;
        if (other->urgent > ask->urgent || (other->urgent == ask->urgent && other->seq < ask->seq))
            sim_fail(rig->w, "acquire %llu is served before %llu, which is %s",
                     (unsigned long long)ask->seq, (unsigned long long)other->seq,
                     other->urgent > ask->urgent ? "urgent" : "older");
    }
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
    struct sim_seen *seen = sim_seen_of_lease(rig->w, ask->lease);
    struct sim_told *told;

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
    if (seen->opened_ns > seen->host->fruitless_ns && !rig->w->shared_hosts &&
        rig->w->now_ns - seen->opened_ns >= STEADY_NS)
        seen->host->fruitless = 0;
    told = sim_told_of(rig, belay_conn_id(belay_lease_conn(ask->lease)));
    if (told)
        told->used = true;
    if (rig->suspended && !ask->blocked)
        sim_fail(rig->w, "a suspended pool lends");
    if (!ask->tried && !rig->http)
        check_turn(rig, ask);
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
    if (seen->leases == 0)
        seen->idle_limit_ms = ask->rig->options.max_idle_time_ms;
}

/* Whoever was told a failure in this turn must not be younger than one who goes on waiting. */
static void check_order(struct sim_rig *rig)
{
    struct sim_world *w = rig->w;

    for (struct bl_list *n = rig->asks.prev; n != &rig->asks; n = n->prev) {
        struct sim_ask *ask = BL_LIST_OF(n, struct sim_ask, link);
        struct sim_ask *older;

        if (ask->answered_turn != w->turns || ask->state != ASK_FAILED ||
            ask->error.kind != BELAY_KIND_RETRY || ask->error.stage == BELAY_STAGE_QUEUE)
            continue;
        older = sim_oldest(rig, ask->target, ASK_WAITING);
        if (older && older->seq < ask->seq && !(older->fresh && !ask->was_new))
            sim_fail(w, "acquire %llu is failed before %llu, which is older",
                     (unsigned long long)ask->seq, (unsigned long long)older->seq);
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
    int64_t life_ms = rig->life_ms.most;

    BL_LIST_EACH(node, &w->seen)
    {
        struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);
        uint64_t grace = grace_of(rig, seen) + (seen->fake ? 0 : WIRE_CLOSE_NS), idle, age;
        int64_t idle_ms;

        if (!seen->open || seen->closing || seen->taken || seen->leases || seen->held)
            continue;
        idle = w->now_ns - seen->idle_since_ns;
        idle_ms = seen->idle_limit_ms ? seen->idle_limit_ms : rig->idle_ms.most;
        age = w->now_ns - seen->opened_ns;
        if (seen->suspect_turn || seen->doubt_turn || seen->asked)
            continue; /* its check takes its time */
        if (idle_ms != INT64_MAX && !rig->options.min_idle && idle > SIM_MS(idle_ms) + grace)
            sim_fail(w, "connection %llu is idle for %.3f s", ID(seen), (double)idle / 1e9);
        if (life_ms != INT64_MAX && age > SIM_MS(life_ms) + grace)
            sim_fail(w, "connection %llu lives for %.3f s", ID(seen), (double)age / 1e9);
        if (seen->gone_turn && seen->fake && seen->gone_turn + 3 < w->turns)
            sim_fail(w, "connection %llu is dead and kept", ID(seen));
    }
}

/* A lease that was held for long has been told of. */
static void check_leaks(struct sim_rig *rig)
{
    int64_t limit = rig->options.leak_threshold_ms;

    if (limit == INT64_MAX || rig->no_hooks || rig->lenient)
        return;
    BL_LIST_EACH(node, &rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);
        uint64_t since = ask->answered_ns > rig->changed_ns ? ask->answered_ns : rig->changed_ns;

        if (ask->state == ASK_LEASED && !ask->leaked &&
            rig->w->now_ns - since > SIM_MS(limit) + LEAK_GRACE_NS)
            sim_fail(rig->w, "lease %llu is out for %.3f s, and no leak is told",
                     (unsigned long long)ask->seq, (double)(rig->w->now_ns - since) / 1e9);
    }
}

/* What was cleared is gone, or in somebody's hands. */
static void check_cleared(struct sim_rig *rig)
{
    if (rig->lax)
        return;
    BL_LIST_EACH(node, &rig->w->seen)
    {
        struct sim_seen *seen = BL_LIST_OF(node, struct sim_seen, link);

        if (!seen->closing && !seen->leases && seen->fake && sim_is_cleared(rig, seen, false))
            sim_fail(rig->w, "connection %llu was cleared and is kept", ID(seen));
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
    if (rig->passed_over_id)
        sim_oracle_passed_over(rig);
    if (!rig->http && !rig->waits)
        sim_limits_check(rig, &s);
    if (!quiet || rig->http || rig->waits || rig->abandoned)
        return;
    check_asks(rig);
    sim_oracle_queues(rig);
    check_expiry(rig);
    sim_oracle_counts(rig, &s);
    sim_limits_quiet(rig, &s);
    sim_hooks_check(rig, &s);
    check_leaks(rig);
    check_cleared(rig);
    sim_oracle_wakeups(rig, &s);
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
    if (!rig->http)
        sim_hooks_end(rig);
}
