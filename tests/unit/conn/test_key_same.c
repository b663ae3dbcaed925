/* SPDX-License-Identifier: MIT */
/* The canonical key: what means the same has one, what is forwarded has the proxy's, and no secret is
 * in it. */
#include "unit/conn/key_kit.h"

static void what_is_dialled_alike_has_one_key(void **state)
{
    struct kit *kit = *state;
    struct belay_tls *one = kit_identity(kit, NULL), *two = kit_identity(kit, NULL);
    struct belay_addr given = addr_of("192.0.2.1", 1), without = addr_of("192.0.2.1", 0);
    const struct belay_endpoint_options pairs[][2] = {
        {{BASE}, {.url = "TLS://A.Test:1/"}},
        {{BASE}, {PARTS("tls", "A.TEST", 1)}},
        {{BASE}, {BASE, .server_name = "a.test"}},
        {{BASE}, {BASE, .proxy_from_env = true}}, /* which says nothing */
        {{BASE, .tls = one}, {BASE, .tls = two}}, /* by content */
        {{BASE, .alpn = "h2,http/1.1"}, {.url = "tls://A.test:1", .alpn = "h2,http/1.1"}},
        {{BASE, .addrs = &given, .addrs_n = 1}, {BASE, .addrs = &without, .addrs_n = 1}},
        {{BASE, .source_addr = "::1"}, {BASE, .source_addr = "0:0::1"}},
        {{.url = "http://a.test"}, {.url = "http://a.test:80/"}},
        {{.url = "https://[2001:db8::1]"}, {.url = "https://[2001:DB8:0::1]:443"}},
        {{.url = "unix:/x"}, {.url = "unix:///x"}},
        {{.url = "a.test:1"}, {.url = "tcp://a.test:1"}},
        {{.url = "tcp://a.test:1"}, {.url = "tcp://a.test:1", .alpn = "h2", .no_sni = true}},
    };

    for (size_t i = 0; i < BL_COUNT(pairs); i++)
        assert_same(kit, pairs[i], i);
    belay_tls_unref(one);
    belay_tls_unref(two);
}

static void proxies_that_mean_the_same_have_one_key(void **state)
{
    struct kit *kit = *state;
    struct belay_tls *tls = kit_identity(kit, NULL);
    struct belay_proxy *gate = NULL, *q = NULL;

    assert_int_equal(belay_proxy_parse(kit->loop, "gate.test", &gate, NULL), 0);
    assert_int_equal(belay_proxy_parse(kit->loop, "q.test", &q, NULL), 0);
    const struct belay_proxy_options pairs[][2] = {
        {{.url = "http://p.test"}, {.url = "HTTP://P.Test:1080/"}},
        {{.url = "p.test"}, {.url = "http://p.test:1080"}},
        {{.url = "https://p.test"}, {.url = "https://p.test:443"}},
        {{.url = "socks5h://[2001:db8::1]"}, {.url = "socks5h://[2001:DB8:0:0::1]:1080"}},
        {{.url = "u:p%3Aq@p.test"}, {.url = "p.test", .user = "u", .password = "p:q"}},
        {{.url = "u@p.test"}, {.url = "u:@p.test"}},
        {{.url = "@p.test"}, {.url = ":@p.test"}},
        {{.url = "socks://p.test"}, {.url = "socks4://p.test"}},
        {{.url = "http://localhost/x"}, {.url = "http://localhost", .unix_path = "/x"}},
        {{.url = "https://p.test"}, {.url = "https://p.test", .server_name = "p.test"}},
        {{.url = "p.test"}, {.url = "p.test", .tls = tls}}, /* which is not asked */
        {{.url = "gate.test p.test"}, {.url = "p.test", .before = gate}},
        {{.url = "p.test | q.test"}, {.url = "p.test", .or_else = q}},
        {{.url = "gate.test p.test | q.test"}, {.url = "p.test", .before = gate, .or_else = q}},
        {{.url = "direct://", .before = gate}, {.url = "gate.test"}},
    };

    for (size_t i = 0; i < BL_COUNT(pairs); i++) {
        static const char *const urls[] = {"http://a.test", "tcp://a.test:1"};
        struct belay_proxy_options a = pairs[i][0], b = pairs[i][1];
        struct belay_proxy *pa, *pb;

        a.size = b.size = sizeof a;
        assert_int_equal(belay_proxy_new(kit->loop, &a, &pa, NULL), 0);
        assert_int_equal(belay_proxy_new(kit->loop, &b, &pb, NULL), 0);
        for (int j = 0; j < 2; j++)
            assert_same(kit,
                        (const struct belay_endpoint_options[2]){{.url = urls[j], .proxy = pa},
                                                                 {.url = urls[j], .proxy = pb}},
                        i);
        belay_proxy_unref(pa);
        belay_proxy_unref(pb);
    }
    belay_proxy_unref(gate);
    belay_proxy_unref(q);
    belay_tls_unref(tls);
}

/* A connection to a forward proxy is one for all targets. */
static void forwarded_targets_share_a_key(void **state)
{
    struct kit *kit = *state;
    struct belay_addr addr = addr_of("192.0.2.9", 0);
    struct belay_proxy *p = NULL, *tunnel = NULL, *mixed = NULL, *direct = NULL;
    struct belay_proxy_options o = {BELAY_SIZED(belay_proxy_options), .url = "u:p@p.test",
                                    .tunnel = true};

    assert_int_equal(belay_proxy_parse(kit->loop, "u:p@p.test", &p, NULL), 0);
    assert_int_equal(belay_proxy_parse(kit->loop, "direct://", &direct, NULL), 0);
    assert_int_equal(belay_proxy_parse(kit->loop, "u:p@p.test | u:p2@q.test", &mixed, NULL), 0);
    assert_int_equal(belay_proxy_new(kit->loop, &o, &tunnel, NULL), 0);
    const struct belay_endpoint_options same[][2] = {
        {{.url = "http://a.test", .proxy = p}, {.url = "http://b.test:8080", .proxy = p}},
        {{.url = "http://192.0.2.1", .proxy = p}, {.url = "http://[::1]", .proxy = p}},
        {{.url = "http://a.test", .proxy = direct}, {.url = "http://a.test"}},
    };
    const struct belay_endpoint_options apart[] = {
        {.url = "http://a.test", .proxy = p},
        {.url = "http://a.test"},
        {.url = "http://a.test", .proxy = p, .tag = "blue"},
        {.url = "http://a.test", .proxy = p, .source_addr = "192.0.2.7"},
        {.url = "http://a.test", .proxy = p, .addrs = &addr, .addrs_n = 1},
        {.url = "http://a.test", .proxy = p, V1},
        {.url = "http://a.test", .proxy = tunnel},
        {.url = "http://b.test", .proxy = tunnel},
        {.url = "http://a.test", .proxy = mixed},
        {.url = "http://b.test", .proxy = mixed},
        {.url = "https://a.test", .proxy = p},
        {.url = "https://b.test", .proxy = p},
        {.url = "tcp://a.test:80", .proxy = p},
    };

    for (size_t i = 0; i < BL_COUNT(same); i++)
        assert_same(kit, same[i], i);
    assert_all_apart(kit, apart, BL_COUNT(apart));
    belay_proxy_unref(p);
    belay_proxy_unref(tunnel);
    belay_proxy_unref(mixed);
    belay_proxy_unref(direct);
}

/* ---- secrets ---- */

static void no_secret_is_in_key_or_name(void **state)
{
    struct kit *kit = *state;
    struct kit_cert cert = kit_cert_make(&(struct kit_cert_plan){.cn = "client"});
    struct belay_tls_options o = belay_tls_options_init();
    struct belay_proxy *proxy = NULL;
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
    assert_int_equal(belay_proxy_parse(kit->loop, "socks5://guest:0pen@gate.test guest:0pen@p.test",
                                       &proxy, NULL),
                     0);
    e = make(kit, (struct belay_endpoint_options){BASE, .tls = tls, .proxy = proxy});
    key = bl_endpoint_key(e, &len);
    assert_null(memmem(key, len, "open sesame", 11));
    assert_null(memmem(key, len, "guest", 5));
    assert_null(memmem(key, len, "0pen", 4));
    assert_true(EVP_PKEY_get_bn_param(cert.key, "priv", &number));
    secret_len = (size_t)BN_bn2bin(number, secret);
    assert_null(memmem(key, len, secret, secret_len));
    assert_null(memmem(key, len, secret, 8));
    assert_string_equal(belay_endpoint_name(e),
                        "tls://a.test:1 through socks5://gate.test:1080 http://p.test:1080");
    BN_free(number);
    belay_endpoint_unref(e);
    belay_proxy_unref(proxy);
    belay_tls_unref(tls);
    kit_cert_free(&cert);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, key_set_up, key_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_dialled_alike_has_one_key),
        TEST(proxies_that_mean_the_same_have_one_key),
        TEST(forwarded_targets_share_a_key),
        TEST(no_secret_is_in_key_or_name),
    };
    return cmocka_run_group_tests_name("conn_key_same", tests, NULL, NULL);
}
