/* SPDX-License-Identifier: MIT */
/*
 * The sending half of an HTTP/1.1 exchange. A small body in memory leaves with the head; a large
 * one, and one by callback, goes out as the stream takes it. Bodies are copied: a reference would
 * outlive a request that is cancelled.
 */
#include "base/error.h"
#include "http/h1_session.h"

#define SMALL_BODY     16384u /* sent with the head */
#define MEMORY_PIECE   65536u
#define CALLBACK_PIECE 16384u
#define PIECES_MAX     32 /* in one go, before others have their turn */

static int write_head(struct bl_h1_session *s, const struct bl_message *m)
{
    struct belay_http *http = s->base.http;
    const struct bl_target_line *line = &m->target->lines[s->base.forward];
    const struct bl_h1_request request = {
        .method = m->method,
        .target = bl_span(bl_buf_head(&line->text), bl_buf_len(&line->text)),
        .host_at = line->host_at,
        .authorization = m->authorization,
        .proxy_authorization = bl_span_of(s->base.proxy_authorization),
        .user_agent = bl_span_of(http->user_agent),
        .headers = m->headers,
        .headers_n = m->headers_n,
        .body = m->body,
        .expect_continue = m->expect_continue,
    };

    bl_buf_clear(&http->head);
    return bl_h1_write_head(&http->head, &http->loop->mem, &request);
}

int bl_h1_send_head(struct bl_h1_session *s, struct bl_exchange *ex)
{
    struct belay_http *http = s->base.http;
    const struct bl_message *m = ex->message;
    bool none = m->body == BL_H1_NO_BODY || m->body == 0;
    bool with_head = m->bytes && !m->expect_continue && m->body <= (int64_t)SMALL_BODY;
    int rc = write_head(s, m);

    if (rc == 0 && !none && with_head)
        rc = bl_buf_append(&http->head, &http->loop->mem, m->bytes, (size_t)m->body);
    if (rc == 0)
        rc = belay_stream_write(s->base.stream, bl_buf_head(&http->head), bl_buf_len(&http->head));
    if (BL_UNLIKELY(rc < 0))
        return rc;
    if (http->head.capacity > 4 * SMALL_BODY) {
        bl_buf_clear(&http->head);
        bl_buf_trim(&http->head, &http->loop->mem);
    }
    ex->body_sent = none || with_head;
    if (!none && with_head)
        ex->body_out = m->body;
    ex->awaits_continue = !ex->body_sent && m->expect_continue;
    return 0;
}

void bl_h1_stop_body(struct bl_h1_session *s)
{
    struct bl_exchange *ex = s->exchange;

    if (ex->body_sent)
        return;
    ex->body_stopped = true;
    ex->awaits_continue = false;
    belay_conn_draining(s->base.conn); /* the server waits for bytes that will not come */
}

void bl_h1_pump_later(struct bl_h1_session *s)
{
    s->exchange->pump = true;
    bl_task_post(bl_h1_loop(s), &s->exchange->task);
}

/* Whether the stream took it. A dead stream tells of it by itself. */
static bool put(struct bl_h1_session *s, const void *data, size_t len)
{
    int rc = belay_stream_write(s->base.stream, data, len);

    if (rc == 0)
        return true;
    if (rc == BELAY_ENOMEM)
        bl_h1_fail(s, rc, "sending the body: out of memory");
    else
        s->exchange->full = true;
    return false;
}

static bool pump_memory(struct bl_h1_session *s, struct bl_exchange *ex)
{
    size_t left = (size_t)(ex->message->body - ex->body_out);
    size_t n = left < MEMORY_PIECE ? left : MEMORY_PIECE;

    if (!put(s, ex->message->bytes + ex->body_out, n))
        return false;
    ex->body_out += (int64_t)n;
    ex->body_sent = n == left;
    return true;
}

/* Asks the callback; its bytes, framed, are in ex->piece. False: nothing came, or the exchange is
 * over. */
static bool read_piece(struct bl_h1_session *s, struct bl_exchange *ex)
{
    struct bl_mem *mem = &bl_h1_loop(s)->mem;
    bool chunked = ex->message->body == BL_H1_CHUNKED;
    size_t size = CALLBACK_PIECE, line = 0;
    char *room = bl_buf_reserve(&ex->piece, mem, CALLBACK_PIECE + BL_H1_CHUNK_LINE_MAX + 2);
    char text[BL_H1_CHUNK_LINE_MAX];
    ptrdiff_t n;

    if (!room) {
        bl_h1_fail(s, BELAY_ENOMEM, "sending the body: out of memory");
        return false;
    }
    if (!chunked && ex->message->body - ex->body_out < (int64_t)size)
        size = (size_t)(ex->message->body - ex->body_out);
    n = ex->ops->read(ex, room + BL_H1_CHUNK_LINE_MAX, size);
    if (s->exchange != ex)
        return false;
    if (n == BELAY_EAGAIN) {
        ex->starved = true;
        return false;
    }
    if (n < 0 || (size_t)n > size || (n == 0 && !chunked)) {
        if (n < 0)
            bl_h1_fail(s, (int)n, "the request's body could not be read");
        else
            bl_h1_fail(s, BELAY_EINVAL, "the request's body gave %lld bytes of %lld",
                       (long long)(ex->body_out + n), (long long)ex->message->body);
        return false;
    }
    ex->body_out += n;
    ex->body_ended = chunked ? n == 0 : ex->body_out == ex->message->body;
    if (chunked) {
        line = bl_h1_write_chunk_line(text, (size_t)n);
        memcpy(room + BL_H1_CHUNK_LINE_MAX - line, text, line);
        memcpy(room + BL_H1_CHUNK_LINE_MAX + n, "\r\n", 2);
        n += 2;
    }
    bl_buf_commit(&ex->piece, BL_H1_CHUNK_LINE_MAX + (size_t)n);
    bl_buf_consume(&ex->piece, BL_H1_CHUNK_LINE_MAX - line);
    return true;
}

static bool pump_callback(struct bl_h1_session *s, struct bl_exchange *ex)
{
    if (bl_buf_len(&ex->piece) == 0 && !read_piece(s, ex))
        return false;
    if (!put(s, bl_buf_head(&ex->piece), bl_buf_len(&ex->piece)))
        return false;
    bl_buf_clear(&ex->piece);
    ex->body_sent = ex->body_ended;
    return true;
}

void bl_h1_pump(struct bl_h1_session *s)
{
    struct bl_exchange *ex = s->exchange;
    bool more = true;

    for (int i = 0; more && i < PIECES_MAX; i++) {
        if (ex->body_sent) {
            bl_buf_trim(&ex->piece, &bl_h1_loop(s)->mem);
            return;
        }
        if (ex->body_stopped || ex->awaits_continue || ex->full || ex->starved)
            return;
        more = ex->message->bytes ? pump_memory(s, ex) : pump_callback(s, ex);
    }
    if (more)
        bl_h1_pump_later(s);
}
