/* SPDX-License-Identifier: MIT */
/*
 * Reading, writing and closing for those who block. While such a call lasts the stream's callbacks
 * are its own; between two calls there are none, and what comes is held.
 */
#include "net/stream.h"

#define PIECE (BL_STREAM_BUFFER_MAX / 4) /* of a long write: so much finds room at a time */

static const struct belay_stream_callbacks reading, writing;

struct stream_wait {
    struct bl_wait wait;
    struct belay_stream *stream;
    char *into; /* reading */
    const char *from;
    size_t len, done;
};

static struct stream_wait *of_wait(struct bl_wait *wait)
{
    return BL_CONTAINER(wait, struct stream_wait, wait);
}

static void finish(struct stream_wait *w, int result)
{
    belay_stream_set_callbacks(w->stream, NULL, NULL);
    bl_wait_done(&w->wait, result);
}

static void cancel(struct bl_wait *wait)
{
    belay_stream_set_callbacks(of_wait(wait)->stream, NULL, NULL);
}

static void on_lost(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    (void)stream;
    finish(arg, error->code);
}

/* ---- whoever else has something to do with the stream ---- */

static bool is_waited_for(const struct belay_stream *s)
{
    return s->callbacks == &reading || s->callbacks == &writing;
}

void bl_stream_end_wait(struct belay_stream *s)
{
    struct stream_wait *w = s->arg;

    if (!is_waited_for(s))
        return;
    s->callbacks = NULL;
    s->arg = NULL;
    bl_wait_done(&w->wait, BELAY_ECLOSED);
}

/* No stream is what a lease gives that was revoked meanwhile. */
static int run(struct stream_wait *w, int64_t timeout_ms)
{
    if (!w->stream)
        return BELAY_ECLOSED;
    w->wait.loop = bl_stream_loop(w->stream);
    return bl_wait(&w->wait, timeout_ms);
}

/* ---- reading ---- */

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    struct stream_wait *w = arg;
    size_t n = len < w->len ? len : w->len;

    (void)stream;
    memcpy(w->into, data, n);
    w->done = n;
    finish(w, 0);
    return n;
}

static void on_end(struct belay_stream *stream, void *arg)
{
    (void)stream;
    finish(arg, BELAY_EEOF);
}

static const struct belay_stream_callbacks reading = {
    .size = sizeof reading, .on_data = on_data, .on_end = on_end, .on_lost = on_lost};

static int start_read(struct bl_wait *wait)
{
    struct stream_wait *w = of_wait(wait);

    if (w->stream->closing)
        return BELAY_ECLOSED;
    if (is_waited_for(w->stream))
        return BELAY_EAGAIN;
    belay_stream_set_callbacks(w->stream, &reading, w);
    return 0;
}

int belay_stream_read_wait(struct belay_stream *stream, void *data, size_t len, int64_t timeout_ms,
                           size_t *ret_len)
{
    struct stream_wait w = {
        .wait = {.start = start_read, .cancel = cancel},
        .stream = stream,
        .into = data,
        .len = len,
    };
    int rc;

    if (!data || len == 0)
        return BELAY_EINVAL;
    rc = run(&w, timeout_ms);
    if (rc == 0)
        *ret_len = w.done;
    return rc;
}

/* ---- writing ---- */

/* As much as there is room for: 0 when that was all, BELAY_EAGAIN, or an error. Who blocks has
 * nothing to add to it, so it leaves at once. */
static int write_on(struct stream_wait *w)
{
    while (w->done < w->len) {
        size_t rest = w->len - w->done, n = rest < PIECE ? rest : PIECE;
        int rc = belay_stream_write(w->stream, w->from + w->done, n);

        if (rc < 0)
            return rc == BELAY_ERESET ? w->stream->dead_code : rc; /* what it died of */
        w->done += n;
    }
    belay_stream_flush(w->stream);
    return 0;
}

static void on_drain(struct belay_stream *stream, void *arg)
{
    struct stream_wait *w = arg;
    int rc = write_on(w);

    (void)stream;
    if (rc != BELAY_EAGAIN)
        finish(w, rc);
}

static const struct belay_stream_callbacks writing = {
    .size = sizeof writing, .on_drain = on_drain, .on_lost = on_lost};

static int start_write(struct bl_wait *wait)
{
    struct stream_wait *w = of_wait(wait);
    int rc = write_on(w);

    if (rc == BELAY_EAGAIN && !is_waited_for(w->stream)) {
        belay_stream_set_callbacks(w->stream, &writing, w);
        return 0;
    }
    if (rc == 0)
        bl_wait_done(wait, 0);
    return rc;
}

int belay_stream_write_wait(struct belay_stream *stream, const void *data, size_t len,
                            int64_t timeout_ms)
{
    struct stream_wait w = {
        .wait = {.start = start_write, .cancel = cancel},
        .stream = stream,
        .from = data,
        .len = len,
    };

    if (!data && len > 0)
        return BELAY_EINVAL;
    return run(&w, timeout_ms);
}

/* ---- closing ---- */

struct close_wait {
    struct bl_wait wait;
    struct belay_stream *stream;
    int64_t limit_ms;
};

static void on_closed(void *arg)
{
    bl_wait_done(arg, 0);
}

static int start_close(struct bl_wait *wait)
{
    struct close_wait *w = BL_CONTAINER(wait, struct close_wait, wait);

    if (w->stream->closing)
        return BELAY_ECLOSED;
    belay_stream_close(w->stream, w->limit_ms, on_closed, wait);
    return 0;
}

/* It goes on without the caller. */
static void leave_close(struct bl_wait *wait)
{
    BL_CONTAINER(wait, struct close_wait, wait)->stream->then.on_closed = NULL;
}

int belay_stream_close_wait(struct belay_stream *stream, int64_t limit_ms)
{
    struct close_wait w = {
        .wait = {.start = start_close, .cancel = leave_close, .certain = true},
        .stream = stream,
        .limit_ms = limit_ms,
    };

    if (!stream)
        return 0;
    w.wait.loop = bl_stream_loop(stream);
    return bl_wait(&w.wait, BELAY_FOREVER);
}
