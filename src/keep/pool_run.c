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

static uint64_t now_of(struct belay_pool *pool)
{
    return bl_now(pool->loop);
}

static const char *name_of(const struct belay_peer *peer)
{
    return belay_endpoint_name(peer->endpoint);
}

/* ---- waiters ---- */

void bl_waiter_spare(struct belay_pool *pool, struct belay_waiter *w)
{
    bl_timer_stop(&w->timer);
    if (pool->spare_waiters_n < BL_SPARE_WAITERS_MAX) {
        bl_list_push_front(&pool->spare_waiters, &w->pp.link);
        pool->spare_waiters_n++;
        return;
    }
    bl_timer_fini(&w->timer, pool->loop);
    bl_free(&pool->loop->mem, w);
}

/* The waiter has left the queue: tells it, last of all. A waiter keeps its peer until then. */
static void tell(struct belay_waiter *w, struct belay_lease lease, const struct belay_error *error)
{
    struct belay_pool *pool = w->peer->pool;
    belay_acquire_fn *fn = w->fn;
    void *arg = w->arg;

    BL_TRACE(pool->loop, "waiter", w->id, name_of(w->peer), "waiting", NULL,
             error ? belay_error_name(error->code) : "served");
    if (error)
        w->peer->pp.stats.refused[error->stage]++;
    belay_peer_unref(w->peer);
    bl_waiter_spare(pool, w);
    fn(lease, error, arg);
}

static void on_deadline(void *arg)
{
    struct belay_waiter *w = arg;
    struct belay_peer *peer = w->peer;
    struct belay_error error, scratch;

    bl_pp_forget(&w->pp);
    bl_pool_touch(peer);
    if (peer->last_error.code)
        bl_error_set(&error, BELAY_ETIMEDOUT, BELAY_STAGE_QUEUE,
                     "waiting for a connection to %s: none within %lld ms; last attempt: %s",
                     name_of(peer), (long long)w->timeout_ms,
                     bl_error_copy_get(&peer->last_error, &scratch, peer->endpoint)->text);
    else
        bl_error_set(&error, BELAY_ETIMEDOUT, BELAY_STAGE_QUEUE,
                     "waiting for a connection to %s: none was free within %lld ms", name_of(peer),
                     (long long)w->timeout_ms);
    tell(w, bl_lease_none(), &error);
}

static struct belay_waiter *waiter_new(struct belay_pool *pool)
{
    struct bl_list *spare = bl_list_pop_front(&pool->spare_waiters);
    struct belay_waiter *w;

    if (spare) {
        pool->spare_waiters_n--;
        return BL_LIST_OF(spare, struct belay_waiter, pp.link);
    }
    w = bl_zalloc(&pool->loop->mem, sizeof *w);
    if (w && bl_timer_init(&w->timer, pool->loop, on_deadline, w) < 0) {
        bl_free(&pool->loop->mem, w);
        return NULL;
    }
    return w;
}

static const struct bl_option acquire_options[] = {
    BL_OPTION(belay_acquire_options, timeout_ms, 0, BL_NOT_ALLOWED, INT64_MAX, 1,
              INT64_C(31536000000)),
};

int belay_peer_acquire(struct belay_peer *peer, const struct belay_acquire_options *options,
                       struct belay_waiter **ret_waiter, belay_acquire_fn *fn, void *arg)
{
    struct belay_pool *pool = peer->pool;
    struct belay_acquire_options o = {0};
    struct belay_waiter *w;
    uint64_t now;
    int rc = 0;

    if (!pool)
        return BELAY_ECLOSED;
    if (options)
        rc = bl_options_resolve(&o, sizeof o, options, acquire_options, BL_COUNT(acquire_options),
                                NULL);
    if (rc < 0 || !fn)
        return BELAY_EINVAL;
    w = waiter_new(pool);
    if (!w)
        return BELAY_ENOMEM;
    now = bl_now_fresh(pool->loop);
    rc = bl_pp_wait(&peer->pp, &w->pp, o.fresh, now);
    if (rc < 0) {
        bl_list_init(&w->pp.link);
        bl_waiter_spare(pool, w);
        return rc;
    }
    w->peer = belay_peer_ref(peer);
    w->fn = fn;
    w->arg = arg;
    w->id = ++pool->loop->next_id;
    w->timeout_ms = o.timeout_ms ? o.timeout_ms : pool->options.acquire_timeout_ms;
    bl_timer_at(&w->timer, pool->loop, bl_after_ms(now, w->timeout_ms));
    BL_TRACE(pool->loop, "waiter", w->id, name_of(peer), NULL, "waiting", "");
    bl_pool_touch(peer);
    if (ret_waiter)
        *ret_waiter = w;
    return 0;
}

void belay_waiter_cancel(struct belay_waiter *w)
{
    struct belay_peer *peer;

    if (!w)
        return;
    peer = w->peer;
    BL_TRACE(peer->loop, "waiter", w->id, name_of(peer), "waiting", NULL, "cancelled");
    bl_pp_forget(&w->pp);
    bl_pool_touch(peer);
    bl_waiter_spare(peer->pool, w);
    belay_peer_unref(peer);
}

/* Those whom the policy has given up on. `cause` is NULL when only the code is known. */
static void tell_failed(struct belay_pool *pool, const struct belay_error *cause)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(&pool->pp.failed))) {
        struct belay_waiter *w = BL_LIST_OF(node, struct belay_waiter, pp.link);
        struct belay_error error;

        if (!cause || cause->code != w->pp.code)
            bl_error_set(&error, w->pp.code, BELAY_STAGE_QUEUE,
                         "waiting for a connection to %s: %s", name_of(w->peer),
                         belay_strerror(w->pp.code));
        tell(w, bl_lease_none(), cause && cause->code == w->pp.code ? cause : &error);
    }
}

/* ---- what is lent ---- */

#define TRIM_NS 1000000000u /* idle for as long, a connection gives its buffers back */

/* When an idle connection is to be looked at: to trim it, then to end it. */
static uint64_t next_look(const struct bl_pool_conn *c)
{
    uint64_t due = bl_pp_due(&c->pp), trim;

    if (!bl_pp_is_idle(&c->pp))
        return BELAY_NEVER;
    trim = c->trimmed ? BELAY_NEVER : c->pp.idle_since + TRIM_NS;
    return due < trim ? due : trim;
}

/* The timer stays as it is while the connection is lent, and then finds nothing to do. */
static void look_again(struct belay_pool *pool, struct bl_pool_conn *c)
{
    bl_timer_at(bl_conn_timer(c->lessor.conn), pool->loop, next_look(c));
}

/* After a lease came back: somebody may be waiting for it, or for its place. */
BL_SELDOM static void settle(struct belay_pool *pool, struct bl_pool_conn *c)
{
    struct belay_peer *peer = bl_peer_of(c->pp.peer);

    if (c->trimmed || !bl_timer_active(bl_conn_timer(c->lessor.conn))) {
        c->trimmed = false;
        look_again(pool, c);
    }
    if (bl_pp_hungry(&peer->pp) || !bl_list_empty(&pool->pp.eager) ||
        !bl_list_empty(&pool->pp.closes) || !bl_list_empty(&pool->pp.checks))
        bl_pool_touch(peer);
}

BL_SELDOM static void release_slowly(struct belay_pool *pool, struct bl_pool_conn *c, bool broken)
{
    struct belay_conn *conn = c->lessor.conn;
    const struct bl_conn_facts *facts = bl_conn_facts(conn);

    BL_TRACE(pool->loop, "lease", belay_conn_id(conn), name_of(bl_peer_of(c->pp.peer)), "lent",
             broken ? "broken" : "idle", "");
    if (facts->draining || facts->lost) /* reported, and not told yet */
        bl_pp_changed(&c->pp, facts, bl_conn_can_check(conn));
    if (c->heeded)
        bl_conn_released(conn);
    bl_pp_release(&c->pp, broken, now_of(pool));
    settle(pool, c);
}

static void on_release(struct belay_conn *conn, enum belay_release how, void *owner)
{
    struct belay_pool *pool = owner;
    struct bl_pool_conn *c = bl_conn_extra(conn);
    const struct bl_conn_facts *facts = bl_conn_facts(conn);

    if (BL_UNLIKELY(c->heeded || facts->draining || facts->lost ||
                    !bl_pp_release_simple(&c->pp, how != BELAY_REUSE, now_of(pool))))
        release_slowly(pool, c, how != BELAY_REUSE);
    else if (BL_UNLIKELY(c->trimmed || !bl_timer_active(bl_conn_timer(conn)) ||
                         bl_pp_hungry(c->pp.peer) || !bl_list_empty(&pool->pp.eager)))
        settle(pool, c);
}

static int on_take(struct belay_conn *conn, struct belay_stream **ret, void *owner)
{
    struct belay_pool *pool = owner;
    struct bl_pool_conn *c = bl_conn_extra(conn);

    BL_TRACE(pool->loop, "lease", belay_conn_id(conn), name_of(bl_peer_of(c->pp.peer)), "lent",
             "taken", "");
    *ret = bl_conn_take(conn);
    c->pp.reason = BELAY_REASON_TAKEN;
    bl_pp_release(&c->pp, true, now_of(pool));
    settle(pool, c);
    return 0;
}

static const struct bl_lease_owner_ops lessor_ops = {.release = on_release, .take = on_take};

BL_SELDOM static void tell_of_lease(struct belay_pool *pool, struct bl_pool_conn *c)
{
    bl_conn_acquired(c->lessor.conn);
    BL_TRACE(pool->loop, "lease", belay_conn_id(c->lessor.conn), name_of(bl_peer_of(c->pp.peer)),
             "idle", "lent", "");
}

/* There is room in the table. */
static inline void give(struct belay_pool *pool, struct bl_pp_conn *pp, struct belay_lease *ret)
{
    struct bl_pool_conn *c = bl_pool_conn_of(pp);
    int rc = bl_lease_give(pool->loop, &c->lessor, ret);

    BL_ASSERT(rc == 0);
    if (BL_UNLIKELY(c->heeded))
        tell_of_lease(pool, c);
}

/* What is not simple: nothing is ready, somebody waits, the first has expired, or it is shared. */
BL_SELDOM static int try_slowly(struct belay_peer *peer, struct belay_lease *ret_lease)
{
    struct belay_pool *pool = peer->pool;
    struct bl_pp_conn *c;

    if (!pool || pool->closing)
        return BELAY_ECLOSED;
    if (bl_lease_reserve(pool->loop) < 0)
        return BELAY_ENOMEM;
    c = bl_pp_try(&peer->pp, now_of(pool));
    if (!bl_list_empty(&pool->pp.closes))
        bl_pool_touch(peer);
    if (!c)
        return BELAY_EAGAIN;
    give(pool, c, ret_lease);
    return 0;
}

int belay_peer_try_acquire(struct belay_peer *peer, struct belay_lease *ret_lease)
{
    struct bl_pp_conn *c = bl_pp_try_simple(&peer->pp, bl_now(peer->loop));

    if (BL_UNLIKELY(!c))
        return try_slowly(peer, ret_lease);
    give(peer->pool, c, ret_lease);
    return 0;
}

/* ---- connections ---- */

static void on_due(struct belay_conn *conn, void *keeper)
{
    struct belay_pool *pool = keeper;
    struct bl_pool_conn *c = bl_conn_extra(conn);
    uint64_t now = now_of(pool);

    if (c->pp.state == BL_PP_CHECKING && !bl_list_linked(&c->pp.todo))
        bl_pp_checked(&c->pp, BELAY_ETIMEDOUT);
    c->trimmed = bl_pp_is_idle(&c->pp) && now - c->pp.idle_since >= TRIM_NS;
    if (c->trimmed)
        bl_conn_idle(conn);
    bl_pp_expire(&c->pp, now);
    look_again(pool, c);
    if (!bl_list_empty(&pool->pp.closes))
        bl_pool_touch(bl_peer_of(c->pp.peer));
}

static void on_opened(struct belay_conn *conn, void *keeper)
{
    struct belay_pool *pool = keeper;
    struct bl_pool_conn *c = bl_conn_extra(conn);
    struct belay_peer *peer = bl_peer_of(c->pp.peer);

    if (c->pp.state != BL_PP_DIALING)
        return; /* it is about to be closed */
    bl_error_copy_clear(&peer->last_error, &pool->loop->mem);
    peer->last_error.code = 0;
    bl_pp_opened(&c->pp, bl_conn_facts(conn), now_of(pool));
    c->heeded = bl_conn_minds_leases(conn) || pool->loop->on_trace;
    look_again(pool, c);
    bl_pool_touch(peer);
}

static void forget_conn(struct belay_pool *pool, struct belay_conn *conn)
{
    struct bl_pool_conn *c = bl_conn_extra(conn);

    bl_lessor_fini(&c->lessor, pool->loop);
    bl_list_remove(&c->link);
    bl_conn_free(conn);
}

static void on_closed(struct belay_conn *conn, void *keeper)
{
    struct belay_pool *pool = keeper;
    struct bl_pool_conn *c = bl_conn_extra(conn);
    struct belay_peer *peer = bl_peer_of(c->pp.peer);

    bl_pp_gone(&c->pp);
    forget_conn(pool, conn);
    bl_pool_touch(peer);
}

static void on_failed(struct belay_conn *conn, const struct belay_error *error, void *keeper)
{
    struct belay_pool *pool = keeper;
    struct bl_pool_conn *c = bl_conn_extra(conn);
    struct belay_peer *peer = bl_peer_of(c->pp.peer);
    struct belay_error told = *error;

    if (c->pp.state != BL_PP_DIALING) { /* it was about to be closed, and has spared us that */
        on_closed(conn, keeper);
        return;
    }
    bl_list_remove(&c->link); /* who is told may close the pool: this one needs no closing */
    /* Before the policy forgets: the last waiter to leave resets the count. */
    told.attempt = peer->pp.backoff.failures + (c->pp.round == peer->pp.round);
    bl_pp_dial_failed(&c->pp, error, bl_rand_next(&pool->loop->rand), now_of(pool));
    bl_error_copy_set(&peer->last_error, &pool->loop->mem, error);
    bl_loop_log(pool->loop, "pool", BELAY_LOG_INFO, "%s", error->text);
    bl_pool_touch(peer);
    belay_peer_ref(peer);
    tell_failed(pool, &told);
    forget_conn(pool, conn);
    belay_peer_unref(peer);
}

/* The peer let it come up only to end it. */
static void waste(struct belay_pool *pool, struct bl_pool_conn *c, const struct belay_error *lost)
{
    struct belay_peer *peer = bl_peer_of(c->pp.peer);
    struct belay_error error;

    if (lost)
        error = *lost;
    else
        bl_error_set(&error, BELAY_EEOF, BELAY_STAGE_PROTOCOL,
                     "%s takes no requests on a new connection", name_of(peer));
    bl_pp_wasted(&c->pp, &error, bl_rand_next(&pool->loop->rand), now_of(pool));
    bl_error_copy_set(&peer->last_error, &pool->loop->mem, &error);
    tell_failed(pool, &error);
}

static void on_changed(struct belay_conn *conn, const struct belay_error *lost, void *keeper)
{
    struct belay_pool *pool = keeper;
    struct bl_pool_conn *c = bl_conn_extra(conn);

    if (lost)
        bl_loop_log(pool->loop, "pool", BELAY_LOG_INFO, "%s", lost->text);
    bl_pp_changed(&c->pp, bl_conn_facts(conn), bl_conn_can_check(conn));
    bl_pool_touch(bl_peer_of(c->pp.peer));
    if (c->pp.uses == 0 && c->pp.state == BL_PP_CLOSING && bl_pp_hungry(c->pp.peer))
        waste(pool, c, lost);
}

static void on_checked(struct belay_conn *conn, int result, void *keeper)
{
    struct belay_pool *pool = keeper;
    struct bl_pool_conn *c = bl_conn_extra(conn);

    bl_pp_checked(&c->pp, result);
    look_again(pool, c);
    bl_pool_touch(bl_peer_of(c->pp.peer));
}

static const struct bl_conn_keeper_ops keeper_ops = {
    .opened = on_opened,
    .failed = on_failed,
    .changed = on_changed,
    .checked = on_checked,
    .closed = on_closed,
    .due = on_due,
};

static int dial(struct belay_pool *pool, struct belay_peer *peer)
{
    struct belay_conn *conn;
    struct bl_pool_conn *c;
    int rc = bl_conn_open(pool->loop, peer->endpoint, &pool->options.connector, &pool->dial,
                          peer->last_error.code != 0, &keeper_ops, pool, sizeof *c, &conn);

    if (rc < 0)
        return rc;
    c = bl_conn_extra(conn);
    bl_pp_dial_started(&c->pp, &peer->pp, now_of(pool));
    c->lessor.conn = conn;
    bl_list_push_back(&pool->conns, &c->link);
    rc = bl_lessor_init(&c->lessor, pool->loop, &lessor_ops, pool, conn);
    if (rc < 0)
        bl_pp_close(&c->pp, BELAY_REASON_OPEN_FAILED, false);
    return rc;
}

/* ---- the run ---- */

/* Wakes the peer when it may dial again. */
static void arm(struct belay_pool *pool, struct belay_peer *peer)
{
    bl_timer_at(&peer->timer, pool->loop, bl_pp_dial_due(&peer->pp, now_of(pool)));
}

static void attend(struct belay_pool *pool, struct belay_peer *peer)
{
    struct bl_pp_waiter *pp;
    struct bl_pp_conn *c;
    struct belay_lease lease;

    belay_peer_ref(peer);
    while (bl_pp_hungry(&peer->pp)) {
        if (bl_lease_reserve(pool->loop) < 0) {
            bl_pp_fail_oldest(&peer->pp, BELAY_ENOMEM);
            continue;
        }
        pp = bl_pp_serve(&peer->pp, &c, now_of(pool));
        if (!pp)
            break;
        give(pool, c, &lease);
        tell(BL_CONTAINER(pp, struct belay_waiter, pp), lease, NULL);
    }
    bl_pp_consider(&peer->pp, now_of(pool));
    arm(pool, peer);
    peer->refs--;
    bl_peer_reap(peer);
}

/* Nothing that is asked may take for ever: on_due ends it. */
static void check(struct belay_pool *pool, struct belay_conn *conn)
{
    bl_timer_at(bl_conn_timer(conn), pool->loop,
                bl_after_ms(now_of(pool), pool->dial.session_timeout_ms));
    bl_conn_check(conn);
}

/* Lists are popped, never walked: every step may call out, and what it calls may add to them. */
void bl_pool_run(void *arg)
{
    struct belay_pool *pool = arg;
    struct bl_pp_peer *peer;
    struct bl_list *node;
    int rc;

    while ((node = bl_list_pop_front(&pool->dirty)))
        attend(pool, BL_LIST_OF(node, struct belay_peer, dirty));
    while ((peer = bl_pp_next_dial(&pool->pp, now_of(pool)))) {
        rc = dial(pool, bl_peer_of(peer));
        if (rc < 0)
            bl_pp_dial_refused(peer, rc, now_of(pool));
        arm(pool, bl_peer_of(peer));
    }
    bl_timer_at(&pool->pause, pool->loop, bl_pp_pause_due(&pool->pp, now_of(pool)));
    tell_failed(pool, NULL);
    while ((node = bl_list_pop_front(&pool->pp.checks)))
        check(pool, BL_LIST_OF(node, struct bl_pool_conn, pp.todo)->lessor.conn);
    while ((node = bl_list_pop_front(&pool->pp.closes))) {
        struct bl_pool_conn *c = BL_LIST_OF(node, struct bl_pool_conn, pp.todo);

        bl_conn_close(c->lessor.conn, (enum belay_reason)c->pp.reason);
    }
    if (pool->closing && pool->pp.connections == 0 && bl_list_empty(&pool->dirty) &&
        bl_list_empty(&pool->pp.failed))
        bl_pool_finish(pool);
}
