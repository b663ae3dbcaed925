/* SPDX-License-Identifier: MIT */
/* One run of `belay get`, as its files share it. */
#ifndef CLI_GET_H
#define CLI_GET_H

#include <sys/types.h>

#include "client.h"
#include "decode.h"
#include "get_options.h"
#include "output.h"
#include "progress.h"
#include "request_plan.h"
#include "schedule.h"
#include "signals.h"
#include "tally.h"

struct get;

/* One request in flight, its retries included. */
struct slot {
    struct get *get;
    struct slot *next_free;
    bool busy;
    bool ending; /* its request is being concluded */

    size_t url;
    uint64_t number; /* of the request, from 1 */
    int64_t retried;
    int64_t started_ms;
    uint64_t
        spent_us; /* before this attempt: lateness, former attempts and the waits between them */
    bool counted; /* not a part of the warm-up */

    struct belay_http_request *request; /* NULL: none under way */
    struct belay_timer *timer;          /* until the next attempt; made when first needed */
    struct belay_watch *room;           /* standard output is full */

    struct sink body, headers;
    bool hidden;           /* this answer is not shown: it is asked for again, or -f */
    int output_error;      /* errno */
    const char *output_to; /* what could not be written */
    int64_t retry_in_ms;   /* of an answer that is asked for again; -1: it stands */
    int64_t expected;      /* bytes of the body; -1: not known */
    struct body_reader upload;
    struct decoder *decoder; /* --compressed, and the answer is; NULL: it is not */
};

struct get {
    const struct get_options *o;
    struct request_plan plan;

    struct belay_loop *loop;
    struct belay_tls *tls;
    struct belay_http *http;
    struct belay_http_target **targets;

    struct schedule schedule;
    struct slot *slots, *free_slots;
    size_t slots_n;
    struct tally tally;
    int64_t begin_ms;      /* of the loop's clock */
    double begin_s, end_s; /* the same, finer: when counting began, and ended */
    uint64_t bytes_seen;   /* of bodies, while they come */

    struct belay_timer *pace;   /* the next start */
    struct belay_timer *redraw; /* the line of progress */
    struct progress_rate recent;

    struct signals signals;
    int interrupted_by;   /* a signal */
    uint64_t cut_off;     /* requests in flight when it came */
    int64_t answered_ms;  /* when the last answer came; -1: none yet */
    bool gave_up;         /* nothing can be reached */
    uint64_t not_started; /* because of that */
    bool usage_failure;   /* a request could not even be made */
    bool stdout_gone;     /* nobody reads it any more */
    bool finished;
};

/* get_world.c: loop, identity, client and targets; the exit status. */
int get_world_open(struct get *g);
void get_world_close(struct get *g);

/* get_request.c: one slot's request. False: it could not be made, and has been counted. */
bool get_request_start(struct slot *slot);
void get_request_abandon(struct slot *slot);

/* The same, and what it was waiting for has failed: counted with that error. */
void get_request_fail(struct slot *slot, const struct belay_error *error);

/* get.c: a slot's request is done, retries included. */
void get_slot_done(struct slot *slot);
/*
 * Whether an error of dialling means that nothing can be reached; and, that being so, all others
 * fail with it.
 */
bool get_is_hopeless(const struct get *g, const struct belay_error *error);
void get_give_up(struct get *g, const struct belay_error *error);
/* Starts what may start now. */
void get_go_on(struct get *g);

/* get_live.c: the line of progress. */
void get_live_start(struct get *g);
void get_live_stop(struct get *g);

/* verbose.c */
void verbose_retry(const struct slot *slot, const struct belay_error *error, int status,
                   int64_t delay_ms);

/* write_out.c: -w */
void write_out_line(const struct slot *slot, const struct belay_http_facts *facts,
                    uint64_t latency_us, int stage, const struct belay_error *error,
                    const char *text);

/* The command; returns the exit status. */
int get_main(int argc, char **argv);

#endif
