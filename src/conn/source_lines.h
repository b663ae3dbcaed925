/* SPDX-License-Identifier: MIT */
/* A file of addresses, as text: one on a line, "host", "host:port" or a URL; # begins a comment. */
#ifndef BL_CONN_SOURCE_LINES_H
#define BL_CONN_SOURCE_LINES_H

#include "base/span.h"
#include "belay/endpoint.h"

#define BL_SOURCE_FILE_MAX  1048576 /* bytes of a file */
#define BL_SOURCE_LINES_MAX 4096    /* addresses in it */

struct bl_source_lines {
    const char *text;
    size_t len, at;
    unsigned number; /* of the line read last, from 1 */
};

struct bl_source_line {
    struct bl_span text; /* without blanks around it and comment; never empty */
    unsigned number;
};

/* The next line that has an address; false at the end. */
bool bl_source_lines_next(struct bl_source_lines *lines, struct bl_source_line *ret);
/* How many are left. */
size_t bl_source_lines_count(const struct bl_source_lines *lines);

/* Like `like`, with the host and port of the line: a URL's, or, without a port, those of `like`.
 * BELAY_EINVAL: it is no address, or of another scheme; BELAY_ENOMEM. */
int bl_source_line_endpoint(const struct bl_source_line *line, const struct belay_endpoint *like,
                            struct belay_endpoint **ret, struct belay_error *error);

#endif
