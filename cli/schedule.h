/* SPDX-License-Identifier: MIT */
/*
 * When the next request may start: so many in flight, so many in all, so many a second, for so
 * long, after a warm-up that does not count. Pure: time is an argument.
 */
#ifndef CLI_SCHEDULE_H
#define CLI_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
    int64_t requests; /* in all, after the warm-up; -1: no limit */
    int64_t for_ms;   /* after the warm-up; -1: no limit */
    int64_t warm_up_ms;
    int64_t in_flight_max;
    double rate; /* starts per second; 0: as soon as there is room */

    int64_t begin_ms;
    int64_t started; /* the warm-up's included */
    int64_t counted; /* without them */
    int64_t in_flight;
    bool ended; /* nothing starts any more */
};

enum schedule_verdict {
    SCHEDULE_START, /* one request, now */
    SCHEDULE_WAIT,  /* until *ret_ms */
    SCHEDULE_FULL,  /* until one is done */
    SCHEDULE_ENDED, /* no more; those in flight finish */
};

/* What is to be done at `now_ms`. On START it is counted as in flight, and *ret_ms is when it
 * should have started. */
enum schedule_verdict schedule_next(struct schedule *s, int64_t now_ms, int64_t *ret_ms);

/* One is done. */
void schedule_done(struct schedule *s);

/* Whether what starts at `now_ms` counts. */
bool schedule_counts(const struct schedule *s, int64_t now_ms);

#endif
