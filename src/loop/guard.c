/* SPDX-License-Identifier: MIT */
/*
 * An event disarms (EPOLLONESHOT), whether somebody wants it or not; what was not wanted is armed
 * again when it is. The epoll knows a descriptor by its number and its file together, but what it is
 * told to change it looks up by the number alone: `by_fd` says whose that is.
 */
#include "loop/guard.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/error.h"

#define FIRST  64
#define EVENTS 64

struct bl_guards {
    struct belay_backend_slot slot; /* the epoll within the backend's */
    struct bl_guard **by_fd;        /* who was added with this number last */
    int capacity;
    uint32_t serial;
};

static void told(struct bl_guard *g)
{
    g->armed = false;
    if (!g->on)
        return;
    g->on = false;
    g->fn(g->arg);
}

/* What is told may end or arm others: those are found out by their serial numbers. */
static void on_events(unsigned mask, void *arg)
{
    struct bl_guards *gs = arg;
    struct epoll_event events[EVENTS];
    int n = epoll_wait(gs->slot.fd, events, EVENTS, 0);

    (void)mask;
    for (int i = 0; i < n; i++) {
        int fd = (int)(uint32_t)events[i].data.u64;
        struct bl_guard *g = gs->by_fd[fd];

        if (g && g->armed && g->serial == (uint32_t)(events[i].data.u64 >> 32))
            told(g);
    }
}

static int guards_new(struct belay_loop *loop)
{
    struct bl_guards *gs = bl_zalloc(&loop->mem, sizeof *gs);
    int rc = BELAY_ENOMEM, fd;

    if (!gs)
        return rc;
    fd = epoll_create1(EPOLL_CLOEXEC);
    rc = fd < 0 ? bl_code_of_errno(errno, BELAY_EOS) : 0;
    bl_watch_init(&gs->slot, loop, fd, on_events, gs);
    if (rc == 0)
        rc = bl_watch_set(&gs->slot, BELAY_READABLE);
    if (rc < 0) {
        if (fd >= 0)
            close(fd);
        bl_free(&loop->mem, gs);
        return rc;
    }
    loop->guards = gs;
    return 0;
}

void bl_guards_free(struct belay_loop *loop)
{
    struct bl_guards *gs = loop->guards;

    if (!gs)
        return;
    bl_watch_set(&gs->slot, 0);
    close(gs->slot.fd);
    bl_free(&loop->mem, gs->by_fd);
    bl_free(&loop->mem, gs);
    loop->guards = NULL;
}

static int make_room(struct bl_guards *gs, struct belay_loop *loop, int fd)
{
    int capacity = gs->capacity ? gs->capacity : FIRST;
    struct bl_guard **by_fd;

    if (fd < gs->capacity)
        return 0;
    while (capacity <= fd)
        capacity *= 2;
    by_fd = bl_zalloc(&loop->mem, (size_t)capacity * sizeof by_fd[0]);
    if (!by_fd)
        return BELAY_ENOMEM;
    if (gs->capacity)
        memcpy(by_fd, gs->by_fd, (size_t)gs->capacity * sizeof by_fd[0]);
    bl_free(&loop->mem, gs->by_fd);
    gs->by_fd = by_fd;
    gs->capacity = capacity;
    return 0;
}

static bool is_native(const struct belay_loop *loop)
{
    return !loop->backend.attach;
}

static bool owns_number(const struct bl_guard *g)
{
    const struct bl_guards *gs = g->slot.loop->guards;

    return g->added && gs->by_fd[g->slot.fd] == g;
}

static int control(struct bl_guard *g, int what)
{
    struct bl_guards *gs = g->slot.loop->guards;
    struct epoll_event e = {.events = EPOLLIN | EPOLLONESHOT};

    g->serial = ++gs->serial;
    e.data.u64 = (uint64_t)g->serial << 32 | (uint32_t)g->slot.fd;
    return epoll_ctl(gs->slot.fd, what, g->slot.fd, &e) == 0 ? 0 : errno;
}

static int add(struct bl_guard *g)
{
    struct belay_loop *loop = g->slot.loop;
    int rc = loop->guards ? 0 : guards_new(loop);
    int os_error;

    if (rc == 0)
        rc = make_room(loop->guards, loop, g->slot.fd);
    if (rc < 0)
        return rc;
    os_error = control(g, EPOLL_CTL_ADD);
    if (os_error == EEXIST) /* of one that could not be taken out, and is the same */
        os_error = control(g, EPOLL_CTL_MOD);
    if (os_error)
        return os_error == EBADF ? BELAY_ECLOSED : bl_code_of_errno(os_error, BELAY_EINVAL);
    loop->guards->by_fd[g->slot.fd] = g; /* whoever had the number has lost it */
    g->added = true;
    return 0;
}

/* It was added once; where it is there no more, its descriptor was closed. */
static int arm_again(struct bl_guard *g)
{
    return owns_number(g) && control(g, EPOLL_CTL_MOD) == 0 ? 0 : BELAY_ECLOSED;
}

/* ---- for its owner ---- */

static void on_watch(unsigned events, void *arg)
{
    struct bl_guard *g = arg;

    (void)events;
    bl_watch_set(&g->slot, 0);
    told(g);
}

void bl_guard_init(struct bl_guard *g, struct belay_loop *loop, belay_fn *fn, void *arg)
{
    memset(g, 0, sizeof *g);
    bl_watch_init(&g->slot, loop, -1, on_watch, g);
    g->fn = fn;
    g->arg = arg;
}

void bl_guard_set_fd(struct bl_guard *g, int fd)
{
    struct bl_guards *gs = g->slot.loop->guards;

    bl_guard_rest(g);
    if (owns_number(g)) {
        epoll_ctl(gs->slot.fd, EPOLL_CTL_DEL, g->slot.fd, NULL);
        gs->by_fd[g->slot.fd] = NULL;
    }
    g->added = g->armed = false;
    g->slot.fd = fd;
}

int bl_guard_on(struct bl_guard *g)
{
    int rc = 0;

    if (!g->armed && !is_native(g->slot.loop))
        rc = bl_watch_set(&g->slot, BELAY_READABLE);
    else if (!g->armed)
        rc = g->added ? arm_again(g) : add(g);
    if (rc < 0)
        return rc;
    g->on = g->armed = true;
    return 0;
}

void bl_guard_rest(struct bl_guard *g)
{
    g->on = false;
    if (is_native(g->slot.loop))
        return;
    bl_watch_set(&g->slot, 0);
    g->armed = false;
}

void bl_guard_doubt(struct bl_guard *g)
{
    if (is_native(g->slot.loop))
        g->armed = false;
}
