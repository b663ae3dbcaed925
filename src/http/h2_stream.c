/* SPDX-License-Identifier: MIT */
/* One exchange on an HTTP/2 connection: a stream, from the call to its end. */
#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "http/h2_session.h"

#define SPARE_MAX 32

/* ---- its memory ---- */

static struct bl_h2_stream *stream_new(struct bl_h2_session *s)
{
    struct bl_list *node = bl_list_pop_front(&s->spare);
    struct bl_h2_stream *st;

    if (node) {
        s->spare_n--;
        return BL_LIST_OF(node, struct bl_h2_stream, link);
    }
    st = bl_zalloc(bl_h2_mem(s), sizeof *st);
    if (!st)
        return NULL;
    bl_list_init(&st->link);
    bl_list_init(&st->event);
    bl_list_init(&st->hungry);
    bl_list_init(&st->heads);
    st->session = s;
    return st;
}

static void held_free(struct bl_h2_held *held, struct bl_mem *mem)
{
    bl_h2_head_free(&held->head, mem);
    bl_free(mem, held);
}

/* What nobody will be told any more. */
static void forget_held(struct bl_h2_stream *st)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(&st->heads)))
        held_free(BL_LIST_OF(node, struct bl_h2_held, link), bl_h2_mem(st->session));
    bl_buf_clear(&st->held);
}

/* Nobody looks for it any more. */
static void leave_notes(struct bl_h2_session *s, const struct bl_h2_stream *st)
{
    if (s->current == st)
        s->current = NULL;
    if (s->found == st)
        s->found = NULL;
}

void bl_h2_stream_release(struct bl_h2_session *s, struct bl_h2_stream *st)
{
    leave_notes(s, st);
    bl_list_remove(&st->link);
    bl_list_remove(&st->event);
    bl_list_remove(&st->hungry);
    forget_held(st);
    bl_buf_free(&st->held, bl_h2_mem(s));
    bl_h2_head_free(&st->trailers, bl_h2_mem(s));
    bl_free(bl_h2_mem(s), st);
}

void bl_h2_stream_free(struct bl_h2_stream *st)
{
    struct bl_h2_session *s = st->session;

    if (s->spare_n >= SPARE_MAX) {
        bl_h2_stream_release(s, st);
        return;
    }
    leave_notes(s, st);
    bl_list_remove(&st->link);
    bl_list_remove(&st->event);
    bl_list_remove(&st->hungry);
    forget_held(st);
    if (BL_UNLIKELY(st->held.data != NULL || st->trailers.text.data != NULL)) {
        bl_buf_trim(&st->held, bl_h2_mem(s));
        bl_h2_head_free(&st->trailers, bl_h2_mem(s));
    }
    *st = (struct bl_h2_stream){.session = s};
    bl_list_init(&st->event);
    bl_list_init(&st->hungry);
    bl_list_init(&st->heads);
    bl_list_push_front(&s->spare, &st->link);
    s->spare_n++;
}

/* nghttp2 has closed it, and nobody here wants it. */
static void reap(struct bl_h2_stream *st)
{
    if (!st->closed || st->ex)
        return;
    if (st->id)
        st->session->submitted--;
    if (!bl_list_empty(&st->session->unsent))
        bl_h2_flush_later(st->session); /* the next one may go */
    else if (st->session->submitted == 0)
        bl_blocks_trim(&st->session->blocks);
    bl_h2_stream_free(st);
}

/* ---- down-calls ---- */

int bl_h2_start(struct bl_session *base, struct bl_exchange *ex)
{
    struct bl_h2_session *s = bl_h2_of(base);
    struct bl_h2_stream *st;

    if (s->broken || s->goaway)
        return BELAY_ERESET;
    st = stream_new(s);
    if (!st)
        return BELAY_ENOMEM;
    bl_exchange_reset(ex);
    ex->awaits_continue = ex->message->expect_continue;
    st->ex = ex;
    ex->h2 = st;
    ex->active_at = bl_now(bl_h2_loop(s));
    bl_list_push_back(&s->unsent, &st->link);
    bl_exchange_attach(ex, base);
    bl_h2_flush_later(s);
    bl_h2_arm(s);
    return 0;
}

void bl_h2_detached(struct bl_session *base, struct bl_exchange *ex)
{
    struct bl_h2_stream *st = ex->h2;

    (void)base;
    ex->h2 = NULL;
    st->ex = NULL;
    bl_list_remove(&st->hungry);
    forget_held(st);
}

enum belay_sent bl_h2_sent(const struct bl_exchange *ex)
{
    const struct bl_h2_stream *st = ex->h2;

    if (ex->answered)
        return BELAY_ANSWERED;
    if (!st->framed)
        return BELAY_NOT_SENT;
    if (!st->session->broken)
        return BELAY_MAYBE_SENT; /* it will be: nothing written is taken back */
    return belay_stream_sent(ex->session->stream) > ex->sent_mark ? BELAY_MAYBE_SENT
                                                                  : BELAY_NOT_SENT;
}

uint64_t bl_h2_bytes_out(const struct bl_exchange *ex)
{
    return (uint64_t)ex->body_out;
}

/* It is reset if it is open. One whose head is still inside nghttp2 never leaves. */
static void abandon(struct bl_h2_stream *st, uint32_t code)
{
    struct bl_h2_session *s = st->session;

    if (!st->id)
        st->closed = true;
    else if (!st->closed && !s->broken) {
        if (nghttp2_submit_rst_stream(s->nghttp2, NGHTTP2_FLAG_NONE, st->id, code) != 0)
            bl_h2_note(s, BELAY_ENOMEM);
        bl_h2_flush_later(s);
    }
    reap(st);
}

enum belay_release bl_h2_stop(struct bl_exchange *ex)
{
    struct bl_h2_stream *st = ex->h2;
    struct bl_h2_session *s = st->session;

    bl_exchange_detach(ex);
    abandon(st, NGHTTP2_CANCEL);
    return s->broken ? BELAY_BROKEN : BELAY_REUSE;
}

void bl_h2_resume(struct bl_exchange *ex)
{
    struct belay_loop *loop = ex->session->http->loop;

    ex->paused = false;
    ex->go_on = true;
    ex->active_at = bl_now(loop);
    bl_task_post(loop, &ex->task);
}

void bl_h2_body_ready(struct bl_exchange *ex)
{
    ex->starved = false;
    ex->awaits_continue = false;
    bl_h2_body_go_on(ex->h2);
    bl_h2_flush_later(ex->h2->session);
}

/* ---- failing ---- */

void bl_h2_stream_fail(struct bl_h2_stream *st, int code, enum belay_sent sent, const char *format,
                       ...)
{
    struct bl_exchange *ex = st->ex;
    enum belay_release how = st->session->broken ? BELAY_BROKEN : BELAY_REUSE;
    struct belay_error error;
    char text[BELAY_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bl_error_set(&error, code, BELAY_STAGE_USE, "%s", text);
    error.sent = sent;
    bl_exchange_detach(ex);
    abandon(st, code == BELAY_EPROTO ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_CANCEL);
    ex->ops->failed(ex, &error, how);
}

void bl_h2_give_back(struct bl_h2_stream *st)
{
    struct bl_exchange *ex = st->ex;

    if (ex->bound || !ex->ops->given_back)
        return;
    bl_exchange_detach(ex);
    abandon(st, NGHTTP2_NO_ERROR);
    ex->ops->given_back(ex);
}

/* ---- up-calls ---- */

/* What comes is kept, until all that came before has been told. */
static bool is_held_up(const struct bl_h2_stream *st)
{
    return st->ex->paused || !bl_list_empty(&st->heads) || bl_buf_len(&st->held) > 0 ||
           st->trailers.n > 0;
}

/* Its memory is taken over. */
static void hold_head(struct bl_h2_stream *st, struct bl_h2_head *h)
{
    struct bl_h2_held *held = bl_zalloc(bl_h2_mem(st->session), sizeof *held);

    if (!held) {
        bl_h2_stream_fail(st, BELAY_ENOMEM, BELAY_ANSWERED, "holding a response: out of memory");
        return;
    }
    held->head = *h;
    *h = (struct bl_h2_head){.content_length = -1};
    bl_list_push_back(&st->heads, &held->link);
}

static void fill_response(const struct bl_h2_head *h, struct belay_http_response *r)
{
    *r = (struct belay_http_response){
        .status = h->status,
        .major = 2,
        .reason = "",
        .headers = (const void *)bl_buf_head(&h->headers),
        .headers_n = h->n,
        .content_length = h->content_length,
    };
}

static void on_informational(struct bl_h2_stream *st, struct bl_h2_head *h)
{
    struct bl_exchange *ex = st->ex;
    struct belay_http_response response;

    if (h->status == 101) {
        bl_h2_stream_fail(st, BELAY_EPROTO, BELAY_ANSWERED,
                          "the peer switches protocols (101), which HTTP/2 cannot");
        return;
    }
    if (h->status == 100 && ex->awaits_continue)
        bl_h2_body_ready(ex);
    fill_response(h, &response);
    ex->ops->informational(ex, &response);
}

static void on_response(struct bl_h2_stream *st, struct bl_h2_head *h)
{
    struct bl_exchange *ex = st->ex;
    struct belay_http_response response;

    if (h->status >= 300 && !ex->body_sent) { /* nobody wants the rest: `complete` resets */
        ex->body_stopped = true;
        ex->awaits_continue = false;
    } else if (ex->awaits_continue) {
        bl_h2_body_ready(ex);
    }
    fill_response(h, &response);
    ex->ops->head(ex, &response);
}

/* They come after the rest of the body, which may be held. */
static void on_trailers(struct bl_h2_stream *st, struct bl_h2_head *h)
{
    struct bl_h2_head swap;

    if (h->n == 0)
        return;
    if (is_held_up(st)) {
        swap = st->trailers;
        st->trailers = *h;
        *h = swap;
        bl_h2_head_clear(h);
        return;
    }
    st->ex->ops->trailers(st->ex, (const void *)bl_buf_head(&h->headers), h->n);
}

static void tell_head(struct bl_h2_stream *st, struct bl_h2_head *h)
{
    if (h->status < 200)
        on_informational(st, h);
    else
        on_response(st, h);
}

static void on_head(struct bl_h2_stream *st, struct bl_h2_head *h)
{
    int32_t max = st->session->base.http->options.max_informational;

    if (h->status >= 200)
        st->ex->responded = true;
    else
        st->ex->informational_n++;
    if (st->ex->informational_n > max)
        bl_h2_stream_fail(st, BELAY_ELIMIT, BELAY_ANSWERED, "more than %d informational responses",
                          (int)max);
    else if (is_held_up(st))
        hold_head(st, h);
    else
        tell_head(st, h);
}

void bl_h2_give_head(struct bl_h2_stream *st, struct bl_h2_head *h)
{
    struct bl_exchange *ex = st->ex;

    ex->answered = true;
    ex->active_at = bl_now(bl_h2_loop(st->session));
    if (h->failed == BELAY_ELIMIT)
        bl_h2_stream_fail(st, BELAY_ELIMIT, BELAY_ANSWERED,
                          "the response's headers are more than %u bytes or %u lines",
                          (unsigned)st->session->base.http->limits.header_bytes,
                          (unsigned)st->session->base.http->limits.headers);
    else if (h->failed)
        bl_h2_stream_fail(st, h->failed, BELAY_ANSWERED, "reading the response: %s",
                          belay_strerror(h->failed));
    else if (!h->status)
        on_trailers(st, h);
    else
        on_head(st, h);
}

/* What is less than half of a window the peer is not told at once, so nghttp2 is not, either. */
static void consume(struct bl_h2_stream *st, size_t len)
{
    struct bl_h2_session *s = st->session;

    st->taken += (uint32_t)len;
    if (st->taken < s->stream_window / 4 || st->closed || s->broken)
        return;
    if (nghttp2_session_consume_stream(s->nghttp2, st->id, st->taken) == NGHTTP2_ERR_NOMEM)
        bl_h2_note(s, BELAY_ENOMEM);
    st->taken = 0;
}

static void tell_data(struct bl_h2_stream *st, const char *data, size_t len)
{
    struct bl_exchange *ex = st->ex;

    ex->body_in += (int64_t)len;
    consume(st, len); /* before: the stream may be gone after */
    ex->ops->data(ex, data, len);
}

void bl_h2_give_data(struct bl_h2_stream *st, const char *data, size_t len)
{
    struct bl_h2_session *s = st->session;
    struct bl_exchange *ex = st->ex;

    ex->active_at = bl_now(bl_h2_loop(s));
    if (is_held_up(st)) {
        if (bl_buf_append(&st->held, bl_h2_mem(s), data, len) < 0)
            bl_h2_stream_fail(st, BELAY_ENOMEM, BELAY_ANSWERED,
                              "holding a response: out of memory");
        return;
    }
    tell_data(st, data, len);
}

/* The response is whole, and handed over. What is left of the request's body is not wanted. */
static void complete(struct bl_h2_stream *st)
{
    struct bl_h2_session *s = st->session;
    struct bl_exchange *ex = st->ex;

    bl_exchange_detach(ex);
    abandon(st, NGHTTP2_NO_ERROR);
    bl_h2_arm(s);
    ex->ops->ended(ex, true);
}

static void reset_by_peer(struct bl_h2_stream *st)
{
    const char *name = nghttp2_http2_strerror(st->code);

    if (!st->refused)
        st->ex->h2_error = st->code;
    if (st->refused)
        bl_h2_stream_fail(st, BELAY_EPROTO, BELAY_ANSWERED, "the response is malformed (%s)", name);
    else if (st->code == NGHTTP2_REFUSED_STREAM || !st->framed) /* ... before or after a head */
        bl_h2_stream_fail(st, BELAY_ERESET, st->ex->answered ? BELAY_ANSWERED : BELAY_NOT_SENT,
                          "the peer refused the request (%s)", name);
    else if (st->code == NGHTTP2_HTTP_1_1_REQUIRED && bl_session_step_down(&st->session->base))
        bl_h2_stream_fail(st, BELAY_ERESET, bl_h2_sent(st->ex),
                          "the peer wants HTTP/1.1, and is spoken to so from now on (%s)", name);
    else
        bl_h2_stream_fail(st, BELAY_EPROTO, bl_h2_sent(st->ex), "the peer reset the request (%s)",
                          name);
}

void bl_h2_give_end(struct bl_h2_stream *st)
{
    struct bl_exchange *ex = st->ex;

    if (!ex) {
        reap(st);
        return;
    }
    if (is_held_up(st))
        return; /* bl_h2_run comes here again */
    if (st->ended && ex->responded)
        complete(st);
    else if (st->closed) /* with NO_ERROR, too: there is no whole response */
        reset_by_peer(st);
}

static void give_held_head(struct bl_h2_stream *st)
{
    struct bl_mem *mem = bl_h2_mem(st->session);
    struct bl_h2_held *held = BL_LIST_OF(bl_list_pop_front(&st->heads), struct bl_h2_held, link);

    tell_head(st, &held->head);
    held_free(held, mem);
}

static void give_held_data(struct bl_h2_stream *st)
{
    struct bl_mem *mem = bl_h2_mem(st->session);
    struct bl_buf held = st->held;

    st->held = (struct bl_buf){0};
    bl_h2_flush_later(st->session); /* what the peer may send now */
    tell_data(st, bl_buf_head(&held), bl_buf_len(&held));
    bl_buf_free(&held, mem);
}

static void give_held_trailers(struct bl_h2_stream *st)
{
    struct bl_mem *mem = bl_h2_mem(st->session);
    struct bl_h2_head h = st->trailers;

    st->trailers = (struct bl_h2_head){0};
    st->ex->ops->trailers(st->ex, (const void *)bl_buf_head(&h.headers), h.n);
    bl_h2_head_free(&h, mem);
}

static void give_next(struct bl_h2_stream *st)
{
    if (!bl_list_empty(&st->heads))
        give_held_head(st);
    else if (bl_buf_len(&st->held) > 0)
        give_held_data(st);
    else
        give_held_trailers(st);
}

/* Whether the stream is still there, and nobody has said stop. */
static bool goes_on(struct bl_h2_session *s, struct bl_h2_stream *st, struct bl_exchange *ex,
                    const bool *gone)
{
    return !*gone && s->current == st && st->ex == ex && !ex->paused;
}

/* Each of these may let go of the exchange, the stream, or the session. */
void bl_h2_run(struct bl_exchange *ex)
{
    struct bl_h2_stream *st = ex->h2;
    struct bl_h2_session *s = st->session;
    struct bl_h2_inside in;

    ex->go_on = false;
    s->current = st;
    bl_h2_enter(s, &in);
    while (goes_on(s, st, ex, &in.gone) && is_held_up(st))
        give_next(st);
    if (goes_on(s, st, ex, &in.gone))
        bl_h2_give_end(st);
    if (!in.gone)
        s->current = NULL;
    bl_h2_leave(s, &in);
}
