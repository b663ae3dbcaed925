/* SPDX-License-Identifier: MIT */
/* Channels in the hands of the caller's functions, before they are the connection's and after: what
 * their calls get to show who they are. */
#include "kernel_kit.h"

#include "base/assert.h"
#include "belay/chronicle.h"

#include <stdio.h>

struct scene {
    struct kernel_kit kernel;
    struct belay_chronicle *c;
    struct belay_chronicle_query *query; /* unanswered; NULL: none */
    struct belay_channel *channel;       /* a reference; NULL: none */
    int handed;                          /* the channel was, so often */
    bool closed, done;
    int status;
    char message[256];
};

static void set(void *flag)
{
    *(bool *)flag = true;
}

static void keep_query(struct belay_chronicle_query *query, const char *target,
                       const struct belay_channel_options *options, void *arg)
{
    struct scene *s = arg;

    s->query = query;
    assert_int_equal(belay_channel_open(s->kernel.loop, target, options, &s->channel, NULL), 0);
    belay_channel_ref(s->channel);
}

/* The same one again and again. */
static void hand_over(struct belay_chronicle_query *query, const char *target,
                      const struct belay_channel_options *options, void *arg)
{
    struct scene *s = arg;

    if (!s->channel) {
        keep_query(query, target, options, arg);
        s->query = NULL;
    }
    s->handed++;
    belay_chronicle_opened(query, s->channel, NULL);
}

static void keep_open(struct belay_channel *channel, void *arg)
{
    assert_ptr_equal(channel, ((struct scene *)arg)->channel);
}

static void drain(struct belay_channel *channel, void *arg)
{
    struct scene *s = arg;

    if (!s->channel)
        s->channel = belay_channel_ref(channel);
    belay_channel_drain(channel, NULL, NULL);
}

static void begin(struct scene *s, belay_chronicle_connect_fn *connect,
                  belay_chronicle_disconnect_fn *disconnect)
{
    struct belay_chronicle_functions functions = {
        .size = sizeof functions, .connect = connect, .disconnect = disconnect, .arg = s};
    struct belay_chronicle_options o = belay_chronicle_options_init();
    struct belay_channel_options channel = belay_channel_options_init();
    struct belay_retry_policy retry = belay_retry_policy_init();
    struct belay_error error;
    char string[128];

    memset(s, 0, sizeof *s);
    kernel_open(&s->kernel, NULL);
    s->kernel.ways[KERNEL_OTHER] = KERNEL_SILENT;
    snprintf(string, sizeof string, "chronicle://127.0.0.1:%d?disableTls=true&apiKey=sesame",
             s->kernel.server.port);
    retry.attempts_max = 3;
    channel.retry = &retry;
    o.connection_string = string;
    o.functions = &functions;
    o.channel = &channel;
    o.no_session = true;
    if (belay_chronicle_start(s->kernel.loop, &o, &s->c, &error) < 0)
        fail_msg("%s", error.text);
}

#define UNTIL(s, what)                                                                             \
    do {                                                                                           \
        int rounds_ = 0;                                                                           \
        while (!(what)) {                                                                          \
            if (rounds_++ > 20000)                                                                 \
                fail_msg("never: %s", #what);                                                      \
            kernel_turn(&(s)->kernel);                                                             \
        }                                                                                          \
    } while (0)

static void end(struct scene *s)
{
    belay_channel_unref(s->channel);
    kernel_close(&s->kernel);
}

static void disconnect(struct scene *s)
{
    belay_chronicle_disconnect(s->c, set, &s->closed);
    if (s->query)
        return;
    kernel_until(&s->kernel, &s->closed);
}

static void on_unary(const void *response, size_t len, const struct belay_rpc_result *result,
                     void *arg)
{
    struct scene *s = arg;

    (void)response, (void)len;
    s->done = true;
    s->status = result->status;
    snprintf(s->message, sizeof s->message, "%s", result->message);
}

static void call(struct scene *s, struct belay_channel *channel)
{
    s->done = false;
    assert_int_equal(
        belay_channel_unary(channel, "/test.Some/Thing", "", 0, NULL, NULL, on_unary, s, NULL), 0);
}

/* The server could not, and the call may be attempted again. */
static void fail_call(struct scene *s)
{
    const struct kernel_request *r = kernel_last(&s->kernel, KERNEL_OTHER);

    h2_head(&s->kernel.server, r->conn, H2_END_STREAM, r->id,
            ":status: 200\ncontent-type: application/grpc\ngrpc-status: 14\n");
    for (int i = 0; i < 100 && !s->done; i++) {
        kernel_forward(&s->kernel, 100);
        kernel_turn(&s->kernel);
    }
}

static void refused(const struct scene *s)
{
    assert_true(s->done);
    assert_int_equal(s->status, BELAY_GRPC_UNAVAILABLE);
    if (!strstr(s->message, "the connection's no more"))
        fail_msg("%s", s->message);
}

/* What is a token for one kernel is none for another, nor for anybody once the connection has gone. */
static void a_drained_channel_has_credentials_no_more(void **state)
{
    enum { REPLACED, REPLACED_AND_ENDED, ENDED };

    (void)state;
    for (int how = REPLACED; how <= ENDED; how++) {
        struct scene s;

        begin(&s, NULL, drain);
        UNTIL(&s, belay_chronicle_connected(s.c));
        call(&s, belay_chronicle_channel(s.c));
        kernel_until_requests(&s.kernel, KERNEL_OTHER, 1);
        assert_string_equal(kernel_last(&s.kernel, KERNEL_OTHER)->api_key, "sesame");
        if (how != ENDED) {
            belay_chronicle_reconnect(s.c);
            UNTIL(&s, s.channel && belay_chronicle_connected(s.c));
            assert_ptr_not_equal(belay_chronicle_channel(s.c), s.channel);
        }
        if (how != REPLACED)
            disconnect(&s);
        assert_false(s.done);
        fail_call(&s);
        refused(&s);
        assert_int_equal(s.kernel.counts[KERNEL_OTHER], 1);
        if (how == REPLACED)
            disconnect(&s);
        end(&s);
    }
}

static void a_channel_that_is_not_handed_over_yet_has_credentials_until_the_end(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, keep_query, NULL);
    UNTIL(&s, s.query);
    s.kernel.ways[KERNEL_OTHER] = KERNEL_WELL;
    call(&s, s.channel);
    UNTIL(&s, s.done);
    assert_int_equal(s.status, BELAY_GRPC_OK);
    assert_string_equal(kernel_last(&s.kernel, KERNEL_OTHER)->api_key, "sesame");
    disconnect(&s);
    call(&s, s.channel);
    UNTIL(&s, s.done);
    refused(&s);
    assert_false(s.closed); /* an answer is missing */
    belay_chronicle_opened(s.query, s.channel, NULL);
    kernel_until(&s.kernel, &s.closed);
    assert_true(belay_channel_is_closed(s.channel));
    end(&s);
}

static void a_channel_that_is_handed_over_late_and_drained_has_none(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, keep_query, drain);
    UNTIL(&s, s.query);
    call(&s, s.channel);
    kernel_until_requests(&s.kernel, KERNEL_OTHER, 1);
    disconnect(&s);
    belay_chronicle_opened(s.query, s.channel, NULL);
    kernel_until(&s.kernel, &s.closed);
    fail_call(&s);
    refused(&s);
    end(&s);
}

static void a_channel_that_is_handed_over_has_the_connection_s(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, keep_query, NULL);
    UNTIL(&s, s.query);
    belay_chronicle_opened(s.query, s.channel, NULL);
    s.query = NULL;
    UNTIL(&s, belay_chronicle_connected(s.c));
    s.kernel.ways[KERNEL_OTHER] = KERNEL_WELL;
    call(&s, belay_chronicle_channel(s.c));
    UNTIL(&s, s.done);
    assert_int_equal(s.status, BELAY_GRPC_OK);
    assert_string_equal(kernel_last(&s.kernel, KERNEL_OTHER)->api_key, "sesame");
    disconnect(&s);
    end(&s);
}

static void a_channel_that_is_handed_over_again_has_them_again(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, hand_over, keep_open);
    s.kernel.ways[KERNEL_OTHER] = KERNEL_WELL;
    for (int i = 1; i <= 3; i++) {
        UNTIL(&s, s.handed == i && belay_chronicle_connected(s.c));
        assert_ptr_equal(belay_chronicle_channel(s.c), s.channel);
        call(&s, s.channel);
        UNTIL(&s, s.done);
        assert_int_equal(s.status, BELAY_GRPC_OK);
        assert_string_equal(kernel_last(&s.kernel, KERNEL_OTHER)->api_key, "sesame");
        belay_chronicle_reconnect(s.c);
    }
    disconnect(&s);
    call(&s, s.channel); /* it is the caller's, and open */
    UNTIL(&s, s.done);
    refused(&s);
    belay_channel_close(s.channel, NULL, NULL);
    end(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drained_channel_has_credentials_no_more),
        cmocka_unit_test(a_channel_that_is_not_handed_over_yet_has_credentials_until_the_end),
        cmocka_unit_test(a_channel_that_is_handed_over_late_and_drained_has_none),
        cmocka_unit_test(a_channel_that_is_handed_over_has_the_connection_s),
        cmocka_unit_test(a_channel_that_is_handed_over_again_has_them_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
