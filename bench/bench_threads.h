/* SPDX-License-Identifier: MIT */
/* bench_threads.h - several threads that do the same over and over, and what they do together. */
#ifndef BELAY_BENCH_THREADS_H
#define BELAY_BENCH_THREADS_H

#include "bench_util.h"

struct bench_threads {
    /* Each thread's own; NULL is what it gets when begin is NULL. */
    void *(*begin)(void *arg);
    /* So many pairs of acquire and release. */
    void (*batch)(void *own, unsigned pairs);
    void (*end)(void *own); /* may be NULL */
    /* What the main thread does meanwhile, for some milliseconds. NULL: it sleeps. */
    void (*attend)(void *arg);
    void *arg;
};

/* Runs so many threads for the time of the options and counts the pairs of all. */
void bench_threads_run(const struct bench_threads *what, unsigned threads,
                       const struct bench_options *options, struct bench_meter *meter);

#endif
