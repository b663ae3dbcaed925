/* SPDX-License-Identifier: MIT */
/* One run of `belay watch`, as its files share it. */
#ifndef CLI_WATCH_RUN_H
#define CLI_WATCH_RUN_H

#include "client.h"
#include "errand.h"
#include "keys.h"
#include "request_plan.h"
#include "service.h"
#include "signals.h"
#include "watch_facts.h"
#include "watch_goal.h"
#include "watch_options.h"

struct watch_run;
struct probe; /* watch_probe.c */

/* A service of the command line, and its link. */
struct watch_site {
    struct watch_run *run;
    struct service service;
    struct belay_link *link; /* a reference */
    struct probe *probe;     /* of its connection, or of the attempt; NULL: none */
    bool up, down;           /* neither: no attempt has come to an end yet */
    bool ended;              /* its link is closed: `row` is the last that was seen */
    struct watch_row row;
};

/* --exec: what is to be told, the oldest first. */
struct watch_told;
struct watch_hook {
    struct watch_told *first, **last;
    size_t n;
    struct errand *errand; /* NULL: none runs */
    bool failed, dropped;  /* said */
};

struct watch_run {
    const struct watch_options *o;
    struct request_plan plan;
    struct belay_loop *loop;
    struct belay_tls *tls;
    struct belay_http *http; /* NULL: nothing is asked by requests */
    struct watch_site *sites;
    size_t sites_n;

    struct watch_goal goal;
    int64_t begin_ms;
    struct belay_timer *limit;  /* --for, --timeout */
    struct belay_timer *stable; /* the goal is met; until it counts */
    int64_t limit_ms;           /* OPTION_UNSET: none */
    struct belay_timer *grace;  /* it is over, and --exec is waited for */
    struct watch_facts last;    /* when it was over */
    bool reached, late, ready;
    struct watch_hook hook;

    struct signals signals;
    struct keys keys;
    int interrupted_by; /* a signal */
    int stdout_error;   /* errno: nothing more can be written to it; 0: none */
    bool ending;        /* nothing new is told */
    bool hurried;       /* and --exec has only the grace */
    bool finished;      /* the loop is not to go on */
};

/* watch_world.c: loop, client, services, links; the exit status. */
int watch_world_open(struct watch_run *run);
void watch_world_close(struct watch_run *run);

/* watch_probe.c: how a service is connected to, and found to be up. */
struct belay_connector watch_probe_connector(struct watch_site *site);
extern const struct belay_pool_callbacks watch_pool_callbacks; /* of the client; arg: the run */

/* watch_grpc.c: the health of a server of gRPC. `address` is what it is called; on failure `error`. */
struct watch_grpc;
typedef void watch_grpc_fn(const struct belay_error *error, void *arg); /* NULL: it is SERVING */
int watch_grpc_new(struct watch_run *run, const char *address, struct watch_grpc **ret,
                   struct belay_error *error);
void watch_grpc_free(struct watch_grpc *grpc);
/* Asks; fn runs once, later. `on_lost` runs when its connection is lost at another time. */
int watch_grpc_ask(struct watch_grpc *grpc, watch_grpc_fn *fn, belay_fn *on_lost, void *arg,
                   struct belay_error *error);

/* watch_control.c: what keys, signals, time and events do. */
bool watch_control_start(struct watch_run *run);
void watch_control_stop(struct watch_run *run);
void watch_control_event(struct watch_site *site, const struct belay_link_event *event);
void watch_control_ended(struct watch_site *site);
void watch_control_idle(struct watch_run *run); /* the hook has nothing left */

/* watch_hook.c: --exec. */
void watch_hook_tell(struct watch_run *run, const struct watch_event *event);
bool watch_hook_is_busy(const struct watch_run *run);
void watch_hook_stop(struct watch_run *run);

/* watch_show.c: what is shown. */
void watch_facts_take(struct watch_run *run, struct watch_facts *facts);
void watch_facts_free(struct watch_facts *facts);
void watch_row_take(struct watch_site *site, struct watch_row *row);
bool watch_show_start(struct watch_run *run); /* the table, on a terminal */
void watch_show_stop(struct watch_run *run);
void watch_show_event(struct watch_run *run, const struct watch_event *event);
void watch_show_end(struct watch_run *run);

/* The command; returns the exit status. */
int watch_main(int argc, char **argv);

#endif
