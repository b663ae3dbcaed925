/* SPDX-License-Identifier: MIT */
/* What `belay pool` was told on its command line. */
#ifndef CLI_POOL_OPTIONS_H
#define CLI_POOL_OPTIONS_H

#include "client_options.h"

struct pool_options {
    struct client_options client; /* first: the table of its options fills it */
    int64_t every_ms, for_ms, hold_ms;
    int64_t retries;
    bool events;
};

extern const struct option_table pool_table;

/* BAD with what is wrong in `why`. -i is not read yet. */
enum options_verdict pool_options_read(struct pool_options *o, int argc, char **argv,
                                       struct complaint *why);

/* What only shows once -i has been read: what kinds of URLs there are. */
bool pool_options_check_urls(const struct pool_options *o, struct complaint *why);

/* Whether a URL is asked by requests; the others are leased. */
bool pool_url_is_http(const char *url);

void pool_options_free(struct pool_options *o);

#endif
