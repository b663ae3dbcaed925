/* SPDX-License-Identifier: MIT */
/*
 * Performing what the policy decided. Every call and every event changes the policy's state and
 * touches its peer; one task per turn then serves, dials, closes and tells. So nothing is opened,
 * closed or called back in the middle of a decision, nor inside the caller's call.
 */
#include "keep/pool.h"

void bl_pool_touch(struct belay_peer *peer)
{
    struct belay_pool *pool = peer->pool;

    if (!bl_list_linked(&peer->dirty))
        bl_list_push_back(&pool->dirty, &peer->dirty);
    bl_task_post(pool->loop, &pool->run);
}

void bl_peer_on_timer(void *arg)
{
    bl_pool_touch(arg);
}

void bl_pool_on_pause(void *arg)
{
    struct belay_pool *pool = arg;

    bl_task_post(pool->loop, &pool->run);
}

/* Wakes the peer when it may dial again. */
static void arm(struct belay_pool *pool, struct belay_peer *peer)
{
    bl_timer_at(&peer->timer, pool->loop, bl_pp_dial_due(&peer->pp, bl_pool_now(pool)));
}

/* To the next round; until then there is something for whoever waits, and no need to dial. */
static void put_off(struct belay_peer *peer)
{
    peer->pp.put_off = true;
    bl_pool_touch(peer);
}

/* The next waiter, if there is something for it. Those that came from `end` on are served in another
 * round: who asks again in the callback does not keep the loop to itself. */
static bool serve(struct belay_pool *pool, struct belay_peer *peer, uint64_t end)
{
    struct belay_waiter *w;
    struct bl_pp_waiter *pp;
    struct bl_pp_conn *c;
    struct belay_lease lease;

    pp = bl_pp_next(&peer->pp, &c, bl_pool_now(pool));
    if (!pp)
        return bl_pool_adopt(pool, peer);
    if (pp->arrival >= end) {
        put_off(peer);
        return false;
    }
    w = BL_CONTAINER(pp, struct belay_waiter, pp);
    if (bl_pool_vet(pool, c) &&
        bl_pool_give(pool, c, (struct bl_lessee){w->tag, w->place}, &lease)) {
        bl_pp_served(pp, bl_pool_now(pool));
        bl_waiter_tell(w, lease, NULL);
    }
    return true;
}

/* There is no memory for one more lease. */
static bool refuse_oldest(struct belay_pool *pool, struct belay_peer *peer, uint64_t end)
{
    if (bl_pp_oldest(&peer->pp)->arrival >= end) {
        put_off(peer);
        return false;
    }
    bl_pp_fail_oldest(&peer->pp, BELAY_ENOMEM);
    bl_pool_tell_failed(pool, NULL); /* before those who came later */
    return true;
}

static bool serve_or_refuse(struct belay_pool *pool, struct belay_peer *peer, uint64_t end)
{
    if (bl_lease_reserve(pool->loop) < 0)
        return refuse_oldest(pool, peer, end);
    return serve(pool, peer, end) ||
           (!peer->pp.put_off && bl_share_reclaim(peer, (unsigned)peer->pp.waiting) > 0);
}

static void attend(struct belay_pool *pool, struct belay_peer *peer)
{
    uint64_t end = pool->pp.arrivals;

    peer->refs++;
    peer->pp.put_off = false;
    while (bl_pp_hungry(&peer->pp) && serve_or_refuse(pool, peer, end))
        ;
    bl_pool_cache_attended(pool, peer);
    bl_pp_trim(&peer->pp);
    bl_pp_consider(&peer->pp, bl_pool_now(pool));
    arm(pool, peer);
    peer->refs--;
    bl_peer_reap(peer);
}

static void dial_all(struct belay_pool *pool)
{
    struct bl_pp_peer *peer;
    int rc;

    if (pool->pp.eager.count > 0 && pool->pp.connections >= pool->pp.limits.total)
        bl_share_make_room(pool);
    while ((peer = bl_pp_next_dial(&pool->pp, bl_pool_now(pool)))) {
        rc = bl_pool_dial(pool, bl_peer_of(peer));
        if (rc < 0)
            bl_pp_dial_refused(peer, rc, bl_pool_now(pool));
        arm(pool, bl_peer_of(peer));
    }
    bl_timer_at(&pool->pause, pool->loop, bl_pp_pause_due(&pool->pp, bl_pool_now(pool)));
}

static bool is_over(const struct belay_pool *pool)
{
    return pool->closing && pool->pp.connections == 0 && bl_share_is_quiet(pool) &&
           bl_list_empty(&pool->dirty) && bl_list_empty(&pool->pp.failed);
}

/* Lists are popped, never walked: every step may call out, and what it calls may add to them. */
void bl_pool_run(void *arg)
{
    struct belay_pool *pool = arg;
    struct bl_list now, *node;

    bl_share_recall_marked(pool);
    bl_list_init(&now);
    bl_list_splice(&now, &pool->dirty); /* who is touched meanwhile comes in the next round */
    while ((node = bl_list_pop_front(&now)))
        attend(pool, BL_LIST_OF(node, struct belay_peer, dirty));
    if (!pool->closed) {
        bl_pp_trim_total(&pool->pp);
        bl_pool_cache_rest(pool);
        dial_all(pool);
        bl_pool_tell_failed(pool, NULL);
        bl_hook_tell_reused(pool);
    }
    while ((node = bl_list_pop_front(&pool->pp.checks)))
        bl_pool_check(pool, bl_pool_conn_of(BL_LIST_OF(node, struct bl_pp_conn, todo)));
    while ((node = bl_list_pop_front(&pool->pp.closes))) {
        struct bl_pp_conn *c = BL_LIST_OF(node, struct bl_pp_conn, todo);

        if (!bl_pool_cache_ends(pool, bl_pool_conn_of(c)))
            bl_conn_close(bl_pool_conn_of(c)->lessor.conn, (enum belay_reason)c->reason);
    }
    if (is_over(pool))
        bl_pool_finish(pool);
}
