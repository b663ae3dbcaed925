/* SPDX-License-Identifier: MIT */
/* Endpoints: what is taken and refused, what they say, how they are dialled. Their key has a test
 * of its own. */
#include "belay/proxy.h"
#include "conn/endpoint.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit/net/test_tls_kit.h"

static struct belay_endpoint *make(struct kit *kit, struct belay_endpoint_options o)
{
    struct belay_endpoint *e;
    struct belay_error error;

    o.size = sizeof o;
    if (belay_endpoint_new(kit->loop, &o, &e, &error) < 0)
        fail_msg("%s", error.text);
    return e;
}

static struct belay_endpoint *parse(struct kit *kit, const char *url)
{
    return make(kit, (struct belay_endpoint_options){.url = url});
}

static struct belay_addr addr_of(const char *ip, uint16_t port)
{
    struct belay_addr addr;

    assert_int_equal(belay_addr_parse_ip(ip, strlen(ip), port, &addr), 0);
    return addr;
}

#define V1 .proxy_protocol = BELAY_PROXY_PROTOCOL_V1
#define V2 .proxy_protocol = BELAY_PROXY_PROTOCOL_V2

/* ---- strings ---- */

static void good_strings(void **state)
{
    static const struct {
        const char *url, *name, *scheme, *host;
        int port;
        bool tls;
    } rows[] = {
        {"tcp://Db.Test:5432", "tcp://db.test:5432", "tcp", "db.test", 5432, false},
        {"db.test:5432", "tcp://db.test:5432", "tcp", "db.test", 5432, false},
        {"tls://db.test:1", "tls://db.test:1", "tls", "db.test", 1, true},
        {"http://a.test", "http://a.test:80", "http", "a.test", 80, false},
        {"http://a.test/", "http://a.test:80", "http", "a.test", 80, false},
        {"HTTPS://a.test:8443/", "https://a.test:8443", "https", "a.test", 8443, true},
        {"https://[2001:DB8::1]", "https://[2001:db8::1]:443", "https", "2001:db8::1", 443, true},
        {"[::1]:65535", "tcp://[::1]:65535", "tcp", "::1", 65535, false},
        {"192.0.2.1:80", "tcp://192.0.2.1:80", "tcp", "192.0.2.1", 80, false},
        {"unix:///run/x.sock", "unix:/run/x.sock", "unix", "", 0, false},
        {"unix:/run/x.sock", "unix:/run/x.sock", "unix", "", 0, false},
        {"unix:@name", "unix:@name", "unix", "", 0, false},
    };
    struct kit *kit = *state;

    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct belay_endpoint *e = parse(kit, rows[i].url);

        assert_string_equal(belay_endpoint_name(e), rows[i].name);
        assert_string_equal(belay_endpoint_scheme(e), rows[i].scheme);
        assert_string_equal(belay_endpoint_host(e), rows[i].host);
        assert_int_equal(belay_endpoint_port(e), rows[i].port);
        assert_int_equal(belay_endpoint_is_tls(e), rows[i].tls);
        assert_ptr_equal(bl_endpoint_loop(e), kit->loop);
        belay_endpoint_unref(e);
    }
}

static void bad_strings_are_refused_and_named(void **state)
{
    static const char *const urls[] = {
        "",
        "tcp://",
        "tcp://a.test",
        "tcp://a.test:0",
        "tcp://a.test:70000",
        "tcp://:1",
        "ftp://a.test:1",
        "http://a.test/path",
        "http://u:p@a.test/",
        "http://a.test/?q",
        "http://a.test/#f",
        "tcp://a b:1",
        "tcp://[::1:1",
        "tcp://a.test:1/x",
        "tcp://a\ntest:1",
        "unix:",
        "unix:relative",
        "unix:@",
        "unix://host/path",
        "tcp://-.test:1x",
        "a.test",
    };
    struct kit *kit = *state;
    char long_name[70000];

    for (size_t i = 0; i <= BL_COUNT(urls); i++) {
        const char *url = i < BL_COUNT(urls) ? urls[i] : long_name;
        struct belay_endpoint *e = NULL;
        struct belay_error error;

        memset(long_name, 'a', sizeof long_name - 1);
        long_name[sizeof long_name - 1] = '\0';
        if (belay_endpoint_parse(kit->loop, url, &e, &error) != BELAY_EINVAL)
            fail_msg("taken: %.80s", url);
        assert_null(e);
        assert_int_equal(error.code, BELAY_EINVAL);
        assert_true(strlen(error.text) > 10);
        assert_null(strchr(error.text, '\n'));
        assert_null(strstr(error.text, "u:p"));
        assert_int_equal(belay_endpoint_parse(kit->loop, url, &e, NULL), BELAY_EINVAL);
    }
    struct belay_error error;
    assert_int_equal(belay_endpoint_parse(kit->loop, NULL, NULL, &error), BELAY_EINVAL);
    assert_says(&error, BELAY_EINVAL, "url");
}

/* ---- options ---- */

static char long_text[300];

static void bad_options_are_refused_and_named(void **state)
{
    static const struct belay_addr good = {.family = BELAY_FAMILY_IPV4, .port = 1};
    static const struct belay_addr no_family = {0}, odd = {.family = 9};
    static const struct belay_addr empty = {.family = BELAY_FAMILY_UNIX};
    static const struct belay_addr huge = {.family = BELAY_FAMILY_UNIX, .path_len = 200};
    static const struct belay_addr many[65] = {[0 ... 64] = {.family = BELAY_FAMILY_IPV4}};
    static const struct {
        struct belay_endpoint_options o;
        const char *names;
    } rows[] = {
        {{0}, "neither url nor scheme"},
        {{.host = "a.test", .port = 1}, "neither url nor scheme"},
        {{.scheme = "tcp", .port = 1}, "no host"},
        {{.scheme = "unix"}, "needs a path"},
        {{.scheme = "gopher", .host = "a.test", .port = 1}, "gopher"},
        {{.scheme = "tcp", .host = "a.test"}, "port"},
        {{.scheme = "tcp", .host = "", .port = 1}, "host"},
        {{.scheme = "tcp", .host = "a.test", .port = -1}, "port: -1"},
        {{.scheme = "tcp", .host = "a.test", .port = 65536}, "port: 65536"},
        {{.scheme = "tcp", .host = "a/b", .port = 1}, "a/b"},
        {{.scheme = "tcp", .host = "u@a.test", .port = 1}, "user"},
        {{.scheme = "http", .host = "a.test?"}, "query"},
        {{.scheme = "tcp", .host = "a.test", .port = 1, .path = "/x"}, "path"},
        {{.scheme = "unix", .path = "/x", .host = "a.test"}, "host"},
        {{.scheme = "unix", .path = "/x", .port = 1}, "port"},
        {{.url = "tcp://a.test:1", .host = "b.test"}, "url"},
        {{.url = "tcp://a.test:1", .port = 2}, "url"},
        {{.url = "tcp://a.test:1", .scheme = "tcp"}, "url"},
        {{.url = "tcp://a.test:1", .path = "/x"}, "url"},
        {{.url = "tcp://a.test:1", .addrs = &no_family, .addrs_n = 1}, "addrs"},
        {{.url = "tcp://a.test:1", .addrs = &odd, .addrs_n = 1}, "addrs"},
        {{.url = "tcp://a.test:1", .addrs = &empty, .addrs_n = 1}, "addrs"},
        {{.url = "tcp://a.test:1", .addrs = &huge, .addrs_n = 1}, "addrs"},
        {{.url = "tcp://a.test:1", .addrs = NULL, .addrs_n = 1}, "addrs"},
        {{.url = "tcp://a.test:1", .addrs = many, .addrs_n = 65}, "addrs"},
        {{.url = "tcp://a.test:1", .addrs = &good, .addrs_n = 1, .unix_path = "/x"}, "unix_path"},
        {{.url = "tcp://a.test:1", .unix_path = ""}, "unix_path"},
        {{.url = "tcp://a.test:1", .unix_path = long_text}, "unix_path"},
        {{.url = "tcp://a.test:1", .source_addr = "a.test"}, "source_addr"},
        {{.url = "tcp://a.test:1", .source_addr = "192.0.2.1:80"}, "source_addr"},
        {{.url = "tcp://a.test:1", .interface_name = ""}, "interface_name"},
        {{.url = "tcp://a.test:1", .interface_name = "e\th0"}, "interface_name"},
        {{.url = "tcp://a.test:1", .family = BELAY_FAMILY_UNIX}, "family"},
        {{.url = "tcp://a.test:1", .family = (enum belay_family) - 1}, "family"},
        {{.url = "tls://a.test:1", .server_name = ""}, "server_name"},
        {{.url = "tls://a.test:1", .server_name = long_text}, "server_name"},
        {{.url = "tls://a.test:1", .alpn = ""}, "alpn"},
        {{.url = "tls://a.test:1", .alpn = "h2,"}, "alpn"},
        {{.url = "tls://a.test:1", .alpn = ",h2"}, "alpn"},
        {{.url = "tls://a.test:1", .alpn = "h2,,h3"}, "alpn"},
        {{.url = "tls://a.test:1", .alpn = long_text}, "alpn"},
        {{.url = "tcp://a.test:1", .tag = ""}, "tag"},
        {{.url = "tcp://a.test:1", .tag = "a\nb"}, "tag"},
        {{.url = "tcp://a.test:1", .tag = long_text}, "tag"},
    };
    struct kit *kit = *state;
    size_t live = kit->alloc.live;

    memset(long_text, 'x', sizeof long_text - 1);
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct belay_endpoint_options o = rows[i].o;
        struct belay_endpoint *e = NULL;
        struct belay_error error = {0};

        o.size = sizeof o;
        if (belay_endpoint_new(kit->loop, &o, &e, &error) != BELAY_EINVAL)
            fail_msg("row %zu was taken (%s)", i, rows[i].names);
        assert_null(e);
        if (!strstr(error.text, rows[i].names))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, error.text, rows[i].names);
        assert_int_equal(belay_endpoint_new(kit->loop, &o, &e, NULL), BELAY_EINVAL);
        assert_int_equal(kit->alloc.live, live); /* nothing is left behind */
    }
}

static void bad_proxies_are_refused_and_named(void **state)
{
    static const struct belay_addr ip = {.family = BELAY_FAMILY_IPV4, .port = 1},
                                   ip6 = {.family = BELAY_FAMILY_IPV6, .port = 1},
                                   path = {.family = BELAY_FAMILY_UNIX, .path_len = 2},
                                   huge = {.family = BELAY_FAMILY_UNIX, .path_len = 200},
                                   none = {0};
    struct kit *kit = *state;
    struct belay_proxy *p;
    size_t live;

    assert_int_equal(belay_proxy_parse(kit->loop, "p.test", &p, NULL), 0);
    const struct {
        struct belay_endpoint_options o;
        const char *names;
    } rows[] = {
        {{.proxy = p, .unix_path = "/x"}, "proxy: a Unix socket"},
        {{.proxy = p, .addrs = &path, .addrs_n = 1}, "proxy: a Unix socket"},
        {{.proxy_protocol = (enum belay_proxy_protocol)3}, "proxy_protocol"},
        {{.proxy_protocol = (enum belay_proxy_protocol) - 1}, "proxy_protocol"},
        {{.proxy_source = &ip, .proxy_destination = &ip}, "without proxy_protocol"},
        {{V1, .proxy_source = &ip}, "proxy_destination: is missing"},
        {{V1, .proxy_destination = &ip}, "proxy_source: is missing"},
        {{V1, .proxy_source = &ip, .proxy_destination = &ip6}, "proxy_source's family"},
        {{V1, .proxy_source = &none, .proxy_destination = &none}, "no family"},
        {{V1, .proxy_source = &path, .proxy_destination = &path}, "no family"},
        {{V2, .proxy_source = &path, .proxy_destination = &huge}, "108 bytes"},
    };

    live = kit->alloc.live;
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct belay_endpoint_options o = rows[i].o;
        struct belay_endpoint *e = NULL;
        struct belay_error error = {0};

        o.size = sizeof o;
        o.url = "tcp://a.test:1";
        if (belay_endpoint_new(kit->loop, &o, &e, &error) != BELAY_EINVAL)
            fail_msg("row %zu was taken (%s)", i, rows[i].names);
        if (!strstr(error.text, rows[i].names))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, error.text, rows[i].names);
        assert_int_equal(kit->alloc.live, live);
    }
    struct belay_endpoint_options o = {BELAY_SIZED(belay_endpoint_options), .url = "unix:/x",
                                       .proxy = p};
    assert_int_equal(belay_endpoint_new(kit->loop, &o, NULL, NULL), BELAY_EINVAL);
    belay_proxy_unref(p);
}

/* ---- proxies on the way ---- */

struct way_row {
    const char *proxy, *url;
    bool forward;    /* whatever the target */
    const char *how; /* each way's: f forwards, - does not */
};

static void check_ways(struct kit *kit, const struct way_row *rows, size_t n,
                       enum bl_forwarding forwarding)
{
    for (size_t i = 0; i < n; i++) {
        struct belay_endpoint_options o = {BELAY_SIZED(belay_endpoint_options), .url = rows[i].url};
        struct belay_endpoint *e;
        struct bl_dial_plan plan;
        size_t forwarding_n = 0;

        assert_int_equal(belay_proxy_parse(kit->loop, rows[i].proxy, &o.proxy, NULL), 0);
        assert_int_equal(bl_endpoint_make(kit->loop, &o, forwarding, &e, NULL), 0);
        belay_proxy_unref(o.proxy); /* the endpoint holds it */
        bl_endpoint_plan(e, &plan);
        assert_int_equal(plan.routes_n, strlen(rows[i].how));
        if (belay_endpoint_is_forward(e) != rows[i].forward)
            fail_msg("%s to %s is %s forward", rows[i].proxy, rows[i].url,
                     rows[i].forward ? "not" : "");
        for (unsigned j = 0; j < plan.routes_n; j++) {
            const struct bl_route *r = &plan.routes[j];
            const struct bl_hop *last = r->hops_n ? &r->hops[r->hops_n - 1] : NULL;
            bool forwards = last && last->kind == BL_HOP_FORWARD;

            if (forwards != (rows[i].how[j] == 'f'))
                fail_msg("%s to %s, way %u", rows[i].proxy, rows[i].url, j);
            assert_ptr_equal(bl_endpoint_forward(e, j), forwards ? last : NULL);
            assert_true(r->key_len > 0); /* the direct one's is the endpoint's */
            forwarding_n += forwards;
        }
        assert_null(bl_endpoint_forward(e, (unsigned)plan.routes_n));
        assert_int_equal(bl_endpoint_may_forward(e), forwarding_n > 0);
        belay_endpoint_unref(e);
    }
}

static void a_plan_has_the_ways(void **state)
{
    static const struct way_row rows[] = {
        {"p.test", "http://a.test", true, "f"},
        {"https://p.test", "http://a.test", true, "f"},
        {"p.test", "https://a.test", false, "-"},
        {"p.test", "tcp://a.test:80", false, "-"},
        {"p.test", "http://192.0.2.1:80", true, "f"},
        {"g.test p.test", "http://a.test", true, "f"},
        {"socks5://g.test p.test", "http://a.test", true, "f"},
        {"p.test socks5://g.test", "http://a.test", false, "-"},
        {"p.test | q.test", "http://a.test", true, "ff"},
        {"u:p@p.test | u:p@q.test", "http://a.test", true, "ff"},
    };
    /* Who does not look at a connection's way cannot be left to find out. */
    static const struct way_row all[] = {
        {"u:p@p.test | u:r@q.test", "http://a.test", false, "--"},
        {"u:p@p.test | q.test", "http://a.test", false, "--"},
        {"p.test | u:p@q.test", "http://a.test", false, "--"},
        {"p.test | direct://", "http://a.test", false, "--"},
        {"p.test | socks5://q.test", "http://a.test", false, "--"},
    };
    static const struct way_row each[] = {
        {"u:p@p.test | u:r@q.test", "http://a.test", true, "ff"},
        {"u:p@p.test | q.test", "http://a.test", true, "ff"},
        {"p.test | direct://", "http://a.test", false, "f-"},
        {"direct:// | p.test", "http://a.test", false, "-f"},
        {"p.test | socks5://q.test | r.test", "http://a.test", false, "f-f"},
        {"p.test | direct://", "https://a.test", false, "--"},
    };
    static const struct way_row none[] = {
        {"p.test", "http://a.test", false, "-"},
        {"p.test | direct://", "http://a.test", false, "--"},
    };
    struct kit *kit = *state;

    check_ways(kit, rows, BL_COUNT(rows), BL_FORWARD_ALL);
    check_ways(kit, rows, BL_COUNT(rows), BL_FORWARD_EACH);
    check_ways(kit, all, BL_COUNT(all), BL_FORWARD_ALL);
    check_ways(kit, each, BL_COUNT(each), BL_FORWARD_EACH);
    check_ways(kit, none, BL_COUNT(none), BL_FORWARD_NONE);
}

static void a_plan_says_what_proxy_protocol_says(void **state)
{
    struct kit *kit = *state;
    struct belay_addr a = addr_of("192.0.2.1", 1), b = addr_of("192.0.2.2", 2);
    struct belay_endpoint *e = make(kit, (struct belay_endpoint_options){.url = "tcp://a.test:1",
                                                                         V2,
                                                                         .proxy_source = &a,
                                                                         .proxy_destination = &b}),
                          *plain = make(
                              kit, (struct belay_endpoint_options){.url = "tcp://a.test:1", V1});
    struct bl_dial_plan plan;

    bl_endpoint_plan(e, &plan);
    assert_int_equal(plan.proxy_protocol, 2);
    assert_true(belay_addr_equal(plan.proxy_source, &a));
    assert_true(belay_addr_equal(plan.proxy_destination, &b));
    assert_int_equal(plan.routes_n, 0);
    bl_endpoint_plan(plain, &plan);
    assert_int_equal(plan.proxy_protocol, 1);
    assert_null(plan.proxy_source);
    assert_null(plan.proxy_destination);
    belay_endpoint_unref(e);
    belay_endpoint_unref(plain);
}

/* Whoever cannot speak to forward proxies gets a tunnel. */
static void forwarding_can_be_declined(void **state)
{
    struct kit *kit = *state;
    struct belay_endpoint_options o = {BELAY_SIZED(belay_endpoint_options), .url = "http://a.test"};
    struct belay_endpoint *e, *like;

    assert_int_equal(belay_proxy_parse(kit->loop, "p.test", &o.proxy, NULL), 0);
    assert_int_equal(bl_endpoint_make(kit->loop, &o, BL_FORWARD_NONE, &e, NULL), 0);
    assert_false(belay_endpoint_is_forward(e));
    assert_int_equal(bl_endpoint_like(e, "b.test", 80, NULL, 0, &like, NULL), 0);
    assert_false(belay_endpoint_is_forward(like));
    belay_endpoint_unref(e);
    belay_endpoint_unref(like);
    belay_proxy_unref(o.proxy);
}

static void parts_and_url_make_the_same(void **state)
{
    static const struct {
        struct belay_endpoint_options o;
        const char *url;
    } rows[] = {
        {{.scheme = "tcp", .host = "a.test", .port = 7}, "tcp://a.test:7"},
        {{.scheme = "http", .host = "A.TEST"}, "http://a.test:80/"},
        {{.scheme = "https", .host = "::1"}, "https://[::1]:443"},
        {{.scheme = "https", .host = "[::1]", .port = 443}, "https://[::1]"},
        {{.scheme = "tcp", .host = "192.0.2.1", .port = 7}, "192.0.2.1:7"},
        {{.scheme = "unix", .path = "/run/x"}, "unix:///run/x"},
        {{.scheme = "unix", .path = "@x"}, "unix:@x"},
    };
    struct kit *kit = *state;

    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct belay_endpoint *a = make(kit, rows[i].o), *b = parse(kit, rows[i].url);

        assert_true(belay_endpoint_equal(a, b));
        assert_string_equal(belay_endpoint_name(a), belay_endpoint_name(b));
        belay_endpoint_unref(a);
        belay_endpoint_unref(b);
    }
}

static void strings_are_copied(void **state)
{
    struct kit *kit = *state;
    char text[] = "tls://a.test:1", tag[] = "tenant", alpn[] = "h2,http/1.1";
    struct belay_endpoint *e =
        make(kit, (struct belay_endpoint_options){.url = text, .tag = tag, .alpn = alpn});
    struct bl_dial_plan plan;

    memset(text, 'x', sizeof text);
    memset(tag, 'x', sizeof tag);
    memset(alpn, 'x', sizeof alpn);
    assert_ptr_equal(belay_endpoint_ref(e), e);
    belay_endpoint_unref(e);
    belay_endpoint_unref(NULL);
    assert_null(belay_endpoint_ref(NULL));
    bl_endpoint_plan(e, &plan);
    assert_string_equal(plan.target, "tls://a.test:1");
    assert_string_equal(plan.host, "a.test");
    assert_string_equal(plan.server_name, "a.test");
    assert_int_equal(plan.alpn_len, 12);
    assert_memory_equal(plan.alpn, "\x02h2\x08http/1.1", 12);
    assert_non_null(plan.tls);
    belay_endpoint_unref(e);
}

/* ---- identities ---- */

static void without_an_identity_all_share_the_loops(void **state)
{
    struct kit *kit = *state;
    struct belay_endpoint *a = parse(kit, "https://a.test"), *b = parse(kit, "https://b.test");
    struct bl_dial_plan plan_a, plan_b;

    bl_endpoint_plan(a, &plan_a);
    bl_endpoint_plan(b, &plan_b);
    assert_ptr_equal(plan_a.tls, plan_b.tls);
    assert_int_not_equal(plan_a.session_key_len, 0);
    belay_endpoint_unref(a);
    belay_endpoint_unref(b);
}

/* ---- one like another ---- */

static void a_copy_keeps_all_but_what_is_said(void **state)
{
    struct kit *kit = *state;
    struct belay_tls *tls = kit_identity(kit, NULL);
    struct belay_addr addr = addr_of("192.0.2.9", 0);
    struct belay_endpoint_options o = {.url = "tls://a.test:1",
                                       .source_addr = "fe80::1%3",
                                       .interface_name = "eth0",
                                       .family = BELAY_FAMILY_IPV6,
                                       .tls = tls,
                                       .no_sni = true,
                                       .alpn = "h2,http/1.1",
                                       .tag = "blue",
                                       V2,
                                       .proxy_source = &addr,
                                       .proxy_destination = &addr};
    struct belay_endpoint *like, *copy, *same;

    assert_int_equal(belay_proxy_parse(kit->loop, "socks5://p.test|q.test", &o.proxy, NULL), 0);
    for (int named = 0; named < 2; named++) {
        o.server_name = named ? "other.test" : NULL;
        o.url = "tls://a.test:1";
        like = make(kit, o);
        assert_int_equal(bl_endpoint_like(like, "b.test", 2, NULL, 0, &copy, NULL), 0);
        o.url = "tls://b.test:2";
        o.server_name = named ? "other.test" : "a.test"; /* who is meant stays */
        same = make(kit, o);
        assert_true(belay_endpoint_equal(copy, same));
        o.server_name = named ? "other.test" : NULL;
        belay_endpoint_unref(copy);
        belay_endpoint_unref(same);

        assert_int_equal(bl_endpoint_like(like, NULL, 0, &addr, 1, &copy, NULL), 0);
        o.url = "tls://a.test:1";
        o.addrs = &addr;
        o.addrs_n = 1;
        same = make(kit, o);
        assert_true(belay_endpoint_equal(copy, same));
        o.addrs = NULL;
        o.addrs_n = 0;
        belay_endpoint_unref(copy);
        belay_endpoint_unref(same);
        belay_endpoint_unref(like);
    }
    belay_proxy_unref(o.proxy);
    belay_tls_unref(tls);
}

/* ---- memory ---- */

static void every_allocation_may_fail(void **state)
{
    struct kit *kit = *state;
    struct belay_addr addr = addr_of("192.0.2.9", 0);
    struct belay_endpoint_options o = {.scheme = "https",
                                       .host = "a.test",
                                       .addrs = &addr,
                                       .addrs_n = 1,
                                       .source_addr = "::1",
                                       .interface_name = "eth0",
                                       .alpn = "h2",
                                       .tag = "blue"};
    size_t live = 0, n;

    o.size = sizeof o;
    assert_int_equal(belay_proxy_parse(kit->loop, "u:p@p.test|direct://", &o.proxy, NULL), 0);
    for (n = 1; n < 100; n++) {
        struct belay_endpoint *e = NULL;
        struct belay_error error;
        int rc;

        live = kit->alloc.live;
        failing_alloc_once(&kit->alloc, n);
        rc = belay_endpoint_new(kit->loop, &o, &e, &error);
        failing_alloc_once(&kit->alloc, 0);
        if (rc == 0) {
            belay_endpoint_unref(e);
            break;
        }
        assert_int_equal(rc, BELAY_ENOMEM);
        assert_int_equal(error.code, BELAY_ENOMEM);
        assert_null(e);
        if (n > 1)
            assert_true(kit->alloc.live <= live + 8); /* the loop's own identity stays */
    }
    assert_true(n > 12 && n < 100);
    belay_proxy_unref(o.proxy);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_set_up, kit_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_strings),
        TEST(bad_strings_are_refused_and_named),
        TEST(bad_options_are_refused_and_named),
        TEST(bad_proxies_are_refused_and_named),
        TEST(a_plan_has_the_ways),
        TEST(a_plan_says_what_proxy_protocol_says),
        TEST(forwarding_can_be_declined),
        TEST(parts_and_url_make_the_same),
        TEST(strings_are_copied),
        TEST(without_an_identity_all_share_the_loops),
        TEST(a_copy_keeps_all_but_what_is_said),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("conn_endpoint", tests, NULL, NULL);
}
