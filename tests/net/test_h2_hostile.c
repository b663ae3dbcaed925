/* SPDX-License-Identifier: MIT */
/*
 * Servers that break HTTP/2 or flood its client: their connection ends with the code that says so,
 * requests on other connections live, and nothing is left.
 */
#include "h2_kit.h"

#include <stdlib.h>

enum { /* RFC 9113 section 7 */
       NO_ERROR = 0,
       PROTOCOL_ERROR = 1,
       FLOW_CONTROL_ERROR = 3,
       STREAM_CLOSED = 5,
       FRAME_SIZE_ERROR = 6,
       COMPRESSION_ERROR = 9,
       ENHANCE_YOUR_CALM = 11,
};

struct evil {
    const char *name;
    void (*say)(struct h2_server *s, unsigned conn, uint32_t id);
    uint32_t code, or_code; /* of the GOAWAY that is to come */
};

static void many(struct h2_server *s, unsigned conn, uint8_t type, uint8_t flags, uint32_t id,
                 size_t len, unsigned n)
{
    static const uint8_t zeros[16];

    for (unsigned i = 0; i < n; i++)
        h2_frame(s, conn, type, flags, id, zeros, len);
}

static void continuations(struct h2_server *s, unsigned conn, uint32_t id)
{
    uint8_t block[256];
    size_t n = h2_block(":status: 200\n", block, sizeof block);
    char value[8192];

    h2_frame(s, conn, H2_HEADERS, 0, id, block, n);
    memset(value, 'a', sizeof value);
    for (int i = 0; i < 100; i++) {
        uint8_t piece[8300] = {0x10, 1, 'x', 127, 0x81, 0x3f}; /* 127 + 1 + 63 * 128 = 8192 */

        memcpy(piece + 6, value, sizeof value);
        h2_frame(s, conn, H2_CONTINUATION, 0, id, piece, 6 + sizeof value);
    }
}

static void empty_continuations(struct h2_server *s, unsigned conn, uint32_t id)
{
    uint8_t block[256];
    size_t n = h2_block(":status: 200\n", block, sizeof block);

    h2_frame(s, conn, H2_HEADERS, 0, id, block, n);
    many(s, conn, H2_CONTINUATION, 0, id, 0, 20000);
}

static void settings(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    many(s, conn, H2_SETTINGS, 0, 0, 0, 20000);
}
static void setting_acks(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    many(s, conn, H2_SETTINGS, H2_ACK, 0, 0, 20000);
}
static void pings(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    many(s, conn, H2_PING, 0, 0, 8, 20000);
}
static void pongs(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    many(s, conn, H2_PING, H2_ACK, 0, 8, 20000);
}
static void resets(struct h2_server *s, unsigned conn, uint32_t id)
{
    many(s, conn, H2_RST_STREAM, 0, id, 4, 20000);
}
static void empty_data(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id, ":status: 200\n");
    many(s, conn, H2_DATA, 0, id, 0, 20000);
}
static void windows(struct h2_server *s, unsigned conn, uint32_t id)
{
    for (int i = 0; i < 30000; i++)
        h2_window(s, conn, id, 1);
}
static void unknown_frames(struct h2_server *s, unsigned conn, uint32_t id)
{
    many(s, conn, 0xee, 0, id, 0, 60000);
}
static void window_overflow(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_window(s, conn, 0, 0x7fffffff);
}
static void window_of_nothing(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_window(s, conn, 0, 0);
}
static void too_much_data(struct h2_server *s, unsigned conn, uint32_t id)
{
    static const char block[16384];

    h2_head(s, conn, 0, id, ":status: 200\n");
    for (int i = 0; i < 80; i++) /* more than the window of the stream, which is paused */
        h2_frame(s, conn, H2_DATA, 0, id, block, sizeof block);
}
static void oversized(struct h2_server *s, unsigned conn, uint32_t id)
{
    static const char block[20000];

    h2_head(s, conn, 0, id, ":status: 200\n");
    h2_frame(s, conn, H2_DATA, 0, id, block, sizeof block);
}
static void push(struct h2_server *s, unsigned conn, uint32_t id)
{
    uint8_t payload[64] = {0, 0, 0, 2};
    size_t n = h2_block(":method: GET\n:scheme: http\n:path: /\n:authority: a\n", payload + 4, 128);

    h2_frame(s, conn, H2_PUSH_PROMISE, H2_END_HEADERS, id, payload, n + 4);
}
static void data_first(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_data(s, conn, H2_END_STREAM, id, "abc");
}
static void data_on_idle(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_data(s, conn, 0, id + 20, "x");
}
static void head_on_idle(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id + 20, ":status: 200\n");
}
static void head_on_even(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_head(s, conn, 0, 2, ":status: 200\n");
}
static void data_on_none(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_data(s, conn, 0, 0, "x");
}
static void reset_of_idle(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_reset(s, conn, id + 20, 0);
}
static void odd_settings(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_frame(s, conn, H2_SETTINGS, 0, 0, "12345", 5);
}
static void short_ping(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_frame(s, conn, H2_PING, 0, 0, "1234567", 7);
}
static void short_reset(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_frame(s, conn, H2_RST_STREAM, 0, id, "123", 3);
}
static void short_goaway(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_frame(s, conn, H2_GOAWAY, 0, 0, "1234567", 7);
}
static void bad_window_setting(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_setting(s, conn, 4, 0x80000000u);
}
static void bad_frame_size_setting(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_setting(s, conn, 5, 1);
}
static void bad_hpack(struct h2_server *s, unsigned conn, uint32_t id)
{
    static const uint8_t block[] = {0x88, 0xff, 0xff, 0xff, 0xff, 0x7f}; /* an index far outside */

    h2_frame(s, conn, H2_HEADERS, H2_END_HEADERS, id, block, sizeof block);
}
static void too_much_padding(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id, ":status: 200\n");
    h2_frame(s, conn, H2_DATA, H2_PADDED, id, "\x09xy", 3);
}
static void continuation_of_nothing(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_frame(s, conn, H2_CONTINUATION, H2_END_HEADERS, id, "", 0);
}
static void head_cut_by_data(struct h2_server *s, unsigned conn, uint32_t id)
{
    uint8_t block[256];

    h2_frame(s, conn, H2_HEADERS, 0, id, block, h2_block(":status: 200\n", block, sizeof block));
    h2_data(s, conn, 0, id, "x");
}
static void garbage(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_raw(s, conn, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
}
static void goaway_that_takes_back(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_goaway(s, conn, id, 0);
    h2_goaway(s, conn, id + 2, 0);
}

static const struct evil evils[] = {
    {"a header block without end", continuations, ENHANCE_YOUR_CALM, 0},
    {"CONTINUATION without content", empty_continuations, ENHANCE_YOUR_CALM, 0},
    {"SETTINGS", settings, ENHANCE_YOUR_CALM, 0},
    {"SETTINGS acknowledged unasked", setting_acks, PROTOCOL_ERROR, 0},
    {"PING", pings, ENHANCE_YOUR_CALM, 0},
    {"PING answered", pongs, ENHANCE_YOUR_CALM, 0},
    {"RST_STREAM", resets, ENHANCE_YOUR_CALM, 0},
    {"DATA without content", empty_data, ENHANCE_YOUR_CALM, 0},
    {"WINDOW_UPDATE", windows, ENHANCE_YOUR_CALM, 0},
    {"unknown frames", unknown_frames, ENHANCE_YOUR_CALM, 0},
    {"a window too large", window_overflow, FLOW_CONTROL_ERROR, 0},
    {"a window of nothing", window_of_nothing, PROTOCOL_ERROR, 0},
    {"an oversized frame", oversized, FRAME_SIZE_ERROR, 0},
    {"a promised push", push, PROTOCOL_ERROR, 0},
    {"DATA of an idle stream", data_on_idle, PROTOCOL_ERROR, 0},
    {"HEADERS of an idle stream", head_on_idle, PROTOCOL_ERROR, 0},
    {"HEADERS of a stream of its own", head_on_even, PROTOCOL_ERROR, 0},
    {"DATA without HEADERS", data_first, PROTOCOL_ERROR, 0},
    {"DATA of stream 0", data_on_none, PROTOCOL_ERROR, 0},
    {"RST_STREAM of an idle stream", reset_of_idle, PROTOCOL_ERROR, 0},
    {"SETTINGS of an odd size", odd_settings, FRAME_SIZE_ERROR, 0},
    {"a short PING", short_ping, FRAME_SIZE_ERROR, 0},
    {"a short RST_STREAM", short_reset, FRAME_SIZE_ERROR, 0},
    {"a short GOAWAY", short_goaway, FRAME_SIZE_ERROR, 0},
    {"a window setting too large", bad_window_setting, FLOW_CONTROL_ERROR, 0},
    {"a frame size too small", bad_frame_size_setting, PROTOCOL_ERROR, 0},
    {"HPACK that cannot be", bad_hpack, COMPRESSION_ERROR, 0},
    {"padding longer than its frame", too_much_padding, PROTOCOL_ERROR, 0},
    {"CONTINUATION of nothing", continuation_of_nothing, PROTOCOL_ERROR, 0},
    {"a head cut by DATA", head_cut_by_data, PROTOCOL_ERROR, 0},
    {"garbage", garbage, FRAME_SIZE_ERROR, PROTOCOL_ERROR},
    {"a GOAWAY that takes back the last", goaway_that_takes_back, PROTOCOL_ERROR, 0},
};

static void on_request(struct h2_server *s, unsigned conn, uint32_t id)
{
    const struct evil *evil = s->extra;

    if (evil && conn == 0)
        evil->say(s, conn, id);
    else
        h2_answer(s, conn, id, "fine");
}

static void end_rightly(const struct evil *evil, bool stingy)
{
    struct belay_http_options o = h2_options();
    struct call call = {0};
    struct h2_kit k;

    o.max_replays = BELAY_NONE;
    h2_open(&k, &o);
    k.server.on_request = on_request;
    k.server.extra = (void *)(uintptr_t)evil;
    k.server.stingy = stingy;
    h2_get(&k, &call);
    if (call.error.code != BELAY_EPROTO && call.error.code != BELAY_ERESET)
        fail_msg("%s: %d (%s)", evil->name, call.error.code, call.error.text);
    h2_until_closed(&k, 0);
    if (k.server.conns[0].goaway != evil->code &&
        !(evil->or_code && k.server.conns[0].goaway == evil->or_code))
        fail_msg("%s: GOAWAY says %u, not %u; %s", evil->name, k.server.conns[0].goaway, evil->code,
                 call.error.text);
    call_clear(&call);
    k.server.stingy = false;
    h2_get(&k, &call);
    h2_good(&call, "fine");
    assert_int_equal(k.server.accepted, 2);
    h2_close(&k);
}

static void each_is_ended_with_the_code_that_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof evils / sizeof *evils; i++)
        end_rightly(&evils[i], false);
}

/* Floods would take too long. */
static void so_it_is_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 10; i < sizeof evils / sizeof *evils; i++) {
        if (evils[i].say != oversized)
            end_rightly(&evils[i], true);
    }
}

static void the_requests_beside_fail_too_and_all_are_told_once(void **state)
{
    struct belay_http_options o = h2_options();
    struct call calls[5] = {{0}};
    struct h2_kit k;

    (void)state;
    o.max_replays = BELAY_NONE;
    h2_open(&k, &o);
    for (int i = 0; i < 5; i++)
        h2_begin(&k, &calls[i], NULL);
    h2_until_requests(&k, 5);
    assert_int_equal(k.server.accepted, 1);
    pings(&k.server, 0, 1);
    for (int i = 0; i < 5; i++) {
        h2_until(&k, &calls[i].done);
        h2_bad(&calls[i], BELAY_EPROTO, BELAY_MAYBE_SENT);
    }
    h2_close(&k);
}

static void data_beyond_the_window_of_a_paused_response_is_refused(void **state)
{
    struct call call = {.on_head = BELAY_HTTP_PAUSE};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    h2_begin(&k, &call, NULL);
    h2_until_requests(&k, 1);
    too_much_data(&k.server, 0, 1);
    h2_turn(&k);
    for (int i = 0;
         i < 2000 && k.server.conns[0].reset == H2_NONE && k.server.conns[0].goaway == H2_NONE; i++)
        h2_turn(&k);
    assert_true(k.server.conns[0].reset == FLOW_CONTROL_ERROR ||
                k.server.conns[0].goaway == FLOW_CONTROL_ERROR);
    belay_http_request_cancel(call.request);
    call_clear(&call);
    h2_close(&k);
}

/* Twelve bytes on the wire each that become 4,000 in memory. */
static void a_header_bomb_costs_its_request_alone(void **state)
{
    static uint8_t block[16000];
    size_t n = h2_block(":status: 200\n", block, 64), name;
    struct call call = {0}, beside = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    h2_begin(&k, &call, NULL);
    h2_begin(&k, &beside, NULL);
    h2_until_requests(&k, 2);
    name = n;
    block[n++] = 0x40; /* with indexing: "x: aaaa..." of 3,900 bytes */
    block[n++] = 1;
    block[n++] = 'x';
    block[n++] = 127;
    block[n++] = (uint8_t)((3900 - 127) % 128 + 128);
    block[n++] = (uint8_t)((3900 - 127) / 128);
    memset(block + n, 'a', 3900);
    n += 3900;
    memset(block + n, 0x80 | 62, 10000); /* that one, again and again */
    n += 10000;
    assert_true(name > 0);
    h2_frame(&k.server, 0, H2_HEADERS, H2_END_HEADERS, 1, block, n);
    h2_until(&k, &call.done);
    h2_bad(&call, BELAY_ELIMIT, BELAY_ANSWERED);
    h2_answer(&k.server, 0, 3, "fine");
    h2_until(&k, &beside.done);
    h2_good(&beside, "fine");
    h2_turn(&k);
    assert_int_equal(k.server.conns[0].reset_id, 1);
    assert_int_equal(k.server.conns[0].goaway, H2_NONE);
    h2_close(&k);
}

/* ---- before it is up ---- */

static void say_first(struct h2_server *s, unsigned conn)
{
    const char *what = s->extra;

    if (conn > 0) {
        s->silent = false;
    } else if (strcmp(what, "garbage") == 0) {
        garbage(s, conn, 0);
    } else if (strcmp(what, "ping") == 0) {
        pings(s, conn, 0);
    } else if (strcmp(what, "ack") == 0) {
        h2_frame(s, conn, H2_SETTINGS, H2_ACK, 0, NULL, 0);
    } else if (strcmp(what, "goaway") == 0) {
        h2_goaway(s, conn, 0, 0);
    } else if (strcmp(what, "end") == 0) {
        h2_hang_up(s, conn);
    }
}

static void answer(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_answer(s, conn, id, "fine");
}

static void a_server_that_begins_otherwise_does_not_come_up(void **state)
{
    static const char *const words[] = {"garbage", "ping", "ack", "goaway", "end"};
    struct belay_pool_options pool = belay_pool_options_init();

    (void)state;
    pool.connect_retry_delay_ms = 1;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct belay_http_options o = h2_options();
        struct call call = {0};
        struct h2_kit k;

        o.pool = &pool;
        h2_open(&k, &o);
        k.server.silent = true;
        k.server.on_open = say_first;
        k.server.on_request = answer;
        k.server.extra = (void *)(uintptr_t)words[i];
        h2_get(&k, &call);
        if (call.error.code) { /* what cannot become better is not tried again */
            assert_int_equal(call.error.code, BELAY_EPROTO);
            assert_int_equal(call.error.stage, BELAY_STAGE_PROTOCOL);
            assert_int_equal(call.error.sent, BELAY_NOT_SENT);
            call_clear(&call);
        } else {
            h2_good(&call, "fine");
        }
        h2_close(&k);
    }
}

static void one_that_says_nothing_is_given_up(void **state)
{
    struct belay_dial_options dial = belay_dial_options_init();
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http_options o = h2_options();
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    dial.session_timeout_ms = 30;
    pool.dial = &dial;
    pool.connect_retry_count = BELAY_NONE;
    o.pool = &pool;
    h2_open(&k, &o);
    k.server.silent = true;
    h2_get(&k, &call);
    h2_bad(&call, BELAY_ETIMEDOUT, BELAY_NOT_SENT);
    h2_close(&k);
}

static void a_client_that_closes_while_one_comes_up_leaves_nothing(void **state)
{
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    k.server.silent = true;
    h2_begin(&k, &call, NULL);
    h2_turn(&k);
    assert_true(k.server.conns[0].greeted);
    belay_http_close(k.kit.http, NULL, NULL);
    h2_until(&k, &call.done);
    h2_bad(&call, BELAY_ECLOSED, BELAY_NOT_SENT);
    h2_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_ended_with_the_code_that_says_why),
        cmocka_unit_test(so_it_is_byte_by_byte),
        cmocka_unit_test(the_requests_beside_fail_too_and_all_are_told_once),
        cmocka_unit_test(data_beyond_the_window_of_a_paused_response_is_refused),
        cmocka_unit_test(a_header_bomb_costs_its_request_alone),
        cmocka_unit_test(a_server_that_begins_otherwise_does_not_come_up),
        cmocka_unit_test(one_that_says_nothing_is_given_up),
        cmocka_unit_test(a_client_that_closes_while_one_comes_up_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
