/* SPDX-License-Identifier: MIT */
/*
 * The event loop. In a turn, connections come first and listeners last, and the peak is taken in
 * between: a client that closes one connection before it opens the next is never seen with both.
 */
#include "origin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 512 };

struct loop loop;

static struct source signals;
static int signal_fd;
static uint64_t drain_until;
static unsigned signals_seen;

static void read_clock(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    loop.now_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void loop_watch(int fd, struct source *src, uint32_t events, bool first)
{
    struct epoll_event ev = {.events = events, .data.ptr = src};
    if (epoll_ctl(loop.epoll_fd, first ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &ev) < 0) {
        die("epoll_ctl failed with errno %d", errno);
    }
}

static void drain(void)
{
    loop.draining = true;
    drain_until = loop.now_ms + DRAIN_MS;
    listen_close();
    for (struct conn *c = loop.conns, *next; c; c = next) {
        next = c->next;
        conn_drain(c);
    }
}

/* Only notes it: a drain in the middle of a batch could free a connection whose event is still to
 * come. */
static void on_signal(struct source *src, uint32_t events)
{
    (void)src;
    (void)events;
    struct signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        signals_seen++;
    }
}

void loop_open(void)
{
    read_clock();
    loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (loop.epoll_fd < 0 || signal_fd < 0) {
        die("no event loop: errno %d", errno);
    }
    signals.on_event = on_signal;
    loop_watch(signal_fd, &signals, EPOLLIN, true);
}

static int wait_ms(void)
{
    if (listen_unsettled()) {
        return 0;
    }
    int wait = timer_wait_ms();
    if (loop.draining) {
        int left = drain_until > loop.now_ms ? (int)(drain_until - loop.now_ms) : 0;
        wait = wait < 0 || wait > left ? left : wait;
    }
    return wait;
}

static void turn(void)
{
    struct epoll_event events[EVENTS];
    struct source *listeners[BINDS_MAX];
    int n_listeners = 0;
    int n = epoll_wait(loop.epoll_fd, events, EVENTS, wait_ms());
    if (n < 0 && errno != EINTR) {
        die("epoll_wait failed with errno %d", errno);
    }
    read_clock();
    for (int i = 0; i < n; i++) {
        struct source *src = events[i].data.ptr;
        if (src->is_listener) {
            listeners[n_listeners++] = src;
        } else {
            src->on_event(src, events[i].events);
        }
    }
    listen_settle();
    if (loop.counts.connections_now > loop.counts.connections_peak) {
        loop.counts.connections_peak = loop.counts.connections_now;
    }
    for (int i = 0; i < n_listeners; i++) {
        listen_accept(listeners[i]);
    }
    for (struct conn *c; (c = timer_due());) {
        conn_on_timer(c);
    }
}

int loop_run(void)
{
    for (;;) {
        turn();
        if (!loop.draining && signals_seen > 0) {
            drain();
        }
        if (loop.draining && !loop.conns) {
            return 0;
        }
        if (loop.draining && (signals_seen > 1 || loop.now_ms >= drain_until)) {
            size_t left = 0;
            while (loop.conns) {
                conn_free(loop.conns);
                left++;
            }
            fprintf(stderr, "belay-origin: %zu connections were cut at the end\n", left);
            return 0;
        }
    }
}
