/* SPDX-License-Identifier: MIT */
/*
 * belay/backoff.h - how long to wait before the next attempt: a pure value, no clock, no memory.
 * Any thread.
 */
#ifndef BELAY_BACKOFF_H
#define BELAY_BACKOFF_H

#include "belay/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum belay_jitter {
    BELAY_JITTER_DEFAULT = 0, /* proportional */
    BELAY_JITTER_NONE,
    BELAY_JITTER_PROPORTIONAL, /* delay x [1 - spread, 1 + spread) */
    BELAY_JITTER_FULL,         /* [0, delay) */
};

struct belay_backoff_options {
    size_t size;
    int64_t delay_ms;       /* first delay; 100. BELAY_NONE: 0 */
    int64_t delay_max_ms;   /* 10,000; before jitter */
    int32_t factor_percent; /* each delay to the next; 200. 100 is constant */
    enum belay_jitter jitter;
    int32_t spread_percent; /* 20; BELAY_NONE: 0 */
    int32_t attempts_max; /* retries before giving up; BELAY_FOREVER by default, BELAY_NONE: none */
};
BELAY_OPTIONS_INIT(belay_backoff_options)

struct belay_backoff {
    struct belay_backoff_options options; /* effective */
    int32_t failures;                     /* in a row */
};

/* BELAY_EINVAL; *backoff is untouched then. */
BELAY_API int belay_backoff_init(struct belay_backoff *backoff,
                                 const struct belay_backoff_options *options);

/*
 * An attempt failed: milliseconds to wait before the next (>= 0), or BELAY_FOREVER when
 * attempts_max retries are spent. `random` is 64 uniform bits.
 */
BELAY_API int64_t belay_backoff_failed(struct belay_backoff *backoff, uint64_t random);

/* An attempt succeeded. */
BELAY_API void belay_backoff_reset(struct belay_backoff *backoff);

#ifdef __cplusplus
}
#endif

#endif
