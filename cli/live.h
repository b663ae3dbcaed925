/* SPDX-License-Identifier: MIT */
/*
 * A page that is drawn again and again on the whole terminal, four times a second, with the last
 * lines of events below it.
 */
#ifndef CLI_LIVE_H
#define CLI_LIVE_H

#include "belay/loop.h"
#include "page.h"

/* Draws a page of at most `lines` lines. `tail`: the last lines of events, the newest last. */
typedef void live_draw_fn(struct page *page, size_t lines, const char *const *tail, size_t tail_n,
                          void *arg);

/* Whether there is a terminal for it; once on, what is said goes below the page. Again: goes on. */
bool live_start(struct belay_loop *loop, live_draw_fn *draw, void *arg);
void live_draw(void);
void live_line(const char *line);
void live_stop(void);
bool live_is_on(void);

#endif
