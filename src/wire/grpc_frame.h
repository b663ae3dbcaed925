/* SPDX-License-Identifier: MIT */
/*
 * Messages of gRPC in the bytes of a stream: one byte that says whether it is compressed, four of
 * length, the message. Frames of HTTP/2 end anywhere. Pure.
 */
#ifndef BL_WIRE_GRPC_FRAME_H
#define BL_WIRE_GRPC_FRAME_H

#include "base/buf.h"
#include "base/span.h"
#include "belay/error.h"

#define BL_GRPC_PREFIX 5

/* What stands before a message that goes out. */
void bl_grpc_frame_write(bool compressed, uint32_t len, unsigned char out[BL_GRPC_PREFIX]);

/* Fill in `limit` and `encoding`, the rest is zero. Memory is held within a message only. */
struct bl_grpc_frames {
    uint32_t limit; /* bytes of a message, as it travels */
    bool encoding;  /* grpc-encoding names a coding: messages may be compressed */

    unsigned char prefix[BL_GRPC_PREFIX];
    uint8_t prefix_len;
    uint32_t size;      /* of the message that has begun */
    bool handed_out;    /* `held` is with the caller */
    struct bl_buf held; /* its first bytes, when it did not come in one piece */
};

struct bl_grpc_frame {
    struct bl_span message; /* of the input, or of the reader: until its next call */
    bool compressed;
};

/*
 * The next message. 1: *ret is it, and `input` has moved past it: call again. 0: `input` is used up,
 * more is needed. `held` grows with what came, not with what was announced.
 *
 * BELAY_ELIMIT  longer than `limit`; the error names both (RESOURCE_EXHAUSTED, as a status)
 * BELAY_EPROTO  a first byte that is neither 0 nor 1, or 1 without an encoding (INTERNAL)
 * BELAY_ENOMEM
 *
 * After an error the reader can only be freed.
 */
int bl_grpc_frames_next(struct bl_grpc_frames *f, struct bl_mem *mem, struct bl_span *input,
                        struct bl_grpc_frame *ret, struct belay_error *error);

/* The stream has ended. BELAY_EPROTO: within a message. */
int bl_grpc_frames_end(const struct bl_grpc_frames *f, struct belay_error *error);

void bl_grpc_frames_free(struct bl_grpc_frames *f, struct bl_mem *mem);

#endif
