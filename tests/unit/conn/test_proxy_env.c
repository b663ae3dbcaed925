/* SPDX-License-Identifier: MIT */
/* Proxies from the environment: whose variable counts, and whom no_proxy excepts. */
#include <stdlib.h>

#include "conn/endpoint.h"
#include "conn/proxy.h"
#include "unit/net/test_tls_kit.h"

/* "name=value" pairs, in place of the environment. */
static const char *from_list(const char *name, void *arg)
{
    const char *const *list = arg;
    size_t len = strlen(name);

    for (; *list; list++)
        if (strncmp(*list, name, len) == 0 && (*list)[len] == '=')
            return *list + len + 1;
    return NULL;
}

static void who_is_asked_for(void **state)
{
    static const struct {
        const char *variables[5];
        const char *scheme, *host;
        int port;
        const char *name; /* NULL: none */
    } rows[] = {
        {{NULL}, "http", "a.test", 80, NULL},
        {{"http_proxy=p.test:1"}, "http", "a.test", 80, "http://p.test:1"},
        {{"http_proxy=p.test:1"}, "HTTP", "a.test", 80, "http://p.test:1"},
        {{"HTTP_PROXY=p.test:1"}, "http", "a.test", 80, NULL}, /* a header, under CGI */
        {{"http_proxy=p.test:1"}, "https", "a.test", 443, NULL},
        {{"https_proxy=p.test:1"}, "https", "a.test", 443, "http://p.test:1"},
        {{"HTTPS_PROXY=p.test:1"}, "https", "a.test", 443, "http://p.test:1"},
        {{"HTTPS_PROXY=q.test:1", "https_proxy=p.test:1"}, "https", "a", 443, "http://p.test:1"},
        {{"https_proxy=p.test:1"}, "http", "a.test", 80, NULL},
        {{"https_proxy=p.test:1"}, "tls", "a.test", 1, NULL},
        {{"all_proxy=socks5h://p.test"}, "http", "a.test", 80, "socks5h://p.test:1080"},
        {{"ALL_PROXY=socks5h://p.test"}, "https", "a.test", 443, "socks5h://p.test:1080"},
        {{"all_proxy=socks5h://p.test"}, "tcp", "a.test", 80, "socks5h://p.test:1080"},
        {{"all_proxy=q.test", "http_proxy=p.test:1"}, "http", "a.test", 80, "http://p.test:1"},
        {{"all_proxy=p.test:1", "http_proxy="}, "http", "a.test", 80, "http://p.test:1"},
        {{"http_proxy=p.test:1", "no_proxy=a.test"}, "http", "a.test", 80, NULL},
        {{"http_proxy=p.test:1", "NO_PROXY=a.test"}, "http", "a.test", 80, NULL},
        {{"http_proxy=p.test:1", "no_proxy=", "NO_PROXY=a.test"}, "http", "a.test", 80, NULL},
        {{"http_proxy=p.test:1", "no_proxy=b.test", "NO_PROXY=a.test"},
         "http",
         "a.test",
         80,
         "http://p.test:1"},
        {{"http_proxy=p.test:1", "no_proxy=a.test:8080"}, "http", "a.test", 80, "http://p.test:1"},
        {{"http_proxy=p.test:1", "no_proxy=10.0.0.0/8"}, "http", "10.1.2.3", 80, NULL},
        {{"all_proxy=a.test|direct://"}, "tcp", "a.test", 1, "http://a.test:1080 | direct://"},
    };
    struct kit *kit = *state;

    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct belay_proxy *p = (void *)kit;
        struct belay_error error = {0};

        if (belay_proxy_from_env(kit->loop, rows[i].scheme, rows[i].host, rows[i].port, from_list,
                                 (void *)(uintptr_t)rows[i].variables, &p, &error) < 0)
            fail_msg("row %zu: %s", i, error.text);
        if (!p != !rows[i].name || (p && strcmp(belay_proxy_name(p), rows[i].name) != 0))
            fail_msg("row %zu: %s", i, p ? belay_proxy_name(p) : "none");
        belay_proxy_unref(p);
    }
}

static void a_bad_value_is_refused_by_the_name_of_its_variable(void **state)
{
    static const char *const variables[] = {"ALL_PROXY=ftp://user:53cr3t@p.test:1", NULL};
    struct kit *kit = *state;
    struct belay_proxy *p = NULL;
    struct belay_error error;

    assert_int_equal(belay_proxy_from_env(kit->loop, "https", "a.test", 443, from_list,
                                          (void *)(uintptr_t)variables, &p, &error),
                     BELAY_EINVAL);
    assert_null(p);
    assert_non_null(strstr(error.text, "ALL_PROXY"));
    assert_non_null(strstr(error.text, "ftp"));
    assert_null(strstr(error.text, "53cr3t"));
    assert_int_equal(belay_proxy_from_env(kit->loop, "https", NULL, 443, NULL, NULL, &p, &error),
                     BELAY_EINVAL);
    assert_int_equal(belay_proxy_from_env(kit->loop, NULL, "a.test", 443, NULL, NULL, &p, &error),
                     BELAY_EINVAL);
}

static void lists_are_read_for_all(void **state)
{
    (void)state;
    assert_true(belay_no_proxy_names("a.test, b.test", "x.b.test", 80));
    assert_true(belay_no_proxy_names("b.test:80", "b.test", 80));
    assert_false(belay_no_proxy_names("b.test:80", "b.test", -1));
    assert_false(belay_no_proxy_names(NULL, "b.test", 80));
    assert_false(belay_no_proxy_names("*", NULL, 80));
}

/* ---- endpoints ---- */

static struct belay_endpoint *make(struct kit *kit, struct belay_endpoint_options o)
{
    struct belay_endpoint *e;
    struct belay_error error;

    o.size = sizeof o;
    if (belay_endpoint_new(kit->loop, &o, &e, &error) < 0)
        fail_msg("%s", error.text);
    return e;
}

#define FROM_ENV .proxy_from_env = true

static void an_endpoint_reads_it_when_it_is_made(void **state)
{
    struct kit *kit = *state;
    struct belay_proxy *own;
    struct belay_endpoint *e, *plain, *b, *from_option;

    setenv("all_proxy", "http://p.test:1", 1);
    setenv("no_proxy", "b.test", 1);
    e = make(kit, (struct belay_endpoint_options){.url = "tcp://a.test:1", FROM_ENV});
    assert_string_equal(belay_endpoint_name(e), "tcp://a.test:1 through http://p.test:1");

    plain = make(kit, (struct belay_endpoint_options){.url = "tcp://b.test:1"});
    b = make(kit, (struct belay_endpoint_options){.url = "tcp://b.test:1", FROM_ENV});
    assert_true(belay_endpoint_equal(plain, b));
    belay_endpoint_unref(b);

    /* Another host is looked up in no_proxy again. */
    assert_int_equal(bl_endpoint_like(e, "b.test", 1, NULL, 0, &b, NULL), 0);
    assert_true(belay_endpoint_equal(plain, b));
    belay_endpoint_unref(b);
    belay_endpoint_unref(plain);

    /* A Unix socket is of this machine. */
    b = make(kit, (struct belay_endpoint_options){.url = "unix:/x", FROM_ENV});
    assert_string_equal(belay_endpoint_name(b), "unix:/x");
    belay_endpoint_unref(b);
    b = make(kit,
             (struct belay_endpoint_options){.url = "tcp://a.test:1", .unix_path = "/x", FROM_ENV});
    assert_string_equal(belay_endpoint_name(b), "tcp://a.test:1");
    belay_endpoint_unref(b);

    /* What is said by option goes before. */
    assert_int_equal(belay_proxy_parse(kit->loop, "socks5://q.test", &own, NULL), 0);
    from_option =
        make(kit, (struct belay_endpoint_options){.url = "tcp://b.test:1", .proxy = own, FROM_ENV});
    assert_string_equal(belay_endpoint_name(from_option),
                        "tcp://b.test:1 through socks5://q.test:1080");
    belay_endpoint_unref(from_option);
    belay_proxy_unref(own);

    unsetenv("all_proxy");
    unsetenv("no_proxy");
    b = make(kit, (struct belay_endpoint_options){.url = "tcp://a.test:1", FROM_ENV});
    assert_string_equal(belay_endpoint_name(b), "tcp://a.test:1");
    assert_false(belay_endpoint_equal(b, e));
    belay_endpoint_unref(b);
    belay_endpoint_unref(e);
}

static int set_up(void **state)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

    for (size_t i = 0; i < BL_COUNT(names); i++)
        unsetenv(names[i]);
    return kit_set_up(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, kit_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_is_asked_for),
        TEST(a_bad_value_is_refused_by_the_name_of_its_variable),
        TEST(lists_are_read_for_all),
        TEST(an_endpoint_reads_it_when_it_is_made),
    };
    return cmocka_run_group_tests_name("conn_proxy_env", tests, NULL, NULL);
}
