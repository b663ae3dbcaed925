/* SPDX-License-Identifier: MIT */
/* peer_pools.h - what belay's pool is measured beside: an array under a mutex, and apr_reslist. */
#ifndef BELAY_BENCH_PEER_POOLS_H
#define BELAY_BENCH_PEER_POOLS_H

#include <pthread.h>

#include "bench_util.h"

enum { PEER_RESOURCES = 64 };

/* Keeps the compiler from seeing that a resource is merely put back. */
#define PEER_USE(resource) __asm__ volatile("" : "+r"(resource) : : "memory")

struct peer_pool {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    unsigned waiters;
    unsigned count;
    void *resources[PEER_RESOURCES];
};

void peer_pool_init(struct peer_pool *pool, unsigned count);

/* Under the mutex; who finds it empty waits, and a release looks for those. */
void *peer_pool_acquire(struct peer_pool *pool);
void peer_pool_release(struct peer_pool *pool, void *resource);

#ifdef BENCH_HAVE_APR
#include <apr_reslist.h>

/* Each ends the program when it fails. */
apr_pool_t *peer_apr_begin(void);
apr_reslist_t *peer_reslist_make(apr_pool_t *memory, int min, int max, apr_interval_time_t ttl);
void *peer_reslist_acquire(apr_reslist_t *list);
void peer_apr_end(apr_pool_t *memory);
#endif

#endif
