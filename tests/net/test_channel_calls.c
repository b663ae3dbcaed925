/* SPDX-License-Identifier: MIT */
/* Calls that wait for a connection or for room on one, and servers that go away under them. */
#include "channel_kit.h"

#include <stdlib.h>

/* ---- waiting for a connection ---- */

/* A call whose channel has failed to connect. */
static void open_without_a_server(struct channel_kit *k, struct ck_call *call,
                                  const struct belay_rpc_options *call_options)
{
    ck_open(k, "ipv4:127.0.0.1:%1", NULL);
    h2_vanish(&k->servers[0]);
    ck_begin(k, call, call_options);
    ck_until_state(k, BELAY_CHANNEL_TRANSIENT_FAILURE);
}

static void a_call_that_may_wait_outlasts_a_failure(void **state)
{
    struct belay_rpc_options wait = belay_rpc_options_init();
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    wait.wait_for_ready = true;
    open_without_a_server(&k, &call, &wait);
    ck_a_while(&k);
    assert_false(call.done);
    h2_start_again(&k.servers[0]);
    ck_a_while(&k);
    assert_int_equal(k.servers[0].accepted, 0); /* the backoff lasts */
    ck_forward(&k, 1200);
    ck_until(&k, &call.done);
    ck_good(&call, "1");
    ck_close(&k);
}

static void reset_backoff_tries_at_once(void **state)
{
    struct belay_rpc_options wait = belay_rpc_options_init();
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    wait.wait_for_ready = true;
    open_without_a_server(&k, &call, &wait);
    h2_start_again(&k.servers[0]);
    belay_channel_reset_backoff(k.channel);
    ck_until(&k, &call.done);
    ck_good(&call, "1");
    ck_close(&k);
}

static void a_deadline_ends_the_wait_for_a_connection(void **state)
{
    struct belay_rpc_options o = belay_rpc_options_init();
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    o.wait_for_ready = true;
    o.deadline_ms = 500;
    open_without_a_server(&k, &call, &o);
    ck_forward(&k, 500);
    ck_until(&k, &call.done);
    ck_bad(&call, BELAY_GRPC_DEADLINE_EXCEEDED);
    ck_close(&k);
}

static void an_attempt_that_lasts_too_long_has_failed(void **state)
{
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    k.servers[0].silent = true;
    ck_begin(&k, &call, NULL);
    ck_until_accepted(&k, 0, 1);
    ck_forward(&k, 19000);
    ck_a_while(&k);
    assert_false(call.done);
    ck_forward(&k, 1100);
    ck_until(&k, &call.done);
    ck_bad(&call, BELAY_GRPC_UNAVAILABLE);
    assert_non_null(strstr(call.message, "20000 ms"));
    ck_close(&k);
}

static void a_cancelled_call_leaves_the_queue(void **state)
{
    struct channel_kit k;
    struct ck_call first, second;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    ck_begin(&k, &first, NULL);
    ck_begin(&k, &second, NULL);
    belay_rpc_cancel(first.rpc);
    ck_until(&k, &second.done);
    ck_good(&second, "1");
    assert_int_equal(first.dones, 0);
    assert_int_equal(k.servers[0].requests, 1);
    ck_close(&k);
}

static void say_nothing(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)s, (void)conn, (void)id;
}

/* A channel, and a call that its server has and leaves as it is. */
static void open_with_a_call(struct channel_kit *k, const struct belay_channel_options *o,
                             struct ck_call *call, const struct belay_rpc_options *call_options)
{
    ck_open(k, "ipv4:127.0.0.1:%1", o);
    k->servers[0].on_request = say_nothing;
    ck_begin(k, call, call_options);
    ck_until_requests(k, 0, 1);
}

static void never(const void *response, size_t len, const struct belay_rpc_result *result,
                  void *arg)
{
    (void)response, (void)len, (void)result, (void)arg;
    fail();
}

static void no_more_than_max_calls_are_accepted(void **state)
{
    struct belay_channel_options o = ck_options();
    struct belay_error error;
    struct belay_rpc *rpc;
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    o.max_calls = 1;
    ck_open(&k, "ipv4:127.0.0.1:%1", &o);
    ck_begin(&k, &call, NULL);
    assert_int_equal(
        belay_channel_unary(k.channel, "/a.B/C", "", 0, NULL, &rpc, never, NULL, &error),
        BELAY_EFULL);
    assert_int_equal(error.code, BELAY_EFULL);
    ck_until(&k, &call.done);
    ck_call(&k, &call);
    ck_good(&call, "1");
    ck_close(&k);
}

/* Both ends keep the deadline: the server's reset may come in the turn in which it passes. */
static void a_server_that_resets_at_the_deadline_was_late(void **state)
{
    struct belay_rpc_options o = belay_rpc_options_init();
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    o.deadline_ms = 60000;
    open_with_a_call(&k, NULL, &call, &o);
    h2_reset(&k.servers[0], 0, 1, 8);
    h2_step(&k.servers[0]);
    ck_forward(&k, 60000);
    belay_loop_turn(k.loop, 1); /* what comes is before what is due */
    ck_until(&k, &call.done);
    ck_bad(&call, BELAY_GRPC_DEADLINE_EXCEEDED);
    ck_close(&k);
}

#define MANY 10000

static void ten_thousand_calls_may_wait(void **state)
{
    struct belay_rpc_options patient = belay_rpc_options_init();
    struct ck_call *calls = calloc(MANY, sizeof *calls);
    struct channel_kit k;

    (void)state;
    assert_non_null(calls);
    patient.wait_for_ready = true;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    h2_vanish(&k.servers[0]);
    k.servers[0].max = 1000;
    for (int i = 0; i < MANY; i++) {
        ck_begin(&k, &calls[i], &patient);
        if (i % 10 == 0)
            belay_loop_turn(k.loop, 0);
    }
    assert_int_equal(belay_channel_unary(k.channel, "/a.B/C", "", 0, NULL, NULL, never, NULL, NULL),
                     BELAY_EFULL);
    for (int i = 0; i < MANY; i += 100)
        belay_rpc_cancel(calls[i].rpc);
    h2_start_again(&k.servers[0]);
    belay_channel_reset_backoff(k.channel);
    for (int i = 0; i < MANY; i++) {
        if (i % 100 == 0)
            continue;
        ck_until(&k, &calls[i].done);
        ck_good(&calls[i], "1");
    }
    assert_true(k.servers[0].accepted <= 8);
    assert_int_equal(k.servers[0].requests, MANY - MANY / 100);
    ck_close(&k);
    free(calls);
}

/* ---- streams ---- */

static void answer_all(struct h2_server *s)
{
    for (unsigned c = 0; c < s->accepted; c++) {
        for (unsigned r = 0; s->conns[c].fd >= 0 && r < s->conns[c].requests; r++)
            ck_answer(s, c, s->conns[c].ids[r], "1");
    }
}

static void further_connections_are_opened_where_streams_run_out(void **state)
{
    struct channel_kit k;
    struct ck_call calls[6];

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    k.servers[0].max = 2;
    k.servers[0].on_request = say_nothing;
    for (int i = 0; i < 6; i++)
        ck_begin(&k, &calls[i], NULL);
    ck_until_requests(&k, 0, 6);
    assert_int_equal(k.servers[0].accepted, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(k.servers[0].conns[i].requests, 2);
    answer_all(&k.servers[0]);
    for (int i = 0; i < 6; i++) {
        ck_until(&k, &calls[i].done);
        ck_good(&calls[i], "1");
    }
    ck_close(&k);
}

static void calls_wait_where_all_connections_are_full(void **state)
{
    struct belay_channel_options o = ck_options();
    struct channel_kit k;
    struct ck_call calls[5];

    (void)state;
    o.max_connections = 2;
    ck_open(&k, "ipv4:127.0.0.1:%1", &o);
    k.servers[0].max = 2;
    k.servers[0].on_request = say_nothing;
    for (int i = 0; i < 5; i++)
        ck_begin(&k, &calls[i], NULL);
    ck_until_requests(&k, 0, 4);
    ck_a_while(&k);
    assert_int_equal(k.servers[0].requests, 4);
    assert_int_equal(k.servers[0].accepted, 2);
    ck_answer(&k.servers[0], 0, 1, "1");
    ck_until_requests(&k, 0, 5);
    assert_true(calls[0].done);
    ck_close(&k);
}

static void a_limit_that_is_raised_lets_calls_go(void **state)
{
    struct belay_channel_options o = ck_options();
    struct channel_kit k;
    struct ck_call calls[2];

    (void)state;
    o.max_connections = 1;
    ck_open(&k, "ipv4:127.0.0.1:%1", &o);
    k.servers[0].max = 0;
    ck_begin(&k, &calls[0], NULL);
    ck_begin(&k, &calls[1], NULL);
    ck_until_state(&k, BELAY_CHANNEL_READY);
    ck_a_while(&k);
    assert_int_equal(k.servers[0].requests, 0);
    h2_setting(&k.servers[0], 0, 3, 10);
    ck_until(&k, &calls[1].done);
    ck_good(&calls[0], "1");
    ck_good(&calls[1], "1");
    ck_close(&k);
}

/* ---- GOAWAY ---- */

/* As nginx does: three requests to a connection. */
static void three_each(struct h2_server *s, unsigned conn, uint32_t id)
{
    ck_answer(s, conn, id, "1");
    if (s->conns[conn].requests == 3)
        h2_goaway(s, conn, id, 0);
}

static void a_server_that_ends_connections_often_loses_no_call(void **state)
{
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    k.servers[0].on_request = three_each;
    for (int i = 0; i < 9; i++) {
        ck_call(&k, &call);
        ck_good(&call, "1");
    }
    assert_int_equal(k.servers[0].accepted, 3);
    ck_close(&k);
}

/* The first two of four, though all have been sent. */
static void only_two(struct h2_server *s, unsigned conn, uint32_t id)
{
    if (conn > 0) {
        ck_answer(s, conn, id, "1");
    } else if (s->conns[0].requests == 4) {
        h2_goaway(s, 0, 3, 0);
        ck_answer(s, 0, 1, "1");
        ck_answer(s, 0, 3, "1");
    }
}

static void calls_that_a_goaway_turned_away_go_elsewhere(void **state)
{
    struct channel_kit k;
    struct ck_call calls[4];

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    k.servers[0].on_request = only_two;
    for (int i = 0; i < 4; i++)
        ck_begin(&k, &calls[i], NULL);
    for (int i = 0; i < 4; i++) {
        ck_until(&k, &calls[i].done);
        ck_good(&calls[i], "1");
    }
    assert_int_equal(k.servers[0].conns[0].requests, 4);
    assert_int_equal(k.servers[0].conns[1].requests, 2);
    ck_until_closed(&k, 0, 0);
    ck_close(&k);
}

static void a_call_that_runs_outlasts_the_goaway(void **state)
{
    struct channel_kit k;
    struct ck_call first, second;

    (void)state;
    open_with_a_call(&k, NULL, &first, NULL);
    h2_goaway(&k.servers[0], 0, 1, 0);
    ck_until_state(&k, BELAY_CHANNEL_IDLE);
    ck_begin(&k, &second, NULL);
    ck_until_requests(&k, 0, 2);
    ck_answer(&k.servers[0], 1, 1, "new");
    ck_until(&k, &second.done);
    ck_good(&second, "new");
    assert_false(first.done);
    ck_answer(&k.servers[0], 0, 1, "old");
    ck_until(&k, &first.done);
    ck_good(&first, "old");
    ck_until_closed(&k, 0, 0);
    assert_true(k.servers[0].conns[1].fd >= 0);
    ck_close(&k);
}

/* ---- time without calls ---- */

static void a_channel_without_calls_disconnects_after_a_while(void **state)
{
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    ck_call(&k, &call);
    ck_forward(&k, 1790000);
    ck_a_while(&k);
    assert_int_equal(belay_channel_get_state(k.channel), BELAY_CHANNEL_READY);
    ck_forward(&k, 11000);
    ck_until_state(&k, BELAY_CHANNEL_IDLE);
    ck_until_closed(&k, 0, 0);
    ck_call(&k, &call);
    ck_good(&call, "1");
    ck_close(&k);
}

static void a_call_under_way_keeps_the_connection(void **state)
{
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    open_with_a_call(&k, NULL, &call, NULL);
    ck_forward(&k, 4000000);
    ck_a_while(&k);
    assert_int_equal(belay_channel_get_state(k.channel), BELAY_CHANNEL_READY);
    answer_all(&k.servers[0]);
    ck_until(&k, &call.done);
    ck_good(&call, "1");
    ck_close(&k);
}

static void a_dead_server_is_found_out_by_keepalive(void **state)
{
    struct belay_channel_options o = ck_options();
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    o.keepalive_ms = 10000;
    open_with_a_call(&k, &o, &call, NULL);
    k.servers[0].no_pong = true;
    ck_forward(&k, 10100);
    ck_a_while(&k);
    assert_int_equal(k.servers[0].conns[0].got[H2_PING], 1);
    ck_forward(&k, 20100);
    ck_until(&k, &call.done);
    ck_bad(&call, BELAY_GRPC_UNAVAILABLE);
    ck_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_may_wait_outlasts_a_failure),
        cmocka_unit_test(reset_backoff_tries_at_once),
        cmocka_unit_test(a_deadline_ends_the_wait_for_a_connection),
        cmocka_unit_test(an_attempt_that_lasts_too_long_has_failed),
        cmocka_unit_test(a_cancelled_call_leaves_the_queue),
        cmocka_unit_test(no_more_than_max_calls_are_accepted),
        cmocka_unit_test(a_server_that_resets_at_the_deadline_was_late),
        cmocka_unit_test(ten_thousand_calls_may_wait),
        cmocka_unit_test(further_connections_are_opened_where_streams_run_out),
        cmocka_unit_test(calls_wait_where_all_connections_are_full),
        cmocka_unit_test(a_limit_that_is_raised_lets_calls_go),
        cmocka_unit_test(a_server_that_ends_connections_often_loses_no_call),
        cmocka_unit_test(calls_that_a_goaway_turned_away_go_elsewhere),
        cmocka_unit_test(a_call_that_runs_outlasts_the_goaway),
        cmocka_unit_test(a_channel_without_calls_disconnects_after_a_while),
        cmocka_unit_test(a_call_under_way_keeps_the_connection),
        cmocka_unit_test(a_dead_server_is_found_out_by_keepalive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
