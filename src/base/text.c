/* SPDX-License-Identifier: MIT */
/* Text for people. */
#include "base/text.h"

#include <stdio.h>

#include "base/assert.h"

size_t bl_text_cut(const char *text, size_t len, size_t max)
{
    size_t cut = max;

    if (len <= max)
        return len;
    /* text[cut] is the first byte left out: a continuation byte there means a character is split.
     */
    while (cut > 0 && max - cut < 4 && ((unsigned char)text[cut] & 0xc0) == 0x80)
        cut--;
    return cut;
}

/* Bytes of the character at `s`, which ends with 0; 0: it is none. */
static size_t character(const unsigned char *s)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

    if (s[0] > 0xf4 || (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    return n;
}

bool bl_text_is_utf8(const char *text)
{
    size_t n = 1;

    for (; n > 0 && *text; text += n)
        n = character((const unsigned char *)text);
    return n > 0;
}

void bl_text_make_utf8(char *text)
{
    while (*text) {
        size_t n = character((const unsigned char *)text);

        if (n == 0)
            *text = '?';
        text += n ? n : 1;
    }
}

/* One byte as it is shown, at most 4 characters. */
static size_t show_byte(char piece[8], unsigned char byte)
{
    static const char named[] = "\a\b\t\n\v\f\r", names[] = "abtnvfr";
    const char *at = byte ? memchr(named, byte, sizeof named - 1) : NULL;

    if (at)
        return (size_t)snprintf(piece, 8, "\\%c", names[at - named]);
    if (byte == '\\' || byte == '"')
        return (size_t)snprintf(piece, 8, "\\%c", byte);
    if (byte < 0x20 || byte >= 0x7f)
        return (size_t)snprintf(piece, 8, "\\x%02x", byte);
    return (size_t)snprintf(piece, 8, "%c", byte);
}

const char *bl_text_show(char *out, size_t size, const char *text, size_t len)
{
    size_t at = 0, fits = 0; /* fits: the last place where "..." still has room */

    BL_ASSERT(size >= 8);
    for (size_t i = 0; i < len; i++) {
        char piece[8];
        size_t n = show_byte(piece, (unsigned char)text[i]);

        if (at + n >= size) {
            memcpy(out + fits, "...", 4);
            return out;
        }
        memcpy(out + at, piece, n);
        at += n;
        if (at + 4 <= size)
            fits = at;
    }
    out[at] = '\0';
    return out;
}

bool bl_text_is_name(const char *text)
{
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    }
    return *text != '\0';
}

#define DISTANCE_MAX 32

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t bl_text_distance(struct bl_span a, struct bl_span b)
{
    /* rows[i % 3][j]: the distance of the first i letters of a from the first j of b */
    size_t rows[3][DISTANCE_MAX + 1];

    if (a.len > DISTANCE_MAX || b.len > DISTANCE_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *two_above = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            char x = bl_lower(a.data[i - 1]), y = bl_lower(b.data[j - 1]);
            size_t d = least(above[j], row[j - 1]) + 1;

            d = least(d, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == bl_lower(b.data[j - 2]) && bl_lower(a.data[i - 2]) == y)
                d = least(d, two_above[j - 2] + 1);
            row[j] = d;
        }
    }
    return rows[a.len % 3][b.len];
}
