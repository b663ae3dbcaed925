/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of a conversation over gRPC fails once: each call then ends well or with a
 * status, once, and nothing is left.
 */
#include "base/mem.h"
#include "grpc_kit.h"

#include "wire/grpc_gzip.h"
#include <stdio.h>

#define CALLS 5

struct scene {
    int started, dones;
    struct belay_rpc *paused, *asking;
    int statuses[32];
    char packed[200];
    size_t packed_len;
};

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct scene *s = arg;

    (void)data, (void)len;
    belay_rpc_pause(rpc);
    s->paused = rpc;
}

static void on_headers(struct belay_rpc *rpc, const struct belay_header *headers, size_t n,
                       void *arg)
{
    (void)rpc, (void)headers, (void)n, (void)arg;
}

static void count(struct scene *s, const struct belay_rpc_result *result)
{
    s->dones++;
    assert_in_range(result->status, 0, 16);
    assert_non_null(result->message);
    s->statuses[result->status]++;
}

static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct scene *s = arg;

    if (rpc == s->paused)
        s->paused = NULL;
    count(s, result);
}

static const struct belay_rpc_callbacks callbacks = {.size = sizeof callbacks,
                                                     .on_headers = on_headers,
                                                     .on_message = on_message,
                                                     .on_done = on_done};

static void on_unary(const void *response, size_t len, const struct belay_rpc_result *result,
                     void *arg)
{
    (void)response, (void)len;
    count(arg, result);
}

static void on_credentials(struct belay_rpc *rpc, const char *method, void *arg)
{
    const struct belay_header token = {.name = "authorization", .value = "Bearer abc"};

    (void)method, (void)arg;
    belay_rpc_credentials_done(rpc, &token, 1, NULL);
}

/* The second is refused, the third asked to come again; the others get two messages. */
static void answer(struct h2_server *server, unsigned conn, uint32_t id)
{
    struct scene *s = server->extra;

    if (server->requests == 2) {
        h2_reset(server, conn, id, 7);
    } else if (server->requests == 3) {
        h2_head(server, conn, H2_END_STREAM, id,
                GRPC_HEAD "grpc-status: 14\ngrpc-message: %41gain\nwhy-bin: AAAA\n");
    } else {
        h2_head(server, conn, 0, id, GRPC_HEAD "grpc-encoding: gzip\nkey-bin: AAAA,AAAB\n");
        h2_frame(server, conn, H2_DATA, 0, id, s->packed, s->packed_len / 2);
        h2_frame(server, conn, H2_DATA, 0, id, s->packed + s->packed_len / 2,
                 s->packed_len - s->packed_len / 2);
        h2_frame(server, conn, H2_DATA, 0, id, s->packed, s->packed_len);
        h2_head(server, conn, H2_END_STREAM, id, "grpc-status: 0\nlast: 1\n");
    }
}

static void pack(struct scene *s)
{
    struct bl_buf out = {0};
    struct bl_mem mem;

    bl_mem_init(&mem, NULL);
    assert_int_equal(bl_grpc_gzip(bl_span_of("a message, a message, a message"), &out, &mem), 0);
    s->packed_len = bl_buf_len(&out) + 5;
    assert_true(s->packed_len < 128);
    memcpy(s->packed, "\1\0\0\0", 4);
    s->packed[4] = (char)bl_buf_len(&out);
    memcpy(s->packed + 5, bl_buf_head(&out), bl_buf_len(&out));
    bl_buf_free(&out, &mem);
}

static void start_calls(struct belay_channel *channel, struct scene *s)
{
    const struct belay_header metadata = {.name = "raw-bin", .value = "\1\2"};
    struct belay_rpc_options o = belay_rpc_options_init();
    char text[500] = "";
    struct belay_rpc *rpc;

    o.metadata = &metadata;
    o.metadata_n = 1;
    o.deadline_ms = 1500;
    for (int i = 0; i < CALLS - 1; i++) {
        if (belay_channel_unary(channel, GRPC_METHOD, text, sizeof text, &o, NULL, on_unary, s,
                                NULL) == 0)
            s->started++;
    }
    o.authority = "another.test";
    if (belay_rpc_start(channel, GRPC_METHOD, &o, &callbacks, s, &rpc, NULL) < 0)
        return;
    s->started++;
    if (belay_rpc_write(rpc, text, sizeof text) == 0)
        belay_rpc_end(rpc);
}

static void run_calls(struct belay_loop *loop, struct belay_channel *channel,
                      struct h2_server *server, struct scene *s)
{
    start_calls(channel, s);
    for (int i = 0; s->dones < s->started; i++) {
        assert_true(i < 8000);
        h2_step(server);
        assert_int_equal(belay_loop_turn(loop, 1), 0);
        if (s->paused && i % 3 == 2) {
            belay_rpc_resume(s->paused);
            s->paused = NULL;
        }
    }
}

static size_t run_scenario(size_t n)
{
    struct belay_retry_policy policy = belay_retry_policy_init();
    struct belay_channel_options options = grpc_options();
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_world world = belay_world_init();
    struct failing_alloc failing;
    struct scene s = {0};
    struct belay_channel *channel;
    struct h2_server server;
    struct belay_error error;
    struct belay_loop *loop;
    char target[64];

    pack(&s);
    h2_start(&server);
    server.on_request = answer;
    server.extra = &s;
    failing_alloc_init(&failing);
    world.allocator = &failing.allocator;
    o.world = &world;
    policy.attempts_max = 3;
    policy.delay_ms = 1;
    backoff.delay_ms = 1;
    options.backoff = &backoff;
    options.retry = &policy;
    options.gzip = true;
    options.credentials = on_credentials;
    snprintf(target, sizeof target, "ipv4:127.0.0.1:%d", server.port);
    assert_int_equal(belay_loop_new(&o, &loop, &error), 0);
    failing_alloc_once(&failing, n);
    if (belay_channel_open(loop, target, &options, &channel, &error) == 0)
        run_calls(loop, channel, &server, &s);
    else
        assert_int_equal(error.code, BELAY_ENOMEM);
    belay_loop_free(loop);
    h2_stop(&server);
    assert_int_equal(s.dones, s.started);
    assert_int_equal(failing_alloc_live(&failing), 0);
    if (failing_alloc_failures(&failing) == 0)
        assert_int_equal(s.statuses[BELAY_GRPC_OK] + s.statuses[BELAY_GRPC_UNIMPLEMENTED], CALLS);
    return failing_alloc_failures(&failing);
}

static void every_failing_allocation_is_survived(void **state)
{
    size_t n = 1;

    (void)state;
    while (run_scenario(n) > 0)
        n++;
    assert_true(n > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_failing_allocation_is_survived)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
