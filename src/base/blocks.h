/* SPDX-License-Identifier: MIT */
/*
 * Blocks that are kept when they are given back, for the next who asks for as much: for what is made
 * and gone again all the time. Those of one size are kept up to a limit, as long as any is in use;
 * then a few. One thread's.
 */
#ifndef BL_BASE_BLOCKS_H
#define BL_BASE_BLOCKS_H

#include "base/mem.h"

#define BL_BLOCKS_CLASSES 11 /* of sizes: up to 2 KiB */

struct bl_block;

struct bl_blocks {
    struct bl_mem *mem;
    uint32_t used;
    struct bl_block *kept[BL_BLOCKS_CLASSES + 1]; /* the last: of larger ones, and none */
    uint32_t kept_n[BL_BLOCKS_CLASSES + 1];
};

void bl_blocks_init(struct bl_blocks *blocks, struct bl_mem *mem);
/* As malloc, free and realloc. */
void *bl_blocks_take(struct bl_blocks *blocks, size_t size);
void bl_blocks_give(struct bl_blocks *blocks, void *block);
void *bl_blocks_take_again(struct bl_blocks *blocks, void *block, size_t size);
/* Nothing is under way: all but a few of those that are kept go. */
void bl_blocks_trim(struct bl_blocks *blocks);
/* All that was taken has been given back. */
void bl_blocks_fini(struct bl_blocks *blocks);

#endif
