/* SPDX-License-Identifier: MIT */
/*
 * Everything that goes to standard error: sentences, lines of -v, and one transient line of
 * progress, which gives way to whatever else is said.
 */
#ifndef CLI_SAY_H
#define CLI_SAY_H

#include "text.h"

/* What the program returns; 128 + the signal when interrupted. */
enum { EXIT_FINE = 0, EXIT_PROBLEM = 1, EXIT_USAGE = 2 };

/* "belay: ..." */
void say(const char *format, ...) TEXT_PRINTF(1, 2);
/* A line as it is. */
void say_plain(const char *format, ...) TEXT_PRINTF(1, 2);

/* Lines go to `fn` instead, while the terminal is drawn on as a whole; NULL ends it. */
typedef void say_line_fn(const char *line, void *arg);
void say_divert(say_line_fn *fn, void *arg);

/* The transient line; "" or NULL takes it away. Only on a terminal. */
void say_transient(const char *line);

/* Whether standard error (2) or output (1) is a terminal; and one that shall have colours
 * (NO_COLOR, TERM). */
bool say_is_terminal(int fd);
bool say_has_colours(int fd);
/* Columns of the terminal that is standard error; 80 when it does not say. */
size_t say_width(void);

#endif
