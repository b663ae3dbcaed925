/* SPDX-License-Identifier: MIT */
/* Reads and writes fields of Protocol Buffers. */
#include "wire/protobuf.h"

#define VARINT_MAX 10 /* bytes */

/* ---- reading ---- */

static bool read_varint(struct bl_span *in, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && in->len > 0; shift += 7) {
        unsigned char byte = (unsigned char)*in->data;

        in->data++;
        in->len--;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* How many bytes the value has. */
static bool read_length(struct bl_span *in, unsigned type, uint64_t *ret)
{
    switch (type) {
    case BL_PB_LENGTH:
        return read_varint(in, ret);
    case BL_PB_FIXED64:
        *ret = 8;
        return true;
    case BL_PB_FIXED32:
        *ret = 4;
        return true;
    default:
        return false;
    }
}

static bool read_value(struct bl_span *in, struct bl_pb_field *ret)
{
    uint64_t n;

    if ((ret->tag & 7) == BL_PB_VARINT)
        return read_varint(in, &ret->value);
    if (!read_length(in, ret->tag & 7, &n) || n > in->len)
        return false;
    ret->bytes = bl_span(in->data, (size_t)n);
    in->data += n;
    in->len -= (size_t)n;
    return true;
}

int bl_pb_next(struct bl_span *message, struct bl_pb_field *ret)
{
    uint64_t tag;

    if (message->len == 0)
        return 0;
    if (!read_varint(message, &tag) || tag >> 3 == 0 || tag >> 3 > BL_PB_NUMBER_MAX)
        return BELAY_EPROTO;
    *ret = (struct bl_pb_field){.tag = (uint32_t)tag};
    return read_value(message, ret) ? 1 : BELAY_EPROTO;
}

/* ---- writing ---- */

struct bl_pb_writer bl_pb_write(struct bl_buf *out, struct bl_mem *mem)
{
    return (struct bl_pb_writer){.out = out, .mem = mem, .before = bl_buf_len(out)};
}

static void put(struct bl_pb_writer *w, const void *data, size_t len)
{
    if (w->rc == 0)
        w->rc = bl_buf_append(w->out, w->mem, data, len);
}

static void put_varint(struct bl_pb_writer *w, uint64_t value)
{
    unsigned char bytes[VARINT_MAX];
    size_t n = 0;

    do {
        bytes[n++] = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value > 0);
    put(w, bytes, n);
}

void bl_pb_put_number(struct bl_pb_writer *w, uint32_t number, uint64_t value)
{
    if (value == 0)
        return;
    put_varint(w, BL_PB_TAG(number, BL_PB_VARINT));
    put_varint(w, value);
}

void bl_pb_put_bytes(struct bl_pb_writer *w, uint32_t number, struct bl_span value)
{
    if (value.len == 0)
        return;
    put_varint(w, BL_PB_TAG(number, BL_PB_LENGTH));
    put_varint(w, value.len);
    put(w, value.data, value.len);
}

int bl_pb_finish(struct bl_pb_writer *w)
{
    if (w->rc < 0)
        bl_buf_cut(w->out, w->before);
    return w->rc;
}
