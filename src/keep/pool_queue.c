/* SPDX-License-Identifier: MIT */
/*
 * Those who wait, in order of arrival, the urgent before the others. Whoever wants a fresh connection
 * is passed over while there is none, so they have queues of their own: nobody walks past them.
 */
#include "keep/pool_policy.h"

static struct bl_list *queue_of(const struct bl_pp_peer *peer, bool urgent, bool fresh)
{
    return (struct bl_list *)(uintptr_t)&peer->queues[2 * urgent + fresh];
}

static void enter(struct bl_pp_peer *peer, struct bl_pp_waiter *w, uint64_t arrival, uint64_t now)
{
    w->peer = peer;
    w->arrival = arrival;
    w->since_ns = now;
    w->round = peer->round;
    w->code = 0;
    peer->waiting++;
    peer->waiting_fresh += w->fresh;
}

int bl_pp_wait(struct bl_pp_peer *peer, struct bl_pp_waiter *w, uint64_t now)
{
    if (peer->pool->closed)
        return BELAY_ECLOSED;
    if (peer->waiting >= peer->pool->limits.waiters)
        return BELAY_EFULL;
    bl_list_push_back(queue_of(peer, w->urgent, w->fresh), &w->link);
    enter(peer, w, peer->pool->arrivals++, now);
    return 0;
}

int bl_pp_wait_again(struct bl_pp_peer *peer, struct bl_pp_waiter *w, uint64_t now)
{
    if (peer->pool->closed)
        return BELAY_ECLOSED;
    bl_list_push_front(queue_of(peer, w->urgent, w->fresh), &w->link);
    enter(peer, w, --peer->pool->returns, now);
    return 0;
}

/* A queue that has emptied has no outage behind it: the next to come starts anew. */
static void leave(struct bl_pp_waiter *w)
{
    struct bl_pp_peer *peer = w->peer;

    bl_list_remove(&w->link);
    peer->waiting_fresh -= w->fresh;
    if (--peer->waiting > 0)
        return;
    if (!bl_list_empty(&peer->barren))
        bl_pp_idled(peer, 0); /* nobody waits for these any more */
    bl_pp_calm(peer);
    belay_backoff_reset(&peer->backoff);
    peer->retry_at = 0;
}

void bl_pp_forget(struct bl_pp_waiter *w)
{
    if (w->code)
        bl_list_remove(&w->link); /* on `failed`: it has left the queue before */
    else
        leave(w);
}

static struct bl_pp_waiter *head_of(const struct bl_pp_peer *peer, bool urgent, bool fresh)
{
    struct bl_list *node = bl_list_first(queue_of(peer, urgent, fresh));

    return node ? BL_LIST_OF(node, struct bl_pp_waiter, link) : NULL;
}

static struct bl_pp_waiter *earlier(struct bl_pp_waiter *a, struct bl_pp_waiter *b)
{
    if (!a || !b)
        return a ? a : b;
    return a->arrival < b->arrival ? a : b;
}

struct bl_pp_waiter *bl_pp_first(const struct bl_pp_peer *peer, bool urgent)
{
    return earlier(head_of(peer, urgent, false), head_of(peer, urgent, true));
}

struct bl_pp_waiter *bl_pp_oldest(const struct bl_pp_peer *peer)
{
    return earlier(bl_pp_first(peer, true), bl_pp_first(peer, false));
}

struct bl_pp_waiter *bl_pp_oldest_used(const struct bl_pp_peer *peer)
{
    return earlier(head_of(peer, true, false), head_of(peer, false, false));
}

struct bl_pp_waiter *bl_pp_next(struct bl_pp_peer *peer, struct bl_pp_conn **ret, uint64_t now)
{
    struct bl_pp_waiter *w;
    bool fresh = true; /* there may be a fresh one */

    if (bl_list_empty(&peer->ready) || peer->pool->closed || peer->pool->suspended)
        return NULL;
    for (int urgent = 1; urgent >= 0; urgent--) {
        w = bl_pp_first(peer, urgent);
        if (w && w->fresh) {
            *ret = fresh ? bl_pp_pick(peer, true, now) : NULL;
            if (*ret)
                return w;
            fresh = false;
            w = head_of(peer, urgent, false);
        }
        if (!w)
            continue;
        *ret = bl_pp_pick(peer, false, now);
        return *ret ? w : NULL;
    }
    return NULL;
}

void bl_pp_served(struct bl_pp_waiter *w, uint64_t now)
{
    w->peer->stats.waited_ns += now - w->since_ns;
    leave(w);
}

static void fail(struct bl_pp_waiter *w, int code)
{
    leave(w);
    w->code = code;
    bl_list_push_back(&w->peer->pool->failed, &w->link);
}

void bl_pp_fail_oldest(struct bl_pp_peer *peer, int code)
{
    struct bl_pp_waiter *oldest = bl_pp_oldest(peer);

    if (oldest)
        fail(oldest, code);
}

void bl_pp_fail_all(struct bl_pp_peer *peer, int code)
{
    while (peer->waiting > 0)
        bl_pp_fail_oldest(peer, code);
}
