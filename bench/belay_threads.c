/* SPDX-License-Identifier: MIT */
/*
 * belay's acquire and release by attached threads, without I/O: --inflight threads on one peer of a
 * shared pool of 64 connections, or (mode attached-one) of one. The main thread runs the loop.
 */
#include <belay/belay.h>
#include <string.h>

#include "bench_threads.h"

#define RESOURCES 64

static struct belay_loop *loop;

static void open_now(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    (void)endpoint;
    belay_conn_open_done(conn, arg, 1);
}

static const struct belay_connector_ops ops = {
    .size = sizeof ops, .name = "nothing", .open = open_now};

static void *begin(void *arg)
{
    struct belay_attachment *attachment;

    if (belay_peer_attach(arg, &attachment) < 0)
        bench_die("attach failed");
    return attachment;
}

static void batch(void *own, unsigned pairs)
{
    struct belay_error error;
    struct belay_lease lease;

    for (unsigned i = 0; i < pairs; i++) {
        if (belay_attachment_acquire(own, 10000, &lease, &error) < 0)
            bench_die("acquire: %s", error.text);
        if (belay_lease_release(lease, BELAY_REUSE) < 0)
            bench_die("release failed");
    }
}

static void attend(void *arg)
{
    (void)arg;
    belay_loop_turn(loop, 10);
}

static void end(void *own)
{
    belay_attachment_detach(own);
}

int main(int argc, char **argv)
{
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_endpoint *endpoint;
    struct belay_pool *pool;
    struct belay_peer *peer;
    struct bench_options options;
    struct bench_meter meter;

    bench_options_parse(&options, argc, argv, "attached");
    o.connector.ops = &ops;
    o.max_connections_per_endpoint = strcmp(options.mode, "attached-one") == 0 ? 1 : RESOURCES;
    o.shared = true;
    if (belay_loop_new(NULL, &loop, NULL) < 0 ||
        belay_endpoint_parse(loop, "tcp://127.0.0.1:1", &endpoint, NULL) < 0 ||
        belay_pool_open(loop, &o, &pool, NULL) < 0 || belay_pool_peer(pool, endpoint, &peer) < 0)
        bench_die("the pool could not be made");
    belay_loop_turn(loop, 0); /* it is run from now on */
    bench_threads_run(&(struct bench_threads){begin, batch, end, attend, peer}, options.inflight,
                      &options, &meter);
    bench_report("belay", "acquire", &meter);

    belay_pool_close(pool, NULL, NULL);
    belay_peer_unref(peer);
    belay_endpoint_unref(endpoint);
    belay_loop_free(loop);
    return 0;
}
