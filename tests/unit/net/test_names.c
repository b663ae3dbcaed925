/* SPDX-License-Identifier: MIT */
/* The resolver's pure helpers: host names, the hosts file, SRV answers. */
#include "support/test.h"

#include <stdlib.h>

#include "net/resolver_inside.h"

static void a_host_is_a_number_a_name_or_refused(void **state)
{
    static const struct {
        const char *host;
        enum bl_name_kind kind;
    } cases[] = {
        {"example.com", BL_NAME_DNS},
        {"EXAMPLE.Com.", BL_NAME_DNS},
        {"a", BL_NAME_DNS},
        {"_http._tcp.example.com", BL_NAME_DNS},
        {"1.2.3.4", BL_NAME_NUMERIC},
        {"::1", BL_NAME_NUMERIC},
        {"fe80::1%1", BL_NAME_NUMERIC},
        {"localhost", BL_NAME_LOCALHOST},
        {"LocalHost.", BL_NAME_LOCALHOST},
        {"db.localhost", BL_NAME_LOCALHOST},
        {"notlocalhost", BL_NAME_DNS},
        {"localhost.example", BL_NAME_DNS},
        {"1st.example.3com", BL_NAME_DNS},
        {"", BL_NAME_BAD},
        {".", BL_NAME_BAD},
        {"a..b", BL_NAME_BAD},
        {".a", BL_NAME_BAD},
        {"a b", BL_NAME_BAD},
        {"a\nb", BL_NAME_BAD},
        {"a\\.b", BL_NAME_BAD},
        {"a@b", BL_NAME_BAD},
        {"a/b", BL_NAME_BAD},
        {"[::1]", BL_NAME_BAD},
        {"b\xc3\xbc"
         "cher.example",
         BL_NAME_BAD},
        {"1.2.3", BL_NAME_BAD},
        {"1.2.3.4.", BL_NAME_BAD},
        {"1.2.3.4.5", BL_NAME_BAD},
        {"example.256", BL_NAME_BAD},
    };
    char lower[BL_NAME_MAX + 1];
    struct belay_addr addr;
    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        enum bl_name_kind kind = bl_name_classify(cases[i].host, lower, &addr);
        if (kind != cases[i].kind)
            fail_msg("%s is %d", cases[i].host, (int)kind);
        assert_int_equal(bl_is_host_name(cases[i].host), kind != BL_NAME_BAD);
    }
    assert_int_equal(bl_name_classify("EXAMPLE.Com.", lower, &addr), BL_NAME_DNS);
    assert_string_equal(lower, "example.com.");
}

static void long_names_and_labels_are_refused(void **state)
{
    char lower[BL_NAME_MAX + 1], *huge = malloc(65537), name[300];
    struct belay_addr addr;
    (void)state;
    memset(huge, 'a', 65536);
    huge[65536] = '\0';
    assert_int_equal(bl_name_classify(huge, lower, &addr), BL_NAME_BAD);
    huge[63] = '\0';
    assert_int_equal(bl_name_classify(huge, lower, &addr), BL_NAME_DNS);
    huge[63] = 'a';
    huge[64] = '\0';
    assert_int_equal(bl_name_classify(huge, lower, &addr), BL_NAME_BAD);
    for (size_t i = 0; i < 254; i++)
        name[i] = i % 50 == 49 ? '.' : 'x';
    name[253] = '\0';
    assert_int_equal(bl_name_classify(name, lower, &addr), BL_NAME_DNS);
    name[253] = '.';
    name[254] = '\0';
    assert_int_equal(bl_name_classify(name, lower, &addr), BL_NAME_DNS);
    name[253] = 'x';
    assert_int_equal(bl_name_classify(name, lower, &addr), BL_NAME_BAD);
    free(huge);
}

static void the_hosts_file_is_read_as_people_write_it(void **state)
{
    static const char text[] = "# a comment with db.test\n"
                               "127.0.0.1\tlocalhost\n"
                               "10.0.0.1   db.test DB  # 10.0.0.9 db.test\n"
                               "fd00::1 db.test\r\n"
                               "not-an-address db.test\n"
                               "10.0.0.2 db.test other\n"
                               "10.0.0.3\n"
                               "\n"
                               "10.0.0.4 last";
    struct belay_addr out[4];
    char print[BELAY_ADDR_TEXT_MAX];
    size_t len = sizeof text - 1;
    (void)state;
    assert_int_equal(bl_hosts_scan(text, len, "db.test", BELAY_FAMILY_IPV4, out, 4), 2);
    assert_string_equal(belay_addr_print(&out[0], print, sizeof print), "10.0.0.1");
    assert_string_equal(belay_addr_print(&out[1], print, sizeof print), "10.0.0.2");
    assert_int_equal(bl_hosts_scan(text, len, "db.test.", BELAY_FAMILY_IPV6, out, 4), 1);
    assert_string_equal(belay_addr_print(&out[0], print, sizeof print), "fd00::1");
    assert_int_equal(bl_hosts_scan(text, len, "db", BELAY_FAMILY_IPV4, out, 4), 1);
    assert_int_equal(bl_hosts_scan(text, len, "db", BELAY_FAMILY_IPV6, out, 4), 0);
    assert_int_equal(bl_hosts_scan(text, len, "last", BELAY_FAMILY_IPV4, out, 4), 1);
    assert_int_equal(bl_hosts_scan(text, len, "10.0.0.3", BELAY_FAMILY_IPV4, out, 4),
                     BELAY_ENONAME);
    assert_int_equal(bl_hosts_scan(text, len, "db.tes", BELAY_FAMILY_IPV4, out, 4), BELAY_ENONAME);
    assert_int_equal(bl_hosts_scan(text, len, "db.test", BELAY_FAMILY_IPV4, out, 1), 1);
    assert_int_equal(bl_hosts_scan(NULL, 0, "db.test", BELAY_FAMILY_IPV4, out, 1), BELAY_ENONAME);
}

/* ---- SRV ---- */

static const uint8_t answer[] = {
    0x12, 0x34, 0x81, 0x80, 0,    1,    0,   3,   0,    0,  0,  0,     /* 1 question, 3 answers */
    2,    '_',  'x',  4,    't',  'e',  's', 't', 0,    0,  33, 0,  1, /* _x.test SRV IN */
    0xc0, 12,   0,    33,   0,    1,    0,   0,   0,    60, 0,  10,    /* TTL 60 */
    0,    1,    0,    5,    0x1f, 0x90, 1,   'a', 0xc0, 15,            /* 1 5 8080 a.test */
    0xc0, 12,   0,    16,   0,    1,    0,   0,   0,    1,  0,  2,  1, 'x', /* a TXT in between */
    0xc0, 12,   0,    33,   0,    1,    0,   0,   0,    30, 0,  7,          /* TTL 30 */
    0,    2,    0,    0,    0,    80,   0,                                  /* "." */
};

static void srv_records_are_decoded_with_their_ttl(void **state)
{
    struct belay_dns_record out[4];
    char text[4][BL_NAME_MAX + 1];
    (void)state;
    assert_int_equal(bl_srv_decode(answer, sizeof answer, out, 4, text), 1); /* "." is nobody */
    assert_string_equal(out[0].target, "a.test");
    assert_int_equal(out[0].ttl_s, 60);
    assert_int_equal(out[0].priority, 1);
    assert_int_equal(out[0].weight, 5);
    assert_int_equal(out[0].port, 8080);
}

static void a_cut_or_changed_srv_answer_is_never_read_beyond_its_end(void **state)
{
    struct belay_dns_record out[4];
    char text[4][BL_NAME_MAX + 1];
    (void)state;
    for (size_t len = 0; len < sizeof answer; len++) {
        uint8_t *cut = malloc(len ? len : 1); /* for the sanitizer */
        memcpy(cut, answer, len);
        int n = bl_srv_decode(cut, len, out, 4, text);
        assert_true(n == BELAY_EDNS || (n == BELAY_ENONAME && len < 12));
        free(cut);
    }
    for (size_t i = 0; i < sizeof answer * 256; i++) {
        uint8_t changed[sizeof answer];
        memcpy(changed, answer, sizeof answer);
        changed[i / 256] = (uint8_t)i;
        int n = bl_srv_decode(changed, sizeof changed, out, 4, text);
        assert_true(n == BELAY_EDNS || n == BELAY_ENONAME || (n >= 1 && n <= 4));
    }
}

static void a_name_that_points_at_itself_ends(void **state)
{
    struct belay_dns_record out[1];
    char text[1][BL_NAME_MAX + 1];
    uint8_t loop[] = {0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 0xc0, 12, 0, 33, 0, 1};
    (void)state;
    assert_int_equal(bl_srv_decode(loop, sizeof loop, out, 1, text), BELAY_EDNS);
}

static void srv_records_are_tried_by_priority_then_by_weight(void **state)
{
    unsigned heavy_first = 0, zero_first = 0;
    struct bl_rand rand;
    (void)state;
    bl_rand_seed(&rand, 7);
    for (int i = 0; i < 10000; i++) {
        struct bl_srv r[] = {
            {"late", 1, 20, 100},
            {"light", 1, 10, 10},
            {"heavy", 1, 10, 90},
            {"zero", 1, 10, 0},
        };
        bl_srv_order(r, 4, &rand);
        assert_string_equal(r[3].target, "late");
        heavy_first += !strcmp(r[0].target, "heavy");
        zero_first += !strcmp(r[0].target, "zero");
    }
    assert_in_range(heavy_first, 8700, 9100);
    assert_in_range(zero_first, 20, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_a_number_a_name_or_refused),
        cmocka_unit_test(long_names_and_labels_are_refused),
        cmocka_unit_test(the_hosts_file_is_read_as_people_write_it),
        cmocka_unit_test(srv_records_are_decoded_with_their_ttl),
        cmocka_unit_test(a_cut_or_changed_srv_answer_is_never_read_beyond_its_end),
        cmocka_unit_test(a_name_that_points_at_itself_ends),
        cmocka_unit_test(srv_records_are_tried_by_priority_then_by_weight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
