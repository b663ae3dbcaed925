/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of a service, its calls and its streams fails once: each closure still runs once,
 * each stream ends once, and nothing is left.
 */
#include "stub_kit.h"

#include <stdio.h>

#define CALLS 3

struct scene {
    ProtobufCService *service;
    int asked, closures, streams, dones;
    int statuses[17];
    bool inside; /* a stub is running: only for want of memory may its closure run now */
    int early;
};

static void note(struct scene *s, const struct belay_rpc_result *result)
{
    assert_non_null(result);
    assert_in_range(result->status, 0, 16);
    assert_non_null(result->message);
    s->statuses[result->status]++;
}

static void on_answer(const Test__Answer *answer, void *closure_data)
{
    struct scene *s = closure_data;
    const struct belay_rpc_result *result = belay_service_status(s->service);

    note(s, result);
    assert_int_equal(result->status == BELAY_GRPC_OK, answer != NULL);
    s->closures++;
    s->early += s->inside;
    if (s->inside)
        assert_int_equal(result->status, BELAY_GRPC_RESOURCE_EXHAUSTED);
    else if (answer)
        assert_int_equal(answer->n_more, 2);
}

static void on_message(struct belay_service_stream *stream, const ProtobufCMessage *message,
                       void *arg)
{
    (void)stream, (void)arg;
    assert_int_equal(((const Test__Answer *)message)->n_more, 2);
}

static void on_done(struct belay_service_stream *stream, const struct belay_rpc_result *result,
                    void *arg)
{
    struct scene *s = arg;

    (void)stream;
    note(s, result);
    s->dones++;
}

static const struct belay_service_callbacks callbacks = {
    .size = sizeof callbacks, .on_message = on_message, .on_done = on_done};

static void answer(struct h2_server *server, unsigned conn, uint32_t id)
{
    Test__Answer more[2] = {TEST__ANSWER__INIT, TEST__ANSWER__INIT}, *list[] = {&more[0], &more[1]};
    Test__Answer a = TEST__ANSWER__INIT;
    uint8_t bytes[256] = {0};
    size_t len;

    a.text = more[0].text = more[1].text = (char *)(uintptr_t) "a text";
    a.inner = &more[0];
    a.more = list;
    a.n_more = 2;
    len = test__answer__pack(&a, bytes + 5);
    bytes[4] = (uint8_t)len;
    h2_head(server, conn, 0, id, GRPC_HEAD);
    h2_frame(server, conn, H2_DATA, 0, id, bytes, len + 5);
    h2_head(server, conn, H2_END_STREAM, id, GRPC_OK);
}

static void begin(struct scene *s, struct belay_service_call *call)
{
    const struct belay_header more = {.name = "more", .value = "1"};
    struct belay_rpc_options own = belay_rpc_options_init();
    Test__Question question = TEST__QUESTION__INIT;
    static char text[1000];

    memset(text, 'x', sizeof text - 1);
    question.text = text; /* more than is packed without memory */
    own.metadata = &more;
    own.metadata_n = 1;
    s->inside = true;
    for (; s->asked < CALLS - 1; s->asked++)
        test__service__ask(s->service, &question, on_answer, s);
    s->inside = false;
    {
        int closures = s->closures;

        test__service__ask(belay_service_with(s->service, call, &own), &question, on_answer, s);
        s->asked++;
        assert_int_equal(s->closures, closures); /* it never runs early */
    }
    s->streams += belay_service_server_stream(s->service, "List", &question.base, &own, &callbacks,
                                              s, NULL, NULL) == 0;
    s->streams +=
        belay_service_client_stream(s->service, "Collect", NULL, &callbacks, s, NULL, NULL) == 0;
}

static void run(struct belay_loop *loop, struct belay_channel *channel, struct h2_server *server,
                struct scene *s)
{
    const struct belay_header token = {.name = "token", .value = "abc"};
    struct belay_rpc_options o = belay_rpc_options_init();
    struct belay_service_call call;
    struct belay_error error;

    o.metadata = &token;
    o.metadata_n = 1;
    o.deadline_ms = 2000;
    if (belay_service_new(channel, &test__service__descriptor, &o, &s->service, &error) < 0) {
        assert_int_equal(error.code, BELAY_ENOMEM);
        return;
    }
    begin(s, &call);
    for (int i = 0; s->closures < s->asked || s->dones < s->streams; i++) {
        assert_true(i < 8000);
        h2_step(server);
        assert_int_equal(belay_loop_turn(loop, 1), 0);
    }
    protobuf_c_service_destroy(s->service);
}

static int early;

static size_t run_scenario(size_t n)
{
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_channel_options options = grpc_options();
    struct belay_world world = belay_world_init();
    struct failing_alloc failing;
    struct belay_channel *channel;
    struct h2_server server;
    struct belay_error error;
    struct belay_loop *loop;
    struct scene s = {0};
    char target[64];

    h2_start(&server);
    server.on_request = answer;
    failing_alloc_init(&failing);
    world.allocator = &failing.allocator;
    o.world = &world;
    backoff.delay_ms = 1;
    options.backoff = &backoff;
    snprintf(target, sizeof target, "ipv4:127.0.0.1:%d", server.port);
    assert_int_equal(belay_loop_new(&o, &loop, &error), 0);
    assert_int_equal(belay_channel_open(loop, target, &options, &channel, &error), 0);
    failing_alloc_once(&failing, n);
    run(loop, channel, &server, &s);
    belay_loop_free(loop);
    h2_stop(&server);
    assert_int_equal(s.closures, s.asked);
    assert_int_equal(s.dones, s.streams);
    assert_int_equal(failing_alloc_live(&failing), 0);
    if (failing_alloc_failures(&failing) == 0)
        assert_int_equal(s.statuses[BELAY_GRPC_OK], CALLS + 2);
    early += s.early;
    return failing_alloc_failures(&failing);
}

static void every_failing_allocation_is_survived(void **state)
{
    size_t n = 1;

    (void)state;
    while (run_scenario(n) > 0)
        n++;
    assert_true(n > 100);
    assert_int_equal(early, CALLS - 1);
}

/* An answer that cannot be read for want of memory is not called bad. */
static void no_memory_for_an_answer_is_resource_exhausted(void **state)
{
    static struct stub_kit k;
    struct stub_call c;
    unsigned exhausted = 0;

    (void)state;
    stub_open(&k, NULL, NULL);
    memset(&c, 0, sizeof c);
    stub_ask(&k, &c, "hello");
    h2_until_requests(&k.grpc.h2, 1);
    stub_answer_well(&k.grpc, k.grpc.id);
    stub_ends(&c, BELAY_GRPC_OK, "");
    for (size_t n = 1; n < 60; n++) {
        memset(&c, 0, sizeof c);
        stub_ask(&k, &c, "hello");
        h2_until_requests(&k.grpc.h2, k.grpc.h2.server.requests + 1);
        failing_alloc_once(&k.grpc.h2.kit.memory, n);
        stub_answer_well(&k.grpc, k.grpc.id);
        h2_until(&k.grpc.h2, &c.done);
        failing_alloc_once(&k.grpc.h2.kit.memory, 0);
        assert_int_equal(c.closures, 1);
        assert_int_not_equal(c.status, BELAY_GRPC_INTERNAL);
        exhausted += c.status == BELAY_GRPC_RESOURCE_EXHAUSTED && strstr(c.message, "test.Answer");
        if (c.status == BELAY_GRPC_OK)
            break;
    }
    assert_true(exhausted > 0);
    stub_close(&k);
}

struct end {
    bool done;
    int status;
};

static void stream_is_done(struct belay_service_stream *stream,
                           const struct belay_rpc_result *result, void *arg)
{
    (void)stream;
    *(struct end *)arg = (struct end){.done = true, .status = result->status};
}

/* Nothing was closed. */
static void no_memory_for_a_stream_is_never_called_closed(void **state)
{
    static const struct belay_service_callbacks ends = {.size = sizeof ends,
                                                        .on_done = stream_is_done};
    static struct stub_kit k;
    Test__Question question = TEST__QUESTION__INIT;
    struct end end = {.status = -1};
    struct stub_call c;
    int late = 0;

    (void)state;
    stub_open(&k, NULL, NULL);
    k.grpc.on_request = stub_answer_well;
    memset(&c, 0, sizeof c);
    stub_ask(&k, &c, "hello"); /* so that it is READY */
    stub_ends(&c, BELAY_GRPC_OK, "");
    question.text = (char *)(uintptr_t) "hello";
    for (size_t n = 1; end.status != BELAY_GRPC_OK; n++) {
        struct belay_error error;
        int rc;

        assert_true(n < 100);
        end = (struct end){.status = -1};
        failing_alloc_once(&k.grpc.h2.kit.memory, n);
        rc = belay_service_server_stream(k.service, "List", &question.base, NULL, &ends, &end, NULL,
                                         &error);
        if (rc < 0)
            assert_int_equal(rc, BELAY_ENOMEM);
        if (rc == 0)
            h2_until(&k.grpc.h2, &end.done);
        failing_alloc_once(&k.grpc.h2.kit.memory, 0);
        late += rc == 0 && end.status == BELAY_GRPC_RESOURCE_EXHAUSTED;
    }
    assert_true(late > 0);
    stub_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_allocation_is_survived),
        cmocka_unit_test(no_memory_for_an_answer_is_resource_exhausted),
        cmocka_unit_test(no_memory_for_a_stream_is_never_called_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
