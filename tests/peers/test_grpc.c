/* SPDX-License-Identifier: MIT */
/* The cases of gRPC's interoperability tests, against the server whose target is the argument. */
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "belay/grpc.h"

#define SERVICE  "/grpc.testing.TestService/"
#define LIMIT_MS 20000

static const char *target;
static struct belay_loop *loop;
static struct belay_channel *channel;

/* ---- messages, as protobuf writes them ---- */

struct text {
    unsigned char *data;
    size_t len;
};

static void put(struct text *t, const void *data, size_t len)
{
    t->data = realloc(t->data, t->len + len + 1);
    assert_non_null(t->data);
    if (len > 0)
        memcpy(t->data + t->len, data, len);
    t->len += len;
}

static void put_number(struct text *t, uint64_t n)
{
    unsigned char c;

    do {
        c = (unsigned char)((n & 127) | (n > 127 ? 128 : 0));
        put(t, &c, 1);
        n >>= 7;
    } while (n > 0);
}

static void put_varint(struct text *t, unsigned field, uint64_t n)
{
    put_number(t, field << 3);
    put_number(t, n);
}

static void put_bytes(struct text *t, unsigned field, const void *data, size_t len)
{
    put_number(t, field << 3 | 2);
    put_number(t, len);
    put(t, data, len);
}

/* Payload, `size` zeros. */
static void put_payload(struct text *t, unsigned field, size_t size)
{
    void *zeros = calloc(1, size + 1);
    struct text payload = {0};

    put_bytes(&payload, 2, zeros, size);
    put_bytes(t, field, payload.data, payload.len);
    free(payload.data);
    free(zeros);
}

/* ResponseParameters. */
static void put_size(struct text *t, size_t size)
{
    struct text parameters = {0};

    put_varint(&parameters, 1, size);
    put_bytes(t, 2, parameters.data, parameters.len);
    free(parameters.data);
}

static uint64_t get_number(const unsigned char **at, const unsigned char *end)
{
    uint64_t n = 0;

    for (unsigned shift = 0; *at < end; shift += 7) {
        unsigned char c = *(*at)++;

        n |= (uint64_t)(c & 127) << shift;
        if (c < 128)
            return n;
    }
    return n;
}

/* The bytes of a field, or its number; false: it is not there. */
static bool get(const void *data, size_t len, unsigned field, struct text *ret, uint64_t *number)
{
    const unsigned char *at = data, *end = at + len;

    while (at < end) {
        uint64_t key = get_number(&at, end), n = get_number(&at, end);

        if (key >> 3 == field) {
            *number = n;
            *ret = (struct text){(unsigned char *)(uintptr_t)at, (key & 7) == 2 ? (size_t)n : 0};
            return true;
        }
        if ((key & 7) == 2)
            at += n;
    }
    *number = 0;
    *ret = (struct text){0};
    return false;
}

/* How long the body of field 1, a Payload, is. */
static size_t payload_size(const void *data, size_t len)
{
    struct text payload, body;
    uint64_t n;

    get(data, len, 1, &payload, &n);
    get(payload.data, payload.len, 2, &body, &n);
    return body.len;
}

/* ---- calls ---- */

struct call {
    struct belay_rpc *rpc;
    size_t sizes[8];
    int n;
    uint64_t number;        /* field 1 of the last message */
    bool initial, trailing; /* custom metadata came back */
    bool done;
    int status;
    char message[512];
    void (*in_message)(struct call *c);
};

static bool has(const struct belay_header *h, size_t n, const char *name, const char *value)
{
    for (size_t i = 0; i < n; i++) {
        if (h[i].name_len == strlen(name) && memcmp(h[i].name, name, h[i].name_len) == 0 &&
            h[i].value_len == strlen(value) && memcmp(h[i].value, value, h[i].value_len) == 0)
            return true;
    }
    return false;
}

static void on_headers(struct belay_rpc *rpc, const struct belay_header *headers, size_t n,
                       void *arg)
{
    struct call *c = arg;

    (void)rpc;
    c->initial = has(headers, n, "x-grpc-test-echo-initial", "test_initial_metadata_value");
}

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct call *c = arg;
    struct text text;

    (void)rpc;
    assert_true(c->n < 8);
    get(data, len, 1, &text, &c->number);
    c->sizes[c->n++] = payload_size(data, len);
    if (c->in_message)
        c->in_message(c);
}

static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct call *c = arg;

    (void)rpc;
    c->done = true;
    c->status = result->status;
    c->trailing =
        has(result->trailers, result->trailers_n, "x-grpc-test-echo-trailing-bin", "\xab\xab\xab");
    snprintf(c->message, sizeof c->message, "%s", result->message);
}

static const struct belay_rpc_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_headers = on_headers,
    .on_message = on_message,
    .on_done = on_done,
};

static void begin(struct call *c, const char *method, const struct belay_rpc_options *options)
{
    struct belay_error error;

    if (belay_rpc_start(channel, method, options, &callbacks, c, &c->rpc, &error) < 0)
        fail_msg("%s", error.text);
}

static void until(const bool *done)
{
    int64_t end = belay_loop_now_ms(loop) + LIMIT_MS;

    while (!*done) {
        assert_int_equal(belay_loop_turn(loop, 100), 0);
        assert_true(belay_loop_now_ms(loop) < end);
    }
}

static void ends(struct call *c, int status)
{
    until(&c->done);
    if (c->status != status)
        fail_msg("%s: %s", belay_grpc_status_name(c->status), c->message);
}

static void say(struct call *c, struct text *t)
{
    assert_int_equal(belay_rpc_write(c->rpc, t->data ? (void *)t->data : "", t->len), 0);
    free(t->data);
    *t = (struct text){0};
}

static void say_all(struct call *c, struct text *t)
{
    say(c, t);
    belay_rpc_end(c->rpc);
}

/* ---- the cases ---- */

static void empty_unary(void **state)
{
    struct belay_unary_result result = {.size = sizeof result};
    struct belay_error error;

    (void)state;
    if (belay_channel_unary_wait(channel, SERVICE "EmptyCall", "", 0, NULL, &result, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(result.status, BELAY_GRPC_OK);
    assert_non_null(result.response);
    assert_int_equal(result.response_len, 0);
    free(result.response);
}

static void large_unary(void **state)
{
    struct call c = {0};
    struct text t = {0};

    (void)state;
    begin(&c, SERVICE "UnaryCall", NULL);
    put_varint(&t, 2, 314159);
    put_payload(&t, 3, 271828);
    say_all(&c, &t);
    ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.sizes[0], 314159);
}

static const size_t asked[] = {27182, 8, 1828, 45904}, answered[] = {31415, 9, 2653, 58979};

static void client_streaming(void **state)
{
    struct call c = {0};
    struct text t = {0};

    (void)state;
    begin(&c, SERVICE "StreamingInputCall", NULL);
    for (int i = 0; i < 4; i++) {
        put_payload(&t, 1, asked[i]);
        say(&c, &t);
    }
    belay_rpc_end(c.rpc);
    ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.number, 74922);
}

static void server_streaming(void **state)
{
    struct call c = {0};
    struct text t = {0};

    (void)state;
    begin(&c, SERVICE "StreamingOutputCall", NULL);
    for (int i = 0; i < 4; i++)
        put_size(&t, answered[i]);
    say_all(&c, &t);
    ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.n, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(c.sizes[i], answered[i]);
}

static void ping(struct call *c)
{
    struct text t = {0};

    if (c->n == 4) {
        belay_rpc_end(c->rpc);
        return;
    }
    put_size(&t, answered[c->n]);
    put_payload(&t, 3, asked[c->n]);
    say(c, &t);
}

static void ping_pong(void **state)
{
    struct call c = {.in_message = ping};

    (void)state;
    begin(&c, SERVICE "FullDuplexCall", NULL);
    ping(&c);
    ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.n, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(c.sizes[i], answered[i]);
}

static void empty_stream(void **state)
{
    struct call c = {0};

    (void)state;
    begin(&c, SERVICE "FullDuplexCall", NULL);
    belay_rpc_end(c.rpc);
    ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.n, 0);
}

static void cancel_after_begin(void **state)
{
    struct call c = {0};

    (void)state;
    begin(&c, SERVICE "StreamingInputCall", NULL);
    assert_int_equal(belay_loop_turn(loop, 20), 0);
    belay_rpc_cancel(c.rpc);
    empty_unary(state);
    assert_false(c.done);
}

static bool cancelled;

static void cancel(struct call *c)
{
    belay_rpc_cancel(c->rpc);
    cancelled = true;
}

static void cancel_after_first_response(void **state)
{
    struct call c = {.in_message = cancel};

    (void)state;
    cancelled = false;
    begin(&c, SERVICE "FullDuplexCall", NULL);
    ping(&c);
    until(&cancelled);
    empty_unary(state);
    assert_int_equal(c.n, 1);
    assert_false(c.done);
}

static void timeout_on_sleeping_server(void **state)
{
    struct belay_rpc_options o = belay_rpc_options_init();
    struct call c = {0};
    struct text t = {0};

    (void)state;
    o.deadline_ms = 1;
    begin(&c, SERVICE "FullDuplexCall", &o);
    put_payload(&t, 3, 27182);
    say(&c, &t);
    ends(&c, BELAY_GRPC_DEADLINE_EXCEEDED);
    empty_unary(state);
}

static void echo_metadata(const char *method, bool stream)
{
    const struct belay_header metadata[] = {
        {.name = "x-grpc-test-echo-initial", .value = "test_initial_metadata_value"},
        {.name = "x-grpc-test-echo-trailing-bin", .value = "\xab\xab\xab"},
    };
    struct belay_rpc_options o = belay_rpc_options_init();
    struct call c = {0};
    struct text t = {0};

    o.metadata = metadata;
    o.metadata_n = 2;
    begin(&c, method, &o);
    if (stream)
        put_size(&t, 314159);
    else
        put_varint(&t, 2, 314159);
    put_payload(&t, 3, 271828);
    say_all(&c, &t);
    ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.sizes[0], 314159);
    assert_true(c.initial);
    assert_true(c.trailing);
}

static void custom_metadata(void **state)
{
    (void)state;
    echo_metadata(SERVICE "UnaryCall", false);
    echo_metadata(SERVICE "FullDuplexCall", true);
}

static void echo_status(const char *method, const char *message)
{
    struct text t = {0}, status = {0};
    struct call c = {0};

    put_varint(&status, 1, 2);
    put_bytes(&status, 2, message, strlen(message));
    put_bytes(&t, 7, status.data, status.len);
    free(status.data);
    begin(&c, method, NULL);
    say_all(&c, &t);
    ends(&c, BELAY_GRPC_UNKNOWN);
    assert_string_equal(c.message, message);
}

static void status_code_and_message(void **state)
{
    (void)state;
    echo_status(SERVICE "UnaryCall", "test status message");
    echo_status(SERVICE "FullDuplexCall", "test status message");
}

static void special_status_message(void **state)
{
    (void)state;
    echo_status(SERVICE "UnaryCall", "\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and "
                                     "non-BMP \xf0\x9f\x98\x88\t\n");
}

static void is_unimplemented(const char *method)
{
    struct call c = {0};
    struct text t = {0};

    begin(&c, method, NULL);
    say_all(&c, &t);
    ends(&c, BELAY_GRPC_UNIMPLEMENTED);
}

static void unimplemented_method(void **state)
{
    (void)state;
    is_unimplemented(SERVICE "UnimplementedCall");
}

static void unimplemented_service(void **state)
{
    (void)state;
    is_unimplemented("/grpc.testing.UnimplementedService/UnimplementedCall");
}

static int open_channel(void **state)
{
    struct belay_channel_options o = belay_channel_options_init();
    struct belay_error error;

    (void)state;
    o.plain = true;
    assert_int_equal(belay_loop_new(NULL, &loop, NULL), 0);
    if (belay_channel_open(loop, target, &o, &channel, &error) < 0)
        fail_msg("%s", error.text);
    return 0;
}

static int close_channel(void **state)
{
    (void)state;
    belay_loop_free(loop);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_channel, close_channel)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(empty_unary),
        CASE(large_unary),
        CASE(client_streaming),
        CASE(server_streaming),
        CASE(ping_pong),
        CASE(empty_stream),
        CASE(cancel_after_begin),
        CASE(cancel_after_first_response),
        CASE(timeout_on_sleeping_server),
        CASE(custom_metadata),
        CASE(status_code_and_message),
        CASE(special_status_message),
        CASE(unimplemented_method),
        CASE(unimplemented_service),
    };

    if (argc != 2)
        return 2;
    target = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
