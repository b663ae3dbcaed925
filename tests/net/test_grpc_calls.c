/* SPDX-License-Identifier: MIT */
/* What calls say, and what they are told. */
#include "grpc_kit.h"

#include <stdio.h>

static struct grpc_kit k;

static void begin(const struct belay_channel_options *options)
{
    memset(&k, 0, sizeof k);
    grpc_open(&k, options);
}

static void answer_well(struct grpc_kit *kit, uint32_t id)
{
    grpc_answer(kit, id, "good");
}

static void has_field(const char *field)
{
    if (!strstr(k.fields, field))
        fail_msg("no \"%s\" in\n%s", field, k.fields);
}

/* ---- requests ---- */

static void a_request_says_what_the_protocol_wants(void **state)
{
    const struct belay_header metadata[] = {
        {.name = "key", .value = "value"},
        {.name = "key", .value = "another"},
        {.name = "raw-bin", .value = "\0\377\1", .value_len = 3},
    };
    struct belay_rpc_options o = belay_rpc_options_init();
    struct belay_channel_options channel = grpc_options();
    struct rpc_call c = {0};

    (void)state;
    channel.user_agent = "tester/1";
    begin(&channel);
    k.on_request = answer_well;
    o.metadata = metadata;
    o.metadata_n = 3;
    o.authority = "other.test:7";
    rpc_unary(&k, &c, &o);
    rpc_ends(&c, BELAY_GRPC_OK, "");
    has_field(":method: POST\n");
    has_field(":scheme: http\n");
    has_field(":path: " GRPC_METHOD "\n");
    has_field(":authority: other.test:7\n");
    has_field("content-type: application/grpc\n");
    has_field("te: trailers\n");
    has_field("grpc-accept-encoding: gzip\n");
    has_field("user-agent: tester/1 grpc-c-belay/");
    has_field("key: value\n");
    has_field("key: another\n");
    has_field("raw-bin: AP8B\n");
    assert_null(strstr(k.fields, "grpc-timeout"));
    assert_null(strstr(k.fields, "grpc-encoding"));
    assert_null(strstr(k.fields, "content-length"));
    assert_null(strstr(k.fields, "\naccept:"));
    assert_true(k.ended);
    assert_int_equal(k.data_len, 10);
    assert_memory_equal(k.data, "\0\0\0\0\5hello", 10);
    assert_int_equal(k.h2.server.conns[0].got[H2_DATA], 1); /* the end is on it */
    grpc_close(&k);
}

static void what_cannot_be_said_is_refused(void **state)
{
    const struct belay_header upper = {.name = "Key", .value = "v"};
    const struct belay_header reserved = {.name = "grpc-status", .value = "0"};
    const char *const methods[] = {"",    "x",   "/",      "/a",     "/a/",
                                   "//b", "a/b", "/a b/c", "/a/b?c", NULL};
    struct belay_rpc_options o = belay_rpc_options_init();
    struct rpc_call c = {0};
    struct belay_error error;

    (void)state;
    begin(NULL);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        assert_int_equal(
            belay_rpc_start(k.channel, methods[i], NULL, &rpc_call_callbacks, &c, &c.rpc, &error),
            BELAY_EINVAL);
        assert_non_null(strstr(error.text, "/package.Service/Method"));
    }
    o.metadata = &upper;
    o.metadata_n = 1;
    assert_int_equal(
        belay_rpc_start(k.channel, GRPC_METHOD, &o, &rpc_call_callbacks, &c, NULL, &error),
        BELAY_EINVAL);
    o.metadata = &reserved;
    assert_int_equal(
        belay_rpc_start(k.channel, GRPC_METHOD, &o, &rpc_call_callbacks, &c, NULL, &error),
        BELAY_EINVAL);
    o.metadata_n = 0;
    o.authority = "a/b";
    assert_int_equal(
        belay_rpc_start(k.channel, GRPC_METHOD, &o, &rpc_call_callbacks, &c, NULL, &error),
        BELAY_EINVAL);
    o.authority = NULL;
    o.deadline_ms = -7;
    assert_int_equal(
        belay_rpc_start(k.channel, GRPC_METHOD, &o, &rpc_call_callbacks, &c, NULL, &error),
        BELAY_EINVAL);
    assert_int_equal(belay_rpc_start(k.channel, GRPC_METHOD, NULL, NULL, &c, NULL, &error),
                     BELAY_EINVAL);
    h2_turn(&k.h2);
    assert_int_equal(k.h2.server.accepted, 0);
    grpc_close(&k);
}

/* ---- answers ---- */

static void answer_fully(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0,
                  GRPC_HEAD "first: a\nraw-bin: AP8B\nraw-bin: AA==,/w\ngrpc-encoding: identity\n");
    grpc_say_text(kit, id, "");
    grpc_say_text(kit, id, "two");
    grpc_say_head(kit, id, H2_END_STREAM,
                  "grpc-status: 5\ngrpc-message: no %E2%82%AC, 100%25 sure%\nlast-bin: /w\nx: y\n");
}

static void headers_messages_and_trailers_come_as_they_were_meant(void **state)
{
    struct rpc_call c = {0};

    (void)state;
    begin(NULL);
    k.on_request = answer_fully;
    rpc_begin(&k, &c, NULL);
    belay_rpc_end(c.rpc);
    rpc_ends(&c, BELAY_GRPC_NOT_FOUND, "");
    assert_string_equal(c.headers,
                        "first: a\nraw-bin: \\x00\\xff\\x01\nraw-bin: \\x00\nraw-bin: \\xff\n");
    assert_string_equal(c.messages, "|two|");
    assert_string_equal(c.message, "no \xe2\x82\xac, 100% sure%");
    assert_string_equal(c.trailers, "last-bin: \\xff\nx: y\n");
    assert_int_equal(c.error.code, 0);
    assert_int_equal(c.attempts, 1);
    grpc_close(&k);
}

static void refuse_at_once(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, H2_END_STREAM,
                  GRPC_HEAD "grpc-status: 9\ngrpc-message: not now\nwhy: because\n");
}

static void a_head_may_be_all_of_an_answer(void **state)
{
    struct rpc_call c = {0};

    (void)state;
    begin(NULL);
    k.on_request = refuse_at_once;
    rpc_begin(&k, &c, NULL);
    rpc_ends(&c, BELAY_GRPC_FAILED_PRECONDITION, "not now");
    assert_int_equal(c.heads, 0);
    assert_string_equal(c.trailers, "why: because\n");
    grpc_close(&k);
}

static void echo(struct grpc_kit *kit, uint32_t id, bool end)
{
    if (kit->data_len > 0)
        grpc_say_bytes(kit, id, 0, kit->data, kit->data_len);
    kit->data_len = 0;
    if (end)
        grpc_say_head(kit, id, H2_END_STREAM, GRPC_OK);
}

static void say_head(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
}

static void write_next(struct rpc_call *c, const void *data, size_t len)
{
    char text[16];

    (void)data, (void)len;
    if (c->n == 3) {
        belay_rpc_end(c->rpc);
        assert_int_equal(belay_rpc_write(c->rpc, "x", 1), BELAY_ECLOSED);
        return;
    }
    snprintf(text, sizeof text, "ping %d", c->n);
    assert_int_equal(belay_rpc_write(c->rpc, text, strlen(text)), 0);
}

static void both_sides_may_speak_in_turn(void **state)
{
    struct rpc_call c = {.in_message = write_next};

    (void)state;
    begin(NULL);
    k.on_request = say_head;
    k.on_data = echo;
    rpc_begin(&k, &c, NULL);
    assert_int_equal(belay_rpc_write(c.rpc, "ping 0", 6), 0);
    rpc_ends(&c, BELAY_GRPC_OK, "");
    assert_string_equal(c.messages, "ping 0|ping 1|ping 2|");
    grpc_close(&k);
}

/* ---- compression ---- */

static void messages_are_compressed_where_that_helps(void **state)
{
    struct belay_channel_options o = grpc_options();
    struct belay_rpc_options plainly = belay_rpc_options_init();
    char text[5000];
    struct rpc_call c = {0}, d = {0};

    (void)state;
    memset(text, 'a', sizeof text);
    o.gzip = true;
    begin(&o);
    rpc_begin(&k, &c, NULL);
    assert_int_equal(belay_rpc_write(c.rpc, text, sizeof text), 0);
    assert_int_equal(belay_rpc_write(c.rpc, "short", 5), 0);
    h2_until_requests(&k.h2, 1);
    h2_turn(&k.h2);
    has_field("grpc-encoding: gzip\n");
    assert_int_equal(k.data[0], 1);
    assert_true(k.data_len < 200);
    assert_memory_equal(k.data + k.data_len - 10, "\0\0\0\0\5short", 10);
    grpc_say_head(&k, k.id, 0, GRPC_HEAD "grpc-encoding: gzip\n");
    echo(&k, k.id, true);
    rpc_ends(&c, BELAY_GRPC_OK, "");
    assert_int_equal(c.n, 2);
    assert_int_equal(c.bytes, sizeof text + 5);
    plainly.no_gzip = true;
    rpc_begin(&k, &d, &plainly);
    assert_int_equal(belay_rpc_write(d.rpc, text, sizeof text), 0);
    h2_turn(&k.h2);
    assert_int_equal(k.data_len, sizeof text + 5);
    assert_null(strstr(k.fields, "grpc-encoding"));
    belay_rpc_cancel(d.rpc);
    grpc_close(&k);
}

static void it_is_said_of_each_message_whether_it_is_compressed(void **state)
{
    struct belay_channel_options o = grpc_options();
    struct belay_rpc_options plainly = belay_rpc_options_init();
    char text[5000];
    struct rpc_call c = {0}, d = {0};

    (void)state;
    memset(text, 'a', sizeof text);
    o.gzip = true;
    begin(&o);
    rpc_begin(&k, &c, NULL);
    assert_int_equal(belay_rpc_set_gzip(c.rpc, false), 0);
    assert_int_equal(belay_rpc_write(c.rpc, text, sizeof text), 0);
    assert_int_equal(belay_rpc_set_gzip(c.rpc, true), 0);
    assert_int_equal(belay_rpc_write(c.rpc, text, sizeof text), 0);
    h2_until_requests(&k.h2, 1);
    h2_turn(&k.h2);
    has_field("grpc-encoding: gzip\n");
    assert_int_equal(k.data[0], 0);
    assert_int_equal(k.data[5 + sizeof text], 1);
    assert_true(k.data_len < 5 + sizeof text + 200);
    belay_rpc_cancel(c.rpc);
    plainly.no_gzip = true;
    rpc_begin(&k, &d, &plainly);
    assert_int_equal(belay_rpc_set_gzip(d.rpc, true), BELAY_ENOTSUP);
    assert_int_equal(belay_rpc_set_gzip(d.rpc, false), 0);
    belay_rpc_cancel(d.rpc);
    grpc_close(&k);
}

/* ---- the time it takes ---- */

static void a_deadline_is_told_and_kept(void **state)
{
    struct belay_rpc_options o = belay_rpc_options_init();
    struct rpc_call c = {0};

    (void)state;
    begin(NULL);
    o.deadline_ms = 60;
    rpc_unary(&k, &c, &o);
    rpc_ends(&c, BELAY_GRPC_DEADLINE_EXCEEDED, "the deadline of 60 ms passed before the server's");
    has_field("grpc-timeout: ");
    h2_turn(&k.h2);
    assert_int_equal(k.h2.server.conns[0].reset, 8); /* CANCEL */
    assert_int_equal(c.error.code, BELAY_ETIMEDOUT);
    grpc_close(&k);
}

static void turn_away(struct grpc_kit *kit, uint32_t id)
{
    (void)id;
    h2_goaway(&kit->h2.server, 0, 0, 0);
}

/* Whether the server may have seen it: what has become of it by then says so. */
static void a_deadline_says_how_far_the_call_had_come(void **state)
{
    struct belay_channel_options options = grpc_options();
    struct belay_backoff_options slow = belay_backoff_options_init();
    struct belay_rpc_options o = belay_rpc_options_init();
    struct rpc_call c = {0};

    (void)state;
    slow.delay_ms = 60000;
    options.backoff = &slow;
    o.deadline_ms = 100;
    o.wait_for_ready = true;
    begin(&options);
    k.on_request = say_head;
    rpc_unary(&k, &c, &o);
    rpc_ends(&c, BELAY_GRPC_DEADLINE_EXCEEDED, "before the server's answer was complete");
    assert_int_equal(c.error.sent, BELAY_ANSWERED);
    grpc_close(&k);

    begin(&options);
    k.on_request = turn_away; /* it was not looked at */
    c = (struct rpc_call){0};
    rpc_unary(&k, &c, &o);
    rpc_ends(&c, BELAY_GRPC_DEADLINE_EXCEEDED, "before there was a connection");
    assert_int_equal(c.attempts, 1);
    assert_int_equal(c.error.sent, BELAY_NOT_SENT);
    grpc_close(&k);
}

static void a_deadline_passes_without_a_connection_too(void **state)
{
    struct belay_rpc_options o = belay_rpc_options_init();
    struct rpc_call c = {0};

    (void)state;
    begin(NULL);
    k.h2.server.silent = true;
    o.deadline_ms = 30;
    o.wait_for_ready = true;
    rpc_unary(&k, &c, &o);
    rpc_ends(&c, BELAY_GRPC_DEADLINE_EXCEEDED, "before there was a connection");
    assert_int_equal(c.attempts, 0);
    grpc_close(&k);
}

/* ---- its end, from here ---- */

static void cancel_it(struct rpc_call *c)
{
    belay_rpc_cancel(c->rpc);
}

static void cancel_at_message(struct rpc_call *c, const void *data, size_t len)
{
    (void)data, (void)len;
    belay_rpc_cancel(c->rpc);
}

static void answer_twice(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_bytes(kit, id, 0, "\0\0\0\0\1a\0\0\0\0\1b", 12);
}

static void who_cancels_hears_no_more_and_the_server_is_told(void **state)
{
    struct rpc_call early = {0}, waiting = {0}, at_head = {.in_headers = cancel_it},
                    at_message = {.in_message = cancel_at_message};

    (void)state;
    begin(NULL);
    rpc_unary(&k, &early, NULL);
    belay_rpc_cancel(early.rpc);
    h2_turn(&k.h2);
    assert_int_equal(k.h2.server.requests, 0);

    rpc_unary(&k, &waiting, NULL);
    h2_until_requests(&k.h2, 1);
    belay_rpc_cancel(waiting.rpc);
    h2_turn(&k.h2);
    assert_int_equal(k.h2.server.conns[0].reset, 8);
    assert_int_equal(k.h2.server.conns[0].got[H2_RST_STREAM], 1);

    k.on_request = answer_twice;
    rpc_begin(&k, &at_head, NULL);
    h2_turn(&k.h2);
    assert_int_equal(at_head.heads, 1);
    assert_int_equal(at_head.n, 0);
    rpc_begin(&k, &at_message, NULL);
    h2_turn(&k.h2);
    assert_int_equal(at_message.n, 1);
    assert_int_equal(k.h2.server.conns[0].got[H2_RST_STREAM], 3);
    assert_int_equal(early.dones + waiting.dones + at_head.dones + at_message.dones, 0);
    grpc_close(&k);
}

static void calls_of_a_channel_that_is_closed_are_cancelled(void **state)
{
    struct rpc_call waiting = {0}, running = {0};

    (void)state;
    begin(NULL);
    rpc_unary(&k, &running, NULL);
    h2_until_requests(&k.h2, 1);
    rpc_unary(&k, &waiting, NULL);
    belay_channel_close(k.channel, NULL, NULL);
    assert_int_equal(running.dones + waiting.dones, 0);
    rpc_ends(&running, BELAY_GRPC_CANCELLED, "closed");
    rpc_ends(&waiting, BELAY_GRPC_CANCELLED, "closed");
    grpc_close(&k);
}

static void another_call(struct rpc_call *c)
{
    rpc_unary(c->kit, c->extra, NULL);
}

static void the_end_of_a_call_may_begin_another(void **state)
{
    struct rpc_call second = {0}, first = {.in_done = another_call, .extra = &second};

    (void)state;
    begin(NULL);
    k.on_request = answer_well;
    rpc_unary(&k, &first, NULL);
    rpc_ends(&first, BELAY_GRPC_OK, "");
    rpc_ends(&second, BELAY_GRPC_OK, "");
    grpc_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_says_what_the_protocol_wants),
        cmocka_unit_test(what_cannot_be_said_is_refused),
        cmocka_unit_test(headers_messages_and_trailers_come_as_they_were_meant),
        cmocka_unit_test(a_head_may_be_all_of_an_answer),
        cmocka_unit_test(both_sides_may_speak_in_turn),
        cmocka_unit_test(messages_are_compressed_where_that_helps),
        cmocka_unit_test(it_is_said_of_each_message_whether_it_is_compressed),
        cmocka_unit_test(a_deadline_is_told_and_kept),
        cmocka_unit_test(a_deadline_says_how_far_the_call_had_come),
        cmocka_unit_test(a_deadline_passes_without_a_connection_too),
        cmocka_unit_test(who_cancels_hears_no_more_and_the_server_is_told),
        cmocka_unit_test(calls_of_a_channel_that_is_closed_are_cancelled),
        cmocka_unit_test(the_end_of_a_call_may_begin_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
