/* SPDX-License-Identifier: MIT */
/*
 * Whether a request is made once more, and after how long. Pure.
 *
 * The library replays by itself what a lost connection interrupted, at once and on another
 * connection. What comes here has failed for good, or was answered with a status that its user
 * wants to try again.
 */
#ifndef CLI_RETRY_H
#define CLI_RETRY_H

#include "belay/error.h"

#define RETRY_STATUSES_MAX 32
#define RETRY_AFTER_MAX_MS                                                                         \
    INT64_C(3600000) /* a server that asks for more is taken at its word: no retry */

struct retry_policy {
    int64_t retries;
    bool unsafe; /* also what may have been done already */
    int statuses[RETRY_STATUSES_MAX];
    size_t statuses_n;
};

struct retry_facts {
    int64_t retried;                 /* times before */
    const struct belay_error *error; /* NULL: answered */
    int status;
    int64_t retry_after_ms; /* Retry-After; -1: none */
    int64_t remaining_ms;   /* of --timeout; -1: no limit */
    bool idempotent;        /* its method is */
    bool replayable;        /* its body can be had again */
    bool shown;             /* a part of the answer has left the program already */
};

/* Milliseconds to wait before the next attempt, or -1: no more. */
int64_t retry_delay_ms(const struct retry_policy *policy, const struct retry_facts *facts);

/* Whether a status is one of --retry-status. */
bool retry_wants_status(const struct retry_policy *policy, int status);

/* RFC 9110 section 9.2.2. */
bool retry_is_idempotent(const char *method);

/* Retry-After: seconds, or a date, of which `now_s` (since 1970) is taken off; -1 when it is
 * neither. */
int64_t retry_after_ms(const char *value, size_t len, int64_t now_s);

#endif
