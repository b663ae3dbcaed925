/* SPDX-License-Identifier: MIT */
/*
 * The client: options, and its life around the pool's.
 *
 *     open --drain--> DRAINING --last request--> the pool closes --> on_closed
 *        \--close--> all requests fail ---------^
 */
#include "http/client.h"

#include "base/error.h"
#include "base/options.h"
#include "http/request.h"
#include "http/route.h"
#include "http/session.h"
#include "keep/pool.h"

#define YEAR_MS INT64_C(31536000000)

/* Of the streams that connections carry: from then on one more is dialled. */
#define SOFT_PERCENT 80

static const struct bl_option fields[] = {
    BL_OPTION(belay_http_options, max_header_bytes, 65536, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 64,
              16777216),
    BL_OPTION(belay_http_options, max_headers, 128, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 1, 65536),
    BL_OPTION(belay_http_options, max_informational, 16, 0, INT32_MAX, 1, INT32_MAX),
    BL_OPTION(belay_http_options, timeout_ms, INT64_MAX, BL_NOT_ALLOWED, INT64_MAX, 1, YEAR_MS),
    BL_OPTION(belay_http_options, first_byte_timeout_ms, 60000, BL_NOT_ALLOWED, INT64_MAX, 1,
              YEAR_MS),
    BL_OPTION(belay_http_options, idle_timeout_ms, 60000, BL_NOT_ALLOWED, INT64_MAX, 1, YEAR_MS),
    BL_OPTION(belay_http_options, continue_timeout_ms, 1000, 0, INT64_MAX, 1, YEAR_MS),
    BL_OPTION(belay_http_options, min_rate, 0, 0, BL_NOT_ALLOWED, 1, INT32_MAX),
    BL_OPTION(belay_http_options, min_rate_window_ms, 10000, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 1,
              YEAR_MS),
    BL_OPTION(belay_http_options, max_replays, 3, 0, BL_NOT_ALLOWED, 1, 1000),
    BL_OPTION(belay_http_options, keep_alive_margin_ms, 1000, 0, BL_NOT_ALLOWED, 1, YEAR_MS),
    BL_OPTION(belay_http_options, max_targets, 1024, 0, BL_NOT_ALLOWED, 1, 1000000),
    BL_OPTION(belay_http_options, versions, BELAY_HTTP_ANY, BL_NOT_ALLOWED, BL_NOT_ALLOWED,
              BELAY_HTTP_ANY, BELAY_HTTP_2_ONLY),
    BL_OPTION(belay_http_options, max_streams, 100, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 1, 1000000),
    BL_OPTION(belay_http_options, stream_window, 1 << 20, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 65535,
              1 << 30),
    BL_OPTION(belay_http_options, connection_window, 1 << 24, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 65535,
              1 << 30),
    BL_OPTION(belay_http_options, ping_interval_ms, INT64_MAX, BL_NOT_ALLOWED, INT64_MAX, 1000,
              YEAR_MS),
    BL_OPTION(belay_http_options, ping_timeout_ms, 10000, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 1,
              YEAR_MS),
};

static uint64_t ns_of(int64_t ms)
{
    return ms == INT64_MAX ? BELAY_NEVER : BL_MS(ms);
}

static void end(void *arg);

/* ---- opening ---- */

static int out_of_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                        "opening an HTTP client: out of memory");
}

static int set_user_agent(struct belay_http *http, struct belay_error *error)
{
    const char *text = http->options.user_agent ? http->options.user_agent : "belay/" BELAY_VERSION;
    const struct belay_header h = {"User-Agent", text, 10, strnlen(text, 1025)};
    int rc = bl_h1_check_header(&h, error);

    if (rc < 0)
        return rc;
    if (h.value_len > 1024)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "user_agent: is longer than 1,024 bytes");
    if (h.value_len == 0)
        return 0;
    http->user_agent = bl_strndup(&http->loop->mem, text, h.value_len);
    return http->user_agent ? 0 : out_of_memory(error);
}

static int open_pool(struct belay_http *http, struct belay_error *error)
{
    struct belay_pool_options o = belay_pool_options_init();
    const struct belay_pool_options *given = http->options.pool;
    int rc;

    if (given)
        memcpy(&o, given, given->size < sizeof o ? given->size : sizeof o);
    o.size = given ? (given->size < sizeof o ? given->size : sizeof o) : sizeof o;
    if (o.size < offsetof(struct belay_pool_options, dial))
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "pool: size: is too small");
    o.size = sizeof o;
    o.connector.ops = &bl_http_connector;
    o.connector.arg = http;
    o.expected_capacity = http->options.versions == BELAY_HTTP_1_ONLY ? 1 : BELAY_NONE;
    rc = belay_pool_open(http->loop, &o, &http->pool, error);
    if (rc == 0)
        http->pool->pp.soft = SOFT_PERCENT;
    return rc;
}

static void set_limits(struct belay_http *http)
{
    const struct belay_http_options *o = &http->options;

    http->limits.header_bytes = (uint32_t)o->max_header_bytes;
    http->limits.headers = (uint32_t)o->max_headers;
    http->request_limits = (struct bl_request_limits){
        .total = ns_of(o->timeout_ms),
        .first_byte = ns_of(o->first_byte_timeout_ms),
        .idle = ns_of(o->idle_timeout_ms),
        .go_on = ns_of(o->continue_timeout_ms),
        .window = ns_of(o->min_rate_window_ms),
        .min_rate = (uint64_t)o->min_rate,
    };
}

static void http_free(struct belay_http *http)
{
    struct belay_loop *loop = http->loop;
    struct bl_list *node;

    while ((node = bl_list_pop_front(&http->spare)))
        bl_request_free(BL_LIST_OF(node, struct belay_http_request, link));
    bl_targets_clear(http);
    bl_route_clear(http);
    belay_tls_unref(http->tls);
    bl_buf_free(&http->head, &loop->mem);
    bl_free(&loop->mem, http->user_agent);
    bl_free(&loop->mem, http->check);
    bl_free(&loop->mem, http);
}

static void close_object(struct bl_object *object)
{
    belay_http_close(BL_CONTAINER(object, struct belay_http, object), NULL, NULL);
}

int belay_http_open(struct belay_loop *loop, const struct belay_http_options *options,
                    struct belay_http **ret_http, struct belay_error *error)
{
    struct belay_http *http;
    int rc;

    if (loop->closing)
        return bl_error_set(error, BELAY_ECLOSED, BELAY_STAGE_NONE,
                            "opening an HTTP client: the loop is closed");
    http = bl_zalloc(&loop->mem, sizeof *http);
    if (!http)
        return out_of_memory(error);
    http->loop = loop;
    bl_map_init(&http->targets, &loop->mem, loop->hash_key);
    bl_list_init(&http->targets_by_use);
    bl_list_init(&http->requests);
    bl_list_init(&http->links);
    bl_list_init(&http->spare);
    bl_task_init(&http->end, end, http);
    rc = bl_options_resolve(&http->options, sizeof http->options, options, fields, BL_COUNT(fields),
                            error);
    if (rc == 0) {
        set_limits(http);
        http->tls = belay_tls_ref(http->options.tls);
        rc = set_user_agent(http, error);
    }
    rc = rc < 0 ? rc : bl_route_copy(http, http->options.route, error);
    rc = rc < 0 ? rc : open_pool(http, error);
    if (rc < 0) {
        http_free(http);
        return rc;
    }
    http->options.pool = NULL; /* the caller's, as are these */
    http->options.route = NULL;
    http->options.user_agent = http->user_agent;
    bl_object_init(&http->object, loop, "http", close_object);
    *ret_http = http;
    return 0;
}

struct belay_pool *belay_http_pool(struct belay_http *http)
{
    return http->pool;
}

/* ---- closing ---- */

/* The pool is closed and no request is left. */
static void finish(struct belay_http *http)
{
    belay_fn *on_closed = http->on_closed;
    void *arg = http->closed_arg;

    bl_task_cancel(&http->end);
    bl_object_fini(&http->object, http->loop);
    http_free(http);
    if (on_closed)
        on_closed(arg);
}

static bool is_busy(const struct belay_http *http)
{
    return !bl_list_empty(&http->requests) || (http->closing && !bl_list_empty(&http->links));
}

static void on_pool_closed(void *arg)
{
    struct belay_http *http = arg;

    http->pool = NULL;
    if (!is_busy(http))
        finish(http);
}

/* From now on nothing is begun. Inside the caller's call: the pool may be closing as well, and
 * would be gone later. */
static void begin_end(struct belay_http *http)
{
    http->closing = true;
    bl_http_end_links(http);
    bl_targets_clear(http);
    belay_pool_close(http->pool, on_pool_closed, http);
}

static void end(void *arg)
{
    struct belay_http *http = arg;

    if (is_busy(http))
        return;
    if (!http->closing)
        begin_end(http);
    else if (!http->pool)
        finish(http);
}

void bl_http_less(struct belay_http *http)
{
    if (BL_UNLIKELY((http->closing || http->draining) && !is_busy(http)))
        bl_task_post(http->loop, &http->end);
}

static void set_on_closed(struct belay_http *http, belay_fn *on_closed, void *arg)
{
    if (!on_closed)
        return;
    http->on_closed = on_closed;
    http->closed_arg = arg;
}

void belay_http_close(struct belay_http *http, belay_fn *on_closed, void *arg)
{
    if (!http)
        return;
    set_on_closed(http, on_closed, arg);
    if (http->closing)
        return;
    BL_LIST_EACH(node, &http->requests)
    bl_request_fail_later(BL_LIST_OF(node, struct belay_http_request, link), BELAY_ECLOSED);
    begin_end(http);
}

void belay_http_drain(struct belay_http *http, belay_fn *on_closed, void *arg)
{
    if (!http)
        return;
    set_on_closed(http, on_closed, arg);
    http->draining = true;
    bl_task_post(http->loop, &http->end);
}

/* ---- responses ---- */

const struct belay_header *belay_http_response_header(const struct belay_http_response *response,
                                                      const char *name)
{
    struct bl_span wanted = bl_span_of(name);

    for (size_t i = 0; i < response->headers_n; i++) {
        const struct belay_header *h = &response->headers[i];

        if (bl_span_equal_nocase(bl_span(h->name, h->name_len), wanted))
            return h;
    }
    return NULL;
}
