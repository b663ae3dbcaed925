/* SPDX-License-Identifier: MIT */
/* What is sent: messages of -d, or of standard input. */
#include "grpc_feed.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "grpc_json_error.h"
#include "input.h"

/* "@", "@-": standard input. */
static bool is_stdin(const char *data)
{
    return strcmp(data, "@") == 0 || strcmp(data, "@-") == 0;
}

bool grpc_feed_is_live(const struct grpc_options *o, const struct grpc_method *method)
{
    if (o->data)
        return is_stdin(o->data);
    return o->format == GRPC_JSON && method->client_streams;
}

/* ---- one message ---- */

/* "message 3 (line 7)" */
static bool refuse(const struct grpc_feed *f, unsigned long line, const struct complaint *inner,
                   struct complaint *why)
{
    if (f->split.messages == 1 && f->split.ended && !f->live)
        return complain(why, "reading the message: %.440s", inner->text);
    return complain(why, "reading message %lu (line %lu): %.400s", f->split.messages, line,
                    inner->text);
}

static enum grpc_split_verdict next_of_text(struct grpc_feed *f, struct bytes *ret,
                                            struct complaint *why)
{
    struct complaint inner = {.text = ""}, said;
    enum grpc_split_verdict verdict;
    unsigned long line;

    if (f->g->o->format != GRPC_JSON) {
        verdict = grpc_split_next(&f->split, ret, &inner);
        if (verdict == GRPC_SPLIT_BAD)
            complain(why, "reading messages: %.440s", inner.text);
        return verdict;
    }
    verdict = grpc_split_next(&f->split, &f->text, &inner);
    if (verdict == GRPC_SPLIT_BAD)
        complain(why, "reading messages: %.440s", inner.text);
    if (verdict != GRPC_SPLIT_MESSAGE)
        return verdict;
    line = f->split.line;
    for (size_t i = 0; i < f->text.len; i++)
        line -= f->text.data[i] == '\n';
    ret->len = 0;
    bytes_add(ret, "", 0);
    if (grpc_schema_read(f->g->schema, f->method->input, &f->text, ret, &said))
        return GRPC_SPLIT_MESSAGE;
    grpc_json_error(f->g->schema, f->method->input, said.text, &inner);
    refuse(f, line, &inner, why);
    return GRPC_SPLIT_BAD;
}

/* ---- all of them ---- */

static void keep(struct grpc_feed *f, const struct bytes *message)
{
    f->ready = memory_grow(f->ready, f->ready_n + 1, sizeof *f->ready);
    f->ready[f->ready_n] = (struct bytes){0};
    bytes_add(&f->ready[f->ready_n++], message->data, message->len);
}

/* A method that takes one message gets one, and no more than one. */
static bool check_number(struct grpc_feed *f, bool said, struct complaint *why)
{
    struct bytes none = {0};

    if (f->ready_n == 0 && (!f->method->client_streams || (said && f->g->o->format != GRPC_JSON))) {
        keep(f, &none);
        return true;
    }
    if (f->ready_n <= 1 || f->method->client_streams)
        return true;
    return complain(why, "reading messages: %zu of them, and the method takes one", f->ready_n);
}

static bool read_ready(struct grpc_feed *f, const char *text, size_t len, bool said,
                       struct complaint *why)
{
    struct bytes message = {0};
    enum grpc_split_verdict verdict;

    if (len)
        grpc_split_add(&f->split, text, len);
    grpc_split_end(&f->split);
    while ((verdict = next_of_text(f, &message, why)) == GRPC_SPLIT_MESSAGE)
        keep(f, &message);
    bytes_free(&message);
    return verdict == GRPC_SPLIT_DONE && check_number(f, said, why);
}

bool grpc_feed_begin(struct grpc_feed *f, struct grpc *g, const struct grpc_method *method,
                     bool whole, struct complaint *why)
{
    const char *data = g->o->data;
    struct bytes file = {0};
    bool good;

    memset(f, 0, sizeof *f);
    f->g = g;
    f->method = method;
    grpc_split_begin(&f->split, g->o->format);
    f->live = grpc_feed_is_live(g->o, method);
    if (f->live && !whole)
        return true;
    if (f->live && !data) /* so many calls, and nobody said of what */
        return read_ready(f, "", 0, true, why);
    f->live = false;
    if (!data || data[0] != '@')
        return read_ready(f, data ? data : "", data ? strlen(data) : 0, true, why);
    good = input_read(is_stdin(data) ? "-" : data + 1, "reading messages", &file, why) &&
           read_ready(f, file.data, file.len, false, why);
    bytes_free(&file);
    return good;
}

void grpc_feed_end(struct grpc_feed *f)
{
    for (size_t i = 0; i < f->ready_n; i++)
        bytes_free(&f->ready[i]);
    free(f->ready);
    bytes_free(&f->text);
    grpc_split_free(&f->split);
}

enum grpc_split_verdict grpc_feed_next(struct grpc_feed *f, struct bytes *ret,
                                       struct complaint *why)
{
    const struct bytes *next;

    if (f->live)
        return next_of_text(f, ret, why);
    if (f->at == f->ready_n)
        return GRPC_SPLIT_DONE;
    next = &f->ready[f->at++];
    ret->len = 0;
    bytes_add(ret, next->data ? next->data : "", next->len);
    return GRPC_SPLIT_MESSAGE;
}

bool grpc_feed_fill(struct grpc_feed *f, struct complaint *why)
{
    struct pollfd p = {.fd = 0, .events = POLLIN};
    char buffer[16384];
    ssize_t n;

    if (poll(&p, 1, 0) == 0)
        return false;
    n = read(0, buffer, sizeof buffer);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return false;
    if (n < 0)
        complain(why, "reading standard input: %s", strerror(errno));
    if (n > 0)
        grpc_split_add(&f->split, buffer, (size_t)n);
    else
        grpc_split_end(&f->split);
    return true;
}
