/* SPDX-License-Identifier: MIT */
/* What a dial came to, in words for the trace. */
#ifndef BL_CONN_DESCRIBE_H
#define BL_CONN_DESCRIBE_H

#include "belay/stream.h"

#define BL_DESCRIBE_MAX 256

/*
 * "192.0.2.1:443, TLSv1.3, TLS_AES_256_GCM_SHA384, http/1.1, resumed": the peer's address and, with
 * TLS, its facts. "" without a stream. Returns `out`.
 */
const char *bl_describe(struct belay_stream *stream, char out[BL_DESCRIBE_MAX]);

#endif
