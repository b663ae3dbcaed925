/* SPDX-License-Identifier: MIT */
/* Calls of generated stubs: what they say, what their closures are told, and how they are cancelled. */
#include "stub_kit.h"

static struct stub_kit k;

static void has_field(const char *field)
{
    if (!strstr(k.grpc.fields, field))
        fail_msg("no \"%s\" in\n%s", field, k.grpc.fields);
}

static void has_no_field(const char *field)
{
    if (strstr(k.grpc.fields, field))
        fail_msg("\"%s\" in\n%s", field, k.grpc.fields);
}

/* ---- what comes back ---- */

static void a_stub_asks_and_its_closure_is_answered(void **state)
{
    struct stub_call c = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    k.grpc.on_request = stub_answer_well;
    stub_ask(&k, &c, "hello");
    assert_int_equal(c.closures, 0);
    stub_ends(&c, BELAY_GRPC_OK, "");
    assert_string_equal(c.text, "good");
    assert_int_equal(c.number, 7);
    assert_int_equal(c.attempts, 1);
    has_field(":path: /test.Service/Ask\n");
    assert_string_equal(stub_asked(&k, 0), "hello");
    assert_null(belay_service_status(k.service));
    stub_close(&k);
}

static void say_not_found(struct grpc_kit *grpc, uint32_t id)
{
    grpc_say_head(grpc, id, H2_END_STREAM,
                  GRPC_HEAD "grpc-status: 5\ngrpc-message: no such %22thing%22\nwhy: because\n");
}

static void a_status_of_the_server_comes_with_its_words_and_trailers(void **state)
{
    struct stub_call c = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    k.grpc.on_request = say_not_found;
    stub_ask(&k, &c, "hello");
    stub_ends(&c, BELAY_GRPC_NOT_FOUND, "no such \"thing\"");
    assert_string_equal(c.trailers, "because|");
    assert_int_equal(c.error.code, 0);
    stub_close(&k);
}

static void each_closure_is_told_the_status_of_its_own_call(void **state)
{
    struct stub_call first = {0}, second = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    stub_ask(&k, &first, "first");
    stub_ask(&k, &second, "second");
    h2_until_requests(&k.grpc.h2, 2);
    say_not_found(&k.grpc, k.grpc.id);
    stub_answer_well(&k.grpc, k.grpc.id - 2);
    stub_ends(&first, BELAY_GRPC_OK, "");
    stub_ends(&second, BELAY_GRPC_NOT_FOUND, "no such");
    stub_close(&k);
}

/* ---- answers that cannot be read ---- */

static const void *bad;
static size_t bad_len;

static void answer_badly(struct grpc_kit *grpc, uint32_t id)
{
    const char *at = bad;
    size_t left = bad_len;
    char prefix[5] = {0};

    for (unsigned i = 0; i < 4; i++)
        prefix[1 + i] = (char)(bad_len >> (24 - 8 * i));
    grpc_say_head(grpc, id, 0, GRPC_HEAD);
    grpc_say_bytes(grpc, id, 0, prefix, sizeof prefix);
    for (size_t n; left > 0; at += n, left -= n) {
        n = left < 16384 ? left : 16384;
        grpc_say_bytes(grpc, id, 0, at, n);
    }
    grpc_say_head(grpc, id, H2_END_STREAM, GRPC_OK "why: none\n");
}

static void ask_for(const void *answer, size_t len, struct stub_call *c)
{
    memset(c, 0, sizeof *c);
    bad = answer;
    bad_len = len;
    stub_ask(&k, c, "hello");
    h2_until(&k.grpc.h2, &c->done);
}

static void an_answer_that_is_no_message_is_internal_and_names_the_type(void **state)
{
    static const char *const answers[] = {
        "\x0a\x7fshort",                                    /* longer than what is there */
        "\x0a",                                             /* cut */
        "\x0b\x0c",                                         /* a group */
        "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", /* a number without an end */
        "\x10\x07",                                         /* what is required is missing */
        "",                                                 /* likewise */
        "\x0a\x01x\x1a\x02\x10\x07",                        /* likewise, inside */
    };
    struct stub_call c;

    (void)state;
    stub_open(&k, NULL, NULL);
    k.grpc.on_request = answer_badly;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        ask_for(answers[i], strlen(answers[i]), &c);
        stub_ends(&c, BELAY_GRPC_INTERNAL, "test.Answer");
        assert_int_equal(c.error.code, BELAY_EPROTO);
        assert_int_equal(c.error.sent, BELAY_ANSWERED);
        assert_non_null(strstr(c.message, "Ask"));
        assert_string_equal(c.trailers, "none|");
    }
    ask_for("\x0a\x04good\x62\x01?", 9, &c); /* an unknown field does no harm */
    stub_ends(&c, BELAY_GRPC_OK, "");
    assert_string_equal(c.text, "good");
    stub_close(&k);
}

/* So many answers, each within the other; their bytes grow towards the front. */
static size_t nest(uint8_t *out, size_t size, unsigned depth)
{
    size_t at = size - 3;

    memcpy(out + at, "\x0a\x01x", 3);
    for (unsigned i = 1; i < depth; i++) {
        size_t len = size - at;

        assert_true(at >= 10);
        for (unsigned n = len < 1 << 7 ? 1 : len < 1 << 14 ? 2 : 3; n > 0; n--) {
            unsigned shift = 7 * (n - 1);
            bool is_last = n == (len < 1 << 7 ? 1u : len < 1 << 14 ? 2u : 3u);

            out[--at] = (uint8_t)((len >> shift & 0x7f) | (is_last ? 0 : 0x80));
        }
        out[--at] = i % 2 ? 0x1a : 0x22; /* inner, more */
        at -= 3;
        memcpy(out + at, "\x0a\x01x", 3);
    }
    memmove(out, out + at, size - at);
    return size - at;
}

static void an_answer_of_too_many_messages_within_each_other_is_not_read(void **state)
{
    static uint8_t bytes[1 << 18];
    struct stub_call c;

    (void)state;
    stub_open(&k, NULL, NULL);
    k.grpc.on_request = answer_badly;
    ask_for(bytes, nest(bytes, sizeof bytes, 100), &c);
    stub_ends(&c, BELAY_GRPC_OK, "");
    ask_for(bytes, nest(bytes, sizeof bytes, 101), &c);
    stub_ends(&c, BELAY_GRPC_INTERNAL, "test.Answer");
    ask_for(bytes, nest(bytes, sizeof bytes, 20000), &c);
    stub_ends(&c, BELAY_GRPC_INTERNAL, "too many messages within each other");
    stub_close(&k);
}

/* ---- calls that cannot begin ---- */

static void what_prevents_a_call_is_told_later_as_its_status(void **state)
{
    struct belay_channel_options o = grpc_options();
    struct stub_call first = {0}, second = {0};
    static char large[2000];

    (void)state;
    o.max_calls = 1;
    o.max_send_bytes = 1000;
    stub_open(&k, &o, NULL);
    stub_ask(&k, &first, "");
    stub_ask(&k, &second, "");
    assert_int_equal(second.closures, 0);
    stub_ends(&second, BELAY_GRPC_RESOURCE_EXHAUSTED, "max_calls");
    assert_int_equal(second.error.code, BELAY_EFULL);
    h2_until_requests(&k.grpc.h2, 1);
    stub_answer_well(&k.grpc, k.grpc.id);
    stub_ends(&first, BELAY_GRPC_OK, "");

    memset(&second, 0, sizeof second);
    memset(large, 'x', sizeof large - 1);
    stub_ask(&k, &second, large);
    assert_int_equal(second.closures, 0);
    stub_ends(&second, BELAY_GRPC_RESOURCE_EXHAUSTED, "limit");

    memset(&second, 0, sizeof second);
    belay_channel_close(k.grpc.channel, NULL, NULL);
    stub_ask(&k, &second, "");
    stub_ends(&second, BELAY_GRPC_CANCELLED, "closed");
    stub_close(&k);
}

static void a_request_that_was_not_initialised_is_refused(void **state)
{
    Test__Answer other = TEST__ANSWER__INIT;
    struct stub_call c = {.kit = &k};
    Test__Question question;

    (void)state;
    stub_open(&k, NULL, NULL);
    memset(&question, 0, sizeof question);
    test__service__ask(k.service, &question, stub_closure, &c);
    stub_ends(&c, BELAY_GRPC_INTERNAL, "test.Question");
    assert_int_equal(c.error.code, BELAY_EINVAL);

    memset(&c, 0, sizeof c);
    c.kit = &k;
    test__service__ask(k.service, (const Test__Question *)(const void *)&other, stub_closure, &c);
    stub_ends(&c, BELAY_GRPC_INTERNAL, "test.Question");
    stub_close(&k);
}

static void services_that_cannot_be_are_refused(void **state)
{
    ProtobufCServiceDescriptor nameless = test__service__descriptor, none = {0};
    struct belay_rpc_options o = belay_rpc_options_init();
    ProtobufCService *service = NULL;
    struct belay_error error;

    (void)state;
    stub_open(&k, NULL, NULL);
    nameless.name = NULL;
    assert_int_equal(belay_service_new(k.grpc.channel, &nameless, NULL, &service, &error),
                     BELAY_EINVAL);
    assert_non_null(strstr(error.text, "CODE_SIZE"));
    assert_int_equal(belay_service_new(k.grpc.channel, &none, NULL, &service, &error),
                     BELAY_EINVAL);
    o.size = 0;
    assert_int_equal(
        belay_service_new(k.grpc.channel, &test__service__descriptor, &o, &service, &error),
        BELAY_EINVAL);
    assert_non_null(strstr(error.text, "size"));
    belay_channel_close(k.grpc.channel, NULL, NULL);
    assert_int_equal(
        belay_service_new(k.grpc.channel, &test__service__descriptor, NULL, &service, &error),
        BELAY_ECLOSED);
    assert_null(service);
    stub_close(&k);
}

/* ---- options ---- */

static void the_options_of_a_service_are_those_of_each_call(void **state)
{
    char name[] = "key", value[] = "value";
    struct belay_header metadata[] = {{.name = name, .value = value},
                                      {.name = "raw-bin", .value = "\0\377\1", .value_len = 3},
                                      {.name = "empty", .value = ""}};
    struct belay_rpc_options o = belay_rpc_options_init();
    struct stub_call c = {0};

    (void)state;
    o.metadata = metadata;
    o.metadata_n = 3;
    o.deadline_ms = 7000;
    o.authority = "other.test:7";
    stub_open(&k, NULL, &o);
    memset(name, '?', sizeof name); /* it was copied */
    memset(value, '?', sizeof value);
    memset(metadata, 0, sizeof metadata);
    k.grpc.on_request = stub_answer_well;
    for (unsigned i = 0; i < 2; i++) {
        memset(&c, 0, sizeof c);
        stub_ask(&k, &c, "hello");
        stub_ends(&c, BELAY_GRPC_OK, "");
        has_field("key: value\n");
        has_field("raw-bin: AP8B\n");
        has_field("empty: \n");
        has_field(":authority: other.test:7\n");
        has_field("grpc-timeout: ");
    }
    stub_close(&k);
}

static void a_service_may_send_nothing_compressed(void **state)
{
    struct belay_channel_options o = grpc_options();
    struct belay_rpc_options options = belay_rpc_options_init();

    (void)state;
    o.gzip = true;
    options.no_gzip = true;
    for (unsigned i = 0; i < 2; i++) {
        struct stub_call c = {0};

        stub_open(&k, &o, i == 0 ? NULL : &options);
        k.grpc.on_request = stub_answer_well;
        stub_ask(&k, &c, "hello");
        stub_ends(&c, BELAY_GRPC_OK, "");
        if (i == 0)
            has_field("grpc-encoding: gzip\n");
        else
            has_no_field("grpc-encoding: ");
        stub_close(&k);
    }
}

static void the_options_of_a_call_are_on_top_of_the_services(void **state)
{
    const struct belay_header token = {.name = "token", .value = "abc"};
    const struct belay_header more = {.name = "more", .value = "1"};
    struct belay_rpc_options o = belay_rpc_options_init(), own = belay_rpc_options_init();
    struct belay_service_call call;
    struct stub_call c = {0};

    (void)state;
    o.metadata = &token;
    o.metadata_n = 1;
    o.authority = "one.test";
    stub_open(&k, NULL, &o);
    k.grpc.on_request = stub_answer_well;
    own.metadata = &more;
    own.metadata_n = 1;
    own.deadline_ms = 9000;
    own.authority = "two.test";
    stub_ask_by(&k, belay_service_with(k.service, &call, &own), &c, "hello");
    stub_ends(&c, BELAY_GRPC_OK, "");
    has_field("token: abc\n");
    has_field("more: 1\n");
    has_field("grpc-timeout: ");
    has_field(":authority: two.test\n");

    memset(&c, 0, sizeof c);
    stub_ask(&k, &c, "hello"); /* the next is as the service says */
    stub_ends(&c, BELAY_GRPC_OK, "");
    has_field("token: abc\n");
    has_no_field("more: 1\n");
    has_no_field("grpc-timeout");
    has_field(":authority: one.test\n");

    memset(&c, 0, sizeof c);
    stub_ask_by(&k, belay_service_with(k.service, &call, NULL), &c, "hello");
    stub_ends(&c, BELAY_GRPC_OK, "");
    has_field("token: abc\n");
    stub_close(&k);
}

static void bad_options_of_a_call_are_its_status(void **state)
{
    const struct belay_header upper = {.name = "Key", .value = "v"};
    struct belay_rpc_options own = belay_rpc_options_init();
    struct belay_service_call call;
    struct stub_call c = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    own.metadata = &upper;
    own.metadata_n = 1;
    stub_ask_by(&k, belay_service_with(k.service, &call, &own), &c, "hello");
    stub_ends(&c, BELAY_GRPC_INTERNAL, "metadata");
    memset(&c, 0, sizeof c);
    own.size = 0;
    stub_ask_by(&k, belay_service_with(k.service, &call, &own), &c, "hello");
    stub_ends(&c, BELAY_GRPC_INTERNAL, "size");
    stub_close(&k);
}

static void a_deadline_ends_a_call(void **state)
{
    struct belay_rpc_options o = belay_rpc_options_init(), own = belay_rpc_options_init();
    struct stub_call c = {0}, lasting = {0};
    struct belay_service_call call;

    (void)state;
    o.deadline_ms = 30;
    own.deadline_ms = BELAY_FOREVER;
    stub_open(&k, NULL, &o);
    stub_ask(&k, &c, "hello");
    stub_ask_by(&k, belay_service_with(k.service, &call, &own), &lasting, "hello");
    stub_ends(&c, BELAY_GRPC_DEADLINE_EXCEEDED, "30 ms");
    assert_false(lasting.done);
    belay_service_call_cancel(&call);
    stub_close(&k);
}

/* ---- cancelling ---- */

static void a_cancelled_call_has_no_closure_and_its_server_is_told(void **state)
{
    struct belay_service_call call;
    struct stub_call c = {0}, other = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    stub_ask_by(&k, belay_service_with(k.service, &call, NULL), &c, "hello");
    stub_ask(&k, &other, "hello");
    h2_until_requests(&k.grpc.h2, 2);
    belay_service_call_cancel(&call);
    belay_service_call_cancel(&call); /* again does nothing */
    stub_answer_well(&k.grpc, k.grpc.id);
    stub_ends(&other, BELAY_GRPC_OK, "");
    assert_int_equal(c.closures, 0);
    h2_turn(&k.grpc.h2);
    assert_int_equal(k.grpc.h2.server.conns[0].reset, 8);
    stub_close(&k);
}

static void a_call_that_could_not_begin_may_be_cancelled(void **state)
{
    struct belay_service_call call;
    struct stub_call c = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    belay_channel_close(k.grpc.channel, NULL, NULL);
    stub_ask_by(&k, belay_service_with(k.service, &call, NULL), &c, "hello");
    belay_service_call_cancel(&call);
    h2_turn(&k.grpc.h2);
    assert_int_equal(c.closures, 0);
    stub_close(&k);
}

static void a_call_under_way_is_not_used_for_another(void **state)
{
    struct stub_call first = {0}, second = {0};
    struct belay_service_call call;
    ProtobufCService *base;

    (void)state;
    stub_open(&k, NULL, NULL);
    k.grpc.on_request = stub_answer_well;
    base = belay_service_with(k.service, &call, NULL);
    stub_ask_by(&k, base, &first, "hello");
    stub_ask_by(&k, base, &second, "hello");
    stub_ends(&second, BELAY_GRPC_INTERNAL, "under way");
    stub_ends(&first, BELAY_GRPC_OK, "");
    memset(&first, 0, sizeof first);
    stub_ask_by(&k, base, &first, "hello"); /* after its closure it is */
    stub_ends(&first, BELAY_GRPC_OK, "");
    stub_close(&k);
}

static struct belay_service_call again;

static void ask_again(struct stub_call *c)
{
    if (c->closures == 1)
        stub_ask_by(&k, belay_service_with(k.service, &again, NULL), c, "again");
}

static void in_its_closure_a_call_may_be_used_again(void **state)
{
    struct stub_call c = {.in_closure = ask_again};

    (void)state;
    stub_open(&k, NULL, NULL);
    k.grpc.on_request = stub_answer_well;
    stub_ask_by(&k, belay_service_with(k.service, &again, NULL), &c, "hello");
    h2_until(&k.grpc.h2, &c.done);
    c.done = false;
    h2_until(&k.grpc.h2, &c.done);
    assert_int_equal(c.closures, 2);
    assert_string_equal(stub_asked(&k, 0), "again");
    stub_close(&k);
}

/* ---- destroying ---- */

static void no_closure_runs_after_destroy(void **state)
{
    struct stub_call calls[4] = {{0}};
    struct belay_service_call call;

    (void)state;
    stub_open(&k, NULL, NULL);
    stub_ask(&k, &calls[0], "hello");
    stub_ask_by(&k, belay_service_with(k.service, &call, NULL), &calls[1], "hello");
    h2_until_requests(&k.grpc.h2, 2);
    stub_ask(&k, &calls[2], "hello"); /* not sent yet */
    test__service__ask(k.service, NULL, stub_closure, &calls[3]);
    protobuf_c_service_destroy(k.service);
    k.service = NULL;
    belay_service_call_cancel(&call); /* it is over, and nothing of it is left */
    h2_turn(&k.grpc.h2);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(calls[i].closures, 0);
    assert_int_equal(k.grpc.h2.server.conns[0].got[H2_RST_STREAM], 2);
    stub_close(&k);
}

static void destroy_here(struct stub_call *c)
{
    protobuf_c_service_destroy(c->kit->service);
    c->kit->service = NULL;
}

static void a_closure_may_destroy_its_service(void **state)
{
    struct stub_call c = {.in_closure = destroy_here}, other = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    stub_ask(&k, &other, "hello");
    h2_until_requests(&k.grpc.h2, 1);
    stub_ask(&k, &c, "hello");
    h2_until_requests(&k.grpc.h2, 2);
    stub_answer_well(&k.grpc, k.grpc.id);
    stub_ends(&c, BELAY_GRPC_OK, "");
    h2_turn(&k.grpc.h2);
    assert_int_equal(other.closures, 0);
    stub_close(&k);
}

static void the_closure_of_a_call_that_could_not_begin_may_destroy(void **state)
{
    struct stub_call c = {.in_closure = destroy_here}, other = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    c.kit = other.kit = &k;
    test__service__ask(k.service, NULL, stub_closure, &c);
    test__service__ask(k.service, NULL, stub_closure, &other);
    stub_ends(&c, BELAY_GRPC_INTERNAL, "test.Question");
    h2_turn(&k.grpc.h2);
    assert_int_equal(other.closures, 0);
    stub_close(&k);
}

static void closing_the_channel_runs_every_closure(void **state)
{
    struct stub_call c = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    stub_ask(&k, &c, "hello");
    h2_until_requests(&k.grpc.h2, 1);
    belay_channel_close(k.grpc.channel, NULL, NULL);
    stub_ends(&c, BELAY_GRPC_CANCELLED, "closed");
    stub_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stub_asks_and_its_closure_is_answered),
        cmocka_unit_test(a_status_of_the_server_comes_with_its_words_and_trailers),
        cmocka_unit_test(each_closure_is_told_the_status_of_its_own_call),
        cmocka_unit_test(an_answer_that_is_no_message_is_internal_and_names_the_type),
        cmocka_unit_test(an_answer_of_too_many_messages_within_each_other_is_not_read),
        cmocka_unit_test(what_prevents_a_call_is_told_later_as_its_status),
        cmocka_unit_test(a_request_that_was_not_initialised_is_refused),
        cmocka_unit_test(services_that_cannot_be_are_refused),
        cmocka_unit_test(the_options_of_a_service_are_those_of_each_call),
        cmocka_unit_test(a_service_may_send_nothing_compressed),
        cmocka_unit_test(the_options_of_a_call_are_on_top_of_the_services),
        cmocka_unit_test(bad_options_of_a_call_are_its_status),
        cmocka_unit_test(a_deadline_ends_a_call),
        cmocka_unit_test(a_cancelled_call_has_no_closure_and_its_server_is_told),
        cmocka_unit_test(a_call_that_could_not_begin_may_be_cancelled),
        cmocka_unit_test(a_call_under_way_is_not_used_for_another),
        cmocka_unit_test(in_its_closure_a_call_may_be_used_again),
        cmocka_unit_test(no_closure_runs_after_destroy),
        cmocka_unit_test(a_closure_may_destroy_its_service),
        cmocka_unit_test(the_closure_of_a_call_that_could_not_begin_may_destroy),
        cmocka_unit_test(closing_the_channel_runs_every_closure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
