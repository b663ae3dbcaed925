/* SPDX-License-Identifier: MIT */
/* What the tests of streams share: a stream over a socket pair, its other end, and a diary. */
#ifndef TEST_NET_STREAM_SCENE_H
#define TEST_NET_STREAM_SCENE_H

#include "net_kit.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a stream, its other end, and a diary ---- */

enum where { NOWHERE, IN_DATA, IN_DRAIN, IN_END, IN_LOST, IN_GONE };

struct story {
    struct net_kit kit;
    struct belay_stream *stream;
    int peer; /* the other end */
    char got[1 << 17];
    size_t got_n, calls;
    size_t consume; /* at most so many of a call */
    bool pause_in_data, resume_in_data;
    enum where close_in;
    bool data, drain, end, lost, gone, closed;
    unsigned dones;
    bool done;
    struct belay_error error, gone_error;
};

static inline void on_closed(void *arg)
{
    struct story *t = arg;
    assert_false(t->closed);
    t->closed = true;
}

static inline void close_here(struct story *t, enum where here)
{
    assert_false(t->closed);
    if (t->close_in == here) {
        belay_stream_close(t->stream, 0, on_closed, t);
        assert_false(t->closed);
    }
}

static inline size_t on_data(struct belay_stream *s, const char *data, size_t len, void *arg)
{
    struct story *t = arg;
    size_t n = len < t->consume ? len : t->consume;
    assert_ptr_equal(s, t->stream);
    assert_true(t->got_n + n <= sizeof t->got);
    memcpy(t->got + t->got_n, data, n);
    t->got_n += n;
    t->calls++;
    t->data = true;
    if (t->pause_in_data)
        belay_stream_pause(s);
    if (t->resume_in_data)
        belay_stream_resume(s);
    close_here(t, IN_DATA);
    return n;
}

static inline void on_drain(struct belay_stream *s, void *arg)
{
    (void)s;
    ((struct story *)arg)->drain = true;
    close_here(arg, IN_DRAIN);
}

static inline void on_end(struct belay_stream *s, void *arg)
{
    struct story *t = arg;
    (void)s;
    assert_false(t->end);
    t->end = true;
    close_here(t, IN_END);
}

static inline void on_lost(struct belay_stream *s, const struct belay_error *error, void *arg)
{
    struct story *t = arg;
    (void)s;
    assert_false(t->lost);
    t->lost = true;
    t->error = *error;
    close_here(t, IN_LOST);
}

static inline void on_gone(struct belay_stream *s, const struct belay_error *error, void *arg)
{
    struct story *t = arg;
    (void)s;
    assert_false(t->gone);
    assert_false(t->end || t->lost); /* the keeper hears first */
    t->gone = true;
    t->gone_error = *error;
    close_here(t, IN_GONE);
}

static inline void on_done(void *arg)
{
    struct story *t = arg;
    t->dones++;
    t->done = true;
}

static const struct belay_stream_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_data = on_data,
    .on_drain = on_drain,
    .on_end = on_end,
    .on_lost = on_lost,
};

static inline void begin_with(struct story *t, const struct bl_stream_options *options)
{
    struct belay_addr peer;
    int ours;
    memset(t, 0, sizeof *t);
    t->consume = SIZE_MAX;
    net_kit_set_up(&t->kit);
    t->peer = net_kit_pair(&peer, &ours);
    t->kit.opened++;
    assert_int_equal(bl_stream_new(t->kit.loop, ours, &peer, options, &t->stream), 0);
}

static inline void begin(struct story *t)
{
    static const struct bl_stream_options options = {20, 5, 3, 30000};
    begin_with(t, &options);
    belay_stream_set_callbacks(t->stream, &callbacks, t);
    net_kit_settle(&t->kit);
}

static inline void finish(struct story *t)
{
    if (!t->closed) {
        belay_stream_close(t->stream, 0, on_closed, t);
        assert_false(t->closed);
        net_kit_until(&t->kit, &t->closed);
    }
    close(t->peer);
    net_kit_tear_down(&t->kit);
}

static inline void until(struct story *t, const bool *flag)
{
    net_kit_until(&t->kit, flag);
}

static inline void until_got(struct story *t, size_t n)
{
    while (t->got_n < n) {
        t->data = false;
        until(t, &t->data);
    }
}

/* The socket is given as little room as the kernel allows, so that little fills it. */
static inline void shrink_buffers(struct story *t)
{
    int small = 4096;
    setsockopt(t->stream->socket.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
}

static char big[1 << 20];

/* Writes until the stream takes no more; returns how much it took. */
static inline size_t fill(struct story *t)
{
    size_t total = 0;
    int rc;
    while ((rc = belay_stream_write(t->stream, big, 65536)) == 0)
        total += 65536;
    assert_int_equal(rc, BELAY_EAGAIN);
    return total;
}

static inline void swallow(struct story *t, size_t len)
{
    static char out[65536];
    while (len) {
        ssize_t n = recv(t->peer, out, len < sizeof out ? len : sizeof out, MSG_DONTWAIT);
        assert_true(n > 0 || (n < 0 && errno == EAGAIN));
        len -= n > 0 ? (size_t)n : 0;
        assert_int_equal(belay_loop_turn(t->kit.loop, 0), 0);
    }
}

static inline void reset_peer(struct story *t)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(t->peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(t->peer);
    t->peer = -1;
}

#endif
