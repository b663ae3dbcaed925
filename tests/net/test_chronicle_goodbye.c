/* SPDX-License-Identifier: MIT */
/* A server that sends its connections away (GOAWAY): the calls it has are not lost with them. */
#include "chronicle_kit.h"

static void say_nothing(struct h2_server *s, unsigned conn, uint32_t id)
{
    (void)s, (void)conn, (void)id;
}

static void answer_new(struct h2_server *s, unsigned conn, uint32_t id)
{
    ck_answer(s, conn, id, "new");
}

static void never(const void *response, size_t len, const struct belay_rpc_result *result,
                  void *arg)
{
    (void)response, (void)len, (void)result, (void)arg;
    fail_msg("a call that was refused is answered");
}

static void set(void *flag)
{
    *(bool *)flag = true;
}

/* Connected without functions of the caller's, with a call that the server has and does not answer. */
static void open_with_a_call(struct chronicle_kit *k, struct ck_call *call)
{
    chk_open(k);
    k->net.hurried = true;
    k->options.functions = NULL;
    k->net.servers[0].on_request = say_nothing;
    chk_up(k);
    k->net.channel = belay_chronicle_channel(k->c);
    ck_begin(&k->net, call, NULL);
    k->net.channel = NULL;
    ck_until_requests(&k->net, 0, 1);
}

static void be_sent_away(struct chronicle_kit *k)
{
    h2_goaway(&k->net.servers[0], 0, 1, 0);
    CHK_UNTIL(k, !belay_chronicle_connected(k->c));
}

static void until_connected_again(struct chronicle_kit *k)
{
    for (int i = 0; !belay_chronicle_connected(k->c); i++) {
        assert_true(i < 5000);
        ck_turn(&k->net);
        ck_forward(&k->net, 10);
    }
}

static void calls_under_way_finish_beside_the_next_session(void **state)
{
    struct chronicle_kit k;
    struct ck_call call;

    (void)state;
    open_with_a_call(&k, &call);
    be_sent_away(&k);
    until_connected_again(&k);
    chk_a_while(&k);
    assert_false(call.done);
    assert_true(k.net.servers[0].conns[0].fd >= 0);
    ck_answer(&k.net.servers[0], 0, 1, "late");
    CHK_UNTIL(&k, call.done);
    ck_good(&call, "late");
    ck_until_closed(&k.net, 0, 0);
    assert_true(belay_chronicle_connected(k.c));
    chk_close(&k);
}

/* Which is attempted again, on that channel: it is CONNECTING, and not IDLE. */
static void a_call_that_was_refused_meanwhile_takes_nothing_from_the_others(void **state)
{
    struct ck_call call, refused;
    struct chronicle_kit k;

    (void)state;
    open_with_a_call(&k, &call);
    k.net.channel = belay_chronicle_channel(k.c);
    ck_begin(&k.net, &refused, NULL);
    k.net.channel = NULL;
    ck_until_requests(&k.net, 0, 2);
    k.net.servers[0].on_request = answer_new;
    be_sent_away(&k); /* with the first alone */
    until_connected_again(&k);
    CHK_UNTIL(&k, refused.done);
    ck_good(&refused, "new");
    assert_false(call.done);
    ck_answer(&k.net.servers[0], 0, 1, "late");
    CHK_UNTIL(&k, call.done);
    ck_good(&call, "late");
    chk_close(&k);
}

static void one_that_is_replaced_is_closed_with_its_calls(void **state)
{
    struct chronicle_kit k;
    struct ck_call call;

    (void)state;
    open_with_a_call(&k, &call);
    belay_chronicle_reconnect(k.c);
    CHK_UNTIL(&k, call.done);
    ck_bad(&call, BELAY_GRPC_CANCELLED);
    chk_close(&k);
}

static void its_end_ends_those_that_were_left_to_finish(void **state)
{
    struct chronicle_kit k;
    struct ck_call call;

    (void)state;
    for (int i = 0; i < 2; i++) { /* while it dials, or is connected again */
        open_with_a_call(&k, &call);
        be_sent_away(&k);
        if (i == 1)
            until_connected_again(&k);
        assert_false(call.done);
        chk_close(&k); /* which waits for it */
        assert_int_equal(call.dones, 1);
        ck_bad(&call, BELAY_GRPC_CANCELLED);
    }
}

static void a_channel_that_is_sent_away_takes_no_further_calls(void **state)
{
    struct chronicle_kit k;
    struct ck_call call;
    struct belay_channel *former;
    struct belay_error error;

    (void)state;
    open_with_a_call(&k, &call);
    former = belay_channel_ref(belay_chronicle_channel(k.c));
    be_sent_away(&k);
    assert_int_equal(
        belay_channel_unary(former, "/test.Echo/Say", NULL, 0, NULL, NULL, never, NULL, &error),
        BELAY_ECLOSED);
    assert_false(call.done);
    belay_channel_unref(former);
    chk_close(&k);
}

/* Whoever was lent it may close it, too. */
static void one_that_is_closed_by_others_is_waited_for_no_longer(void **state)
{
    struct chronicle_kit k;
    struct ck_call call;
    struct belay_channel *former;
    bool closed = false;

    (void)state;
    open_with_a_call(&k, &call);
    former = belay_channel_ref(belay_chronicle_channel(k.c));
    be_sent_away(&k);
    belay_channel_close(former, set, &closed);
    belay_channel_unref(former);
    CHK_UNTIL(&k, closed);
    ck_bad(&call, BELAY_GRPC_CANCELLED);
    chk_close(&k);
}

/* Without room to remember it in it is closed, like one that was lost. */
static void each_allocation_may_fail_meanwhile(void **state)
{
    unsigned finished = 0, cancelled = 0;
    bool failed = true;

    (void)state;
    for (size_t n = 1; failed; n++) {
        struct chronicle_kit k;
        struct ck_call call;

        open_with_a_call(&k, &call);
        failing_alloc_once(&k.net.memory, n);
        be_sent_away(&k);
        until_connected_again(&k);
        failed = failing_alloc_failures(&k.net.memory) > 0;
        failing_alloc_once(&k.net.memory, 0);
        if (!call.done)
            ck_answer(&k.net.servers[0], 0, 1, "late");
        CHK_UNTIL(&k, call.done);
        finished += call.status == BELAY_GRPC_OK;
        cancelled += call.status == BELAY_GRPC_CANCELLED;
        chk_close(&k);
        assert_int_equal(call.dones, 1);
    }
    assert_true(finished > 0);
    assert_true(cancelled > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_under_way_finish_beside_the_next_session),
        cmocka_unit_test(a_call_that_was_refused_meanwhile_takes_nothing_from_the_others),
        cmocka_unit_test(one_that_is_replaced_is_closed_with_its_calls),
        cmocka_unit_test(its_end_ends_those_that_were_left_to_finish),
        cmocka_unit_test(a_channel_that_is_sent_away_takes_no_further_calls),
        cmocka_unit_test(one_that_is_closed_by_others_is_waited_for_no_longer),
        cmocka_unit_test(each_allocation_may_fail_meanwhile),
    };
    return cmocka_run_group_tests_name("net_chronicle_goodbye", tests, NULL, NULL);
}
