/* SPDX-License-Identifier: MIT */
/* Answers that come, and streams that end, before the request has: one side is closed, or both. */
#include "grpc_kit.h"

static struct grpc_kit k;

static void begin(void)
{
    memset(&k, 0, sizeof k);
    grpc_open(&k, NULL);
}

static unsigned last(void)
{
    return k.h2.server.accepted - 1;
}

/* A server that has heard enough says so (RFC 9113, 8.1). */
static void answer_and_reset(struct grpc_kit *kit, uint32_t id)
{
    grpc_answer(kit, id, "enough");
    h2_reset(&kit->h2.server, last(), id, 0);
}

static void an_answer_before_the_end_of_the_request_is_an_answer(void **state)
{
    struct rpc_call c = {0}, next = {0};

    (void)state;
    begin();
    k.on_request = answer_and_reset;
    rpc_begin(&k, &c, NULL);
    assert_int_equal(belay_rpc_write(c.rpc, "one", 3), 0);
    rpc_ends(&c, BELAY_GRPC_OK, "");
    assert_string_equal(c.messages, "enough|");
    rpc_unary(&k, &next, NULL);
    rpc_ends(&next, BELAY_GRPC_OK, "");
    assert_int_equal(k.h2.server.accepted, 1);
    grpc_close(&k);
}

static void answer_alone(struct grpc_kit *kit, uint32_t id)
{
    grpc_answer(kit, id, "enough");
}

/* What is left of the request is not sent. */
static void an_answer_ends_the_request_too(void **state)
{
    static char much[60000];
    struct rpc_call c = {0};

    (void)state;
    begin();
    k.on_request = answer_alone;
    rpc_begin(&k, &c, NULL);
    while (belay_rpc_write(c.rpc, much, sizeof much) == 0)
        ;
    rpc_ends(&c, BELAY_GRPC_OK, "");
    h2_turn(&k.h2);
    assert_int_equal(k.h2.server.conns[0].reset_id, k.id);
    assert_true(k.data_len <= 65535);
    grpc_close(&k);
}

static void reset_only(struct grpc_kit *kit, uint32_t id)
{
    h2_reset(&kit->h2.server, last(), id, 0);
}

static void head_and_reset(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_text(kit, id, "half");
    reset_only(kit, id);
}

static void a_reset_without_an_error_is_no_status(void **state)
{
    struct rpc_call c = {0}, d = {0};

    (void)state;
    begin();
    k.on_request = reset_only;
    rpc_begin(&k, &c, NULL);
    rpc_ends(&c, BELAY_GRPC_INTERNAL, "");
    k.on_request = head_and_reset;
    rpc_begin(&k, &d, NULL);
    rpc_ends(&d, BELAY_GRPC_INTERNAL, "");
    assert_string_equal(d.messages, "half|");
    assert_int_equal(k.h2.server.accepted, 1);
    grpc_close(&k);
}

static void say_trailers_only(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_HEAD "grpc-status: 9\ngrpc-message: no%20more\n");
}

static void trailers_alone_end_a_call_that_still_speaks(void **state)
{
    struct rpc_call c = {0};

    (void)state;
    begin();
    k.on_request = say_trailers_only;
    rpc_begin(&k, &c, NULL);
    rpc_ends(&c, BELAY_GRPC_FAILED_PRECONDITION, "no more");
    assert_int_equal(c.heads, 0);
    grpc_close(&k);
}

/* END_STREAM without trailers. */
static void say_data_and_end(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_bytes(kit, id, H2_END_STREAM, "\0\0\0\0\1a", 6);
}

static void an_end_without_trailers_is_no_status(void **state)
{
    struct rpc_call c = {0};

    (void)state;
    begin();
    k.on_request = say_data_and_end;
    rpc_begin(&k, &c, NULL);
    rpc_ends(&c, BELAY_GRPC_UNKNOWN, "without a status");
    assert_string_equal(c.messages, "a|");
    grpc_close(&k);
}

/* All has come, and is held back by a pause: the loss of the connection takes nothing away. */
static void say_all_and_hang_up(struct grpc_kit *kit, uint32_t id)
{
    if (id == 1)
        return; /* the first is not answered */
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_bytes(kit, id, 0, "\0\0\0\0\1a\0\0\0\0\1b", 12);
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_OK);
    h2_step(&kit->h2.server);
    h2_hang_up(&kit->h2.server, last());
}

static void what_a_pause_holds_outlasts_the_connection(void **state)
{
    struct rpc_call c = {.pauses = true}, lost = {0};

    (void)state;
    begin();
    k.on_request = say_all_and_hang_up;
    rpc_begin(&k, &lost, NULL);
    rpc_begin(&k, &c, NULL);
    rpc_ends(&lost, BELAY_GRPC_UNAVAILABLE, "");
    h2_turn(&k.h2);
    assert_int_equal(c.n, 1);
    assert_false(c.done);
    belay_rpc_resume(c.rpc);
    h2_turn(&k.h2);
    assert_int_equal(c.n, 2);
    belay_rpc_resume(c.rpc);
    rpc_ends(&c, BELAY_GRPC_OK, "");
    grpc_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_before_the_end_of_the_request_is_an_answer),
        cmocka_unit_test(an_answer_ends_the_request_too),
        cmocka_unit_test(a_reset_without_an_error_is_no_status),
        cmocka_unit_test(trailers_alone_end_a_call_that_still_speaks),
        cmocka_unit_test(an_end_without_trailers_is_no_status),
        cmocka_unit_test(what_a_pause_holds_outlasts_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
