/* SPDX-License-Identifier: MIT */
/* What a call came to, for those who block: it outlives the call. */
#ifndef BL_GRPC_RPC_WAIT_H
#define BL_GRPC_RPC_WAIT_H

#include "grpc/rpc.h"

/* All of it, without a response; a message that is too long is cut. */
void bl_unary_result_set(struct belay_unary_result *r, int status, const char *message);
/* Into the caller's struct, which may be of an older version, or a newer. */
void bl_unary_result_give(struct belay_unary_result *out, struct belay_unary_result *r);

#endif
