/* SPDX-License-Identifier: MIT */
/*
 * Calls to a process that counts them, one after another, each awaited:
 *
 *   calls          process and caller on the loop, the answer by callback
 *   calls-many     the same, --inflight calls at a time
 *   casts          process on the loop: casts in batches, a call at the end of each
 *   calls-loop     a process on a loop that another thread runs, called from the main thread
 *   calls-own      the same, to a process on a thread of its own
 *   casts-own      casts in batches, a call at the end of each, to such a process
 */
#include <belay/belay.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "bench_util.h"

#define BATCH 64

struct bench {
    struct belay_loop *loop;
    struct belay_process *process;
    struct bench_meter meter;
    unsigned in_flight;
    bool over, own_thread;
    atomic_bool ready, stop;
    pthread_t thread;
};

static struct belay_directive handle_call(struct belay_process *process,
                                          struct belay_message *message, struct belay_from from,
                                          void *state)
{
    uintptr_t *count = state;

    (void)process;
    (void)message;
    (void)from;
    return belay_do_reply(belay_message(1, (void *)++*count, NULL));
}

static struct belay_directive handle_cast(struct belay_process *process,
                                          struct belay_message *message, void *state)
{
    uintptr_t *count = state;

    (void)process;
    (void)message;
    ++*count;
    return belay_do_noreply();
}

static const struct belay_behaviour counter = {.size = sizeof counter,
                                               .name = "counter",
                                               .handle_call = handle_call,
                                               .handle_cast = handle_cast};
static uintptr_t count;

static void start(struct bench *b)
{
    struct belay_process_options o = belay_process_options_init();
    struct belay_error error;

    o.own_thread = b->own_thread;
    o.mailbox_max = 2 * BATCH;
    if (belay_loop_new(NULL, &b->loop, NULL) < 0)
        bench_die("no loop");
    if (belay_process_start_wait(b->loop, &counter, &count, &o, &b->process, &error) < 0)
        bench_die("%s", error.text);
}

/* ---- on the loop ---- */

static void call_again(struct bench *b);

static void on_reply(struct belay_message *reply, const struct belay_error *error, void *arg)
{
    struct bench *b = arg;

    if (!reply)
        bench_die("%s", error->text);
    b->meter.count++;
    if (b->over || (b->meter.count % BATCH == 0 && bench_meter_tick(&b->meter))) {
        b->over = true;
        b->in_flight--;
        return;
    }
    call_again(b);
}

static void call_again(struct bench *b)
{
    if (belay_process_call(b->process, belay_message_tag(1), BELAY_FOREVER, NULL, on_reply, b) < 0)
        bench_die("a call failed");
}

static void run_on_loop(struct bench *b, unsigned n)
{
    for (b->in_flight = 0; b->in_flight < n; b->in_flight++)
        call_again(b);
    while (b->in_flight)
        belay_loop_turn(b->loop, BELAY_FOREVER);
}

/* ---- casts ---- */

static void on_batch(struct belay_message *reply, const struct belay_error *error, void *arg);

static void cast_batch(struct bench *b)
{
    for (int i = 0; i < BATCH - 1; i++)
        if (belay_process_cast(b->process, belay_message_tag(1)) < 0)
            bench_die("a cast failed");
    if (belay_process_call(b->process, belay_message_tag(1), BELAY_FOREVER, NULL, on_batch, b) < 0)
        bench_die("a call failed");
}

static void on_batch(struct belay_message *reply, const struct belay_error *error, void *arg)
{
    struct bench *b = arg;

    if (!reply)
        bench_die("%s", error->text);
    b->meter.count += BATCH;
    b->over = bench_meter_tick(&b->meter);
    if (!b->over)
        cast_batch(b);
}

static void run_casts(struct bench *b)
{
    cast_batch(b);
    while (!b->over)
        belay_loop_turn(b->loop, BELAY_FOREVER);
}

/* ---- across threads ---- */

static void call_and_wait(struct bench *b)
{
    struct belay_message reply;
    struct belay_error error;

    if (belay_process_call_wait(b->process, belay_message_tag(1), 5000, &reply, &error) < 0)
        bench_die("%s", error.text);
    belay_message_destroy(&reply);
}

static void run_blocking(struct bench *b, bool casts)
{
    do {
        for (int i = 0; i < BATCH; i++) {
            if (!casts || i == BATCH - 1)
                call_and_wait(b);
            else if (belay_process_cast(b->process, belay_message_tag(1)) < 0)
                bench_die("a cast failed");
        }
        b->meter.count += BATCH;
    } while (!bench_meter_tick(&b->meter));
}

/* The loop's thread: all that is the loop's is made, turned and freed here. */
static void *run_loop(void *arg)
{
    struct bench *b = arg;

    start(b);
    belay_loop_turn(b->loop, 0); /* it is run from now on */
    b->ready = true;
    while (!b->stop)
        belay_loop_turn(b->loop, 100);
    belay_process_unref(b->process);
    belay_loop_free(b->loop);
    return NULL;
}

static void run_across(struct bench *b, const struct bench_options *options)
{
    b->own_thread = strcmp(options->mode, "calls-loop") != 0;
    if (pthread_create(&b->thread, NULL, run_loop, b) != 0)
        bench_die("no thread");
    while (!b->ready)
        ;
    bench_meter_start(&b->meter, options);
    run_blocking(b, strcmp(options->mode, "casts-own") == 0);
    b->stop = true;
    pthread_join(b->thread, NULL);
}

int main(int argc, char **argv)
{
    struct bench_options options;
    struct bench b = {.loop = NULL};

    bench_options_parse(&options, argc, argv, "calls");
    if (strchr(options.mode, '-') && strcmp(options.mode, "calls-many") != 0) {
        run_across(&b, &options);
        bench_report("belay", options.mode, &b.meter);
        return 0;
    }
    start(&b);
    bench_meter_start(&b.meter, &options);
    if (strcmp(options.mode, "casts") == 0)
        run_casts(&b);
    else if (strcmp(options.mode, "calls-many") == 0)
        run_on_loop(&b, options.inflight);
    else if (strcmp(options.mode, "calls") == 0)
        run_on_loop(&b, 1);
    else
        bench_die("unknown mode %s", options.mode);
    bench_report("belay", options.mode, &b.meter);
    belay_process_unref(b.process);
    belay_loop_free(b.loop);
    return 0;
}
