/* SPDX-License-Identifier: MIT */
/*
 * Whatever a server does wrong: a precise error of its own request, its connection is not used again, requests beside it and
 * after it go on.
 */
#include "http_kit.h"

#include <signal.h>
#include <stdio.h>

static struct origin origin;

static int setup(void **state)
{
    (void)state;
    origin_start(&origin, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    origin_stop(&origin, SIGKILL);
    return 0;
}

struct fault {
    const char *path;
    int code;
    const char *words;
    enum belay_sent sent;
    int replays;
};

static const struct fault faults[] = {
    {"/no-reply", BELAY_EEOF, "before it answered", BELAY_MAYBE_SENT, 3},
    {"/rst", BELAY_ERESET, "reset", BELAY_MAYBE_SENT, 3},
    {"/short/100", BELAY_EEOF, "after 50 of 100 bytes", BELAY_ANSWERED, 0},
    {"/reset-after/1000", BELAY_ERESET, "reset", BELAY_ANSWERED, 0},
    {"/bad-chunk", BELAY_EPROTO, "chunk", BELAY_ANSWERED, 0},
    {"/bad-chunk-end", BELAY_EPROTO, "chunk", BELAY_ANSWERED, 0},
    {"/chunk-overflow", BELAY_EPROTO, "hunk", BELAY_ANSWERED, 0},
    {"/length-and-chunked", BELAY_EPROTO, "contradictory", BELAY_ANSWERED, 0},
    {"/contradictory-length", BELAY_EPROTO, "contradictory", BELAY_ANSWERED, 0},
    {"/negative-length", BELAY_EPROTO, "Content-Length", BELAY_ANSWERED, 0},
    {"/overflow-length", BELAY_EPROTO, "Content-Length", BELAY_ANSWERED, 0},
    {"/bad-status-line", BELAY_EPROTO, "status", BELAY_ANSWERED, 0},
    {"/bad-version?v=HTTP/2.0", BELAY_EPROTO, "HTTP/2.0", BELAY_ANSWERED, 0},
    {"/bad-header", BELAY_EPROTO, "malformed", BELAY_ANSWERED, 0},
    {"/nul-header", BELAY_EPROTO, "malformed", BELAY_ANSWERED, 0},
    {"/obs-fold", BELAY_EPROTO, "folded", BELAY_ANSWERED, 0},
    {"/big-header/70000", BELAY_ELIMIT, "65536 bytes", BELAY_ANSWERED, 0},
    {"/many-headers/200", BELAY_ELIMIT, "128 headers", BELAY_ANSWERED, 0},
    {"/endless-headers", BELAY_ELIMIT, "128 headers", BELAY_ANSWERED, 0},
    {"/endless-informational", BELAY_ELIMIT, "16 informational", BELAY_ANSWERED, 0},
};

static void check_fault(struct kit *k, const struct fault *f)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct call beside = {0}, call = {0}, after = {0};

    o.url = origin_url(&origin, "/drip/5?ms=10");
    call_start(k, &beside, &o);
    call_get(k, &call, origin_url(&origin, f->path));
    if (call.error.code != f->code || !strstr(call.error.text, f->words))
        fail_msg("%s: %s (%s)", f->path, belay_error_name(call.error.code), call.error.text);
    if (call.error.stage != BELAY_STAGE_USE || call.error.sent != f->sent)
        fail_msg("%s: stage %s, sent %d", f->path, belay_stage_name(call.error.stage),
                 call.error.sent);
    assert_non_null(strstr(call.error.text, "GET http://127.0.0.1"));
    assert_int_equal(call.facts.replays, f->replays);

    call_wait(&beside);
    assert_int_equal(beside.error.code, 0);
    assert_int_equal(beside.len, 5);
    call_get(k, &after, origin_url(&origin, "/"));
    assert_int_equal(after.error.code, 0);
    assert_true(after.facts.connection != call.facts.connection);
    call_clear(&beside);
    call_clear(&call);
    call_clear(&after);
}

static void each_fault_has_its_error_and_hurts_nobody_else(void **state)
{
    struct kit k;

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        kit_open(&k, NULL);
        check_fault(&k, &faults[i]);
        kit_close(&k);
    }
}

static void the_same_client_survives_all_of_them(void **state)
{
    struct belay_pool_stats stats;
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        check_fault(&k, &faults[i]);
    kit_stats(&k, &stats);
    assert_int_equal(stats.in_use, 0);
    assert_int_equal(stats.leases, 0);
    kit_close(&k);
}

static void garbage_after_a_response_costs_the_connection_only(void **state)
{
    struct call call = {0}, after = {0};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    call_get(&k, &call, origin_url(&origin, "/garbage-after"));
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.status, 200);
    kit_await_closed(&k, BELAY_REASON_UNHEALTHY, 1);
    call_get(&k, &after, origin_url(&origin, "/"));
    assert_true(after.facts.connection != call.facts.connection);
    call_clear(&call);
    call_clear(&after);
    kit_close(&k);
}

static void a_body_after_head_costs_the_connection_only(void **state)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct call call = {0};
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    o.method = "HEAD";
    o.url = origin_url(&origin, "/head-with-body-length?send=1");
    call_run(&k, &call, &o);
    assert_int_equal(call.error.code, 0);
    assert_int_equal(call.len, 0);
    kit_await_closed(&k, BELAY_REASON_UNHEALTHY, 1);
    kit_expect(&k, origin_url(&origin, "/"), "hello");
    call_clear(&call);
    kit_close(&k);
}

static void a_peer_that_speaks_something_else_is_quoted(void **state)
{
    struct origin other;
    struct call call = {0};
    struct kit k;

    (void)state;
    origin_start(&other, (const char *const[]){"--plain-text-banner", NULL});
    kit_open(&k, NULL);
    call_get(&k, &call, origin_url(&other, "/"));
    assert_int_equal(call.error.code, BELAY_EPROTO);
    assert_int_equal(call.error.stage, BELAY_STAGE_USE);
    assert_non_null(strstr(call.error.text, "which is not HTTP/1.x"));
    call_clear(&call);
    kit_close(&k);
    origin_stop(&other, SIGKILL);
}

static void an_error_shows_neither_query_nor_credentials(void **state)
{
    struct call call = {0};
    char url[256];
    struct kit k;

    (void)state;
    snprintf(url, sizeof url, "http://user:hunter2@%s?token=s3cret",
             origin_url(&origin, "/bad-chunk") + strlen("http://"));
    kit_open(&k, NULL);
    call_get(&k, &call, url);
    assert_int_equal(call.error.code, BELAY_EPROTO);
    assert_non_null(strstr(call.error.text, "/bad-chunk?..."));
    assert_null(strstr(call.error.text, "s3cret"));
    assert_null(strstr(call.error.text, "hunter2"));
    call_clear(&call);
    kit_close(&k);
}

static void nobody_there_is_told_with_the_stage_and_the_address(void **state)
{
    struct belay_http_options o = belay_http_options_init();
    struct belay_pool_options pool = belay_pool_options_init();
    struct origin gone;
    struct call call = {0};
    struct kit k;

    (void)state;
    origin_start(&gone, NULL);
    origin_stop(&gone, SIGKILL);
    pool.connect_retry_count = 1;
    pool.connect_retry_delay_ms = 1;
    o.pool = &pool;
    kit_open(&k, &o);
    call_get(&k, &call, origin_url(&gone, "/"));
    assert_int_equal(call.error.code, BELAY_ECONNECT);
    assert_int_equal(call.error.stage, BELAY_STAGE_CONNECT);
    assert_int_equal(call.error.sent, BELAY_NOT_SENT);
    assert_non_null(strstr(call.error.text, "refused"));
    assert_int_equal(call.facts.connection, 0);
    call_clear(&call);
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_error_and_hurts_nobody_else),
        cmocka_unit_test(the_same_client_survives_all_of_them),
        cmocka_unit_test(garbage_after_a_response_costs_the_connection_only),
        cmocka_unit_test(a_body_after_head_costs_the_connection_only),
        cmocka_unit_test(a_peer_that_speaks_something_else_is_quoted),
        cmocka_unit_test(an_error_shows_neither_query_nor_credentials),
        cmocka_unit_test(nobody_there_is_told_with_the_stage_and_the_address),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
