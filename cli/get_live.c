/* SPDX-License-Identifier: MIT */
/* The line of progress while `belay get` runs: only on a terminal, ten times a second. */
#include "get.h"
#include "progress.h"
#include "say.h"

#define EVERY_MS 100

static void redraw(void *arg)
{
    struct get *g = arg;
    struct belay_pool_stats pool = belay_pool_stats_init();
    int64_t now = belay_loop_now_ms(g->loop);
    bool single = get_is_single(g->o);
    struct progress_facts f = {.of_bytes = single, .colours = say_has_colours(2)};
    char line[PROGRESS_LINE_MAX];

    f.done = single ? g->bytes_seen : g->tally.requests;
    f.failed = g->tally.failed;
    f.all = single ? g->slots[0].expected : g->schedule.requests;
    f.rate = progress_rate(&g->recent, now, f.done);
    belay_pool_get_stats(belay_http_pool(g->http), &pool);
    f.connections = pool.idle + pool.in_use;
    f.dialing = pool.dialing;
    progress_share(&f, now - g->begin_ms - g->o->warm_up_ms, g->o->for_ms);
    say_transient(progress_line(&f, say_width(), line));
    belay_timer_start(g->redraw, EVERY_MS);
}

void get_live_start(struct get *g)
{
    /* A body on the terminal, or a quick single answer, is not drawn over. */
    if (g->o->client.quiet || get_shows_body(g->o) || (get_is_single(g->o) && g->o->client.head) ||
        !say_is_terminal(2))
        return;
    if (g->o->write_out && say_is_terminal(1))
        return;
    if (belay_timer_new(g->loop, redraw, g, &g->redraw) < 0)
        return;
    g->recent.at_ms = belay_loop_now_ms(g->loop);
    belay_timer_start(g->redraw, get_is_single(g->o) ? 500 : EVERY_MS);
}

void get_live_stop(struct get *g)
{
    belay_timer_free(g->redraw);
    g->redraw = NULL;
    say_transient(NULL);
}
