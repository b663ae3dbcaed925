/* SPDX-License-Identifier: MIT */
/* Memory of one loop: the allocator, counted, and able to fail on demand. */
#ifndef BL_BASE_MEM_H
#define BL_BASE_MEM_H

#include "belay/base.h"

struct bl_blocks;

struct bl_mem {
    struct belay_allocator allocator;
    size_t live;              /* blocks not yet released: must be 0 at the end */
    struct bl_blocks *blocks; /* takes the place of both; NULL: none */
};

/* Copies `allocator`, or takes malloc's family when NULL. */
void bl_mem_init(struct bl_mem *mem, const struct belay_allocator *allocator);

/* Of another one's memory, for what lives briefly, on one thread. */
void bl_mem_init_brief(struct bl_mem *mem, struct bl_blocks *blocks);

void *bl_alloc(struct bl_mem *mem, size_t bytes); /* uninitialised; NULL when out of memory */
void *bl_zalloc(struct bl_mem *mem, size_t bytes);
void *bl_realloc(struct bl_mem *mem, void *memory, size_t bytes); /* on NULL the old block stands */
void bl_free(struct bl_mem *mem, void *memory);                   /* NULL is fine */
char *bl_strndup(struct bl_mem *mem, const char *text, size_t len);
char *bl_strdup(struct bl_mem *mem, const char *text); /* NULL in, NULL out: test the input first */
/* NULL leaves *ret as it is. 0, BELAY_ENOMEM. */
int bl_copy_text(struct bl_mem *mem, const char *text, char **ret);

#endif
