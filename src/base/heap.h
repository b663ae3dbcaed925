/* SPDX-License-Identifier: MIT */
/*
 * A heap of deadlines with intrusive entries. Equal deadlines come out in the order they went in.
 * Room is reserved when an entry is made (bl_heap_reserve), so that inserting never fails.
 */
#ifndef BL_BASE_HEAP_H
#define BL_BASE_HEAP_H

#include "base/mem.h"

#define BL_HEAP_OUT UINT32_MAX

struct bl_heap_entry {
    uint64_t key;
    uint64_t order;
    uint32_t index; /* BL_HEAP_OUT when not in the heap */
};

struct bl_heap {
    struct bl_heap_entry **entries;
    uint32_t count, capacity;
    uint32_t reserved; /* entries that exist, in the heap or not */
    uint64_t next_order;
};

static inline void bl_heap_entry_init(struct bl_heap_entry *e)
{
    e->index = BL_HEAP_OUT;
}
static inline struct bl_heap_entry *bl_heap_first(const struct bl_heap *h)
{
    return h->count ? h->entries[0] : NULL;
}
int bl_heap_reserve(struct bl_heap *h,
                    struct bl_mem *mem);   /* one more entry will exist; BELAY_ENOMEM */
void bl_heap_unreserve(struct bl_heap *h); /* one fewer exists */
void bl_heap_insert(struct bl_heap *h, struct bl_heap_entry *e, uint64_t key);
void bl_heap_remove(struct bl_heap *h, struct bl_heap_entry *e); /* harmless when out */
void bl_heap_free(struct bl_heap *h, struct bl_mem *mem);

#endif
