/* SPDX-License-Identifier: MIT */
/* The table of `belay pool`, and its lines, as text. Pure. */
#ifndef CLI_POOL_PAGE_H
#define CLI_POOL_PAGE_H

#include "page.h"
#include "pool_facts.h"

/*
 * A table of at most `lines` lines (0: no limit): a head, each endpoint with its figures, why its
 * connections closed and what failed last, and the total. Columns that matter less are left out
 * where the page is narrow, explanations and endpoints where it is low.
 */
void pool_page_table(struct page *page, const struct pool_facts *facts, size_t lines);

/* The whole screen. `tail` are the last lines of events, may be NULL, each ends with a newline. */
void pool_page_screen(struct page *page, const struct pool_facts *facts, size_t lines, bool keys,
                      const char *const *tail, size_t tail_n);

/* One line about all: of each second in a pipe. */
void pool_page_line(struct page *page, const struct pool_facts *facts);

/* One line about an event. */
void pool_page_event(struct page *page, const struct pool_event *event);

/* What is said at the end. */
void pool_page_summary(struct page *page, const struct pool_facts *facts);

#endif
