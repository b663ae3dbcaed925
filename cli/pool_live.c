/* SPDX-License-Identifier: MIT */
/* The live table of `belay pool`: drawn four times a second, with the last lines of events below. */
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>

#include "pool_page.h"
#include "pool_run.h"
#include "say.h"
#include "terminal.h"

#define EVERY_MS 250
#define TAIL_MAX 200 /* lines of events that are kept */

static struct {
    bool on;
    struct belay_timer *redraw;
    char *tail[TAIL_MAX]; /* a ring */
    size_t tail_n;        /* ever */
    struct pool_facts facts;
} live;

bool pool_live_is_on(void)
{
    return live.on;
}

void pool_live_draw(struct pool_run *run)
{
    struct page page = {.colours = say_has_colours(1),
                        .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0};
    size_t lines, n = live.tail_n < TAIL_MAX ? live.tail_n : TAIL_MAX;
    const char *tail[TAIL_MAX];

    if (!live.on)
        return;
    terminal_size(&page.width, &lines);
    page.width -= page.width > 1; /* in the last column a terminal may wrap */
    for (size_t i = 0; i < n; i++)
        tail[i] = live.tail[(live.tail_n - n + i) % TAIL_MAX];
    pool_facts_take(run, &live.facts);
    pool_page_screen(&page, &live.facts, lines, run->keys != NULL, tail, n);
    terminal_draw(page.text.data, page.text.len, lines);
    bytes_free(&page.text);
}

static void on_redraw(void *arg)
{
    struct pool_run *run = arg;

    pool_live_draw(run);
    belay_timer_start(live.redraw, EVERY_MS);
}

void pool_live_line(const char *line, void *arg)
{
    char **place = &live.tail[live.tail_n++ % TAIL_MAX];

    (void)arg;
    free(*place);
    *place = memory_copy(line, strlen(line));
}

/* Whoever brought the program back to life may not have brought it to the foreground. */
bool pool_live_start(struct pool_run *run)
{
    if (run->finished || !terminal_is_ours())
        return false;
    if (!live.redraw && belay_timer_new(run->loop, on_redraw, run, &live.redraw) < 0)
        return false;
    live.on = true;
    terminal_enter();
    if (say_is_terminal(2))
        say_divert(pool_live_line, run);
    pool_live_draw(run);
    belay_timer_start(live.redraw, EVERY_MS);
    return true;
}

void pool_live_stop(struct pool_run *run)
{
    (void)run;
    if (!live.on)
        return;
    say_divert(NULL, NULL);
    terminal_leave();
    belay_timer_free(live.redraw);
    live.redraw = NULL;
    live.on = false;
    for (size_t i = 0; i < TAIL_MAX; i++) {
        free(live.tail[i]);
        live.tail[i] = NULL;
    }
    live.tail_n = 0;
    pool_facts_free(&live.facts);
}
