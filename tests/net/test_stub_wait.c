/* SPDX-License-Identifier: MIT */
/* Calls of a generated service that block, from the loop's thread and from others. */
#include "stub_kit.h"

#include <pthread.h>

static struct stub_kit k;

struct other_thread {
    struct belay_service_result result;
    struct belay_error error;
    int rc;
    _Atomic bool done;
    pthread_t thread;
    bool started;
    struct belay_timer *timer;
};

static void *ask_there(void *arg)
{
    Test__Question question = TEST__QUESTION__INIT;
    struct other_thread *t = arg;

    question.text = (char *)(uintptr_t) "from another thread";
    t->result.size = sizeof t->result;
    t->rc = belay_service_wait(k.service, "Ask", &question.base, NULL, &t->result, &t->error);
    t->done = true;
    return NULL;
}

/* In the loop, each millisecond: the server is turned, too. */
static void tick(void *arg)
{
    struct other_thread *t = arg;

    if (!t->started)
        assert_int_equal(pthread_create(&t->thread, NULL, ask_there, t), 0);
    t->started = true;
    h2_step(&k.grpc.h2.server);
    if (t->done)
        belay_loop_stop(k.grpc.h2.kit.loop);
    else
        belay_timer_start(t->timer, 1);
}

static void ask_elsewhere(struct other_thread *t)
{
    memset(t, 0, sizeof *t);
    assert_int_equal(belay_timer_new(k.grpc.h2.kit.loop, tick, t, &t->timer), 0);
    belay_timer_start(t->timer, 0);
    assert_int_equal(belay_loop_run(k.grpc.h2.kit.loop), 0);
    belay_timer_free(t->timer);
    pthread_join(t->thread, NULL);
}

static void answer_badly(struct grpc_kit *grpc, uint32_t id)
{
    grpc_say_head(grpc, id, 0, GRPC_HEAD);
    grpc_say(grpc, id, 0, "\x10\x07", 2);
    grpc_say_head(grpc, id, H2_END_STREAM, GRPC_OK);
}

static void refuse(struct grpc_kit *grpc, uint32_t id)
{
    grpc_say_head(grpc, id, H2_END_STREAM, GRPC_HEAD "grpc-status: 7\ngrpc-message: not you\n");
}

static void a_thread_may_call_and_wait(void **state)
{
    const struct belay_header token = {.name = "token", .value = "abc"};
    struct belay_rpc_options o = belay_rpc_options_init();
    struct other_thread t;

    (void)state;
    o.metadata = &token;
    o.metadata_n = 1;
    stub_open(&k, NULL, &o);
    k.grpc.on_request = stub_answer_well;
    ask_elsewhere(&t);
    assert_int_equal(t.rc, 0);
    assert_int_equal(t.result.status, BELAY_GRPC_OK);
    assert_string_equal(((Test__Answer *)t.result.response)->text, "good");
    protobuf_c_message_free_unpacked(t.result.response, NULL);
    assert_non_null(strstr(k.grpc.fields, "token: abc\n"));

    k.grpc.on_request = answer_badly;
    ask_elsewhere(&t);
    assert_int_equal(t.rc, 0);
    assert_int_equal(t.result.status, BELAY_GRPC_INTERNAL);
    assert_non_null(strstr(t.result.message, "test.Answer"));
    assert_null(t.result.response);

    k.grpc.on_request = refuse;
    ask_elsewhere(&t);
    assert_int_equal(t.rc, 0);
    assert_int_equal(t.result.status, BELAY_GRPC_PERMISSION_DENIED);
    assert_string_equal(t.result.message, "not you");
    assert_null(t.result.response);

    belay_channel_close(k.grpc.channel, NULL, NULL);
    ask_elsewhere(&t);
    assert_int_equal(t.rc, BELAY_ECLOSED);
    stub_close(&k);
}

static void *ask_much(void *arg)
{
    const struct belay_header more = {.name = "more", .value = "1"};
    struct belay_rpc_options o = belay_rpc_options_init();
    Test__Question question = TEST__QUESTION__INIT;
    struct other_thread *t = arg;
    static char text[1000];

    memset(text, 'x', sizeof text - 1);
    question.text = text;
    o.metadata = &more;
    o.metadata_n = 1;
    t->rc = belay_service_wait(k.service, "Ask", &question.base, &o, &t->result, &t->error);
    return NULL;
}

/* It may be made for one thread. */
static void the_memory_of_the_loop_is_left_alone_by_other_threads(void **state)
{
    const struct belay_header token = {.name = "token", .value = "abc"};
    struct belay_rpc_options o = belay_rpc_options_init();
    struct other_thread t = {.result = {.size = sizeof t.result}};
    size_t calls;

    (void)state;
    o.metadata = &token;
    o.metadata_n = 1;
    stub_open(&k, NULL, &o);
    calls = failing_alloc_calls(&k.grpc.h2.kit.memory);
    assert_int_equal(pthread_create(&t.thread, NULL, ask_much, &t), 0);
    pthread_join(t.thread, NULL);
    assert_int_equal(t.rc, BELAY_ENOTRUNNING);
    assert_int_equal(failing_alloc_calls(&k.grpc.h2.kit.memory), calls);
    stub_close(&k);
}

static void a_call_that_makes_no_sense_does_not_wait(void **state)
{
    struct belay_service_result result = {.size = sizeof result};
    Test__Question question = TEST__QUESTION__INIT;
    ProtobufCService foreign = {.descriptor = &test__service__descriptor};
    struct belay_error error;

    (void)state;
    stub_open(&k, NULL, NULL);
    assert_int_equal(
        belay_service_wait(k.service, "Nothing", &question.base, NULL, &result, &error),
        BELAY_EINVAL);
    assert_int_equal(belay_service_wait(k.service, "Ask", NULL, NULL, &result, &error),
                     BELAY_EINVAL);
    assert_non_null(strstr(error.text, "test.Question"));
    assert_int_equal(belay_service_wait(&foreign, "Ask", &question.base, NULL, &result, &error),
                     BELAY_EINVAL);
    assert_non_null(strstr(error.text, "none of belay_service_new"));
    stub_close(&k);
}

static void on_the_loops_thread_a_call_turns_the_loop(void **state)
{
    struct belay_service_result result = {.size = sizeof result};
    struct belay_rpc_options options = belay_rpc_options_init();
    Test__Question question = TEST__QUESTION__INIT;

    (void)state;
    stub_open(&k, NULL, NULL);
    options.deadline_ms = 20; /* nobody turns the server */
    assert_int_equal(belay_service_wait(k.service, "Ask", &question.base, &options, &result, NULL),
                     0);
    assert_int_equal(result.status, BELAY_GRPC_DEADLINE_EXCEEDED);
    assert_null(result.response);
    stub_close(&k);
}

static int inside;

static void wait_here(struct stub_call *c)
{
    struct belay_service_result result = {.size = sizeof result};
    Test__Question question = TEST__QUESTION__INIT;

    inside = belay_service_wait(c->kit->service, "Ask", &question.base, NULL, &result, NULL);
}

static void in_a_closure_nobody_waits(void **state)
{
    struct stub_call c = {.in_closure = wait_here};

    (void)state;
    stub_open(&k, NULL, NULL);
    k.grpc.on_request = stub_answer_well;
    stub_ask(&k, &c, "hello");
    stub_ends(&c, BELAY_GRPC_OK, "");
    assert_int_equal(inside, BELAY_EDEADLK);
    stub_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_may_call_and_wait),
        cmocka_unit_test(on_the_loops_thread_a_call_turns_the_loop),
        cmocka_unit_test(in_a_closure_nobody_waits),
        cmocka_unit_test(the_memory_of_the_loop_is_left_alone_by_other_threads),
        cmocka_unit_test(a_call_that_makes_no_sense_does_not_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
