/* SPDX-License-Identifier: MIT */
/*
 * Dialling: how many connections are wanted, who may have one, and what a failed dial means.
 *
 * Wanted is what the waiters need, given what one connection is expected to carry, less the dials
 * in flight. While that is unknown, one dial, and one more every 50 ms until the first answers.
 * Dials that fail together are one failed round: the backoff and the waiters' retries count rounds,
 * so ten refused dials are not ten retries.
 */
#include "keep/pool_policy.h"

/* Dials that the waiters justify by now, those in flight included. */
static int32_t justified(const struct bl_pp_peer *peer, uint64_t now)
{
    int32_t expected = peer->expected;
    uint64_t spread;

    if (expected > 0)
        return peer->waiting / expected + (peer->waiting % expected > 0);
    if (peer->dialing == 0)
        return peer->waiting > 0;
    spread = 1 + (now - peer->first_dial) / BL_PP_SPREAD_NS;
    return spread < (uint64_t)peer->waiting ? (int32_t)spread : peer->waiting;
}

/* The connection of a peer that has been idle for longest: `ready` has the one used last in front.
 */
static struct bl_pp_conn *longest_idle(const struct bl_pp_peer *peer)
{
    for (struct bl_list *node = peer->ready.prev; node != &peer->ready; node = node->prev) {
        struct bl_pp_conn *c = BL_LIST_OF(node, struct bl_pp_conn, ready);

        if (c->leases == 0)
            return c;
    }
    return NULL;
}

/* Closes the longest idle connection of all. */
static void make_room(struct bl_pp *pp)
{
    struct bl_pp_conn *victim = NULL;

    BL_LIST_EACH(node, &pp->peers)
    {
        struct bl_pp_conn *c = longest_idle(BL_LIST_OF(node, struct bl_pp_peer, link));

        if (c && (!victim || c->idle_since < victim->idle_since))
            victim = c;
    }
    if (victim)
        bl_pp_close(victim, BELAY_REASON_EVICTED, false);
}

/* Whether the peer wants one more dial, and nothing but the total limit could be in its way. */
static bool wishes(struct bl_pp_peer *peer, uint64_t now)
{
    struct bl_pp *pp = peer->pool;
    struct bl_pp_conn *idle;

    if (pp->closed || justified(peer, now) <= peer->dialing)
        return false;
    if (now < peer->retry_at)
        return false;
    if (peer->connections < pp->limits.per_endpoint)
        return true;
    /* Only those who want a fresh connection still wait beside idle ones. */
    idle = peer->closing == 0 ? longest_idle(peer) : NULL;
    if (idle)
        bl_pp_close(idle, BELAY_REASON_EVICTED, false);
    return false;
}

void bl_pp_consider(struct bl_pp_peer *peer, uint64_t now)
{
    if (!wishes(peer, now))
        bl_list_remove(&peer->eager);
    else if (!bl_list_linked(&peer->eager))
        bl_list_push_back(&peer->pool->eager, &peer->eager);
}

/* Of the peers that wish to dial, the one whose waiter came first; *ret_n is how many there are. */
static struct bl_pp_peer *most_eager(const struct bl_pp *pp, int32_t *ret_n)
{
    struct bl_pp_peer *best = NULL;
    uint64_t oldest = UINT64_MAX;
    int32_t n = 0;

    BL_LIST_EACH(node, &pp->eager)
    {
        struct bl_pp_peer *peer = BL_LIST_OF(node, struct bl_pp_peer, eager);
        struct bl_pp_waiter *w = BL_LIST_OF(peer->waiters.next, struct bl_pp_waiter, link);

        n++;
        if (w->arrival < oldest) {
            oldest = w->arrival;
            best = peer;
        }
    }
    *ret_n = n;
    return best;
}

struct bl_pp_peer *bl_pp_next_dial(struct bl_pp *pp, uint64_t now)
{
    struct bl_pp_peer *peer;
    int32_t n;

    if (now < pp->pause_until)
        return NULL;
    while ((peer = most_eager(pp, &n))) {
        bl_pp_consider(peer, now);
        if (!bl_list_linked(&peer->eager))
            continue;
        if (pp->connections < pp->limits.total)
            return peer;
        if (pp->closing < n)
            make_room(pp);
        return NULL;
    }
    return NULL;
}

uint64_t bl_pp_pause_due(const struct bl_pp *pp, uint64_t now)
{
    return bl_list_empty(&pp->eager) || now >= pp->pause_until ? BELAY_NEVER : pp->pause_until;
}

/* What is due already is held up by a limit, and whatever lifts that looks at the peer anew. */
uint64_t bl_pp_dial_due(const struct bl_pp_peer *peer, uint64_t now)
{
    uint64_t next;

    if (peer->waiting == 0)
        return BELAY_NEVER;
    if (peer->retry_at > now)
        return peer->retry_at;
    if (peer->expected > 0 || peer->dialing == 0 || peer->dialing >= peer->waiting)
        return BELAY_NEVER;
    next = peer->first_dial + (uint64_t)peer->dialing * BL_PP_SPREAD_NS;
    return next > now ? next : BELAY_NEVER;
}

static void count_connections(struct bl_pp_peer *peer)
{
    struct bl_pp *pp = peer->pool;

    peer->connections++;
    pp->connections++;
    if ((uint32_t)peer->connections > peer->stats.peak)
        peer->stats.peak = (uint32_t)peer->connections;
    if ((uint32_t)pp->connections > pp->peak)
        pp->peak = (uint32_t)pp->connections;
}

void bl_pp_dial_started(struct bl_pp_conn *c, struct bl_pp_peer *peer, uint64_t now)
{
    memset(c, 0, sizeof *c);
    c->peer = peer;
    c->state = BL_PP_DIALING;
    c->round = peer->round;
    bl_list_init(&c->ready);
    bl_list_init(&c->todo);
    if (peer->dialing == 0)
        peer->first_dial = now;
    peer->dialing++;
    count_connections(peer);
}

/* Other limits are met by what one peer does, and say nothing of the others. */
static bool is_local(int code)
{
    return code == BELAY_EMFILE || code == BELAY_ENOMEM || code == BELAY_EOS;
}

/* The descriptors or the memory of this process have run out: nobody else is to blame, and trying
 * at once is no use. */
static void local_failure(struct bl_pp_peer *peer, int code, uint64_t now)
{
    peer->pool->pause_until = now + BL_PP_PAUSE_NS;
    if (code == BELAY_EMFILE)
        make_room(peer->pool);
    else
        bl_pp_fail_oldest(peer, code);
}

void bl_pp_dial_refused(struct bl_pp_peer *peer, int code, uint64_t now)
{
    local_failure(peer, code, now);
}

static void retry_later(struct bl_pp_conn *c, int code, uint64_t random, uint64_t now)
{
    struct bl_pp_peer *peer = c->peer;
    struct bl_pp_waiter *oldest;

    if (c->round == peer->round) {
        peer->round++;
        peer->retry_at = now + (uint64_t)belay_backoff_failed(&peer->backoff, random) * 1000000u;
    }
    if (bl_list_empty(&peer->waiters))
        return;
    oldest = BL_LIST_OF(peer->waiters.next, struct bl_pp_waiter, link);
    if (peer->round - oldest->round > (uint64_t)peer->pool->limits.retries)
        bl_pp_fail_oldest(peer, code);
}

static void came_to_nothing(struct bl_pp_conn *c, const struct belay_error *error, uint64_t random,
                            uint64_t now)
{
    if (is_local(error->code))
        local_failure(c->peer, error->code, now);
    else if (error->kind == BELAY_KIND_RETRY && !error->final)
        retry_later(c, error->code, random, now);
    else
        bl_pp_fail_all(c->peer, error->code);
}

void bl_pp_dial_failed(struct bl_pp_conn *c, const struct belay_error *error, uint64_t random,
                       uint64_t now)
{
    struct bl_pp_peer *peer = c->peer;

    peer->stats.failed[error->stage]++;
    peer->stats.closed[BELAY_REASON_OPEN_FAILED]++;
    peer->dialing--;
    peer->connections--;
    peer->pool->connections--;
    came_to_nothing(c, error, random, now);
}

void bl_pp_wasted(struct bl_pp_conn *c, const struct belay_error *error, uint64_t random,
                  uint64_t now)
{
    if (c->uses == 0 && c->peer->waiting > 0)
        came_to_nothing(c, error, random, now);
}

void bl_pp_gone(struct bl_pp_conn *c)
{
    struct bl_pp_peer *peer = c->peer;

    BL_ASSERT(c->state == BL_PP_CLOSING);
    bl_list_remove(&c->todo);
    peer->stats.closed[c->reason]++;
    peer->connections--;
    peer->closing--;
    peer->pool->connections--;
    peer->pool->closing--;
}
