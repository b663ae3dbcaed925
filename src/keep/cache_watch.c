/* SPDX-License-Identifier: MIT */
/* Seeing that an inactive connection has ended, or says what nobody asked for. */
#include <errno.h>

#include "keep/cache_things.h"

/* ---- descriptors and handles ---- */

/* What a readable descriptor is closed for; NONE: it was a false alarm. */
static enum belay_reason why_readable(struct bl_cache_thing *t)
{
    struct belay_loop *loop = t->cache->loop;
    ptrdiff_t n;

    if (t->what.kind != BELAY_CACHED_DESCRIPTOR)
        return BELAY_REASON_UNHEALTHY; /* what it would say is its owner's to read */
    n = loop->transport.read(t->what.fd, loop->scratch, BL_SCRATCH_SIZE, loop->transport.arg);
    if (n == -EAGAIN)
        return BELAY_REASON_NONE;
    return n > 0 || n == -ENOTSOCK ? BELAY_REASON_UNHEALTHY : BELAY_REASON_PEER_CLOSED;
}

static void on_readable(unsigned events, void *arg)
{
    struct bl_cache_thing *t = arg;
    enum belay_reason reason = why_readable(t);

    (void)events;
    if (reason != BELAY_REASON_NONE)
        bl_cache_condemn(t->cache, &t->entry, reason);
}

/* ---- streams ---- */

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    struct bl_cache_thing *t = arg;

    (void)stream;
    (void)data;
    bl_cache_condemn(t->cache, &t->entry, BELAY_REASON_UNHEALTHY);
    return len;
}

/* An active one's owner hears of it by himself. */
static void on_gone(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct bl_cache_thing *t = arg;

    (void)stream;
    (void)error;
    if (t->entry.state == BELAY_CACHE_INACTIVE)
        bl_cache_condemn(t->cache, &t->entry, BELAY_REASON_PEER_CLOSED);
}

static const struct belay_stream_callbacks idle_callbacks = {
    .size = sizeof idle_callbacks,
    .on_data = on_data,
};

bool bl_cached_usable(const struct belay_cached *what)
{
    return what->kind != BELAY_CACHED_STREAM ||
           (bl_stream_usable(what->stream) && bl_stream_held(what->stream) == 0);
}

bool bl_cached_is_lent(const struct belay_cached *what)
{
    return what->kind == BELAY_CACHED_STREAM && bl_stream_is_kept(what->stream);
}

/* ---- both ---- */

void bl_cache_thing_keep(struct bl_cache_thing *t)
{
    if (t->what.kind == BELAY_CACHED_STREAM)
        bl_stream_set_gone(t->what.stream, on_gone, t);
}

void bl_cache_thing_let_go(struct bl_cache_thing *t)
{
    bl_cache_thing_unwatch(t);
    if (t->what.kind == BELAY_CACHED_STREAM)
        bl_stream_set_gone(t->what.stream, NULL, NULL);
}

int bl_cache_thing_watch(struct bl_cache_thing *t)
{
    bool off = t->cache->options.no_watch;

    if (t->what.kind == BELAY_CACHED_STREAM) {
        belay_stream_set_callbacks(t->what.stream, off ? NULL : &idle_callbacks, t);
        if (off)
            belay_stream_pause(t->what.stream);
        bl_stream_idle(t->what.stream);
        return 0;
    }
    if (off || t->what.fd < 0 || t->watch.mask)
        return 0;
    bl_watch_init(&t->watch, t->cache->loop, t->what.fd, on_readable, t);
    return bl_watch_set(&t->watch, BELAY_READABLE);
}

void bl_cache_thing_unwatch(struct bl_cache_thing *t)
{
    if (t->entry.state != BELAY_CACHE_INACTIVE && !t->watch.mask)
        return;
    if (t->what.kind == BELAY_CACHED_STREAM)
        belay_stream_set_callbacks(t->what.stream, NULL, NULL);
    else if (t->watch.mask)
        bl_watch_set(&t->watch, 0);
}
