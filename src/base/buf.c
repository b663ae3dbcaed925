/* SPDX-License-Identifier: MIT */
/*
 * The growing byte buffer. Live bytes are moved to the front only when at least as many have been
 * consumed, so that each byte is moved a bounded number of times.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "belay/error.h"

#define CAPACITY_MIN 256u
#define CAPACITY_MAX (1u << 30)

static void reset_if_empty(struct bl_buf *b)
{
    if (b->start == b->end)
        b->start = b->end = 0;
}

static uint32_t grown(uint32_t capacity, uint32_t needed)
{
    if (capacity < CAPACITY_MIN)
        capacity = CAPACITY_MIN;
    while (capacity < needed)
        capacity *= 2; /* needed is at most CAPACITY_MAX, a power of two times CAPACITY_MIN */
    return capacity;
}

/* A block of `capacity` that holds the live bytes at its front. */
static bool move_to_block(struct bl_buf *b, struct bl_mem *mem, uint32_t capacity)
{
    uint32_t live = b->end - b->start;
    char *block;

    if (b->start == 0) {
        block = bl_realloc(mem, b->data, capacity);
        if (!block)
            return false;
    } else {
        block = bl_alloc(mem, capacity);
        if (!block)
            return false;
        if (live > 0)
            memcpy(block, b->data + b->start, live);
        bl_free(mem, b->data);
    }
    b->data = block;
    b->capacity = capacity;
    b->start = 0;
    b->end = live;
    return true;
}

char *bl_buf_reserve_slowly(struct bl_buf *b, struct bl_mem *mem, size_t bytes)
{
    uint32_t live, needed;

    reset_if_empty(b);
    live = b->end - b->start;
    if (bytes > CAPACITY_MAX - live)
        return NULL;
    needed = live + (uint32_t)bytes;

    if (!b->data || b->capacity - b->end < bytes) {
        if (b->data && needed <= b->capacity && b->start >= live) {
            memcpy(b->data, b->data + b->start, live);
            b->start = 0;
            b->end = live;
        } else if (!move_to_block(b, mem, grown(b->capacity, needed))) {
            return NULL;
        }
    }
    return b->data + b->end;
}

int bl_buf_append(struct bl_buf *b, struct bl_mem *mem, const void *data, size_t len)
{
    char *room;

    if (len == 0)
        return 0;
    room = bl_buf_reserve(b, mem, len);
    if (!room)
        return BELAY_ENOMEM;
    memcpy(room, data, len);
    bl_buf_commit(b, len);
    return 0;
}

int bl_buf_printf(struct bl_buf *b, struct bl_mem *mem, const char *format, ...)
{
    va_list args;
    size_t room = b->data ? b->capacity - b->end : 0;
    int len;

    va_start(args, format);
    len = vsnprintf(room ? b->data + b->end : NULL, room, format, args);
    va_end(args);
    BL_ASSERT(len >= 0);

    if ((size_t)len >= room) {
        char *place = bl_buf_reserve(b, mem, (size_t)len + 1);

        if (!place)
            return BELAY_ENOMEM;
        va_start(args, format);
        vsnprintf(place, (size_t)len + 1, format, args);
        va_end(args);
    }
    bl_buf_commit(b, (size_t)len);
    return 0;
}

void bl_buf_consume(struct bl_buf *b, size_t bytes)
{
    BL_ASSERT(bytes <= bl_buf_len(b));
    b->start += (uint32_t)bytes;
    reset_if_empty(b);
}

void bl_buf_clear(struct bl_buf *b)
{
    b->start = b->end = 0;
}

void bl_buf_trim(struct bl_buf *b, struct bl_mem *mem)
{
    if (bl_buf_len(b) == 0)
        bl_buf_free(b, mem);
}

void bl_buf_free(struct bl_buf *b, struct bl_mem *mem)
{
    bl_free(mem, b->data);
    memset(b, 0, sizeof *b);
}
