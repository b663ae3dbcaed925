/* SPDX-License-Identifier: MIT */
/*
 * nghttp2's memory. It comes from the loop's allocator; but the few small blocks that each stream
 * costs are kept for the next one, as long as any stream is open: many end in one turn, and as many
 * begin, which is more than an allocator's own short memory holds.
 */
#include "http/h2_memory.h"

#include <stdalign.h>
#include <string.h>

#include "base/assert.h"

#ifdef __SANITIZE_ADDRESS__ /* sees what lies in wait as it sees what is freed */
#include <sanitizer/asan_interface.h>
#define HIDE(at, len) ASAN_POISON_MEMORY_REGION(at, len)
#define SHOW(at, len) ASAN_UNPOISON_MEMORY_REGION(at, len)
#else
#define HIDE(at, len) ((void)0)
#define SHOW(at, len) ((void)0)
#endif

#define SMALLEST  64u  /* of the classes, each twice as large */
#define KEPT_MAX  128u /* blocks of a class */
#define KEPT_IDLE 4u   /* ... when no stream is open */
#define LARGE     BL_H2_MEMORY_CLASSES

struct bl_h2_block {
    alignas(max_align_t) union {
        size_t size;              /* in use: what was asked for */
        struct bl_h2_block *next; /* kept */
    };
    uint32_t class;
};

static size_t class_size(uint32_t class)
{
    return (size_t)SMALLEST << class;
}

static uint32_t class_of(size_t size)
{
    uint32_t class = 0;

    while (class < LARGE && class_size(class) < size)
        class ++;
    return class;
}

static struct bl_h2_block *block_of(void *ptr)
{
    return (struct bl_h2_block *)ptr - 1;
}

static void *take_new(struct bl_h2_memory *m, uint32_t class, size_t size)
{
    size_t room = class < LARGE ? class_size(class) : size;
    struct bl_h2_block *b =
        room <= SIZE_MAX - sizeof *b ? bl_alloc(m->mem, sizeof *b + room) : NULL;

    if (!b)
        return NULL;
    b->size = size;
    b->class = class;
    return b + 1;
}

static void *take(size_t size, void *memory)
{
    struct bl_h2_memory *m = memory;
    uint32_t class = class_of(size);
    struct bl_h2_block *b;

    if (class == LARGE || !m->kept[class])
        return take_new(m, class, size);
    b = m->kept[class];
    m->kept[class] = b->next;
    m->kept_n[class]--;
    b->size = size;
    SHOW(b + 1, size);
    return b + 1;
}

static void give(void *ptr, void *memory)
{
    struct bl_h2_memory *m = memory;
    struct bl_h2_block *b;

    if (!ptr)
        return;
    b = block_of(ptr);
    if (b->class == LARGE || m->kept_n[b->class] >= KEPT_MAX) {
        bl_free(m->mem, b);
        return;
    }
    HIDE(b + 1, class_size(b->class));
    b->next = m->kept[b->class];
    m->kept[b->class] = b;
    m->kept_n[b->class]++;
}

static void *take_zeroed(size_t n, size_t size, void *memory)
{
    void *ptr = size && n > SIZE_MAX / size ? NULL : take(n * size, memory);

    if (ptr)
        memset(ptr, 0, n * size);
    return ptr;
}

static void *take_again(void *ptr, size_t size, void *memory)
{
    struct bl_h2_block *b = ptr ? block_of(ptr) : NULL;
    void *other;

    if (b && b->class < LARGE && size <= class_size(b->class)) {
        b->size = size;
        SHOW(ptr, size);
        return ptr;
    }
    other = take(size, memory);
    if (other && ptr) {
        memcpy(other, ptr, b->size < size ? b->size : size);
        give(ptr, memory);
    }
    return other;
}

nghttp2_mem bl_h2_memory_init(struct bl_h2_memory *m, struct bl_mem *mem)
{
    *m = (struct bl_h2_memory){.mem = mem};
    return (nghttp2_mem){m, take, give, take_zeroed, take_again};
}

static void trim(struct bl_h2_memory *m, uint32_t most)
{
    for (uint32_t class = 0; class < BL_H2_MEMORY_CLASSES; class ++) {
        while (m->kept_n[class] > most) {
            struct bl_h2_block *b = m->kept[class];

            m->kept[class] = b->next;
            m->kept_n[class]--;
            SHOW(b + 1, class_size(class));
            bl_free(m->mem, b);
        }
    }
}

void bl_h2_memory_trim(struct bl_h2_memory *m)
{
    trim(m, KEPT_IDLE);
}

void bl_h2_memory_fini(struct bl_h2_memory *m)
{
    trim(m, 0);
}
