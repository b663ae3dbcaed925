/* SPDX-License-Identifier: MIT */
/*
 * -n and --for: many calls of one method with the same messages, so many at a time. What may start
 * is decided by schedule.c; here it is started and counted.
 */
#include "grpc_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "say.h"

#define PAUSE_MS  100   /* after a call that found no connection */
#define OUTAGE_MS 30000 /* without any, before the rest is not even tried */
#define EVERY_MS  100   /* the line of progress */

struct load_call {
    struct load *load;
    struct load_call *next_free;
    struct belay_rpc *rpc; /* NULL: none */
    double begin_s;        /* when it was due */
    bool counted;
    size_t at; /* of the messages */
    uint64_t received, received_bytes;
};

struct load {
    struct grpc *g;
    const struct grpc_method *method;
    struct grpc_feed feed;
    struct schedule schedule;
    struct load_call *calls, *free_calls;
    size_t calls_n;
    struct grpc_tally *tally;
    struct belay_timer *pace, *redraw;
    struct progress_rate recent;
    double begin_s;
    int64_t begin_ms;
    int64_t answered_ms; /* when a server last answered; -1: none has */
    int64_t pause_ms;    /* nothing starts before; 0: there is no connection to wait for */
    int refused;         /* a call could not even be made: an exit status */
    bool done;
};

static double monotonic_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void go_on(struct load *l);

/* ---- one call ---- */

static void pump(struct load_call *call)
{
    const struct grpc_feed *feed = &call->load->feed;

    while (call->rpc && call->at < feed->ready_n) {
        const struct bytes *message = &feed->ready[call->at];
        int rc = belay_rpc_write(call->rpc, message->data ? message->data : "", message->len);

        if (rc == BELAY_EAGAIN)
            return; /* on_writable follows */
        call->at++;
        if (rc < 0)
            break; /* its end tells why */
        call->load->tally->sent++;
        call->load->tally->sent_bytes += message->len;
    }
    if (call->rpc)
        belay_rpc_end(call->rpc);
}

static void on_writable(struct belay_rpc *rpc, void *arg)
{
    (void)rpc;
    pump(arg);
}

static void on_message(struct belay_rpc *rpc, const void *data, size_t len, void *arg)
{
    struct load_call *call = arg;

    (void)rpc;
    (void)data;
    call->received++;
    call->received_bytes += len;
}

static void give_back(struct load_call *call)
{
    call->rpc = NULL;
    call->next_free = call->load->free_calls;
    call->load->free_calls = call;
    schedule_done(&call->load->schedule);
}

static void count(struct load_call *call, int status, const char *text)
{
    struct grpc_tally *t = call->load->tally;

    if (status < 0 || status >= GRPC_STATUSES_N)
        status = BELAY_GRPC_UNKNOWN;
    t->calls++;
    t->received += call->received;
    t->received_bytes += call->received_bytes;
    if (status != BELAY_GRPC_OK && t->status[status] == 0)
        text_show(t->example[status], sizeof t->example[status], text);
    t->status[status]++;
    t->failed += status != BELAY_GRPC_OK;
    if (status == BELAY_GRPC_OK)
        histogram_add(&t->latency, (uint64_t)((monotonic_s() - call->begin_s) * 1e6));
}

/* Nothing was ever reached, or not for long: the rest is not started. */
static void look_for_outage(struct load *l, const struct belay_rpc_result *result)
{
    int64_t now = belay_loop_now_ms(l->g->loop);

    if (!result->error || result->status != BELAY_GRPC_UNAVAILABLE) {
        l->answered_ms = now;
        return;
    }
    l->pause_ms = now + PAUSE_MS;
    if (l->g->o->for_ms != OPTION_UNSET ||
        (l->answered_ms >= 0 && now - l->answered_ms < OUTAGE_MS))
        return;
    l->tally->gave_up = true;
    l->schedule.ended = true;
}

static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct load_call *call = arg;
    struct load *l = call->load;
    int status = result->status;
    const char *text = result->message;

    (void)rpc;
    if (status == BELAY_GRPC_OK && !l->method->server_streams && call->received != 1) {
        status = BELAY_GRPC_UNIMPLEMENTED;
        text = "the status was OK, and not one message came";
    }
    if (call->counted)
        count(call, status, text);
    look_for_outage(l, result);
    give_back(call);
    go_on(l);
}

static const struct belay_rpc_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_message = on_message,
    .on_writable = on_writable,
    .on_done = on_done,
};

static void start(struct load *l, int64_t now, int64_t due)
{
    const struct grpc_options *o = l->g->o;
    struct belay_rpc_options options = belay_rpc_options_init();
    struct load_call *call = l->free_calls;
    struct belay_error error;
    char doing[TEXT_SHOWN_MAX];

    l->free_calls = call->next_free;
    call->at = 0;
    call->received = call->received_bytes = 0;
    call->counted = schedule_counts(&l->schedule, now);
    call->begin_s = monotonic_s() - (o->rate > 0 ? (double)(now - due) / 1000 : 0);
    options.metadata = o->metadata.items;
    options.metadata_n = o->metadata.n;
    options.deadline_ms = grpc_deadline_ms(l->g, o->deadline_ms);
    if (belay_rpc_start(l->g->channel, l->method->path, &options, &callbacks, call, &call->rpc,
                        &error) < 0) {
        snprintf(doing, sizeof doing, "calling %.140s", l->method->path + 1);
        l->refused = client_refuse(doing, &error);
        l->schedule.ended = true;
        give_back(call);
        return;
    }
    pump(call);
}

/* ---- all of them ---- */

static void finish(struct load *l)
{
    l->done = true;
    belay_loop_stop(l->g->loop);
}

static void go_on(struct load *l)
{
    int64_t now = belay_loop_now_ms(l->g->loop), due;

    if (l->pause_ms > now && !l->schedule.ended) {
        belay_timer_start(l->pace, l->pause_ms - now);
        return;
    }
    for (;;) {
        switch (schedule_next(&l->schedule, now, &due)) {
        case SCHEDULE_START:
            start(l, now, due);
            continue;
        case SCHEDULE_WAIT:
            belay_timer_start(l->pace, due - now);
            return;
        case SCHEDULE_FULL:
            return;
        case SCHEDULE_ENDED:
            if (l->schedule.in_flight == 0)
                finish(l);
            return;
        }
    }
}

static void on_pace(void *arg)
{
    go_on(arg);
}

static void make_calls(struct load *l)
{
    size_t n = (size_t)l->g->o->client.concurrency;

    if (l->schedule.requests >= 0 && l->g->o->warm_up_ms == 0 && (int64_t)n > l->schedule.requests)
        n = (size_t)l->schedule.requests;
    l->calls = memory_get(n, sizeof *l->calls);
    l->calls_n = n;
    l->schedule.in_flight_max = (int64_t)n;
    while (n-- > 0) {
        l->calls[n].load = l;
        l->calls[n].next_free = l->free_calls;
        l->free_calls = &l->calls[n];
    }
}

/* ---- the line of progress ---- */

static void redraw(void *arg)
{
    struct load *l = arg;
    struct belay_channel_stats channel = belay_channel_stats_init();
    struct progress_facts f = {.colours = say_has_colours(2)};
    int64_t now = belay_loop_now_ms(l->g->loop);
    char line[PROGRESS_LINE_MAX];

    f.done = l->tally->calls;
    f.failed = l->tally->failed;
    f.all = l->schedule.requests;
    f.rate = progress_rate(&l->recent, now, f.done);
    belay_channel_get_stats(l->g->channel, &channel);
    f.connections = channel.connections;
    f.dialing = channel.connecting;
    progress_share(&f, now - l->begin_ms - l->g->o->warm_up_ms, l->g->o->for_ms);
    say_transient(progress_line(&f, say_width(), line));
    belay_timer_start(l->redraw, EVERY_MS);
}

static void start_drawing(struct load *l)
{
    if (l->g->o->client.quiet || !say_is_terminal(2) ||
        belay_timer_new(l->g->loop, redraw, l, &l->redraw) < 0)
        return;
    l->recent.at_ms = l->begin_ms;
    belay_timer_start(l->redraw, EVERY_MS);
}

/* ---- the run ---- */

static void cut_off(struct load *l)
{
    for (size_t i = 0; i < l->calls_n; i++) {
        if (!l->calls[i].rpc)
            continue;
        belay_rpc_cancel(l->calls[i].rpc);
        l->calls[i].rpc = NULL;
        l->tally->cut_off++;
    }
}

static int report(struct load *l)
{
    const struct grpc_options *o = l->g->o;
    struct grpc_tally *t = l->tally;
    bool good = true;

    errno = 0;
    t->elapsed_s = monotonic_s() - l->begin_s;
    t->interrupted_by = l->g->interrupted_by;
    if (t->gave_up && l->schedule.requests > l->schedule.counted)
        t->not_started = (uint64_t)(l->schedule.requests - l->schedule.counted);
    if (o->client.json)
        good = grpc_summary_print_json(t);
    else if (o->client.quiet)
        grpc_summary_print_failures(t);
    else
        grpc_summary_print(t);
    if (!good || ferror(stdout))
        grpc_output_failed(l->g, errno ? errno : EIO);
    if (t->interrupted_by)
        return 128 + t->interrupted_by;
    return t->failed || l->g->stdout_gone ? EXIT_PROBLEM : EXIT_FINE;
}

static int run(struct load *l)
{
    const struct grpc_options *o = l->g->o;

    l->begin_ms = belay_loop_now_ms(l->g->loop);
    l->begin_s = monotonic_s() + (double)o->warm_up_ms / 1000;
    l->schedule = (struct schedule){
        .requests = o->requests != OPTION_UNSET ? o->requests : -1,
        .for_ms = o->for_ms,
        .warm_up_ms = o->warm_up_ms,
        .rate = o->rate,
        .begin_ms = l->begin_ms,
    };
    make_calls(l);
    if (belay_timer_new(l->g->loop, on_pace, l, &l->pace) < 0)
        return EXIT_PROBLEM;
    start_drawing(l);
    go_on(l);
    grpc_run(l->g, &l->done);
    say_transient(NULL);
    cut_off(l);
    return l->refused ? l->refused : report(l);
}

int grpc_load(struct grpc *g, const struct grpc_method *method)
{
    struct load l = {.g = g, .method = method, .answered_ms = -1};
    struct complaint why = {.text = ""};
    int status;

    l.tally = memory_get(1, sizeof *l.tally);
    signals_unwatch(&g->signals); /* what is read at once may never end */
    if (grpc_feed_begin(&l.feed, g, method, true, &why)) {
        status = grpc_watch_signals(g) ? run(&l) : EXIT_PROBLEM;
    } else {
        say("calling %s: %s", method->path + 1, why.text);
        status = EXIT_USAGE;
    }
    belay_timer_free(l.pace);
    belay_timer_free(l.redraw);
    free(l.calls);
    free(l.tally);
    grpc_feed_end(&l.feed);
    return status;
}
