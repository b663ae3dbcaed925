/* SPDX-License-Identifier: MIT */
/*
 * Messages going out. They lie framed in `out`; the attempt reads them from there, and what it has
 * read stays until no further attempt can follow.
 */
#include "base/error.h"
#include "grpc/rpc.h"
#include "wire/grpc_gzip.h"

#define PENDING_MAX 65536u  /* not read yet: then no more is taken */
#define PENDING_LOW 32768u  /* ... until so much is left */
#define KEPT_MAX    262144u /* read, for another attempt */
#define MESSAGE_MAX (1u << 29)

static size_t pending(const struct belay_rpc *rpc)
{
    return bl_buf_len(&rpc->out) - rpc->out_at;
}

static bool is_open(const struct belay_rpc *rpc)
{
    return rpc->state < BL_RPC_POSTED;
}

static void body_ready(struct belay_rpc *rpc)
{
    if (!rpc->starved || rpc->state != BL_RPC_RUNNING)
        return;
    rpc->starved = false;
    belay_http_request_body_ready(rpc->request);
}

static int put(struct belay_rpc *rpc, bool compressed, struct bl_span message)
{
    unsigned char prefix[BL_GRPC_PREFIX];
    char *room = bl_buf_reserve(&rpc->out, &rpc->loop->brief, sizeof prefix + message.len);

    if (!room)
        return BELAY_ENOMEM;
    bl_grpc_frame_write(compressed, (uint32_t)message.len, prefix);
    memcpy(room, prefix, sizeof prefix);
    if (message.len > 0)
        memcpy(room + sizeof prefix, message.data, message.len);
    bl_buf_commit(&rpc->out, sizeof prefix + message.len);
    return 0;
}

/* Compressed, where that makes it smaller. */
static int put_small(struct belay_rpc *rpc, struct bl_span message)
{
    struct bl_mem *mem = &rpc->loop->brief;
    struct bl_buf packed = {0};
    int rc = bl_grpc_gzip(message, &packed, mem);

    if (rc == 0 && bl_buf_len(&packed) < message.len)
        rc = put(rpc, true, bl_span(bl_buf_head(&packed), bl_buf_len(&packed)));
    else if (rc == 0)
        rc = put(rpc, false, message);
    bl_buf_free(&packed, mem);
    return rc;
}

int belay_rpc_write(struct belay_rpc *rpc, const void *message, size_t len)
{
    struct bl_span span = bl_span(message, len);
    int rc;

    if (len > 0 && !message)
        return BELAY_EINVAL;
    if (!is_open(rpc) || rpc->ended)
        return BELAY_ECLOSED;
    if (len > (size_t)rpc->max_send || len > MESSAGE_MAX)
        return BELAY_ELIMIT;
    if (pending(rpc) >= PENDING_MAX) {
        rpc->full = true;
        return BELAY_EAGAIN;
    }
    rc = rpc->gzip && !rpc->plain ? put_small(rpc, span) : put(rpc, false, span);
    if (rc == 0)
        body_ready(rpc);
    return rc;
}

int belay_rpc_set_gzip(struct belay_rpc *rpc, bool on)
{
    if (on && !rpc->gzip)
        return BELAY_ENOTSUP;
    rpc->plain = !on;
    return 0;
}

void belay_rpc_end(struct belay_rpc *rpc)
{
    if (!is_open(rpc) || rpc->ended)
        return;
    rpc->ended = true;
    body_ready(rpc);
}

int bl_rpc_write_only(struct belay_rpc *rpc, const void *message, size_t len)
{
    int rc = belay_rpc_write(rpc, message, len);

    if (rc < 0 && rc != BELAY_ECLOSED)
        return rc;
    belay_rpc_end(rpc);
    return 0;
}

/* ---- the attempt reads ---- */

ptrdiff_t bl_rpc_read(void *out, size_t size, void *arg)
{
    struct belay_rpc *rpc = arg;
    size_t n = pending(rpc);

    if (n == 0) {
        if (rpc->ended)
            return 0;
        rpc->starved = true;
        return BELAY_EAGAIN;
    }
    n = n < size ? n : size;
    memcpy(out, bl_buf_head(&rpc->out) + rpc->out_at, n);
    rpc->out_at += (uint32_t)n;
    if (rpc->committed || rpc->out_at > KEPT_MAX)
        bl_rpc_commit(rpc);
    if (rpc->full && pending(rpc) < PENDING_LOW)
        bl_task_post(rpc->loop, &rpc->task);
    return (ptrdiff_t)n;
}

void bl_rpc_rewind(struct belay_rpc *rpc)
{
    rpc->out_at = 0;
    rpc->starved = false;
}

void bl_rpc_commit(struct belay_rpc *rpc)
{
    rpc->committed = true;
    bl_buf_consume(&rpc->out, rpc->out_at);
    rpc->out_at = 0;
    bl_buf_trim(&rpc->out, &rpc->loop->brief);
}

bool bl_rpc_tell_writable(struct belay_rpc *rpc)
{
    if (!rpc->full || pending(rpc) >= PENDING_LOW)
        return true;
    rpc->full = false;
    if (!rpc->callbacks.on_writable)
        return true;
    bl_rpc_enter(rpc);
    rpc->callbacks.on_writable(rpc, rpc->arg);
    return bl_rpc_leave(rpc);
}
