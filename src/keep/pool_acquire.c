/* SPDX-License-Identifier: MIT */
/* Those who wait: from the call to the callback. */
#include "keep/pool.h"

static const struct bl_option acquire_options[] = {
    BL_OPTION(belay_acquire_options, timeout_ms, 0, BL_NOT_ALLOWED, INT64_MAX, 1,
              INT64_C(31536000000)),
};

/* ---- spares ---- */

static void spare(struct belay_pool *pool, struct belay_waiter *w)
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

void bl_pool_free_spares(struct belay_pool *pool)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(&pool->spare_waiters))) {
        struct belay_waiter *w = BL_LIST_OF(node, struct belay_waiter, pp.link);

        bl_timer_fini(&w->timer, pool->loop);
        bl_free(&pool->loop->mem, w);
    }
    pool->spare_waiters_n = 0;
}

/* ---- the answer ---- */

/* A waiter keeps its peer until then. */
void bl_waiter_tell(struct belay_waiter *w, struct belay_lease lease,
                    const struct belay_error *error)
{
    struct belay_pool *pool = w->peer->pool;
    belay_acquire_fn *fn = w->fn;
    void *arg = w->arg;

    BL_TRACE(pool->loop, "waiter", w->id, bl_peer_name(w->peer), "waiting", NULL,
             error ? belay_error_name(error->code) : "served");
    if (error)
        w->peer->pp.stats.refused[error->stage]++;
    belay_peer_unref(w->peer);
    spare(pool, w);
    fn(lease, error, arg);
}

void bl_pool_tell_failed(struct belay_pool *pool, const struct belay_error *cause)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(&pool->pp.failed))) {
        struct belay_waiter *w = BL_LIST_OF(node, struct belay_waiter, pp.link);
        bool known = cause && cause->code == w->pp.code;
        struct belay_error error;

        if (!known)
            bl_error_set(&error, w->pp.code, BELAY_STAGE_QUEUE,
                         "waiting for a connection to %s: %s", bl_peer_name(w->peer),
                         belay_strerror(w->pp.code));
        bl_waiter_tell(w, bl_lease_none(), known ? cause : &error);
    }
}

static void describe_timeout(const struct belay_waiter *w, struct belay_error *error)
{
    const struct belay_peer *peer = w->peer;
    struct belay_error scratch;

    if (peer->last_error.code)
        bl_error_set(error, BELAY_ETIMEDOUT, BELAY_STAGE_QUEUE,
                     "waiting for a connection to %s: none within %lld ms; last attempt: %s",
                     bl_peer_name(peer), (long long)w->timeout_ms,
                     bl_error_copy_get(&peer->last_error, &scratch, peer->endpoint)->text);
    else
        bl_error_set(error, BELAY_ETIMEDOUT, BELAY_STAGE_QUEUE,
                     "waiting for a connection to %s: %s within %lld ms", bl_peer_name(peer),
                     peer->pool->pp.suspended ? "the pool was not resumed" : "none was free",
                     (long long)w->timeout_ms);
}

static void on_deadline(void *arg)
{
    struct belay_waiter *w = arg;
    struct belay_error error;

    bl_pp_forget(&w->pp);
    bl_pool_touch(w->peer);
    describe_timeout(w, &error);
    bl_waiter_tell(w, bl_lease_none(), &error);
}

/* ---- the call ---- */

static struct belay_waiter *waiter_new(struct belay_pool *pool)
{
    struct bl_list *node = bl_list_pop_front(&pool->spare_waiters);
    struct belay_waiter *w;

    if (node) {
        pool->spare_waiters_n--;
        return BL_LIST_OF(node, struct belay_waiter, pp.link);
    }
    w = bl_zalloc(&pool->loop->mem, sizeof *w);
    if (w && bl_timer_init(&w->timer, pool->loop, on_deadline, w) < 0) {
        bl_free(&pool->loop->mem, w);
        return NULL;
    }
    return w;
}

static int enqueue(struct belay_peer *peer, struct belay_waiter *w,
                   const struct belay_acquire_options *o, bool again)
{
    uint64_t now = bl_now_fresh(peer->loop);
    int rc;

    w->pp.fresh = o->fresh;
    w->pp.urgent = o->urgent;
    rc = again ? bl_pp_wait_again(&peer->pp, &w->pp, now) : bl_pp_wait(&peer->pp, &w->pp, now);
    if (rc < 0) {
        bl_list_init(&w->pp.link);
        spare(peer->pool, w);
        return rc;
    }
    w->peer = belay_peer_ref(peer);
    w->tag = o->tag;
    w->place = o->place;
    w->timeout_ms = o->timeout_ms ? o->timeout_ms : peer->pool->options.acquire_timeout_ms;
    bl_timer_at(&w->timer, peer->loop, bl_after_ms(now, w->timeout_ms));
    return 0;
}

static int acquire(struct belay_peer *peer, const struct belay_acquire_options *o, bool again,
                   struct belay_waiter **ret_waiter, belay_acquire_fn *fn, void *arg)
{
    struct belay_pool *pool = peer->pool;
    struct belay_waiter *w = waiter_new(pool);
    int rc;

    if (!w)
        return BELAY_ENOMEM;
    rc = enqueue(peer, w, o, again);
    if (rc < 0)
        return rc;
    w->fn = fn;
    w->arg = arg;
    w->id = ++pool->loop->next_id;
    BL_TRACE(pool->loop, "waiter", w->id, bl_peer_name(peer), NULL, "waiting", "");
    bl_pool_touch(peer);
    if (ret_waiter)
        *ret_waiter = w;
    return 0;
}

int belay_peer_acquire(struct belay_peer *peer, const struct belay_acquire_options *options,
                       struct belay_waiter **ret_waiter, belay_acquire_fn *fn, void *arg)
{
    struct belay_acquire_options o = {0};
    int rc = 0;

    if (!peer->pool)
        return BELAY_ECLOSED;
    if (options)
        rc = bl_options_resolve(&o, sizeof o, options, acquire_options, BL_COUNT(acquire_options),
                                NULL);
    if (rc < 0 || !fn)
        return BELAY_EINVAL;
    return acquire(peer, &o, false, ret_waiter, fn, arg);
}

int bl_peer_acquire_again(struct belay_peer *peer, struct belay_waiter **ret_waiter,
                          belay_acquire_fn *fn, void *arg)
{
    static const struct belay_acquire_options none;

    return peer->pool ? acquire(peer, &none, true, ret_waiter, fn, arg) : BELAY_ECLOSED;
}

void belay_waiter_cancel(struct belay_waiter *w)
{
    struct belay_peer *peer;

    if (!w)
        return;
    peer = w->peer;
    BL_TRACE(peer->loop, "waiter", w->id, bl_peer_name(peer), "waiting", NULL, "cancelled");
    bl_pp_forget(&w->pp);
    bl_pool_touch(peer);
    spare(peer->pool, w);
    belay_peer_unref(peer);
}
