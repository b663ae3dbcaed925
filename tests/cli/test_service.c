/* SPDX-License-Identifier: MIT */
/* ADDRESS on the command line, and --backoff: what they mean, and what is refused. */
#include "support/test.h"

#include "service.h"

#include <string.h>

static struct service service;

static int tear_down(void **state)
{
    (void)state;
    service_free(&service);
    return 0;
}

static void assert_parsed(const char *text, const char *name, const char *scheme)
{
    struct complaint why;

    service_free(&service);
    assert_true(service_parse(&service, text, &why));
    assert_string_equal(service.name, name);
    assert_string_equal(service.scheme, scheme);
}

static void an_address_is_a_service_of_its_own_name(void **state)
{
    (void)state;
    assert_parsed("db:5432", "db:5432", "tcp");
    assert_parsed("[::1]:5432", "[::1]:5432", "tcp");
    assert_parsed("TLS://db:1", "TLS://db:1", "tls");
    assert_true(service_is_tls(&service));
    assert_parsed("unix:///run/a=b", "unix:///run/a=b", "unix");
    assert_parsed("unix:@x", "unix:@x", "unix");
    assert_int_equal(service.kind, SERVICE_LIST);
    assert_int_equal(service.addresses.n, 1);
    assert_string_equal(service.addresses.items[0], "unix:@x");
}

static void several_addresses_are_one_service(void **state)
{
    (void)state;
    assert_parsed("my-db.1=a:1,tcp://b:2", "my-db.1", "tcp");
    assert_int_equal(service.addresses.n, 2);
    assert_string_equal(service.addresses.items[0], "a:1");
    assert_string_equal(service.addresses.items[1], "tcp://b:2");
    assert_parsed("a:1,b:2", "a:1,b:2", "tcp");
    assert_int_equal(service.addresses.n, 2);
}

static void records_and_files_have_schemes(void **state)
{
    (void)state;
    assert_parsed("srv:_db._tcp.example.com", "srv:_db._tcp.example.com", "tcp");
    assert_int_equal(service.kind, SERVICE_SRV);
    assert_string_equal(service.addresses.items[0], "_db._tcp.example.com");
    assert_parsed("db=srv:tls://_db._tcp.example.com", "db", "tls");
    assert_string_equal(service.addresses.items[0], "_db._tcp.example.com");
    assert_parsed("file:/etc/a,b=c", "file:/etc/a,b=c", "tcp");
    assert_int_equal(service.kind, SERVICE_FILE);
    assert_string_equal(service.addresses.items[0], "/etc/a,b=c");
    assert_parsed("x=file:tls:///etc/list", "x", "tls");
    assert_string_equal(service.addresses.items[0], "/etc/list");
}

static void what_is_asked_of_http_is_apart_from_where(void **state)
{
    (void)state;
    assert_parsed("api=http://a/up?x=1#y,http://b:81/up?x=1", "api", "http");
    assert_true(service_is_http(&service));
    assert_string_equal(service.addresses.items[0], "http://a");
    assert_string_equal(service.addresses.items[1], "http://b:81");
    assert_string_equal(service.path, "/up?x=1");
    assert_parsed("https://a", "https://a", "https");
    assert_string_equal(service.path, "/");
    assert_parsed("https://a?x", "https://a?x", "https");
    assert_string_equal(service.path, "/?x");
}

static void addresses_that_are_no_service_are_refused(void **state)
{
    static const char *const bad[][2] = {
        {"", "empty"},           {"a=", "empty"},
        {"a:1,", "empty"},       {"a:1,tls://b:1", "the same scheme"},
        {"srv:", "empty"},       {"file:tls://", "empty"},
        {"srv:unix://x", "tcp"}, {"http://a/x,http://b/y", "the same path"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct complaint why;

        service_free(&service);
        assert_false(service_parse(&service, bad[i][0], &why));
        assert_non_null(strstr(why.text, bad[i][1]));
    }
}

/* ---- --backoff ---- */

static void backoff_is_said_in_one_word(void **state)
{
    struct belay_backoff_options o;
    struct belay_backoff b;
    struct complaint why;

    (void)state;
    assert_true(values_backoff("100ms..30s,x1.5,jitter=none,tries=4", &o, &why));
    assert_int_equal(o.delay_ms, 100);
    assert_int_equal(o.delay_max_ms, 30000);
    assert_int_equal(o.factor_percent, 150);
    assert_int_equal(o.jitter, BELAY_JITTER_NONE);
    assert_int_equal(belay_backoff_init(&b, &o), 0);
    assert_int_equal(belay_backoff_failed(&b, 0), 100);
    assert_int_equal(belay_backoff_failed(&b, 0), 150);
    assert_int_equal(belay_backoff_failed(&b, 0), 225);
    assert_int_equal(belay_backoff_failed(&b, 0), BELAY_FOREVER); /* the fourth try */
    assert_true(values_backoff("1s", &o, &why));
    assert_int_equal(o.delay_max_ms, 0);
    assert_true(values_backoff("1m", &o, &why)); /* more than the default's largest */
    assert_int_equal(o.delay_max_ms, 60000);
    assert_true(values_backoff("1,jitter=50%,tries=1", &o, &why));
    assert_int_equal(o.spread_percent, 50);
    assert_int_equal(o.attempts_max, BELAY_NONE);
    assert_int_equal(belay_backoff_init(&b, &o), 0);
}

static void backoffs_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "x2",
                                      "0",
                                      "1s..",
                                      "..1s",
                                      "2s..1s",
                                      "1s,x0.5",
                                      "1s,x2y",
                                      "1s,",
                                      "1s,jitter=",
                                      "1s,jitter=0%",
                                      "1s,jitter=101%",
                                      "1s,foo",
                                      "1s,tries=0",
                                      "1s,x1000",
                                      "1s,jitter=0999%",
                                      "25h"};
    struct belay_backoff_options o = {.delay_ms = 42};
    struct complaint why;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(values_backoff(bad[i], &o, &why));
    assert_int_equal(o.delay_ms, 42);
}

static void sizes_are_powers_of_1024(void **state)
{
    static const char *const bad[] = {
        "", "k", "1x", "1kb", "-1", "1.5k", "15", "2M", "9999999999999999999", "1kiBs"};
    struct complaint why;
    int64_t n = 42;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(values_size(bad[i], 16, 1 << 20, &n, &why));
    assert_int_equal(n, 42);
    assert_true(values_size("16", 16, 1 << 20, &n, &why));
    assert_int_equal(n, 16);
    assert_true(values_size("64k", 16, 1 << 20, &n, &why));
    assert_int_equal(n, 65536);
    assert_true(values_size("1MiB", 16, 1 << 20, &n, &why));
    assert_int_equal(n, 1 << 20);
    assert_true(values_size("2G", 16, INT64_MAX, &n, &why));
    assert_int_equal(n, INT64_C(1) << 31);
}

static void escapes_are_undone(void **state)
{
    struct bytes b = {0};
    struct complaint why;

    (void)state;
    assert_true(values_unescape("a\\n\\r\\t\\0\\\\\\x41\\xfFz", &b, &why));
    assert_int_equal(b.len, 9);
    assert_memory_equal(b.data, "a\n\r\t\0\\A\xffz", 9);
    bytes_free(&b);
    assert_false(values_unescape("a\\", &b, &why));
    assert_false(values_unescape("\\x4", &b, &why));
    assert_false(values_unescape("\\q", &b, &why));
    bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_address_is_a_service_of_its_own_name, tear_down),
        cmocka_unit_test_teardown(several_addresses_are_one_service, tear_down),
        cmocka_unit_test_teardown(records_and_files_have_schemes, tear_down),
        cmocka_unit_test_teardown(what_is_asked_of_http_is_apart_from_where, tear_down),
        cmocka_unit_test_teardown(addresses_that_are_no_service_are_refused, tear_down),
        cmocka_unit_test(backoff_is_said_in_one_word),
        cmocka_unit_test(backoffs_that_are_none_are_refused),
        cmocka_unit_test(sizes_are_powers_of_1024),
        cmocka_unit_test(escapes_are_undone),
    };
    return cmocka_run_group_tests_name("cli_service", tests, NULL, NULL);
}
