/* SPDX-License-Identifier: MIT */
/* The request head, strictly: what a client must not send is refused, never repaired. */
#include "origin.h"

#include <string.h>
#include <strings.h>

static bool is_token(const char *p, size_t n)
{
    static const char set[] =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static bool token[256];
    if (!token['a']) {
        for (size_t i = 0; i + 1 < sizeof(set); i++) {
            token[(unsigned char)set[i]] = true;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!token[(unsigned char)p[i]]) {
            return false;
        }
    }
    return n > 0;
}

static bool is_clean(const char *p, size_t n, bool partial)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char b = (unsigned char)p[i];
        if ((b < 0x20 && b != '\t' && !(partial && b == '\r')) || b == 0x7f) {
            return false;
        }
    }
    return true;
}

bool name_is(const char *p, size_t n, const char *name)
{
    return strlen(name) == n && strncasecmp(p, name, n) == 0;
}

bool number_read(const char *p, size_t n, uint64_t *ret_number)
{
    uint64_t value = 0;
    if (n == 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)(unsigned char)p[i] - '0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret_number = value;
    return true;
}

static struct span span_of(const char *base, const char *p, const char *end)
{
    return (struct span){(uint32_t)(p - base), (uint32_t)(end - p)};
}

/* Finds path and query in an origin-form or absolute-form target. */
static bool split_target(struct request *r, const char *base, const char *p, const char *end)
{
    r->target = span_of(base, p, end);
    for (const char *q = p; q < end; q++) {
        if ((unsigned char)*q <= 0x20 || (unsigned char)*q >= 0x7f || *q == '#') {
            return false;
        }
    }
    if (end - p > 7 && strncasecmp(p, "http://", 7) == 0) {
        const char *slash = memchr(p + 7, '/', (size_t)(end - p) - 7);
        p = slash ? slash : end;
    }
    const char *mark = memchr(p, '?', (size_t)(end - p));
    r->path = span_of(base, p, mark ? mark : end);
    r->query = mark ? span_of(base, mark + 1, end) : span_of(base, end, end);
    return r->target.len > 0;
}

/* Returns 0 or the status to refuse it with. */
static int request_line(struct request *r, const char *base, const char *p, size_t n)
{
    const char *end = p + n;
    const char *sp = memchr(p, ' ', n);
    if (!sp || !is_token(p, (size_t)(sp - p))) {
        return 400;
    }
    const char *target = sp + 1;
    const char *sp2 = memchr(target, ' ', (size_t)(end - target));
    if (!sp2 || end - sp2 != 9 || memcmp(sp2, " HTTP/", 6) != 0 || sp2[7] != '.') {
        return 400;
    }
    if (sp2[6] != '1' || (sp2[8] != '0' && sp2[8] != '1')) {
        return 505;
    }
    r->method = span_of(base, p, sp);
    r->is_head = r->method.len == 4 && memcmp(p, "HEAD", 4) == 0;
    r->minor = sp2[8] - '0';
    return split_target(r, base, target, sp2) ? 0 : 400;
}

static bool header_split(const char *p, size_t n, struct header *h)
{
    const char *colon = memchr(p, ':', n);
    if (!colon || !is_token(p, (size_t)(colon - p))) {
        return false;
    }
    const char *v = colon + 1, *end = p + n;
    while (v < end && (*v == ' ' || *v == '\t')) {
        v++;
    }
    while (end > v && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    *h = (struct header){p, v, (size_t)(colon - p), (size_t)(end - v)};
    return true;
}

bool header_has_token(const struct header *h, const char *token)
{
    const char *p = h->value, *end = p + h->value_len;
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        const char *stop = comma ? comma : end, *last = stop;
        while (p < last && (*p == ' ' || *p == '\t')) {
            p++;
        }
        while (last > p && (last[-1] == ' ' || last[-1] == '\t')) {
            last--;
        }
        if (name_is(p, (size_t)(last - p), token)) {
            return true;
        }
        p = stop + 1;
    }
    return false;
}

/* Returns 0 or the status to refuse it with. */
static int header_note(struct request *r, const struct header *h)
{
    if (name_is(h->name, h->name_len, "host")) {
        if (r->has_host) {
            return 400;
        }
        r->has_host = true;
    } else if (name_is(h->name, h->name_len, "content-length")) {
        if (r->has_length || !number_read(h->value, h->value_len, &r->length)) {
            return 400;
        }
        r->has_length = true;
    } else if (name_is(h->name, h->name_len, "transfer-encoding")) {
        if (r->chunked || !name_is(h->value, h->value_len, "chunked")) {
            return r->chunked ? 400 : 501;
        }
        r->chunked = true;
    } else if (name_is(h->name, h->name_len, "connection")) {
        r->close = r->close || header_has_token(h, "close");
        r->keep_alive = r->keep_alive || header_has_token(h, "keep-alive");
    } else if (name_is(h->name, h->name_len, "expect")) {
        r->expect = r->expect || header_has_token(h, "100-continue");
    }
    return 0;
}

static int head_check(const struct request *r)
{
    if (r->minor >= 1 && !r->has_host) {
        return 400;
    }
    if (r->chunked && (r->has_length || r->minor == 0)) {
        return 400;
    }
    return 0;
}

/* Returns 0 or the status to refuse it with. */
static int line_take(struct request *r, const char *base, const char *p, size_t n)
{
    struct header h;
    if (!is_clean(p, n, false)) {
        return 400;
    }
    if (r->minor < 0) {
        int status = request_line(r, base, p, n);
        r->headers = (uint32_t)(p - base + (ptrdiff_t)n + 2);
        return status;
    }
    if (++r->n_headers > HEADERS_MAX) {
        return 431;
    }
    return header_split(p, n, &h) ? header_note(r, &h) : 400;
}

enum parsed parse_head(struct conn *c, int *ret_status)
{
    struct request *r = &c->req;
    const char *base = buf_data(&c->in);
    for (;;) {
        size_t left = c->in.len - r->scanned;
        const char *nl = left ? memchr(base + r->scanned, '\n', left) : NULL;
        size_t end = nl ? (size_t)(nl - base) : c->in.len;
        *ret_status = 400;
        if (end >= HEAD_MAX) {
            *ret_status = 431;
            return PARSE_BAD;
        }
        if (!nl) {
            bool clean = is_clean(base + r->scanned, left, true);
            r->scanned = (uint32_t)end;
            return clean ? PARSE_MORE : PARSE_BAD;
        }
        if (end == r->line || nl[-1] != '\r') {
            return PARSE_BAD;
        }
        size_t n = end - 1 - r->line;
        if (n > 0) {
            *ret_status = line_take(r, base, base + r->line, n);
        } else if (r->minor < 0) {
            *ret_status = r->line == 0 ? 0 : 400; /* one empty line before a request is let pass */
        } else {
            c->head_len = end + 1;
            *ret_status = head_check(r);
            return *ret_status ? PARSE_BAD : PARSE_DONE;
        }
        if (*ret_status) {
            return PARSE_BAD;
        }
        r->line = r->scanned = (uint32_t)(end + 1);
    }
}

bool header_next(const struct conn *c, size_t *at, struct header *ret_header)
{
    const char *base = buf_data(&c->in);
    if (*at == 0) {
        *at = c->req.headers;
    }
    const char *p = base + *at;
    const char *nl = memchr(p, '\n', c->head_len - *at);
    if (!nl || nl - p < 2 || !header_split(p, (size_t)(nl - p) - 1, ret_header)) {
        return false;
    }
    *at = (size_t)(nl - base) + 1;
    return true;
}

bool header_find(const struct conn *c, const char *name, struct header *ret_header)
{
    for (size_t at = 0; header_next(c, &at, ret_header);) {
        if (name_is(ret_header->name, ret_header->name_len, name)) {
            return true;
        }
    }
    return false;
}
