/* SPDX-License-Identifier: MIT */
/*
 * A dial's insides, between dial.c (its life and limits), dial_route.c (ways through proxies, their
 * order, what was looked up for them), dial_hops.c (filter upon filter) and dial_connect.c (the
 * race to the first socket).
 */
#ifndef BL_NET_DIAL_INSIDE_H
#define BL_NET_DIAL_INSIDE_H

#include "net/dial.h"
#include "net/race.h"
#include "net/resolver.h"

#define BL_ASKED_MAX 8 /* addresses of which a proxy is asked one after the other */

struct bl_attempt {
    struct bl_dial *dial;
    struct belay_backend_slot watch;
    uint64_t retry_at; /* 0: no */
    int fd;            /* -1 when not open */
};

/* What a hop is asked for by address. */
struct bl_asked {
    struct belay_addr addrs[BL_ASKED_MAX];
    size_t n, at; /* n 0: by name */
};

enum bl_looking { BL_LOOKING_FOR_ASK, BL_LOOKING_FOR_PEER };

struct bl_dial {
    struct belay_loop *loop;
    struct bl_dial_plan plan;
    bl_dial_fn *fn;
    void *arg;
    enum belay_stage stage;
    uint64_t deadline; /* of the stage */
    int64_t limit_ms;  /* its length */
    uint64_t end;      /* of all stages together */
    uint64_t way_end;  /* of this way's, while there are others */
    uint64_t ask_at;   /* then no more addresses are waited for; 0: not waiting */
    struct bl_lookup *lookup;
    enum bl_looking looking; /* what the look-up is for */
    struct bl_timer timer;
    struct bl_task task;
    struct belay_stream *stream;
    int start_code; /* what the task is to tell */
    struct bl_race race;
    struct bl_attempt attempts[BL_RACE_MAX];

    const struct bl_route *route; /* this way; of no hops when there are no proxies at all */
    struct bl_asked *asks;        /* of each hop; NULL without hops */
    size_t hop;                   /* that is dealt with; past the last: the target */
    size_t layer;                 /* which filter is next, see dial_hops.c */
    size_t route_at;
    size_t order[]; /* of the plan's routes */
};

/* ---- dial.c ---- */

void bl_dial_enter(struct bl_dial *d, enum belay_stage stage, int64_t limit_ms);
/* This way has failed, at d->stage: on to the next, or the end. */
void bl_dial_fail(struct bl_dial *d, struct belay_error *error);
void bl_dial_fail_with(struct bl_dial *d, int code);
void bl_dial_succeed(struct bl_dial *d);
/* Stops looking, connecting and shaking hands. */
void bl_dial_drop(struct bl_dial *d);
/* Begins a look-up. BELAY_EINVAL, BELAY_ENOMEM. */
int bl_dial_look_up(struct bl_dial *d, enum bl_looking what, const char *host, uint16_t port,
                    enum belay_family family);
/* It could not begin. */
void bl_dial_no_look_up(struct bl_dial *d, int code);
/* For people: what is dialled now, "https://example.com:443 through http://proxy:3128". */
#define BL_WHOM_MAX 224
const char *bl_dial_whom(const struct bl_dial *d, char out[BL_WHOM_MAX]);

/* ---- dial_route.c ---- */

/* Puts the routes in order. */
void bl_dial_order_routes(struct bl_dial *d);
void bl_dial_set_route(struct bl_dial *d); /* by d->route_at */
/* Begins with it, from the loop. */
void bl_dial_begin_route(struct bl_dial *d);
/* Goes on after the look-up of an ask, or waits a while for more. */
void bl_dial_looked_up_ask(struct bl_dial *d, const struct belay_addr *addrs, size_t n, bool more);
/* The while is over. */
void bl_dial_ask_anyway(struct bl_dial *d);
/* The host that is being looked up. */
const char *bl_dial_looked_up_host(const struct bl_dial *d);
/* After a failure: true if there is another way, for the task to begin. */
bool bl_dial_next_way(struct bl_dial *d, const struct belay_error *error);
/* All hops have opened. */
void bl_dial_route_stands(struct bl_dial *d);
void bl_dial_ask(const struct bl_dial *d, size_t hop, const struct belay_addr **ret_addr,
                 const char **ret_host, uint16_t *ret_port);

/* ---- dial_connect.c ---- */

void bl_dial_add_addresses(struct bl_dial *d, const struct belay_addr *addrs, size_t n, bool more);
/* Looks what the race wants next. */
void bl_dial_race_step(struct bl_dial *d);
void bl_dial_close_attempts(struct bl_dial *d);
/* Those that have not answered within the limit. */
void bl_dial_blame_silent(struct bl_dial *d);

/* ---- dial_hops.c ---- */

/* The socket is connected: d->stream has it. */
void bl_dial_climb(struct bl_dial *d);
/* Puts in front of an error, or of a limit that passed, what was being done to whom. */
void bl_dial_describe_layer(const struct bl_dial *d, struct belay_error *error);

#endif
