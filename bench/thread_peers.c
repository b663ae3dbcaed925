/* SPDX-License-Identifier: MIT */
/*
 * thread_peers.c - acquire and release by --inflight threads, without I/O.
 *
 * Modes: mutex (an array under a pthread mutex, and a condition for those who find it empty),
 * reslist (Apache's apr_reslist). Each has 64 resources; with "-one" behind it, one.
 */
#include <string.h>

#include "bench_threads.h"
#include "peer_pools.h"

static void *same(void *arg)
{
    return arg;
}

static void mutex_batch(void *own, unsigned pairs)
{
    for (unsigned i = 0; i < pairs; i++) {
        void *resource = peer_pool_acquire(own);

        PEER_USE(resource);
        peer_pool_release(own, resource);
    }
}

static void run_mutex(const struct bench_options *options, unsigned resources,
                      struct bench_meter *meter)
{
    struct peer_pool pool;

    peer_pool_init(&pool, resources);
    bench_threads_run(&(struct bench_threads){same, mutex_batch, NULL, NULL, &pool},
                      options->inflight, options, meter);
}

#ifdef BENCH_HAVE_APR

static void reslist_batch(void *own, unsigned pairs)
{
    for (unsigned i = 0; i < pairs; i++) {
        void *resource = peer_reslist_acquire(own);

        PEER_USE(resource);
        apr_reslist_release(own, resource);
    }
}

static void run_reslist(const struct bench_options *options, unsigned resources,
                        struct bench_meter *meter)
{
    apr_pool_t *memory = peer_apr_begin();
    apr_reslist_t *list = peer_reslist_make(memory, (int)resources, (int)resources, 0);

    bench_threads_run(&(struct bench_threads){same, reslist_batch, NULL, NULL, list},
                      options->inflight, options, meter);
    peer_apr_end(memory);
}

#else

static void run_reslist(const struct bench_options *options, unsigned resources,
                        struct bench_meter *meter)
{
    (void)options, (void)resources, (void)meter;
    bench_die("built without apr-util");
}

#endif

int main(int argc, char **argv)
{
    struct bench_options options;
    struct bench_meter meter;
    unsigned resources;

    bench_options_parse(&options, argc, argv, "mutex");
    resources = strstr(options.mode, "-one") ? 1 : PEER_RESOURCES;
    if (strncmp(options.mode, "mutex", 5) == 0)
        run_mutex(&options, resources, &meter);
    else if (strncmp(options.mode, "reslist", 7) == 0)
        run_reslist(&options, resources, &meter);
    else
        bench_die("unknown mode %s", options.mode);
    bench_report(options.mode, "acquire", &meter);
    return 0;
}
