/* SPDX-License-Identifier: MIT */
/*
 * The receiving half of an HTTP/1.1 exchange: bytes become events, events become up-calls. Each
 * up-call may stop the exchange or pause it; what is left of the bytes then stays with the stream.
 */
#include "base/error.h"
#include "http/h1_session.h"
#include "wire/field.h"

static void fill_response(const struct bl_h1_parser *p, struct belay_http_response *r)
{
    r->status = p->head.status;
    r->major = 1;
    r->minor = p->head.minor;
    r->reason = p->head.reason.data;
    r->reason_len = p->head.reason.len;
    r->headers = p->headers;
    r->headers_n = p->headers_n;
    r->content_length = p->head.content_length;
    r->request = NULL;
}

/* Keep-Alive: timeout=N, when it is near enough to matter. */
static void note_promise(struct bl_h1_session *s, const struct bl_h1_parser *p)
{
    struct bl_span value = bl_h1_parser_header(p, "keep-alive");
    struct belay_loop *loop = bl_h1_loop(s);
    struct bl_keep_alive promise;
    int64_t ms;

    if (BL_LIKELY(!value.data))
        return;
    promise = bl_field_keep_alive(value);
    if (promise.max == 0) {
        s->idle_until = bl_now(loop);
        return;
    }
    if (promise.timeout_s < 0 || promise.timeout_s > INT32_MAX)
        return;
    ms = promise.timeout_s * 1000 - s->base.http->options.keep_alive_margin_ms;
    s->idle_until = ms > 0 ? bl_after_ms(bl_now(loop), ms) : bl_now(loop);
}

static void on_informational(struct bl_h1_session *s, struct bl_exchange *ex)
{
    struct belay_http_response response;
    int32_t max = s->base.http->options.max_informational;

    if (++ex->informational_n > max) {
        bl_h1_fail(s, BELAY_ELIMIT, "more than %d informational responses", (int)max);
        return;
    }
    if (ex->h1.head.status == 100 && ex->awaits_continue) {
        ex->awaits_continue = false;
        bl_h1_pump_later(s);
    }
    fill_response(&ex->h1, &response);
    ex->ops->informational(ex, &response);
}

/* A server that answers 408 to the next request on a kept connection had closed it before it came.
 */
static bool is_late_close(const struct bl_h1_session *s, const struct bl_exchange *ex)
{
    const struct bl_h1_head *head = &ex->h1.head;

    return head->status == 408 && !head->keep_alive && s->base.uses > 1 && ex->body_sent;
}

static void on_head(struct bl_h1_session *s, struct bl_exchange *ex)
{
    const struct bl_h1_head *head = &ex->h1.head;
    struct belay_http_response response;

    ex->responded = true;
    s->keep = head->keep_alive;
    note_promise(s, &ex->h1);
    if (!s->keep)
        belay_conn_draining(s->base.conn);
    if (BL_UNLIKELY(!ex->body_sent) && (head->status >= 300 || !s->keep || ex->awaits_continue))
        bl_h1_stop_body(s);
    fill_response(&ex->h1, &response);
    ex->ops->head(ex, &response);
}

/* 101 is the last response: what would follow is another protocol. */
static bool asked_to_switch(const struct bl_exchange *ex)
{
    const struct bl_message *m = ex->message;

    for (size_t i = 0; i < m->headers_n; i++) {
        if (bl_span_equal_nocase(bl_span(m->headers[i].name, m->headers[i].name_len),
                                 bl_span_of("upgrade")))
            return true;
    }
    return false;
}

static void on_late_close(struct bl_h1_session *s, struct bl_exchange *ex)
{
    ex->answered = false;
    bl_h1_fail(s, BELAY_EEOF, "the peer had closed the idle connection (408)");
}

/* The bytes end with the response, or the rest is nobody's. */
static void on_whole(struct bl_h1_session *s, struct bl_exchange *ex, size_t left)
{
    if (BL_UNLIKELY(ex->h1.headers_n > 0)) {
        ex->ops->trailers(ex, ex->h1.headers, ex->h1.headers_n);
        if (s->exchange != ex)
            return;
    }
    bl_h1_complete(s, left);
}

/* One event. False: the exchange is over. */
static bool handle(struct bl_h1_session *s, struct bl_exchange *ex, int event, size_t left)
{
    switch (event) {
    case BL_H1_INFO:
        on_informational(s, ex);
        break;
    case BL_H1_HEAD:
        if (BL_UNLIKELY(is_late_close(s, ex)))
            on_late_close(s, ex);
        else if (BL_UNLIKELY(ex->h1.head.upgrade) && !asked_to_switch(ex))
            bl_h1_fail(s, BELAY_EPROTO,
                       "the peer switches protocols (101), which was not asked for");
        else
            on_head(s, ex);
        break;
    case BL_H1_BODY:
        ex->body_in += (int64_t)ex->h1.body.len;
        ex->ops->data(ex, ex->h1.body.data, ex->h1.body.len);
        break;
    case BL_H1_END:
        on_whole(s, ex, left);
        return false;
    default:
        bl_h1_fail(s, event, "%s", bl_h1_parser_text(&ex->h1));
        return false;
    }
    return s->exchange == ex;
}

size_t bl_h1_receive(struct bl_h1_session *s, const char *data, size_t len)
{
    struct bl_exchange *ex = s->exchange;
    size_t at = 0, held = 0, used;
    int event;

    if (len > 0) {
        ex->answered = true;
        ex->active_at = bl_now(bl_h1_loop(s));
    } else {
        held = bl_stream_held(s->base.stream); /* what follows waits there */
    }
    while (!ex->paused) {
        event = bl_h1_parse(&ex->h1, data + at, len - at, &used);
        at += used;
        if (event == BL_H1_MORE)
            return at;
        if (!handle(s, ex, event, len - at + held))
            return s->taken ? at : len; /* what nobody wants is thrown away */
    }
    belay_stream_pause(s->base.stream);
    return at;
}

void bl_h1_receive_end(struct bl_h1_session *s)
{
    struct bl_exchange *ex = s->exchange;
    int event = bl_h1_parse_eof(&ex->h1);

    if (event == BL_H1_END)
        bl_h1_complete(s, 0);
    else
        bl_h1_fail(s, event, "%s", bl_h1_parser_text(&ex->h1));
}
