/* SPDX-License-Identifier: MIT */
/*
 * Bodies that are read while they are sent, -T and -F: pieces of memory and of files, one after the
 * other. A regular file is read at each request's own place; a stream once.
 */
#ifndef CLI_BODY_H
#define CLI_BODY_H

#include <sys/types.h>

#include "belay/http.h"
#include "memory.h"
#include "text.h"

struct body_piece {
    struct bytes text; /* of memory */
    int fd;            /* or of a file; -1: none */
    off_t size;        /* -1: a stream */
    const char *path;
};

struct body {
    struct body_piece *pieces;
    size_t n;
};

void body_add_text(struct body *body, const void *text, size_t len);
/* "-" is standard input. `path` must stay. */
bool body_add_file(struct body *body, const char *path, struct complaint *why);
void body_free(struct body *body);

/* Bytes in all; -1: not known, as some come from a stream, and only once. */
int64_t body_size(const struct body *body);

/* One request's place in it. */
struct body_reader {
    const struct body *body;
    struct belay_loop *loop;
    struct belay_http_request **request; /* to be told when there is more */
    struct belay_watch *watch;           /* of a stream that has nothing yet */
    size_t piece;
    off_t at;
    const char *failed; /* the file that could not be read */
    int error;          /* errno; 0: it is shorter than it was */
};

/* Fills in what a request needs to send it. */
void body_send(struct body_reader *reader, struct belay_http_request_options *options);
void body_reader_end(struct body_reader *reader);

#endif
