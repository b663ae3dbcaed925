/* SPDX-License-Identifier: MIT */
/* A page on the whole terminal. */
#include "live.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"
#include "terminal.h"

#define EVERY_MS 250
#define TAIL_MAX 200 /* lines of events that are kept */

static struct {
    bool on;
    struct belay_timer *redraw;
    live_draw_fn *draw;
    void *arg;
    char *tail[TAIL_MAX]; /* a ring */
    size_t tail_n;        /* ever */
} live;

bool live_is_on(void)
{
    return live.on;
}

void live_draw(void)
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
    live.draw(&page, lines, tail, n, live.arg);
    terminal_draw(page.text.data, page.text.len, lines);
    bytes_free(&page.text);
}

static void on_redraw(void *arg)
{
    (void)arg;
    live_draw();
    belay_timer_start(live.redraw, EVERY_MS);
}

void live_line(const char *line)
{
    char **place = &live.tail[live.tail_n++ % TAIL_MAX];

    free(*place);
    *place = memory_copy(line, strlen(line));
}

static void on_said(const char *line, void *arg)
{
    (void)arg;
    live_line(line);
}

/* Whoever brought the program back to life may not have brought it to the foreground. */
bool live_start(struct belay_loop *loop, live_draw_fn *draw, void *arg)
{
    if (!terminal_is_ours())
        return false;
    if (!live.redraw && belay_timer_new(loop, on_redraw, NULL, &live.redraw) < 0)
        return false;
    live.draw = draw;
    live.arg = arg;
    live.on = true;
    terminal_enter();
    if (say_is_terminal(2))
        say_divert(on_said, NULL);
    live_draw();
    belay_timer_start(live.redraw, EVERY_MS);
    return true;
}

void live_stop(void)
{
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
}
