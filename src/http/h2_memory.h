/* SPDX-License-Identifier: MIT */
/* What nghttp2 allocates for a connection: most of it a few small blocks for each stream. */
#ifndef BL_HTTP_H2_MEMORY_H
#define BL_HTTP_H2_MEMORY_H

#include <nghttp2/nghttp2.h>

#include "base/blocks.h"

/* `blocks` stays where it is as long as anything has the functions. */
nghttp2_mem bl_h2_memory(struct bl_blocks *blocks);

#endif
