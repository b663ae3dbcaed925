/* SPDX-License-Identifier: MIT */
/* Messages of gRPC compressed with gzip (RFC 1952), each by itself. zlib's memory is the loop's. Pure. */
#ifndef BL_WIRE_GRPC_GZIP_H
#define BL_WIRE_GRPC_GZIP_H

#include "base/buf.h"
#include "base/span.h"
#include "belay/error.h"

/* Appends `message`, compressed. BELAY_ENOMEM; `out` is then as it was. */
int bl_grpc_gzip(struct bl_span message, struct bl_buf *out, struct bl_mem *mem);

/*
 * Appends what `message` is the compression of, at most `limit` bytes: no more memory than twice
 * that is taken, however small the message. On an error `out` is as it was.
 *
 * BELAY_ELIMIT  it is longer; the error names the limit (RESOURCE_EXHAUSTED, as a status)
 * BELAY_EPROTO  no gzip, damaged, cut short, or something follows it (INTERNAL)
 * BELAY_ENOMEM
 */
int bl_grpc_gunzip(struct bl_span message, uint32_t limit, struct bl_buf *out, struct bl_mem *mem,
                   struct belay_error *error);

#endif
