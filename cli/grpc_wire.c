/* SPDX-License-Identifier: MIT */
/* The little of protobuf's encoding that is needed without a schema. */
#include "grpc_wire.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

void grpc_wire_begin(struct grpc_wire *wire, const void *data, size_t len)
{
    wire->at = data;
    wire->end = wire->at + len;
    wire->bad = false;
}

static bool read_varint(struct grpc_wire *w, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && w->at < w->end; shift += 7) {
        unsigned char byte = *w->at++;

        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool read_fixed(struct grpc_wire *w, size_t n, uint64_t *ret)
{
    *ret = 0;
    if ((size_t)(w->end - w->at) < n)
        return false;
    for (size_t i = n; i-- > 0;)
        *ret = *ret << 8 | w->at[i];
    w->at += n;
    return true;
}

static bool read_bytes(struct grpc_wire *w, struct grpc_field *ret)
{
    uint64_t len;

    if (!read_varint(w, &len) || len > (uint64_t)(w->end - w->at))
        return false;
    ret->data = (const char *)w->at;
    ret->len = (size_t)len;
    w->at += len;
    return true;
}

bool grpc_wire_next(struct grpc_wire *w, struct grpc_field *ret)
{
    uint64_t tag;
    bool good;

    *ret = (struct grpc_field){0};
    if (w->bad || w->at == w->end)
        return false;
    good = read_varint(w, &tag) && tag >> 3 > 0 && tag >> 3 < 1u << 29;
    if (good) {
        ret->number = (uint32_t)(tag >> 3);
        switch (tag & 7) {
        case WIRE_VARINT:
            good = read_varint(w, &ret->value);
            break;
        case WIRE_64:
            good = read_fixed(w, 8, &ret->value);
            break;
        case WIRE_32:
            good = read_fixed(w, 4, &ret->value);
            break;
        case WIRE_BYTES:
            good = read_bytes(w, ret);
            break;
        default:
            good = false;
        }
    }
    w->bad = !good;
    return good;
}

static void add_varint(struct bytes *message, uint64_t value)
{
    char out[10];
    size_t n = 0;

    do {
        out[n++] = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value);
    bytes_add(message, out, n);
}

void grpc_wire_add(struct bytes *message, uint32_t number, const void *data, size_t len)
{
    add_varint(message, (uint64_t)number << 3 | WIRE_BYTES);
    add_varint(message, len);
    bytes_add(message, data, len);
}
