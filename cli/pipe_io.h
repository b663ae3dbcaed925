/* SPDX-License-Identifier: MIT */
/*
 * The local ends of `belay pipe`: bytes read from and written to a descriptor as a loop likes it. A
 * pipe, terminal or socket is watched; what cannot be (a regular file, /dev/null) is read and
 * written by a worker thread, one piece at a time.
 */
#ifndef CLI_PIPE_IO_H
#define CLI_PIPE_IO_H

#include <sys/types.h>

#include "belay/loop.h"
#include "memory.h"

#define PIPE_PIECE 65536u /* of one read */

/* How a descriptor is used: one of our own where its flags are shared with other programs. */
struct pipe_fd {
    int fd;    /* -1: closed */
    int ours;  /* opened anew, to be closed; -1: none */
    int flags; /* what they were, to be put back; -1: untouched */
    bool is_socket;
    struct belay_watch *watch; /* NULL: a worker thread does it */
};

/* ---- input ---- */

/* Bytes; or none, and errno or 0, which is the end. Nothing comes after that. */
typedef void pipe_in_fn(const char *data, size_t len, int error, void *arg);

struct pipe_in {
    struct belay_loop *loop;
    struct pipe_fd fd;
    size_t space; /* 0: nothing is wanted */
    char *piece;
    bool busy; /* a worker thread reads: what follows is its */
    int thread_fd;
    size_t thread_space;
    ssize_t got; /* negative: -errno */
    pipe_in_fn *fn;
    void *arg;
};

/* Nothing is read before something is wanted. 0, or an error of belay's. */
int pipe_in_open(struct pipe_in *in, struct belay_loop *loop, int fd, pipe_in_fn *fn, void *arg);
/* At most so many bytes at a time from now on; 0: none. */
void pipe_in_want(struct pipe_in *in, size_t space);
void pipe_in_close(struct pipe_in *in);
void pipe_in_free(struct pipe_in *in); /* after the loop's end: a thread may still read */

/* ---- output ---- */

struct pipe_out;
/* Some was written, or out->error is set: nothing will be any more. */
typedef void pipe_out_fn(struct pipe_out *out, void *arg);

struct pipe_out {
    struct belay_loop *loop;
    struct pipe_fd fd;
    struct bytes waiting; /* from `at` on */
    size_t at;
    int error; /* errno */
    uint64_t written;
    bool busy; /* a worker thread writes: what follows is its */
    int thread_fd;
    struct bytes under_way;
    size_t done;
    int thread_error;
    pipe_out_fn *fn;
    void *arg;
};

int pipe_out_open(struct pipe_out *out, struct belay_loop *loop, int fd, pipe_out_fn *fn,
                  void *arg);
/* False: out->error is set. Does not call back. */
bool pipe_out_write(struct pipe_out *out, const char *data, size_t len);
/* Bytes that are not written yet. */
size_t pipe_out_waiting(const struct pipe_out *out);
void pipe_out_close(struct pipe_out *out);
void pipe_out_free(struct pipe_out *out);

#endif
