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

/* Connections that the waiters need, those on their way included: what is being checked may yet
 * serve all but those who want a fresh one. */
static int32_t needed(const struct bl_pp_peer *peer)
{
    int32_t expected = peer->expected > 0 ? peer->expected : 1;
    int32_t used = peer->waiting - peer->waiting_fresh;
    int32_t n = peer->waiting / expected + (peer->waiting % expected > 0);
    int32_t checked = peer->checking < used ? peer->checking : used;

    return n > checked ? n - checked : 0;
}

/* Dials that the waiters justify by now, those in flight included. */
static int32_t justified(const struct bl_pp_peer *peer, uint64_t now)
{
    int32_t n = needed(peer);
    uint64_t spread;

    if (peer->expected > 0 || n == 0)
        return n;
    if (peer->dialing == 0)
        return 1;
    spread = 1 + (now - peer->first_dial) / BL_PP_SPREAD_NS;
    return spread < (uint64_t)n ? (int32_t)spread : n;
}

/* Whether what is shared is nearly full, so that whoever comes next might have to wait for a dial:
 * it is begun before. */
static bool wants_spare(const struct bl_pp_peer *peer, uint64_t now)
{
    const struct bl_pp_limits *limits = &peer->pool->limits;
    int64_t soft = peer->pool->soft, room = 0;
    bool used = false;

    if (soft == 0 || peer->expected <= 1 || peer->dialing > 0 || now < peer->fill_at)
        return false;
    if (peer->idle >= limits->max_idle || limits->idle_ns < BL_PP_STEADY_NS)
        return false; /* it would be closed again, and the next dialled */
    BL_LIST_EACH(node, &peer->conns)
    {
        const struct bl_pp_conn *c = BL_LIST_OF(node, struct bl_pp_conn, link);

        if (c->state != BL_PP_OPEN || c->reason || c->suspect)
            continue;
        used |= c->leases > 0;
        room += c->leases < c->capacity ? c->capacity - c->leases : 0;
    }
    return used && room * 100 <= peer->expected * (100 - soft);
}

/* For whom a peer wishes to dial, and so when its turn is: the lowest first. */
#define NOBODY    BELAY_NEVER
#define FOR_OTHER (UINT64_C(1) << 61)
#define FOR_FILL  (UINT64_C(1) << 62)

void bl_pp_calm(struct bl_pp_peer *peer)
{
    struct bl_heap *eager = &peer->pool->eager;

    if (peer->eager.index != BL_HEAP_OUT && peer->eager.key >= FOR_FILL)
        peer->pool->fillers--;
    bl_heap_remove(eager, &peer->eager);
}

static uint64_t turn_of(const struct bl_pp_peer *peer)
{
    const struct bl_pp_waiter *urgent = bl_pp_first(peer, true);

    return urgent ? urgent->arrival : FOR_OTHER | bl_pp_first(peer, false)->arrival;
}

/* Whether, and for whom, the peer wants one more dial, and nothing but the limits of the whole pool
 * could be in its way. */
static uint64_t wishes(struct bl_pp_peer *peer, uint64_t now)
{
    struct bl_pp *pp = peer->pool;
    int32_t wanted = justified(peer, now);
    struct bl_pp_conn *idle;
    bool fill;

    if (pp->closed || pp->suspended || peer->put_off || peer->dialing >= pp->limits.dials)
        return NOBODY;
    fill = bl_pp_wants_fill(peer, wanted, now) || wants_spare(peer, now);
    if (wanted <= peer->dialing)
        return fill && peer->connections < pp->limits.per_endpoint ? FOR_FILL : NOBODY;
    if (now < peer->retry_at) /* whomever the next one is for: it would serve who waits */
        return NOBODY;
    if (peer->connections < pp->limits.per_endpoint)
        return turn_of(peer);
    /* Only those who want a fresh connection still wait beside idle ones. */
    idle = peer->closing == 0 ? bl_pp_longest_idle(peer) : NULL;
    if (idle)
        bl_pp_close(idle, BELAY_REASON_EVICTED, false);
    return NOBODY;
}

void bl_pp_consider(struct bl_pp_peer *peer, uint64_t now)
{
    struct bl_heap *eager = &peer->pool->eager;
    uint64_t turn = wishes(peer, now);

    if (peer->eager.index != BL_HEAP_OUT && peer->eager.key == turn)
        return;
    bl_pp_calm(peer);
    if (turn == NOBODY)
        return;
    if (turn >= FOR_FILL)
        peer->pool->fillers++;
    bl_heap_insert(eager, &peer->eager, turn);
}

/* As many are being closed already as are awaited; but one that closes slowly is waited for no
 * longer than a second. */
static bool room_is_needed(struct bl_pp *pp, uint64_t now)
{
    if (pp->closing < (int32_t)pp->eager.count - pp->fillers) {
        pp->blocked_since = 0;
        return true;
    }
    if (pp->blocked_since == 0)
        pp->blocked_since = now;
    if (now - pp->blocked_since < BL_PP_SLOW_NS)
        return false;
    pp->blocked_since = 0;
    return true;
}

struct bl_pp_peer *bl_pp_next_dial(struct bl_pp *pp, uint64_t now)
{
    struct bl_heap_entry *top;

    if (now < pp->pause_until || pp->dialing >= pp->limits.dials_total)
        return NULL;
    while ((top = bl_heap_first(&pp->eager))) {
        struct bl_pp_peer *peer = BL_CONTAINER(top, struct bl_pp_peer, eager);
        uint64_t turn = top->key;

        bl_pp_consider(peer, now);
        if (bl_heap_first(&pp->eager) != top || top->key != turn)
            continue;
        if (turn >= FOR_FILL && !bl_pp_fill_fits(pp))
            return NULL;
        if (pp->connections < pp->limits.total)
            return peer;
        if (turn < FOR_FILL && room_is_needed(pp, now))
            bl_pp_make_room(pp);
        return NULL;
    }
    return NULL;
}

uint64_t bl_pp_pause_due(const struct bl_pp *pp, uint64_t now)
{
    uint64_t pause = pp->pause_until > now ? pp->pause_until : BELAY_NEVER;
    uint64_t slow = pp->blocked_since > 0 ? pp->blocked_since + BL_PP_SLOW_NS : BELAY_NEVER;

    if (pp->eager.count == 0)
        return BELAY_NEVER;
    return pause < slow ? pause : slow;
}

/* What is due already is held up by a limit, and whatever lifts that looks at the peer anew. */
uint64_t bl_pp_dial_due(const struct bl_pp_peer *peer, uint64_t now)
{
    uint64_t next, fill = bl_pp_fill_due(peer, now);

    if (peer->waiting == 0)
        return fill;
    if (peer->retry_at > now)
        return peer->retry_at < fill ? peer->retry_at : fill;
    if (peer->expected > 0 || peer->dialing == 0 || peer->dialing >= peer->waiting)
        return fill;
    next = peer->first_dial + (uint64_t)peer->dialing * BL_PP_SPREAD_NS;
    return next > now && next < fill ? next : fill;
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
    c->filling = justified(peer, now) <= peer->dialing;
    bl_list_push_back(&peer->conns, &c->link);
    bl_list_init(&c->ready);
    if (peer->dialing == 0)
        peer->first_dial = now;
    peer->dialing++;
    peer->pool->dialing++;
    peer->filling += c->filling;
    peer->pool->filling += c->filling;
    count_connections(peer);
}

/* Other limits are met by what one peer does, and say nothing of the others: its dials are tried
 * again. */
static bool is_local(const struct belay_error *error)
{
    return error->kind == BELAY_KIND_LIMIT &&
           (error->code == BELAY_EMFILE || error->code == BELAY_ENOMEM || error->code == BELAY_EOS);
}

/* The descriptors or the memory of this process have run out: nobody else is to blame, and trying
 * at once is no use. */
static void local_failure(struct bl_pp_peer *peer, int code, uint64_t now)
{
    peer->pool->pause_until = now + BL_PP_PAUSE_NS;
    if (code == BELAY_EMFILE)
        bl_pp_make_room(peer->pool);
    else
        bl_pp_fail_oldest(peer, code);
}

void bl_pp_dial_refused(struct bl_pp_peer *peer, int code, uint64_t now)
{
    local_failure(peer, code, now);
}

uint64_t bl_pp_failure_delay(const struct bl_pp_peer *peer, struct belay_backoff *backoff,
                             uint64_t *failed_at, uint64_t random, uint64_t now)
{
    int64_t ms;

    if (peer->opened_at > *failed_at && now - peer->opened_at >= BL_PP_STEADY_NS)
        belay_backoff_reset(backoff);
    *failed_at = now;
    ms = belay_backoff_failed(backoff, random);
    return ms > 0 ? (uint64_t)ms * 1000000u : 1000000u; /* never at once: others want to run */
}

static void retry_later(struct bl_pp_conn *c, int code, uint64_t random, uint64_t now)
{
    struct bl_pp_peer *peer = c->peer;
    struct bl_pp_waiter *oldest = bl_pp_oldest(peer);

    if (c->filling)
        bl_pp_fill_failed(peer, now);
    if (c->filling && !oldest)
        return; /* who comes next begins anew */
    if (c->round == peer->round) {
        peer->round++;
        peer->retry_at =
            now + bl_pp_failure_delay(peer, &peer->backoff, &peer->failed_at, random, now);
    }
    if (!oldest)
        return;
    if (peer->round - oldest->round > (uint64_t)peer->pool->limits.retries)
        bl_pp_fail_oldest(peer, code);
}

static void fail_for_good(struct bl_pp_conn *c, int code, uint64_t now)
{
    if (c->filling || c->peer->pool->limits.min_idle > 0)
        bl_pp_fill_failed(c->peer, now);
    bl_pp_fail_all(c->peer, code);
}

static void came_to_nothing(struct bl_pp_conn *c, const struct belay_error *error, uint64_t random,
                            uint64_t now)
{
    bool again = error->kind == BELAY_KIND_RETRY || error->kind == BELAY_KIND_LIMIT;

    if (is_local(error) && c->filling && c->peer->waiting == 0)
        retry_later(c, error->code, random, now); /* nobody is to make room for that */
    else if (is_local(error))
        local_failure(c->peer, error->code, now);
    else if (again && !error->final)
        retry_later(c, error->code, random, now);
    else
        fail_for_good(c, error->code, now);
}

void bl_pp_dial_failed(struct bl_pp_conn *c, const struct belay_error *error, uint64_t random,
                       uint64_t now)
{
    struct bl_pp_peer *peer = c->peer;

    peer->stats.failed[error->stage]++;
    peer->stats.closed[BELAY_REASON_OPEN_FAILED]++;
    peer->dialing--;
    peer->pool->dialing--;
    peer->filling -= c->filling;
    peer->pool->filling -= c->filling;
    peer->connections--;
    peer->pool->connections--;
    bl_list_remove(&c->link);
    came_to_nothing(c, error, random, now);
}

void bl_pp_wasted(struct bl_pp_conn *c, const struct belay_error *error, uint64_t random,
                  uint64_t now)
{
    if (c->peer->waiting > 0 || c->filling)
        came_to_nothing(c, error, random, now);
}

void bl_pp_came_for_nobody(struct bl_pp_conn *c, uint64_t random, uint64_t now)
{
    struct bl_pp_peer *peer = c->peer;

    if (c->filling)
        bl_pp_fill_failed(peer, now);
    if (peer->waiting > 0)
        peer->retry_at =
            now + bl_pp_failure_delay(peer, &peer->backoff, &peer->failed_at, random, now);
}

void bl_pp_gone(struct bl_pp_conn *c)
{
    struct bl_pp_peer *peer = c->peer;

    BL_ASSERT(c->state == BL_PP_CLOSING);
    bl_list_remove(&c->todo);
    bl_list_remove(&c->link);
    peer->stats.closed[c->reason]++;
    peer->connections--;
    peer->closing--;
    peer->pool->connections--;
    peer->pool->closing--;
    peer->pool->blocked_since = 0;
}
