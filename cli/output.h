/* SPDX-License-Identifier: MIT */
/*
 * Where bytes go: nowhere, into a stream that is open already (standard output), or into a file,
 * which is written under a temporary name beside the final one and gets that when it is whole. What
 * was not finished leaves nothing.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <limits.h>

#include "file_name.h"
#include "memory.h"
#include "text.h"

enum sink_kind { SINK_NONE, SINK_STREAM, SINK_FILE };

struct sink {
    enum sink_kind kind;
    int fd;
    bool patient;  /* writing may have to wait: a pipe, a terminal */
    bool numbered; /* a name that is taken is numbered, not overwritten */
    bool wary;     /* of a terminal: what begins with a NUL in it fails with EILSEQ */
    bool begun;    /* bytes have gone out that cannot be called back */
    int error;     /* errno of the first failure */
    char *path;    /* the final name */
    char *temporary;
    struct bytes pending; /* of a patient stream: not taken yet */
};

/* Where one body can go, checked before anything is asked. */
bool output_check_file(const char *path, struct complaint *why);
bool output_check_dir(const char *path, struct complaint *why);

/* Standard output, or another descriptor that is open. */
void sink_to_fd(struct sink *sink, int fd);
/* A file; "-" is standard output; what exists and is no regular file (/dev/null, a pipe) is written
 * as it is. */
bool sink_to_file(struct sink *sink, const char *path, struct complaint *why);
/* A file of `dir` named after a URL. */
bool sink_to_dir(struct sink *sink, const char *dir, const char *url, struct complaint *why);

enum sink_verdict { SINK_TAKEN, SINK_WAIT, SINK_FAILED };

/* WAIT: all of it was taken, and nothing more must come until sink_flush says TAKEN. */
enum sink_verdict sink_write(struct sink *sink, const void *data, size_t len);
enum sink_verdict sink_flush(struct sink *sink);

/* All was written: the file gets its name. False: sink->error. */
bool sink_finish(struct sink *sink);
/* Forget it. After finish: harmless. */
void sink_drop(struct sink *sink);
/* As at the beginning, for another attempt; false when bytes are out already. */
bool sink_restart(struct sink *sink);

#endif
