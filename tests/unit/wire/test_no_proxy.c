/* SPDX-License-Identifier: MIT */
/* Lists of what is reached without a proxy: who is named, and who is not. */
#include "wire/no_proxy.h"

#include "base/assert.h"
#include "support/test.h"

struct row {
    const char *list, *host;
    unsigned port;
    bool named;
};

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bl_no_proxy_names(bl_span_of(rows[i].list), bl_span_of(rows[i].host), rows[i].port) !=
            rows[i].named)
            fail_msg("\"%s\" and %s:%u", rows[i].list, rows[i].host, rows[i].port);
}

static void a_name_names_itself_and_all_below_it(void **state)
{
    static const struct row rows[] = {
        {"example.com", "example.com", 80, true},
        {"example.com", "www.example.com", 80, true},
        {"example.com", "a.b.EXAMPLE.com", 80, true},
        {"Example.COM", "example.com", 80, true},
        {".example.com", "example.com", 80, true},
        {".example.com", "www.example.com", 80, true},
        {"*.example.com", "www.example.com", 80, true},
        {"*.example.com", "example.com", 80, true},
        {"example.com.", "www.example.com", 80, true},
        {"example.com", "www.example.com.", 80, true},
        {"localhost", "localhost", 80, true},
        {"example.com", "badexample.com", 80, false},
        {".example.com", "badexample.com", 80, false},
        {"example.com", "example.com.evil.test", 80, false},
        {"example.com", "com", 80, false},
        {"www.example.com", "example.com", 80, false},
        {"example.com/8", "example.com", 80, false},
        {".", "example.com", 80, false},
        {"*.", "example.com", 80, false},
        {"*example.com", "www.example.com", 80, false},
        {"", "example.com", 80, false},
        {"example.com", "", 80, false},
    };

    (void)state;
    check(rows, BL_COUNT(rows));
}

static void addresses_are_compared_by_value(void **state)
{
    static const struct row rows[] = {
        {"192.0.2.1", "192.0.2.1", 80, true},
        {"192.0.2.1", "192.0.2.10", 80, false},
        {"0.2.1", "192.0.2.1", 80, false},
        {"192.0.2.1", "x192.0.2.1", 80, false},
        {"::1", "::1", 80, true},
        {"::1", "[::1]", 80, true},
        {"[::1]", "0:0::1", 80, true},
        {"2001:DB8:0::1", "2001:db8::1", 80, true},
        {"::1", "::2", 80, false},
        {"::ffff:192.0.2.1", "192.0.2.1", 80, true},
        {"::ffff:10.0.0.0/104", "10.1.2.3", 80, true},
        {"::ffff:10.0.0.0/104", "11.1.2.3", 80, false},
        {"::ffff:10.0.0.0/104", "::ffff:10.1.2.3", 80, true},
        {"::ffff:0:0/96", "192.0.2.1", 80, true},
        {"::ffff:0:0/8", "0.1.2.3", 80, false},
        {"192.0.2.1", "::ffff:192.0.2.1", 80, true},
        {"fe80::1", "fe80::1%3", 80, true},
        {"fe80::1%3", "fe80::1%3", 80, true},
        {"fe80::1%4", "fe80::1%3", 80, false},
    };

    (void)state;
    check(rows, BL_COUNT(rows));
}

static void a_network_names_what_is_in_it(void **state)
{
    static const struct row rows[] = {
        {"10.0.0.0/8", "10.255.3.4", 80, true},
        {"10.0.0.0/8", "11.0.0.0", 80, false},
        {"192.168.0.0/23", "192.168.1.255", 80, true},
        {"192.168.0.0/23", "192.168.2.0", 80, false},
        {"192.168.1.77/23", "192.168.0.1", 80, true},
        {"192.0.2.1/32", "192.0.2.1", 80, true},
        {"192.0.2.1/32", "192.0.2.0", 80, false},
        {"192.0.2.1/33", "192.0.2.1", 80, false},
        {"0.0.0.0/0", "203.0.113.9", 80, true},
        {"0.0.0.0/0", "::1", 80, false},
        {"::/0", "192.0.2.1", 80, false},
        {"::/0", "2001:db8::1", 80, true},
        {"fd00::/8", "fdff::1", 80, true},
        {"fd00::/8", "fe00::1", 80, false},
        {"2001:db8:8000::/33", "2001:db8:ffff::1", 80, true},
        {"2001:db8:8000::/33", "2001:db8:7fff::1", 80, false},
        {"[fd00::]/8", "fd00::1", 80, true},
        {"[fd00::/8]", "fd00::1", 80, true},
        {"fd00::/129", "fd00::", 80, false},
        {"10.0.0.0/", "10.0.0.1", 80, false},
        {"10.0.0.0/8x", "10.0.0.1", 80, false},
        {"10.0.0.0/-1", "10.0.0.1", 80, false},
        {"10.0.0.0/8", "ten.test", 80, false},
        {"[::1", "::1", 80, false},
        {"[::1]x", "::1", 80, false},
    };

    (void)state;
    check(rows, BL_COUNT(rows));
}

static void a_port_narrows(void **state)
{
    static const struct row rows[] = {
        {"example.com:8080", "www.example.com", 8080, true},
        {"example.com:8080", "www.example.com", 80, false},
        {"example.com:8080", "www.example.com", 0, false},
        {"192.0.2.1:80", "192.0.2.1", 80, true},
        {"192.0.2.1:80", "192.0.2.1", 81, false},
        {"10.0.0.0/8:80", "10.1.1.1", 80, true},
        {"10.0.0.0/8:80", "10.1.1.1", 443, false},
        {"[::1]:80", "::1", 80, true},
        {"[::1]:80", "::1", 443, false},
        {"[fd00::/8]:80", "fd00::1", 80, true},
        {"[fd00::]/8:80", "fd00::1", 81, false},
        {"example.com:", "example.com", 80, false},
        {"example.com:x", "example.com", 80, false},
        {"example.com:65536", "example.com", 80, false},
        {":80", "example.com", 80, false},
    };

    (void)state;
    check(rows, BL_COUNT(rows));
}

static void items_stand_between_commas_and_blanks(void **state)
{
    static const struct row rows[] = {
        {"*", "example.com", 80, true},         {"a.test,*", "::1", 80, true},
        {" * ", "example.com", 0, true},        {"a.test,b.test", "b.test", 80, true},
        {"a.test b.test", "b.test", 80, true},  {" ,, a.test ,\tb.test\n", "b.test", 80, true},
        {"a.test,b.test", "c.test", 80, false}, {"a.test,[::1,b.test", "b.test", 80, true},
        {",, ,", "b.test", 80, false},          {"a.testb.test", "b.test", 80, false},
    };

    (void)state;
    check(rows, BL_COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_names_itself_and_all_below_it),
        cmocka_unit_test(addresses_are_compared_by_value),
        cmocka_unit_test(a_network_names_what_is_in_it),
        cmocka_unit_test(a_port_narrows),
        cmocka_unit_test(items_stand_between_commas_and_blanks),
    };
    return cmocka_run_group_tests_name("wire_no_proxy", tests, NULL, NULL);
}
