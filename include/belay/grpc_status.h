/* SPDX-License-Identifier: MIT */
/* belay/grpc_status.h - the codes that a call of gRPC ends with. Any thread. */
#ifndef BELAY_GRPC_STATUS_H
#define BELAY_GRPC_STATUS_H

#include "belay/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, number) */
#define BELAY_GRPC_STATUSES(X)                                                                     \
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

enum belay_grpc_status {
#define X(name, number) BELAY_GRPC_##name = (number),
    BELAY_GRPC_STATUSES(X)
#undef X
};

/* "UNAVAILABLE"; "unknown status" of a number that is no code. */
BELAY_API const char *belay_grpc_status_name(int status);

#ifdef __cplusplus
}
#endif

#endif
