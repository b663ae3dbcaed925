/* SPDX-License-Identifier: MIT */
/* What `belay pool` shows, as plain figures: those who print see nothing else. */
#ifndef CLI_POOL_FACTS_H
#define CLI_POOL_FACTS_H

#include "belay/pool.h"

enum pool_kind { POOL_HTTP, POOL_STREAM, POOL_KINDS };

/* What went wrong last. */
struct pool_failure {
    bool set;
    int stage; /* of belay_stage, or of tally.h */
    int code;  /* or the status of an answer */
    int64_t at_ms;
    char text[BELAY_ERROR_TEXT_MAX];
};

struct pool_row {
    const char *name;
    enum pool_kind kind;
    struct belay_pool_stats stats;
    uint64_t closed; /* of all reasons, those that never came up left out */
    uint64_t open;   /* now: created is closed and open together */
    uint64_t used, failed, skipped;
    bool failing; /* the last use, or dial, failed */
    struct pool_failure last;
    int64_t age_ms; /* of `last` */
};

struct pool_facts {
    const char *state; /* "running" */
    double elapsed_s;
    double rate;     /* uses per second, of late */
    int64_t left_ms; /* until --for; -1: none */
    int64_t concurrency, every_ms;
    int interrupted_by;
    uint64_t cut_off; /* uses under way that are given up */
    struct pool_row *rows;
    size_t n, space;
    struct pool_row total;
};

void pool_facts_free(struct pool_facts *facts);

enum pool_event_kind { POOL_EVENT_OPEN, POOL_EVENT_REUSE, POOL_EVENT_CLOSE };

struct pool_event {
    enum pool_event_kind kind;
    double at_s;
    const char *endpoint;
    uint64_t connection;
    enum belay_reason reason;        /* of a close */
    const struct belay_error *error; /* likewise; NULL: nothing failed */
};

const char *pool_event_name(enum pool_event_kind kind);

#endif
