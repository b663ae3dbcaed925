/* SPDX-License-Identifier: MIT */
/*
 * belay's calls of gRPC on one channel, plain: grpc-unary (N in flight), grpc-stream (messages that
 * the server sends, call after call), grpc-chat (one stream, N messages under way each way); and
 * grpc-idle, what a channel keeps that has a connection and no call.
 */
#include <belay/belay.h>
#include <belay/grpc.h>
#include <stdio.h>
#include <string.h>

#include "bench_util.h"

#define WARM     16   /* channels before the first reading */
#define REST_MS  1500 /* until belay has given back what a busy channel holds */
#define TICK_OUT 64   /* messages of a stream between two looks at the clock */

static const char message[BENCH_GRPC_MESSAGE] = "0123456789abcdef";

struct bench {
    struct belay_loop *loop;
    struct belay_channel *channel;
    struct bench_meter meter;
    struct belay_rpc *rpc;
    unsigned owed; /* messages that there was no room for */
    unsigned done_n;
    bool done;
};

static struct belay_channel *open_channel(struct bench *b, const struct bench_options *options)
{
    struct belay_channel_options o = belay_channel_options_init();
    struct belay_channel *channel;
    struct belay_error error;
    char target[128];

    o.plain = true;
    snprintf(target, sizeof target, "ipv4:%s:%u", options->host, options->port);
    if (belay_channel_open(b->loop, target, &o, &channel, &error) < 0)
        bench_die("%s", error.text);
    return channel;
}

static void check(const struct belay_rpc_result *result)
{
    if (result->status != BELAY_GRPC_OK)
        bench_die("%s: %s", belay_grpc_status_name(result->status), result->message);
}

static bool is_over(struct bench *b)
{
    if (bench_meter_tick(&b->meter)) {
        b->done = true;
        belay_loop_stop(b->loop);
    }
    return b->done;
}

/* ---- unary ---- */

static void say(struct bench *b);

static void on_answer(const void *response, size_t len, const struct belay_rpc_result *result,
                      void *arg)
{
    struct bench *b = arg;

    if (b->done)
        return;
    check(result);
    if (len != sizeof message)
        bench_die("an answer of %zu bytes", len);
    (void)response;
    b->meter.count++;
    if (!is_over(b))
        say(b);
}

static void say(struct bench *b)
{
    struct belay_error error;

    if (belay_channel_unary(b->channel, BENCH_GRPC_SAY, message, sizeof message, NULL, NULL,
                            on_answer, b, &error) < 0)
        bench_die("%s", error.text);
}

/* ---- streams ---- */

static void count_message(struct bench *b, size_t len)
{
    if (len != sizeof message)
        bench_die("a message of %zu bytes", len);
    if (++b->meter.count % TICK_OUT == 0)
        is_over(b);
}

static void stream(struct bench *b);

static void on_streamed(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct bench *b = arg;

    (void)rpc, (void)data;
    if (!b->done)
        count_message(b, len);
}

static void on_stream_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct bench *b = arg;

    (void)rpc;
    if (b->done)
        return;
    check(result);
    stream(b);
}

static void stream(struct bench *b)
{
    static const struct belay_rpc_callbacks callbacks = {
        .size = sizeof callbacks, .on_message = on_streamed, .on_done = on_stream_done};
    struct belay_error error;
    int rc = belay_rpc_start(b->channel, BENCH_GRPC_STREAM, NULL, &callbacks, b, &b->rpc, &error);

    if (rc < 0)
        bench_die("%s", error.text);
    if (belay_rpc_write(b->rpc, message, sizeof message) < 0)
        bench_die("the request cannot be written");
    belay_rpc_end(b->rpc);
}

static void write_owed(struct bench *b)
{
    while (b->owed > 0) {
        int rc = belay_rpc_write(b->rpc, message, sizeof message);

        if (rc == BELAY_EAGAIN)
            return;
        if (rc < 0)
            bench_die("a message cannot be written");
        b->owed--;
    }
}

static void on_echo(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct bench *b = arg;

    (void)rpc, (void)data;
    if (b->done)
        return;
    count_message(b, len);
    b->owed++;
    write_owed(b);
}

static void on_room(struct belay_rpc *rpc, void *arg)
{
    (void)rpc;
    write_owed(arg);
}

static void on_chat_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct bench *b = arg;

    (void)rpc;
    if (!b->done)
        bench_die("the stream ended: %s", result->message);
}

static void chat(struct bench *b, unsigned n)
{
    static const struct belay_rpc_callbacks callbacks = {.size = sizeof callbacks,
                                                         .on_message = on_echo,
                                                         .on_writable = on_room,
                                                         .on_done = on_chat_done};
    struct belay_error error;

    if (belay_rpc_start(b->channel, BENCH_GRPC_CHAT, NULL, &callbacks, b, &b->rpc, &error) < 0)
        bench_die("%s", error.text);
    b->owed = n;
    write_owed(b);
}

/* ---- what channels keep ---- */

static void on_said(const void *response, size_t len, const struct belay_rpc_result *result,
                    void *arg)
{
    struct bench *b = arg;

    (void)response, (void)len;
    check(result);
    b->done_n++;
}

/* Opens so many, with a call on each. */
static void open_channels(struct bench *b, const struct bench_options *options, unsigned n)
{
    struct belay_error error;

    for (b->done_n = 0; b->done_n < n;) {
        unsigned before = b->done_n;
        struct belay_channel *channel = open_channel(b, options);

        if (belay_channel_unary(channel, BENCH_GRPC_SAY, message, sizeof message, NULL, NULL,
                                on_said, b, &error) < 0)
            bench_die("%s", error.text);
        while (b->done_n == before)
            belay_loop_turn(b->loop, BELAY_FOREVER);
    }
}

static void rest(struct bench *b)
{
    int64_t end = belay_loop_now_ms(b->loop) + REST_MS;

    while (belay_loop_now_ms(b->loop) < end)
        belay_loop_turn(b->loop, end - belay_loop_now_ms(b->loop));
}

static void run_idle(struct bench *b, const struct bench_options *options)
{
    struct bench_memory before, after;

    bench_raise_nofile(options->inflight + WARM + 64);
    open_channels(b, options, WARM);
    rest(b);
    bench_memory_read(&before);
    open_channels(b, options, options->inflight);
    rest(b);
    bench_memory_read(&after);
    bench_report_memory("belay", options->inflight, &before, &after);
}

int main(int argc, char **argv)
{
    struct bench_options options;
    struct bench b = {.done = false};
    struct belay_error error;

    bench_options_parse(&options, argc, argv, "grpc-unary");
    if (belay_loop_new(NULL, &b.loop, &error) < 0)
        bench_die("%s", error.text);
    if (strcmp(options.mode, "grpc-idle") == 0) {
        run_idle(&b, &options);
        belay_loop_free(b.loop);
        return 0;
    }
    b.channel = open_channel(&b, &options);
    bench_meter_start(&b.meter, &options);
    if (strcmp(options.mode, "grpc-stream") == 0)
        stream(&b);
    else if (strcmp(options.mode, "grpc-chat") == 0)
        chat(&b, options.inflight);
    else
        for (unsigned i = 0; i < options.inflight; i++)
            say(&b);
    belay_loop_run(b.loop);
    bench_report("belay", options.mode, &b.meter);
    belay_loop_free(b.loop);
    return 0;
}
