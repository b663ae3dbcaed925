/* SPDX-License-Identifier: MIT */
/* What `belay pipe` was told on its command line. */
#ifndef CLI_PIPE_OPTIONS_H
#define CLI_PIPE_OPTIONS_H

#include "client_options.h"
#include "service.h"

struct pipe_options {
    struct client_options client; /* first: the table of its options fills it */
    struct service service;
    const char *hello, *exec;
    struct bytes hello_bytes;
    bool lines, crlf, close_at_end, once, no_input;
    int64_t idle_ms, buffer;
};

extern const struct option_table pipe_table;

/* BAD with what is wrong in `why`. The file of --hello has been read. */
enum options_verdict pipe_options_read(struct pipe_options *o, int argc, char **argv,
                                       struct complaint *why);
void pipe_options_free(struct pipe_options *o);

#endif
