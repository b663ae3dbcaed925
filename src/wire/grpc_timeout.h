/* SPDX-License-Identifier: MIT */
/* The value of grpc-timeout: at most 8 digits and a unit, one of n u m S M H. Pure. */
#ifndef BL_WIRE_GRPC_TIMEOUT_H
#define BL_WIRE_GRPC_TIMEOUT_H

#include "base/span.h"

#define BL_GRPC_TIMEOUT_MAX 10 /* characters with the NUL */

/*
 * The time that is left, in the finest unit that holds it, cut off and not rounded: a server never
 * hears of more time than there is. What is past is "1n", as 0 is no timeout. Returns the length.
 */
size_t bl_grpc_timeout_print(int64_t left_ns, char out[BL_GRPC_TIMEOUT_MAX]);

/* False when it is none: no digit, more than 8, 0, another unit. Past 292 years it is INT64_MAX. */
bool bl_grpc_timeout_parse(struct bl_span value, int64_t *ret_ns);

#endif
