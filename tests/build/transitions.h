/* SPDX-License-Identifier: MIT */
/*
 * The tables of transitions of the library, printed as Markdown. Whoever has a table adds a file
 * transitions_<noun>.c with one function, and its name to the list in transitions.c.
 */
#ifndef TEST_BUILD_TRANSITIONS_H
#define TEST_BUILD_TRANSITIONS_H

#include <stdbool.h>
#include <stddef.h>

/* One table of rules: in this state, on this event, that becomes the state, and this is done. */
struct printed_table {
    const char *heads[4];    /* "state", "event", "next", "what is done, in this order" */
    unsigned states, events; /* how many; a name of NULL leaves one out */
    unsigned bits;           /* of what is to be done */
    const char *(*state)(unsigned state);
    const char *(*event)(unsigned event);
    const char *(*bit)(unsigned bit);
    /* False: it cannot happen, and has no row. */
    bool (*rule)(unsigned state, unsigned event, unsigned *ret_next, unsigned *ret_todo);
};

void print_table(const struct printed_table *table);

void print_link(void);
void print_process(void);

#endif
