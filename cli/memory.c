/* SPDX-License-Identifier: MIT */
/* Memory of the program's own. */
#include "memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"

static void ran_out(void)
{
    say("out of memory");
    exit(EXIT_PROBLEM);
}

void *memory_get(size_t n, size_t size)
{
    void *memory = calloc(n ? n : 1, size ? size : 1);

    if (!memory)
        ran_out();
    return memory;
}

void *memory_grow(void *memory, size_t n, size_t size)
{
    void *grown = reallocarray(memory, n ? n : 1, size);

    if (!grown)
        ran_out();
    return grown;
}

char *memory_copy(const char *text, size_t len)
{
    char *copy = memory_get(len + 1, 1);

    memcpy(copy, text, len);
    return copy;
}

void strings_add(struct strings *list, char *item)
{
    if (list->n == list->space) {
        list->space = list->space ? list->space * 2 : 8;
        list->items = memory_grow(list->items, list->space, sizeof *list->items);
    }
    list->items[list->n++] = item;
}

void bytes_reserve(struct bytes *bytes, size_t more)
{
    if (more > SIZE_MAX / 2 - bytes->len - 1)
        ran_out();
    if (bytes->space > bytes->len + more)
        return;
    bytes->space = bytes->len + more + 1;
    if (bytes->space < bytes->len * 2)
        bytes->space = bytes->len * 2;
    bytes->data = memory_grow(bytes->data, bytes->space, 1);
}

void bytes_add(struct bytes *bytes, const void *data, size_t len)
{
    bytes_reserve(bytes, len);
    if (len)
        memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
    bytes->data[bytes->len] = '\0';
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    memset(bytes, 0, sizeof *bytes);
}
