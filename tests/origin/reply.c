/* SPDX-License-Identifier: MIT */
/* Building replies: heads with the connection's own rules in them, and bodies produced piece by
 * piece. */
#include "origin.h"

#include <stdio.h>
#include <string.h>

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 204:
        return "No Content";
    case 301:
        return "Moved Permanently";
    case 302:
        return "Found";
    case 303:
        return "See Other";
    case 304:
        return "Not Modified";
    case 307:
        return "Temporary Redirect";
    case 308:
        return "Permanent Redirect";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 413:
        return "Content Too Large";
    case 417:
        return "Expectation Failed";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Status";
    }
}

bool reply_has_body(const struct conn *c, int status)
{
    return !c->req.is_head && status >= 200 && status != 204 && status != 304;
}

enum end reply_end(const struct conn *c)
{
    if (!c->keep || loop.draining) {
        return END_CLOSE;
    }
    bool spent = opt.silent_close_after > 0 && c->requests >= (uint64_t)opt.silent_close_after;
    return spent ? END_SILENT : END_KEEP;
}

static void add_connection(struct conn *c)
{
    struct buf *out = &c->out;
    if (!c->keep) {
        buf_text(out, "Connection: close\r\n");
    } else {
        if (c->as_http10 || c->req.minor == 0) {
            buf_text(out, "Connection: keep-alive\r\n");
        }
        if (opt.keepalive_hint >= 0) {
            buf_format(out, "Keep-Alive: timeout=%lld\r\n", (long long)opt.keepalive_hint);
        }
    }
}

void reply_head(struct conn *c, int status, int64_t length, const char *extra)
{
    struct buf *out = &c->out;
    if (length == LEN_CHUNKED && (c->as_http10 || c->req.minor <= 0)) {
        length = LEN_CLOSE;
    }
    c->keep = c->keep && length != LEN_CLOSE && !loop.draining;
    c->gen.chunked = length == LEN_CHUNKED;
    buf_text(out, c->as_http10 ? "HTTP/1.0 " : "HTTP/1.1 ");
    buf_number(out, (uint64_t)status);
    buf_text(out, " ");
    buf_text(out, reason(status));
    buf_text(out, "\r\nServer: belay-origin\r\n");
    if (length >= 0) {
        buf_text(out, "Content-Length: ");
        buf_number(out, (uint64_t)length);
        buf_text(out, "\r\n");
    } else if (length == LEN_CHUNKED) {
        buf_text(out, "Transfer-Encoding: chunked\r\n");
    }
    add_connection(c);
    if (extra) {
        buf_text(out, extra);
    }
    buf_text(out, "\r\n");
    c->end = reply_end(c);
}

void reply_bytes(struct conn *c, int status, const char *extra, const void *data, size_t n)
{
    bool bare = status < 200 || status == 204 || status == 304;
    reply_head(c, status, bare ? LEN_NONE : (int64_t)n, extra);
    if (reply_has_body(c, status)) {
        buf_add(&c->out, data, n);
    }
}

void reply_text(struct conn *c, int status, const char *extra, const char *text)
{
    reply_bytes(c, status, extra, text, strlen(text));
}

void reply_filled(struct conn *c, int status, int64_t length, const char *extra, fill_fn *fill)
{
    reply_head(c, status, length, extra);
    if (reply_has_body(c, status)) {
        c->fill = fill;
    }
}

void reply_raw(struct conn *c, const void *data, size_t n, enum end end)
{
    buf_add(&c->out, data, n);
    c->end = end == END_KEEP ? reply_end(c) : end;
}

void reply_nothing(struct conn *c, enum end end)
{
    c->end = end;
}

/* ---- bodies; each call is made with less than OUT_HIGH waiting in c->out ---- */

static size_t room_for(const struct conn *c, uint64_t wanted)
{
    size_t room = OUT_HIGH - c->out.len;
    return wanted < room ? (size_t)wanted : room;
}

enum filled fill_pattern(struct conn *c)
{
    struct generator *g = &c->gen;
    size_t n = room_for(c, g->end - g->pos);
    buf_pattern(&c->out, g->pos, n);
    g->pos += n;
    return g->pos == g->end ? FILL_DONE : FILL_MORE;
}

static void count_sum(struct generator *g, size_t n)
{
    for (uint64_t i = g->pos; i < g->pos + n; i++) {
        g->sum += 'a' + i % 26;
    }
}

static enum filled chunks_end(struct conn *c)
{
    if (c->gen.chunked && c->gen.trailer) {
        buf_format(&c->out, "0\r\nX-Checksum: %llu\r\n\r\n", (unsigned long long)c->gen.sum);
    } else if (c->gen.chunked) {
        buf_text(&c->out, "0\r\n\r\n");
    }
    return FILL_DONE;
}

enum filled fill_chunks(struct conn *c)
{
    struct generator *g = &c->gen;
    while (c->out.len < OUT_HIGH) {
        if (g->chunk_left == 0) {
            if (g->pos == g->end) {
                return chunks_end(c);
            }
            g->chunk_left = g->step < g->end - g->pos ? g->step : g->end - g->pos;
            if (g->chunked) {
                buf_format(&c->out, "%llx\r\n", (unsigned long long)g->chunk_left);
            }
        }
        size_t n = c->out.len < OUT_HIGH ? room_for(c, g->chunk_left) : 0;
        if (g->trailer) {
            count_sum(g, n);
        }
        buf_pattern(&c->out, g->pos, n);
        g->pos += n;
        g->chunk_left -= n;
        if (g->chunked && g->chunk_left == 0 && n > 0) {
            buf_text(&c->out, "\r\n");
        }
    }
    return FILL_MORE;
}

enum filled fill_drip(struct conn *c)
{
    struct generator *g = &c->gen;
    if (g->pos < g->end && (g->tick || g->pos == 0)) {
        g->tick = false;
        buf_pattern(&c->out, g->pos++, 1);
        if (g->pos < g->end) {
            timer_set(c, g->ms);
        }
    }
    return g->pos == g->end ? FILL_DONE : FILL_WAIT;
}

enum filled fill_hang(struct conn *c)
{
    if (c->gen.pos < c->gen.end) {
        fill_pattern(c);
        return FILL_MORE;
    }
    if (c->eof) {
        c->end = END_CUT;
        return FILL_DONE;
    }
    return FILL_WAIT;
}

/* What a request body left in c->hold, under the framing that reply_head() chose. */
enum filled fill_hold(struct conn *c)
{
    size_t n = c->hold.len;
    if (n > 0) {
        if (c->gen.chunked) {
            buf_format(&c->out, "%zx\r\n", n);
        }
        buf_add(&c->out, buf_data(&c->hold), n);
        if (c->gen.chunked) {
            buf_text(&c->out, "\r\n");
        }
        buf_take(&c->hold, n);
        return FILL_MORE;
    }
    return c->rx == RX_DONE ? chunks_end(c) : FILL_WAIT;
}

enum filled fill_raw_echo(struct conn *c)
{
    size_t n = room_for(c, c->in.len);
    if (n > 0) {
        buf_add(&c->out, buf_data(&c->in), n);
        buf_take(&c->in, n);
        return FILL_MORE;
    }
    if (c->eof) {
        c->end = END_CLOSE;
        return FILL_DONE;
    }
    return FILL_WAIT;
}

enum filled fill_big_header(struct conn *c)
{
    enum filled filled = fill_pattern(c);
    if (filled == FILL_DONE) {
        buf_text(&c->out, "\r\nContent-Length: 5\r\n\r\nhello");
    }
    return filled;
}

/* The route's own piece again and again: gen.end times, then the end of a reply; for ever if that
 * is 0. */
enum filled fill_repeat(struct conn *c)
{
    struct generator *g = &c->gen;
    while (c->out.len < OUT_HIGH) {
        if (g->end > 0 && g->pos == g->end) {
            buf_text(&c->out, "Content-Length: 5\r\n\r\nhello");
            return FILL_DONE;
        }
        buf_add(&c->out, c->route->raw, c->route->raw_len);
        g->pos++;
    }
    return FILL_MORE;
}
