/* SPDX-License-Identifier: MIT */
/* Proxies: what is taken and refused, what they are called, and which ways they come to. */
#include "conn/proxy.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit/net/test_tls_kit.h"

static struct belay_proxy *make(struct kit *kit, struct belay_proxy_options o)
{
    struct belay_proxy *p;
    struct belay_error error;

    o.size = sizeof o;
    if (belay_proxy_new(kit->loop, &o, &p, &error) < 0)
        fail_msg("%s", error.text);
    return p;
}

static struct belay_proxy *parse(struct kit *kit, const char *text)
{
    return make(kit, (struct belay_proxy_options){.url = text});
}

/* ---- text ---- */

static void good_texts(void **state)
{
    static const struct {
        const char *text, *name;
    } rows[] = {
        {"http://proxy.test:3128", "http://proxy.test:3128"},
        {"HTTP://Proxy.Test:3128/", "http://proxy.test:3128"},
        {"http://proxy.test:3128/some/path?q#f", "http://proxy.test:3128"},
        {"socks5h://proxy.test?q", "socks5h://proxy.test:1080"},
        {"proxy.test#f", "http://proxy.test:1080"},
        {"http://localhost:3128/path", "http://localhost:3128"},
        {"http://a.test:1/x b.test:2/y|c.test:3/z",
         "http://a.test:1 http://b.test:2 | http://c.test:3"},
        {"http://u:secret@a.test:1/x", "http://a.test:1"},
        {"socks5://:secret@proxy.test", "socks5://proxy.test:1080"},
        {"proxy.test:3128", "http://proxy.test:3128"},
        {"proxy.test", "http://proxy.test:1080"},
        {"http://proxy.test", "http://proxy.test:1080"},
        {"https://proxy.test", "https://proxy.test:443"},
        {"socks5://proxy.test", "socks5://proxy.test:1080"},
        {"socks5h://proxy.test:9", "socks5h://proxy.test:9"},
        {"socks4://192.0.2.1", "socks4://192.0.2.1:1080"},
        {"socks4a://proxy.test", "socks4a://proxy.test:1080"},
        {"socks://proxy.test", "socks4://proxy.test:1080"},
        {"[::1]:3128", "http://[::1]:3128"},
        {"http://[2001:DB8:0::1]:3128", "http://[2001:db8::1]:3128"},
        {"http://user:secret@proxy.test:3128", "http://proxy.test:3128"},
        {"user:secret@proxy.test:3128", "http://proxy.test:3128"},
        {"socks5h://localhost/run/x.sock", "socks5h://localhost/run/x.sock"},
        {"http://localhost/run/a%20b", "http://localhost/run/a b"},
        {"direct://", "direct://"},
        {" http://a.test:1\thttp://b.test:2 ", "http://a.test:1 http://b.test:2"},
        {"socks5h://gate http://proxy:3128 | direct://",
         "socks5h://gate:1080 http://proxy:3128 | direct://"},
        {"a.test:1|b.test:2|c.test:3", "http://a.test:1 | http://b.test:2 | http://c.test:3"},
    };
    struct kit *kit = *state;

    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct belay_proxy *p = parse(kit, rows[i].text), *same;

        assert_string_equal(belay_proxy_name(p), rows[i].name);
        assert_int_equal(belay_proxy_parse(kit->loop, rows[i].text, &same, NULL), 0);
        assert_string_equal(belay_proxy_name(same), rows[i].name);
        belay_proxy_unref(p);
        belay_proxy_unref(same);
    }
}

#define SECRET "53cr3t"

static void bad_texts_are_refused_without_their_secrets(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "url: is empty"},
        {"  ", "url: is empty"},
        {"http://", "host is empty"},
        {"http://:3128", "host is empty"},
        {"http://proxy.test:0", "out of range"},
        {"http://proxy.test:70000", "out of range"},
        {"http://proxy.test:port", "not a number"},
        {"http://u:80/" SECRET "@proxy.test:1", "in a password"},
        {"http://u:80?" SECRET "@proxy.test:1", "in a password"},
        {"http://u:80#" SECRET "@proxy.test:1", "in a password"},
        {"http://u:80/" SECRET " x@proxy.test:1", "in a password"},
        {"http://u:80/" SECRET "|x@proxy.test:1", "in a password"},
        {"http://u/" SECRET "@proxy.test:1", "in a password"},
        {"http://pro xy.test:x", "not a number"},
        {"http://::1:80", "brackets"},
        {"ftp://proxy.test:1", "no proxy is a \"ftp\""},
        {"sock5://proxy.test:1", "did you mean \"socks5\""},
        {"htps://proxy.test", "did you mean \"http"},
        {"socks5://proxy\001.test", "control character"},
        {"a.test:1 |", "alternative is empty"},
        {"| a.test:1", "url: is empty"},
        {"a.test:1 || b.test:1", "alternative is empty"},
        {"direct://x", "stands alone"},
        {"http://a.test direct://", "stands alone"},
        {"direct:// http://a.test", "stands alone"},
        {"http://u:" SECRET "@proxy.test:99999", "out of range"},
        {"http://u:" SECRET "@", "host is empty"},
        {"http://u:" SECRET "/x@proxy.test:1", "not a number"},
        {"http://u:" SECRET "?x@proxy.test:1", "not a number"},
        {"http://u:x@" SECRET "@proxy.test:1", "more than one"},
        {"http://u: " SECRET "@proxy.test:1", "port"},
        {"http://u:x " SECRET "@proxy.test:1", "port"},
        {"http://u:" SECRET " x@proxy.test:1", "not a number"},
        {"http://u:" SECRET "|x@proxy.test:1", "not a number"},
        {"http://u:x|" SECRET "://x@proxy.test:1", "no proxy's scheme"},
        {"http://u:" SECRET "%zz@proxy.test:1", "no escape"},
        {"http://u%3A" SECRET ":x@proxy.test:1", "user: has a colon"},
        {"http://u%0A:" SECRET "@proxy.test:1", "user: has a control"},
        {"http://u:" SECRET "%0D@proxy.test:1", "password: has a control"},
        {"http://u:" SECRET "%00@proxy.test:1", "password: has a NUL"},
        {"socks4://u:" SECRET "@proxy.test:1", "password: SOCKS 4 has none"},
        {"ftp://u:" SECRET "@proxy.test:1", "no proxy is a \"ftp\""},
        {"a b c d e f g h i", "more than 8"},
        {"a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p|q", "more than 16"},
        {"http://localhost/"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "unix_path"},
        {"http://a.test http://localhost/x", "behind another proxy"},
    };
    struct kit *kit = *state;
    size_t live = kit->alloc.live;

    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct belay_proxy *p = NULL;
        struct belay_error error = {0};

        if (belay_proxy_parse(kit->loop, rows[i].text, &p, &error) != BELAY_EINVAL)
            fail_msg("taken: %s", rows[i].text);
        assert_null(p);
        assert_int_equal(error.code, BELAY_EINVAL);
        if (!strstr(error.text, rows[i].says) || strncmp(error.text, "proxy: ", 7) != 0)
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", rows[i].text, error.text, rows[i].says);
        if (strstr(error.text, SECRET))
            fail_msg("a secret is shown: %s", error.text);
        assert_int_equal(belay_proxy_parse(kit->loop, rows[i].text, &p, NULL), BELAY_EINVAL);
        assert_int_equal(kit->alloc.live, live);
    }
    assert_int_equal(belay_proxy_parse(kit->loop, NULL, NULL, NULL), BELAY_EINVAL);
}

/* ---- options ---- */

static char long_text[17000];

static void bad_options_are_refused_and_named(void **state)
{
    struct kit *kit = *state;
    struct belay_proxy *before = parse(kit, "gate.test:1");
    const struct {
        struct belay_proxy_options o;
        const char *names;
    } rows[] = {
        {{0}, "url: is missing"},
        {{.url = long_text}, "label longer"},
        {{.url = "a.test:1 b.test:1", .user = "u"}, "user: is of one"},
        {{.url = "a.test:1|b.test:1", .unix_path = "/x"}, "unix_path: is of one"},
        {{.url = "https://a.test b.test", .server_name = "x"}, "server_name: is of one"},
        {{.url = "a.test:1 b.test:1", .password = "p"}, "password: is of one"},
        {{.url = "a.test:1", .password = "p"}, "without a user"},
        {{.url = "socks4a://a.test", .user = "u", .password = SECRET}, "SOCKS 4 has none"},
        {{.url = "socks5://a.test", .user = long_text + 16700}, "user: is longer than 255"},
        {{.url = "socks5://a.test", .user = "u", .password = long_text + 16700},
         "password: is longer than 255"},
        {{.url = "a.test:1", .user = long_text}, "user: is longer than 16,384"},
        {{.url = "a.test:1", .user = "a:" SECRET}, "user: has a colon"},
        {{.url = "a.test:1", .unix_path = ""}, "unix_path"},
        {{.url = "http://localhost/x", .unix_path = "/y"}, "unix_path"},
        {{.url = "a.test:1", .unix_path = "/x", .before = before}, "unix_path"},
        {{.url = "https://a.test", .server_name = ""}, "server_name"},
        {{.url = "https://a.test", .server_name = long_text}, "server_name"},
        {{.url = "https://a.test", .server_name = "a\nb"}, "server_name"},
        {{.url = "direct://", .user = "u"}, "user"},
        {{.url = "direct://", .unix_path = "/x"}, "unix_path"},
    };
    size_t live = kit->alloc.live;

    memset(long_text, 'x', sizeof long_text - 1);
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct belay_proxy_options o = rows[i].o;
        struct belay_proxy *p = NULL;
        struct belay_error error = {0};

        o.size = sizeof o;
        if (belay_proxy_new(kit->loop, &o, &p, &error) != BELAY_EINVAL)
            fail_msg("row %zu was taken (%s)", i, rows[i].names);
        assert_null(p);
        if (!strstr(error.text, rows[i].names))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, error.text, rows[i].names);
        assert_null(strstr(error.text, SECRET));
        assert_int_equal(kit->alloc.live, live);
    }
    belay_proxy_unref(before);
}

/* ---- hops ---- */

static void a_hop_has_what_dialling_needs(void **state)
{
    struct kit *kit = *state;
    struct belay_tls *tls = kit_identity(kit, NULL);
    struct belay_proxy *p =
        make(kit, (struct belay_proxy_options){.url = "https://us%40er:pa%3Ass@[2001:DB8::1]:8443",
                                               .tls = tls});
    const struct bl_hop *hop = &p->ways[0].hops[0];

    assert_int_equal(p->ways_n, 1);
    assert_int_equal(p->ways[0].hops_n, 1);
    assert_int_equal(hop->kind, BL_HOP_FORWARD);
    assert_string_equal(hop->name, "https://[2001:db8::1]:8443");
    assert_string_equal(hop->host, "2001:db8::1");
    assert_int_equal(hop->port, 8443);
    assert_int_equal(hop->addrs_n, 1);
    assert_int_equal(hop->addrs[0].family, BELAY_FAMILY_IPV6);
    assert_int_equal(hop->addrs[0].port, 8443);
    assert_ptr_equal(hop->tls, tls);
    assert_string_equal(hop->server_name, "2001:db8::1");
    assert_string_equal(hop->user, "us@er");
    assert_string_equal(hop->password, "pa:ss");
    assert_true(hop->session_key_len > 0);
    belay_tls_unref(tls);
    belay_proxy_unref(p);

    p = make(kit, (struct belay_proxy_options){.url = "http://old:gone@proxy.test:1",
                                               .user = "new",
                                               .unix_path = "@abstract",
                                               .tunnel = true});
    hop = &p->ways[0].hops[0];
    assert_int_equal(hop->kind, BL_HOP_CONNECT);
    assert_string_equal(hop->user, "new");
    assert_string_equal(hop->password, ""); /* the URL's was the other user's */
    assert_int_equal(hop->addrs[0].family, BELAY_FAMILY_UNIX);
    assert_int_equal(hop->addrs[0].path_len, 9);
    assert_null(hop->tls);
    assert_string_equal(belay_proxy_name(p), "http://proxy.test/@abstract");
    belay_proxy_unref(p);

    p = parse(kit, "socks5h://proxy.test");
    assert_null(p->ways[0].hops[0].user);
    assert_int_equal(p->ways[0].hops[0].addrs_n, 0);
    assert_int_equal(p->ways[0].hops[0].kind, BL_HOP_SOCKS5H);
    belay_proxy_unref(p);
}

static void assert_way(const struct belay_proxy *p, size_t way, const char *names,
                       enum bl_hop_kind last)
{
    const struct bl_route *r = &p->ways[way];
    char text[200] = "";

    for (size_t i = 0; i < r->hops_n; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "",
                 r->hops[i].host);
        if (i + 1 < r->hops_n)
            assert_int_not_equal(r->hops[i].kind, BL_HOP_FORWARD);
        else
            assert_int_equal(r->hops[i].kind, last);
    }
    assert_string_equal(text, names);
    assert_true((r->key_len > 0) == (r->hops_n > 0));
}

static void chains_and_alternatives_are_multiplied_out(void **state)
{
    struct kit *kit = *state;
    struct belay_proxy *gate = parse(kit, "a | b c | direct://"),
                       *last = parse(kit, "socks5://z | direct://"),
                       *p = make(kit, (struct belay_proxy_options){
                                          .url = "x y|w", .before = gate, .or_else = last});

    belay_proxy_unref(gate);
    belay_proxy_unref(last);
    assert_int_equal(p->ways_n, 8);
    assert_way(p, 0, "a x y", BL_HOP_FORWARD);
    assert_way(p, 1, "b c x y", BL_HOP_FORWARD);
    assert_way(p, 2, "x y", BL_HOP_FORWARD);
    assert_way(p, 3, "a w", BL_HOP_FORWARD);
    assert_way(p, 4, "b c w", BL_HOP_FORWARD);
    assert_way(p, 5, "w", BL_HOP_FORWARD);
    assert_way(p, 6, "z", BL_HOP_SOCKS5);
    assert_way(p, 7, "", BL_HOP_FORWARD);
    assert_string_equal(belay_proxy_name(p),
                        "http://a:1080 http://x:1080 http://y:1080 | "
                        "http://b:1080 http://c:1080 http://x:1080 http://y:1080 | "
                        "http://x:1080 http://y:1080 | "
                        "http://a:1080 http://w:1080 | "
                        "http://b:1080 http://c:1080 http://w:1080 | "
                        "http://w:1080 | socks5://z:1080 | direct://");
    belay_proxy_unref(p);
}

/* What a ticket is kept under is the way to the proxy: all that is before it counts, not what is
 * behind. */
static void a_hops_session_key_is_the_way_to_it(void **state)
{
    struct kit *kit = *state;
    struct belay_proxy *p = parse(kit, "https://a https://b | https://a https://c | https://b");
    const struct bl_hop *a = p->ways[0].hops, *a_again = p->ways[1].hops, *b = p->ways[2].hops;

    assert_int_equal(a[0].session_key_len, a_again[0].session_key_len);
    assert_memory_equal(a[0].session_key, a_again[0].session_key, a[0].session_key_len);
    assert_int_equal(a[1].session_key_len, p->ways[0].key_len);
    assert_memory_equal(a[1].session_key, p->ways[0].key, p->ways[0].key_len);
    assert_true(b[0].session_key_len < a[1].session_key_len);
    assert_memory_not_equal(b[0].session_key, a[0].session_key, b[0].session_key_len);
    belay_proxy_unref(p);
}

static void rows_of_proxies_have_an_end(void **state)
{
    struct kit *kit = *state;
    struct belay_proxy *p = parse(kit, "direct://");
    struct belay_error error;
    int rc = 0, n = 1;

    for (; rc == 0 && n < 1000; n++) {
        struct belay_proxy_options o = {BELAY_SIZED(belay_proxy_options), .url = "direct://",
                                        .before = p};
        struct belay_proxy *next = NULL;

        rc = belay_proxy_new(kit->loop, &o, &next, &error);
        if (rc == 0) {
            belay_proxy_unref(p);
            p = next;
        }
    }
    assert_int_equal(rc, BELAY_EINVAL);
    assert_int_equal(n - 1, 64);
    assert_non_null(strstr(error.text, "before"));
    belay_proxy_unref(p);
}

static void references_are_counted_and_strings_copied(void **state)
{
    struct kit *kit = *state;
    char url[] = "http://proxy.test:1", user[] = "user", password[] = SECRET;
    struct belay_proxy *before = parse(kit, "gate.test"),
                       *p = make(kit, (struct belay_proxy_options){.url = url,
                                                                   .user = user,
                                                                   .password = password,
                                                                   .before = before});

    belay_proxy_unref(before);
    memset(url, 'x', sizeof url);
    memset(user, 'x', sizeof user);
    memset(password, 'x', sizeof password);
    assert_ptr_equal(belay_proxy_ref(p), p);
    belay_proxy_unref(p);
    assert_string_equal(belay_proxy_name(p), "http://gate.test:1080 http://proxy.test:1");
    assert_string_equal(p->ways[0].hops[1].password, SECRET);
    assert_string_equal(p->ways[0].hops[0].host, "gate.test");
    belay_proxy_unref(p);
    belay_proxy_unref(NULL);
    assert_null(belay_proxy_ref(NULL));
}

/* ---- memory ---- */

static void every_allocation_may_fail(void **state)
{
    struct kit *kit = *state;
    struct belay_proxy *other = parse(kit, "https://other.test"); /* the loop has its identity */
    struct belay_proxy_options o = {
        BELAY_SIZED(belay_proxy_options),
        .url = "socks5://u:p@gate.test https://u:p@proxy.test | http://localhost/x | direct://",
        .or_else = other};
    size_t n;

    for (n = 1; n < 200; n++) {
        size_t live = kit->alloc.live;
        struct belay_proxy *p = NULL;
        struct belay_error error;
        int rc;

        failing_alloc_once(&kit->alloc, n);
        rc = belay_proxy_new(kit->loop, &o, &p, &error);
        failing_alloc_once(&kit->alloc, 0);
        belay_proxy_unref(p);
        assert_int_equal(kit->alloc.live, live);
        if (rc == 0)
            break;
        assert_int_equal(rc, BELAY_ENOMEM);
        assert_int_equal(error.code, BELAY_ENOMEM);
        assert_null(p);
    }
    assert_true(n > 40 && n < 200);
    belay_proxy_unref(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_set_up, kit_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_texts),
        TEST(bad_texts_are_refused_without_their_secrets),
        TEST(bad_options_are_refused_and_named),
        TEST(a_hop_has_what_dialling_needs),
        TEST(chains_and_alternatives_are_multiplied_out),
        TEST(a_hops_session_key_is_the_way_to_it),
        TEST(rows_of_proxies_have_an_end),
        TEST(references_are_counted_and_strings_copied),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("conn_proxy", tests, NULL, NULL);
}
