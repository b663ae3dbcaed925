/* SPDX-License-Identifier: MIT */
/* RFC 6724 as a table: the examples of its section 10.2 and one row for each rule. */
#include "support/test.h"

#include "net/resolver.h"

#define ITEMS_MAX 4

/* Destinations as given with their sources ("-": none), and the order in which they must come out.
 */
struct row {
    const char *what;
    struct {
        const char *dest, *source;
    } items[ITEMS_MAX];
    const char *order[ITEMS_MAX];
};

static const struct row rows[] = {
    {"10.2: scopes match for IPv6 only",
     {{"2001:db8:1::1", "2001:db8:1::2"}, {"198.51.100.121", "169.254.13.78"}},
     {"2001:db8:1::1", "198.51.100.121"}},
    {"10.2: scopes match for IPv4 only",
     {{"2001:db8:1::1", "fe80::1"}, {"198.51.100.121", "198.51.100.117"}},
     {"198.51.100.121", "2001:db8:1::1"}},
    {"10.2: higher precedence",
     {{"10.1.2.3", "10.1.2.4"}, {"2001:db8:1::1", "2001:db8:1::2"}},
     {"2001:db8:1::1", "10.1.2.3"}},
    {"10.2: smaller scope",
     {{"2001:db8:1::1", "2001:db8:1::2"}, {"fe80::1", "fe80::2"}},
     {"fe80::1", "2001:db8:1::1"}},
    {"10.2: longest matching prefix",
     {{"2001:db8:3ffe::1", "2001:db8:3f44::2"}, {"2001:db8:1::1", "2001:db8:1::2"}},
     {"2001:db8:1::1", "2001:db8:3ffe::1"}},
    {"10.2: matching label",
     {{"2001:db8:1::1", "2002:c633:6401::2"}, {"2002:c633:6401::1", "2002:c633:6401::2"}},
     {"2002:c633:6401::1", "2001:db8:1::1"}},
    {"10.2: a 6to4 destination and a native one",
     {{"2002:c633:6401::1", "2002:c633:6401::2"}, {"2001:db8:1::1", "2001:db8:1::2"}},
     {"2001:db8:1::1", "2002:c633:6401::1"}},
    {"rule 1: what cannot be reached comes last",
     {{"2001:db8::1", "-"}, {"192.0.2.1", "192.0.2.9"}},
     {"192.0.2.1", "2001:db8::1"}},
    {"rule 1: before all other rules",
     {{"fe80::1", "-"}, {"192.0.2.1", "127.0.0.1"}},
     {"192.0.2.1", "fe80::1"}},
    {"rule 5: labels of ULA and global addresses differ",
     {{"2001:db8::1", "fd00::9"}, {"fd00::1", "fd00::9"}},
     {"fd00::1", "2001:db8::1"}},
    {"rule 6: Teredo comes after IPv4",
     {{"2001::1", "2001::2"}, {"192.0.2.1", "192.0.2.9"}},
     {"192.0.2.1", "2001::1"}},
    {"rule 6: loopback first", {{"127.0.0.1", "127.0.0.1"}, {"::1", "::1"}}, {"::1", "127.0.0.1"}},
    {"rule 9 counts 64 bits at most: what is equal so far keeps its order",
     {{"2001:db8::1:0:0:1", "2001:db8::9"}, {"2001:db8::8", "2001:db8::9"}},
     {"2001:db8::1:0:0:1", "2001:db8::8"}},
    {"rule 9 not for IPv4: rotation stays",
     {{"10.1.2.3", "192.0.2.9"}, {"192.0.2.8", "192.0.2.9"}},
     {"10.1.2.3", "192.0.2.8"}},
    {"rule 10: order is kept",
     {{"192.0.2.3", "192.0.2.9"}, {"192.0.2.1", "192.0.2.9"}, {"192.0.2.2", "192.0.2.9"}},
     {"192.0.2.3", "192.0.2.1", "192.0.2.2"}},
    {"rule 10: among the unreachable too",
     {{"192.0.2.3", "-"}, {"192.0.2.1", "-"}, {"192.0.2.2", "192.0.2.9"}},
     {"192.0.2.2", "192.0.2.3", "192.0.2.1"}},
};

static struct belay_addr addr(const char *text)
{
    struct belay_addr a;
    memset(&a, 0, sizeof a);
    if (strcmp(text, "-") != 0)
        assert_int_equal(belay_addr_parse_ip(text, strlen(text), 0, &a), 0);
    return a;
}

static void play(const struct row *row)
{
    struct bl_sortable items[ITEMS_MAX];
    size_t n = 0;
    for (; n < ITEMS_MAX && row->items[n].dest; n++) {
        items[n].dest = addr(row->items[n].dest);
        items[n].source = addr(row->items[n].source);
    }
    bl_addr_sort(items, n);
    for (size_t i = 0; i < n; i++) {
        struct belay_addr expected = addr(row->order[i]);
        char got[BELAY_ADDR_TEXT_MAX];
        if (!belay_addr_equal(&items[i].dest, &expected))
            fail_msg("%s: at %zu came %s", row->what, i,
                     belay_addr_print(&items[i].dest, got, sizeof got));
    }
}

static void destinations_come_in_the_order_of_rfc_6724(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(rows); i++)
        play(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destinations_come_in_the_order_of_rfc_6724),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
