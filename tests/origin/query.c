/* SPDX-License-Identifier: MIT */
/* Query parameters of the request in hand. */
#include "origin.h"

#include <string.h>

static int hex(char d)
{
    const char *digits = "0123456789abcdef", *at;
    char lower = d >= 'A' && d <= 'F' ? (char)(d + 'a' - 'A') : d;
    return d && (at = strchr(digits, lower)) ? (int)(at - digits) : -1;
}

static void decode(const char *p, size_t n, char *to, size_t size)
{
    size_t k = 0;
    for (size_t i = 0; i < n && k + 1 < size; i++) {
        if (p[i] == '%' && i + 2 < n && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0) {
            to[k++] = (char)(hex(p[i + 1]) * 16 + hex(p[i + 2]));
            i += 2;
        } else {
            to[k++] = p[i] == '+' ? ' ' : p[i];
        }
    }
    to[k] = '\0';
}

bool query_text(const struct conn *c, const char *name, char *ret_text, size_t size)
{
    const char *p = conn_text(c, c->req.query), *end = p + c->req.query.len;
    size_t name_len = strlen(name);
    while (p < end) {
        const char *amp = memchr(p, '&', (size_t)(end - p));
        const char *stop = amp ? amp : end;
        if ((size_t)(stop - p) > name_len && memcmp(p, name, name_len) == 0 && p[name_len] == '=') {
            decode(p + name_len + 1, (size_t)(stop - p) - name_len - 1, ret_text, size);
            return true;
        }
        p = stop + 1;
    }
    return false;
}

uint64_t query_number(const struct conn *c, const char *name, uint64_t otherwise)
{
    char text[32];
    uint64_t n;
    return query_text(c, name, text, sizeof(text)) && number_read(text, strlen(text), &n)
               ? n
               : otherwise;
}
