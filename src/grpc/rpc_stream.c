/* SPDX-License-Identifier: MIT */
/*
 * A call of those who block. Its state is the loop's: each function goes there to begin, and whoever
 * has to wait lies on its own stack. One message is held for the reader, and the call is paused
 * meanwhile. The memory, from malloc, is of two: whoever opened it, and the call until it is over, so
 * that a stream outlives a loop that ends under it.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "grpc/rpc_wait.h"

struct belay_rpc_stream {
    atomic_int refs;
    struct belay_loop *loop;
    struct belay_rpc *rpc; /* NULL: it is over */
    void *held;            /* a message nobody has read; NULL */
    size_t held_len;
    struct operation *reader, *writer; /* who waits; or NULL */
    struct belay_unary_result result;  /* when it is over */
};

struct operation {
    struct bl_wait wait;
    struct belay_rpc_stream *stream;
    struct belay_channel *channel;
    const char *method;
    const struct belay_rpc_options *options;
    const void *data; /* to be written */
    size_t len;
    void *message; /* read */
    size_t message_len;
    struct belay_error *error;
};

static struct operation *operation_of(struct bl_wait *wait)
{
    return BL_CONTAINER(wait, struct operation, wait);
}

static void release(struct belay_rpc_stream *s)
{
    if (atomic_fetch_sub(&s->refs, 1) > 1)
        return;
    free(s->held);
    free(s);
}

/* Done, without waiting: what `start` returns. */
enum { AT_ONCE = 1 };

static int run(struct belay_rpc_stream *s, struct operation *op, int (*start)(struct bl_wait *wait),
               void (*cancel)(struct bl_wait *wait), int64_t timeout_ms)
{
    int rc;

    op->stream = s;
    op->wait = (struct bl_wait){.loop = s->loop, .start = start, .cancel = cancel};
    rc = bl_wait(&op->wait, timeout_ms);
    return rc < 0 ? rc : 0;
}

static void never_waits(struct bl_wait *wait)
{
    (void)wait;
}

/* ---- what the call tells ---- */

static bool take_held(struct belay_rpc_stream *s, struct operation *op)
{
    if (!s->held)
        return false;
    op->message = s->held;
    op->message_len = s->held_len;
    s->held = NULL;
    if (s->rpc)
        belay_rpc_resume(s->rpc);
    return true;
}

static void end_reader(struct belay_rpc_stream *s, int result)
{
    struct operation *reader = s->reader;

    s->reader = NULL;
    if (reader)
        bl_wait_done(&reader->wait, result);
}

static void end_writer(struct belay_rpc_stream *s, int result)
{
    struct operation *writer = s->writer;

    s->writer = NULL;
    if (writer)
        bl_wait_done(&writer->wait, result);
}

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct belay_rpc_stream *s = arg;
    struct belay_error error;

    s->held = malloc(len + 1);
    s->held_len = len;
    if (!s->held) {
        bl_error_set(&error, BELAY_ENOMEM, BELAY_STAGE_USE, "no memory for a message of %zu bytes",
                     len);
        bl_rpc_fail(rpc, BELAY_GRPC_RESOURCE_EXHAUSTED, &error);
        return;
    }
    if (len > 0)
        memcpy(s->held, data, len);
    ((char *)s->held)[len] = '\0';
    belay_rpc_pause(rpc);
    if (s->reader && take_held(s, s->reader))
        end_reader(s, 0);
}

static void on_writable(struct belay_rpc *rpc, void *arg)
{
    struct belay_rpc_stream *s = arg;
    int rc = s->writer ? belay_rpc_write(rpc, s->writer->data, s->writer->len) : BELAY_EAGAIN;

    if (rc != BELAY_EAGAIN)
        end_writer(s, rc);
}

static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct belay_rpc_stream *s = arg;

    (void)rpc;
    s->rpc = NULL;
    bl_unary_result_set(&s->result, result->status, result->message);
    end_reader(s, BELAY_EEOF);
    end_writer(s, BELAY_ECLOSED);
    release(s);
}

static const struct belay_rpc_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_message = on_message,
    .on_writable = on_writable,
    .on_done = on_done,
};

/* ---- opening ---- */

static int start_open(struct bl_wait *wait)
{
    struct operation *op = operation_of(wait);
    int rc = belay_rpc_start(op->channel, op->method, op->options, &callbacks, op->stream,
                             &op->stream->rpc, op->error);

    if (rc == 0)
        atomic_fetch_add(&op->stream->refs, 1);
    return rc == 0 ? AT_ONCE : rc;
}

int belay_rpc_stream_open_wait(struct belay_channel *channel, const char *method,
                               const struct belay_rpc_options *options,
                               struct belay_rpc_stream **ret_stream, struct belay_error *error)
{
    struct belay_rpc_stream *s = calloc(1, sizeof *s);
    struct belay_error own = {0};
    struct operation op = {.channel = channel, .method = method, .options = options, .error = &own};
    int rc = BELAY_ENOMEM;

    if (s) {
        atomic_init(&s->refs, 1);
        s->loop = belay_channel_loop(channel);
        rc = run(s, &op, start_open, never_waits, BELAY_FOREVER);
    }
    if (rc == 0) {
        *ret_stream = s;
        return 0;
    }
    free(s);
    if (own.code == rc && error)
        *error = own;
    else
        bl_error_set(error, rc, BELAY_STAGE_USE, "calling %.80s: %s", method ? method : "",
                     belay_strerror(rc));
    return rc;
}

/* ---- messages ---- */

static int start_write(struct bl_wait *wait)
{
    struct operation *op = operation_of(wait);
    struct belay_rpc_stream *s = op->stream;
    int rc;

    if (!s->rpc)
        return BELAY_ECLOSED;
    if (s->writer)
        return BELAY_EAGAIN;
    rc = belay_rpc_write(s->rpc, op->data, op->len);
    if (rc != BELAY_EAGAIN)
        return rc == 0 ? AT_ONCE : rc;
    s->writer = op;
    return 0;
}

static void cancel_write(struct bl_wait *wait)
{
    operation_of(wait)->stream->writer = NULL;
}

int belay_rpc_stream_write_wait(struct belay_rpc_stream *stream, const void *message, size_t len)
{
    struct operation op = {.data = message, .len = len};

    return run(stream, &op, start_write, cancel_write, BELAY_FOREVER);
}

static int start_end(struct bl_wait *wait)
{
    struct belay_rpc_stream *s = operation_of(wait)->stream;

    if (s->rpc)
        belay_rpc_end(s->rpc);
    return AT_ONCE;
}

int belay_rpc_stream_end_wait(struct belay_rpc_stream *stream)
{
    struct operation op = {0};

    return run(stream, &op, start_end, never_waits, BELAY_FOREVER);
}

static int start_read(struct bl_wait *wait)
{
    struct operation *op = operation_of(wait);
    struct belay_rpc_stream *s = op->stream;

    if (take_held(s, op))
        return AT_ONCE;
    if (!s->rpc)
        return BELAY_EEOF;
    if (s->reader)
        return BELAY_EAGAIN;
    s->reader = op;
    return 0;
}

static void cancel_read(struct bl_wait *wait)
{
    operation_of(wait)->stream->reader = NULL;
}

int belay_rpc_stream_read_wait(struct belay_rpc_stream *stream, int64_t timeout_ms,
                               void **ret_message, size_t *ret_len)
{
    struct operation op = {0};
    int rc = run(stream, &op, start_read, cancel_read, timeout_ms);

    if (rc < 0)
        return rc;
    *ret_message = op.message;
    *ret_len = op.message_len;
    return 0;
}

/* ---- the end ---- */

static int start_close(struct bl_wait *wait)
{
    struct belay_rpc_stream *s = operation_of(wait)->stream;

    if (!s->rpc)
        return AT_ONCE;
    belay_rpc_cancel(s->rpc);
    s->rpc = NULL;
    bl_unary_result_set(&s->result, BELAY_GRPC_CANCELLED, "the call was ended by its caller");
    end_reader(s, BELAY_ECLOSED);
    end_writer(s, BELAY_ECLOSED);
    release(s);
    return AT_ONCE;
}

int belay_rpc_stream_close_wait(struct belay_rpc_stream *stream,
                                struct belay_unary_result *ret_result)
{
    struct belay_unary_result ended;
    struct operation op = {0};
    int rc = 0;

    if (!stream)
        return 0;
    if (atomic_load(&stream->refs) > 1) /* else it is over, and perhaps its loop */
        rc = run(stream, &op, start_close, never_waits, BELAY_FOREVER);
    if (rc < 0 && rc != BELAY_ECLOSED)
        return rc;
    if (rc == 0)
        ended = stream->result;
    else /* the loop ends, and the call with it */
        bl_unary_result_set(&ended, BELAY_GRPC_CANCELLED, "the loop is closed");
    release(stream);
    if (ret_result)
        bl_unary_result_give(ret_result, &ended);
    return 0;
}
