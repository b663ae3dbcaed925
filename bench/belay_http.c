/* SPDX-License-Identifier: MIT */
/*
 * belay's GETs: keepalive (N in flight), h2-1 and h2-4 (the same over so many connections of
 * HTTP/2), sequential, connect and connect-resumed (each connection is used once); body and
 * h2-1-body, of which the bytes count. Every request asks for the next in its on_done, through the
 * public API, with the target parsed once.
 */
#include "belay_client.h"

struct bench {
    struct bench_client client;
    struct belay_http_request_options request;
    struct bench_meter meter;
    uint64_t resumed;
    bool done;
};

static void start(struct bench *b)
{
    struct belay_error error;

    if (belay_http_request(b->client.http, &b->request, b, NULL, &error) < 0)
        bench_die("%s", error.text);
}

static enum belay_http_action on_headers(const struct belay_http_response *response, void *arg)
{
    (void)arg;
    if (response->status != 200)
        bench_die("status %d", response->status);
    return BELAY_HTTP_GO_ON;
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct bench *b = arg;

    if (b->done)
        return;
    if (error)
        bench_die("%s", error->text);
    (void)request;
    b->meter.count++;
    if (bench_meter_tick(&b->meter)) {
        b->done = true;
        belay_loop_stop(b->client.loop);
        return;
    }
    start(b);
}

static enum belay_http_action on_data(struct belay_http_request *request, const char *data,
                                      size_t len, void *arg)
{
    struct bench *b = arg;

    (void)request, (void)data;
    b->meter.count += len;
    if (!b->done && bench_meter_tick(&b->meter)) {
        b->done = true;
        belay_loop_stop(b->client.loop);
    }
    return BELAY_HTTP_GO_ON;
}

static void on_body_done(struct belay_http_request *request, const struct belay_error *error,
                         void *arg)
{
    struct bench *b = arg;

    (void)request;
    if (b->done)
        return;
    if (error)
        bench_die("%s", error->text);
    start(b);
}

/* Counts resumed sessions; only where each connection is used once, so that it costs nothing
 * elsewhere. */
static void on_done_once(struct belay_http_request *request, const struct belay_error *error,
                         void *arg)
{
    struct belay_http_facts facts = belay_http_facts_init();
    struct bench *b = arg;

    belay_http_request_facts(request, &facts);
    if (b->meter.measuring)
        b->resumed += facts.tls_resumed;
    on_done(request, error, arg);
}

int main(int argc, char **argv)
{
    static const struct belay_http_callbacks busy = {
        .size = sizeof busy, .on_headers = on_headers, .on_done = on_done};
    static const struct belay_http_callbacks once = {
        .size = sizeof once, .on_headers = on_headers, .on_done = on_done_once};
    static const struct belay_http_callbacks body = {
        .size = sizeof body, .on_headers = on_headers, .on_data = on_data, .on_done = on_body_done};
    struct belay_pool_options pool = belay_pool_options_init();
    struct bench_options options;
    struct bench b = {.request = belay_http_request_options_init()};
    bool connect, resume;
    unsigned h2;

    bench_options_parse(&options, argc, argv, "keepalive");
    connect = strncmp(options.mode, "connect", 7) == 0;
    resume = strcmp(options.mode, "connect-resumed") == 0;
    h2 = bench_h2_connections(&options);
    if (strcmp(options.mode, "keepalive") != 0 && h2 == 0)
        options.inflight = 1;
    pool.max_connections_per_endpoint = (int32_t)(h2 ? h2 : options.inflight);
    pool.max_connection_uses = connect ? 1 : BELAY_FOREVER;
    bench_client_open(&b.client, &options, &pool, resume);
    b.request.target = b.client.target;
    b.request.callbacks = connect ? &once : bench_is_body(&options) ? &body : &busy;

    bench_meter_start(&b.meter, &options);
    for (unsigned i = 0; i < options.inflight; i++)
        start(&b);
    belay_loop_run(b.client.loop);
    if (resume)
        bench_report_resumed("belay", options.mode, &b.meter, b.resumed);
    else
        bench_report("belay", options.mode, &b.meter);
    bench_client_close(&b.client);
    return 0;
}
