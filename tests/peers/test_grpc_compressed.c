/* SPDX-License-Identifier: MIT */
/* Interoperability cases of compressed messages: each message says what it is, and the other end looks. */
#include <string.h>

#include "interop_kit.h"
#include "test_grpc_compressed.h"

/* ---- the client compresses ---- */

/* One that says `said` of itself. */
static void unary(bool said, bool compressed, int status)
{
    struct ik_call c = {0};
    struct ik_text t = {0};

    ik_begin(&c, IK_SERVICE "UnaryCall", NULL);
    assert_int_equal(belay_rpc_set_gzip(c.rpc, compressed), 0);
    ik_put_varint(&t, 2, 314159);
    ik_put_payload(&t, 3, 271828);
    ik_put_bool(&t, 8, said);
    ik_say_all(&c, &t);
    ik_ends(&c, status);
    if (status == BELAY_GRPC_OK) {
        assert_int_equal(c.n, 1);
        assert_int_equal(c.sizes[0], 314159);
    }
}

static void client_compressed_unary(void **state)
{
    (void)state;
    unary(true, false, BELAY_GRPC_INVALID_ARGUMENT); /* the probe: the server does look */
    unary(false, true, BELAY_GRPC_INVALID_ARGUMENT);
    unary(true, true, BELAY_GRPC_OK);
    unary(false, false, BELAY_GRPC_OK);
}

static void say_input(struct ik_call *c, size_t size, bool said, bool compressed)
{
    struct ik_text t = {0};

    assert_int_equal(belay_rpc_set_gzip(c->rpc, compressed), 0);
    ik_put_payload(&t, 1, size);
    ik_put_bool(&t, 2, said);
    ik_say(c, &t);
}

static void client_compressed_streaming(void **state)
{
    struct ik_call probe = {0}, c = {0};

    (void)state;
    ik_begin(&probe, IK_SERVICE "StreamingInputCall", NULL);
    say_input(&probe, 27182, true, false);
    belay_rpc_end(probe.rpc);
    ik_ends(&probe, BELAY_GRPC_INVALID_ARGUMENT);
    ik_begin(&c, IK_SERVICE "StreamingInputCall", NULL);
    say_input(&c, 27182, true, true);
    say_input(&c, 45904, false, false);
    belay_rpc_end(c.rpc);
    ik_ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.number, 73086);
}

/* The server would take any message of such a call for one that is not compressed. */
static void no_message_is_compressed_in_a_call_without(void **state)
{
    struct belay_rpc_options o = belay_rpc_options_init();
    struct ik_call c = {0};
    struct ik_text t = {0};

    (void)state;
    o.no_gzip = true;
    ik_begin(&c, IK_SERVICE "UnaryCall", &o);
    assert_int_equal(belay_rpc_set_gzip(c.rpc, true), BELAY_ENOTSUP);
    assert_int_equal(belay_rpc_set_gzip(c.rpc, false), 0);
    ik_put_payload(&t, 3, 271828);
    ik_put_bool(&t, 8, false);
    ik_say_all(&c, &t);
    ik_ends(&c, BELAY_GRPC_OK);
}

/* ---- the server compresses ---- */

static void answer(bool compressed)
{
    struct ik_call c = {0};
    struct ik_text t = {0};

    ik_begin(&c, IK_SERVICE "UnaryCall", NULL);
    ik_put_varint(&t, 2, 314159);
    ik_put_payload(&t, 3, 271828);
    ik_put_bool(&t, 6, compressed);
    ik_say_all(&c, &t);
    ik_ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.sizes[0], 314159);
    assert_int_equal(c.compressed[0], compressed);
}

static void server_compressed_unary(void **state)
{
    (void)state;
    answer(true);
    answer(false);
}

static void put_parameters(struct ik_text *t, size_t size, bool compressed)
{
    struct ik_text parameters = {0};

    ik_put_varint(&parameters, 1, size);
    ik_put_bool(&parameters, 3, compressed);
    ik_put_bytes(t, 2, parameters.data, parameters.len);
    ik_free(&parameters);
}

static void server_compressed_streaming(void **state)
{
    struct ik_call c = {0};
    struct ik_text t = {0};

    (void)state;
    ik_begin(&c, IK_SERVICE "StreamingOutputCall", NULL);
    put_parameters(&t, 31415, true);
    put_parameters(&t, 92653, false);
    ik_say_all(&c, &t);
    ik_ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.n, 2);
    assert_int_equal(c.sizes[0], 31415);
    assert_int_equal(c.sizes[1], 92653);
    assert_true(c.compressed[0]);
    assert_false(c.compressed[1]);
}

#define CASE(name, open) cmocka_unit_test_setup_teardown(name, open, ik_close)

int test_grpc_compressed(void)
{
    const struct CMUnitTest tests[] = {
        CASE(client_compressed_unary, ik_open_gzip),
        CASE(client_compressed_streaming, ik_open_gzip),
        CASE(no_message_is_compressed_in_a_call_without, ik_open_gzip),
        CASE(server_compressed_unary, ik_open),
        CASE(server_compressed_streaming, ik_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
