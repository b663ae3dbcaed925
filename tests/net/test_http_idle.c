/* SPDX-License-Identifier: MIT */
/* What servers say of connections that nobody uses, and say too late. */
#include "scripted.h"

#define OK         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define OK_WITH(h) "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" h "\r\n\r\nok"
#define TIMEOUT    "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

static void expect_ok(struct scripted *s, struct kit *k, struct call *call)
{
    scripted_get(s, k, call, "/");
    if (call->error.code)
        fail_msg("%s", call->error.text);
    assert_int_equal(call->status, 200);
    assert_string_equal(call->body, "ok");
}

static void a_408_on_an_idle_connection_is_the_peers_close(void **state)
{
    const char *const answers[] = {OK, OK, NULL};
    struct call first = {0}, second = {0};
    struct scripted s;
    struct kit k;

    (void)state;
    scripted_start(&s, answers);
    kit_open_steady(&k, NULL);
    expect_ok(&s, &k, &first);
    scripted_say(&s, 0, TIMEOUT);
    kit_await_closed(&k, BELAY_REASON_PEER_CLOSED, 1);
    expect_ok(&s, &k, &second);
    assert_int_equal(second.facts.replays, 0);
    call_clear(&first);
    call_clear(&second);
    kit_close(&k);
    scripted_stop(&s);
}

static void anything_else_on_an_idle_connection_is_unhealthy(void **state)
{
    const char *const answers[] = {OK, NULL};
    struct call first = {0};
    struct scripted s;
    struct kit k;

    (void)state;
    scripted_start(&s, answers);
    kit_open_steady(&k, NULL);
    expect_ok(&s, &k, &first);
    scripted_say(&s, 0, OK);
    kit_await_closed(&k, BELAY_REASON_UNHEALTHY, 1);
    call_clear(&first);
    kit_close(&k);
    scripted_stop(&s);
}

/* The request and the server's change of mind crossed. */
static void a_408_to_the_next_request_is_a_close_that_came_late(void **state)
{
    const char *const answers[] = {OK, TIMEOUT, OK, NULL};
    struct call first = {0}, second = {0};
    struct scripted s;
    struct kit k;

    (void)state;
    scripted_start(&s, answers);
    kit_open_steady(&k, NULL);
    expect_ok(&s, &k, &first);
    expect_ok(&s, &k, &second);
    assert_int_equal(second.heads, 1);
    assert_int_equal(second.facts.replays, 1);
    assert_int_equal(s.accepted, 2);
    call_clear(&first);
    call_clear(&second);
    kit_close(&k);
    scripted_stop(&s);
}

static void a_408_to_the_first_request_is_its_response(void **state)
{
    const char *const answers[] = {TIMEOUT, NULL};
    struct call call = {0};
    struct scripted s;
    struct kit k;

    (void)state;
    scripted_start(&s, answers);
    kit_open_steady(&k, NULL);
    scripted_get(&s, &k, &call, "/");
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.status, 408);
    assert_int_equal(call.facts.replays, 0);
    call_clear(&call);
    kit_close(&k);
    scripted_stop(&s);
}

static void a_promise_is_over_when_the_next_response_makes_none(void **state)
{
    const char *const answers[] = {OK_WITH("Keep-Alive: timeout=1000"), OK,
                                   OK_WITH("Keep-Alive: timeout=5, max=0"), OK, NULL};
    struct belay_pool_stats stats;
    struct scripted s;
    struct kit k;

    (void)state;
    scripted_start(&s, answers);
    kit_open_steady(&k, NULL);
    for (int i = 0; i < 4; i++) {
        struct call call = {0};

        expect_ok(&s, &k, &call);
        assert_int_equal(call.facts.reused, i == 1 || i == 2);
        call_clear(&call);
    }
    kit_stats(&k, &stats);
    assert_int_equal(stats.closed[BELAY_REASON_DRAINING], 1); /* nothing may come after max=0 */
    assert_int_equal(s.accepted, 2);
    kit_close(&k);
    scripted_stop(&s);
}

static void a_redirect_with_an_endless_body_is_left_behind(void **state)
{
    static const char head[] = "HTTP/1.1 302 Found\r\nLocation: /next\r\n"
                               "Content-Length: 1000000000\r\n\r\n";
    static char endless[200000];
    const char *answers[] = {endless, OK, NULL};
    struct belay_http_request_options o = belay_http_request_options_init();
    struct call call = {0};
    struct scripted s;
    struct kit k;

    (void)state;
    memset(endless, 'x', sizeof endless - 1);
    memcpy(endless, head, sizeof head - 1);
    scripted_start(&s, answers);
    kit_open_steady(&k, NULL);
    o.url = scripted_url(&s, "/");
    o.max_redirects = 1;
    call_start(&k, &call, &o);
    scripted_turn_until(&s, &k, &call.done);
    assert_int_equal(call.error.code, 0);
    assert_string_equal(call.body, "ok");
    assert_int_equal(s.accepted, 2);
    call_clear(&call);
    kit_close(&k);
    scripted_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_408_on_an_idle_connection_is_the_peers_close),
        cmocka_unit_test(anything_else_on_an_idle_connection_is_unhealthy),
        cmocka_unit_test(a_408_to_the_next_request_is_a_close_that_came_late),
        cmocka_unit_test(a_408_to_the_first_request_is_its_response),
        cmocka_unit_test(a_promise_is_over_when_the_next_response_makes_none),
        cmocka_unit_test(a_redirect_with_an_endless_body_is_left_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
