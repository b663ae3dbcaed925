/* SPDX-License-Identifier: MIT */
/* Streams over real sockets: reading, writing, their limits, and closing from everywhere. */
#include "net_kit.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static unsigned epoll_changes;

/* In front of libc's, for libuv too: how often the kernel is told what to watch for. */
struct epoll_event;
int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    epoll_changes++;
    return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
}

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

static void on_closed(void *arg)
{
    struct story *t = arg;
    assert_false(t->closed);
    t->closed = true;
}

static void close_here(struct story *t, enum where here)
{
    assert_false(t->closed);
    if (t->close_in == here) {
        belay_stream_close(t->stream, 0, on_closed, t);
        assert_false(t->closed);
    }
}

static size_t on_data(struct belay_stream *s, const char *data, size_t len, void *arg)
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

static void on_drain(struct belay_stream *s, void *arg)
{
    (void)s;
    ((struct story *)arg)->drain = true;
    close_here(arg, IN_DRAIN);
}

static void on_end(struct belay_stream *s, void *arg)
{
    struct story *t = arg;
    (void)s;
    assert_false(t->end);
    t->end = true;
    close_here(t, IN_END);
}

static void on_lost(struct belay_stream *s, const struct belay_error *error, void *arg)
{
    struct story *t = arg;
    (void)s;
    assert_false(t->lost);
    t->lost = true;
    t->error = *error;
    close_here(t, IN_LOST);
}

static void on_gone(struct belay_stream *s, const struct belay_error *error, void *arg)
{
    struct story *t = arg;
    (void)s;
    assert_false(t->gone);
    assert_false(t->end || t->lost); /* the keeper hears first */
    t->gone = true;
    t->gone_error = *error;
    close_here(t, IN_GONE);
}

static void on_done(void *arg)
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

static void begin_with(struct story *t, const struct bl_stream_options *options)
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

static void begin(struct story *t)
{
    static const struct bl_stream_options options = {20, 5, 3, 30000};
    begin_with(t, &options);
    belay_stream_set_callbacks(t->stream, &callbacks, t);
    net_kit_settle(&t->kit);
}

static void finish(struct story *t)
{
    if (!t->closed) {
        belay_stream_close(t->stream, 0, on_closed, t);
        assert_false(t->closed);
        net_kit_until(&t->kit, &t->closed);
    }
    close(t->peer);
    net_kit_tear_down(&t->kit);
}

static void until(struct story *t, const bool *flag)
{
    net_kit_until(&t->kit, flag);
}

static void until_got(struct story *t, size_t n)
{
    while (t->got_n < n) {
        t->data = false;
        until(t, &t->data);
    }
}

/* The socket is given as little room as the kernel allows, so that little fills it. */
static void shrink_buffers(struct story *t)
{
    int small = 4096;
    setsockopt(t->stream->socket.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
}

static char big[1 << 20];

/* Writes until the stream takes no more; returns how much it took. */
static size_t fill(struct story *t)
{
    size_t total = 0;
    int rc;
    while ((rc = belay_stream_write(t->stream, big, 65536)) == 0)
        total += 65536;
    assert_int_equal(rc, BELAY_EAGAIN);
    return total;
}

static void swallow(struct story *t, size_t len)
{
    static char out[65536];
    while (len) {
        ssize_t n = recv(t->peer, out, len < sizeof out ? len : sizeof out, MSG_DONTWAIT);
        assert_true(n > 0 || (n < 0 && errno == EAGAIN));
        len -= n > 0 ? (size_t)n : 0;
        assert_int_equal(belay_loop_turn(t->kit.loop, 0), 0);
    }
}

/* ---- the hot path ---- */

static void an_exchange_costs_one_write_one_read_and_no_epoll_ctl(void **state)
{
    struct story t;
    char out[4];
    (void)state;
    begin(&t);
    for (int i = 0; i < 3; i++) {
        unsigned changes = epoll_changes, reads = t.kit.reads, writes = t.kit.writes;
        t.data = false;
        assert_int_equal(belay_stream_write(t.stream, "pi", 2), 0);
        assert_int_equal(belay_stream_write(t.stream, "ng", 2), 0);
        net_kit_settle(&t.kit);
        net_kit_recv(t.peer, out, 4);
        assert_memory_equal(out, "ping", 4);
        net_kit_send(t.peer, "pong");
        until(&t, &t.data);
        net_kit_settle(&t.kit);
        assert_int_equal(t.kit.writes - writes, 1);
        assert_int_equal(t.kit.reads - reads, 1);
        assert_int_equal(epoll_changes - changes, 0);
    }
    assert_memory_equal(t.got, "pongpongpong", 12);
    assert_int_equal(belay_stream_sent(t.stream), 12);
    finish(&t);
}

static void an_idle_stream_is_small(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    /* The loop keeps its room for one more timer. */
    assert_int_equal(belay_stream_write(t.stream, "x", 1), 0);
    net_kit_settle(&t.kit);
    bl_stream_idle(t.stream);
    size_t before = atomic_load(&t.kit.alloc.live_bytes);
    net_kit_send(t.peer, "x");
    until(&t, &t.data);
    assert_int_equal(atomic_load(&t.kit.alloc.live_bytes), before); /* reading needs none */
    assert_int_equal(belay_stream_write(t.stream, big, 5000), 0);
    net_kit_settle(&t.kit);
    assert_true(atomic_load(&t.kit.alloc.live_bytes) > before);
    bl_stream_idle(t.stream);
    assert_int_equal(atomic_load(&t.kit.alloc.live_bytes), before);
    assert_true(offsetof(struct belay_stream, socket.peer) + bl_addr_used(&t.stream->socket.peer) <=
                320);
    finish(&t);
}

static void pausing_and_resuming_in_one_turn_costs_no_system_call(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    unsigned changes = epoll_changes, reads = t.kit.reads;
    belay_stream_pause(t.stream);
    belay_stream_resume(t.stream);
    net_kit_settle(&t.kit);
    assert_int_equal(epoll_changes - changes, 0);
    assert_int_equal(t.kit.reads - reads, 0);
    finish(&t);
}

/* ---- reading ---- */

static void what_is_not_consumed_is_held_and_reading_stops(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.consume = 2;
    net_kit_send(t.peer, "abcdef");
    until(&t, &t.data);
    net_kit_settle(&t.kit);
    assert_int_equal(t.calls, 1);
    assert_int_equal(bl_stream_held(t.stream), 4);
    net_kit_send(t.peer, "gh");
    net_kit_settle(&t.kit);
    assert_int_equal(t.calls, 1);

    t.consume = SIZE_MAX;
    belay_stream_resume(t.stream);
    assert_int_equal(t.calls, 1); /* not inside */
    until_got(&t, 8);
    assert_memory_equal(t.got, "abcdefgh", 8);
    assert_int_equal(bl_stream_held(t.stream), 0);
    finish(&t);
}

static void a_parser_that_asks_for_more_is_offered_the_rest_with_more(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.consume = 0;
    t.resume_in_data = true;
    net_kit_send(t.peer, "half");
    until(&t, &t.data);
    net_kit_settle(&t.kit);
    assert_int_equal(t.calls, 1); /* no spinning over the same bytes */
    t.consume = SIZE_MAX;
    net_kit_send(t.peer, "whole");
    until_got(&t, 9);
    assert_memory_equal(t.got, "halfwhole", 9);
    assert_int_equal(t.calls, 2);
    finish(&t);
}

static void a_parser_that_takes_one_message_and_resumes_gets_the_next(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.consume = 3;
    t.resume_in_data = true;
    net_kit_send(t.peer, "onetwosix");
    until_got(&t, 9);
    assert_int_equal(t.calls, 3);
    assert_memory_equal(t.got, "onetwosix", 9);
    finish(&t);
}

static void a_paused_stream_reads_nothing(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.pause_in_data = true;
    net_kit_send(t.peer, "a");
    until(&t, &t.data);
    net_kit_send(t.peer, "b");
    net_kit_settle(&t.kit);
    assert_int_equal(t.got_n, 1);
    belay_stream_resume(t.stream);
    until_got(&t, 2);
    finish(&t);
}

static void held_data_is_offered_to_new_callbacks_in_a_later_turn(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.consume = 0;
    net_kit_send(t.peer, "left");
    until(&t, &t.data);
    belay_stream_set_callbacks(t.stream, NULL, NULL);
    net_kit_settle(&t.kit);
    assert_int_equal(t.calls, 1);
    t.consume = SIZE_MAX;
    belay_stream_set_callbacks(t.stream, &callbacks, &t);
    assert_int_equal(t.calls, 1);
    until_got(&t, 4);
    assert_memory_equal(t.got, "left", 4);
    finish(&t);
}

static void a_flood_is_read_in_bounded_bites(void **state)
{
    struct story t;
    size_t total = 0;
    (void)state;
    begin(&t);
    while (total < sizeof t.got - 65536) {
        ssize_t n = send(t.peer, big, 65536, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            total += (size_t)n;
        assert_int_equal(belay_loop_turn(t.kit.loop, 0), 0);
    }
    until_got(&t, total);
    assert_int_equal(t.got_n, total);
    finish(&t);
}

static void holding_more_than_the_limit_ends_the_stream(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.consume = 0;
    t.resume_in_data = true;
    while (!t.lost) {
        send(t.peer, big, 65536, MSG_DONTWAIT | MSG_NOSIGNAL);
        assert_int_equal(belay_loop_turn(t.kit.loop, 0), 0);
    }
    assert_int_equal(t.error.code, BELAY_ELIMIT);
    finish(&t);
}

/* ---- the peer's end ---- */

static void the_end_of_the_peer_is_told_after_its_data_and_writing_goes_on(void **state)
{
    struct story t;
    char out[3];
    (void)state;
    begin(&t);
    bl_stream_set_gone(t.stream, on_gone, &t);
    net_kit_send(t.peer, "bye");
    shutdown(t.peer, SHUT_WR);
    until(&t, &t.end);
    assert_int_equal(t.got_n, 3);
    assert_true(t.gone);
    assert_int_equal(t.gone_error.code, BELAY_EEOF);
    assert_int_equal(t.gone_error.reason, BELAY_REASON_PEER_CLOSED);
    assert_false(bl_stream_usable(t.stream));
    assert_int_equal(belay_stream_write(t.stream, "ack", 3), 0);
    net_kit_settle(&t.kit);
    net_kit_recv(t.peer, out, 3);
    finish(&t);
}

static void the_end_waits_for_what_is_held(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.consume = 1;
    net_kit_send(t.peer, "xyz");
    shutdown(t.peer, SHUT_WR);
    until(&t, &t.data);
    net_kit_settle(&t.kit);
    assert_false(t.end);
    t.consume = SIZE_MAX;
    belay_stream_resume(t.stream);
    until(&t, &t.end);
    assert_int_equal(t.got_n, 3);
    finish(&t);
}

static void an_idle_stream_with_an_ear_notices_the_close(void **state)
{
    struct story t;
    (void)state;
    begin_with(&t, NULL);
    bl_stream_set_gone(t.stream, on_gone, &t);
    shutdown(t.peer, SHUT_WR);
    until(&t, &t.gone);
    assert_false(t.end);
    belay_stream_set_callbacks(t.stream, &callbacks, &t);
    assert_false(t.end);
    until(&t, &t.end); /* whoever comes later is told too */
    finish(&t);
}

static void reset_peer(struct story *t)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(t->peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(t->peer);
    t->peer = -1;
}

static void a_reset_is_told_as_what_it_is(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    bl_stream_set_gone(t.stream, on_gone, &t);
    reset_peer(&t);
    until(&t, &t.lost);
    assert_true(t.gone);
    assert_int_equal(t.error.code, BELAY_ERESET);
    assert_int_equal(t.error.os_error, ECONNRESET);
    assert_int_equal(t.error.stage, BELAY_STAGE_USE);
    assert_non_null(strstr(t.error.text, "reading from 127.0.0.1:"));
    assert_int_equal(belay_stream_write(t.stream, "x", 1), BELAY_ERESET);
    finish(&t);
}

static void a_failed_write_hands_over_what_came_first(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    net_kit_send(t.peer, "too late");
    t.kit.refuse_write = EPIPE;
    assert_int_equal(belay_stream_write(t.stream, "request", 7), 0);
    belay_stream_flush(t.stream);
    assert_false(t.lost); /* not inside */
    until(&t, &t.lost);
    assert_int_equal(t.got_n, 8);
    assert_int_equal(t.error.code, BELAY_ERESET);
    assert_int_equal(t.error.os_error, EPIPE);
    assert_int_equal(belay_stream_sent(t.stream), 0);
    finish(&t);
}

static void a_write_that_fails_at_the_end_of_the_turn_says_so(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.kit.refuse_write = EPIPE;
    assert_int_equal(belay_stream_write(t.stream, "request", 7), 0);
    until(&t, &t.lost);
    assert_non_null(strstr(t.error.text, "writing to 127.0.0.1:"));
    finish(&t);
}

/* ---- writing ---- */

static void a_full_stream_refuses_and_tells_when_it_is_drained(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    shrink_buffers(&t);
    size_t total = fill(&t);
    assert_true(belay_stream_buffered(t.stream) <= BL_STREAM_BUFFER_MAX);
    assert_in_range(belay_stream_unacked(t.stream), 1, belay_stream_sent(t.stream));
    assert_false(t.drain);
    swallow(&t, total);
    until(&t, &t.drain);
    assert_int_equal(belay_stream_buffered(t.stream), 0);
    assert_int_equal(belay_stream_sent(t.stream), total);
    assert_int_equal(t.stream->watch.mask, BELAY_READABLE);
    finish(&t);
}

static void bytes_and_references_leave_in_order_whatever_one_write_takes(void **state)
{
    struct story t;
    char out[64];
    (void)state;
    for (size_t max = 1; max < 9; max++) {
        begin(&t);
        t.kit.write_max = max;
        assert_int_equal(belay_stream_write(t.stream, "a1", 2), 0);
        assert_int_equal(belay_stream_write_ref(t.stream, "REF-1", 5, on_done, &t), 0);
        assert_int_equal(belay_stream_write_ref(t.stream, "REF-2", 5, on_done, &t), 0);
        assert_int_equal(belay_stream_write(t.stream, "b2", 2), 0);
        assert_int_equal(belay_stream_write(t.stream, "c3", 2), 0);
        assert_int_equal(belay_stream_write_ref(t.stream, "", 0, on_done, &t), 0);
        assert_int_equal(belay_stream_write_ref(t.stream, "REF-3", 5, NULL, NULL), 0);
        assert_int_equal(belay_stream_write(t.stream, "d4", 2), 0);
        assert_int_equal(belay_stream_buffered(t.stream), 23);
        assert_int_equal(t.dones, 0);
        while (belay_stream_buffered(t.stream))
            assert_int_equal(belay_loop_turn(t.kit.loop, 10), 0);
        net_kit_settle(&t.kit);
        net_kit_recv(t.peer, out, 23);
        assert_memory_equal(out, "a1REF-1REF-2b2c3REF-3d4", 23);
        assert_int_equal(t.dones, 3);
        finish(&t);
    }
}

static void many_references_leave_although_one_call_takes_few(void **state)
{
    struct story t;
    char out[300];
    (void)state;
    begin(&t);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(belay_stream_write_ref(t.stream, "ab", 2, on_done, &t), 0);
        assert_int_equal(belay_stream_write(t.stream, "c", 1), 0);
    }
    net_kit_settle(&t.kit);
    net_kit_recv(t.peer, out, 300);
    for (int i = 0; i < 100; i++)
        assert_memory_equal(out + i * 3, "abc", 3);
    assert_int_equal(t.dones, 100);
    finish(&t);
}

static void references_that_are_never_sent_are_done_too(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.kit.refuse_write = EAGAIN;
    assert_int_equal(belay_stream_write_ref(t.stream, "x", 1, on_done, &t), 0);
    net_kit_settle(&t.kit);
    assert_int_equal(t.dones, 0);
    belay_stream_close(t.stream, 0, on_closed, &t);
    assert_int_equal(t.dones, 0);
    until(&t, &t.closed);
    assert_int_equal(t.dones, 1);
    finish(&t);
}

static void a_reference_to_nothing_is_done_although_nothing_leaves(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    assert_int_equal(belay_stream_write_ref(t.stream, "", 0, on_done, &t), 0);
    assert_int_equal(t.dones, 0);
    net_kit_settle(&t.kit);
    assert_int_equal(t.dones, 1);
    assert_int_equal(t.kit.writes, 0);
    finish(&t);
}

static void an_end_follows_what_was_written_and_reading_goes_on(void **state)
{
    struct story t;
    char out[4];
    (void)state;
    begin(&t);
    assert_int_equal(belay_stream_write(t.stream, "last", 4), 0);
    belay_stream_end(t.stream);
    assert_int_equal(belay_stream_write(t.stream, "x", 1), BELAY_ECLOSED);
    net_kit_settle(&t.kit);
    net_kit_recv(t.peer, out, 4);
    net_kit_recv_end(t.peer);
    net_kit_send(t.peer, "reply");
    until_got(&t, 5);
    finish(&t);
}

/* ---- the user timeout ---- */

static void a_peer_that_acknowledges_nothing_while_a_write_is_blocked_is_dead(void **state)
{
    static const struct bl_stream_options options = {20, 5, 3, 60};
    struct story t;
    (void)state;
    begin_with(&t, &options);
    belay_stream_set_callbacks(t.stream, &callbacks, &t);
    shrink_buffers(&t);
    t.kit.ack_age = 1000000;
    fill(&t);
    until(&t, &t.lost);
    assert_int_equal(t.error.code, BELAY_ETIMEDOUT);
    finish(&t);
}

static void where_acknowledgements_cannot_be_seen_nobody_is_accused(void **state)
{
    static const struct bl_stream_options options = {20, 5, 3, 20};
    struct story t;
    (void)state;
    begin_with(&t, &options);
    belay_stream_set_callbacks(t.stream, &callbacks, &t);
    shrink_buffers(&t);
    t.kit.no_ack_age = true;
    fill(&t);
    net_kit_turn_for(&t.kit, 100);
    assert_false(t.lost);
    finish(&t);
}

static void a_peer_that_merely_stops_reading_lives(void **state)
{
    static const struct bl_stream_options options = {20, 5, 3, 300};
    struct story t;
    (void)state;
    begin_with(&t, &options);
    belay_stream_set_callbacks(t.stream, &callbacks, &t);
    shrink_buffers(&t);
    size_t total = fill(&t);
    net_kit_turn_for(&t.kit, 2000); /* several times the limit, and beyond the first probes */
    assert_false(t.lost);
    swallow(&t, total);
    until(&t, &t.drain);
    assert_false(t.lost);
    finish(&t);
}

static void the_kernels_timeout_is_off_while_a_write_is_blocked(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    shrink_buffers(&t);
    assert_int_equal(t.kit.user_timeouts, 1);
    size_t total = fill(&t);
    assert_int_equal(t.kit.user_timeouts, 2);
    swallow(&t, total);
    until(&t, &t.drain);
    assert_int_equal(t.kit.user_timeouts % 2, 1); /* back on */
    finish(&t);
}

/* ---- closing ---- */

static void close_within_a_limit_sends_what_is_buffered(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    shrink_buffers(&t);
    size_t total = fill(&t);
    belay_stream_close(t.stream, 10000, on_closed, &t);
    net_kit_settle(&t.kit);
    assert_false(t.closed);
    swallow(&t, total);
    until(&t, &t.closed);
    net_kit_recv_end(t.peer);
    assert_false(t.drain);
    finish(&t);
}

static void close_gives_up_after_its_limit(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    shrink_buffers(&t);
    fill(&t);
    belay_stream_close(t.stream, 30, on_closed, &t);
    net_kit_settle(&t.kit);
    assert_false(t.closed);
    until(&t, &t.closed);
    finish(&t);
}

static void a_second_close_without_a_limit_ends_the_first_at_once(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    shrink_buffers(&t);
    fill(&t);
    belay_stream_close(t.stream, BELAY_FOREVER, on_closed, &t);
    net_kit_settle(&t.kit);
    assert_false(t.closed);
    belay_stream_close(t.stream, 0, NULL, NULL);
    belay_stream_close(t.stream, 0, NULL, NULL);
    until(&t, &t.closed);
    finish(&t);
}

static void close_is_quiet_in_every_callback(void **state)
{
    struct story t;
    (void)state;
    for (enum where here = IN_DATA; here <= IN_GONE; here++) {
        begin(&t);
        bl_stream_set_gone(t.stream, on_gone, &t);
        t.close_in = here;
        if (here == IN_DRAIN) {
            shrink_buffers(&t);
            swallow(&t, fill(&t));
        } else if (here == IN_LOST) {
            reset_peer(&t);
        } else {
            net_kit_send(t.peer, "x");
            shutdown(t.peer, SHUT_WR);
        }
        until(&t, &t.closed);
        assert_false(here == IN_GONE && (t.end || t.lost));
        assert_false(here == IN_DATA && t.gone);
        finish(&t);
    }
}

static void close_allocates_nothing(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    t.kit.refuse_write = EAGAIN;
    assert_int_equal(belay_stream_write(t.stream, "x", 1), 0);
    net_kit_settle(&t.kit);
    failing_alloc_from(&t.kit.alloc, 1);
    belay_stream_close(t.stream, 20, on_closed, &t);
    until(&t, &t.closed);
    failing_alloc_once(&t.kit.alloc, 0);
    finish(&t);
}

static void the_loops_end_waits_for_a_close_with_a_limit(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    shrink_buffers(&t);
    fill(&t);
    belay_stream_close(t.stream, 50, on_closed, &t);
    belay_loop_close(t.kit.loop, NULL, NULL);
    assert_false(t.closed);
    net_kit_tear_down(&t.kit);
    assert_true(t.closed);
    close(t.peer);
}

/* Such as a pool's, which listens to idle connections with callbacks of its own. */
static void callbacks_that_come_late_are_told_of_the_end_too(void **state)
{
    static const struct belay_stream_callbacks deaf = {.size = sizeof deaf};
    struct story t;
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        begin(&t);
        belay_stream_set_callbacks(t.stream, &deaf, &t);
        bl_stream_set_gone(t.stream, on_gone, &t);
        if (reset) {
            struct linger hard = {.l_onoff = 1};
            assert_int_equal(setsockopt(t.peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
        }
        close(t.peer);
        t.peer = -1;
        net_kit_until(&t.kit, &t.gone);
        assert_false(t.end || t.lost);
        belay_stream_set_callbacks(t.stream, &callbacks, &t);
        net_kit_until(&t.kit, reset ? &t.lost : &t.end);
        belay_stream_set_callbacks(t.stream, &callbacks, &t); /* once is enough */
        net_kit_settle(&t.kit);
        finish(&t);
    }
}

static void the_loops_end_closes_a_stream_that_nobody_keeps(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    assert_int_equal(belay_stream_write_ref(t.stream, "x", 1, on_done, &t), 0);
    net_kit_tear_down(&t.kit);
    assert_int_equal(t.dones, 1);
    close(t.peer);
}

/* ---- probing ---- */

static void a_probe_sees_what_the_loop_has_not_seen_yet(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    assert_true(bl_stream_probe(t.stream));
    net_kit_send(t.peer, "surprise");
    assert_false(bl_stream_probe(t.stream));
    assert_int_equal(t.calls, 0);
    until_got(&t, 8); /* and loses nothing */
    assert_true(bl_stream_probe(t.stream));
    shutdown(t.peer, SHUT_WR);
    assert_false(bl_stream_probe(t.stream));
    assert_false(t.end);
    until(&t, &t.end);
    finish(&t);
}

static void a_probe_of_a_reset_stream_fails(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    reset_peer(&t);
    assert_false(bl_stream_probe(t.stream));
    until(&t, &t.lost);
    assert_int_equal(t.error.os_error, ECONNRESET);
    finish(&t);
}

/* ---- filters that start ---- */

/* Wants `needs` bytes before it is done; then, when transient, it is in nobody's way. */
struct greeter {
    struct bl_filter filter;
    struct bl_mem *mem;
    size_t needs;
    int fails;
};

static int greeter_start(struct bl_filter *f, struct belay_error *error)
{
    struct greeter *g = BL_CONTAINER(f, struct greeter, filter);
    char byte;
    while (g->needs) {
        ptrdiff_t n = bl_filter_read(f->below, &byte, 1, error);
        if (n <= 0)
            return n ? (int)n : bl_error_set(error, BELAY_EEOF, BELAY_STAGE_NONE, "no greeting");
        g->needs--;
    }
    return g->fails ? bl_error_set(error, g->fails, BELAY_STAGE_NONE, "rude") : 0;
}

static ptrdiff_t greeter_read(struct bl_filter *f, void *out, size_t size, struct belay_error *e)
{
    return bl_filter_read(f->below, out, size, e);
}

static ptrdiff_t greeter_write(struct bl_filter *f, const struct belay_bytes *bytes, size_t n,
                               struct belay_error *e)
{
    return bl_filter_write(f->below, bytes, n, e);
}

static void greeter_close(struct bl_filter *f)
{
    struct greeter *g = BL_CONTAINER(f, struct greeter, filter);
    bl_free(g->mem, g);
}

#define GREETER                                                                                    \
    .name = "greeter", .stage = BELAY_STAGE_PROXY, .start = greeter_start, .read = greeter_read,   \
    .write = greeter_write, .close = greeter_close

static const struct bl_filter_ops passing_ops = {GREETER, .transient = true};
static const struct bl_filter_ops staying_ops = {GREETER};

static struct greeter *push_greeter(struct story *t, const struct bl_filter_ops *ops, size_t needs,
                                    bl_stream_start_fn *fn)
{
    struct greeter *g = bl_zalloc(&t->kit.loop->mem, sizeof *g);
    assert_non_null(g);
    g->filter.ops = ops;
    g->filter.below = bl_stream_top(t->stream);
    g->mem = &t->kit.loop->mem;
    g->needs = needs;
    bl_stream_push(t->stream, &g->filter, fn, t);
    return g;
}

static void on_started(const struct belay_error *error, void *arg)
{
    struct story *t = arg;
    assert_false(t->done);
    t->done = true;
    if (error)
        t->error = *error;
}

static void a_filter_that_only_shakes_hands_steps_aside(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    push_greeter(&t, &passing_ops, 3, on_started);
    assert_int_equal(belay_stream_write(t.stream, "early", 5), 0);
    net_kit_send(t.peer, "hi");
    net_kit_settle(&t.kit);
    assert_false(t.done);
    net_kit_send(t.peer, "!data");
    until(&t, &t.done);
    assert_ptr_equal(bl_stream_top(t.stream), &t.stream->socket.filter);
    until_got(&t, 4);
    assert_memory_equal(t.got, "data", 4);
    char out[5];
    net_kit_recv(t.peer, out, 5);
    assert_memory_equal(out, "early", 5);
    finish(&t);
}

static void a_filter_that_fails_to_start_is_told_once_with_its_stage(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    bl_stream_set_gone(t.stream, on_gone, &t);
    push_greeter(&t, &staying_ops, 1, on_started)->fails = BELAY_EPROTO;
    net_kit_send(t.peer, "x");
    until(&t, &t.done);
    net_kit_settle(&t.kit);
    assert_int_equal(t.error.code, BELAY_EPROTO);
    assert_int_equal(t.error.stage, BELAY_STAGE_PROXY);
    assert_false(t.lost || t.gone);
    assert_false(bl_stream_usable(t.stream));
    finish(&t);
}

static void closing_while_a_filter_starts_tells_nothing(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    push_greeter(&t, &staying_ops, 1, on_started);
    net_kit_settle(&t.kit);
    belay_stream_close(t.stream, 0, on_closed, &t);
    until(&t, &t.closed);
    assert_false(t.done);
    finish(&t);
}

/* Has `needs` bytes more to give than the socket shows, one at a time. */
static ptrdiff_t chatty_read(struct bl_filter *f, void *out, size_t size, struct belay_error *e)
{
    struct greeter *g = BL_CONTAINER(f, struct greeter, filter);
    if (!g->needs)
        return bl_filter_read(f->below, out, size, e);
    g->needs--;
    *(char *)out = 'c';
    return 1;
}

static bool chatty_pending(struct bl_filter *f)
{
    return BL_CONTAINER(f, struct greeter, filter)->needs > 0;
}

static const struct bl_filter_ops chatty_ops = {.name = "chatty",
                                                .read = chatty_read,
                                                .write = greeter_write,
                                                .pending = chatty_pending,
                                                .close = greeter_close};

static void a_filter_with_much_to_give_is_read_in_bites_to_its_end(void **state)
{
    struct story t;
    (void)state;
    begin(&t);
    struct greeter *g = push_greeter(&t, &chatty_ops, 0, on_started);
    until(&t, &t.done);
    g->needs = 10 * BL_STREAM_READS_MAX;
    net_kit_send(t.peer, "x"); /* wakes it */
    bl_stream_read(t.stream);
    assert_int_equal(t.calls, BL_STREAM_READS_MAX);
    until_got(&t, 10 * BL_STREAM_READS_MAX + 1);
    assert_int_equal(t.got[10 * BL_STREAM_READS_MAX], 'x');
    finish(&t);
}

/* ---- memory ---- */

static void every_failing_allocation_leaves_the_stream_sound(void **state)
{
    struct story t;
    (void)state;
    for (size_t n = 1;; n++) {
        begin(&t);
        failing_alloc_once(&t.kit.alloc, n);
        t.consume = 2;
        int rc = belay_stream_write(t.stream, "hello", 5);
        assert_true(rc == 0 || rc == BELAY_ENOMEM);
        rc = belay_stream_write_ref(t.stream, "ref", 3, on_done, &t);
        assert_true(rc == 0 || rc == BELAY_ENOMEM);
        bool written = rc == 0;
        net_kit_send(t.peer, "abcdef");
        until(&t, &t.data);
        net_kit_settle(&t.kit);
        assert_true(!t.lost || t.error.code == BELAY_ENOMEM);
        bool failed = failing_alloc_failures(&t.kit.alloc) > 0;
        failing_alloc_once(&t.kit.alloc, 0);
        finish(&t);
        assert_int_equal(t.dones, written);
        if (!failed)
            break;
    }
}

static void addresses_of_both_ends_are_known(void **state)
{
    struct story t;
    struct belay_addr peer, local;
    struct belay_tls_facts facts = belay_tls_facts_init();
    (void)state;
    begin(&t);
    assert_int_equal(belay_stream_peer_addr(t.stream, &peer), 0);
    assert_int_equal(peer.family, BELAY_FAMILY_IPV4);
    assert_int_equal(belay_stream_local_addr(t.stream, &local), 0);
    assert_int_not_equal(local.port, peer.port);
    assert_int_equal(belay_stream_tls_facts(t.stream, &facts), BELAY_ENOTSUP);
    assert_int_equal(belay_stream_tls_facts(t.stream, NULL), BELAY_EINVAL);
    finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exchange_costs_one_write_one_read_and_no_epoll_ctl),
        cmocka_unit_test(an_idle_stream_is_small),
        cmocka_unit_test(pausing_and_resuming_in_one_turn_costs_no_system_call),
        cmocka_unit_test(what_is_not_consumed_is_held_and_reading_stops),
        cmocka_unit_test(a_parser_that_asks_for_more_is_offered_the_rest_with_more),
        cmocka_unit_test(a_parser_that_takes_one_message_and_resumes_gets_the_next),
        cmocka_unit_test(a_paused_stream_reads_nothing),
        cmocka_unit_test(held_data_is_offered_to_new_callbacks_in_a_later_turn),
        cmocka_unit_test(a_flood_is_read_in_bounded_bites),
        cmocka_unit_test(holding_more_than_the_limit_ends_the_stream),
        cmocka_unit_test(the_end_of_the_peer_is_told_after_its_data_and_writing_goes_on),
        cmocka_unit_test(the_end_waits_for_what_is_held),
        cmocka_unit_test(an_idle_stream_with_an_ear_notices_the_close),
        cmocka_unit_test(a_reset_is_told_as_what_it_is),
        cmocka_unit_test(a_failed_write_hands_over_what_came_first),
        cmocka_unit_test(a_write_that_fails_at_the_end_of_the_turn_says_so),
        cmocka_unit_test(a_full_stream_refuses_and_tells_when_it_is_drained),
        cmocka_unit_test(bytes_and_references_leave_in_order_whatever_one_write_takes),
        cmocka_unit_test(many_references_leave_although_one_call_takes_few),
        cmocka_unit_test(references_that_are_never_sent_are_done_too),
        cmocka_unit_test(a_reference_to_nothing_is_done_although_nothing_leaves),
        cmocka_unit_test(an_end_follows_what_was_written_and_reading_goes_on),
        cmocka_unit_test(a_peer_that_acknowledges_nothing_while_a_write_is_blocked_is_dead),
        cmocka_unit_test(where_acknowledgements_cannot_be_seen_nobody_is_accused),
        cmocka_unit_test(a_peer_that_merely_stops_reading_lives),
        cmocka_unit_test(the_kernels_timeout_is_off_while_a_write_is_blocked),
        cmocka_unit_test(close_within_a_limit_sends_what_is_buffered),
        cmocka_unit_test(close_gives_up_after_its_limit),
        cmocka_unit_test(a_second_close_without_a_limit_ends_the_first_at_once),
        cmocka_unit_test(close_is_quiet_in_every_callback),
        cmocka_unit_test(close_allocates_nothing),
        cmocka_unit_test(the_loops_end_waits_for_a_close_with_a_limit),
        cmocka_unit_test(callbacks_that_come_late_are_told_of_the_end_too),
        cmocka_unit_test(the_loops_end_closes_a_stream_that_nobody_keeps),
        cmocka_unit_test(a_probe_sees_what_the_loop_has_not_seen_yet),
        cmocka_unit_test(a_probe_of_a_reset_stream_fails),
        cmocka_unit_test(a_filter_that_only_shakes_hands_steps_aside),
        cmocka_unit_test(a_filter_that_fails_to_start_is_told_once_with_its_stage),
        cmocka_unit_test(closing_while_a_filter_starts_tells_nothing),
        cmocka_unit_test(a_filter_with_much_to_give_is_read_in_bites_to_its_end),
        cmocka_unit_test(every_failing_allocation_leaves_the_stream_sound),
        cmocka_unit_test(addresses_of_both_ends_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
