/* SPDX-License-Identifier: MIT */
/* The table of `belay watch`, and its lines, as text. Pure. */
#ifndef CLI_WATCH_PAGE_H
#define CLI_WATCH_PAGE_H

#include "page.h"
#include "watch_facts.h"

/*
 * A table of at most `lines` lines (0: no limit): a head, and each service with its figures, where
 * it is connected, and what failed last. Columns that matter less are left out where the page is
 * narrow, explanations and services where it is low.
 */
void watch_page_table(struct page *page, const struct watch_facts *facts, size_t lines);

/* The whole screen. `tail` are the last lines of events, may be NULL. */
void watch_page_screen(struct page *page, const struct watch_facts *facts, size_t lines, bool keys,
                       const char *const *tail, size_t tail_n);

/* One line about an event. */
void watch_page_event(struct page *page, const struct watch_event *event);

/* What is said at the end. */
void watch_page_summary(struct page *page, const struct watch_facts *facts);

/* "42 s", "5 min 03 s", "3 h 20 min", "2 d 4 h" */
const char *watch_page_span(char out[TEXT_FIGURE_MAX], int64_t ms);

#endif
