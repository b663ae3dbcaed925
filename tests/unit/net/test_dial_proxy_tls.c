/* SPDX-License-Identifier: MIT */
/* TLS to proxies, TLS to targets behind them, and TLS within TLS. */
#include "proxy_kit.h"

#define CONNECT_TARGET                                                                             \
    "CONNECT target.test:443 HTTP/1.1\r\nHost: target.test:443\r\nUser-Agent: "                    \
    "belay/" BELAY_VERSION "\r\n\r\n"
#define OK_200 "HTTP/1.1 200 ok\r\n\r\n"

struct ends {
    SSL_CTX *proxy, *target; /* of a.test; of target.test */
    struct kit_cert proxy_cert, target_cert;
};

static void make_ends(struct ends *e, int version)
{
    struct kit_cert_plan at_proxy = {
        .cn = "proxy", .san = "DNS:proxy.test", .issuer = kit_ca(), .from_days = -10, .to_days = 9};
    struct kit_cert_plan at_target = {.cn = "target",
                                      .san = "DNS:target.test",
                                      .issuer = kit_ca(),
                                      .from_days = -10,
                                      .to_days = 9};

    e->proxy_cert = kit_cert_make(&at_proxy);
    e->target_cert = kit_cert_make(&at_target);
    e->proxy =
        kit_server(&(struct kit_server_plan){.cert = &e->proxy_cert, .max_version = version});
    e->target = kit_server(
        &(struct kit_server_plan){.cert = &e->target_cert, .max_version = version, .alpn = "h2"});
}

static void free_ends(struct ends *e)
{
    SSL_CTX_free(e->proxy);
    SSL_CTX_free(e->target);
    kit_cert_free(&e->proxy_cert);
    kit_cert_free(&e->target_cert);
}

static void want_target_tls(struct px *t, struct belay_tls *tls)
{
    t->plan.tls = tls;
    t->plan.server_name = "target.test";
    t->plan.alpn = (const uint8_t *)"\x02h2";
    t->plan.alpn_len = 3;
    t->plan.session_key = "target";
    t->plan.session_key_len = 6;
}

static struct bl_hop tls_hop(enum bl_hop_kind kind, struct belay_tls *tls)
{
    return (struct bl_hop){.kind = kind,
                           .name = "https://proxy.test",
                           .tls = tls,
                           .server_name = "proxy.test",
                           .session_key = "proxy",
                           .session_key_len = 5};
}

/* The facts are the target's. */
static void expect_facts(struct px *t, const struct kit_cert *cert)
{
    struct belay_tls_facts facts = belay_tls_facts_init();
    unsigned char *der = NULL;

    if (!cert) {
        assert_int_equal(belay_stream_tls_facts(t->stream, &facts), BELAY_ENOTSUP);
        return;
    }
    assert_int_equal(belay_stream_tls_facts(t->stream, &facts), 0);
    int len = i2d_X509(cert->cert, &der);
    assert_int_equal(facts.peer_certificate_len, len);
    assert_memory_equal(facts.peer_certificate, der, (size_t)len);
    assert_string_equal(facts.alpn, "h2");
    assert_true(facts.verified);
    OPENSSL_free(der);
}

static void finish(struct px *t, struct belay_tls *tls)
{
    belay_stream_close(t->stream, 0, NULL, NULL);
    t->stream = NULL;
    net_kit_settle(&t->net);
    belay_tls_unref(tls);
    px_finish(t);
}

static void tls_goes_through_a_tunnel(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct ends e;
        struct px t;
        struct bl_hop hop = {.kind = BL_HOP_CONNECT, .name = "http://p"};

        make_ends(&e, i & 1 ? TLS1_2_VERSION : 0);
        struct px_step steps[] = {
            PX_BYTES(CONNECT_TARGET, OK_200, .then = PX_TLS, .ctx = e.target),
        };
        px_begin(&t);
        struct belay_tls *tls = kit_identity(&t.tls, NULL);
        want_target_tls(&t, tls);
        struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
        p->chop = i & 2;
        px_route(&t, &hop, 1, p);
        px_dial(&t);
        px_expect_tunnel(&t, p);
        expect_facts(&t, &e.target_cert);
        finish(&t, tls);
        free_ends(&e);
    }
}

static void a_proxy_is_spoken_to_over_tls(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct ends e;
        struct px t;

        make_ends(&e, i & 1 ? TLS1_2_VERSION : 0);
        struct px_step steps[] = {
            PX_BYTES("", "", .then = PX_TLS, .ctx = e.proxy),
            PX_BYTES(CONNECT_TARGET, OK_200),
        };
        px_begin(&t);
        struct belay_tls *tls = kit_identity(&t.tls, NULL);
        struct bl_hop hop = tls_hop(i & 2 ? BL_HOP_FORWARD : BL_HOP_CONNECT, tls);
        struct px_peer *p = px_listen(&t, steps, i & 2 ? 1 : 2);
        px_route(&t, &hop, 1, p);
        px_dial(&t);
        px_expect_tunnel(&t, p);
        expect_facts(&t, NULL); /* the proxy's certificate says nothing about the target */
        finish(&t, tls);
        free_ends(&e);
    }
}

static void tls_within_tls(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        struct ends e;
        struct px t;

        make_ends(&e, i & 1 ? TLS1_2_VERSION : 0);
        struct px_step steps[] = {
            PX_BYTES("", "", .then = PX_TLS, .ctx = e.proxy),
            PX_BYTES(CONNECT_TARGET, OK_200, .then = PX_TLS, .ctx = e.target),
        };
        px_begin(&t);
        struct belay_tls *tls = kit_identity(&t.tls, NULL);
        struct bl_hop hop = tls_hop(BL_HOP_CONNECT, tls);
        want_target_tls(&t, tls);
        struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
        p->chop = i & 2;
        t.net.write_max = i & 4 ? 100 : 0;
        px_route(&t, &hop, 1, p);
        px_dial(&t);
        px_expect_tunnel(&t, p);
        expect_facts(&t, &e.target_cert);
        finish(&t, tls);
        free_ends(&e);
    }
}

/* SOCKS 5, then an HTTP proxy over TLS, then the header, then the target over TLS. */
static void all_of_it_at_once(void **state)
{
    struct ends e;
    struct px t;
    struct belay_addr from, to;
    (void)state;
    make_ends(&e, 0);
    struct px_step steps[] = {
        PX_BYTES("\x05\x01\x00", "\x05\x00"),
        PX_BYTES("\x05\x01\x00\x03\x0aproxy.test\x01\xbb", "\x05\x00\x00\x01\0\0\0\0\0\0",
                 .then = PX_TLS, .ctx = e.proxy),
        PX_BYTES(CONNECT_TARGET, OK_200),
        PX_BYTES("PROXY TCP4 192.0.2.1 192.0.2.1 9 9\r\n", "", .then = PX_TLS, .ctx = e.target),
    };
    px_begin(&t);
    struct belay_tls *tls = kit_identity(&t.tls, NULL);
    struct bl_hop hops[2] = {{.kind = BL_HOP_SOCKS5H, .name = "socks5h://a"},
                             tls_hop(BL_HOP_CONNECT, tls)};
    hops[1].host = "proxy.test";
    hops[1].port = 443;
    want_target_tls(&t, tls);
    belay_addr_parse_ip("192.0.2.1", 9, 9, &from);
    to = from;
    t.plan.proxy_protocol = 1;
    t.plan.proxy_source = &from;
    t.plan.proxy_destination = &to;
    struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
    px_route(&t, hops, 2, p);
    px_dial(&t);
    px_expect_tunnel(&t, p);
    expect_facts(&t, &e.target_cert);
    finish(&t, tls);
    free_ends(&e);
}

static void much_goes_through_two_layers(void **state)
{
    static char big[32768];
    struct ends e;
    struct px t;
    (void)state;
    make_ends(&e, 0);
    struct px_step steps[] = {
        PX_BYTES("", "", .then = PX_TLS, .ctx = e.proxy),
        PX_BYTES(CONNECT_TARGET, OK_200, .then = PX_TLS, .ctx = e.target),
        {.expect = "go", .expect_n = 2, .say = big, .say_n = sizeof big},
    };
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7 + i / 251);
    px_begin(&t);
    struct belay_tls *tls = kit_identity(&t.tls, NULL);
    struct bl_hop hop = tls_hop(BL_HOP_CONNECT, tls);
    want_target_tls(&t, tls);
    struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
    px_route(&t, &hop, 1, p);
    px_dial(&t);
    assert_int_equal(belay_stream_write(t.stream, "go", 2), 0);
    px_expect_heard(&t, big, sizeof big);
    px_expect_tunnel(&t, p);
    finish(&t, tls);
    free_ends(&e);
}

static void each_identity_has_its_own_tickets(void **state)
{
    struct ends e;
    struct px t;
    (void)state;
    make_ends(&e, 0);
    SSL_CTX_set_session_id_context(e.proxy, (const unsigned char *)"p", 1);
    SSL_CTX_set_session_id_context(e.target, (const unsigned char *)"t", 1);
    struct px_step steps[] = {
        PX_BYTES("", "", .then = PX_TLS, .ctx = e.proxy),
        PX_BYTES(CONNECT_TARGET, OK_200, .then = PX_TLS, .ctx = e.target),
    };
    px_begin(&t);
    struct belay_tls *tls = kit_identity(&t.tls, NULL);
    struct bl_hop hop = tls_hop(BL_HOP_CONNECT, tls);
    want_target_tls(&t, tls);
    struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
    px_route(&t, &hop, 1, p);
    for (int i = 0; i < 2; i++) {
        px_dial(&t);
        px_expect_tunnel(&t, p);
        assert_int_equal(SSL_session_reused(p->layers[0]), i);
        assert_int_equal(SSL_session_reused(p->layers[1]), i);
        belay_stream_close(t.stream, 0, NULL, NULL);
        t.stream = NULL;
        for (int n = 0; n < 20; n++)
            px_turn(&t);
    }
    finish(&t, tls);
    free_ends(&e);
}

/* ---- failures ---- */

static void whose_certificate_was_refused_is_told(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct ends e;
        struct px t;

        make_ends(&e, 0);
        struct px_step steps[] = {
            PX_BYTES("", "", .then = PX_TLS, .ctx = e.proxy),
            PX_BYTES(CONNECT_TARGET, OK_200, .then = PX_TLS, .ctx = e.target),
        };
        px_begin(&t);
        struct belay_tls *tls = kit_identity(&t.tls, NULL);
        struct bl_hop hop = tls_hop(BL_HOP_CONNECT, tls);
        want_target_tls(&t, tls);
        if (i == 0)
            hop.server_name = "other.test";
        else
            t.plan.server_name = "other.test";
        struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
        px_route(&t, &hop, 1, p);
        px_dial(&t);
        px_expect_failure(&t, BELAY_ECERT, BELAY_STAGE_TLS,
                          i == 0 ? "negotiating TLS with https://proxy.test on the way to "
                                   "tcp://target.test:443: "
                                 : "negotiating TLS with tcp://target.test:443 through "
                                   "https://proxy.test: ");
        finish(&t, tls);
        free_ends(&e);
    }
}

/* One who is asked for a tunnel may repeat what it has heard, credentials and all. */
static void plain_words_of_a_proxys_are_not_shown(void **state)
{
    static const struct {
        const char *says, *told;
    } cases[] = {
        {PX_PASSWORD "\r\n", "the peer does not speak TLS"},
        {"aGlkZGVuLXVzZXI6aGlkZGVu", "the peer does not speak TLS"},
        {"HTTP/1.1 400 " PX_PASSWORD, "the peer does not speak TLS (it speaks plain HTTP)"},
    };

    (void)state;
    for (size_t i = 0; i < 2 * BL_COUNT(cases); i++) {
        const char *says = cases[i / 2].says;
        bool at_proxy = i % 2;
        struct px_step steps[] = {
            PX_BYTES(CONNECT_TARGET, OK_200),
            {.expect = "", .say = says, .say_n = strlen(says)},
        };
        struct px t;

        px_begin(&t);
        struct belay_tls *tls = kit_identity(&t.tls, NULL);
        struct bl_hop hop = tls_hop(BL_HOP_CONNECT, tls);
        want_target_tls(&t, tls);
        if (!at_proxy)
            hop.tls = NULL;
        struct px_peer *p = px_listen(&t, steps + at_proxy, 2u - at_proxy);
        px_route(&t, &hop, 1, p);
        px_dial(&t);
        px_expect_failure(&t, BELAY_ETLS, BELAY_STAGE_TLS, cases[i / 2].told);
        px_expect_no_secret(&t);
        finish(&t, tls);
    }
}

/* Its certificate is its own words, too. */
static void names_in_certificates_of_proxies_are_not_shown(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        struct kit_cert_plan plan = {.cn = PX_USER,
                                     .san = i % 3 == 1 ? NULL : "DNS:" PX_PASSWORD,
                                     .issuer = i % 3 == 2 ? NULL : kit_ca(),
                                     .from_days = -10,
                                     .to_days = 9};
        struct kit_cert cert = kit_cert_make(&plan);
        SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.cert = &cert, .alpn = "h2"});
        struct px_step steps[] = {
            PX_BYTES(CONNECT_TARGET, OK_200, .then = PX_TLS, .ctx = ctx),
            PX_BYTES("", "", .then = PX_TLS, .ctx = ctx),
        };
        struct px t;

        px_begin(&t);
        struct belay_tls *tls = kit_identity(&t.tls, NULL);
        struct bl_hop hop = tls_hop(BL_HOP_CONNECT, i < 3 ? NULL : tls);
        want_target_tls(&t, tls);
        struct px_peer *p = px_listen(&t, steps + i / 3, 1);
        px_route(&t, &hop, 1, p);
        px_dial(&t);
        px_expect_failure(&t, BELAY_ECERT, BELAY_STAGE_TLS,
                          i % 3 == 2 ? "is self-signed and not trusted here"
                          : i < 3    ? "not for target.test"
                                     : "not for proxy.test");
        px_expect_no_secret(&t);
        finish(&t, tls);
        SSL_CTX_free(ctx);
        kit_cert_free(&cert);
    }
}

static void a_proxy_that_does_not_shake_hands_has_the_tls_limit(void **state)
{
    struct px t;
    (void)state;
    px_begin(&t);
    t.plan.tls_timeout_ms = 30;
    struct belay_tls *tls = kit_identity(&t.tls, NULL);
    struct bl_hop hop = tls_hop(BL_HOP_CONNECT, tls);
    struct px_peer *p = px_listen(&t, NULL, 0);
    px_route(&t, &hop, 1, p);
    px_dial(&t);
    px_expect_failure(&t, BELAY_ETIMEDOUT, BELAY_STAGE_TLS,
                      "negotiating TLS with https://proxy.test on the way");
    finish(&t, tls);
}

static void each_failing_allocation_over_tls_is_a_tunnel_or_an_error(void **state)
{
    struct ends e;
    bool failed = true;
    (void)state;
    make_ends(&e, 0);
    struct px_step steps[] = {
        PX_BYTES("", "", .then = PX_TLS, .ctx = e.proxy),
        PX_BYTES(CONNECT_TARGET, OK_200, .then = PX_TLS, .ctx = e.target),
    };
    for (size_t n = 1; failed; n++) {
        struct px t;

        px_begin(&t);
        struct belay_tls *tls = kit_identity(&t.tls, NULL);
        struct bl_hop hop = tls_hop(BL_HOP_CONNECT, tls);
        want_target_tls(&t, tls);
        struct px_peer *p = px_listen(&t, steps, BL_COUNT(steps));
        px_route(&t, &hop, 1, p);
        failing_alloc_once(&t.net.alloc, n);
        int rc = px_try(&t);
        assert_true(rc == 0 || rc == BELAY_ENOMEM);
        if (rc == 0)
            px_until(&t, &t.told);
        if (rc == 0 && !t.stream)
            assert_int_equal(t.error.code, BELAY_ENOMEM);
        failed = failing_alloc_failures(&t.net.alloc) > 0;
        failing_alloc_once(&t.net.alloc, 0);
        finish(&t, tls);
    }
    free_ends(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_goes_through_a_tunnel),
        cmocka_unit_test(a_proxy_is_spoken_to_over_tls),
        cmocka_unit_test(tls_within_tls),
        cmocka_unit_test(all_of_it_at_once),
        cmocka_unit_test(much_goes_through_two_layers),
        cmocka_unit_test(each_identity_has_its_own_tickets),
        cmocka_unit_test(whose_certificate_was_refused_is_told),
        cmocka_unit_test(plain_words_of_a_proxys_are_not_shown),
        cmocka_unit_test(names_in_certificates_of_proxies_are_not_shown),
        cmocka_unit_test(a_proxy_that_does_not_shake_hands_has_the_tls_limit),
        cmocka_unit_test(each_failing_allocation_over_tls_is_a_tunnel_or_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
