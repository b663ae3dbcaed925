/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of a session with its credentials fails once: the session then ends with an
 * error that says so, or goes on; each call ends once, and nothing is left.
 */
#include "kernel_kit.h"

#include <stdio.h>

#include "service/chronicle_auth.h"
#include "service/chronicle_session.h"

static struct kernel_kit k;

struct scene {
    struct bl_chronicle_string *string;
    struct bl_chronicle_access *access;
    struct bl_chronicle_session *session;
    int checks, kept, ends;
    bool talked;
    int started, dones; /* calls */
    int good;
};

static void on_checked(const struct belay_error *error, void *arg)
{
    struct scene *s = arg;

    assert_null(error);
    s->checks++;
    bl_chronicle_session_connect(s->session);
}

static void on_kept(void *arg)
{
    struct scene *s = arg;

    s->kept++;
}

static void on_ended(const struct belay_error *error, void *arg)
{
    struct scene *s = arg;

    s->ends++;
    assert_int_not_equal(error->code, 0);
    assert_true(error->text[0] != '\0');
}

static void on_done(const void *response, size_t len, const struct belay_rpc_result *result,
                    void *arg)
{
    struct scene *s = arg;

    (void)response, (void)len;
    s->dones++;
    s->good += result->status == BELAY_GRPC_OK;
}

static int open_channel(struct scene *s)
{
    struct belay_channel_options o = belay_channel_options_init();
    struct belay_backoff_options backoff = belay_backoff_options_init();
    struct belay_error error = {0};
    char target[64];
    int rc;

    backoff.delay_ms = 1;
    o.backoff = &backoff;
    snprintf(target, sizeof target, "ipv4:127.0.0.1:%d", k.server.port);
    bl_chronicle_access_apply(s->access, &o);
    rc = belay_channel_open(k.loop, target, &o, &k.channel, &error);
    assert_true(rc == 0 || rc == BELAY_ENOMEM);
    return rc;
}

static int open_access(struct scene *s)
{
    struct bl_chronicle_access_options o = {.string = s->string};
    struct belay_error error = {0};
    int rc = bl_chronicle_access_new(k.loop, &o, &s->access, &error);

    if (rc == 0)
        rc = bl_chronicle_access_aim(s->access, "127.0.0.1", (uint16_t)k.tokens.port, &error);
    assert_true(rc == 0 || (rc == BELAY_ENOMEM && error.code == rc));
    return rc;
}

static int open_session(struct scene *s)
{
    struct bl_chronicle_session_options o = {
        .channel = k.channel,
        .connection_id = "the-id",
        .on_checked = on_checked,
        .on_kept = on_kept,
        .on_ended = on_ended,
        .arg = s,
    };
    struct belay_error error = {0};
    int rc = bl_chronicle_session_new(&o, &s->session, &error);

    assert_true(rc == 0 || (rc == BELAY_ENOMEM && error.code == rc));
    return rc;
}

/* A call whose token is refused. */
static void start_call(struct scene *s)
{
    k.token = "Bearer def";
    if (belay_channel_unary(k.channel, "/test.Some/Thing", "", 0, NULL, NULL, on_done, s, NULL) ==
        0)
        s->started++;
}

static bool goes_on(const struct scene *s)
{
    return s->ends == 0 && (s->kept < 2 || s->dones < s->started);
}

static void talk(struct scene *s)
{
    bl_chronicle_session_check(s->session);
    for (int i = 0; i < 400 && goes_on(s); i++) {
        if (k.counts[KERNEL_CONNECT] == 1 && !s->talked) {
            s->talked = true;
            kernel_keep(&k);
            kernel_keep(&k);
            start_call(s);
        }
        kernel_turn(&k);
        if (i == 100) /* for what waits for a deadline */
            kernel_forward(&k, 6000);
    }
    assert_true(!goes_on(s) || failing_alloc_failures(&k.memory) > 0);
}

static void let_go(struct scene *s)
{
    bl_chronicle_session_free(s->session);
    if (k.channel)
        belay_channel_close(k.channel, NULL, NULL);
    k.channel = NULL;
    bl_chronicle_access_close(s->access);
    bl_chronicle_string_free(s->string);
}

static size_t run_scenario(size_t n)
{
    static const char *const answers[] = {KERNEL_TOKEN("abc"), KERNEL_TOKEN("def"),
                                          KERNEL_TOKEN("def"), KERNEL_TOKEN("def"), NULL};
    struct bl_span text = bl_span_of("chronicle://me:secret@127.0.0.1?disableTls=true");
    struct scene s = {0};
    struct bl_mem mem;
    size_t failures;

    bl_mem_init(&mem, NULL);
    kernel_open_failing(&k, answers, n);
    assert_int_equal(bl_chronicle_string_parse(&mem, text, &s.string, NULL), 0);
    if (open_access(&s) == 0 && open_channel(&s) == 0 && open_session(&s) == 0)
        talk(&s);
    assert_true(s.checks <= 1 && s.ends <= 1 && s.kept <= 2);
    let_go(&s);
    failures = failing_alloc_failures(&k.memory);
    kernel_close(&k);
    assert_int_equal(s.dones, s.started);
    if (failures == 0) {
        assert_int_equal(s.kept, 2);
        assert_int_equal(s.good, 1);
        assert_int_equal(s.ends, 0);
    }
    return failures;
}

static void every_failing_allocation_is_survived(void **state)
{
    size_t n = 1;

    (void)state;
    while (run_scenario(n) > 0)
        n++;
    assert_true(n > 100);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
