/* SPDX-License-Identifier: MIT */
/* What a channel says of itself, and those who wait for it to say something else. */
#include "channel_kit.h"

#include <stdlib.h>

#include "grpc/channel.h"

static void say_nothing(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)s, (void)conn, (void)id;
}

/* ---- statistics ---- */

static struct belay_channel_stats stats_of(const struct channel_kit *k)
{
    struct belay_channel_stats s = belay_channel_stats_init();

    belay_channel_get_stats(k->channel, &s);
    assert_int_equal(s.size, sizeof s);
    return s;
}

static void calls_and_connections_are_counted(void **state)
{
    struct belay_channel_options o = ck_options();
    struct belay_channel_stats s;
    struct channel_kit k;
    struct ck_call calls[5];

    (void)state;
    o.max_connections = 1;
    ck_open(&k, "ipv4:127.0.0.1:%1", &o);
    s = stats_of(&k);
    assert_int_equal(s.state, BELAY_CHANNEL_IDLE);
    assert_int_equal(s.calls + s.addresses + s.connections, 0);
    k.servers[0].max = 2;
    k.servers[0].on_request = say_nothing;
    for (int i = 0; i < 5; i++)
        ck_begin(&k, &calls[i], NULL);
    ck_until_requests(&k, 0, 2);
    s = stats_of(&k);
    assert_int_equal(s.state, BELAY_CHANNEL_READY);
    assert_int_equal(s.addresses, 1);
    assert_int_equal(s.connections, 1);
    assert_int_equal(s.connected, 1);
    assert_int_equal(s.lookups, 1);
    assert_int_equal(s.calls, 5);
    assert_int_equal(s.waiting, 3);
    belay_rpc_cancel(calls[4].rpc);
    ck_answer(&k.servers[0], 0, 1, "1");
    ck_status(&k.servers[0], 0, 3, BELAY_GRPC_NOT_FOUND, "");
    ck_until_requests(&k, 0, 4);
    s = stats_of(&k);
    assert_int_equal(s.calls, 2);
    assert_int_equal(s.waiting, 0);
    assert_int_equal(s.calls_started, 5);
    assert_int_equal(s.calls_ok, 1);
    assert_int_equal(s.calls_failed, 1);
    assert_int_equal(s.calls_cancelled, 1);
    h2_goaway(&k.servers[0], 0, 7, 0);
    ck_until_state(&k, BELAY_CHANNEL_IDLE);
    s = stats_of(&k);
    assert_int_equal(s.connections, 0);
    assert_int_equal(s.ending, 1);
    assert_non_null(strstr(k.error.text, "GOAWAY"));
    ck_close(&k);
}

static void failures_and_retries_are_counted(void **state)
{
    struct belay_channel_stats s;
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    h2_vanish(&k.servers[0]);
    ck_call(&k, &call);
    ck_bad(&call, BELAY_GRPC_UNAVAILABLE);
    s = stats_of(&k);
    assert_int_equal(s.connect_failed, 1);
    assert_int_equal(s.connected, 0);
    assert_int_equal(s.calls_failed, 1);
    assert_int_equal(s.retries, 0);
    h2_start_again(&k.servers[0]);
    belay_channel_reset_backoff(k.channel);
    k.servers[0].on_request = say_nothing;
    ck_until_state(&k, BELAY_CHANNEL_READY);
    ck_begin(&k, &call, NULL);
    ck_until_requests(&k, 0, 1);
    h2_reset(&k.servers[0], 0, 1, 7); /* REFUSED_STREAM */
    ck_until_requests(&k, 0, 2);
    assert_int_equal(stats_of(&k).retries, 1);
    ck_close(&k);
}

/* ---- two who watch ---- */

static void keep(struct belay_channel *channel, enum belay_channel_state state,
                 const struct belay_error *error, void *arg)
{
    unsigned *ready = arg;

    (void)error;
    if (state == BELAY_CHANNEL_READY)
        ++*ready;
    else if (state == BELAY_CHANNEL_IDLE)
        belay_channel_close(channel, NULL, NULL);
}

/* Who lends the channel hears of it before the one who has it. */
static void a_watch_is_not_the_keeper_s(void **state)
{
    struct channel_kit k;
    unsigned ready = 0;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    belay_channel_ref(k.channel);
    bl_channel_keep(k.channel, keep, &ready);
    belay_channel_connect(k.channel);
    ck_until_state(&k, BELAY_CHANNEL_READY);
    assert_int_equal(ready, 1);
    assert_int_equal(k.states[k.states_n - 1], BELAY_CHANNEL_READY);
    h2_hang_up(&k.servers[0], 0);
    ck_until_state(&k, BELAY_CHANNEL_SHUTDOWN);
    ck_a_while(&k);
    assert_int_equal(k.states[k.states_n - 1], BELAY_CHANNEL_SHUTDOWN);
    assert_int_equal(k.states[k.states_n - 2], BELAY_CHANNEL_READY);
    belay_channel_unref(k.channel);
    k.channel = NULL;
    ck_close(&k);
}

/* ---- waiting ---- */

static void close_it(void *arg)
{
    struct channel_kit *k = arg;

    belay_channel_close(k->channel, NULL, NULL);
}

static void who_waits_for_a_change_hears_of_it(void **state)
{
    enum belay_channel_state s = BELAY_CHANNEL_IDLE;
    struct channel_kit k;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    h2_vanish(&k.servers[0]);
    assert_int_equal(belay_channel_change_wait(k.channel, (enum belay_channel_state)0, 10, &s),
                     BELAY_EINVAL);
    assert_int_equal(belay_channel_change_wait(k.channel, BELAY_CHANNEL_IDLE, 20, &s),
                     BELAY_ETIMEDOUT); /* that does not connect */
    assert_int_equal(belay_channel_change_wait(k.channel, BELAY_CHANNEL_READY, 20, &s), 0);
    assert_int_equal(s, BELAY_CHANNEL_IDLE);
    belay_channel_connect(k.channel);
    assert_int_equal(belay_channel_change_wait(k.channel, BELAY_CHANNEL_IDLE, 5000, &s), 0);
    if (s == BELAY_CHANNEL_CONNECTING) /* unless it was refused in the same turn */
        assert_int_equal(belay_channel_change_wait(k.channel, s, 5000, &s), 0);
    assert_int_equal(s, BELAY_CHANNEL_TRANSIENT_FAILURE);
    belay_channel_ref(k.channel);
    assert_int_equal(belay_loop_post(k.loop, close_it, &k), 0);
    assert_int_equal(belay_channel_change_wait(k.channel, s, 5000, &s), 0);
    assert_int_equal(s, BELAY_CHANNEL_SHUTDOWN);
    assert_int_equal(belay_channel_change_wait(k.channel, s, 5000, &s), BELAY_ECLOSED);
    ck_a_while(&k);
    belay_channel_unref(k.channel);
    k.channel = NULL;
    ck_close(&k);
}

/* ---- what its watch is told ---- */

static void a_failure_that_is_over_is_not_told_when_it_falls_asleep(void **state)
{
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_channel_options o = ck_options();
    struct channel_kit k;

    (void)state;
    backoff.delay_ms = 5;
    o.backoff = &backoff;
    o.idle_timeout_ms = 60000;
    ck_open(&k, "ipv4:127.0.0.1:%1", &o);
    h2_vanish(&k.servers[0]);
    belay_channel_connect(k.channel);
    ck_until_state(&k, BELAY_CHANNEL_TRANSIENT_FAILURE);
    assert_int_equal(k.error.code, BELAY_ECONNECT);
    h2_start_again(&k.servers[0]);
    ck_until_state(&k, BELAY_CHANNEL_READY);
    k.error.code = 0;
    ck_forward(&k, 60000);
    ck_until_state(&k, BELAY_CHANNEL_IDLE);
    ck_a_while(&k);
    assert_int_equal(k.states[k.states_n - 1], BELAY_CHANNEL_IDLE);
    assert_int_equal(k.error.code, 0);
    ck_close(&k);
}

static void what_was_lost_beside_others_is_not_told_when_it_falls_asleep(void **state)
{
    struct belay_channel_options o = ck_options();
    struct channel_kit k;

    (void)state;
    o.lb_policy = BELAY_ROUND_ROBIN;
    o.idle_timeout_ms = 60000;
    ck_open(&k, "ipv4:127.0.0.1:%1,127.0.0.1:%2", &o);
    belay_channel_connect(k.channel);
    ck_until_accepted(&k, 0, 1);
    ck_until_accepted(&k, 1, 1);
    ck_a_while(&k);
    h2_hang_up(&k.servers[1], 0);
    ck_forward(&k, 1300); /* it was of no use yet */
    ck_until_accepted(&k, 1, 2);
    ck_a_while(&k);
    assert_int_equal(k.error.code, 0);
    ck_forward(&k, 60000);
    ck_until_state(&k, BELAY_CHANNEL_IDLE);
    ck_a_while(&k);
    assert_int_equal(k.error.code, 0);
    ck_close(&k);
}

/* Where a call waits for room the channel is not seen to be IDLE. */
static void why_a_connection_was_lost_is_told_also_where_the_next_is_wanted(void **state)
{
    struct belay_channel_options o = ck_options();
    struct channel_kit k;
    struct ck_call runs, waits;

    (void)state;
    o.max_connections = 1;
    ck_open(&k, "ipv4:127.0.0.1:%1", &o);
    k.servers[0].max = 1;
    k.servers[0].on_request = say_nothing;
    ck_begin(&k, &runs, NULL);
    ck_until_requests(&k, 0, 1);
    ck_begin(&k, &waits, NULL);
    ck_a_while(&k);
    h2_hang_up(&k.servers[0], 0);
    ck_until(&k, &runs.done);
    ck_until_requests(&k, 0, 2);
    for (unsigned i = 0; i < k.states_n; i++)
        assert_int_not_equal(k.states[i], BELAY_CHANNEL_IDLE);
    assert_int_not_equal(k.error.code, 0);
    ck_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_and_connections_are_counted),
        cmocka_unit_test(failures_and_retries_are_counted),
        cmocka_unit_test(a_watch_is_not_the_keeper_s),
        cmocka_unit_test(who_waits_for_a_change_hears_of_it),
        cmocka_unit_test(a_failure_that_is_over_is_not_told_when_it_falls_asleep),
        cmocka_unit_test(what_was_lost_beside_others_is_not_told_when_it_falls_asleep),
        cmocka_unit_test(why_a_connection_was_lost_is_told_also_where_the_next_is_wanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
