/* SPDX-License-Identifier: MIT */
/* How much of a call is on its way at a time; credentials; and calls that are attempted again. */
#include "grpc_kit.h"

#include <stdio.h>
#include <stdlib.h>

static struct grpc_kit k;

static void begin(const struct belay_channel_options *options)
{
    memset(&k, 0, sizeof k);
    grpc_open(&k, options);
}

static void answer_well(struct grpc_kit *kit, uint32_t id)
{
    grpc_answer(kit, id, "good");
}

/* ---- writing ---- */

static char piece[10000];

static void write_pieces(struct rpc_call *c)
{
    int *left = c->extra, rc = 0;

    while (*left > 0 && (rc = belay_rpc_write(c->rpc, piece, sizeof piece)) == 0)
        (*left)--;
    if (*left == 0)
        belay_rpc_end(c->rpc);
    else
        assert_int_equal(rc, BELAY_EAGAIN);
}

static void who_writes_too_much_is_told_when_there_is_room(void **state)
{
    int left = 30;
    struct rpc_call c = {.extra = &left, .in_writable = write_pieces};

    (void)state;
    begin(NULL);
    rpc_begin(&k, &c, NULL);
    write_pieces(&c);
    assert_true(left > 20); /* it is not all held here */
    h2_until_requests(&k.h2, 1);
    h2_turn(&k.h2);
    assert_int_equal(k.data_len, 65535); /* the server's window */
    assert_true(left > 10);
    assert_false(c.done);
    h2_window(&k.h2.server, 0, 0, 1 << 24);
    h2_window(&k.h2.server, 0, k.id, 1 << 24);
    while (!k.ended)
        h2_turn(&k.h2);
    assert_int_equal(k.data_len, 30 * (sizeof piece + 5));
    assert_true(c.writables > 1);
    grpc_answer(&k, k.id, "thanks");
    rpc_ends(&c, BELAY_GRPC_OK, "");
    grpc_close(&k);
}

static void a_message_beyond_the_limit_is_not_taken(void **state)
{
    struct belay_channel_options o = grpc_options();
    struct rpc_call c = {0};
    struct belay_error error;

    (void)state;
    o.max_send_bytes = 4;
    begin(&o);
    k.on_request = answer_well;
    rpc_begin(&k, &c, NULL);
    assert_int_equal(belay_rpc_write(c.rpc, "12345", 5), BELAY_ELIMIT);
    assert_int_equal(belay_rpc_write(c.rpc, "1234", 4), 0);
    rpc_ends(&c, BELAY_GRPC_OK, "");
    assert_int_equal(belay_channel_unary(k.channel, GRPC_METHOD, "12345", 5, NULL, NULL,
                                         (belay_unary_fn *)(void (*)(void))abort, NULL, &error),
                     BELAY_ELIMIT);
    h2_turn(&k.h2);
    grpc_close(&k);
}

static void resume_the_other(struct rpc_call *c, const void *data, size_t len)
{
    struct rpc_call *paused = c->extra;

    (void)data, (void)len;
    belay_rpc_resume(paused->rpc);
}

/* Room comes, and then, on another connection and in the same turn, leave to go on; the next message
 * pauses again. */
static void a_paused_call_is_told_of_room_too(void **state)
{
    struct rpc_call c = {.pauses = true}, d = {.extra = &c, .in_message = resume_the_other};
    struct belay_channel_options o = grpc_options();
    struct belay_error error;
    char target[64];
    uint32_t id;
    int writables;

    (void)state;
    begin(NULL);
    rpc_begin(&k, &c, NULL);
    h2_until_requests(&k.h2, 1);
    id = k.id;
    grpc_say_head(&k, id, 0, GRPC_HEAD);
    grpc_say_bytes(&k, id, 0, "\0\0\0\0\1a\0\0\0\0\1b", 12);
    for (int i = 0; i < 4; i++) { /* until the window is used up, and all room here */
        while (belay_rpc_write(c.rpc, piece, sizeof piece) == 0)
            ;
        h2_turn(&k.h2);
    }
    assert_int_equal(c.n, 1);
    writables = c.writables;
    snprintf(target, sizeof target, "ipv4:127.0.0.1:%d", k.h2.server.port);
    assert_int_equal(belay_channel_open(k.h2.kit.loop, target, &o, &k.channel, &error), 0);
    rpc_begin(&k, &d, NULL);
    h2_until_requests(&k.h2, 2);
    h2_turn(&k.h2);
    h2_window(&k.h2.server, 0, 0, 1 << 24);
    h2_window(&k.h2.server, 0, id, 1 << 24);
    grpc_answer(&k, k.id, "go on");
    h2_turn(&k.h2);
    assert_int_equal(c.n, 2);
    assert_int_equal(c.writables, writables + 1);
    grpc_close(&k);
}

static void a_message_is_what_it_says(void **state)
{
    struct rpc_call c = {0};

    (void)state;
    begin(NULL);
    k.on_request = answer_well;
    rpc_begin(&k, &c, NULL);
    assert_int_equal(belay_rpc_write(c.rpc, NULL, 1), BELAY_EINVAL);
    assert_int_equal(belay_rpc_write(c.rpc, NULL, 0), 0);
    rpc_ends(&c, BELAY_GRPC_OK, "");
    grpc_close(&k);
}

/* ---- reading ---- */

static void say_many(struct grpc_kit *kit, uint32_t id)
{
    static const char bytes[] = "\0\0\0\0\1a\0\0\0\0\1b\0\0\0\0\1c\0\0\0\0\3d";

    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_bytes(kit, id, 0, bytes, sizeof bytes - 1);
    grpc_say_bytes(kit, id, 0, "ef", 2);
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_OK);
}

static void a_paused_call_hands_over_one_message_at_a_time(void **state)
{
    struct rpc_call c = {.pauses = true};

    (void)state;
    begin(NULL);
    k.on_request = say_many;
    rpc_begin(&k, &c, NULL);
    for (int n = 1; n <= 4; n++) {
        h2_turn(&k.h2);
        assert_int_equal(c.n, n);
        assert_false(c.done);
        belay_rpc_resume(c.rpc);
        assert_int_equal(c.n, n); /* not inside the call */
    }
    rpc_ends(&c, BELAY_GRPC_OK, "");
    assert_string_equal(c.messages, "a|b|c|def|");
    grpc_close(&k);
}

static void say_much(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    for (int i = 0; i < 100; i++)
        grpc_say(kit, id, 0, piece, sizeof piece);
    grpc_say_head(kit, id, H2_END_STREAM, GRPC_OK);
}

static void resume_later(struct rpc_call *c, const void *data, size_t len)
{
    (void)data, (void)len;
    if (c->n % 2) {
        belay_rpc_pause(c->rpc);
        belay_rpc_resume(c->rpc); /* as if nothing had been */
    }
}

static void pausing_before_and_within_loses_nothing(void **state)
{
    struct rpc_call c = {.in_message = resume_later};

    (void)state;
    begin(NULL);
    k.on_request = say_much;
    rpc_begin(&k, &c, NULL);
    belay_rpc_pause(c.rpc);
    h2_turn(&k.h2);
    assert_int_equal(c.n, 0);
    assert_int_equal(c.heads, 1);
    belay_rpc_resume(c.rpc);
    rpc_ends(&c, BELAY_GRPC_OK, "");
    assert_int_equal(c.n, 100);
    assert_int_equal(c.bytes, 100 * sizeof piece);
    grpc_close(&k);
}

static void a_paused_call_may_be_cancelled_and_may_miss_its_deadline(void **state)
{
    struct belay_rpc_options o = belay_rpc_options_init();
    struct rpc_call c = {.pauses = true}, late = {.pauses = true};

    (void)state;
    begin(NULL);
    k.on_request = say_many;
    rpc_begin(&k, &c, NULL);
    h2_turn(&k.h2);
    assert_int_equal(c.n, 1);
    belay_rpc_resume(c.rpc);
    belay_rpc_cancel(c.rpc);
    o.deadline_ms = 500;
    rpc_begin(&k, &late, &o);
    rpc_ends(&late, BELAY_GRPC_DEADLINE_EXCEEDED, "");
    assert_int_equal(late.n, 1);
    assert_int_equal(c.n, 1);
    grpc_close(&k);
}

/* ---- credentials ---- */

static struct belay_rpc *asking;
static int asked;

static void answer_credentials(struct belay_rpc *rpc, const char *method, void *arg)
{
    const struct belay_header token = {.name = "authorization", .value = "Bearer abc"};

    (void)arg;
    assert_string_equal(method, GRPC_METHOD);
    asked++;
    belay_rpc_credentials_done(rpc, &token, 1, NULL);
}

static void keep_asking(struct belay_rpc *rpc, const char *method, void *arg)
{
    (void)method, (void)arg;
    asked++;
    asking = rpc;
}

static void credentials_go_with_the_call(void **state)
{
    const struct belay_header token = {.name = "authorization", .value = "Bearer later"};
    struct belay_channel_options o = grpc_options();
    struct rpc_call c = {0}, d = {0};

    (void)state;
    asked = 0;
    o.credentials = answer_credentials;
    begin(&o);
    k.on_request = answer_well;
    rpc_unary(&k, &c, NULL);
    assert_int_equal(asked, 0);
    rpc_ends(&c, BELAY_GRPC_OK, "");
    assert_int_equal(asked, 1);
    assert_non_null(strstr(k.fields, "authorization: Bearer abc\n"));
    grpc_close(&k);

    o.credentials = keep_asking;
    begin(&o);
    k.on_request = answer_well;
    rpc_unary(&k, &d, NULL);
    h2_turn(&k.h2);
    assert_int_equal(k.h2.server.requests, 0);
    belay_rpc_credentials_done(asking, &token, 1, NULL);
    rpc_ends(&d, BELAY_GRPC_OK, "");
    assert_non_null(strstr(k.fields, "authorization: Bearer later\n"));
    grpc_close(&k);
}

static void refuse_them(int code, int status)
{
    struct belay_error error = {
        .code = code, .kind = belay_error_kind_of(code), .text = "no token"};
    struct rpc_call c = {0};

    rpc_unary(&k, &c, NULL);
    h2_turn(&k.h2);
    belay_rpc_credentials_done(asking, NULL, 0, &error);
    assert_false(c.done);
    rpc_ends(&c, status, "no token");
}

static void without_credentials_there_is_no_call(void **state)
{
    const struct belay_header bad = {.name = "Bad", .value = ""};
    struct belay_channel_options o = grpc_options();
    struct belay_rpc_options hasty = belay_rpc_options_init();
    struct rpc_call c = {0}, late = {0}, gone = {0};

    (void)state;
    o.credentials = keep_asking;
    begin(&o);
    refuse_them(BELAY_ETIMEDOUT, BELAY_GRPC_UNAVAILABLE);
    refuse_them(BELAY_ECERT, BELAY_GRPC_UNAUTHENTICATED);
    rpc_unary(&k, &c, NULL);
    h2_turn(&k.h2);
    belay_rpc_credentials_done(asking, &bad, 1, NULL);
    rpc_ends(&c, BELAY_GRPC_UNAUTHENTICATED, "Bad");
    /* Answers that come too late are not heard. */
    hasty.deadline_ms = 20;
    rpc_unary(&k, &late, &hasty);
    rpc_ends(&late, BELAY_GRPC_DEADLINE_EXCEEDED, "credentials");
    belay_rpc_credentials_done(asking, NULL, 0, NULL);
    rpc_unary(&k, &gone, NULL);
    h2_turn(&k.h2);
    belay_rpc_cancel(gone.rpc);
    belay_rpc_credentials_done(asking, NULL, 0, NULL);
    h2_turn(&k.h2);
    assert_int_equal(gone.dones, 0);
    assert_int_equal(k.h2.server.requests, 0);
    grpc_close(&k);
}

/* ---- again ---- */

static void fail_twice(struct grpc_kit *kit, uint32_t id)
{
    int *failures = kit->extra;

    if (--*failures >= 0)
        grpc_say_head(kit, id, H2_END_STREAM,
                      GRPC_HEAD "grpc-status: 14\ngrpc-retry-pushback-ms: 1\n");
    else
        grpc_answer(kit, id, "good");
}

static void a_policy_sends_calls_again_with_all_that_was_said(void **state)
{
    struct belay_retry_policy policy = belay_retry_policy_init();
    struct belay_channel_options o = grpc_options();
    struct rpc_call c = {0};
    const char *token;
    int failures = 2;

    (void)state;
    policy.attempts_max = 4;
    o.retry = &policy;
    asked = 0;
    o.credentials = answer_credentials;
    begin(&o);
    k.on_request = fail_twice;
    k.extra = &failures;
    rpc_begin(&k, &c, NULL);
    assert_int_equal(belay_rpc_write(c.rpc, "one", 3), 0);
    assert_int_equal(belay_rpc_write(c.rpc, "two", 3), 0);
    belay_rpc_end(c.rpc);
    rpc_ends(&c, BELAY_GRPC_OK, "");
    assert_int_equal(c.attempts, 3);
    assert_int_equal(asked, 3);
    assert_string_equal(c.messages, "good|");
    assert_int_equal(k.data_len, 16);
    assert_memory_equal(k.data, "\0\0\0\0\3one\0\0\0\0\3two", 16);
    assert_non_null(strstr(k.fields, "grpc-previous-rpc-attempts: 2\n"));
    token = strstr(k.fields, "authorization");
    assert_non_null(token);
    assert_null(strstr(token + 1, "authorization")); /* those of the last attempt alone */
    grpc_close(&k);
}

static void come_back_in_an_hour(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, H2_END_STREAM,
                  GRPC_HEAD "grpc-status: 14\ngrpc-retry-pushback-ms: 3600000\nsaid: it\n");
}

static void what_an_attempt_was_told_is_not_what_the_call_came_to(void **state)
{
    struct belay_retry_policy policy = belay_retry_policy_init();
    struct belay_rpc_options soon = belay_rpc_options_init();
    struct belay_channel_options o = grpc_options();
    struct rpc_call c = {0};

    (void)state;
    policy.attempts_max = 4;
    o.retry = &policy;
    soon.deadline_ms = 100;
    begin(&o);
    k.on_request = come_back_in_an_hour;
    rpc_unary(&k, &c, &soon);
    rpc_ends(&c, BELAY_GRPC_DEADLINE_EXCEEDED, "before it could be tried again");
    assert_int_equal(c.attempts, 1);
    assert_string_equal(c.trailers, "");
    grpc_close(&k);
}

static void fail_late(struct grpc_kit *kit, uint32_t id)
{
    grpc_say_head(kit, id, 0, GRPC_HEAD);
    grpc_say_head(kit, id, H2_END_STREAM, "grpc-status: 14\ngrpc-message: gone\n");
}

static void what_has_been_answered_is_not_sent_again(void **state)
{
    struct belay_retry_policy policy = belay_retry_policy_init();
    struct belay_channel_options o = grpc_options();
    struct rpc_call c = {0};

    (void)state;
    policy.attempts_max = 4;
    o.retry = &policy;
    begin(&o);
    k.on_request = fail_late;
    rpc_unary(&k, &c, NULL);
    rpc_ends(&c, BELAY_GRPC_UNAVAILABLE, "gone");
    assert_int_equal(c.attempts, 1);
    grpc_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_writes_too_much_is_told_when_there_is_room),
        cmocka_unit_test(a_message_beyond_the_limit_is_not_taken),
        cmocka_unit_test(a_paused_call_is_told_of_room_too),
        cmocka_unit_test(a_message_is_what_it_says),
        cmocka_unit_test(a_paused_call_hands_over_one_message_at_a_time),
        cmocka_unit_test(pausing_before_and_within_loses_nothing),
        cmocka_unit_test(a_paused_call_may_be_cancelled_and_may_miss_its_deadline),
        cmocka_unit_test(credentials_go_with_the_call),
        cmocka_unit_test(without_credentials_there_is_no_call),
        cmocka_unit_test(a_policy_sends_calls_again_with_all_that_was_said),
        cmocka_unit_test(what_an_attempt_was_told_is_not_what_the_call_came_to),
        cmocka_unit_test(what_has_been_answered_is_not_sent_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
