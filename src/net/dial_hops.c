/* SPDX-License-Identifier: MIT */
/*
 * From the first socket to the target, filter upon filter. For each hop there are two layers, TLS
 * with it and what it is asked; then the header of the PROXY protocol, then TLS with the target.
 * Most of them are absent.
 */
#include "net/dial_inside.h"
#include "net/proxy_filter.h"

/* ---- what failed ---- */

void bl_dial_describe_layer(const struct bl_dial *d, struct belay_error *error)
{
    const struct bl_route *r = d->route;
    char whom[BL_WHOM_MAX];

    if (d->stage != BELAY_STAGE_TLS && d->hop + 1 < r->hops_n)
        bl_error_prefix(error, "connecting to %s, asked for %s:%u", bl_dial_whom(d, whom),
                        r->hops[d->hop + 1].host, (unsigned)r->hops[d->hop + 1].port);
    else if (d->stage != BELAY_STAGE_TLS)
        bl_error_prefix(error, "connecting to %s", bl_dial_whom(d, whom));
    else if (d->hop < r->hops_n)
        bl_error_prefix(error, "negotiating TLS with %s on the way to %s", r->hops[d->hop].name,
                        d->plan.target);
    else
        bl_error_prefix(error, "negotiating TLS with %s", bl_dial_whom(d, whom));
}

static void fail(struct bl_dial *d, struct belay_error *error)
{
    bl_dial_describe_layer(d, error);
    bl_dial_fail(d, error);
}

/* ---- layers ---- */

static void on_started(const struct belay_error *error, void *arg)
{
    struct bl_dial *d = arg;
    struct belay_error own;

    if (!error) {
        d->layer++;
        bl_dial_climb(d);
        return;
    }
    own = *error;
    fail(d, &own);
}

/* `rc` and `error` are of making the filter. */
static void push(struct bl_dial *d, int rc, struct bl_filter *filter, struct belay_error *error)
{
    if (rc < 0)
        fail(d, error);
    else
        bl_stream_push(d->stream, filter, on_started, d);
}

static void start_tls(struct bl_dial *d, const struct bl_tls_want *want)
{
    struct bl_filter *filter = NULL;
    struct belay_error error;
    int rc;

    bl_dial_enter(d, BELAY_STAGE_TLS, d->plan.tls_timeout_ms);
    rc = bl_tls_filter_new(d->loop, want, bl_stream_top(d->stream), &filter, &error);
    push(d, rc, filter, &error);
}

static void start_hop_tls(struct bl_dial *d, const struct bl_hop *hop)
{
    struct bl_tls_want want = {
        .tls = hop->tls,
        .server_name = hop->server_name,
        .discreet = true,
        .session_key = hop->session_key,
        .session_key_len = hop->session_key_len,
    };

    start_tls(d, &want);
}

static void start_target_tls(struct bl_dial *d)
{
    const struct bl_dial_plan *p = &d->plan;
    struct bl_tls_want want = {
        .tls = p->tls,
        .server_name = p->server_name,
        .alpn = p->alpn,
        .alpn_len = p->alpn_len,
        .no_sni = p->no_sni,
        .discreet = d->route->hops_n > 0,
        .session_key = p->session_key,
        .session_key_len = p->session_key_len,
    };

    start_tls(d, &want);
}

static void start_asking(struct bl_dial *d, const struct bl_hop *hop)
{
    struct bl_filter *filter = NULL;
    struct bl_proxy_ask ask;
    struct belay_error error;
    int rc;

    bl_dial_ask(d, d->hop, &ask.addr, &ask.host, &ask.port);
    bl_dial_enter(d, BELAY_STAGE_PROXY, d->plan.proxy_timeout_ms);
    rc = bl_proxy_filter_new(d->loop, hop, &ask, bl_stream_top(d->stream), &filter, &error);
    push(d, rc, filter, &error);
}

static void start_header(struct bl_dial *d)
{
    const struct bl_dial_plan *p = &d->plan;
    const struct belay_addr *from = p->proxy_source, *to = p->proxy_destination;
    bool proxied = d->route->hops_n > 0; /* the socket is the first proxy's */
    struct belay_addr local, peer;
    struct bl_filter *filter = NULL;
    struct belay_error error;
    int rc;

    if (!from && !proxied && belay_stream_local_addr(d->stream, &local) == 0)
        from = &local;
    if (!to && !proxied && belay_stream_peer_addr(d->stream, &peer) == 0)
        to = &peer;
    bl_dial_enter(d, BELAY_STAGE_PROXY, p->proxy_timeout_ms);
    rc = bl_proxy_header_filter_new(d->loop, p->proxy_protocol, from, to, bl_stream_top(d->stream),
                                    &filter, &error);
    push(d, rc, filter, &error);
}

/* Starts the hop's layer; false if there is none. */
static bool start_hop_layer(struct bl_dial *d)
{
    const struct bl_hop *hop = &d->route->hops[d->hop];
    bool tls_layer = d->layer % 2 == 0;

    if (tls_layer && hop->tls)
        start_hop_tls(d, hop);
    else if (!tls_layer && hop->kind != BL_HOP_FORWARD)
        start_asking(d, hop);
    else
        return false;
    return true;
}

void bl_dial_climb(struct bl_dial *d)
{
    size_t n = d->route->hops_n;

    for (; d->layer < 2 * n; d->layer++) {
        d->hop = d->layer / 2;
        if (start_hop_layer(d))
            return;
    }
    d->hop = n;
    if (d->layer == 2 * n) {
        bl_dial_route_stands(d);
        if (d->plan.proxy_protocol) {
            start_header(d);
            return;
        }
        d->layer++;
    }
    if (d->layer == 2 * n + 1 && d->plan.tls)
        start_target_tls(d);
    else
        bl_dial_succeed(d);
}
