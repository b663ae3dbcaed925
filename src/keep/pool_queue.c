/* SPDX-License-Identifier: MIT */
/* Those who wait: two queues per peer, the urgent before the others, each in order of arrival. */
#include "keep/pool_policy.h"

int bl_pp_wait(struct bl_pp_peer *peer, struct bl_pp_waiter *w, uint64_t now)
{
    if (peer->pool->closed)
        return BELAY_ECLOSED;
    if (peer->waiting >= peer->pool->limits.waiters)
        return BELAY_EFULL;
    w->peer = peer;
    w->arrival = peer->pool->arrivals++;
    w->since_ns = now;
    w->round = peer->round;
    w->code = 0;
    bl_list_push_back(w->urgent ? &peer->urgent : &peer->waiters, &w->link);
    peer->waiting++;
    peer->waiting_fresh += w->fresh;
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

/* The first of a queue that can be served. *ret_none: nothing is ready for anybody. */
static struct bl_pp_waiter *next_of(struct bl_list *queue, struct bl_pp_conn **ret, bool *ret_none,
                                    uint64_t now)
{
    BL_LIST_EACH(node, queue)
    {
        struct bl_pp_waiter *w = BL_LIST_OF(node, struct bl_pp_waiter, link);

        *ret = bl_pp_pick(w->peer, w->fresh, now);
        if (*ret)
            return w;
        *ret_none = !w->fresh;
        if (*ret_none)
            break;
    }
    return NULL;
}

struct bl_pp_waiter *bl_pp_next(struct bl_pp_peer *peer, struct bl_pp_conn **ret, uint64_t now)
{
    struct bl_pp_waiter *w;
    bool none = false;

    if (bl_list_empty(&peer->ready) || peer->pool->closed || peer->pool->suspended)
        return NULL;
    w = next_of(&peer->urgent, ret, &none, now);
    if (!w && !none)
        w = next_of(&peer->waiters, ret, &none, now);
    return w;
}

void bl_pp_served(struct bl_pp_waiter *w, uint64_t now)
{
    w->peer->stats.waited_ns += now - w->since_ns;
    leave(w);
}

struct bl_pp_waiter *bl_pp_oldest(const struct bl_pp_peer *peer)
{
    struct bl_list *a = bl_list_first(&peer->urgent), *b = bl_list_first(&peer->waiters);
    struct bl_pp_waiter *urgent = a ? BL_LIST_OF(a, struct bl_pp_waiter, link) : NULL;
    struct bl_pp_waiter *other = b ? BL_LIST_OF(b, struct bl_pp_waiter, link) : NULL;

    if (!urgent || !other)
        return urgent ? urgent : other;
    return urgent->arrival < other->arrival ? urgent : other;
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
