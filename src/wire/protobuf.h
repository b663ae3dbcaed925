/* SPDX-License-Identifier: MIT */
/*
 * Fields of Protocol Buffers: a message is a row of them, in any order, each with its number and the
 * type that says how long it is. Pure. Groups, which proto3 does not have, are not read.
 */
#ifndef BL_WIRE_PROTOBUF_H
#define BL_WIRE_PROTOBUF_H

#include "base/buf.h"
#include "base/span.h"
#include "belay/error.h"

enum bl_pb_type { BL_PB_VARINT = 0, BL_PB_FIXED64 = 1, BL_PB_LENGTH = 2, BL_PB_FIXED32 = 5 };

#define BL_PB_NUMBER_MAX 536870911u /* of a field */

/* One switch tells both: case BL_PB_TAG(1, BL_PB_VARINT). */
#define BL_PB_TAG(number, type) ((uint32_t)(number) << 3 | (uint32_t)(type))

struct bl_pb_field {
    uint32_t tag;         /* BL_PB_TAG */
    uint64_t value;       /* of a VARINT; else 0 */
    struct bl_span bytes; /* of all others, in the message */
};

/* The next field of `message`, which moves behind it. 1: *ret is it; 0: there are no more;
 * BELAY_EPROTO: what follows is none. */
int bl_pb_next(struct bl_span *message, struct bl_pb_field *ret);

/*
 * Appends a message to `out`. What is 0 or empty is what a reader takes for a field that is not
 * there, and is left out. The first failure ends it: what follows does nothing, and `finish` takes
 * back what was written.
 */
struct bl_pb_writer {
    struct bl_buf *out;
    struct bl_mem *mem;
    size_t before;
    int rc;
};

struct bl_pb_writer bl_pb_write(struct bl_buf *out, struct bl_mem *mem);
void bl_pb_put_number(struct bl_pb_writer *w, uint32_t number, uint64_t value);
void bl_pb_put_bytes(struct bl_pb_writer *w, uint32_t number, struct bl_span value);
static inline void bl_pb_put_text(struct bl_pb_writer *w, uint32_t number, const char *value)
{
    bl_pb_put_bytes(w, number, bl_span_of(value));
}
int bl_pb_finish(struct bl_pb_writer *w); /* BELAY_ENOMEM */

#endif
