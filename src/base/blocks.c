/* SPDX-License-Identifier: MIT */
/* Blocks by classes of sizes, each half as large again as the one before, or a third. */
#include "base/blocks.h"

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

#define SMALLEST  64u
#define LARGEST   2048u
#define KEPT_MAX  128u /* blocks of a class */
#define KEPT_IDLE 4u   /* ... when nothing is under way */
#define LARGE     BL_BLOCKS_CLASSES

struct bl_block {
    alignas(max_align_t) union {
        size_t size;           /* in use: what was asked for */
        struct bl_block *next; /* kept */
    };
    uint32_t class;
};

/* 64, 96, 128, 192, 256, 384 ... */
static size_t class_size(uint32_t class)
{
    return class % 2 ? (size_t)(SMALLEST + SMALLEST / 2) << class / 2
                     : (size_t)SMALLEST << class / 2;
}

#define STEP 32u

/* By sizes in steps, rounded up. */
static const uint8_t classes[LARGEST / STEP + 1] = {
    [0 ... 2] = 0,   [3] = 1,         [4] = 2,         [5 ... 6] = 3,
    [7 ... 8] = 4,   [9 ... 12] = 5,  [13 ... 16] = 6, [17 ... 24] = 7,
    [25 ... 32] = 8, [33 ... 48] = 9, [49 ... 64] = 10};

static uint32_t class_of(size_t size)
{
    return size <= LARGEST ? classes[(size + STEP - 1) / STEP] : LARGE;
}

static struct bl_block *block_of(void *ptr)
{
    return (struct bl_block *)ptr - 1;
}

void bl_blocks_init(struct bl_blocks *bs, struct bl_mem *mem)
{
    *bs = (struct bl_blocks){.mem = mem, .kept_n[LARGE] = KEPT_MAX};
}

BL_SELDOM static void *take_new(struct bl_blocks *bs, uint32_t class, size_t size)
{
    size_t room = class < LARGE ? class_size(class) : size;
    struct bl_block *b = room <= SIZE_MAX - sizeof *b ? bl_alloc(bs->mem, sizeof *b + room) : NULL;

    if (!b)
        return NULL;
    b->size = size;
    b->class = class;
    bs->used++;
    return b + 1;
}

void *bl_blocks_take(struct bl_blocks *bs, size_t size)
{
    uint32_t class = class_of(size);
    struct bl_block *b = bs->kept[class];

    if (BL_UNLIKELY(!b))
        return take_new(bs, class, size);
    bs->kept[class] = b->next;
    bs->kept_n[class]--;
    SHOW(b + 1, size);
    b->size = size;
    bs->used++;
    return b + 1;
}

BL_SELDOM static void trim(struct bl_blocks *bs, uint32_t most)
{
    for (uint32_t class = 0; class < LARGE; class ++) {
        while (bs->kept_n[class] > most) {
            struct bl_block *b = bs->kept[class];

            bs->kept[class] = b->next;
            bs->kept_n[class]--;
            SHOW(b + 1, class_size(class));
            bl_free(bs->mem, b);
        }
    }
}

BL_SELDOM static void give_up(struct bl_blocks *bs, struct bl_block *b)
{
    bl_free(bs->mem, b);
    if (--bs->used == 0)
        trim(bs, KEPT_IDLE);
}

void bl_blocks_give(struct bl_blocks *bs, void *ptr)
{
    struct bl_block *b;
    uint32_t class;

    if (!ptr)
        return;
    b = block_of(ptr);
    class = b->class;
    if (BL_UNLIKELY(bs->kept_n[class] >= KEPT_MAX)) {
        give_up(bs, b);
        return;
    }
    HIDE(ptr, class_size(class));
    b->next = bs->kept[class];
    bs->kept[class] = b;
    bs->kept_n[class]++;
    if (BL_UNLIKELY(--bs->used == 0))
        trim(bs, KEPT_IDLE);
}

void *bl_blocks_take_again(struct bl_blocks *bs, void *ptr, size_t size)
{
    struct bl_block *b = ptr ? block_of(ptr) : NULL;
    void *other;

    if (b && b->class < LARGE && size <= class_size(b->class)) {
        b->size = size;
        SHOW(ptr, size);
        return ptr;
    }
    other = bl_blocks_take(bs, size);
    if (other && ptr) {
        memcpy(other, ptr, b->size < size ? b->size : size);
        bl_blocks_give(bs, ptr);
    }
    return other;
}

void bl_blocks_trim(struct bl_blocks *bs)
{
    trim(bs, KEPT_IDLE);
}

void bl_blocks_fini(struct bl_blocks *bs)
{
    trim(bs, 0);
}
