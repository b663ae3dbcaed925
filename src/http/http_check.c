/* SPDX-License-Identifier: MIT */
/*
 * A check: one request, whose status is the answer. Its exchange is like a request's, without
 * replay, redirects and callbacks.
 *
 * What is learned is told inside the session's up-call, so that it is told before the peer's close,
 * which may come in the same read; the session, still on the stack there, is freed afterwards.
 */
#include "http/http_check.h"

#include "base/error.h"
#include "base/options.h"
#include "http/client.h"
#include "http/target.h"

#define HOUR_MS      INT64_C(3600000)
#define LONGEST_PATH 8000

struct bl_check {
    struct bl_session *session;
    struct belay_loop *loop;
    struct bl_exchange ex;
    struct bl_message message;
    struct bl_timer timer;
    struct bl_task task; /* frees the session of a connection that did not open */
    struct belay_http_target *target;
    char method[BL_METHOD_MAX + 1];
    int32_t status_min, status_max;
    int64_t timeout_ms;
    int32_t status; /* 0: no answer yet */
    bool opening;
    bool over; /* told; it is only to be freed */
};

/* ---- options ---- */

static const struct bl_option fields[] = {
    BL_OPTION(belay_http_check, status_min, 200, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 200, 599),
    BL_OPTION(belay_http_check, status_max, 399, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 200, 599),
    BL_OPTION(belay_http_check, timeout_ms, 5000, BL_NOT_ALLOWED, INT64_MAX, 1, HOUR_MS),
};

static int refuse(struct belay_error *error, const char *text)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s", text);
}

static int out_of_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                        "making a connector of HTTP: out of memory");
}

static int check_path(struct belay_http *http, const char *path, struct belay_error *error)
{
    struct bl_buf line = {0};
    size_t host_at;
    int rc;

    if (path[0] != '/')
        return refuse(error, "path: does not begin with a slash");
    if (strlen(path) > LONGEST_PATH)
        return refuse(error, "path: is longer than 8,000 bytes");
    if (strchr(path, '#'))
        return refuse(error, "path: has a fragment, which is not sent");
    rc =
        bl_h1_write_target(&line, &http->loop->mem, bl_span_of(path), bl_span_of("host"), &host_at);
    bl_buf_free(&line, &http->loop->mem);
    if (rc == BELAY_EINVAL)
        return refuse(error, "path: holds what cannot be sent");
    return rc < 0 ? out_of_memory(error) : 0;
}

static int check_method(const char *method, struct belay_error *error)
{
    struct belay_error own;
    int rc = bl_h1_check_method(bl_span_of(method), &own);

    return rc < 0 ? bl_error_set(error, rc, BELAY_STAGE_NONE, "method: %s", own.text) : 0;
}

static int set_check(struct belay_http *http, const struct belay_http_check *given,
                     struct belay_error *error)
{
    struct bl_http_check *check;
    struct belay_http_check o;
    int rc = bl_options_resolve(&o, sizeof o, given, fields, BL_COUNT(fields), error);

    if (rc < 0)
        return rc;
    if (o.status_min > o.status_max)
        return refuse(error, "status_min: is above status_max");
    o.method = o.method ? o.method : "GET";
    o.path = o.path ? o.path : "/";
    rc = check_method(o.method, error);
    rc = rc < 0 ? rc : check_path(http, o.path, error);
    if (rc < 0)
        return rc;
    check = bl_alloc(&http->loop->mem, sizeof *check + strlen(o.path) + 1);
    if (!check)
        return out_of_memory(error);
    check->options = o;
    memcpy(check->method, o.method, strlen(o.method) + 1);
    memcpy(check->path, o.path, strlen(o.path) + 1);
    check->options.method = check->method;
    check->options.path = check->path;
    bl_free(&http->loop->mem, http->check);
    http->check = check;
    return 0;
}

int belay_http_connector(struct belay_http *http, const struct belay_http_check *check,
                         struct belay_connector *ret_connector, struct belay_error *error)
{
    int rc = 0;

    if (http->closing || http->draining)
        return bl_error_set(error, BELAY_ECLOSED, BELAY_STAGE_NONE,
                            "making a connector of HTTP: the client is closed");
    if (check) {
        rc = set_check(http, check, error);
    } else {
        bl_free(&http->loop->mem, http->check);
        http->check = NULL;
    }
    if (rc == 0)
        *ret_connector = (struct belay_connector){.ops = &bl_http_link_connector, .arg = http};
    return rc;
}

/* ---- its end ---- */

void bl_check_free(struct bl_check *c)
{
    if (!c)
        return;
    c->session->check = NULL;
    if (c->ex.session)
        bl_exchange_detach(&c->ex); /* the session ends with it */
    bl_task_cancel(&c->task);
    bl_timer_fini(&c->timer, c->loop);
    bl_exchange_fini(&c->ex, c->loop);
    belay_http_target_unref(c->target);
    bl_free(&c->loop->mem, c);
}

static void end_session(void *arg)
{
    struct bl_check *c = arg;

    bl_session_end(c->session);
}

static void tell_good(struct bl_check *c)
{
    struct bl_session *session = c->session;
    bool opening = c->opening;

    bl_check_free(c);
    if (opening)
        belay_conn_open_done(session->conn, session, session->capacity);
    else
        belay_conn_checked(session->conn, 0);
}

static void tell_bad(struct bl_check *c, const struct belay_error *error)
{
    struct belay_conn *conn = c->session->conn;

    if (c->opening) {
        c->over = true;
        bl_timer_stop(&c->timer);
        bl_task_post(c->loop, &c->task);
        belay_conn_open_failed(conn, error);
    } else {
        bl_check_free(c);
        belay_conn_lost(conn, BELAY_REASON_UNHEALTHY, error);
    }
}

void bl_check_fail(struct bl_check *c, const struct belay_error *error)
{
    if (c->over)
        return;
    if (c->ex.session)
        c->session->ops->stop(&c->ex);
    tell_bad(c, error);
}

void bl_check_pass(struct bl_check *c)
{
    if (c->over)
        return;
    if (c->ex.session)
        c->session->ops->stop(&c->ex);
    tell_good(c);
}

static bool is_good(const struct bl_check *c)
{
    return c->status >= c->status_min && c->status <= c->status_max;
}

static void tell_status(struct bl_check *c)
{
    struct belay_error error;

    bl_error_set(&error, BELAY_EUNHEALTHY, BELAY_STAGE_PROTOCOL,
                 "%s %.200s: the answer is %d, and %d to %d is good", c->method, c->target->name,
                 (int)c->status, (int)c->status_min, (int)c->status_max);
    error.status = c->status;
    error.sent = BELAY_ANSWERED;
    bl_check_fail(c, &error);
}

static void tell_error(struct bl_check *c, const struct belay_error *error)
{
    struct belay_error told = *error;

    told.stage = BELAY_STAGE_PROTOCOL;
    told.status = c->status;
    bl_error_prefix(&told, "%s %.160s", c->method, c->target->name);
    bl_check_fail(c, &told);
}

static void on_timer(void *arg)
{
    struct bl_check *c = arg;
    struct belay_error error;

    if (c->status && !is_good(c)) {
        tell_status(c);
        return;
    }
    bl_error_set(&error, BELAY_ETIMEDOUT, BELAY_STAGE_PROTOCOL, "no complete answer within %lld ms",
                 (long long)c->timeout_ms);
    error.sent = c->status ? BELAY_ANSWERED : BELAY_MAYBE_SENT;
    tell_error(c, &error);
}

/* ---- what comes from the session ---- */

static struct bl_check *check_of(struct bl_exchange *ex)
{
    return BL_CONTAINER(ex, struct bl_check, ex);
}

static void on_informational(struct bl_exchange *ex, struct belay_http_response *response)
{
    (void)ex, (void)response;
}

static void on_head(struct bl_exchange *ex, struct belay_http_response *response)
{
    check_of(ex)->status = response->status;
}

static void on_data(struct bl_exchange *ex, const char *data, size_t len)
{
    (void)ex, (void)data, (void)len;
}

static void on_trailers(struct bl_exchange *ex, const struct belay_header *trailers, size_t n)
{
    (void)ex, (void)trailers, (void)n;
}

static void on_ended(struct bl_exchange *ex, bool reusable)
{
    struct bl_check *c = check_of(ex);
    struct belay_error error;

    if (!is_good(c)) {
        tell_status(c);
    } else if (!reusable) {
        bl_error_set(&error, BELAY_EEOF, BELAY_STAGE_PROTOCOL,
                     "the answer is %d, and the connection ends with it", (int)c->status);
        error.sent = BELAY_ANSWERED;
        tell_error(c, &error);
    } else {
        tell_good(c);
    }
}

static void on_failed(struct bl_exchange *ex, const struct belay_error *error,
                      enum belay_release how)
{
    (void)how;
    tell_error(check_of(ex), error);
}

static const struct bl_exchange_ops exchange_ops = {
    .informational = on_informational,
    .head = on_head,
    .data = on_data,
    .trailers = on_trailers,
    .ended = on_ended,
    .failed = on_failed,
};

/* ---- its beginning ---- */

static int check_new(struct bl_session *session, struct bl_check **ret, struct belay_error *error)
{
    struct belay_http *http = session->http;
    const struct belay_http_check *o = &http->check->options;
    struct bl_check *c = bl_zalloc(&http->loop->mem, sizeof *c);
    int rc;

    if (!c || bl_timer_init(&c->timer, http->loop, on_timer, c) < 0) {
        bl_free(&http->loop->mem, c);
        return out_of_memory(error);
    }
    c->session = session;
    c->loop = http->loop;
    bl_task_init(&c->task, end_session, c);
    bl_exchange_init(&c->ex, c->loop, &exchange_ops, &c->message);
    memcpy(c->method, o->method, strlen(o->method));
    c->status_min = o->status_min;
    c->status_max = o->status_max;
    c->timeout_ms = o->timeout_ms;
    session->check = c;
    rc = bl_target_at(http, belay_conn_endpoint(session->conn), o->path, &c->target, error);
    if (rc == 0 && bl_target_prepare(c->target, session->forward) < 0)
        rc = out_of_memory(error);
    if (rc < 0) {
        bl_check_free(c);
        return rc;
    }
    c->message.target = c->target;
    c->message.method = bl_span_of(c->method);
    c->message.is_head = strcmp(c->method, "HEAD") == 0;
    c->message.body = BL_H1_NO_BODY;
    *ret = c;
    return 0;
}

static int start(struct bl_session *session, bool opening, struct belay_error *error)
{
    struct bl_check *c = NULL;
    int rc = check_new(session, &c, error);

    if (rc < 0)
        return rc;
    c->opening = opening;
    rc = session->ops->start(session, &c->ex);
    if (rc < 0) {
        bl_check_free(c);
        return bl_error_set(error, rc, BELAY_STAGE_PROTOCOL, "checking a connection: %s",
                            belay_strerror(rc));
    }
    c->ex.quiet = true;
    if (c->timeout_ms != INT64_MAX)
        bl_timer_at(&c->timer, c->loop, bl_after_ms(bl_now_fresh(c->loop), c->timeout_ms));
    return 0;
}

void bl_check_begin(struct bl_session *session, bool opening)
{
    struct belay_conn *conn = session->conn;
    struct belay_error error;

    if (start(session, opening, &error) == 0)
        return;
    error.stage = BELAY_STAGE_PROTOCOL;
    bl_error_prefix(&error, "%s", belay_endpoint_name(belay_conn_endpoint(conn)));
    if (opening) {
        bl_session_end(session);
        belay_conn_open_failed(conn, &error);
    } else {
        belay_conn_lost(conn, BELAY_REASON_UNHEALTHY, &error);
    }
}
