/* SPDX-License-Identifier: MIT */
/*
 * belay_scale.c - what the pool costs as it grows, without I/O: connections of a connector that
 * only says yes. N is --inflight.
 *
 *     one         N endpoints with one warm connection each: acquire and release at one of them
 *     endpoints   N endpoints with one warm connection each: acquire and release at all of them,
 *                 by their handles, in an order that no prefetcher follows
 *     lookup      the same from the endpoint: its handle is looked up each time
 *     evict       N endpoints and room for N / 2 connections: each acquire evicts the connection
 *                 that was idle for longest, of another endpoint, and opens one
 *     evict-busy  N endpoints, of which all but two hold a lease, and one place for these two: each
 *                 acquire evicts the other's connection and opens one
 *     crowd       N endpoints and room for 10 connections: a waiter at each, all queued,
 *                 then served
 *     waiters     N waiters for 10 connections: queued, then served
 *     fresh       the same, each for a new connection: another one is closed for it
 *     cancel      N waiters: queued, then cancelled, every 7th first
 *     expire      N idle connections reach max_idle_time: the CPU time from then to their end
 *     expire-fds  the same with a descriptor each, which the loop watches
 */
#include <belay/belay.h>

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench_util.h"

#define BATCH   1024
#define AT_ONCE 32 /* acquires per turn of the loop */
#define IDLE_MS 20

struct scale {
    const struct bench_options *options;
    struct bench_meter meter;
    struct belay_loop *loop;
    struct belay_pool *pool;
    struct belay_endpoint **endpoints;
    struct belay_peer **peers;
    struct belay_lease *leases;
    struct belay_waiter **waiters;
    uint32_t n, step, at, served;
    bool fresh;
    bool keep; /* leases are kept, in order of arrival */
};

/* ---- a pool of connections that cost nothing ---- */

static void open_now(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    (void)endpoint;
    belay_conn_open_done(conn, arg, 1);
}

static const struct belay_connector_ops ops = {
    .size = sizeof ops, .name = "nothing", .open = open_now};

static void open_descriptor(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    (void)endpoint;
    (void)arg;
    if (fd < 0 || belay_conn_set_descriptor(conn, fd) < 0)
        bench_die("no descriptor");
    belay_conn_open_done(conn, (void *)(intptr_t)fd, 1);
}

static void close_descriptor(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    (void)reason;
    (void)arg;
    close((int)(intptr_t)belay_conn_state(conn));
    belay_conn_closed(conn);
}

static const struct belay_connector_ops descriptor_ops = {.size = sizeof descriptor_ops,
                                                          .name = "descriptor",
                                                          .open = open_descriptor,
                                                          .close = close_descriptor};

static void make_pool(struct scale *s, uint32_t endpoints, struct belay_pool_options *o)
{
    if (!o->connector.ops)
        o->connector.ops = &ops;
    o->max_waiters = BELAY_FOREVER;
    o->acquire_timeout_ms = BELAY_FOREVER;
    o->max_connection_lifetime_ms = BELAY_FOREVER;
    o->max_dials_per_endpoint = BELAY_FOREVER;
    o->max_dials_total = BELAY_FOREVER;
    if (belay_loop_new(NULL, &s->loop, NULL) < 0 || belay_pool_open(s->loop, o, &s->pool, NULL) < 0)
        bench_die("the pool could not be made");
    s->endpoints = bench_calloc(endpoints, sizeof(struct belay_endpoint *));
    s->peers = bench_calloc(endpoints, sizeof(struct belay_peer *));
    for (uint32_t i = 0; i < endpoints; i++) {
        char url[64];

        snprintf(url, sizeof url, "tcp://10.%u.%u.%u:7", i >> 16, i >> 8 & 255, i & 255);
        if (belay_endpoint_parse(s->loop, url, &s->endpoints[i], NULL) < 0 ||
            belay_pool_peer(s->pool, s->endpoints[i], &s->peers[i]) < 0)
            bench_die("endpoint %u could not be made", i);
    }
    s->n = endpoints;
    s->step = bench_stride(endpoints);
}

static uint32_t next(struct scale *s)
{
    s->at = (s->at + s->step) % s->n;
    return s->at;
}

static void on_lease(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct scale *s = arg;

    if (error)
        bench_die("acquire: %s", error->text);
    if (s->keep)
        s->leases[s->served] = lease;
    else
        belay_lease_release(lease, BELAY_REUSE);
    s->served++;
}

static void acquire(struct scale *s, uint32_t peer, struct belay_waiter **ret_waiter)
{
    struct belay_acquire_options o = belay_acquire_options_init();

    o.fresh = s->fresh;
    if (belay_peer_acquire(s->peers[peer], s->fresh ? &o : NULL, ret_waiter, on_lease, s) < 0)
        bench_die("acquire failed");
}

static void turn_until(struct scale *s, uint32_t served)
{
    while (s->served < served)
        belay_loop_turn(s->loop, BELAY_FOREVER);
}

static void finish(struct scale *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        belay_peer_unref(s->peers[i]);
        belay_endpoint_unref(s->endpoints[i]);
    }
    belay_pool_close(s->pool, NULL, NULL);
    belay_loop_free(s->loop);
}

/* ---- many endpoints ---- */

static void acquire_and_release(struct belay_peer *peer)
{
    struct belay_lease lease;

    if (belay_peer_try_acquire(peer, &lease) < 0)
        bench_die("try_acquire failed");
    belay_lease_release(lease, BELAY_REUSE);
}

static void warm_up_endpoints(struct scale *s)
{
    struct belay_pool_options o = belay_pool_options_init();

    o.max_connections_total = BELAY_FOREVER;
    o.max_idle_time_ms = BELAY_FOREVER;
    make_pool(s, s->options->inflight, &o);
    for (uint32_t i = 0; i < s->n; i++)
        acquire(s, i, NULL);
    turn_until(s, s->n);
}

static void run_endpoints(struct scale *s)
{
    warm_up_endpoints(s);
    bench_meter_start(&s->meter, s->options);
    do {
        for (unsigned i = 0; i < BATCH; i++)
            acquire_and_release(s->peers[next(s)]);
        s->meter.count += BATCH;
    } while (!bench_meter_tick(&s->meter));
}

static void run_one(struct scale *s)
{
    warm_up_endpoints(s);
    bench_meter_start(&s->meter, s->options);
    do {
        for (unsigned i = 0; i < BATCH; i++)
            acquire_and_release(s->peers[s->n / 2]);
        s->meter.count += BATCH;
    } while (!bench_meter_tick(&s->meter));
}

static void run_lookup(struct scale *s)
{
    warm_up_endpoints(s);
    bench_meter_start(&s->meter, s->options);
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            struct belay_peer *peer;

            if (belay_pool_peer(s->pool, s->endpoints[next(s)], &peer) < 0)
                bench_die("a peer was not found");
            acquire_and_release(peer);
            belay_peer_unref(peer);
        }
        s->meter.count += BATCH;
    } while (!bench_meter_tick(&s->meter));
}

/* In turn: whoever is asked was evicted longest ago. */
static void run_evict(struct scale *s)
{
    struct belay_pool_options o = belay_pool_options_init();
    uint32_t at = 0;

    o.max_connections_total = (int32_t)(s->options->inflight / 2);
    o.max_idle_time_ms = BELAY_FOREVER;
    make_pool(s, s->options->inflight, &o);
    for (; at < s->n; at++) {
        acquire(s, at, NULL);
        if (at % AT_ONCE == 0)
            turn_until(s, at + 1);
    }
    turn_until(s, s->n);
    bench_meter_start(&s->meter, s->options);
    do {
        s->served = 0;
        for (unsigned i = 0; i < AT_ONCE; i++)
            acquire(s, at++ % s->n, NULL);
        turn_until(s, AT_ONCE);
        s->meter.count += AT_ONCE;
    } while (!bench_meter_tick(&s->meter));
}

static void run_evict_busy(struct scale *s)
{
    struct belay_pool_options o = belay_pool_options_init();
    uint32_t n = s->options->inflight;

    o.max_connections_total = (int32_t)n - 1;
    o.max_idle_time_ms = BELAY_FOREVER;
    make_pool(s, n, &o);
    s->leases = bench_calloc(n, sizeof *s->leases);
    s->keep = true;
    for (uint32_t i = 2; i < n; i++)
        acquire(s, i, NULL);
    turn_until(s, n - 2);
    s->keep = false;
    bench_meter_start(&s->meter, s->options);
    do {
        s->served = 0;
        acquire(s, (uint32_t)s->meter.count++ % 2, NULL);
        turn_until(s, 1);
    } while (!bench_meter_tick(&s->meter));
}

static void run_crowd(struct scale *s)
{
    struct belay_pool_options o = belay_pool_options_init();

    o.max_connections_total = 10;
    o.max_idle_time_ms = BELAY_FOREVER;
    make_pool(s, s->options->inflight, &o);
    bench_meter_start(&s->meter, s->options);
    do {
        s->served = 0;
        for (uint32_t i = 0; i < s->n; i++)
            acquire(s, i, NULL);
        turn_until(s, s->n);
        s->meter.count += s->n;
    } while (!bench_meter_tick(&s->meter));
}

/* ---- many waiters ---- */

static void make_waiting_pool(struct scale *s)
{
    struct belay_pool_options o = belay_pool_options_init();

    o.max_idle_time_ms = BELAY_FOREVER;
    make_pool(s, 1, &o);
}

static void run_waiters(struct scale *s)
{
    make_waiting_pool(s);
    bench_meter_start(&s->meter, s->options);
    do {
        s->served = 0;
        for (unsigned i = 0; i < s->options->inflight; i++)
            acquire(s, 0, NULL);
        turn_until(s, s->options->inflight);
        s->meter.count += s->options->inflight;
    } while (!bench_meter_tick(&s->meter));
}

static void run_fresh(struct scale *s)
{
    s->fresh = true;
    run_waiters(s);
}

static void run_cancel(struct scale *s)
{
    uint32_t n = s->options->inflight;

    make_waiting_pool(s);
    belay_pool_suspend(s->pool);
    s->waiters = bench_calloc(n, sizeof(struct belay_waiter *));
    bench_meter_start(&s->meter, s->options);
    do {
        for (uint32_t i = 0; i < n; i++)
            acquire(s, 0, &s->waiters[i]);
        for (uint32_t first = 0; first < 7; first++) {
            for (uint32_t i = first; i < n; i += 7)
                belay_waiter_cancel(s->waiters[i]);
        }
        belay_loop_turn(s->loop, 0);
        s->meter.count += n;
    } while (!bench_meter_tick(&s->meter));
}

/* ---- many that expire ---- */

static uint64_t expired(struct scale *s)
{
    struct belay_pool_stats stats = belay_pool_stats_init();

    belay_pool_get_stats(s->pool, &stats);
    return stats.closed[BELAY_REASON_IDLE];
}

/* Opening and waiting are not counted. */
static void expire(struct scale *s, const struct belay_connector_ops *connector)
{
    struct belay_pool_options o = belay_pool_options_init();
    uint32_t n = s->options->inflight;
    double end_s, begin_cpu_s, begin_s;

    o.connector.ops = connector;
    o.max_connections_per_endpoint = (int32_t)n;
    o.max_connections_total = BELAY_FOREVER;
    o.max_idle_time_ms = IDLE_MS;
    make_pool(s, 1, &o);
    s->leases = bench_calloc(n, sizeof *s->leases);
    s->keep = true;
    end_s = bench_now_s() + s->options->seconds;
    do {
        s->served = 0;
        for (uint32_t i = 0; i < n; i++)
            acquire(s, 0, NULL);
        turn_until(s, n);
        for (uint32_t i = 0; i < n; i++)
            belay_lease_release(s->leases[i], BELAY_REUSE);
        s->meter.count += n;
        begin_cpu_s = bench_cpu_s();
        begin_s = bench_now_s();
        while (expired(s) < s->meter.count)
            belay_loop_turn(s->loop, BELAY_FOREVER);
        s->meter.cpu_s += bench_cpu_s() - begin_cpu_s;
        s->meter.wall_s += bench_now_s() - begin_s;
    } while (bench_now_s() < end_s);
}

static void run_expire(struct scale *s)
{
    expire(s, &ops);
}

static void run_expire_fds(struct scale *s)
{
    bench_raise_nofile(s->options->inflight + 32);
    expire(s, &descriptor_ops);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *mode;
        void (*run)(struct scale *s);
    } modes[] = {{"one", run_one},         {"endpoints", run_endpoints},   {"lookup", run_lookup},
                 {"evict", run_evict},     {"evict-busy", run_evict_busy}, {"crowd", run_crowd},
                 {"waiters", run_waiters}, {"fresh", run_fresh},           {"cancel", run_cancel},
                 {"expire", run_expire},   {"expire-fds", run_expire_fds}};
    struct bench_options options;
    struct scale s = {.options = &options};

    bench_options_parse(&options, argc, argv, "endpoints");
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(options.mode, modes[i].mode) != 0)
            continue;
        modes[i].run(&s);
        bench_report("belay", options.mode, &s.meter);
        finish(&s);
        return 0;
    }
    bench_die("unknown mode %s", options.mode);
}
