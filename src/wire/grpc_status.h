/* SPDX-License-Identifier: MIT */
/*
 * How calls of gRPC end: what answers without a code stand for, and how code and message are written
 * in trailers. Pure.
 */
#ifndef BL_WIRE_GRPC_STATUS_H
#define BL_WIRE_GRPC_STATUS_H

#include "base/buf.h"
#include "base/span.h"
#include "belay/grpc_status.h"

/*
 * The value of grpc-status: a decimal number without leading zeros. UNKNOWN stands for what is none,
 * and for numbers that are no code.
 */
enum belay_grpc_status bl_grpc_status_parse(struct bl_span value);

/* What an HTTP status stands for where grpc-status is missing. 200 is UNKNOWN, too. */
enum belay_grpc_status bl_grpc_status_of_http(int http_status);

/*
 * What the error code of RST_STREAM stands for. Codes that the specification does not map are
 * INTERNAL, as RFC 9113 has unknown codes treated as INTERNAL_ERROR.
 */
enum belay_grpc_status bl_grpc_status_of_h2(uint32_t error_code);

/*
 * Appends `message` as grpc-message carries it: printable ASCII as it is, all else and "%" as %XX.
 * BELAY_ENOMEM. It is read with bl_unescape, which keeps broken escapes as they are.
 */
int bl_grpc_message_write(struct bl_span message, struct bl_buf *out, struct bl_mem *mem);

#endif
