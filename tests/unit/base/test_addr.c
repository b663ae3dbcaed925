/* SPDX-License-Identifier: MIT */
#include "belay/addr.h"

#include "base/assert.h"
#include "belay/error.h"
#include "support/test.h"

static int parse(const char *text, uint16_t port, struct belay_addr *ret)
{
    return belay_addr_parse_ip(text, strlen(text), port, ret);
}

static void addresses_print_as_they_are_written(void **state)
{
    static const struct {
        const char *text;
        uint16_t port;
        const char *printed;
    } cases[] = {
        {"192.0.2.1", 80, "192.0.2.1:80"},
        {"192.0.2.1", 0, "192.0.2.1"},
        {"0.0.0.0", 1, "0.0.0.0:1"},
        {"255.255.255.255", 65535, "255.255.255.255:65535"},
        {"2001:db8::1", 443, "[2001:db8::1]:443"},
        {"2001:DB8:0:0:0:0:0:1", 0, "2001:db8::1"},
        {"::", 0, "::"},
        {"::1", 0, "::1"},
        {"::ffff:192.0.2.1", 0, "::ffff:192.0.2.1"},
        {"fe80::1%3", 0, "fe80::1%3"},
        {"fe80::1%4294967295", 65535, "[fe80::1%4294967295]:65535"},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        char text[BELAY_ADDR_TEXT_MAX];
        struct belay_addr addr;

        assert_int_equal(parse(cases[i].text, cases[i].port, &addr), 0);
        assert_string_equal(belay_addr_print(&addr, text, sizeof text), cases[i].printed);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.3.-4",
        "01.2.3.4",
        "1.2.3.4 ",
        " 1.2.3.4",
        "0x1.2.3.4",
        "1..3.4",
        "1.2.3.",
        "127.1",
        "localhost",
        ":",
        ":::",
        "1::2::3",
        "12345::",
        "::g",
        "::1%",
        "::1%0",
        "::1%eth0",
        "::1%-1",
        "::1%4294967296",
        "1:2:3:4:5:6:7",
        "[::1]",
        "::1.2.3",
        "1:2:3:4:5:6:7:8:9",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    };
    struct belay_addr before, addr;

    (void)state;
    memset(&before, 0x5a, sizeof before);
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        addr = before;
        assert_int_equal(parse(cases[i], 80, &addr), BELAY_EINVAL);
        assert_memory_equal(&addr, &before, sizeof addr);
    }
    assert_int_equal(belay_addr_parse_ip("::1\0", 4, 0, &addr), BELAY_EINVAL);
    assert_int_equal(belay_addr_parse_ip("1.2.3.4\0", 8, 0, &addr), BELAY_EINVAL);
    assert_int_equal(belay_addr_parse_ip(NULL, 3, 0, &addr), BELAY_EINVAL);
}

static void the_length_counts_and_not_a_nul(void **state)
{
    struct belay_addr addr;
    char text[BELAY_ADDR_TEXT_MAX];

    (void)state;
    assert_int_equal(belay_addr_parse_ip("10.0.0.123", 8, 0, &addr), 0);
    assert_string_equal(belay_addr_print(&addr, text, sizeof text), "10.0.0.1");
}

static void unix_sockets_have_paths_or_abstract_names(void **state)
{
    struct belay_addr addr;
    char text[BELAY_ADDR_TEXT_MAX], path[109];

    (void)state;
    assert_int_equal(belay_addr_from_path("/run/x.sock", 11, &addr), 0);
    assert_int_equal(addr.family, BELAY_FAMILY_UNIX);
    assert_int_equal(addr.path_len, 11);
    assert_string_equal(belay_addr_print(&addr, text, sizeof text), "/run/x.sock");

    assert_int_equal(belay_addr_from_path("@name", 5, &addr), 0);
    assert_int_equal(addr.path_len, 5);
    assert_int_equal(addr.u.path[0], 0);
    assert_string_equal(belay_addr_print(&addr, text, sizeof text), "@name");

    memset(path, 'p', sizeof path);
    assert_int_equal(belay_addr_from_path(path, 107, &addr), 0);
    assert_int_equal(belay_addr_from_path(path, 108, &addr), BELAY_EINVAL);
    assert_int_equal(belay_addr_from_path("", 0, &addr), BELAY_EINVAL);
    assert_int_equal(belay_addr_from_path("@", 1, &addr), BELAY_EINVAL);
    assert_int_equal(belay_addr_from_path("a\0b", 3, &addr), BELAY_EINVAL);
}

static void printing_cuts_and_terminates(void **state)
{
    struct belay_addr addr;
    char text[6];

    (void)state;
    parse("192.0.2.1", 80, &addr);
    assert_string_equal(belay_addr_print(&addr, text, sizeof text), "192.0");
    belay_addr_from_path("/run/x", 6, &addr);
    assert_string_equal(belay_addr_print(&addr, text, sizeof text), "/run/");
    text[0] = 'x';
    assert_ptr_equal(belay_addr_print(&addr, text, 0), text);
    assert_int_equal(text[0], 'x');
}

static void printing_shows_no_control_characters(void **state)
{
    struct belay_addr addr;
    char text[BELAY_ADDR_TEXT_MAX];

    (void)state;
    belay_addr_from_path("/a\n\x1b[2J", 7, &addr);
    assert_string_equal(belay_addr_print(&addr, text, sizeof text), "/a??[2J");
    memset(&addr, 0, sizeof addr);
    assert_string_equal(belay_addr_print(&addr, text, sizeof text), "(no address)");
}

static void addresses_are_equal_by_every_part(void **state)
{
    struct belay_addr all[9];

    (void)state;
    memset(all, 0, sizeof all);
    assert_int_equal(parse("192.0.2.1", 80, &all[1]), 0);
    assert_int_equal(parse("192.0.2.1", 81, &all[2]), 0);
    assert_int_equal(parse("192.0.2.2", 80, &all[3]), 0);
    assert_int_equal(parse("fe80::1%1", 80, &all[4]), 0);
    assert_int_equal(parse("fe80::1%2", 80, &all[5]), 0);
    assert_int_equal(parse("fe80::2%1", 80, &all[6]), 0);
    assert_int_equal(belay_addr_from_path("/a", 2, &all[7]), 0);
    assert_int_equal(belay_addr_from_path("/ab", 3, &all[8]), 0);
    for (size_t i = 0; i < BL_COUNT(all); i++) {
        for (size_t j = 0; j < BL_COUNT(all); j++)
            assert_int_equal(belay_addr_equal(&all[i], &all[j]), i == j);
    }
    /* What IPv4 does not use does not count. */
    all[2] = all[1];
    all[2].u.ip[4] = 9;
    assert_true(belay_addr_equal(&all[1], &all[2]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_print_as_they_are_written),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(the_length_counts_and_not_a_nul),
        cmocka_unit_test(unix_sockets_have_paths_or_abstract_names),
        cmocka_unit_test(printing_cuts_and_terminates),
        cmocka_unit_test(printing_shows_no_control_characters),
        cmocka_unit_test(addresses_are_equal_by_every_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
