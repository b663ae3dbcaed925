/* SPDX-License-Identifier: MIT */
/*
 * The pool's hooks, each held against what is known from elsewhere: that every connection is told of once when it was made
 * and once at its end, for the reason its connector was told, that first uses are none, that a leak is one and told once.
 */
#include <stdlib.h>

#include "sim/rig.h"

struct sim_told *sim_told_of(struct sim_rig *rig, uint64_t conn_id)
{
    for (struct bl_list *n = rig->told.prev; n != &rig->told; n = n->prev)
        if (BL_LIST_OF(n, struct sim_told, link)->id == conn_id)
            return BL_LIST_OF(n, struct sim_told, link);
    return NULL;
}

static struct sim_told *enter(struct sim_rig *rig, struct belay_peer *peer, uint64_t conn_id,
                              const char *what)
{
    struct sim_told *told = sim_told_of(rig, conn_id);

    if (rig->in_call)
        sim_fail(rig->w, "%s runs inside a call", what);
    if (rig->closed)
        sim_fail(rig->w, "%s runs after on_closed", what);
    if (!told)
        sim_fail(rig->w, "%s of a connection that there never was", what);
    sim_note(rig->w, "hook: %s, of %llu", what, (unsigned long long)conn_id);
    BL_LIST_EACH(node, &rig->targets)
    {
        struct sim_target *t = BL_LIST_OF(node, struct sim_target, link);

        if (t->peer == peer && told->target && t->key != told->target->key)
            sim_fail(rig->w, "%s: a connection has changed its peer", what);
        if (t->peer == peer && t->host != told->host)
            sim_fail(rig->w, "%s: connection to %s, peer %s", what, told->host->name,
                     t->host->name);
        if (t->peer == peer)
            told->target = t;
    }
    return told;
}

static void then(struct sim_rig *rig)
{
    if (rig->then_hook)
        rig->then_hook(rig, rig->hook_arg);
}

static void on_created(struct belay_peer *peer, uint64_t conn_id, void *arg)
{
    struct sim_rig *rig = arg;
    struct sim_told *told = enter(rig, peer, conn_id, "on_connection_created");

    if (told->created++ || told->closed)
        sim_fail(rig->w, "connection %llu is told of when it was told of before",
                 (unsigned long long)conn_id);
    if (!told->up)
        sim_fail(rig->w, "connection %llu is told of, and is not up", (unsigned long long)conn_id);
    rig->told_created++;
    then(rig);
}

static bool is_failure(enum belay_reason reason)
{
    switch (reason) {
    case BELAY_REASON_UNHEALTHY:
    case BELAY_REASON_PEER_CLOSED:
    case BELAY_REASON_ERROR:
    case BELAY_REASON_DRAINING:
    case BELAY_REASON_BROKEN:
        return true;
    default:
        return false;
    }
}

static void on_closed(struct belay_peer *peer, uint64_t conn_id, enum belay_reason reason,
                      const struct belay_error *error, void *arg)
{
    struct sim_rig *rig = arg;
    struct sim_told *told = enter(rig, peer, conn_id, "on_connection_closed");

    if (!told->created || told->closed++)
        sim_fail(rig->w, "the end of connection %llu is told: created %d, closed %d",
                 (unsigned long long)conn_id, told->created, told->closed);
    if (reason <= BELAY_REASON_NONE || reason >= BELAY_REASONS_N ||
        reason == BELAY_REASON_OPEN_FAILED)
        sim_fail(rig->w, "connection %llu ended for reason %d", (unsigned long long)conn_id,
                 (int)reason);
    if (told->told_reason && told->told_reason != (int)reason)
        sim_fail(rig->w, "connection %llu ended as %s, its connector was told %s",
                 (unsigned long long)conn_id, belay_reason_name(reason),
                 belay_reason_name((enum belay_reason)told->told_reason));
    if (error && (!is_failure(reason) || error->code >= 0 || !error->text[0]))
        sim_fail(rig->w, "connection %llu ended as %s with an error: %d \"%s\"",
                 (unsigned long long)conn_id, belay_reason_name(reason), error->code, error->text);
    if (!error && !rig->lenient &&
        (reason == BELAY_REASON_ERROR || reason == BELAY_REASON_PEER_CLOSED))
        sim_fail(rig->w, "connection %llu ended as %s without an error",
                 (unsigned long long)conn_id, belay_reason_name(reason));
    told->reason = reason;
    rig->told_closed[reason]++;
    then(rig);
}

static void on_reused(struct belay_peer *peer, uint64_t conn_id, void *arg)
{
    struct sim_rig *rig = arg;
    struct sim_told *told = enter(rig, peer, conn_id, "on_connection_reused");

    if (!told->created)
        sim_fail(rig->w, "connection %llu is used again, and was never told of",
                 (unsigned long long)conn_id);
    told->reused++;
    rig->told_reused++;
    then(rig);
}

static struct sim_ask *holder(struct sim_rig *rig, struct belay_lease lease)
{
    BL_LIST_EACH(node, &rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        if (ask->state == ASK_LEASED && ask->lease.table == lease.table &&
            ask->lease.slot == lease.slot && ask->lease.generation == lease.generation)
            return ask;
    }
    return NULL;
}

static void on_leak(const struct belay_leak *leak, void *arg)
{
    struct sim_rig *rig = arg;
    struct sim_ask *ask = holder(rig, leak->lease);

    if (rig->in_call)
        sim_fail(rig->w, "on_leak runs inside a call");
    rig->told_leaks++;
    if (!ask && rig->waits)
        return; /* about to be given to one who blocks */
    if (!ask)
        sim_fail(rig->w, "a leak of a lease that is not out");
    sim_note(rig->w, "hook: lease %llu leaks", (unsigned long long)ask->seq);
    if (ask->leaked)
        sim_fail(rig->w, "lease %llu leaks a second time", (unsigned long long)ask->seq);
    ask->leaked = true;
    if (leak->tag != ask->tag || leak->place != ask->place || leak->peer != ask->target->peer)
        sim_fail(rig->w, "lease %llu leaks with the tag %s and the place %s",
                 (unsigned long long)ask->seq, leak->tag ? leak->tag : "(none)",
                 leak->place ? leak->place : "(none)");
    if (ask->seen->conn_id && leak->connection != ask->seen->conn_id)
        sim_fail(rig->w, "lease %llu leaks on another connection", (unsigned long long)ask->seq);
    if (SIM_MS(leak->held_ms) + SIM_MS(1) < rig->w->now_ns - ask->answered_ns ||
        rig->w->now_ns - ask->answered_ns + SIM_MS(1) < SIM_MS(rig->options.leak_threshold_ms))
        sim_fail(rig->w, "lease %llu leaks after %lld ms, it says", (unsigned long long)ask->seq,
                 (long long)leak->held_ms);
    then(rig);
}

static int health_check(struct belay_conn *conn, void *arg)
{
    struct sim_rig *rig = arg;
    struct sim_seen *seen = rig->wires ? NULL : sim_fake_seen(conn);

    rig->asked++;
    return seen ? sim_fake_ask(seen) : 1;
}

const struct belay_pool_callbacks sim_hooks = {
    .size = sizeof sim_hooks,
    .health_check = health_check,
    .on_connection_created = on_created,
    .on_connection_closed = on_closed,
    .on_connection_reused = on_reused,
    .on_leak = on_leak,
};

void sim_hooks_check(struct sim_rig *rig, const struct belay_pool_stats *s)
{
    uint64_t closed = 0;

    if (rig->no_hooks)
        return;
    if (rig->told_created != s->opened || rig->told_reused != s->reused ||
        rig->told_leaks != s->leaks)
        sim_fail(rig->w,
                 "hooks: %llu created, %llu reused, %llu leaks; statistics: %llu, %llu, %llu",
                 (unsigned long long)rig->told_created, (unsigned long long)rig->told_reused,
                 (unsigned long long)rig->told_leaks, (unsigned long long)s->opened,
                 (unsigned long long)s->reused, (unsigned long long)s->leaks);
    for (int i = 1; i < BELAY_REASONS_N; i++) {
        if (rig->told_closed[i] > s->closed[i])
            sim_fail(rig->w, "hooks: %llu closed as %s; statistics: %llu",
                     (unsigned long long)rig->told_closed[i],
                     belay_reason_name((enum belay_reason)i), (unsigned long long)s->closed[i]);
        closed += rig->told_closed[i];
    }
    if (closed < rig->gone || closed > rig->gone + s->closing)
        sim_fail(rig->w, "hooks: %llu closed; %llu are gone, %u are closing",
                 (unsigned long long)closed, (unsigned long long)rig->gone, s->closing);
}

void sim_hooks_end(struct sim_rig *rig)
{
    BL_LIST_EACH(node, &rig->told)
    {
        struct sim_told *told = BL_LIST_OF(node, struct sim_told, link);

        if (!rig->no_hooks && told->created != told->closed)
            sim_fail(rig->w, "connection %llu is told of %d times, its end %d times",
                     (unsigned long long)told->id, told->created, told->closed);
    }
}
