/* SPDX-License-Identifier: MIT */
/*
 * An outer epoll over the backend's descriptor, a timer and an event descriptor: the backend's
 * alone shows neither deadlines nor what was changed outside a turn.
 */
#include "loop/nest.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/error.h"
#include "loop/sys.h"
#include "loop/threads.h"

struct bl_nest {
    int epoll, timer, event;
    uint64_t deadline; /* as the timer was set */
    bool signalled;
};

static void close_all(struct bl_nest *nest)
{
    if (nest->event >= 0)
        close(nest->event);
    if (nest->timer >= 0)
        close(nest->timer);
    if (nest->epoll >= 0)
        close(nest->epoll);
}

static bool add(struct bl_nest *nest, int fd)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    return fd >= 0 && epoll_ctl(nest->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

int bl_nest_new(struct belay_loop *loop)
{
    struct belay_backend *backend = &loop->backend;
    int inner = loop->hosted || !backend->descriptor ? -1 : backend->descriptor(backend->arg);
    if (inner < 0)
        return BELAY_ENOTSUP;
    struct bl_nest *nest = bl_zalloc(&loop->mem, sizeof *nest);
    if (!nest)
        return BELAY_ENOMEM;
    nest->deadline = BELAY_NEVER;
    nest->timer = nest->event = -1;
    nest->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (nest->epoll >= 0)
        nest->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (nest->timer >= 0)
        nest->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (nest->event < 0 || !add(nest, nest->event) || !add(nest, nest->timer) ||
        !add(nest, inner)) {
        int rc = bl_code_of_errno(errno, BELAY_EOS);
        close_all(nest);
        bl_free(&loop->mem, nest);
        return rc;
    }
    loop->nest = nest;
    bl_nest_signal(nest); /* nobody knows what happened before */
    return 0;
}

void bl_nest_free(struct belay_loop *loop)
{
    if (!loop->nest)
        return;
    close_all(loop->nest);
    bl_free(&loop->mem, loop->nest);
    loop->nest = NULL;
}

int bl_nest_descriptor(const struct bl_nest *nest)
{
    return nest->epoll;
}

void bl_nest_signal(struct bl_nest *nest)
{
    uint64_t one = 1;
    if (!nest->signalled)
        nest->signalled = write(nest->event, &one, sizeof one) == (ssize_t)sizeof one;
}

void bl_nest_clear(struct bl_nest *nest)
{
    uint64_t count;
    if (nest->signalled)
        nest->signalled = read(nest->event, &count, sizeof count) < 0;
}

/* Setting a timer takes back that it has expired; so one that has is set again even if nothing
 * changed. */
void bl_nest_set_deadline(struct bl_nest *nest, struct belay_loop *loop)
{
    uint64_t at = loop->deadline_set; /* what comes before it counts as changed, see bl_timer_at */
    if (at == nest->deadline && (at == BELAY_NEVER || at > bl_now(loop)))
        return;
    struct itimerspec when = {0};
    nest->deadline = at;
    if (at != BELAY_NEVER) {
        uint64_t ns = bl_sys_monotonic_of(loop, at);
        if (ns == 0)
            ns = 1; /* 0 would disarm it */
        when.it_value.tv_sec = (time_t)(ns / 1000000000u);
        when.it_value.tv_nsec = (long)(ns % 1000000000u);
    }
    timerfd_settime(nest->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

int belay_loop_descriptor(struct belay_loop *loop)
{
    if (!loop->nest) {
        int rc = bl_nest_new(loop);
        if (rc)
            return rc;
        bl_waits_enter(loop); /* for ever: it is the descriptor that makes the loop turn */
    }
    return bl_nest_descriptor(loop->nest);
}
