/* SPDX-License-Identifier: MIT */
/*
 * bare_storm.c - the floor of a storm: --inflight connections on bare epoll, each made again when
 * the server restarts. Who is refused tries again 1 ms after it tried last.
 */
#include "storm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512 };

struct conn {
    int fd;
    bool up;
    double tried_s;
};

struct client {
    struct conn *conns;
    unsigned n, up, dropped;
    struct conn **queue; /* who tries again, by time: a ring */
    unsigned queue_at, queue_n;
    bool retries;
    int epoll;
    struct sockaddr_in to;
    uint64_t refused;
};

static void wait_for_turn(struct client *c, struct conn *conn)
{
    close(conn->fd);
    conn->fd = -1;
    c->queue[(c->queue_at + c->queue_n++) % c->n] = conn;
}

static void try_connect(struct client *c, struct conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = conn};
    int on = 1;

    conn->tried_s = bench_now_s();
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        bench_die("socket: %s", strerror(errno));
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(conn->fd, (struct sockaddr *)&c->to, sizeof c->to) < 0 && errno != EINPROGRESS) {
        if (errno != ECONNREFUSED)
            bench_die("connect: %s", strerror(errno));
        c->refused++;
        wait_for_turn(c, conn);
        return;
    }
    if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, conn->fd, &event) < 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

static void on_decided(struct client *c, struct conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    socklen_t len = sizeof(int);
    int error = 0;

    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error == 0) {
        conn->up = true;
        c->up++;
        epoll_ctl(c->epoll, EPOLL_CTL_MOD, conn->fd, &event);
        return;
    }
    if (error != ECONNREFUSED && error != ECONNRESET)
        bench_die("connect: %s", strerror(error));
    c->refused++;
    wait_for_turn(c, conn);
}

static void on_event(struct client *c, struct conn *conn)
{
    char byte;

    if (!conn->up) {
        on_decided(c, conn);
        return;
    }
    if (recv(conn->fd, &byte, 1, 0) > 0)
        return;
    conn->up = false;
    c->up--;
    c->dropped++;
    close(conn->fd);
    conn->fd = -1;
    if (c->retries)
        try_connect(c, conn);
}

static void try_who_is_due(struct client *c)
{
    double due_s = bench_now_s() - STORM_RETRY_MS * 1e-3;

    for (unsigned n = c->queue_n; n > 0 && c->queue[c->queue_at]->tried_s <= due_s; n--) {
        struct conn *conn = c->queue[c->queue_at];

        c->queue_at = (c->queue_at + 1) % c->n;
        c->queue_n--;
        try_connect(c, conn);
    }
}

static void turn(struct client *c)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(c->epoll, events, EVENTS, c->queue_n ? 1 : 5000);

    if (n == 0 && c->queue_n == 0)
        bench_die("no event within 5 s");
    for (int i = 0; i < n; i++)
        on_event(c, events[i].data.ptr);
    if (c->queue_n)
        try_who_is_due(c);
}

static void drop_all(struct client *c, struct storm_server *server)
{
    c->dropped = 0;
    storm_server_restart(server);
    while (c->dropped < c->n)
        turn(c);
}

static void connect_all(struct client *c)
{
    for (unsigned i = 0; i < c->n; i++)
        try_connect(c, &c->conns[i]);
    while (c->up < c->n)
        turn(c);
}

static void ride_out(struct client *c, struct storm_server *server, enum storm_mode mode,
                     struct storm_meter *meter)
{
    if (mode == STORM_WAIT) {
        drop_all(c, server);
        usleep(STORM_WAIT_MS * 1000);
        storm_begin(meter);
        connect_all(c);
    } else {
        storm_begin(meter);
        c->dropped = 0;
        storm_server_restart(server);
        while (c->dropped < c->n || c->up < c->n)
            turn(c);
    }
    storm_end(meter);
}

int main(int argc, char **argv)
{
    struct client c = {.epoll = epoll_create1(EPOLL_CLOEXEC), .to.sin_family = AF_INET};
    struct storm_meter meter = {.storms = 0};
    struct storm_server server;
    struct bench_options options;
    enum storm_mode mode;

    bench_options_parse(&options, argc, argv, "storm");
    mode = storm_mode_parse(options.mode);
    bench_raise_nofile(options.inflight + 64);
    storm_server_start(&server, options.inflight);
    c.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c.to.sin_port = htons((uint16_t)server.port);
    c.n = options.inflight;
    c.conns = bench_calloc(c.n, sizeof *c.conns);
    c.queue = bench_calloc(c.n, sizeof *c.queue);
    c.retries = mode == STORM_RETRY || mode == STORM_JITTER;
    if (mode == STORM_FIRST)
        storm_begin(&meter);
    connect_all(&c);
    if (mode == STORM_FIRST)
        storm_end(&meter);
    while (mode != STORM_FIRST && storm_again(&meter, &options)) {
        usleep(STORM_SETTLE_MS * 1000);
        ride_out(&c, &server, mode, &meter);
    }
    meter.refused = c.refused;
    storm_report("bare", &options, &meter);
    c.retries = false;
    drop_all(&c, &server); /* so that no port is left waiting here */
    storm_server_stop(&server);
    return 0;
}
