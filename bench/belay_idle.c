/* SPDX-License-Identifier: MIT */
/*
 * Memory of idle connections: opens N, one GET on each (over TLS two, so that OpenSSL's buffers
 * settle), lets them rest until belay has given their buffers back, and measures. One connection is
 * opened before the first reading.
 */
#include "belay_client.h"

#define BATCH   100 /* connects at a time: nginx's backlog is short */
#define REST_MS 1500
#define WARM                                                                                       \
    128 /* connections open before the first reading: what a busy client keeps is there then */

struct bench {
    struct bench_client client;
    struct belay_lease *leases;
    unsigned opened, done;
};

static void on_lease(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct bench *b = arg;

    if (error)
        bench_die("%s", error->text);
    b->leases[b->opened++] = lease;
}

/* Fresh connections, all held at once, then all released. */
static void open_connections(struct bench *b, unsigned n)
{
    struct belay_acquire_options o = belay_acquire_options_init();
    struct belay_peer *peer = belay_http_target_peer(b->client.target);

    o.fresh = true;
    for (b->opened = 0; b->opened < n;) {
        unsigned want = b->opened + BATCH < n ? b->opened + BATCH : n;

        for (unsigned i = b->opened; i < want; i++)
            if (belay_peer_acquire(peer, &o, NULL, on_lease, b) < 0)
                bench_die("acquire failed");
        while (b->opened < want)
            belay_loop_turn(b->client.loop, BELAY_FOREVER);
    }
    for (unsigned i = 0; i < n; i++)
        belay_lease_release(b->leases[i], BELAY_REUSE);
}

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct bench *b = arg;

    (void)request;
    if (error)
        bench_die("%s", error->text);
    b->done++;
}

/* As many requests at once as there are connections: each connection carries one. */
static void get_on_each(struct bench *b, unsigned n)
{
    static const struct belay_http_callbacks callbacks = {.size = sizeof callbacks,
                                                          .on_done = on_done};
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_error error;

    o.target = b->client.target;
    o.callbacks = &callbacks;
    b->done = 0;
    for (unsigned i = 0; i < n; i++)
        if (belay_http_request(b->client.http, &o, b, NULL, &error) < 0)
            bench_die("%s", error.text);
    while (b->done < n)
        belay_loop_turn(b->client.loop, BELAY_FOREVER);
}

static void rest(struct bench *b)
{
    int64_t end = belay_loop_now_ms(b->client.loop) + REST_MS;

    while (belay_loop_now_ms(b->client.loop) < end)
        belay_loop_turn(b->client.loop, end - belay_loop_now_ms(b->client.loop));
}

int main(int argc, char **argv)
{
    struct belay_pool_options pool = belay_pool_options_init();
    struct bench_memory before, after;
    struct bench_options options;
    struct bench b = {.opened = 0};

    bench_options_parse(&options, argc, argv, "idle");
    bench_raise_nofile(options.inflight + WARM + 64);
    b.leases = bench_calloc(options.inflight + WARM, sizeof *b.leases);
    pool.max_connections_per_endpoint = (int32_t)options.inflight + WARM;
    pool.max_connections_total = (int32_t)options.inflight + WARM;
    bench_client_open(&b.client, &options, &pool, true);

    open_connections(&b, WARM);
    get_on_each(&b, WARM);
    rest(&b);
    bench_memory_read(&before);
    open_connections(&b, options.inflight);
    for (int i = 0; i < (options.tls ? 2 : 1); i++)
        get_on_each(&b, options.inflight + WARM);
    rest(&b);
    bench_memory_read(&after);
    bench_report_memory("belay", options.inflight, &before, &after);
    bench_client_close(&b.client);
    return 0;
}
