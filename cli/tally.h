/* SPDX-License-Identifier: MIT */
/* What `belay get` counts, and the little it remembers of failures: enough for the summary,
 * whatever the number. */
#ifndef CLI_TALLY_H
#define CLI_TALLY_H

#include "belay/http.h"
#include "histogram.h"

/* Stages of the library, and three of the program's own. */
enum {
    TALLY_STAGE_STATUS = BELAY_STAGES_N, /* -f and a status of 400 or above */
    TALLY_STAGE_OUTPUT,                  /* the body could not be written */
    TALLY_STAGE_DECODE,                  /* it could not be unpacked (--compressed) */
    TALLY_STAGES_N,
};

#define TALLY_STATUSES_MAX 1000
#define TALLY_EXAMPLES_MAX 6

/* The first failure of a kind, in full, and how many there were. */
struct tally_example {
    int code;
    int stage;
    uint64_t n;
    char text[BELAY_ERROR_TEXT_MAX];
};

struct tally {
    uint64_t requests, ok, failed;
    uint64_t cut_short;  /* failed after their response had begun */
    uint64_t bytes;      /* of bodies received */
    uint64_t unpacked;   /* what they were, where they came packed */
    uint64_t sent_bytes; /* of bodies sent */
    uint64_t replays, retries, redirects;
    uint64_t status[TALLY_STATUSES_MAX];
    uint64_t errors[TALLY_STAGES_N];
    struct tally_example examples[TALLY_EXAMPLES_MAX];
    size_t examples_n;
    struct histogram latency; /* microseconds: of a request as a whole */
    struct histogram waiting; /* of it for a connection */
};

const char *tally_stage_name(int stage);

void tally_answer(struct tally *t, const struct belay_http_facts *facts, uint64_t latency_us);

/* `text` says it in full. */
void tally_failure(struct tally *t, const struct belay_http_facts *facts, int stage, int code,
                   const char *text);

#endif
