/* SPDX-License-Identifier: MIT */
/* Calls that are attempted again: by a policy, as the server says, or because nobody saw them. */
#include "channel_kit.h"

struct script {
    int failures;     /* the first so many attempts fail ... */
    int status;       /* ... so */
    const char *more; /* trailers */
    bool refuse;      /* ... or are refused */
    bool talk;        /* ... after a message */
};

static struct belay_channel_options retrying(void)
{
    static struct belay_retry_policy policy;
    struct belay_channel_options o = ck_options();

    policy = belay_retry_policy_init();
    policy.attempts_max = 4;
    o.retry = &policy;
    return o;
}

static void follow(struct h2_server *s, unsigned conn, uint32_t id)
{
    const struct script *script = s->extra;

    if ((int)s->requests > script->failures) {
        ck_answer(s, conn, id, "1");
    } else if (script->refuse) {
        h2_reset(s, conn, id, 7);
    } else if (script->talk) {
        ck_say(s, conn, id, true, "half", 4);
        h2_head(s, conn, H2_END_STREAM, id, "grpc-status: 14\n");
    } else {
        ck_status(s, conn, id, script->status, script->more ? script->more : "");
    }
}

static void open_with(struct channel_kit *k, const struct belay_channel_options *o,
                      struct script *script)
{
    ck_open(k, "ipv4:127.0.0.1:%1", o);
    k->servers[0].on_request = follow;
    k->servers[0].extra = script;
}

/* Puts the clock forward until the call is done: whatever it waits for. */
static void until_done(struct channel_kit *k, const struct ck_call *call)
{
    for (int i = 0; !call->done; i++) {
        assert_true(i < 20000);
        ck_turn(k);
        ck_forward(k, 20);
    }
}

static void run(struct channel_kit *k, struct ck_call *call)
{
    ck_begin(k, call, NULL);
    until_done(k, call);
}

/* One call with the policy, which fails so at the last of so many attempts. */
static void fails_after(struct script *script, int status, unsigned attempts)
{
    struct belay_channel_options o = retrying();
    struct channel_kit k;
    struct ck_call call;

    open_with(&k, &o, script);
    run(&k, &call);
    ck_bad(&call, status);
    assert_int_equal(k.servers[0].requests, attempts);
    ck_close(&k);
}

static void without_a_policy_a_failure_is_one(void **state)
{
    struct script script = {.failures = 1, .status = BELAY_GRPC_UNAVAILABLE};
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    open_with(&k, NULL, &script);
    run(&k, &call);
    ck_bad(&call, BELAY_GRPC_UNAVAILABLE);
    assert_int_equal(k.servers[0].requests, 1);
    ck_close(&k);
}

static void a_failure_of_the_policy_s_is_tried_again(void **state)
{
    struct script script = {.failures = 3, .status = BELAY_GRPC_UNAVAILABLE};
    struct belay_channel_options o = retrying();
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    open_with(&k, &o, &script);
    run(&k, &call);
    ck_good(&call, "1");
    assert_int_equal(call.attempts, 4);
    ck_close(&k);
}

static void attempts_have_an_end(void **state)
{
    struct script script = {.failures = 9, .status = BELAY_GRPC_UNAVAILABLE};

    (void)state;
    fails_after(&script, BELAY_GRPC_UNAVAILABLE, 4);
}

static void other_statuses_are_final(void **state)
{
    struct script script = {.failures = 1, .status = BELAY_GRPC_INTERNAL};

    (void)state;
    fails_after(&script, BELAY_GRPC_INTERNAL, 1);
}

static void a_call_whose_answer_has_begun_is_not_tried_again(void **state)
{
    struct script script = {.failures = 1, .talk = true};

    (void)state;
    fails_after(&script, BELAY_GRPC_UNAVAILABLE, 1);
}

static void the_server_says_when(void **state)
{
    struct script script = {
        .failures = 1, .status = BELAY_GRPC_UNAVAILABLE, .more = "grpc-retry-pushback-ms: 5000\n"};
    struct belay_channel_options o = retrying();
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    open_with(&k, &o, &script);
    ck_begin(&k, &call, NULL);
    ck_until_requests(&k, 0, 1);
    ck_a_while(&k);
    ck_forward(&k, 4000);
    ck_a_while(&k);
    assert_int_equal(k.servers[0].requests, 1);
    ck_forward(&k, 1000);
    ck_until(&k, &call.done);
    ck_good(&call, "1");
    ck_close(&k);
}

static void the_server_says_never(void **state)
{
    struct script script = {
        .failures = 1, .status = BELAY_GRPC_UNAVAILABLE, .more = "grpc-retry-pushback-ms: -1\n"};

    (void)state;
    fails_after(&script, BELAY_GRPC_UNAVAILABLE, 1);
}

/* Ten tokens: after five failures fewer than half are left. */
static void a_server_that_fails_all_is_spared_further_attempts(void **state)
{
    struct script script = {.failures = 1000, .status = BELAY_GRPC_UNAVAILABLE};
    struct belay_channel_options o = retrying();
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    open_with(&k, &o, &script);
    run(&k, &call);
    assert_int_equal(k.servers[0].requests, 4);
    run(&k, &call);
    assert_int_equal(k.servers[0].requests, 5);
    run(&k, &call);
    assert_int_equal(k.servers[0].requests, 6);
    ck_close(&k);
}

static void a_refused_call_is_sent_once_more(void **state)
{
    struct script script = {.failures = 1, .refuse = true};
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    open_with(&k, NULL, &script);
    run(&k, &call);
    ck_good(&call, "1");
    assert_int_equal(k.servers[0].requests, 2);
    script.failures = 1000;
    run(&k, &call);
    ck_bad(&call, BELAY_GRPC_UNAVAILABLE);
    assert_int_equal(k.servers[0].requests, 4);
    ck_close(&k);
}

/* gRFC A6: that there is no connection is a failure like others. */
static void a_call_without_a_connection_is_tried_again(void **state)
{
    struct script script = {0};
    struct belay_channel_options o = retrying();
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    open_with(&k, &o, &script);
    h2_vanish(&k.servers[0]);
    ck_begin(&k, &call, NULL);
    ck_until_state(&k, BELAY_CHANNEL_TRANSIENT_FAILURE);
    assert_false(call.done);
    h2_start_again(&k.servers[0]);
    belay_channel_reset_backoff(k.channel);
    ck_until_state(&k, BELAY_CHANNEL_READY);
    until_done(&k, &call);
    ck_good(&call, "1");
    assert_int_equal(call.attempts, 1);
    h2_vanish(&k.servers[0]);
    ck_until_state(&k, BELAY_CHANNEL_IDLE);
    run(&k, &call); /* four times */
    ck_bad(&call, BELAY_GRPC_UNAVAILABLE);
    assert_int_equal(call.attempts, 0);
    ck_close(&k);
}

static void a_call_in_backoff_ends_with_its_channel(void **state)
{
    struct script script = {
        .failures = 1, .status = BELAY_GRPC_UNAVAILABLE, .more = "grpc-retry-pushback-ms: 60000\n"};
    struct belay_channel_options o = retrying();
    struct channel_kit k;
    struct ck_call call;

    (void)state;
    open_with(&k, &o, &script);
    ck_begin(&k, &call, NULL);
    ck_until_requests(&k, 0, 1);
    ck_a_while(&k);
    belay_channel_close(k.channel, NULL, NULL);
    k.channel = NULL;
    ck_until(&k, &call.done);
    ck_bad(&call, BELAY_GRPC_CANCELLED);
    ck_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_policy_a_failure_is_one),
        cmocka_unit_test(a_failure_of_the_policy_s_is_tried_again),
        cmocka_unit_test(attempts_have_an_end),
        cmocka_unit_test(other_statuses_are_final),
        cmocka_unit_test(a_call_whose_answer_has_begun_is_not_tried_again),
        cmocka_unit_test(the_server_says_when),
        cmocka_unit_test(the_server_says_never),
        cmocka_unit_test(a_server_that_fails_all_is_spared_further_attempts),
        cmocka_unit_test(a_refused_call_is_sent_once_more),
        cmocka_unit_test(a_call_without_a_connection_is_tried_again),
        cmocka_unit_test(a_call_in_backoff_ends_with_its_channel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
