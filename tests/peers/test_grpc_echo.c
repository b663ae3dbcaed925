/* SPDX-License-Identifier: MIT */
/* Compressed messages, and many calls at a time, against the server whose target is the argument. */
#include "support/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "grpc/rpc.h"

#define SERVICE  "/test.Echo/"
#define LIMIT_MS 60000

static const char *target;
static struct belay_loop *loop;
static struct belay_channel *channel;

/* ---- calls that check that they hear what they said ---- */

struct call {
    struct belay_rpc *rpc;
    int total, said, heard;
    size_t (*size)(int n);
    bool packed; /* the answer says so */
    bool done;
};

static size_t small_size(int n)
{
    return (size_t)n * 7 % 50;
}

static size_t mixed_size(int n)
{
    return n % 4 == 3 ? 150000 : (size_t)(n * 977) % 9000;
}

/* Compressible, and different for each. */
static char *content(int n, size_t size)
{
    char *text = malloc(size + 1);

    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)('a' + (i / 10 + (size_t)n) % 26);
    return text;
}

static void write_more(struct call *c)
{
    while (c->said < c->total) {
        size_t size = c->size(c->said);
        char *text = content(c->said, size);
        int rc = belay_rpc_write(c->rpc, text, size);

        free(text);
        if (rc == BELAY_EAGAIN)
            return;
        assert_int_equal(rc, 0);
        c->said++;
    }
    belay_rpc_end(c->rpc);
}

static void on_headers(struct belay_rpc *rpc, const struct belay_header *headers, size_t n,
                       void *arg)
{
    struct call *c = arg;

    (void)headers, (void)n;
    c->packed = rpc->gzip_in;
}

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct call *c = arg;
    char *text = content(c->heard, c->size(c->heard));

    (void)rpc;
    assert_int_equal(len, c->size(c->heard));
    assert_memory_equal(data, text, len);
    free(text);
    c->heard++;
}

static void on_writable(struct belay_rpc *rpc, void *arg)
{
    (void)rpc;
    write_more(arg);
}

static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct call *c = arg;

    (void)rpc;
    if (result->status != BELAY_GRPC_OK)
        fail_msg("%s: %s", belay_grpc_status_name(result->status), result->message);
    c->done = true;
}

static const struct belay_rpc_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_headers = on_headers,
    .on_message = on_message,
    .on_writable = on_writable,
    .on_done = on_done,
};

static void begin(struct call *c, const char *method)
{
    struct belay_error error;

    if (belay_rpc_start(channel, method, NULL, &callbacks, c, &c->rpc, &error) < 0)
        fail_msg("%s", error.text);
    write_more(c);
}

static void finish(struct call *c)
{
    int64_t end = belay_loop_now_ms(loop) + LIMIT_MS;

    while (!c->done) {
        assert_int_equal(belay_loop_turn(loop, 100), 0);
        assert_true(belay_loop_now_ms(loop) < end);
    }
    assert_int_equal(c->heard, c->total);
}

static void echo(const char *method, int total, bool packed)
{
    struct call c = {.total = total, .size = mixed_size};

    begin(&c, method);
    finish(&c);
    assert_int_equal(c.packed, packed);
}

static void open_channel(bool gzip)
{
    struct belay_channel_options o = belay_channel_options_init();
    struct belay_error error;

    o.plain = true;
    o.gzip = gzip;
    assert_int_equal(belay_loop_new(NULL, &loop, NULL), 0);
    if (belay_channel_open(loop, target, &o, &channel, &error) < 0)
        fail_msg("%s", error.text);
}

/* ---- the cases ---- */

static void server_compressed_unary(void **state)
{
    (void)state;
    open_channel(false);
    echo(SERVICE "PackedUnary", 1, true);
    echo(SERVICE "Unary", 1, false);
    belay_loop_free(loop);
}

static void server_compressed_streaming(void **state)
{
    (void)state;
    open_channel(false);
    echo(SERVICE "PackedStream", 30, true);
    belay_loop_free(loop);
}

static void client_compressed_unary(void **state)
{
    (void)state;
    open_channel(true);
    echo(SERVICE "Unary", 1, false);
    echo(SERVICE "PackedUnary", 1, true);
    belay_loop_free(loop);
}

static void client_compressed_streaming(void **state)
{
    (void)state;
    open_channel(true);
    echo(SERVICE "Stream", 30, false);
    echo(SERVICE "PackedStream", 30, true);
    belay_loop_free(loop);
}

static void many_streams_do_not_mix(void **state)
{
    static struct call calls[80];

    (void)state;
    open_channel(false);
    memset(calls, 0, sizeof calls);
    for (int i = 0; i < 80; i++) {
        calls[i].total = 20 + i % 3;
        calls[i].size = i % 2 ? mixed_size : small_size;
        begin(&calls[i], i % 5 ? SERVICE "Stream" : SERVICE "PackedStream");
    }
    for (int i = 0; i < 80; i++)
        finish(&calls[i]);
    belay_loop_free(loop);
}

static void many_unary_calls_wait_for_their_turn(void **state)
{
    enum { N = 1000 };
    static struct call calls[N];

    (void)state;
    open_channel(false);
    memset(calls, 0, sizeof calls);
    for (int i = 0; i < N; i++) {
        calls[i].total = 1;
        calls[i].size = small_size;
        begin(&calls[i], SERVICE "Unary");
    }
    for (int i = 0; i < N; i++)
        finish(&calls[i]);
    belay_loop_free(loop);
}

static void *call_from_elsewhere(void *arg)
{
    struct belay_unary_result result = {.size = sizeof result};
    bool *good = arg;

    if (belay_channel_unary_wait(channel, SERVICE "Unary", "over there", 10, NULL, &result, NULL) <
        0)
        return NULL;
    *good = result.status == BELAY_GRPC_OK && result.response_len == 10 &&
            memcmp(result.response, "over there", 10) == 0;
    free(result.response);
    belay_loop_stop(loop);
    return NULL;
}

static void another_thread_may_block_on_a_call(void **state)
{
    bool good = false;
    pthread_t thread;

    (void)state;
    open_channel(false);
    belay_channel_connect(channel);
    assert_int_equal(belay_loop_turn(loop, 0), 0); /* it is run */
    assert_int_equal(pthread_create(&thread, NULL, call_from_elsewhere, &good), 0);
    assert_int_equal(belay_loop_run(loop), 0);
    pthread_join(thread, NULL);
    assert_true(good);
    belay_loop_free(loop);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_compressed_unary),
        cmocka_unit_test(server_compressed_streaming),
        cmocka_unit_test(client_compressed_unary),
        cmocka_unit_test(client_compressed_streaming),
        cmocka_unit_test(many_streams_do_not_mix),
        cmocka_unit_test(many_unary_calls_wait_for_their_turn),
        cmocka_unit_test(another_thread_may_block_on_a_call),
    };

    if (argc != 2)
        return 2;
    target = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
