/* SPDX-License-Identifier: MIT */
/* The whole connection, against a kernel: from the first attempt to the keep-alives, and again. */
#include "kernel_kit.h"

#include "base/assert.h"
#include "belay/chronicle.h"

#include <stdio.h>

struct rig {
    struct kernel_kit kernel;
    struct belay_chronicle_options options;
    struct belay_chronicle *c;
    char string[256];
    char phases[1024], ids[8][40]; /* "connected 1 ": with numbers of ids */
    unsigned ids_n;
    bool done, closed;
    struct belay_error error; /* of who waited */
    unsigned exits;
    struct belay_error exit_error;
};

static void on_exit(struct belay_chronicle *chronicle, struct belay_exit why, void *arg)
{
    struct rig *r = arg;

    (void)chronicle;
    r->exits++;
    if (why.error)
        r->exit_error = *why.error;
}

static void rig_open(struct rig *r, const char *query, const char *const *tokens)
{
    memset(r, 0, sizeof *r);
    kernel_open(&r->kernel, tokens);
    snprintf(r->string, sizeof r->string, "chronicle://%s127.0.0.1:%d?disableTls=true%s",
             tokens ? "user:pass@" : "", r->kernel.server.port, query);
    r->options = belay_chronicle_options_init();
    r->options.connection_string = r->string;
    r->options.client_type = "test";
    r->options.client_version = "1.2.3";
    r->options.on_exit = on_exit;
    r->options.exit_arg = r;
}

static void on_phase(struct belay_chronicle *c, enum belay_chronicle_phase phase, const char *id,
                     void *arg)
{
    struct rig *r = arg;
    size_t n = strlen(r->phases);
    unsigned i = 0;

    (void)c;
    while (i < r->ids_n && strcmp(r->ids[i], id) != 0)
        i++;
    if (i == r->ids_n)
        snprintf(r->ids[r->ids_n++], sizeof r->ids[0], "%s", id);
    snprintf(r->phases + n, sizeof r->phases - n, "%s %u ", belay_chronicle_phase_name(phase),
             i + 1);
}

static void rig_start(struct rig *r)
{
    struct belay_chronicle_subscription *s;
    struct belay_error error;

    if (belay_chronicle_start(r->kernel.loop, &r->options, &r->c, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(belay_chronicle_subscribe(r->c, on_phase, r, &s), 0);
}

static void set(void *flag)
{
    *(bool *)flag = true;
}

static void rig_close(struct rig *r)
{
    belay_chronicle_disconnect(r->c, set, &r->closed);
    kernel_until(&r->kernel, &r->closed);
    assert_int_equal(r->exits, 1);
    kernel_close(&r->kernel);
}

#define UNTIL(r, what)                                                                             \
    do {                                                                                           \
        int rounds_ = 0;                                                                           \
        while (!(what)) {                                                                          \
            if (rounds_++ > 20000)                                                                 \
                fail_msg("never: %s", #what);                                                      \
            kernel_turn(&(r)->kernel);                                                             \
        }                                                                                          \
    } while (0)

/* Connected, of the session number n. */
static void rig_up(struct rig *r, unsigned n)
{
    kernel_until_requests(&r->kernel, KERNEL_CONNECT, n);
    kernel_a_while(&r->kernel);
    assert_false(belay_chronicle_connected(r->c));
    kernel_keep(&r->kernel);
    UNTIL(r, belay_chronicle_connected(r->c));
    kernel_a_while(&r->kernel);
}

static void done(const struct belay_error *error, void *arg)
{
    struct rig *r = arg;

    assert_false(r->done);
    r->done = true;
    if (error)
        r->error = *error;
}

static bool says(const struct kernel_request *request, const char *text)
{
    return memmem(request->body, request->len, text, strlen(text)) != NULL;
}

/* ---- its order ---- */

static void it_asks_then_opens_its_session_and_is_connected_at_the_first_keep_alive(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, "", NULL);
    r.kernel.ways[KERNEL_CHECK] = KERNEL_SILENT;
    rig_start(&r);
    assert_int_equal(belay_chronicle_connect(r.c, 10000, NULL, done, &r), 0);
    kernel_until_requests(&r.kernel, KERNEL_CHECK, 1);
    kernel_a_while(&r.kernel);
    assert_int_equal(r.kernel.counts[KERNEL_CONNECT], 0); /* first the answer */
    assert_true(says(kernel_last(&r.kernel, KERNEL_CHECK), "1.2.3"));
    r.kernel.ways[KERNEL_CHECK] = KERNEL_WELL;
    kernel_answer(&r.kernel, kernel_last(&r.kernel, KERNEL_CHECK));
    kernel_until_requests(&r.kernel, KERNEL_CONNECT, 1);
    kernel_a_while(&r.kernel);
    assert_true(says(kernel_last(&r.kernel, KERNEL_CONNECT), belay_chronicle_connection_id(r.c)));
    assert_false(r.done);
    assert_string_equal(r.phases, "disconnected 1 ");
    kernel_keep(&r.kernel);
    kernel_until(&r.kernel, &r.done);
    assert_int_equal(r.error.code, 0);
    assert_string_equal(r.phases, "disconnected 1 connected 1 ");
    assert_non_null(belay_chronicle_channel(r.c));
    kernel_until_requests(&r.kernel, KERNEL_KEEP_ALIVE, 1); /* answered */
    kernel_keep(&r.kernel);
    kernel_until_requests(&r.kernel, KERNEL_KEEP_ALIVE, 2);
    assert_string_equal(r.phases, "disconnected 1 connected 1 "); /* only once */
    rig_close(&r);
    assert_string_equal(r.phases, "disconnected 1 connected 1 disconnected 1 ");
}

static void a_session_that_ends_is_followed_by_another(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, "", NULL);
    rig_start(&r);
    rig_up(&r, 1);
    kernel_end(&r.kernel, BELAY_GRPC_UNAVAILABLE);
    UNTIL(&r, !belay_chronicle_connected(r.c));
    kernel_a_while(&r.kernel);
    assert_string_equal(r.phases, "disconnected 1 connected 1 disconnected 1 ");
    assert_int_equal(r.kernel.counts[KERNEL_CONNECT], 1);
    kernel_forward(&r.kernel, 1000);
    rig_up(&r, 2);
    assert_string_equal(r.phases, "disconnected 1 connected 1 disconnected 1 connected 2 ");
    assert_int_equal(r.kernel.server.accepted, 2); /* on a channel of its own */
    assert_true(says(kernel_last(&r.kernel, KERNEL_CONNECT), r.ids[1]));
    assert_int_equal(r.kernel.counts[KERNEL_CHECK], 2);
    rig_close(&r);
}

static void a_kernel_that_falls_silent_is_left(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, "", NULL);
    rig_start(&r);
    rig_up(&r, 1);
    for (int s = 0; s < 8; s++) { /* it lives while keep-alives come */
        kernel_forward(&r.kernel, 1000);
        kernel_keep(&r.kernel);
        kernel_a_while(&r.kernel);
        assert_true(belay_chronicle_connected(r.c));
    }
    for (int i = 0; i < 20 && belay_chronicle_connected(r.c); i++) {
        kernel_forward(&r.kernel, 400); /* it looks each second, and is not to be late itself */
        kernel_a_while(&r.kernel);
        if (i < 5)
            assert_true(belay_chronicle_connected(r.c));
    }
    assert_false(belay_chronicle_connected(r.c));
    assert_non_null(strstr(r.kernel.log, "no keep-alive of the kernel's for 5000 ms"));
    kernel_forward(&r.kernel, 1000);
    rig_up(&r, 2);
    rig_close(&r);
}

static void a_session_that_was_never_up_is_no_loss(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, "", NULL);
    r.options.session_timeout_ms = 2000;
    r.options.retry_attempts = 1;
    rig_start(&r);
    assert_int_equal(belay_chronicle_connect(r.c, BELAY_FOREVER, NULL, done, &r), 0);
    kernel_until_requests(&r.kernel, KERNEL_CONNECT, 1);
    kernel_a_while(&r.kernel);
    kernel_forward(&r.kernel, 2000);
    kernel_a_while(&r.kernel);
    kernel_forward(&r.kernel, 1000);
    kernel_until_requests(&r.kernel, KERNEL_CONNECT, 2);
    kernel_a_while(&r.kernel);
    kernel_end(&r.kernel, BELAY_GRPC_PERMISSION_DENIED);
    kernel_until(&r.kernel, &r.done);
    assert_string_equal(r.phases, "disconnected 1 "); /* the id has not been anybody's */
    assert_non_null(strstr(r.kernel.log, "no keep-alive within 2000 ms"));
    assert_non_null(strstr(r.error.text, "PERMISSION_DENIED"));
    assert_int_equal(r.exit_error.code, BELAY_EGIVENUP);
    rig_close(&r);
}

static void reconnecting_opens_another_session_at_once(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, "", NULL);
    rig_start(&r);
    rig_up(&r, 1);
    belay_chronicle_registered(r.c, NULL);
    belay_chronicle_reconnect(r.c);
    rig_up(&r, 2);
    assert_string_equal(r.phases,
                        "disconnected 1 connected 1 registered 1 disconnected 1 connected 2 ");
    rig_close(&r);
}

static void a_kernel_that_does_not_understand_it_ends_it(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, "", NULL);
    r.kernel.ways[KERNEL_CHECK] = KERNEL_REFUSE;
    r.kernel.reasons[0] = "too old";
    rig_start(&r);
    assert_int_equal(belay_chronicle_connect(r.c, BELAY_FOREVER, NULL, done, &r), 0);
    kernel_until(&r.kernel, &r.done);
    assert_non_null(strstr(r.error.text, "too old"));
    assert_true(belay_chronicle_is_closed(r.c));
    assert_int_equal(r.exits, 1);
    assert_int_equal(r.exit_error.code, r.error.code); /* it did not give up: there is no use */
    assert_int_equal(r.kernel.counts[KERNEL_CONNECT], 0);
    kernel_forward(&r.kernel, 60000);
    kernel_a_while(&r.kernel);
    assert_int_equal(r.kernel.counts[KERNEL_CHECK], 1);
    rig_close(&r);
}

static void the_question_is_left_out_where_the_string_or_the_option_says_so(void **state)
{
    (void)state;
    for (int option = 0; option < 2; option++) {
        struct rig r;

        rig_open(&r, option ? "" : "&skipCompatibilityCheck=true", NULL);
        r.kernel.ways[KERNEL_CHECK] = KERNEL_REFUSE;
        if (option)
            r.options.skip_compatibility_check = BELAY_CHOICE_YES;
        rig_start(&r);
        rig_up(&r, 1);
        assert_int_equal(r.kernel.counts[KERNEL_CHECK], 0);
        rig_close(&r);
    }
}

static void an_option_asks_though_the_string_says_not_to(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, "&skipCompatibilityCheck=true", NULL);
    r.options.skip_compatibility_check = BELAY_CHOICE_NO;
    rig_start(&r);
    rig_up(&r, 1);
    assert_int_equal(r.kernel.counts[KERNEL_CHECK], 1);
    rig_close(&r);
}

static void without_a_session_the_kernel_is_asked_nothing(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, "", NULL);
    r.options.no_session = true;
    rig_start(&r);
    UNTIL(&r, belay_chronicle_connected(r.c));
    kernel_forward(&r.kernel, 3600000);
    kernel_a_while(&r.kernel);
    assert_true(belay_chronicle_connected(r.c));
    assert_int_equal(r.kernel.n, 0);
    rig_close(&r);
}

/* ---- who it is ---- */

static void calls_of_the_program_have_the_key(void **state)
{
    struct rig r;

    (void)state;
    rig_open(&r, "&apiKey=sesame", NULL);
    rig_start(&r);
    rig_up(&r, 1);
    assert_string_equal(kernel_last(&r.kernel, KERNEL_CONNECT)->api_key, "sesame");
    assert_string_equal(kernel_last(&r.kernel, KERNEL_CHECK)->api_key, "sesame");
    assert_null(strstr(r.kernel.log, "sesame"));
    rig_close(&r);
    assert_null(strstr(r.kernel.log, "sesame"));
}

static void calls_of_the_program_have_a_token(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), NULL};
    struct rig r;
    char query[40];

    (void)state;
    rig_open(&r, "", answers);
    snprintf(query, sizeof query, "&authPort=%d", r.kernel.tokens.port);
    strcat(r.string, query);
    r.kernel.token = "Bearer abc";
    rig_start(&r);
    rig_up(&r, 1);
    assert_int_equal(r.kernel.tokens.requests, 1);
    belay_chronicle_reconnect(r.c);
    rig_up(&r, 2);
    assert_int_equal(r.kernel.tokens.requests, 1); /* it is still good */
    assert_null(strstr(r.kernel.log, "pass"));
    rig_close(&r);
}

/* ---- its end ---- */

static void on_unary(const void *response, size_t len, const struct belay_rpc_result *result,
                     void *arg)
{
    (void)response, (void)len;
    *(int *)arg = result->status;
}

/* Those who keep the channel have nothing of the connection's any more. */
static void a_channel_may_outlive_it(void **state)
{
    struct belay_channel *channel;
    struct rig r;
    int status = -1;

    (void)state;
    rig_open(&r, "&apiKey=sesame", NULL);
    rig_start(&r);
    rig_up(&r, 1);
    channel = belay_channel_ref(belay_chronicle_channel(r.c));
    r.kernel.ways[KERNEL_OTHER] = KERNEL_SILENT;
    assert_int_equal(
        belay_channel_unary(channel, "/a.B/C", "", 0, NULL, NULL, on_unary, &status, NULL), 0);
    kernel_until_requests(&r.kernel, KERNEL_OTHER, 1);
    belay_chronicle_disconnect(r.c, set, &r.closed);
    kernel_until(&r.kernel, &r.closed);
    UNTIL(&r, status >= 0);
    assert_int_equal(status, BELAY_GRPC_CANCELLED);
    assert_true(belay_channel_is_closed(channel));
    belay_channel_unref(channel);
    kernel_close(&r.kernel);
}

struct drained {
    struct belay_channel *channel;
};

static void drain(struct belay_channel *channel, void *arg)
{
    struct drained *d = arg;

    d->channel = belay_channel_ref(channel);
    belay_channel_drain(channel, NULL, NULL);
}

static void a_channel_that_is_drained_finishes_its_calls(void **state)
{
    struct drained d = {0};
    struct belay_chronicle_functions functions = {
        .size = sizeof functions, .disconnect = drain, .arg = &d};
    struct rig r;
    int status = -1;

    (void)state;
    rig_open(&r, "&apiKey=sesame", NULL);
    r.options.functions = &functions;
    rig_start(&r);
    rig_up(&r, 1);
    r.kernel.ways[KERNEL_OTHER] = KERNEL_SILENT;
    assert_int_equal(belay_channel_unary(belay_chronicle_channel(r.c), "/a.B/C", "", 0, NULL, NULL,
                                         on_unary, &status, NULL),
                     0);
    kernel_until_requests(&r.kernel, KERNEL_OTHER, 1);
    belay_chronicle_disconnect(r.c, set, &r.closed);
    kernel_until(&r.kernel, &r.closed);
    assert_int_equal(status, -1);
    kernel_answer(&r.kernel, kernel_last(&r.kernel, KERNEL_OTHER));
    UNTIL(&r, status >= 0);
    assert_int_equal(status, BELAY_GRPC_OK);
    belay_channel_unref(d.channel);
    kernel_close(&r.kernel);
}

static void it_can_be_ended_at_every_moment(void **state)
{
    (void)state;
    for (int turns = 0; turns < 30; turns++) {
        struct rig r;

        rig_open(&r, "&apiKey=sesame", NULL);
        rig_start(&r);
        for (int i = 0; i < turns; i++) {
            kernel_turn(&r.kernel);
            if (r.kernel.counts[KERNEL_CONNECT] > 0)
                kernel_keep(&r.kernel);
        }
        if (turns % 2) {
            rig_close(&r);
        } else {
            kernel_close(&r.kernel); /* the loop, with it */
            assert_int_equal(r.exits, 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_asks_then_opens_its_session_and_is_connected_at_the_first_keep_alive),
        cmocka_unit_test(a_session_that_ends_is_followed_by_another),
        cmocka_unit_test(a_kernel_that_falls_silent_is_left),
        cmocka_unit_test(a_session_that_was_never_up_is_no_loss),
        cmocka_unit_test(reconnecting_opens_another_session_at_once),
        cmocka_unit_test(a_kernel_that_does_not_understand_it_ends_it),
        cmocka_unit_test(the_question_is_left_out_where_the_string_or_the_option_says_so),
        cmocka_unit_test(an_option_asks_though_the_string_says_not_to),
        cmocka_unit_test(without_a_session_the_kernel_is_asked_nothing),
        cmocka_unit_test(calls_of_the_program_have_the_key),
        cmocka_unit_test(calls_of_the_program_have_a_token),
        cmocka_unit_test(a_channel_may_outlive_it),
        cmocka_unit_test(a_channel_that_is_drained_finishes_its_calls),
        cmocka_unit_test(it_can_be_ended_at_every_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
