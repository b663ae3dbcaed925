/* SPDX-License-Identifier: MIT */
/* TLS of a Chronicle connection: whom it believes, its client certificate, and contradictions. */
#include "service/chronicle_tls.h"

#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdio.h>
#include <string.h>

#include "../net/test_tls_kit.h"
#include "net/tls.h"

static struct kit_cert client, other;

/* ---- what is asked ---- */

struct plan {
    const char *params; /* of the string: "key=value&..." */
    const char *path;   /* certificatePath, if not NULL */
    enum belay_choice skip;
    const struct belay_channel_options *channel;
};

static int make(struct kit *kit, const struct plan *p, struct belay_tls **ret,
                struct belay_error *error)
{
    struct bl_chronicle_string *string;
    struct bl_mem mem;
    char text[600];
    int rc;

    bl_mem_init(&mem, NULL);
    snprintf(text, sizeof text, "chronicle://kernel.test/?%s%s%s", p->params ? p->params : "",
             p->path ? "&certificatePath=" : "", p->path ? p->path : "");
    if (bl_chronicle_string_parse(&mem, bl_span_of(text), &string, error) < 0)
        fail_msg("%s: %s", text, error->text);
    *ret = NULL;
    rc = bl_chronicle_tls_new(kit->loop, string, p->skip, p->channel, ret, error);
    bl_chronicle_string_free(string);
    assert_int_equal(mem.live, 0);
    return rc;
}

static struct belay_tls *made(struct kit *kit, const struct plan *p)
{
    struct belay_error error;
    struct belay_tls *tls;

    if (make(kit, p, &tls, &error) < 0)
        fail_msg("%s", error.text);
    return tls;
}

static void refused(struct kit *kit, const struct plan *p, int code, const char *words)
{
    struct belay_error error;
    struct belay_tls *tls;

    assert_int_equal(make(kit, p, &tls, &error), code);
    assert_null(tls);
    assert_says(&error, code, words);
    assert_null(strstr(error.text, "sesame"));
}

/* Whose certificate it shows; NULL: none. */
static void shows(struct kit *kit, const struct plan *p, const struct kit_cert *cert)
{
    struct belay_tls *tls = made(kit, p);
    X509 *shown = SSL_CTX_get0_certificate(tls->ctx);

    if (cert)
        assert_true(shown && X509_cmp(shown, cert->cert) == 0);
    else
        assert_null(shown);
    belay_tls_unref(tls);
}

/* ---- files ---- */

static const char *p12(struct kit *kit, const char *name, const char *password)
{
    PKCS12 *file = PKCS12_create(password, "me", client.key, client.cert, NULL, 0, 0, 0, 0, 0);
    const char *path = kit_file(kit, name, "x");
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(i2d_PKCS12_fp(f, file), 1);
    fclose(f);
    PKCS12_free(file);
    return path;
}

/* Certificate and key in one file; either may be NULL. */
static const char *pem(struct kit *kit, const char *name, X509 *cert, EVP_PKEY *key,
                       const char *password)
{
    const EVP_CIPHER *cipher = password ? EVP_aes_256_cbc() : NULL;
    const char *path = kit_file(kit, name, "x");
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    if (cert)
        assert_int_equal(PEM_write_X509(f, cert), 1);
    if (key)
        assert_int_equal(PEM_write_PKCS8PrivateKey(f, key, cipher, password,
                                                   password ? (int)strlen(password) : 0, NULL,
                                                   NULL),
                         1);
    fclose(f);
    return path;
}

/* ---- whom it believes ---- */

static void certificates_are_verified_unless_the_string_says_otherwise(void **state)
{
    struct belay_tls *tls = made(*state, &(struct plan){0});

    assert_false(tls->no_verify);
    assert_false(tls->no_verify_name);
    belay_tls_unref(tls);
    tls = made(*state, &(struct plan){.params = "skipTlsValidation=false"});
    assert_false(tls->no_verify);
    belay_tls_unref(tls);
    tls = made(*state, &(struct plan){.params = "skipTlsValidation=true"});
    assert_true(tls->no_verify);
    belay_tls_unref(tls);
}

static void the_option_overrides_the_string_either_way(void **state)
{
    struct belay_tls *tls = made(*state, &(struct plan){.skip = BELAY_CHOICE_YES});

    assert_true(tls->no_verify);
    belay_tls_unref(tls);
    tls = made(*state, &(struct plan){.params = "skipTlsValidation=true", .skip = BELAY_CHOICE_NO});
    assert_false(tls->no_verify);
    belay_tls_unref(tls);
}

static void without_tls_there_is_no_identity(void **state)
{
    struct belay_channel_options plain = belay_channel_options_init();

    plain.plain = true;
    assert_null(made(*state, &(struct plan){.params = "disableTls=true"}));
    assert_null(made(*state, &(struct plan){.params = "disableTls=true&skipTlsValidation=true"}));
    assert_null(made(*state, &(struct plan){.channel = &plain}));
}

static void the_caller_s_own_identity_is_used_as_it_is(void **state)
{
    struct kit *kit = *state;
    struct belay_channel_options own = belay_channel_options_init();
    struct belay_tls *tls;

    own.tls = kit_identity(kit, NULL);
    tls = made(kit, &(struct plan){.channel = &own});
    assert_ptr_equal(tls, own.tls);
    belay_tls_unref(tls);
    belay_tls_unref(own.tls);
}

/* ---- the client certificate ---- */

static void without_a_path_none_is_shown(void **state)
{
    shows(*state, &(struct plan){0}, NULL);
}

static void an_empty_path_is_none(void **state)
{
    shows(*state, &(struct plan){.params = "certificatePath="}, NULL);
    shows(*state, &(struct plan){.params = "certificatePath=&certificatePassword="}, NULL);
}

static void pkcs12_with_its_password(void **state)
{
    shows(*state,
          &(struct plan){.params = "certificatePassword=open%20sesame",
                         .path = p12(*state, "c.pfx", "open sesame")},
          &client);
}

static void pkcs12_without_a_password(void **state)
{
    shows(*state, &(struct plan){.path = p12(*state, "c.p12", "")}, &client);
    shows(*state, &(struct plan){.path = p12(*state, "c.p12", NULL)}, &client);
    shows(*state,
          &(struct plan){.params = "certificatePassword=", .path = p12(*state, "c.p12", "")},
          &client);
}

static void pkcs12_with_a_wrong_password(void **state)
{
    refused(*state,
            &(struct plan){.params = "certificatePassword=sesame2",
                           .path = p12(*state, "c.p12", "open sesame")},
            BELAY_EFILE, "certificatePath: the certificate file");
    refused(*state,
            &(struct plan){.params = "certificatePassword=sesame2",
                           .path = p12(*state, "c.p12", "open sesame")},
            BELAY_EFILE, "the passphrase is wrong");
}

static void pkcs12_whose_password_is_missing(void **state)
{
    refused(*state, &(struct plan){.path = p12(*state, "c.p12", "open sesame")}, BELAY_EFILE,
            "is encrypted, and no passphrase was given");
}

static void pem_with_its_key(void **state)
{
    shows(*state, &(struct plan){.path = pem(*state, "c.pem", client.cert, client.key, NULL)},
          &client);
}

static void pem_with_an_encrypted_key(void **state)
{
    shows(*state,
          &(struct plan){.params = "certificatePassword=sesame",
                         .path = pem(*state, "c.pem", client.cert, client.key, "sesame")},
          &client);
}

static void pem_with_a_wrong_password(void **state)
{
    refused(*state,
            &(struct plan){.params = "certificatePassword=wheat",
                           .path = pem(*state, "c.pem", client.cert, client.key, "sesame")},
            BELAY_EFILE, "cannot be decrypted: the passphrase is wrong");
}

static void pem_whose_password_is_missing(void **state)
{
    refused(*state, &(struct plan){.path = pem(*state, "c.pem", client.cert, client.key, "sesame")},
            BELAY_EFILE, "is encrypted, and no passphrase was given");
}

static void a_password_that_nothing_needs(void **state)
{
    shows(*state,
          &(struct plan){.params = "certificatePassword=sesame",
                         .path = pem(*state, "c.pem", client.cert, client.key, NULL)},
          &client);
}

static void pem_without_its_key(void **state)
{
    refused(*state, &(struct plan){.path = pem(*state, "c.pem", client.cert, NULL, NULL)},
            BELAY_EFILE, "holds no PEM private key");
}

static void pem_without_a_certificate(void **state)
{
    refused(*state, &(struct plan){.path = pem(*state, "c.pem", NULL, client.key, NULL)},
            BELAY_EFILE, "holds no PEM certificate");
}

static void pem_with_another_s_key(void **state)
{
    refused(*state, &(struct plan){.path = pem(*state, "c.pem", client.cert, other.key, NULL)},
            BELAY_EFILE, "does not belong to the certificate");
}

static void a_file_that_is_missing(void **state)
{
    refused(*state, &(struct plan){.path = "/nonexistent/c.pfx"}, BELAY_EFILE,
            "certificatePath: cannot read the certificate file /nonexistent/c.pfx: no such file");
}

static void a_file_that_is_empty_or_something_else(void **state)
{
    refused(*state, &(struct plan){.path = kit_file(*state, "empty.pem", "")}, BELAY_EFILE,
            "is empty");
    refused(*state, &(struct plan){.path = kit_file(*state, "text.pem", "dear diary\n")},
            BELAY_EFILE, "holds no PEM certificate");
    refused(*state, &(struct plan){.path = kit_file(*state, "bad.pfx", "\x30\x82\x01\x01\x02")},
            BELAY_EFILE, "is neither PEM nor PKCS#12");
}

static void a_directory_is_no_certificate(void **state)
{
    struct kit *kit = *state;

    refused(kit, &(struct plan){.path = kit->dir}, BELAY_EFILE, "directory");
}

static void a_path_may_have_any_characters(void **state)
{
    pem(*state, "my cert, new.pem", client.cert, client.key, NULL);
    {
        char path[200];

        snprintf(path, sizeof path, "%s/my%%20cert%%2C%%20new.pem", ((struct kit *)*state)->dir);
        shows(*state, &(struct plan){.path = path}, &client);
    }
}

static void not_to_verify_leaves_the_certificate(void **state)
{
    shows(*state,
          &(struct plan){.params = "skipTlsValidation=true",
                         .path = pem(*state, "c.pem", client.cert, client.key, NULL)},
          &client);
}

/* ---- contradictions: before anything is read ---- */

static void a_certificate_without_tls(void **state)
{
    struct belay_channel_options plain = belay_channel_options_init();

    refused(*state, &(struct plan){.params = "disableTls=true", .path = "/nonexistent"},
            BELAY_EINVAL, "disableTls and certificatePath exclude each other");
    plain.plain = true;
    refused(*state, &(struct plan){.path = "/nonexistent", .channel = &plain}, BELAY_EINVAL,
            "plain and certificatePath exclude each other");
}

static void a_password_without_a_path(void **state)
{
    refused(*state, &(struct plan){.params = "certificatePassword=sesame"}, BELAY_EINVAL,
            "certificatePassword is there without a certificatePath");
    refused(*state, &(struct plan){.params = "certificatePassword=sesame&certificatePath="},
            BELAY_EINVAL, "certificatePassword is there without a certificatePath");
    refused(*state, &(struct plan){.params = "certificatePassword=sesame&disableTls=true"},
            BELAY_EINVAL, "certificatePassword is there without a certificatePath");
}

static void an_identity_of_the_caller_s_beside_the_string_s(void **state)
{
    struct kit *kit = *state;
    struct belay_channel_options own = belay_channel_options_init();

    own.tls = kit_identity(kit, NULL);
    refused(kit, &(struct plan){.path = "/nonexistent", .channel = &own}, BELAY_EINVAL,
            "tls and certificatePath exclude each other");
    refused(kit, &(struct plan){.params = "disableTls=true", .channel = &own}, BELAY_EINVAL,
            "tls contradicts disableTls");
    refused(kit, &(struct plan){.params = "skipTlsValidation=true", .channel = &own}, BELAY_EINVAL,
            "tls and skipTlsValidation exclude each other");
    refused(kit, &(struct plan){.skip = BELAY_CHOICE_YES, .channel = &own}, BELAY_EINVAL,
            "tls and skipTlsValidation exclude each other");
    own.plain = true;
    refused(kit, &(struct plan){.channel = &own}, BELAY_EINVAL, "its tls contradicts its plain");
    belay_tls_unref(own.tls);
}

static int make_certificates(void **state)
{
    (void)state;
    client = kit_cert_make(&(struct kit_cert_plan){.cn = "me", .issuer = kit_ca()});
    other = kit_cert_make(&(struct kit_cert_plan){.cn = "you", .issuer = kit_ca()});
    return 0;
}

static int free_certificates(void **state)
{
    (void)state;
    kit_cert_free(&client);
    kit_cert_free(&other);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_set_up, kit_tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(certificates_are_verified_unless_the_string_says_otherwise),
        TEST(the_option_overrides_the_string_either_way),
        TEST(without_tls_there_is_no_identity),
        TEST(the_caller_s_own_identity_is_used_as_it_is),
        TEST(without_a_path_none_is_shown),
        TEST(an_empty_path_is_none),
        TEST(pkcs12_with_its_password),
        TEST(pkcs12_without_a_password),
        TEST(pkcs12_with_a_wrong_password),
        TEST(pkcs12_whose_password_is_missing),
        TEST(pem_with_its_key),
        TEST(pem_with_an_encrypted_key),
        TEST(pem_with_a_wrong_password),
        TEST(pem_whose_password_is_missing),
        TEST(a_password_that_nothing_needs),
        TEST(pem_without_its_key),
        TEST(pem_without_a_certificate),
        TEST(pem_with_another_s_key),
        TEST(a_file_that_is_missing),
        TEST(a_file_that_is_empty_or_something_else),
        TEST(a_directory_is_no_certificate),
        TEST(a_path_may_have_any_characters),
        TEST(not_to_verify_leaves_the_certificate),
        TEST(a_certificate_without_tls),
        TEST(a_password_without_a_path),
        TEST(an_identity_of_the_caller_s_beside_the_string_s),
    };

    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
