/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of a scenario fails once: each request then ends with an error or in success, all callbacks run once, and
 * nothing is left.
 */
#include "http_kit.h"

#include <signal.h>
#include <stdio.h>

#include "belay/proxy.h"

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

struct outcome {
    int dones, started;
};

static void on_done(struct belay_http_request *request, const struct belay_error *error, void *arg)
{
    struct outcome *outcome = arg;

    (void)request;
    (void)error;
    outcome->dones++;
}

static const struct belay_http_callbacks callbacks = {.size = sizeof callbacks, .on_done = on_done};

static ptrdiff_t read_once(void *out, size_t size, void *arg)
{
    bool *read = arg;

    (void)size;
    if (*read)
        return 0;
    *read = true;
    memcpy(out, "body", 4);
    return 4;
}

static void try_request(struct belay_http *http, struct outcome *outcome,
                        const struct belay_http_request_options *options)
{
    if (belay_http_request(http, options, outcome, NULL, NULL) == 0)
        outcome->started++;
}

/* A redirect, headers, a body by callback, a head that comes in pieces, two connections. */
static void run_requests(struct belay_loop *loop, struct belay_http *http, struct outcome *outcome)
{
    static const struct belay_header header = {.name = "X-Name", .value = "value"};
    struct belay_http_request_options o = belay_http_request_options_init();
    bool read = false;

    o.callbacks = &callbacks;
    o.url = origin_url(&origin, "/redirect/1");
    o.max_redirects = 2;
    o.headers = &header;
    o.headers_n = 1;
    try_request(http, outcome, &o);
    o.url = origin_url(&origin, "/echo");
    o.method = "PUT";
    o.read_body = read_once;
    o.body_arg = &read;
    try_request(http, outcome, &o);
    for (int i = 0; outcome->dones < outcome->started; i++) {
        assert_true(i < 2000);
        assert_int_equal(belay_loop_turn(loop, 10), 0);
    }
}

/* Returns how many allocations failed. `proxy` is one, or NULL; %d in it is the origin's port. */
static size_t run_scenario(size_t n, const char *proxy)
{
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http_options h = belay_http_options_init();
    struct belay_endpoint_options route = belay_endpoint_options_init();
    struct belay_world world = belay_world_init();
    struct failing_alloc failing;
    struct outcome outcome = {0};
    struct belay_error error;
    struct belay_loop *loop;
    struct belay_http *http;

    failing_alloc_init(&failing);
    world.allocator = &failing.allocator;
    o.world = &world;
    pool.connect_retry_delay_ms = 1;
    h.pool = &pool;
    assert_int_equal(belay_loop_new(&o, &loop, &error), 0);
    failing_alloc_once(&failing, n);
    h.route = &route;
    if (proxy) {
        char text[200];

        snprintf(text, sizeof text, proxy, origin.port, origin.port);
        if (belay_proxy_parse(loop, text, &route.proxy, &error) < 0)
            assert_int_equal(error.code, BELAY_ENOMEM);
    }
    if (belay_http_open(loop, &h, &http, &error) == 0)
        run_requests(loop, http, &outcome);
    else
        assert_int_equal(error.code, BELAY_ENOMEM);
    belay_proxy_unref(route.proxy);
    belay_loop_free(loop);
    assert_int_equal(outcome.dones, outcome.started);
    assert_int_equal(failing_alloc_live(&failing), 0);
    return failing_alloc_failures(&failing);
}

static void every_failing_allocation_is_survived(void **state)
{
    size_t n = 1;

    (void)state;
    while (run_scenario(n, NULL) > 0)
        n++;
    assert_true(n > 30); /* so many there are at least */
}

/* That the origin does not know what a proxy is asked for does not matter. */
static void the_same_through_proxies(void **state)
{
    static const char *const proxies[] = {
        "u:p@127.0.0.1:%d | u:q@127.0.0.1:%d | direct://",
        "u:p@127.0.0.1:%d u:q@127.0.0.1:%d",
    };

    (void)state;
    for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++) {
        size_t n = 1;

        while (run_scenario(n, proxies[i]) > 0)
            n++;
        assert_true(n > 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_allocation_is_survived),
        cmocka_unit_test(the_same_through_proxies),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
