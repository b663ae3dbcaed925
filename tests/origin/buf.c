/* SPDX-License-Identifier: MIT */
/* Byte buffers that grow at the back and are consumed from the front. */
#include "origin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST = 4096, PATTERN = 26 * 1024 };

char *buf_space(struct buf *b, size_t n)
{
    if (b->off + b->len + n <= b->cap) {
        return b->p + b->off + b->len;
    }
    if (b->off > 0) {
        memmove(b->p, b->p + b->off, b->len);
        b->off = 0;
    }
    if (b->len + n > b->cap) {
        size_t cap = b->cap ? b->cap : BUF_FIRST;
        while (cap < b->len + n) {
            cap *= 2;
        }
        char *p = realloc(b->p, cap);
        if (!p) {
            die("out of memory");
        }
        b->p = p;
        b->cap = cap;
    }
    return b->p + b->len;
}

void buf_add(struct buf *b, const void *data, size_t n)
{
    if (n > 0) {
        memcpy(buf_space(b, n), data, n);
        b->len += n;
    }
}

void buf_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_number(struct buf *b, uint64_t n)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    buf_add(b, digits + at, sizeof(digits) - at);
}

void buf_pattern(struct buf *b, uint64_t pos, size_t n)
{
    static char table[PATTERN + 26];
    if (!table[0]) {
        for (size_t i = 0; i < sizeof(table); i++) {
            table[i] = (char)('a' + i % 26);
        }
    }
    while (n > 0) {
        size_t part = n < PATTERN ? n : PATTERN;
        buf_add(b, table + pos % 26, part);
        pos += part;
        n -= part;
    }
}

void buf_format(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char text[1024];
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n > 0) {
        buf_add(b, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
    }
}

void buf_take(struct buf *b, size_t n)
{
    b->off += n;
    b->len -= n;
    if (b->len == 0) {
        b->off = 0;
    }
}

void buf_cut(struct buf *b, size_t at, size_t n)
{
    char *p = b->p + b->off + at;
    memmove(p, p + n, b->len - at - n);
    b->len -= n;
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}
