/* SPDX-License-Identifier: MIT */
/* Threads that work while the main thread reads their counters. */
#include "bench_threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum { THREADS_MAX = 64, BATCH = 256, LINE = 128 };

struct worker {
    _Alignas(LINE) _Atomic uint64_t count;
    const struct bench_threads *what;
    const atomic_bool *stop;
    atomic_bool over;
    pthread_t thread;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    void *own = w->what->begin ? w->what->begin(w->what->arg) : NULL;
    uint64_t count = 0;

    while (!atomic_load_explicit(w->stop, memory_order_relaxed)) {
        w->what->batch(own, BATCH);
        count += BATCH;
        atomic_store_explicit(&w->count, count, memory_order_relaxed);
    }
    if (w->what->end)
        w->what->end(own);
    atomic_store(&w->over, true);
    return NULL;
}

static uint64_t sum(struct worker *workers, unsigned n)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < n; i++)
        total += atomic_load_explicit(&workers[i].count, memory_order_relaxed);
    return total;
}

static void attend(const struct bench_threads *what)
{
    const struct timespec moment = {.tv_nsec = 10000000};

    if (what->attend)
        what->attend(what->arg);
    else
        nanosleep(&moment, NULL);
}

void bench_threads_run(const struct bench_threads *what, unsigned threads,
                       const struct bench_options *options, struct bench_meter *meter)
{
    static struct worker workers[THREADS_MAX];
    atomic_bool stop = false;
    uint64_t base = 0;
    bool over = false;

    if (threads > THREADS_MAX)
        bench_die("at most %d threads", THREADS_MAX);
    for (unsigned i = 0; i < threads; i++) {
        workers[i].what = what;
        workers[i].stop = &stop;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
            bench_die("a thread could not be started");
    }
    bench_meter_start(meter, options);
    while (!over) {
        bool measuring = meter->measuring;

        attend(what);
        meter->count = sum(workers, threads) - base;
        over = bench_meter_tick(meter);
        if (!measuring && meter->measuring)
            base = sum(workers, threads);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < threads; i++) {
        while (!atomic_load(&workers[i].over)) /* it may need what the main thread does */
            attend(what);
        pthread_join(workers[i].thread, NULL);
    }
}
