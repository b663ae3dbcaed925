/* SPDX-License-Identifier: MIT */
/* The pool in numbers. Peers count; what they had counted when they went stays with the pool. */
#include "keep/pool_policy.h"

static void add_counts(struct belay_pool_stats *to, const struct belay_pool_stats *from)
{
    to->acquired += from->acquired;
    to->reused += from->reused;
    to->opened += from->opened;
    to->waited_ns += from->waited_ns;
    to->checks += from->checks;
    to->leaks += from->leaks;
    for (size_t i = 0; i < BELAY_REASONS_N; i++)
        to->closed[i] += from->closed[i];
    for (size_t i = 0; i < BELAY_STAGES_N; i++) {
        to->failed[i] += from->failed[i];
        to->refused[i] += from->refused[i];
    }
}

static void add_gauges(struct belay_pool_stats *to, const struct belay_pool_stats *from)
{
    to->endpoints += from->endpoints;
    to->idle += from->idle;
    to->in_use += from->in_use;
    to->dialing += from->dialing;
    to->closing += from->closing;
    to->checking += from->checking;
    to->leases += from->leases;
    to->waiting += from->waiting;
}

void bl_pp_peer_stats(const struct bl_pp_peer *peer, struct belay_pool_stats *ret)
{
    *ret = peer->stats;
    ret->size = sizeof *ret;
    ret->reused = peer->stats.acquired - peer->first_uses;
    ret->endpoints = 1;
    ret->idle = (uint32_t)peer->idle;
    ret->dialing = (uint32_t)peer->dialing;
    ret->closing = (uint32_t)peer->closing;
    ret->checking = (uint32_t)peer->checking;
    ret->in_use = (uint32_t)(peer->connections - peer->idle - peer->dialing - peer->closing);
    ret->leases = ret->in_use - (uint32_t)peer->checking + (uint32_t)peer->shared;
    ret->waiting = (uint32_t)peer->waiting;
}

void bl_pp_stats(const struct bl_pp *pp, struct belay_pool_stats *ret)
{
    *ret = pp->past;
    ret->size = sizeof *ret;
    ret->peak = pp->peak;
    BL_LIST_EACH(node, &pp->peers)
    {
        struct belay_pool_stats s;

        bl_pp_peer_stats(BL_LIST_OF(node, struct bl_pp_peer, link), &s);
        add_counts(ret, &s);
        add_gauges(ret, &s);
    }
}

void bl_pp_peer_fini(struct bl_pp_peer *peer)
{
    struct belay_pool_stats s;

    if (!peer->pool)
        return;
    bl_pp_calm(peer);
    bl_heap_remove(&peer->pool->oldest, &peer->oldest);
    bl_heap_unreserve(&peer->pool->eager);
    bl_heap_unreserve(&peer->pool->oldest);
    bl_pp_peer_stats(peer, &s);
    add_counts(&peer->pool->past, &s);
    bl_list_remove(&peer->link);
}
