/* SPDX-License-Identifier: MIT */
/* belay's acquire and release of a warm connection, without I/O: 64 connections of a connector that
 * only says yes. */
#include <belay/belay.h>

#include "bench_util.h"

#define RESOURCES 64
#define BATCH     1024

static void open_now(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    (void)endpoint;
    belay_conn_open_done(conn, arg, 1);
}

static const struct belay_connector_ops ops = {
    .size = sizeof ops, .name = "nothing", .open = open_now};

struct held {
    struct belay_lease leases[RESOURCES];
    unsigned n;
};

static void on_lease(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct held *held = arg;

    if (error)
        bench_die("acquire: %s", error->text);
    held->leases[held->n++] = lease;
}

int main(int argc, char **argv)
{
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_endpoint *endpoint;
    struct belay_loop *loop;
    struct belay_pool *pool;
    struct belay_peer *peer;
    struct bench_options options;
    struct bench_meter meter;
    struct held held = {.n = 0};

    bench_options_parse(&options, argc, argv, "acquire");
    o.connector.ops = &ops;
    o.max_connections_per_endpoint = RESOURCES;
    o.max_idle_time_ms = BELAY_FOREVER;
    if (belay_loop_new(NULL, &loop, NULL) < 0 ||
        belay_endpoint_parse(loop, "tcp://127.0.0.1:1", &endpoint, NULL) < 0 ||
        belay_pool_open(loop, &o, &pool, NULL) < 0 || belay_pool_peer(pool, endpoint, &peer) < 0)
        bench_die("the pool could not be made");
    for (unsigned i = 0; i < RESOURCES; i++)
        if (belay_peer_acquire(peer, NULL, NULL, on_lease, &held) < 0)
            bench_die("acquire failed");
    while (held.n < RESOURCES)
        belay_loop_turn(loop, BELAY_FOREVER);
    for (unsigned i = 0; i < RESOURCES; i++)
        belay_lease_release(held.leases[i], BELAY_REUSE);

    bench_meter_start(&meter, &options);
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            struct belay_lease lease;

            if (belay_peer_try_acquire(peer, &lease) < 0)
                bench_die("try_acquire failed");
            belay_lease_release(lease, BELAY_REUSE);
        }
        meter.count += BATCH;
    } while (!bench_meter_tick(&meter));
    bench_report("belay", "acquire", &meter);

    belay_pool_close(pool, NULL, NULL);
    belay_peer_unref(peer);
    belay_endpoint_unref(endpoint);
    belay_loop_free(loop);
    return 0;
}
