/* SPDX-License-Identifier: MIT */
/*
 * How calls of gRPC end: the codes of its specification, what answers without a code stand for, and
 * how code and message are written in trailers. Pure.
 */
#ifndef BL_WIRE_GRPC_STATUS_H
#define BL_WIRE_GRPC_STATUS_H

#include "base/buf.h"
#include "base/span.h"

/* X(NAME, number) */
#define BL_GRPC_STATUSES(X)                                                                        \
    X(OK, 0)                                                                                       \
    X(CANCELLED, 1)                                                                                \
    X(UNKNOWN, 2)                                                                                  \
    X(INVALID_ARGUMENT, 3)                                                                         \
    X(DEADLINE_EXCEEDED, 4)                                                                        \
    X(NOT_FOUND, 5)                                                                                \
    X(ALREADY_EXISTS, 6)                                                                           \
    X(PERMISSION_DENIED, 7)                                                                        \
    X(RESOURCE_EXHAUSTED, 8)                                                                       \
    X(FAILED_PRECONDITION, 9)                                                                      \
    X(ABORTED, 10)                                                                                 \
    X(OUT_OF_RANGE, 11)                                                                            \
    X(UNIMPLEMENTED, 12)                                                                           \
    X(INTERNAL, 13)                                                                                \
    X(UNAVAILABLE, 14)                                                                             \
    X(DATA_LOSS, 15)                                                                               \
    X(UNAUTHENTICATED, 16)

enum bl_grpc_status {
#define X(name, number) BL_GRPC_##name = (number),
    BL_GRPC_STATUSES(X)
#undef X
};
#define BL_GRPC_STATUSES_N 17

/* "UNAVAILABLE"; NULL when the number is no code. */
const char *bl_grpc_status_name(int status);

/* The code of a name, regardless of case. False when it is none. */
bool bl_grpc_status_of_name(struct bl_span name, enum bl_grpc_status *ret);

/*
 * The value of grpc-status: a decimal number without leading zeros. UNKNOWN stands for what is none,
 * and for numbers that are no code.
 */
enum bl_grpc_status bl_grpc_status_parse(struct bl_span value);

/* What an HTTP status stands for where grpc-status is missing. 200 is UNKNOWN, too. */
enum bl_grpc_status bl_grpc_status_of_http(int http_status);

/*
 * What the error code of RST_STREAM stands for. Codes that the specification does not map are
 * INTERNAL, as RFC 9113 has unknown codes treated as INTERNAL_ERROR.
 */
enum bl_grpc_status bl_grpc_status_of_h2(uint32_t error_code);

/*
 * Appends `message` as grpc-message carries it: printable ASCII as it is, all else and "%" as %XX.
 * BELAY_ENOMEM. It is read with bl_unescape, which keeps broken escapes as they are.
 */
int bl_grpc_message_write(struct bl_span message, struct bl_buf *out, struct bl_mem *mem);

#endif
