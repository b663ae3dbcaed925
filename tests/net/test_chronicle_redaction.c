/* SPDX-License-Identifier: MIT */
/*
 * Secrets of a Chronicle connection: no line of the log, no change that is traced, no error and no
 * status has one; and who holds one wipes it. (What was sent passed buffers of HTTP and of the
 * connection, which are not wiped.)
 */
#include "belay/chronicle.h"
#include "kernel_kit.h"
#include "loop/loop.h"
#include "service/chronicle_auth.h"

#include <stdio.h>
#include <stdlib.h>

#define TOKEN_TEXT "a-token-to-be-hidden"
#define TOKEN                                                                                      \
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 56\r\n\r\n"                           \
    "{\"access_token\":\"" TOKEN_TEXT "\",\"expires_in\":600}"

struct scene {
    struct kernel_kit kernel;
    struct belay_chronicle *c;
    const char *secret;
    bool done, closed;
    char text[BELAY_ERROR_TEXT_MAX]; /* of who waited */
    unsigned traced;
};

static void hidden(const struct scene *s, const char *text)
{
    if (text && strstr(text, s->secret))
        fail_msg("\"%s\" is said: %s", s->secret, text);
}

static void on_trace(const struct belay_trace *t, void *arg)
{
    struct scene *s = arg;

    s->traced++;
    hidden(s, t->name);
    hidden(s, t->cause);
}

static void on_done(const struct belay_error *error, void *arg)
{
    struct scene *s = arg;

    s->done = true;
    snprintf(s->text, sizeof s->text, "%s", error ? error->text : "");
    hidden(s, s->text);
}

static void on_exit_(struct belay_chronicle *c, struct belay_exit why, void *arg)
{
    (void)c;
    hidden(arg, why.error ? why.error->text : NULL);
}

static void on_unary(const void *response, size_t len, const struct belay_rpc_result *result,
                     void *arg)
{
    struct scene *s = arg;

    (void)response, (void)len;
    s->done = true;
    hidden(s, result->message);
}

static void set(void *flag)
{
    *(bool *)flag = true;
}

/* `userinfo` and `more` of the string, with the secret. */
static void begin(struct scene *s, const char *secret, const char *userinfo, const char *more,
                  const char *const *answers)
{
    struct belay_chronicle_options o = belay_chronicle_options_init();
    struct belay_error error;
    char string[256];

    memset(s, 0, sizeof *s);
    s->secret = secret;
    kernel_open(&s->kernel, answers);
    s->kernel.loop->on_trace = on_trace;
    s->kernel.loop->trace_arg = s;
    assert_int_equal(belay_log_set_level(s->kernel.loop, NULL, BELAY_LOG_DEBUG), 0);
    snprintf(string, sizeof string, "chronicle://%s127.0.0.1:%d?disableTls=true&authPort=%d%s",
             userinfo, s->kernel.server.port, answers ? s->kernel.tokens.port : 1, more);
    o.connection_string = string;
    o.on_exit = on_exit_;
    o.exit_arg = s;
    if (belay_chronicle_start(s->kernel.loop, &o, &s->c, &error) < 0)
        fail_msg("%s", error.text);
}

static void connect_it(struct scene *s)
{
    assert_int_equal(belay_chronicle_connect(s->c, 10000, NULL, on_done, s), 0);
    kernel_until_requests(&s->kernel, KERNEL_CONNECT, s->kernel.counts[KERNEL_CONNECT] + 1);
    kernel_keep(&s->kernel);
    kernel_until(&s->kernel, &s->done);
    assert_string_equal(s->text, "");
}

static void call_it(struct scene *s)
{
    s->done = false;
    assert_int_equal(belay_channel_unary(belay_chronicle_channel(s->c), "/test.Some/Thing", "", 0,
                                         NULL, NULL, on_unary, s, NULL),
                     0);
    kernel_until(&s->kernel, &s->done);
}

static void end(struct scene *s)
{
    belay_chronicle_disconnect(s->c, set, &s->closed);
    kernel_until(&s->kernel, &s->closed);
    kernel_close(&s->kernel);
    assert_true(s->traced > 10);
    hidden(s, s->kernel.log);
}

static void a_key_is_nowhere(void **state)
{
    struct scene s;

    (void)state;
    begin(&s, "key-to-be-hidden", "", "&apiKey=key-to-be-hidden", NULL);
    connect_it(&s);
    call_it(&s);
    s.kernel.token = "never"; /* it is refused */
    call_it(&s);
    end(&s);
}

static void a_password_is_nowhere(void **state)
{
    static const char *const answers[] = {KERNEL_BUSY, KERNEL_TOKEN("abc"), NULL};
    struct scene s;

    (void)state;
    begin(&s, "word-to-be-hidden", "user:word-to-be-hidden@", "", answers);
    connect_it(&s);
    assert_non_null(strstr(s.kernel.log, "calls go without a token"));
    call_it(&s);
    kernel_forward(&s.kernel, 4900);
    s.kernel.token = "Bearer abc";
    call_it(&s);
    end(&s);
}

static void a_token_is_nowhere(void **state)
{
    static const char *const answers[] = {TOKEN, TOKEN, NULL};
    struct scene s;

    (void)state;
    begin(&s, TOKEN_TEXT, "user:word@", "", answers);
    s.kernel.token = "Bearer " TOKEN_TEXT;
    connect_it(&s);
    call_it(&s);
    s.kernel.token = "Bearer another";
    call_it(&s);
    end(&s);
}

static void a_failure_to_start_does_not_say_them(void **state)
{
    static const char *const strings[] = {
        "chronicle://user:hushhush@[::1",
        "chronicle://user:hushhush@host:99999",
        "chronicle://user:hushhush@host?apiKey=hushhush",
        "chronicle://user:hushhush@host?disableTls=hushhush",
        "chronicle://host?apiKey=hushhush%00",
        "chronicle://host?apiKey=hushhush%C3%A4",
        "chronicle://host?certificatePassword=hushhush",
        "chronicle://host?certificatePath=/nonexistent&certificatePassword=hushhush",
        "chronicle://hushhush@host",
        "chronicle://:hushhush@host",
    };
    struct kernel_kit k;

    (void)state;
    kernel_open(&k, NULL);
    k.memory.secret = "hushhush";
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        struct belay_chronicle_options o = belay_chronicle_options_init();
        struct belay_chronicle *c;
        struct belay_error error;

        o.connection_string = strings[i];
        if (belay_chronicle_start(k.loop, &o, &c, &error) == 0)
            fail_msg("%s was taken", strings[i]);
        if (strstr(error.text, "hushhush") && i != 3)
            fail_msg("%s: %s", strings[i], error.text);
    }
    assert_null(strstr(k.log, "hushhush"));
    kernel_close(&k);
    assert_int_equal(k.memory.spilt, 0);
}

/* Those that are options are written, and read again. */
static void a_string_that_was_parsed_is_wiped(void **state)
{
    struct belay_chronicle_options o = belay_chronicle_options_init();
    struct belay_chronicle_string *string;
    struct kernel_kit k;
    struct belay_chronicle *c;
    char text[2000];

    (void)state;
    kernel_open(&k, NULL);
    k.memory.secret = "hushhush";
    snprintf(text, sizeof text, "chronicle://user:hushhush@localhost?disableTls=true&more=%01000d",
             1);
    assert_int_equal(belay_chronicle_string_parse(text, &string, NULL), 0);
    o.string = string;
    assert_int_equal(belay_chronicle_start(k.loop, &o, &c, NULL), 0);
    belay_chronicle_string_free(string);
    belay_chronicle_disconnect(c, NULL, NULL);
    kernel_close(&k);
    assert_int_equal(k.memory.spilt, 0);
}

static void count(const void *response, size_t len, const struct belay_rpc_result *result,
                  void *arg)
{
    (void)response, (void)len, (void)result;
    ++*(int *)arg;
}

/* A call that has its credentials, and no connection: all that holds them is belay's own. */
static void what_was_not_sent_is_wiped(void **state)
{
    struct belay_channel_options o = belay_channel_options_init();
    struct belay_rpc_options patient = belay_rpc_options_init();
    struct bl_chronicle_access_options a = {0};
    struct bl_chronicle_access *access;
    struct bl_chronicle_string *string;
    char text[600], secret[400];
    struct belay_rpc *rpc;
    struct kernel_kit k;
    int calls = 0;

    (void)state;
    memset(secret, 'x', sizeof secret);
    secret[sizeof secret - 1] = '\0';
    kernel_open(&k, NULL);
    k.memory.secret = secret;
    snprintf(text, sizeof text, "chronicle://localhost?disableTls=true&apiKey=%s", secret);
    assert_int_equal(bl_chronicle_string_parse(&k.loop->mem, bl_span_of(text), &string, NULL), 0);
    a.string = string;
    assert_int_equal(bl_chronicle_access_new(k.loop, &a, &access, NULL), 0);
    bl_chronicle_access_apply(access, &o);
    h2_vanish(&k.server); /* nobody answers */
    kernel_dial(&k, &o);
    patient.wait_for_ready = true;
    for (int i = 0; i < 2; i++)
        assert_int_equal(belay_channel_unary(k.channel, "/test.Some/Thing", "", 0, &patient, &rpc,
                                             count, &calls, NULL),
                         0);
    kernel_a_while(&k);
    belay_rpc_cancel(rpc);
    belay_channel_close(k.channel, NULL, NULL);
    k.channel = NULL;
    bl_chronicle_access_close(access);
    bl_chronicle_string_free(string);
    h2_start_again(&k.server);
    kernel_close(&k);
    assert_int_equal(calls, 1);
    assert_int_equal(k.memory.spilt, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_nowhere),
        cmocka_unit_test(a_password_is_nowhere),
        cmocka_unit_test(a_token_is_nowhere),
        cmocka_unit_test(a_failure_to_start_does_not_say_them),
        cmocka_unit_test(a_string_that_was_parsed_is_wiped),
        cmocka_unit_test(what_was_not_sent_is_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
