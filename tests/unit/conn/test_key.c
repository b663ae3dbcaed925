/* SPDX-License-Identifier: MIT */
/*
 * The canonical key, as tables: every option that decides what is dialled, and who is trusted and
 * told what, makes another key. Each table is held against its struct, by the places of the fields
 * and by the header's text, so that no option is forgotten.
 */
#include <stdio.h>
#include <stdlib.h>

#include "unit/conn/key_kit.h"

/* ---- endpoints ---- */

struct endpoint_row {
    struct field field;
    struct belay_endpoint_options o;
};

#define E(name, ...)                                                                               \
    {                                                                                              \
        FIELD(belay_endpoint_options, name),                                                       \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static void every_option_of_an_endpoint_makes_another_key(void **state)
{
    struct kit *kit = *state;
    struct belay_tls *tls = kit_identity(kit, NULL);
    struct belay_proxy *proxy = NULL;
    struct belay_addr one = addr_of("192.0.2.1", 0), port = addr_of("192.0.2.1", 9),
                      six = addr_of("2001:db8::1", 0), mapped = addr_of("::ffff:192.0.2.1", 0),
                      scoped = addr_of("fe80::1%3", 0), scoped_4 = addr_of("fe80::1%4", 0),
                      abstract = path_of("\0x", 2), literal = path_of("@x", 2),
                      control = path_of("/\1", 2), question = path_of("/?", 2),
                      nul = path_of("/\0a", 3), nul_b = path_of("/\0b", 3);
    struct belay_addr two[] = {one, six}, swapped[] = {six, one};

    assert_int_equal(belay_proxy_parse(kit->loop, "socks5h://p.test", &proxy, NULL), 0);
    setenv("all_proxy", "socks5h://from.env.test", 1);
    const struct endpoint_row rows[] = {
        E(url, BASE),
        E(url, .url = "tls://b.test:1"),
        E(url, .url = "tls://a.test.:1"),
        E(url, .url = "tls://a.test:2"),
        E(url, .url = "tcp://a.test:1"),
        E(url, .url = "http://a.test:1"),
        E(url, .url = "https://a.test:1"),
        E(url, .url = "unix:/a"),
        E(url, .url = "unix:@a"),
        E(url, .url = "tls://192.0.2.1:1"),
        E(scheme, PARTS("tls", "c.test", 1)),
        E(scheme, PARTS("tcp", "c.test", 1)),
        E(host, PARTS("tls", "d.test", 1)),
        E(path, .scheme = "unix", .path = "/b"),
        E(port, PARTS("tls", "c.test", 3)),
        E(addrs, BASE, .addrs = &one, .addrs_n = 1),
        E(addrs, BASE, .addrs = &port, .addrs_n = 1),
        E(addrs, BASE, .addrs = &six, .addrs_n = 1),
        E(addrs, BASE, .addrs = &mapped, .addrs_n = 1),
        E(addrs, BASE, .addrs = &scoped, .addrs_n = 1),
        E(addrs, BASE, .addrs = &scoped_4, .addrs_n = 1),
        E(addrs, BASE, .addrs = &abstract, .addrs_n = 1),
        E(addrs, BASE, .addrs = &literal, .addrs_n = 1),
        E(addrs, BASE, .addrs = &control, .addrs_n = 1),
        E(addrs, BASE, .addrs = &question, .addrs_n = 1),
        E(addrs, BASE, .addrs = &nul, .addrs_n = 1),
        E(addrs, BASE, .addrs = &nul_b, .addrs_n = 1),
        E(addrs_n, BASE, .addrs = two, .addrs_n = 2),
        E(addrs_n, BASE, .addrs = swapped, .addrs_n = 2),
        E(unix_path, BASE, .unix_path = "/x"),
        E(source_addr, BASE, .source_addr = "192.0.2.7"),
        E(source_addr, BASE, .source_addr = "192.0.2.8"),
        E(interface_name, BASE, .interface_name = "eth0"),
        E(interface_name, BASE, .interface_name = "eth1"),
        E(family, BASE, .family = BELAY_FAMILY_IPV4),
        E(family, BASE, .family = BELAY_FAMILY_IPV6),
        E(tls, BASE, .tls = tls),
        E(server_name, BASE, .server_name = "b.test"),
        E(server_name, BASE, .server_name = "eth0"), /* the same text in another place */
        E(no_sni, BASE, .no_sni = true),
        E(alpn, BASE, .alpn = "h2"),
        E(alpn, BASE, .alpn = "h2,http/1.1"),
        E(alpn, BASE, .alpn = "http/1.1,h2"),
        E(tag, BASE, .tag = "blue"),
        E(tag, BASE, .tag = "green"),
        E(tag, BASE, .tag = "eth0"),
        E(proxy, BASE, .proxy = proxy),
        E(proxy_from_env, BASE, .proxy_from_env = true),
        E(proxy_protocol, BASE, V1),
        E(proxy_protocol, BASE, V2),
        E(proxy_source, BASE, V1, .proxy_source = &one, .proxy_destination = &port),
        E(proxy_source, BASE, V1, .proxy_source = &port, .proxy_destination = &port),
        E(proxy_source, BASE, V2, .proxy_source = &port, .proxy_destination = &port),
        E(proxy_source, BASE, V2, .proxy_source = &abstract, .proxy_destination = &literal),
        E(proxy_destination, BASE, V1, .proxy_source = &port, .proxy_destination = &one),
        E(proxy_destination, BASE, V2, .proxy_source = &abstract, .proxy_destination = &nul),
    };
    struct field fields[BL_COUNT(rows)];
    struct belay_endpoint_options list[BL_COUNT(rows)];

    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        fields[i] = rows[i].field;
        list[i] = rows[i].o;
    }
    assert_gapless(fields, BL_COUNT(rows), sizeof(struct belay_endpoint_options));
    assert_named("endpoint.h", "belay_endpoint_options", fields, BL_COUNT(rows));
    assert_all_apart(kit, list, BL_COUNT(rows));
    belay_proxy_unref(proxy);
    belay_tls_unref(tls);
}

/* ---- proxies ---- */

struct proxy_row {
    struct field field;
    struct belay_proxy_options o;
};

#define P(name, ...)                                                                               \
    {                                                                                              \
        FIELD(belay_proxy_options, name),                                                          \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define PROXY .url = "https://p.test:1"

/* Seen by plain HTTP, which is forwarded, and by a connection of its own. */
static void every_option_of_a_proxy_makes_another_key(void **state)
{
    struct kit *kit = *state;
    struct belay_tls *tls = kit_identity(kit, NULL);
    struct belay_proxy *gate = NULL, *other_gate = NULL;

    assert_int_equal(belay_proxy_parse(kit->loop, "gate.test", &gate, NULL), 0);
    assert_int_equal(belay_proxy_parse(kit->loop, "u:p@gate.test", &other_gate, NULL), 0);
    const struct proxy_row rows[] = {
        P(url, PROXY),
        P(url, .url = "https://q.test:1"),
        P(url, .url = "https://p.test:2"),
        P(url, .url = "https://p.test.:1"),
        P(url, .url = "http://p.test:1"),
        P(url, .url = "socks5://p.test:1"),
        P(url, .url = "socks5h://p.test:1"),
        P(url, .url = "socks4://p.test:1"),
        P(url, .url = "socks4a://p.test:1"),
        P(url, .url = "https://192.0.2.1:1"),
        P(url, .url = "https://[2001:db8::1]:1"),
        P(url, .url = "http://localhost/a"),
        P(url, .url = "http://localhost/b"),
        P(url, .url = "https://u:p@p.test:1"),
        P(url, .url = "https://u2:p@p.test:1"),
        P(url, .url = "https://u:p2@p.test:1"),
        P(url, .url = "https://up@p.test:1"),
        P(url, .url = "socks5://u:p@p.test:1"),
        P(url, .url = "https://p.test:1 https://q.test:1"),
        P(url, .url = "https://q.test:1 https://p.test:1"),
        P(url, .url = "https://p.test:1 | https://q.test:1"),
        P(url, .url = "https://q.test:1 | https://p.test:1"),
        P(url, .url = "https://p.test:1 | direct://"),
        P(url, .url = "direct:// | https://p.test:1"),
        P(url, .url = "https://u:p@p.test:1 https://q.test:1"),
        P(url, .url = "https://p.test:1 https://u:p@q.test:1"),
        P(unix_path, PROXY, .unix_path = "/run/p"),
        P(unix_path, PROXY, .unix_path = "@run/p"),
        P(user, PROXY, .user = "v", .password = "p"),
        P(user, PROXY, .user = "w", .password = "p"),
        P(password, PROXY, .user = "v", .password = "q"),
        P(password, PROXY, .user = "vq", .password = ""),
        P(tls, PROXY, .tls = tls),
        P(server_name, PROXY, .server_name = "q.test"),
        P(tunnel, PROXY, .tunnel = true),
        P(before, PROXY, .before = gate),
        P(before, PROXY, .before = other_gate),
        P(or_else, PROXY, .or_else = gate),
        P(or_else, PROXY, .or_else = other_gate),
    };
    struct field fields[BL_COUNT(rows)];
    struct belay_endpoint_options list[BL_COUNT(rows) * 2 + 2] = {{0}};
    struct belay_proxy *made[BL_COUNT(rows)];
    size_t n = 0;

    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct belay_proxy_options o = rows[i].o;

        fields[i] = rows[i].field;
        o.size = sizeof o;
        assert_int_equal(belay_proxy_new(kit->loop, &o, &made[i], NULL), 0);
        list[n++] = (struct belay_endpoint_options){.url = "http://a.test", .proxy = made[i]};
        if (strcmp(fields[i].name, "tunnel") != 0) /* TLS is tunnelled anyway */
            list[n++] = (struct belay_endpoint_options){.url = "tls://a.test:1", .proxy = made[i]};
    }
    list[n++] = (struct belay_endpoint_options){.url = "http://a.test"};
    list[n++] = (struct belay_endpoint_options){.url = "tls://a.test:1"};
    assert_gapless(fields, BL_COUNT(rows), sizeof(struct belay_proxy_options));
    assert_named("proxy.h", "belay_proxy_options", fields, BL_COUNT(rows));
    assert_all_apart(kit, list, n);
    for (size_t i = 0; i < BL_COUNT(rows); i++)
        belay_proxy_unref(made[i]);
    belay_proxy_unref(gate);
    belay_proxy_unref(other_gate);
    belay_tls_unref(tls);
}

/* ---- identities ---- */

struct tls_row {
    struct field field;
    struct belay_tls_options o;
};

#define T(name, ...)                                                                               \
    {                                                                                              \
        FIELD(belay_tls_options, name),                                                            \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define SESAME .key_passphrase = "open sesame"

static void every_option_of_tls_makes_another_key(void **state)
{
    static const char *const pin[] = {"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
    static const char *const pins[] = {"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                                       "sha256//BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA="};
    struct kit *kit = *state;
    const struct kit_cert *ca = kit_ca(), *site = kit_site();
    struct kit_cert second = kit_cert_make(&(struct kit_cert_plan){.cn = "client"});
    X509 *chain[] = {site->cert, ca->cert};
    char paths[6][160], dir[160], *pem = kit_pem(site->cert);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    snprintf(paths[0], 160, "%s", kit_cert_file(kit, "ca.pem", (X509 *const *)&ca->cert, 1));
    snprintf(paths[1], 160, "%s", kit_cert_file(kit, "c.pem", &second.cert, 1));
    snprintf(paths[2], 160, "%s", kit_key_file(kit, "c.key", second.key, NULL));
    snprintf(paths[3], 160, "%s", kit_key_file(kit, "s.key", second.key, "open sesame"));
    snprintf(paths[4], 160, "%s", kit_cert_file(kit, "site.pem", chain, 2));
    snprintf(paths[5], 160, "%s", kit_key_file(kit, "site.key", site->key, "open sesame"));
    snprintf(dir, sizeof dir, "%s", kit->dir);
    const struct tls_row rows[] = {
        T(ca_file, .ca_file = paths[0]),
        T(ca_dir, .ca_dir = dir, .ca_file = paths[1]),
        T(ca_pem, .ca_pem = pem),
        T(ca_pem, .ca_file = paths[0], .ca_pem = pem),
        T(cert_file, .cert_file = paths[1], .key_file = paths[2]),
        T(key_file, .cert_file = paths[4], .key_file = paths[5], SESAME),
        T(key_passphrase, .no_verify_name = true, .cert_file = paths[1], .key_file = paths[3],
          SESAME),
        T(ciphers, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"),
        T(pins, .pins = pin, .pins_n = 1),
        T(pins_n, .pins = pins, .pins_n = 2),
        T(min_version, .min_version = BELAY_TLS_1_3),
        T(no_verify, .no_verify = true),
        T(no_verify_name, .no_verify_name = true),
        T(no_resumption, .no_resumption = true),
        T(sessions_max, .sessions_max = 5),
        T(ssl_ctx, .ssl_ctx = ctx),
    };
    struct field fields[BL_COUNT(rows)];
    struct belay_endpoint_options list[2 * BL_COUNT(rows) + 1] = {{BASE}};
    struct belay_proxy *proxies[BL_COUNT(rows)];
    struct belay_tls *made[BL_COUNT(rows)];
    size_t n = 1;

    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        struct belay_tls_options o = rows[i].o;
        struct belay_proxy_options via = {BELAY_SIZED(belay_proxy_options), PROXY};
        struct belay_error error;

        fields[i] = rows[i].field;
        o.size = sizeof o;
        if (belay_tls_new(kit->loop, &o, &made[i], &error) < 0)
            fail_msg("%zu: %s", i, error.text);
        via.tls = made[i];
        assert_int_equal(belay_proxy_new(kit->loop, &via, &proxies[i], NULL), 0);
        list[n++] = (struct belay_endpoint_options){BASE, .tls = made[i]};
        list[n++] = (struct belay_endpoint_options){BASE, .proxy = proxies[i]};
    }
    assert_gapless(fields, BL_COUNT(rows), sizeof(struct belay_tls_options));
    assert_named("tls.h", "belay_tls_options", fields, BL_COUNT(rows));
    assert_all_apart(kit, list, n);
    for (size_t i = 0; i < BL_COUNT(rows); i++) {
        belay_tls_unref(made[i]);
        belay_proxy_unref(proxies[i]);
    }
    SSL_CTX_free(ctx);
    kit_cert_free(&second);
    free(pem);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, key_set_up, key_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_option_of_an_endpoint_makes_another_key),
        TEST(every_option_of_a_proxy_makes_another_key),
        TEST(every_option_of_tls_makes_another_key),
    };
    return cmocka_run_group_tests_name("conn_key", tests, NULL, NULL);
}
