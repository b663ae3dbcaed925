/* SPDX-License-Identifier: MIT */
/* Memory of the program's own: running out of it ends the program. */
#ifndef CLI_MEMORY_H
#define CLI_MEMORY_H

#include <stddef.h>

void *memory_get(size_t n, size_t size); /* zeroed */
void *memory_grow(void *memory, size_t n, size_t size);
char *memory_copy(const char *text, size_t len); /* terminated */

/* A list of strings. */
struct strings {
    char **items;
    size_t n, space;
};
void strings_add(struct strings *list, char *item); /* the pointer is kept as it is */

/* Bytes that grow; terminated with a NUL that does not count. */
struct bytes {
    char *data;
    size_t len, space;
};
void bytes_add(struct bytes *bytes, const void *data, size_t len);
void bytes_reserve(struct bytes *bytes, size_t more);
void bytes_free(struct bytes *bytes);

#endif
