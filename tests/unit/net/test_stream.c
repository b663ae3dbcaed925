/* SPDX-License-Identifier: MIT */
/* Streams over real sockets: the hot path, reading, the end of the peer, probes, memory. */
#include <sys/syscall.h>

#include "stream_scene.h"

static unsigned epoll_changes;

/* In front of libc's, for libuv too: how often the kernel is told what to watch for. */
struct epoll_event;
int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
    epoll_changes++;
    return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
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
        cmocka_unit_test(a_probe_sees_what_the_loop_has_not_seen_yet),
        cmocka_unit_test(a_probe_of_a_reset_stream_fails),
        cmocka_unit_test(every_failing_allocation_leaves_the_stream_sound),
        cmocka_unit_test(addresses_of_both_ends_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
