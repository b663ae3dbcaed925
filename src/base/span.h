/* SPDX-License-Identifier: MIT */
/* A stretch of bytes that belongs to somebody else, as parsers hand them out. */
#ifndef BL_BASE_SPAN_H
#define BL_BASE_SPAN_H

#include "belay/base.h"

struct bl_span {
    const char *data; /* NULL: absent, as opposed to empty */
    size_t len;
};

static inline struct bl_span bl_span(const char *data, size_t len)
{
    return (struct bl_span){data, len};
}

/* Of a literal, in a static table. */
#define BL_SPAN_TEXT(text)                                                                         \
    {                                                                                              \
        "" text, sizeof(text) - 1                                                                  \
    }

static inline struct bl_span bl_span_of(const char *text)
{
    return bl_span(text, text ? strlen(text) : 0);
}

/* From `start` to `end`, which is left out. */
static inline struct bl_span bl_span_between(const char *start, const char *end)
{
    return bl_span(start, (size_t)(end - start));
}

static inline bool bl_span_equal(struct bl_span a, struct bl_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* A to Z as a to z, the rest as it is: never the locale's idea of it. */
static inline char bl_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Equal but for the case of ASCII letters. */
static inline bool bl_span_equal_nocase(struct bl_span a, struct bl_span b)
{
    if (a.len != b.len)
        return false;
    if (b.len > 0 && memcmp(a.data, b.data, b.len) == 0)
        return true;
    for (size_t i = 0; i < a.len; i++) {
        if (bl_lower(a.data[i]) != bl_lower(b.data[i]))
            return false;
    }
    return true;
}

#endif
