/* SPDX-License-Identifier: MIT */
/* What `belay pipe` has read and not sent. */
#include "pipe_buffer.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

void pipe_buffer_init(struct pipe_buffer *b, size_t size, bool lines, bool crlf)
{
    memset(b, 0, sizeof *b);
    b->data = memory_get(size, 1);
    b->size = size;
    b->lines = lines;
    b->crlf = crlf;
}

void pipe_buffer_free(struct pipe_buffer *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

static size_t room(const struct pipe_buffer *b)
{
    return b->size - (size_t)(b->total - b->kept);
}

/* ---- input ---- */

size_t pipe_buffer_space(const struct pipe_buffer *b)
{
    return b->crlf ? room(b) / 2 : room(b); /* each byte may become two */
}

static void put(struct pipe_buffer *b, const char *data, size_t len)
{
    while (len > 0) {
        size_t at = (size_t)(b->total % b->size), n = b->size - at;

        if (n > len)
            n = len;
        memcpy(b->data + at, data, n);
        b->total += n;
        data += n;
        len -= n;
    }
}

/* Up to the next "\n" that has no "\r" before it, which it gets. */
static size_t put_line(struct pipe_buffer *b, const char *data, size_t len)
{
    const char *end = memchr(data, '\n', len);
    size_t before = end ? (size_t)(end - data) : len;

    put(b, data, before);
    if (before > 0)
        b->after_cr = data[before - 1] == '\r';
    if (!end)
        return before;
    put(b, &"\r\n"[b->after_cr], 2u - b->after_cr);
    b->after_cr = false;
    return before + 1;
}

/* The last line's end from `from` on, as the offset behind it; 0: there is none. */
static uint64_t last_end(const struct pipe_buffer *b, uint64_t from, uint64_t to)
{
    while (from < to) {
        size_t at = (size_t)((to - 1) % b->size) + 1, n = (size_t)(to - from);
        const char *found;

        if (n > at)
            n = at;
        found = memrchr(b->data + at - n, '\n', n);
        if (found)
            return to - (size_t)(b->data + at - found) + 1;
        to -= n;
    }
    return 0;
}

void pipe_buffer_add(struct pipe_buffer *b, const char *data, size_t len)
{
    uint64_t from = b->total, end;

    if (!b->crlf)
        put(b, data, len);
    for (size_t n; b->crlf && len > 0; data += n, len -= n)
        n = put_line(b, data, len);
    end = b->lines ? last_end(b, from, b->total) : b->total;
    if (end)
        b->whole = end;
}

void pipe_buffer_end(struct pipe_buffer *b)
{
    b->ended = true;
    b->whole = b->total;
}

bool pipe_buffer_is_stuck(const struct pipe_buffer *b)
{
    return !b->ended && pipe_buffer_space(b) == 0 && b->kept == b->whole;
}

/* ---- output ---- */

size_t pipe_buffer_next(const struct pipe_buffer *b, size_t max, const char **ret)
{
    size_t at = (size_t)(b->written % b->size), n = (size_t)(b->whole - b->written);

    if (n > b->size - at)
        n = b->size - at;
    *ret = b->data + at;
    return n < max ? n : max;
}

void pipe_buffer_wrote(struct pipe_buffer *b, size_t len)
{
    b->written += len;
}

void pipe_buffer_sent(struct pipe_buffer *b, size_t len)
{
    uint64_t from = b->sent, end;

    b->sent += len;
    end = b->lines ? last_end(b, from, b->sent) : b->sent;
    if (end)
        b->kept = end;
}

size_t pipe_buffer_lost(struct pipe_buffer *b)
{
    bool through = b->ended && b->sent == b->total; /* the last line has no end, and needs none */
    size_t cut;

    if (through)
        b->kept = b->sent;
    cut = (size_t)(b->sent - b->kept);
    b->sent = b->written = b->kept;
    return cut;
}

size_t pipe_buffer_unsent(const struct pipe_buffer *b)
{
    return (size_t)(b->total - b->sent);
}

bool pipe_buffer_is_done(const struct pipe_buffer *b)
{
    return b->ended && b->sent == b->total;
}
