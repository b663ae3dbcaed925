/* SPDX-License-Identifier: MIT */
/* What nghttp2 allocates for a connection. */
#ifndef BL_HTTP_H2_MEMORY_H
#define BL_HTTP_H2_MEMORY_H

#include <nghttp2/nghttp2.h>

#include "base/mem.h"

#define BL_H2_MEMORY_CLASSES 4 /* of sizes: up to 512 bytes */

struct bl_h2_block;

struct bl_h2_memory {
    struct bl_mem *mem;
    struct bl_h2_block *kept[BL_H2_MEMORY_CLASSES];
    uint32_t kept_n[BL_H2_MEMORY_CLASSES];
};

/* `memory` stays where it is as long as anything has the functions. */
nghttp2_mem bl_h2_memory_init(struct bl_h2_memory *memory, struct bl_mem *mem);
/* No stream is open: all but a few of the blocks go. */
void bl_h2_memory_trim(struct bl_h2_memory *memory);
/* All that was taken has been given back. */
void bl_h2_memory_fini(struct bl_h2_memory *memory);

#endif
