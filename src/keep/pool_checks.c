/* SPDX-License-Identifier: MIT */
/*
 * Doubt: which connections are asked before they are lent. One that its connector called suspect;
 * one idle for long, where an option says so; those to an address at which another has failed hard.
 * While it is asked a connection is lent to nobody, and counts as one that is on its way.
 */
#include "keep/pool_policy.h"

static uint64_t proof(const struct bl_pp_conn *c)
{
    return c->proved_at > c->idle_since ? c->proved_at : c->idle_since;
}

bool bl_pp_in_doubt(const struct bl_pp_conn *c, uint64_t now)
{
    uint64_t limit = c->peer->pool->limits.check_after_ns;

    return limit != BELAY_NEVER && c->checkable && c->leases == 0 && now > proof(c) &&
           now - proof(c) >= limit;
}

bool bl_pp_wants_check(const struct bl_pp_peer *peer)
{
    int32_t used = peer->waiting - peer->waiting_fresh;

    return peer->checking < (used > 1 ? used : 1);
}

uint64_t bl_pp_check_due(const struct bl_pp_conn *c)
{
    uint64_t every = c->peer->pool->limits.check_every_ns;

    return every == BELAY_NEVER || !c->checkable ? BELAY_NEVER : proof(c) + every;
}

void bl_pp_begin_check(struct bl_pp_conn *c, bool todo)
{
    struct bl_pp_peer *peer = c->peer;

    bl_pp_count_idle(peer, -1);
    peer->checking++;
    peer->stats.checks += todo; /* the shell has counted its own */
    c->state = BL_PP_CHECKING;
    c->simple = false;
    bl_list_remove(&c->ready);
    if (todo)
        bl_list_push_back(&peer->pool->checks, &c->todo);
}

void bl_pp_doubt(const struct bl_pp_conn *failed, bool silent)
{
    BL_LIST_EACH(node, &failed->peer->conns)
    {
        struct bl_pp_conn *c = BL_LIST_OF(node, struct bl_pp_conn, link);

        if (c == failed || c->state != BL_PP_OPEN || c->suspect || c->addr != failed->addr)
            continue;
        if (!c->checkable) {
            if (silent)
                bl_pp_close(c, BELAY_REASON_UNHEALTHY, true);
            continue;
        }
        c->suspect = true;
        if (bl_pp_is_idle(c))
            bl_pp_begin_check(c, true);
        bl_pp_settle(c);
    }
}
