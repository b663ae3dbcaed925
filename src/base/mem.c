/* SPDX-License-Identifier: MIT */
/* The allocator of one loop, counted. Blocks may be made and released on any thread: the count is
 * atomic. */
#include "base/mem.h"

#include <stdlib.h>

#include "base/blocks.h"
#include "belay/error.h"

static void *default_allocate(size_t bytes, void *arg)
{
    (void)arg;
    return malloc(bytes);
}

static void *default_reallocate(void *memory, size_t bytes, void *arg)
{
    (void)arg;
    return realloc(memory, bytes);
}

static void default_release(void *memory, void *arg)
{
    (void)arg;
    free(memory);
}

void bl_mem_init(struct bl_mem *mem, const struct belay_allocator *allocator)
{
    static const struct belay_allocator standard = {
        BELAY_SIZED(belay_allocator),
        .allocate = default_allocate,
        .reallocate = default_reallocate,
        .release = default_release,
    };

    mem->allocator = allocator ? *allocator : standard;
    mem->live = 0;
    mem->blocks = NULL;
}

void bl_mem_init_brief(struct bl_mem *mem, struct bl_blocks *blocks)
{
    *mem = (struct bl_mem){.blocks = blocks};
}

/* An allocator may answer NULL to 0 bytes; here NULL always means that memory is out. */
static size_t at_least_one(size_t bytes)
{
    return bytes ? bytes : 1;
}

void *bl_alloc(struct bl_mem *mem, size_t bytes)
{
    void *memory;

    if (mem->blocks)
        return bl_blocks_take(mem->blocks, bytes);
    memory = mem->allocator.allocate(at_least_one(bytes), mem->allocator.arg);
    if (memory)
        __atomic_add_fetch(&mem->live, 1, __ATOMIC_RELAXED);
    return memory;
}

void *bl_zalloc(struct bl_mem *mem, size_t bytes)
{
    void *memory = bl_alloc(mem, bytes);

    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

void *bl_realloc(struct bl_mem *mem, void *memory, size_t bytes)
{
    if (!memory)
        return bl_alloc(mem, bytes);
    if (mem->blocks)
        return bl_blocks_take_again(mem->blocks, memory, bytes);
    return mem->allocator.reallocate(memory, at_least_one(bytes), mem->allocator.arg);
}

void bl_free(struct bl_mem *mem, void *memory)
{
    if (!memory)
        return;
    if (mem->blocks) {
        bl_blocks_give(mem->blocks, memory);
        return;
    }
    __atomic_sub_fetch(&mem->live, 1, __ATOMIC_RELAXED);
    mem->allocator.release(memory, mem->allocator.arg);
}

char *bl_strndup(struct bl_mem *mem, const char *text, size_t len)
{
    char *copy = len < SIZE_MAX ? bl_alloc(mem, len + 1) : NULL;

    if (!copy)
        return NULL;
    if (len > 0)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *bl_strdup(struct bl_mem *mem, const char *text)
{
    return text ? bl_strndup(mem, text, strlen(text)) : NULL;
}

int bl_copy_text(struct bl_mem *mem, const char *text, char **ret)
{
    if (!text)
        return 0;
    *ret = bl_strdup(mem, text);
    return *ret ? 0 : BELAY_ENOMEM;
}
