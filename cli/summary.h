/* SPDX-License-Identifier: MIT */
/* What is said at the end: as text, or as one JSON object. */
#ifndef CLI_SUMMARY_H
#define CLI_SUMMARY_H

#include "get.h"

struct summary_endpoint {
    char *name;
    uint64_t opened, reused;
};

/* Everything that is said, taken from the run while its pool still lives. */
struct summary {
    const struct tally *tally;
    double elapsed_s, cpu_s;
    int interrupted_by;
    uint64_t cut_off, not_started;
    bool gave_up;
    struct belay_pool_stats pool;
    uint64_t closed; /* of all reasons */
    uint64_t open;   /* at the end */
    struct summary_endpoint *endpoints;
    size_t endpoints_n;
};

void summary_take(struct summary *s, struct get *g);
void summary_free(struct summary *s);

/* On standard output, or where -w has taken that, on standard error. */
void summary_print(const struct summary *s, int fd);
/* What failed, on standard error: for -q. */
void summary_print_failures(const struct summary *s);
/* On standard output. */
bool summary_print_json(const struct summary *s);

#endif
