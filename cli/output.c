/* SPDX-License-Identifier: MIT */
/* Where bytes go. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX 100000u /* numbers that are tried for a name that is taken */

/* Written to, until the file is whole. */
#define TEMPORARY "/.belay-XXXXXX"

static bool fail(struct complaint *why, const char *path, int error)
{
    char shown[TEXT_SHOWN_MAX];

    return complain(why, "writing to %s: %s", text_show(shown, sizeof shown, path),
                    strerror(error));
}

/* ---- checks ---- */

/* The directory of a path, to be freed. */
static char *dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return memory_copy(".", 1);
    return memory_copy(path, slash == path ? 1 : (size_t)(slash - path));
}

/* Permissions do not tell all: a file system may be full, read-only, or none at all. */
static bool can_create_in(const char *dir, const char *path, struct complaint *why)
{
    size_t size = strlen(dir) + sizeof TEMPORARY;
    char *name = memory_get(size, 1);
    int fd;

    snprintf(name, size, "%s%s", dir, TEMPORARY);
    fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0) {
        free(name);
        return fail(why, path, errno);
    }
    unlink(name);
    close(fd);
    free(name);
    return true;
}

bool output_check_dir(const char *path, struct complaint *why)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return fail(why, path, errno);
    if (!S_ISDIR(st.st_mode))
        return fail(why, path, ENOTDIR);
    return can_create_in(path, path, why);
}

bool output_check_file(const char *path, struct complaint *why)
{
    struct stat st;
    char *dir;
    bool good;

    if (strcmp(path, "-") == 0)
        return true;
    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return fail(why, path, EISDIR);
        if (access(path, W_OK) < 0)
            return fail(why, path, errno);
        if (!S_ISREG(st.st_mode))
            return true;
    }
    dir = dir_of(path);
    good = can_create_in(dir, path, why);
    free(dir);
    return good;
}

/* ---- opening ---- */

void sink_to_fd(struct sink *sink, int fd)
{
    struct stat st;

    memset(sink, 0, sizeof *sink);
    sink->kind = SINK_STREAM;
    sink->fd = fd;
    sink->patient =
        fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(fd));
}

static mode_t file_mode(void)
{
    mode_t mask = umask(0);

    umask(mask);
    return 0666 & ~mask;
}

/* A file of its own beside `path`, which it will be called in the end. */
static bool open_temporary(struct sink *sink, const char *path, struct complaint *why)
{
    char *dir = dir_of(path);
    size_t len = strlen(dir);

    sink->kind = SINK_FILE;
    sink->path = memory_copy(path, strlen(path));
    sink->temporary = memory_grow(dir, len + sizeof TEMPORARY, 1);
    memcpy(sink->temporary + len, TEMPORARY, sizeof TEMPORARY);
    sink->fd = mkostemp(sink->temporary, O_CLOEXEC);
    if (sink->fd < 0) {
        int error = errno;

        free(sink->temporary);
        sink->temporary = NULL;
        sink_drop(sink);
        return fail(why, path, error);
    }
    fchmod(sink->fd, file_mode());
    return true;
}

bool sink_to_file(struct sink *sink, const char *path, struct complaint *why)
{
    struct stat st;
    char *real;
    bool good;

    memset(sink, 0, sizeof *sink);
    if (strcmp(path, "-") == 0) {
        sink_to_fd(sink, 1);
        return true;
    }
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
            return fail(why, path, errno);
        sink_to_fd(sink, fd);
        return true;
    }
    real = realpath(path, NULL); /* a link stays one */
    good = open_temporary(sink, real ? real : path, why);
    free(real);
    return good;
}

bool sink_to_dir(struct sink *sink, const char *dir, const char *url, struct complaint *why)
{
    char name[FILE_NAME_MAX], *path;
    size_t len = strlen(dir);
    bool good;

    memset(sink, 0, sizeof *sink);
    file_name_of_url(url, name);
    path = memory_get(len + 1 + sizeof name, 1);
    snprintf(path, len + 1 + sizeof name, "%s%s%s", dir, len && dir[len - 1] == '/' ? "" : "/",
             name);
    good = open_temporary(sink, path, why);
    sink->numbered = true;
    free(path);
    return good;
}

/* ---- writing ---- */

/* What a pipe takes without waiting once poll says it is writable. */
#define PIECE 4096

static bool has_room(const struct sink *sink)
{
    struct pollfd p = {.fd = sink->fd, .events = POLLOUT};

    return !sink->patient || poll(&p, 1, 0) != 0;
}

/* As much as goes without waiting; -1 and sink->error. */
static ptrdiff_t write_some(struct sink *sink, const char *data, size_t len)
{
    size_t at = 0;

    while (at < len && has_room(sink)) {
        size_t piece = len - at;
        ssize_t n;

        if (sink->patient && piece > PIECE)
            piece = PIECE;
        n = write(sink->fd, data + at, piece);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0 && errno != EINTR) {
            sink->error = errno;
            return -1;
        }
        if (n > 0) {
            at += (size_t)n;
            sink->begun = sink->begun || sink->kind == SINK_STREAM;
        }
    }
    return (ptrdiff_t)at;
}

enum sink_verdict sink_write(struct sink *sink, const void *data, size_t len)
{
    ptrdiff_t n = 0;

    if (sink->kind == SINK_NONE)
        return SINK_TAKEN;
    if (sink->wary && memchr(data, '\0', len))
        sink->error = EILSEQ;
    sink->wary = false;
    if (sink->error)
        return SINK_FAILED;
    if (sink->pending.len == 0)
        n = write_some(sink, data, len);
    if (n < 0)
        return SINK_FAILED;
    if ((size_t)n == len)
        return SINK_TAKEN;
    bytes_add(&sink->pending, (const char *)data + n, len - (size_t)n);
    return SINK_WAIT;
}

enum sink_verdict sink_flush(struct sink *sink)
{
    ptrdiff_t n = write_some(sink, sink->pending.data, sink->pending.len);

    if (n < 0)
        return SINK_FAILED;
    sink->pending.len -= (size_t)n;
    if (sink->pending.len == 0)
        return SINK_TAKEN;
    memmove(sink->pending.data, sink->pending.data + n, sink->pending.len);
    return SINK_WAIT;
}

/* ---- the end ---- */

static bool rename_numbered(struct sink *sink)
{
    size_t size = strlen(sink->path) + 16;
    char *name = memory_get(size, 1);
    int error = EEXIST;

    for (unsigned n = 0; n < NAMES_MAX && error == EEXIST; n++) {
        file_name_numbered(sink->path, n, name, size);
        error = link(sink->temporary, name) == 0 ? 0 : errno;
        /* Where there are no hard links: the small gap between looking and renaming has to do. */
        if (error && error != EEXIST && access(name, F_OK) == 0)
            error = EEXIST;
        else if (error && error != EEXIST)
            error = rename(sink->temporary, name) == 0 ? 0 : errno;
    }
    unlink(sink->temporary);
    free(sink->path);
    sink->path = name;
    sink->error = error;
    return error == 0;
}

static bool give_name(struct sink *sink)
{
    bool good;

    if (close(sink->fd) < 0 && errno != EINTR)
        sink->error = errno;
    sink->fd = -1;
    if (sink->error)
        return false;
    good = sink->numbered ? rename_numbered(sink) : rename(sink->temporary, sink->path) == 0;
    if (!good && !sink->error)
        sink->error = errno;
    if (good) {
        free(sink->temporary);
        sink->temporary = NULL;
    }
    return good;
}

bool sink_finish(struct sink *sink)
{
    while (sink->pending.len && !sink->error) {
        struct pollfd p = {.fd = sink->fd, .events = POLLOUT};

        poll(&p, 1, -1);
        sink_flush(sink);
    }
    if (sink->error)
        return false;
    return sink->kind != SINK_FILE || give_name(sink);
}

void sink_drop(struct sink *sink)
{
    if (sink->kind == SINK_FILE && sink->fd >= 0)
        close(sink->fd);
    if (sink->kind == SINK_STREAM && sink->fd > 2)
        close(sink->fd);
    if (sink->temporary)
        unlink(sink->temporary);
    free(sink->temporary);
    free(sink->path);
    bytes_free(&sink->pending);
    memset(sink, 0, sizeof *sink);
}

bool sink_restart(struct sink *sink)
{
    if (sink->begun || sink->error)
        return false;
    sink->pending.len = 0;
    if (sink->kind != SINK_FILE)
        return true;
    return ftruncate(sink->fd, 0) == 0 && lseek(sink->fd, 0, SEEK_SET) == 0;
}
