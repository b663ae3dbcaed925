/* SPDX-License-Identifier: MIT */
/* What comes late, or not at all: refusals of what was answered, 100 Continue, what a connection
 * takes; and heads that are long. */
#include "h2_kit.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

enum { NO_ERROR = 0, REFUSED_STREAM = 7 };

/* ---- refused, though answered ---- */

/* The caller has seen a head, which cannot be taken back. */
static void what_was_answered_is_not_sent_again_though_it_is_refused(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        struct call call = {0};
        struct h2_kit k;

        h2_open(&k, NULL);
        h2_begin(&k, &call, how % 2 ? "POST" : "GET");
        h2_until_requests(&k, 1);
        h2_head(&k.server, 0, 0, 1, ":status: 200\n");
        h2_data(&k.server, 0, 0, 1, "half of");
        if (how < 2)
            h2_reset(&k.server, 0, 1, REFUSED_STREAM);
        else
            h2_goaway(&k.server, 0, 0, NO_ERROR);
        h2_turn(&k);
        assert_int_equal(k.server.requests, 1);
        assert_true(call.done);
        assert_int_equal(call.heads, 1);
        assert_int_equal(call.facts.replays, 0);
        h2_bad(&call, BELAY_ERESET, BELAY_ANSWERED);
        h2_close(&k);
    }
}

/* ---- 100 Continue ---- */

static ptrdiff_t give_four(void *out, size_t size, void *arg)
{
    (void)size, (void)arg;
    memcpy(out, "body", 4);
    return 4;
}

static void a_body_goes_when_no_100_comes(void **state)
{
    (void)state;
    for (int callback = 0; callback < 2; callback++) {
        struct belay_http_options options = h2_options();
        struct belay_http_request_options o = belay_http_request_options_init();
        struct call call = {0};
        struct h2_kit k;

        options.continue_timeout_ms = 20;
        options.idle_timeout_ms = BELAY_FOREVER;
        h2_open(&k, &options);
        o.url = h2_url(&k.server, "/");
        o.method = "PUT";
        o.expect_continue = true;
        if (callback) {
            o.read_body = give_four;
            o.body_size = 4;
        } else {
            o.body = "body";
            o.body_len = 4;
        }
        call_start(&k.kit, &call, &o);
        h2_until_requests(&k, 1);
        assert_int_equal(k.server.conns[0].data, 0); /* not before */
        for (int i = 0; k.server.conns[0].data < 4; i++) {
            assert_true(i < 5000);
            h2_turn(&k);
        }
        h2_answer(&k.server, 0, 1, "fine");
        h2_until(&k, &call.done);
        h2_good(&call, "fine");
        h2_close(&k);
    }
}

/* ---- heads ---- */

static void a_long_head_arrives(void **state)
{
    enum { N = 200, LEN = 4000 };
    static char value[LEN + 1];
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_header headers[N];
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    memset(value, '~', LEN);
    for (int i = 0; i < N; i++)
        headers[i] = (struct belay_header){.name = "X-Long", .value = value};
    h2_open(&k, NULL);
    o.url = h2_url(&k.server, "/");
    o.headers = headers;
    o.headers_n = N;
    call_start(&k.kit, &call, &o);
    for (int i = 0; i < 10 && !k.server.requests; i++)
        h2_turn(&k);
    if (call.done)
        fail_msg("%s", call.error.text);
    assert_int_equal(k.server.requests, 1);
    h2_turn(&k);
    assert_true(k.server.conns[0].got[H2_CONTINUATION] > 0);
    h2_answer(&k.server, 0, 1, "fine");
    h2_until(&k, &call.done);
    h2_good(&call, "fine");
    h2_close(&k);
}

struct heard {
    char text[1024]; /* "name=value;" each, "!" before those that are never to be indexed */
};

static void hear(struct h2_server *s, unsigned conn, const struct h2_frame *frame)
{
    struct heard *heard = s->extra;
    nghttp2_hd_inflater *inflater;
    const uint8_t *in = frame->payload;
    size_t left = frame->len;

    (void)conn;
    if (frame->type != H2_HEADERS)
        return;
    assert_int_equal(nghttp2_hd_inflate_new(&inflater), 0);
    while (left > 0) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, in, left, 1);
        size_t at = strlen(heard->text);

        assert_true(n >= 0);
        in += n;
        left -= (size_t)n;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            snprintf(heard->text + at, sizeof heard->text - at, "%s%.*s=%.*s;",
                     nv.flags & NGHTTP2_NV_FLAG_NO_INDEX ? "!" : "", (int)nv.namelen,
                     (const char *)nv.name, (int)nv.valuelen, (const char *)nv.value);
        if (flags & NGHTTP2_HD_INFLATE_FINAL)
            break;
    }
    nghttp2_hd_inflate_del(inflater);
}

/* RFC 9113 section 8.2.1: no blanks around a value; HTTP/1.1 drops them. */
static void a_head_is_said_as_http2_wants_it(void **state)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    const struct belay_header headers[] = {
        {.name = "X-Blank", .value = " \t a b \t"},
        {.name = "X-Empty", .value = "  "},
        {.name = "TE", .value = "gzip"},
        {.name = "Authorization", .value = "Bearer secret"},
        {.name = "Cookie", .value = "session=secret"},
        {.name = "Host", .value = " other.example "},
    };
    struct heard heard = {""};
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    k.server.on_frame = hear;
    k.server.extra = &heard;
    o.url = h2_url(&k.server, "/");
    o.headers = headers;
    o.headers_n = sizeof headers / sizeof *headers;
    call_start(&k.kit, &call, &o);
    h2_until_requests(&k, 1);
    h2_answer(&k.server, 0, 1, "fine");
    h2_until(&k, &call.done);
    h2_good(&call, "fine");
    assert_non_null(strstr(heard.text, ";x-blank=a b;"));
    assert_non_null(strstr(heard.text, ";x-empty=;"));
    assert_non_null(strstr(heard.text, ";!authorization=Bearer secret;"));
    assert_non_null(strstr(heard.text, ";!cookie=session=secret;"));
    assert_non_null(strstr(heard.text, ";:authority=other.example;"));
    assert_null(strstr(heard.text, ";te="));
    assert_null(strstr(heard.text, ";host="));
    h2_close(&k);
}

/* A block of fields that comes in for ever keeps back all else on its connection: no sign of life. */
static void a_head_that_dribbles_does_not_keep_its_connection(void **state)
{
    struct belay_http_options options = h2_options();
    struct belay_http_request_options o = belay_http_request_options_init();
    struct call call = {0}, next = {0};
    struct h2_kit k;
    uint8_t block[64];
    size_t len = h2_block(":status: 200\n", block, sizeof block);
    int64_t end;

    (void)state;
    options.ping_timeout_ms = 50;
    h2_open(&k, &options);
    o.url = h2_url(&k.server, "/");
    o.first_byte_timeout_ms = 50;
    call_start(&k.kit, &call, &o);
    h2_until_requests(&k, 1);
    h2_frame(&k.server, 0, H2_HEADERS, 0, 1, block, len);
    end = belay_loop_now_ms(k.kit.loop) + 5000;
    while (k.server.conns[0].fd >= 0) {
        uint8_t literal[] = {0x10, 1, 'a', 1, 'b'};

        h2_frame(&k.server, 0, H2_CONTINUATION, 0, 1, literal, sizeof literal);
        h2_turn(&k);
        assert_true(belay_loop_now_ms(k.kit.loop) < end);
    }
    h2_bad(&call, BELAY_ETIMEDOUT, BELAY_MAYBE_SENT);
    h2_begin(&k, &next, NULL);
    h2_until_requests(&k, 2);
    h2_answer(&k.server, 1, 1, "fine");
    h2_until(&k, &next.done);
    h2_good(&next, "fine");
    h2_close(&k);
}

/* ---- pauses ---- */

static void nothing_comes_while_paused_not_even_a_head(void **state)
{
    struct call call = {.on_info = BELAY_HTTP_PAUSE};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    h2_begin(&k, &call, NULL);
    h2_until_requests(&k, 1);
    h2_head(&k.server, 0, 0, 1, ":status: 103\n");
    h2_answer(&k.server, 0, 1, "fine");
    h2_turn(&k);
    assert_int_equal(call.infos, 1);
    assert_int_equal(call.heads, 0);
    belay_http_request_resume(call.request);
    h2_until(&k, &call.done);
    assert_int_equal(call.heads, 1);
    h2_good(&call, "fine");
    h2_close(&k);
}

static void what_is_held_back_is_told_in_order_or_let_go(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        struct call call = {.on_info = BELAY_HTTP_PAUSE};
        struct h2_kit k;

        h2_open(&k, NULL);
        h2_begin(&k, &call, NULL);
        h2_until_requests(&k, 1);
        for (int i = 0; i < 3; i++)
            h2_head(&k.server, 0, 0, 1, ":status: 103\n");
        h2_head(&k.server, 0, 0, 1, ":status: 200\n");
        h2_data(&k.server, 0, 0, 1, "fine");
        h2_head(&k.server, 0, H2_END_STREAM, 1, "a: b\n");
        h2_turn(&k);
        assert_int_equal(call.infos, 1);
        if (how == 0)
            belay_http_request_cancel(call.request);
        else if (how == 1)
            belay_http_close(k.kit.http, NULL, NULL);
        else if (how == 2)
            h2_hang_up(&k.server, 0); /* all of it has come */
        h2_turn(&k);
        assert_int_equal(call.dones, how == 1);
        if (how >= 2) {
            call.on_info = BELAY_HTTP_GO_ON;
            belay_http_request_resume(call.request);
            h2_until(&k, &call.done);
            assert_int_equal(call.infos, 3);
            assert_int_equal(call.heads, 1);
            assert_string_equal(call.trailers, "a: b\n");
            h2_good(&call, "fine");
        }
        call_clear(&call);
        h2_close(&k);
    }
}

static void resume_other(struct call *call, const char *data, size_t len)
{
    struct call *other = call->extra;

    (void)data, (void)len;
    belay_http_request_resume(other->request);
}

/* Resumed by what comes just before the stream's end: the trailers are still to be told. */
static void trailers_come_though_the_stream_ends_first(void **state)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct call call = {.on_head = BELAY_HTTP_PAUSE}, beside = {.in_data = resume_other};
    struct h2_kit k;
    static char body[100000];

    (void)state;
    h2_open(&k, NULL);
    o.url = h2_url(&k.server, "/");
    o.method = "PUT";
    o.body = body;
    o.body_len = sizeof body; /* more than the window, so that the stream stays open */
    call_start(&k.kit, &call, &o);
    beside.extra = &call;
    h2_begin(&k, &beside, NULL);
    h2_until_requests(&k, 2);
    h2_head(&k.server, 0, 0, 1, ":status: 200\n");
    h2_head(&k.server, 0, H2_END_STREAM, 1, "a: b\n");
    h2_turn(&k);
    h2_head(&k.server, 0, 0, 3, ":status: 200\n");
    h2_data(&k.server, 0, H2_END_STREAM, 3, "x");
    h2_reset(&k.server, 0, 1, NO_ERROR);
    h2_until(&k, &call.done);
    h2_until(&k, &beside.done);
    assert_string_equal(call.trailers, "a: b\n");
    h2_good(&call, "");
    h2_good(&beside, "x");
    h2_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_answered_is_not_sent_again_though_it_is_refused),
        cmocka_unit_test(a_body_goes_when_no_100_comes),
        cmocka_unit_test(a_long_head_arrives),
        cmocka_unit_test(a_head_is_said_as_http2_wants_it),
        cmocka_unit_test(a_head_that_dribbles_does_not_keep_its_connection),
        cmocka_unit_test(nothing_comes_while_paused_not_even_a_head),
        cmocka_unit_test(what_is_held_back_is_told_in_order_or_let_go),
        cmocka_unit_test(trailers_come_though_the_stream_ends_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
