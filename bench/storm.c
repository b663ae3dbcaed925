/* SPDX-License-Identifier: MIT */
/* storm.c - a server that restarts, and the report of storms. */
#define _GNU_SOURCE
#include "storm.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the server ---- */

struct server {
    int epoll, listener, control;
    unsigned port, n;
    int *conns;
};

static int listen_on(unsigned port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 65535) < 0)
        bench_die("the server cannot listen: %s", strerror(errno));
    return fd;
}

static void watch(const struct server *s, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        bench_die("epoll_ctl: %s", strerror(errno));
}

static void restart(struct server *s)
{
    close(s->listener);
    if (write(s->control, "r", 1) != 1)
        exit(0);
    for (unsigned i = 0; i < s->n; i++)
        close(s->conns[i]);
    s->n = 0;
    s->listener = listen_on(s->port);
    watch(s, s->listener);
}

static void serve(struct server *s, unsigned max)
{
    struct epoll_event events[64];
    char command;
    int n, fd;

    s->conns = bench_calloc(max, sizeof *s->conns);
    for (;;) {
        n = epoll_wait(s->epoll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == s->control) {
                if (read(s->control, &command, 1) != 1)
                    exit(0);
                restart(s);
                break; /* what came for the former listener is void */
            }
            while (s->n < max && (fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
                s->conns[s->n++] = fd;
        }
    }
}

/* Any core but the client's. */
static void leave_core(void)
{
    cpu_set_t set;
    unsigned here = (unsigned)sched_getcpu();

    CPU_ZERO(&set);
    for (unsigned i = 0; i < CPU_SETSIZE; i++)
        if (i != here)
            CPU_SET(i, &set);
    sched_setaffinity(0, sizeof set, &set); /* fails where there is one core */
}

void storm_server_start(struct storm_server *server, unsigned conns_max)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    struct server s = {.listener = listen_on(0), .epoll = epoll_create1(EPOLL_CLOEXEC)};
    int control[2];

    if (getsockname(s.listener, (struct sockaddr *)&at, &len) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0)
        bench_die("the server cannot be started: %s", strerror(errno));
    server->port = s.port = ntohs(at.sin_port);
    server->control = control[0];
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(control[0]);
        s.control = control[1];
        leave_core();
        watch(&s, s.listener);
        watch(&s, s.control);
        serve(&s, conns_max);
    }
    close(control[1]);
    close(s.listener);
    close(s.epoll);
}

void storm_server_restart(struct storm_server *server)
{
    char answer;

    if (write(server->control, "r", 1) != 1 || read(server->control, &answer, 1) != 1)
        bench_die("the server is gone");
}

void storm_server_stop(struct storm_server *server)
{
    close(server->control);
}

/* ---- the report ---- */

enum storm_mode storm_mode_parse(const char *name)
{
    static const char *const names[] = {"storm-first", "storm", "storm-jitter", "storm-wait"};

    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum storm_mode)i;
    bench_die("unknown mode %s", name);
}

void storm_begin(struct storm_meter *meter)
{
    meter->begin_s = bench_now_s();
    meter->begin_cpu_s = bench_cpu_s();
}

void storm_end(struct storm_meter *meter)
{
    meter->wall_s += bench_now_s() - meter->begin_s;
    meter->cpu_s += bench_cpu_s() - meter->begin_cpu_s;
    meter->storms++;
}

bool storm_again(const struct storm_meter *meter, const struct bench_options *options)
{
    return meter->wall_s < options->seconds / 2; /* the rest is setting up and settling */
}

void storm_report(const char *client, const struct bench_options *options,
                  const struct storm_meter *meter)
{
    printf("{\"client\":\"%s\",\"mode\":\"%s\",\"requests\":%" PRIu64
           ",\"wall_s\":%.6f,\"cpu_s\":%.6f,\"storms\":%u,\"refused\":%" PRIu64 "}\n",
           client, options->mode, (uint64_t)meter->storms * options->inflight, meter->wall_s,
           meter->cpu_s, meter->storms, meter->refused);
    if (fflush(stdout) != 0)
        bench_die("the result could not be written");
}
