/* SPDX-License-Identifier: MIT */
/*
 * Servers that break HTTP/2 or flood its client: their connection ends with the code that says so,
 * requests on other connections live, and nothing is left.
 */
#include "h2_kit.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
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
static void second_push(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id, ":status: 200\n");
    push(s, conn, id);
}
static void pushed_answer(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_head(s, conn, H2_END_STREAM, 2, ":status: 200\n"); /* promised by nobody */
}
static void priorities(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    many(s, conn, H2_PRIORITY, 0, 101, 5, 30000);
}
static void heads_without_content(struct h2_server *s, unsigned conn, uint32_t id)
{
    many(s, conn, H2_HEADERS, H2_END_HEADERS, id, 0, 20000);
}
/* Of a request that was answered, or is not wanted any more: each is decoded for nothing. */
static void heads_for_nobody(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_head(s, conn, 0, id, "server: x\n"); /* is reset */
    for (int i = 0; i < 20000; i++)
        h2_head(s, conn, 0, id, ":status: 200\n");
}
static void table_beyond_the_setting(struct h2_server *s, unsigned conn, uint32_t id)
{
    static const uint8_t block[] = {0x3f, 0xff, 0xff, 0x7f, 0x88}; /* a table of 2 MiB */

    h2_frame(s, conn, H2_HEADERS, H2_END_HEADERS, id, block, sizeof block);
}
static void number_without_end(struct h2_server *s, unsigned conn, uint32_t id)
{
    uint8_t block[64];

    memset(block, 0xff, sizeof block);
    h2_frame(s, conn, H2_HEADERS, H2_END_HEADERS, id, block, sizeof block);
}
static void bad_huffman(struct h2_server *s, unsigned conn, uint32_t id)
{
    static const uint8_t block[] = {0x88, 0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x01, 'a'};

    h2_frame(s, conn, H2_HEADERS, H2_END_HEADERS, id, block, sizeof block);
}
static void oversized_head(struct h2_server *s, unsigned conn, uint32_t id)
{
    static const char block[20000];

    h2_frame(s, conn, H2_HEADERS, H2_END_HEADERS, id, block, sizeof block);
}
static void oversized_settings(struct h2_server *s, unsigned conn, uint32_t id)
{
    static const char block[19998];

    (void)id;
    h2_frame(s, conn, H2_SETTINGS, 0, 0, block, sizeof block);
}
static void push_setting(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_setting(s, conn, 2, 1); /* a server may not allow pushes */
}
static void short_window(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_frame(s, conn, H2_WINDOW_UPDATE, 0, id, "123", 3);
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
    {"a_header_block_without_end", continuations, ENHANCE_YOUR_CALM, 0},
    {"a_flood_of_CONTINUATION_without_content", empty_continuations, ENHANCE_YOUR_CALM, 0},
    {"a_flood_of_SETTINGS", settings, ENHANCE_YOUR_CALM, 0},
    {"SETTINGS_acknowledged_unasked", setting_acks, PROTOCOL_ERROR, 0},
    {"a_flood_of_PING", pings, ENHANCE_YOUR_CALM, 0},
    {"a_flood_of_PING_answers", pongs, ENHANCE_YOUR_CALM, 0},
    {"a_flood_of_RST_STREAM", resets, ENHANCE_YOUR_CALM, 0},
    {"a_flood_of_DATA_without_content", empty_data, ENHANCE_YOUR_CALM, 0},
    {"a_flood_of_WINDOW_UPDATE", windows, ENHANCE_YOUR_CALM, 0},
    {"a_flood_of_unknown_frames", unknown_frames, ENHANCE_YOUR_CALM, 0},
    {"a_flood_of_PRIORITY", priorities, ENHANCE_YOUR_CALM, 0},
    {"a_flood_of_HEADERS_without_content", heads_without_content, ENHANCE_YOUR_CALM,
     PROTOCOL_ERROR},
    {"a_flood_of_HEADERS_for_nobody", heads_for_nobody, ENHANCE_YOUR_CALM, 0},
    {"a window too large", window_overflow, FLOW_CONTROL_ERROR, 0},
    {"a window of nothing", window_of_nothing, PROTOCOL_ERROR, 0},
    {"an oversized frame", oversized, FRAME_SIZE_ERROR, 0},
    {"a promised push", push, PROTOCOL_ERROR, 0},
    {"a promised push amid an answer", second_push, PROTOCOL_ERROR, 0},
    {"a pushed answer that was not promised", pushed_answer, PROTOCOL_ERROR, 0},
    {"a setting that allows pushes", push_setting, PROTOCOL_ERROR, 0},
    {"an oversized head", oversized_head, FRAME_SIZE_ERROR, 0},
    {"oversized SETTINGS", oversized_settings, FRAME_SIZE_ERROR, 0},
    {"a short WINDOW_UPDATE", short_window, FRAME_SIZE_ERROR, 0},
    {"an HPACK table beyond the setting", table_beyond_the_setting, COMPRESSION_ERROR, 0},
    {"an HPACK number without end", number_without_end, COMPRESSION_ERROR, 0},
    {"HPACK text that cannot be", bad_huffman, COMPRESSION_ERROR, 0},
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

#define EVILS  (sizeof evils / sizeof *evils)
#define FLOODS 13 /* the first of them */

static void on_request(struct h2_server *s, unsigned conn, uint32_t id)
{
    const struct evil *evil = s->extra;

    if (evil && conn == 1)
        evil->say(s, conn, id);
}

/* The request on the one connection fails, that on the other lives. */
static void end_rightly(const struct evil *evil, bool stingy)
{
    struct belay_http_options o = h2_options();
    struct call call = {0}, other = {0};
    struct h2_kit k;

    o.max_replays = BELAY_NONE;
    o.max_streams = 1;
    h2_open(&k, &o);
    k.server.on_request = on_request;
    k.server.extra = (void *)(uintptr_t)evil;
    h2_begin(&k, &other, NULL);
    h2_until_requests(&k, 1);
    k.server.stingy = stingy;
    h2_get(&k, &call);
    if (call.error.code != BELAY_EPROTO && call.error.code != BELAY_ERESET &&
        call.error.code != BELAY_ELIMIT)
        fail_msg("%s: %d (%s)", evil->name, call.error.code, call.error.text);
    if (!strstr(call.error.text, ": the peer ") && !strstr(call.error.text, ": the response"))
        fail_msg("%s: %s", evil->name, call.error.text);
    h2_until_closed(&k, 1);
    if (k.server.conns[1].goaway != evil->code &&
        !(evil->or_code && k.server.conns[1].goaway == evil->or_code))
        fail_msg("%s: GOAWAY says %u, not %u; %s", evil->name, k.server.conns[1].goaway, evil->code,
                 call.error.text);
    call_clear(&call);
    k.server.stingy = false;
    assert_false(other.done);
    h2_answer(&k.server, 0, 1, "fine");
    h2_until(&k, &other.done);
    h2_good(&other, "fine");
    assert_int_equal(k.server.accepted, 2);
    h2_close(&k);
}

static void whole(void **state)
{
    end_rightly(*state, false);
}

static void byte_by_byte(void **state)
{
    end_rightly(*state, true);
}

/* A test of its own each: "a flood of PING ends its connection: 11". */
static size_t name_tests(struct CMUnitTest *tests)
{
    static char names[2 * EVILS][96];
    size_t n = 0;

    for (size_t i = 0; i < EVILS; i++) {
        for (int stingy = 0; stingy <= (i >= FLOODS); stingy++) { /* floods would take too long */
            char *at = names[n];

            snprintf(at, sizeof names[n], "%s_ends_its_connection_with_%s%s", evils[i].name,
                     nghttp2_http2_strerror(evils[i].code), stingy ? "_byte_by_byte" : "");
            while ((at = strchr(at, ' ')))
                *at = '_';
            tests[n] = (struct CMUnitTest){.name = names[n],
                                           .test_func = stingy ? byte_by_byte : whole,
                                           .initial_state = (void *)(uintptr_t)&evils[i]};
            n++;
        }
    }
    return n;
}

/* What else was wrong before, and was borne, is not what the connection ends for. */
static void the_cause_that_is_told_is_that_of_the_end(void **state)
{
    struct belay_http_options o = h2_options();
    struct call borne = {0}, call = {0};
    struct h2_kit k;

    (void)state;
    o.max_replays = BELAY_NONE;
    h2_open(&k, &o);
    h2_begin(&k, &borne, NULL);
    h2_begin(&k, &call, NULL);
    h2_until_requests(&k, 2);
    h2_head(&k.server, 0, 0, 1, ":status: 200\nodd: a\001b\n");
    h2_data(&k.server, 0, H2_END_STREAM, 1, "fine");
    h2_until(&k, &borne.done);
    call_clear(&borne);
    short_ping(&k.server, 0, 3);
    h2_until(&k, &call.done);
    assert_null(strstr(call.error.text, "odd"));
    assert_non_null(strstr(call.error.text, "the peer breaks the protocol (FRAME_SIZE_ERROR"));
    h2_bad(&call, BELAY_EPROTO, BELAY_MAYBE_SENT);
    h2_close(&k);
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
    size_t n = h2_block(":status: 200\n", block, 64);
    struct call call = {0}, beside = {0};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    h2_begin(&k, &call, NULL);
    h2_begin(&k, &beside, NULL);
    h2_until_requests(&k, 2);
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
    h2_frame(&k.server, 0, H2_HEADERS, 0, 1, block, n);
    h2_until(&k, &call.done); /* nothing more is awaited, nor looked at */
    h2_bad(&call, BELAY_ELIMIT, BELAY_ANSWERED);
    h2_frame(&k.server, 0, H2_CONTINUATION, H2_END_HEADERS, 1, block + n - 9000, 9000);
    h2_answer(&k.server, 0, 3, "fine");
    h2_until(&k, &beside.done);
    h2_good(&beside, "fine");
    h2_turn(&k);
    assert_int_equal(k.server.conns[0].reset_id, 1);
    assert_int_equal(k.server.conns[0].got[H2_RST_STREAM], 1);
    assert_int_equal(k.server.conns[0].goaway, H2_NONE);
    h2_close(&k);
}

/* ---- half a frame ---- */

static const uint8_t half[] = {0, 0, 20, H2_HEADERS, H2_END_HEADERS, 0, 0, 0, 1, 0x88};

static void half_a_frame_and_the_end_are_a_lost_connection(void **state)
{
    (void)state;
    for (size_t n = 1; n <= sizeof half; n++) {
        struct belay_http_options o = h2_options();
        struct call call = {0};
        struct h2_kit k;

        o.max_replays = BELAY_NONE;
        h2_open(&k, &o);
        h2_begin(&k, &call, NULL);
        h2_until_requests(&k, 1);
        h2_raw(&k.server, 0, half, n);
        h2_turn(&k);
        h2_hang_up(&k.server, 0);
        h2_until(&k, &call.done);
        h2_bad(&call, BELAY_EEOF, BELAY_MAYBE_SENT);
        h2_close(&k);
    }
}

static void half_a_frame_and_silence_are_a_time_out(void **state)
{
    struct belay_http_options o = h2_options();
    struct belay_pool_stats stats;
    struct call call = {0};
    struct h2_kit k;

    (void)state;
    o.first_byte_timeout_ms = 30;
    o.ping_timeout_ms = 30;
    h2_open(&k, &o);
    h2_begin(&k, &call, NULL);
    h2_until_requests(&k, 1);
    h2_raw(&k.server, 0, half, sizeof half);
    h2_until(&k, &call.done);
    h2_bad(&call, BELAY_ETIMEDOUT, BELAY_MAYBE_SENT);
    h2_until_closed(&k, 0); /* its PING was not answered: nothing can come behind half a frame */
    kit_stats(&k.kit, &stats);
    assert_int_equal(stats.closed[BELAY_REASON_ERROR] + stats.closed[BELAY_REASON_UNHEALTHY], 1);
    h2_close(&k);
}

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(the_cause_that_is_told_is_that_of_the_end),
        cmocka_unit_test(the_requests_beside_fail_too_and_all_are_told_once),
        cmocka_unit_test(data_beyond_the_window_of_a_paused_response_is_refused),
        cmocka_unit_test(a_header_bomb_costs_its_request_alone),
        cmocka_unit_test(half_a_frame_and_the_end_are_a_lost_connection),
        cmocka_unit_test(half_a_frame_and_silence_are_a_time_out),
    };
    static struct CMUnitTest tests[2 * EVILS + sizeof others / sizeof *others];

    memcpy(tests + name_tests(tests), others, sizeof others);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
