/* SPDX-License-Identifier: MIT */
/*
 * The stream: its life, its watch, and the one task from which it tells what must not be told
 * inside a call.
 *
 * The task is either among the loop's tasks (`soon`: there is something to tell or to read) or
 * among its flushes (there is something to send). Every callback may close the stream; it then
 * stays as memory until the task has run, so code that called out looks at `closing` and leaves.
 */
#include "net/stream.h"

static void stream_event(unsigned events, void *arg);
static void stream_task(void *arg);

/* ---- making ---- */

static void object_close(struct bl_object *object)
{
    struct belay_stream *s = BL_CONTAINER(object, struct belay_stream, object);
    bool ends_by_itself = s->closing && s->work && bl_timer_active(&s->work->timer);
    if (!s->gone && !s->starting && !ends_by_itself)
        belay_stream_close(s, 0, NULL, NULL);
}

static void set_option(struct belay_stream *s, enum belay_socket_option option, int value)
{
    /* Fails only where the kernel does not know the option: the connection works without. */
    s->socket.loop->transport.set_option(s->socket.fd, option, value,
                                         s->socket.loop->transport.arg);
}

/* With a user timeout the kernel does not count probes: it waits for that time. So it must not be
 * longer than the probes take. */
static int64_t user_timeout(const struct bl_stream_options *o)
{
    int64_t probing = o->keepalive_idle_s + (int64_t)o->keepalive_every_s * o->keepalive_probes;

    if (o->keepalive_idle_s > 0 && o->user_timeout_ms <= INT32_MAX &&
        probing * 1000 < o->user_timeout_ms)
        return probing * 1000;
    return o->user_timeout_ms;
}

static void set_options(struct belay_stream *s, const struct bl_stream_options *options)
{
    int64_t timeout_ms = user_timeout(options);

    set_option(s, BELAY_SOCKET_NODELAY, 1);
    if (options->keepalive_idle_s > 0) {
        set_option(s, BELAY_SOCKET_KEEPALIVE_IDLE, options->keepalive_idle_s);
        set_option(s, BELAY_SOCKET_KEEPALIVE_EVERY, options->keepalive_every_s);
        set_option(s, BELAY_SOCKET_KEEPALIVE_PROBES, options->keepalive_probes);
    }
    if (timeout_ms > 0 && timeout_ms <= INT32_MAX) {
        s->user_timeout_ms = (int32_t)timeout_ms;
        set_option(s, BELAY_SOCKET_USER_TIMEOUT, s->user_timeout_ms);
    }
}

int bl_stream_new(struct belay_loop *loop, int fd, const struct belay_addr *peer,
                  const struct bl_stream_options *options, struct belay_stream **ret)
{
    struct belay_stream *s =
        bl_zalloc(&loop->mem, offsetof(struct belay_stream, socket.peer) + bl_addr_used(peer));
    if (!s)
        return BELAY_ENOMEM;
    bl_socket_filter_init(&s->socket, loop, fd, peer);
    s->top = &s->socket.filter;
    bl_watch_init(&s->watch, loop, fd, stream_event, s);
    bl_task_init(&s->task, stream_task, s);
    if (options && peer->family != BELAY_FAMILY_UNIX)
        set_options(s, options);
    bl_object_init(&s->object, loop, "stream", object_close);
    *ret = s;
    return 0;
}

struct bl_stream_work *bl_stream_work(struct belay_stream *s)
{
    struct belay_loop *loop = s->socket.loop;
    if (BL_LIKELY(s->work != NULL))
        return s->work;
    struct bl_stream_work *w = bl_zalloc(&loop->mem, sizeof *w);
    if (!w)
        return NULL;
    if (bl_timer_init(&w->timer, loop, bl_stream_on_timer, s) < 0) {
        bl_free(&loop->mem, w);
        return NULL;
    }
    bl_list_init(&w->refs);
    bl_list_init(&w->done);
    s->work = w;
    return w;
}

static void free_work(struct belay_stream *s)
{
    struct belay_loop *loop = s->socket.loop;
    struct bl_stream_work *w = s->work;
    if (!w)
        return;
    s->work = NULL;
    bl_timer_fini(&w->timer, loop);
    bl_buf_free(&w->out, &loop->mem);
    bl_buf_free(&w->held, &loop->mem);
    bl_free(&loop->mem, w);
}

/* ---- watching and telling ---- */

static unsigned wanted_mask(const struct belay_stream *s)
{
    unsigned mask = 0;
    if (s->closed || s->dead_code)
        return 0;
    if (s->starting)
        return s->read_wants;
    if (s->blocked)
        mask |= s->write_wants;
    if (bl_stream_may_read(s))
        mask |= s->read_wants ? s->read_wants : BELAY_READABLE;
    return mask;
}

void bl_stream_watch(struct belay_stream *s, bool exactly)
{
    struct belay_error error;
    unsigned mask = wanted_mask(s);
    if (!exactly)
        mask |= s->watch.mask & BELAY_READABLE;
    if (BL_LIKELY(mask == s->watch.mask))
        return;
    int rc = bl_watch_set(&s->watch, mask);
    if (rc < 0 && !s->closing) {
        bl_error_set(&error, rc, BELAY_STAGE_USE, "watching the connection: %s",
                     belay_strerror(rc));
        bl_stream_die(s, &error);
    }
}

void bl_stream_soon(struct belay_stream *s)
{
    if (s->soon)
        return;
    s->soon = 1;
    bl_task_cancel(&s->task);
    bl_task_post(s->socket.loop, &s->task);
}

const char *bl_stream_peer_text(const struct belay_stream *s, char out[BELAY_ADDR_TEXT_MAX])
{
    struct belay_addr peer;
    bl_socket_filter_peer(&s->socket, &peer);
    return belay_addr_print(&peer, out, BELAY_ADDR_TEXT_MAX);
}

void bl_stream_die(struct belay_stream *s, const struct belay_error *error)
{
    if (s->dead_code || s->closing)
        return;
    s->dead_code = error->code;
    s->dead_os = error->os_error;
    bl_stream_drop_output(s);
    bl_stream_watch(s, true);
    bl_stream_soon(s);
}

static void tell_gone(struct belay_stream *s, const struct belay_error *error)
{
    if (!s->gone || s->gone_told)
        return;
    s->gone_told = 1;
    s->gone(s, error, s->gone_arg);
}

void bl_stream_describe_death(struct belay_stream *s, struct belay_error *error)
{
    char peer[BELAY_ADDR_TEXT_MAX];
    bl_error_set(error, s->dead_code, BELAY_STAGE_USE, "%s: %s", bl_stream_peer_text(s, peer),
                 s->dead_os ? bl_errno_text(s->dead_os) : belay_strerror(s->dead_code));
    error->os_error = s->dead_os;
}

void bl_stream_mourn(struct belay_stream *s, struct belay_error *error)
{
    struct belay_error again;
    if (!s->lost_told)
        bl_stream_look(s);
    if (s->closing || s->look)
        return; /* what is left to be handed over comes first: the task comes back here */
    if (!error) {
        bl_stream_describe_death(s, &again);
        error = &again;
    }
    error->reason = BELAY_REASON_ERROR;
    tell_gone(s, error);
    if (s->closing || s->lost_told || !s->callbacks)
        return;
    s->lost_told = 1;
    if (s->callbacks->on_lost)
        s->callbacks->on_lost(s, error, s->arg);
}

void bl_stream_tell_end(struct belay_stream *s)
{
    if (s->gone && !s->gone_told) {
        struct belay_error error;
        char peer[BELAY_ADDR_TEXT_MAX];
        bl_error_set(&error, BELAY_EEOF, BELAY_STAGE_USE, "%s: the peer closed the connection",
                     bl_stream_peer_text(s, peer));
        error.reason = BELAY_REASON_PEER_CLOSED;
        tell_gone(s, &error);
    }
    bool held_back = s->paused || s->stuck || s->look;
    if (s->closing || s->end_told || held_back || !s->callbacks)
        return;
    s->end_told = 1;
    if (s->callbacks->on_end)
        s->callbacks->on_end(s, s->arg);
}

/* ---- what the loop brings ---- */

static void close_event(struct belay_stream *s)
{
    struct belay_error error;
    int rc = bl_stream_send(s, &error);
    if (rc != BELAY_EAGAIN)
        bl_stream_shut(s, rc == 0);
}

static void stream_event(unsigned events, void *arg)
{
    struct belay_stream *s = arg;
    if (s->starting) {
        bl_stream_drive_start(s);
        return;
    }
    if (s->closing) {
        if (!s->closed)
            close_event(s);
        return;
    }
    if (s->blocked && (events & s->write_wants))
        bl_stream_flush_now(s);
    if (s->closing || s->dead_code)
        return;
    if (!bl_stream_may_read(s))
        bl_stream_watch(s, true);
    else if (events & (s->read_wants ? s->read_wants : BELAY_READABLE))
        bl_stream_read(s);
}

static void free_closed(struct belay_stream *s)
{
    struct belay_loop *loop = s->socket.loop;
    belay_fn *on_closed;
    void *arg;
    bl_stream_run_done(s);
    on_closed = s->then.on_closed;
    arg = s->then_arg;
    free_work(s);
    bl_task_cancel(&s->task);
    bl_object_fini(&s->object, loop);
    bl_free(&loop->mem, s);
    if (on_closed)
        on_closed(arg);
}

/* Whatever is to be told or read; each step may close the stream. */
static void catch_up(struct belay_stream *s)
{
    bl_stream_run_done(s);
    if (s->drained && !s->closing && !s->dead_code) {
        s->drained = 0;
        if (s->callbacks && s->callbacks->on_drain)
            s->callbacks->on_drain(s, s->arg);
    }
    if (s->closing)
        return;
    if (s->starting) {
        bl_stream_drive_start(s);
        return;
    }
    if (s->dead_code) {
        bl_stream_mourn(s, NULL);
        return;
    }
    if (s->look)
        bl_stream_look(s);
    if (!s->closing && !s->dead_code && s->eof)
        bl_stream_tell_end(s);
}

static void stream_task(void *arg)
{
    struct belay_stream *s = arg;
    bool soon = s->soon;
    s->soon = 0;
    if (s->closed) {
        free_closed(s);
        return;
    }
    if (!soon) {
        bl_stream_flush_now(s);
        return;
    }
    catch_up(s);
    bl_stream_flush_later(s);
}

/* ---- the user's and the keeper's callbacks ---- */

void belay_stream_set_callbacks(struct belay_stream *s,
                                const struct belay_stream_callbacks *callbacks, void *arg)
{
    if (s->closing)
        return;
    if (callbacks)
        bl_stream_end_wait(s);
    if (callbacks != s->callbacks || arg != s->arg)
        s->end_told = s->lost_told = 0; /* that the former ones know helps nobody */
    s->callbacks = callbacks;
    s->arg = arg;
    s->paused = 0;
    s->stuck = 0;
    s->hungry = 0;
    if (bl_stream_held(s) || (bl_stream_may_read(s) && bl_filter_pending(s->top)))
        s->look = 1;
    if (s->look || s->eof || s->dead_code)
        bl_stream_soon(s);
    if (!s->starting)
        bl_stream_watch(s, false);
}

void bl_stream_set_gone(struct belay_stream *s, bl_stream_gone_fn *fn, void *arg)
{
    if (s->closing)
        return;
    s->gone = fn;
    s->gone_arg = arg;
    if (!fn)
        return;
    if (s->dead_code || s->eof)
        bl_stream_soon(s);
    if (!s->starting)
        bl_stream_watch(s, false);
}

/* ---- closing ---- */

void bl_stream_shut(struct belay_stream *s, bool kindly)
{
    struct belay_error error;
    if (s->closed)
        return;
    if (kindly && s->top != &s->socket.filter && !s->ended)
        bl_filter_shutdown(s->top, &error);
    bl_watch_set(&s->watch, 0);
    while (s->top) {
        struct bl_filter *filter = s->top;
        s->top = filter->below;
        filter->ops->close(filter);
    }
    s->closed = 1;
    bl_stream_drop_output(s);
    bl_stream_soon(s);
}

static void send_and_shut(struct belay_stream *s, int64_t limit_ms)
{
    struct belay_loop *loop = s->socket.loop;
    struct belay_error error;
    int rc = bl_stream_send(s, &error);
    if (rc == BELAY_EAGAIN && s->watch.mask) {
        int64_t limit = limit_ms == BELAY_FOREVER ? INT64_MAX : limit_ms;
        bl_timer_at(&s->work->timer, loop, bl_after_ms(bl_now_fresh(loop), limit));
        return;
    }
    bl_stream_shut(s, rc == 0);
}

void belay_stream_close(struct belay_stream *s, int64_t limit_ms, belay_fn *on_closed, void *arg)
{
    bool unsent, flush, kindly;
    if (!s)
        return;
    if (s->closing) {
        if (limit_ms == 0)
            bl_stream_shut(s, false);
        return;
    }
    bl_stream_end_wait(s);
    unsent = s->work && (bl_buf_len(&s->work->out) || s->work->refs_len);
    flush = unsent && limit_ms != 0 && !s->dead_code && !s->starting;
    kindly = !unsent && !s->dead_code && !s->starting;
    s->closing = 1;
    s->starting = 0;
    s->callbacks = NULL;
    s->gone = NULL;
    s->then.on_closed = on_closed;
    s->then_arg = arg;
    if (flush)
        send_and_shut(s, limit_ms);
    else
        bl_stream_shut(s, kindly);
}

/* ---- questions ---- */

bool bl_stream_is_kept(const struct belay_stream *s)
{
    return s->gone != NULL;
}

struct bl_filter *bl_stream_top(struct belay_stream *s)
{
    return s->top;
}

void bl_stream_hide_tls(struct belay_stream *s)
{
    s->facts_hidden = 1;
}

bool bl_stream_usable(const struct belay_stream *s)
{
    return !s->dead_code && !s->eof && !s->closing;
}

size_t bl_stream_held(const struct belay_stream *s)
{
    return s->work ? bl_buf_len(&s->work->held) : 0;
}

uint64_t belay_stream_sent(const struct belay_stream *s)
{
    return s->sent_total;
}

int64_t belay_stream_unacked(const struct belay_stream *s)
{
    const struct belay_transport *t = &s->socket.loop->transport;
    int n = s->closed ? -1 : t->unacked(s->socket.fd, t->arg);
    return n < 0 ? BELAY_ENOTSUP : n;
}

struct belay_loop *bl_stream_loop(const struct belay_stream *s)
{
    return s->socket.loop;
}

void bl_stream_idle(struct belay_stream *s)
{
    struct bl_stream_work *w = s->work;
    for (struct bl_filter *f = s->top; f; f = f->below) {
        if (f->ops->idle)
            f->ops->idle(f);
    }
    if (w && !bl_stream_unsent(s) && !bl_buf_len(&w->held) && bl_list_empty(&w->done))
        free_work(s);
}

int belay_stream_peer_addr(const struct belay_stream *s, struct belay_addr *ret)
{
    if (s->socket.peer.family == BELAY_FAMILY_NONE)
        return BELAY_ENOTSUP;
    bl_socket_filter_peer(&s->socket, ret);
    return 0;
}

int belay_stream_local_addr(const struct belay_stream *s, struct belay_addr *ret)
{
    const struct belay_transport *t = &s->socket.loop->transport;
    struct belay_addr addr;
    if (s->closed || t->local_addr(s->socket.fd, &addr, t->arg) < 0)
        return BELAY_ENOTSUP;
    *ret = addr;
    return 0;
}

int belay_stream_tls_facts(struct belay_stream *s, struct belay_tls_facts *facts)
{
    if (!facts || facts->size < sizeof facts->size)
        return BELAY_EINVAL;
    for (struct bl_filter *f = s->facts_hidden ? NULL : s->top; f; f = f->below) {
        if (f->ops->tls_facts)
            return f->ops->tls_facts(f, facts);
    }
    return BELAY_ENOTSUP;
}
