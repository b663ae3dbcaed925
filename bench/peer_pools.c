/* SPDX-License-Identifier: MIT */
/* The pools of others, with resources that cost nothing. */
#include "peer_pools.h"

#ifdef BENCH_HAVE_APR
#include <apr_general.h>
#endif

static int things[PEER_RESOURCES];

void peer_pool_init(struct peer_pool *pool, unsigned count)
{
    *pool = (struct peer_pool){.count = count};
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->freed, NULL);
    for (unsigned i = 0; i < count; i++)
        pool->resources[i] = &things[i];
}

void *peer_pool_acquire(struct peer_pool *pool)
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

void peer_pool_release(struct peer_pool *pool, void *resource)
{
    pthread_mutex_lock(&pool->lock);
    pool->resources[pool->count++] = resource;
    if (pool->waiters > 0)
        pthread_cond_signal(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
}

#ifdef BENCH_HAVE_APR

static apr_status_t make_thing(void **ret_resource, void *params, apr_pool_t *memory)
{
    static unsigned next;

    (void)params;
    (void)memory;
    *ret_resource = &things[next++ % PEER_RESOURCES];
    return APR_SUCCESS;
}

static apr_status_t drop_thing(void *resource, void *params, apr_pool_t *memory)
{
    (void)resource;
    (void)params;
    (void)memory;
    return APR_SUCCESS;
}

apr_pool_t *peer_apr_begin(void)
{
    apr_pool_t *memory;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&memory, NULL) != APR_SUCCESS)
        bench_die("apr could not be started");
    return memory;
}

apr_reslist_t *peer_reslist_make(apr_pool_t *memory, int min, int max, apr_interval_time_t ttl)
{
    apr_reslist_t *list;

    if (apr_reslist_create(&list, min, min, max, ttl, make_thing, drop_thing, NULL, memory) !=
        APR_SUCCESS)
        bench_die("apr_reslist could not be made");
    return list;
}

void *peer_reslist_acquire(apr_reslist_t *list)
{
    void *resource;

    if (apr_reslist_acquire(list, &resource) != APR_SUCCESS)
        bench_die("apr_reslist_acquire failed");
    return resource;
}

void peer_apr_end(apr_pool_t *memory)
{
    apr_pool_destroy(memory);
    apr_terminate();
}

#endif
