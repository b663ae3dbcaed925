/* SPDX-License-Identifier: MIT */
/*
 * Memory of what is kept for long: --inflight of each.
 *
 *   kept-stream       a stream that was dialled: what a link is held against
 *   kept-link         a link that is up
 *   kept-process      a process that waits for messages
 *   kept-hibernated   one that hibernates
 */
#include <belay/belay.h>
#include <malloc.h>
#include <string.h>

#include "storm.h"

#define WARM  64  /* there before the first reading */
#define BATCH 500 /* dialled at a time */

struct bench {
    struct belay_loop *loop;
    struct belay_endpoint *endpoint;
    struct belay_source *source;
    void **kept;
    unsigned n; /* of them, all told */
    unsigned done;
    bool hibernates;
};

static void until(struct bench *b, unsigned done)
{
    while (b->done < done)
        belay_loop_turn(b->loop, 5000);
}

/* ---- streams and links ---- */

static void on_stream(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct bench *b = arg;

    if (error)
        bench_die("%s", error->text);
    b->kept[b->done++] = stream;
}

static void keep_streams(struct bench *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (belay_dial(b->endpoint, NULL, NULL, on_stream, b) < 0)
            bench_die("dial failed");
        if (i % BATCH == BATCH - 1)
            until(b, b->n + i + 1);
    }
    b->n += n;
    until(b, b->n);
}

static void on_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    struct bench *b = arg;

    (void)link;
    if (event->type == BELAY_LINK_DISCONNECTED)
        bench_die("a link was lost");
    b->done += event->type == BELAY_LINK_CONNECTED;
}

static void keep_links(struct bench *b, unsigned n)
{
    struct belay_link_options o = belay_link_options_init();
    struct belay_error error;

    o.on_event = on_event;
    o.event_arg = b;
    for (unsigned i = 0; i < n; i++) {
        if (belay_link_open(b->source, &o, (struct belay_link **)&b->kept[b->n + i], &error) < 0)
            bench_die("%s", error.text);
        if (i % BATCH == BATCH - 1)
            until(b, b->n + i + 1);
    }
    b->n += n;
    until(b, b->n);
}

/* ---- processes ---- */

static struct belay_directive reply(struct belay_process *process, struct belay_message *message,
                                    struct belay_from from, void *state)
{
    struct bench *b = state;
    struct belay_directive d = belay_do_reply(belay_message_tag(1));

    (void)process;
    (void)message;
    (void)from;
    return b->hibernates ? belay_with_hibernate(d) : d;
}

static const struct belay_behaviour behaviour = {
    .size = sizeof behaviour, .name = "idle", .handle_call = reply};

static void on_reply(struct belay_message *message, const struct belay_error *error, void *arg)
{
    struct bench *b = arg;

    (void)message;
    if (error)
        bench_die("%s", error->text);
    b->done++;
}

/* Each has been called once, so that it has what it works with. */
static void keep_processes(struct bench *b, unsigned n)
{
    struct belay_error error;

    for (unsigned i = b->n; i < b->n + n; i++) {
        struct belay_process **process = (struct belay_process **)&b->kept[i];

        if (belay_process_start(b->loop, &behaviour, b, NULL, process, NULL, NULL, &error) < 0)
            bench_die("%s", error.text);
        if (belay_process_call(*process, belay_message_tag(1), 0, NULL, on_reply, b) < 0)
            bench_die("a call failed");
        until(b, i + 1);
    }
    b->n += n;
}

/* ---- all ---- */

static void open_world(struct bench *b, unsigned port)
{
    struct belay_endpoint_options o = belay_endpoint_options_init();
    struct belay_error error;

    o.scheme = "tcp";
    o.host = "127.0.0.1";
    o.port = (int32_t)port;
    if (belay_loop_new(NULL, &b->loop, &error) < 0 ||
        belay_endpoint_new(b->loop, &o, &b->endpoint, &error) < 0)
        bench_die("%s", error.text);
    if (belay_source_list(b->loop, &b->endpoint, 1, BELAY_SOURCE_IN_ORDER, &b->source) < 0)
        bench_die("no source");
}

static void rest(struct bench *b)
{
    int64_t end = belay_loop_now_ms(b->loop) + 100;

    while (belay_loop_now_ms(b->loop) < end)
        belay_loop_turn(b->loop, end - belay_loop_now_ms(b->loop));
    malloc_trim(0);
}

int main(int argc, char **argv)
{
    void (*keep)(struct bench *, unsigned);
    struct bench_memory before, after;
    struct bench_options options;
    struct storm_server server;
    struct bench b = {.n = 0};

    bench_options_parse(&options, argc, argv, "kept-link");
    keep = strcmp(options.mode, "kept-stream") == 0 ? keep_streams
           : strcmp(options.mode, "kept-link") == 0 ? keep_links
                                                    : keep_processes;
    b.hibernates = strcmp(options.mode, "kept-hibernated") == 0;
    if (keep == keep_processes && !b.hibernates && strcmp(options.mode, "kept-process") != 0)
        bench_die("unknown mode %s", options.mode);
    bench_raise_nofile(options.inflight + WARM + 64);
    storm_server_start(&server, options.inflight + WARM);
    b.kept = bench_calloc(options.inflight + WARM, sizeof *b.kept);
    open_world(&b, server.port);
    keep(&b, WARM);
    rest(&b);
    bench_memory_read(&before);
    keep(&b, options.inflight);
    rest(&b);
    bench_memory_read(&after);
    bench_report_memory("belay", options.inflight, &before, &after);
    storm_server_stop(&server);
    return 0;
}
