/* SPDX-License-Identifier: MIT */
/*
 * acquire_peers.c - the cost of one acquire and release without I/O, in one thread.
 *
 * Modes: lifo (an array that one thread owns: the floor), mutex (the same under a pthread mutex,
 * with a look for waiters at release), reslist (Apache's apr_reslist). Each pool holds 64
 * resources. `requests` in the result are pairs of acquire and release.
 */
#include "bench_util.h"

#include <pthread.h>
#include <string.h>

#ifdef BENCH_HAVE_APR
#include <apr_general.h>
#include <apr_reslist.h>
#endif

enum { RESOURCES = 64, BATCH = 1000 };

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

#else

static void run_reslist(const struct bench_options *options, struct bench_meter *meter)
{
    (void)options;
    (void)meter;
    bench_die("built without apr-util");
}

#endif

int main(int argc, char **argv)
{
    static const struct {
        const char *mode;
        void (*run)(const struct bench_options *options, struct bench_meter *meter);
    } modes[] = {{"lifo", run_lifo}, {"mutex", run_mutex}, {"reslist", run_reslist}};
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
