/* SPDX-License-Identifier: MIT */
/* Messages of gRPC: what came in one piece is handed out where it lies. */
#include "wire/grpc_frame.h"

#include "base/error.h"

void bl_grpc_frame_write(bool compressed, uint32_t len, unsigned char out[BL_GRPC_PREFIX])
{
    out[0] = compressed;
    out[1] = (unsigned char)(len >> 24);
    out[2] = (unsigned char)(len >> 16);
    out[3] = (unsigned char)(len >> 8);
    out[4] = (unsigned char)len;
}

static void skip(struct bl_span *input, size_t len)
{
    if (len == 0)
        return; /* there may be no input */
    input->data += len;
    input->len -= len;
}

static int check_prefix(struct bl_grpc_frames *f, struct belay_error *error)
{
    const unsigned char *p = f->prefix;

    f->size = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    if (p[0] > 1)
        return bl_error_set(error, BELAY_EPROTO, BELAY_STAGE_USE,
                            "a message starts with the byte 0x%02x: the peer does not speak gRPC, "
                            "or the stream is out of step",
                            p[0]);
    if (p[0] == 1 && !f->encoding)
        return bl_error_set(error, BELAY_EPROTO, BELAY_STAGE_USE,
                            "a message is compressed, but grpc-encoding names no coding");
    if (f->size > f->limit)
        return bl_error_set(error, BELAY_ELIMIT, BELAY_STAGE_USE,
                            "a message of %lu bytes is longer than the limit of %lu",
                            (unsigned long)f->size, (unsigned long)f->limit);
    return 0;
}

/* 1 when the prefix is there. */
static int read_prefix(struct bl_grpc_frames *f, struct bl_span *input, struct belay_error *error)
{
    int rc;

    if (f->prefix_len == BL_GRPC_PREFIX)
        return 1;
    while (f->prefix_len < BL_GRPC_PREFIX && input->len > 0) {
        f->prefix[f->prefix_len++] = (unsigned char)input->data[0];
        skip(input, 1);
    }
    if (f->prefix_len < BL_GRPC_PREFIX)
        return 0;
    rc = check_prefix(f, error);
    return rc < 0 ? rc : 1;
}

int bl_grpc_frames_next(struct bl_grpc_frames *f, struct bl_mem *mem, struct bl_span *input,
                        struct bl_grpc_frame *ret, struct belay_error *error)
{
    size_t missing, len;
    int rc;

    if (f->handed_out) {
        bl_buf_free(&f->held, mem);
        f->handed_out = false;
    }
    rc = read_prefix(f, input, error);
    if (rc <= 0)
        return rc;
    missing = f->size - bl_buf_len(&f->held);
    len = input->len < missing ? input->len : missing;
    if (len == f->size) {
        ret->message = bl_span(len > 0 ? input->data : "", len);
    } else {
        rc = bl_buf_append(&f->held, mem, input->data, len);
        if (rc < 0)
            return bl_error_set(error, rc, BELAY_STAGE_USE, "no memory for a message of %lu bytes",
                                (unsigned long)f->size);
        ret->message = bl_span(bl_buf_head(&f->held), bl_buf_len(&f->held));
        f->handed_out = len == missing;
    }
    skip(input, len);
    if (len < missing)
        return 0;
    ret->compressed = f->prefix[0] == 1;
    f->prefix_len = 0;
    return 1;
}

int bl_grpc_frames_end(const struct bl_grpc_frames *f, struct belay_error *error)
{
    if (f->prefix_len == 0)
        return 0;
    if (f->prefix_len < BL_GRPC_PREFIX)
        return bl_error_set(error, BELAY_EPROTO, BELAY_STAGE_USE,
                            "the stream ended within the %d bytes before a message",
                            BL_GRPC_PREFIX);
    return bl_error_set(error, BELAY_EPROTO, BELAY_STAGE_USE,
                        "the stream ended after %lu of a message's %lu bytes",
                        (unsigned long)bl_buf_len(&f->held), (unsigned long)f->size);
}

void bl_grpc_frames_free(struct bl_grpc_frames *f, struct bl_mem *mem)
{
    bl_buf_free(&f->held, mem);
    f->handed_out = false;
    f->prefix_len = 0;
}
