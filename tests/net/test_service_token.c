/* SPDX-License-Identifier: MIT */
/* Tokens from an endpoint that says whatever it is told to. */
#include "scripted.h"

#include <stdio.h>
#include <string.h>

#include "service/token.h"

#define GOOD(token)                                                                                \
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 39\r\n\r\n"                           \
    "{\"access_token\":\"" token "\",\"expires_in\":600}"
#define BAD "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

struct asker {
    struct bl_token_waiter waiter;
    struct bl_token *token;
    enum bl_tp_verdict verdict;
    uint64_t number;
    char value[64];
    bool done, frees;
    struct asker *cancels;
};

struct rig {
    struct kit kit;
    struct scripted server;
    struct bl_token *token;
};

static void answered(struct bl_token_waiter *waiter, enum bl_tp_verdict verdict)
{
    struct asker *a = (struct asker *)waiter;

    assert_false(a->done);
    a->done = true;
    a->verdict = verdict;
    a->number = a->token->policy.number;
    if (verdict == BL_TP_USE)
        snprintf(a->value, sizeof a->value, "%s", a->token->value);
    if (a->cancels)
        bl_token_cancel(&a->cancels->waiter);
    if (a->frees)
        bl_token_free(a->token);
}

static void rig_open(struct rig *r, const char *const *answers)
{
    struct bl_token_options o = {.user = "us er", .password = "pa&ss"};

    memset(r, 0, sizeof *r);
    scripted_start(&r->server, answers);
    kit_open_steady(&r->kit, NULL);
    o.http = r->kit.http;
    o.url = scripted_url(&r->server, "/connect/token");
    assert_int_equal(bl_token_new(r->kit.loop, &o, &r->token, NULL), 0);
}

static void rig_close(struct rig *r)
{
    bl_token_free(r->token);
    kit_close(&r->kit);
    scripted_stop(&r->server);
}

static enum bl_tp_verdict ask(struct rig *r, struct asker *a, uint64_t refused)
{
    a->waiter.fn = answered;
    a->token = r->token;
    a->done = false;
    return bl_token_ask(r->token, refused, &a->waiter);
}

static void who_asks_at_once_shares_one_fetch(void **state)
{
    static const char *const answers[] = {GOOD("abc"), NULL};
    struct asker a = {0}, b = {0};
    struct rig r;

    (void)state;
    rig_open(&r, answers);
    assert_int_equal(ask(&r, &a, 0), BL_TP_WAIT);
    assert_int_equal(ask(&r, &b, 0), BL_TP_WAIT);
    scripted_turn_until(&r.server, &r.kit, &b.done);
    assert_true(a.done);
    assert_int_equal(a.verdict, BL_TP_USE);
    assert_string_equal(a.value, "abc");
    assert_string_equal(b.value, "abc");
    assert_int_equal(r.server.requests, 1);
    assert_non_null(strstr(r.server.last, "POST /connect/token HTTP/1.1\r\n"));
    assert_non_null(strstr(r.server.last, "Content-Type: application/x-www-form-urlencoded\r\n"));
    assert_non_null(strstr(r.server.last, "Content-Length: 69\r\n"));
    assert_int_equal(ask(&r, &a, 0), BL_TP_USE);
    rig_close(&r);
}

static void a_failed_fetch_leaves_who_asks_without_a_token(void **state)
{
    static const char *const answers[] = {BAD, NULL};
    struct asker a = {0};
    struct rig r;

    (void)state;
    rig_open(&r, answers);
    assert_int_equal(ask(&r, &a, 0), BL_TP_WAIT);
    scripted_turn_until(&r.server, &r.kit, &a.done);
    assert_int_equal(a.verdict, BL_TP_NONE);
    assert_int_equal(r.token->last.status, 503);
    assert_int_equal(ask(&r, &a, 0), BL_TP_NONE);
    assert_int_equal(r.server.requests, 1);
    rig_close(&r);
}

static void a_refused_token_is_fetched_anew(void **state)
{
    static const char *const answers[] = {GOOD("abc"), GOOD("def"), BAD, NULL};
    struct asker a = {0};
    struct rig r;

    (void)state;
    rig_open(&r, answers);
    ask(&r, &a, 0);
    scripted_turn_until(&r.server, &r.kit, &a.done);
    assert_int_equal(ask(&r, &a, a.number), BL_TP_WAIT);
    scripted_turn_until(&r.server, &r.kit, &a.done);
    assert_string_equal(a.value, "def");
    assert_int_equal(a.number, 2);
    /* That one is refused, and none can be had: the one there is is kept, under its old number. */
    assert_int_equal(ask(&r, &a, 2), BL_TP_WAIT);
    scripted_turn_until(&r.server, &r.kit, &a.done);
    assert_int_equal(a.verdict, BL_TP_USE);
    assert_int_equal(a.number, 2);
    rig_close(&r);
}

static void an_endless_answer_is_a_failed_fetch(void **state)
{
    static char endless[BL_TOKEN_BODY_MAX + 1024];
    const char *answers[] = {endless, NULL};
    struct asker a = {0};
    struct rig r;
    int head =
        snprintf(endless, sizeof endless, "HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n");

    (void)state;
    memset(endless + head, ' ', sizeof endless - (size_t)head - 1);
    rig_open(&r, answers);
    ask(&r, &a, 0);
    scripted_turn_until(&r.server, &r.kit, &a.done);
    assert_int_equal(a.verdict, BL_TP_NONE);
    assert_int_equal(r.token->last.code, BELAY_ELIMIT);
    rig_close(&r);
}

static void it_is_freed_while_a_fetch_is_under_way(void **state)
{
    static const char *const answers[] = {GOOD("abc"), NULL};
    struct asker a = {0};
    struct rig r;

    (void)state;
    rig_open(&r, answers);
    ask(&r, &a, 0);
    bl_token_free(r.token);
    r.token = NULL;
    rig_close(&r);
    assert_false(a.done);
}

static void who_is_answered_may_free_it_and_cancel_others(void **state)
{
    static const char *const answers[] = {GOOD("abc"), NULL};
    struct asker a = {0}, b = {0}, c = {0};
    struct rig r;

    (void)state;
    rig_open(&r, answers);
    ask(&r, &a, 0);
    ask(&r, &b, 0);
    ask(&r, &c, 0);
    a.cancels = &b;
    a.frees = true;
    scripted_turn_until(&r.server, &r.kit, &a.done);
    r.token = NULL;
    rig_close(&r);
    assert_false(b.done);
    assert_false(c.done);
}

static void a_url_that_is_none_is_refused(void **state)
{
    struct bl_token_options o = {.user = "u", .password = "p", .url = "http://[::1"};
    struct bl_token *token;
    struct kit kit;

    (void)state;
    kit_open_steady(&kit, NULL);
    o.http = kit.http;
    assert_int_equal(bl_token_new(kit.loop, &o, &token, NULL), BELAY_EINVAL);
    kit_close(&kit);
}

/* Returns how many allocations failed: none, where there are fewer than n. */
static size_t fetch_with_failure(size_t n)
{
    static const char *const answers[] = {GOOD("abc"), GOOD("abc"), NULL};
    struct bl_token_options o = {.user = "us er", .password = "pa&ss"};
    enum bl_tp_verdict verdict = BL_TP_NONE;
    struct asker a = {0};
    struct rig r = {0};
    size_t failures;
    int rc;

    scripted_start(&r.server, answers);
    kit_open_steady(&r.kit, NULL);
    o.http = r.kit.http;
    o.url = scripted_url(&r.server, "/connect/token");
    failing_alloc_once(&r.kit.memory, n);
    rc = bl_token_new(r.kit.loop, &o, &r.token, NULL);
    if (rc == 0)
        verdict = ask(&r, &a, 0);
    else
        assert_int_equal(rc, BELAY_ENOMEM);
    if (verdict == BL_TP_WAIT) {
        scripted_turn_until(&r.server, &r.kit, &a.done);
        verdict = a.verdict;
    }
    failures = failing_alloc_failures(&r.kit.memory);
    if (rc == 0 && verdict == BL_TP_NONE)
        assert_int_not_equal(r.token->last.code, 0);
    assert_true(failures > 0 || verdict == BL_TP_USE);
    rig_close(&r);
    return failures;
}

static void every_failing_allocation_is_survived(void **state)
{
    size_t n = 1;

    (void)state;
    while (fetch_with_failure(n) > 0)
        n++;
    assert_true(n > 10); /* so many there are at least */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks_at_once_shares_one_fetch),
        cmocka_unit_test(a_failed_fetch_leaves_who_asks_without_a_token),
        cmocka_unit_test(a_refused_token_is_fetched_anew),
        cmocka_unit_test(an_endless_answer_is_a_failed_fetch),
        cmocka_unit_test(it_is_freed_while_a_fetch_is_under_way),
        cmocka_unit_test(who_is_answered_may_free_it_and_cancel_others),
        cmocka_unit_test(a_url_that_is_none_is_refused),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
