/* SPDX-License-Identifier: MIT */
/* The kit of the HTTP tests. */
#include "http_kit.h"

#include <stdio.h>
#include <stdlib.h>

#define LIMIT_MS 20000

static void open_by(struct kit *k, const struct belay_http_options *options,
                    const struct belay_clock *clock)
{
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_world world = belay_world_init();
    struct belay_error error;

    failing_alloc_init(&k->memory);
    world.allocator = &k->memory.allocator;
    world.clock = clock;
    o.world = &world;
    assert_int_equal(belay_loop_new(&o, &k->loop, &error), 0);
    if (belay_http_open(k->loop, options, &k->http, &error) < 0)
        fail_msg("%s", error.text);
}

void kit_open(struct kit *k, const struct belay_http_options *options)
{
    memset(k, 0, sizeof *k);
    open_by(k, options, NULL);
}

void kit_open_steady(struct kit *k, const struct belay_http_options *options)
{
    memset(k, 0, sizeof *k);
    steady_clock_init(&k->clock);
    open_by(k, options, &k->clock.clock);
}

void kit_close(struct kit *k)
{
    belay_loop_free(k->loop);
    assert_int_equal(failing_alloc_live(&k->memory), 0);
}

void kit_turn(struct kit *k)
{
    assert_int_equal(belay_loop_turn(k->loop, 1), 0);
    steady_clock_ns(&k->clock);
}

void kit_turn_until(struct kit *k, const bool *done)
{
    int64_t end = belay_loop_now_ms(k->loop) + LIMIT_MS;

    while (!*done) {
        kit_turn(k);
        if (belay_loop_now_ms(k->loop) > end)
            fail_msg("nothing happened for %d ms", LIMIT_MS);
    }
}

void kit_stats(struct kit *k, struct belay_pool_stats *stats)
{
    *stats = belay_pool_stats_init();
    belay_pool_get_stats(belay_http_pool(k->http), stats);
}

void kit_await_closed(struct kit *k, enum belay_reason reason, uint64_t n)
{
    int64_t end = belay_loop_now_ms(k->loop) + LIMIT_MS;
    struct belay_pool_stats stats;

    for (kit_stats(k, &stats); stats.closed[reason] < n; kit_stats(k, &stats)) {
        kit_turn(k);
        if (belay_loop_now_ms(k->loop) > end)
            fail_msg("%d closed for \"%s\", not %d", (int)stats.closed[reason],
                     belay_reason_name(reason), (int)n);
    }
    assert_int_equal(stats.closed[reason], n);
}

/* ---- calls ---- */

static void write_headers(char *out, size_t size, const struct belay_header *headers, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        at += (size_t)snprintf(out + at, size - at, "%.*s: %.*s\n", (int)headers[i].name_len,
                               headers[i].name, (int)headers[i].value_len, headers[i].value);
        if (at >= size)
            return; /* tests of many headers do not look at them */
    }
}

static enum belay_http_action on_informational(const struct belay_http_response *response,
                                               void *arg)
{
    struct call *call = arg;

    assert_true(response->status < 200);
    assert_ptr_equal(response->request, call->request);
    call->infos++;
    call->status = response->status;
    return call->on_info;
}

static enum belay_http_action on_headers(const struct belay_http_response *response, void *arg)
{
    struct call *call = arg;

    assert_false(call->done);
    call->heads++;
    call->status = response->status;
    call->minor = response->minor;
    call->content_length = response->content_length;
    write_headers(call->headers, sizeof call->headers, response->headers, response->headers_n);
    if (call->in_head)
        call->in_head(call, response);
    return call->on_head;
}

static enum belay_http_action on_data(struct belay_http_request *request, const char *data,
                                      size_t len, void *arg)
{
    struct call *call = arg;

    (void)request;
    assert_false(call->done);
    assert_int_equal(call->heads, 1);
    assert_true(len > 0);
    if (call->len + len >= call->room) {
        call->room = (call->len + len) * 2;
        call->body = realloc(call->body, call->room);
        assert_non_null(call->body);
    }
    memcpy(call->body + call->len, data, len);
    call->len += len;
    call->body[call->len] = '\0';
    if (call->in_data)
        call->in_data(call, data, len);
    return call->on_data;
}

static void on_trailers(const struct belay_header *trailers, size_t n, void *arg)
{
    struct call *call = arg;

    assert_int_equal(call->heads, 1);
    write_headers(call->trailers, sizeof call->trailers, trailers, n);
}

static enum belay_http_action on_redirect(const struct belay_http_response *response,
                                          const char *url, void *arg)
{
    struct call *call = arg;

    assert_true(response->status >= 300 && response->status < 400);
    assert_non_null(strstr(url, "://"));
    call->redirected++;
    return call->on_redirect;
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct call *call = arg;

    call->facts = belay_http_facts_init();
    belay_http_request_facts(request, &call->facts);
    snprintf(call->url, sizeof call->url, "%s", call->facts.url);
    call->dones++;
    call->done = true;
    call->request = NULL;
    if (error) {
        call->error = *error;
        assert_int_not_equal(error->code, 0);
        assert_int_equal(error->kind, belay_error_kind_of(error->code));
    }
    if (call->in_done)
        call->in_done(call);
}

const struct belay_http_callbacks call_callbacks = {
    .size = sizeof call_callbacks,
    .on_informational = on_informational,
    .on_headers = on_headers,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_redirect = on_redirect,
    .on_done = on_done,
};

void call_start(struct kit *k, struct call *call, const struct belay_http_request_options *options)
{
    struct belay_http_request_options o = *options;
    struct belay_error error;

    call->kit = k;
    o.callbacks = &call_callbacks;
    if (belay_http_request(k->http, &o, call, &call->request, &error) < 0)
        fail_msg("%s", error.text);
    assert_false(call->done);
}

void call_wait(struct call *call)
{
    kit_turn_until(call->kit, &call->done);
    assert_int_equal(call->dones, 1);
}

void call_run(struct kit *k, struct call *call, const struct belay_http_request_options *options)
{
    call_start(k, call, options);
    call_wait(call);
}

void call_get(struct kit *k, struct call *call, const char *url)
{
    struct belay_http_request_options o = belay_http_request_options_init();

    o.url = url;
    call_run(k, call, &o);
}

void call_clear(struct call *call)
{
    free(call->body);
    memset(call, 0, sizeof *call);
}

void kit_expect(struct kit *k, const char *url, const char *body)
{
    struct call call = {0};

    call_get(k, &call, url);
    if (call.error.code)
        fail_msg("%s", call.error.text);
    assert_int_equal(call.status, 200);
    assert_string_equal(call.body ? call.body : "", body);
    call_clear(&call);
}

void check_alphabet(const char *body, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (body[i] != (char)('a' + i % 26))
            fail_msg("byte %zu is '%c'", i, body[i]);
    }
}
