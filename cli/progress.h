/* SPDX-License-Identifier: MIT */
/* The one line of progress on a terminal. Pure: figures in, text out. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "text.h"

#define PROGRESS_LINE_MAX 512

struct progress_facts {
    bool of_bytes; /* a single request: `done` and `all` are bytes */
    uint64_t done, failed;
    int64_t all;  /* -1: not known */
    double share; /* of all that is to be done, 0 to 1; negative: not known */
    double rate;  /* done per second, of late */
    uint32_t connections, dialing;
    bool warming_up, colours;
    uint64_t left_us; /* until the end; UINT64_MAX: not known */
};

/* How much is done a second, of late: begin with zeros and the time. */
struct progress_rate {
    double rate;
    uint64_t done;
    int64_t at_ms;
};
double progress_rate(struct progress_rate *recent, int64_t now_ms, uint64_t done);

/* How much of it is done, and how long the rest takes: of so many, else of the time that is to pass.
 * `passed_ms` is since the end of the warm-up; `for_ms` is 0 or less where no time is set. */
void progress_share(struct progress_facts *facts, int64_t passed_ms, int64_t for_ms);

/* At most `width` columns; what matters least is left out first. */
const char *progress_line(const struct progress_facts *facts, size_t width,
                          char out[PROGRESS_LINE_MAX]);

#endif
