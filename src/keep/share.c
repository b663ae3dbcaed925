/* SPDX-License-Identifier: MIT */
/*
 * Connections with the threads: lending to them, and getting back. How it works as a whole:
 *
 * The pool stays what it is, one thread's. A thread that finds nothing parked asks the loop, as any
 * waiter, in the one queue (share_threads.c). The lease that the pool gives becomes a *loan*, and
 * the thread gets a lease on the loan's slot (conn/thread_lease.c). Released, the slot is parked,
 * and any attached thread may take it again by one compare-and-swap; the pool knows nothing of
 * that. So a warm acquire and release are two such swaps, mostly of a line of memory that only this
 * thread uses, as each attachment looks first at what it had last.
 *
 * The loop gets a connection back, from under the threads' eyes, by one swap, too: it takes what is
 * parked, and marks what is out, which then comes by mail when it is released. When somebody waits
 * and nothing is ready, it does that to as many as are needed (bl_share_reclaim): a connection that
 * is *running* is with the threads and not marked. What is lent while others wait is marked from
 * the start. Hence nothing is parked while anybody waits: nobody overtakes the queue, and no
 * wake-up is lost. Each connection is marked at most once per loan, so this costs no more than
 * lending did.
 *
 * No lock is held but the loop's inbox's, for three stores, and no code of the user's runs in a
 * thread or under it.
 */
#include "keep/share.h"

#include "keep/share_parts.h"

#define PARK_IDLE_NS 100000000u /* what idles out sooner is the loop's to watch */

/* ---- life ---- */

int bl_share_open(struct belay_pool *pool)
{
    struct bl_share *s = bl_zalloc(&pool->loop->mem, sizeof *s);

    if (!s)
        return BELAY_ENOMEM;
    if (bl_timer_init(&s->sweep, pool->loop, bl_share_on_sweep, pool) < 0) {
        bl_free(&pool->loop->mem, s);
        return BELAY_ENOMEM;
    }
    bl_list_init(&s->groups);
    pool->share = s;
    return 0;
}

void bl_share_free(struct belay_pool *pool)
{
    if (!pool->share)
        return;
    BL_ASSERT(bl_share_is_quiet(pool));
    bl_timer_fini(&pool->share->sweep, pool->loop);
    bl_free(&pool->loop->mem, pool->share);
    pool->share = NULL;
}

bool bl_share_is_quiet(const struct belay_pool *pool)
{
    return !pool->share || bl_list_empty(&pool->share->groups);
}

int bl_group_get(struct belay_peer *peer, struct bl_group **ret)
{
    struct bl_group *g = peer->group;

    if (!g) {
        g = bl_zalloc(&peer->loop->mem, sizeof *g);
        if (!g)
            return BELAY_ENOMEM;
        g->peer = peer;
        bl_list_init(&g->loans);
        bl_list_init(&g->running);
        bl_list_push_back(&peer->pool->share->groups, &g->link);
        peer->group = g;
    }
    *ret = g;
    return 0;
}

void bl_group_settle(struct bl_group *g)
{
    if (g->attachments > 0 || g->holds > 0 || !bl_list_empty(&g->loans))
        return;
    bl_list_remove(&g->link);
    bl_board_free(g);
    g->peer->group = NULL;
    bl_task_post(g->peer->loop, &g->peer->pool->run); /* the pool may be waiting for it to end */
    bl_free(&g->peer->loop->mem, g);
}

/* ---- lending ---- */

/* What the pool's inline paths would take: nothing but the list of idle ones has to know of its
 * leases. */
static bool parks(const struct bl_pool_conn *c)
{
    return c->pp.simple && bl_conn_parks(c->lessor.conn) && !c->lessor.conn->loop->on_trace &&
           c->pp.peer->pool->limits.idle_ns >= PARK_IDLE_NS;
}

static void on_home(struct bl_thread_slot *slot, bool broken)
{
    bl_loan_end(slot->owner, broken ? BELAY_BROKEN : BELAY_REUSE, false);
}

/* May threads have it among themselves? Whoever waits, for it or for its place, comes first. */
static bool may_run(const struct bl_pool_conn *c)
{
    const struct belay_peer *peer = bl_peer_of(c->pp.peer);
    const struct belay_pool *pool = peer->pool;

    return parks(c) && peer->group->attachments > 0 && !bl_pp_hungry(&peer->pp) &&
           pool->pp.eager.count == 0 && !pool->closing;
}

int bl_loan_begin(struct bl_group *g, struct belay_lease *lease)
{
    struct belay_conn *conn = belay_lease_conn(*lease);
    struct bl_pool_conn *c = bl_conn_extra(conn);
    struct belay_pool *pool = g->peer->pool;
    struct bl_loan *loan = &c->loan;
    bool run = may_run(c);

    if ((!loan->slot && bl_thread_slot_new(pool->loop, conn, c, on_home, &loan->slot) < 0) ||
        (run && bl_board_put(g, loan) < 0)) {
        belay_lease_release(*lease, BELAY_REUSE);
        return BELAY_ENOMEM;
    }
    c->pp.abroad = true;
    loan->group = g;
    loan->lease = *lease;
    loan->seen = 0;
    loan->watched = false;
    bl_list_push_back(&g->loans, &loan->link);
    bl_list_init(&loan->running);
    if (run) {
        bl_list_push_back(&g->running, &loan->running);
        pool->share->running++;
    }
    bl_thread_slot_lend(loan->slot, g, !run, lease);
    loan->counted = lease->generation;
    bl_share_watch_loan(loan);
    return 0;
}

/* It comes home at its release, if it has not come by now. */
static void stop_running(struct bl_loan *loan)
{
    if (!bl_list_linked(&loan->running))
        return;
    bl_list_remove(&loan->running);
    loan->group->peer->pool->share->running--;
    bl_board_remove(loan->group, loan);
}

void bl_loan_end(struct bl_pool_conn *c, enum belay_release how, bool parked)
{
    struct bl_loan *loan = &c->loan;
    struct bl_group *g = loan->group;

    bl_loan_count(c);
    stop_running(loan);
    bl_list_remove(&loan->link);
    loan->group = NULL;
    if (loan->watched)
        bl_conn_set_parked(c->lessor.conn, false);
    c->pp.abroad = false;
    if (parked)
        bl_pool_unpark(g->peer->pool, c, loan->seen_at);
    else
        belay_lease_release(loan->lease, how);
    bl_group_settle(g);
}

void bl_loan_fini(struct bl_loan *loan)
{
    BL_ASSERT(!loan->group);
    bl_thread_slot_free(loan->slot);
    loan->slot = NULL;
}

/* ---- getting back ---- */

/* When it was parked, as far as is known. */
static void note_parked(struct belay_pool *pool, struct bl_loan *loan, uint64_t word)
{
    if (loan->seen == word)
        return;
    loan->seen = word;
    loan->seen_at = bl_now(pool->loop);
}

static bool recall(struct belay_pool *pool, struct bl_loan *loan, bool revoke)
{
    uint64_t word = atomic_load_explicit(&loan->slot->word, memory_order_relaxed);

    stop_running(loan);
    if (!bl_thread_slot_recall(loan->slot, revoke)) {
        if (revoke)
            bl_conn_interrupt(bl_conn_of_loan(loan)->lessor.conn);
        return false;
    }
    note_parked(pool, loan, word);
    bl_loan_end(bl_conn_of_loan(loan), BELAY_REUSE, true);
    return true;
}

static void recall_group(struct belay_pool *pool, struct bl_group *g, bool revoke)
{
    bl_group_hold(g);
    BL_LIST_EACH(node, &g->loans)
    {
        recall(pool, BL_LIST_OF(node, struct bl_loan, link), revoke);
    }
    bl_group_let_go(g);
}

void bl_share_recall(struct belay_pool *pool, bool revoke, bool closed)
{
    if (!pool->share)
        return;
    BL_LIST_EACH(node, &pool->share->groups)
    {
        struct bl_group *g = BL_LIST_OF(node, struct bl_group, link);

        if (closed)
            atomic_store_explicit(&g->closed, true, memory_order_relaxed);
        recall_group(pool, g, revoke);
    }
}

void bl_share_recall_marked(struct belay_pool *pool)
{
    if (!pool->pp.recall)
        return;
    pool->pp.recall = false;
    BL_LIST_EACH(gnode, &pool->share->groups)
    {
        struct bl_group *g = BL_LIST_OF(gnode, struct bl_group, link);

        bl_group_hold(g);
        BL_LIST_EACH(node, &g->running)
        {
            struct bl_loan *loan = BL_LIST_OF(node, struct bl_loan, running);

            if (!bl_conn_of_loan(loan)->pp.simple)
                recall(pool, loan, false);
        }
        bl_group_let_go(g);
    }
}

void bl_share_recall_peer(struct belay_peer *peer, bool revoke)
{
    if (peer->group)
        recall_group(peer->pool, peer->group, revoke);
}

void bl_share_recall_conn(struct bl_pool_conn *c)
{
    if (c->loan.group)
        recall(c->loan.group->peer->pool, &c->loan, false);
}

static bool take(struct belay_pool *pool, struct bl_loan *loan)
{
    uint64_t word = atomic_load_explicit(&loan->slot->word, memory_order_relaxed);

    if (!bl_thread_slot_take(loan->slot))
        return false;
    note_parked(pool, loan, word);
    bl_loan_end(bl_conn_of_loan(loan), BELAY_REUSE, true);
    return true;
}

bool bl_share_stirs(struct bl_pool_conn *c)
{
    c->loan.watched = false;
    if (!c->loan.group || take(c->loan.group->peer->pool, &c->loan))
        return true;
    bl_share_watch_loan(&c->loan); /* again, once it is parked */
    return false;
}

unsigned bl_share_reclaim(struct belay_peer *peer, unsigned wanted)
{
    struct bl_group *g = peer->group;
    unsigned n = 0;

    if (!g || bl_list_empty(&g->running))
        return 0;
    bl_group_hold(g);
    BL_LIST_EACH(node, &g->running)
    {
        if (n < wanted)
            n += take(peer->pool, BL_LIST_OF(node, struct bl_loan, running));
    }
    BL_LIST_EACH(node, &g->running)
    {
        if (n < wanted)
            n += recall(peer->pool, BL_LIST_OF(node, struct bl_loan, running), false);
    }
    bl_group_let_go(g);
    return n;
}

bool bl_share_reclaim_one(struct belay_peer *peer)
{
    struct bl_group *g = peer->group;
    bool got = false;

    if (!g)
        return false;
    bl_group_hold(g);
    BL_LIST_EACH(node, &g->running)
    {
        got = got || take(peer->pool, BL_LIST_OF(node, struct bl_loan, running));
    }
    bl_group_let_go(g);
    return got;
}

void bl_share_make_room(struct belay_pool *pool)
{
    if (pool->share && pool->share->running > 0)
        bl_share_recall(pool, false, false);
}
