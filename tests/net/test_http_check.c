/* SPDX-License-Identifier: MIT */
/* Whether a connection is good, found out by a request: before it counts as open, and later. */
#include "lent.h"

#include <stdio.h>

#define OK(body) "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" body
#define BAD      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

static const struct belay_http_check plain = {.size = sizeof plain, .path = "/health?a=b"};

/* Pools take the connector of links too. `check_idle`: before each use. */
static void open_scene(struct lent *s, const char *const *answers,
                       const struct belay_http_check *check, bool check_idle)
{
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_error error;

    lent_begin(s, answers);
    if (belay_http_connector(s->kit.http, check, &o.connector, &error) < 0)
        fail_msg("%s", error.text);
    o.connect_retry_count = BELAY_NONE;
    o.check_after_idle_ms = check_idle ? BELAY_NONE : 0;
    assert_int_equal(belay_pool_open(s->kit.loop, &o, &s->pool, &error), 0);
    assert_int_equal(
        belay_endpoint_parse(s->kit.loop, scripted_url(&s->server, ""), &s->endpoint, &error), 0);
    assert_int_equal(belay_pool_peer(s->pool, s->endpoint, &s->peer), 0);
}

static void must_open(struct lent *s)
{
    lent_must_acquire(s, s->peer);
}

static void must_fail(struct lent *s, int code, int status, const char *word)
{
    lent_acquire(s, s->peer);
    assert_int_equal(s->error.code, code);
    assert_int_equal(s->error.stage, BELAY_STAGE_PROTOCOL);
    assert_int_equal(s->error.kind, belay_error_kind_of(code));
    assert_int_equal(s->error.status, status);
    if (!strstr(s->error.text, word))
        fail_msg("\"%s\" says nothing of \"%s\"", s->error.text, word);
}

static void a_connection_is_open_when_its_check_is_answered(void **state)
{
    static const char *const answers[] = {OK("ok"), NULL};
    struct lent s;
    char host[64];

    (void)state;
    open_scene(&s, answers, &plain, false);
    snprintf(host, sizeof host, "\r\nHost: 127.0.0.1:%d\r\n", s.server.port);
    must_open(&s);
    assert_int_equal(s.server.requests, 1);
    assert_memory_equal(s.server.last, "GET /health?a=b HTTP/1.1\r\n", 26);
    assert_non_null(strstr(s.server.last, host));
    lent_end(&s);
}

static void without_a_check_nothing_is_asked(void **state)
{
    static const char *const answers[] = {NULL};
    struct lent s;

    (void)state;
    open_scene(&s, answers, NULL, false);
    must_open(&s);
    assert_int_equal(s.server.requests, 0);
    lent_end(&s);
}

static void another_status_is_an_error_that_has_it(void **state)
{
    static const char *const answers[] = {BAD, OK("ok"), NULL};
    struct lent s;

    (void)state;
    open_scene(&s, answers, &plain, false);
    must_fail(&s, BELAY_EUNHEALTHY, 503, "the answer is 503");
    assert_int_equal(s.error.kind, BELAY_KIND_RETRY);
    assert_null(strstr(s.error.text, "a=b")); /* a query may be a secret */
    must_open(&s);
    assert_int_equal(s.server.accepted, 2);
    lent_end(&s);
}

static void what_is_good_can_be_said(void **state)
{
    static const char *const answers[] = {"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", OK("ok"),
                                          NULL};
    const struct belay_http_check check = {
        .size = sizeof check, .method = "OPTIONS", .status_min = 404, .status_max = 404};
    struct lent s;

    (void)state;
    open_scene(&s, answers, &check, false);
    must_open(&s);
    assert_memory_equal(s.server.last, "OPTIONS / HTTP/1.1\r\n", 20);
    assert_int_equal(belay_lease_release(s.lease, BELAY_BROKEN), 0);
    must_fail(&s, BELAY_EUNHEALTHY, 200, "404 to 404 is good");
    lent_end(&s);
}

static void a_head_request_has_no_body(void **state)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", NULL};
    const struct belay_http_check check = {.size = sizeof check, .method = "HEAD"};
    struct lent s;

    (void)state;
    open_scene(&s, answers, &check, false);
    must_open(&s);
    lent_end(&s);
}

static void what_is_no_answer_fails_in_stage_protocol(void **state)
{
    static const char *const nonsense[] = {"SSH-2.0-OpenSSH\r\n\r\n", NULL};
    static const char *const nothing[] = {"", NULL};
    static const char *const last[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", NULL};
    static const char *const more[] = {OK("okmore than was said"), NULL};
    static const struct {
        const char *const *answers;
        int code, status;
        const char *word;
    } cases[] = {
        {nonsense, BELAY_EPROTO, 0, "GET http://127.0.0.1"},
        {nothing, BELAY_EEOF, 0, "closed the connection"},
        {last, BELAY_EEOF, 200, "the connection ends with it"},
        {more, BELAY_EEOF, 200, "the connection ends with it"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct lent s;

        open_scene(&s, cases[i].answers, &plain, false);
        must_fail(&s, cases[i].code, cases[i].status, cases[i].word);
        lent_end(&s);
    }
}

static void silence_has_a_limit_and_a_known_status_is_told(void **state)
{
    static const char *const slow[] = {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nonly", NULL};
    static const char *const bad[] = {"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nonly", NULL};
    const struct belay_http_check check = {.size = sizeof check, .timeout_ms = 20};
    struct lent s;

    (void)state;
    open_scene(&s, slow, &check, false);
    must_fail(&s, BELAY_ETIMEDOUT, 200, "no complete answer within 20 ms");
    lent_end(&s);
    open_scene(&s, bad, &check, false);
    must_fail(&s, BELAY_EUNHEALTHY, 500, "the answer is 500");
    lent_end(&s);
}

static void a_connection_is_asked_again(void **state)
{
    static const char *const answers[] = {OK("ok"), OK("ok"), BAD, OK("ok"), NULL};
    struct lent s;
    uint64_t first;

    (void)state;
    open_scene(&s, answers, &plain, true);
    must_open(&s);
    first = belay_conn_id(belay_lease_conn(s.lease));
    belay_lease_release(s.lease, BELAY_REUSE);
    must_open(&s); /* after the second answer */
    assert_int_equal(s.server.requests, 2);
    assert_int_equal(belay_conn_id(belay_lease_conn(s.lease)), first);
    belay_lease_release(s.lease, BELAY_REUSE);
    must_open(&s); /* the third was bad: on another connection, which was asked too */
    assert_int_equal(s.server.requests, 4);
    assert_int_not_equal(belay_conn_id(belay_lease_conn(s.lease)), first);
    lent_end(&s);
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void a_client_that_closes_ends_them_and_waits(void **state)
{
    static const char *const answers[] = {OK("ok"), "HTTP/1.1 200 OK\r\n\r\n", NULL};
    struct lent s;

    (void)state;
    open_scene(&s, answers, &plain, false);
    must_open(&s);
    s.told = false;
    assert_int_equal(belay_peer_acquire(s.peer, NULL, NULL, lent_on_lease, &s), 0);
    while (s.server.requests < 2) { /* the second is being checked */
        scripted_step(&s.server);
        kit_turn(&s.kit);
    }
    belay_http_close(s.kit.http, on_closed, &s.closed);
    kit_turn_until(&s.kit, &s.told);
    assert_int_equal(s.error.code, BELAY_ECLOSED);
    assert_true(s.error.final);
    assert_false(s.closed); /* the first is lent still */
    belay_lease_release(s.lease, BELAY_REUSE);
    belay_pool_clear(s.pool, BELAY_CLEAR_NOW);
    kit_turn_until(&s.kit, &s.closed);
    lent_end(&s);
}

static void a_cancelled_check_leaves_nothing(void **state)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\n\r\n", NULL};
    struct lent s;

    (void)state;
    open_scene(&s, answers, &plain, false);
    assert_int_equal(belay_peer_acquire(s.peer, NULL, NULL, lent_on_lease, &s), 0);
    while (s.server.requests < 1) {
        scripted_step(&s.server);
        kit_turn(&s.kit);
    }
    belay_pool_close(s.pool, on_closed, &s.closed);
    kit_turn_until(&s.kit, &s.closed);
    assert_int_equal(s.error.code, BELAY_ECLOSED);
    lent_end(&s);
}

static void bad_checks_are_refused_by_name(void **state)
{
    static const struct {
        struct belay_http_check check;
        const char *word;
    } cases[] = {
        {{.size = 4}, "size"},
        {{.size = sizeof plain, .method = "GE T"}, "method"},
        {{.size = sizeof plain, .method = "CONNECT"}, "method"},
        {{.size = sizeof plain, .path = "health"}, "path"},
        {{.size = sizeof plain, .path = ""}, "path"},
        {{.size = sizeof plain, .path = "/a b"}, "path"},
        {{.size = sizeof plain, .path = "/a\r\nX: y"}, "path"},
        {{.size = sizeof plain, .path = "/a#b"}, "path"},
        {{.size = sizeof plain, .status_min = 100}, "status_min"},
        {{.size = sizeof plain, .status_min = 404}, "status_min"},
        {{.size = sizeof plain, .status_max = 600}, "status_max"},
        {{.size = sizeof plain, .timeout_ms = -5}, "timeout_ms"},
    };
    struct belay_connector connector = {.arg = state};
    struct belay_error error;
    struct kit k;

    kit_open_steady(&k, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(belay_http_connector(k.http, &cases[i].check, &connector, &error),
                         BELAY_EINVAL);
        if (!strstr(error.text, cases[i].word))
            fail_msg("\"%s\" does not name %s", error.text, cases[i].word);
    }
    assert_ptr_equal(connector.arg, state); /* untouched */
    belay_http_close(k.http, NULL, NULL);
    assert_int_equal(belay_http_connector(k.http, NULL, &connector, &error), BELAY_ECLOSED);
    kit_close(&k);
}

/* ---- every allocation fails once ---- */

static size_t run_failing(size_t n)
{
    static const char *const answers[] = {OK("ok"), OK("ok"), OK("ok"), OK("ok"), NULL};
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_error error;
    struct lent s;
    size_t failures;

    lent_begin(&s, answers);
    o.connect_retry_count = BELAY_NONE;
    o.check_after_idle_ms = BELAY_NONE;
    failing_alloc_once(&s.kit.memory, n);
    if (belay_http_connector(s.kit.http, &plain, &o.connector, &error) == 0 &&
        belay_pool_open(s.kit.loop, &o, &s.pool, &error) == 0 &&
        belay_endpoint_parse(s.kit.loop, scripted_url(&s.server, ""), &s.endpoint, &error) == 0 &&
        belay_pool_peer(s.pool, s.endpoint, &s.peer) == 0) {
        for (int i = 0; i < 2; i++) {
            s.told = false;
            if (belay_peer_acquire(s.peer, NULL, NULL, lent_on_lease, &s) == 0)
                scripted_turn_until(&s.server, &s.kit, &s.told);
            if (!s.error.code)
                belay_lease_release(s.lease, BELAY_REUSE);
        }
    }
    failures = failing_alloc_failures(&s.kit.memory);
    lent_end(&s);
    return failures;
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    lent_fail_each(run_failing, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_open_when_its_check_is_answered),
        cmocka_unit_test(without_a_check_nothing_is_asked),
        cmocka_unit_test(another_status_is_an_error_that_has_it),
        cmocka_unit_test(what_is_good_can_be_said),
        cmocka_unit_test(a_head_request_has_no_body),
        cmocka_unit_test(what_is_no_answer_fails_in_stage_protocol),
        cmocka_unit_test(silence_has_a_limit_and_a_known_status_is_told),
        cmocka_unit_test(a_connection_is_asked_again),
        cmocka_unit_test(a_client_that_closes_ends_them_and_waits),
        cmocka_unit_test(a_cancelled_check_leaves_nothing),
        cmocka_unit_test(bad_checks_are_refused_by_name),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };

    return cmocka_run_group_tests_name("http_check", tests, NULL, NULL);
}
