/* SPDX-License-Identifier: MIT */
/* What comes from the session, on its way to the caller. Each callback of the caller's may cancel
 * the request. */
#include "base/error.h"
#include "http/request.h"

static struct belay_http_request *request_of(struct bl_exchange *ex)
{
    return BL_CONTAINER(ex, struct belay_http_request, ex);
}

static void abort_by_callback(struct belay_http_request *r, const char *callback)
{
    struct belay_error error;

    bl_error_set(&error, BELAY_EABORTED, BELAY_STAGE_USE, "%s asked to stop", callback);
    bl_request_abort(r, &error);
}

/* The callback has returned: does what it asked for. False: the request is over. */
static bool obey(struct belay_http_request *r, enum belay_http_action action, const char *callback)
{
    if (!bl_request_leave(r))
        return false;
    if (BL_LIKELY(action == BELAY_HTTP_GO_ON))
        return true;
    if (r->state != BL_REQUEST_RUNNING || !r->ex.session)
        return true; /* failed or taken over meanwhile */
    if (action == BELAY_HTTP_PAUSE) {
        r->ex.paused = true;
        return true;
    }
    abort_by_callback(r, callback);
    return false;
}

static void on_informational(struct bl_exchange *ex, struct belay_http_response *response)
{
    struct belay_http_request *r = request_of(ex);
    enum belay_http_action action;

    response->request = r;
    if (!r->callbacks->on_informational)
        return;
    bl_request_enter(r);
    action = r->callbacks->on_informational(response, r->arg);
    obey(r, action, "on_informational");
}

static void on_head(struct bl_exchange *ex, struct belay_http_response *response)
{
    struct belay_http_request *r = request_of(ex);
    enum belay_http_action action;

    response->request = r;
    r->status = response->status;
    r->major = (uint8_t)response->major;
    r->minor = (uint8_t)response->minor;
    r->first_byte_at = ex->active_at;
    if (BL_UNLIKELY(r->limits.min_rate > 0) && r->window_at == BELAY_NEVER) {
        bl_request_begin_rate(r);
        bl_request_arm(r);
    }
    if (BL_UNLIKELY(r->max_redirects > 0) && bl_request_follow(r, response) != BL_FOLLOW_NOT)
        return;
    if (!r->callbacks->on_headers)
        return;
    bl_request_enter(r);
    action = r->callbacks->on_headers(response, r->arg);
    if (!obey(r, action, "on_headers"))
        return;
    if (BL_UNLIKELY(r->state == BL_REQUEST_RUNNING && !belay_lease_valid(r->lease) && !ex->session))
        bl_request_finish(r, NULL); /* taken over */
}

/* A redirect's body is read to its end only if that is soon: else another connection is cheaper. */
#define DISCARD_MAX 65536

static void on_data(struct bl_exchange *ex, const char *data, size_t len)
{
    struct belay_http_request *r = request_of(ex);
    enum belay_http_action action;

    if (BL_UNLIKELY(r->discard)) {
        if (ex->body_in > DISCARD_MAX) {
            bl_request_stop(r);
            bl_request_followed(r);
        }
        return;
    }
    if (!r->callbacks->on_data)
        return;
    bl_request_enter(r);
    action = r->callbacks->on_data(r, data, len, r->arg);
    obey(r, action, "on_data");
}

static void on_trailers(struct bl_exchange *ex, const struct belay_header *trailers, size_t n)
{
    struct belay_http_request *r = request_of(ex);

    if (r->discard || !r->callbacks->on_trailers)
        return;
    bl_request_enter(r);
    r->callbacks->on_trailers(trailers, n, r->arg);
    bl_request_leave(r);
}

static void on_ended(struct bl_exchange *ex, bool reusable)
{
    struct belay_http_request *r = request_of(ex);

    bl_request_release(r, reusable ? BELAY_REUSE : BELAY_BROKEN);
    if (BL_UNLIKELY(r->discard))
        bl_request_followed(r);
    else
        bl_request_finish(r, NULL);
}

static void on_failed(struct bl_exchange *ex, const struct belay_error *error,
                      enum belay_release how)
{
    struct belay_http_request *r = request_of(ex);

    if (BL_UNLIKELY(r->discard)) { /* it had told where to go */
        bl_request_release(r, how);
        bl_request_followed(r);
        return;
    }
    bl_request_failed(r, error, how);
}

static void on_given_back(struct bl_exchange *ex)
{
    bl_request_given_back(request_of(ex));
}

static ptrdiff_t read_body(struct bl_exchange *ex, void *out, size_t size)
{
    struct belay_http_request *r = request_of(ex);
    ptrdiff_t n;

    r->body_read = true;
    bl_request_enter(r);
    n = r->read_body(out, size, r->body_arg);
    bl_request_leave(r);
    return n;
}

const struct bl_exchange_ops bl_request_exchange_ops = {
    .informational = on_informational,
    .head = on_head,
    .data = on_data,
    .trailers = on_trailers,
    .ended = on_ended,
    .failed = on_failed,
    .given_back = on_given_back,
    .read = read_body,
};
