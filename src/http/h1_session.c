/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 on one connection: one exchange at a time.
 *
 *     IDLE --start--> BUSY --whole, both may go on--> IDLE
 *                       \--cut short, unread, stopped, garbage--> BROKEN
 *
 * IDLE: nothing may come; what does, or the peer's close, ends the connection. A server that gave a
 * Keep-Alive timeout is left a margin before that passes. BROKEN: the connection only waits to be
 * closed by its keeper.
 */
#include "http/h1_session.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

/* ---- its end ---- */

static uint64_t bytes_out(const struct bl_exchange *ex)
{
    return belay_stream_sent(ex->session->stream) - ex->sent_mark;
}

enum belay_sent bl_h1_sent(const struct bl_exchange *ex)
{
    if (ex->answered)
        return BELAY_ANSWERED;
    return bytes_out(ex) > 0 ? BELAY_MAYBE_SENT : BELAY_NOT_SENT;
}

/* The keeper hears of it first, so that the connection's end has its reason when the lease comes
 * back. */
void bl_h1_fail_with(struct bl_h1_session *s, struct belay_error *error)
{
    struct bl_exchange *ex = s->exchange;

    error->sent = bl_h1_sent(ex);
    bl_stream_drop_output(s->base.stream); /* NOT_SENT shall stay true */
    s->broken = true;
    if (BL_LIKELY(!ex->quiet))
        belay_conn_lost(s->base.conn, BELAY_REASON_ERROR, error);
    bl_exchange_detach(ex);
    ex->ops->failed(ex, error, BELAY_BROKEN);
}

void bl_h1_fail(struct bl_h1_session *s, int code, const char *format, ...)
{
    struct belay_error error;
    char text[BELAY_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bl_error_set(&error, code, BELAY_STAGE_USE, "%s", text);
    bl_h1_fail_with(s, &error);
}

static enum belay_release stop(struct bl_exchange *ex)
{
    struct bl_h1_session *s = bl_h1_of(ex->session);

    s->broken = true;
    bl_exchange_detach(ex);
    if (bl_session_is_taken(&s->base))
        return BELAY_BROKEN;
    bl_stream_drop_output(s->base.stream);
    belay_stream_resume(s->base.stream); /* what comes is thrown away until the keeper closes it */
    return BELAY_BROKEN;
}

static void leave(struct bl_exchange *ex)
{
    struct bl_h1_session *s = bl_h1_of(ex->session);

    s->broken = s->taken = true;
    bl_exchange_detach(ex);
}

static void detached(struct bl_session *base, struct bl_exchange *ex)
{
    (void)ex;
    bl_h1_of(base)->exchange = NULL;
}

static bool probe(struct bl_session *base)
{
    return bl_stream_probe(base->stream);
}

static void close_session(struct bl_session *base)
{
    struct bl_h1_session *s = bl_h1_of(base);
    struct belay_loop *loop = bl_h1_loop(s);

    if (s->exchange)
        bl_exchange_orphan(s->exchange);
    if (s->timer)
        bl_timer_fini(s->timer, loop);
    bl_free(&loop->mem, s->timer);
    bl_free(&loop->mem, s);
}

/* ---- idle ---- */

static void on_idle_timer(void *arg)
{
    struct bl_h1_session *s = arg;

    if (!s->exchange)
        belay_conn_draining(s->base.conn);
}

/* Most servers promise nothing, so the timer is made with the first promise. */
static struct bl_timer *promise_timer(struct bl_h1_session *s)
{
    struct belay_loop *loop = bl_h1_loop(s);
    struct bl_timer *timer = s->timer ? s->timer : bl_zalloc(&loop->mem, sizeof *timer);

    if (timer && !s->timer && bl_timer_init(timer, loop, on_idle_timer, s) < 0) {
        bl_free(&loop->mem, timer);
        return NULL;
    }
    return s->timer = timer;
}

/* The server will close an idle connection: it is not lent after that, less a margin. */
static void watch_promise(struct bl_h1_session *s)
{
    struct belay_loop *loop = bl_h1_loop(s);
    struct bl_timer *timer = promise_timer(s);

    if (!timer || s->idle_until <= bl_now(loop))
        belay_conn_draining(s->base.conn);
    else
        bl_timer_at(timer, loop, s->idle_until);
}

void bl_h1_complete(struct bl_h1_session *s, size_t left)
{
    struct bl_exchange *ex = s->exchange;
    struct belay_error error;
    bool reusable = s->keep && ex->body_sent && left == 0;

    if (left > 0 && !ex->quiet) {
        bl_error_set(&error, BELAY_EUNHEALTHY, BELAY_STAGE_USE,
                     "%s sent %zu bytes after the end of a response",
                     belay_endpoint_name(belay_conn_endpoint(s->base.conn)), left);
        belay_conn_lost(s->base.conn, BELAY_REASON_UNHEALTHY, &error);
    }
    s->broken = !reusable;
    bl_exchange_detach(ex);
    if (reusable && BL_UNLIKELY(s->idle_until != BELAY_NEVER))
        watch_promise(s);
    ex->ops->ended(ex, reusable);
}

/* "HTTP/1.x 408": the server's way of saying that it will close. */
static bool is_request_timeout(const char *data, size_t len)
{
    return len >= 12 && memcmp(data, "HTTP/1.", 7) == 0 && memcmp(data + 8, " 408", 4) == 0;
}

/* An exchange that has begun, but whose first byte has not left, loses nothing by it. */
static void on_idle_data(struct bl_h1_session *s, const char *data, size_t len)
{
    const char *name = belay_endpoint_name(belay_conn_endpoint(s->base.conn));
    bool farewell = is_request_timeout(data, len);
    struct belay_error error;

    s->broken = true;
    if (farewell)
        bl_error_set(&error, BELAY_EEOF, BELAY_STAGE_USE,
                     "%s ended an idle connection by a 408 response", name);
    else
        bl_error_set(&error, BELAY_EUNHEALTHY, BELAY_STAGE_USE,
                     "%s sent %zu bytes on an idle connection", name, len);
    belay_conn_lost(s->base.conn, farewell ? BELAY_REASON_PEER_CLOSED : BELAY_REASON_UNHEALTHY,
                    &error);
    if (s->exchange)
        bl_h1_fail_with(s, &error);
}

/* ---- the stream's callbacks ---- */

/* Before a byte of the request has left there is nothing that could be answered. */
static bool was_asked(const struct bl_h1_session *s)
{
    const struct bl_exchange *ex = s->exchange;

    return ex && (ex->answered || belay_stream_sent(s->base.stream) > ex->sent_mark);
}

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    struct bl_h1_session *s = arg;

    (void)stream;
    if (BL_LIKELY(was_asked(s)))
        return bl_h1_receive(s, data, len);
    if (!s->broken)
        on_idle_data(s, data, len);
    return len;
}

static void on_drain(struct belay_stream *stream, void *arg)
{
    struct bl_h1_session *s = arg;

    (void)stream;
    if (!s->exchange)
        return;
    s->exchange->full = false;
    bl_h1_pump(s);
}

/* Idle, or already broken: the keeper has its own ear on the stream. */
static void on_end(struct belay_stream *stream, void *arg)
{
    struct bl_h1_session *s = arg;

    (void)stream;
    s->broken = true;
    s->keep = false;
    if (s->exchange)
        bl_h1_receive_end(s);
}

static void on_lost(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct bl_h1_session *s = arg;
    struct belay_error copy = *error;
    struct bl_exchange *ex = s->exchange;
    size_t used;

    (void)stream;
    s->broken = true;
    s->keep = false;
    if (!ex)
        return;
    if (ex->responded && bl_h1_parse(&ex->h1, NULL, 0, &used) == BL_H1_END)
        bl_h1_complete(s, 0); /* all of it had come */
    else
        bl_h1_fail_with(s, &copy);
}

static const struct belay_stream_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_data = on_data,
    .on_drain = on_drain,
    .on_end = on_end,
    .on_lost = on_lost,
};

/* ---- an exchange ---- */

static int start(struct bl_session *base, struct bl_exchange *ex)
{
    struct bl_h1_session *s = bl_h1_of(base);
    int rc;

    if (BL_UNLIKELY(s->broken || s->exchange))
        return BELAY_ERESET;
    bl_exchange_reset(ex);
    ex->sent_mark = belay_stream_sent(base->stream);
    ex->active_at = bl_now(bl_h1_loop(s));
    rc = bl_h1_send_head(s, ex);
    if (rc < 0)
        return rc;
    if (BL_UNLIKELY(s->idle_until != BELAY_NEVER)) {
        s->idle_until = BELAY_NEVER;
        if (s->timer)
            bl_timer_stop(s->timer);
    }
    bl_h1_parser_begin(&ex->h1, &base->http->limits, ex->message->is_head);
    ex->h1.discreet = base->stream->proxied;
    s->keep = true;
    bl_exchange_attach(ex, base);
    s->exchange = ex;
    if (!ex->body_sent && !ex->awaits_continue)
        bl_h1_pump_later(s);
    return 0;
}

static void resume(struct bl_exchange *ex)
{
    struct belay_loop *loop = ex->session->http->loop;

    ex->paused = false;
    ex->go_on = true;
    ex->active_at = bl_now(loop);
    bl_task_post(loop, &ex->task);
}

static void body_ready(struct bl_exchange *ex)
{
    ex->starved = false;
    bl_h1_pump_later(bl_h1_of(ex->session));
}

static void send_body(struct bl_exchange *ex)
{
    ex->awaits_continue = false;
    bl_h1_pump_later(bl_h1_of(ex->session));
}

static void run(struct bl_exchange *ex)
{
    struct bl_h1_session *s = bl_h1_of(ex->session);
    bool go_on = ex->go_on;

    if (bl_session_is_taken(&s->base))
        return;
    ex->go_on = false;
    if (ex->pump) {
        ex->pump = false;
        bl_h1_pump(s);
    }
    if (s->exchange != ex || !go_on || ex->paused)
        return;
    belay_stream_resume(
        s->base.stream); /* what it holds comes in a later task; the parser's part comes first */
    bl_h1_receive(s, "", 0);
}

static const struct bl_session_ops ops = {
    .alpn = "http/1.1",
    .start = start,
    .probe = probe,
    .stop = stop,
    .leave = leave,
    .resume = resume,
    .body_ready = body_ready,
    .send_body = send_body,
    .run = run,
    .sent = bl_h1_sent,
    .bytes_out = bytes_out,
    .detached = detached,
    .close = close_session,
};

int bl_h1_session_new(struct belay_http *http, struct belay_conn *conn, struct belay_stream *stream,
                      struct bl_session **ret)
{
    struct bl_h1_session *s = bl_zalloc(&http->loop->mem, sizeof *s);

    if (!s)
        return BELAY_ENOMEM;
    s->base.ops = &ops;
    s->base.http = http;
    s->base.conn = conn;
    s->base.stream = stream;
    s->base.capacity = 1;
    s->idle_until = BELAY_NEVER;
    bl_list_init(&s->base.link);
    belay_stream_set_callbacks(stream, &callbacks, s);
    *ret = &s->base;
    return 0;
}
