/* SPDX-License-Identifier: MIT */
/* Many calls of one method: what they come to. */
#ifndef CLI_GRPC_LOAD_H
#define CLI_GRPC_LOAD_H

#include "grpc_feed.h"
#include "histogram.h"
#include "progress.h"
#include "schedule.h"

#define GRPC_STATUSES_N 17

struct grpc_tally {
    uint64_t calls, failed;
    uint64_t status[GRPC_STATUSES_N];
    char example[GRPC_STATUSES_N][BELAY_ERROR_TEXT_MAX]; /* the first of each that failed */
    uint64_t sent, received, sent_bytes, received_bytes; /* messages, and their bytes */
    struct histogram latency;                            /* microseconds, of those that were OK */
    double elapsed_s;
    int interrupted_by;
    uint64_t cut_off, not_started;
    bool gave_up;
};

/* On standard output. */
void grpc_summary_print(const struct grpc_tally *t);
bool grpc_summary_print_json(const struct grpc_tally *t);
/* What failed, on standard error: for -q. */
void grpc_summary_print_failures(const struct grpc_tally *t);

#endif
