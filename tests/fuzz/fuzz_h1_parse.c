/* SPDX-License-Identifier: MIT */
/*
 * The parser of responses: the same bytes whole, in pieces of three chosen sizes and one by one
 * give the same account of themselves, within the limits. Each piece lies in memory of its own that
 * is gone once it has been read, so that nothing can point past it or outlive it unseen.
 *
 * Input: limits and kind of request, which allocation fails, three sizes; then what the peer sends:
 * responses one after the other.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "belay/error.h"
#include "fuzz/fuzz.h"
#include "support/failing_alloc.h"
#include "wire/field.h"
#include "wire/h1_parse.h"

struct settings {
    struct bl_h1_limits limits;
    bool head_request;
    size_t sizes[3]; /* of pieces, in turn */
};

/* One way through the input, and the account of it. */
struct run {
    const struct settings *settings;
    struct bl_h1_parser parser;
    struct bl_mem mem;     /* the parser's */
    struct bl_mem own;     /* the account's: never fails */
    struct bl_buf account; /* events, bodies joined */
    const char *piece;
    size_t piece_len;
    uint64_t body; /* bytes of the body so far */
    bool in_body;
    int end; /* the error; 0: none yet */
    bool over;
};

static void note(struct run *r, const char *text, size_t len)
{
    int rc = bl_buf_append(&r->account, &r->own, text, len);

    BL_ASSERT(rc == 0);
}

static void note_number(struct run *r, const char *name, int64_t value)
{
    int rc = bl_buf_printf(&r->account, &r->own, "%s=%lld ", name, (long long)value);

    BL_ASSERT(rc == 0);
}

static void leave_body(struct run *r)
{
    if (r->in_body)
        note_number(r, "\nbody", (int64_t)r->body);
    r->in_body = false;
}

/* Within this piece or what the parser has collected. */
static void check_place(const struct run *r, const char *data, size_t len)
{
    const struct bl_buf *store = &r->parser.store;
    uintptr_t at = (uintptr_t)data, piece = (uintptr_t)r->piece, kept = (uintptr_t)store->data;

    BL_ASSERT((at >= piece && at + len <= piece + r->piece_len) ||
              (store->data && at >= kept && at + len <= kept + store->end));
}

/* `bytes`: at the least, of what precedes the headers. */
static void note_headers(struct run *r, size_t bytes)
{
    const struct bl_h1_parser *p = &r->parser;

    BL_ASSERT(p->headers_n <= p->limits.headers);
    for (uint32_t i = 0; i < p->headers_n; i++) {
        const struct belay_header *h = &p->headers[i];

        check_place(r, h->name, h->name_len);
        if (h->value_len > 0)
            check_place(r, h->value, h->value_len);
        BL_ASSERT(bl_field_is_token(bl_span(h->name, h->name_len)));
        BL_ASSERT(bl_field_is_value(bl_span(h->value, h->value_len)));
        BL_ASSERT(bl_field_trim(bl_span(h->value, h->value_len)).len == h->value_len);
        bytes += h->name_len + h->value_len + sizeof ":\r\n" - 1;
        note(r, "[", 1);
        note(r, h->name, h->name_len);
        note(r, "=", 1);
        note(r, h->value, h->value_len);
        note(r, "]", 1);
    }
    BL_ASSERT(bytes + sizeof "\r\n" - 1 <= p->limits.header_bytes);
}

static void note_head(struct run *r, const char *event)
{
    const struct bl_h1_head *h = &r->parser.head;

    BL_ASSERT(h->status >= 100 && h->status <= 599 && (h->minor == 0 || h->minor == 1));
    BL_ASSERT(h->content_length >= -1 && !(h->chunked && h->content_length >= 0));
    BL_ASSERT(!(h->keep_alive && (h->until_close || h->upgrade)));
    BL_ASSERT(bl_field_is_value(h->reason));
    if (h->reason.len > 0)
        check_place(r, h->reason.data, h->reason.len);
    note(r, event, strlen(event));
    note_number(r, "status", h->status);
    note_number(r, "minor", h->minor);
    note_number(r, "length", h->content_length);
    note_number(r, "flags",
                h->chunked | h->until_close << 1 | h->upgrade << 2 | h->keep_alive << 3);
    note(r, h->reason.data, h->reason.len);
    note_headers(r, sizeof "HTTP/1.1 200\n" - 1 + h->reason.len);
    r->body = 0;
}

static void note_body(struct run *r)
{
    struct bl_span body = r->parser.body;

    BL_ASSERT(body.len > 0);
    BL_ASSERT(body.data >= r->piece && body.data + body.len <= r->piece + r->piece_len);
    if (!r->in_body)
        note(r, "\n", 1);
    r->in_body = true;
    r->body += body.len;
    note(r, body.data, body.len);
}

static void note_end(struct run *r)
{
    const struct bl_h1_head *h = &r->parser.head;
    bool none =
        r->settings->head_request || h->status < 200 || h->status == 204 || h->status == 304;

    leave_body(r);
    if (none)
        BL_ASSERT(r->body == 0);
    else if (h->content_length >= 0)
        BL_ASSERT(r->body == (uint64_t)h->content_length);
    note(r, "\nEND ", 5);
    note_headers(r, 0);
}

static void note_error(struct run *r, int code)
{
    leave_body(r);
    BL_ASSERT(code == BELAY_EPROTO || code == BELAY_ELIMIT || code == BELAY_EEOF ||
              code == BELAY_ENOMEM);
    fuzz_check_sentence(bl_h1_parser_text(&r->parser), BL_H1_TEXT_MAX);
    r->end = code;
    r->over = true;
}

static void next_response(struct run *r)
{
    if (r->parser.head.upgrade)
        r->over = true; /* the rest is another protocol's */
    else
        bl_h1_parser_begin(&r->parser, &r->settings->limits, r->settings->head_request);
}

/* One event. False: no more of them from this piece. */
static bool take_event(struct run *r, int event)
{
    if (event < 0) {
        size_t used = 1;

        note_error(r, event);
        BL_ASSERT(bl_h1_parse(&r->parser, "x", 1, &used) == event && used == 0);
        return false;
    }
    switch ((enum bl_h1_event)event) {
    case BL_H1_MORE:
        return false;
    case BL_H1_INFO:
        BL_ASSERT(r->parser.head.status < 200);
        note_head(r, "\nINFO ");
        return true;
    case BL_H1_HEAD:
        note_head(r, "\nHEAD ");
        return true;
    case BL_H1_BODY:
        note_body(r);
        return true;
    case BL_H1_END:
        note_end(r);
        next_response(r);
        return !r->over;
    }
    BL_UNREACHABLE("no such event");
}

static void feed(struct run *r, const uint8_t *data, size_t len)
{
    char *piece = malloc(len);
    size_t at = 0, used;
    bool more = true;

    BL_ASSERT(piece != NULL);
    memcpy(piece, data, len);
    r->piece = piece;
    r->piece_len = len;
    while (more && !r->over) {
        int event = bl_h1_parse(&r->parser, piece + at, len - at, &used);

        BL_ASSERT(used <= len - at);
        at += used;
        if (event == BL_H1_MORE)
            BL_ASSERT(at == len);
        more = take_event(r, event);
    }
    free(piece);
}

static void run(struct run *r, const struct settings *s, struct fuzz_input in, bool by_sizes)
{
    r->settings = s;
    bl_mem_init(&r->own, NULL);
    bl_h1_parser_init(&r->parser, &r->mem);
    bl_h1_parser_begin(&r->parser, &s->limits, s->head_request);
    for (unsigned turn = 0; in.len > 0 && !r->over; turn++) {
        size_t len = by_sizes ? s->sizes[turn % 3] : in.len;

        len = len < in.len ? len : in.len;
        feed(r, in.data, len);
        in.data += len;
        in.len -= len;
    }
    r->piece = NULL;
    r->piece_len = 0;
    if (!r->over) {
        int rc = bl_h1_parse_eof(&r->parser);

        if (rc < 0)
            note_error(r, rc);
        else
            note_end(r);
    }
    leave_body(r);
    bl_h1_parser_fini(&r->parser);
    BL_ASSERT(r->mem.live == 0);
}

static void finish(struct run *r)
{
    bl_buf_free(&r->account, &r->own);
    BL_ASSERT(r->own.live == 0);
}

/* Of two things that are wrong, the one that is met first depends on the cut. */
static int verdict(const struct run *r)
{
    return r->end == BELAY_ELIMIT ? BELAY_EPROTO : r->end;
}

static void check_same(const struct run *a, const struct run *b)
{
    size_t len = bl_buf_len(&a->account);

    BL_ASSERT(verdict(a) == verdict(b));
    BL_ASSERT(len == bl_buf_len(&b->account));
    BL_ASSERT(len == 0 || memcmp(bl_buf_head(&a->account), bl_buf_head(&b->account), len) == 0);
}

/* With one failing allocation: the same, or it ends in that. */
static void check_memory(const struct settings *s, struct fuzz_input in, unsigned failing)
{
    struct failing_alloc f;
    struct run r = {0};

    failing_alloc_init(&f);
    failing_alloc_once(&f, failing);
    bl_mem_init(&r.mem, &f.allocator);
    run(&r, s, in, true);
    BL_ASSERT(failing_alloc_live(&f) == 0);
    BL_ASSERT((failing_alloc_failures(&f) > 0) == (r.end == BELAY_ENOMEM));
    finish(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct bl_h1_limits limits[] = {{65536, 100}, {65536, 3}, {128, 100}, {40, 2}};
    struct fuzz_input in = {data, size};
    struct settings s = {.head_request = false};
    struct run whole = {0}, pieces = {0}, singles = {0};
    unsigned kind = fuzz_byte(&in), failing = fuzz_byte(&in) & 7;

    s.limits = limits[kind & 3];
    s.head_request = (kind & 4) != 0;
    for (int i = 0; i < 3; i++)
        s.sizes[i] = 1u + fuzz_byte(&in);
    bl_mem_init(&whole.mem, NULL);
    bl_mem_init(&pieces.mem, NULL);
    bl_mem_init(&singles.mem, NULL);

    run(&whole, &s, in, false);
    run(&pieces, &s, in, true);
    check_same(&whole, &pieces);
    s.sizes[0] = s.sizes[1] = s.sizes[2] = 1;
    run(&singles, &s, in, true);
    check_same(&whole, &singles);
    if (failing > 0)
        check_memory(&s, in, failing);
    finish(&whole);
    finish(&pieces);
    finish(&singles);
    return 0;
}
