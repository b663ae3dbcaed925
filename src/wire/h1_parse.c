/* SPDX-License-Identifier: MIT */
/*
 * The parser of responses, on llhttp.
 *
 * llhttp calls back while it runs; the callbacks here only note where things are, and pause it
 * wherever an event is due, so that events are returned and nobody's code runs inside it. It sees
 * heads, chunk lines, chunks and trailers.
 *
 * Places are kept relative to the first byte of the block (head or trailers), so that it does not
 * matter where the block was cut: earlier pieces are in `store`, this call's piece follows them.
 */
#include "wire/h1_parts.h"

#include <inttypes.h>

#include "base/assert.h"

#define ROOM_FIRST  32u
#define FRAMING_MAX 16384u /* bytes of chunk lines and extensions without a byte of body */

/* ---- errors ---- */

static int fail_raw(struct bl_h1_parser *p, llhttp_errno_t error)
{
    const char *why = bl_h1_raw(p)->reason;

    if (p->failed)
        return p->failed;
    if (error == HPE_INVALID_STATUS)
        return bl_h1_parser_fail(p, BELAY_EPROTO, "the response's status is not three digits");
    if (error == HPE_UNEXPECTED_CONTENT_LENGTH)
        return bl_h1_parser_fail(p, BELAY_EPROTO, "the response has contradictory lengths");
    if (error == HPE_INVALID_CONTENT_LENGTH)
        return bl_h1_parser_fail(p, BELAY_EPROTO, "the response has an invalid Content-Length");
    return bl_h1_parser_fail(p, BELAY_EPROTO, "the response is malformed (%s)",
                             why && *why ? why : "no reason known");
}

/* ---- llhttp's callbacks: they note places ---- */

static uint32_t place_of(const struct bl_h1_parser *p, const char *at)
{
    return (uint32_t)(bl_buf_len(&p->store) + (size_t)(at - p->piece_start));
}

static bool more_room(struct bl_h1_parser *p)
{
    uint32_t room = p->room ? p->room * 2 : ROOM_FIRST;
    struct bl_h1_place *places;
    struct belay_header *headers;

    places = bl_realloc(p->mem, p->places, room * sizeof *places);
    if (!places)
        return false;
    p->places = places;
    headers = bl_realloc(p->mem, p->headers, room * sizeof *headers);
    if (!headers)
        return false;
    p->headers = headers;
    p->room = room;
    return true;
}

static int on_status(llhttp_t *raw, const char *at, size_t len)
{
    struct bl_h1_parser *p = raw->data;

    if (p->reason_len == 0)
        p->reason_at = place_of(p, at);
    p->reason_len += (uint32_t)len;
    return 0;
}

static int on_name(llhttp_t *raw, const char *at, size_t len)
{
    struct bl_h1_parser *p = raw->data;
    struct bl_h1_place *place;

    if (p->in_name) {
        p->places[p->places_n - 1].name_len += (uint32_t)len;
        return 0;
    }
    if (p->places_n >= p->limits.headers) {
        bl_h1_parser_fail(p, BELAY_ELIMIT, "the response has more than %u headers",
                          p->limits.headers);
        return -1;
    }
    if (p->places_n == p->room && !more_room(p)) {
        bl_h1_fail_memory(p);
        return -1;
    }
    p->in_name = true;
    place = &p->places[p->places_n++];
    place->name = place_of(p, at);
    place->name_len = (uint32_t)len;
    place->value = place->value_len = 0;
    return 0;
}

static int on_name_complete(llhttp_t *raw)
{
    struct bl_h1_parser *p = raw->data;

    p->in_name = false;
    return 0;
}

static int on_value(llhttp_t *raw, const char *at, size_t len)
{
    struct bl_h1_parser *p = raw->data;
    struct bl_h1_place *place = &p->places[p->places_n - 1];

    if (place->value_len == 0)
        place->value = place_of(p, at);
    place->value_len += (uint32_t)len;
    return 0;
}

static int on_head_complete(llhttp_t *raw)
{
    (void)raw;
    return HPE_PAUSED;
}

static int on_chunk(llhttp_t *raw)
{
    struct bl_h1_parser *p = raw->data;

    if (raw->content_length > 0)
        return 0;
    p->last_chunk = true;
    return HPE_PAUSED;
}

static int on_body(llhttp_t *raw, const char *at, size_t len)
{
    struct bl_h1_parser *p = raw->data;

    if (len == 0)
        return 0;
    p->body = bl_span(at, len);
    return HPE_PAUSED;
}

static int on_complete(llhttp_t *raw)
{
    struct bl_h1_parser *p = raw->data;

    p->phase = PHASE_END;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_status = on_status,
    .on_header_field = on_name,
    .on_header_field_complete = on_name_complete,
    .on_header_value = on_value,
    .on_headers_complete = on_head_complete,
    .on_chunk_header = on_chunk,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

/* ---- its life ---- */

void bl_h1_parser_init(struct bl_h1_parser *p, struct bl_mem *mem)
{
    memset(p, 0, sizeof *p);
    p->mem = mem;
    p->phase = PHASE_OVER;
}

void bl_h1_parser_fini(struct bl_h1_parser *p)
{
    bl_buf_free(&p->store, p->mem);
    bl_free(p->mem, p->places);
    bl_free(p->mem, p->headers);
    p->places = NULL;
    p->headers = NULL;
    p->room = 0;
}

static void begin_head(struct bl_h1_parser *p)
{
    llhttp_init(bl_h1_raw(p), HTTP_RESPONSE, &settings);
    bl_h1_raw(p)->data = p;
    bl_h1_block_begin(p, NULL, false);
    p->phase = PHASE_HEAD;
    p->reason_len = 0;
    p->last_chunk = false;
    p->framing = 0;
}

void bl_h1_parser_begin(struct bl_h1_parser *p, const struct bl_h1_limits *limits,
                        bool head_request)
{
    p->limits = *limits;
    p->head_request = head_request;
    p->failed = 0;
    p->seen = false;
    bl_buf_trim(&p->store, p->mem);
    begin_head(p);
}

bool bl_h1_parser_started(const struct bl_h1_parser *p)
{
    return p->seen;
}

const char *bl_h1_parser_text(const struct bl_h1_parser *p)
{
    return p->text;
}

struct bl_span bl_h1_parser_header(const struct bl_h1_parser *p, const char *name)
{
    struct bl_span wanted = bl_span_of(name);

    for (uint32_t i = 0; i < p->headers_n; i++) {
        const struct belay_header *h = &p->headers[i];

        if (bl_span_equal_nocase(bl_span(h->name, h->name_len), wanted))
            return bl_span(h->value, h->value_len);
    }
    return bl_span(NULL, 0);
}

static int head_event(struct bl_h1_parser *p, const char *to)
{
    size_t len = bl_buf_len(&p->store) + (size_t)(to - p->piece_start);
    const char *base = bl_h1_block_end(p, to);

    if (!base || bl_h1_check_status_line(p, base, len) < 0 || bl_h1_check_framing(p) < 0)
        return p->failed;
    bl_h1_fill_head(p, base);
    if (p->head.status < 200 && !p->head.upgrade) {
        /* What it points to stays until the next call, which begins the next block. */
        p->phase = PHASE_OVER;
        return BL_H1_INFO;
    }
    return BL_H1_HEAD;
}

/* ---- feeding llhttp ---- */

/* What was consumed; *ret_paused: an event is due. */
static int run_raw(struct bl_h1_parser *p, const char *data, size_t len, size_t *used,
                   bool *ret_paused)
{
    llhttp_t *raw = bl_h1_raw(p);
    llhttp_errno_t error = llhttp_execute(raw, data, len);

    *used = len;
    *ret_paused = error == HPE_PAUSED;
    if (error == HPE_OK)
        return 0;
    if (error != HPE_PAUSED)
        return fail_raw(p, error);
    *used = (size_t)(llhttp_get_error_pos(raw) - data);
    llhttp_resume(raw);
    return 0;
}

/* At most one byte more than the limit is looked at. */
static size_t allowed(const struct bl_h1_parser *p, size_t len)
{
    size_t stored = bl_buf_len(&p->store);
    size_t max = p->limits.header_bytes > stored ? p->limits.header_bytes - stored + 1 : 1;

    return len < max ? len : max;
}

static int parse_head(struct bl_h1_parser *p, const char *data, size_t len, size_t *used)
{
    bool paused;
    int rc;

    p->seen = true;
    p->piece_start = data;
    rc = run_raw(p, data, allowed(p, len), used, &paused);
    if (rc < 0) {
        if (rc == BELAY_EPROTO && p->places_n == 0 && bl_buf_len(&p->store) == 0 &&
            !bl_h1_begins(data, len))
            return bl_h1_fail_beginning(p, data, len);
        return rc;
    }
    if (paused)
        return head_event(p, data + *used);
    if (bl_h1_block_check(p, data + *used) < 0 || bl_h1_block_keep(p, data + *used) < 0)
        return p->failed;
    return BL_H1_MORE;
}

static int parse_trailers(struct bl_h1_parser *p, const char *data, size_t len, size_t *used)
{
    bool paused;
    int rc;

    p->piece_start = data;
    rc = run_raw(p, data, allowed(p, len), used, &paused);
    if (rc < 0)
        return rc;
    if (p->phase == PHASE_END) {
        p->phase = PHASE_OVER;
        return bl_h1_block_end(p, data + *used) ? BL_H1_END : p->failed;
    }
    if (bl_h1_block_check(p, data + *used) < 0 || bl_h1_block_keep(p, data + *used) < 0)
        return p->failed;
    return BL_H1_MORE;
}

static int parse_chunks(struct bl_h1_parser *p, const char *data, size_t len, size_t *used)
{
    size_t more, lines;
    bool paused;
    int rc;

    p->body = bl_span(NULL, 0);
    rc = run_raw(p, data, len, used, &paused);
    if (rc < 0)
        return rc;
    lines = p->body.data ? (size_t)(p->body.data - data) : *used;
    if (lines > FRAMING_MAX - p->framing)
        return bl_h1_parser_fail(p, BELAY_ELIMIT,
                                 "the response has chunk lines of more than %u bytes", FRAMING_MAX);
    p->framing = p->body.data ? 0 : p->framing + (uint32_t)lines;
    if (p->body.data)
        return BL_H1_BODY;
    if (!p->last_chunk)
        return BL_H1_MORE;
    bl_h1_block_begin(p, data + *used, true);
    p->phase = PHASE_TRAILERS;
    rc = *used < len ? parse_trailers(p, data + *used, len - *used, &more) : BL_H1_MORE;
    if (*used < len)
        *used += more;
    return rc;
}

/* A body that llhttp does not see. */
static int parse_plain(struct bl_h1_parser *p, const char *data, size_t len, size_t *used)
{
    if (p->phase == PHASE_FIXED) {
        if (len > p->left)
            len = (size_t)p->left;
        p->left -= len;
        if (p->left == 0)
            p->phase = PHASE_END;
    }
    *used = len;
    p->body = bl_span(data, len);
    return BL_H1_BODY;
}

int bl_h1_parse(struct bl_h1_parser *p, const char *data, size_t len, size_t *used)
{
    *used = 0;
    if (BL_UNLIKELY(p->failed))
        return p->failed;
    if (p->phase == PHASE_END) {
        p->phase = PHASE_OVER;
        p->headers_n = 0;
        return BL_H1_END;
    }
    if (p->phase == PHASE_OVER && p->head.status < 200)
        begin_head(p);
    if (len == 0)
        return BL_H1_MORE;
    switch ((enum phase)p->phase) {
    case PHASE_HEAD:
        return parse_head(p, data, len, used);
    case PHASE_CHUNKS:
        return parse_chunks(p, data, len, used);
    case PHASE_TRAILERS:
        return parse_trailers(p, data, len, used);
    case PHASE_FIXED:
    case PHASE_UNTIL_CLOSE:
        return parse_plain(p, data, len, used);
    case PHASE_END:
    case PHASE_OVER:
        break;
    }
    BL_ASSERT(p->phase != PHASE_OVER && p->phase != PHASE_END); /* it was not begun */
    return BELAY_EINVAL;
}

int bl_h1_parse_eof(struct bl_h1_parser *p)
{
    if (p->failed)
        return p->failed;
    switch ((enum phase)p->phase) {
    case PHASE_UNTIL_CLOSE:
    case PHASE_END:
        p->phase = PHASE_OVER;
        p->headers_n = 0;
        return BL_H1_END;
    case PHASE_FIXED:
        return bl_h1_parser_fail(
            p, BELAY_EEOF,
            "the peer closed the connection after %" PRIu64 " of %" PRId64 " bytes of the body",
            (uint64_t)p->head.content_length - p->left, p->head.content_length);
    case PHASE_CHUNKS:
    case PHASE_TRAILERS:
        return bl_h1_parser_fail(p, BELAY_EEOF,
                                 "the peer closed the connection in the middle of a chunked body");
    case PHASE_HEAD:
    case PHASE_OVER:
        break;
    }
    if (p->phase == PHASE_HEAD && bl_buf_len(&p->store) > 0)
        return bl_h1_parser_fail(
            p, BELAY_EEOF, "the peer closed the connection in the middle of the response's head");
    return bl_h1_parser_fail(p, BELAY_EEOF, "the peer closed the connection before it answered");
}
