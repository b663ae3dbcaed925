/* SPDX-License-Identifier: MIT */
/* Requests on a lease of the caller's: on that connection and no other. */
#include "lent.h"

#include <stdio.h>

#include "belay/proxy.h"
#include "conn/conn.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* `proxied`: the server is a forward proxy, and the endpoint is http://example.test. */
static void open_scene(struct lent *s, const char *const *answers, bool proxied)
{
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_endpoint_options e = belay_endpoint_options_init();
    char proxy[80];

    lent_begin(s, answers);
    assert_int_equal(belay_http_connector(s->kit.http, NULL, &o.connector, NULL), 0);
    assert_int_equal(belay_pool_open(s->kit.loop, &o, &s->pool, NULL), 0);
    e.url = proxied ? "http://example.test" : scripted_url(&s->server, "");
    snprintf(proxy, sizeof proxy, "http://u:p@127.0.0.1:%d", s->server.port);
    if (proxied)
        assert_int_equal(belay_proxy_parse(s->kit.loop, proxy, &e.proxy, NULL), 0);
    assert_int_equal(belay_endpoint_new(s->kit.loop, &e, &s->endpoint, NULL), 0);
    belay_proxy_unref(e.proxy);
    assert_int_equal(belay_pool_peer(s->pool, s->endpoint, &s->peer), 0);
    lent_must_acquire(s, s->peer);
}

static struct belay_http_request_options on(struct lent *s, const char *path)
{
    struct belay_http_request_options o = belay_http_request_options_init();

    o.url = scripted_url(&s->server, path);
    o.lease = &s->lease;
    return o;
}

static void run(struct lent *s, struct call *call, const struct belay_http_request_options *o)
{
    call_start(&s->kit, call, o);
    scripted_turn_until(&s->server, &s->kit, &call->done);
}

static int refusal(struct lent *s, const struct belay_http_request_options *o, const char *word)
{
    struct belay_error error = {0};
    int rc = belay_http_request(s->kit.http, o, NULL, NULL, &error);

    if (!strstr(error.text, word))
        fail_msg("\"%s\" says nothing of \"%s\"", error.text, word);
    return rc;
}

/* The connection has ended, whoever holds the lease: the pool hears of it at its release. */
static void must_be_over(struct lent *s, enum belay_reason reason)
{
    struct belay_pool_stats stats = belay_pool_stats_init();

    assert_int_equal(belay_lease_release(s->lease, BELAY_REUSE), 0);
    for (int i = 0; i == 0 || stats.idle + stats.in_use + stats.closing > 0; i++) {
        assert_true(i < 20000);
        scripted_step(&s->server);
        kit_turn(&s->kit);
        belay_pool_get_stats(s->pool, &stats);
    }
    for (int i = 0; i < BELAY_REASONS_N; i++)
        if (stats.closed[i] != (i == (int)reason))
            fail_msg("%d closed for \"%s\"", (int)stats.closed[i],
                     belay_reason_name((enum belay_reason)i));
}

static void requests_follow_each_other_on_one_lease(void **state)
{
    static const char *const answers[] = {OK, OK, NULL};
    struct lent s;

    (void)state;
    open_scene(&s, answers, false);
    for (int i = 0; i < 2; i++) {
        struct belay_http_request_options o = on(&s, i ? "/second" : "/first");
        struct call call = {0};

        run(&s, &call, &o);
        assert_int_equal(call.error.code, 0);
        assert_int_equal(call.status, 200);
        assert_string_equal(call.body, "ok");
        assert_int_equal(call.facts.reused, i == 1);
        assert_true(belay_lease_valid(s.lease));
        call_clear(&call);
    }
    assert_memory_equal(s.server.last, "GET /second HTTP/1.1\r\n", 22);
    assert_int_equal(s.server.accepted, 1);
    lent_end(&s);
}

static void a_connection_in_use_is_told_apart(void **state)
{
    static const char *const answers[] = {OK, NULL};
    struct lent s;
    struct call call = {0};
    struct belay_http_request_options o;

    (void)state;
    open_scene(&s, answers, false);
    o = on(&s, "/");
    call_start(&s.kit, &call, &o);
    assert_int_equal(refusal(&s, &o, "carries as many requests as it can"), BELAY_EAGAIN);
    scripted_turn_until(&s.server, &s.kit, &call.done);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(s.server.requests, 1);
    call_clear(&call);
    lent_end(&s);
}

static void leases_that_will_not_do_are_refused(void **state)
{
    static const char *const answers[] = {NULL};
    struct belay_http_request_options o;
    struct belay_pool *streams;
    struct belay_peer *peer;
    struct belay_lease http_lease, none = {0};
    struct belay_http *other;
    struct lent s;
    struct kit k;

    (void)state;
    open_scene(&s, answers, false);
    o = on(&s, "/");
    o.max_redirects = 3;
    assert_int_equal(refusal(&s, &o, "max_redirects"), BELAY_EINVAL);
    o.max_redirects = 0;
    o.lease = &none;
    assert_int_equal(refusal(&s, &o, "lease"), BELAY_ESTALE);
    o.lease = &s.lease;
    assert_int_equal(belay_http_open(s.kit.loop, NULL, &other, NULL), 0);
    assert_int_equal(belay_http_request(other, &o, NULL, NULL, NULL), BELAY_EINVAL);
    kit_open_steady(&k, NULL);
    assert_int_equal(belay_http_request(k.http, &o, NULL, NULL, NULL), BELAY_EINVAL);
    kit_close(&k);
    http_lease = s.lease;
    assert_int_equal(belay_pool_open(s.kit.loop, NULL, &streams, NULL), 0);
    assert_int_equal(belay_pool_peer(streams, s.endpoint, &peer), 0);
    lent_must_acquire(&s, peer);
    assert_int_equal(refusal(&s, &o, "not one of HTTP"), BELAY_EINVAL);
    belay_peer_unref(peer);
    belay_lease_release(http_lease, BELAY_REUSE);
    o.lease = &http_lease;
    assert_int_equal(refusal(&s, &o, "lease"), BELAY_ESTALE);
    lent_end(&s);
}

static void a_loss_is_not_replayed(void **state)
{
    static const char *const answers[] = {OK, "", NULL};
    struct belay_http_request_options o;
    struct lent s;

    (void)state;
    open_scene(&s, answers, false);
    o = on(&s, "/");
    for (int i = 0; i < 2; i++) {
        struct call call = {0};

        run(&s, &call, &o);
        assert_int_equal(call.error.code, i ? BELAY_EEOF : 0);
        assert_int_equal(call.facts.replays, 0);
        call_clear(&call);
    }
    assert_int_equal(s.server.accepted, 1);
    must_be_over(&s, BELAY_REASON_ERROR);
    lent_end(&s);
}

static void a_redirect_is_a_response_like_any_other(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n", NULL};
    struct belay_http_request_options o;
    struct call call = {0};
    struct lent s;

    (void)state;
    open_scene(&s, answers, false);
    o = on(&s, "/");
    run(&s, &call, &o);
    assert_int_equal(call.status, 302);
    assert_int_equal(s.server.requests, 1);
    call_clear(&call);
    lent_end(&s);
}

static void the_keeper_hears_that_a_response_was_the_last(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", NULL};
    struct belay_http_request_options o;
    struct call call = {0};
    struct lent s;

    (void)state;
    open_scene(&s, answers, false);
    o = on(&s, "/");
    run(&s, &call, &o);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(refusal(&s, &o, ""), BELAY_ESTALE);
    must_be_over(&s, BELAY_REASON_ERROR);
    call_clear(&call);
    lent_end(&s);
}

static void the_keeper_hears_that_a_request_was_cut_short(void **state)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", NULL};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct belay_http_request_options o;
        struct call call = {.on_head = i ? BELAY_HTTP_ABORT : BELAY_HTTP_GO_ON};
        struct lent s;

        open_scene(&s, answers, false);
        o = on(&s, "/");
        if (i) {
            run(&s, &call, &o);
            assert_int_equal(call.error.code, BELAY_EABORTED);
        } else {
            call_start(&s.kit, &call, &o);
            belay_http_request_cancel(call.request);
        }
        must_be_over(&s, BELAY_REASON_ERROR);
        call_clear(&call);
        lent_end(&s);
    }
}

static void a_forward_proxy_is_asked_in_absolute_form(void **state)
{
    static const char *const answers[] = {OK, NULL};
    struct belay_http_request_options o;
    struct call call = {0};
    struct lent s;

    (void)state;
    open_scene(&s, answers, true);
    o = on(&s, "/");
    o.url = "http://example.test/path"; /* the client has no proxy in its own route */
    run(&s, &call, &o);
    assert_int_equal(call.status, 200);
    assert_memory_equal(s.server.last, "GET http://example.test/path HTTP/1.1\r\n", 39);
    assert_non_null(strstr(s.server.last, "Proxy-Authorization: Basic "));
    call_clear(&call);
    lent_end(&s);
}

static void a_closing_client_ends_the_request_and_the_connection(void **state)
{
    static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", NULL};
    struct belay_http_request_options o;
    struct call call = {0};
    struct lent s;

    (void)state;
    open_scene(&s, answers, false);
    o = on(&s, "/");
    call_start(&s.kit, &call, &o);
    belay_http_close(s.kit.http, NULL, NULL);
    call_wait(&call);
    assert_int_equal(call.error.code, BELAY_ECLOSED);
    must_be_over(&s, BELAY_REASON_ERROR);
    call_clear(&call);
    lent_end(&s);
}

/* ---- every allocation fails once ---- */

static void count_done(struct belay_http_request *request, const struct belay_error *error,
                       void *arg)
{
    (void)request;
    (void)error;
    *(bool *)arg = true;
}

static size_t run_failing(size_t n)
{
    static const struct belay_http_callbacks callbacks = {.size = sizeof callbacks,
                                                          .on_done = count_done};
    static const char *const answers[] = {OK, NULL};
    struct belay_http_request_options o;
    struct lent s;
    bool done = false;
    size_t failures;
    int rc;

    open_scene(&s, answers, true);
    o = on(&s, "/");
    o.url = "http://example.test/path";
    o.callbacks = &callbacks;
    failing_alloc_once(&s.kit.memory, n);
    rc = belay_http_request(s.kit.http, &o, &done, NULL, NULL);
    if (rc < 0) {
        assert_int_equal(rc, BELAY_ENOMEM);
        assert_false(bl_conn_facts(belay_lease_conn(s.lease))->lost); /* it changed nothing */
        assert_int_equal(belay_http_request(s.kit.http, &o, &done, NULL, NULL), 0);
    }
    scripted_turn_until(&s.server, &s.kit, &done);
    failures = failing_alloc_failures(&s.kit.memory);
    lent_end(&s);
    return failures;
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    lent_fail_each(run_failing, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_follow_each_other_on_one_lease),
        cmocka_unit_test(a_connection_in_use_is_told_apart),
        cmocka_unit_test(leases_that_will_not_do_are_refused),
        cmocka_unit_test(a_loss_is_not_replayed),
        cmocka_unit_test(a_redirect_is_a_response_like_any_other),
        cmocka_unit_test(the_keeper_hears_that_a_response_was_the_last),
        cmocka_unit_test(the_keeper_hears_that_a_request_was_cut_short),
        cmocka_unit_test(a_forward_proxy_is_asked_in_absolute_form),
        cmocka_unit_test(a_closing_client_ends_the_request_and_the_connection),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };

    return cmocka_run_group_tests_name("http_lease", tests, NULL, NULL);
}
