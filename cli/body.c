/* SPDX-License-Identifier: MIT */
/* Bodies that are read while they are sent. */
#include "body.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "input.h"

/* ---- the pieces ---- */

static struct body_piece *add(struct body *body)
{
    struct body_piece *piece;

    body->pieces = memory_grow(body->pieces, body->n + 1, sizeof *body->pieces);
    piece = &body->pieces[body->n++];
    memset(piece, 0, sizeof *piece);
    piece->fd = -1;
    return piece;
}

void body_add_text(struct body *body, const void *text, size_t len)
{
    struct body_piece *last = body->n ? &body->pieces[body->n - 1] : NULL;

    if (!last || last->fd >= 0)
        last = add(body);
    bytes_add(&last->text, text, len);
    last->size = (off_t)last->text.len;
}

bool body_add_file(struct body *body, const char *path, struct complaint *why)
{
    struct body_piece *piece;
    off_t size;
    int fd;

    if (!input_upload(path, &fd, &size, why))
        return false;
    for (size_t i = 0; fd == 0 && i < body->n; i++)
        if (body->pieces[i].fd == 0)
            return complain(why, "reading the body: standard input can be read only once");
    piece = add(body);
    piece->fd = fd;
    piece->size = size;
    piece->path = path;
    return true;
}

void body_free(struct body *body)
{
    for (size_t i = 0; i < body->n; i++) {
        bytes_free(&body->pieces[i].text);
        if (body->pieces[i].fd > 0)
            close(body->pieces[i].fd);
    }
    free(body->pieces);
    memset(body, 0, sizeof *body);
}

int64_t body_size(const struct body *body)
{
    int64_t sum = 0;

    for (size_t i = 0; i < body->n; i++) {
        if (body->pieces[i].size < 0)
            return -1;
        sum += body->pieces[i].size;
    }
    return sum;
}

/* ---- reading ---- */

static void on_readable(unsigned events, void *arg)
{
    struct body_reader *r = arg;

    (void)events;
    belay_watch_set(r->watch, 0);
    if (*r->request)
        belay_http_request_body_ready(*r->request);
}

/* Nothing is there yet: the loop goes on until there is. */
static ptrdiff_t wait_for_more(struct body_reader *r, int fd)
{
    int rc = r->watch ? belay_watch_set(r->watch, BELAY_READABLE)
                      : belay_watch_new(r->loop, fd, BELAY_READABLE, on_readable, r, &r->watch);

    return rc < 0 ? rc : BELAY_EAGAIN;
}

static ptrdiff_t fail(struct body_reader *r, const struct body_piece *piece, int error)
{
    r->failed = piece->path;
    r->error = error;
    return BELAY_EFILE;
}

static ptrdiff_t read_stream(struct body_reader *r, const struct body_piece *piece, void *out,
                             size_t size)
{
    struct pollfd p = {.fd = piece->fd, .events = POLLIN};
    ssize_t n;

    if (poll(&p, 1, 0) == 0)
        return wait_for_more(r, piece->fd);
    n = read(piece->fd, out, size);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return wait_for_more(r, piece->fd);
    return n < 0 ? fail(r, piece, errno) : n;
}

/* 0 at the end of the piece. */
static ptrdiff_t read_piece(struct body_reader *r, const struct body_piece *piece, void *out,
                            size_t size)
{
    ssize_t n;

    if (piece->size < 0)
        return read_stream(r, piece, out, size);
    if ((off_t)size > piece->size - r->at)
        size = (size_t)(piece->size - r->at);
    if (piece->fd < 0) {
        if (size)
            memcpy(out, piece->text.data + r->at, size);
        n = (ssize_t)size;
    } else {
        n = pread(piece->fd, out, size, r->at);
    }
    if (n < 0 || (n == 0 && size > 0)) /* it shrank while it was sent */
        return fail(r, piece, n < 0 ? errno : 0);
    r->at += n;
    return n;
}

static ptrdiff_t read_body(void *out, size_t size, void *arg)
{
    struct body_reader *r = arg;

    while (r->piece < r->body->n) {
        ptrdiff_t n = read_piece(r, &r->body->pieces[r->piece], out, size);

        if (n != 0)
            return n;
        belay_watch_free(r->watch);
        r->watch = NULL;
        r->piece++;
        r->at = 0;
    }
    return 0;
}

static int rewind_body(void *arg)
{
    struct body_reader *r = arg;

    r->piece = 0;
    r->at = 0;
    return 0;
}

void body_send(struct body_reader *r, struct belay_http_request_options *options)
{
    int64_t size = body_size(r->body);

    r->failed = NULL;
    rewind_body(r);
    if (size == 0) {
        options->body = "";
        return;
    }
    options->read_body = read_body;
    options->rewind_body = size > 0 ? rewind_body : NULL;
    options->body_arg = r;
    options->body_size = size > 0 ? size : BELAY_NONE;
}

void body_reader_end(struct body_reader *r)
{
    belay_watch_free(r->watch);
    r->watch = NULL;
}
