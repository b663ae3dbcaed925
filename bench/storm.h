/* SPDX-License-Identifier: MIT */
/*
 * storm.h - a server that restarts while thousands are connected to it, and what such a restart
 * costs its clients. The server is a process of its own, on another core where there is one.
 */
#ifndef BELAY_BENCH_STORM_H
#define BELAY_BENCH_STORM_H

#include "bench_util.h"

struct storm_server {
    int control;
    unsigned port;
};

/* Before the client's first thread. */
void storm_server_start(struct storm_server *server, unsigned conns_max);
/* It stops listening, closes all connections, and listens again. Returns when it has begun. */
void storm_server_restart(struct storm_server *server);
void storm_server_stop(struct storm_server *server);

/* How a storm is ridden out. */
enum storm_mode {
    STORM_FIRST, /* all connect for the first time */
    STORM_RETRY, /* each connects again when it is dropped; who is refused tries again 1 ms later */
    STORM_JITTER, /* the same, 1 ms give or take 30 % */
    STORM_WAIT,   /* all wait, and connect again when they are told */
};
#define STORM_RETRY_MS  1
#define STORM_SPREAD    30
#define STORM_WAIT_MS   300
#define STORM_SETTLE_MS 50

enum storm_mode storm_mode_parse(const char *name);

/* What storms took: of each from its beginning until all are up. */
struct storm_meter {
    double begin_s, begin_cpu_s;
    double wall_s, cpu_s;
    unsigned storms;
    uint64_t refused; /* attempts */
};

void storm_begin(struct storm_meter *meter);
void storm_end(struct storm_meter *meter);
/* Whether there is time for another. */
bool storm_again(const struct storm_meter *meter, const struct bench_options *options);
void storm_report(const char *client, const struct bench_options *options,
                  const struct storm_meter *meter);

#endif
