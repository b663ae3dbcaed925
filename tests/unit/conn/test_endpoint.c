/* SPDX-License-Identifier: MIT */
/* Endpoints: what is taken and refused, what they say, and above all their key. */
#include "conn/endpoint.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit/net/test_tls_kit.h"

/* A field at the end that is not in the lists of flips below would go unnoticed. */
_Static_assert(offsetof(struct belay_endpoint_options, tag) + sizeof(char *) ==
                   sizeof(struct belay_endpoint_options),
               "flip the new option in every_option_makes_another_key");
_Static_assert(offsetof(struct belay_tls_options, ssl_ctx) + sizeof(void *) ==
                   sizeof(struct belay_tls_options),
               "flip the new option in every_option_of_tls_makes_another_key");

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

/* ---- the key ---- */

static struct belay_addr addr_of(const char *ip, uint16_t port)
{
    struct belay_addr addr;

    assert_int_equal(belay_addr_parse_ip(ip, strlen(ip), port, &addr), 0);
    return addr;
}

static struct belay_addr path_of(const char *path, size_t len)
{
    struct belay_addr addr = {.family = BELAY_FAMILY_UNIX, .path_len = (uint8_t)len};

    memcpy(addr.u.path, path, len);
    return addr;
}

/* All different from each other, and each the same as itself made again. */
static void assert_all_apart(struct kit *kit, const struct belay_endpoint_options *list, size_t n)
{
    struct belay_endpoint *made[64], *again[64];

    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++) {
        made[i] = make(kit, list[i]);
        again[i] = make(kit, list[i]);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            if (belay_endpoint_equal(made[i], again[j]) != (i == j))
                fail_msg("number %zu and number %zu (%s)", i, j, belay_endpoint_name(made[i]));
    for (size_t i = 0; i < n; i++) {
        belay_endpoint_unref(made[i]);
        belay_endpoint_unref(again[i]);
    }
}

static void every_option_makes_another_key(void **state)
{
    struct kit *kit = *state;
    struct belay_tls *tls = kit_identity(kit, NULL);
    struct belay_addr one = addr_of("192.0.2.1", 0), port = addr_of("192.0.2.1", 9),
                      six = addr_of("2001:db8::1", 0), mapped = addr_of("::ffff:192.0.2.1", 0),
                      scoped = addr_of("fe80::1%3", 0), scoped_4 = addr_of("fe80::1%4", 0),
                      abstract = path_of("\0x", 2), literal = path_of("@x", 2),
                      control = path_of("/\1", 2), question = path_of("/?", 2),
                      nul = path_of("/\0a", 3), nul_b = path_of("/\0b", 3);
    struct belay_addr two[] = {one, six}, swapped[] = {six, one};
#define BASE .url = "tls://a.test:1"
    struct belay_endpoint_options list[] = {
        {BASE},
        {.url = "tls://b.test:1"},
        {.url = "tls://a.test.:1"},
        {.url = "tls://a.test:2"},
        {.url = "tcp://a.test:1"},
        {.url = "http://a.test:1"},
        {.url = "https://a.test:1"},
        {.url = "unix:/a"},
        {.url = "unix:@a"},
        {.url = "tls://192.0.2.1:1"},
        {.scheme = "unix", .path = "/b"},
        {.scheme = "tls", .host = "c.test", .port = 1},
        {BASE, .addrs = &one, .addrs_n = 1},
        {BASE, .addrs = &port, .addrs_n = 1},
        {BASE, .addrs = &six, .addrs_n = 1},
        {BASE, .addrs = &mapped, .addrs_n = 1},
        {BASE, .addrs = &scoped, .addrs_n = 1},
        {BASE, .addrs = &scoped_4, .addrs_n = 1},
        {BASE, .addrs = two, .addrs_n = 2},
        {BASE, .addrs = swapped, .addrs_n = 2},
        {BASE, .addrs = &abstract, .addrs_n = 1},
        {BASE, .addrs = &literal, .addrs_n = 1},
        {BASE, .addrs = &control, .addrs_n = 1},
        {BASE, .addrs = &question, .addrs_n = 1},
        {BASE, .addrs = &nul, .addrs_n = 1},
        {BASE, .addrs = &nul_b, .addrs_n = 1},
        {BASE, .unix_path = "/x"},
        {BASE, .source_addr = "192.0.2.7"},
        {BASE, .source_addr = "192.0.2.8"},
        {BASE, .interface_name = "eth0"},
        {BASE, .interface_name = "eth1"},
        {BASE, .family = BELAY_FAMILY_IPV4},
        {BASE, .family = BELAY_FAMILY_IPV6},
        {BASE, .tls = tls},
        {BASE, .server_name = "b.test"},
        {BASE, .no_sni = true},
        {BASE, .alpn = "h2"},
        {BASE, .alpn = "h2,http/1.1"},
        {BASE, .alpn = "http/1.1,h2"},
        {BASE, .tag = "blue"},
        {BASE, .tag = "green"},
        {BASE, .tag = "eth0"}, /* the same text in another place */
        {BASE, .server_name = "eth0"},
    };

    assert_all_apart(kit, list, BL_COUNT(list));
    belay_tls_unref(tls);
}

static void what_is_dialled_alike_has_one_key(void **state)
{
    struct kit *kit = *state;
    struct belay_tls *one = kit_identity(kit, NULL), *two = kit_identity(kit, NULL);
    struct belay_addr given = addr_of("192.0.2.1", 1), without = addr_of("192.0.2.1", 0);
    const struct belay_endpoint_options pairs[][2] = {
        {{BASE}, {.url = "TLS://A.Test:1/"}},
        {{BASE}, {BASE, .server_name = "a.test"}},
        {{BASE, .tls = one}, {BASE, .tls = two}}, /* by content */
        {{BASE, .addrs = &given, .addrs_n = 1}, {BASE, .addrs = &without, .addrs_n = 1}},
        {{BASE, .source_addr = "::1"}, {BASE, .source_addr = "0:0::1"}},
        {{.url = "tcp://a.test:1"}, {.url = "tcp://a.test:1", .alpn = "h2", .no_sni = true}},
    };

    for (size_t i = 0; i < BL_COUNT(pairs); i++) {
        struct belay_endpoint *a = make(kit, pairs[i][0]), *b = make(kit, pairs[i][1]);
        const void *key_a, *key_b;
        size_t len_a, len_b;

        if (!belay_endpoint_equal(a, b))
            fail_msg("pair %zu", i);
        key_a = bl_endpoint_key(a, &len_a);
        key_b = bl_endpoint_key(b, &len_b);
        assert_int_equal(len_a, len_b);
        assert_memory_equal(key_a, key_b, len_a);
        belay_endpoint_unref(a);
        belay_endpoint_unref(b);
    }
    belay_tls_unref(one);
    belay_tls_unref(two);
}

/* ---- identities in the key ---- */

static void every_option_of_tls_makes_another_key(void **state)
{
    static const char *const pin[] = {"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
    struct kit *kit = *state;
    const struct kit_cert *ca = kit_ca(), *site = kit_site();
    struct kit_cert second = kit_cert_make(&(struct kit_cert_plan){.cn = "client"});
    X509 *chain[] = {site->cert, ca->cert};
    char paths[6][160], dir[160], *pem = kit_pem(site->cert);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct belay_endpoint_options list[16] = {{0}};
    struct belay_tls *made[16];
    size_t n;

    snprintf(paths[0], 160, "%s", kit_cert_file(kit, "ca.pem", (X509 *const *)&ca->cert, 1));
    snprintf(paths[1], 160, "%s", kit_cert_file(kit, "c.pem", &second.cert, 1));
    snprintf(paths[2], 160, "%s", kit_key_file(kit, "c.key", second.key, NULL));
    snprintf(paths[3], 160, "%s", kit_key_file(kit, "s.key", second.key, "open sesame"));
    snprintf(paths[4], 160, "%s", kit_cert_file(kit, "site.pem", chain, 2));
    snprintf(paths[5], 160, "%s", kit_key_file(kit, "site.key", site->key, "open sesame"));
    snprintf(dir, sizeof dir, "%s", kit->dir);
    const struct belay_tls_options tls[] = {
        {0},
        {.ca_file = paths[0]},
        {.ca_pem = pem},
        {.ca_file = paths[0], .ca_pem = pem},
        {.ca_dir = dir, .ca_file = paths[1]},
        {.cert_file = paths[1], .key_file = paths[2]},
        {.cert_file = paths[4], .key_file = paths[5], .key_passphrase = "open sesame"},
        {.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"},
        {.pins = pin, .pins_n = 1},
        {.min_version = BELAY_TLS_1_3},
        {.no_verify = true},
        {.no_verify_name = true},
        {.no_resumption = true},
        {.sessions_max = 5},
        {.ssl_ctx = ctx},
    };
    for (n = 0; n < BL_COUNT(tls); n++) {
        struct belay_tls_options o = tls[n];
        struct belay_error error;

        o.size = sizeof o;
        if (belay_tls_new(kit->loop, &o, &made[n], &error) < 0)
            fail_msg("%zu: %s", n, error.text);
        list[n] = (struct belay_endpoint_options){BASE, .tls = made[n]};
    }
    assert_all_apart(kit, list, n);
    while (n--)
        belay_tls_unref(made[n]);
    SSL_CTX_free(ctx);
    kit_cert_free(&second);
    free(pem);
}

static void no_secret_is_in_key_or_name(void **state)
{
    struct kit *kit = *state;
    struct kit_cert cert = kit_cert_make(&(struct kit_cert_plan){.cn = "client"});
    struct belay_tls_options o = belay_tls_options_init();
    struct belay_endpoint *e;
    struct belay_tls *tls;
    unsigned char secret[64];
    size_t secret_len = sizeof secret, len;
    const char *key;
    BIGNUM *number = NULL;

    o.cert_file = kit_cert_file(kit, "c.pem", &cert.cert, 1);
    o.key_file = kit_key_file(kit, "c.key", cert.key, "open sesame");
    o.key_passphrase = "open sesame";
    assert_int_equal(belay_tls_new(kit->loop, &o, &tls, NULL), 0);
    e = make(kit, (struct belay_endpoint_options){BASE, .tls = tls});
    key = bl_endpoint_key(e, &len);
    assert_null(memmem(key, len, "open sesame", 11));
    assert_true(EVP_PKEY_get_bn_param(cert.key, "priv", &number));
    secret_len = (size_t)BN_bn2bin(number, secret);
    assert_null(memmem(key, len, secret, secret_len));
    assert_null(memmem(key, len, secret, 8));
    assert_string_equal(belay_endpoint_name(e), "tls://a.test:1");
    BN_free(number);
    belay_endpoint_unref(e);
    belay_tls_unref(tls);
    kit_cert_free(&cert);
}

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
                                       .tag = "blue"};
    struct belay_endpoint *like, *copy, *same;

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
    assert_true(n > 8 && n < 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_set_up, kit_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_strings),
        TEST(bad_strings_are_refused_and_named),
        TEST(bad_options_are_refused_and_named),
        TEST(parts_and_url_make_the_same),
        TEST(strings_are_copied),
        TEST(every_option_makes_another_key),
        TEST(what_is_dialled_alike_has_one_key),
        TEST(every_option_of_tls_makes_another_key),
        TEST(no_secret_is_in_key_or_name),
        TEST(without_an_identity_all_share_the_loops),
        TEST(a_copy_keeps_all_but_what_is_said),
        TEST(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("conn_endpoint", tests, NULL, NULL);
}
