/* SPDX-License-Identifier: MIT */
/* What `belay get` was told on its command line. */
#ifndef CLI_GET_OPTIONS_H
#define CLI_GET_OPTIONS_H

#include "client_options.h"
#include "retry.h"

struct get_options {
    struct client_options client; /* first: the table of its options fills it */

    const char *output, *output_dir, *dump_header;
    bool discard, write_out;

    /* how many, how fast */
    int64_t requests, for_ms, warm_up_ms;
    double rate;

    struct retry_policy retry;
};

extern const struct option_table get_table;

/* BAD with what is wrong in `why`; what goes together was looked at too. -i is not read yet. */
enum options_verdict get_options_read(struct get_options *o, int argc, char **argv,
                                      struct complaint *why);

/* One request, and its body is the result: neither summary nor progress of requests. */
bool get_is_single(const struct get_options *o);
/* The same, and the body goes to standard output. */
bool get_shows_body(const struct get_options *o);

/* What only shows once -i has been read: how many URLs there are. */
bool get_options_check_urls(const struct get_options *o, struct complaint *why);

/* The same of a body that can be had only once. */
bool get_options_check_body(const struct get_options *o, bool once, struct complaint *why);

void get_options_free(struct get_options *o);

#endif
