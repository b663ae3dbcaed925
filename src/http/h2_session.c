/* SPDX-License-Identifier: MIT */
/*
 * HTTP/2 on one connection: many exchanges at a time.
 *
 *     OPENING --the peer's SETTINGS--> READY --GOAWAY--> only what is under way
 *         \---------- lost, broken protocol, out of memory ----------> BROKEN
 *
 * What the peer allows is the connection's capacity, and changes with its SETTINGS. A GOAWAY tells
 * which requests it will not answer: these have not been sent, whatever left.
 */
#include "http/h2_session.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "conn/conn.h"
#include "http/http_check.h"

/* Of one head, as it goes out: more than a request may have. */
#define HEAD_OUT_MAX (4u << 20)

#define DAY_MS INT64_C(86400000)

/* ---- its end ---- */

static void fail_one(struct bl_h2_stream *st, const struct belay_error *error)
{
    struct bl_exchange *ex = st->ex;
    struct belay_error copy = *error;

    copy.sent = bl_h2_sent(ex);
    bl_exchange_detach(ex);
    ex->ops->failed(ex, &copy, BELAY_BROKEN);
}

/* One whose response is whole, and only held back, has lost nothing. */
static bool has_lost(const struct bl_h2_stream *st)
{
    return st->ex && !(st->ended && st->ex->responded);
}

/* Each is looked at once, however many there are; callbacks may end any of them. */
static void fail_all(struct bl_h2_session *s, const struct belay_error *error, const bool *gone)
{
    struct bl_list *node;

    bl_list_splice(&s->dying, &s->streams);
    bl_list_splice(&s->dying, &s->unsent);
    while (!*gone && (node = bl_list_pop_front(&s->dying))) {
        struct bl_h2_stream *st = BL_LIST_OF(node, struct bl_h2_stream, link);

        bl_list_push_back(&s->streams, node);
        if (has_lost(st))
            fail_one(st, error);
    }
}

/* The keeper hears of it first, so that the connection's end has its reason when leases come back. */
void bl_h2_die_of(struct bl_h2_session *s, const struct belay_error *error)
{
    struct belay_error copy = *error;
    struct bl_h2_inside in;

    s->broken = true;
    bl_task_cancel(&s->flush);
    bl_timer_stop(&s->timer);
    if (!bl_session_is_taken(&s->base)) {
        belay_stream_flush(s->base.stream); /* its GOAWAY; what does not leave now never will */
        bl_stream_drop_output(s->base.stream);
    }
    if (!s->ready) {
        belay_stream_set_callbacks(s->base.stream, NULL, NULL);
        bl_task_post(bl_h2_loop(s), &s->end);
        bl_session_unfit(&s->base, &copy);
        return;
    }
    if (!s->base.check) /* else it tells */
        belay_conn_lost(s->base.conn, BELAY_REASON_NONE, &copy);
    bl_h2_enter(s, &in);
    fail_all(s, &copy, &in.gone);
    bl_h2_leave(s, &in);
}

void bl_h2_die(struct bl_h2_session *s, int code, const char *format, ...)
{
    struct belay_error error;
    char text[BELAY_ERROR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bl_error_set(&error, code, s->ready ? BELAY_STAGE_USE : BELAY_STAGE_PROTOCOL, "%s", text);
    bl_h2_die_of(s, &error);
}

static void free_streams(struct bl_h2_session *s, struct bl_list *list)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(list))) {
        struct bl_h2_stream *st = BL_LIST_OF(node, struct bl_h2_stream, link);

        if (st->ex)
            bl_exchange_orphan(st->ex);
        bl_h2_stream_release(s, st);
    }
}

void bl_h2_note(struct bl_h2_session *s, int code)
{
    if (!s->code)
        s->code = code;
    bl_h2_flush_later(s);
}

void bl_h2_end(struct bl_h2_session *s, uint32_t h2_code, int code, const char *why)
{
    snprintf(s->why, sizeof s->why, "%s", why);
    s->code = code;
    nghttp2_session_terminate_session(s->nghttp2, h2_code);
    bl_h2_flush(s); /* ends with its death, as s->code says */
}

/* Says goodbye, if there is anybody to hear it. */
static void say_goodbye(struct bl_h2_session *s)
{
    const uint8_t *data;
    ssize_t n;

    if (s->broken || !belay_conn_stream(s->base.conn))
        return;
    if (nghttp2_session_terminate_session(s->nghttp2, NGHTTP2_NO_ERROR) != 0)
        return;
    while ((n = nghttp2_session_mem_send(s->nghttp2, &data)) > 0) {
        if (belay_stream_write(s->base.stream, data, (size_t)n) < 0)
            return;
    }
}

static void close_session(struct bl_session *base)
{
    struct bl_h2_session *s = bl_h2_of(base);
    struct belay_loop *loop = bl_h2_loop(s);

    if (s->gone)
        *s->gone = true;
    say_goodbye(s);
    nghttp2_session_del(s->nghttp2); /* streams are ours: it calls nobody */
    bl_blocks_fini(&s->blocks);
    bl_task_cancel(&s->flush);
    bl_task_cancel(&s->end);
    bl_timer_fini(&s->timer, loop);
    free_streams(s, &s->unsent);
    free_streams(s, &s->streams);
    free_streams(s, &s->dying);
    free_streams(s, &s->spare);
    bl_h2_head_free(&s->head, &loop->mem);
    bl_free(&loop->mem, s);
}

static void on_end_task(void *arg)
{
    struct bl_h2_session *s = arg;

    bl_session_end(&s->base);
}

/* ---- what the peer says of itself ---- */

static void set_capacity(struct bl_h2_session *s)
{
    int32_t own = s->base.http->options.max_streams;

    s->base.capacity = s->peer_max < (uint32_t)own ? (int)s->peer_max : own;
}

static void moved(struct bl_session *base)
{
    set_capacity(bl_h2_of(base));
    belay_conn_set_capacity(base->conn, base->capacity);
    bl_h2_arm(bl_h2_of(base));
}

void bl_h2_on_settings(struct bl_h2_session *s)
{
    s->peer_max =
        nghttp2_session_get_remote_settings(s->nghttp2, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    s->peer_header_bytes =
        nghttp2_session_get_remote_settings(s->nghttp2, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE);
    set_capacity(s);
    if (s->ready) {
        belay_conn_set_capacity(s->base.conn, s->base.capacity);
        bl_h2_flush_later(s); /* more may go */
    } else {
        s->ready = true;
        bl_h2_flush_later(s);
        bl_h2_arm(s);
        bl_session_ready(&s->base);
    }
}

/* Those that wait have not been sent, and may go elsewhere. */
static void turn_away(struct bl_h2_session *s)
{
    struct bl_h2_inside in;
    struct bl_list *node;

    bl_h2_enter(s, &in);
    while (!in.gone && !s->broken && (node = bl_list_first(&s->unsent)))
        bl_h2_stream_fail(BL_LIST_OF(node, struct bl_h2_stream, link), BELAY_ERESET, BELAY_NOT_SENT,
                          "the connection takes no more requests (GOAWAY)");
    bl_h2_leave(s, &in);
}

/* All connections of the client, from now on. */
static void ping_less(struct bl_h2_session *s)
{
    int64_t *ms = &s->base.http->options.ping_interval_ms;

    s->calm = false;
    if (*ms < DAY_MS) /* a day is less than ever */
        *ms *= 2;
}

void bl_h2_on_goaway(struct bl_h2_session *s)
{
    if (s->calm)
        ping_less(s);
    if (bl_conn_get_state(s->base.conn) == BL_CONN_OPENING) { /* it would serve nobody */
        bl_h2_die(s, BELAY_EEOF, "the peer ends the connection (GOAWAY)");
        return;
    }
    if (s->base.check) /* it may not be answered, which is no fault: the peer has spoken */
        bl_check_pass(s->base.check);
    if (s->goaway_code == NGHTTP2_HTTP_1_1_REQUIRED)
        bl_session_step_down(&s->base);
    belay_conn_draining(s->base.conn);
    turn_away(s);
}

/* ---- listening ---- */

static void ping(struct bl_h2_session *s)
{
    s->pinging = true;
    s->pinged_at = bl_now(bl_h2_loop(s));
    if (nghttp2_submit_ping(s->nghttp2, NGHTTP2_FLAG_NONE, NULL) != 0)
        bl_h2_note(s, BELAY_ENOMEM);
    bl_h2_flush_later(s);
}

void bl_h2_on_pong(struct bl_h2_session *s)
{
    s->pinging = false;
    if (s->checking)
        belay_conn_checked(s->base.conn, 0);
    s->checking = false;
}

static uint64_t interval(const struct bl_h2_session *s)
{
    const struct belay_http_options *o = &s->base.http->options;

    if (o->ping_interval_ms == INT64_MAX || (s->base.running == 0 && !o->ping_when_idle))
        return BELAY_NEVER;
    return BL_MS(o->ping_interval_ms);
}

static uint64_t later(uint64_t at, uint64_t span)
{
    return span >= BELAY_NEVER - at ? BELAY_NEVER : at + span;
}

/* Anything whole is as good as the answer; a frame that dribbles in keeps the answer back. */
static uint64_t due(const struct bl_h2_session *s)
{
    uint64_t limit = BL_MS(s->base.http->options.ping_timeout_ms);

    if (s->pinging)
        return later(s->whole_at > s->pinged_at ? s->whole_at : s->pinged_at, limit);
    return later(s->heard_at, interval(s));
}

void bl_h2_arm(struct bl_h2_session *s)
{
    if (!s->broken)
        bl_timer_at(&s->timer, bl_h2_loop(s), due(s));
}

static void on_timer(void *arg)
{
    struct bl_h2_session *s = arg;

    if (bl_now(bl_h2_loop(s)) >= due(s)) {
        if (s->pinging) {
            bl_h2_die(s, BELAY_ETIMEDOUT, "no answer to a PING within %lld ms",
                      (long long)s->base.http->options.ping_timeout_ms);
            return;
        }
        ping(s);
    }
    bl_h2_arm(s);
}

static void check(struct bl_session *base)
{
    struct bl_h2_session *s = bl_h2_of(base);

    s->checking = true;
    if (!s->pinging)
        ping(s);
    bl_h2_arm(s);
}

void bl_h2_doubt(struct bl_exchange *ex, uint64_t since)
{
    struct bl_h2_session *s = bl_h2_of(ex->session);

    if (s->broken || s->whole_at > since)
        return;
    belay_conn_suspect(s->base.conn);
    check(&s->base);
}

/* ---- its beginning ---- */

static bool probe(struct bl_session *base)
{
    return !bl_h2_of(base)->broken;
}

static const struct bl_session_ops ops = {
    .alpn = "h2",
    .start = bl_h2_start,
    .probe = probe,
    .stop = bl_h2_stop,
    .resume = bl_h2_resume,
    .body_ready = bl_h2_body_ready,
    .send_body = bl_h2_body_ready,
    .run = bl_h2_run,
    .sent = bl_h2_sent,
    .bytes_out = bl_h2_bytes_out,
    .detached = bl_h2_detached,
    .check = check,
    .doubt = bl_h2_doubt,
    .moved = moved,
    .close = close_session,
};

static int make_nghttp2(struct bl_h2_session *s)
{
    nghttp2_mem mem = bl_h2_memory(&s->blocks);
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    int rc;

    if (bl_h2_callbacks_new(&callbacks) < 0)
        return BELAY_ENOMEM;
    if (nghttp2_option_new(&option) != 0) {
        nghttp2_session_callbacks_del(callbacks);
        return BELAY_ENOMEM;
    }
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_send_header_block_length(option, HEAD_OUT_MAX);
#ifdef BL_HAVE_MAX_CONTINUATIONS
    nghttp2_option_set_max_continuations(option, SIZE_MAX); /* h2_limits.c counts their bytes */
#endif
    rc = nghttp2_session_client_new3(&s->nghttp2, callbacks, s, option, &mem);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return rc == 0 ? 0 : BELAY_ENOMEM;
}

static int say_hello(struct bl_h2_session *s)
{
    const struct belay_http_options *o = &s->base.http->options;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, s->stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)o->max_header_bytes},
    };

    if (nghttp2_submit_settings(s->nghttp2, NGHTTP2_FLAG_NONE, settings, BL_COUNT(settings)) != 0 ||
        nghttp2_session_set_local_window_size(s->nghttp2, NGHTTP2_FLAG_NONE, 0,
                                              o->connection_window) != 0)
        return BELAY_ENOMEM;
    return 0;
}

int bl_h2_session_new(struct belay_http *http, struct belay_conn *conn, struct belay_stream *stream,
                      struct bl_session **ret)
{
    struct bl_h2_session *s = bl_zalloc(&http->loop->mem, sizeof *s);

    if (!s)
        return BELAY_ENOMEM;
    s->base = (struct bl_session){.ops = &ops, .http = http, .conn = conn, .stream = stream};
    s->stream_window = (uint32_t)http->options.stream_window;
    bl_blocks_init(&s->blocks, &http->loop->mem);
    bl_list_init(&s->base.link);
    bl_list_init(&s->unsent);
    bl_list_init(&s->streams);
    bl_list_init(&s->dying);
    bl_list_init(&s->spare);
    bl_list_init(&s->events);
    bl_list_init(&s->hungry);
    bl_task_init(&s->flush, bl_h2_flush, s);
    bl_task_init(&s->end, on_end_task, s);
    s->heard_at = s->whole_at = s->limits.drained_at = bl_now(http->loop);
    if (bl_timer_init(&s->timer, http->loop, on_timer, s) < 0 || make_nghttp2(s) < 0 ||
        say_hello(s) < 0) {
        nghttp2_session_del(s->nghttp2);
        bl_blocks_fini(&s->blocks);
        bl_timer_fini(&s->timer, http->loop);
        bl_free(&http->loop->mem, s);
        return BELAY_ENOMEM;
    }
    belay_stream_set_callbacks(stream, &bl_h2_stream_callbacks, s);
    bl_h2_flush_later(s);
    *ret = &s->base;
    return 0;
}
