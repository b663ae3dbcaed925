/* SPDX-License-Identifier: MIT */
/*
 * What comes in. Bytes are cut into frames here, so that floods are seen before nghttp2 works on
 * them, and so that whatever a frame meant is handed over before the next one is looked at.
 */
#include <stdio.h>

#include "base/error.h"
#include "http/h2_session.h"
#include "wire/field.h"

/* ---- a block of fields ---- */

void bl_h2_head_clear(struct bl_h2_head *h)
{
    bl_buf_clear(&h->text);
    bl_buf_clear(&h->headers);
    h->n = 0;
    h->bytes = 0;
    h->status = 0;
    h->content_length = -1;
    h->failed = 0;
}

void bl_h2_head_free(struct bl_h2_head *h, struct bl_mem *mem)
{
    bl_buf_free(&h->text, mem);
    bl_buf_free(&h->headers, mem);
}

static const char *moved(const char *at, const char *from, const char *to)
{
    return to + ((uintptr_t)at - (uintptr_t)from);
}

static void follow_text(struct bl_h2_head *h, const char *from)
{
    struct belay_header *f = (void *)bl_buf_head(&h->headers);

    for (uint32_t i = 0; i < h->n; i++, f++) {
        f->name = moved(f->name, from, h->text.data);
        f->value = moved(f->value, from, h->text.data);
    }
}

static int add_field(struct bl_h2_head *h, struct bl_mem *mem, struct bl_span name,
                     struct bl_span value)
{
    const char *text = h->text.data;
    char *at = bl_buf_reserve(&h->text, mem, name.len + value.len + 2);
    struct belay_header *f = (void *)bl_buf_reserve(&h->headers, mem, sizeof *f);

    if (BL_UNLIKELY(h->text.data != text))
        follow_text(h, text);
    if (!at || !f)
        return BELAY_ENOMEM;
    *f = (struct belay_header){at, at + name.len + 1, name.len, value.len};
    bl_buf_commit(&h->headers, sizeof *f);
    memcpy(at, name.data, name.len);
    at[name.len] = '\0';
    memcpy(at + name.len + 1, value.data, value.len);
    at[name.len + 1 + value.len] = '\0';
    bl_buf_commit(&h->text, name.len + value.len + 2);
    h->n++;
    return 0;
}

/* ---- inside nghttp2: notes are taken ---- */

/* Mostly the one of the frame before. */
static struct bl_h2_stream *stream_of(struct bl_h2_session *s, int32_t id)
{
    if (!s->found || s->found->id != id)
        s->found = nghttp2_session_get_stream_user_data(s->nghttp2, id);
    return s->found;
}

static int on_begin_headers(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *arg)
{
    struct bl_h2_session *s = arg;

    (void)nghttp2, (void)frame;
    bl_h2_head_clear(&s->head);
    return 0;
}

static void note_status(struct bl_h2_head *h, struct bl_span value)
{
    uint64_t status;

    if (BL_LIKELY(value.len == 3 && memcmp(value.data, "200", 3) == 0))
        h->status = 200;
    else if (bl_field_decimal(value, 999, &status) && status >= 100)
        h->status = (int)status;
    else
        h->failed = BELAY_EPROTO;
}

/* It is too long. What is left of the block is decoded, as it must be, but no field is looked at:
 * each byte of it may stand for thousands. */
static int refuse_head(struct bl_h2_session *s, int32_t id)
{
    s->head.failed = BELAY_ELIMIT;
    s->head_stream = stream_of(s, id);
    s->head_done = true;
    if (nghttp2_submit_rst_stream(s->nghttp2, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL) != 0)
        bl_h2_note(s, BELAY_ENOMEM);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

#define LENGTH     "content-length"
#define LENGTH_LEN (sizeof LENGTH - 1)

static int on_header(nghttp2_session *nghttp2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    struct bl_h2_session *s = arg;
    struct bl_h2_head *h = &s->head;
    const struct bl_h1_limits *limits = &s->base.http->limits;
    struct bl_span n = bl_span((const char *)name, name_len);
    struct bl_span v = bl_span((const char *)value, value_len);
    uint64_t length;

    (void)nghttp2, (void)flags;
    h->bytes += name_len + value_len + 4;
    if (name_len > 0 && name[0] == ':') {
        if (bl_span_equal(n, bl_span_of(":status")))
            note_status(h, v);
        return 0;
    }
    if (BL_UNLIKELY(h->bytes > limits->header_bytes || h->n >= limits->headers))
        return refuse_head(s, frame->hd.stream_id);
    if (h->failed)
        return 0;
    if (name_len == LENGTH_LEN && memcmp(name, LENGTH, LENGTH_LEN) == 0 &&
        bl_field_decimal(v, INT64_MAX, &length))
        h->content_length = (int64_t)length;
    if (BL_UNLIKELY(add_field(h, bl_h2_mem(s), n, v) < 0))
        h->failed = BELAY_ENOMEM;
    return 0;
}

static int on_data_chunk(nghttp2_session *nghttp2, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t len, void *arg)
{
    struct bl_h2_session *s = arg;

    (void)flags;
    s->chunk_stream = stream_of(s, id);
    s->chunk = data;
    s->chunk_len = len;
    s->taken += len; /* one who pauses does not hold up the rest */
    if (!s->chunk_stream || !s->chunk_stream->ex)
        nghttp2_session_consume_stream(nghttp2, id, len);
    return 0;
}

static void on_headers(struct bl_h2_session *s, const nghttp2_frame *frame)
{
    struct bl_h2_stream *st = stream_of(s, frame->hd.stream_id);

    s->head_stream = st;
    s->head_done = true;
    if (st && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        st->ended = true;
}

/* As servers of gRPC say it (gRFC A8). */
static bool asks_for_calm(const nghttp2_goaway *goaway)
{
    struct bl_span why = bl_span((const char *)goaway->opaque_data, goaway->opaque_data_len);

    return goaway->error_code == NGHTTP2_ENHANCE_YOUR_CALM &&
           bl_span_equal(why, bl_span_of("too_many_pings"));
}

static int on_frame(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *arg)
{
    struct bl_h2_session *s = arg;
    struct bl_h2_stream *st;

    (void)nghttp2;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        on_headers(s, frame);
        break;
    case NGHTTP2_DATA:
        st = stream_of(s, frame->hd.stream_id);
        if (st && frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
            st->ended = true;
            bl_list_remove(&st->event);
            bl_list_push_back(&s->events, &st->event);
        }
        break;
    case NGHTTP2_SETTINGS:
        s->settings_done |= !(frame->hd.flags & NGHTTP2_FLAG_ACK);
        break;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
            bl_h2_on_pong(s);
        break;
    case NGHTTP2_GOAWAY:
        s->goaway = s->goaway_done = true;
        s->goaway_code = frame->goaway.error_code;
        s->calm |= asks_for_calm(&frame->goaway);
        break;
    default:
        break;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *nghttp2, int32_t id, uint32_t code, void *arg)
{
    struct bl_h2_session *s = arg;
    struct bl_h2_stream *st = stream_of(s, id);

    (void)nghttp2;
    s->found = NULL;
    if (!st)
        return 0;
    st->closed = true;
    st->code = code;
    bl_list_remove(&st->hungry);
    bl_list_remove(&st->event);
    bl_list_push_back(&s->events, &st->event);
    return 0;
}

/* Past this the head cannot be taken back. */
static int before_frame_sent(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *arg)
{
    struct bl_h2_session *s = arg;
    struct bl_h2_stream *st;

    (void)nghttp2;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    st = stream_of(s, frame->hd.stream_id);
    if (!st || !st->ex)
        return 0;
    st->framed = true;
    st->ex->sent_mark = belay_stream_sent(s->base.stream) + belay_stream_buffered(s->base.stream);
    return 0;
}

/* nghttp2 resets streams by itself whose messages are malformed. */
static void on_reset_sent(struct bl_h2_session *s, const nghttp2_frame *frame)
{
    struct bl_h2_stream *st = stream_of(s, frame->hd.stream_id);

    if (st)
        st->refused = st->ex != NULL;
}

/* nghttp2 ends the connection by a GOAWAY, which says what the peer has done. */
static void note_breach(struct bl_h2_session *s, const nghttp2_goaway *goaway)
{
    int len = (int)goaway->opaque_data_len;

    s->code = BELAY_EPROTO;
    snprintf(s->why, sizeof s->why, "the peer breaks the protocol (%s%s%.*s)",
             nghttp2_http2_strerror(goaway->error_code), len > 0 ? ": " : "", len,
             len > 0 ? (const char *)goaway->opaque_data : "");
}

static int on_frame_sent(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *arg)
{
    struct bl_h2_session *s = arg;

    (void)nghttp2;
    bl_h2_limits_earn(&s->limits, frame->hd.type, frame->hd.length);
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        on_reset_sent(s, frame);
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR &&
        !s->code)
        note_breach(s, &frame->goaway);
    return 0;
}

int bl_h2_callbacks_new(nghttp2_session_callbacks **ret)
{
    nghttp2_session_callbacks *c;

    if (nghttp2_session_callbacks_new(&c) != 0)
        return BELAY_ENOMEM;
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_stream_close);
    nghttp2_session_callbacks_set_before_frame_send_callback(c, before_frame_sent);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, on_frame_sent);
    *ret = c;
    return 0;
}

/* ---- between frames: what was noted is handed over ---- */

static void give_head(struct bl_h2_session *s)
{
    struct bl_h2_stream *st = s->head_stream;

    s->head_done = false;
    s->head_stream = NULL;
    if (!st || !st->ex)
        return;
    if (st->ended) {
        bl_list_remove(&st->event);
        bl_list_push_back(&s->events, &st->event);
    }
    bl_h2_give_head(st, &s->head);
}

static void give_chunk(struct bl_h2_session *s)
{
    struct bl_h2_stream *st = s->chunk_stream;
    size_t len = s->chunk_len;

    s->chunk_stream = NULL;
    s->chunk_len = 0;
    if (st && st->ex && len > 0)
        bl_h2_give_data(st, (const char *)s->chunk, len);
}

bool bl_h2_hand_over(struct bl_h2_session *s, const bool *gone)
{
    struct bl_list *node;

    if (s->settings_done) {
        s->settings_done = false;
        bl_h2_on_settings(s);
    }
    if (!*gone && s->head_done)
        give_head(s);
    if (!*gone && s->chunk_len > 0)
        give_chunk(s);
    if (!*gone && s->goaway_done && s->ready && !s->broken) {
        s->goaway_done = false;
        bl_h2_on_goaway(s); /* before those whom it refuses are told, and ask again */
    }
    while (!*gone && (node = bl_list_pop_front(&s->events)))
        bl_h2_give_end(BL_LIST_OF(node, struct bl_h2_stream, event));
    if (!*gone && s->code && !s->broken)
        bl_h2_die(s, s->code, "HTTP/2: %s", *s->why ? s->why : belay_strerror(s->code));
    return !*gone && !s->broken;
}

static bool feed(struct bl_h2_session *s, const uint8_t *data, size_t len, const bool *gone)
{
    ssize_t n = nghttp2_session_mem_recv(s->nghttp2, data, len);

    if (n >= 0)
        return bl_h2_hand_over(s, gone);
    if (n == NGHTTP2_ERR_NOMEM)
        bl_h2_end(s, NGHTTP2_INTERNAL_ERROR, BELAY_ENOMEM, "reading: out of memory");
    else
        bl_h2_end(s, n == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_INTERNAL_ERROR,
                  BELAY_EPROTO, nghttp2_strerror((int)n));
    return false;
}

/* A frame is whole. Nothing else can come before a block of fields is. */
static void end_frame(struct bl_h2_session *s)
{
    bool block = s->header[3] == NGHTTP2_HEADERS || s->header[3] == NGHTTP2_CONTINUATION;

    if (!block || s->header[4] & NGHTTP2_FLAG_END_HEADERS)
        s->whole_at = s->heard_at;
}

/* What the peer speaks instead, when it did not even begin as HTTP/2 does. */
static const char *describe_beginning(const uint8_t *header)
{
    if ((header[0] == 0x15 || header[0] == 0x16) && header[1] == 3)
        return "the peer speaks TLS, not plain HTTP/2";
    return memcmp(header, "HTTP/1.", 7) == 0 ? "the peer speaks HTTP/1.x, not HTTP/2"
                                             : "the peer does not speak HTTP/2";
}

static bool is_for_nobody(struct bl_h2_session *s)
{
    const uint8_t *id = s->header + 5;

    return s->header[3] == NGHTTP2_HEADERS &&
           !stream_of(s, (int32_t)((uint32_t)(id[0] & 0x7f) << 24 | (uint32_t)id[1] << 16 |
                                   (uint32_t)id[2] << 8 | id[3]));
}

/* What was asked for not to be promised never may be: our SETTINGS came before any request. */
static bool begin_frame(struct bl_h2_session *s)
{
    const char *why;

    if (!s->ready && s->header[3] != NGHTTP2_SETTINGS) {
        bl_h2_end(s, NGHTTP2_PROTOCOL_ERROR, BELAY_EPROTO, describe_beginning(s->header));
        return false;
    }
    if (s->header[3] == NGHTTP2_PUSH_PROMISE) {
        bl_h2_end(s, NGHTTP2_PROTOCOL_ERROR, BELAY_EPROTO, "the peer promises a push");
        return false;
    }
    if (!bl_h2_limits_allow(&s->limits, s->header, s->base.http->limits.header_bytes,
                            bl_now(bl_h2_loop(s)), &why)) {
        bl_h2_end(s, NGHTTP2_ENHANCE_YOUR_CALM, BELAY_EPROTO, why);
        return false;
    }
    if (is_for_nobody(s) && !bl_h2_limits_unwanted(&s->limits, bl_now(bl_h2_loop(s)))) {
        bl_h2_end(s, NGHTTP2_ENHANCE_YOUR_CALM, BELAY_EPROTO,
                  "the peer sends too many heads that nobody asked for");
        return false;
    }
    s->left = bl_h2_frame_length(s->header);
    s->header_n = 0;
    return true;
}

/* A header that lies before `len` bytes: how many of them belong to its frame. */
static size_t take_payload(struct bl_h2_session *s, size_t len)
{
    size_t n = len < s->left ? len : s->left;

    s->left -= (uint32_t)n;
    if (s->left == 0)
        end_frame(s);
    return n;
}

/* The header comes in pieces. */
static bool read_header(struct bl_h2_session *s, const uint8_t **data, size_t *len,
                        const bool *gone)
{
    size_t n = BL_H2_FRAME_HEADER - s->header_n;

    n = *len < n ? *len : n;
    memcpy(s->header + s->header_n, *data, n);
    s->header_n = (uint8_t)(s->header_n + n);
    *data += n;
    *len -= n;
    if (s->header_n < BL_H2_FRAME_HEADER)
        return false;
    if (!begin_frame(s))
        return false;
    take_payload(s, 0);
    return feed(s, s->header, BL_H2_FRAME_HEADER, gone);
}

/* Whether there is more to be read after this portion: a frame, or as much of it as there is. */
static bool read_some(struct bl_h2_session *s, const uint8_t **data, size_t *len, const bool *gone)
{
    const uint8_t *at = *data;
    size_t n = 0;

    if (s->left == 0) {
        if (s->header_n > 0 || *len < BL_H2_FRAME_HEADER)
            return read_header(s, data, len, gone) && *len > 0;
        memcpy(s->header, at, BL_H2_FRAME_HEADER);
        if (!begin_frame(s))
            return false;
        n = BL_H2_FRAME_HEADER;
    }
    n += take_payload(s, *len - n);
    *data += n;
    *len -= n;
    return feed(s, at, n, gone) && *len > 0;
}

/* The peer may send as much again. */
static void widen(struct bl_h2_session *s)
{
    size_t taken = s->taken;

    s->taken = 0;
    if (taken > 0 && nghttp2_session_consume_connection(s->nghttp2, taken) == NGHTTP2_ERR_NOMEM)
        bl_h2_note(s, BELAY_ENOMEM);
}

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    struct bl_h2_session *s = arg;
    const uint8_t *at = (const uint8_t *)data;
    size_t left = len;
    struct bl_h2_inside in;

    (void)stream;
    if (s->broken)
        return len;
    s->heard_at = bl_now(bl_h2_loop(s));
    bl_h2_enter(s, &in);
    while (read_some(s, &at, &left, &in.gone))
        ;
    bl_h2_leave(s, &in);
    if (in.gone || s->broken)
        return len;
    widen(s);
    if (nghttp2_session_want_write(s->nghttp2))
        bl_h2_flush_later(s);
    return len;
}

static void on_drain(struct belay_stream *stream, void *arg)
{
    struct bl_h2_session *s = arg;

    (void)stream;
    s->full = false;
    bl_h2_flush_later(s);
}

static void on_end(struct belay_stream *stream, void *arg)
{
    struct bl_h2_session *s = arg;

    (void)stream;
    if (!s->broken)
        bl_h2_die(s, BELAY_EEOF, "the peer closed the connection%s%s",
                  s->goaway_code ? " after GOAWAY " : "",
                  s->goaway_code ? nghttp2_http2_strerror(s->goaway_code) : "");
}

static void on_lost(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct bl_h2_session *s = arg;

    (void)stream;
    if (!s->broken)
        bl_h2_die_of(s, error);
}

const struct belay_stream_callbacks bl_h2_stream_callbacks = {
    .size = sizeof bl_h2_stream_callbacks,
    .on_data = on_data,
    .on_drain = on_drain,
    .on_end = on_end,
    .on_lost = on_lost,
};
