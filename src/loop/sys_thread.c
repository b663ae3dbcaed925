/* SPDX-License-Identifier: MIT */
/* Mutex, condition and threads on pthreads. */
#include "loop/sys_thread.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "belay/error.h"

int bl_mutex_init(struct bl_mutex *mutex)
{
    return pthread_mutex_init(&mutex->os, NULL) ? BELAY_ENOMEM : 0;
}

void bl_mutex_fini(struct bl_mutex *mutex)
{
    BL_ASSERT(pthread_mutex_destroy(&mutex->os) == 0);
}

void bl_mutex_lock(struct bl_mutex *mutex)
{
    BL_ASSERT(pthread_mutex_lock(&mutex->os) == 0);
}

void bl_mutex_unlock(struct bl_mutex *mutex)
{
    BL_ASSERT(pthread_mutex_unlock(&mutex->os) == 0);
}

int bl_cond_init(struct bl_cond *cond)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr))
        return BELAY_ENOMEM;
    int rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (!rc)
        rc = pthread_cond_init(&cond->os, &attr);
    pthread_condattr_destroy(&attr);
    return rc ? BELAY_ENOMEM : 0;
}

void bl_cond_fini(struct bl_cond *cond)
{
    BL_ASSERT(pthread_cond_destroy(&cond->os) == 0);
}

void bl_cond_signal(struct bl_cond *cond)
{
    pthread_cond_signal(&cond->os);
}

void bl_cond_broadcast(struct bl_cond *cond)
{
    pthread_cond_broadcast(&cond->os);
}

void bl_cond_wait(struct bl_cond *cond, struct bl_mutex *mutex)
{
    BL_ASSERT(pthread_cond_wait(&cond->os, &mutex->os) == 0);
}

bool bl_cond_wait_until(struct bl_cond *cond, struct bl_mutex *mutex, uint64_t at_ns)
{
    struct timespec at = {.tv_sec = (time_t)(at_ns / 1000000000u),
                          .tv_nsec = (long)(at_ns % 1000000000u)};
    int rc = pthread_cond_timedwait(&cond->os, &mutex->os, &at);
    BL_ASSERT(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

uintptr_t bl_thread_self(void)
{
    static _Thread_local char self;
    return (uintptr_t)&self;
}

/* With all signals blocked: they are the program's, and its own threads are to see them. */
static int create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(thread, attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static void *thread_main(void *arg)
{
    struct bl_thread *thread = arg;
    thread->main(thread->arg);
    return NULL;
}

int bl_thread_start(struct bl_thread *thread, size_t stack_size, void (*main)(void *arg), void *arg)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr))
        return BELAY_ENOMEM;
    thread->main = main;
    thread->arg = arg;
    int rc = 0;
    if (stack_size && pthread_attr_setstacksize(&attr, stack_size))
        rc = BELAY_EINVAL;
    else if (create(&thread->os, &attr, thread_main, thread))
        rc = BELAY_EOS;
    pthread_attr_destroy(&attr);
    return rc;
}

void bl_thread_join(struct bl_thread *thread)
{
    BL_ASSERT(pthread_join(thread->os, NULL) == 0);
}

static void *worker_main(void *arg)
{
    struct bl_workers *w = arg;
    bl_mutex_lock(&w->lock);
    w->idle--;
    for (;;) {
        struct bl_list *node = bl_list_pop_front(&w->queue);
        if (node) {
            struct bl_job *job = BL_LIST_OF(node, struct bl_job, link);
            w->queued--;
            bl_mutex_unlock(&w->lock);
            job->run(job->item);
            bl_mutex_lock(&w->lock);
        } else if (w->stopping) {
            break;
        } else {
            w->idle++;
            bl_cond_wait(&w->work, &w->lock);
            w->idle--;
        }
    }
    bl_mutex_unlock(&w->lock);
    return NULL;
}

int bl_workers_init(struct bl_workers *workers, pthread_t *threads, size_t threads_max,
                    size_t queue_max)
{
    memset(workers, 0, sizeof *workers);
    bl_list_init(&workers->queue);
    workers->threads = threads;
    workers->threads_max = threads_max;
    workers->queue_max = queue_max;
    if (bl_mutex_init(&workers->lock))
        return BELAY_ENOMEM;
    if (bl_cond_init(&workers->work)) {
        bl_mutex_fini(&workers->lock);
        return BELAY_ENOMEM;
    }
    return 0;
}

static int start_worker(struct bl_workers *w)
{
    if (create(&w->threads[w->threads_n], NULL, worker_main, w))
        return BELAY_ENOMEM;
    w->threads_n++;
    w->idle++; /* until it runs */
    return 0;
}

int bl_workers_submit(struct bl_workers *workers, struct bl_job *job)
{
    int rc = 0;
    bl_mutex_lock(&workers->lock);
    /* A job that a thread is about to fetch does not wait. */
    size_t ready = workers->idle + (workers->threads_max - workers->threads_n);
    if (workers->queued >= workers->queue_max + ready)
        rc = BELAY_EFULL;
    else if (workers->queued >= workers->idle && workers->threads_n < workers->threads_max)
        rc = start_worker(workers);
    if (rc == BELAY_ENOMEM && workers->threads_n > 0)
        rc = 0; /* those that run will come to it */
    if (!rc) {
        bl_list_push_back(&workers->queue, &job->link);
        workers->queued++;
        bl_cond_signal(&workers->work);
    }
    bl_mutex_unlock(&workers->lock);
    return rc;
}

void bl_workers_fini(struct bl_workers *workers)
{
    bl_mutex_lock(&workers->lock);
    BL_ASSERT(bl_list_empty(&workers->queue));
    workers->stopping = true;
    bl_cond_broadcast(&workers->work);
    bl_mutex_unlock(&workers->lock);
    for (size_t i = 0; i < workers->threads_n; i++)
        pthread_join(workers->threads[i], NULL);
    bl_cond_fini(&workers->work);
    bl_mutex_fini(&workers->lock);
}
