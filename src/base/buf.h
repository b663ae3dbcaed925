/* SPDX-License-Identifier: MIT */
/*
 * A growing byte buffer that is filled at the end and consumed at the front. It holds no memory
 * while empty after bl_buf_trim.
 */
#ifndef BL_BASE_BUF_H
#define BL_BASE_BUF_H

#include "base/mem.h"

struct bl_buf {
    char *data;        /* the block */
    uint32_t start;    /* first live byte */
    uint32_t end;      /* past the last live byte */
    uint32_t capacity; /* of the block */
};

static inline size_t bl_buf_len(const struct bl_buf *b)
{
    return b->end - b->start;
}

static inline char *bl_buf_head(const struct bl_buf *b)
{
    return b->data ? b->data + b->start : NULL;
}

/* Room for `bytes` more at the end; the place to write them, or NULL when memory is out or past 1
 * GiB. */
char *bl_buf_reserve_slowly(struct bl_buf *b, struct bl_mem *mem, size_t bytes);
static inline char *bl_buf_reserve(struct bl_buf *b, struct bl_mem *mem, size_t bytes)
{
    if (b->start == b->end)
        b->start = b->end = 0;
    if (b->data && b->capacity - b->end >= bytes)
        return b->data + b->end;
    return bl_buf_reserve_slowly(b, mem, bytes);
}
static inline void bl_buf_commit(struct bl_buf *b, size_t bytes)
{
    b->end += (uint32_t)bytes;
}
int bl_buf_append(struct bl_buf *b, struct bl_mem *mem, const void *data, size_t len);
/* vsnprintf at the end. */
int bl_buf_printf(struct bl_buf *b, struct bl_mem *mem, const char *format, ...) BELAY_PRINTF(3, 4);
/* Takes back what was written last: `len` bytes remain. */
static inline void bl_buf_cut(struct bl_buf *b, size_t len)
{
    b->end = b->start + (uint32_t)len;
}
void bl_buf_consume(struct bl_buf *b, size_t bytes);
void bl_buf_clear(struct bl_buf *b);                    /* keeps the block */
void bl_buf_trim(struct bl_buf *b, struct bl_mem *mem); /* gives the block back if empty */
void bl_buf_free(struct bl_buf *b, struct bl_mem *mem);

#endif
