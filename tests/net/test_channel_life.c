/* SPDX-License-Identifier: MIT */
/* How channels are opened, watched, waited for, and ended. */
#include "channel_kit.h"

#include "belay/supervisor.h"

static void say_nothing(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)s, (void)conn, (void)id;
}

static int try_open(struct channel_kit *k, const char *target,
                    const struct belay_channel_options *o, struct belay_error *error)
{
    struct belay_channel *channel = NULL;
    int rc = belay_channel_open(k->loop, target, o, &channel, error);

    assert_int_equal(rc, error->code);
    assert_null(channel);
    return rc;
}

static void what_is_wrong_with_a_channel_is_named(void **state)
{
    struct belay_channel_options o = ck_options();
    struct belay_retry_policy retry = belay_retry_policy_init();
    struct belay_error error;
    struct channel_kit k;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    assert_int_equal(try_open(&k, "dns:", &o, &error), BELAY_EINVAL);
    assert_int_equal(try_open(&k, "ipv4:127.0.0.1:99999", &o, &error), BELAY_EINVAL);
    assert_int_equal(try_open(&k, "dns://192.0.2.1/db.test", &o, &error), BELAY_ENOTSUP);
    o.max_connections = -5;
    assert_int_equal(try_open(&k, "db.test:1", &o, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "max_connections"));
    o = ck_options();
    retry.attempts_max = 6;
    o.retry = &retry;
    assert_int_equal(try_open(&k, "db.test:1", &o, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "attempts_max"));
    o = ck_options();
    o.authority = "no/host";
    assert_int_equal(try_open(&k, "db.test:1", &o, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "authority"));
    ck_close(&k);
}

static void set(void *flag)
{
    *(bool *)flag = true;
}

static void calls_that_are_under_way_end_with_the_channel(void **state)
{
    struct belay_rpc_options o = belay_rpc_options_init();
    struct channel_kit k;
    struct ck_call running, waiting;
    bool told = false;

    (void)state;
    o.wait_for_ready = true;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    k.servers[0].max = 1;
    k.servers[0].on_request = say_nothing;
    ck_begin(&k, &running, &o);
    ck_until_requests(&k, 0, 1);
    ck_begin(&k, &waiting, &o);
    belay_channel_close(k.channel, NULL, NULL);
    assert_false(running.done || waiting.done);
    belay_channel_ref(k.channel);
    ck_until(&k, &running.done);
    ck_until(&k, &waiting.done);
    ck_bad(&running, BELAY_GRPC_CANCELLED);
    assert_int_equal(running.sent, BELAY_MAYBE_SENT);
    ck_bad(&waiting, BELAY_GRPC_CANCELLED);
    assert_int_equal(waiting.sent, BELAY_NOT_SENT);
    ck_until_state(&k, BELAY_CHANNEL_SHUTDOWN);
    assert_true(belay_channel_is_closed(k.channel));
    ck_a_while(&k);
    belay_channel_close(k.channel, set, &told); /* who asks later is told, too */
    ck_until(&k, &told);
    belay_channel_unref(k.channel);
    k.channel = NULL;
    ck_close(&k);
}

static void a_drained_channel_lets_calls_finish(void **state)
{
    struct belay_error error;
    struct channel_kit k;
    struct ck_call call, refused;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    k.servers[0].on_request = say_nothing;
    ck_begin(&k, &call, NULL);
    ck_until_requests(&k, 0, 1);
    belay_channel_drain(k.channel, NULL, NULL);
    assert_int_equal(belay_rpc_start(k.channel, "/a.B/C", NULL, NULL, &refused, NULL, &error),
                     BELAY_ECLOSED);
    ck_a_while(&k);
    assert_false(call.done);
    assert_true(k.servers[0].conns[0].fd >= 0);
    ck_answer(&k.servers[0], 0, 1, "1");
    ck_until(&k, &call.done);
    ck_good(&call, "1");
    k.channel = NULL;
    ck_until_closed(&k, 0, 0);
    ck_close(&k);
}

static void close_at_ready(struct belay_channel *channel, enum belay_channel_state state,
                           const struct belay_error *error, void *arg)
{
    bool *done = arg;

    (void)error;
    if (state == BELAY_CHANNEL_READY)
        belay_channel_close(channel, NULL, NULL);
    *done = state == BELAY_CHANNEL_SHUTDOWN;
}

static void a_channel_may_be_closed_by_its_watch(void **state)
{
    struct channel_kit k;
    bool done = false;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    belay_channel_watch(k.channel, close_at_ready, &done);
    belay_channel_connect(k.channel);
    ck_until(&k, &done);
    k.channel = NULL;
    ck_close(&k);
}

static void a_loop_ends_with_channels_in_every_state(void **state)
{
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    for (int turns = 0; turns < 12; turns++) {
        ck_open(&k, "ipv4:127.0.0.1:%1,127.0.0.1:%2", NULL);
        if (turns % 2)
            h2_vanish(&k.servers[0]);
        ck_begin(&k, &call, NULL);
        for (int i = 0; i < turns; i++)
            ck_turn(&k);
        k.channel = NULL;
        ck_close(&k);
        assert_int_equal(call.dones, 1);
    }
}

/* ---- waiting ---- */

static void who_waits_for_a_dead_server_is_told_why(void **state)
{
    struct belay_error error;
    struct channel_kit k;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    h2_vanish(&k.servers[0]);
    assert_int_equal(belay_channel_ready_wait(k.channel, 50, &error), BELAY_ETIMEDOUT);
    assert_non_null(strstr(error.text, "50 ms"));
    assert_non_null(strstr(error.text, "refused"));
    belay_channel_ref(k.channel);
    belay_channel_close(k.channel, NULL, NULL);
    assert_int_equal(belay_channel_ready_wait(k.channel, 50, &error), BELAY_ECLOSED);
    ck_a_while(&k);
    belay_channel_unref(k.channel);
    k.channel = NULL;
    ck_close(&k);
}

static void who_waits_keeps_the_channel_awake(void **state)
{
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_channel_options o = ck_options();
    struct belay_error error;
    struct channel_kit k;

    (void)state;
    backoff.delay_ms = 5;
    o.backoff = &backoff;
    o.idle_timeout_ms = 20;
    ck_open(&k, "ipv4:127.0.0.1:%1", &o);
    h2_vanish(&k.servers[0]);
    assert_int_equal(belay_channel_ready_wait(k.channel, 300, &error), BELAY_ETIMEDOUT);
    assert_int_not_equal(belay_channel_get_state(k.channel), BELAY_CHANNEL_IDLE);
    ck_close(&k);
}

static void who_waits_for_a_channel_that_is_ready_need_not(void **state)
{
    struct channel_kit k;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    belay_channel_connect(k.channel);
    ck_until_state(&k, BELAY_CHANNEL_READY);
    assert_int_equal(belay_channel_ready_wait(k.channel, 5000, NULL), 0);
    ck_close(&k);
}

/* ---- keepalive ---- */

/* gRFC A8: half as often, on all connections that follow. */
static void a_server_that_wants_fewer_pings_gets_fewer(void **state)
{
    static const char calm[] = "\0\0\0\1\0\0\0\013too_many_pings";
    struct belay_channel_options o = ck_options();
    struct channel_kit k;
    struct ck_call one, two;

    (void)state;
    o.keepalive_ms = 10000;
    ck_open(&k, "ipv4:127.0.0.1:%1", &o);
    k.servers[0].on_request = say_nothing;
    ck_begin(&k, &one, NULL);
    ck_until_requests(&k, 0, 1);
    ck_forward(&k, 10100);
    ck_a_while(&k);
    assert_int_equal(k.servers[0].conns[0].got[H2_PING], 1);
    h2_frame(&k.servers[0], 0, H2_GOAWAY, 0, 0, calm, sizeof calm - 1);
    ck_answer(&k.servers[0], 0, 1, "1");
    ck_until(&k, &one.done);
    ck_begin(&k, &two, NULL);
    ck_until_requests(&k, 0, 2);
    ck_forward(&k, 10100);
    ck_a_while(&k);
    assert_int_equal(k.servers[0].conns[1].got[H2_PING], 0);
    ck_forward(&k, 10000);
    ck_a_while(&k);
    assert_int_equal(k.servers[0].conns[1].got[H2_PING], 1);
    ck_close(&k);
}

/* ---- under a supervisor ---- */

struct opened {
    struct belay_channel *channel;
    bool done;
};

static void on_open(struct belay_channel *channel, void *arg)
{
    struct opened *opened = arg;

    opened->channel = channel;
    opened->done = true;
}

static void a_supervisor_keeps_a_channel(void **state)
{
    struct belay_channel_options o = ck_options();
    struct belay_child_spec spec;
    struct belay_error error;
    struct opened opened = {0};
    struct channel_kit k;
    struct belay_supervisor *supervisor;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    assert_int_equal(
        belay_channel_child_spec("ipv4:127.0.0.1:1", &o, on_open, &opened, &spec, &error), 0);
    assert_int_equal(belay_supervisor_open(k.loop, NULL, &supervisor, &error), 0);
    assert_int_equal(belay_supervisor_start_child(supervisor, &spec, NULL, NULL, NULL, &error), 0);
    ck_until(&k, &opened.done);
    opened.done = false;
    belay_channel_close(opened.channel, NULL, NULL); /* it is permanent */
    ck_until(&k, &opened.done);
    belay_supervisor_close(supervisor, NULL, NULL);
    ck_a_while(&k);
    assert_int_equal(belay_channel_child_spec("dns:", &o, on_open, &opened, &spec, &error),
                     BELAY_EINVAL);
    ck_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_with_a_channel_is_named),
        cmocka_unit_test(calls_that_are_under_way_end_with_the_channel),
        cmocka_unit_test(a_drained_channel_lets_calls_finish),
        cmocka_unit_test(a_channel_may_be_closed_by_its_watch),
        cmocka_unit_test(a_loop_ends_with_channels_in_every_state),
        cmocka_unit_test(who_waits_for_a_dead_server_is_told_why),
        cmocka_unit_test(who_waits_keeps_the_channel_awake),
        cmocka_unit_test(who_waits_for_a_channel_that_is_ready_need_not),
        cmocka_unit_test(a_server_that_wants_fewer_pings_gets_fewer),
        cmocka_unit_test(a_supervisor_keeps_a_channel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
