/* SPDX-License-Identifier: MIT */
/* Streams over real sockets: writing, its limits, and closing from everywhere. */
#include "stream_scene.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
