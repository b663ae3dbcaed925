/* SPDX-License-Identifier: MIT */
/* Through which proxies a URL is asked for: -x, --proxy-user, --noproxy and the environment. */
#include "support/test.h"

#include "proxies.h"
#include "say.h"

#include <stdlib.h>
#include <string.h>

#include "belay/belay.h"

static struct belay_loop *loop;
static struct proxies p;

static void open_with(const char *const *given, const char *user, const char *noproxy)
{
    const struct belay_tls_options tls = belay_tls_options_init();

    memset(&p, 0, sizeof p);
    for (; given && *given; given++)
        proxies_add(&p, *given);
    p.user = user;
    p.noproxy = noproxy;
    assert_int_equal(proxies_open(&p, loop, &tls), EXIT_FINE);
}

static void shut(void)
{
    proxies_close(&p);
    proxies_free(&p);
}

/* "" is none. */
static void assert_way(const char *scheme, const char *host, int port, const char *name)
{
    struct belay_proxy *proxy;

    assert_int_equal(proxies_choose(&p, scheme, host, port, &proxy), 0);
    assert_string_equal(proxy ? belay_proxy_name(proxy) : "", name);
}

static void what_is_given_goes_before_the_environment(void **state)
{
    static const char *const given[] = {"gate.test:1", "socks5h://proxy.test", NULL};

    (void)state;
    setenv("http_proxy", "env.test:1", 1);
    open_with(NULL, NULL, NULL);
    assert_way("http", "a.test", 80, "http://env.test:1");
    assert_way("http", "b.test", 80, "http://env.test:1");
    assert_way("https", "a.test", 443, "");
    assert_int_equal(p.made_n, 1); /* once for all hosts */
    shut();
    open_with(given, NULL, NULL);
    assert_way("https", "a.test", 443, "http://gate.test:1 socks5h://proxy.test:1080");
    shut();
}

static void an_empty_one_takes_all_back(void **state)
{
    static const char *const off[] = {"gate.test:1", "", NULL};
    static const char *const again[] = {"gate.test:1", "", "proxy.test:2", NULL};

    (void)state;
    setenv("all_proxy", "env.test:1", 1);
    open_with(off, NULL, NULL);
    assert_way("http", "a.test", 80, "");
    shut();
    open_with(again, NULL, NULL);
    assert_way("http", "a.test", 80, "http://proxy.test:2");
    shut();
}

static void no_proxy_counts_for_both(void **state)
{
    static const char *const given[] = {"proxy.test:1", NULL};

    (void)state;
    setenv("all_proxy", "env.test:1", 1);
    setenv("NO_PROXY", "a.test", 1);
    for (int i = 0; i < 2; i++) {
        const char *wanted = i ? "http://proxy.test:1" : "http://env.test:1";

        open_with(i ? given : NULL, NULL, NULL);
        assert_way("http", "x.a.test", 80, "");
        assert_way("http", "b.test", 80, wanted);
        shut();
        open_with(i ? given : NULL, NULL, "b.test"); /* in its place */
        assert_way("http", "x.a.test", 80, wanted);
        assert_way("http", "b.test", 80, "");
        shut();
        open_with(i ? given : NULL, NULL, "");
        assert_way("http", "x.a.test", 80, wanted);
        shut();
        open_with(i ? given : NULL, NULL, "*");
        assert_way("http", "b.test", 80, "");
        shut();
    }
}

/* Two that differ in credentials alone are not the same way. */
static bool same_way(struct belay_proxy *a, const char *text)
{
    struct belay_endpoint_options o = {BELAY_SIZED(belay_endpoint_options),
                                       .url = "tcp://t.test:1"};
    struct belay_endpoint *x, *y;
    struct belay_proxy *b;
    bool same;

    assert_int_equal(belay_proxy_parse(loop, text, &b, NULL), 0);
    o.proxy = a;
    assert_int_equal(belay_endpoint_new(loop, &o, &x, NULL), 0);
    o.proxy = b;
    assert_int_equal(belay_endpoint_new(loop, &o, &y, NULL), 0);
    same = belay_endpoint_equal(x, y);
    belay_endpoint_unref(x);
    belay_endpoint_unref(y);
    belay_proxy_unref(b);
    return same;
}

static void credentials_are_of_the_last(void **state)
{
    static const char *const given[] = {"gate.test:1", "proxy.test:2", NULL};
    struct belay_proxy *proxy;

    (void)state;
    open_with(given, "me:s:3", NULL);
    assert_int_equal(proxies_choose(&p, "http", "a.test", 80, &proxy), 0);
    assert_true(same_way(proxy, "gate.test:1 me:s%3A3@proxy.test:2"));
    shut();
    setenv("all_proxy", "env.test:1", 1);
    open_with(NULL, "me:s:3", NULL);
    assert_int_equal(proxies_choose(&p, "http", "a.test", 80, &proxy), 0);
    assert_true(same_way(proxy, "me:s%3A3@env.test:1"));
    shut();
}

static void credentials_are_as_in_curl(void **state)
{
    static const struct {
        const char *url, *user, *same;
    } rows[] = {
        {"p.test:1", "c:x%3ad%40", "c:x%3ad%40@p.test:1"},
        {"p.test:1", "c%40:d", "c%40:d@p.test:1"},
        {"p.test:1", "c:100%", "c:100%25@p.test:1"},
        {"p.test:1", "c:%zz+", "c:%25zz+@p.test:1"},
        {"p.test:1", "\xc3\xbc:d", "%C3%BC:d@p.test:1"},
        {"p.test:1", "c:", "c:@p.test:1"},
        {"p.test:1", ":d", ":d@p.test:1"},
        {"p.test:1", ":", ":@p.test:1"},
        {"socks5://p.test:1", ":d", "socks5://:d@p.test:1"},
        {"a:b@p.test:1", "c:d", "a:b@p.test:1"}, /* the URL's go before */
        {"http://a@p.test:1", "c:d", "a:@p.test:1"},
        {"http://:b@p.test:1", "c:d", ":b@p.test:1"},
        {"http://@p.test:1", "c:d", ":@p.test:1"},
        {"http://@p.test:1", NULL, ":@p.test:1"},
        {"http://p.test:1/x", "c:d", "c:d@p.test:1"},
    };
    struct belay_proxy *proxy;

    (void)state;
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        const char *const given[] = {rows[i / 2].url, NULL};
        bool in_environment = i % 2;

        setenv("all_proxy", in_environment ? rows[i / 2].url : "unused.test", 1);
        open_with(in_environment ? NULL : given, rows[i / 2].user, NULL);
        assert_int_equal(proxies_choose(&p, "http", "a.test", 80, &proxy), 0);
        if (!same_way(proxy, rows[i / 2].same))
            fail_msg("%s with %s is not %s", rows[i / 2].url, rows[i / 2].user, rows[i / 2].same);
        shut();
    }
}

static void credentials_that_cannot_be_sent_are_refused(void **state)
{
    static const char *const users[] = {"c%3Ax:53cr3t", "c%0a:53cr3t", "c:53cr3t%0D", "c:53cr3t%00",
                                        "%00c:53cr3t"};
    struct belay_proxy *proxy;

    (void)state;
    setenv("all_proxy", "p.test:1", 1);
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        open_with(NULL, users[i], NULL);
        assert_int_equal(proxies_choose(&p, "http", "a.test", 80, &proxy), BELAY_EINVAL);
        assert_null(strstr(p.why.text, "53cr3t"));
        shut();
    }
}

static void who_looks_names_up(void **state)
{
    static const struct {
        const char *way;
        bool here;
    } rows[] = {
        {"http://p.test", false},
        {"https://p.test", false},
        {"socks5h://p.test", false},
        {"socks4a://p.test", false},
        {"socks5://p.test", true},
        {"socks4://p.test", true},
        {"socks5://p.test http://q.test", false},
        {"http://q.test socks5://p.test", true},
        {"http://q.test|direct://", true},
        {"http://q.test|socks5h://p.test", false},
        {"http://localhost/a%20b", false},
        {"socks5://localhost/a%20b", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct belay_proxy *proxy;

        assert_int_equal(belay_proxy_parse(loop, rows[i].way, &proxy, NULL), 0);
        if (proxies_look_up_here(proxy) != rows[i].here)
            fail_msg("%s", rows[i].way);
        belay_proxy_unref(proxy);
    }
    assert_true(proxies_look_up_here(NULL));
}

static void what_is_wrong_is_told_without_secrets(void **state)
{
    struct belay_proxy *proxy;

    (void)state;
    setenv("https_proxy", "ftp://me:53cr3t@env.test:1", 1);
    open_with(NULL, NULL, NULL);
    assert_int_equal(proxies_choose(&p, "https", "a.test", 443, &proxy), BELAY_EINVAL);
    assert_non_null(strstr(p.why.text, "https_proxy"));
    assert_null(strstr(p.why.text, "53cr3t"));
    assert_int_equal(proxies_choose(&p, "http", "a.test", 80, &proxy), 0);
    assert_string_equal(p.why.text, "");
    shut();
}

static int set_up(void **state)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    return belay_loop_new(NULL, &loop, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    belay_loop_free(loop);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_given_goes_before_the_environment),
        TEST(an_empty_one_takes_all_back),
        TEST(no_proxy_counts_for_both),
        TEST(credentials_are_of_the_last),
        TEST(credentials_are_as_in_curl),
        TEST(credentials_that_cannot_be_sent_are_refused),
        TEST(who_looks_names_up),
        TEST(what_is_wrong_is_told_without_secrets),
    };
    return cmocka_run_group_tests_name("cli_proxies", tests, NULL, NULL);
}
