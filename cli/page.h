/* SPDX-License-Identifier: MIT */
/*
 * Lines for people, no wider than they may be: pieces of text in colours, at columns. Pure. What
 * does not fit is cut, and shows that it was.
 */
#ifndef CLI_PAGE_H
#define CLI_PAGE_H

#include "memory.h"
#include "text.h"

struct page {
    struct bytes text;    /* each line ends with a newline */
    size_t width;         /* columns; 0: no limit */
    size_t lines, column; /* so far */
    bool colours, utf8;
    bool cut; /* this line is full */
};

enum page_colour { PAGE_PLAIN, PAGE_BOLD, PAGE_DIM, PAGE_RED, PAGE_GREEN, PAGE_YELLOW, PAGE_CYAN };

/* Control characters become blanks. */
void page_add(struct page *page, enum page_colour colour, const char *text);
void page_addf(struct page *page, enum page_colour colour, const char *format, ...)
    TEXT_PRINTF(3, 4);
/* Blanks up to a column; what is to the right of a text starts there. */
void page_pad(struct page *page, size_t column);
/* Right-aligned, to end before `column`. */
void page_right(struct page *page, enum page_colour colour, size_t column, const char *text);
void page_newline(struct page *page);
/* How many lines a table has of a screen of so many, of which `around` are above and below it, and a
 * third at most is for the last lines of a log. */
size_t page_table_lines(size_t lines, size_t around, size_t tail_n);
/* Of a screen of so many lines, the last of which are a foot that follows: below what is there as
 * many of the last lines of a log as there is room for. */
void page_tail(struct page *page, size_t lines, size_t foot, const char *const *tail, size_t n);

/* Columns that a text takes. */
size_t page_columns(const char *text);

#endif
