/* SPDX-License-Identifier: MIT */
/*
 * How deep a message is. protobuf-c reads messages within messages by recursion, without a limit: the
 * bytes of a hostile server could take all of the stack. Here they are walked without recursion, as
 * far as their type says that they are messages.
 */
#include "parts.h"

#define DEPTH_MAX 100 /* as other implementations */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct level {
    const ProtobufCMessageDescriptor *type;
    const uint8_t *end;
};

/* False: it is cut, or too long. */
static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;

        *ret |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* NULL: the field is unknown, or no message. */
static const ProtobufCMessageDescriptor *type_of(const ProtobufCMessageDescriptor *type,
                                                 uint64_t number)
{
    const ProtobufCFieldDescriptor *field =
        number <= UINT32_MAX ? protobuf_c_message_descriptor_get_field(type, (unsigned)number)
                             : NULL;

    return field && field->type == PROTOBUF_C_TYPE_MESSAGE ? field->descriptor : NULL;
}

/* One field. False: it cannot be read. `ret_inner`: what it holds, where that is a message. */
static bool walk_field(const struct level *level, const uint8_t **at, struct level *ret_inner)
{
    uint64_t tag, len;

    ret_inner->type = NULL;
    if (!read_varint(at, level->end, &tag))
        return false;
    switch (tag & 7) {
    case VARINT:
        return read_varint(at, level->end, &len);
    case FIXED64:
        len = 8;
        break;
    case FIXED32:
        len = 4;
        break;
    case BYTES:
        if (!read_varint(at, level->end, &len))
            return false;
        ret_inner->type = type_of(level->type, tag >> 3);
        break;
    default:
        return false;
    }
    if (len > (uint64_t)(level->end - *at))
        return false;
    ret_inner->end = *at + len;
    if (!ret_inner->type)
        *at += len;
    return true;
}

bool bl_pbc_is_shallow(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t len)
{
    struct level levels[DEPTH_MAX];
    const uint8_t *at = data;
    size_t depth = 0;

    levels[0] = (struct level){.type = type, .end = data + len};
    for (;;) {
        struct level inner;

        while (at == levels[depth].end) {
            if (depth == 0)
                return true;
            depth--;
        }
        if (!walk_field(&levels[depth], &at, &inner))
            return true;
        if (inner.type && ++depth == DEPTH_MAX)
            return false;
        if (inner.type)
            levels[depth] = inner;
    }
}
