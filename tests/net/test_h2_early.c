/* SPDX-License-Identifier: MIT */
/* What ends before all was sent: by an answer that makes the rest pointless, by the peer's limit of
 * headers, by a connection that is closed here. */
#include "h2_kit.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_HEADER_LIST_SIZE = 6 };

/* ---- a final status, while the body is still to come ---- */

struct slow_body {
    int reads;
    bool dry; /* nothing at the moment */
};

static ptrdiff_t give_some(void *out, size_t size, void *arg)
{
    struct slow_body *body = arg;

    body->reads++;
    if (body->dry)
        return BELAY_EAGAIN;
    memset(out, 'b', size);
    return (ptrdiff_t)size;
}

enum way { AWAITS_100, HAS_NOTHING_NOW, WAITS_FOR_THE_WINDOW, LIES_IN_MEMORY };

static void begin_upload(struct h2_kit *k, struct call *call, struct slow_body *body, enum way way)
{
    static char memory[1 << 20];
    struct belay_http_request_options o = belay_http_request_options_init();

    o.url = h2_url(&k->server, "/");
    o.method = "POST";
    o.expect_continue = way == AWAITS_100;
    if (way == LIES_IN_MEMORY) {
        o.body = memory;
        o.body_len = sizeof memory;
    } else {
        body->dry = way == HAS_NOTHING_NOW;
        o.read_body = give_some;
        o.body_size = 1 << 20;
        o.body_arg = body;
    }
    call_start(&k->kit, call, &o);
    h2_until_requests(k, 1);
    h2_turn(k);
    while (way >= WAITS_FOR_THE_WINDOW && k->server.conns[0].data < 65535)
        h2_turn(k);
}

static void for_a_while(struct h2_kit *k, int64_t ms)
{
    int64_t end = belay_loop_now_ms(k->kit.loop) + ms;

    while (belay_loop_now_ms(k->kit.loop) < end)
        h2_turn(k);
}

static void check_stopped(enum way way)
{
    struct belay_http_options o = h2_options();
    struct call call = {0}, next = {0};
    struct slow_body body = {0};
    struct h2_kit k;
    size_t before;
    int reads;

    o.continue_timeout_ms = 500; /* more than a busy machine needs to answer */
    h2_open(&k, &o);
    begin_upload(&k, &call, &body, way);
    before = k.server.conns[0].data;
    reads = body.reads;
    h2_head(&k.server, 0, 0, 1, ":status: 413\n");
    h2_data(&k.server, 0, 0, 1, "too ");
    h2_turn(&k);
    assert_int_equal(call.status, 413);
    body.dry = false;
    belay_http_request_body_ready(call.request);
    h2_window(&k.server, 0, 1, 1 << 20); /* it could go now */
    h2_window(&k.server, 0, 0, 1 << 20);
    for_a_while(&k, way == AWAITS_100 ? 600 : 60);
    assert_int_equal(k.server.conns[0].data, before);
    assert_int_equal(body.reads, reads);
    assert_false(call.done);
    assert_int_equal(k.server.conns[0].reset, H2_NONE);
    h2_data(&k.server, 0, H2_END_STREAM, 1, "much");
    h2_until(&k, &call.done);
    assert_int_equal(call.error.code, 0);
    assert_string_equal(call.body, "too much");
    call_clear(&call);
    for (int i = 0; i < 1000 && k.server.conns[0].reset == H2_NONE; i++)
        h2_turn(&k);
    assert_int_equal(k.server.conns[0].reset, 0); /* NO_ERROR: RFC 9113 section 8.1 */
    assert_int_equal(k.server.conns[0].reset_id, 1);
    h2_begin(&k, &next, NULL);
    h2_until_requests(&k, 2);
    h2_answer(&k.server, 0, 3, "fine");
    h2_until(&k, &next.done);
    h2_good(&next, "fine");
    assert_int_equal(k.server.accepted, 1);
    h2_close(&k);
}

static void a_final_status_that_refuses_stops_the_body(void **state)
{
    (void)state;
    check_stopped(AWAITS_100);
    check_stopped(HAS_NOTHING_NOW);
    check_stopped(WAITS_FOR_THE_WINDOW);
    check_stopped(LIES_IN_MEMORY);
}

/* ---- more headers than the peer takes ---- */

static void begin_with(struct h2_kit *k, struct call *call, size_t value_len)
{
    static char value[4096];
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_header header = {.name = "x-long", .value = value, .value_len = value_len};

    memset(value, 'v', sizeof value - 1);
    o.url = h2_url(&k->server, "/");
    o.headers = &header;
    o.headers_n = 1;
    call_start(&k->kit, call, &o);
}

static void say_limit(struct h2_server *s, unsigned conn)
{
    h2_setting(s, conn, MAX_HEADER_LIST_SIZE, 1000);
}

static void headers_beyond_the_peers_limit_fail_at_once(void **state)
{
    struct call call = {0}, beside = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    h2_begin(&k, &beside, NULL);
    h2_until_requests(&k, 1);
    say_limit(&k.server, 0);
    h2_turn(&k);
    begin_with(&k, &call, 1000);
    h2_until(&k, &call.done);
    assert_non_null(strstr(call.error.text, "MAX_HEADER_LIST_SIZE"));
    assert_non_null(strstr(call.error.text, "1000 bytes"));
    assert_int_equal(call.facts.replays, 0);
    h2_bad(&call, BELAY_ELIMIT, BELAY_NOT_SENT);
    begin_with(&k, &call, 500);
    h2_until_requests(&k, 2);
    h2_answer(&k.server, 0, 1, "beside");
    h2_answer(&k.server, 0, 3, "short enough");
    h2_until(&k, &beside.done);
    h2_until(&k, &call.done);
    h2_good(&beside, "beside");
    h2_good(&call, "short enough");
    assert_int_equal(k.server.accepted, 1);
    h2_close(&k);
}

/* Each field counts for 32 bytes more than its text. */
static void they_are_counted_as_the_peer_counts_them(void **state)
{
    struct call call = {0};
    struct h2_kit k;
    size_t least = 0;

    (void)state;
    h2_open(&k, NULL);
    k.server.on_open = say_limit;
    for (size_t len = 1000; len > 0 && !least; len--) { /* the longest value that goes */
        begin_with(&k, &call, len);
        for (int i = 0; !call.done && k.server.requests == 0; i++) {
            assert_true(i < 1000);
            h2_turn(&k);
        }
        if (call.done)
            h2_bad(&call, BELAY_ELIMIT, BELAY_NOT_SENT);
        else
            least = len;
    }
    {
        char authority[64], agent[] = "belay/" BELAY_VERSION;
        size_t size = 6 * 32; /* and x-long */

        snprintf(authority, sizeof authority, "127.0.0.1:%d", k.server.port);
        size += strlen(":methodGET") + strlen(":schemehttp") + strlen(":path/") +
                strlen(":authority") + strlen(authority) + strlen("user-agent") + strlen(agent) +
                strlen("accept*/*") + 32 + strlen("x-long") + least;
        assert_int_equal(size, 1000);
    }
    h2_answer(&k.server, 0, 1, "fine");
    h2_until(&k, &call.done);
    h2_good(&call, "fine");
    h2_close(&k);
}

/* ---- a connection that is closed here ---- */

#define MUCH (32u << 20)

/* The server reads no more, until nothing leaves. */
static void stuff(struct h2_kit *k, struct call *call, char *body)
{
    struct belay_http_request_options o = belay_http_request_options_init();

    o.url = h2_url(&k->server, "/");
    o.method = "POST";
    o.body = body;
    o.body_len = MUCH;
    call_start(&k->kit, call, &o);
    h2_until_requests(k, 1);
    h2_window(&k->server, 0, 0, MUCH);
    h2_window(&k->server, 0, 1, MUCH);
    h2_step(&k->server);
    for (int i = 0; i < 100; i++)
        kit_turn(&k->kit);
}

static void what_had_not_left_is_not_called_sent(void **state)
{
    struct belay_http_target *target;
    char *body = calloc(1, MUCH);
    struct call calls[2] = {{0}};
    struct h2_kit k;

    (void)state;
    assert_non_null(body);
    h2_open(&k, NULL);
    assert_int_equal(belay_http_target_new(k.kit.http, h2_url(&k.server, "/"), &target, NULL), 0);
    stuff(&k, &calls[0], body);
    h2_begin(&k, &calls[1], "POST");
    for (int i = 0; i < 10; i++)
        kit_turn(&k.kit);
    belay_peer_clear(belay_http_target_peer(target), BELAY_CLEAR_NOW);
    kit_turn_until(&k.kit, &calls[0].done);
    kit_turn_until(&k.kit, &calls[1].done);
    h2_bad(&calls[0], BELAY_ECLOSED, BELAY_MAYBE_SENT);
    h2_bad(&calls[1], BELAY_ECLOSED, BELAY_NOT_SENT);
    belay_http_target_unref(target);
    h2_close(&k);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_final_status_that_refuses_stops_the_body),
        cmocka_unit_test(headers_beyond_the_peers_limit_fail_at_once),
        cmocka_unit_test(they_are_counted_as_the_peer_counts_them),
        cmocka_unit_test(what_had_not_left_is_not_called_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
