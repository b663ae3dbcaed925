/* SPDX-License-Identifier: MIT */
/* What stands behind an option: times, counts, headers, routes. Pure; each refusal says what a good
 * value looks like. */
#ifndef CLI_VALUES_H
#define CLI_VALUES_H

#include "belay/backoff.h"
#include "memory.h"
#include "text.h"

#define VALUES_TIME_MAX_MS INT64_C(86400000) /* what the library takes as a limit: a day */

/*
 * "500ms", "2s", "1.5m", "1h", "0.5": a bare number is seconds. Something above 0 is at least 1 ms.
 */
bool values_time(const char *text, int64_t *ret_ms, struct complaint *why);

/* A whole number from `min` to `max`. */
bool values_count(const char *text, int64_t min, int64_t max, int64_t *ret, struct complaint *why);

/* "100", "0.5": per second, above 0, at most a million. */
bool values_rate(const char *text, double *ret, struct complaint *why);

/*
 * "FIRST[..MAX][,xFACTOR][,jitter=none|full|N%][,tries=N]": "1s" doubles up to 10 s, or FIRST if
 * that is more; what is not said stays the library's default.
 */
bool values_backoff(const char *text, struct belay_backoff_options *ret, struct complaint *why);

/* "4096", "64k", "1M", "1MiB": powers of 1,024. */
bool values_size(const char *text, int64_t min, int64_t max, int64_t *ret, struct complaint *why);

/* Undoes \n, \r, \t, \0, \\ and \xHH: adds what is meant to `ret`. */
bool values_unescape(const char *text, struct bytes *ret, struct complaint *why);

/* "429,503" */
bool values_statuses(const char *text, int *out, size_t max, size_t *ret_n, struct complaint *why);

/* RFC 9110 section 5.6.2: names of headers and methods. */
bool values_is_token(const char *text, size_t len);

/* "Name: value"; "Name;" has no value, and "Name:" takes away one that would be sent by itself. */
struct header_value {
    char *name, *value; /* in one piece of memory: free name */
    bool removes;
};
bool values_header(const char *text, struct header_value *ret, struct complaint *why);

/* The parts of "a:b:c", brackets of IPv6 taken off: pointers into `text`, which is cut up. The last
 * takes the rest. */
bool values_split(char *text, char **parts, size_t n);

#endif
