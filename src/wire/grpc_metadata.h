/* SPDX-License-Identifier: MIT */
/*
 * Metadata of gRPC: what a caller may send, which fields of an answer are metadata, and values that
 * are bytes: those whose key ends in "-bin" travel as base64. Pure.
 */
#ifndef BL_WIRE_GRPC_METADATA_H
#define BL_WIRE_GRPC_METADATA_H

#include "base/buf.h"
#include "base/span.h"
#include "belay/error.h"

/* Whether the key ends in "-bin". */
static inline bool bl_grpc_metadata_is_binary(struct bl_span key)
{
    return key.len > 4 && memcmp(key.data + key.len - 4, "-bin", 4) == 0;
}

/*
 * Whether a caller may send it. A key is lower-case letters, digits and "_-.", none that HTTP/2 or
 * gRPC itself sets; a value is printable ASCII without blanks at its ends (which peers may take
 * off), or, of a binary key, any bytes. BELAY_EINVAL: `error` names the key and what is wrong, and
 * never shows the value, which may be a token.
 */
int bl_grpc_metadata_check(struct bl_span key, struct bl_span value, struct belay_error *error);

/*
 * Whether a field of an answer is metadata: not a pseudo field, and none that gRPC speaks by itself
 * (grpc-status, content-type, ...). Keys of gRPC's that are new are metadata.
 */
bool bl_grpc_metadata_is_custom(struct bl_span key);

/* Appends the value as it travels: a binary key's as base64 without padding. BELAY_ENOMEM. */
int bl_grpc_metadata_write(struct bl_span key, struct bl_span value, struct bl_buf *out,
                           struct bl_mem *mem);

/* Appends the bytes of one value of a binary key's field, which may have been joined of several
 * (bl_field_next_part). BELAY_EPROTO: it is no base64; BELAY_ENOMEM. */
int bl_grpc_metadata_read(struct bl_span value, struct bl_buf *out, struct bl_mem *mem);

#endif
