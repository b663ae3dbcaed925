/* SPDX-License-Identifier: MIT */
/* Streams of messages of a method's types, of the three kinds. */
#include "stub_kit.h"

static struct stub_kit k;

static void talk(struct stub_stream *s)
{
    struct belay_error error;

    s->kit = &k;
    if (belay_service_bidi_stream(k.service, "Talk", NULL, &stub_callbacks, s, &s->stream, &error) <
        0)
        fail_msg("%s", error.text);
}

static void collect(struct stub_stream *s)
{
    struct belay_error error;

    s->kit = &k;
    if (belay_service_client_stream(k.service, "Collect", NULL, &stub_callbacks, s, &s->stream,
                                    &error) < 0)
        fail_msg("%s", error.text);
}

static void list(struct stub_stream *s, const char *text)
{
    Test__Question question = TEST__QUESTION__INIT;
    struct belay_error error;

    s->kit = &k;
    question.text = (char *)(uintptr_t)text;
    if (belay_service_server_stream(k.service, "List", &question.base, NULL, &stub_callbacks, s,
                                    &s->stream, &error) < 0)
        fail_msg("%s", error.text);
}

static void until_texts(struct stub_stream *s, const char *texts)
{
    for (int i = 0; strcmp(s->texts, texts) != 0; i++) {
        if (i > 2000)
            fail_msg("\"%s\"", s->texts);
        h2_turn(&k.grpc.h2);
    }
}

static void until_asked(size_t bytes)
{
    for (int i = 0; k.grpc.data_len < bytes; i++) {
        assert_true(i < 2000);
        h2_turn(&k.grpc.h2);
    }
}

/* ---- bidirectional ---- */

static void messages_go_and_come_while_both_sides_talk(void **state)
{
    struct stub_stream s = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    talk(&s);
    assert_int_equal(stub_write(&s, "one"), 0);
    until_asked(10);
    assert_string_equal(stub_asked(&k, 0), "one");
    assert_non_null(strstr(k.grpc.fields, ":path: /test.Service/Talk\n"));
    grpc_say_head(&k.grpc, k.grpc.id, 0, GRPC_HEAD);
    stub_say(&k, k.grpc.id, "uno", 1);
    until_texts(&s, "uno|");
    assert_int_equal(s.heads, 1);
    assert_int_equal(stub_write(&s, "two"), 0);
    until_asked(20);
    assert_string_equal(stub_asked(&k, 1), "two");
    assert_false(k.grpc.ended);
    belay_service_stream_end(s.stream);
    assert_int_equal(stub_write(&s, "three"), BELAY_ECLOSED);
    for (int i = 0; !k.grpc.ended; i++) {
        assert_true(i < 2000);
        h2_turn(&k.grpc.h2);
    }
    stub_say(&k, k.grpc.id, "due", 2);
    grpc_say_head(&k.grpc, k.grpc.id, H2_END_STREAM, GRPC_OK);
    stub_stream_ends(&s, BELAY_GRPC_OK, "");
    assert_string_equal(s.texts, "uno|due|");
    stub_close(&k);
}

static void a_paused_stream_gets_one_message_at_a_time(void **state)
{
    struct stub_stream s = {.pauses = true};

    (void)state;
    stub_open(&k, NULL, NULL);
    talk(&s);
    h2_until_requests(&k.grpc.h2, 1);
    grpc_say_head(&k.grpc, k.grpc.id, 0, GRPC_HEAD);
    stub_say(&k, k.grpc.id, "one", 1);
    stub_say(&k, k.grpc.id, "two", 2);
    grpc_say_head(&k.grpc, k.grpc.id, H2_END_STREAM, GRPC_OK);
    until_texts(&s, "one|");
    h2_turn(&k.grpc.h2);
    assert_int_equal(s.n, 1);
    belay_service_stream_resume(s.stream);
    until_texts(&s, "one|two|");
    belay_service_stream_resume(s.stream);
    stub_stream_ends(&s, BELAY_GRPC_OK, "");
    stub_close(&k);
}

static void a_full_stream_says_when_there_is_room(void **state)
{
    static char large[8000];
    struct stub_stream s = {0};
    int rc = 0, n = 0;

    (void)state;
    memset(large, 'x', sizeof large - 1);
    stub_open(&k, NULL, NULL);
    talk(&s);
    for (; rc == 0; n++) {
        assert_true(n < 100);
        rc = stub_write(&s, large);
    }
    assert_int_equal(rc, BELAY_EAGAIN);
    /* The server opens the window: 65,535 are there at first. */
    h2_until_requests(&k.grpc.h2, 1);
    h2_frame(&k.grpc.h2.server, 0, H2_WINDOW_UPDATE, 0, 0, "\0\x10\0\0", 4);
    h2_frame(&k.grpc.h2.server, 0, H2_WINDOW_UPDATE, 0, k.grpc.id, "\0\x10\0\0", 4);
    for (int i = 0; s.writables == 0; i++) {
        assert_true(i < 2000);
        h2_turn(&k.grpc.h2);
    }
    assert_int_equal(stub_write(&s, large), 0);
    belay_service_stream_cancel(s.stream);
    stub_close(&k);
}

static void what_is_not_of_the_methods_type_is_not_written(void **state)
{
    Test__Answer other = TEST__ANSWER__INIT;
    struct stub_stream s = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    talk(&s);
    assert_int_equal(belay_service_stream_write(s.stream, &other.base), BELAY_EINVAL);
    assert_int_equal(belay_service_stream_write(s.stream, NULL), BELAY_EINVAL);
    assert_int_equal(stub_write(&s, "one"), 0);
    until_asked(10);
    assert_string_equal(stub_asked(&k, 0), "one");
    stub_close(&k);
    assert_int_equal(s.dones, 0);
}

static void a_message_that_cannot_be_read_ends_the_stream(void **state)
{
    struct stub_stream s = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    talk(&s);
    h2_until_requests(&k.grpc.h2, 1);
    grpc_say_head(&k.grpc, k.grpc.id, 0, GRPC_HEAD);
    stub_say(&k, k.grpc.id, "one", 1);
    grpc_say(&k.grpc, k.grpc.id, 0, "\x10\x07", 2);
    stub_say(&k, k.grpc.id, "three", 3);
    stub_stream_ends(&s, BELAY_GRPC_INTERNAL, "test.Answer");
    assert_string_equal(s.texts, "one|");
    h2_turn(&k.grpc.h2);
    assert_int_equal(k.grpc.h2.server.conns[0].reset, 8);
    stub_close(&k);
}

/* ---- client-streaming ---- */

static void until_collected(struct stub_stream *s)
{
    assert_int_equal(stub_write(s, "one"), 0);
    assert_int_equal(stub_write(s, "two"), 0);
    belay_service_stream_end(s->stream);
    for (int i = 0; !k.grpc.ended; i++) {
        assert_true(i < 2000);
        h2_turn(&k.grpc.h2);
    }
}

static void not_done_yet(struct stub_stream *s)
{
    assert_false(s->done);
}

static void messages_go_and_one_comes_back_with_the_status(void **state)
{
    struct stub_stream s = {.in_message = not_done_yet};

    (void)state;
    stub_open(&k, NULL, NULL);
    collect(&s);
    until_collected(&s);
    assert_string_equal(stub_asked(&k, 0), "one");
    assert_string_equal(stub_asked(&k, 1), "two");
    grpc_say_head(&k.grpc, k.grpc.id, 0, GRPC_HEAD);
    stub_say(&k, k.grpc.id, "both", 2);
    for (int i = 0; i < 5; i++)
        h2_turn(&k.grpc.h2);
    assert_int_equal(s.n, 0); /* it may fail yet */
    grpc_say_head(&k.grpc, k.grpc.id, H2_END_STREAM, GRPC_OK);
    stub_stream_ends(&s, BELAY_GRPC_OK, "");
    assert_string_equal(s.texts, "both|");
    stub_close(&k);
}

static void the_one_answer_is_not_given_where_the_call_fails(void **state)
{
    struct stub_stream s = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    collect(&s);
    until_collected(&s);
    grpc_say_head(&k.grpc, k.grpc.id, 0, GRPC_HEAD);
    stub_say(&k, k.grpc.id, "both", 2);
    grpc_say_head(&k.grpc, k.grpc.id, H2_END_STREAM, "grpc-status: 10\n");
    stub_stream_ends(&s, BELAY_GRPC_ABORTED, "");
    assert_int_equal(s.n, 0);
    stub_close(&k);
}

static void no_answer_or_more_than_one_is_unimplemented(void **state)
{
    struct stub_stream none = {0}, two = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    collect(&none);
    until_collected(&none);
    grpc_say_head(&k.grpc, k.grpc.id, 0, GRPC_HEAD);
    grpc_say_head(&k.grpc, k.grpc.id, H2_END_STREAM, GRPC_OK);
    stub_stream_ends(&none, BELAY_GRPC_UNIMPLEMENTED, "without a message");
    assert_int_equal(none.n, 0);
    assert_int_equal(none.error.sent, BELAY_ANSWERED);

    k.grpc.ended = false;
    collect(&two);
    until_collected(&two);
    grpc_say_head(&k.grpc, k.grpc.id, 0, GRPC_HEAD);
    stub_say(&k, k.grpc.id, "one", 1);
    stub_say(&k, k.grpc.id, "two", 2);
    stub_stream_ends(&two, BELAY_GRPC_UNIMPLEMENTED, "more than one message");
    assert_int_equal(two.n, 0);
    assert_int_equal(two.error.sent, BELAY_ANSWERED);
    stub_close(&k);
}

/* ---- server-streaming ---- */

static void one_message_goes_and_many_come_back(void **state)
{
    struct stub_stream s = {0};

    (void)state;
    stub_open(&k, NULL, NULL);
    list(&s, "hello");
    until_asked(12);
    assert_true(k.grpc.ended);
    assert_string_equal(stub_asked(&k, 0), "hello");
    grpc_say_head(&k.grpc, k.grpc.id, 0, GRPC_HEAD);
    for (int i = 0; i < 5; i++)
        stub_say(&k, k.grpc.id, "x", i);
    grpc_say_head(&k.grpc, k.grpc.id, H2_END_STREAM, "grpc-status: 11\ngrpc-message: no more\n");
    stub_stream_ends(&s, BELAY_GRPC_OUT_OF_RANGE, "no more");
    assert_string_equal(s.texts, "x|x|x|x|x|");
    stub_close(&k);
}

static void what_cannot_begin_is_an_error_of_the_call(void **state)
{
    struct belay_service_callbacks empty = {.size = sizeof empty};
    Test__Answer other = TEST__ANSWER__INIT;
    Test__Question question = TEST__QUESTION__INIT;
    struct belay_channel_options o = grpc_options();
    struct belay_rpc_options options = belay_rpc_options_init();
    struct belay_service_stream *stream = NULL;
    static char large[2000];
    struct belay_error error;

    (void)state;
    o.max_send_bytes = 1000;
    stub_open(&k, &o, NULL);
    assert_int_equal(
        belay_service_bidi_stream(NULL, "Talk", NULL, &stub_callbacks, NULL, &stream, &error),
        BELAY_EINVAL);
    assert_int_equal(belay_service_bidi_stream(k.service, "Nothing", NULL, &stub_callbacks, NULL,
                                               &stream, &error),
                     BELAY_EINVAL);
    assert_non_null(strstr(error.text, "test.Service has no \"Nothing\""));
    assert_int_equal(
        belay_service_bidi_stream(k.service, "Talk", NULL, &empty, NULL, &stream, &error),
        BELAY_EINVAL);
    options.deadline_ms = -7;
    assert_int_equal(belay_service_bidi_stream(k.service, "Talk", &options, &stub_callbacks, NULL,
                                               &stream, &error),
                     BELAY_EINVAL);
    assert_int_equal(belay_service_server_stream(k.service, "List", &other.base, NULL,
                                                 &stub_callbacks, NULL, &stream, &error),
                     BELAY_EINVAL);
    assert_non_null(strstr(error.text, "test.Question"));
    memset(large, 'x', sizeof large - 1);
    question.text = large;
    assert_int_equal(belay_service_server_stream(k.service, "List", &question.base, NULL,
                                                 &stub_callbacks, NULL, &stream, &error),
                     BELAY_ELIMIT);
    belay_channel_close(k.grpc.channel, NULL, NULL);
    assert_int_equal(
        belay_service_bidi_stream(k.service, "Talk", NULL, &stub_callbacks, NULL, &stream, &error),
        BELAY_ECLOSED);
    assert_null(stream);
    stub_close(&k);
}

/* ---- ends ---- */

static void cancel_here(struct stub_stream *s)
{
    belay_service_stream_cancel(s->stream);
}

static void destroy_here(struct stub_stream *s)
{
    protobuf_c_service_destroy(s->kit->service);
    s->kit->service = NULL;
}

static void say_two(uint32_t id)
{
    grpc_say_head(&k.grpc, id, 0, GRPC_HEAD);
    stub_say(&k, id, "one", 1);
    stub_say(&k, id, "two", 2);
    grpc_say_head(&k.grpc, id, H2_END_STREAM, GRPC_OK);
}

static void a_stream_may_be_cancelled_in_each_of_its_callbacks(void **state)
{
    struct stub_stream streams[] = {
        {.in_headers = cancel_here}, {.in_message = cancel_here}, {.in_done = cancel_here}};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct stub_stream *s = &streams[i];

        stub_open(&k, NULL, NULL);
        talk(s);
        h2_until_requests(&k.grpc.h2, 1);
        say_two(k.grpc.id);
        for (int j = 0; j < 20; j++)
            h2_turn(&k.grpc.h2);
        assert_int_equal(s->heads, 1);
        assert_int_equal(s->n, i);
        assert_int_equal(s->dones, i == 2);
        stub_close(&k);
    }
}

static void a_service_may_be_destroyed_in_each_callback_of_its_streams(void **state)
{
    struct stub_stream streams[] = {
        {.in_headers = destroy_here}, {.in_message = destroy_here}, {.in_done = destroy_here}};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct stub_stream *s = &streams[i], other = {0};

        stub_open(&k, NULL, NULL);
        talk(&other);
        h2_until_requests(&k.grpc.h2, 1);
        talk(s);
        h2_until_requests(&k.grpc.h2, 2);
        say_two(k.grpc.id);
        for (int j = 0; j < 20; j++)
            h2_turn(&k.grpc.h2);
        assert_null(k.service);
        assert_int_equal(s->heads, 1);
        assert_int_equal(s->n, i);
        assert_int_equal(s->dones, i == 2);
        assert_int_equal(other.dones, 0);
        stub_close(&k);
    }
}

static void the_one_answer_may_cancel_its_stream(void **state)
{
    struct stub_stream s = {.in_message = cancel_here};

    (void)state;
    stub_open(&k, NULL, NULL);
    collect(&s);
    until_collected(&s);
    grpc_say_head(&k.grpc, k.grpc.id, 0, GRPC_HEAD);
    stub_say(&k, k.grpc.id, "both", 2);
    grpc_say_head(&k.grpc, k.grpc.id, H2_END_STREAM, GRPC_OK);
    until_texts(&s, "both|");
    h2_turn(&k.grpc.h2);
    assert_int_equal(s.dones, 0);
    stub_close(&k);
}

static int written;

static void write_here(struct stub_stream *s)
{
    written = stub_write(s, "late");
    belay_service_stream_end(s->stream);
    belay_service_stream_pause(s->stream);
    belay_service_stream_resume(s->stream);
}

static void a_stream_that_is_done_takes_nothing(void **state)
{
    struct stub_stream s = {.in_done = write_here};

    (void)state;
    stub_open(&k, NULL, NULL);
    talk(&s);
    h2_until_requests(&k.grpc.h2, 1);
    grpc_say_head(&k.grpc, k.grpc.id, H2_END_STREAM, GRPC_HEAD "grpc-status: 0\n");
    stub_stream_ends(&s, BELAY_GRPC_OK, "");
    assert_int_equal(written, BELAY_ECLOSED);
    stub_close(&k);
}

static void destroying_the_service_cancels_its_streams(void **state)
{
    struct stub_stream streams[3] = {{0}};

    (void)state;
    stub_open(&k, NULL, NULL);
    talk(&streams[0]);
    collect(&streams[1]);
    list(&streams[2], "hello");
    h2_until_requests(&k.grpc.h2, 3);
    protobuf_c_service_destroy(k.service);
    k.service = NULL;
    for (int i = 0; i < 5; i++)
        h2_turn(&k.grpc.h2);
    assert_int_equal(k.grpc.h2.server.conns[0].got[H2_RST_STREAM], 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(streams[i].dones, 0);
    stub_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_go_and_come_while_both_sides_talk),
        cmocka_unit_test(a_paused_stream_gets_one_message_at_a_time),
        cmocka_unit_test(a_full_stream_says_when_there_is_room),
        cmocka_unit_test(what_is_not_of_the_methods_type_is_not_written),
        cmocka_unit_test(a_message_that_cannot_be_read_ends_the_stream),
        cmocka_unit_test(messages_go_and_one_comes_back_with_the_status),
        cmocka_unit_test(the_one_answer_is_not_given_where_the_call_fails),
        cmocka_unit_test(no_answer_or_more_than_one_is_unimplemented),
        cmocka_unit_test(one_message_goes_and_many_come_back),
        cmocka_unit_test(what_cannot_begin_is_an_error_of_the_call),
        cmocka_unit_test(a_stream_may_be_cancelled_in_each_of_its_callbacks),
        cmocka_unit_test(a_service_may_be_destroyed_in_each_callback_of_its_streams),
        cmocka_unit_test(the_one_answer_may_cancel_its_stream),
        cmocka_unit_test(a_stream_that_is_done_takes_nothing),
        cmocka_unit_test(destroying_the_service_cancels_its_streams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
