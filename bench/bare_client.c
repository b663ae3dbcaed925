/* SPDX-License-Identifier: MIT */
/*
 * bare_client.c - the floor: a client on bare epoll and OpenSSL that parses nothing.
 *
 * Modes: keepalive (N connections, one request in flight on each), sequential (one connection),
 * connect (a new connection for each request, one at a time), connect-resumed (the same with TLS
 * session resumption), idle (memory of N idle connections), body (bytes of a long one).
 */
#include "bare_conn.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS = 256, PATIENCE_MS = 5000 };

static int wait_events(const struct bare_target *target, struct epoll_event *events, int room)
{
    int count = epoll_wait(target->epoll_fd, events, room, PATIENCE_MS);

    if (count <= 0)
        bench_die("no event within %d s", PATIENCE_MS / 1000);
    return count;
}

/* Waits until one response is complete; no other connection may be busy. */
static void finish_response(struct bare_conn *conn, struct bare_target *target)
{
    struct epoll_event event;

    while (!bare_conn_drive(conn, target)) {
        do
            wait_events(target, &event, 1);
        while (event.data.ptr != conn);
    }
}

static void run_keepalive(struct bare_target *target, const struct bench_options *options,
                          struct bench_meter *meter)
{
    struct bare_conn *conns = bench_calloc(options->inflight, sizeof(*conns));
    struct epoll_event events[EVENTS];

    for (unsigned i = 0; i < options->inflight; i++) {
        bare_conn_open(&conns[i], target);
        bare_conn_drive(&conns[i], target);
    }
    bench_meter_start(meter, options);
    do {
        int count = wait_events(target, events, EVENTS);

        for (int i = 0; i < count; i++) {
            struct bare_conn *conn = events[i].data.ptr;

            if (bare_conn_drive(conn, target)) {
                meter->count++;
                bare_conn_request(conn);
                bare_conn_drive(conn, target);
            }
        }
    } while (!bench_meter_tick(meter));
    for (unsigned i = 0; i < options->inflight; i++)
        bare_conn_close(&conns[i]);
    free(conns);
}

static void run_body(struct bare_target *target, const struct bench_options *options,
                     struct bench_meter *meter)
{
    struct epoll_event event;
    struct bare_conn conn;

    bare_conn_open(&conn, target);
    bench_meter_start(meter, options);
    do {
        size_t before = conn.state == BARE_READING ? conn.moved : 0;

        if (bare_conn_drive(&conn, target)) {
            meter->count += target->response_length - before;
            bare_conn_request(&conn);
            continue;
        }
        meter->count += conn.state == BARE_READING ? conn.moved - before : 0;
        wait_events(target, &event, 1);
    } while (!bench_meter_tick(meter));
    bare_conn_close(&conn);
}

/* Returns how many TLS sessions were resumed while the meter ran. */
static uint64_t run_connect(struct bare_target *target, const struct bench_options *options,
                            struct bench_meter *meter)
{
    struct bare_conn conn;
    uint64_t resumed = 0;

    bench_meter_start(meter, options);
    do {
        if (meter->count == 0)
            resumed = 0;
        bare_conn_open(&conn, target);
        finish_response(&conn, target);
        if (conn.ssl != NULL && SSL_session_reused(conn.ssl))
            resumed++;
        bare_conn_close(&conn);
        meter->count++;
    } while (!bench_meter_tick(meter));
    return resumed;
}

/*
 * After the first response OpenSSL still holds what the handshake needed; the second one lets go
 * of it. What is left then is what a TLS connection costs.
 */
static void open_idle(struct bare_conn *conn, struct bare_target *target)
{
    bare_conn_open(conn, target);
    finish_response(conn, target);
    if (conn->ssl == NULL)
        return;
    bare_conn_request(conn);
    finish_response(conn, target);
    if (SSL_free_buffers(conn->ssl) != 1)
        bench_die("a TLS connection still holds data");
}

static void run_idle(struct bare_target *target, const struct bench_options *options)
{
    struct bench_memory before, after;
    struct bare_conn first, *conns;

    bench_raise_nofile(options->inflight + 16);
    open_idle(&first, target);
    bare_conn_close(&first);
    malloc_trim(0);
    bench_memory_read(&before);
    conns = bench_calloc(options->inflight, sizeof(*conns));
    for (unsigned i = 0; i < options->inflight; i++)
        open_idle(&conns[i], target);
    bench_memory_read(&after);
    bench_report_memory("bare", options->inflight, &before, &after);
    for (unsigned i = 0; i < options->inflight; i++)
        bare_conn_close(&conns[i]);
    free(conns);
}

int main(int argc, char **argv)
{
    struct bench_options options;
    struct bench_meter meter;
    struct bare_target target;

    bench_options_parse(&options, argc, argv, "keepalive");
    bare_target_init(&target, &options);
    bare_target_learn(&target);
    if (strcmp(options.mode, "idle") == 0) {
        run_idle(&target, &options);
    } else if (bench_is_body(&options)) {
        run_body(&target, &options, &meter);
        bench_report("bare", options.mode, &meter);
    } else if (strcmp(options.mode, "connect") == 0) {
        run_connect(&target, &options, &meter);
        bench_report("bare", options.mode, &meter);
    } else if (strcmp(options.mode, "connect-resumed") == 0) {
        uint64_t resumed = run_connect(&target, &options, &meter);

        bench_report_resumed("bare", options.mode, &meter, resumed);
    } else {
        if (strcmp(options.mode, "sequential") == 0)
            options.inflight = 1;
        else if (strcmp(options.mode, "keepalive") != 0)
            bench_die("unknown mode %s", options.mode);
        run_keepalive(&target, &options, &meter);
        bench_report("bare", options.mode, &meter);
    }
    bare_target_fini(&target);
    return 0;
}
