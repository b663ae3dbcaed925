/* SPDX-License-Identifier: MIT */
/* The local ends of `belay pipe`. */
#include "pipe_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- descriptors ---- */

/*
 * The flags of an inherited descriptor are those of the shell and of whatever else has it, so one
 * that does not block is opened beside it. That fails for sockets, and for files that another user
 * opened: then the flag is set and taken back at the end.
 */
static void make_ours(struct pipe_fd *f, int fd, int mode)
{
    char path[40];
    struct stat st;

    f->fd = fd;
    f->ours = f->flags = -1;
    if (fstat(fd, &st) < 0)
        return;
    f->is_socket = S_ISSOCK(st.st_mode);
    if (!S_ISFIFO(st.st_mode) && !isatty(fd))
        return;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    f->ours = open(path, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (f->ours >= 0)
        f->fd = f->ours;
}

/* Watching sets O_NONBLOCK as well, wherever it is not set. */
static int watch(struct pipe_fd *f, struct belay_loop *loop, belay_watch_fn *fn, void *arg)
{
    int rc;

    f->flags = fcntl(f->fd, F_GETFL);
    if (f->flags >= 0 && !(f->flags & O_NONBLOCK))
        fcntl(f->fd, F_SETFL, f->flags | O_NONBLOCK);
    rc = belay_watch_new(loop, f->fd, BELAY_READABLE, fn, arg, &f->watch);
    if (rc == 0) {
        belay_watch_set(f->watch, 0);
        return 0;
    }
    if (f->flags >= 0)
        fcntl(f->fd, F_SETFL, f->flags);
    f->flags = -1;
    return rc == BELAY_EINVAL ? 0 : rc; /* it cannot be watched: a thread does it */
}

static int open_fd(struct pipe_fd *f, struct belay_loop *loop, int fd, int mode, belay_watch_fn *fn,
                   void *arg)
{
    struct stat st;

    memset(f, 0, sizeof *f);
    make_ours(f, fd, mode);
    if (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
        return 0;
    return watch(f, loop, fn, arg);
}

static void close_fd(struct pipe_fd *f)
{
    if (f->fd < 0)
        return;
    belay_watch_free(f->watch);
    f->watch = NULL;
    if (f->ours >= 0)
        close(f->ours);
    else if (f->flags >= 0)
        fcntl(f->fd, F_SETFL, f->flags);
    f->fd = f->ours = -1;
}

/* ---- input ---- */

static void tell_in(struct pipe_in *in, ssize_t n)
{
    if (n > 0) {
        in->fn(in->piece, (size_t)n, 0, in->arg);
        return;
    }
    pipe_in_close(in);
    in->fn(NULL, 0, n < 0 ? (int)-n : 0, in->arg);
}

static ssize_t read_some(int fd, char *piece, size_t space)
{
    ssize_t n = read(fd, piece, space < PIPE_PIECE ? space : PIPE_PIECE);

    return n < 0 ? -errno : n;
}

static void on_readable(unsigned events, void *arg)
{
    struct pipe_in *in = arg;
    ssize_t n;

    (void)events;
    if (in->space == 0)
        return;
    n = read_some(in->fd.fd, in->piece, in->space);
    if (n != -EAGAIN && n != -EINTR)
        tell_in(in, n);
}

static void read_in_thread(void *arg)
{
    struct pipe_in *in = arg;

    do
        in->got = read_some(in->thread_fd, in->piece, in->thread_space);
    while (in->got == -EINTR);
}

static void on_read(void *arg)
{
    struct pipe_in *in = arg;

    in->busy = false;
    if (in->fd.fd < 0)
        return;
    in->space = 0; /* what is wanted after it is told then */
    tell_in(in, in->got);
}

int pipe_in_open(struct pipe_in *in, struct belay_loop *loop, int fd, pipe_in_fn *fn, void *arg)
{
    memset(in, 0, sizeof *in);
    in->loop = loop;
    in->fn = fn;
    in->arg = arg;
    in->piece = memory_get(PIPE_PIECE, 1);
    return open_fd(&in->fd, loop, fd, O_RDONLY, on_readable, in);
}

void pipe_in_want(struct pipe_in *in, size_t space)
{
    if (in->fd.fd < 0 || in->busy)
        return;
    in->space = space;
    if (in->fd.watch) {
        belay_watch_set(in->fd.watch, space ? BELAY_READABLE : 0);
        return;
    }
    if (space == 0)
        return;
    in->busy = true;
    in->thread_fd = in->fd.fd;
    in->thread_space = space;
    if (belay_loop_offload(in->loop, read_in_thread, on_read, in) == 0)
        return;
    in->busy = false; /* no thread, or no memory for one */
    in->got = -ENOMEM;
    on_read(in);
}

void pipe_in_close(struct pipe_in *in)
{
    close_fd(&in->fd);
    in->space = 0;
}

void pipe_in_free(struct pipe_in *in)
{
    free(in->piece);
    in->piece = NULL;
}

/* ---- output ---- */

size_t pipe_out_waiting(const struct pipe_out *out)
{
    return out->waiting.len - out->at + out->under_way.len;
}

static ssize_t write_some(const struct pipe_fd *f, const char *data, size_t len)
{
    ssize_t n = f->is_socket ? send(f->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL)
                             : write(f->fd, data, len);

    return n < 0 ? -errno : n;
}

static void write_in_thread(void *arg)
{
    struct pipe_out *out = arg;

    while (out->done < out->under_way.len && !out->thread_error) {
        ssize_t n =
            write(out->thread_fd, out->under_way.data + out->done, out->under_way.len - out->done);

        if (n >= 0)
            out->done += (size_t)n;
        else if (errno != EINTR)
            out->thread_error = errno;
    }
}

static void hand_over(struct pipe_out *out);

static void on_written(void *arg)
{
    struct pipe_out *out = arg;

    out->busy = false;
    out->under_way.len = 0;
    out->written += out->done;
    out->error = out->thread_error;
    if (out->fd.fd < 0)
        return;
    if (!out->error && out->waiting.len)
        hand_over(out);
    out->fn(out, out->arg);
}

static void hand_over(struct pipe_out *out)
{
    struct bytes empty = out->under_way;

    out->under_way = out->waiting;
    out->waiting = empty;
    out->busy = true;
    out->thread_fd = out->fd.fd;
    out->done = 0;
    if (belay_loop_offload(out->loop, write_in_thread, on_written, out) < 0) {
        out->busy = false;
        out->error = ENOMEM;
    }
}

/* Writes what waits, as far as it is taken. */
static void write_now(struct pipe_out *out)
{
    while (out->at < out->waiting.len) {
        ssize_t n = write_some(&out->fd, out->waiting.data + out->at, out->waiting.len - out->at);

        if (n == -EAGAIN)
            break;
        if (n == -EINTR)
            continue;
        if (n < 0) {
            out->error = (int)-n;
            break;
        }
        out->at += (size_t)n;
        out->written += (uint64_t)n;
    }
    if (out->at == out->waiting.len)
        out->at = out->waiting.len = 0;
    belay_watch_set(out->fd.watch, out->waiting.len && !out->error ? BELAY_WRITABLE : 0);
}

static void on_writable(unsigned events, void *arg)
{
    struct pipe_out *out = arg;

    (void)events;
    write_now(out);
    out->fn(out, out->arg);
}

int pipe_out_open(struct pipe_out *out, struct belay_loop *loop, int fd, pipe_out_fn *fn, void *arg)
{
    memset(out, 0, sizeof *out);
    out->loop = loop;
    out->fn = fn;
    out->arg = arg;
    return open_fd(&out->fd, loop, fd, O_WRONLY, on_writable, out);
}

bool pipe_out_write(struct pipe_out *out, const char *data, size_t len)
{
    if (out->error || out->fd.fd < 0)
        return !out->error;
    if (out->at > 0 && out->waiting.len + len > out->waiting.space) {
        memmove(out->waiting.data, out->waiting.data + out->at, out->waiting.len - out->at);
        out->waiting.len -= out->at;
        out->at = 0;
    }
    bytes_add(&out->waiting, data, len);
    if (out->fd.watch && out->waiting.len - out->at == len)
        write_now(out);
    else if (!out->fd.watch && !out->busy)
        hand_over(out);
    return !out->error;
}

void pipe_out_close(struct pipe_out *out)
{
    close_fd(&out->fd);
}

void pipe_out_free(struct pipe_out *out)
{
    bytes_free(&out->waiting);
    bytes_free(&out->under_way);
}
