/* SPDX-License-Identifier: MIT */
#include "stub_kit.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- its life ---- */

void stub_open(struct stub_kit *k, const struct belay_channel_options *channel_options,
               const struct belay_rpc_options *options)
{
    struct belay_error error;

    memset(k, 0, sizeof *k);
    grpc_open(&k->grpc, channel_options);
    k->grpc.extra = k;
    if (belay_service_new(k->grpc.channel, &test__service__descriptor, options, &k->service,
                          &error) < 0)
        fail_msg("%s", error.text);
}

void stub_close(struct stub_kit *k)
{
    if (k->service)
        protobuf_c_service_destroy(k->service);
    grpc_close(&k->grpc);
}

/* ---- the server ---- */

void stub_say(struct stub_kit *k, uint32_t id, const char *text, int32_t number)
{
    Test__Answer answer = TEST__ANSWER__INIT;
    uint8_t bytes[256];

    answer.text = (char *)(uintptr_t)text;
    answer.number = number;
    answer.has_number = true;
    assert_true(test__answer__get_packed_size(&answer) <= sizeof bytes);
    grpc_say(&k->grpc, id, 0, bytes, test__answer__pack(&answer, bytes));
}

void stub_answer_well(struct grpc_kit *grpc, uint32_t id)
{
    grpc_say_head(grpc, id, 0, GRPC_HEAD);
    stub_say(grpc->extra, id, "good", 7);
    grpc_say_head(grpc, id, H2_END_STREAM, GRPC_OK);
}

const char *stub_asked(struct stub_kit *k, unsigned n)
{
    static char text[128];
    const uint8_t *at = (const uint8_t *)k->grpc.data, *end = at + k->grpc.data_len;

    for (;; n--) {
        uint32_t len;
        Test__Question *question;

        assert_true(end - at >= 5);
        len = (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
        assert_true((size_t)(end - at) >= 5 + (size_t)len);
        question = test__question__unpack(NULL, len, at + 5);
        assert_non_null(question);
        snprintf(text, sizeof text, "%s", question->text ? question->text : "");
        test__question__free_unpacked(question, NULL);
        if (n == 0)
            return text;
        at += 5 + len;
    }
}

/* ---- calls ---- */

static void take_result(struct stub_call *c, const struct belay_rpc_result *r)
{
    c->status = r->status;
    c->attempts = r->attempts;
    assert_non_null(r->message);
    snprintf(c->message, sizeof c->message, "%s", r->message);
    if (r->error)
        c->error = *r->error;
    for (size_t i = 0; i < r->trailers_n; i++) {
        size_t at = strlen(c->trailers);

        snprintf(c->trailers + at, sizeof c->trailers - at, "%.*s|", (int)r->trailers[i].value_len,
                 r->trailers[i].value);
    }
}

void stub_closure(const Test__Answer *answer, void *closure_data)
{
    struct stub_call *c = closure_data;
    const struct belay_rpc_result *r = belay_service_status(c->kit->service);

    assert_non_null(r);
    assert_int_equal(r->status == BELAY_GRPC_OK, answer != NULL);
    c->closures++;
    take_result(c, r);
    if (answer) {
        snprintf(c->text, sizeof c->text, "%s", answer->text);
        c->number = answer->number;
    }
    c->done = true;
    if (c->in_closure)
        c->in_closure(c);
}

void stub_ask_by(struct stub_kit *k, ProtobufCService *service, struct stub_call *c,
                 const char *text)
{
    Test__Question question = TEST__QUESTION__INIT;

    c->kit = k;
    question.text = (char *)(uintptr_t)text;
    test__service__ask(service, &question, stub_closure, c);
}

void stub_ask(struct stub_kit *k, struct stub_call *c, const char *text)
{
    stub_ask_by(k, k->service, c, text);
}

static void expect(int status, const char *message, int wanted, const char *text)
{
    if (status != wanted || !strstr(message, text))
        fail_msg("%s: \"%s\"", belay_grpc_status_name(status), message);
}

void stub_ends(struct stub_call *c, int status, const char *text)
{
    h2_until(&c->kit->grpc.h2, &c->done);
    assert_int_equal(c->closures, 1);
    expect(c->status, c->message, status, text);
}

/* ---- streams ---- */

static void on_headers(struct belay_service_stream *stream, const struct belay_header *headers,
                       size_t n, void *arg)
{
    struct stub_stream *s = arg;

    (void)stream, (void)headers, (void)n;
    s->heads++;
    if (s->in_headers)
        s->in_headers(s);
}

static void on_message(struct belay_service_stream *stream, const ProtobufCMessage *message,
                       void *arg)
{
    struct stub_stream *s = arg;
    const Test__Answer *answer = (const Test__Answer *)message;
    size_t at = strlen(s->texts);

    assert_false(s->done);
    assert_ptr_equal(message->descriptor, &test__answer__descriptor);
    s->n++;
    snprintf(s->texts + at, sizeof s->texts - at, "%s|", answer->text);
    if (s->pauses)
        belay_service_stream_pause(stream);
    if (s->in_message)
        s->in_message(s);
}

static void on_writable(struct belay_service_stream *stream, void *arg)
{
    struct stub_stream *s = arg;

    (void)stream;
    s->writables++;
}

static void on_done(struct belay_service_stream *stream, const struct belay_rpc_result *result,
                    void *arg)
{
    struct stub_stream *s = arg;

    (void)stream;
    s->dones++;
    s->done = true;
    s->status = result->status;
    if (result->error)
        s->error = *result->error;
    snprintf(s->message, sizeof s->message, "%s", result->message);
    if (s->in_done)
        s->in_done(s);
}

const struct belay_service_callbacks stub_callbacks = {.size = sizeof stub_callbacks,
                                                       .on_headers = on_headers,
                                                       .on_message = on_message,
                                                       .on_writable = on_writable,
                                                       .on_done = on_done};

int stub_write(struct stub_stream *s, const char *text)
{
    Test__Question question = TEST__QUESTION__INIT;

    question.text = (char *)(uintptr_t)text;
    return belay_service_stream_write(s->stream, &question.base);
}

void stub_stream_ends(struct stub_stream *s, int status, const char *text)
{
    h2_until(&s->kit->grpc.h2, &s->done);
    assert_int_equal(s->dones, 1);
    expect(s->status, s->message, status, text);
}
