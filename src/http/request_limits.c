/* SPDX-License-Identifier: MIT */
/*
 * Time: one timer per request, set to whatever limit comes first. When it fires, most often nothing
 * has passed but the answer to "when next" has moved: the timer is lazy, and bytes that come and go
 * only leave a mark.
 */
#include <inttypes.h>

#include "base/error.h"
#include "http/request.h"

static uint64_t later(uint64_t at, uint64_t span)
{
    return span >= BELAY_NEVER - at ? BELAY_NEVER : at + span;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool is_running(const struct belay_http_request *r)
{
    return r->state == BL_REQUEST_RUNNING && r->ex.session;
}

static uint64_t bytes_moved(const struct belay_http_request *r)
{
    return r->ex.session->ops->bytes_out(&r->ex) + (uint64_t)r->ex.body_in;
}

void bl_request_begin_rate(struct belay_http_request *r)
{
    if (r->limits.min_rate == 0)
        return;
    r->window_at = bl_now(r->http->loop);
    r->window_bytes = bytes_moved(r);
}

static bool is_uploading(const struct belay_http_request *r)
{
    return r->message.body != BL_H1_NO_BODY && r->message.body != 0;
}

/* Until when silence is borne. */
static uint64_t silence_end(const struct belay_http_request *r)
{
    uint64_t span = r->limits.idle;

    if (!r->ex.answered)
        span = earlier(span, r->limits.first_byte);
    return later(r->ex.active_at, span);
}

void bl_request_arm(struct belay_http_request *r)
{
    uint64_t at = later(r->started_at, r->limits.total);

    if (is_running(r) && !r->ex.paused) {
        at = earlier(at, silence_end(r));
        if (BL_UNLIKELY(is_uploading(r))) /* what goes out is only seen by looking */
            at = earlier(at, later(bl_now(r->http->loop), r->limits.idle / 4));
        if (BL_UNLIKELY(r->ex.awaits_continue))
            at = earlier(at, later(r->sent_at, r->limits.go_on));
        if (BL_UNLIKELY(r->window_at != BELAY_NEVER))
            at = earlier(at, later(r->window_at, r->limits.window));
    } else if (is_running(r)) {
        at = earlier(at, later(bl_now(r->http->loop), r->limits.idle)); /* looked at again */
    }
    bl_timer_at(&r->timer, r->http->loop, at);
}

static void time_out(struct belay_http_request *r, int code, const char *what, uint64_t span)
{
    enum belay_stage stage = r->state == BL_REQUEST_RUNNING ? BELAY_STAGE_USE : BELAY_STAGE_QUEUE;
    struct belay_error error;

    bl_error_set(&error, code, stage, "%s within %" PRIu64 " ms", what, span / BL_MS(1));
    error.sent = r->sent == BELAY_NOT_SENT ? BELAY_NOT_SENT : BELAY_MAYBE_SENT;
    bl_request_abort(r, &error);
}

static bool too_slow(struct belay_http_request *r, uint64_t now)
{
    uint64_t moved = bytes_moved(r) - r->window_bytes;
    uint64_t span_ms = (now - r->window_at) / BL_MS(1);
    struct belay_error error;

    if (moved >= r->limits.min_rate * span_ms / 1000) {
        bl_request_begin_rate(r);
        return false;
    }
    bl_error_set(&error, BELAY_ESLOW, BELAY_STAGE_USE,
                 "%" PRIu64 " bytes in %" PRIu64 " ms are less than %" PRIu64 " bytes per second",
                 moved, span_ms, r->limits.min_rate);
    bl_request_abort(r, &error);
    return true;
}

/* Bytes of a body that went out since the last look count as signs of life. */
static void look_at_progress(struct belay_http_request *r, uint64_t now)
{
    uint64_t out = r->ex.session->ops->bytes_out(&r->ex);

    if (out != r->progress && is_uploading(r))
        r->ex.active_at = now;
    r->progress = out;
}

/* True: it is over. */
static bool check_running(struct belay_http_request *r, uint64_t now)
{
    if (r->ex.paused) {
        r->ex.active_at = now;
        r->window_at = BELAY_NEVER;
        return false;
    }
    look_at_progress(r, now);
    if (now >= silence_end(r)) {
        if (!r->ex.answered && r->limits.first_byte <= r->limits.idle)
            time_out(r, BELAY_ETIMEDOUT, "no byte of the response came", r->limits.first_byte);
        else
            time_out(r, BELAY_ETIMEDOUT, "no byte came or went", r->limits.idle);
        return true;
    }
    if (r->ex.awaits_continue && now >= later(r->sent_at, r->limits.go_on))
        r->ex.session->ops->send_body(&r->ex);
    if (r->window_at != BELAY_NEVER && now >= later(r->window_at, r->limits.window))
        return too_slow(r, now);
    return false;
}

void bl_request_on_timer(void *arg)
{
    struct belay_http_request *r = arg;
    uint64_t now = bl_now(r->http->loop);

    if (now >= later(r->started_at, r->limits.total)) {
        time_out(r, BELAY_ETIMEDOUT,
                 r->state == BL_REQUEST_RUNNING ? "no complete response came"
                                                : "no connection was to be had",
                 r->limits.total);
        return;
    }
    if (is_running(r) && check_running(r, now))
        return;
    bl_request_arm(r);
}
