/* SPDX-License-Identifier: MIT */
/*
 * One history. First its world and options are drawn, then steps (acquire, release, cancel, take, a fault, healing, time
 * passing), then all heals: within the largest backoff and one attempt whoever asks is served. Then the end,
 * in one of several ways, and nothing may be left.
 */
#include "sim/history.h"

#include <stdio.h>
#include <stdlib.h>

#include "sim/parts.h"

#define BACKOFF_MAX   12000 /* 10 s and its jitter */
#define NAME_AGAIN_MS 1500  /* a name that was missing is asked for once per second */
#define SHORT_LIFE_MS 2000  /* one that ends sooner may always be missing */
#define ATTEMPTS_END  4     /* a dial that began in worse times may fail first */

/* ---- healing ---- */

/* Time passes, and whoever gets a lease gives it back. */
static void run_and_release(struct history *h, int64_t ms)
{
    struct sim_world *w = h->rig->w;

    for (uint64_t until = w->now_ns + SIM_MS(ms); w->now_ns < until;) {
        history_hang_up(h, true);
        sim_run_ms(w, 20);
    }
}

static bool is_served(struct history *h, struct sim_target *t, int64_t bound_ms)
{
    struct sim_world *w = h->rig->w;
    uint64_t until = w->now_ns + SIM_MS(bound_ms);
    struct sim_ask *ask;

    /* A full queue empties as its waiters are served, in as much time. */
    while (!(ask = sim_acquire(t, BELAY_FOREVER, false, NULL)) && w->now_ns < until)
        run_and_release(h, 100);
    if (!ask)
        return false;
    until = w->now_ns + SIM_MS(bound_ms);
    while (ask->state == ASK_WAITING && w->now_ns < until) {
        history_hang_up(h, true);
        if (sim_is_dry(w))
            sim_fail(w, "hang: acquire %llu waits, and nothing will ever happen",
                     (unsigned long long)ask->seq);
        sim_run_turn(w);
    }
    if (ask->state == ASK_WAITING)
        sim_fail(w, "acquire %llu is not served within %lld ms of the healing",
                 (unsigned long long)ask->seq, (long long)bound_ms);
    if (ask->state != ASK_LEASED)
        return false;
    sim_release(ask, BELAY_REUSE);
    return true;
}

/* The fewest idle connections of any peer. */
static uint32_t least_idle(struct sim_rig *rig)
{
    struct belay_pool_stats s = belay_pool_stats_init();
    uint32_t least = UINT32_MAX;

    BL_LIST_EACH(node, &rig->targets)
    {
        belay_peer_get_stats(BL_LIST_OF(node, struct sim_target, link)->peer, &s);
        if (s.idle < least)
            least = s.idle;
    }
    return least;
}

/* What others have idle is theirs: nothing is evicted for min_idle. */
static bool has_room(struct sim_rig *rig)
{
    struct belay_pool_stats s;

    sim_rig_stats(rig, &s);
    return rig->conns < rig->options.max_connections_total &&
           s.idle < (uint32_t)rig->options.max_idle_total;
}

/* All is well and nobody asks for anything: min_idle are ready at each peer, if there is room for as many. */
static void expect_min_idle(struct history *h, int64_t bound_ms)
{
    const struct belay_pool_options *o = &h->rig->options;
    struct sim_world *w = h->rig->w;
    uint64_t until = w->now_ns + SIM_MS(bound_ms);

    history_hang_up(h, true);
    if (o->min_idle * (h->n + 1) > o->max_connections_total ||
        o->min_idle * h->n > o->max_idle_total || o->max_connection_lifetime_ms < SHORT_LIFE_MS ||
        o->max_idle_time_ms < SHORT_LIFE_MS)
        return;
    while (least_idle(h->rig) < (uint32_t)o->min_idle && has_room(h->rig)) {
        if (w->now_ns > until)
            sim_fail(w, "a peer has %u idle connections, and min_idle is %d", least_idle(h->rig),
                     o->min_idle);
        history_hang_up(h, true);
        sim_run_ms(w, 20);
    }
}

static void recover(struct life *life)
{
    struct history *h = history_of(life);
    const struct belay_dial_options *d = h->rig->options.dial;
    int64_t attempt = d->resolve_timeout_ms + d->connect_timeout_ms + d->tls_timeout_ms +
                      d->session_timeout_ms + d->close_timeout_ms;
    int64_t bound = BACKOFF_MAX + attempt + 1000;

    history_heal(h);
    h->reckless = false;
    h->life.healed = true;
    sim_resume(h->rig);
    sim_note(h->rig->w, "all heals");
    BL_LIST_EACH(node, &h->rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        ask->then = NULL;
    }
    history_hang_up(h, true);
    for (int i = 0; i < h->n; i++) {
        int tries = 0;

        while (!is_served(h, h->targets[i], bound)) {
            if (++tries == ATTEMPTS_END)
                sim_fail(h->rig->w, "%s is well, and cannot be reached", h->targets[i]->host->name);
            run_and_release(h, NAME_AGAIN_MS);
        }
    }
    if (h->rig->options.min_idle)
        expect_min_idle(h, bound);
}

/* ---- the end ---- */

static void close_pool(struct sim_ask *ask, void *arg)
{
    (void)arg;
    sim_rig_close(ask->rig);
}

static void finish(struct life *life)
{
    struct history *h = history_of(life);
    struct sim_rig *rig = h->rig;
    struct sim_world *w = rig->w;

    for (uint64_t n = sim_below(w, 8); n > 0; n--) {
        history_acquire(h, history_target(h));
        if (sim_chance(w, 60))
            sim_run_turn(w);
    }
    if (sim_chance(w, 30) && history_ask(h, ASK_WAITING)) {
        struct sim_ask *ask = history_ask(h, ASK_WAITING);

        ask->then = close_pool; /* while, in the same turn, dials for others may just have begun */
        sim_run_ms(w, (int64_t)sim_below(w, 100));
    }
    if (sim_chance(w, 30))
        history_target(h)->host->black_hole = true;
    if (sim_chance(w, 50)) {
        sim_rig_drain(rig);
        sim_run_ms(w, (int64_t)sim_below(w, 500));
        history_hang_up(h, sim_chance(w, 50));
        sim_run_ms(w, (int64_t)sim_below(w, 500));
    }
    if (sim_chance(w, 10))
        sim_rig_abandon(rig);
    else
        sim_rig_finish(rig);
}

static int draw(struct life *life)
{
    return history_draw(history_of(life));
}

static void step(struct life *life)
{
    history_step(history_of(life));
}

static const struct life_ops ops = {
    .draw = draw, .step = step, .recover = recover, .finish = finish};

int history_run(uint64_t seed, const struct history_options *options, struct coverage *coverage,
                char *text, size_t size)
{
    struct history *h = calloc(1, sizeof *h);

    if (!h)
        abort();
    h->rig = sim_rig_new(seed, (struct sim_short_memory){0}, options->verbose);
    h->life.w = h->rig->w;
    h->rig->w->on_trace = met_trace;
    h->rig->w->trace_arg = &coverage->met;
    h->rig->sabotage = options->sabotage;
    h->coverage = coverage;
    h->rig->then_hook = history_in_hook;
    h->rig->hook_arg = h;
    if (life_run(&h->life, &ops, options, text, size) < 0)
        return -1;
    coverage_add(coverage, h->rig);
    coverage->kinds[h->kind]++;
    sim_rig_free(h->rig);
    free(h);
    return 0;
}
