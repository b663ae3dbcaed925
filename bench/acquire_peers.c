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
#include "bench_util.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#ifdef BENCH_HAVE_APR
#include <apr_general.h>
#include <apr_reslist.h>
#endif

enum { RESOURCES = 64, BATCH = 1000, IDLE_US = 20000 };

#define NOINLINE __attribute__((noinline))

/* Keeps the compiler from seeing that a resource is merely put back. */
#define USE(resource) __asm__ volatile("" : "+r"(resource) : : "memory")

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    unsigned waiters;
    unsigned count;
    void *resources[RESOURCES];
};

static int things[RESOURCES];

static void pool_init(struct pool *pool)
{
    *pool = (struct pool){.count = RESOURCES};
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->freed, NULL);
    for (unsigned i = 0; i < RESOURCES; i++)
        pool->resources[i] = &things[i];
}

static NOINLINE void *lifo_acquire(struct pool *pool)
{
    return pool->count > 0 ? pool->resources[--pool->count] : NULL;
}

static NOINLINE void lifo_release(struct pool *pool, void *resource)
{
    pool->resources[pool->count++] = resource;
}

static NOINLINE void *mutex_acquire(struct pool *pool)
{
    void *resource;

    pthread_mutex_lock(&pool->lock);
    while (pool->count == 0) {
        pool->waiters++;
        pthread_cond_wait(&pool->freed, &pool->lock);
        pool->waiters--;
    }
    resource = pool->resources[--pool->count];
    pthread_mutex_unlock(&pool->lock);
    return resource;
}

static NOINLINE void mutex_release(struct pool *pool, void *resource)
{
    pthread_mutex_lock(&pool->lock);
    pool->resources[pool->count++] = resource;
    if (pool->waiters > 0)
        pthread_cond_signal(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
}

static void run_lifo(const struct bench_options *options, struct bench_meter *meter)
{
    struct pool pool;

    pool_init(&pool);
    bench_meter_start(meter, options);
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            void *resource = lifo_acquire(&pool);

            USE(resource);
            lifo_release(&pool, resource);
        }
        meter->count += BATCH;
    } while (!bench_meter_tick(meter));
}

static struct pool *make_pools(uint32_t n)
{
    struct pool *pools = bench_calloc(n, sizeof *pools);

    for (uint32_t i = 0; i < n; i++) {
        pool_init(&pools[i]);
        pools[i].count = 1;
    }
    return pools;
}

static void run_lifo_endpoints(const struct bench_options *options, struct bench_meter *meter)
{
    uint32_t n = options->inflight, stride = bench_stride(n), at = 0;
    struct pool *pools = make_pools(n);

    bench_meter_start(meter, options);
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            struct pool *pool = &pools[at = (at + stride) % n];
            void *resource = lifo_acquire(pool);

            USE(resource);
            lifo_release(pool, resource);
        }
        meter->count += BATCH;
    } while (!bench_meter_tick(meter));
    free(pools);
}

static void run_mutex_endpoints(const struct bench_options *options, struct bench_meter *meter)
{
    uint32_t n = options->inflight, stride = bench_stride(n), at = 0;
    struct pool *pools = make_pools(n);

    bench_meter_start(meter, options);
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            struct pool *pool = &pools[at = (at + stride) % n];
            void *resource = mutex_acquire(pool);

            USE(resource);
            mutex_release(pool, resource);
        }
        meter->count += BATCH;
    } while (!bench_meter_tick(meter));
    free(pools);
}

static void run_mutex(const struct bench_options *options, struct bench_meter *meter)
{
    struct pool pool;

    pool_init(&pool);
    bench_meter_start(meter, options);
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            void *resource = mutex_acquire(&pool);

            USE(resource);
            mutex_release(&pool, resource);
        }
        meter->count += BATCH;
    } while (!bench_meter_tick(meter));
}

#ifdef BENCH_HAVE_APR

static apr_status_t make_thing(void **ret_resource, void *params, apr_pool_t *memory)
{
    static unsigned next;

    (void)params;
    (void)memory;
    *ret_resource = &things[next++ % RESOURCES];
    return APR_SUCCESS;
}

static apr_status_t drop_thing(void *resource, void *params, apr_pool_t *memory)
{
    (void)resource;
    (void)params;
    (void)memory;
    return APR_SUCCESS;
}

static void run_reslist(const struct bench_options *options, struct bench_meter *meter)
{
    apr_pool_t *memory;
    apr_reslist_t *list;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&memory, NULL) != APR_SUCCESS ||
        apr_reslist_create(&list, RESOURCES, RESOURCES, RESOURCES, 0, make_thing, drop_thing, NULL,
                           memory) != APR_SUCCESS)
        bench_die("apr_reslist could not be made");
    bench_meter_start(meter, options);
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            void *resource;

            if (apr_reslist_acquire(list, &resource) != APR_SUCCESS)
                bench_die("apr_reslist_acquire failed");
            USE(resource);
            apr_reslist_release(list, resource);
        }
        meter->count += BATCH;
    } while (!bench_meter_tick(meter));
    apr_pool_destroy(memory);
    apr_terminate();
}

static apr_pool_t *begin_apr(void)
{
    apr_pool_t *memory;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&memory, NULL) != APR_SUCCESS)
        bench_die("apr could not be started");
    return memory;
}

static apr_reslist_t *make_reslist(apr_pool_t *memory, int min, int max, apr_interval_time_t ttl)
{
    apr_reslist_t *list;

    if (apr_reslist_create(&list, min, min, max, ttl, make_thing, drop_thing, NULL, memory) !=
        APR_SUCCESS)
        bench_die("apr_reslist could not be made");
    return list;
}

static void *take_thing(apr_reslist_t *list)
{
    void *resource;

    if (apr_reslist_acquire(list, &resource) != APR_SUCCESS)
        bench_die("apr_reslist_acquire failed");
    return resource;
}

static void run_reslist_endpoints(const struct bench_options *options, struct bench_meter *meter)
{
    uint32_t n = options->inflight, stride = bench_stride(n), at = 0;
    apr_reslist_t **lists = bench_calloc(n, sizeof(apr_reslist_t *));
    apr_pool_t *memory = begin_apr();

    for (uint32_t i = 0; i < n; i++)
        lists[i] = make_reslist(memory, 1, 1, 0);
    bench_meter_start(meter, options);
    do {
        for (unsigned i = 0; i < BATCH; i++) {
            apr_reslist_t *list = lists[at = (at + stride) % n];
            void *resource = take_thing(list);

            USE(resource);
            apr_reslist_release(list, resource);
        }
        meter->count += BATCH;
    } while (!bench_meter_tick(meter));
    apr_pool_destroy(memory);
    apr_terminate();
    free(lists);
}

/* Opening and waiting are not counted. It looks only when asked to, so it is asked once. */
static void run_reslist_expire(const struct bench_options *options, struct bench_meter *meter)
{
    uint32_t n = options->inflight;
    void **held = bench_calloc(n, sizeof(void *));
    apr_pool_t *memory = begin_apr();
    apr_reslist_t *list = make_reslist(memory, 0, (int)n, IDLE_US);
    double end_s = bench_now_s() + options->seconds;

    *meter = (struct bench_meter){.count = 0};
    do {
        double begin_s, begin_cpu_s;

        for (uint32_t i = 0; i < n; i++)
            held[i] = take_thing(list);
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
    apr_pool_destroy(memory);
    apr_terminate();
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
