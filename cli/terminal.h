/* SPDX-License-Identifier: MIT */
/*
 * A terminal that is drawn on as a whole: another screen than the one that scrolls, keys one by
 * one, no cursor. Whatever way the program ends, it is left as it was found.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* Standard output is a terminal that can be drawn on, and this program is in its foreground. */
bool terminal_is_ours(void);

void terminal_enter(void); /* again after leave, too */
void terminal_leave(void);

/* The first `lines` lines of `text`, from the top; what stood there before is gone. */
void terminal_draw(const char *text, size_t len, size_t lines);

/* Of standard output; where it does not say, COLUMNS and LINES, or 80 and 24. */
void terminal_size(size_t *ret_columns, size_t *ret_lines);

#endif
