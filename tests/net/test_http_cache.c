/* SPDX-License-Identifier: MIT */
/* HTTP clients that share a cache: policy, limits, and connections. */
#include "belay/cache.h"
#include "http_kit.h"

#include <signal.h>

static struct kit k;
static struct origin origin;
static struct belay_cache *cache;
static struct belay_cache_policy policy;
static struct belay_http *second;

static int set_up(void **state)
{
    (void)state;
    origin_start(&origin, NULL);
    kit_open(&k, NULL);
    belay_http_close(k.http, NULL, NULL); /* those of the test have a cache */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kit_close(&k);
    origin_stop(&origin, SIGKILL);
    return 0;
}

static struct belay_http *open_client(int32_t max_header_bytes)
{
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http_options o = belay_http_options_init();
    struct belay_http *http;

    pool.cache = cache;
    o.pool = &pool;
    o.max_header_bytes = max_header_bytes;
    assert_int_equal(belay_http_open(k.loop, &o, &http, NULL), 0);
    return http;
}

static void open_all(struct belay_cache_policy given)
{
    struct belay_cache_options o = belay_cache_options_init();

    policy = given;
    o.policy = &policy;
    assert_int_equal(belay_cache_open(k.loop, &o, &cache, NULL), 0);
    k.http = open_client(0);
    second = open_client(64);
}

static uint64_t opened(struct belay_http *http)
{
    struct belay_pool_stats s = belay_pool_stats_init();

    belay_pool_get_stats(belay_http_pool(http), &s);
    return s.opened;
}

static void until_rest(unsigned inactive)
{
    struct belay_cache_stats s = belay_cache_stats_init();

    belay_cache_get_stats(cache, &s);
    for (int i = 0; i < 1000 && (s.active > 0 || s.inactive != inactive); i++) {
        belay_loop_turn(k.loop, 10);
        belay_cache_get_stats(cache, &s);
    }
    assert_int_equal(s.active, 0);
    assert_int_equal(s.inactive, inactive);
}

static void get(const char *path, int times)
{
    for (int i = 0; i < times; i++) {
        struct call call = {0};

        call_get(&k, &call, origin_url(&origin, path));
        if (call.error.code)
            fail_msg("%s", call.error.text);
        assert_int_equal(call.status, 200);
        call_clear(&call);
    }
}

static void aggressive_keeps_one_connection_for_many_requests(void **state)
{
    (void)state;
    open_all(belay_cache_aggressive());
    get("/conn-close", 4); /* the server's wish comes first */
    until_rest(0);
    assert_int_equal(opened(k.http), 4);
    get("/bytes/10", 4);
    until_rest(1);
    assert_int_equal(opened(k.http), 5);
    get("/bytes/10", 4);
    assert_int_equal(opened(k.http), 5);
}

static void restrictive_closes_after_each_request(void **state)
{
    (void)state;
    open_all(belay_cache_restrictive());
    for (int i = 0; i < 4; i++) {
        get("/bytes/10", 1);
        until_rest(0);
    }
    assert_int_equal(opened(k.http), 4);
}

static void clients_share_connections_but_not_limits(void **state)
{
    struct kit other;
    struct call call = {0};

    (void)state;
    open_all(belay_cache_aggressive());
    get("/bytes/10", 1);
    until_rest(1);
    other = k;
    other.http = second;
    call_get(&other, &call, origin_url(&origin, "/echo"));
    assert_int_equal(call.error.code, BELAY_ELIMIT); /* 64 bytes of head are not enough */
    assert_true(call.facts.reused);
    assert_int_equal(opened(k.http), 1);
    call_clear(&call);
}

static void client_that_closes_leaves_what_another_has_taken_over(void **state)
{
    struct kit other;
    struct call call = {0};

    (void)state;
    open_all(belay_cache_aggressive());
    other = k;
    other.http = open_client(0);
    get("/bytes/10", 1);
    until_rest(1);
    for (int i = 0; i < 2; i++) {
        call_get(&other, &call, origin_url(&origin, "/bytes/10"));
        if (call.error.code)
            fail_msg("%s", call.error.text);
        assert_true(call.facts.reused);
        call_clear(&call);
        memset(&call, 0, sizeof call);
        until_rest(1);
        if (i == 0)
            belay_http_close(k.http, NULL, NULL);
    }
    assert_int_equal(opened(other.http), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static int speak_anything(struct belay_endpoint_options *options, void *arg)
{
    (void)arg;
    options->alpn = "http/1.1"; /* the same key for all */
    return 0;
}

static void a_connection_of_another_version_is_not_taken_over(void **state)
{
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http_options o = belay_http_options_init();
    struct call call = {0};
    struct kit other;

    (void)state;
    open_all(belay_cache_aggressive());
    get("/bytes/10", 1);
    until_rest(1);
    pool.cache = cache;
    o.pool = &pool;
    o.versions = BELAY_HTTP_2_ONLY;
    o.on_route = speak_anything;
    other = k;
    assert_int_equal(belay_http_open(k.loop, &o, &other.http, NULL), 0);
    call_get(&other, &call, origin_url(&origin, "/bytes/10"));
    assert_int_not_equal(call.error.code, 0); /* it speaks HTTP/1.1 alone */
    assert_false(call.facts.reused);
    assert_int_equal(opened(k.http), 1);
    call_clear(&call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(aggressive_keeps_one_connection_for_many_requests),
        TEST(restrictive_closes_after_each_request),
        TEST(clients_share_connections_but_not_limits),
        TEST(a_connection_of_another_version_is_not_taken_over),
        TEST(client_that_closes_leaves_what_another_has_taken_over),
    };
    return cmocka_run_group_tests_name("net_http_cache", tests, NULL, NULL);
}
