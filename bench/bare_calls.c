/* SPDX-License-Identifier: MIT */
/*
 * bare_calls.c - the floor of calls across threads: a request and its answer, handed over.
 *
 *   calls-own    both ways by a mutex and a condition
 *   calls-loop   there by an event descriptor that epoll waits for, back by a condition
 */
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench_util.h"

#define BATCH 64

struct bench {
    pthread_mutex_t lock;
    pthread_cond_t asked, answered;
    bool request, stop;
    uint64_t count, reply;
    int event, epoll; /* -1: a condition */
};

/* With the lock. */
static void answer(struct bench *b)
{
    b->request = false;
    b->reply = ++b->count;
    pthread_cond_signal(&b->answered);
}

static void *serve(void *arg)
{
    struct bench *b = arg;

    pthread_mutex_lock(&b->lock);
    while (!b->stop) {
        if (b->request)
            answer(b);
        else
            pthread_cond_wait(&b->asked, &b->lock);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

static void *serve_by_epoll(void *arg)
{
    struct bench *b = arg;
    struct epoll_event event;
    uint64_t n;
    bool stop = false;

    while (!stop) {
        epoll_wait(b->epoll, &event, 1, -1);
        if (read(b->event, &n, sizeof n) < 0)
            continue;
        pthread_mutex_lock(&b->lock);
        if (b->request)
            answer(b);
        stop = b->stop;
        pthread_mutex_unlock(&b->lock);
    }
    return NULL;
}

static void wake(struct bench *b)
{
    uint64_t one = 1;

    if (b->event < 0)
        pthread_cond_signal(&b->asked);
    else if (write(b->event, &one, sizeof one) < 0)
        bench_die("the event cannot be written");
}

static void call(struct bench *b)
{
    uint64_t former;

    pthread_mutex_lock(&b->lock);
    former = b->reply;
    b->request = true;
    wake(b);
    while (b->reply == former)
        pthread_cond_wait(&b->answered, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

static void use_epoll(struct bench *b)
{
    struct epoll_event event = {.events = EPOLLIN};

    b->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    b->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, b->event, &event) < 0)
        bench_die("epoll_ctl failed");
}

int main(int argc, char **argv)
{
    struct bench b = {.lock = PTHREAD_MUTEX_INITIALIZER,
                      .asked = PTHREAD_COND_INITIALIZER,
                      .answered = PTHREAD_COND_INITIALIZER,
                      .event = -1};
    struct bench_options options;
    struct bench_meter meter;
    pthread_t thread;

    bench_options_parse(&options, argc, argv, "calls-own");
    if (strcmp(options.mode, "calls-loop") == 0)
        use_epoll(&b);
    else if (strcmp(options.mode, "calls-own") != 0)
        bench_die("unknown mode %s", options.mode);
    if (pthread_create(&thread, NULL, b.event < 0 ? serve : serve_by_epoll, &b) != 0)
        bench_die("no thread");
    bench_meter_start(&meter, &options);
    do {
        for (int i = 0; i < BATCH; i++)
            call(&b);
        meter.count += BATCH;
    } while (!bench_meter_tick(&meter));
    bench_report("bare", options.mode, &meter);
    pthread_mutex_lock(&b.lock);
    b.stop = true;
    wake(&b);
    pthread_mutex_unlock(&b.lock);
    pthread_join(thread, NULL);
    return 0;
}
