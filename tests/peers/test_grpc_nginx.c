/* SPDX-License-Identifier: MIT */
/* Many calls over a channel whose server says GOAWAY all the time: argv[1] is its target. */
#include "support/test.h"

#include <string.h>

#include "belay/grpc.h"

#define CALLS 300
#define DEPTH 20

static const char *target;

struct run {
    struct belay_channel *channel;
    struct belay_loop *loop;
    int started, done, good;
    char wrong[512];
};

static void begin(struct run *run);

static void on_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    struct run *run = arg;

    (void)rpc;
    run->done++;
    if (result->status == BELAY_GRPC_NOT_FOUND && strcmp(result->message, "nginx says so") == 0)
        run->good++;
    else
        strncpy(run->wrong, result->message, sizeof run->wrong - 1);
    if (run->started < CALLS)
        begin(run);
    else if (run->done == CALLS)
        belay_channel_close(run->channel, NULL, NULL);
}

static void begin(struct run *run)
{
    static const struct belay_rpc_callbacks callbacks = {.size = sizeof callbacks,
                                                         .on_done = on_done};
    struct belay_error error;
    struct belay_rpc *rpc;

    if (belay_rpc_start(run->channel, "/test.Echo/Say", NULL, &callbacks, run, &rpc, &error) < 0)
        fail_msg("%s", error.text);
    run->started++;
    belay_rpc_end(rpc);
}

static void no_call_is_lost_to_a_server_that_says_goaway(void **state)
{
    struct belay_retry_policy retry = belay_retry_policy_init();
    struct belay_channel_options o = belay_channel_options_init();
    struct run run = {0};
    struct belay_error error;

    (void)state;
    o.plain = strncmp(target, "ipv4", 4) == 0;
    retry.attempts_max = 5; /* it counts a stream for a moment longer than it tells, and refuses the
                               next one, which is forgiven once */
    retry.delay_ms = 20;
    retry.tokens_max = BELAY_FOREVER;
    o.retry = &retry;
    assert_int_equal(belay_loop_new(NULL, &run.loop, &error), 0);
    assert_int_equal(belay_channel_open(run.loop, target, &o, &run.channel, &error), 0);
    for (int i = 0; i < DEPTH; i++)
        begin(&run);
    assert_int_equal(belay_loop_run(run.loop), 0);
    assert_int_equal(run.done, CALLS);
    if (run.good < CALLS)
        fail_msg("%d of %d: %s", run.good, CALLS, run.wrong);
    belay_loop_free(run.loop);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_call_is_lost_to_a_server_that_says_goaway),
    };

    if (argc < 2)
        return 77;
    target = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
