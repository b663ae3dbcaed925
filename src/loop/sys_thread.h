/* SPDX-License-Identifier: MIT */
/* Mutex, condition and threads: the only place of the library that knows pthreads. */
#ifndef BL_LOOP_SYS_THREAD_H
#define BL_LOOP_SYS_THREAD_H

#include <pthread.h>

#include "base/list.h"
#include "belay/world.h"

struct bl_mutex {
    pthread_mutex_t os;
};

struct bl_cond {
    pthread_cond_t os;
};

int bl_mutex_init(struct bl_mutex *mutex); /* BELAY_ENOMEM */
void bl_mutex_fini(struct bl_mutex *mutex);
void bl_mutex_lock(struct bl_mutex *mutex);
void bl_mutex_unlock(struct bl_mutex *mutex);

int bl_cond_init(struct bl_cond *cond); /* BELAY_ENOMEM */
void bl_cond_fini(struct bl_cond *cond);
void bl_cond_signal(struct bl_cond *cond);
void bl_cond_broadcast(struct bl_cond *cond);
void bl_cond_wait(struct bl_cond *cond, struct bl_mutex *mutex);
/* Until `at_ns` of the kernel's monotonic clock; false when that has passed. */
bool bl_cond_wait_until(struct bl_cond *cond, struct bl_mutex *mutex, uint64_t at_ns);

/* A number for the calling thread, different from that of every other living one. */
uintptr_t bl_thread_self(void);

/* A thread of its own for something; the struct stays where it is until the join. */
struct bl_thread {
    pthread_t os;
    void (*main)(void *arg);
    void *arg;
};

/* With all signals blocked. stack_size 0: the system's. BELAY_EOS: no thread can be had;
 * BELAY_EINVAL: not with a stack of that size. */
int bl_thread_start(struct bl_thread *thread, size_t stack_size, void (*main)(void *arg),
                    void *arg);
void bl_thread_join(struct bl_thread *thread);

/*
 * Worker threads, started on demand up to `threads_max`. A job is embedded in what it works on and
 * is not touched after `run` has begun.
 */
struct bl_job {
    struct bl_list link;
    void (*run)(void *item);
    void *item;
};

struct bl_workers {
    struct bl_mutex lock;
    struct bl_cond work;
    struct bl_list queue;
    pthread_t *threads; /* room for threads_max, the owner's */
    size_t threads_n, threads_max;
    size_t idle; /* threads that wait, or have not run yet */
    size_t queued, queue_max;
    bool stopping;
};

int bl_workers_init(struct bl_workers *workers, pthread_t *threads, size_t threads_max,
                    size_t queue_max);
int bl_workers_submit(struct bl_workers *workers,
                      struct bl_job *job);        /* BELAY_EFULL, BELAY_ENOMEM */
void bl_workers_fini(struct bl_workers *workers); /* joins; the queue must be empty */

#endif
