/* SPDX-License-Identifier: MIT */
#include "wire/url.h"

#include "base/assert.h"
#include "support/test.h"

#define ALL BL_SCHEMES_ENDPOINT
#define WEB BL_SCHEMES_WEB

static int parse(const char *text, unsigned schemes, struct bl_url *url, struct belay_error *error)
{
    return bl_url_parse(text, strlen(text), schemes, url, error);
}

/* ---- what is accepted ---- */

struct good_case {
    const char *text;
    enum bl_scheme scheme;
    const char *host; /* as it is compared */
    int port;
    const char *path, *query, *fragment, *userinfo; /* NULL: absent */
};

static const struct good_case good_cases[] = {
    {"tcp://db.test:5432", BL_SCHEME_TCP, "db.test", 5432, "", NULL, NULL, NULL},
    {"db.test:5432", BL_SCHEME_TCP, "db.test", 5432, "", NULL, NULL, NULL},
    {"db.test:5432/", BL_SCHEME_TCP, "db.test", 5432, "/", NULL, NULL, NULL},
    {"tls://db_1.test:1/", BL_SCHEME_TLS, "db_1.test", 1, "/", NULL, NULL, NULL},
    {"TLS://DB.Test:65535", BL_SCHEME_TLS, "db.test", 65535, "", NULL, NULL, NULL},
    {"10.1.2.3:80", BL_SCHEME_TCP, "10.1.2.3", 80, "", NULL, NULL, NULL},
    {"[::1]:80", BL_SCHEME_TCP, "::1", 80, "", NULL, NULL, NULL},
    {"tcp://[2001:DB8:0::1]:80", BL_SCHEME_TCP, "2001:db8::1", 80, "", NULL, NULL, NULL},
    {"tcp://[fe80::1%3]:80", BL_SCHEME_TCP, "fe80::1%3", 80, "", NULL, NULL, NULL},
    {"tcp://[fe80::1%253]:80", BL_SCHEME_TCP, "fe80::1%3", 80, "", NULL, NULL, NULL},
    {"tcp://[fe80::1%25]:80", BL_SCHEME_TCP, "fe80::1%25", 80, "", NULL, NULL, NULL},
    {"http://example.com", BL_SCHEME_HTTP, "example.com", 80, "", NULL, NULL, NULL},
    {"http://example.com:", BL_SCHEME_HTTP, "example.com", 80, "", NULL, NULL, NULL},
    {"https://example.com", BL_SCHEME_HTTPS, "example.com", 443, "", NULL, NULL, NULL},
    {"HTTPS://EXAMPLE.com:00443/A?B=C#D", BL_SCHEME_HTTPS, "example.com", 443, "/A", "B=C", "D",
     NULL},
    {"http://example.com?q", BL_SCHEME_HTTP, "example.com", 80, "", "q", NULL, NULL},
    {"http://example.com#f?g/h", BL_SCHEME_HTTP, "example.com", 80, "", NULL, "f?g/h", NULL},
    {"http://example.com/?", BL_SCHEME_HTTP, "example.com", 80, "/", "", NULL, NULL},
    {"http://example.com/a@b:c?d://e@f", BL_SCHEME_HTTP, "example.com", 80, "/a@b:c", "d://e@f",
     NULL, NULL},
    {"http://h/%zz|{}\"<>\\^`", BL_SCHEME_HTTP, "h", 80, "/%zz|{}\"<>\\^`", NULL, NULL, NULL},
    {"http://user:p%40ss@h:8/", BL_SCHEME_HTTP, "h", 8, "/", NULL, NULL, "user:p%40ss"},
    {"http://@h", BL_SCHEME_HTTP, "h", 80, "", NULL, NULL, ""},
    {"http://example.com./", BL_SCHEME_HTTP, "example.com.", 80, "/", NULL, NULL, NULL},
    {"http://xn--bcher-kva.example", BL_SCHEME_HTTP, "xn--bcher-kva.example", 80, "", NULL, NULL,
     NULL},
    {"http://1.2.3.4.example", BL_SCHEME_HTTP, "1.2.3.4.example", 80, "", NULL, NULL, NULL},
    {"http://0xg.0xyz", BL_SCHEME_HTTP, "0xg.0xyz", 80, "", NULL, NULL, NULL},
    {"http://r3---a.example", BL_SCHEME_HTTP, "r3---a.example", 80, "", NULL, NULL, NULL},
    {"unix:///run/x.sock", BL_SCHEME_UNIX, "", 0, "/run/x.sock", NULL, NULL, NULL},
    {"unix:/run/x y?#\xc3\xa9", BL_SCHEME_UNIX, "", 0, "/run/x y?#\xc3\xa9", NULL, NULL, NULL},
    {"unix:@name", BL_SCHEME_UNIX, "", 0, "@name", NULL, NULL, NULL},
    {"UNIX:@name", BL_SCHEME_UNIX, "", 0, "@name", NULL, NULL, NULL},
};

static void assert_part(struct bl_span part, const char *expected)
{
    assert_int_equal(part.data != NULL, expected != NULL);
    if (expected) {
        assert_int_equal(part.len, strlen(expected));
        assert_memory_equal(part.data, expected, part.len);
    }
}

static void urls_come_apart_into_their_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(good_cases); i++) {
        const struct good_case *c = &good_cases[i];
        char host[BL_HOST_MAX + 2];
        struct bl_url url;

        assert_int_equal(parse(c->text, ALL, &url, NULL), 0);
        assert_int_equal(url.scheme, c->scheme);
        assert_int_equal(bl_url_host(&url, host), strlen(c->host));
        assert_string_equal(host, c->host);
        assert_int_equal(url.port, c->port);
        assert_part(url.path, c->path);
        assert_part(url.query, c->query);
        assert_part(url.fragment, c->fragment);
        assert_part(url.userinfo, c->userinfo);
    }
}

static void numeric_hosts_come_with_their_address(void **state)
{
    static const char *const cases[][2] = {
        {"http://192.0.2.1/", "192.0.2.1:80"},
        {"https://[2001:db8::1]/", "[2001:db8::1]:443"},
        {"tcp://[fe80::1%257]:9", "[fe80::1%7]:9"},
        {"http://192.0.2.1.example/", "(no address)"},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        char text[BELAY_ADDR_TEXT_MAX];
        struct bl_url url;

        assert_int_equal(parse(cases[i][0], ALL, &url, NULL), 0);
        assert_string_equal(belay_addr_print(&url.ip, text, sizeof text), cases[i][1]);
    }
}

static void the_default_port_is_told_from_a_given_one(void **state)
{
    struct bl_url url;

    (void)state;
    assert_int_equal(parse("http://h", ALL, &url, NULL), 0);
    assert_false(url.port_given);
    assert_int_equal(parse("http://h:80", ALL, &url, NULL), 0);
    assert_true(url.port_given);
}

static void an_origin_has_nothing_behind_it(void **state)
{
    static const struct {
        const char *text;
        bool origin;
    } cases[] = {
        {"http://h", true},    {"http://h/", true},   {"tcp://h:1", true},
        {"unix:///x/y", true}, {"http://h/a", false}, {"http://h?a", false},
        {"http://h/?", false}, {"http://h#", false},  {"http://u@h/", false},
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct bl_url url;

        assert_int_equal(parse(cases[i].text, ALL, &url, NULL), 0);
        assert_int_equal(bl_url_is_origin(&url), cases[i].origin);
    }
}

/* ---- what is refused ---- */

static const struct {
    const char *text;
    unsigned schemes;
    const char *said;
} bad_cases[] = {
    /* schemes */
    {"htps://h/", ALL,
     "invalid URL \"htps://h/\": unknown scheme \"htps\" (did you mean \"https\"?)"},
    {"tpc://h:1", ALL, "invalid URL \"tpc://h:1\": unknown scheme \"tpc\" (did you mean \"tcp\"?)"},
    {"gopher://h/", ALL,
     "invalid URL \"gopher://h/\": the scheme \"gopher\" cannot be used here (expected tcp, tls, "
     "unix, "
     "http or https)"},
    {"ftp://h/", WEB,
     "invalid URL \"ftp://h/\": the scheme \"ftp\" cannot be used here (expected http or https)"},
    {"tcp://h:1", WEB,
     "invalid URL \"tcp://h:1\": the scheme \"tcp\" cannot be used here (expected http or https)"},
    {"https://h", BL_SCHEME_BIT(UNIX),
     "invalid URL \"https://h\": the scheme \"https\" cannot be used here (expected unix)"},
    {"://h:1", ALL, "invalid URL \"://h:1\": the scheme is missing before \"://\""},
    {"1x://h:1", ALL, "invalid URL \"1x://h:1\": what stands before \"://\" is not a scheme"},
    {"h t://h:1", ALL, "invalid URL \"h t://h:1\": what stands before \"://\" is not a scheme"},
    {"http:/h", ALL, "invalid URL \"http:/h\": after \"http:\" comes \"//\""},
    {"https:h", WEB, "invalid URL \"https:h\": after \"https:\" comes \"//\""},
    {"h:80", WEB, "invalid URL \"h:80\": it has no scheme (such as https://)"},
    {"/etc/passwd", WEB, "invalid URL \"/etc/passwd\": it has no scheme (such as https://)"},
    {"unix:/x", WEB,
     "invalid URL \"unix:/x\": the scheme \"unix\" cannot be used here (expected http or https)"},
    {"", ALL, "invalid URL: it is empty"},
    /* hosts */
    {"http://", ALL, "invalid URL \"http://\": the host is empty"},
    {"http:///path", ALL, "invalid URL \"http:///path\": the host is empty"},
    {"http://:80/", ALL, "invalid URL \"http://:80/\": the host is empty"},
    {":80", ALL, "invalid URL \":80\": the host is empty"},
    {"http://a..b/", ALL, "invalid URL \"http://a..b/\": the host \"a..b\" has an empty label"},
    {"http://.a/", ALL, "invalid URL \"http://.a/\": the host \".a\" has an empty label"},
    {"http://./", ALL, "invalid URL \"http://./\": the host \".\" has an empty label"},
    {"http://a../", ALL, "invalid URL \"http://a../\": the host \"a..\" has an empty label"},
    {"http://exa mple/", ALL,
     "invalid URL \"http://exa mple/\": the host \"exa mple\" contains a space"},
    {" http://h/", ALL, "invalid URL \" http://h/\": what stands before \"://\" is not a scheme"},
    {"http://b\xc3\xbc"
     "cher/",
     ALL,
     "invalid URL \"http://b\\xc3\\xbccher/\": the host \"b\\xc3\\xbccher\" is not ASCII (write it "
     "in its "
     "ASCII (xn--) form)"},
    {"http://a%41/", ALL,
     "invalid URL \"http://a%41/\": the host \"a%41\" contains a percent-escape"},
    {"http://a%/", ALL, "invalid URL \"http://a%/\": the host \"a%\" contains a percent-escape"},
    {"http://a!b/", ALL,
     "invalid URL \"http://a!b/\": the host \"a!b\" contains a character that no host name has"},
    {"http://good\\evil/", ALL,
     "invalid URL \"http://good\\\\evil/\": the host \"good\\\\evil\" contains a character that no "
     "host "
     "name has"},
    {"http://127.1/", ALL,
     "invalid URL \"http://127.1/\": the host \"127.1\" is not a full IPv4 address (four numbers "
     "up to "
     "255)"},
    {"http://1.2.3.256/", ALL,
     "invalid URL \"http://1.2.3.256/\": the host \"1.2.3.256\" is not a full IPv4 address (four "
     "numbers "
     "up to 255)"},
    {"http://2130706433/", ALL,
     "invalid URL \"http://2130706433/\": the host \"2130706433\" is not a full IPv4 address (four "
     "numbers up to 255)"},
    {"http://a.0x7F/", ALL,
     "invalid URL \"http://a.0x7F/\": the host \"a.0x7F\" is not a full IPv4 address (four numbers "
     "up to "
     "255)"},
    {"http://1.2.3.4./", ALL,
     "invalid URL \"http://1.2.3.4./\": the host \"1.2.3.4.\" is not a full IPv4 address (four "
     "numbers up "
     "to 255)"},
    /* brackets */
    {"http://[::1/", ALL,
     "invalid URL \"http://[::1/\": the bracket before the host is not closed"},
    {"http://::1]/", ALL,
     "invalid URL \"http://::1]/\": the host has several colons (an IPv6 address is written in "
     "brackets, "
     "such as [::1])"},
    {"http://a]/", ALL,
     "invalid URL \"http://a]/\": the brackets of the host \"a]\" are not balanced"},
    {"http://a[b]/", ALL,
     "invalid URL \"http://a[b]/\": the brackets of the host \"a[b]\" are not balanced"},
    {"http://[]/", ALL, "invalid URL \"http://[]/\": the host is empty"},
    {"http://[1.2.3.4]/", ALL,
     "invalid URL \"http://[1.2.3.4]/\": what stands in brackets \"1.2.3.4\" is not an IPv6 "
     "address"},
    {"http://[::g]/", ALL,
     "invalid URL \"http://[::g]/\": what stands in brackets \"::g\" is not an IPv6 address"},
    {"http://[v1.x]/", ALL,
     "invalid URL \"http://[v1.x]/\": what stands in brackets \"v1.x\" is not an IPv6 address"},
    {"http://[fe80::1%eth0]/", ALL,
     "invalid URL \"http://[fe80::1%eth0]/\": the scope in \"fe80::1%eth0\" is not the number of "
     "an "
     "interface"},
    {"http://[fe80::1%]/", ALL,
     "invalid URL \"http://[fe80::1%]/\": the scope in \"fe80::1%\" is not the number of an "
     "interface"},
    {"http://[::1]x/", ALL,
     "invalid URL \"http://[::1]x/\": after \"]\" comes the port or the path, not \"x\""},
    {"::1", ALL,
     "invalid URL \"::1\": the host has several colons (an IPv6 address is written in brackets, "
     "such as "
     "[::1])"},
    /* ports */
    {"http://h:0/", ALL,
     "invalid URL \"http://h:0/\": the port \"0\" is out of range (1 to 65535)"},
    {"http://h:70000/", ALL,
     "invalid URL \"http://h:70000/\": the port \"70000\" is out of range (1 to 65535)"},
    {"http://h:65536/", ALL,
     "invalid URL \"http://h:65536/\": the port \"65536\" is out of range (1 to 65535)"},
    {"h:99999999999999999999", ALL,
     "invalid URL \"h:99999999999999999999\": the port \"99999999999999999999\" is out of range (1 "
     "to "
     "65535)"},
    {"http://h:8o/", ALL, "invalid URL \"http://h:8o/\": the port \"8o\" is not a number"},
    {"http://h:-1/", ALL, "invalid URL \"http://h:-1/\": the port \"-1\" is not a number"},
    {"http://[::1]:x", ALL, "invalid URL \"http://[::1]:x\": the port \"x\" is not a number"},
    {"tcp://h", ALL, "invalid URL \"tcp://h\": the port is missing"},
    {"tls://h:/", ALL, "invalid URL \"tls://h:/\": the port is missing"},
    {"example.com", ALL, "invalid URL \"example.com\": the port is missing"},
    /* what follows */
    {"tcp://h:1/x", ALL, "invalid URL \"tcp://h:1/x\": a tcp URL ends after the port"},
    {"h:1#x", ALL, "invalid URL \"h:1#x\": a tcp URL ends after the port"},
    {"http://h/a b", ALL,
     "invalid URL \"http://h/a b\": the path contains a space (write it as %20)"},
    {"http://h/?a b", ALL,
     "invalid URL \"http://h/?...\": the query contains a space (write it as %20)"},
    {"http://h/#a b", ALL,
     "invalid URL \"http://h/#a b\": the fragment contains a space (write it as %20)"},
    {"http://h/\xc3\xa9", ALL,
     "invalid URL \"http://h/\\xc3\\xa9\": the path contains a non-ASCII byte (write it as %C3)"},
    {"http://h/\r\nHost: x", ALL,
     "invalid URL \"http://h/\\r\\nHost: x\": it contains a control character (byte 0x0d)"},
    {"http://h\t/", ALL,
     "invalid URL \"http://h\\t/\": it contains a control character (byte 0x09)"},
    {"http://h/\x7f", ALL,
     "invalid URL \"http://h/\\x7f\": it contains a control character (byte 0x7f)"},
    /* Unix sockets */
    {"unix://host/path", ALL,
     "invalid URL \"unix://host/path\": a Unix socket has no host (write unix:///path or "
     "unix:@name)"},
    {"unix://", ALL, "invalid URL \"unix://\": the path of the Unix socket is empty"},
    {"unix:", ALL, "invalid URL \"unix:\": the path of the Unix socket is empty"},
    {"unix:@", ALL, "invalid URL \"unix:@\": the name of the Unix socket is empty"},
    {"unix:x", ALL, "invalid URL \"unix:x\": the path of a Unix socket starts with \"/\" or \"@\""},
};

static void malformed_urls_are_refused_with_the_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(bad_cases); i++) {
        struct bl_url before, url;
        struct belay_error error = {0};

        memset(&before, 0x5a, sizeof before);
        url = before;
        assert_int_equal(parse(bad_cases[i].text, bad_cases[i].schemes, &url, &error),
                         BELAY_EINVAL);
        assert_string_equal(error.text, bad_cases[i].said);
        assert_int_equal(error.code, BELAY_EINVAL);
        assert_int_equal(error.kind, BELAY_KIND_USAGE);
        assert_memory_equal(&url, &before, sizeof url);
        assert_int_equal(parse(bad_cases[i].text, bad_cases[i].schemes, &url, NULL), BELAY_EINVAL);
    }
}

static void a_nul_byte_is_refused(void **state)
{
    struct belay_error error;
    struct bl_url url;

    (void)state;
    assert_int_equal(bl_url_parse("http://h\0.evil/", 15, ALL, &url, &error), BELAY_EINVAL);
    assert_string_equal(error.text, "invalid URL \"http://h\\x00.evil/\": it contains a NUL byte");
}

static void what_is_too_long_is_refused_and_abbreviated(void **state)
{
    static char text[BL_URL_MAX + 2];
    struct belay_error error;
    struct bl_url url;

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "http://", 7);
    assert_int_equal(bl_url_parse(text, BL_URL_MAX + 1, ALL, &url, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "aaa...\": it is longer than 65535 bytes"));
    assert_in_range(strlen(error.text), 50, 200);

    assert_int_equal(bl_url_parse(text, 7 + 64, ALL, &url, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "has a label longer than 63 bytes"));
    assert_int_equal(bl_url_parse(text, 7 + 63, ALL, &url, &error), 0);

    for (size_t i = 7 + 50; i < 400; i += 51)
        text[i] = '.';
    assert_int_equal(bl_url_parse(text, 7 + 253, ALL, &url, &error), 0);
    assert_int_equal(bl_url_parse(text, 7 + 254, ALL, &url, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "is longer than 253 bytes"));

    text[7 + 252] = 'a';
    text[7 + 253] = '.';
    assert_int_equal(bl_url_parse(text, 7 + 254, ALL, &url, &error), 0);

    memcpy(text, "unix:/", 6);
    memset(text + 6, 'p', 200);
    assert_int_equal(bl_url_parse(text, 5 + 107, ALL, &url, &error), 0);
    assert_int_equal(bl_url_parse(text, 5 + 108, ALL, &url, &error), BELAY_EINVAL);
    assert_non_null(strstr(error.text, "longer than 107 bytes"));
}

/* Ways to get a password wrong: SECRET must not come out, whatever else is said. */
static void errors_never_show_a_password(void **state)
{
    static const char *const cases[] = {
        "http://user:SECRET@h:0/",
        "http://user:SECRET@",
        "http://user:SECRET@[::1/",
        "http://user:SECRET@h/a b",
        "http://user:x@SECRET@h/",
        "http://user:SECRET%@h/",
        "http://user:SECRET%4@h/",
        "http://user:SECRET\\@h/",
        "http://user:SECRET\"@h/",
        "http://user:SECRET \n@h/",
        "http://user:SECRET/x@h/",
        "http://user:SECRET?x@h/",
        "http://user:SECRET#x@h/",
        "http://user:x/SECRET@h/",
        "http://SECRET[@h/",
        "http://[SECRET@h]/",
        "http://us\xc3\xa9r:SECRET@h/",
        "htp://user:SECRET@h/",
        "gopher://user:SECRET@h/",
        "http:user:SECRET@h/",
        "tcp://user:SECRET@h:1",
        "user:SECRET@h:1",
        "SECRET@h:1",
        "user:SECRET@h",
        "http://h:0/?token=SECRET",
        "http://h/a b?token=SECRET#x",
    };

    (void)state;
    for (size_t i = 0; i < BL_COUNT(cases); i++) {
        struct belay_error error = {0};
        struct bl_url url;

        assert_int_equal(parse(cases[i], ALL, &url, &error), BELAY_EINVAL);
        assert_true(error.text[0] != '\0');
        assert_null(strstr(error.text, "SECRET"));
    }
}

static void an_error_shows_the_rest_of_a_url_with_a_password(void **state)
{
    struct belay_error error;
    struct bl_url url;

    (void)state;
    assert_int_equal(parse("https://user:pw@host:0/x", ALL, &url, &error), BELAY_EINVAL);
    assert_string_equal(error.text,
                        "invalid URL \"https://***@host:0/x\": the port \"0\" is out of "
                        "range (1 to 65535)");
}

/* Every prefix of every case, so that no part is read past its end. */
static void cut_short_anywhere_nothing_is_read_past_the_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < BL_COUNT(good_cases); i++) {
        size_t len = strlen(good_cases[i].text);

        for (size_t n = 0; n <= len; n++) {
            char *exact = test_malloc(n ? n : 1);
            struct belay_error error;
            struct bl_url url;

            memcpy(exact, good_cases[i].text, n);
            if (bl_url_parse(exact, n, ALL, &url, &error) == 0) {
                char host[BL_HOST_MAX + 2];

                assert_true(bl_url_host(&url, host) <= n);
            }
            test_free(exact);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_come_apart_into_their_parts),
        cmocka_unit_test(numeric_hosts_come_with_their_address),
        cmocka_unit_test(the_default_port_is_told_from_a_given_one),
        cmocka_unit_test(an_origin_has_nothing_behind_it),
        cmocka_unit_test(malformed_urls_are_refused_with_the_reason),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(what_is_too_long_is_refused_and_abbreviated),
        cmocka_unit_test(errors_never_show_a_password),
        cmocka_unit_test(an_error_shows_the_rest_of_a_url_with_a_password),
        cmocka_unit_test(cut_short_anywhere_nothing_is_read_past_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
