/* SPDX-License-Identifier: MIT */
/*
 * A source that is a file of addresses. A question reads it whole on a worker thread and makes
 * endpoints of it on the loop's. What is read belongs to a `reading`, which outlives a query that is
 * cancelled: the thread's work cannot be, and its result is dropped then.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "conn/endpoint.h"
#include "conn/source.h"
#include "conn/source_lines.h"

struct file_source {
    struct belay_source base;
    struct belay_endpoint *like;
    char *path;
};

struct reading {
    struct file_source *source;       /* a reference */
    struct belay_source_query *query; /* NULL: nobody waits any more */
    struct bl_work *work;
    struct bl_mem mem; /* the loop's allocator, counted apart: the worker thread uses it */
    char *text;
    size_t len, room;
    struct belay_error error; /* code 0: it was read */
};

/* ---- on the worker thread ---- */

static void no_memory(struct reading *r)
{
    bl_error_set(&r->error, BELAY_ENOMEM, BELAY_STAGE_RESOLVE, "reading the file %s: out of memory",
                 r->source->path);
}

static void not_readable(struct reading *r)
{
    bl_error_os(&r->error, BELAY_EFILE, BELAY_STAGE_RESOLVE, errno, "cannot read the file %s",
                r->source->path);
}

/* A pipe, a device: would be waited for, and not be the same at the next question. */
static bool open_file(struct reading *r, int *ret_fd)
{
    struct stat st;
    int fd = open(r->source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        not_readable(r);
        return false;
    }
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
        bl_error_set(&r->error, BELAY_EFILE, BELAY_STAGE_RESOLVE,
                     "cannot read the file %s: it is no regular file", r->source->path);
        close(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

static bool grow(struct reading *r)
{
    size_t room = r->room ? r->room * 2 : 4096;
    char *text = bl_realloc(&r->mem, r->text, room);

    if (!text) {
        no_memory(r);
        return false;
    }
    r->text = text;
    r->room = room;
    return true;
}

static void read_all(struct reading *r, int fd)
{
    ssize_t n;

    do {
        if (r->len == r->room && !grow(r))
            return;
        do
            n = read(fd, r->text + r->len, r->room - r->len);
        while (n < 0 && errno == EINTR);
        if (n < 0) {
            not_readable(r);
            return;
        }
        r->len += (size_t)n;
    } while (n > 0 && r->len <= BL_SOURCE_FILE_MAX);
    if (r->len > BL_SOURCE_FILE_MAX)
        bl_error_set(&r->error, BELAY_EFILE, BELAY_STAGE_RESOLVE,
                     "the file %s is larger than 1 MiB", r->source->path);
}

static void read_file(void *arg)
{
    struct reading *r = arg;
    int fd;

    if (!open_file(r, &fd))
        return;
    read_all(r, fd);
    close(fd);
}

/* ---- on the loop's ---- */

static void reading_free(struct reading *r)
{
    struct file_source *s = r->source;

    bl_free(&r->mem, r->text);
    if (r->work)
        bl_work_free(r->work);
    bl_free(&s->base.loop->mem, r);
    belay_source_unref(&s->base);
}

/* What was read, as the answer: all of it, or an error. */
static void answer(struct belay_source_query *q, const struct reading *r)
{
    struct file_source *s = r->source;
    struct belay_error why = r->error;
    struct bl_source_lines lines = {.text = r->text, .len = r->len};
    struct bl_source_line line;
    size_t n = 0;

    if (!why.code)
        n = bl_source_lines_count(&lines);
    if (n > BL_SOURCE_LINES_MAX)
        bl_error_set(&why, BELAY_EFILE, BELAY_STAGE_RESOLVE,
                     "the file %s has more than %d addresses", s->path, BL_SOURCE_LINES_MAX);
    else if (!why.code && n == 0)
        bl_error_set(&why, BELAY_EFILE, BELAY_STAGE_RESOLVE, "the file %s has no address", s->path);
    if (!why.code && !bl_source_room(q, n))
        return;
    while (!why.code && bl_source_lines_next(&lines, &line)) {
        if (bl_source_line_endpoint(&line, s->like, &q->endpoints[q->n], &why) == 0)
            q->n++;
        else
            bl_error_prefix(&why, "the file %s, line %u", s->path, line.number);
    }
    why.stage = BELAY_STAGE_RESOLVE;
    if (why.code)
        bl_source_failed(q, &why);
    else
        bl_source_told(q);
}

static void done(void *arg)
{
    struct reading *r = arg;

    if (r->query) {
        r->query->pending = NULL;
        answer(r->query, r);
    }
    reading_free(r);
}

static struct reading *reading_new(struct file_source *s)
{
    struct belay_loop *loop = s->base.loop;
    struct reading *r = bl_zalloc(&loop->mem, sizeof *r);

    if (!r)
        return NULL;
    r->source = s;
    belay_source_ref(&s->base);
    bl_mem_init(&r->mem, &loop->mem.allocator);
    r->work = bl_work_new(loop);
    if (r->work)
        return r;
    reading_free(r);
    return NULL;
}

static void get(struct belay_source_query *q, void *arg)
{
    struct file_source *s = arg;
    struct reading *r = reading_new(s);
    int rc = r ? bl_work_start(r->work, read_file, done, r) : BELAY_ENOMEM;
    struct belay_error error;

    if (rc == 0) {
        r->query = q;
        q->pending = r;
        return;
    }
    if (r)
        reading_free(r);
    bl_error_set(&error, rc, BELAY_STAGE_RESOLVE, "reading the file %s: %s", s->path,
                 rc == BELAY_EFULL ? "too many works wait for a thread (offload_queue_max)"
                                   : belay_strerror(rc));
    bl_source_failed(q, &error);
}

static void cancel(struct belay_source_query *q, void *arg)
{
    struct reading *r = q->pending;

    (void)arg;
    if (r)
        r->query = NULL;
    q->pending = NULL;
}

static void file_free(void *arg)
{
    struct file_source *s = arg;

    belay_endpoint_unref(s->like);
    bl_free(&s->base.loop->mem, s->path);
}

static const struct belay_source_ops file_ops = {
    .size = sizeof file_ops, .get = get, .cancel = cancel, .free = file_free};

int belay_source_file(struct belay_endpoint *like, const char *path,
                      struct belay_source **ret_source)
{
    struct file_source *s;

    if (!path || !*path || !*belay_endpoint_host(like))
        return BELAY_EINVAL;
    s = (struct file_source *)bl_source_new(bl_endpoint_loop(like), &file_ops, sizeof *s);
    if (!s)
        return BELAY_ENOMEM;
    s->like = belay_endpoint_ref(like);
    s->path = bl_strdup(&s->base.loop->mem, path);
    if (!s->path) {
        belay_source_unref(&s->base);
        return BELAY_ENOMEM;
    }
    *ret_source = &s->base;
    return 0;
}
