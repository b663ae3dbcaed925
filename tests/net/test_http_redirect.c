/* SPDX-License-Identifier: MIT */
/* Redirects followed over real connections: to the end, with credentials left behind, and not for ever. */
#include "http_kit.h"

#include <signal.h>
#include <stdio.h>

static struct origin origin, other;

static int setup(void **state)
{
    (void)state;
    origin_start(&origin, NULL);
    origin_start(&other, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    origin_stop(&origin, SIGKILL);
    origin_stop(&other, SIGKILL);
    return 0;
}

static struct belay_http_request_options request(const char *path, int32_t max)
{
    struct belay_http_request_options o = belay_http_request_options_init();

    o.url = origin_url(&origin, path);
    o.max_redirects = max;
    return o;
}

static void a_chain_is_followed_on_one_connection(void **state)
{
    struct belay_http_request_options o = request("/redirect/5", 5);
    struct belay_pool_stats stats;
    struct call call = {0};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.status, 200);
    assert_int_equal(call.heads, 1);
    assert_int_equal(call.redirected, 5);
    assert_int_equal(call.facts.redirects, 5);
    assert_string_equal(call.body, "hello");
    assert_string_equal(call.url, origin_url(&origin, "/"));
    kit_stats(&k, &stats);
    assert_int_equal(stats.opened, 1);
    call_clear(&call);
    kit_close(&k);
}

static void the_limit_is_an_error_and_none_means_as_it_is(void **state)
{
    struct belay_http_request_options o = request("/redirect/5", 4);
    struct call call = {0};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, BELAY_EREDIRECT);
    assert_int_equal(call.error.status, 302);
    assert_int_equal(call.facts.redirects, 4);
    assert_int_equal(call.heads, 0);
    call_clear(&call);

    o.max_redirects = 0;
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.status, 302);
    assert_non_null(strstr(call.headers, "Location: "));
    call_clear(&call);
    kit_close(&k);
}

static void the_caller_may_stay_where_it_is(void **state)
{
    struct belay_http_request_options o = request("/redirect/5", 10);
    struct call call = {.on_redirect = BELAY_HTTP_ABORT};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.status, 302);
    assert_int_equal(call.facts.redirects, 0);
    call_clear(&call);
    kit_close(&k);
}

static void a_location_that_leads_nowhere_is_an_error(void **state)
{
    struct belay_http_request_options o = request("/redirect-to?url=ftp://x/", 10);
    struct call call = {0};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, BELAY_EPROTO);
    assert_int_equal(call.error.stage, BELAY_STAGE_USE);
    assert_non_null(strstr(call.error.text, "ftp"));
    call_clear(&call);
    kit_expect(&k, origin_url(&origin, "/"), "hello");
    kit_close(&k);
}

/* What /headers of the final server saw. */
static void follow_with_credentials(const char *to, bool keep, bool user_in_url, const char *wanted)
{
    static const struct belay_header headers[] = {
        {.name = "Authorization", .value = "secret"},
        {.name = "Cookie", .value = "crumb"},
        {.name = "X-Other", .value = "stays"},
    };
    struct belay_http_request_options o = belay_http_request_options_init();
    struct call call = {0};
    char url[512];
    struct kit k;

    kit_open(&k, NULL);
    snprintf(url, sizeof url, "http://%s127.0.0.1:%d/redirect-to?url=%s", user_in_url ? "u:p@" : "",
             origin.port, to);
    o.url = url;
    o.max_redirects = 3;
    o.keep_credentials = keep;
    o.headers = user_in_url ? headers + 2 : headers;
    o.headers_n = user_in_url ? 1 : 3;
    call_run(&k, &call, &o);
    if (call.error.code)
        fail_msg("%s", call.error.text);
    assert_non_null(strstr(call.body, "X-Other: stays\n"));
    if (wanted)
        assert_non_null(strstr(call.body, wanted));
    else
        assert_true(!strstr(call.body, "Authorization") && !strstr(call.body, "Cookie"));
    call_clear(&call);
    kit_close(&k);
}

static void credentials_stay_behind_when_the_origin_changes(void **state)
{
    (void)state;
    follow_with_credentials(origin_url(&other, "/headers"), false, false, NULL);
    follow_with_credentials(origin_url(&other, "/headers"), false, true, NULL);
    follow_with_credentials(origin_url(&other, "/headers"), true, false, "Cookie: crumb");
    follow_with_credentials(origin_url(&other, "/headers"), true, true,
                            "Authorization: Basic dTpw");
    follow_with_credentials("/headers", false, false, "Authorization: secret");
    follow_with_credentials("/headers", false, true, "Authorization: Basic dTpw");
}

static void check_method(const char *method, int code, const char *wanted_method,
                         const char *wanted_body)
{
    static const struct belay_header headers[] = {{.name = "Content-Type", .value = "text/x"}};
    char path[64], wanted[64];
    struct belay_http_request_options o;
    struct call call = {0};
    struct kit k;

    snprintf(path, sizeof path, "/redirect-to?url=/echo&code=%d", code);
    o = request(path, 3);
    kit_open(&k, NULL);
    o.method = method;
    o.body = "payload";
    o.body_len = 7;
    o.headers = headers;
    o.headers_n = 1;
    call_run(&k, &call, &o);
    if (call.error.code)
        fail_msg("%s", call.error.text);
    snprintf(wanted, sizeof wanted, "X-Echo-Method: %s\n", wanted_method);
    if (!strstr(call.headers, wanted))
        fail_msg("%s %d: %s", method, code, call.headers);
    assert_string_equal(call.body ? call.body : "", wanted_body);
    assert_int_equal(strstr(call.headers, "text/x") != NULL, wanted_body[0] != '\0');
    call_clear(&call);
    kit_close(&k);
}

static void methods_and_bodies_change_as_the_status_says(void **state)
{
    (void)state;
    check_method("POST", 301, "GET", "");
    check_method("POST", 302, "GET", "");
    check_method("POST", 303, "GET", "");
    check_method("PUT", 303, "GET", "");
    check_method("PUT", 302, "PUT", "payload");
    check_method("POST", 307, "POST", "payload");
    check_method("POST", 308, "POST", "payload");
}

/* ---- bodies by callback ---- */

struct body {
    size_t at;
    int rewinds;
};

static ptrdiff_t read_body(void *out, size_t size, void *arg)
{
    struct body *b = arg;
    size_t n = 7 - b->at;

    assert_true(size >= 7);
    memcpy(out, &"payload"[b->at], n);
    b->at = 7;
    return (ptrdiff_t)n;
}

static int rewind_body(void *arg)
{
    struct body *b = arg;

    b->rewinds++;
    b->at = 0;
    return 0;
}

static void a_body_by_callback_is_rewound_or_the_redirect_is_the_response(void **state)
{
    struct belay_http_request_options o = request("/redirect-to?url=/echo&code=307", 3);
    struct body body = {0};
    struct call call = {0};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    o.method = "PUT";
    o.read_body = read_body;
    o.body_arg = &body;
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.status, 307);
    assert_int_equal(call.facts.redirects, 0);
    call_clear(&call);

    body.at = 0;
    o.rewind_body = rewind_body;
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.status, 200);
    assert_string_equal(call.body, "payload");
    assert_int_equal(body.rewinds, 1);
    call_clear(&call);
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_is_followed_on_one_connection),
        cmocka_unit_test(the_limit_is_an_error_and_none_means_as_it_is),
        cmocka_unit_test(the_caller_may_stay_where_it_is),
        cmocka_unit_test(a_location_that_leads_nowhere_is_an_error),
        cmocka_unit_test(credentials_stay_behind_when_the_origin_changes),
        cmocka_unit_test(methods_and_bodies_change_as_the_status_says),
        cmocka_unit_test(a_body_by_callback_is_rewound_or_the_redirect_is_the_response),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
