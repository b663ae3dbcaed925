/* SPDX-License-Identifier: MIT */
/*
 * nghttp2's memory. The blocks are kept as long as any stream is open: many end in one turn, and as
 * many begin, which is more than an allocator's own short memory holds.
 */
#include "http/h2_memory.h"

#include <string.h>

static void *take(size_t size, void *blocks)
{
    return bl_blocks_take(blocks, size);
}

static void give(void *ptr, void *blocks)
{
    bl_blocks_give(blocks, ptr);
}

static void *take_zeroed(size_t n, size_t size, void *blocks)
{
    void *ptr = size && n > SIZE_MAX / size ? NULL : bl_blocks_take(blocks, n * size);

    if (ptr)
        memset(ptr, 0, n * size);
    return ptr;
}

static void *take_again(void *ptr, size_t size, void *blocks)
{
    return bl_blocks_take_again(blocks, ptr, size);
}

nghttp2_mem bl_h2_memory(struct bl_blocks *blocks)
{
    return (nghttp2_mem){blocks, take, give, take_zeroed, take_again};
}
