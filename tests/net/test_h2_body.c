/* SPDX-License-Identifier: MIT */
/* Bodies: windows, pauses, uploads by callback, 100 Continue, answers that come too early. */
#include "h2_kit.h"

#include <stdlib.h>

enum { CANCEL = 8, INITIAL_WINDOW = 4 };

/* ---- down ---- */

static void send_block(struct h2_server *s, uint32_t id, uint8_t flags, size_t len)
{
    static char block[16384];

    memset(block, 'x', sizeof block);
    h2_frame(s, 0, H2_DATA, flags, id, block, len);
}

static void a_paused_response_holds_up_nobody_and_goes_on(void **state)
{
    struct belay_http_options o = h2_options();
    struct call paused = {.on_head = BELAY_HTTP_PAUSE}, beside = {0};
    struct h2_kit k;
    unsigned before;

    (void)state;
    o.stream_window = 65535;
    o.connection_window = 65535; /* less than what is sent to both */
    h2_open(&k, &o);
    h2_begin(&k, &paused, NULL);
    h2_begin(&k, &beside, NULL);
    h2_until_requests(&k, 2);
    h2_head(&k.server, 0, 0, 1, ":status: 200\n");
    h2_head(&k.server, 0, 0, 3, ":status: 200\n");
    for (int i = 0; i < 3; i++)
        send_block(&k.server, 1, 0, 16384);
    send_block(&k.server, 1, 0, 16383);
    h2_turn(&k);
    assert_int_equal(paused.len, 0);
    for (int round = 0; round < 8; round++) { /* the window of the connection comes back */
        for (int i = 0; i < 2; i++)
            send_block(&k.server, 3, 0, 16384);
        h2_turn(&k);
    }
    h2_data(&k.server, 0, H2_END_STREAM, 3, "");
    h2_until(&k, &beside.done);
    assert_int_equal(beside.error.code, 0);
    assert_int_equal(beside.len, 16 * 16384);
    call_clear(&beside);
    before = k.server.conns[0].got[H2_WINDOW_UPDATE];
    paused.on_head = paused.on_data = BELAY_HTTP_GO_ON;
    belay_http_request_resume(paused.request);
    h2_turn(&k);
    assert_int_equal(paused.len, 65535);
    assert_true(k.server.conns[0].got[H2_WINDOW_UPDATE] > before); /* without another word */
    h2_head(&k.server, 0, H2_END_STREAM, 1, "checksum: 1\n");
    h2_until(&k, &paused.done);
    assert_int_equal(paused.error.code, 0);
    assert_string_equal(paused.trailers, "checksum: 1\n");
    call_clear(&paused);
    h2_close(&k);
}

static void what_came_while_paused_comes_whole_with_its_trailers(void **state)
{
    struct call call = {.on_head = BELAY_HTTP_PAUSE, .on_data = BELAY_HTTP_PAUSE};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    h2_begin(&k, &call, NULL);
    h2_until_requests(&k, 1);
    h2_head(&k.server, 0, 0, 1, ":status: 200\n");
    h2_data(&k.server, 0, 0, 1, "abc");
    h2_data(&k.server, 0, 0, 1, "def");
    h2_head(&k.server, 0, H2_END_STREAM, 1, "a: b\n");
    h2_turn(&k);
    assert_false(call.done);
    assert_int_equal(call.len, 0);
    belay_http_request_resume(call.request);
    h2_turn(&k);
    assert_string_equal(call.body, "abcdef"); /* and paused again, so: */
    assert_string_equal(call.trailers, "");
    assert_false(call.done);
    belay_http_request_resume(call.request);
    h2_until(&k, &call.done);
    assert_string_equal(call.trailers, "a: b\n");
    h2_good(&call, "abcdef");
    h2_close(&k);
}

static void cancel(struct call *call, const char *data, size_t len)
{
    (void)data, (void)len;
    belay_http_request_cancel(call->request);
}
static void shut(struct call *call, const char *data, size_t len)
{
    (void)data, (void)len;
    belay_http_close(call->kit->http, NULL, NULL);
}

static void one_that_was_paused_may_end_in_any_way(void **state)
{
    (void)state;
    for (int how = 0; how < 5; how++) {
        struct call call = {.on_head = BELAY_HTTP_PAUSE};
        struct h2_kit k;

        h2_open(&k, NULL);
        h2_begin(&k, &call, NULL);
        h2_until_requests(&k, 1);
        h2_head(&k.server, 0, 0, 1, ":status: 200\n");
        h2_data(&k.server, 0, 0, 1, "abc");
        h2_head(&k.server, 0, H2_END_STREAM, 1, "a: b\n");
        h2_turn(&k);
        call.in_data = how == 0 ? cancel : how == 1 ? shut : NULL;
        call.on_data = how == 2 ? BELAY_HTTP_ABORT : BELAY_HTTP_GO_ON;
        if (how == 3)
            belay_http_close(k.kit.http, NULL, NULL);
        else if (how == 4)
            belay_http_request_cancel(call.request);
        else
            belay_http_request_resume(call.request);
        h2_turn(&k);
        assert_int_equal(call.dones, how == 0 || how == 4 ? 0 : 1);
        call_clear(&call);
        h2_close(&k);
    }
}

static void what_came_whole_outlives_its_connection(void **state)
{
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        struct call call = {.on_head = BELAY_HTTP_PAUSE};
        struct h2_kit k;

        h2_open(&k, NULL);
        h2_begin(&k, &call, NULL);
        h2_until_requests(&k, 1);
        h2_head(&k.server, 0, 0, 1, ":status: 200\n");
        h2_data(&k.server, 0, whole ? H2_END_STREAM : 0, 1, "abc");
        h2_turn(&k);
        h2_hang_up(&k.server, 0);
        h2_turn(&k);
        assert_int_equal(call.done, !whole);
        if (whole)
            belay_http_request_resume(call.request);
        h2_until(&k, &call.done);
        if (whole)
            h2_good(&call, "abc");
        else
            h2_bad(&call, BELAY_EEOF, BELAY_ANSWERED);
        h2_close(&k);
    }
}

/* ---- up ---- */

struct upload {
    struct call *call;
    size_t left, piece;
    int reads, fail_at; /* the read of that number gives `code` */
    int code;
    bool starve; /* every other time there is nothing */
    void (*act)(struct call *call);
    int act_at;
    bool go_on; /* and then gives bytes as ever */
};

static ptrdiff_t read_upload(void *out, size_t size, void *arg)
{
    struct upload *u = arg;
    size_t n = u->left < u->piece ? u->left : u->piece;

    u->reads++;
    if (u->fail_at == u->reads)
        return u->code;
    if (u->act && u->act_at == u->reads) {
        u->act(u->call);
        if (!u->go_on)
            return BELAY_EAGAIN;
    }
    if (u->starve && u->reads % 2)
        return BELAY_EAGAIN;
    n = n < size ? n : size;
    memset(out, 'u', n);
    u->left -= n;
    return (ptrdiff_t)n;
}

static void begin_upload(struct h2_kit *k, struct call *call, struct upload *u, int64_t length,
                         bool expect)
{
    struct belay_http_request_options o = belay_http_request_options_init();

    o.url = h2_url(&k->server, "/");
    o.method = "POST";
    o.read_body = read_upload;
    o.body_arg = u;
    o.body_size = length;
    o.expect_continue = expect;
    u->call = call;
    call_start(&k->kit, call, &o);
}

static void grant(struct h2_server *s, unsigned conn, const struct h2_frame *frame)
{
    if (frame->type == H2_DATA && frame->len > 0) {
        h2_window(s, conn, 0, (uint32_t)frame->len);
        h2_window(s, conn, frame->id, (uint32_t)frame->len);
    }
    if (frame->type == H2_DATA && frame->flags & H2_END_STREAM)
        h2_answer(s, conn, frame->id, "thanks");
}

static void an_upload_by_callback_arrives_whole(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct upload u = {.left = 1 << 20, .piece = i < 2 ? 100000 : 5000, .starve = i == 3};
        struct call call = {0};
        struct h2_kit k;

        h2_open(&k, NULL);
        k.server.on_frame = grant;
        begin_upload(&k, &call, &u, i % 2 ? 1 << 20 : BELAY_NONE, false);
        while (!call.done) {
            h2_turn(&k);
            if (call.request)
                belay_http_request_body_ready(call.request);
        }
        assert_int_equal(k.server.conns[0].data, 1 << 20);
        assert_true(k.server.conns[0].whole);
        h2_good(&call, "thanks");
        h2_close(&k);
    }
}

static void the_peers_window_bounds_what_is_read(void **state)
{
    struct upload u = {.left = 1 << 20, .piece = 16384};
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    begin_upload(&k, &call, &u, 1 << 20, false);
    h2_until_requests(&k, 1);
    h2_turn(&k);
    assert_int_equal(k.server.conns[0].data, 65535);
    assert_true(u.left >= (1 << 20) - 65535 - 2 * 16384);
    h2_setting(&k.server, 0, INITIAL_WINDOW, 0); /* it owes now */
    h2_window(&k.server, 0, 0, 100);
    h2_turn(&k);
    assert_int_equal(k.server.conns[0].data, 65535);
    h2_window(&k.server, 0, 1, 65535 + 7);
    h2_turn(&k);
    assert_int_equal(k.server.conns[0].data, 65535 + 7);
    belay_http_request_cancel(call.request);
    h2_turn(&k);
    assert_int_equal(k.server.conns[0].reset, CANCEL);
    h2_close(&k);
}

static void a_body_that_fails_resets_its_stream(void **state)
{
    static const struct {
        int at, code, told;
    } ways[] = {{1, BELAY_EABORTED, BELAY_EABORTED},
                {3, BELAY_EABORTED, BELAY_EABORTED},
                {2, 0, BELAY_EINVAL},
                {2, 20000, BELAY_EINVAL}};

    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct upload u = {
            .left = 30000, .piece = 1000, .fail_at = ways[i].at, .code = ways[i].code};
        struct call call = {0};
        struct h2_kit k;

        h2_open(&k, NULL);
        begin_upload(&k, &call, &u, 30000, false);
        h2_until(&k, &call.done);
        assert_int_equal(call.error.code, ways[i].told);
        call_clear(&call);
        h2_turn(&k);
        if (k.server.requests > 0)
            assert_int_equal(k.server.conns[0].reset, CANCEL);
        h2_close(&k);
    }
}

static void cancel_call(struct call *call)
{
    belay_http_request_cancel(call->request);
    call->done = true;
}
static void close_client(struct call *call)
{
    belay_http_close(call->kit->http, NULL, NULL);
}

static void the_callback_of_a_body_may_cancel_and_close(void **state)
{
    (void)state;
    for (int at = 1; at < 4; at++) {
        for (int how = 0; how < 2; how++) {
            struct upload u = {.left = 1 << 20,
                               .piece = 10000,
                               .act_at = at,
                               .act = how ? close_client : cancel_call};
            struct call call = {0};
            struct h2_kit k;

            h2_open(&k, NULL);
            begin_upload(&k, &call, &u, BELAY_NONE, false);
            h2_until(&k, &call.done);
            assert_int_equal(call.dones, how);
            h2_turn(&k);
            call_clear(&call);
            h2_close(&k);
        }
    }
}

static void an_answer_before_the_body_is_sent_ends_the_upload(void **state)
{
    struct upload u = {.left = 1 << 20, .piece = 10000};
    struct call call = {0}, next = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    begin_upload(&k, &call, &u, 1 << 20, false);
    h2_until_requests(&k, 1);
    h2_turn(&k);
    h2_answer(&k.server, 0, 1, "enough");
    h2_until(&k, &call.done);
    h2_good(&call, "enough");
    h2_turn(&k);
    assert_int_equal(k.server.conns[0].reset_id, 1);
    h2_begin(&k, &next, NULL);
    h2_until_requests(&k, 2);
    h2_answer(&k.server, 0, 3, "fine");
    h2_until(&k, &next.done);
    h2_good(&next, "fine");
    h2_close(&k);
}

static void refuse_and_hang_up(struct call *call)
{
    struct h2_kit *k = call->extra;

    h2_head(&k->server, 0, H2_END_STREAM, 1, ":status: 413\n");
    h2_hang_up(&k->server, 0);
}

/* What is written next fails before what has come is read. */
static void an_answer_is_heard_though_writing_fails_first(void **state)
{
    struct upload u = {.left = 1 << 20, .piece = 16384, .act = refuse_and_hang_up, .act_at = 2};
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    call.extra = &k;
    u.go_on = true;
    begin_upload(&k, &call, &u, 1 << 20, false);
    h2_until(&k, &call.done);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.status, 413);
    call_clear(&call);
    h2_close(&k);
}

/* Answered, and then reset without an error, as RFC 9113 section 8.1 has it. */
static void an_answer_and_a_reset_without_error_are_an_answer(void **state)
{
    struct upload u = {.left = 1 << 20, .piece = 10000};
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    begin_upload(&k, &call, &u, 1 << 20, false);
    h2_until_requests(&k, 1);
    h2_turn(&k);
    h2_answer(&k.server, 0, 1, "enough");
    h2_reset(&k.server, 0, 1, 0);
    h2_until(&k, &call.done);
    h2_good(&call, "enough");
    h2_close(&k);
}

static void the_body_waits_for_100_continue(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) { /* 100; the final answer at once; nothing */
        struct upload u = {.left = 1000, .piece = 1000};
        struct belay_http_options o = h2_options();
        struct call call = {0};
        struct h2_kit k;

        o.continue_timeout_ms = how == 2 ? 30 : 60000;
        h2_open(&k, &o);
        begin_upload(&k, &call, &u, 1000, true);
        h2_until_requests(&k, 1);
        if (how < 2) {
            h2_turn(&k);
            assert_int_equal(k.server.conns[0].data, 0);
        }
        if (how == 0)
            h2_head(&k.server, 0, 0, 1, ":status: 100\n");
        k.server.on_frame = grant;
        if (how == 1) {
            h2_head(&k.server, 0, H2_END_STREAM, 1, ":status: 417\n");
            h2_until(&k, &call.done);
            assert_int_equal(call.status, 417);
            assert_int_equal(call.error.code, 0);
            assert_int_equal(k.server.conns[0].data, 0);
            assert_int_equal(u.reads, 0);
            call_clear(&call);
        } else {
            h2_until(&k, &call.done);
            assert_int_equal(k.server.conns[0].data, 1000);
            h2_good(&call, "thanks");
        }
        h2_close(&k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_paused_response_holds_up_nobody_and_goes_on),
        cmocka_unit_test(what_came_while_paused_comes_whole_with_its_trailers),
        cmocka_unit_test(one_that_was_paused_may_end_in_any_way),
        cmocka_unit_test(what_came_whole_outlives_its_connection),
        cmocka_unit_test(an_upload_by_callback_arrives_whole),
        cmocka_unit_test(the_peers_window_bounds_what_is_read),
        cmocka_unit_test(a_body_that_fails_resets_its_stream),
        cmocka_unit_test(the_callback_of_a_body_may_cancel_and_close),
        cmocka_unit_test(an_answer_before_the_body_is_sent_ends_the_upload),
        cmocka_unit_test(an_answer_is_heard_though_writing_fails_first),
        cmocka_unit_test(an_answer_and_a_reset_without_error_are_an_answer),
        cmocka_unit_test(the_body_waits_for_100_continue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
