/* SPDX-License-Identifier: MIT */
/* The live table of `belay pool`. */
#include "live.h"
#include "pool_page.h"
#include "pool_run.h"

static struct pool_facts facts;

static void draw(struct page *page, size_t lines, const char *const *tail, size_t tail_n, void *arg)
{
    struct pool_run *run = arg;

    pool_facts_take(run, &facts);
    pool_page_screen(page, &facts, lines, run->keys.watch != NULL, tail, tail_n);
}

bool pool_live_start(struct pool_run *run)
{
    return !run->finished && live_start(run->loop, draw, run);
}

void pool_live_stop(void)
{
    live_stop();
    pool_facts_free(&facts);
}
