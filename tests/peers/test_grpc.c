/* SPDX-License-Identifier: MIT */
/* The cases of gRPC's interoperability tests, against the server whose target is the argument; with
 * "compressed" behind it those, too. */
#include <stdlib.h>
#include <string.h>

#include "interop_kit.h"
#include "test_grpc_compressed.h"

static void empty_unary(void **state)
{
    struct belay_unary_result result = {.size = sizeof result};
    struct belay_error error;

    (void)state;
    if (belay_channel_unary_wait(ik_channel, IK_SERVICE "EmptyCall", "", 0, NULL, &result, &error) <
        0)
        fail_msg("%s", error.text);
    assert_int_equal(result.status, BELAY_GRPC_OK);
    assert_non_null(result.response);
    assert_int_equal(result.response_len, 0);
    free(result.response);
}

static void large_unary(void **state)
{
    struct ik_call c = {0};
    struct ik_text t = {0};

    (void)state;
    ik_begin(&c, IK_SERVICE "UnaryCall", NULL);
    ik_put_varint(&t, 2, 314159);
    ik_put_payload(&t, 3, 271828);
    ik_say_all(&c, &t);
    ik_ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.sizes[0], 314159);
}

static const size_t asked[] = {27182, 8, 1828, 45904}, answered[] = {31415, 9, 2653, 58979};

static void client_streaming(void **state)
{
    struct ik_call c = {0};
    struct ik_text t = {0};

    (void)state;
    ik_begin(&c, IK_SERVICE "StreamingInputCall", NULL);
    for (int i = 0; i < 4; i++) {
        ik_put_payload(&t, 1, asked[i]);
        ik_say(&c, &t);
    }
    belay_rpc_end(c.rpc);
    ik_ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.number, 74922);
}

static void server_streaming(void **state)
{
    struct ik_call c = {0};
    struct ik_text t = {0};

    (void)state;
    ik_begin(&c, IK_SERVICE "StreamingOutputCall", NULL);
    for (int i = 0; i < 4; i++)
        ik_put_size(&t, answered[i]);
    ik_say_all(&c, &t);
    ik_ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.n, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(c.sizes[i], answered[i]);
}

static void ping(struct ik_call *c)
{
    struct ik_text t = {0};

    if (c->n == 4) {
        belay_rpc_end(c->rpc);
        return;
    }
    ik_put_size(&t, answered[c->n]);
    ik_put_payload(&t, 3, asked[c->n]);
    ik_say(c, &t);
}

static void ping_pong(void **state)
{
    struct ik_call c = {.in_message = ping};

    (void)state;
    ik_begin(&c, IK_SERVICE "FullDuplexCall", NULL);
    ping(&c);
    ik_ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.n, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(c.sizes[i], answered[i]);
}

static void empty_stream(void **state)
{
    struct ik_call c = {0};

    (void)state;
    ik_begin(&c, IK_SERVICE "FullDuplexCall", NULL);
    belay_rpc_end(c.rpc);
    ik_ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.n, 0);
}

static void cancel_after_begin(void **state)
{
    struct ik_call c = {0};

    (void)state;
    ik_begin(&c, IK_SERVICE "StreamingInputCall", NULL);
    assert_int_equal(belay_loop_turn(ik_loop, 20), 0);
    belay_rpc_cancel(c.rpc);
    empty_unary(state);
    assert_false(c.done);
}

static bool cancelled;

static void cancel(struct ik_call *c)
{
    belay_rpc_cancel(c->rpc);
    cancelled = true;
}

static void cancel_after_first_response(void **state)
{
    struct ik_call c = {.in_message = cancel};

    (void)state;
    cancelled = false;
    ik_begin(&c, IK_SERVICE "FullDuplexCall", NULL);
    ping(&c);
    ik_until(&cancelled);
    empty_unary(state);
    assert_int_equal(c.n, 1);
    assert_false(c.done);
}

static void timeout_on_sleeping_server(void **state)
{
    struct belay_rpc_options o = belay_rpc_options_init();
    struct ik_call c = {0};
    struct ik_text t = {0};

    (void)state;
    o.deadline_ms = 1;
    ik_begin(&c, IK_SERVICE "FullDuplexCall", &o);
    ik_put_payload(&t, 3, 27182);
    ik_say(&c, &t);
    ik_ends(&c, BELAY_GRPC_DEADLINE_EXCEEDED);
    empty_unary(state);
}

static void echo_metadata(const char *method, bool stream)
{
    const struct belay_header metadata[] = {
        {.name = "x-grpc-test-echo-initial", .value = "test_initial_metadata_value"},
        {.name = "x-grpc-test-echo-trailing-bin", .value = "\xab\xab\xab"},
    };
    struct belay_rpc_options o = belay_rpc_options_init();
    struct ik_call c = {0};
    struct ik_text t = {0};

    o.metadata = metadata;
    o.metadata_n = 2;
    ik_begin(&c, method, &o);
    if (stream)
        ik_put_size(&t, 314159);
    else
        ik_put_varint(&t, 2, 314159);
    ik_put_payload(&t, 3, 271828);
    ik_say_all(&c, &t);
    ik_ends(&c, BELAY_GRPC_OK);
    assert_int_equal(c.sizes[0], 314159);
    assert_true(c.initial);
    assert_true(c.trailing);
}

static void custom_metadata(void **state)
{
    (void)state;
    echo_metadata(IK_SERVICE "UnaryCall", false);
    echo_metadata(IK_SERVICE "FullDuplexCall", true);
}

static void echo_status(const char *method, const char *message)
{
    struct ik_text t = {0}, status = {0};
    struct ik_call c = {0};

    ik_put_varint(&status, 1, 2);
    ik_put_bytes(&status, 2, message, strlen(message));
    ik_put_bytes(&t, 7, status.data, status.len);
    ik_free(&status);
    ik_begin(&c, method, NULL);
    ik_say_all(&c, &t);
    ik_ends(&c, BELAY_GRPC_UNKNOWN);
    assert_string_equal(c.message, message);
}

static void status_code_and_message(void **state)
{
    (void)state;
    echo_status(IK_SERVICE "UnaryCall", "test status message");
    echo_status(IK_SERVICE "FullDuplexCall", "test status message");
}

static void special_status_message(void **state)
{
    (void)state;
    echo_status(IK_SERVICE "UnaryCall",
                "\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and "
                "non-BMP \xf0\x9f\x98\x88\t\n");
}

static void is_unimplemented(const char *method)
{
    struct ik_call c = {0};
    struct ik_text t = {0};

    ik_begin(&c, method, NULL);
    ik_say_all(&c, &t);
    ik_ends(&c, BELAY_GRPC_UNIMPLEMENTED);
}

static void unimplemented_method(void **state)
{
    (void)state;
    is_unimplemented(IK_SERVICE "UnimplementedCall");
}

static void unimplemented_service(void **state)
{
    (void)state;
    is_unimplemented("/grpc.testing.UnimplementedService/UnimplementedCall");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, ik_open, ik_close)

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

    int failed;

    if (argc != 2 && (argc != 3 || strcmp(argv[2], "compressed") != 0))
        return 2;
    ik_target = argv[1];
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed == 0 && argc == 3 ? test_grpc_compressed() : failed;
}
