/* SPDX-License-Identifier: MIT */
/*
 * Looks up the names of open connections again. One timer and at most one question for each peer
 * whose connections go to what a name says: the endpoint's host, or that of the first proxy where
 * all go by the same. Not where addresses were given, nor where the connector dials itself, nor
 * where there are several ways to the target: which of them a connection took, its address does not
 * tell.
 *
 * A look-up is an ordinary one, answered from the cache if it can be. That would only repeat the
 * answer before, so the next one is made no sooner than that has expired: with a TTL above
 * resolve_interval_ms once per TTL. What an answer means is decided in pool_names_seen.c; whoever
 * goes to an address that has vanished is ended with reason `retired`, those in use at their
 * release.
 */
#include "keep/pool_names.h"

#include "keep/pool.h"
#include "net/resolver.h"

#define JITTER 10 /* per cent, up and down */

struct bl_names_watch {
    struct belay_peer *peer;
    struct bl_timer timer;
    struct bl_lookup *lookup; /* while one is under way */
    const char *host;         /* the endpoint's */
    enum belay_family family;
    int64_t interval_ms; /* that the timer was set by */
    uint64_t until;      /* the last answer may still be the cache's */
    struct bl_names_seen seen;
};

/* What is looked up for an endpoint; false: nothing. */
static bool name_of(const struct belay_endpoint *endpoint, const char **ret_host,
                    enum belay_family *ret_family)
{
    struct bl_dial_plan plan;
    struct belay_addr numeric;
    const struct bl_hop *first;
    bl_endpoint_plan(endpoint, &plan);
    if (plan.routes_n > 1)
        return false;
    first = plan.routes_n && plan.routes[0].hops_n ? &plan.routes[0].hops[0] : NULL;
    if (first ? first->addrs_n : plan.addrs_n)
        return false;
    *ret_host = first ? first->host : plan.host;
    *ret_family = plan.family;
    return *ret_host && belay_addr_parse_ip(*ret_host, strlen(*ret_host), 0, &numeric) < 0;
}

/* ---- connections ---- */

/* Where an open connection goes; false: it is not open, or has no stream. */
static bool addr_of(struct bl_pool_conn *c, struct belay_addr *ret)
{
    struct belay_stream *stream;
    if (c->pp.state == BL_PP_DIALING || c->pp.state == BL_PP_CLOSING)
        return false;
    stream = belay_conn_stream(c->lessor.conn);
    return stream && belay_stream_peer_addr(stream, ret) == 0;
}

/* Remembers where they go; whether there are any. */
static bool use_all(struct bl_names_watch *watch)
{
    struct belay_peer *peer = watch->peer;
    struct belay_addr addr;
    bool any = false;
    BL_LIST_EACH(node, &peer->pp.conns)
    {
        if (!addr_of(bl_pool_conn_of(BL_LIST_OF(node, struct bl_pp_conn, link)), &addr))
            continue;
        bl_names_use(&watch->seen, &peer->loop->mem, &addr);
        any = true;
    }
    return any;
}

static void retire(struct bl_names_watch *watch)
{
    struct belay_peer *peer = watch->peer;
    struct belay_addr addr;
    char text[BELAY_ADDR_TEXT_MAX];
    bool any = false;
    BL_LIST_EACH(node, &peer->pp.conns)
    {
        struct bl_pool_conn *c = bl_pool_conn_of(BL_LIST_OF(node, struct bl_pp_conn, link));
        if (c->pp.reason || !addr_of(c, &addr) || !bl_names_gone(&watch->seen, &addr))
            continue;
        bl_loop_log(peer->loop, "pool", BELAY_LOG_INFO,
                    "%s: %s is none of its addresses any more: the connection is retired",
                    watch->host, belay_addr_print(&addr, text, sizeof text));
        bl_pp_close(&c->pp, BELAY_REASON_RETIRED, true);
        any = true;
    }
    if (any)
        bl_pool_touch(peer);
}

/* ---- asking ---- */

/* In an interval, give or take, when there may be another answer. */
static void arm(struct bl_names_watch *watch)
{
    struct belay_loop *loop = watch->peer->loop;
    int64_t ms = watch->peer->pool->options.resolve_interval_ms;
    uint64_t spread = (uint64_t)ms * 2 * JITTER / 100;
    uint64_t at;
    watch->interval_ms = ms;
    ms += (int64_t)bl_rand_below(&loop->rand, spread + 1) - (int64_t)(spread / 2);
    at = bl_after_ms(bl_now(loop), ms);
    bl_timer_at(&watch->timer, loop, at > watch->until ? at : watch->until);
}

static void on_addrs(const struct belay_addr *addrs, size_t n, bool more,
                     const struct belay_error *error, void *arg)
{
    struct bl_names_watch *watch = arg;
    struct bl_names_answer answer = {.addrs = addrs, .n = n};
    struct bl_lookup_worth worth;
    if (more)
        return;
    bl_lookup_worth(watch->lookup, &worth);
    watch->lookup = NULL;
    watch->until = error ? 0 : worth.until;
    arm(watch);
    answer.no_ipv4 = worth.no_ipv4 || watch->family == BELAY_FAMILY_IPV6;
    answer.no_ipv6 = worth.no_ipv6 || watch->family == BELAY_FAMILY_IPV4;
    bl_names_take(&watch->seen, &watch->peer->loop->mem, &answer);
    retire(watch);
}

static void on_timer(void *arg)
{
    struct bl_names_watch *watch = arg;
    struct bl_lookup_options options = {.family = watch->family};
    if (!use_all(watch))
        return; /* the next one that opens starts it */
    if (bl_resolve(watch->peer->loop, watch->host, &options, on_addrs, watch, &watch->lookup) < 0) {
        watch->lookup = NULL;
        arm(watch);
    }
}

static void stop(struct bl_names_watch *watch)
{
    bl_timer_stop(&watch->timer);
    bl_resolve_cancel(watch->lookup);
    watch->lookup = NULL;
}

/* ---- life ---- */

static struct bl_names_watch *make(struct belay_peer *peer, const char *host,
                                   enum belay_family family)
{
    struct belay_loop *loop = peer->loop;
    struct bl_names_watch *watch = bl_zalloc(&loop->mem, sizeof *watch);
    if (!watch)
        return NULL;
    if (bl_timer_init(&watch->timer, loop, on_timer, watch) < 0) {
        bl_free(&loop->mem, watch);
        return NULL;
    }
    watch->peer = peer;
    watch->host = host;
    watch->family = family;
    bl_names_seen_init(&watch->seen);
    return watch;
}

/* Whether it would be of use to look; who dials itself has no stream to tell addresses. */
static bool is_wanted(const struct belay_peer *peer)
{
    const struct belay_pool *pool = peer->pool;
    const struct belay_connector_ops *ops;
    if (!pool || pool->closing || bl_list_empty(&peer->pp.conns))
        return false;
    ops = pool->options.connector.ops;
    return pool->options.resolve_interval_ms != INT64_MAX && !(ops && ops->open);
}

void bl_names_consider(struct belay_peer *peer)
{
    struct bl_names_watch *watch = peer->names.watch;
    enum belay_family family;
    const char *host;
    if (!is_wanted(peer)) {
        if (watch)
            stop(watch);
        return;
    }
    if (!watch && name_of(peer->endpoint, &host, &family))
        peer->names.watch = watch = make(peer, host, family);
    if (!watch || watch->lookup)
        return;
    if (!bl_timer_active(&watch->timer) ||
        watch->interval_ms != peer->pool->options.resolve_interval_ms)
        arm(watch);
}

void bl_names_forget(struct belay_peer *peer)
{
    struct bl_names_watch *watch = peer->names.watch;
    if (!watch)
        return;
    stop(watch);
    watch->until = 0;
    bl_names_seen_fini(&watch->seen, &peer->loop->mem);
    bl_names_consider(peer);
}

void bl_names_fini(struct belay_peer *peer)
{
    struct bl_names_watch *watch = peer->names.watch;
    struct bl_mem *mem = &peer->loop->mem;
    if (!watch)
        return;
    peer->names.watch = NULL;
    stop(watch);
    bl_timer_fini(&watch->timer, peer->loop);
    bl_names_seen_fini(&watch->seen, mem);
    bl_free(mem, watch);
}
