/* SPDX-License-Identifier: MIT */
/*
 * Blocks of a response, the head and the trailers: the pieces they come in, and what is wrong with them beyond what llhttp
 * sees.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "wire/h1_parts.h"

/* ---- errors ---- */

int bl_h1_parser_fail(struct bl_h1_parser *p, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(p->text, sizeof p->text, format, args);
    va_end(args);
    p->failed = code;
    return code;
}

int bl_h1_fail_memory(struct bl_h1_parser *p)
{
    return bl_h1_parser_fail(p, BELAY_ENOMEM, "out of memory");
}

/* What the peer speaks instead, when it did not even begin as HTTP does. */
int bl_h1_fail_beginning(struct bl_h1_parser *p, const char *data, size_t len)
{
    char shown[48];

    if ((data[0] == 0x15 || data[0] == 0x16) && (len == 1 || data[1] == 3))
        return bl_h1_parser_fail(p, BELAY_EPROTO, "the peer speaks TLS, not plain HTTP");
    if (p->discreet)
        return bl_h1_parser_fail(p, BELAY_EPROTO, "what the peer answers is not HTTP/1.x");
    return bl_h1_parser_fail(p, BELAY_EPROTO,
                             "the response begins with \"%s\", which is not HTTP/1.x",
                             bl_text_show(shown, sizeof shown, data, len));
}

bool bl_h1_begins(const char *data, size_t len)
{
    static const char http[] = "HTTP/1.";

    return memcmp(data, http, len < sizeof http - 1 ? len : sizeof http - 1) == 0;
}

/* ---- blocks ---- */

void bl_h1_block_begin(struct bl_h1_parser *p, const char *start, bool after_line)
{
    p->piece_start = start;
    p->places_n = p->headers_n = 0;
    p->in_name = false;
    p->line_ended = after_line;
    bl_buf_clear(&p->store);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Whether a line of the piece begins with a blank: a folded line. */
static bool has_fold(struct bl_h1_parser *p, const char *from, const char *to)
{
    if (from == to)
        return false;
    if (p->line_ended && is_blank(*from))
        return true;
    p->line_ended = to[-1] == '\n';
    while (from < to && (from = memchr(from, '\n', (size_t)(to - from)))) {
        if (++from < to && is_blank(*from))
            return true;
    }
    return false;
}

/* The piece up to `to` belongs to the block. */
int bl_h1_block_check(struct bl_h1_parser *p, const char *to)
{
    if (bl_buf_len(&p->store) + (size_t)(to - p->piece_start) > p->limits.header_bytes)
        return bl_h1_parser_fail(p, BELAY_ELIMIT, "the response's headers have more than %u bytes",
                                 p->limits.header_bytes);
    if (has_fold(p, p->piece_start, to))
        return bl_h1_parser_fail(p, BELAY_EPROTO, "the response has a folded header line");
    return 0;
}

int bl_h1_block_keep(struct bl_h1_parser *p, const char *to)
{
    if (bl_buf_append(&p->store, p->mem, p->piece_start, (size_t)(to - p->piece_start)) < 0)
        return bl_h1_fail_memory(p);
    p->piece_start = to;
    return 0;
}

/* The block ends at `to`: its first byte, wherever it is. NULL: failed. */
const char *bl_h1_block_end(struct bl_h1_parser *p, const char *to)
{
    const char *base = p->piece_start;

    if (bl_h1_block_check(p, to) < 0)
        return NULL;
    if (bl_buf_len(&p->store) > 0) {
        if (bl_h1_block_keep(p, to) < 0)
            return NULL;
        base = bl_buf_head(&p->store);
    }
    for (uint32_t i = 0; i < p->places_n; i++) {
        const struct bl_h1_place *place = &p->places[i];
        struct belay_header *h = &p->headers[i];

        if (place->name_len == 0) {
            bl_h1_parser_fail(p, BELAY_EPROTO, "the response has a header without a name");
            return NULL;
        }
        h->name = base + place->name;
        h->name_len = place->name_len;
        h->value = base + place->value;
        h->value_len = place->value_len;
        while (h->value_len > 0 && is_blank(h->value[h->value_len - 1]))
            h->value_len--;
    }
    p->headers_n = p->places_n;
    return base;
}

/* ---- the head ---- */

/* llhttp reads more forms of the status line than there are; a head may be of twelve bytes, with no
 * status at all. */
int bl_h1_check_status_line(struct bl_h1_parser *p, const char *base, size_t len)
{
    const llhttp_t *raw = bl_h1_raw(p);
    int digits = 0;

    if (memcmp(base, "HTTP/", 5) != 0)
        return bl_h1_fail_beginning(p, base, len < 16 ? len : 16);
    if (!bl_h1_begins(base, 7) || raw->http_major != 1 || raw->http_minor > 1)
        return bl_h1_parser_fail(p, BELAY_EPROTO, "the response has version HTTP/%u.%u",
                                 raw->http_major, raw->http_minor);
    for (size_t i = 9; i < len && base[i] >= '0' && base[i] <= '9' && digits < 4; i++)
        digits++;
    if (raw->status_code < 100 || raw->status_code > 599 || digits != 3)
        return bl_h1_parser_fail(p, BELAY_EPROTO,
                                 "the response has status \"%.*s\", which does not exist", digits,
                                 base + 9);
    for (uint32_t i = 0; i < p->reason_len; i++) {
        unsigned char c = (unsigned char)base[p->reason_at + i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return bl_h1_parser_fail(p, BELAY_EPROTO,
                                     "the response's status line holds a control character");
    }
    return 0;
}

int bl_h1_check_framing(struct bl_h1_parser *p)
{
    const llhttp_t *raw = bl_h1_raw(p);

    if ((raw->flags & F_CONTENT_LENGTH) && raw->content_length > INT64_MAX)
        return bl_h1_parser_fail(p, BELAY_EPROTO, "the response has an invalid Content-Length");
    if (!(raw->flags & F_TRANSFER_ENCODING))
        return 0;
    if (raw->flags & F_CONTENT_LENGTH)
        return bl_h1_parser_fail(p, BELAY_EPROTO, "the response has contradictory lengths");
    for (uint32_t i = 0, codings = 0; i < p->headers_n; i++) {
        const struct belay_header *h = &p->headers[i];
        struct bl_span name = bl_span(h->name, h->name_len),
                       value = bl_span(h->value, h->value_len);

        if (!bl_span_equal_nocase(name, bl_span_of("transfer-encoding")))
            continue;
        if (codings++ > 0 || !bl_span_equal_nocase(value, bl_span_of("chunked")))
            return bl_h1_parser_fail(p, BELAY_EPROTO,
                                     "the response has a transfer coding other than chunked");
    }
    return 0;
}

void bl_h1_fill_head(struct bl_h1_parser *p, const char *base)
{
    const llhttp_t *raw = bl_h1_raw(p);
    struct bl_h1_head *head = &p->head;
    int status = raw->status_code;
    bool no_body = p->head_request || status < 200 || status == 204 || status == 304;

    head->status = status;
    head->minor = raw->http_minor;
    head->reason = bl_span(base + p->reason_at, p->reason_len);
    head->chunked = (raw->flags & F_CHUNKED) != 0;
    head->content_length = raw->flags & F_CONTENT_LENGTH ? (int64_t)raw->content_length : -1;
    head->upgrade = status == 101;
    head->until_close = !no_body && !head->chunked && head->content_length < 0;
    head->keep_alive = !head->until_close && !head->upgrade;
    if (raw->flags & F_CONNECTION_CLOSE)
        head->keep_alive = false;
    if (head->minor == 0 && (!(raw->flags & F_CONNECTION_KEEP_ALIVE) || head->chunked))
        head->keep_alive = false;
    if (status == 204 && (head->chunked || head->content_length > 0))
        head->keep_alive = false; /* what it announces may come, and be taken for the next head */

    if (no_body || head->content_length == 0)
        p->phase = PHASE_END;
    else if (head->chunked)
        p->phase = PHASE_CHUNKS;
    else if (head->until_close)
        p->phase = PHASE_UNTIL_CLOSE;
    else
        p->phase = PHASE_FIXED;
    p->left = p->phase == PHASE_FIXED ? (uint64_t)head->content_length : 0;
}
