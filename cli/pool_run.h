/* SPDX-License-Identifier: MIT */
/* One run of `belay pool`, as its files share it. */
#ifndef CLI_POOL_RUN_H
#define CLI_POOL_RUN_H

#include "client.h"
#include "keys.h"
#include "pool_facts.h"
#include "pool_options.h"
#include "request_plan.h"
#include "signals.h"

struct pool_run;
struct pool_site;

/* One use of a connection: a request, or a lease. */
struct pool_job {
    struct pool_site *site;
    struct pool_job *next_free;
    struct belay_http_request *request; /* NULL: none under way */
    struct body_reader upload;
    struct belay_waiter *waiter; /* NULL: none */
    struct belay_lease lease;
    bool leased;
    struct belay_timer *hold;
};

/* An endpoint of the command line, and what is done with it. */
struct pool_site {
    struct pool_run *run;
    enum pool_kind kind;
    struct belay_peer *peer;
    struct belay_http_target **targets; /* URLs of the endpoint, in turn */
    size_t targets_n, next_target;
    struct pool_job *jobs, *free_jobs;
    int64_t in_flight;
    uint64_t done, failed, skipped;
    struct pool_failure last;
    bool failing; /* the last use failed */
};

enum pool_state { POOL_RUNNING, POOL_SUSPENDED, POOL_ENDING, POOL_DRAINING };

struct pool_run {
    const struct pool_options *o;
    struct request_plan plan;
    struct belay_loop *loop;
    struct belay_tls *tls;
    struct belay_http *http;
    struct belay_pool *pools[POOL_KINDS]; /* a reference each; NULL: no such URL */
    int open_n;                           /* pools that are not closed yet */

    struct pool_site *sites;
    size_t sites_n;
    struct pool_site **by_peer; /* the same, in order of their peers */

    enum pool_state state;
    int64_t begin_ms;
    struct belay_timer *tick;     /* the next round of uses */
    struct belay_timer *second;   /* the next line, or drawing */
    struct belay_timer *deadline; /* --for */
    int64_t next_tick_ms, next_second_ms;
    uint64_t recent_done; /* for the rate */
    int64_t recent_ms;
    double rate;

    struct signals signals;
    struct keys keys;
    int interrupted_by; /* a signal */
    uint64_t cut_off;
    bool usage_failure, stdout_gone, finished;
};

/* pool_world.c: loop, pools, endpoints; the exit status. */
int pool_world_open(struct pool_run *run);
void pool_world_close(struct pool_run *run);
/* The site of a peer, or NULL: a redirect led there. */
struct pool_site *pool_site_of(const struct pool_run *run, const struct belay_peer *peer);

/* pool_load.c: uses connections. */
void pool_load_start(struct pool_run *run);
void pool_load_stop(struct pool_run *run);    /* no more start */
void pool_load_abandon(struct pool_run *run); /* those under way are given up */

/* pool_control.c: what keys, signals and time do. */
bool pool_control_start(struct pool_run *run);
void pool_control_stop(struct pool_run *run);
/* A use is done; when it was the last one of a run that ends, the run has ended. */
void pool_control_done(struct pool_run *run);
void pool_finish(struct pool_run *run);

/* pool_facts.c: what is shown, as it is now. */
void pool_facts_take(struct pool_run *run, struct pool_facts *facts);

/* pool_events.c: what the pools tell. */
extern const struct belay_pool_callbacks pool_event_callbacks;

/* pool_show.c: a line, a drawing, an event, the end. */
void pool_show_second(struct pool_run *run);
void pool_show_event(struct pool_run *run, const struct pool_event *event);
void pool_show_end(struct pool_run *run);

/* pool_live.c: the table on a terminal. */
bool pool_live_start(struct pool_run *run);
void pool_live_stop(void);

/* The command; returns the exit status. */
int pool_main(int argc, char **argv);

#endif
