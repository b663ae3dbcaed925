/* SPDX-License-Identifier: MIT */
/*
 * The default backend: libuv, with a loop of belay's own or the caller's. A turn begins with the
 * first event of an iteration and ends in the check phase, right after polling; what other
 * callbacks of the caller's loop changed since is picked up before the next poll, in the prepare
 * phase.
 */
#include <fcntl.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

#include "base/error.h"
#include "loop/loop.h"
#include "loop/sys.h"

#define SPARE_MAX 256 /* closed handles kept for the next watches */

struct uv_backend;

/*
 * A uv_poll_t can be given back only after its close callback, hence these are apart from the
 * slots. There is one for every idle connection: its `data` is the slot while it watches, the
 * backend while it closes, and the next one while it is spare.
 */
struct uv_watch {
    uv_poll_t poll;
    unsigned mask;
    bool stopped; /* by libuv, after an error */
};

struct uv_backend {
    struct belay_loop *loop;
    uv_loop_t *uv;
    uv_loop_t own;
    uv_timer_t deadline, limit;
    uv_async_t wake;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t busy; /* active: do not sleep */
    uint64_t deadline_ns;
    uv_poll_t deadline_poll; /* with deadline_fd >= 0 */
    int deadline_fd;
    struct uv_watch *spare;
    size_t spare_n;
    size_t open; /* handles whose close callback has not run */
    bool detaching;
    void (*done)(void *);
    void *done_arg;
};

static int code_of(int uv_error, int otherwise)
{
    return bl_code_of_errno(-uv_error, otherwise);
}

/* ---- turns ---- */

static void on_busy(uv_idle_t *handle)
{
    (void)handle;
}

/* May end the loop, so the caller must not touch the backend but to return to libuv. */
static void end_turn(struct uv_backend *b)
{
    belay_backend_end(b->loop);
    if (b->detaching)
        return;
    if (belay_backend_pending(b->loop))
        uv_idle_start(&b->busy, on_busy);
    else
        uv_idle_stop(&b->busy);
}

static void on_prepare(uv_prepare_t *handle)
{
    struct uv_backend *b = handle->data;
    if (belay_backend_pending(b->loop))
        end_turn(b);
    else
        uv_idle_stop(&b->busy);
}

static void on_check(uv_check_t *handle)
{
    struct uv_backend *b = handle->data;
    if (belay_backend_pending(b->loop))
        end_turn(b);
}

static void on_wake(uv_async_t *handle)
{
    struct uv_backend *b = handle->data;
    belay_backend_begin(b->loop);
}

/* ---- the deadline ---- */

/*
 * A timerfd, where it can be had and the loop goes by the system's clock. It is set when the
 * deadline gets earlier, which is seldom; a uv_timer_t would give every poll a time-out, and that
 * costs the kernel a timer each time (4 % of a small request on a connection of its own). Else the
 * uv_timer_t.
 */
static void on_deadline_poll(uv_poll_t *poll, int status, int events)
{
    struct uv_backend *b = poll->data;
    uint64_t times;

    (void)status;
    (void)events;
    if (read(b->deadline_fd, &times, sizeof times) == sizeof times)
        belay_backend_begin(b->loop);
}

static void set_deadline_fd(struct uv_backend *b)
{
    struct itimerspec at = {.it_value = {0, 0}};

    if (b->deadline_ns != BELAY_NEVER) {
        at.it_value.tv_sec = (time_t)(b->deadline_ns / 1000000000u);
        at.it_value.tv_nsec = (long)(b->deadline_ns % 1000000000u);
        if (b->deadline_ns == 0)
            at.it_value.tv_nsec = 1;
    }
    timerfd_settime(b->deadline_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static void open_deadline_fd(struct uv_backend *b)
{
    b->deadline_fd = -1;
    if (!bl_sys_clock_is_system(b->loop))
        return;
    b->deadline_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (b->deadline_fd < 0)
        return;
    if (uv_poll_init(b->uv, &b->deadline_poll, b->deadline_fd) < 0) {
        close(b->deadline_fd);
        b->deadline_fd = -1;
        return;
    }
    b->deadline_poll.data = b;
    uv_poll_start(&b->deadline_poll, UV_READABLE, on_deadline_poll);
}

static void on_deadline(uv_timer_t *handle);

static void arm_deadline(struct uv_backend *b, uint64_t least_ms)
{
    uint64_t ns = bl_sys_monotonic_of(b->loop, b->deadline_ns);
    uint64_t at_ms = ns / 1000000u + (ns % 1000000u ? 1 : 0);
    uint64_t now_ms = uv_now(b->uv); /* however old: libuv counts from there */
    uint64_t rest = at_ms > now_ms ? at_ms - now_ms : 0;
    uv_timer_start(&b->deadline, on_deadline, rest > least_ms ? rest : least_ms, 0);
}

static void on_deadline(uv_timer_t *handle)
{
    struct uv_backend *b = handle->data;
    belay_backend_begin(b->loop);
    end_turn(b);
    /* Not set anew: by the loop's clock it is not yet time. */
    if (!b->detaching && b->deadline_ns != BELAY_NEVER && !uv_is_active((uv_handle_t *)handle))
        arm_deadline(b, 1);
}

static void backend_set_deadline(uint64_t at_ns, void *arg)
{
    struct uv_backend *b = arg;
    b->deadline_ns = at_ns;
    if (b->deadline_fd >= 0)
        set_deadline_fd(b);
    else if (at_ns == BELAY_NEVER)
        uv_timer_stop(&b->deadline);
    else
        arm_deadline(b, 0);
}

/* ---- watches ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct uv_watch *w = (struct uv_watch *)poll;
    if (BL_LIKELY(status == 0)) {
        belay_backend_event(poll->data, (unsigned)events & (BELAY_READABLE | BELAY_WRITABLE));
        return;
    }
    /* libuv has stopped it and its status says nothing: reading and writing will tell the truth. */
    w->stopped = true;
    belay_backend_event(poll->data, w->mask);
    if (!uv_is_closing((uv_handle_t *)poll) && w->stopped &&
        uv_poll_start(poll, (int)w->mask, on_poll) == 0)
        w->stopped = false;
}

static void finish_detach(struct uv_backend *b)
{
    while (b->spare) {
        struct uv_watch *w = b->spare;
        b->spare = w->poll.data;
        bl_free(&b->loop->mem, w);
    }
    if (b->uv == &b->own)
        BL_ASSERT(uv_loop_close(&b->own) == 0);
    void (*done)(void *) = b->done;
    void *done_arg = b->done_arg;
    bl_free(&b->loop->mem, b);
    done(done_arg);
}

static void one_closed(struct uv_backend *b)
{
    b->open--;
    /* The own loop cannot be closed inside one of its callbacks: backend_detach does it. */
    if (b->open == 0 && b->detaching && b->uv != &b->own)
        finish_detach(b);
}

static void keep_spare(struct uv_backend *b, struct uv_watch *w)
{
    if (b->spare_n >= SPARE_MAX) {
        bl_free(&b->loop->mem, w);
        return;
    }
    w->poll.data = b->spare;
    b->spare = w;
    b->spare_n++;
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct uv_backend *b = handle->data;
    keep_spare(b, (struct uv_watch *)handle);
    one_closed(b);
}

static struct uv_watch *take_spare(struct uv_backend *b)
{
    struct uv_watch *w = b->spare;
    if (!w)
        return bl_alloc(&b->loop->mem, sizeof *w);
    b->spare = w->poll.data;
    b->spare_n--;
    return w;
}

static int start_watch(struct uv_watch *w, unsigned mask)
{
    int rc = uv_poll_start(&w->poll, (int)mask, on_poll);
    if (rc)
        return code_of(rc, BELAY_EINVAL);
    w->mask = mask;
    w->stopped = false;
    return 0;
}

static void backend_unwatch(void **handle, void *arg)
{
    struct uv_watch *w = *handle;
    w->poll.data = arg;
    uv_close((uv_handle_t *)&w->poll, on_watch_closed);
    *handle = NULL;
}

/* libuv makes the descriptor non-blocking; whoever owns it may want it to block. */
static int init_poll(uv_loop_t *uv, uv_poll_t *poll, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    int rc = uv_poll_init(uv, poll, fd);
    if (flags >= 0 && !(flags & O_NONBLOCK))
        fcntl(fd, F_SETFL, flags);
    return rc;
}

static int backend_watch(int fd, unsigned mask, struct belay_backend_slot *slot, void **handle,
                         void *arg)
{
    struct uv_backend *b = arg;
    struct uv_watch *w = *handle;
    if (w) /* each start costs two calls of epoll_ctl, also with the mask it has */
        return w->mask == mask && !w->stopped ? 0 : start_watch(w, mask);
    w = take_spare(b);
    if (!w)
        return BELAY_ENOMEM;
    memset(w, 0, sizeof *w);
    int rc = init_poll(b->uv, &w->poll, fd);
    if (rc) {
        keep_spare(b, w);
        return code_of(rc, BELAY_EINVAL);
    }
    w->poll.data = slot;
    b->open++;
    *handle = w;
    rc = start_watch(w, mask);
    if (rc)
        backend_unwatch(handle, b);
    return rc;
}

/* ---- the rest ---- */

static void backend_wake(void *arg)
{
    struct uv_backend *b = arg;
    uv_async_send(&b->wake);
}

/* It may pass between its start and the poll: libuv then fires it first, and must not sleep. */
static void on_limit(uv_timer_t *handle)
{
    uv_stop(handle->loop);
}

static int backend_run(int64_t timeout_ns, void *arg)
{
    struct uv_backend *b = arg;
    if (timeout_ns == 0) {
        uv_run(b->uv, UV_RUN_NOWAIT);
    } else if (timeout_ns < 0) {
        uv_run(b->uv, UV_RUN_ONCE);
    } else {
        uint64_t ms = (uint64_t)timeout_ns / 1000000u + (timeout_ns % 1000000 ? 1 : 0);
        uv_update_time(b->uv);
        uv_timer_start(&b->limit, on_limit, ms, 0);
        uv_run(b->uv, UV_RUN_ONCE);
        uv_timer_stop(&b->limit);
    }
    return 0;
}

static int backend_descriptor(void *arg)
{
    struct uv_backend *b = arg;
    return uv_backend_fd(b->uv);
}

static void on_part_closed(uv_handle_t *handle)
{
    one_closed(handle->data);
}

static void backend_detach(void (*done)(void *), void *done_arg, void *arg)
{
    struct uv_backend *b = arg;
    uv_handle_t *parts[] = {(uv_handle_t *)&b->deadline, (uv_handle_t *)&b->limit,
                            (uv_handle_t *)&b->wake,     (uv_handle_t *)&b->prepare,
                            (uv_handle_t *)&b->check,    (uv_handle_t *)&b->busy};
    b->detaching = true;
    b->done = done;
    b->done_arg = done_arg;
    b->open += BL_COUNT(parts);
    for (size_t i = 0; i < BL_COUNT(parts); i++)
        uv_close(parts[i], on_part_closed);
    if (b->deadline_fd >= 0) {
        b->open++;
        uv_close((uv_handle_t *)&b->deadline_poll, on_part_closed);
        close(b->deadline_fd);
    }
    if (b->uv != &b->own)
        return;
    while (b->open > 0)
        uv_run(b->uv, UV_RUN_DEFAULT);
    finish_detach(b);
}

int bl_backend_uv_new(struct belay_loop *loop, void *uv_loop, struct belay_backend *ret)
{
    struct uv_backend *b = bl_zalloc(&loop->mem, sizeof *b);
    if (!b)
        return BELAY_ENOMEM;
    b->loop = loop;
    b->uv = uv_loop ? uv_loop : &b->own;
    b->deadline_ns = BELAY_NEVER;
    int rc = uv_loop ? 0 : uv_loop_init(&b->own);
    if (rc == 0) {
        rc = uv_async_init(b->uv, &b->wake, on_wake);
        if (rc && !uv_loop)
            uv_loop_close(&b->own);
    }
    if (rc) {
        bl_free(&loop->mem, b);
        return code_of(rc, BELAY_EOS);
    }
    open_deadline_fd(b);
    /* None of these can fail. */
    uv_timer_init(b->uv, &b->deadline);
    uv_timer_init(b->uv, &b->limit);
    uv_prepare_init(b->uv, &b->prepare);
    uv_check_init(b->uv, &b->check);
    uv_idle_init(b->uv, &b->busy);
    b->deadline.data = b->limit.data = b->wake.data = b;
    b->prepare.data = b->check.data = b->busy.data = b;
    uv_prepare_start(&b->prepare, on_prepare);
    uv_check_start(&b->check, on_check);
    *ret = (struct belay_backend){
        .size = sizeof *ret,
        .watch = backend_watch,
        .unwatch = backend_unwatch,
        .set_deadline = backend_set_deadline,
        .wake = backend_wake,
        .run = uv_loop ? NULL : backend_run,
        .descriptor = backend_descriptor,
        .detach = backend_detach,
        .arg = b,
    };
    return 0;
}
