/* SPDX-License-Identifier: MIT */
/*
 * The reading half of a stream: from the top filter into the loop's scratch buffer, and from there
 * straight to the user. Only what the user did not consume is copied, and held.
 *
 * Held bytes are in one of three states: offered again soon (`look`), refused until resume
 * (`stuck`), or waiting for more to follow them (`hungry`: the user consumed nothing and asked to
 * go on).
 */
#include "net/stream.h"

bool bl_stream_may_read(const struct belay_stream *s)
{
    bool reader = (s->callbacks && s->callbacks->on_data) || (s->gone && !s->gone_told);
    return reader && !s->paused && !s->stuck && !s->eof && !s->closing && !s->starting &&
           !s->lost_told;
}

/* Bytes are lost, so none that come after them may be handed over. */
static void die_of(struct belay_stream *s, int code, const char *text)
{
    struct belay_error error;
    char peer[BELAY_ADDR_TEXT_MAX];
    s->eof = 1;
    s->stuck = 1;
    bl_error_set(&error, code, BELAY_STAGE_USE, "reading from %s: %s", bl_stream_peer_text(s, peer),
                 text);
    bl_stream_die(s, &error);
}

static int hold(struct belay_stream *s, const char *data, size_t len)
{
    struct bl_stream_work *w = bl_stream_work(s);
    if (!w || bl_buf_append(&w->held, &s->socket.loop->mem, data, len) < 0) {
        die_of(s, BELAY_ENOMEM, belay_strerror(BELAY_ENOMEM));
        return BELAY_ENOMEM;
    }
    return 0;
}

/* Calls on_data; returns how much it consumed, and leaves in the flags what is to become of the
 * rest. */
static size_t call_on_data(struct belay_stream *s, const char *data, size_t len)
{
    const struct belay_stream_callbacks *callbacks = s->callbacks;
    void *arg = s->arg;
    size_t consumed = 0;
    if (!callbacks || !callbacks->on_data) {
        s->stuck = 1;
        return 0;
    }
    s->in_data = 1;
    s->resumed = 0;
    consumed = callbacks->on_data(s, data, len, arg);
    s->in_data = 0;
    if (consumed > len)
        consumed = len;
    if (consumed == len || s->closing)
        return len;
    if (s->callbacks != callbacks || s->arg != arg || (s->resumed && consumed)) {
        s->look = 1;
        bl_stream_soon(s);
    } else if (s->resumed) {
        s->hungry = 1;
    } else {
        s->stuck = 1;
    }
    return consumed;
}

static void offer_held(struct belay_stream *s)
{
    struct bl_buf *held = &s->work->held;
    size_t consumed;
    s->hungry = 0;
    consumed = call_on_data(s, bl_buf_head(held), bl_buf_len(held));
    if (s->closing)
        return;
    bl_buf_consume(held, consumed);
    if (!bl_buf_len(held))
        bl_buf_trim(held, &s->socket.loop->mem);
}

static void take(struct belay_stream *s, const char *data, size_t len)
{
    size_t consumed;
    if (!bl_stream_held(s)) {
        consumed = call_on_data(s, data, len);
        if (consumed < len)
            hold(s, data + consumed, len - consumed);
        return;
    }
    if (bl_stream_held(s) + len > BL_STREAM_HELD_MAX + BL_SCRATCH_SIZE) {
        die_of(s, BELAY_ELIMIT, "more was held back than a stream may hold");
        return;
    }
    if (hold(s, data, len) == 0)
        offer_held(s);
}

/* Whether there is something to be read still, as far as is known without a system call. */
static bool read_once(struct belay_stream *s)
{
    struct belay_loop *loop = s->socket.loop;
    struct belay_error error;
    char peer[BELAY_ADDR_TEXT_MAX];
    ptrdiff_t n = bl_filter_read(s->top, loop->scratch, BL_SCRATCH_SIZE, &error);
    if (BL_LIKELY(n > 0)) {
        s->read_wants = 0;
        take(s, loop->scratch, (size_t)n);
        return !s->closing && bl_stream_may_read(s) && bl_filter_pending(s->top);
    }
    if (n == BELAY_EAGAIN) {
        s->read_wants = (s->top->ops->want ? s->top->ops->want(s->top) : 0) & 3u;
        return false;
    }
    if (n == 0) {
        s->eof = 1;
        s->hungry = 0;
        bl_stream_watch(s, true);
        if (!s->dead_code)
            bl_stream_tell_end(s);
        return false;
    }
    s->eof = 1; /* nothing more comes */
    if (s->dead_code)
        return false;
    error.stage = BELAY_STAGE_USE;
    bl_error_prefix(&error, "reading from %s", bl_stream_peer_text(s, peer));
    bl_stream_die(s, &error);
    bl_stream_mourn(s, &error);
    return false;
}

void bl_stream_read(struct belay_stream *s)
{
    for (int i = 0; i < BL_STREAM_READS_MAX; i++) {
        if (!read_once(s)) {
            if (!s->closing && BL_UNLIKELY(s->read_wants))
                bl_stream_watch(s, true);
            return;
        }
    }
    s->look = 1;
    bl_stream_soon(s);
}

void bl_stream_look(struct belay_stream *s)
{
    s->look = 0;
    if (bl_stream_held(s) && !s->hungry && !s->stuck && !s->paused)
        offer_held(s);
    if (s->closing || s->look)
        return;
    if (bl_stream_may_read(s) && (s->dead_code || bl_filter_pending(s->top)))
        bl_stream_read(s);
    if (!s->closing && !s->dead_code)
        bl_stream_watch(s, false);
}

void belay_stream_pause(struct belay_stream *s)
{
    s->paused = 1;
    s->resumed = 0;
}

void belay_stream_resume(struct belay_stream *s)
{
    s->paused = 0;
    if (s->in_data) {
        s->resumed = 1;
        return;
    }
    s->stuck = 0;
    if (s->closing || s->starting)
        return;
    if ((bl_stream_held(s) && !s->hungry) || (bl_stream_may_read(s) && bl_filter_pending(s->top)))
        s->look = 1;
    if (s->look || s->eof || s->dead_code)
        bl_stream_soon(s);
    bl_stream_watch(s, false);
}

bool bl_stream_probe(struct belay_stream *s)
{
    struct belay_error error;
    char some[1024];
    ptrdiff_t n;
    if (!bl_stream_usable(s) || s->starting || bl_stream_held(s))
        return false;
    n = bl_filter_read(s->top, some, sizeof some, &error);
    if (n == BELAY_EAGAIN)
        return true;
    if (n > 0 && s->in_data) {
        die_of(s, BELAY_EUNHEALTHY, "bytes came that nobody waited for"); /* they are lost */
    } else if (n > 0) {
        if (hold(s, some, (size_t)n) == 0)
            s->look = 1;
    } else if (n == 0) {
        s->eof = 1;
        bl_stream_watch(s, true);
    } else {
        bl_stream_die(s, &error);
    }
    bl_stream_soon(s);
    return false;
}
