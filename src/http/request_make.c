/* SPDX-License-Identifier: MIT */
/* A request from the caller's options: everything is checked and copied here, so that nothing can
 * be refused later. */
#include "base/error.h"
#include "base/options.h"
#include "http/redirect.h"
#include "http/replay.h"
#include "http/request.h"

#define HEADERS_MAX      1000u
#define HEADER_BYTES_MAX (1u << 20)
#define YEAR_MS          INT64_C(31536000000)

/* In each of them 0, given or effective, is the default: what the client says, or nothing. */
#define OFF (-1)
static const struct bl_option fields[] = {
    BL_OPTION(belay_http_request_options, body_size, 0, 0, BL_NOT_ALLOWED, 1, INT64_MAX),
    BL_OPTION(belay_http_request_options, max_redirects, 0, 0, BL_NOT_ALLOWED, 1, 1000),
    BL_OPTION(belay_http_request_options, timeout_ms, 0, BL_NOT_ALLOWED, INT64_MAX, 1, YEAR_MS),
    BL_OPTION(belay_http_request_options, first_byte_timeout_ms, 0, BL_NOT_ALLOWED, INT64_MAX, 1,
              YEAR_MS),
    BL_OPTION(belay_http_request_options, idle_timeout_ms, 0, BL_NOT_ALLOWED, INT64_MAX, 1,
              YEAR_MS),
    BL_OPTION(belay_http_request_options, min_rate, 0, OFF, BL_NOT_ALLOWED, 1, INT32_MAX),
};

/* Whether there is nothing for the table to do: the usual case, and worth a look. */
static bool is_plain(const struct belay_http_request_options *o)
{
    return o->size == sizeof *o && !o->body_size && !o->max_redirects && !o->timeout_ms &&
           !o->first_byte_timeout_ms && !o->idle_timeout_ms && !o->min_rate;
}

static int refuse(struct belay_error *error, const char *text)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s", text);
}

static int out_of_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "making a request: out of memory");
}

/* ---- limits ---- */

static void set_limit(uint64_t *limit, int64_t ms)
{
    if (BL_UNLIKELY(ms != 0))
        *limit = ms == INT64_MAX ? BELAY_NEVER : BL_MS(ms);
}

static void set_limits(struct belay_http_request *r, const struct belay_http_request_options *o)
{
    r->limits = r->http->request_limits;
    set_limit(&r->limits.total, o->timeout_ms);
    set_limit(&r->limits.first_byte, o->first_byte_timeout_ms);
    set_limit(&r->limits.idle, o->idle_timeout_ms);
    if (BL_UNLIKELY(o->min_rate != 0))
        r->limits.min_rate = o->min_rate == OFF ? 0 : (uint64_t)o->min_rate;
}

/* ---- the message ---- */

static int set_method(struct belay_http_request *r, const char *text, struct belay_error *error)
{
    struct bl_span method = bl_span_of(text ? text : "GET");
    int rc = text && !r->http->ours ? bl_h1_check_method(method, error) : 0;

    if (rc < 0)
        return rc;
    memcpy(r->method, method.data, method.len);
    r->message.method = bl_span(r->method, method.len);
    r->message.is_head = bl_span_equal(method, bl_span_of("HEAD"));
    return 0;
}

static int set_body(struct belay_http_request *r, const struct belay_http_request_options *o,
                    struct belay_error *error)
{
    if (o->read_body && o->body)
        return refuse(error, "body: a body in memory and one by callback were given");
    if (!o->body && o->body_len > 0)
        return refuse(error, "body_len: a length without a body was given");
    if (o->body_len > INT64_MAX)
        return refuse(error, "body_len: out of range");
    r->message.bytes = o->body;
    r->read_body = o->read_body;
    r->rewind_body = o->rewind_body;
    r->body_arg = o->body_arg;
    r->message.direct = r->http->ours;
    r->message.body = BL_H1_NO_BODY;
    if (o->body)
        r->message.body = (int64_t)o->body_len;
    else if (o->read_body)
        r->message.body = o->body_size > 0 ? o->body_size : BL_H1_CHUNKED;
    r->message.expect_continue =
        o->expect_continue && r->message.body != BL_H1_NO_BODY && r->message.body != 0;
    return 0;
}

static size_t length_of(const char *text, size_t len)
{
    return len == 0 && text ? strnlen(text, HEADER_BYTES_MAX + 1) : len;
}

/* How much their copies need; every one is checked. */
static int check_headers(const struct belay_header *headers, size_t n, size_t *ret_bytes,
                         struct belay_error *error)
{
    size_t bytes = n * sizeof *headers;

    if (n > HEADERS_MAX)
        return refuse(error, "headers: there are more than 1,000");
    for (size_t i = 0; i < n; i++) {
        struct belay_header h = headers[i];
        int rc;

        h.name_len = length_of(h.name, h.name_len);
        h.value_len = length_of(h.value, h.value_len);
        if (h.name_len + h.value_len > HEADER_BYTES_MAX || bytes > HEADER_BYTES_MAX)
            return refuse(error, "headers: there is more than 1 MiB of them");
        rc = bl_h1_check_header(&h, error);
        if (rc < 0)
            return rc;
        bytes += h.name_len + h.value_len;
    }
    *ret_bytes = bytes;
    return 0;
}

/* For a proxy, and the origin would hear it. A tunnel's has its credentials from the route. */
static int check_proxy_headers(const struct belay_http_request *r, struct belay_error *error)
{
    const struct bl_session *session = r->given ? belay_lease_state(r->lease) : NULL;

    if (session ? session->forward : belay_endpoint_is_forward(r->message.target->endpoint))
        return 0;
    for (size_t i = 0; i < r->message.headers_n; i++)
        if (bl_is_for_proxy(bl_span(r->message.headers[i].name, r->message.headers[i].name_len)))
            return refuse(error, "headers: Proxy-Authorization would go to the origin, which is no "
                                 "proxy (a proxy's credentials are given to it)");
    return 0;
}

static const char *put_text(char **at, const char *text, size_t len)
{
    const char *start = *at;

    if (len > 0)
        memcpy(*at, text, len);
    *at += len;
    return start;
}

static int copy_headers(struct belay_http_request *r, const struct belay_header *headers, size_t n,
                        struct belay_error *error)
{
    size_t bytes = 0;
    char *at;
    int rc = check_headers(headers, n, &bytes, error);

    if (rc < 0)
        return rc;
    r->headers = bl_alloc(&r->http->loop->mem, bytes);
    if (!r->headers)
        return out_of_memory(error);
    at = (char *)&r->headers[n];
    for (size_t i = 0; i < n; i++) {
        struct belay_header *h = &r->headers[i];

        h->name_len = length_of(headers[i].name, headers[i].name_len);
        h->value_len = length_of(headers[i].value, headers[i].value_len);
        h->name = put_text(&at, headers[i].name, h->name_len);
        h->value = put_text(&at, headers[i].value, h->value_len);
    }
    r->message.headers = r->headers;
    return 0;
}

static int set_headers(struct belay_http_request *r, const struct belay_header *headers, size_t n,
                       struct belay_error *error)
{
    int rc;

    r->message.headers = headers;
    r->message.headers_n = n;
    if (BL_LIKELY(n == 0))
        return 0;
    if (!headers)
        return refuse(error, "headers: a number without headers was given");
    rc = r->http->ours ? 0 : copy_headers(r, headers, n, error);
    return rc < 0 ? rc : check_proxy_headers(r, error);
}

static int set_target(struct belay_http_request *r, const struct belay_http_request_options *o,
                      struct belay_error *error)
{
    int rc = 0;

    if (o->target && o->target->http != r->http)
        rc = refuse(error, "target: it belongs to another client");
    else if (o->target)
        r->message.target = belay_http_target_ref(o->target);
    else if (o->url)
        rc = bl_target_get(r->http, o->url, strnlen(o->url, BL_URL_MAX + 1), &r->message.target,
                           error);
    else
        rc = refuse(error, "url: neither a URL nor a target was given");
    if (rc == 0)
        r->message.authorization = bl_span_of(r->message.target->authorization);
    return rc;
}

static int fill(struct belay_http_request *r, const struct belay_http_request_options *o,
                struct belay_error *error)
{
    static const struct belay_http_callbacks none = {.size = sizeof none};
    int rc = 0;

    r->callbacks = o->callbacks ? o->callbacks : &none;
    if (r->callbacks->size < sizeof *r->callbacks)
        rc = refuse(error, "callbacks: their size is not set");
    rc = rc < 0 ? rc : set_target(r, o, error);
    if (rc == 0 && BL_UNLIKELY(o->lease != NULL))
        rc = bl_request_use_lease(r, o->lease, error);
    rc = rc < 0 ? rc : set_method(r, o->method, error);
    rc = rc < 0 ? rc : set_body(r, o, error);
    rc = rc < 0 ? rc : set_headers(r, o->headers, o->headers_n, error);
    if (rc < 0)
        return rc;
    set_limits(r, o);
    if (r->given && o->max_redirects > 0)
        return refuse(error, "max_redirects: a request on a given lease follows none");
    r->max_redirects = o->max_redirects;
    r->unsafe_replay = o->unsafe_replay;
    r->keep_credentials = o->keep_credentials;
    r->probe = !bl_method_is_idempotent(r->message.method) && !o->unsafe_replay;
    return 0;
}

int bl_request_make(struct belay_http_request *r, const struct belay_http_request_options *options,
                    struct belay_error *error)
{
    struct belay_http_request_options o;
    int rc = 0;

    if (BL_UNLIKELY(!is_plain(options))) {
        rc = bl_options_resolve(&o, sizeof o, options, fields, BL_COUNT(fields), error);
        options = &o;
    }
    if (rc == 0)
        rc = fill(r, options, error);
    if (rc < 0)
        bl_request_clear(r);
    return rc;
}

void bl_request_clear(struct belay_http_request *r)
{
    struct bl_mem *mem = &r->http->loop->mem;

    if (r->headers)
        bl_free(mem, r->headers);
    r->headers = NULL;
    belay_http_target_unref(r->message.target);
    if (BL_UNLIKELY(r->owner || r->next)) {
        belay_http_target_unref(r->owner);
        belay_http_target_unref(r->next);
        r->owner = r->next = NULL;
    }
    memset(&r->message, 0, sizeof r->message);
    if (r->location.data)
        bl_buf_free(&r->location, mem);
}
