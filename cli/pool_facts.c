/* SPDX-License-Identifier: MIT */
/* What `belay pool` shows, taken from the pools as they are now. */
#include "pool_facts.h"

#include <stdlib.h>
#include <string.h>

#include "pool_run.h"

static const char *state_name(enum pool_state state)
{
    static const char *const names[] = {"running", "suspended", "ending", "draining"};

    return names[state];
}

static struct pool_row *add_row(struct pool_facts *f)
{
    struct pool_row *row;

    if (f->n == f->space) {
        f->space = f->space ? f->space * 2 : 16;
        f->rows = memory_grow(f->rows, f->space, sizeof *f->rows);
    }
    row = &f->rows[f->n++];
    memset(row, 0, sizeof *row);
    row->stats = belay_pool_stats_init();
    return row;
}

static void count_connections(struct pool_row *row)
{
    row->closed = 0;
    for (int i = 0; i < BELAY_REASONS_N; i++)
        if (i != BELAY_REASON_OPEN_FAILED)
            row->closed += row->stats.closed[i];
    row->open = (uint64_t)row->stats.idle + row->stats.in_use + row->stats.closing;
}

/* A dial that failed may be newer than what a use came to. */
static void take_last(struct pool_row *row, const struct belay_peer *peer, int64_t now)
{
    struct belay_error error;
    int64_t age;

    row->age_ms = row->last.set ? now - row->last.at_ms : 0;
    if (!belay_peer_last_error(peer, &error, &age))
        return;
    row->failing = true;
    if (row->last.set && age >= row->age_ms)
        return;
    row->last.set = true;
    row->last.stage = (int)error.stage;
    row->last.code = error.code;
    memcpy(row->last.text, error.text, sizeof row->last.text);
    row->age_ms = age;
}

static void take_peer(struct pool_facts *f, enum pool_kind kind, const struct belay_peer *peer,
                      const struct pool_site *site, int64_t now)
{
    struct pool_row *row = add_row(f);

    row->name = belay_endpoint_name(belay_peer_endpoint(peer));
    row->kind = kind;
    belay_peer_get_stats(peer, &row->stats);
    count_connections(row);
    if (site) {
        row->used = site->done;
        row->failed = site->failed;
        row->skipped = site->skipped;
        row->failing = site->failing;
        row->last = site->last;
    }
    take_last(row, peer, now);
}

static void add_to_total(struct pool_row *total, const struct pool_row *row)
{
    struct belay_pool_stats *to = &total->stats;
    const struct belay_pool_stats *from = &row->stats;

    to->idle += from->idle;
    to->in_use += from->in_use;
    to->dialing += from->dialing;
    to->closing += from->closing;
    to->waiting += from->waiting;
    to->opened += from->opened;
    to->reused += from->reused;
    to->acquired += from->acquired;
    for (int i = 0; i < BELAY_REASONS_N; i++)
        to->closed[i] += from->closed[i];
    for (int i = 0; i < BELAY_STAGES_N; i++)
        to->failed[i] += from->failed[i];
    total->used += row->used;
    total->failed += row->failed;
    total->skipped += row->skipped;
}

/* Endpoints that redirects led to stand below those of the command line. */
static void take_others(struct pool_run *run, struct pool_facts *f, int64_t now)
{
    const struct belay_pool *pool = run->pools[POOL_HTTP];

    if (!pool || !run->o->client.location)
        return;
    for (struct belay_peer *p = belay_pool_next_peer(pool, NULL); p;
         p = belay_pool_next_peer(pool, p))
        if (!pool_site_of(run, p))
            take_peer(f, POOL_HTTP, p, NULL, now);
}

void pool_facts_take(struct pool_run *run, struct pool_facts *f)
{
    int64_t now = belay_loop_now_ms(run->loop);

    f->n = 0;
    f->state = state_name(run->state);
    f->elapsed_s = (double)(now - run->begin_ms) / 1000;
    f->rate = run->rate;
    f->left_ms = run->o->for_ms == OPTION_UNSET ? -1 : run->begin_ms + run->o->for_ms - now;
    f->concurrency = run->o->client.concurrency;
    f->every_ms = run->o->every_ms;
    f->interrupted_by = run->interrupted_by;
    f->cut_off = run->cut_off;
    for (size_t i = 0; run->finished && i < run->sites_n; i++)
        f->cut_off += (uint64_t)run->sites[i].in_flight;
    for (size_t i = 0; i < run->sites_n; i++)
        take_peer(f, run->sites[i].kind, run->sites[i].peer, &run->sites[i], now);
    take_others(run, f, now);
    memset(&f->total, 0, sizeof f->total);
    f->total.name = "total";
    f->total.stats = belay_pool_stats_init();
    for (size_t i = 0; i < f->n; i++)
        add_to_total(&f->total, &f->rows[i]);
    count_connections(&f->total);
}

void pool_facts_free(struct pool_facts *f)
{
    free(f->rows);
    memset(f, 0, sizeof *f);
}

const char *pool_event_name(enum pool_event_kind kind)
{
    static const char *const names[] = {"open", "reuse", "close"};

    return names[kind];
}
