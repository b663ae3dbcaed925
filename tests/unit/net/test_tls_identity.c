/* SPDX-License-Identifier: MIT */
/* Identities: what files may be, how refusals read, and when two identities are the same. */
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/tls.h"
#include "test_tls_kit.h"

static int make(struct kit *kit, const struct belay_tls_options *o, struct belay_tls **tls,
                struct belay_error *error)
{
    *tls = NULL;
    memset(error, 0, sizeof *error);
    return belay_tls_new(kit->loop, o, tls, error);
}

static void check_refused(struct kit *kit, const struct belay_tls_options *o, int code,
                          const char *words)
{
    struct belay_error error;
    struct belay_tls *tls;

    assert_int_equal(make(kit, o, &tls, &error), code);
    assert_null(tls);
    assert_says(&error, code, words);
    assert_int_equal(belay_tls_new(kit->loop, o, &tls, NULL), code);
}

/* ---- trust ---- */

static void a_ca_file_that_cannot_be_used_is_named_with_the_reason(void **state)
{
    struct kit *kit = *state;
    struct belay_tls_options o = belay_tls_options_init();
    char path[200], words[300];

    snprintf(path, sizeof path, "%s/none.pem", kit->dir);
    o.ca_file = path;
    snprintf(words, sizeof words, "cannot read the CA file %s: no such file", path);
    check_refused(kit, &o, BELAY_EFILE, words);

    o.ca_file = kit->dir;
    check_refused(kit, &o, BELAY_EFILE, "directory");

    o.ca_file = kit_file(kit, "empty.pem", "");
    snprintf(words, sizeof words, "the CA file %s is empty", o.ca_file);
    check_refused(kit, &o, BELAY_EFILE, words);

    o.ca_file = kit_file(kit, "text.pem", "dear diary\n");
    snprintf(words, sizeof words, "the CA file %s holds no PEM certificate", o.ca_file);
    check_refused(kit, &o, BELAY_EFILE, words);

    o.ca_file =
        kit_file(kit, "bad.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    check_refused(kit, &o, BELAY_EFILE, "certificate 1 in the CA file");

    o.ca_file = kit_file(kit, "cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    check_refused(kit, &o, BELAY_EFILE, "is damaged");
}

static void an_unreadable_ca_file_is_refused(void **state)
{
    struct kit *kit = *state;
    struct belay_tls_options o = belay_tls_options_init();

    o.ca_file = kit_file(kit, "secret.pem", "x");
    chmod(o.ca_file, 0);
    if (geteuid() == 0)
        skip();
    check_refused(kit, &o, BELAY_EFILE, "permission denied");
}

static void ca_pem_that_is_none_is_refused(void **state)
{
    struct belay_tls_options o = belay_tls_options_init();

    o.ca_pem = "";
    check_refused(*state, &o, BELAY_EFILE, "ca_pem holds no PEM certificate");
}

/* One connection to kit_site() with the identity. */
static int connects(struct kit *kit, struct belay_tls *tls)
{
    SSL_CTX *ctx = kit_server(NULL);
    struct kit_pair pair;
    int code = kit_connect(&pair, kit, ctx, tls);

    kit_pair_close(&pair);
    SSL_CTX_free(ctx);
    return code;
}

static void check_same(struct kit *kit, const struct belay_tls_options *a,
                       const struct belay_tls_options *b, bool same)
{
    struct belay_tls *one, *two;

    assert_int_equal(belay_tls_new(kit->loop, a, &one, NULL), 0);
    assert_int_equal(belay_tls_new(kit->loop, b, &two, NULL), 0);
    assert_true((memcmp(bl_tls_fingerprint(one), bl_tls_fingerprint(two), 32) == 0) == same);
    belay_tls_unref(one);
    belay_tls_unref(two);
}

static void the_same_trust_is_the_same_wherever_it_was_read(void **state)
{
    struct kit *kit = *state;
    struct kit_cert other = kit_cert_make(&(struct kit_cert_plan){.cn = "Other", .ca = true});
    struct belay_tls_options file = belay_tls_options_init(), dir = file, pem = file, more = file;
    X509 *both[] = {other.cert, kit_ca()->cert, kit_ca()->cert};
    struct belay_tls *tls;
    char dir_path[100], link_path[140];

    snprintf(dir_path, sizeof dir_path, "%s/cas", kit->dir);
    assert_int_equal(mkdir(dir_path, 0700), 0);
    kit_cert_file(kit, "cas/one.pem", &kit_ca()->cert, 1);
    kit_file(kit, "cas/README", "not a certificate");
    kit_file(kit, "cas/.hidden", "-----BEGIN CERTIFICATE-----\n");
    kit_file(kit, "cas/empty", "");
    snprintf(link_path, sizeof link_path, "%s/gone.0", dir_path);
    assert_int_equal(symlink("nowhere", link_path), 0);
    snprintf(link_path, sizeof link_path, "%s/12345678.0", dir_path);
    assert_int_equal(symlink("one.pem", link_path), 0);

    file.ca_file = kit_cert_file(kit, "ca.pem", &kit_ca()->cert, 1);
    dir.ca_dir = dir_path;
    pem.ca_pem = kit_pem(kit_ca()->cert);
    more.ca_file = kit_cert_file(kit, "more.pem", both, 3);
    check_same(kit, &file, &dir, true);
    check_same(kit, &file, &pem, true);
    check_same(kit, &file, &more, false);
    assert_int_equal(belay_tls_new(kit->loop, &dir, &tls, NULL), 0);
    assert_int_equal(connects(kit, tls), 0);
    belay_tls_unref(tls);
    assert_int_equal(belay_tls_new(kit->loop, &more, &tls, NULL), 0);
    assert_int_equal(connects(kit, tls), 0);
    belay_tls_unref(tls);
    free((char *)(uintptr_t)pem.ca_pem);
    kit_cert_free(&other);
}

static void files_are_read_once(void **state)
{
    struct kit *kit = *state;
    struct belay_tls_options o = belay_tls_options_init();
    struct belay_tls *tls;

    o.ca_file = kit_cert_file(kit, "ca.pem", &kit_ca()->cert, 1);
    assert_int_equal(belay_tls_new(kit->loop, &o, &tls, NULL), 0);
    unlink(o.ca_file);
    assert_int_equal(connects(kit, tls), 0);
    belay_tls_unref(tls);
}

static void a_ca_dir_without_certificates_is_refused(void **state)
{
    struct kit *kit = *state;
    struct belay_tls_options o = belay_tls_options_init();

    o.ca_dir = kit->dir;
    check_refused(kit, &o, BELAY_EFILE, "holds no PEM certificate");
    o.ca_dir = "/nonexistent/dir";
    check_refused(kit, &o, BELAY_EFILE,
                  "cannot read the CA directory /nonexistent/dir: no such file");
}

static void the_system_is_trusted_by_default_and_not_beside_a_file(void **state)
{
    struct kit *kit = *state;
    struct belay_tls *tls;

    /* The default store is whatever the variable names. */
    setenv("SSL_CERT_FILE", kit_cert_file(kit, "sys.pem", &kit_ca()->cert, 1), 1);
    assert_int_equal(belay_tls_new(kit->loop, NULL, &tls, NULL), 0);
    assert_int_equal(connects(kit, tls), 0);
    belay_tls_unref(tls);
    {
        struct kit_cert other = kit_cert_make(&(struct kit_cert_plan){.cn = "Other", .ca = true});
        struct belay_tls_options o = belay_tls_options_init();

        o.ca_file = kit_cert_file(kit, "other.pem", &other.cert, 1);
        assert_int_equal(belay_tls_new(kit->loop, &o, &tls, NULL), 0);
        assert_int_equal(connects(kit, tls), BELAY_ECERT);
        belay_tls_unref(tls);
        kit_cert_free(&other);
    }
    unsetenv("SSL_CERT_FILE");
}

/* ---- client certificate ---- */

static struct kit_cert client(void)
{
    return kit_cert_make(&(struct kit_cert_plan){.cn = "me", .issuer = kit_ca()});
}

static void a_key_with_its_passphrase_is_used(void **state)
{
    struct kit *kit = *state;
    struct kit_cert cert = client();
    struct belay_tls_options o = belay_tls_options_init();
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.wants_client = true});
    struct belay_tls *tls;
    struct kit_pair pair;

    o.ca_file = kit_cert_file(kit, "ca.pem", &kit_ca()->cert, 1);
    o.cert_file = kit_cert_file(kit, "c.pem", &cert.cert, 1);
    o.key_file = kit_key_file(kit, "c.key", cert.key, "open sesame");
    o.key_passphrase = "open sesame";
    assert_int_equal(belay_tls_new(kit->loop, &o, &tls, NULL), 0);
    assert_int_equal(kit_connect(&pair, kit, ctx, tls), 0);
    kit_exchange(&pair);
    kit_pair_close(&pair);
    belay_tls_unref(tls);

    o.key_passphrase = "open wheat";
    check_refused(kit, &o, BELAY_EFILE, "c.key cannot be decrypted: the passphrase is wrong");
    o.key_passphrase = NULL;
    check_refused(kit, &o, BELAY_EFILE, "c.key is encrypted, and no passphrase was given");
    SSL_CTX_free(ctx);
    kit_cert_free(&cert);
}

static void certificate_chain_and_key_may_share_a_file(void **state)
{
    struct kit *kit = *state;
    struct kit_cert middle =
        kit_cert_make(&(struct kit_cert_plan){.cn = "Middle", .issuer = kit_ca(), .ca = true});
    struct kit_cert cert = kit_cert_make(&(struct kit_cert_plan){.cn = "me", .issuer = &middle});
    SSL_CTX *ctx = kit_server(&(struct kit_server_plan){.wants_client = true});
    struct belay_tls_options o = belay_tls_options_init();
    BIO *bio = BIO_new(BIO_s_mem());
    struct belay_tls *tls;
    struct kit_pair pair;
    char *text;

    o.ca_file = kit_cert_file(kit, "ca.pem", &kit_ca()->cert, 1);
    PEM_write_bio_X509(bio, cert.cert);
    PEM_write_bio_X509(bio, middle.cert);
    PEM_write_bio_PrivateKey_traditional(bio, cert.key, NULL, NULL, 0, NULL, NULL);
    BIO_write(bio, "", 1);
    BIO_get_mem_data(bio, &text);
    o.cert_file = kit_file(kit, "all.pem", text);
    BIO_free(bio);
    assert_int_equal(belay_tls_new(kit->loop, &o, &tls, NULL), 0);
    assert_int_equal(kit_connect(&pair, kit, ctx, tls), 0);
    kit_exchange(&pair);
    kit_pair_close(&pair);
    belay_tls_unref(tls);
    SSL_CTX_free(ctx);
    kit_cert_free(&cert);
    kit_cert_free(&middle);
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    struct kit *kit = *state;
    struct kit_cert cert = client(), other = client();
    struct belay_tls_options o = belay_tls_options_init();
    char words[400];

    o.no_verify = true;
    o.cert_file = kit_cert_file(kit, "c.pem", &cert.cert, 1);
    o.key_file = kit_key_file(kit, "o.key", other.key, NULL);
    snprintf(words, sizeof words, "the key in %s does not belong to the certificate in %s",
             o.key_file, o.cert_file);
    check_refused(kit, &o, BELAY_EFILE, words);
    o.key_file = o.cert_file;
    check_refused(kit, &o, BELAY_EFILE, "c.pem holds no PEM private key");
    o.key_file = NULL;
    check_refused(kit, &o, BELAY_EFILE, "c.pem holds no PEM private key");
    o.key_file = "/nonexistent/k";
    check_refused(kit, &o, BELAY_EFILE, "cannot read the key file /nonexistent/k: no such file");
    o.cert_file = kit_key_file(kit, "c.key", cert.key, NULL);
    check_refused(kit, &o, BELAY_EFILE, "c.key holds no PEM certificate");
    kit_cert_free(&cert);
    kit_cert_free(&other);
}

/* ---- other options ---- */

static void options_out_of_range_are_named(void **state)
{
    struct belay_tls_options o = belay_tls_options_init();
    const char *pins[] = {"sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", NULL};
    static const char *const bad[] = {"",
                                      "AAAA",
                                      "sha1//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                                      "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                      "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",
                                      "sha256// AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};

    o.min_version = (enum belay_tls_version)9;
    check_refused(*state, &o, BELAY_EINVAL, "min_version");
    o.min_version = BELAY_TLS_DEFAULT;
    o.sessions_max = -5;
    check_refused(*state, &o, BELAY_EINVAL, "sessions_max");
    o.sessions_max = 0;
    o.ciphers = "NO-SUCH-CIPHER";
    check_refused(*state, &o, BELAY_EINVAL, "ciphers: none of 'NO-SUCH-CIPHER' is known");
    o.ciphers = NULL;
    o.key_file = "k";
    check_refused(*state, &o, BELAY_EINVAL, "key_file");
    o.key_file = NULL;
    o.key_passphrase = "p";
    check_refused(*state, &o, BELAY_EINVAL, "key_passphrase");
    o.key_passphrase = NULL;
    o.pins_n = 2;
    check_refused(*state, &o, BELAY_EINVAL, "pins");
    o.pins = pins;
    check_refused(*state, &o, BELAY_EINVAL, "pins: number 2 is not of the form sha256//BASE64");
    for (size_t i = 0; i < BL_COUNT(bad); i++) {
        pins[1] = bad[i];
        check_refused(*state, &o, BELAY_EINVAL, "pins: number 2");
    }
    o = belay_tls_options_init();
    o.ssl_ctx = &o;
    o.no_verify = true;
    check_refused(*state, &o, BELAY_EINVAL, "ssl_ctx");
}

/* ---- the fingerprint ---- */

#define PIN_A "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define PIN_B "sha256//BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void every_option_makes_another_fingerprint(void **state)
{
    struct kit *kit = *state;
    struct kit_cert cert = client(), other = client();
    X509 *chain[] = {cert.cert, kit_ca()->cert};
    static const char *const pin_a[] = {PIN_A}, *const pin_ab[] = {PIN_A, PIN_B};
    struct belay_tls_options o[20];
    struct belay_tls *tls[20];
    SSL_CTX *own[2] = {SSL_CTX_new(TLS_client_method()), SSL_CTX_new(TLS_client_method())};
    char *ca = kit_pem(kit_ca()->cert), *other_ca = kit_pem(other.cert);
    size_t n = 0;
    char paths[4][200];

    snprintf(paths[0], 200, "%s", kit_cert_file(kit, "c.pem", &cert.cert, 1));
    snprintf(paths[1], 200, "%s", kit_key_file(kit, "c.key", cert.key, NULL));
    snprintf(paths[2], 200, "%s", kit_cert_file(kit, "chain.pem", chain, 2));
    snprintf(paths[3], 200, "%s", kit_cert_file(kit, "o.pem", &other.cert, 1));
    for (size_t i = 0; i < BL_COUNT(o); i++) {
        o[i] = belay_tls_options_init();
        o[i].ca_pem = ca;
    }
    n++; /* the plain one */
    o[n++].ca_pem = other_ca;
    o[n++].ca_file = paths[3]; /* beside ca_pem */
    o[n++].ca_pem = NULL;      /* the system's */
    o[n].cert_file = paths[0], o[n++].key_file = paths[1];
    o[n].cert_file = paths[2], o[n++].key_file = paths[1];
    o[n].cert_file = paths[3], o[n++].key_file = kit_key_file(kit, "o.key", other.key, NULL);
    o[n++].ciphers = "ECDHE+AESGCM";
    o[n++].ciphers = "ECDHE+CHACHA20";
    o[n].pins = pin_a, o[n++].pins_n = 1;
    o[n].pins = pin_ab, o[n++].pins_n = 2;
    o[n++].min_version = BELAY_TLS_1_3;
    o[n++].no_verify = true;
    o[n++].no_verify_name = true;
    o[n++].no_resumption = true;
    o[n++].sessions_max = 7;
    o[n].ca_pem = NULL, o[n++].ssl_ctx = own[0];
    o[n].ca_pem = NULL, o[n++].ssl_ctx = own[1];
    assert_true(n <= BL_COUNT(o));
    for (size_t i = 0; i < n; i++)
        assert_int_equal(belay_tls_new(kit->loop, &o[i], &tls[i], NULL), 0);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(bl_tls_fingerprint(tls[i]), bl_tls_fingerprint(tls[j]), 32);
        check_same(kit, &o[i], &o[i], true);
    }
    for (size_t i = 0; i < n; i++)
        belay_tls_unref(tls[i]);
    SSL_CTX_free(own[0]);
    SSL_CTX_free(own[1]);
    free(ca);
    free(other_ca);
    kit_cert_free(&cert);
    kit_cert_free(&other);
}

static void what_means_the_same_has_one_fingerprint(void **state)
{
    static const char *const ab[] = {PIN_A, PIN_B}, *const bab[] = {PIN_B, PIN_A, PIN_B};
    struct belay_tls_options a = belay_tls_options_init(), b = a;

    a.pins = ab, a.pins_n = 2;
    b.pins = bab, b.pins_n = 3;
    b.min_version = BELAY_TLS_1_2;
    b.sessions_max = 1024;
    check_same(*state, &a, &b, true);
}

static void references_keep_an_identity(void **state)
{
    struct kit *kit = *state;
    struct belay_tls *tls = kit_identity(kit, NULL);

    assert_ptr_equal(belay_tls_ref(tls), tls);
    belay_tls_unref(tls);
    assert_int_equal(connects(kit, tls), 0);
    belay_tls_unref(tls);
    belay_tls_unref(NULL);
}

/* ---- memory ---- */

static void an_identity_survives_every_failing_allocation(void **state)
{
    struct kit *kit = *state;
    struct kit_cert cert = client();
    static const char *const pin[] = {PIN_A};
    struct belay_tls_options o = belay_tls_options_init();
    size_t live = failing_alloc_live(&kit->alloc);
    char dir_path[100];
    char *ca = kit_pem(kit_ca()->cert);

    snprintf(dir_path, sizeof dir_path, "%s/cas", kit->dir);
    assert_int_equal(mkdir(dir_path, 0700), 0);
    kit_cert_file(kit, "cas/one.pem", &cert.cert, 1);
    o.ca_dir = dir_path;
    o.ca_file = kit_cert_file(kit, "ca.pem", &kit_ca()->cert, 1);
    o.ca_pem = ca;
    o.cert_file = kit_cert_file(kit, "c.pem", &cert.cert, 1);
    o.key_file = kit_key_file(kit, "c.key", cert.key, "x");
    o.key_passphrase = "x";
    o.pins = pin;
    o.pins_n = 1;
    for (size_t n = 1;; n++) {
        struct belay_tls *tls = NULL;
        struct belay_error error;
        int code;

        failing_alloc_once(&kit->alloc, n);
        code = belay_tls_new(kit->loop, &o, &tls, &error);
        failing_alloc_once(&kit->alloc, 0);
        if (code == 0) {
            assert_true(n > 6);
            belay_tls_unref(tls);
            break;
        }
        assert_says(&error, BELAY_ENOMEM, "out of memory");
        assert_int_equal(failing_alloc_live(&kit->alloc), live);
    }
    free(ca);
    kit_cert_free(&cert);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, kit_set_up, kit_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_ca_file_that_cannot_be_used_is_named_with_the_reason),
        TEST(an_unreadable_ca_file_is_refused),
        TEST(ca_pem_that_is_none_is_refused),
        TEST(the_same_trust_is_the_same_wherever_it_was_read),
        TEST(files_are_read_once),
        TEST(a_ca_dir_without_certificates_is_refused),
        TEST(the_system_is_trusted_by_default_and_not_beside_a_file),
        TEST(a_key_with_its_passphrase_is_used),
        TEST(certificate_chain_and_key_may_share_a_file),
        TEST(a_key_of_another_certificate_is_refused),
        TEST(options_out_of_range_are_named),
        TEST(every_option_makes_another_fingerprint),
        TEST(what_means_the_same_has_one_fingerprint),
        TEST(references_keep_an_identity),
        TEST(an_identity_survives_every_failing_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
