/* SPDX-License-Identifier: MIT */
#include "wire/proxy_protocol.h"

#include "base/assert.h"
#include "support/test.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"

static struct belay_addr ip(const char *text, uint16_t port)
{
    struct belay_addr addr;

    assert_int_equal(belay_addr_parse_ip(text, strlen(text), port, &addr), 0);
    return addr;
}

static void expect(int version, const struct belay_addr *from, const struct belay_addr *to,
                   const char *bytes, size_t n)
{
    uint8_t out[BL_PROXY_HEADER_MAX];

    assert_int_equal(bl_proxy_header(version, from, to, out), n);
    assert_memory_equal(out, bytes, n);
}

#define EXPECT(version, from, to, text) expect((version), (from), (to), (text), sizeof(text) - 1)

static void ipv4_is_written(void **state)
{
    struct belay_addr from = ip("192.0.2.1", 56324), to = ip("198.51.100.11", 443);
    (void)state;
    EXPECT(1, &from, &to, "PROXY TCP4 192.0.2.1 198.51.100.11 56324 443\r\n");
    EXPECT(2, &from, &to, V2 "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x0b\xdc\x04\x01\xbb");
}

static void ipv6_is_written_without_scope(void **state)
{
    struct belay_addr from = ip("fe80::1%3", 1), to = ip("2001:db8::2", 65535);
    (void)state;
    EXPECT(1, &from, &to, "PROXY TCP6 fe80::1 2001:db8::2 1 65535\r\n");
    EXPECT(2, &from, &to,
           V2 "\x21\x21\x00\x24\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
              "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x00\x01\xff\xff");
}

static void mixed_families_become_ipv6(void **state)
{
    struct belay_addr from = ip("192.0.2.1", 1), to = ip("2001:db8::2", 2);
    (void)state;
    EXPECT(1, &from, &to, "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 2\r\n");
    EXPECT(2, &from, &to,
           V2 "\x21\x21\x00\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01"
              "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x00\x01\x00\x02");
}

static void the_longest_line_fits(void **state)
{
    struct belay_addr from = ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535), to = from;
    (void)state;
    EXPECT(1, &from, &to,
           "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
           "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n");
}

static void what_has_no_ip_address_is_our_own(void **state)
{
    struct belay_addr from = ip("192.0.2.1", 1), path;
    (void)state;
    assert_int_equal(belay_addr_from_path("/run/x", 6, &path), 0);
    EXPECT(1, &from, &path, "PROXY UNKNOWN\r\n");
    EXPECT(1, &path, &path, "PROXY UNKNOWN\r\n");
    EXPECT(1, NULL, &from, "PROXY UNKNOWN\r\n");
    EXPECT(2, &from, &path, V2 "\x20\x00\x00\x00");
    EXPECT(2, NULL, NULL, V2 "\x20\x00\x00\x00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_is_written),
        cmocka_unit_test(ipv6_is_written_without_scope),
        cmocka_unit_test(mixed_families_become_ipv6),
        cmocka_unit_test(the_longest_line_fits),
        cmocka_unit_test(what_has_no_ip_address_is_our_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
