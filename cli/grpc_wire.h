/* SPDX-License-Identifier: MIT */
/* The little of protobuf's encoding that health, reflection and the status of errors need. Pure. */
#ifndef CLI_GRPC_WIRE_H
#define CLI_GRPC_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

/* What of a message has not been read yet. */
struct grpc_wire {
    const unsigned char *at, *end;
    bool bad; /* it is no message */
};

struct grpc_field {
    uint32_t number;
    uint64_t value;   /* of numbers */
    const char *data; /* of strings, bytes and messages; NULL: it is a number */
    size_t len;
};

void grpc_wire_begin(struct grpc_wire *wire, const void *data, size_t len);
/* The next field; false at the end, or where it is bad. */
bool grpc_wire_next(struct grpc_wire *wire, struct grpc_field *ret);

/* A string, bytes, or a message, as the field of that number. */
void grpc_wire_add(struct bytes *message, uint32_t number, const void *data, size_t len);

#endif
