/* SPDX-License-Identifier: MIT */
/*
 * The ways of a dial: which comes first, which next, and whose fault it is when one fails.
 *
 * A way that fails before it reaches the target makes room for the next. Its failure is remembered
 * against its proxies unless they work: an answer that speaks of the target (HTTP 403, 404, 410,
 * 451, 502 to 504; SOCKS 5's 1 to 6 and 8; SOCKS 4's 91) does not count against them, nor does a name of
 * the target's that cannot be looked up, nor what this process cannot do. What goes wrong with the
 * target itself, once a tunnel stands, is final: another way leads to the same.
 */
#include "net/dial_inside.h"
#include "net/failures.h"
#include "net/proxy_filter.h"

/*
 * A proxy asked for IPv6 may know no way there, so IPv4 is waited for, longer than in a race: a
 * name server that loses the query is asked again after a second. (A look-up that has found IPv4
 * has waited for IPv6.)
 */
#define WAIT_FOR_IPV4_MS 1000

#define WAY_MIN_MS 100 /* of the whole dial's time, for a way that is not the last */

static const struct bl_route direct = {0};

static size_t last_hop(const struct bl_dial *d)
{
    return d->route->hops_n - 1;
}

/* ---- their order ---- */

static bool failed_lately(struct bl_dial *d, size_t i)
{
    const struct bl_route *r = &d->plan.routes[i];
    return r->key && bl_failure_is(d->loop, r->key, r->key_len);
}

void bl_dial_order_routes(struct bl_dial *d)
{
    size_t n = 0;

    for (size_t i = 0; i < d->plan.routes_n; i++) {
        if (!failed_lately(d, i))
            d->order[n++] = i;
    }
    for (size_t i = 0; i < d->plan.routes_n && n < d->plan.routes_n; i++) {
        if (failed_lately(d, i))
            d->order[n++] = i;
    }
}

/* ---- what the hops are asked for ---- */

static bool can_ask_for(const struct bl_hop *hop, const struct belay_addr *addr)
{
    if (hop->kind == BL_HOP_SOCKS4 || hop->kind == BL_HOP_SOCKS4A)
        return addr->family == BELAY_FAMILY_IPV4;
    return addr->family != BELAY_FAMILY_UNIX;
}

/* The first few, one family after the other, as for a race. */
static void ask_for(struct bl_dial *d, size_t hop, const struct belay_addr *addrs, size_t n)
{
    struct bl_asked *asked = &d->asks[hop];
    struct bl_race mixed;

    bl_race_init(&mixed, 0);
    bl_race_addresses(&mixed, addrs, n, false);
    asked->n = asked->at = 0;
    for (size_t i = 0; i < mixed.n && asked->n < BL_ASKED_MAX; i++) {
        if (can_ask_for(&d->route->hops[hop], &mixed.addrs[i]))
            asked->addrs[asked->n++] = mixed.addrs[i];
    }
}

static const char *asked_host(const struct bl_dial *d, size_t hop, uint16_t *ret_port)
{
    bool last = hop == last_hop(d);

    *ret_port = last ? d->plan.port : d->route->hops[hop + 1].port;
    return last ? d->plan.host : d->route->hops[hop + 1].host;
}

void bl_dial_ask(const struct bl_dial *d, size_t hop, const struct belay_addr **ret_addr,
                 const char **ret_host, uint16_t *ret_port)
{
    const struct bl_asked *asked = &d->asks[hop];
    const struct belay_addr *addr = asked->n > 0 ? &asked->addrs[asked->at] : NULL;

    *ret_host = asked_host(d, hop, ret_port);
    if (addr)
        *ret_port = addr->port;
    *ret_addr = addr;
}

/* Numbers need no look-up, whoever would do it. */
static void note_number(struct bl_dial *d, size_t hop)
{
    struct belay_addr addr;
    uint16_t port;
    const char *host = asked_host(d, hop, &port);

    if (host && belay_addr_parse_ip(host, strlen(host), port, &addr) == 0)
        ask_for(d, hop, &addr, 1);
}

static int note_asks(struct bl_dial *d)
{
    size_t n = d->route->hops_n;

    d->asks = bl_zalloc(&d->loop->mem, n * sizeof *d->asks);
    if (!d->asks)
        return BELAY_ENOMEM;
    for (size_t i = 0; i + 1 < n; i++)
        note_number(d, i);
    if (d->plan.addrs)
        ask_for(d, n - 1, d->plan.addrs, d->plan.addrs_n);
    else
        note_number(d, n - 1);
    return 0;
}

/* ---- looking them up ---- */

const char *bl_dial_looked_up_host(const struct bl_dial *d)
{
    uint16_t port;

    if (d->looking == BL_LOOKING_FOR_ASK)
        return asked_host(d, d->hop, &port);
    return d->route->hops_n > 0 ? d->route->hops[0].host : d->plan.host;
}

static bool wants_look_up(const struct bl_dial *d)
{
    const struct belay_addr *addr;
    const char *host;
    uint16_t port;

    if (!bl_hop_wants_address(d->route->hops[d->hop].kind))
        return false;
    bl_dial_ask(d, d->hop, &addr, &host, &port);
    return !addr;
}

static void cannot_ask(struct bl_dial *d)
{
    struct belay_error error;
    char whom[BL_WHOM_MAX];

    d->stage = BELAY_STAGE_PROXY;
    bl_error_set(&error, BELAY_EINVAL, BELAY_STAGE_PROXY,
                 "connecting to %s: the proxy cannot be asked for this kind of address",
                 bl_dial_whom(d, whom));
    bl_dial_fail(d, &error);
}

static void connect_first(struct bl_dial *d)
{
    const struct bl_hop *hop = &d->route->hops[0];
    int rc;

    d->hop = 0;
    if (hop->addrs) {
        bl_dial_add_addresses(d, hop->addrs, hop->addrs_n, false);
        return;
    }
    rc = bl_dial_look_up(d, BL_LOOKING_FOR_PEER, hop->host, hop->port, d->plan.family);
    if (rc < 0)
        bl_dial_no_look_up(d, rc);
}

/* Looks up the next ask that has to be, or connects. */
static void prepare(struct bl_dial *d)
{
    for (; d->hop < d->route->hops_n; d->hop++) {
        bool v4 = d->route->hops[d->hop].kind == BL_HOP_SOCKS4;
        bool last = d->hop == last_hop(d);
        enum belay_family family = last ? d->plan.family : BELAY_FAMILY_NONE;
        uint16_t port;
        const char *host = asked_host(d, d->hop, &port);
        int rc;

        if (d->route->hops[d->hop].kind == BL_HOP_FORWARD)
            continue;
        if (last && d->plan.addrs && d->asks[d->hop].n == 0) {
            cannot_ask(d);
            return;
        }
        if (!wants_look_up(d))
            continue;
        if (v4 && family == BELAY_FAMILY_IPV6) {
            cannot_ask(d);
            return;
        }
        rc = bl_dial_look_up(d, BL_LOOKING_FOR_ASK, host, port, v4 ? BELAY_FAMILY_IPV4 : family);
        if (rc < 0)
            bl_dial_no_look_up(d, rc);
        return;
    }
    connect_first(d);
}

static bool any_ipv4(const struct belay_addr *addrs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (addrs[i].family == BELAY_FAMILY_IPV4)
            return true;
    }
    return false;
}

void bl_dial_looked_up_ask(struct bl_dial *d, const struct belay_addr *addrs, size_t n, bool more)
{
    ask_for(d, d->hop, addrs, n);
    if (!more || any_ipv4(addrs, n)) {
        bl_dial_ask_anyway(d);
        return;
    }
    d->ask_at = bl_after_ms(bl_now(d->loop), WAIT_FOR_IPV4_MS);
    if (d->ask_at > d->deadline)
        d->ask_at = d->deadline;
    bl_timer_at(&d->timer, d->loop, d->ask_at);
}

void bl_dial_ask_anyway(struct bl_dial *d)
{
    bl_resolve_cancel(d->lookup);
    d->lookup = NULL;
    d->ask_at = 0;
    if (wants_look_up(d)) {
        cannot_ask(d);
        return;
    }
    d->hop++;
    prepare(d);
}

/* ---- one way after the other ---- */

/* Those that follow shall have their share of the time. */
static void limit_way(struct bl_dial *d)
{
    uint64_t now = bl_now_fresh(d->loop), least = bl_after_ms(now, WAY_MIN_MS);
    size_t left = d->plan.routes_n - d->route_at;

    d->way_end = d->end;
    if (d->end == BELAY_NEVER || d->end <= now || left < 2)
        return;
    d->way_end = now + (d->end - now) / left;
    if (d->way_end < least)
        d->way_end = least < d->end ? least : d->end;
}

void bl_dial_set_route(struct bl_dial *d)
{
    d->route = d->plan.routes_n > 0 ? &d->plan.routes[d->order[d->route_at]] : &direct;
}

void bl_dial_begin_route(struct bl_dial *d)
{
    int rc = 0;

    bl_dial_set_route(d);
    bl_race_init(&d->race, bl_after_ms(0, d->plan.race_delay_ms));
    d->layer = d->hop = 0;
    d->stage = BELAY_STAGE_RESOLVE;
    limit_way(d);
    if (d->route->hops_n > 0) {
        rc = d->asks ? 0 : note_asks(d);
        if (rc == 0)
            prepare(d);
        else
            bl_dial_fail_with(d, rc);
        return;
    }
    if (d->plan.addrs)
        bl_dial_add_addresses(d, d->plan.addrs, d->plan.addrs_n, false);
    else
        rc = bl_dial_look_up(d, BL_LOOKING_FOR_PEER, d->plan.host, d->plan.port, d->plan.family);
    if (rc < 0)
        bl_dial_no_look_up(d, rc);
}

/* ---- failures ---- */

static bool is_our_own(int code)
{
    return code == BELAY_ENOMEM || code == BELAY_EMFILE || code == BELAY_EOS;
}

/* It speaks of what lies behind the last proxy. */
static bool is_targets(const struct bl_dial *d, const struct belay_error *error)
{
    if (d->route->hops_n == 0 || d->hop != last_hop(d))
        return false;
    if (d->stage == BELAY_STAGE_RESOLVE)
        return d->looking == BL_LOOKING_FOR_ASK;
    return d->stage == BELAY_STAGE_PROXY &&
           bl_hop_blames_target(d->route->hops[d->hop].kind, error);
}

/* It was still on its way to the target. */
static bool is_on_the_way(const struct bl_dial *d)
{
    return d->hop < d->route->hops_n || d->stage == BELAY_STAGE_RESOLVE ||
           d->stage == BELAY_STAGE_CONNECT;
}

/* The proxy knows of no way to this address of what it was asked for; perhaps to the next. */
static bool has_next_address(const struct bl_dial *d, const struct belay_error *error)
{
    return d->stage == BELAY_STAGE_PROXY && d->hop < d->route->hops_n &&
           bl_hop_blames_target(d->route->hops[d->hop].kind, error) &&
           d->asks[d->hop].at + 1 < d->asks[d->hop].n;
}

bool bl_dial_next_way(struct bl_dial *d, const struct belay_error *error)
{
    const struct bl_route *r = d->route;
    bool in_time = bl_now_fresh(d->loop) < d->end;

    if (is_our_own(error->code) || !is_on_the_way(d))
        return false;
    if (in_time && has_next_address(d, error)) {
        d->asks[d->hop].at++;
        return true;
    }
    if (r->key && error->code != BELAY_EINVAL && !is_targets(d, error))
        bl_failure_note(d->loop, r->key, r->key_len);
    if (!in_time || d->route_at + 1 >= d->plan.routes_n)
        return false;
    d->route_at++;
    bl_free(&d->loop->mem, d->asks);
    d->asks = NULL;
    return true;
}

void bl_dial_route_stands(struct bl_dial *d)
{
    d->stream->proxied = d->route->hops_n > 0;
    d->way_end = d->end;
    if (d->plan.routes_n > 0)
        d->stream->way = d->order[d->route_at] & 15u;
    if (d->route->key)
        bl_failure_clear(d->loop, d->route->key, d->route->key_len);
}
