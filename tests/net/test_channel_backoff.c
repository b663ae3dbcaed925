/* SPDX-License-Identifier: MIT */
/* The connection backoff protocol, as gRPC's reconnect case looks at it: when a server that ends each
 * connection at once sees the next. */
#include "channel_kit.h"

#define ATTEMPTS 14

/* From the first of these to the n-th attempt, where each gap is so much of what the protocol says. */
static int64_t after(int n, int64_t delay, int64_t most, int percent)
{
    double gap = (double)delay, sum = 0;

    for (int i = 0; i < n; i++) {
        sum += (gap < (double)most ? gap : (double)most) * percent / 100;
        gap *= 1.6;
    }
    return (int64_t)sum;
}

/* The server's connections are gone, and it listens again. */
static void restart(struct channel_kit *k)
{
    h2_vanish(&k->servers[0]);
    k->servers[0].accepted = 0;
    h2_start_again(&k->servers[0]);
}

/* When the server has seen an attempt, which it ends; in steps of the clock. */
static int64_t attempt(struct channel_kit *k, int64_t step, int64_t most)
{
    int64_t end = belay_loop_now_ms(k->loop) + most, at;

    k->servers[0].silent = true;
    while (k->servers[0].accepted == 0) {
        ck_forward(k, step);
        ck_turn(k);
        if (belay_loop_now_ms(k->loop) > end)
            fail_msg("no attempt within %d ms", (int)most);
    }
    at = belay_loop_now_ms(k->loop);
    restart(k);
    k->servers[0].silent = false;
    return at;
}

/* Twelve minutes, in a second: 1 s, x 1.6, at most 120 s, give or take 20 %. */
static void a_channel_backs_off_as_the_protocol_says(void **state)
{
    struct belay_rpc_options wait = belay_rpc_options_init();
    int64_t gaps[ATTEMPTS], before, now;
    struct channel_kit k;
    struct ck_call call;
    int odd = 0;

    (void)state;
    wait.wait_for_ready = true;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    k.hurried = true;
    ck_begin(&k, &call, &wait);
    before = attempt(&k, 0, 1000);
    for (int i = 0; i < ATTEMPTS; i++, before = now) {
        int64_t ideal = after(i + 1, 1000, 120000, 100) - after(i, 1000, 120000, 100);

        now = attempt(&k, ideal / 200, 2 * ideal);
        gaps[i] = now - before;
        assert_in_range(gaps[i], ideal * 79 / 100 - 100, ideal * 121 / 100 + 100);
        odd += gaps[i] < ideal * 98 / 100 || gaps[i] > ideal * 102 / 100;
    }
    assert_true(odd > 3); /* spread, not all at the same time */
    assert_false(call.done);
    while (k.servers[0].requests == 0) {
        ck_forward(&k, 1000);
        ck_a_while(&k);
    }
    ck_until(&k, &call.done);
    ck_good(&call, "1");
    ck_close(&k);
}

/* A connection that served begins it anew. */
static void after_a_success_it_begins_anew(void **state)
{
    struct belay_rpc_options wait = belay_rpc_options_init();
    struct channel_kit k;
    struct ck_call call;
    int64_t before;

    (void)state;
    wait.wait_for_ready = true;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    ck_begin(&k, &call, &wait);
    before = attempt(&k, 0, 1000);
    for (int i = 0; i < 4; i++)
        before = attempt(&k, 20, 8000);
    while (!call.done) {
        ck_forward(&k, 100);
        ck_turn(&k);
    }
    ck_good(&call, "1");
    restart(&k);
    ck_forward(&k, 200000); /* long after */
    ck_a_while(&k);
    ck_begin(&k, &call, &wait);
    attempt(&k, 0, 1000);
    before = belay_loop_now_ms(k.loop);
    assert_in_range(attempt(&k, 10, 3000) - before, 700, 1400);
    belay_rpc_cancel(call.rpc);
    ck_close(&k);
}

/* The same by the clock on the wall, a hundredth of it. */
static void in_real_time_too(void **state)
{
    struct belay_channel_options o = ck_options();
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_rpc_options wait = belay_rpc_options_init();
    struct channel_kit k;
    struct ck_call call;
    int64_t begin, now;

    (void)state;
    backoff.delay_ms = 10;
    backoff.delay_max_ms = 400;
    o.backoff = &backoff;
    wait.wait_for_ready = true;
    ck_open(&k, "ipv4:127.0.0.1:%1", &o);
    begin = belay_loop_now_ms(k.loop);
    ck_begin(&k, &call, &wait);
    for (int i = 0; i <= 10; i++) {
        now = attempt(&k, 0, 3000) - begin;
        assert_in_range(now, after(i, 10, 400, 79), after(i, 10, 400, 121) + 300 + 20 * i);
    }
    belay_rpc_cancel(call.rpc);
    ck_close(&k);
}

static void turn_away(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)id;
    h2_goaway(s, conn, 0, 0);
}

/* Each is attempted twice, and the second attempt waits for its connection. */
static void a_server_that_turns_every_call_away_is_not_dialled_without_pause(void **state)
{
    struct belay_rpc_options wait = belay_rpc_options_init();
    struct ck_call first, second;
    struct channel_kit k;

    (void)state;
    wait.wait_for_ready = true;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    k.servers[0].on_request = turn_away;
    ck_begin(&k, &first, &wait);
    ck_until_requests(&k, 0, 1);
    ck_a_while(&k);
    assert_int_equal(k.servers[0].accepted, 1);
    ck_forward(&k, 1000);
    ck_until(&k, &first.done);
    ck_bad(&first, BELAY_GRPC_UNAVAILABLE);
    ck_begin(&k, &second, &wait);
    ck_a_while(&k);
    assert_int_equal(k.servers[0].accepted, 2);
    ck_forward(&k, 1000);
    ck_until_requests(&k, 0, 3);
    belay_rpc_cancel(second.rpc);
    ck_close(&k);
}

static void reset_and_leave(struct h2_server *s, unsigned conn, uint32_t id)
{
    h2_reset(s, conn, id, 8); /* CANCEL */
    h2_goaway(s, conn, id, 0);
}

static void call_again(const void *response, size_t len, const struct belay_rpc_result *result,
                       void *arg)
{
    struct channel_kit *k = arg;

    (void)response, (void)len, (void)result;
    if (k->closed)
        return;
    assert_int_equal(
        belay_channel_unary(k->channel, "/test.Echo/Say", "", 0, NULL, NULL, call_again, k, NULL),
        0);
}

/* What is known to be going away is not full: no other is opened beside it. */
static void who_calls_again_at_once_does_not_make_it_dial_without_pause(void **state)
{
    struct channel_kit k;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    k.servers[0].on_request = reset_and_leave;
    call_again(NULL, 0, NULL, &k);
    ck_until_requests(&k, 0, 1);
    for (int i = 0; i < 10; i++)
        ck_a_while(&k);
    assert_int_equal(k.servers[0].accepted, 1);
    ck_forward(&k, 1300);
    ck_until_accepted(&k, 0, 2);
    k.closed = true; /* it is not called again */
    ck_a_while(&k);
    k.closed = false;
    ck_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_backs_off_as_the_protocol_says),
        cmocka_unit_test(after_a_success_it_begins_anew),
        cmocka_unit_test(in_real_time_too),
        cmocka_unit_test(a_server_that_turns_every_call_away_is_not_dialled_without_pause),
        cmocka_unit_test(who_calls_again_at_once_does_not_make_it_dial_without_pause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
