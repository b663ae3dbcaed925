/* SPDX-License-Identifier: MIT */
/* What is done to a pool as a whole, noted for the oracle. */
#include "sim/rig.h"

int sim_set_options(struct sim_rig *rig, const struct belay_pool_options *changes,
                    struct belay_error *error)
{
    struct belay_pool_options o = rig->opened;
    int r;

    sim_options_change(&o, changes);
    rig->in_call++;
    r = belay_pool_set_options(rig->pool, &o, error);
    rig->in_call--;
    sim_note(rig->w, "set options: %s", r ? belay_error_name(r) : "done");
    sim_options_read(rig);
    if (r == 0) {
        rig->opened = o;
        sim_limits_changed(rig);
    }
    return r;
}

static void forget(struct sim_ask *ask)
{
    if (ask->state != ASK_LEASED || belay_lease_valid(ask->lease))
        return;
    sim_note(ask->rig->w, "lease %llu was revoked", (unsigned long long)ask->seq);
    sim_oracle_back(ask, BELAY_BROKEN);
    ask->talking = false;
    ask->state = ASK_REVOKED;
    ask->rig->revoked++;
    bl_list_remove(&ask->pending);
}

void sim_forget_stale(struct sim_rig *rig, struct sim_target *target)
{
    BL_LIST_EACH(node, &rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        if (!target || ask->target->peer == target->peer)
            forget(ask);
    }
}

/* Those that have not dialled yet go, too. */
static void mark_told(struct sim_rig *rig, const struct sim_host *h, int how)
{
    BL_LIST_EACH(node, &rig->told)
    {
        struct sim_told *told = BL_LIST_OF(node, struct sim_told, link);

        if (told->host == h && !told->gone)
            told->cleared = how;
    }
}

/* All that there is now is to go; with NOW no lease outlives the call. */
static void cleared(struct sim_rig *rig, struct sim_target *target, bool now)
{
    struct sim_world *w = rig->w;

    BL_LIST_EACH(node, &rig->targets)
    {
        struct sim_target *t = BL_LIST_OF(node, struct sim_target, link);

        if (target && t->peer != target->peer)
            continue;
        t->clear_mark = ++w->next_id;
        if (now)
            t->revoke_mark = t->clear_mark;
        t->host->round_failed_ns = 0; /* what was learned of failures is forgotten */
        mark_told(rig, t->host, now ? 2 : 1);
    }
    if (!now)
        return;
    sim_forget_stale(rig, target);
    BL_LIST_EACH(node, &rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        if (ask->state == ASK_LEASED && (!target || ask->target->peer == target->peer))
            sim_fail(w, "lease %llu outlives the clearing of its peer",
                     (unsigned long long)ask->seq);
    }
}

void sim_clear(struct sim_rig *rig, struct sim_target *target, enum belay_clear how)
{
    if (!rig->pool)
        return;
    sim_note(rig->w, "clear %s%s", target ? target->host->name : "all",
             how == BELAY_CLEAR_NOW ? ", now" : "");
    rig->in_call++;
    if (target)
        belay_peer_clear(target->peer, how);
    else
        belay_pool_clear(rig->pool, how);
    rig->in_call--;
    cleared(rig, target, how == BELAY_CLEAR_NOW);
}

void sim_network_changed(struct sim_rig *rig)
{
    sim_note(rig->w, "the network has changed");
    rig->in_call++;
    belay_loop_network_changed(rig->w->loop);
    rig->in_call--;
    cleared(rig, NULL, false);
}

void sim_suspend(struct sim_rig *rig)
{
    if (!rig->pool)
        return;
    sim_note(rig->w, "suspend");
    rig->in_call++;
    belay_pool_suspend(rig->pool);
    rig->in_call--;
    if (!rig->suspended)
        rig->suspended_turn = rig->w->turns;
    rig->suspended = true;
}

void sim_resume(struct sim_rig *rig)
{
    if (!rig->pool)
        return;
    sim_note(rig->w, "resume");
    rig->in_call++;
    belay_pool_resume(rig->pool);
    rig->in_call--;
    rig->suspended = false;
}
