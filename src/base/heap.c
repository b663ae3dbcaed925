/* SPDX-License-Identifier: MIT */
/*
 * The heap of deadlines: ordered by key and then by order of insertion. Every entry has up to four
 * below it: what counts in a large heap is waiting for memory, and these four are fetched at once,
 * over half as many levels as with two.
 */
#include "base/heap.h"

#include "base/assert.h"
#include "belay/error.h"

#define CAPACITY_MIN 16u
#define CHILDREN     4u

int bl_heap_reserve(struct bl_heap *h, struct bl_mem *mem)
{
    if (h->reserved == h->capacity) {
        uint32_t capacity = h->capacity ? h->capacity * 2 : CAPACITY_MIN;
        struct bl_heap_entry **entries;

        if (h->capacity > UINT32_MAX / (2 * CHILDREN))
            return BELAY_ENOMEM;
        entries = bl_realloc(mem, h->entries, capacity * sizeof *entries);
        if (!entries)
            return BELAY_ENOMEM;
        h->entries = entries;
        h->capacity = capacity;
    }
    h->reserved++;
    return 0;
}

void bl_heap_unreserve(struct bl_heap *h)
{
    BL_ASSERT(h->reserved > h->count);
    h->reserved--;
}

static bool before(const struct bl_heap_entry *a, const struct bl_heap_entry *b)
{
    return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void put(struct bl_heap *h, uint32_t index, struct bl_heap_entry *e)
{
    h->entries[index] = e;
    e->index = index;
}

/* Places `e` at `index` or nearer to the root, where its parent is not after it. */
static void sift_up(struct bl_heap *h, uint32_t index, struct bl_heap_entry *e)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / CHILDREN;

        if (!before(e, h->entries[parent]))
            break;
        put(h, index, h->entries[parent]);
        index = parent;
    }
    put(h, index, e);
}

/* The first of those below `index`; count when there is none. */
static uint32_t first_child(const struct bl_heap *h, uint32_t index)
{
    uint32_t first = CHILDREN * index + 1, end = first + CHILDREN;

    if (first >= h->count)
        return h->count;
    if (end > h->count)
        end = h->count;
    for (uint32_t i = first + 1; i < end; i++) {
        if (before(h->entries[i], h->entries[first]))
            first = i;
    }
    return first;
}

/* Places `e` at `index` or farther from the root, where no child is before it. */
static void sift_down(struct bl_heap *h, uint32_t index, struct bl_heap_entry *e)
{
    uint32_t child;

    while ((child = first_child(h, index)) < h->count && before(h->entries[child], e)) {
        put(h, index, h->entries[child]);
        index = child;
    }
    put(h, index, e);
}

void bl_heap_insert(struct bl_heap *h, struct bl_heap_entry *e, uint64_t key)
{
    BL_ASSERT(e->index == BL_HEAP_OUT && h->count < h->reserved);
    e->key = key;
    e->order = h->next_order++;
    h->count++;
    sift_up(h, h->count - 1, e);
}

void bl_heap_remove(struct bl_heap *h, struct bl_heap_entry *e)
{
    uint32_t index = e->index;
    struct bl_heap_entry *last;

    if (index == BL_HEAP_OUT)
        return;
    BL_ASSERT(index < h->count && h->entries[index] == e);
    e->index = BL_HEAP_OUT;
    last = h->entries[--h->count];
    if (last == e)
        return;
    if (index > 0 && before(last, h->entries[(index - 1) / CHILDREN]))
        sift_up(h, index, last);
    else
        sift_down(h, index, last);
}

void bl_heap_free(struct bl_heap *h, struct bl_mem *mem)
{
    bl_free(mem, h->entries);
    memset(h, 0, sizeof *h);
}
