/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of a channel's story fails once: each call then ends once, well or not, and
 * nothing is left.
 */
#include "channel_kit.h"

#include <stdio.h>

/* The second request of a connection is refused, the fourth its last. */
static void moody(struct h2_server *s, unsigned conn, uint32_t id)
{
    unsigned n = s->conns[conn].requests;

    if (n == 2)
        h2_reset(s, conn, id, 7);
    else
        ck_answer(s, conn, id, "1");
    if (n == 4)
        h2_goaway(s, conn, id, 0);
}

static struct belay_channel_options options(bool health)
{
    static struct belay_retry_policy policy;
    struct belay_channel_options o = ck_options();

    policy = belay_retry_policy_init();
    policy.attempts_max = 3;
    policy.delay_ms = 1;
    o.retry = &policy;
    o.lb_policy = BELAY_ROUND_ROBIN;
    o.user_agent = "test";
    o.authority = "db.test";
    o.health_service = health ? "test.Echo" : NULL;
    return o;
}

static void on_unary(const void *response, size_t len, const struct belay_rpc_result *result,
                     void *arg)
{
    int *dones = arg;

    (void)response, (void)len, (void)result;
    ++*dones;
}

#define CALLS 6

/* Whatever fails. */
static void story(struct channel_kit *k, struct belay_channel *channel)
{
    struct belay_rpc_options o = belay_rpc_options_init();
    int started = 0, dones = 0, rounds = 0;

    o.deadline_ms = 4000;
    o.wait_for_ready = true;
    for (int i = 0; i < CALLS; i++)
        started += belay_channel_unary(channel, "/test.Echo/Say", "hello", 5, &o, NULL, on_unary,
                                       &dones, NULL) == 0;
    while (dones < started) {
        assert_true(rounds++ < 2000);
        ck_turn(k);
        ck_forward(k, 10); /* deadlines come in any case */
    }
    assert_int_equal(dones, started);
}

static void each_allocation(bool health)
{
    struct belay_channel_options o = options(health);
    struct belay_channel *channel;
    struct belay_error error;
    struct channel_kit k;
    bool failed = true;
    char target[64];

    for (size_t n = 1; failed; n++) {
        ck_open(&k, "ipv4:127.0.0.1:%1", NULL);
        belay_channel_close(k.channel, NULL, NULL);
        k.channel = NULL;
        k.hurried = true;
        ck_a_while(&k);
        for (unsigned i = 0; i < CK_SERVERS; i++)
            k.servers[i].on_request = moody;
        snprintf(target, sizeof target, "ipv4:127.0.0.1:%d,127.0.0.1:%d", k.servers[0].port,
                 k.servers[1].port);
        failing_alloc_once(&k.memory, n);
        channel = NULL;
        if (belay_channel_open(k.loop, target, &o, &channel, &error) == 0) {
            story(&k, channel);
            k.channel = channel;
        } else {
            assert_int_equal(error.code, BELAY_ENOMEM);
        }
        failed = failing_alloc_failures(&k.memory) > 0;
        failing_alloc_once(&k.memory, 0);
        ck_close(&k);
    }
}

static void a_channel_outlasts_each_allocation_that_fails(void **state)
{
    (void)state;
    each_allocation(false);
}

static void a_watched_channel_outlasts_each_allocation_that_fails(void **state)
{
    (void)state;
    each_allocation(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_outlasts_each_allocation_that_fails),
        cmocka_unit_test(a_watched_channel_outlasts_each_allocation_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
