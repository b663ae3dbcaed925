/* SPDX-License-Identifier: MIT */
/* Channels over several addresses: which one a call goes to, and what becomes of dead ones. */
#include "channel_kit.h"

#include <stdio.h>

static struct belay_channel_options round_robin(void)
{
    struct belay_channel_options o = ck_options();

    o.lb_policy = BELAY_ROUND_ROBIN;
    return o;
}

static void a_channel_does_not_connect_before_it_is_used(void **state)
{
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    ck_a_while(&k);
    assert_int_equal(ck_accepted(&k), 0);
    assert_int_equal(belay_channel_get_state(k.channel), BELAY_CHANNEL_IDLE);
    ck_call(&k, &call);
    ck_good(&call, "1");
    assert_int_equal(call.attempts, 1);
    assert_int_equal(belay_channel_get_state(k.channel), BELAY_CHANNEL_READY);
    assert_int_equal(k.states[k.states_n - 1], BELAY_CHANNEL_READY);
    ck_close(&k);
}

static void pick_first_stays_with_the_first_address(void **state)
{
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1,127.0.0.1:%2", NULL);
    for (int i = 0; i < 5; i++) {
        ck_call(&k, &call);
        ck_good(&call, "1");
    }
    assert_int_equal(ck_accepted(&k), 1);
    ck_close(&k);
}

static void pick_first_passes_over_a_dead_address(void **state)
{
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1,127.0.0.1:%2", NULL);
    h2_vanish(&k.servers[0]);
    ck_call(&k, &call);
    ck_good(&call, "2");
    assert_int_equal(k.servers[1].accepted, 1);
    ck_close(&k);
}

static void pick_first_does_not_wait_long_for_a_silent_address(void **state)
{
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1,127.0.0.1:%2", NULL);
    k.servers[0].silent = true;
    ck_begin(&k, &call, NULL);
    ck_until_accepted(&k, 0, 1);
    ck_forward(&k, 250);
    ck_until(&k, &call.done);
    ck_good(&call, "2");
    ck_until_closed(&k, 0, 0); /* the attempt is not wanted any more */
    ck_close(&k);
}

static void a_channel_without_a_live_address_fails_its_calls(void **state)
{
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1,127.0.0.1:%2", NULL);
    h2_vanish(&k.servers[0]);
    h2_vanish(&k.servers[1]);
    ck_call(&k, &call);
    ck_bad(&call, BELAY_GRPC_UNAVAILABLE);
    assert_non_null(strstr(call.message, "connection refused"));
    assert_int_equal(belay_channel_get_state(k.channel), BELAY_CHANNEL_TRANSIENT_FAILURE);
    assert_int_equal(k.error.code, BELAY_ECONNECT);
    ck_call(&k, &call); /* at once */
    ck_bad(&call, BELAY_GRPC_UNAVAILABLE);
    ck_close(&k);
}

static void round_robin_goes_to_each_address_in_turn(void **state)
{
    struct belay_channel_options o = round_robin();
    struct channel_kit k;
    struct ck_call call;
    int seen[CK_SERVERS] = {0};

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1,127.0.0.1:%2,127.0.0.1:%3", &o);
    belay_channel_connect(k.channel);
    ck_until_state(&k, BELAY_CHANNEL_READY);
    ck_a_while(&k);
    for (int i = 0; i < 9; i++) {
        ck_call(&k, &call);
        assert_int_equal(call.status, BELAY_GRPC_OK);
        seen[call.response[0] - '1']++;
    }
    for (int i = 0; i < CK_SERVERS; i++)
        assert_int_equal(seen[i], 3);
    assert_int_equal(ck_accepted(&k), 3);
    ck_close(&k);
}

static void round_robin_leaves_out_what_is_dead_and_takes_it_back(void **state)
{
    struct belay_channel_options o = round_robin();
    struct channel_kit k;
    struct ck_call call;
    bool seen = false;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1,127.0.0.1:%2", &o);
    h2_vanish(&k.servers[0]);
    for (int i = 0; i < 4; i++) {
        ck_call(&k, &call);
        ck_good(&call, "2");
    }
    h2_start_again(&k.servers[0]);
    ck_forward(&k, 1300);
    ck_until_accepted(&k, 0, 1);
    ck_a_while(&k);
    for (int i = 0; i < 2; i++) {
        ck_call(&k, &call);
        seen |= strcmp(call.response, "1") == 0;
    }
    assert_true(seen);
    ck_close(&k);
}

/* A server that is restarted: the channel is IDLE until the next call. */
static void a_lost_connection_is_opened_again_by_the_next_call(void **state)
{
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    ck_call(&k, &call);
    ck_good(&call, "1");
    h2_vanish(&k.servers[0]);
    ck_until_state(&k, BELAY_CHANNEL_IDLE);
    h2_start_again(&k.servers[0]);
    ck_a_while(&k);
    assert_int_equal(k.servers[0].accepted, 1);
    ck_call(&k, &call);
    ck_good(&call, "1");
    assert_int_equal(k.servers[0].accepted, 2);
    ck_close(&k);
}

static void addresses_that_go_away_take_no_more_calls(void **state)
{
    struct belay_channel_options o = ck_options();
    struct belay_error error;
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
    belay_channel_close(k.channel, NULL, NULL);
    /* The same port at two addresses: only the second one has a server. */
    char target[64];
    snprintf(target, sizeof target, "dns:db.test:%d", k.servers[0].port);
    assert_int_equal(belay_channel_open(k.loop, target, &o, &k.channel, &error), 0);
    ck_begin(&k, &call, NULL);
    ck_turn(&k);
    fake_dns_answer_ips(fake_dns_find(&k.dns, "db.test", BELAY_DNS_A), "127.0.0.2");
    fake_dns_answer_ips(fake_dns_find(&k.dns, "db.test", BELAY_DNS_AAAA), "");
    ck_until(&k, &call.done);
    ck_bad(&call, BELAY_GRPC_UNAVAILABLE);
    ck_forward(&k, 1000); /* a name is looked up at most once per second */
    for (int i = 0; !fake_dns_find(&k.dns, "db.test", BELAY_DNS_A); i++) {
        assert_true(i < 20000);
        ck_turn(&k);
    }
    fake_dns_answer_ips(fake_dns_find(&k.dns, "db.test", BELAY_DNS_A), "127.0.0.1");
    fake_dns_answer_ips(fake_dns_find(&k.dns, "db.test", BELAY_DNS_AAAA), "");
    ck_until_state(&k, BELAY_CHANNEL_READY);
    ck_call(&k, &call);
    ck_good(&call, "1");
    ck_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_does_not_connect_before_it_is_used),
        cmocka_unit_test(pick_first_stays_with_the_first_address),
        cmocka_unit_test(pick_first_passes_over_a_dead_address),
        cmocka_unit_test(pick_first_does_not_wait_long_for_a_silent_address),
        cmocka_unit_test(a_channel_without_a_live_address_fails_its_calls),
        cmocka_unit_test(round_robin_goes_to_each_address_in_turn),
        cmocka_unit_test(round_robin_leaves_out_what_is_dead_and_takes_it_back),
        cmocka_unit_test(a_lost_connection_is_opened_again_by_the_next_call),
        cmocka_unit_test(addresses_that_go_away_take_no_more_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
