/* SPDX-License-Identifier: MIT */
/* What `belay watch` shows, as plain figures: those who print see nothing else. */
#ifndef CLI_WATCH_FACTS_H
#define CLI_WATCH_FACTS_H

#include "belay/link.h"

struct watch_row {
    const char *name;
    char address[160];    /* where it is connected, or is being tried; "": nowhere */
    bool up, down, ended; /* neither up nor down: no attempt has come to an end yet */
    bool busy;            /* looking up an address, or connecting */
    int64_t for_ms;       /* it has been so */
    double uptime;        /* share of its time, 0 to 1 */
    uint64_t connects, attempts;
    int64_t next_ms; /* until the next attempt; -1: none is waited for */
    bool failed;     /* it ever did: then */
    int stage, code;
    int64_t age_ms;
    char error[BELAY_ERROR_TEXT_MAX];
};

struct watch_facts {
    const char *goal; /* "until all are up"; NULL: none */
    double elapsed_s;
    int64_t left_ms; /* until the limit; -1: none */
    int interrupted_by;
    struct watch_row *rows;
    size_t n, up_n;
};

struct watch_event {
    enum belay_link_event_type type;
    int64_t time_ms; /* since 1970 */
    double at_s;     /* since the start */
    const char *name;
    const char *address;             /* NULL: none */
    const struct belay_error *error; /* NULL: none */
    int failures;
    int64_t next_ms; /* -1: does not matter, or never */
};

/* Whether an address says more than the name of the service, which may be nearly the same. */
bool watch_address_tells(const char *address, const char *name);
/*
 * What happened, without what stands beside it anyway: name, address, and how long the only address
 * was tried. At most `size` bytes; returns `out`.
 */
const char *watch_short_error(char *out, size_t size, const char *text, const char *address,
                              const char *name);
/* "attempting_to_connect" */
const char *watch_event_name(enum belay_link_event_type type);
/* "up", "down", "connecting", "ended" */
const char *watch_state_name(const struct watch_row *row);

#endif
