/* SPDX-License-Identifier: MIT */
/* HTTP over TLS: verified, resumed, cut; and peers that speak the other of the two. */
#include "http_kit.h"

#include <signal.h>
#include <stdio.h>

static struct origin origin, plain;

static int setup(void **state)
{
    (void)state;
    origin_start_tls(&origin, "server", NULL);
    origin_start(&plain, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    origin_stop(&origin, SIGKILL);
    origin_stop(&plain, SIGKILL);
    return 0;
}

/* A client that trusts the tests' authority. */
static void open_trusting(struct kit *k, const char *ca)
{
    struct belay_http_options h = belay_http_options_init();
    struct belay_tls_options t = belay_tls_options_init();
    struct belay_error error;

    kit_open(k, NULL);
    t.ca_file = origin_cert(ca);
    if (belay_tls_new(k->loop, &t, &h.tls, &error) < 0)
        fail_msg("%s", error.text);
    belay_http_close(k->http, NULL, NULL);
    assert_int_equal(belay_http_open(k->loop, &h, &k->http, &error), 0);
    belay_tls_unref(h.tls);
}

static void requests_share_verified_connections(void **state)
{
    struct belay_pool_stats stats;
    struct call call = {0};
    struct kit k;

    (void)state;
    open_trusting(&k, "ca.pem");
    for (int i = 0; i < 10; i++)
        kit_expect(&k, origin_url(&origin, "/"), "hello");
    call_get(&k, &call, origin_url(&origin, "/bytes/3000000"));
    assert_int_equal(call.len, 3000000);
    check_alphabet(call.body, call.len);
    kit_stats(&k, &stats);
    assert_int_equal(stats.opened, 1);
    call_clear(&call);
    kit_close(&k);
}

static void a_second_connection_resumes_the_first_ones_session(void **state)
{
    struct call first = {0}, second = {0};
    struct kit k;

    (void)state;
    open_trusting(&k, "ca.pem");
    call_get(&k, &first, origin_url(&origin, "/conn-close"));
    call_get(&k, &second, origin_url(&origin, "/"));
    assert_int_equal(second.error.code, 0);
    assert_false(first.facts.tls_resumed);
    assert_true(second.facts.tls_resumed);
    call_clear(&first);
    call_clear(&second);
    kit_close(&k);
}

static void an_untrusted_certificate_fails_in_the_stage_tls(void **state)
{
    struct belay_pool_stats stats;
    struct call call = {0};
    struct kit k;

    (void)state;
    open_trusting(&k, "untrusted-ca.pem");
    call_get(&k, &call, origin_url(&origin, "/"));
    assert_int_equal(call.error.code, BELAY_ECERT);
    assert_int_equal(call.error.stage, BELAY_STAGE_TLS);
    assert_int_equal(call.error.sent, BELAY_NOT_SENT);
    kit_stats(&k, &stats);
    assert_int_equal(stats.failed[BELAY_STAGE_TLS], 1); /* it would fail again: not retried */
    call_clear(&call);
    kit_close(&k);
}

static void a_body_cut_without_close_notify_is_an_error(void **state)
{
    static const char *const paths[] = {"/cut/1000", "/short/1000?notify=0"};
    struct kit k;

    (void)state;
    open_trusting(&k, "ca.pem");
    for (int i = 0; i < 2; i++) {
        struct call call = {0};

        call_get(&k, &call, origin_url(&origin, paths[i]));
        if (!call.error.code)
            fail_msg("%s ended well", paths[i]);
        assert_int_equal(call.error.stage, BELAY_STAGE_USE);
        assert_int_equal(call.error.sent, BELAY_ANSWERED);
        call_clear(&call);
    }
    kit_expect(&k, origin_url(&origin, "/"), "hello");
    kit_close(&k);
}

static void a_body_ended_by_close_notify_is_whole(void **state)
{
    struct call call = {0};
    struct kit k;

    (void)state;
    open_trusting(&k, "ca.pem");
    call_get(&k, &call, origin_url(&origin, "/close/1000"));
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.len, 1000);
    call_clear(&call);
    kit_close(&k);
}

static void https_to_a_plain_port_fails_in_the_stage_tls(void **state)
{
    char url[64];
    struct call call = {0};
    struct kit k;

    (void)state;
    open_trusting(&k, "ca.pem");
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", plain.port);
    call_get(&k, &call, url);
    assert_int_equal(call.error.code, BELAY_ETLS);
    assert_int_equal(call.error.stage, BELAY_STAGE_TLS);
    call_clear(&call);
    kit_close(&k);
}

/* The server takes the request for a broken handshake and hangs up. */
static void http_to_a_tls_port_is_hung_up_on(void **state)
{
    char url[64];
    struct call call = {0};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", origin.port);
    call_get(&k, &call, url);
    assert_int_equal(call.error.code, BELAY_EEOF);
    assert_int_equal(call.error.stage, BELAY_STAGE_USE);
    assert_non_null(strstr(call.error.text, "before it answered"));
    call_clear(&call);
    kit_close(&k);
}

static void a_server_that_wants_another_protocol_is_refused(void **state)
{
    struct origin h2;
    struct call call = {0};
    struct kit k;

    (void)state;
    origin_start_tls(&h2, "server", (const char *const[]){"--alpn", "xmpp-client", NULL});
    open_trusting(&k, "ca.pem");
    call_get(&k, &call, origin_url(&h2, "/"));
    assert_int_equal(call.error.code, BELAY_EALPN);
    assert_int_equal(call.error.stage, BELAY_STAGE_TLS);
    call_clear(&call);
    kit_close(&k);
    origin_stop(&h2, SIGKILL);
}

static void a_redirect_from_https_to_http_leaves_credentials_behind(void **state)
{
    static const struct belay_header secret = {.name = "Authorization", .value = "secret"};
    struct belay_http_request_options o = belay_http_request_options_init();
    struct call call = {0};
    char path[128];
    struct kit k;

    (void)state;
    open_trusting(&k, "ca.pem");
    snprintf(path, sizeof path, "/redirect-to?url=http://127.0.0.1:%d/auth", plain.port);
    o.url = origin_url(&origin, path);
    o.max_redirects = 3;
    o.headers = &secret;
    o.headers_n = 1;
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, 0);
    assert_string_equal(call.body, "none");
    call_clear(&call);
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_share_verified_connections),
        cmocka_unit_test(a_second_connection_resumes_the_first_ones_session),
        cmocka_unit_test(an_untrusted_certificate_fails_in_the_stage_tls),
        cmocka_unit_test(a_body_cut_without_close_notify_is_an_error),
        cmocka_unit_test(a_body_ended_by_close_notify_is_whole),
        cmocka_unit_test(https_to_a_plain_port_fails_in_the_stage_tls),
        cmocka_unit_test(http_to_a_tls_port_is_hung_up_on),
        cmocka_unit_test(a_server_that_wants_another_protocol_is_refused),
        cmocka_unit_test(a_redirect_from_https_to_http_leaves_credentials_behind),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
