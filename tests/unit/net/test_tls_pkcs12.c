/* SPDX-License-Identifier: MIT */
/* Client certificates in files of PKCS#12. */
#include <openssl/pkcs12.h>
#include <stdio.h>
#include <string.h>

#include "net/tls.h"
#include "test_tls_kit.h"

static struct kit_cert middle, client;

/* With what is not NULL; the path lives until the next call. */
static const char *p12_file(struct kit *kit, const char *name, const char *passphrase,
                            EVP_PKEY *key, X509 *cert, X509 *above)
{
    static char path[200];
    STACK_OF(X509) *chain = sk_X509_new_null();
    PKCS12 *p12;
    FILE *f;

    if (above)
        sk_X509_push(chain, above);
    p12 = PKCS12_create(passphrase, "me", key, cert, chain, 0, 0, 0, 0, 0);
    assert_non_null(p12);
    snprintf(path, sizeof path, "%s", kit_file(kit, name, "x"));
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(i2d_PKCS12_fp(f, p12), 1);
    fclose(f);
    PKCS12_free(p12);
    sk_X509_free(chain);
    return path;
}

static void check_refused(struct kit *kit, const struct belay_tls_options *o, int code,
                          const char *words)
{
    struct belay_error error;
    struct belay_tls *tls;

    assert_int_equal(belay_tls_new(kit->loop, o, &tls, &error), code);
    assert_says(&error, code, words);
}

static struct belay_tls_options options(struct kit *kit)
{
    struct belay_tls_options o = belay_tls_options_init();

    o.ca_file = kit_cert_file(kit, "ca.pem", &kit_ca()->cert, 1);
    return o;
}

/* A server that wants a certificate of the authority takes this one. */
static void check_taken(struct kit *kit, const struct belay_tls_options *o)
{
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.wants_client = true});
    struct belay_error error = {.text = ""};
    struct belay_tls *tls;
    struct kit_pair pair;

    if (belay_tls_new(kit->loop, o, &tls, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(kit_connect(&pair, kit, ctx, tls), 0);
    kit_exchange(&pair);
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
}

static void certificate_chain_and_key_are_used(void **state)
{
    struct kit *kit = *state;
    struct belay_tls_options o = options(kit);

    o.cert_file = p12_file(kit, "c.p12", "open sesame", client.key, client.cert, middle.cert);
    o.key_passphrase = "open sesame";
    check_taken(kit, &o);
}

static void no_passphrase_opens_what_has_none(void **state)
{
    struct kit *kit = *state;
    struct belay_tls_options o = options(kit);

    o.cert_file = p12_file(kit, "c.p12", NULL, client.key, client.cert, middle.cert);
    check_taken(kit, &o);
    o.cert_file = p12_file(kit, "c.p12", "", client.key, client.cert, middle.cert);
    check_taken(kit, &o);
}

static void a_wrong_passphrase_is_named(void **state)
{
    struct kit *kit = *state;
    struct belay_tls_options o = options(kit);

    o.cert_file = p12_file(kit, "c.p12", "open sesame", client.key, client.cert, NULL);
    o.key_passphrase = "open wheat";
    check_refused(kit, &o, BELAY_EFILE, "c.p12 cannot be decrypted: the passphrase is wrong");
    o.key_passphrase = NULL;
    check_refused(kit, &o, BELAY_EFILE, "c.p12 is encrypted, and no passphrase was given");
}

static void what_lacks_a_part_is_refused(void **state)
{
    struct kit *kit = *state;
    struct belay_tls_options o = options(kit);

    o.key_passphrase = "p";
    o.cert_file = p12_file(kit, "key.p12", "p", client.key, NULL, NULL);
    check_refused(kit, &o, BELAY_EFILE, "key.p12 holds no certificate with its private key");
    o.cert_file = p12_file(kit, "cert.p12", "p", NULL, client.cert, NULL);
    check_refused(kit, &o, BELAY_EFILE, "cert.p12 holds no certificate with its private key");
}

static void a_damaged_file_is_refused(void **state)
{
    struct kit *kit = *state;
    struct belay_tls_options o = options(kit);
    FILE *f;

    o.cert_file = kit_file(kit, "bad.p12", "\x30\x82\x01\x01\x02\x01\x03");
    check_refused(kit, &o, BELAY_EFILE, "bad.p12 is neither PEM nor PKCS#12");
    o.key_passphrase = "p";
    o.cert_file = p12_file(kit, "c.p12", "p", client.key, client.cert, NULL);
    f = fopen(o.cert_file, "r+b");
    assert_non_null(f);
    fseek(f, 200, SEEK_SET);
    fputs("damage", f);
    fclose(f);
    check_refused(kit, &o, BELAY_EFILE, "c.p12");
}

/* Text that begins with the same byte. */
static void text_is_read_as_pem(void **state)
{
    struct kit *kit = *state;
    struct belay_tls_options o = options(kit);

    o.cert_file = kit_file(kit, "c.pem", "0000\n");
    check_refused(kit, &o, BELAY_EFILE, "c.pem holds no PEM certificate");
}

static void a_key_file_beside_it_is_a_contradiction(void **state)
{
    struct kit *kit = *state;
    struct belay_tls_options o = options(kit);

    o.cert_file = p12_file(kit, "c.p12", NULL, client.key, client.cert, NULL);
    o.key_file = kit_key_file(kit, "c.key", client.key, NULL);
    check_refused(kit, &o, BELAY_EINVAL, "key_file: the certificate file");
}

static void the_same_certificate_is_the_same_in_either_form(void **state)
{
    struct kit *kit = *state;
    struct belay_tls_options p12 = belay_tls_options_init(), pem = p12;
    X509 *both[] = {client.cert, middle.cert};
    struct belay_tls *one, *two;

    pem.cert_file = kit_cert_file(kit, "c.pem", both, 2);
    pem.key_file = kit_key_file(kit, "c.key", client.key, NULL);
    assert_int_equal(belay_tls_new(kit->loop, &pem, &one, NULL), 0);
    p12.cert_file = p12_file(kit, "c.p12", "p", client.key, client.cert, middle.cert);
    p12.key_passphrase = "p";
    assert_int_equal(belay_tls_new(kit->loop, &p12, &two, NULL), 0);
    assert_memory_equal(bl_tls_fingerprint(one), bl_tls_fingerprint(two), 32);
    belay_tls_unref(two);
    p12.cert_file = p12_file(kit, "c.p12", "p", client.key, client.cert, NULL);
    assert_int_equal(belay_tls_new(kit->loop, &p12, &two, NULL), 0);
    assert_memory_not_equal(bl_tls_fingerprint(one), bl_tls_fingerprint(two), 32);
    belay_tls_unref(two);
    belay_tls_unref(one);
}

static int make_certificates(void **state)
{
    (void)state;
    middle = kit_cert_make(&(struct kit_cert_plan){.cn = "Middle", .issuer = kit_ca(), .ca = true});
    client = kit_cert_make(&(struct kit_cert_plan){.cn = "me", .issuer = &middle});
    return 0;
}

static int free_certificates(void **state)
{
    (void)state;
    kit_cert_free(&client);
    kit_cert_free(&middle);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_set_up, kit_tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(certificate_chain_and_key_are_used),
        TEST(no_passphrase_opens_what_has_none),
        TEST(a_wrong_passphrase_is_named),
        TEST(what_lacks_a_part_is_refused),
        TEST(a_damaged_file_is_refused),
        TEST(text_is_read_as_pem),
        TEST(a_key_file_beside_it_is_a_contradiction),
        TEST(the_same_certificate_is_the_same_in_either_form),
    };

    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
