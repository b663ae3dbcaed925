/* SPDX-License-Identifier: MIT */
/*
 * Who to be: client certificate, its chain and key. The key enters the fingerprint as an HMAC under
 * the loop's secret.
 */
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "net/tls_pem.h"

static void print_cert(struct bl_tls_print *print, X509 *cert)
{
    uint8_t *der = NULL;
    int len = i2d_X509(cert, &der);

    if (len > 0)
        bl_tls_print_field(print, "certificate", der, (size_t)len);
    else
        print->failed = true;
    OPENSSL_free(der);
}

static void print_key(struct belay_loop *loop, struct bl_tls_print *print, EVP_PKEY *key)
{
    uint8_t mac[BL_TLS_DIGEST];
    uint8_t *der = NULL;
    int len = i2d_PrivateKey(key, &der);

    if (len > 0 && HMAC(EVP_sha256(), loop->secret_key, (int)sizeof loop->secret_key, der,
                        (size_t)len, mac, NULL))
        bl_tls_print_field(print, "key", mac, sizeof mac);
    else
        print->failed = true;
    if (len > 0)
        OPENSSL_clear_free(der, (size_t)len);
}

int bl_tls_use_cert(struct belay_tls *tls, X509 *cert, int number, const struct bl_tls_pem *pem,
                    struct bl_tls_print *print, struct belay_error *error)
{
    int ok = number == 1 ? SSL_CTX_use_certificate(tls->ctx, cert)
                         : (int)SSL_CTX_add1_chain_cert(tls->ctx, cert);

    print_cert(print, cert);
    if (ok == 1)
        return 0;
    return bl_error_set(error, BELAY_EFILE, BELAY_STAGE_NONE,
                        "certificate %d in the %s %s is not usable: %s", number, pem->noun,
                        pem->path, bl_tls_reason(ERR_peek_error()));
}

static int use_chain(struct belay_tls *tls, const struct bl_tls_pem *pem,
                     struct bl_tls_print *print, struct belay_error *error)
{
    BIO *bio = bl_tls_pem_bio(pem, error);
    int code = 0, n = 1;
    X509 *cert;

    if (!bio)
        return BELAY_ENOMEM;
    for (; (cert = bl_tls_pem_cert(bio, pem, n, &code, error)) != NULL; n++) {
        code = bl_tls_use_cert(tls, cert, n, pem, print, error);
        X509_free(cert);
        if (code != 0)
            break;
    }
    BIO_free(bio);
    if (code == 0 && n == 1)
        code = bl_tls_pem_no_cert(pem, error);
    return code;
}

/* How a key is decrypted. */
struct passphrase {
    const char *text;
    bool asked;
};

static int on_passphrase(char *out, int size, int writing, void *arg)
{
    struct passphrase *p = arg;
    size_t len;

    (void)writing;
    p->asked = true;
    len = p->text ? strlen(p->text) : 0;
    if (!p->text || len > (size_t)size)
        return -1;
    memcpy(out, p->text, len);
    return (int)len;
}

static int read_key(const struct bl_tls_pem *pem, const char *text, EVP_PKEY **ret,
                    struct belay_error *error)
{
    struct passphrase passphrase = {.text = text};
    BIO *bio = bl_tls_pem_bio(pem, error);
    const char *why;

    if (!bio)
        return BELAY_ENOMEM;
    *ret = PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, &passphrase);
    BIO_free(bio);
    if (*ret)
        return 0;
    if (bl_tls_out_of_memory())
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    if (passphrase.asked && !text)
        why = "is encrypted, and no passphrase was given";
    else if (passphrase.asked)
        why = "cannot be decrypted: the passphrase is wrong";
    else
        why = "holds no PEM private key";
    return bl_error_set(error, BELAY_EFILE, BELAY_STAGE_NONE, "the %s %s %s", pem->noun, pem->path,
                        why);
}

int bl_tls_use_key(struct belay_tls *tls, EVP_PKEY *key, const struct bl_tls_pem *pem,
                   const char *cert_path, struct bl_tls_print *print, struct belay_error *error)
{
    int code = 0;

    if (X509_check_private_key(SSL_CTX_get0_certificate(tls->ctx), key) != 1)
        code = bl_error_set(error, BELAY_EFILE, BELAY_STAGE_NONE,
                            "the key in %s does not belong to the certificate in %s", pem->path,
                            cert_path);
    else if (SSL_CTX_use_PrivateKey(tls->ctx, key) != 1)
        code = bl_tls_setup_failed(error, "using the private key");
    else
        print_key(tls->loop, print, key);
    ERR_clear_error();
    return code;
}

static int use_pem_key(struct belay_tls *tls, const struct belay_tls_options *o,
                       const struct bl_tls_pem *pem, struct bl_tls_print *print,
                       struct belay_error *error)
{
    EVP_PKEY *key = NULL;
    int code = read_key(pem, o->key_passphrase, &key, error);

    if (code != 0)
        return code;
    code = bl_tls_use_key(tls, key, pem, o->cert_file, print, error);
    EVP_PKEY_free(key);
    return code;
}

/* The certificate, and the key where it is in the same file. */
static int load_cert(struct belay_tls *tls, const struct belay_tls_options *o,
                     struct bl_tls_print *print, struct belay_error *error)
{
    struct bl_tls_pem pem;
    int code = bl_tls_pem_read(&pem, tls->loop, "certificate file", o->cert_file, error);

    if (code != 0)
        return code;
    if (bl_tls_is_pkcs12(&pem)) {
        code = bl_tls_use_pkcs12(tls, o, &pem, print, error);
    } else {
        code = use_chain(tls, &pem, print, error);
        if (code == 0 && !o->key_file)
            code = use_pem_key(tls, o, &pem, print, error);
    }
    bl_tls_pem_free(&pem);
    return code;
}

int bl_tls_load_client(struct belay_tls *tls, const struct belay_tls_options *o,
                       struct bl_tls_print *print, struct belay_error *error)
{
    struct bl_tls_pem pem;
    int code;

    if (!o->cert_file)
        return 0;
    code = load_cert(tls, o, print, error);
    if (code != 0 || !o->key_file)
        return code;
    code = bl_tls_pem_read(&pem, tls->loop, "key file", o->key_file, error);
    if (code != 0)
        return code;
    code = use_pem_key(tls, o, &pem, print, error);
    bl_tls_pem_free(&pem);
    return code;
}
