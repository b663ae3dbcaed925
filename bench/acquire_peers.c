/* SPDX-License-Identifier: MIT */
/*
 * acquire_peers.c - the cost of one acquire and release without I/O, in one thread.
 *
 * Modes: lifo (an array that one thread owns: the floor), mutex (the same under a pthread mutex,
 * with a look for waiters at release), reslist (Apache's apr_reslist). Each pool holds 64
 * resources. `requests` in the result are pairs of acquire and release.
 *
 * With "-endpoints" behind it: a pool for each of --inflight endpoints, with one resource, visited
 * in an order that no prefetcher follows. reslist-expire: the CPU time of so many idle resources
 * whose time to live has passed, of one pool, for each of them.
 */
#include <stdlib.h>
#include <string.h>

#include "peer_pools.h"

#ifdef BENCH_HAVE_APR
#include <apr_time.h>
#endif

enum { BATCH = 1000, IDLE_US = 20000 };

#define NOINLINE __attribute__((noinline))

static NOINLINE void *lifo_acquire(struct peer_pool *pool)
{
    return pool->count > 0 ? pool->resources[--pool->count] : NULL;
}

static NOINLINE void lifo_release(struct peer_pool *pool, void *resource)
{
    pool->resources[pool->count++] = resource;
}

static void run_lifo(const struct bench_options *options, struct bench_meter *meter)
{
    struct peer_pool pool;

    peer_pool_init(&pool, PEER_RESOURCES);
    bench_meter_start(meter, options);
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            void *resource = lifo_acquire(&pool);

            PEER_USE(resource);
            lifo_release(&pool, resource);
        }
        meter->count += BATCH;
    } while (!bench_meter_tick(meter));
}

static struct peer_pool *make_pools(uint32_t n)
{
    struct peer_pool *pools = bench_calloc(n, sizeof *pools);

    for (uint32_t i = 0; i < n; i++) {
        peer_pool_init(&pools[i], 1);
    }
    return pools;
}

static void run_lifo_endpoints(const struct bench_options *options, struct bench_meter *meter)
{
    uint32_t n = options->inflight, stride = bench_stride(n), at = 0;
    struct peer_pool *pools = make_pools(n);

    bench_meter_start(meter, options);
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            struct peer_pool *pool = &pools[at = (at + stride) % n];
            void *resource = lifo_acquire(pool);

            PEER_USE(resource);
            lifo_release(pool, resource);
        }
        meter->count += BATCH;
    } while (!bench_meter_tick(meter));
    free(pools);
}

static void run_mutex_endpoints(const struct bench_options *options, struct bench_meter *meter)
{
    uint32_t n = options->inflight, stride = bench_stride(n), at = 0;
    struct peer_pool *pools = make_pools(n);

    bench_meter_start(meter, options);
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            struct peer_pool *pool = &pools[at = (at + stride) % n];
            void *resource = peer_pool_acquire(pool);

            PEER_USE(resource);
            peer_pool_release(pool, resource);
        }
        meter->count += BATCH;
    } while (!bench_meter_tick(meter));
    free(pools);
}

static void run_mutex(const struct bench_options *options, struct bench_meter *meter)
{
    struct peer_pool pool;

    peer_pool_init(&pool, PEER_RESOURCES);
    bench_meter_start(meter, options);
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            void *resource = peer_pool_acquire(&pool);

            PEER_USE(resource);
            peer_pool_release(&pool, resource);
        }
        meter->count += BATCH;
    } while (!bench_meter_tick(meter));
}

#ifdef BENCH_HAVE_APR

static void run_reslist(const struct bench_options *options, struct bench_meter *meter)
{
    apr_pool_t *memory = peer_apr_begin();
    apr_reslist_t *list = peer_reslist_make(memory, PEER_RESOURCES, PEER_RESOURCES, 0);

    bench_meter_start(meter, options);
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            void *resource = peer_reslist_acquire(list);

            PEER_USE(resource);
            apr_reslist_release(list, resource);
        }
        meter->count += BATCH;
    } while (!bench_meter_tick(meter));
    peer_apr_end(memory);
}

static void run_reslist_endpoints(const struct bench_options *options, struct bench_meter *meter)
{
    uint32_t n = options->inflight, stride = bench_stride(n), at = 0;
    apr_reslist_t **lists = bench_calloc(n, sizeof(apr_reslist_t *));
    apr_pool_t *memory = peer_apr_begin();

    for (uint32_t i = 0; i < n; i++)
        lists[i] = peer_reslist_make(memory, 1, 1, 0);
    bench_meter_start(meter, options);
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            apr_reslist_t *list = lists[at = (at + stride) % n];
            void *resource = peer_reslist_acquire(list);

            PEER_USE(resource);
            apr_reslist_release(list, resource);
        }
        meter->count += BATCH;
    } while (!bench_meter_tick(meter));
    peer_apr_end(memory);
    free(lists);
}

/* Opening and waiting are not counted. It looks only when asked to, so it is asked once. */
static void run_reslist_expire(const struct bench_options *options, struct bench_meter *meter)
{
    uint32_t n = options->inflight;
    void **held = bench_calloc(n, sizeof(void *));
    apr_pool_t *memory = peer_apr_begin();
    apr_reslist_t *list = peer_reslist_make(memory, 0, (int)n, IDLE_US);
    double end_s = bench_now_s() + options->seconds;

    *meter = (struct bench_meter){.count = 0};
    do {
        double begin_s, begin_cpu_s;

        for (uint32_t i = 0; i < n; i++)
            held[i] = peer_reslist_acquire(list);
        for (uint32_t i = 0; i < n; i++)
            apr_reslist_release(list, held[i]);
        apr_sleep(2 * IDLE_US);
        begin_s = bench_now_s();
        begin_cpu_s = bench_cpu_s();
        apr_reslist_maintain(list);
        meter->cpu_s += bench_cpu_s() - begin_cpu_s;
        meter->wall_s += bench_now_s() - begin_s;
        meter->count += n;
    } while (bench_now_s() < end_s);
    peer_apr_end(memory);
    free(held);
}

#else

static void run_reslist(const struct bench_options *options, struct bench_meter *meter)
{
    (void)options;
    (void)meter;
    bench_die("built without apr-util");
}

#define run_reslist_endpoints run_reslist
#define run_reslist_expire    run_reslist

#endif

int main(int argc, char **argv)
{
    static const struct {
        const char *mode;
        void (*run)(const struct bench_options *options, struct bench_meter *meter);
    } modes[] = {{"lifo", run_lifo},
                 {"mutex", run_mutex},
                 {"reslist", run_reslist},
                 {"lifo-endpoints", run_lifo_endpoints},
                 {"mutex-endpoints", run_mutex_endpoints},
                 {"reslist-endpoints", run_reslist_endpoints},
                 {"reslist-expire", run_reslist_expire}};
    struct bench_options options;
    struct bench_meter meter;

    bench_options_parse(&options, argc, argv, "lifo");
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(options.mode, modes[i].mode) == 0) {
            modes[i].run(&options, &meter);
            bench_report(modes[i].mode, "acquire", &meter);
            return 0;
        }
    }
    bench_die("unknown mode %s", options.mode);
}
