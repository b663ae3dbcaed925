/* SPDX-License-Identifier: MIT */
/* The request body: by length or chunked, taken as it arrives, discarded or held for an echo. */
#include "origin.h"

#include <string.h>

enum { TRAILERS_MAX = 16 * 1024 };

static void sink(struct conn *c, const char *p, size_t n)
{
    c->body.seen += n;
    if (c->route->flags & ROUTE_HOLD) {
        buf_add(&c->hold, p, n);
    }
}

static int hex_value(unsigned char b)
{
    unsigned char lower = b | 0x20;
    return b >= '0' && b <= '9' ? b - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool size_byte(struct body *b, unsigned char byte)
{
    int v = hex_value(byte);
    if (v >= 0) {
        b->left = b->left << 4 | (unsigned)v;
        return ++b->digits <= 15;
    }
    b->state = byte == ';' ? CHUNK_EXT : CHUNK_LF;
    return b->digits > 0 && (byte == ';' || byte == '\r');
}

static bool trailer_byte(struct body *b, unsigned char byte)
{
    if (byte == '\r') {
        b->state = b->line_empty ? LAST_LF : TRAILER_LF;
        return true;
    }
    b->line_empty = false;
    return (byte >= 0x20 || byte == '\t') && ++b->trailer_bytes <= TRAILERS_MAX;
}

static void next_chunk(struct body *b)
{
    b->state = CHUNK_SIZE;
    b->digits = 0;
    b->left = 0;
}

/* One byte of the framing; false where it is wrong. *ret_done: it was the last one. */
static bool frame_byte(struct body *b, unsigned char byte, bool *ret_done)
{
    switch (b->state) {
    case CHUNK_SIZE:
        return size_byte(b, byte);
    case CHUNK_EXT:
        b->state = byte == '\r' ? CHUNK_LF : CHUNK_EXT;
        return byte >= 0x20 || byte == '\t' || byte == '\r';
    case CHUNK_LF:
        b->state = b->left > 0 ? CHUNK_DATA : TRAILER;
        b->line_empty = true;
        return byte == '\n';
    case CHUNK_CR:
        b->state = CHUNK_END;
        return byte == '\r';
    case CHUNK_END:
        next_chunk(b);
        return byte == '\n';
    case TRAILER:
        return trailer_byte(b, byte);
    case TRAILER_LF:
        b->state = TRAILER;
        b->line_empty = true;
        return byte == '\n';
    case LAST_LF:
        *ret_done = byte == '\n';
        return byte == '\n';
    case CHUNK_DATA:
        break;
    }
    return false;
}

/* Returns the bytes consumed; *ret_ok is false where the framing is wrong. */
static size_t chunked_take(struct conn *c, const char *p, size_t n, bool *ret_ok, bool *ret_done)
{
    struct body *b = &c->body;
    size_t i = 0;
    while (i < n && *ret_ok && !*ret_done) {
        if (b->state == CHUNK_DATA) {
            size_t part = n - i < b->left ? n - i : (size_t)b->left;
            sink(c, p + i, part);
            i += part;
            b->left -= part;
            b->state = b->left == 0 ? CHUNK_CR : CHUNK_DATA;
        } else {
            *ret_ok = frame_byte(b, (unsigned char)p[i++], ret_done);
        }
    }
    return i;
}

static size_t length_take(struct conn *c, const char *p, size_t n, bool *ret_done)
{
    size_t part = n < c->body.left ? n : (size_t)c->body.left;
    sink(c, p, part);
    c->body.left -= part;
    *ret_done = c->body.left == 0;
    return part;
}

/* True where the echo must first make room; a long body starts its echo here. */
static bool must_wait(struct conn *c, bool *ret_moved)
{
    if (!(c->route->flags & ROUTE_HOLD)) {
        return false;
    }
    if (c->tx == TX_NONE && (c->hold.len >= ECHO_HOLD || query_number(c, "stream", 0) == 1)) {
        echo_start(c, c->req.chunked ? LEN_CHUNKED : (int64_t)c->req.length);
        *ret_moved = true;
        return true;
    }
    return c->tx != TX_NONE && c->hold.len >= OUT_HIGH;
}

bool body_step(struct conn *c)
{
    bool moved = false, ok = true, done = false;
    size_t n = c->in.len - c->head_len;
    if (must_wait(c, &moved)) {
        return moved;
    }
    if (n == 0) {
        return false;
    }
    const char *p = buf_data(&c->in) + c->head_len;
    size_t used = c->req.chunked ? chunked_take(c, p, n, &ok, &done) : length_take(c, p, n, &done);
    if (!ok) {
        http_refuse(c, 400);
        return true;
    }
    buf_cut(&c->in, c->head_len, used);
    if (done) {
        c->rx = RX_DONE;
        log_request(c);
    }
    return true;
}
