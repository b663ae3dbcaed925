/* SPDX-License-Identifier: MIT */
/*
 * A dial: its life, its limits, and how it is told.
 *
 *     RESOLVE --addresses--> CONNECT --connected--> PROXY, TLS for each hop, ... --done--> told
 *        ^                                                                    |
 *        +----------------------- failed, and there is another way -----------+
 *
 * All that happens comes from the loop (look-up, watches, the one timer, the stream), so the caller
 * can be told directly; what ends inside bl_dial_start goes through the task, and so does the start
 * of another way. Further addresses may arrive during CONNECT.
 */
#include "net/dial.h"

#include <stdio.h>

#include "net/dial_error.h"
#include "net/dial_inside.h"

/* ---- ending ---- */

void bl_dial_drop(struct bl_dial *d)
{
    bl_resolve_cancel(d->lookup);
    d->lookup = NULL;
    bl_dial_close_attempts(d);
    bl_timer_stop(&d->timer);
    d->ask_at = 0;
    belay_stream_close(d->stream, 0, NULL, NULL);
    d->stream = NULL;
}

static void free_dial(struct bl_dial *d)
{
    bl_dial_drop(d);
    bl_timer_fini(&d->timer, d->loop);
    bl_task_cancel(&d->task);
    bl_free(&d->loop->mem, d->asks);
    bl_free(&d->loop->mem, d);
}

void bl_dial_cancel(struct bl_dial *d)
{
    if (d)
        free_dial(d);
}

static bool tls_is_proxys(const struct bl_dial *d)
{
    for (size_t i = 0; i < d->route->hops_n; i++) {
        if (d->route->hops[i].tls)
            return !d->plan.tls;
    }
    return false;
}

void bl_dial_succeed(struct bl_dial *d)
{
    struct belay_stream *stream = d->stream;
    bl_dial_fn *fn = d->fn;
    void *arg = d->arg;
    char whom[BL_WHOM_MAX];

    bl_loop_log(d->loop, "dial", BELAY_LOG_DEBUG, "connected to %s", bl_dial_whom(d, whom));
    if (tls_is_proxys(d))
        bl_stream_hide_tls(stream);
    d->stream = NULL;
    free_dial(d);
    fn(stream, NULL, arg);
}

void bl_dial_fail(struct bl_dial *d, struct belay_error *error)
{
    struct belay_tried tried[BL_RACE_MAX];
    bl_dial_fn *fn = d->fn;
    void *arg = d->arg;

    error->stage = d->stage;
    if (bl_dial_next_way(d, error)) {
        bl_loop_log(d->loop, "dial", BELAY_LOG_DEBUG, "%s; there is another way", error->text);
        bl_dial_drop(d);
        bl_task_post(d->loop, &d->task);
        return;
    }
    if (d->route_at > 0 && d->route_at + 1 == d->plan.routes_n)
        bl_error_prefix(error, "none of %zu ways leads there, the last of them", d->plan.routes_n);
    error->tried_n = bl_race_tried(&d->race, bl_now(d->loop), tried);
    error->tried = error->tried_n ? tried : NULL;
    bl_loop_log(d->loop, "dial", BELAY_LOG_DEBUG, "%s", error->text);
    free_dial(d);
    fn(NULL, error, arg);
}

void bl_dial_fail_with(struct bl_dial *d, int code)
{
    struct belay_error error;
    char whom[BL_WHOM_MAX];

    bl_error_set(&error, code, d->stage, "connecting to %s: %s", bl_dial_whom(d, whom),
                 belay_strerror(code));
    bl_dial_fail(d, &error);
}

const char *bl_dial_whom(const struct bl_dial *d, char out[BL_WHOM_MAX])
{
    size_t n = d->route->hops_n;
    size_t hop = d->hop < n ? d->hop : n - 1;

    if (n == 0)
        return d->plan.target;
    snprintf(out, BL_WHOM_MAX, "%.110s through %.100s", d->plan.target, d->route->hops[hop].name);
    return out;
}

/* ---- stages and their limits ---- */

void bl_dial_enter(struct bl_dial *d, enum belay_stage stage, int64_t limit_ms)
{
    uint64_t now = bl_now_fresh(d->loop);
    d->stage = stage;
    d->limit_ms = limit_ms;
    d->deadline = bl_after_ms(now, limit_ms);
    if (d->deadline > d->way_end) { /* what is left of the whole is less */
        d->deadline = d->way_end;
        d->limit_ms = now < d->way_end ? (int64_t)((d->way_end - now + 999999) / 1000000) : 0;
    }
    bl_timer_at(&d->timer, d->loop, d->deadline);
}

/* What was waited for when a limit passed. */
static void describe_limit(struct bl_dial *d, int64_t limit_ms, struct belay_error *error)
{
    char whom[BL_WHOM_MAX];

    switch (d->stage) {
    case BELAY_STAGE_CONNECT:
        bl_dial_describe_timeout(&d->race, bl_now(d->loop), bl_dial_whom(d, whom), limit_ms, error);
        break;
    case BELAY_STAGE_RESOLVE:
        bl_error_set(error, BELAY_ETIMEDOUT, d->stage,
                     "connecting to %s: looking up %s: no answer within %lld ms",
                     bl_dial_whom(d, whom), bl_dial_looked_up_host(d), (long long)limit_ms);
        break;
    default:
        bl_error_set(error, BELAY_ETIMEDOUT, d->stage, "%s within %lld ms",
                     d->stage == BELAY_STAGE_TLS ? "not done" : "no answer", (long long)limit_ms);
        bl_dial_describe_layer(d, error);
    }
}

void bl_dial_describe_limit(struct bl_dial *d, int64_t limit_ms, struct belay_error *error,
                            struct belay_tried tried[BL_RACE_MAX])
{
    describe_limit(d, limit_ms, error);
    error->tried_n = bl_race_tried(&d->race, bl_now(d->loop), tried);
    error->tried = error->tried_n ? tried : NULL;
}

static void time_out(struct bl_dial *d)
{
    struct belay_error error;

    if (d->stage == BELAY_STAGE_CONNECT)
        bl_dial_blame_silent(d);
    describe_limit(d, d->limit_ms, &error);
    bl_dial_fail(d, &error);
}

static void on_timer(void *arg)
{
    struct bl_dial *d = arg;
    if (d->ask_at != 0 && bl_now(d->loop) >= d->ask_at)
        bl_dial_ask_anyway(d);
    else if (bl_now(d->loop) >= d->deadline)
        time_out(d);
    else
        bl_dial_race_step(d);
}

/* ---- addresses ---- */

static void on_addresses(const struct belay_addr *addrs, size_t n, bool more,
                         const struct belay_error *error, void *arg)
{
    struct bl_dial *d = arg;
    struct belay_error own;
    char whom[BL_WHOM_MAX];

    if (!more)
        d->lookup = NULL;
    if (error) {
        own = *error;
        bl_error_prefix(&own, "connecting to %s", bl_dial_whom(d, whom));
        bl_dial_fail(d, &own);
    } else if (d->looking == BL_LOOKING_FOR_ASK) {
        bl_dial_looked_up_ask(d, addrs, n, more);
    } else {
        bl_dial_add_addresses(d, addrs, n, more);
    }
}

int bl_dial_look_up(struct bl_dial *d, enum bl_looking what, const char *host, uint16_t port,
                    enum belay_family family)
{
    struct bl_lookup_options options = {.family = family, .fresh = d->plan.fresh, .port = port};

    d->looking = what;
    bl_dial_enter(d, BELAY_STAGE_RESOLVE, d->plan.resolve_timeout_ms);
    return bl_resolve(d->loop, host, &options, on_addresses, d, &d->lookup);
}

void bl_dial_no_look_up(struct bl_dial *d, int code)
{
    struct belay_error error;
    char whom[BL_WHOM_MAX];
    const char *what = bl_is_host_name(bl_dial_looked_up_host(d))
                           ? "the name servers of the loop (dns_servers)"
                           : "that host name";

    if (code != BELAY_EINVAL) {
        bl_dial_fail_with(d, code);
        return;
    }
    bl_error_set(&error, BELAY_EINVAL, d->stage, "connecting to %s: %s cannot be used",
                 bl_dial_whom(d, whom), what);
    bl_dial_fail(d, &error);
}

/* ---- starting ---- */

static void on_task(void *arg)
{
    struct bl_dial *d = arg;
    int code = d->start_code;

    d->start_code = 0;
    if (code < 0)
        bl_dial_no_look_up(d, code);
    else
        bl_dial_begin_route(d);
}

/* A look-up begins at once; all else could end in here, so it is the task's. */
static int start(struct bl_dial *d)
{
    const struct bl_dial_plan *p = &d->plan;
    int rc;

    bl_dial_order_routes(d);
    bl_dial_set_route(d);
    if (d->route->hops_n > 0 || p->addrs) {
        bl_task_post(d->loop, &d->task);
        return 0;
    }
    rc = bl_dial_look_up(d, BL_LOOKING_FOR_PEER, p->host, p->port, p->family);
    if (rc == BELAY_ENOMEM)
        return rc;
    d->start_code = rc;
    if (rc < 0)
        bl_task_post(d->loop, &d->task);
    return 0;
}

int bl_dial_start(struct belay_loop *loop, const struct bl_dial_plan *plan, bl_dial_fn *fn,
                  void *arg, struct bl_dial **ret)
{
    struct bl_dial *d = bl_zalloc(&loop->mem, sizeof *d + plan->routes_n * sizeof d->order[0]);
    int rc;

    if (!d)
        return BELAY_ENOMEM;
    d->loop = loop;
    d->plan = *plan;
    d->fn = fn;
    d->arg = arg;
    d->end = BELAY_NEVER;
    if (plan->dial_timeout_ms > 0)
        d->end = bl_after_ms(bl_now_fresh(loop), plan->dial_timeout_ms);
    d->way_end = d->end;
    bl_task_init(&d->task, on_task, d);
    bl_race_init(&d->race, bl_after_ms(0, plan->race_delay_ms));
    rc = bl_timer_init(&d->timer, loop, on_timer, d);
    if (rc == 0)
        rc = start(d);
    if (rc < 0) {
        free_dial(d);
        return rc;
    }
    *ret = d;
    return 0;
}
