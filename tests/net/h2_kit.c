/* SPDX-License-Identifier: MIT */
/* The kit of the tests of HTTP/2. */
#include "h2_kit.h"

#define LIMIT_MS 20000

struct belay_http_options h2_options(void)
{
    struct belay_http_options o = belay_http_options_init();

    o.versions = BELAY_HTTP_2_ONLY;
    return o;
}

void h2_open(struct h2_kit *k, const struct belay_http_options *options)
{
    struct belay_http_options o = h2_options();

    h2_start(&k->server);
    kit_open_steady(&k->kit, options ? options : &o);
}

void h2_close(struct h2_kit *k)
{
    kit_close(&k->kit);
    h2_stop(&k->server);
}

static void turn(struct h2_kit *k)
{
    h2_step(&k->server);
    kit_turn(&k->kit);
}

void h2_until(struct h2_kit *k, const bool *done)
{
    int64_t end = belay_loop_now_ms(k->kit.loop) + LIMIT_MS;

    while (!*done) {
        turn(k);
        if (belay_loop_now_ms(k->kit.loop) > end)
            fail_msg("nothing happened for %d ms", LIMIT_MS);
    }
}

void h2_turn(struct h2_kit *k)
{
    for (int i = 0; i < 20; i++)
        turn(k);
}

void h2_until_requests(struct h2_kit *k, unsigned n)
{
    for (int i = 0; k->server.requests < n; i++) {
        assert_true(i < LIMIT_MS);
        turn(k);
    }
    assert_int_equal(k->server.requests, n);
}

void h2_until_closed(struct h2_kit *k, unsigned conn)
{
    for (int i = 0; k->server.conns[conn].fd >= 0; i++) {
        assert_true(i < LIMIT_MS);
        turn(k);
    }
}

void h2_begin(struct h2_kit *k, struct call *call, const char *method)
{
    struct belay_http_request_options o = belay_http_request_options_init();

    o.url = h2_url(&k->server, "/");
    o.method = method;
    call_start(&k->kit, call, &o);
}

void h2_get(struct h2_kit *k, struct call *call)
{
    h2_begin(k, call, NULL);
    h2_until(k, &call->done);
}

void h2_good(struct call *call, const char *body)
{
    assert_true(call->done);
    assert_int_equal(call->dones, 1);
    if (call->error.code)
        fail_msg("%s", call->error.text);
    assert_int_equal(call->status, 200);
    assert_string_equal(call->body ? call->body : "", body);
    call_clear(call);
}

void h2_bad(struct call *call, int code, enum belay_sent sent)
{
    assert_true(call->done);
    assert_int_equal(call->dones, 1);
    if (call->error.code != code || call->error.sent != sent)
        fail_msg("%s (%s), sent %d", belay_error_name(call->error.code), call->error.text,
                 (int)call->error.sent);
    call_clear(call);
}
