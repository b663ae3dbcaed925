/* SPDX-License-Identifier: MIT */
/* Servers that go away, in every phase of a call. */
#include "grpc_kit.h"

static struct grpc_kit k;

static unsigned last(struct grpc_kit *kit)
{
    return kit->h2.server.accepted - 1;
}

static void answer_well(struct grpc_kit *kit, uint32_t id)
{
    grpc_answer(kit, id, "good");
}

static void run(void (*on_request)(struct grpc_kit *kit, uint32_t id), int status, int attempts,
                unsigned conns)
{
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_rpc_options patient = belay_rpc_options_init();
    struct belay_channel_options o = grpc_options();
    struct rpc_call c = {0}, next = {0};

    memset(&k, 0, sizeof k);
    backoff.delay_ms = 5;
    o.backoff = &backoff;
    grpc_open(&k, &o);
    k.on_request = on_request;
    rpc_unary(&k, &c, NULL);
    rpc_ends(&c, status, "");
    assert_int_equal(c.attempts, attempts);
    k.on_request = answer_well;
    patient.wait_for_ready = true;
    rpc_unary(&k, &next, &patient);
    rpc_ends(&next, BELAY_GRPC_OK, "");
    assert_int_equal(k.h2.server.accepted, conns);
    grpc_close(&k);
}

static void before_it_was_seen(struct grpc_kit *kit, uint32_t id)
{
    (void)id;
    h2_goaway(&kit->h2.server, last(kit), 0, 0);
    kit->on_request = answer_well;
}

static void a_call_that_was_not_seen_goes_elsewhere(void **state)
{
    (void)state;
    run(before_it_was_seen, BELAY_GRPC_OK, 2, 2);
}

static void before_the_answer(struct grpc_kit *kit, uint32_t id)
{
    h2_goaway(&kit->h2.server, last(kit), id, 0);
    grpc_answer(kit, id, "good");
}

static void within_the_answer(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_bytes(kit, id, 0, "\0\0\0\0\4go", 7);
    h2_goaway(&kit->h2.server, last(kit), id, 0);
    grpc_say_bytes(kit, id, 0, "od", 2);
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_OK);
}

static void after_the_answer(struct grpc_kit *kit, uint32_t id)
{
    grpc_answer(kit, id, "good");
    h2_goaway(&kit->h2.server, last(kit), id, 0);
}

static void a_call_that_was_seen_ends_where_it_is(void **state)
{
    (void)state;
    run(before_the_answer, BELAY_GRPC_OK, 1, 2);
    run(within_the_answer, BELAY_GRPC_OK, 1, 2);
    run(after_the_answer, BELAY_GRPC_OK, 1, 2);
}

static void and_hang_up(struct grpc_kit *kit, uint32_t id)
{
    h2_goaway(&kit->h2.server, last(kit), id, 11);
    h2_step(&kit->h2.server);
    h2_hang_up(&kit->h2.server, last(kit));
}

static void within_and_hang_up(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_bytes(kit, id, 0, "\0\0\0\0\4go", 7);
    and_hang_up(kit, id);
}

static void a_call_that_may_have_been_seen_is_unavailable(void **state)
{
    (void)state;
    run(and_hang_up, BELAY_GRPC_UNAVAILABLE, 1, 2);
    run(within_and_hang_up, BELAY_GRPC_UNAVAILABLE, 1, 2);
}

static void greet_and_go(struct h2_server *s, unsigned conn)
{
    if (conn < 2)
        h2_goaway(s, conn, 0, 0);
}

static void a_server_that_greets_and_goes_is_tried_again(void **state)
{
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_rpc_options patient = belay_rpc_options_init();
    struct belay_channel_options o = grpc_options();
    struct rpc_call c = {0};

    (void)state;
    memset(&k, 0, sizeof k);
    backoff.delay_ms = 5;
    o.backoff = &backoff;
    grpc_open(&k, &o);
    k.h2.server.on_open = greet_and_go;
    k.on_request = answer_well;
    patient.wait_for_ready = true;
    rpc_unary(&k, &c, &patient);
    rpc_ends(&c, BELAY_GRPC_OK, "");
    assert_string_equal(c.messages, "good|");
    grpc_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_that_was_not_seen_goes_elsewhere),
        cmocka_unit_test(a_call_that_was_seen_ends_where_it_is),
        cmocka_unit_test(a_call_that_may_have_been_seen_is_unavailable),
        cmocka_unit_test(a_server_that_greets_and_goes_is_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
