/* SPDX-License-Identifier: MIT */
/* Responses of every shape, on connections that are used again when they may be. */
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

struct shape {
    const char *path, *method;
    int status, minor;
    size_t len;
    int64_t content_length;
    bool reusable;
};

static const struct shape shapes[] = {
    {"/bytes/0", "GET", 200, 1, 0, 0, true},
    {"/bytes/1", "GET", 200, 1, 1, 1, true},
    {"/bytes/100000", "GET", 200, 1, 100000, 100000, true},
    {"/bytes/3000000", "GET", 200, 1, 3000000, 3000000, true},
    {"/chunked/0", "GET", 200, 1, 0, -1, true},
    {"/chunked/10", "GET", 200, 1, 10, -1, true},
    {"/chunked/300000?chunk=7", "GET", 200, 1, 300000, -1, true},
    {"/drip/20?ms=1", "GET", 200, 1, 20, 20, true},
    {"/close/5000", "GET", 200, 1, 5000, -1, false},
    {"/close/0", "GET", 200, 1, 0, -1, false},
    {"/conn-close", "GET", 200, 1, 5, 5, false},
    {"/http10", "GET", 200, 0, 5, 5, false},
    {"/http10?keep=1", "GET", 200, 0, 5, 5, true},
    {"/status/204", "GET", 204, 1, 0, -1, true},
    {"/status/304", "GET", 304, 1, 0, -1, true},
    {"/bytes/1000", "HEAD", 200, 1, 0, 1000, true},
    {"/head-with-body-length", "HEAD", 200, 1, 0, 1000, true},
    {"/status/404", "GET", 404, 1, 0, 0, true},
    {"/status/500", "GET", 500, 1, 0, 0, true},
};

static void check_shape(struct kit *k, const struct shape *s)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct call call = {0}, next = {0};

    o.url = origin_url(&origin, s->path);
    o.method = s->method;
    call_run(k, &call, &o);
    if (call.error.code)
        fail_msg("%s %s: %s", s->method, s->path, call.error.text);
    if (call.status != s->status || call.minor != s->minor)
        fail_msg("%s: status %d, HTTP/1.%d", s->path, call.status, call.minor);
    if (s->status < 400 && call.len != s->len)
        fail_msg("%s: %zu bytes", s->path, call.len);
    if (s->status < 400 && call.content_length != s->content_length)
        fail_msg("%s: content length %lld", s->path, (long long)call.content_length);
    if (s->len > 5)
        check_alphabet(call.body, call.len);
    assert_int_equal(call.facts.bytes_in, call.len);
    assert_int_equal(call.facts.status, s->status);
    assert_int_equal(call.facts.sent, BELAY_ANSWERED);

    call_get(k, &next, origin_url(&origin, "/"));
    assert_int_equal(next.error.code, 0);
    if ((next.facts.connection == call.facts.connection) != s->reusable)
        fail_msg("%s %s: the connection is %s", s->method, s->path,
                 s->reusable ? "not used again" : "used again");
    call_clear(&call);
    call_clear(&next);
}

static void responses_of_every_shape_come_whole(void **state)
{
    struct kit k;

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        kit_open(&k, NULL);
        check_shape(&k, &shapes[i]);
        kit_close(&k);
    }
}

static void trailers_come_after_the_body(void **state)
{
    struct kit k;
    struct call call = {0};

    (void)state;
    kit_open(&k, NULL);
    call_get(&k, &call, origin_url(&origin, "/chunked/10?trailer=1"));
    assert_int_equal(call.len, 10);
    assert_string_equal(call.trailers, "X-Checksum: 1015\n"); /* 97 + ... + 106 */
    call_clear(&call);
    kit_close(&k);
}

static void informational_responses_come_first(void **state)
{
    struct kit k;
    struct call call = {0};

    (void)state;
    kit_open(&k, NULL);
    call_get(&k, &call, origin_url(&origin, "/early-hints"));
    assert_int_equal(call.infos, 1);
    assert_int_equal(call.heads, 1);
    assert_int_equal(call.status, 200);
    call_clear(&call);
    kit_close(&k);
}

static void an_announced_close_is_the_reason_of_the_end(void **state)
{
    struct belay_pool_stats stats;
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    kit_expect(&k, origin_url(&origin, "/conn-close"), "hello");
    kit_await_closed(&k, BELAY_REASON_DRAINING, 1);
    kit_stats(&k, &stats);
    assert_int_equal(stats.idle + stats.in_use, 0);
    kit_close(&k);
}

static void the_request_is_what_was_asked_for(void **state)
{
    static const struct belay_header headers[] = {
        {.name = "X-One", .value = "1"},
        {.name = "x-two", .value = "2 and more", .value_len = 1},
        {.name = "User-Agent", .value = "mine"},
    };
    struct belay_http_request_options o = belay_http_request_options_init();
    struct call call = {0};
    char wanted[256];
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    o.url = origin_url(&origin, "/headers?x=y#fragment");
    o.headers = headers;
    o.headers_n = 3;
    call_run(&k, &call, &o);
    snprintf(wanted, sizeof wanted,
             "Host: 127.0.0.1:%d\nAccept: */*\nX-One: 1\nx-two: 2\nUser-Agent: mine\n",
             origin.port);
    assert_string_equal(call.body, wanted);
    call_clear(&call);
    kit_close(&k);
}

static void user_and_password_become_basic_credentials(void **state)
{
    char url[128];
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    snprintf(url, sizeof url, "http://Aladdin:open%%20sesame@127.0.0.1:%d/auth", origin.port);
    kit_expect(&k, url, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    snprintf(url, sizeof url, "http://u@127.0.0.1:%d/auth", origin.port);
    kit_expect(&k, url, "Basic dTo=");
    kit_close(&k);
}

static void the_url_of_a_request_shows_no_credentials(void **state)
{
    struct belay_http_target *target;
    char url[128];
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    snprintf(url, sizeof url, "http://user:secret@127.0.0.1:%d/no-reply?q", origin.port);
    assert_int_equal(belay_http_target_new(k.http, url, &target, NULL), 0);
    assert_null(strstr(belay_http_target_url(target), "secret"));
    assert_non_null(strstr(belay_http_target_url(target), "/no-reply?q"));
    belay_http_target_unref(target);
    kit_close(&k);
}

static void malformed_urls_and_headers_are_refused_at_once(void **state)
{
    static const char *const urls[] = {"",
                                       "x",
                                       "ftp://a/",
                                       "http://",
                                       "http://a:70000/",
                                       "http://a b/",
                                       "http://a/\r\nX: y",
                                       "http://[::1/",
                                       "http://\xc3\xa4.test/"};
    static const struct belay_header bad = {.name = "A", .value = "x\r\nB: y"};
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_error error;
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        o.url = urls[i];
        assert_int_equal(belay_http_request(k.http, &o, NULL, NULL, &error), BELAY_EINVAL);
        assert_true(error.text[0] != '\0');
    }
    o.url = origin_url(&origin, "/");
    o.headers = &bad;
    o.headers_n = 1;
    assert_int_equal(belay_http_request(k.http, &o, NULL, NULL, &error), BELAY_EINVAL);
    o.headers_n = 0;
    o.method = "GE T";
    assert_int_equal(belay_http_request(k.http, &o, NULL, NULL, &error), BELAY_EINVAL);
    o.method = NULL;
    o.timeout_ms = -7;
    assert_int_equal(belay_http_request(k.http, &o, NULL, NULL, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "timeout_ms"));
    o.timeout_ms = 0;
    o.body_len = 5;
    assert_int_equal(belay_http_request(k.http, &o, NULL, NULL, &error), BELAY_EINVAL);
    kit_close(&k);
}

/* ---- many ---- */

struct many {
    struct call calls[100];
    int left, started;
};

static void start_next(struct call *call)
{
    struct many *many = call->extra;
    struct belay_http_request_options o = belay_http_request_options_init();

    assert_int_equal(call->error.code, 0);
    assert_string_equal(call->body, "hello");
    if (--many->left <= 0 || many->started >= 1000)
        return;
    many->started++;
    call->len = 0;
    call->done = false;
    call->heads = call->dones = 0;
    o.url = origin_url(&origin, "/");
    call_start(call->kit, call, &o);
}

static void a_thousand_requests_share_a_few_connections(void **state)
{
    static struct many many;
    struct belay_http_request_options o = belay_http_request_options_init();
    struct belay_pool_stats stats;
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    o.url = origin_url(&origin, "/");
    many.left = 1000;
    for (int i = 0; i < 100; i++) {
        many.started++;
        many.calls[i].extra = &many;
        many.calls[i].in_done = start_next;
        call_start(&k, &many.calls[i], &o);
    }
    for (int i = 0; i < 100; i++)
        call_wait(&many.calls[i]);
    assert_int_equal(many.left, 0);
    kit_stats(&k, &stats);
    assert_int_equal(stats.opened, 10);
    assert_int_equal(stats.peak, 10);
    assert_int_equal(stats.acquired, 1000);
    for (int i = 0; i < 100; i++)
        call_clear(&many.calls[i]);
    kit_close(&k);
}

static void a_request_made_in_on_done_reuses_the_connection(void **state)
{
    struct belay_pool_stats stats;
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    for (int i = 0; i < 20; i++)
        kit_expect(&k, origin_url(&origin, "/"), "hello");
    kit_stats(&k, &stats);
    assert_int_equal(stats.opened, 1);
    assert_int_equal(stats.reused, 19);
    kit_close(&k);
}

static void a_warm_request_allocates_nothing(void **state)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    size_t before;
    struct kit k;

    (void)state;
    kit_open(&k, NULL);
    o.url = origin_url(&origin, "/");
    for (int i = 0; i < 3; i++)
        kit_expect(&k, o.url, "hello");
    before = failing_alloc_calls(&k.memory);
    for (int i = 0; i < 10; i++)
        kit_expect(&k, o.url, "hello");
    assert_int_equal(failing_alloc_calls(&k.memory), before);
    kit_close(&k);
}

/* ---- options of the client ---- */

static int route(struct belay_endpoint_options *options, void *arg)
{
    const struct belay_addr *addr = arg;

    assert_string_equal(options->host, "some.test");
    assert_int_equal(options->port, 81);
    options->addrs = addr;
    options->addrs_n = 1;
    return 0;
}

static void a_route_leads_elsewhere_and_the_host_stays(void **state)
{
    struct belay_http_options o = belay_http_options_init();
    struct belay_addr addr;
    struct kit k;

    (void)state;
    assert_int_equal(belay_addr_parse_ip("127.0.0.1", 9, (uint16_t)origin.port, &addr), 0);
    o.on_route = route;
    o.route_arg = &addr;
    o.user_agent = "";
    kit_open(&k, &o);
    kit_expect(&k, "http://some.test:81/headers", "Host: some.test:81\nAccept: */*\n");
    kit_close(&k);
}

static void a_route_of_the_client_holds_for_all_its_urls(void **state)
{
    struct belay_http_options o = belay_http_options_init();
    struct belay_endpoint_options r = belay_endpoint_options_init();
    struct belay_addr addr;
    char path[64], bind[80];
    struct origin local;
    struct kit k;

    (void)state;
    snprintf(path, sizeof path, "@belay-test-%d", origin.port); /* whose port is nobody else's */
    snprintf(bind, sizeof bind, "unix:%s", path);
    origin_start(&local, (const char *const[]){"--bind", bind, NULL});
    o.route = &r;
    r.unix_path = path;
    r.tag = "local";
    kit_open(&k, &o);
    memset(path, 'x', sizeof path - 1); /* the client has its own */
    kit_expect(&k, "http://one.test/", "hello");
    kit_expect(&k, "http://two.test/", "hello");
    kit_close(&k);
    origin_stop(&local, SIGKILL);

    assert_int_equal(belay_addr_parse_ip("127.0.0.1", 9, (uint16_t)origin.port, &addr), 0);
    r.unix_path = NULL;
    r.addrs = &addr;
    r.addrs_n = 1;
    r.source_addr = "127.0.0.2";
    kit_open(&k, &o);
    memset(&addr, 0, sizeof addr);
    kit_expect(&k, "http://three.test/", "hello");
    kit_close(&k);
}

static void urls_beyond_the_memory_of_them_are_parsed_again(void **state)
{
    struct belay_http_options o = belay_http_options_init();
    char path[32];
    struct kit k;

    (void)state;
    o.max_targets = 3;
    kit_open(&k, &o);
    for (int i = 0; i < 10; i++) {
        snprintf(path, sizeof path, "/?%d", i % 5);
        kit_expect(&k, origin_url(&origin, path), "hello");
    }
    kit_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses_of_every_shape_come_whole),
        cmocka_unit_test(trailers_come_after_the_body),
        cmocka_unit_test(informational_responses_come_first),
        cmocka_unit_test(an_announced_close_is_the_reason_of_the_end),
        cmocka_unit_test(the_request_is_what_was_asked_for),
        cmocka_unit_test(user_and_password_become_basic_credentials),
        cmocka_unit_test(the_url_of_a_request_shows_no_credentials),
        cmocka_unit_test(malformed_urls_and_headers_are_refused_at_once),
        cmocka_unit_test(a_thousand_requests_share_a_few_connections),
        cmocka_unit_test(a_request_made_in_on_done_reuses_the_connection),
        cmocka_unit_test(a_warm_request_allocates_nothing),
        cmocka_unit_test(a_route_leads_elsewhere_and_the_host_stays),
        cmocka_unit_test(a_route_of_the_client_holds_for_all_its_urls),
        cmocka_unit_test(urls_beyond_the_memory_of_them_are_parsed_again),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
