/* SPDX-License-Identifier: MIT */
/* What proxies hear: forwarded requests in absolute form, tunnels, and who hears which credentials. */
#include <stdio.h>

#include "belay/proxy.h"
#include "scripted.h"

#define OK        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define TUNNEL    "HTTP/1.1 200 Connection established\r\n\r\n"
#define BASIC     "Proxy-Authorization: Basic dTpwQHNz\r\n" /* u:p@ss */
#define LIMIT_MS  20000
#define SERVERS_N 2

/* A client whose route leads through a proxy: the first of two servers; the second is an origin. */
struct world {
    struct kit kit;
    struct scripted servers[SERVERS_N];
    struct scripted *proxy, *origin;
    struct belay_proxy *way;
};

static struct world w;

static void begin(const char *const *proxy_answers, const char *const *origin_answers)
{
    memset(&w, 0, sizeof w);
    w.proxy = &w.servers[0];
    w.origin = &w.servers[1];
    scripted_start(w.proxy, proxy_answers);
    scripted_start(w.origin, origin_answers);
}

/* `text` is a proxy with %d for the first server's port. */
static void open_through(const char *text, bool tunnel, belay_http_route_fn *on_route)
{
    struct belay_http_options o = belay_http_options_init();
    struct belay_endpoint_options route = belay_endpoint_options_init();
    struct belay_proxy_options proxy = belay_proxy_options_init();
    struct belay_error error;
    struct belay_loop *loop;
    char url[200];

    kit_open_steady(&w.kit, NULL); /* the proxy is of the loop, and the client is made after it */
    loop = w.kit.loop;
    belay_http_close(w.kit.http, NULL, NULL);
    snprintf(url, sizeof url, text, w.proxy->port, w.proxy->port);
    proxy.url = url;
    proxy.tunnel = tunnel;
    if (belay_proxy_new(loop, &proxy, &w.way, &error) < 0)
        fail_msg("%s", error.text);
    route.proxy = w.way;
    o.route = &route;
    o.on_route = on_route;
    assert_int_equal(belay_http_open(loop, &o, &w.kit.http, &error), 0);
    belay_proxy_unref(w.way); /* the client holds it */
}

static void end(void)
{
    kit_close(&w.kit);
    for (int i = 0; i < SERVERS_N; i++)
        scripted_stop(&w.servers[i]);
}

static void run(struct call *call, const struct belay_http_request_options *o)
{
    int64_t limit = belay_loop_now_ms(w.kit.loop) + LIMIT_MS;

    call_start(&w.kit, call, o);
    while (!call->done) {
        for (int i = 0; i < SERVERS_N; i++)
            scripted_step(&w.servers[i]);
        kit_turn(&w.kit);
        if (belay_loop_now_ms(w.kit.loop) > limit)
            fail_msg("nothing happened for %d ms", LIMIT_MS);
    }
}

static void get(const char *url, int status)
{
    struct belay_http_request_options o = belay_http_request_options_init();
    struct call call = {0};

    o.url = url;
    run(&call, &o);
    if (call.error.code)
        fail_msg("%s: %s", url, call.error.text);
    assert_int_equal(call.status, status);
    call_clear(&call);
}

static void assert_heard(const struct scripted *s, const char *text)
{
    if (!strstr(s->last, text))
        fail_msg("\"%s\" was not heard in\n%s", text, s->last);
}

static void assert_not_heard(const struct scripted *s, const char *text)
{
    if (strstr(s->last, text))
        fail_msg("\"%s\" was heard in\n%s", text, s->last);
}

/* ---- forwarding ---- */

static void a_forward_proxy_hears_the_whole_url(void **state)
{
    static const char *const answers[] = {OK, OK, OK, NULL};

    (void)state;
    begin(answers, answers);
    open_through("http://u:p%%40ss@127.0.0.1:%d", false, NULL);
    get("http://A.test/x?q=1#part", 200);
    assert_heard(w.proxy, "GET http://a.test/x?q=1 HTTP/1.1\r\nHost: a.test\r\n");
    assert_heard(w.proxy, BASIC);
    assert_not_heard(w.proxy, "\r\nAuthorization");
    get("http://name:word@b.test:8080", 200);
    assert_heard(w.proxy, "GET http://b.test:8080/ HTTP/1.1\r\nHost: b.test:8080\r\n");
    assert_heard(w.proxy, "\r\nAuthorization: Basic bmFtZTp3b3Jk\r\n");
    assert_heard(w.proxy, BASIC);
    get("http://[2001:db8::1]/", 200);
    assert_heard(w.proxy, "GET http://[2001:db8::1]/ HTTP/1.1\r\nHost: [2001:db8::1]\r\n");
    assert_int_equal(w.proxy->accepted, 1); /* for all of them */
    end();
}

static void a_407_of_a_forward_proxy_is_a_response(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n"
        "Content-Length: 0\r\n\r\n",
        NULL};

    (void)state;
    begin(answers, answers);
    open_through("http://127.0.0.1:%d", false, NULL);
    get("http://a.test/", 407);
    assert_not_heard(w.proxy, "Proxy-Authorization");
    end();
}

static void the_next_alternative_forwards_as_well(void **state)
{
    static const char *const answers[] = {OK, OK, NULL};
    struct scripted gone;
    char text[100];

    (void)state;
    scripted_start(&gone, answers);
    scripted_deafen(&gone);
    begin(answers, answers);
    snprintf(text, sizeof text, "http://u:p%%%%40ss@127.0.0.1:%d|http://u:p%%%%40ss@127.0.0.1:%%d",
             gone.port);
    open_through(text, false, NULL);
    get("http://a.test/", 200);
    assert_heard(w.proxy, "GET http://a.test/ HTTP/1.1\r\n");
    assert_heard(w.proxy, BASIC);
    end();
    scripted_stop(&gone);
}

/* Each with its own credentials, and what it can: the form depends on the connection's way. */
static void alternatives_go_each_its_own_way(void **state)
{
    static const char *const answers[] = {OK, OK, NULL};
    struct scripted gone;
    char text[100], url[100];

    (void)state;
    scripted_start(&gone, answers);
    scripted_deafen(&gone);
    begin(answers, answers);
    snprintf(text, sizeof text, "http://x:y@127.0.0.1:%d|http://u:p%%%%40ss@127.0.0.1:%%d",
             gone.port);
    open_through(text, false, NULL);
    get("http://a.test/", 200);
    assert_heard(w.proxy, "GET http://a.test/ HTTP/1.1\r\n");
    assert_heard(w.proxy, BASIC);
    kit_close(&w.kit);

    open_through("http://u:p%%40ss@127.0.0.1:%d|direct://", false, NULL);
    get("http://a.test/", 200);
    assert_heard(w.proxy, "GET http://a.test/ HTTP/1.1\r\n");
    kit_close(&w.kit);

    snprintf(text, sizeof text, "http://u:p%%%%40ss@127.0.0.1:%d|direct://", gone.port);
    open_through(text, false, NULL);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/x", w.origin->port);
    get(url, 200);
    assert_heard(w.origin, "GET /x HTTP/1.1\r\n");
    assert_not_heard(w.origin, "roxy-");
    end();
    scripted_stop(&gone);
}

/* It may repeat what it has heard, credentials and all: Basic dTpwQHNz. */
static void words_of_a_proxys_are_not_in_errors(void **state)
{
    static const char *const answers[][2] = {
        {"dTpwQHNz\r\n\r\n", NULL},
        {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ftp://dTpwQHNz/\r\n\r\n", NULL},
        {"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://dTpwQHNz:x/\r\n\r\n", NULL},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: dTpwQHNz\r\n\r\n", NULL},
        {"HTTP/1.1 200 OK\r\ndTpwQHNz\r\n\r\n", NULL},
    };
    static const char *const told[] = {"not HTTP/1.x", "(302)", "(302)", "transfer", "malformed"};

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct belay_http_request_options o = belay_http_request_options_init();
        struct call call = {0};

        begin(answers[i], answers[i]);
        open_through("http://u:p%%40ss@127.0.0.1:%d", false, NULL);
        o.url = "http://a.test/";
        o.max_redirects = 3;
        run(&call, &o);
        assert_int_equal(call.error.code, BELAY_EPROTO);
        assert_non_null(strstr(call.error.text, told[i]));
        assert_null(strstr(call.error.text, "dTpwQHNz"));
        assert_null(strstr(call.error.text, "dtpwqhnz"));
        call_clear(&call);
        end();
    }
}

/* ---- tunnels ---- */

static void a_tunnel_ends_at_its_target(void **state)
{
    static const char *const answers[] = {TUNNEL, OK, OK, TUNNEL, OK, NULL};

    (void)state;
    begin(answers, answers);
    open_through("http://u:p%%40ss@127.0.0.1:%d", true, NULL);
    get("http://a.test/x", 200);
    assert_heard(w.proxy, "GET /x HTTP/1.1\r\nHost: a.test\r\n");
    assert_not_heard(w.proxy, "Proxy-Authorization");
    get("http://a.test/y", 200);
    assert_int_equal(w.proxy->accepted, 1);
    get("http://b.test/", 200);
    assert_int_equal(w.proxy->accepted, 2);
    assert_int_equal(w.proxy->requests, 5); /* two of them CONNECT */
    end();
}

static void a_chain_forwards_at_its_end(void **state)
{
    static const char *const answers[] = {TUNNEL, OK, NULL};

    (void)state;
    begin(answers, answers);
    open_through("http://127.0.0.1:%d http://u:p%%40ss@inner.test:3128", false, NULL);
    get("http://a.test/x", 200);
    assert_heard(w.proxy, "GET http://a.test/x HTTP/1.1\r\n");
    assert_heard(w.proxy, BASIC);
    end();
}

/* What the Host header cannot say a forward proxy would not follow. */
static int elsewhere(struct belay_endpoint_options *o, void *arg)
{
    (void)arg;
    o->host = "elsewhere.test";
    return 0;
}

static void another_host_is_reached_through_a_tunnel(void **state)
{
    static const char *const answers[] = {TUNNEL, OK, NULL};

    (void)state;
    begin(answers, answers);
    open_through("http://127.0.0.1:%d", false, elsewhere);
    get("http://a.test/x", 200);
    assert_heard(w.proxy, "GET /x HTTP/1.1\r\nHost: a.test\r\n");
    end();
}

/* ---- Proxy-Authorization of the caller's ---- */

static const struct belay_header own[] = {{.name = "proxy-Authorization", .value = "Bearer x"},
                                          {.name = "X-Other", .value = "stays"}};

static struct belay_http_request_options with_own(const char *url)
{
    struct belay_http_request_options o = belay_http_request_options_init();

    o.url = url;
    o.headers = own;
    o.headers_n = 2;
    o.max_redirects = 3;
    return o;
}

static void a_callers_header_goes_before_belays(void **state)
{
    static const char *const answers[] = {OK, NULL};
    struct belay_http_request_options o = with_own("http://a.test/");
    struct call call = {0};

    (void)state;
    begin(answers, answers);
    open_through("http://u:p%%40ss@127.0.0.1:%d", false, NULL);
    run(&call, &o);
    assert_int_equal(call.status, 200);
    assert_heard(w.proxy, "proxy-Authorization: Bearer x\r\n");
    assert_not_heard(w.proxy, "Basic");
    call_clear(&call);
    end();
}

static void it_is_refused_where_the_origin_would_hear_it(void **state)
{
    static const char *const answers[] = {NULL};
    static const char *const urls[] = {"http://a.test/", "https://a.test/"};
    struct belay_error error;

    (void)state;
    begin(answers, answers);
    for (int i = 0; i < 2; i++) {
        struct belay_http_request_options o = with_own(urls[i]);

        open_through("http://127.0.0.1:%d", i == 0, NULL);
        assert_int_equal(belay_http_request(w.kit.http, &o, NULL, NULL, &error), BELAY_EINVAL);
        assert_non_null(strstr(error.text, "Proxy-Authorization"));
        kit_close(&w.kit);
    }
    for (int i = 0; i < SERVERS_N; i++)
        scripted_stop(&w.servers[i]);
}

/* Addresses are reached directly, names through the proxy. */
static int names_by_proxy(struct belay_endpoint_options *o, void *arg)
{
    (void)arg;
    if (strcmp(o->host, "127.0.0.1") == 0)
        o->proxy = NULL;
    return 0;
}

static void redirect_to(const char *location, bool keep_credentials)
{
    static char redirect[200];
    static const char *proxy_answers[3], *origin_answers[] = {OK, NULL};
    struct belay_http_request_options o = with_own("http://a.test/");
    struct call call = {0};

    proxy_answers[0] = redirect;
    proxy_answers[1] = OK;
    begin(proxy_answers, origin_answers);
    snprintf(redirect, sizeof redirect,
             "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n",
             location ? location : scripted_url(w.origin, "/"));
    open_through("http://u:p%%40ss@127.0.0.1:%d", false, names_by_proxy);
    o.keep_credentials = keep_credentials;
    run(&call, &o);
    if (call.error.code)
        fail_msg("%s", call.error.text);
    assert_int_equal(call.status, 200);
    call_clear(&call);
    end();
}

static void it_stays_behind_when_the_way_changes(void **state)
{
    (void)state;
    redirect_to(NULL, false);
    assert_heard(w.origin, "GET / HTTP/1.1\r\n");
    assert_heard(w.origin, "X-Other: stays\r\n");
    assert_not_heard(w.origin, "roxy-");
    redirect_to(NULL, true);
    assert_heard(w.origin, "X-Other: stays\r\n");
    assert_not_heard(w.origin, "roxy-");
}

static void it_goes_along_to_the_same_proxy(void **state)
{
    (void)state;
    redirect_to("http://b.test/", false);
    assert_heard(w.proxy, "GET http://b.test/ HTTP/1.1\r\n");
    assert_heard(w.proxy, "proxy-Authorization: Bearer x\r\n");
    assert_int_equal(w.origin->requests, 0);
}

/* ---- options ---- */

static void a_clients_route_is_copied(void **state)
{
    static const char *const answers[] = {OK, NULL};
    struct belay_http_options o = belay_http_options_init();
    struct belay_endpoint_options route = belay_endpoint_options_init();
    struct belay_addr told = {.family = BELAY_FAMILY_IPV4, .port = 7};
    struct belay_http_target *target;
    struct belay_error error;

    (void)state;
    begin(answers, answers);
    kit_open_steady(&w.kit, NULL);
    belay_http_close(w.kit.http, NULL, NULL);
    route.proxy_protocol = BELAY_PROXY_PROTOCOL_V1;
    route.proxy_source = route.proxy_destination = &told;
    o.route = &route;
    assert_int_equal(belay_http_open(w.kit.loop, &o, &w.kit.http, NULL), 0);
    memset(&told, 0xff, sizeof told); /* else there would be no such family */
    assert_int_equal(belay_http_target_new(w.kit.http, "http://a.test", &target, &error), 0);
    belay_http_target_unref(target);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forward_proxy_hears_the_whole_url),
        cmocka_unit_test(a_407_of_a_forward_proxy_is_a_response),
        cmocka_unit_test(words_of_a_proxys_are_not_in_errors),
        cmocka_unit_test(the_next_alternative_forwards_as_well),
        cmocka_unit_test(alternatives_go_each_its_own_way),
        cmocka_unit_test(a_tunnel_ends_at_its_target),
        cmocka_unit_test(a_chain_forwards_at_its_end),
        cmocka_unit_test(another_host_is_reached_through_a_tunnel),
        cmocka_unit_test(a_callers_header_goes_before_belays),
        cmocka_unit_test(it_is_refused_where_the_origin_would_hear_it),
        cmocka_unit_test(it_stays_behind_when_the_way_changes),
        cmocka_unit_test(it_goes_along_to_the_same_proxy),
        cmocka_unit_test(a_clients_route_is_copied),
    };
    return cmocka_run_group_tests_name("net_http_proxy", tests, NULL, NULL);
}
