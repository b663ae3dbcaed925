/* SPDX-License-Identifier: MIT */
/* One stream and its end: answers, whole, cut, malformed, reset; others of the connection live. */
#include "h2_kit.h"

#include <stdio.h>

enum {
    PROTOCOL_ERROR = 1,
    INTERNAL_ERROR = 2,
    REFUSED_STREAM = 7,
    CANCEL = 8,
    HTTP_1_1_REQUIRED = 13
};

/* What is said to the first request; the second of the connection gets "fine". */
struct saying {
    const char *name;
    void (*say)(struct h2_server *s, unsigned conn, uint32_t id);
    int code;
    enum belay_sent sent;
    uint32_t reset;   /* what the server hears, or H2_NONE */
    int64_t h2_error; /* what the caller finds in its facts */
};

static void no_status(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, H2_END_STREAM, id, "server: x\n");
}
static void odd_status(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, H2_END_STREAM, id, ":status: 20x\n");
}
static void status_of_nothing(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id, ":status: 000\n");
}
static void status_too_low(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id, ":status: 099\n");
}
static void two_statuses(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, H2_END_STREAM, id, ":status: 200\n:status: 200\n");
}
static void upper_case(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, H2_END_STREAM, id, ":status: 200\nServer: x\n");
}
static void late_pseudo(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, H2_END_STREAM, id, "server: x\n:status: 200\n");
}
static void request_pseudo(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, H2_END_STREAM, id, ":status: 200\n:path: /\n");
}
static void of_the_connection(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, H2_END_STREAM, id, ":status: 200\nconnection: close\n");
}
static void chunked(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, H2_END_STREAM, id, ":status: 200\ntransfer-encoding: chunked\n");
}
static void too_short(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id, ":status: 200\ncontent-length: 10\n");
    h2_data(s, conn, H2_END_STREAM, id, "short");
}
static void too_long(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id, ":status: 200\ncontent-length: 3\n");
    h2_data(s, conn, H2_END_STREAM, id, "longer");
}
static void two_lengths(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id, ":status: 200\ncontent-length: 3\ncontent-length: 4\n");
    h2_data(s, conn, H2_END_STREAM, id, "abc");
}
static void trailers_with_pseudo(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id, ":status: 200\n");
    h2_head(s, conn, H2_END_STREAM, id, ":status: 200\n");
}
static void trailers_without_end(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id, ":status: 200\n");
    h2_head(s, conn, 0, id, "x: y\n");
}
static void end_after_100(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, H2_END_STREAM, id, ":status: 100\n");
}
static void switching(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id, ":status: 101\n");
}
static void informational_flood(struct h2_server *s, unsigned conn, uint32_t id)
{
    for (int i = 0; i < 17; i++)
        h2_head(s, conn, 0, id, ":status: 103\n");
}
static void many_headers(struct h2_server *s, unsigned conn, uint32_t id)
{
    char lines[4096] = ":status: 200\n";
    size_t at = strlen(lines);

    for (int i = 0; i < 200; i++)
        at += (size_t)snprintf(lines + at, sizeof lines - at, "x-%d: y\n", i);
    h2_head(s, conn, H2_END_STREAM, id, lines);
}
static void many_trailers(struct h2_server *s, unsigned conn, uint32_t id)
{
    char lines[4096] = "";
    size_t at = 0;

    h2_head(s, conn, 0, id, ":status: 200\n");
    for (int i = 0; i < 200; i++)
        at += (size_t)snprintf(lines + at, sizeof lines - at, "x-%d: y\n", i);
    h2_head(s, conn, H2_END_STREAM, id, lines);
}
static void own_window_overflow(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_window(s, conn, id, 0x7fffffff);
}
static void reset_with_internal(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_reset(s, conn, id, INTERNAL_ERROR);
}
static void reset_with_cancel(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id, ":status: 200\n");
    h2_data(s, conn, 0, id, "half");
    h2_reset(s, conn, id, CANCEL);
}
static void reset_with_nothing(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_reset(s, conn, id, 0);
}
static void reset_with_unknown(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_reset(s, conn, id, 0xabcdef);
}
static void asks_for_http1(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_reset(s, conn, id, HTTP_1_1_REQUIRED);
}
static void half_without_error(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id, ":status: 200\n");
    h2_data(s, conn, 0, id, "half");
    h2_reset(s, conn, id, 0);
}

static const struct saying sayings[] = {
    {"no :status", no_status, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {"an odd :status", odd_status, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {":status 000", status_of_nothing, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {":status 099", status_too_low, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {"two of :status", two_statuses, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {"an upper-case name", upper_case, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {":status behind a header", late_pseudo, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {"a field of requests", request_pseudo, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {"a field of the connection", of_the_connection, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR,
     -1},
    {"Transfer-Encoding", chunked, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {"less than Content-Length", too_short, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {"more than Content-Length", too_long, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {"two of Content-Length", two_lengths, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {":status in trailers", trailers_with_pseudo, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {"trailers without an end", trailers_without_end, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR,
     -1},
    {"nothing but 100", end_after_100, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {"101", switching, BELAY_EPROTO, BELAY_ANSWERED, PROTOCOL_ERROR, -1},
    {"a flood of 103", informational_flood, BELAY_ELIMIT, BELAY_ANSWERED, CANCEL, -1},
    {"too many headers", many_headers, BELAY_ELIMIT, BELAY_ANSWERED, CANCEL, -1},
    {"too many trailers", many_trailers, BELAY_ELIMIT, BELAY_ANSWERED, CANCEL, -1},
    {"a window too large", own_window_overflow, BELAY_EPROTO, BELAY_ANSWERED, 3, -1},
    {"INTERNAL_ERROR", reset_with_internal, BELAY_EPROTO, BELAY_MAYBE_SENT, H2_NONE,
     INTERNAL_ERROR},
    {"CANCEL in the body", reset_with_cancel, BELAY_EPROTO, BELAY_ANSWERED, H2_NONE, CANCEL},
    {"NO_ERROR without an answer", reset_with_nothing, BELAY_EPROTO, BELAY_MAYBE_SENT, H2_NONE, 0},
    {"an unknown code", reset_with_unknown, BELAY_EPROTO, BELAY_MAYBE_SENT, H2_NONE, 0xabcdef},
    {"HTTP_1_1_REQUIRED", asks_for_http1, BELAY_EPROTO, BELAY_MAYBE_SENT, H2_NONE,
     HTTP_1_1_REQUIRED},
    {"NO_ERROR in the body", half_without_error, BELAY_EPROTO, BELAY_ANSWERED, H2_NONE, 0},
};

static void check_saying(const struct saying *saying)
{
    struct call call = {0}, beside = {0};
    struct h2_kit k;

    h2_open(&k, NULL);
    h2_begin(&k, &call, NULL);
    h2_begin(&k, &beside, NULL);
    h2_until_requests(&k, 2);
    saying->say(&k.server, 0, 1);
    h2_until(&k, &call.done);
    if (call.error.code != saying->code || call.error.sent != saying->sent)
        fail_msg("%s: %s (%s), sent %d", saying->name, belay_error_name(call.error.code),
                 call.error.text, (int)call.error.sent);
    if (call.facts.h2_error != saying->h2_error)
        fail_msg("%s: h2_error %d", saying->name, (int)call.facts.h2_error);
    h2_turn(&k);
    if (k.server.conns[0].reset != saying->reset)
        fail_msg("%s: RST_STREAM says %u, not %u", saying->name, k.server.conns[0].reset,
                 saying->reset);
    assert_int_equal(k.server.conns[0].goaway, H2_NONE);
    call_clear(&call);
    h2_answer(&k.server, 0, 3, "fine");
    h2_until(&k, &beside.done);
    h2_good(&beside, "fine");
    h2_begin(&k, &call, NULL);
    h2_until_requests(&k, 3);
    h2_answer(&k.server, 0, 5, "fine");
    h2_until(&k, &call.done);
    h2_good(&call, "fine");
    assert_int_equal(k.server.accepted, 1);
    h2_close(&k);
}

static void one_that_goes_wrong_costs_its_request_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++)
        check_saying(&sayings[i]);
}

static void refuse_twice(struct h2_server *s, unsigned conn, uint32_t id)
{
    if (s->requests <= 2)
        h2_reset(s, conn, id, REFUSED_STREAM);
    else
        h2_answer(s, conn, id, "fine");
}

static void what_was_refused_is_sent_again_whatever_it_is(void **state)
{
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    k.server.on_request = refuse_twice;
    h2_begin(&k, &call, "POST");
    h2_until(&k, &call.done);
    assert_int_equal(call.facts.replays, 2);
    h2_good(&call, "fine");
    h2_close(&k);
}

static void refuse(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_reset(s, conn, id, REFUSED_STREAM);
}

static void one_that_is_refused_for_ever_is_told_so(void **state)
{
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    k.server.on_request = refuse;
    h2_begin(&k, &call, "POST");
    h2_until(&k, &call.done);
    assert_int_equal(k.server.requests, 4);
    h2_bad(&call, BELAY_ERESET, BELAY_NOT_SENT);
    h2_close(&k);
}

static void informational_heads_data_and_trailers_come_in_order(void **state)
{
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    h2_begin(&k, &call, NULL);
    h2_until_requests(&k, 1);
    h2_head(&k.server, 0, 0, 1, ":status: 103\nlink: </a>\n");
    h2_head(&k.server, 0, 0, 1,
            ":status: 200\nserver: x\nset-cookie: a=1\nset-cookie: b=2\nempty: \n");
    h2_frame(&k.server, 0, H2_DATA, H2_PADDED, 1,
             "\x02"
             "abc\0\0",
             6);
    h2_data(&k.server, 0, 0, 1, "def");
    h2_head(&k.server, 0, H2_END_STREAM, 1, "checksum: 42\n");
    h2_until(&k, &call.done);
    assert_int_equal(call.infos, 1);
    assert_string_equal(call.headers, "server: x\nset-cookie: a=1\nset-cookie: b=2\nempty: \n");
    assert_string_equal(call.trailers, "checksum: 42\n");
    assert_int_equal(call.content_length, -1);
    h2_good(&call, "abcdef");
    h2_close(&k);
}

static void the_same_byte_by_byte_and_cut_in_frames(void **state)
{
    struct call call = {0};
    uint8_t block[256];
    struct h2_kit k;
    size_t n;

    (void)state;
    h2_open(&k, NULL);
    k.server.stingy = true;
    h2_begin(&k, &call, NULL);
    h2_until_requests(&k, 1);
    n = h2_block(":status: 200\nserver: a server\ncontent-length: 6\n", block, sizeof block);
    h2_frame(&k.server, 0, H2_HEADERS, 0, 1, block, 5);
    for (size_t i = 5; i < n; i++)
        h2_frame(&k.server, 0, H2_CONTINUATION, i + 1 == n ? H2_END_HEADERS : 0, 1, block + i, 1);
    h2_frame(&k.server, 0, H2_DATA, H2_PADDED, 1,
             "\x02"
             "abc\0\0",
             6);
    h2_data(&k.server, 0, 0, 1, "");
    h2_data(&k.server, 0, 0, 1, "def");
    h2_data(&k.server, 0, H2_END_STREAM, 1, "");
    h2_until(&k, &call.done);
    assert_string_equal(call.headers, "server: a server\ncontent-length: 6\n");
    assert_int_equal(call.content_length, 6);
    h2_good(&call, "abcdef");
    h2_close(&k);
}

static void an_answer_to_head_has_no_body(void **state)
{
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    h2_begin(&k, &call, "HEAD");
    h2_until_requests(&k, 1);
    h2_head(&k.server, 0, H2_END_STREAM, 1, ":status: 200\ncontent-length: 10\n");
    h2_until(&k, &call.done);
    assert_int_equal(call.content_length, 10);
    h2_good(&call, "");
    h2_close(&k);
}

static void what_comes_for_a_cancelled_request_is_ignored(void **state)
{
    struct call call = {0}, next = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    h2_begin(&k, &call, NULL);
    h2_until_requests(&k, 1);
    belay_http_request_cancel(call.request);
    h2_answer(&k.server, 0, 1, "late");
    h2_turn(&k);
    assert_int_equal(call.heads + call.dones, 0);
    assert_int_equal(k.server.conns[0].reset, CANCEL);
    h2_answer(&k.server, 0, 1, "later still");
    h2_begin(&k, &next, NULL);
    h2_until_requests(&k, 2);
    h2_answer(&k.server, 0, 3, "fine");
    h2_until(&k, &next.done);
    h2_good(&next, "fine");
    assert_int_equal(k.server.accepted, 1);
    h2_close(&k);
}

/* ---- by callbacks ---- */

static void cancel_itself(struct call *call, const struct belay_http_response *response)
{
    (void)response;
    belay_http_request_cancel(call->request);
}
static void cancel_in_data(struct call *call, const char *data, size_t len)
{
    (void)data, (void)len;
    belay_http_request_cancel(call->request);
}
static void close_in_head(struct call *call, const struct belay_http_response *response)
{
    (void)response;
    belay_http_close(call->kit->http, NULL, NULL);
}
static void close_in_data(struct call *call, const char *data, size_t len)
{
    (void)data, (void)len;
    belay_http_close(call->kit->http, NULL, NULL);
}
static void close_in_done(struct call *call)
{
    belay_http_close(call->kit->http, NULL, NULL);
}
static void cancel_the_other(struct call *call)
{
    struct call *other = call->extra;

    if (!other->done)
        belay_http_request_cancel(other->request);
    other->done = true;
}

static const struct call doers[] = {
    {.in_head = cancel_itself},    {.in_data = cancel_in_data},   {.in_head = close_in_head},
    {.in_data = close_in_data},    {.in_done = close_in_done},    {.on_head = BELAY_HTTP_ABORT},
    {.on_data = BELAY_HTTP_ABORT}, {.in_done = cancel_the_other},
};

/* `how`: what comes; the answer, a reset, garbage, the end. */
static void act(const struct call *doer, int how)
{
    struct call call = *doer, other = {0};
    struct h2_kit k;

    call.extra = &other;
    h2_open(&k, NULL);
    h2_begin(&k, &call, "POST");
    h2_begin(&k, &other, "POST");
    h2_until_requests(&k, 2);
    h2_head(&k.server, 0, 0, 1, ":status: 200\n");
    h2_data(&k.server, 0, 0, 1, "abc");
    if (how == 0)
        h2_head(&k.server, 0, H2_END_STREAM, 1, "a: b\n");
    else if (how == 1)
        h2_reset(&k.server, 0, 1, INTERNAL_ERROR);
    else if (how == 2)
        h2_frame(&k.server, 0, H2_PING, 0, 0, "x", 1);
    else
        h2_hang_up(&k.server, 0);
    h2_turn(&k);
    h2_turn(&k);
    assert_true(call.dones <= 1 && other.dones <= 1);
    kit_close(&k.kit);
    assert_true(call.dones <= 1 && other.dones <= 1);
    call_clear(&call);
    call_clear(&other);
    h2_stop(&k.server);
}

static void callbacks_may_cancel_and_close(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof doers / sizeof *doers; i++) {
        for (int how = 0; how < 4; how++)
            act(&doers[i], how);
    }
}

static void cancelled_streams_give_their_places_back(void **state)
{
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http_options o = h2_options();
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    pool.max_connections_per_endpoint = 1;
    o.pool = &pool;
    h2_open(&k, &o);
    k.server.max = 1;
    for (unsigned i = 1; i <= 40; i++) {
        h2_begin(&k, &call, NULL);
        h2_until_requests(&k, i); /* the server says nothing in between */
        belay_http_request_cancel(call.request);
    }
    h2_turn(&k);
    assert_int_equal(k.server.accepted, 1);
    assert_int_equal(k.server.conns[0].got[H2_RST_STREAM], 40);
    h2_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_goes_wrong_costs_its_request_alone),
        cmocka_unit_test(what_was_refused_is_sent_again_whatever_it_is),
        cmocka_unit_test(one_that_is_refused_for_ever_is_told_so),
        cmocka_unit_test(informational_heads_data_and_trailers_come_in_order),
        cmocka_unit_test(the_same_byte_by_byte_and_cut_in_frames),
        cmocka_unit_test(an_answer_to_head_has_no_body),
        cmocka_unit_test(what_comes_for_a_cancelled_request_is_ignored),
        cmocka_unit_test(callbacks_may_cancel_and_close),
        cmocka_unit_test(cancelled_streams_give_their_places_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
