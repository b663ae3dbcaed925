/* SPDX-License-Identifier: MIT */
/*
 * `belay get`: so many requests in flight, each in a slot. What may start is decided by schedule.c;
 * here it is started, and the run ends when nothing is in flight and nothing starts any more.
 */
#include "get.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "say.h"
#include "summary.h"

/* ---- slots ---- */

static void make_slots(struct get *g)
{
    size_t n = (size_t)g->o->client.concurrency;

    if (g->schedule.requests >= 0 && g->o->warm_up_ms == 0 && (int64_t)n > g->schedule.requests)
        n = (size_t)g->schedule.requests;
    g->slots = memory_get(n, sizeof *g->slots);
    g->slots_n = n;
    g->schedule.in_flight_max = (int64_t)n;
    while (n-- > 0) {
        g->slots[n].get = g;
        g->slots[n].next_free = g->free_slots;
        g->slots[n].expected = -1;
        g->free_slots = &g->slots[n];
    }
}

static void free_slots(struct get *g)
{
    for (size_t i = 0; i < g->slots_n; i++) {
        belay_timer_free(g->slots[i].timer);
        belay_watch_free(g->slots[i].room);
        body_reader_end(&g->slots[i].upload);
    }
    free(g->slots);
    g->slots_n = 0;
}

static struct slot *take_slot(struct get *g, int64_t now, int64_t due)
{
    struct slot *slot = g->free_slots;

    g->free_slots = slot->next_free;
    slot->busy = true;
    slot->number = (uint64_t)g->schedule.started;
    slot->url = (size_t)(g->schedule.started - 1) % g->o->client.urls.n;
    slot->counted = schedule_counts(&g->schedule, now);
    slot->retried = 0;
    slot->started_ms = now;
    slot->spent_us = g->o->rate > 0 ? (uint64_t)(now - due) * 1000 : 0;
    slot->output_error = 0;
    return slot;
}

static void give_slot_back(struct slot *slot)
{
    struct get *g = slot->get;

    slot->busy = false;
    slot->next_free = g->free_slots;
    g->free_slots = slot;
    schedule_done(&g->schedule);
}

/* ---- giving up ---- */

#define OUTAGE_MS 30000 /* with nothing that can be reached, before the rest is not even tried */

/* How long one request alone would go on trying. */
static int64_t patience_ms(const struct get_options *o)
{
    struct retry_facts facts = {.error = &(struct belay_error){.kind = BELAY_KIND_RETRY},
                                .remaining_ms = -1,
                                .replayable = true};
    int64_t sum = 0, delay;

    for (; sum < OUTAGE_MS && (delay = retry_delay_ms(&o->retry, &facts)) >= 0; facts.retried++)
        sum += delay;
    return sum < OUTAGE_MS ? sum : OUTAGE_MS;
}

/*
 * Retries and the pool's backoff would make many requests to a server that is gone last for hours.
 * Once every URL has been tried, no connection is open or being opened, and nothing ever answered,
 * or not for long, the rest is not started. A run that was told how long to last (--for) sits an
 * outage out.
 */
bool get_is_hopeless(const struct get *g, const struct belay_error *error)
{
    struct belay_pool_stats pool = belay_pool_stats_init();
    int64_t now = belay_loop_now_ms(g->loop);

    if (g->gave_up || g->schedule.started < (int64_t)g->o->client.urls.n)
        return false;
    belay_pool_get_stats(belay_http_pool(g->http), &pool);
    if (pool.idle || pool.in_use || pool.dialing)
        return false;
    if (g->answered_ms < 0)
        return error->kind != BELAY_KIND_RETRY || now - g->begin_ms >= patience_ms(g->o);
    return g->o->for_ms < 0 && now - g->answered_ms >= OUTAGE_MS;
}

void get_give_up(struct get *g, const struct belay_error *error)
{
    g->gave_up = true;
    g->schedule.ended = true;
    for (size_t i = 0; i < g->slots_n; i++) {
        struct slot *slot = &g->slots[i];

        if (!slot->busy || slot->ending)
            continue;
        get_request_fail(slot, error);
        give_slot_back(slot);
    }
    if (g->schedule.requests > g->schedule.counted)
        g->not_started = (uint64_t)(g->schedule.requests - g->schedule.counted);
}

/* ---- the run ---- */

static void cut_off(struct get *g)
{
    g->schedule.ended = true;
    for (size_t i = 0; i < g->slots_n; i++) {
        if (!g->slots[i].busy)
            continue;
        get_request_abandon(&g->slots[i]);
        give_slot_back(&g->slots[i]);
        g->cut_off++;
    }
}

static double monotonic_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void finish(struct get *g)
{
    if (g->finished)
        return;
    g->finished = true;
    g->end_s = monotonic_s();
    belay_loop_stop(g->loop);
}

void get_go_on(struct get *g)
{
    int64_t now = belay_loop_now_ms(g->loop), due;

    if (g->interrupted_by || g->stdout_gone || g->usage_failure)
        cut_off(g);
    for (;;) {
        struct slot *slot;

        switch (schedule_next(&g->schedule, now, &due)) {
        case SCHEDULE_START:
            slot = take_slot(g, now, due);
            if (get_request_start(slot))
                continue;
            give_slot_back(slot);
            if (g->usage_failure)
                cut_off(g);
            continue;
        case SCHEDULE_WAIT:
            belay_timer_start(g->pace, due - now);
            return;
        case SCHEDULE_FULL:
            return;
        case SCHEDULE_ENDED:
            if (g->schedule.in_flight == 0)
                finish(g);
            return;
        }
    }
}

void get_slot_done(struct slot *slot)
{
    struct get *g = slot->get;

    give_slot_back(slot);
    get_go_on(g);
}

static void on_pace(void *arg)
{
    get_go_on(arg);
}

static void set_schedule(struct get *g)
{
    const struct get_options *o = g->o;

    g->begin_ms = belay_loop_now_ms(g->loop);
    g->answered_ms = -1;
    g->begin_s = monotonic_s() + (double)o->warm_up_ms / 1000;
    g->schedule = (struct schedule){
        .requests = o->requests != OPTION_UNSET ? o->requests
                    : o->for_ms != OPTION_UNSET ? -1
                                                : (int64_t)o->client.urls.n,
        .for_ms = o->for_ms,
        .warm_up_ms = o->warm_up_ms,
        .rate = o->rate,
        .begin_ms = g->begin_ms,
    };
}

/* ---- the result ---- */

static int exit_status(const struct get *g)
{
    if (g->interrupted_by)
        return 128 + g->interrupted_by;
    if (g->usage_failure)
        return EXIT_USAGE;
    return g->tally.failed || g->stdout_gone ? EXIT_PROBLEM : EXIT_FINE;
}

static int report(struct get *g)
{
    const struct get_options *o = g->o;
    struct summary summary;
    bool good = true;

    if (g->usage_failure) {
        say("%s", g->tally.examples[0].text);
        return EXIT_USAGE;
    }
    if (get_is_single(o))
        return exit_status(g);
    summary_take(&summary, g);
    if (o->client.json)
        good = summary_print_json(&summary);
    else if (!o->client.quiet)
        summary_print(&summary, o->write_out ? 2 : 1);
    else
        summary_print_failures(&summary);
    summary_free(&summary);
    if (fflush(stdout) != 0 || ferror(stdout))
        good = false;
    if (!good && !g->stdout_gone)
        say("writing to standard output failed");
    return good || g->interrupted_by ? exit_status(g) : EXIT_PROBLEM;
}

/* SIGINT and SIGTERM end it with the summary of what was done. */
static void on_signal(int number, void *arg)
{
    struct get *g = arg;

    g->interrupted_by = number;
    get_go_on(g);
}

static bool watch_signals(struct get *g)
{
    static const int numbers[] = {SIGINT, SIGTERM, 0};

    return signals_watch(&g->signals, g->loop, numbers, on_signal, g);
}

static int run(struct get *g)
{
    int status = EXIT_PROBLEM;

    set_schedule(g);
    make_slots(g);
    if (belay_timer_new(g->loop, on_pace, g, &g->pace) < 0 || !watch_signals(g))
        return status;
    get_live_start(g);
    get_go_on(g);
    if (!g->finished && belay_loop_run(g->loop) < 0)
        say("running: the loop could not run");
    get_live_stop(g);
    signals_unwatch(&g->signals);
    belay_timer_free(g->pace);
    status = report(g);
    return status;
}

/* ---- the command ---- */

static int refuse(const char *what, const struct complaint *why)
{
    say("%s%s", what, why->text);
    return EXIT_USAGE;
}

static bool check_outputs(const struct get_options *o, struct complaint *why)
{
    return (!o->output || output_check_file(o->output, why)) &&
           (!o->output_dir || output_check_dir(o->output_dir, why)) &&
           (!o->dump_header || output_check_file(o->dump_header, why));
}

/* Reads files, checks outputs. */
static bool make_plan(struct get *g, struct get_options *o, struct complaint *why)
{
    if (!request_plan_urls(&g->plan, &o->client, why) || !get_options_check_urls(o, why) ||
        !check_outputs(o, why) || !request_plan_make(&g->plan, &o->client, why))
        return false;
    g->plan.request.unsafe_replay = o->retry.unsafe;
    return get_options_check_body(o, request_plan_is_once(&g->plan), why);
}

int get_main(int argc, char **argv)
{
    struct get_options options;
    struct complaint why = {.text = ""};
    struct get *g;
    int status;

    switch (get_options_read(&options, argc, argv, &why)) {
    case OPTIONS_HELP:
        options_print_help(&get_table);
        get_options_free(&options);
        return fflush(stdout) == 0 ? EXIT_FINE : EXIT_PROBLEM;
    case OPTIONS_BAD:
        get_options_free(&options);
        return refuse("reading the options: ", &why);
    default:
        break;
    }
    g = memory_get(1, sizeof *g);
    g->o = &options;
    g->signals.fd = -1;
    status = make_plan(g, &options, &why) ? get_world_open(g) : refuse("", &why);
    if (status == EXIT_FINE)
        status = run(g);
    free_slots(g);
    get_world_close(g);
    request_plan_free(&g->plan);
    get_options_free(&options);
    free(g);
    return status;
}
