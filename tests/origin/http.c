/* SPDX-License-Identifier: MIT */
/*
 * One request after the other on a connection. http_step() looks at where the two halves stand and
 * does the one thing that can be done next; conn.c calls it until nothing moves.
 */
#include "origin.h"

#include <string.h>

bool http_is_idle(const struct conn *c)
{
    return c->rx == RX_HEAD && c->tx == TX_NONE && c->in.len == 0 && c->out.len == 0;
}

static bool may_keep(const struct conn *c)
{
    const struct request *r = &c->req;
    bool asked = r->minor >= 1 ? !r->close : r->keep_alive && !r->close;
    bool spent = opt.close_after > 0 && c->requests >= (uint64_t)opt.close_after;
    return asked && !spent && !opt.http10;
}

void http_refuse(struct conn *c, int status)
{
    log_bad(c, status);
    bool answered = c->tx == TX_GOING || c->tx == TX_DONE;
    buf_take(&c->in, c->in.len);
    c->head_len = 0;
    c->rx = RX_DONE;
    c->keep = false;
    c->as_http10 = opt.http10;
    if (answered) { /* an early reply has begun: nothing can be said any more */
        c->tx = TX_DONE;
        c->end = END_CLOSE;
    } else {
        c->tx = TX_GOING;
        c->fill = NULL;
        reply_text(c, status, NULL, "the request is malformed or too large\n");
    }
}

static void request_begin(struct conn *c)
{
    struct request *r = &c->req;
    c->route = route_find(c);
    c->keep = may_keep(c);
    c->as_http10 = opt.http10;
    c->body = (struct body){.left = r->length};
    c->gen = (struct generator){0};
    c->rx = r->chunked || r->length > 0 ? RX_BODY : RX_DONE;
    if (c->rx == RX_DONE) {
        log_request(c);
        return;
    }
    unsigned flags = c->route->flags;
    if ((flags & ROUTE_EARLY) || ((flags & ROUTE_EARLY_EXPECT) && r->expect)) {
        route_run(c);
        if (c->end != END_KEEP) {
            log_request(
                c); /* before the reply leaves: the rest of the body will not be looked at */
        }
    } else if (r->expect && r->minor >= 1 && !(flags & ROUTE_NO_CONTINUE)) {
        buf_text(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
}

static bool head_step(struct conn *c)
{
    int status = 0;
    if (c->in.len == c->req.scanned || c->out.len >= OUT_HIGH) {
        return false;
    }
    enum parsed parsed = parse_head(c, &status);
    if (parsed == PARSE_MORE) {
        return false;
    }
    c->requests++;
    if (parsed == PARSE_DONE) {
        request_begin(c);
    } else {
        http_refuse(c, status);
    }
    return true;
}

static void reply_begin(struct conn *c)
{
    if (opt.delay > 0 && !route_is_stats(c->route)) {
        c->tx = TX_DELAY;
        timer_set(c, (uint64_t)opt.delay);
    } else {
        route_run(c);
    }
}

void route_run(struct conn *c)
{
    struct call k = {0};
    size_t prefix = strlen(c->route->name);
    c->tx = TX_GOING;
    c->fill = NULL;
    c->end = reply_end(c);
    if (c->route->flags & (ROUTE_NUMBER | ROUTE_REST)) {
        k.rest = conn_text(c, c->req.path) + prefix;
        k.rest_len = c->req.path.len - prefix;
    }
    if ((c->route->flags & ROUTE_NUMBER) &&
        (!number_read(k.rest, k.rest_len, &k.n) || k.n > INT64_MAX / 4)) {
        reply_text(c, 404, NULL, "a number is missing in the path\n");
    } else {
        c->route->handle(c, &k);
    }
}

static bool reply_step(struct conn *c)
{
    if (c->out.len >= OUT_HIGH) {
        return false;
    }
    enum filled filled = c->fill ? c->fill(c) : FILL_DONE;
    if (filled == FILL_DONE) {
        c->tx = TX_DONE;
    }
    return filled != FILL_WAIT;
}

static bool end_step(struct conn *c)
{
    if (c->end == END_KEEP && loop.draining) {
        c->end = END_CLOSE;
    }
    if (c->end == END_KEEP) {
        if (c->rx != RX_DONE) {
            return false;
        }
        c->rx = RX_HEAD;
        c->tx = TX_NONE;
        c->logged = false;
        buf_free(&c->hold);
        c->req = (struct request){.minor = -1};
        return true;
    }
    if (c->out.len > 0) {
        return false;
    }
    finish_start(c, c->end);
    return true;
}

bool http_step(struct conn *c)
{
    if (c->rx == RX_HEAD) {
        return head_step(c);
    }
    if (c->rx == RX_BODY && body_step(c)) {
        return true;
    }
    if (c->rx == RX_DONE && c->head_len > 0 && (c->tx == TX_GOING || c->tx == TX_DONE)) {
        buf_take(&c->in, c->head_len);
        c->head_len = 0;
    }
    switch (c->tx) {
    case TX_NONE:
        if (c->rx == RX_DONE) {
            reply_begin(c);
            return true;
        }
        return false;
    case TX_DELAY:
        return false;
    case TX_GOING:
        return reply_step(c);
    case TX_DONE:
        return end_step(c);
    }
    return false;
}
