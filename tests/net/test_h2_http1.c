/* SPDX-License-Identifier: MIT */
/* Servers with which both versions could be spoken, over TLS: what is agreed on, and those that want
 * HTTP/1.1 in place of HTTP/2 after all. */
#include "h2_kit.h"

#include <stdio.h>

#include "support/tls_front.h"

enum { HTTP_1_1_REQUIRED = 13 };

struct scene {
    struct h2_kit k;
    struct tls_front front;
    struct belay_tls *tls;
    char url[64];
};

static void open_scene(struct scene *s, enum belay_http_versions versions, const char *alpn)
{
    struct belay_tls_options tls = belay_tls_options_init();
    struct belay_endpoint_options route = belay_endpoint_options_init();
    struct belay_http_options o = belay_http_options_init();

    h2_start(&s->k.server);
    tls_front_start(&s->front, s->k.server.port, "in HTTP/1.1");
    kit_open_steady(&s->k.kit, &o);
    belay_http_close(s->k.kit.http, NULL, NULL);
    tls.no_verify = true;
    assert_int_equal(belay_tls_new(s->k.kit.loop, &tls, &s->tls, NULL), 0);
    route.alpn = alpn;
    o.tls = s->tls;
    o.versions = versions;
    o.route = &route;
    assert_int_equal(belay_http_open(s->k.kit.loop, &o, &s->k.kit.http, NULL), 0);
    snprintf(s->url, sizeof s->url, "https://127.0.0.1:%d/", s->front.port);
}

static void close_scene(struct scene *s)
{
    belay_tls_unref(s->tls);
    tls_front_stop(&s->front);
    h2_close(&s->k);
}

static void turn(struct scene *s)
{
    tls_front_step(&s->front);
    h2_step(&s->k.server);
    kit_turn(&s->k.kit);
}

static void begin(struct scene *s, struct call *call, const char *method)
{
    struct belay_http_request_options o = belay_http_request_options_init();

    o.url = s->url;
    o.method = method;
    call_start(&s->k.kit, call, &o);
}

static void until_done(struct scene *s, struct call *call)
{
    for (int i = 0; !call->done; i++) {
        assert_true(i < 10000);
        turn(s);
    }
}

static void until_requests(struct scene *s, unsigned n)
{
    for (int i = 0; s->k.server.requests < n; i++) {
        assert_true(i < 10000);
        turn(s);
    }
}

/* On the one connection: a burst might dial another while that is slow to come up. */
static void begin_on_first(struct scene *s, struct call *call, const char *method, unsigned n)
{
    begin(s, call, method);
    until_requests(s, n);
}

static void good(struct call *call, const char *body, int major)
{
    assert_int_equal(call->facts.major, major);
    h2_good(call, body);
}

/* ---- what is agreed on ---- */

enum { BURST = 60 };

static void begin_burst(struct scene *s, struct call *calls)
{
    for (int i = 0; i < BURST; i++)
        begin(s, &calls[i], NULL);
}

/* One dial, and one more for each 50 ms that it takes. */
static void a_burst_to_a_new_endpoint_waits_for_its_protocol(void **state)
{
    struct call calls[BURST] = {{0}};
    struct scene s = {0};
    int64_t began;

    (void)state;
    open_scene(&s, BELAY_HTTP_ANY, NULL);
    began = belay_loop_now_ms(s.k.kit.loop);
    begin_burst(&s, calls);
    until_requests(&s, BURST);
    assert_in_range(s.front.h2, 1, 2 + (belay_loop_now_ms(s.k.kit.loop) - began) / 50);
    assert_int_equal(s.front.http1, 0);
    for (unsigned c = 0; c < s.k.server.accepted; c++) {
        for (unsigned i = 0; i < s.k.server.conns[c].requests; i++)
            h2_answer(&s.k.server, c, s.k.server.conns[c].ids[i], "x");
    }
    for (int i = 0; i < BURST; i++) {
        until_done(&s, &calls[i]);
        good(&calls[i], "x", 2);
    }
    close_scene(&s);
}

static void one_that_turns_out_to_be_of_http1_gets_its_connections(void **state)
{
    struct call calls[BURST] = {{0}};
    struct scene s = {0};

    (void)state;
    open_scene(&s, BELAY_HTTP_ANY, NULL);
    s.front.http1_alone = true;
    begin_burst(&s, calls);
    for (int i = 0; i < BURST; i++) {
        until_done(&s, &calls[i]);
        good(&calls[i], "in HTTP/1.1", 1);
    }
    assert_int_equal(s.front.requests, BURST);
    assert_true(s.front.http1 > 1);
    assert_int_equal(s.front.h2, 0);
    close_scene(&s);
}

static void frames_of_a_turn_leave_in_one_write(void **state)
{
    struct call first = {0}, calls[BURST] = {{0}};
    struct scene s = {0};
    unsigned before;

    (void)state;
    open_scene(&s, BELAY_HTTP_ANY, NULL);
    begin(&s, &first, NULL);
    until_requests(&s, 1);
    for (int i = 0; i < 20; i++)
        turn(&s);
    before = s.front.records;
    begin_burst(&s, calls);
    belay_http_request_cancel(first.request); /* RST_STREAM */
    until_requests(&s, 1 + BURST);
    assert_int_equal(s.k.server.conns[0].reset_id, 1);
    assert_int_equal(s.front.records, before + 1); /* a record each write */
    for (int i = 0; i < BURST; i++)
        belay_http_request_cancel(calls[i].request);
    for (int i = 0; s.k.server.conns[0].reset_id != 2 * BURST + 1; i++) {
        assert_true(i < 10000);
        turn(&s);
    }
    assert_int_equal(s.front.records, before + 2);
    close_scene(&s);
}

/* ---- HTTP_1_1_REQUIRED ---- */

static void ask_for_http1(struct h2_server *server, unsigned conn, uint32_t id)
{
    h2_reset(server, conn, id, HTTP_1_1_REQUIRED);
}

static void one_that_is_reset_for_it_goes_again_in_http1(void **state)
{
    struct call call = {0};
    struct scene s = {0};

    (void)state;
    open_scene(&s, BELAY_HTTP_ANY, NULL);
    s.k.server.on_request = ask_for_http1;
    begin(&s, &call, NULL);
    until_done(&s, &call);
    assert_int_equal(call.facts.replays, 1);
    good(&call, "in HTTP/1.1", 1);
    assert_int_equal(s.front.h2, 1);
    assert_int_equal(s.front.http1, 1);
    assert_false(s.front.h2_was_offered);
    close_scene(&s);
}

/* By all that follow, whatever the URL. */
static void it_is_remembered(void **state)
{
    struct call call = {0};
    struct scene s = {0};

    (void)state;
    open_scene(&s, BELAY_HTTP_ANY, NULL);
    s.k.server.on_request = ask_for_http1;
    begin(&s, &call, NULL);
    until_done(&s, &call);
    good(&call, "in HTTP/1.1", 1);
    strcat(s.url, "elsewhere");
    begin(&s, &call, "POST");
    until_done(&s, &call);
    assert_int_equal(call.facts.replays, 0);
    good(&call, "in HTTP/1.1", 1);
    assert_string_equal(s.front.method, "POST");
    assert_int_equal(s.k.server.requests, 1);
    assert_int_equal(s.front.h2, 1);
    close_scene(&s);
}

/* It may have been acted upon: nothing says otherwise. */
static void one_that_is_not_idempotent_is_told_and_the_next_goes_in_http1(void **state)
{
    struct call call = {0};
    struct scene s = {0};

    (void)state;
    open_scene(&s, BELAY_HTTP_ANY, NULL);
    s.k.server.on_request = ask_for_http1;
    begin(&s, &call, "POST");
    until_done(&s, &call);
    assert_non_null(strstr(call.error.text, "HTTP/1.1"));
    assert_int_equal(call.facts.h2_error, HTTP_1_1_REQUIRED);
    assert_int_equal(s.front.requests, 0);
    h2_bad(&call, BELAY_ERESET, BELAY_MAYBE_SENT);
    begin(&s, &call, "POST");
    until_done(&s, &call);
    good(&call, "in HTTP/1.1", 1);
    close_scene(&s);
}

static void the_others_of_the_connection_finish_in_http2(void **state)
{
    struct call calls[3] = {{0}};
    struct scene s = {0};

    (void)state;
    open_scene(&s, BELAY_HTTP_ANY, NULL);
    for (unsigned i = 0; i < 3; i++)
        begin_on_first(&s, &calls[i], NULL, i + 1);
    h2_reset(&s.k.server, 0, 3, HTTP_1_1_REQUIRED);
    until_done(&s, &calls[1]);
    good(&calls[1], "in HTTP/1.1", 1);
    h2_reset(&s.k.server, 0, 5, HTTP_1_1_REQUIRED);
    until_done(&s, &calls[2]);
    good(&calls[2], "in HTTP/1.1", 1);
    assert_false(calls[0].done);
    h2_answer(&s.k.server, 0, 1, "in HTTP/2");
    until_done(&s, &calls[0]);
    good(&calls[0], "in HTTP/2", 2);
    for (int i = 0; s.k.server.conns[0].fd >= 0; i++) { /* nobody wants it any more */
        assert_true(i < 10000);
        turn(&s);
    }
    close_scene(&s);
}

static void a_goaway_says_so_too(void **state)
{
    (void)state;
    for (uint32_t last = 0; last < 4; last += 3) {
        struct call calls[2] = {{0}}, next = {0};
        struct scene s = {0};

        open_scene(&s, BELAY_HTTP_ANY, NULL);
        begin_on_first(&s, &calls[0], "POST", 1);
        begin_on_first(&s, &calls[1], "POST", 2);
        h2_goaway(&s.k.server, 0, last, HTTP_1_1_REQUIRED);
        for (int i = 0; last && i < 2; i++)
            h2_answer(&s.k.server, 0, (uint32_t)(2 * i + 1), "in HTTP/2");
        for (int i = 0; i < 2; i++) { /* above the last they were not acted upon */
            until_done(&s, &calls[i]);
            good(&calls[i], last ? "in HTTP/2" : "in HTTP/1.1", last ? 2 : 1);
        }
        begin(&s, &next, "POST");
        until_done(&s, &next);
        good(&next, "in HTTP/1.1", 1);
        assert_int_equal(s.front.h2, 1);
        close_scene(&s);
    }
}

static void refuse_all(struct h2_server *server, unsigned conn)
{
    h2_frame(server, conn, H2_SETTINGS, 0, 0, NULL, 0);
    h2_goaway(server, conn, 0, HTTP_1_1_REQUIRED);
}

/* Behind its SETTINGS, before any request. */
static void one_that_begins_with_it_is_asked_in_http1_at_once(void **state)
{
    struct call call = {0};
    struct scene s = {0};

    (void)state;
    open_scene(&s, BELAY_HTTP_ANY, NULL);
    s.k.server.silent = true;
    s.k.server.on_open = refuse_all;
    begin(&s, &call, "POST");
    until_done(&s, &call);
    good(&call, "in HTTP/1.1", 1);
    assert_int_equal(s.front.h2, 1);
    assert_int_equal(s.front.http1, 1);
    close_scene(&s);
}

static void where_it_may_not_be_spoken_the_request_fails(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct call call = {0};
        struct scene s = {0};

        open_scene(&s, how ? BELAY_HTTP_ANY : BELAY_HTTP_2_ONLY, how ? "h2" : NULL);
        s.k.server.on_request = ask_for_http1;
        begin(&s, &call, NULL);
        until_done(&s, &call);
        h2_bad(&call, BELAY_EPROTO, BELAY_MAYBE_SENT);
        assert_int_equal(s.front.http1, 0);
        close_scene(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_to_a_new_endpoint_waits_for_its_protocol),
        cmocka_unit_test(one_that_turns_out_to_be_of_http1_gets_its_connections),
        cmocka_unit_test(frames_of_a_turn_leave_in_one_write),
        cmocka_unit_test(one_that_is_reset_for_it_goes_again_in_http1),
        cmocka_unit_test(it_is_remembered),
        cmocka_unit_test(one_that_is_not_idempotent_is_told_and_the_next_goes_in_http1),
        cmocka_unit_test(the_others_of_the_connection_finish_in_http2),
        cmocka_unit_test(a_goaway_says_so_too),
        cmocka_unit_test(one_that_begins_with_it_is_asked_in_http1_at_once),
        cmocka_unit_test(where_it_may_not_be_spoken_the_request_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
