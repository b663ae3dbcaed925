/* SPDX-License-Identifier: MIT */
/* What `belay watch` was told on its command line. */
#ifndef CLI_WATCH_OPTIONS_H
#define CLI_WATCH_OPTIONS_H

#include "client_options.h"

struct watch_options {
    struct client_options client; /* first: the table of its options fills it */
    bool events;

    /* how long */
    bool until_up, until_down, any;
    int64_t stable_ms, for_ms;
    char **command; /* "--", then this, up to NULL; NULL: none */

    /* what counts as up */
    const char *send, *expect; /* as given; \n and the like are undone */
    char *send_bytes, *expect_bytes;
    size_t send_len, expect_len;
    int64_t status_min, status_max; /* of an answer */
    const char *check;
    const char *grpc_health; /* the service that is asked about; NULL: the server */
    int64_t every_ms, answer_ms;

    /* what is done on a change */
    const char *exec;
};

extern const struct option_table watch_table;

/* BAD with what is wrong in `why`. -i is not read yet. */
enum options_verdict watch_options_read(struct watch_options *o, int argc, char **argv,
                                        struct complaint *why);

/* What only shows once the services are known. */
bool watch_options_check_kinds(const struct watch_options *o, size_t http, size_t grpc, size_t all,
                               struct complaint *why);

void watch_options_free(struct watch_options *o);

#endif
