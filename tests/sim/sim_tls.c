/* SPDX-License-Identifier: MIT */
/*
 * TLS at the server's end: OpenSSL over two memory BIOs. One certificate for *.test, made at first
 * use. OpenSSL draws from a generator that is seeded with the world, so that a handshake has the
 * same bytes when it is replayed.
 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "sim/parts.h"

static struct bl_rand generator;
static SSL_CTX *context, *impostor; /* as it should be; with a certificate for another name */
static char ca_pem[4096];

static void must(bool ok)
{
    if (!ok) {
        ERR_print_errors_fp(stderr);
        abort();
    }
}

/* ---- randomness ---- */

static int random_bytes(unsigned char *out, int n)
{
    for (int i = 0; i < n; i++)
        out[i] = (unsigned char)bl_rand_next(&generator);
    return 1;
}

static int random_ok(void)
{
    return 1;
}

/* The old interface is the one that replaces every source at once, the private one too. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
void sim_tls_seed(uint64_t seed)
{
    static const RAND_METHOD method = {
        .bytes = random_bytes, .pseudorand = random_bytes, .status = random_ok};

    bl_rand_seed(&generator, seed);
    must(RAND_set_rand_method(&method) == 1);
}
#pragma GCC diagnostic pop

/* ---- the certificate ---- */

static X509 *make_certificate(EVP_PKEY *key, const char *names)
{
    X509 *x = X509_new();
    X509_NAME *name;
    X509V3_CTX v3;
    const struct {
        int nid;
        const char *value;
    } extensions[] = {
        {NID_basic_constraints, "critical,CA:TRUE"},
        {NID_subject_alt_name, names},
    };

    must(x && X509_set_version(x, 2) == 1);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    ASN1_TIME_set_string(X509_getm_notBefore(x), "20200101000000Z");
    ASN1_TIME_set_string(X509_getm_notAfter(x), "20491231235959Z");
    must(X509_set_pubkey(x, key) == 1);
    name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"sim", -1, -1, 0);
    must(X509_set_issuer_name(x, name) == 1);
    X509V3_set_ctx(&v3, x, x, NULL, NULL, 0);
    for (size_t i = 0; i < BL_COUNT(extensions); i++) {
        X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &v3, extensions[i].nid, extensions[i].value);

        must(e && X509_add_ext(x, e, -1) == 1);
        X509_EXTENSION_free(e);
    }
    must(X509_sign(x, key, EVP_sha256()) > 0);
    return x;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char spoken[] = "\x02h2\x08http/1.1";
    const struct sim_wire *wire = SSL_get_app_data(ssl);
    size_t skip = wire->host->speaks_h2 ? 0 : 3;
    unsigned char *chosen;

    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, spoken + skip, (unsigned)(sizeof spoken - 1 - skip),
                              in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make_context(EVP_PKEY *key, X509 *x)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    must(ctx && SSL_CTX_use_certificate(ctx, x) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"sim", 3);
    return ctx;
}

static void prepare(void)
{
    EVP_PKEY *key;
    X509 *x, *wrong;
    BIO *pem;
    int n;

    if (context)
        return;
    sim_tls_seed(1);
    key = EVP_EC_gen("P-256");
    must(key != NULL);
    x = make_certificate(key, "DNS:*.sim.test");
    wrong = make_certificate(key, "DNS:elsewhere.test");
    pem = BIO_new(BIO_s_mem());
    must(pem && PEM_write_bio_X509(pem, x) == 1 && PEM_write_bio_X509(pem, wrong) == 1);
    n = BIO_read(pem, ca_pem, sizeof ca_pem - 1);
    must(n > 0);
    ca_pem[n] = '\0';
    BIO_free(pem);
    context = make_context(key, x);
    impostor = make_context(key, wrong);
    X509_free(x);
    X509_free(wrong);
    EVP_PKEY_free(key);
}

const char *sim_tls_ca_pem(void)
{
    prepare();
    return ca_pem;
}

/* ---- a wire's TLS ---- */

/* Sends what OpenSSL wrote. */
static void pump(struct sim_wire *wire)
{
    char out[4096];
    int n;

    while ((n = BIO_read(SSL_get_wbio(wire->tls), out, sizeof out)) > 0)
        sim_wire_raw(wire, out, (size_t)n);
}

void sim_tls_open(struct sim_wire *wire)
{
    SSL *ssl;

    prepare();
    if (wire->host->fatal)
        sim_did(wire->world, SIM_FAULT_FATAL, wire->host);
    ssl = SSL_new(wire->host->fatal ? impostor : context);
    must(ssl != NULL);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl);
    SSL_set_app_data(ssl, wire);
    wire->tls = ssl;
}

void sim_tls_bytes(struct sim_wire *wire, const char *data, size_t len)
{
    char plain[4096];
    int n;

    BIO_write(SSL_get_rbio(wire->tls), data, (int)len);
    ERR_clear_error();
    while ((n = SSL_read(wire->tls, plain, sizeof plain)) > 0) {
        wire->ops->bytes(wire, plain, (size_t)n);
        if (wire->net->server_ended)
            break;
    }
    pump(wire);
    if (n <= 0) {
        int why = SSL_get_error(wire->tls, n);

        if (why == SSL_ERROR_ZERO_RETURN && wire->ops->end)
            wire->ops->end(wire);
        else if (why == SSL_ERROR_SSL)
            sim_wire_end(wire);
    }
    ERR_clear_error();
}

void sim_tls_send(struct sim_wire *wire, const void *data, size_t len)
{
    ERR_clear_error();
    if (SSL_write(wire->tls, data, (int)len) <= 0)
        ERR_clear_error(); /* before the handshake is done, or after its end: nothing is said */
    pump(wire);
}

void sim_tls_end(struct sim_wire *wire)
{
    if (SSL_is_init_finished(wire->tls))
        SSL_shutdown(wire->tls);
    pump(wire);
    ERR_clear_error();
}

bool sim_tls_chose_h2(const struct sim_wire *wire)
{
    const unsigned char *alpn;
    unsigned len;

    SSL_get0_alpn_selected(wire->tls, &alpn, &len);
    return len == 2;
}

void sim_tls_gone(struct sim_wire *wire)
{
    SSL_free(wire->tls);
    wire->tls = NULL;
}
