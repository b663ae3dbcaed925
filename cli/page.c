/* SPDX-License-Identifier: MIT */
/* Lines for people, no wider than they may be. */
#include "page.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const codes[] = {
    [PAGE_PLAIN] = "",        [PAGE_BOLD] = "\033[1m",   [PAGE_DIM] = "\033[2m",
    [PAGE_RED] = "\033[31m",  [PAGE_GREEN] = "\033[32m", [PAGE_YELLOW] = "\033[33m",
    [PAGE_CYAN] = "\033[36m",
};

/* A character begins at each byte that goes not on with one. */
static bool begins(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

size_t page_columns(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += begins(*text);
    return n;
}

static void put(struct page *p, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];

        p->column += begins(c);
        bytes_add(&p->text, &c, 1);
    }
}

/* Bytes of `text` that take at most `columns`. */
static size_t fitting(const char *text, size_t columns)
{
    size_t at = 0;

    for (size_t n = 0; text[at]; at++) {
        n += begins(text[at]);
        if (n > columns)
            break;
    }
    return at;
}

void page_add(struct page *p, enum page_colour colour, const char *text)
{
    size_t room = p->width > p->column ? p->width - p->column : 0, len = strlen(text);
    bool coloured = p->colours && colour != PAGE_PLAIN;
    const char *dots = p->utf8 ? "\xe2\x80\xa6" : "...";

    if (p->cut || len == 0)
        return;
    if (coloured)
        bytes_add(&p->text, codes[colour], strlen(codes[colour]));
    p->cut = p->width > 0 && page_columns(text) > room;
    if (!p->cut) {
        put(p, text, len);
    } else if (room > page_columns(dots)) {
        put(p, text, fitting(text, room - page_columns(dots)));
        put(p, dots, strlen(dots));
    }
    if (coloured)
        bytes_add(&p->text, "\033[0m", 4);
}

void page_addf(struct page *p, enum page_colour colour, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    page_add(p, colour, text);
}

void page_pad(struct page *p, size_t column)
{
    while (p->column < column && !p->cut && (p->width == 0 || p->column < p->width))
        put(p, " ", 1);
}

void page_right(struct page *p, enum page_colour colour, size_t column, const char *text)
{
    size_t len = page_columns(text);

    if (len < column)
        page_pad(p, column - len);
    page_add(p, colour, text);
}

void page_newline(struct page *p)
{
    bytes_add(&p->text, "\n", 1);
    p->lines++;
    p->column = 0;
    p->cut = false;
}

size_t page_table_lines(size_t lines, size_t around, size_t tail_n)
{
    size_t pane = lines / 3 < tail_n ? lines / 3 : tail_n;

    return lines > around + pane + 3 ? lines - around - pane : 3;
}

void page_tail(struct page *p, size_t lines, size_t foot, const char *const *tail, size_t n)
{
    size_t room;

    if (n && p->lines + foot < lines)
        page_newline(p);
    room = lines > p->lines + foot ? lines - p->lines - foot : 0;
    for (size_t i = n > room ? n - room : 0; i < n; i++) {
        page_add(p, PAGE_PLAIN, tail[i]);
        page_newline(p);
    }
    if (foot > 1)
        page_newline(p);
}
