/* SPDX-License-Identifier: MIT */
/* Servers that are none of gRPC, or bad ones: each call ends with the status that stands for it,
 * and the channel serves the next. */
#include "grpc_kit.h"

#include <stdio.h>

#include "wire/grpc_gzip.h"

static struct grpc_kit k;

static void answer_well(struct grpc_kit *kit, uint32_t id)
{
    grpc_answer(kit, id, "good");
}

/* What the server says to the first request, and what it comes to. The second goes well, on the same
 * connection unless `lost`. */
static void check(void (*on_request)(struct grpc_kit *kit, uint32_t id), int status,
                  const char *text, bool lost)
{
    struct belay_channel_options o = grpc_options();
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_rpc_options patient = belay_rpc_options_init();
    struct rpc_call first = {0}, second = {0};

    memset(&k, 0, sizeof k);
    patient.wait_for_ready = true;
    backoff.delay_ms = 5;
    o.backoff = &backoff;
    o.max_receive_bytes = 1000;
    o.max_metadata_bytes = 2000;
    grpc_open(&k, &o);
    k.on_request = on_request;
    rpc_unary(&k, &first, NULL);
    rpc_ends(&first, status, text);
    k.on_request = answer_well;
    rpc_unary(&k, &second, &patient);
    rpc_ends(&second, BELAY_GRPC_OK, "");
    assert_string_equal(second.messages, "good|");
    assert_int_equal(k.h2.server.accepted, lost ? 2 : 1);
    grpc_close(&k);
}

/* ---- heads ---- */

static void say_http(struct grpc_kit *kit, uint32_t id, int status, const char *type)
{
    char head[128];

    snprintf(head, sizeof head, ":status: %d\ncontent-type: %s\n", status, type);
    grpc_say_head(kit, id, 0, head);
    grpc_say_bytes(kit, id, H2_END_STREAM, "<html>", 6);
}

#define HTTP(number)                                                                               \
    static void say_##number(struct grpc_kit *kit, uint32_t id)                                    \
    {                                                                                              \
        say_http(kit, id, number, "text/html");                                                    \
    }
HTTP(200)
HTTP(400)
HTTP(401)
HTTP(403)
HTTP(404)
HTTP(418)
HTTP(429)
HTTP(502)
HTTP(503)
HTTP(504)

static void an_http_status_stands_for_a_status(void **state)
{
    (void)state;
    check(say_400, BELAY_GRPC_INTERNAL, "HTTP status 400", false);
    check(say_401, BELAY_GRPC_UNAUTHENTICATED, "HTTP status 401", false);
    check(say_403, BELAY_GRPC_PERMISSION_DENIED, "HTTP status 403", false);
    check(say_404, BELAY_GRPC_UNIMPLEMENTED, "HTTP status 404 and content-type text/html", false);
    check(say_429, BELAY_GRPC_UNAVAILABLE, "HTTP status 429", false);
    check(say_502, BELAY_GRPC_UNAVAILABLE, "HTTP status 502", false);
    check(say_503, BELAY_GRPC_UNAVAILABLE, "HTTP status 503", false);
    check(say_504, BELAY_GRPC_UNAVAILABLE, "HTTP status 504", false);
    check(say_418, BELAY_GRPC_UNKNOWN, "HTTP status 418", false);
}

static void another_content_type_is_unknown(void **state)
{
    (void)state;
    check(say_200, BELAY_GRPC_UNKNOWN, "content-type text/html, which is not gRPC", false);
}

static void say_similar(struct grpc_kit *kit, uint32_t id)
{
    say_http(kit, id, 200, "application/grpcweb");
}

static void a_content_type_that_only_begins_like_ours_is_unknown(void **state)
{
    (void)state;
    check(say_similar, BELAY_GRPC_UNKNOWN, "application/grpcweb", false);
}

static void say_for_ever(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, ":status: 503\ncontent-type: text/plain\n");
    grpc_say_bytes(kit, id, 0, "...", 3);
}

static void a_stream_of_another_kind_that_never_ends_is_reset(void **state)
{
    struct rpc_call c = {0};

    (void)state;
    memset(&k, 0, sizeof k);
    grpc_open(&k, NULL);
    k.on_request = say_for_ever;
    rpc_unary(&k, &c, NULL);
    rpc_ends(&c, BELAY_GRPC_UNAVAILABLE, "HTTP status 503");
    h2_turn(&k.h2);
    assert_int_equal(k.h2.server.conns[0].reset, 8); /* CANCEL */
    grpc_close(&k);
}

/* ---- ends ---- */

static void say_no_status(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_text(kit, id, "answer");
    grpc_say_bytes(kit, id, H2_END_STREAM, "", 0);
}

static void say_head_alone(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_HEAD);
}

static void say_other_trailers(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_head(kit, id, H2_END_STREAM, "key: value\n");
}

static void two_hundred_without_a_status_is_unknown(void **state)
{
    (void)state;
    check(say_no_status, BELAY_GRPC_UNKNOWN, "without a status", false);
    check(say_head_alone, BELAY_GRPC_UNKNOWN, "without a status", false);
    check(say_other_trailers, BELAY_GRPC_UNKNOWN, "without a status", false);
}

static void say_bad_status(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_HEAD "grpc-status: fine\ngrpc-message: well\n");
}

static void a_status_that_is_no_number_is_unknown(void **state)
{
    (void)state;
    check(say_bad_status, BELAY_GRPC_UNKNOWN, "well", false);
}

static void say_nothing(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_OK);
}

static void say_two(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_text(kit, id, "one");
    grpc_say_text(kit, id, "two");
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_OK);
}

static void a_unary_answer_is_one_message(void **state)
{
    (void)state;
    check(say_nothing, BELAY_GRPC_UNIMPLEMENTED, "without a message", false);
    check(say_two, BELAY_GRPC_UNIMPLEMENTED, "more than one message", false);
}

/* Though the server says OK. */
static void an_answer_without_its_message_is_an_answer_and_a_failure(void **state)
{
    struct belay_channel_stats s = belay_channel_stats_init();
    struct rpc_call c = {0};

    (void)state;
    memset(&k, 0, sizeof k);
    grpc_open(&k, NULL);
    k.on_request = say_nothing;
    rpc_unary(&k, &c, NULL);
    rpc_ends(&c, BELAY_GRPC_UNIMPLEMENTED, "127.0.0.1"); /* who it was */
    assert_int_equal(c.error.sent, BELAY_ANSWERED);
    belay_channel_get_stats(k.channel, &s);
    assert_int_equal(s.calls_ok, 0);
    assert_int_equal(s.calls_failed, 1);
    grpc_close(&k);
}

static void say_bad_metadata(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD "key-bin: ***\n");
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_OK);
}

static void say_bad_trailer(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_text(kit, id, "x");
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_OK "key-bin: ***\n");
}

static void metadata_that_is_no_base64_is_internal(void **state)
{
    (void)state;
    check(say_bad_metadata, BELAY_GRPC_INTERNAL, "not base64", false);
    check(say_bad_trailer, BELAY_GRPC_INTERNAL, "not base64", false);
}

/* ---- messages ---- */

static void say_half(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_bytes(kit, id, 0, "\0\0\0\0\5he", 7);
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_OK);
}

static void say_half_prefix(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_bytes(kit, id, 0, "\0\0", 2);
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_OK);
}

static void say_half_and_why(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_bytes(kit, id, 0, "\0\0", 2);
    grpc_say_head(kit, id, H2_END_STREAM, "grpc-status: 15\ngrpc-message: lost it\n");
}

static void half_a_message_at_the_end_is_internal(void **state)
{
    (void)state;
    check(say_half, BELAY_GRPC_INTERNAL, "", false);
    check(say_half_prefix, BELAY_GRPC_INTERNAL, "", false);
    check(say_half_and_why, BELAY_GRPC_DATA_LOSS, "lost it", false);
}

static void say_large(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_bytes(kit, id, 0, "\0\0\0\3\351", 5); /* 1,001 */
}

static void say_huge(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_bytes(kit, id, 0, "\0\377\377\377\377", 5);
}

static void a_message_beyond_the_limit_exhausts_resources(void **state)
{
    (void)state;
    check(say_large, BELAY_GRPC_RESOURCE_EXHAUSTED, "1000", false);
    check(say_huge, BELAY_GRPC_RESOURCE_EXHAUSTED, "1000", false);
}

static void say_bad_flag(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say(kit, id, 7, "x", 1);
}

static void say_compressed(struct grpc_kit *kit, uint32_t id, const char *encoding)
{
    char head[256];

    snprintf(head, sizeof head, GRPC_HEAD "%s", encoding);
    grpc_say_head(kit, id, 0, head);
    grpc_say(kit, id, 1, "no gzip", 7);
}

static void say_bad_gzip(struct grpc_kit *kit, uint32_t id)
{
    say_compressed(kit, id, "grpc-encoding: gzip\n");
}

static void say_unknown_encoding(struct grpc_kit *kit, uint32_t id)
{
    say_compressed(kit, id, "grpc-encoding: snappy\n");
}

static void say_unannounced(struct grpc_kit *kit, uint32_t id)
{
    say_compressed(kit, id, "");
}

static void messages_that_cannot_be_read_are_internal(void **state)
{
    (void)state;
    check(say_bad_flag, BELAY_GRPC_INTERNAL, "", false);
    check(say_bad_gzip, BELAY_GRPC_INTERNAL, "gzip", false);
    check(say_unknown_encoding, BELAY_GRPC_INTERNAL, "\"snappy\", which was not offered", false);
    check(say_unannounced, BELAY_GRPC_INTERNAL, "", false);
}

/* 100,000 zeros in a few bytes. */
static void say_bomb(struct grpc_kit *kit, uint32_t id)
{
    static const char zeros[100000];
    struct bl_buf bomb = {0};
    struct bl_mem mem;

    bl_mem_init(&mem, NULL);
    assert_int_equal(bl_grpc_gzip(bl_span(zeros, sizeof zeros), &bomb, &mem), 0);
    assert_true(bl_buf_len(&bomb) < 1000);
    grpc_say_head(kit, id, 0, GRPC_HEAD "grpc-encoding: gzip\n");
    grpc_say(kit, id, 1, bl_buf_head(&bomb), bl_buf_len(&bomb));
    bl_buf_free(&bomb, &mem);
}

static void a_bomb_of_gzip_does_not_go_off(void **state)
{
    (void)state;
    check(say_bomb, BELAY_GRPC_RESOURCE_EXHAUSTED, "1000", false);
}

static void say_much_metadata(struct grpc_kit *kit, uint32_t id)
{
    char head[2500], value[2100];

    memset(value, 'x', sizeof value);
    snprintf(head, sizeof head, GRPC_HEAD "key: %.*s\n", (int)sizeof value, value);
    grpc_say_head(kit, id, 0, head);
}

static void more_metadata_than_allowed_exhausts_resources(void **state)
{
    (void)state;
    check(say_much_metadata, BELAY_GRPC_RESOURCE_EXHAUSTED, "headers are more than 2000", false);
}

static void say_many_fields(struct grpc_kit *kit, uint32_t id)
{
    char head[2500] = GRPC_HEAD;

    for (int i = 0; i < 200; i++)
        strcat(head, "a: b\n");
    grpc_say_head(kit, id, 0, head);
    grpc_say_text(kit, id, "many");
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_OK);
}

/* max_metadata_bytes is the limit, and no number. */
static void many_small_fields_are_no_harm(void **state)
{
    (void)state;
    check(say_many_fields, BELAY_GRPC_OK, "", false);
}

static void say_after_status(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD GRPC_OK);
    grpc_say_text(kit, id, "and another thing");
}

static void a_message_behind_the_status_is_internal(void **state)
{
    (void)state;
    check(say_after_status, BELAY_GRPC_INTERNAL, "after the call's status", false);
}

/* ---- resets and lost connections ---- */

static uint32_t code;
static bool after_head;

static void say_reset(struct grpc_kit *kit, uint32_t id)
{
    if (after_head)
        grpc_say_head(kit, id, 0, GRPC_HEAD);
    h2_reset(&kit->h2.server, kit->h2.server.accepted - 1, id, code);
}

static void check_reset(uint32_t h2_code, int status)
{
    code = h2_code;
    after_head = true;
    check(say_reset, status, "reset", false);
}

static void a_reset_stands_for_a_status(void **state)
{
    (void)state;
    check_reset(1, BELAY_GRPC_INTERNAL);            /* PROTOCOL_ERROR */
    check_reset(2, BELAY_GRPC_INTERNAL);            /* INTERNAL_ERROR */
    check_reset(3, BELAY_GRPC_INTERNAL);            /* FLOW_CONTROL_ERROR */
    check_reset(8, BELAY_GRPC_CANCELLED);           /* CANCEL */
    check_reset(11, BELAY_GRPC_RESOURCE_EXHAUSTED); /* ENHANCE_YOUR_CALM */
    check_reset(12, BELAY_GRPC_PERMISSION_DENIED);  /* INADEQUATE_SECURITY */
    code = 7;                                       /* REFUSED_STREAM */
    check(say_reset, BELAY_GRPC_UNAVAILABLE, "refused", false);
}

static void say_refused_once(struct grpc_kit *kit, uint32_t id)
{
    h2_reset(&kit->h2.server, 0, id, 7);
    kit->on_request = answer_well;
}

static void a_call_that_the_server_has_not_seen_is_sent_again(void **state)
{
    struct rpc_call c = {0};

    (void)state;
    memset(&k, 0, sizeof k);
    grpc_open(&k, NULL);
    k.on_request = say_refused_once;
    rpc_unary(&k, &c, NULL);
    rpc_ends(&c, BELAY_GRPC_OK, "");
    assert_string_equal(c.messages, "good|");
    assert_int_equal(c.attempts, 2);
    assert_memory_equal(k.data, "\0\0\0\0\5hello", 10);
    assert_null(strstr(k.fields, "grpc-previous-rpc-attempts"));
    grpc_close(&k);
}

static void hang_up(struct grpc_kit *kit, uint32_t id)
{
    (void)id;
    h2_hang_up(&kit->h2.server, kit->h2.server.accepted - 1);
}

static void hang_up_within(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_bytes(kit, id, 0, "\0\0\0\0\5he", 7);
    h2_step(&kit->h2.server);
    h2_hang_up(&kit->h2.server, 0);
}

static void break_protocol(struct grpc_kit *kit, uint32_t id)
{
    (void)id;
    h2_frame(&kit->h2.server, 0, H2_DATA, 0, 0, "x", 1); /* on no stream */
}

static void a_lost_connection_is_unavailable(void **state)
{
    (void)state;
    check(hang_up, BELAY_GRPC_UNAVAILABLE, "", true);
    check(break_protocol, BELAY_GRPC_UNAVAILABLE, "", true);
    check(hang_up_within, BELAY_GRPC_UNAVAILABLE, "", true);
}

static void say_malformed(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, "content-type: application/grpc\nkey: no status before it\n");
}

static void an_answer_that_is_no_http_is_internal(void **state)
{
    (void)state;
    check(say_malformed, BELAY_GRPC_INTERNAL, "malformed", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_http_status_stands_for_a_status),
        cmocka_unit_test(another_content_type_is_unknown),
        cmocka_unit_test(a_content_type_that_only_begins_like_ours_is_unknown),
        cmocka_unit_test(a_stream_of_another_kind_that_never_ends_is_reset),
        cmocka_unit_test(two_hundred_without_a_status_is_unknown),
        cmocka_unit_test(a_status_that_is_no_number_is_unknown),
        cmocka_unit_test(a_unary_answer_is_one_message),
        cmocka_unit_test(an_answer_without_its_message_is_an_answer_and_a_failure),
        cmocka_unit_test(metadata_that_is_no_base64_is_internal),
        cmocka_unit_test(half_a_message_at_the_end_is_internal),
        cmocka_unit_test(a_message_beyond_the_limit_exhausts_resources),
        cmocka_unit_test(messages_that_cannot_be_read_are_internal),
        cmocka_unit_test(a_bomb_of_gzip_does_not_go_off),
        cmocka_unit_test(more_metadata_than_allowed_exhausts_resources),
        cmocka_unit_test(many_small_fields_are_no_harm),
        cmocka_unit_test(a_message_behind_the_status_is_internal),
        cmocka_unit_test(a_reset_stands_for_a_status),
        cmocka_unit_test(a_call_that_the_server_has_not_seen_is_sent_again),
        cmocka_unit_test(a_lost_connection_is_unavailable),
        cmocka_unit_test(an_answer_that_is_no_http_is_internal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
