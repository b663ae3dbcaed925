/* SPDX-License-Identifier: MIT */
/* Credentials of a Chronicle connection's calls: tokens, keys, none, and what becomes of refusals. */
#include "kernel_kit.h"

#include <stdio.h>

#include "service/chronicle_auth.h"

static struct kernel_kit k;
static struct bl_chronicle_string *string;
static struct bl_chronicle_access *access_;

struct call_state {
    bool done;
    int status, attempts;
    char message[320];
};

static void on_done(const void *response, size_t len, const struct belay_rpc_result *result,
                    void *arg)
{
    struct call_state *c = arg;

    (void)response, (void)len;
    assert_false(c->done);
    c->done = true;
    c->status = result->status;
    c->attempts = result->attempts;
    snprintf(c->message, sizeof c->message, "%s", result->message);
}

static void begin_call(struct call_state *c)
{
    *c = (struct call_state){0};
    assert_int_equal(
        belay_channel_unary(k.channel, "/test.Some/Thing", "", 0, NULL, NULL, on_done, c, NULL), 0);
}

static void call(struct call_state *c)
{
    begin_call(c);
    kernel_until(&k, &c->done);
}

static struct belay_channel_options *with; /* the caller's options of channels; NULL: none */

static void make_access(const char *text)
{
    struct bl_chronicle_access_options o = {0};
    static struct bl_mem mem;
    struct belay_error error;

    bl_mem_init(&mem, NULL);
    if (bl_chronicle_string_parse(&mem, bl_span_of(text), &string, &error) < 0)
        fail_msg("%s", error.text);
    o.string = string;
    o.channel = with;
    if (bl_chronicle_access_new(k.loop, &o, &access_, &error) < 0)
        fail_msg("%s", error.text);
}

/* A kernel, its token endpoint, and a channel whose calls have what the string says. */
static void open_with(const char *userinfo, const char *more, const char *const *answers)
{
    struct belay_channel_options o = belay_channel_options_init();
    char text[256];

    kernel_open(&k, answers);
    snprintf(text, sizeof text, "chronicle://%s127.0.0.1:%d?disableTls=true%s", userinfo,
             answers ? k.tokens.port : 1, more);
    make_access(text);
    bl_chronicle_access_apply(access_, &o);
    assert_true(o.plain);
    kernel_dial(&k, &o);
    assert_int_equal(bl_chronicle_access_aim(access_, "127.0.0.1",
                                             (uint16_t)(answers ? k.tokens.port : 1), NULL),
                     0);
}

/* As the connection does it: the channel first. */
static void close_all(void)
{
    belay_channel_close(k.channel, NULL, NULL);
    k.channel = NULL;
    bl_chronicle_access_close(access_);
    access_ = NULL;
    bl_chronicle_string_free(string);
    kernel_close(&k);
}

static const char *authorization(void)
{
    return kernel_last(&k, KERNEL_OTHER)->authorization;
}

/* ---- which way ---- */

static void a_key_goes_with_each_call(void **state)
{
    struct call_state c;

    (void)state;
    open_with("", "&apiKey=ab%20cd", NULL);
    call(&c);
    assert_int_equal(c.status, BELAY_GRPC_OK);
    assert_string_equal(kernel_last(&k, KERNEL_OTHER)->api_key, "ab cd");
    assert_string_equal(authorization(), "");
    call(&c);
    assert_string_equal(kernel_last(&k, KERNEL_OTHER)->api_key, "ab cd");
    close_all();
}

static void without_credentials_calls_have_none(void **state)
{
    struct call_state c;

    (void)state;
    open_with("", "", NULL);
    call(&c);
    assert_int_equal(c.status, BELAY_GRPC_OK);
    assert_string_equal(authorization(), "");
    close_all();

    open_with("me:secret@", "&auth=none", NULL);
    call(&c);
    assert_string_equal(authorization(), "");
    assert_string_equal(kernel_last(&k, KERNEL_OTHER)->api_key, "");
    close_all();
}

static void a_token_is_fetched_with_the_first_call(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), NULL};
    struct call_state c;

    (void)state;
    open_with("us%40er:se%26cret@", "", answers);
    kernel_a_while(&k);
    assert_int_equal(k.tokens.requests, 0);
    call(&c);
    assert_int_equal(c.status, BELAY_GRPC_OK);
    assert_string_equal(authorization(), "Bearer abc");
    assert_non_null(strstr(k.tokens.last, "POST /connect/token HTTP/1.1\r\n"));
    call(&c);
    assert_string_equal(authorization(), "Bearer abc");
    assert_int_equal(k.tokens.requests, 1);
    close_all();
}

static void calls_at_once_share_one_fetch(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), NULL};
    struct call_state c[5];

    (void)state;
    open_with("me:secret@", "", answers);
    for (int i = 0; i < 5; i++)
        begin_call(&c[i]);
    for (int i = 0; i < 5; i++) {
        kernel_until(&k, &c[i].done);
        assert_int_equal(c[i].status, BELAY_GRPC_OK);
    }
    assert_int_equal(k.tokens.requests, 1);
    close_all();
}

/* ---- no token ---- */

static void without_a_token_calls_go_without_one(void **state)
{
    static const char *const answers[] = {KERNEL_BUSY, KERNEL_TOKEN("abc"), NULL};
    struct call_state c;

    (void)state;
    open_with("me:secret@", "", answers);
    call(&c);
    assert_int_equal(c.status, BELAY_GRPC_OK);
    assert_string_equal(authorization(), "");
    assert_non_null(strstr(k.log, "calls go without a token"));
    assert_non_null(strstr(k.log, "503"));
    assert_null(strstr(k.log, "secret"));
    k.log[0] = '\0';
    call(&c);
    assert_string_equal(authorization(), "");
    assert_int_equal(k.tokens.requests, 1);
    assert_string_equal(k.log, "");
    kernel_forward(&k, 5000);
    call(&c);
    assert_string_equal(authorization(), "Bearer abc");
    close_all();
}

static void a_token_outlives_an_outage_of_its_endpoint(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), KERNEL_BUSY, KERNEL_BUSY, NULL};
    struct call_state c;

    (void)state;
    open_with("me:secret@", "", answers);
    call(&c);
    kernel_forward(&k, 545000); /* less than 60 s are left */
    call(&c);
    assert_string_equal(authorization(), "Bearer abc");
    while (k.tokens.requests < 2)
        kernel_turn(&k);
    kernel_a_while(&k);
    call(&c);
    assert_string_equal(authorization(), "Bearer abc");
    kernel_forward(&k, 60000);
    call(&c);
    assert_string_equal(authorization(), "");
    close_all();
}

/* ---- refusals ---- */

static void a_refused_token_is_renewed_and_the_call_sent_again(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), KERNEL_TOKEN("def"), NULL};
    struct call_state c;

    (void)state;
    open_with("me:secret@", "", answers);
    k.token = "Bearer def";
    call(&c);
    assert_int_equal(c.status, BELAY_GRPC_OK);
    assert_int_equal(c.attempts, 2);
    assert_string_equal(authorization(), "Bearer def");
    call(&c);
    assert_int_equal(c.attempts, 1);
    assert_int_equal(k.tokens.requests, 2);
    close_all();
}

static void calls_refused_together_share_one_renewal(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), KERNEL_TOKEN("def"), NULL};
    struct call_state c[5];

    (void)state;
    open_with("me:secret@", "", answers);
    k.token = "Bearer def";
    for (int i = 0; i < 5; i++)
        begin_call(&c[i]);
    for (int i = 0; i < 5; i++) {
        kernel_until(&k, &c[i].done);
        assert_int_equal(c[i].status, BELAY_GRPC_OK);
    }
    assert_int_equal(k.tokens.requests, 2);
    close_all();
}

static void a_renewal_does_not_wait_for_the_throttle(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), KERNEL_BUSY, KERNEL_TOKEN("def"),
                                          NULL};
    struct call_state c;

    (void)state;
    open_with("me:secret@", "", answers);
    k.token = "Bearer def";
    call(&c);
    assert_int_equal(c.status, BELAY_GRPC_UNAUTHENTICATED);
    assert_int_equal(k.tokens.requests, 2);
    call(&c);
    assert_int_equal(c.status, BELAY_GRPC_OK);
    assert_int_equal(k.tokens.requests, 3);
    close_all();
}

static void a_token_refused_twice_is_the_call_s_end(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), KERNEL_TOKEN("def"), NULL};
    struct call_state c;

    (void)state;
    open_with("me:secret@", "", answers);
    k.token = "Bearer xyz";
    call(&c);
    assert_int_equal(c.status, BELAY_GRPC_UNAUTHENTICATED);
    assert_string_equal(c.message, "no token of mine");
    assert_int_equal(k.counts[KERNEL_OTHER], 2);
    assert_int_equal(k.tokens.requests, 2);
    close_all();
}

static void a_call_without_a_token_is_not_sent_again(void **state)
{
    static const char *const answers[] = {KERNEL_BUSY, NULL};
    struct call_state c;

    (void)state;
    open_with("me:secret@", "", answers);
    k.token = "Bearer abc";
    call(&c);
    assert_int_equal(c.status, BELAY_GRPC_UNAUTHENTICATED);
    assert_int_equal(k.counts[KERNEL_OTHER], 1);
    assert_int_equal(k.tokens.requests, 1);
    close_all();
}

static void a_refused_key_is_the_call_s_end(void **state)
{
    struct call_state c;

    (void)state;
    open_with("", "&apiKey=wrong", NULL);
    k.token = "never";
    call(&c);
    assert_int_equal(c.status, BELAY_GRPC_UNAUTHENTICATED);
    assert_int_equal(k.counts[KERNEL_OTHER], 1);
    assert_null(strstr(c.message, "wrong"));
    close_all();
}

/* ---- which endpoint ---- */

static void auth_port_takes_the_place_of_the_host_s(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), NULL};
    struct call_state c;
    char more[64];

    (void)state;
    open_with("me:secret@", "", answers);
    bl_chronicle_access_close(access_);
    bl_chronicle_string_free(string);
    belay_channel_close(k.channel, NULL, NULL);
    {
        struct belay_channel_options o = belay_channel_options_init();

        snprintf(more, sizeof more, "chronicle://me:secret@localhost?disableTls=true&authPort=%d",
                 k.tokens.port);
        make_access(more);
        bl_chronicle_access_apply(access_, &o);
        kernel_dial(&k, &o);
    }
    assert_int_equal(bl_chronicle_access_aim(access_, "127.0.0.1", 35000, NULL), 0);
    call(&c);
    assert_string_equal(authorization(), "Bearer abc");
    snprintf(more, sizeof more, "Host: 127.0.0.1:%d\r\n", k.tokens.port);
    assert_non_null(strstr(k.tokens.last, more));
    close_all();
}

static void the_same_kernel_keeps_its_token_and_another_gives_its_own(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), KERNEL_TOKEN("def"), NULL};
    uint16_t port;
    struct call_state c;

    (void)state;
    open_with("me:secret@", "", answers);
    port = (uint16_t)k.tokens.port;
    call(&c);
    assert_int_equal(bl_chronicle_access_aim(access_, "127.0.0.1", port, NULL), 0);
    call(&c);
    assert_int_equal(k.tokens.requests, 1);
    assert_int_equal(bl_chronicle_access_aim(access_, "localhost", port, NULL), 0);
    call(&c);
    assert_string_equal(authorization(), "Bearer def");
    assert_int_equal(k.tokens.requests, 2);
    close_all();
}

/* It is no token of the new kernel's that was refused. */
static void a_refusal_of_the_old_kernel_does_not_renew_the_new_one_s_token(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), KERNEL_TOKEN("def"),
                                          KERNEL_TOKEN("ghi"), NULL};
    const struct kernel_request *first;
    struct call_state c, d;

    (void)state;
    open_with("me:secret@", "", answers);
    k.ways[KERNEL_OTHER] = KERNEL_SILENT;
    begin_call(&c);
    kernel_until_requests(&k, KERNEL_OTHER, 1);
    first = kernel_last(&k, KERNEL_OTHER);
    k.ways[KERNEL_OTHER] = KERNEL_WELL;
    assert_int_equal(bl_chronicle_access_aim(access_, "localhost", (uint16_t)k.tokens.port, NULL),
                     0);
    call(&d);
    assert_string_equal(authorization(), "Bearer def");
    h2_head(&k.server, first->conn, H2_END_STREAM, first->id,
            ":status: 200\ncontent-type: application/grpc\ngrpc-status: 16\n");
    kernel_until(&k, &c.done);
    assert_int_equal(c.status, BELAY_GRPC_OK);
    assert_string_equal(authorization(), "Bearer def");
    assert_int_equal(k.tokens.requests, 2);
    close_all();
}

static void who_waits_when_the_kernel_changes_waits_for_the_new_one(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), NULL};
    struct call_state c, d;
    struct scripted deaf;

    (void)state;
    open_with("me:secret@", "", answers);
    scripted_start(&deaf, answers); /* and never stepped */
    assert_int_equal(bl_chronicle_access_aim(access_, "127.0.0.1", (uint16_t)deaf.port, NULL), 0);
    begin_call(&c);
    begin_call(&d);
    kernel_a_while(&k);
    assert_false(c.done);
    assert_int_equal(bl_chronicle_access_aim(access_, "127.0.0.1", (uint16_t)k.tokens.port, NULL),
                     0);
    kernel_until(&k, &c.done);
    kernel_until(&k, &d.done);
    assert_string_equal(authorization(), "Bearer abc");
    assert_int_equal(k.tokens.requests, 1);
    scripted_stop(&deaf);
    close_all();
}

static void a_kernel_without_an_address_is_refused(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), NULL};
    struct belay_error error;

    (void)state;
    open_with("me:secret@", "", answers);
    assert_int_equal(bl_chronicle_access_aim(access_, "", 1, &error), BELAY_EINVAL);
    assert_int_equal(bl_chronicle_access_aim(access_, "::1", 1, &error), 0);
    assert_int_equal(bl_chronicle_access_aim(access_, "bad host", 1, &error), BELAY_EINVAL);
    close_all();
}

static void tokens_take_the_route_of_the_channel(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), NULL};
    struct belay_endpoint_options route = belay_endpoint_options_init();
    struct belay_channel_options options = belay_channel_options_init();
    struct call_state c;

    (void)state;
    options.route = &route;
    with = &options;
    for (int good = 0; good < 2; good++) {
        route.source_addr = good ? "127.0.0.2" : "192.0.2.1"; /* which is not this machine's */
        open_with("me:secret@", "", answers);
        call(&c);
        assert_int_equal(c.status, BELAY_GRPC_OK);
        assert_string_equal(authorization(), good ? "Bearer abc" : "");
        assert_int_equal(k.tokens.accepted, good);
        close_all();
    }
    with = NULL;
}

/* ---- the end ---- */

static void calls_that_wait_for_a_token_end_with_the_connection(void **state)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), NULL};
    struct call_state c;
    struct scripted deaf;

    (void)state;
    open_with("me:secret@", "", answers);
    scripted_start(&deaf, answers);
    assert_int_equal(bl_chronicle_access_aim(access_, "127.0.0.1", (uint16_t)deaf.port, NULL), 0);
    begin_call(&c);
    kernel_a_while(&k);
    close_all();
    assert_true(c.done);
    assert_int_equal(c.status, BELAY_GRPC_CANCELLED);
    scripted_stop(&deaf);
}

static void credentials_of_the_caller_s_own_are_left_alone(void **state)
{
    struct belay_channel_options o = belay_channel_options_init();
    int own;

    (void)state;
    open_with("", "&apiKey=key", NULL);
    o.credentials = (belay_rpc_credentials_fn *)(uintptr_t)1;
    o.credentials_arg = &own;
    bl_chronicle_access_apply(access_, &o);
    assert_ptr_equal(o.credentials_arg, &own);
    close_all();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_goes_with_each_call),
        cmocka_unit_test(without_credentials_calls_have_none),
        cmocka_unit_test(a_token_is_fetched_with_the_first_call),
        cmocka_unit_test(calls_at_once_share_one_fetch),
        cmocka_unit_test(without_a_token_calls_go_without_one),
        cmocka_unit_test(a_token_outlives_an_outage_of_its_endpoint),
        cmocka_unit_test(a_refused_token_is_renewed_and_the_call_sent_again),
        cmocka_unit_test(calls_refused_together_share_one_renewal),
        cmocka_unit_test(a_renewal_does_not_wait_for_the_throttle),
        cmocka_unit_test(a_token_refused_twice_is_the_call_s_end),
        cmocka_unit_test(a_call_without_a_token_is_not_sent_again),
        cmocka_unit_test(a_refused_key_is_the_call_s_end),
        cmocka_unit_test(auth_port_takes_the_place_of_the_host_s),
        cmocka_unit_test(the_same_kernel_keeps_its_token_and_another_gives_its_own),
        cmocka_unit_test(a_refusal_of_the_old_kernel_does_not_renew_the_new_one_s_token),
        cmocka_unit_test(who_waits_when_the_kernel_changes_waits_for_the_new_one),
        cmocka_unit_test(a_kernel_without_an_address_is_refused),
        cmocka_unit_test(tokens_take_the_route_of_the_channel),
        cmocka_unit_test(calls_that_wait_for_a_token_end_with_the_connection),
        cmocka_unit_test(credentials_of_the_caller_s_own_are_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
