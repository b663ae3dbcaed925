/* SPDX-License-Identifier: MIT */
/* Those who wait until it is connected, or in a phase; and those who block on it. */
#include "service/chronicle.h"

struct belay_chronicle_waiter {
    struct belay_chronicle *of;
    struct bl_list link;
    struct bl_timer timer;
    enum belay_chronicle_phase phase;
    int64_t timeout_ms;
    belay_chronicle_connect_done_fn *fn;
    void *arg;
};

static struct belay_chronicle_waiter *waiter_of(struct bl_list *node)
{
    return BL_LIST_OF(node, struct belay_chronicle_waiter, link);
}

static void waiter_free(struct belay_chronicle_waiter *w)
{
    struct belay_loop *loop = w->of->loop;

    bl_list_remove(&w->link);
    w->of->waiters_n--;
    bl_timer_fini(&w->timer, loop);
    bl_free(&loop->mem, w);
}

/* It is gone before it is told, and the connection may be after that. */
static void tell(struct belay_chronicle_waiter *w, const struct belay_error *error)
{
    belay_chronicle_connect_done_fn *fn = w->fn;
    void *arg = w->arg;

    waiter_free(w);
    fn(error, arg);
}

void bl_chronicle_answer(struct belay_chronicle *c, const struct belay_error *error)
{
    struct bl_list now, others, *node;

    bl_list_init(&now);
    bl_list_init(&others);
    bl_list_splice(&now, &c->waiters); /* who asks meanwhile is told another time */
    while ((node = bl_list_pop_front(&now))) {
        if (error || bl_chp_is_in(&c->policy, waiter_of(node)->phase))
            tell(waiter_of(node), error);
        else
            bl_list_push_back(&others, node);
    }
    bl_list_splice(&others, &c->waiters);
    bl_list_splice(&c->waiters, &others);
}

/* ---- limits ---- */

/* Why it is not there yet: what failed last, or, where nothing has, what is waited for; NULL: there is
 * nothing to be said. */
static const char *reason_of(const struct belay_chronicle *c, const struct belay_error *last)
{
    bool under_way = c->policy.state == BL_CHP_DIALING || c->policy.state == BL_CHP_SESSION;

    if (last)
        return last->text;
    return under_way ? bl_chronicle_attempt_doing(c) : NULL;
}

static void describe_limit(const struct belay_chronicle *c, enum belay_chronicle_phase phase,
                           int64_t timeout_ms, struct belay_error *ret)
{
    struct belay_error scratch;
    const struct belay_error *last = bl_chronicle_last(c, &scratch);
    const char *why = reason_of(c, last), *mark = last ? "; " : ", ";

    bl_error_set(ret, BELAY_ETIMEDOUT, BELAY_STAGE_QUEUE,
                 "waiting for a connection to %s: not %s within %lld ms%s%s", c->label,
                 belay_chronicle_phase_name(phase), (long long)timeout_ms, why ? mark : "",
                 why ? why : "");
    ret->attempt = last ? last->attempt : 0;
}

static void on_limit(void *arg)
{
    struct belay_chronicle_waiter *w = arg;
    struct belay_error error;

    if (bl_chp_is_in(&w->of->policy, w->phase)) {
        tell(w, NULL);
        return;
    }
    describe_limit(w->of, w->phase, w->timeout_ms, &error);
    tell(w, &error);
}

/* ---- asking ---- */

static int check(const struct belay_chronicle *c, enum belay_chronicle_phase phase,
                 int64_t timeout_ms, belay_chronicle_connect_done_fn *fn)
{
    if (!fn || (timeout_ms < 0 && timeout_ms != BELAY_FOREVER) ||
        phase < BELAY_CHRONICLE_DISCONNECTED || phase > BELAY_CHRONICLE_REGISTERED)
        return BELAY_EINVAL;
    if (belay_chronicle_is_closed(c))
        return BELAY_ECLOSED;
    return c->waiters_n >= (uint32_t)c->options.max_waiters ? BELAY_EFULL : 0;
}

int belay_chronicle_wait_until(struct belay_chronicle *c, enum belay_chronicle_phase phase,
                               int64_t timeout_ms, struct belay_chronicle_waiter **ret_waiter,
                               belay_chronicle_connect_done_fn *fn, void *arg)
{
    struct belay_loop *loop = c->loop;
    struct belay_chronicle_waiter *w;
    int rc = check(c, phase, timeout_ms, fn);

    if (rc < 0)
        return rc;
    w = bl_zalloc(&loop->mem, sizeof *w);
    if (!w)
        return BELAY_ENOMEM;
    if (bl_timer_init(&w->timer, loop, on_limit, w) < 0) {
        bl_free(&loop->mem, w);
        return BELAY_ENOMEM;
    }
    w->of = c;
    w->phase = phase;
    w->timeout_ms = timeout_ms;
    w->fn = fn;
    w->arg = arg;
    bl_list_push_back(&c->waiters, &w->link);
    c->waiters_n++;
    if (timeout_ms != BELAY_FOREVER)
        bl_timer_at(&w->timer, loop, bl_after_ms(bl_now_fresh(loop), timeout_ms));
    if (phase == BELAY_CHRONICLE_DISCONNECTED)
        bl_chronicle_run_later(c);
    else
        bl_chronicle_ask(c, BL_CHRONICLE_WANT);
    if (ret_waiter)
        *ret_waiter = w;
    return 0;
}

int belay_chronicle_connect(struct belay_chronicle *chronicle, int64_t timeout_ms,
                            struct belay_chronicle_waiter **ret_waiter,
                            belay_chronicle_connect_done_fn *fn, void *arg)
{
    return belay_chronicle_wait_until(chronicle, BELAY_CHRONICLE_CONNECTED, timeout_ms, ret_waiter,
                                      fn, arg);
}

void belay_chronicle_waiter_cancel(struct belay_chronicle_waiter *waiter)
{
    if (waiter)
        waiter_free(waiter);
}

/* ---- for those who block ---- */

struct blocked {
    struct bl_wait wait;
    struct belay_chronicle *chronicle;
    struct belay_chronicle_waiter *waiter;
    enum belay_chronicle_phase phase;
    int64_t timeout_ms;
    struct belay_error error;
};

static void on_answer(const struct belay_error *error, void *arg)
{
    struct blocked *b = arg;

    if (error)
        bl_error_keep(&b->error, error);
    bl_wait_done(&b->wait, error ? error->code : 0);
}

static int start(struct bl_wait *wait)
{
    struct blocked *b = BL_CONTAINER(wait, struct blocked, wait);
    int rc =
        belay_chronicle_wait_until(b->chronicle, b->phase, b->timeout_ms, &b->waiter, on_answer, b);

    if (rc < 0)
        bl_error_set(&b->error, rc, BELAY_STAGE_QUEUE, "waiting for a connection to %s: %s",
                     b->chronicle->label, belay_strerror(rc));
    return rc;
}

/* Its time may be over before the loop, which has much to do, sees that of the waiter. */
static void cancel(struct bl_wait *wait)
{
    struct blocked *b = BL_CONTAINER(wait, struct blocked, wait);

    describe_limit(b->chronicle, b->phase, b->timeout_ms, &b->error);
    belay_chronicle_waiter_cancel(b->waiter);
}

int belay_chronicle_wait_until_wait(struct belay_chronicle *chronicle,
                                    enum belay_chronicle_phase phase, int64_t timeout_ms,
                                    struct belay_error *error)
{
    struct blocked b = {.wait = {.loop = chronicle->loop, .start = start, .cancel = cancel},
                        .chronicle = chronicle,
                        .phase = phase,
                        .timeout_ms = timeout_ms < 0 ? BELAY_FOREVER : timeout_ms};
    int rc = bl_wait(&b.wait, timeout_ms);

    if (rc == 0)
        return 0;
    if (b.error.code == rc && error)
        *error = b.error;
    else /* it may be gone by now */
        bl_error_set(error, rc, BELAY_STAGE_QUEUE, "waiting for a connection to Chronicle: %s",
                     belay_strerror(rc));
    return rc;
}

int belay_chronicle_connect_wait(struct belay_chronicle *chronicle, int64_t timeout_ms,
                                 struct belay_error *error)
{
    return belay_chronicle_wait_until_wait(chronicle, BELAY_CHRONICLE_CONNECTED, timeout_ms, error);
}
