/* SPDX-License-Identifier: MIT */
/* Who is believed: dates, authorities, names and pins, each refusal in words. */
#include "test_tls_kit.h"

/* One handshake with a server that shows `cert`, under the name; closes all. */
static int try_name(struct kit *kit, const struct kit_cert *cert, struct belay_tls *tls,
                    const char *name, struct belay_error *error)
{
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.cert = cert});
    struct kit_pair pair;
    int code;

    kit_pair_init(&pair, kit, ctx);
    code = kit_dial(&pair, tls, name);
    if (code == 0)
        code = kit_shake(&pair);
    if (code == 0)
        kit_exchange(&pair);
    *error = pair.error;
    kit_pair_close(&pair);
    SSL_CTX_free(ctx);
    return code;
}

/* A server with the planned certificate is refused with these words, and no session of it is kept.
 */
static void check_refused(struct kit *kit, const struct kit_cert_plan *plan, const char *name,
                          const char *words)
{
    struct kit_cert cert = kit_cert_make(plan);
    struct belay_tls *tls = kit_identity(kit, NULL);
    struct belay_error error;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(try_name(kit, &cert, tls, name, &error), BELAY_ECERT);
        assert_says(&error, BELAY_ECERT, words);
        assert_int_not_equal(error.tls_code, 0);
    }
    belay_tls_unref(tls);
    kit_cert_free(&cert);
}

static void an_expired_certificate_is_refused_with_its_date(void **state)
{
    check_refused(*state,
                  &(struct kit_cert_plan){.cn = "a.test",
                                          .san = "DNS:a.test",
                                          .issuer = kit_ca(),
                                          .from_days = -20,
                                          .to_days = -1},
                  NULL, "the certificate expired on 2029-12-31 (CN = a.test)");
}

static void a_certificate_of_the_future_is_refused_with_its_date(void **state)
{
    check_refused(
        *state,
        &(struct kit_cert_plan){
            .cn = "a.test", .san = "DNS:a.test", .issuer = kit_ca(), .from_days = 3, .to_days = 9},
        NULL, "the certificate is not valid before 2030-01-04 (CN = a.test)");
}

static void the_date_is_the_loops(void **state)
{
    struct kit *kit = *state;
    struct belay_tls *tls = kit_identity(kit, NULL);
    struct belay_error error;

    kit->wall_ms += (int64_t)200 * 86400 * 1000;
    assert_int_equal(try_name(kit, NULL, tls, NULL, &error), BELAY_ECERT);
    assert_says(&error, BELAY_ECERT, "expired on 2030-04-11");
    kit->wall_ms = KIT_NOW_MS;
    assert_int_equal(try_name(kit, NULL, tls, NULL, &error), 0);
    belay_tls_unref(tls);
}

static void an_expired_authority_is_told_apart_from_its_certificates(void **state)
{
    struct kit_cert old_ca = kit_cert_make(&(struct kit_cert_plan){
        .cn = "Old CA", .issuer = kit_ca(), .ca = true, .from_days = -9, .to_days = -2});
    struct kit_cert site = kit_cert_make(
        &(struct kit_cert_plan){.cn = "a.test", .san = "DNS:a.test", .issuer = &old_ca});
    struct belay_tls *tls = kit_identity(*state, NULL);
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.cert = &site});
    struct kit_pair pair;

    SSL_CTX_add1_chain_cert(ctx, old_ca.cert);
    assert_int_equal(kit_connect(&pair, *state, ctx, tls), BELAY_ECERT);
    assert_says(&pair.error, BELAY_ECERT,
                "the authority's certificate expired on 2029-12-30 (CN = Old CA)");
    kit_pair_close(&pair);
    SSL_CTX_free(ctx);
    belay_tls_unref(tls);
    kit_cert_free(&site);
    kit_cert_free(&old_ca);
}

static void a_self_signed_certificate_is_refused(void **state)
{
    check_refused(*state, &(struct kit_cert_plan){.cn = "a.test", .san = "DNS:a.test"}, NULL,
                  "self-signed and not trusted here (CN = a.test)");
}

static void an_unknown_authority_is_named(void **state)
{
    struct kit_cert other = kit_cert_make(&(struct kit_cert_plan){.cn = "Other CA", .ca = true});

    check_refused(*state,
                  &(struct kit_cert_plan){.cn = "a.test", .san = "DNS:a.test", .issuer = &other},
                  NULL, "unknown authority (CN = Other CA)");
    kit_cert_free(&other);
}

static void an_untrusted_root_in_the_chain_is_named(void **state)
{
    struct kit_cert other = kit_cert_make(&(struct kit_cert_plan){.cn = "Other CA", .ca = true});
    struct kit_cert site = kit_cert_make(
        &(struct kit_cert_plan){.cn = "a.test", .san = "DNS:a.test", .issuer = &other});
    struct belay_tls *tls = kit_identity(*state, NULL);
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.cert = &site});
    struct kit_pair pair;

    SSL_CTX_add1_chain_cert(ctx, other.cert);
    assert_int_equal(kit_connect(&pair, *state, ctx, tls), BELAY_ECERT);
    assert_says(&pair.error, BELAY_ECERT, "unknown authority (CN = Other CA)");
    kit_pair_close(&pair);
    SSL_CTX_free(ctx);
    belay_tls_unref(tls);
    kit_cert_free(&site);
    kit_cert_free(&other);
}

static void a_certificate_for_other_names_is_refused_with_both(void **state)
{
    const struct kit_cert_plan plan = {
        .cn = "x.test", .san = "DNS:x.test,DNS:*.y.test,IP:10.0.0.1", .issuer = kit_ca()};

    check_refused(*state, &plan, "a.test",
                  "the certificate is for x.test, *.y.test, 10.0.0.1, not for a.test");
    check_refused(*state, &plan, "127.0.0.1", "not for 127.0.0.1");
    check_refused(*state, &plan, "y.test", "not for y.test");
    check_refused(*state, &plan, "a.b.y.test", "not for a.b.y.test");
}

static void a_common_name_is_no_name(void **state)
{
    check_refused(*state, &(struct kit_cert_plan){.cn = "a.test", .issuer = kit_ca()}, "a.test",
                  "names no host (CN = a.test, without subjectAltName), so it is not for a.test");
}

static void terminals_are_safe_from_what_a_certificate_says(void **state)
{
    check_refused(*state, &(struct kit_cert_plan){.cn = "a\x1b[31m\xc3\xa9", .san = "DNS:a.test"},
                  NULL, "(CN = a\\x1b[31m\\xc3\\xa9)");
}

static void names_wildcards_and_addresses_are_accepted(void **state)
{
    static const char *const names[] = {"a.test", "A.TEST", "a.test.", "b.w.test", "127.0.0.1"};
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct belay_error error;

    for (size_t i = 0; i < BL_COUNT(names); i++)
        assert_int_equal(try_name(*state, NULL, tls, names[i], &error), 0);
    belay_tls_unref(tls);
}

static void ipv6_addresses_are_names_too(void **state)
{
    struct kit_cert cert = kit_cert_make(
        &(struct kit_cert_plan){.cn = "six", .san = "IP:2001:db8::1", .issuer = kit_ca()});
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct belay_error error;

    assert_int_equal(try_name(*state, &cert, tls, "2001:db8:0::1", &error), 0);
    assert_int_equal(try_name(*state, &cert, tls, "2001:db8::2", &error), BELAY_ECERT);
    assert_says(&error, BELAY_ECERT, "the certificate is for 2001:db8::1, not for 2001:db8::2");
    belay_tls_unref(tls);
    kit_cert_free(&cert);
}

static void nothing_is_verified_without_a_name(void **state)
{
    struct belay_tls *tls = kit_identity(*state, NULL);
    struct belay_error error;

    assert_int_equal(try_name(*state, NULL, tls, "", &error), BELAY_EINVAL);
    assert_says(&error, BELAY_EINVAL, "no name to verify");
    belay_tls_unref(tls);
}

/* ---- less verification ---- */

static void no_name(struct belay_tls_options *o)
{
    o->no_verify_name = true;
}

static void nothing(struct belay_tls_options *o)
{
    o->no_verify = true;
}

static void no_verify_name_looks_at_the_chain_only(void **state)
{
    struct belay_tls *tls = kit_identity(*state, no_name);
    struct kit_cert alien =
        kit_cert_make(&(struct kit_cert_plan){.cn = "a.test", .san = "DNS:a.test"});
    struct belay_error error;

    assert_int_equal(try_name(*state, NULL, tls, "elsewhere.test", &error), 0);
    assert_int_equal(try_name(*state, NULL, tls, "", &error), 0);
    assert_int_equal(try_name(*state, &alien, tls, "a.test", &error), BELAY_ECERT);
    belay_tls_unref(tls);
    kit_cert_free(&alien);
}

static void no_verify_believes_and_says_so(void **state)
{
    struct belay_tls *tls = kit_identity(*state, nothing);
    struct kit_cert alien =
        kit_cert_make(&(struct kit_cert_plan){.cn = "x", .from_days = -9, .to_days = -2});
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.cert = &alien});
    struct belay_tls_facts facts = belay_tls_facts_init();
    struct kit_pair pair;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(kit_connect(&pair, *state, ctx, tls), 0);
        pair.client->ops->tls_facts(pair.client, &facts);
        assert_false(facts.verified);
        kit_pair_close(&pair);
    }
    SSL_CTX_free(ctx);
    belay_tls_unref(tls);
    kit_cert_free(&alien);
}

/* ---- what is trusted is trusted ---- */

static char *own_pem;

static void trust_own(struct belay_tls_options *o)
{
    o->ca_pem = own_pem;
}

static void a_certificate_that_is_itself_trusted_needs_no_authority(void **state)
{
    struct kit_cert self =
        kit_cert_make(&(struct kit_cert_plan){.cn = "a.test", .san = "DNS:a.test"});
    const struct kit_cert *certs[] = {&self, kit_site()};
    struct belay_error error;

    for (size_t i = 0; i < 2; i++) {
        struct belay_tls *tls;

        own_pem = kit_pem(certs[i]->cert);
        tls = kit_identity(*state, trust_own);
        assert_int_equal(try_name(*state, certs[i], tls, NULL, &error), 0);
        belay_tls_unref(tls);
        free(own_pem);
    }
    kit_cert_free(&self);
}

/* ---- pins ---- */

static char right_pin[64];
static const char *pins[2];

static void pin(struct belay_tls_options *o)
{
    o->pins = pins;
    o->pins_n = pins[1] ? 2 : 1;
}

static void learn_pin(struct kit *kit)
{
    struct belay_tls *tls = kit_identity(kit, NULL);
    SSL_CTX *ctx = kit_server(NULL);
    struct belay_tls_facts facts = belay_tls_facts_init();
    struct kit_pair pair;

    assert_int_equal(kit_connect(&pair, kit, ctx, tls), 0);
    pair.client->ops->tls_facts(pair.client, &facts);
    strcpy(right_pin, facts.peer_pin);
    kit_pair_close(&pair);
    SSL_CTX_free(ctx);
    belay_tls_unref(tls);
}

#define WRONG_PIN "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void one_of_the_pins_must_match(void **state)
{
    struct belay_error error;
    struct belay_tls *tls;

    learn_pin(*state);
    pins[0] = WRONG_PIN;
    pins[1] = right_pin;
    tls = kit_identity(*state, pin);
    assert_int_equal(try_name(*state, NULL, tls, NULL, &error), 0);
    belay_tls_unref(tls);
    pins[1] = NULL;
    tls = kit_identity(*state, pin);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(try_name(*state, NULL, tls, NULL, &error), BELAY_EPIN);
        assert_says(&error, BELAY_EPIN, right_pin);
    }
    belay_tls_unref(tls);
}

static void pin_blindly(struct belay_tls_options *o)
{
    pin(o);
    o->no_verify = true;
}

static void pins_hold_without_verification(void **state)
{
    struct belay_error error;
    struct belay_tls *tls;

    pins[0] = WRONG_PIN;
    pins[1] = NULL;
    tls = kit_identity(*state, pin_blindly);
    assert_int_equal(try_name(*state, NULL, tls, NULL, &error), BELAY_EPIN);
    belay_tls_unref(tls);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, kit_set_up, kit_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_expired_certificate_is_refused_with_its_date),
        TEST(a_certificate_of_the_future_is_refused_with_its_date),
        TEST(the_date_is_the_loops),
        TEST(an_expired_authority_is_told_apart_from_its_certificates),
        TEST(a_self_signed_certificate_is_refused),
        TEST(an_unknown_authority_is_named),
        TEST(an_untrusted_root_in_the_chain_is_named),
        TEST(a_certificate_for_other_names_is_refused_with_both),
        TEST(a_common_name_is_no_name),
        TEST(terminals_are_safe_from_what_a_certificate_says),
        TEST(names_wildcards_and_addresses_are_accepted),
        TEST(ipv6_addresses_are_names_too),
        TEST(nothing_is_verified_without_a_name),
        TEST(no_verify_name_looks_at_the_chain_only),
        TEST(no_verify_believes_and_says_so),
        TEST(a_certificate_that_is_itself_trusted_needs_no_authority),
        TEST(one_of_the_pins_must_match),
        TEST(pins_hold_without_verification),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
