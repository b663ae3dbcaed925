/* SPDX-License-Identifier: MIT */
/* What may stand behind an option, and what is said of what may not. */
#include "support/test.h"

#include "route.h"
#include "values.h"

#include <stdlib.h>
#include <string.h>

static void times_have_units(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"500ms", 500},  {"2s", 2000},      {"2", 2000},   {"1.5m", 90000},
        {"1min", 60000}, {"1h", 3600000},   {"0", 0},      {".5", 500},
        {"0.1ms", 1},    {"24h", 86400000}, {"0.25", 250},
    };
    struct complaint why;
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(values_time(rows[i].text, &ms, &why));
        assert_int_equal(ms, rows[i].ms);
    }
}

static void times_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {
        "",    "s",   "-1",  "-1s",  "+1", "1 s", "5x",
        "1e3", "inf", "nan", "0x10", ".",  "25h", "99999999999999999999999999",
        "1s2"};
    struct complaint why;
    int64_t ms = 42;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(values_time(bad[i], &ms, &why));
    assert_int_equal(ms, 42);
}

static void counts_neither_wrap_nor_pass_their_limits(void **state)
{
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "1.0",
                                      "11",
                                      "18446744073709551617",
                                      "9223372036854775808"};
    struct complaint why;
    int64_t n = 42;

    (void)state;
    assert_true(values_count("10", 1, 10, &n, &why));
    assert_int_equal(n, 10);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(values_count(bad[i], 1, 10, &n, &why));
    assert_false(values_count("0", 1, 10, &n, &why));
    assert_int_equal(n, 10);
    assert_true(values_count("9223372036854775807", 1, INT64_MAX, &n, &why));
    assert_true(n == INT64_MAX);
}

static void rates_are_above_zero(void **state)
{
    struct complaint why;
    double rate;

    (void)state;
    assert_true(values_rate("0.5", &rate, &why));
    assert_true(rate > 0.49 && rate < 0.51);
    assert_true(values_rate("100/s", &rate, &why));
    assert_false(values_rate("0", &rate, &why));
    assert_false(values_rate("-1", &rate, &why));
    assert_false(values_rate("1000001", &rate, &why));
    assert_false(values_rate("5/m", &rate, &why));
}

static void statuses_are_a_list(void **state)
{
    struct complaint why;
    int out[2];
    size_t n;

    (void)state;
    assert_true(values_statuses("429,503", out, 2, &n, &why));
    assert_int_equal(n, 2);
    assert_int_equal(out[1], 503);
    assert_false(values_statuses("429,503,500", out, 2, &n, &why));
    assert_false(values_statuses("429,", out, 2, &n, &why));
    assert_false(values_statuses("42", out, 2, &n, &why));
    assert_false(values_statuses("100", out, 2, &n, &why));
    assert_false(values_statuses("4290", out, 2, &n, &why));
}

static void headers_are_taken_apart(void **state)
{
    struct header_value h;
    struct complaint why;

    (void)state;
    assert_true(values_header("X-One:  two words \t", &h, &why));
    assert_string_equal(h.name, "X-One");
    assert_string_equal(h.value, "two words");
    assert_false(h.removes);
    free(h.name);
    assert_true(values_header("X-Empty;", &h, &why));
    assert_string_equal(h.value, "");
    assert_false(h.removes);
    free(h.name);
    assert_true(values_header("User-Agent:", &h, &why));
    assert_string_equal(h.name, "User-Agent");
    assert_string_equal(h.value, "");
    assert_true(h.removes);
    free(h.name);
    assert_true(values_header("X: a;b:c", &h, &why));
    assert_string_equal(h.value, "a;b:c");
    free(h.name);
}

static void headers_cannot_be_injected(void **state)
{
    static const char *const bad[] = {
        "",        ":",       "no colon", ": x",     "a b: c", "a\r\nb: c",    "a: b\r\nc: d",
        "a: b\nc", "a: b\rc", "a: \x01",  "a: \x7f", "a; b",   "gr\xc3\xbc: x"};
    struct header_value h;
    struct complaint why;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(values_header(bad[i], &h, &why));
        assert_null(strpbrk(why.text, "\r\n"));
    }
}

static int applied_port(struct route_rules *rules, const char *host, int port,
                        struct belay_endpoint_options *o)
{
    *o = belay_endpoint_options_init();
    o->scheme = "https";
    o->host = host;
    o->port = port;
    assert_int_equal(route_apply(o, rules), 0);
    return o->port;
}

static void routes_change_what_is_dialled_and_not_who_is_expected(void **state)
{
    struct route_rules rules = {0};
    struct belay_endpoint_options o;
    struct complaint why;

    (void)state;
    assert_true(route_add_resolve(&rules, "a.test:443:192.0.2.1,[2001:db8::1]", &why));
    assert_true(route_add_connect_to(&rules, "b.test:443:c.test:8443", &why));
    assert_true(route_add_connect_to(&rules, "::[::1]:", &why));

    assert_int_equal(applied_port(&rules, "A.test", 443, &o), 443);
    assert_int_equal(o.addrs_n, 2);
    assert_int_equal(o.addrs[1].family, BELAY_FAMILY_IPV6);
    assert_string_equal(o.host, "A.test");

    assert_int_equal(applied_port(&rules, "b.test", 443, &o), 8443);
    assert_string_equal(o.host, "c.test");
    assert_string_equal(o.server_name, "b.test");

    assert_int_equal(applied_port(&rules, "a.test", 444, &o), 444);
    assert_string_equal(o.host, "::1");
    assert_int_equal(o.addrs_n, 0);
    route_free(&rules);
}

static void routes_that_are_none_are_refused(void **state)
{
    static const char *const resolve[] = {"",
                                          "a",
                                          "a:1",
                                          ":1:127.0.0.1",
                                          "a:0:127.0.0.1",
                                          "a:70000:127.0.0.1",
                                          "a:x:127.0.0.1",
                                          "a:1:b",
                                          "a:1:",
                                          "a::127.0.0.1"};
    static const char *const connect_to[] = {"",        "a:1",    "a:1:b", "a:70000:b:1",
                                             "a:1:b:0", "a:1:b:x"};
    struct route_rules rules = {0};
    struct complaint why;

    (void)state;
    for (size_t i = 0; i < sizeof resolve / sizeof resolve[0]; i++) {
        assert_false(route_add_resolve(&rules, resolve[i], &why));
    }
    for (size_t i = 0; i < sizeof connect_to / sizeof connect_to[0]; i++)
        assert_false(route_add_connect_to(&rules, connect_to[i], &why));
    route_free(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_have_units),
        cmocka_unit_test(times_that_are_none_are_refused),
        cmocka_unit_test(counts_neither_wrap_nor_pass_their_limits),
        cmocka_unit_test(rates_are_above_zero),
        cmocka_unit_test(statuses_are_a_list),
        cmocka_unit_test(headers_are_taken_apart),
        cmocka_unit_test(headers_cannot_be_injected),
        cmocka_unit_test(routes_change_what_is_dialled_and_not_who_is_expected),
        cmocka_unit_test(routes_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
