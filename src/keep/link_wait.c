/* SPDX-License-Identifier: MIT */
/* Those who wait for a connection, or for the result of an attempt; and those who block on it. */
#include "conn/thread_loan.h"
#include "keep/link.h"

struct belay_link_waiter {
    struct belay_link *of;
    struct bl_list link;
    struct bl_timer timer;
    int64_t timeout_ms;
    bool or_failed;
    belay_link_connected_fn *fn;
    void *arg;
};

static struct belay_link_waiter *waiter_of(struct bl_list *node)
{
    return BL_LIST_OF(node, struct belay_link_waiter, link);
}

static void waiter_free(struct belay_link_waiter *w)
{
    struct belay_loop *loop = w->of->loop;

    bl_list_remove(&w->link);
    w->of->waiters_n--;
    bl_timer_fini(&w->timer, loop);
    bl_free(&loop->mem, w);
}

/* With the lease, or why not: it is gone before it is told, and the link may be after that. */
static void tell(struct belay_link_waiter *w, const struct belay_error *error)
{
    struct belay_lease lease = error ? bl_lease_none() : w->of->lease;
    belay_link_connected_fn *fn = w->fn;
    void *arg = w->arg;

    waiter_free(w);
    fn(lease, error, arg);
}

void bl_link_answer(struct belay_link *link, const struct belay_error *error, bool all)
{
    struct bl_list now, others, *node;

    bl_list_init(&now);
    bl_list_init(&others);
    bl_list_splice(&now, &link->waiters); /* who asks meanwhile is told another time */
    while ((node = bl_list_pop_front(&now))) {
        bool good = error || bl_link_is_live(link); /* until one of them breaks it */

        if (good && (all || waiter_of(node)->or_failed))
            tell(waiter_of(node), error);
        else
            bl_list_push_back(&others, node);
    }
    bl_list_splice(&others, &link->waiters);
    bl_list_splice(&link->waiters, &others);
}

/* ---- limits ---- */

static void describe_limit(const struct belay_link_waiter *w, struct belay_error *ret)
{
    struct belay_error scratch;
    const struct belay_error *last = bl_link_last(w->of, &scratch);
    bool failing = last && w->of->lp.failures > 0;

    bl_error_set(ret, BELAY_ETIMEDOUT, BELAY_STAGE_QUEUE,
                 "waiting for a connection to %s: none within %lld ms%s%s", w->of->server_name,
                 (long long)w->timeout_ms, failing ? "; " : "", failing ? last->text : "");
    ret->attempt = failing ? w->of->lp.failures : 0;
}

static void on_limit(void *arg)
{
    struct belay_link_waiter *w = arg;
    struct belay_error error;

    if (bl_link_is_live(w->of)) {
        tell(w, NULL);
        return;
    }
    describe_limit(w, &error);
    tell(w, &error);
}

/* ---- asking ---- */

static int add(struct belay_link *link, int64_t timeout_ms, bool or_failed,
               struct belay_link_waiter **ret_waiter, belay_link_connected_fn *fn, void *arg)
{
    struct belay_loop *loop = link->loop;
    struct belay_link_waiter *w;

    if (!fn || (timeout_ms < 0 && timeout_ms != BELAY_FOREVER))
        return BELAY_EINVAL;
    if (belay_link_is_closed(link))
        return BELAY_ECLOSED;
    if (link->waiters_n >= (uint32_t)link->options.max_waiters)
        return BELAY_EFULL;
    w = bl_zalloc(&loop->mem, sizeof *w);
    if (!w)
        return BELAY_ENOMEM;
    if (bl_timer_init(&w->timer, loop, on_limit, w) < 0) {
        bl_free(&loop->mem, w);
        return BELAY_ENOMEM;
    }
    w->of = link;
    w->timeout_ms = timeout_ms;
    w->or_failed = or_failed;
    w->fn = fn;
    w->arg = arg;
    bl_list_push_back(&link->waiters, &w->link);
    link->waiters_n++;
    if (timeout_ms != BELAY_FOREVER)
        bl_timer_at(&w->timer, loop, bl_after_ms(bl_now_fresh(loop), timeout_ms));
    if (link->current)
        bl_task_post(loop, &link->run);
    if (ret_waiter)
        *ret_waiter = w;
    return 0;
}

int belay_link_connected(struct belay_link *link, int64_t timeout_ms,
                         struct belay_link_waiter **ret_waiter, belay_link_connected_fn *fn,
                         void *arg)
{
    return add(link, timeout_ms, false, ret_waiter, fn, arg);
}

int belay_link_connected_or_failed(struct belay_link *link, int64_t timeout_ms,
                                   struct belay_link_waiter **ret_waiter,
                                   belay_link_connected_fn *fn, void *arg)
{
    return add(link, timeout_ms, true, ret_waiter, fn, arg);
}

void belay_link_waiter_cancel(struct belay_link_waiter *waiter)
{
    if (waiter)
        waiter_free(waiter);
}

/* ---- for those who block ---- */

struct blocked {
    struct bl_wait wait;
    struct belay_link *link;
    struct belay_link_waiter *waiter;
    bool or_failed;
    int64_t timeout_ms;
    struct belay_lease lease;
    struct belay_error error;
};

static void on_answer(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct blocked *b = arg;
    int rc = error ? error->code : 0;

    if (rc == 0 && bl_wait_is_elsewhere(&b->wait))
        rc = bl_thread_loan_begin(&lease);
    b->lease = lease;
    if (error)
        bl_error_keep(&b->error, error);
    bl_wait_done(&b->wait, rc);
}

static int start(struct bl_wait *wait)
{
    struct blocked *b = BL_CONTAINER(wait, struct blocked, wait);
    int rc = add(b->link, b->timeout_ms, b->or_failed, &b->waiter, on_answer, b);

    if (rc < 0)
        bl_error_set(&b->error, rc, BELAY_STAGE_QUEUE, "waiting for a connection to %s: %s",
                     b->link->server_name, belay_strerror(rc));
    return rc;
}

/* Who sleeps elsewhere wakes before the loop sees that the waiter's limit has passed. */
static void cancel(struct bl_wait *wait)
{
    struct blocked *b = BL_CONTAINER(wait, struct blocked, wait);

    describe_limit(b->waiter, &b->error);
    belay_link_waiter_cancel(b->waiter);
}

static int wait_for(struct belay_link *link, int64_t timeout_ms, bool or_failed,
                    struct belay_lease *ret_lease, struct belay_error *error)
{
    struct blocked b = {.wait = {.loop = link->loop, .start = start, .cancel = cancel},
                        .link = link,
                        .or_failed = or_failed,
                        .timeout_ms = timeout_ms < 0 ? BELAY_FOREVER : timeout_ms};
    int rc = bl_wait(&b.wait, timeout_ms);

    if (rc == 0) {
        *ret_lease = b.lease;
        return 0;
    }
    if (b.error.code == rc && error)
        *error = b.error;
    else /* the link may be gone by now */
        bl_error_set(error, rc, BELAY_STAGE_QUEUE, "waiting for a connection: %s",
                     belay_strerror(rc));
    return rc;
}

int belay_link_connected_wait(struct belay_link *link, int64_t timeout_ms,
                              struct belay_lease *ret_lease, struct belay_error *error)
{
    return wait_for(link, timeout_ms, false, ret_lease, error);
}

int belay_link_connected_or_failed_wait(struct belay_link *link, int64_t timeout_ms,
                                        struct belay_lease *ret_lease, struct belay_error *error)
{
    return wait_for(link, timeout_ms, true, ret_lease, error);
}
