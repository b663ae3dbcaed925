/* SPDX-License-Identifier: MIT */
/* Identities: options to an SSL_CTX, once, and the fingerprint of all that went into it. */
#include <openssl/err.h>
#include <stdlib.h>

#include "base/options.h"
#include "net/tls.h"

static const struct bl_option table[] = {
    BL_OPTION(belay_tls_options, min_version, BELAY_TLS_1_2, BL_NOT_ALLOWED, BL_NOT_ALLOWED,
              BELAY_TLS_1_2, BELAY_TLS_1_3),
    BL_OPTION(belay_tls_options, sessions_max, 1024, 0, INT32_MAX, 1, INT32_MAX),
};

static int refuse(struct belay_error *error, const char *what)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s", what);
}

/* Beside the caller's SSL_CTX most options would do nothing, which nobody would notice. */
static int check(const struct belay_tls_options *o, struct belay_error *error)
{
    if (o->key_file && !o->cert_file)
        return refuse(error, "key_file: there is no cert_file beside it");
    if (o->key_passphrase && !o->cert_file)
        return refuse(error, "key_passphrase: there is no cert_file beside it");
    if (o->pins_n > 0 && !o->pins)
        return refuse(error, "pins: pins_n says that there are some");
    if (o->pins_n > 1000)
        return refuse(error, "pins_n: more than 1000");
    if (!o->ssl_ctx)
        return 0;
    if (o->ca_file || o->ca_dir || o->ca_pem || o->cert_file || o->ciphers || o->no_verify)
        return refuse(
            error,
            "ssl_ctx: trust, certificates, ciphers and no_verify are set in it, not beside it");
    return 0;
}

static int load_pins(struct belay_tls *tls, const struct belay_tls_options *o,
                     struct belay_error *error)
{
    if (o->pins_n == 0)
        return 0;
    tls->pins = bl_alloc(&tls->loop->mem, o->pins_n * sizeof *tls->pins);
    if (!tls->pins)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    for (size_t i = 0; i < o->pins_n; i++) {
        if (!bl_tls_pin_parse(o->pins[i], tls->pins[i]))
            return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                                "pins: number %zu is not of the form sha256//BASE64", i + 1);
    }
    tls->pins_n = (uint32_t)o->pins_n;
    qsort(tls->pins, tls->pins_n, sizeof *tls->pins, bl_tls_digest_compare);
    return 0;
}

static int configure(struct belay_tls *tls, const struct belay_tls_options *o,
                     struct belay_error *error)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int version = o->min_version == BELAY_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;

    tls->ctx = ctx;
    if (!ctx || SSL_CTX_set_min_proto_version(ctx, version) != 1)
        return bl_tls_setup_failed(error, "making an SSL_CTX");
    SSL_CTX_set_verify(ctx, o->no_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, bl_tls_verify);
    /* What is trusted is trusted, whether or not its own issuer is known. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (tls->sessions_max > 0) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, bl_tls_on_session);
    } else {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    }
    if (o->ciphers && SSL_CTX_set_cipher_list(ctx, o->ciphers) != 1) {
        if (bl_tls_out_of_memory())
            return bl_tls_setup_failed(error, "setting ciphers");
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "ciphers: none of '%s' is known",
                            o->ciphers);
    }
    return 0;
}

/* The switches; trust, client certificate and key are added as they are read. */
static void print_options(const struct belay_tls *tls, const struct belay_tls_options *o,
                          struct bl_tls_print *print)
{
    if (tls->foreign)
        bl_tls_print_number(print, "ssl_ctx", (uintptr_t)tls->ctx);
    else
        bl_tls_print_number(print, "min_version", (uint64_t)o->min_version);
    bl_tls_print_text(print, "ciphers", o->ciphers);
    bl_tls_print_number(print, "no_verify", o->no_verify);
    bl_tls_print_number(print, "no_verify_name", o->no_verify_name);
    bl_tls_print_number(print, "sessions_max", tls->sessions_max);
    for (uint32_t i = 0; i < tls->pins_n; i++) {
        if (i == 0 || memcmp(tls->pins[i], tls->pins[i - 1], BL_TLS_DIGEST) != 0)
            bl_tls_print_field(print, "pin", tls->pins[i], BL_TLS_DIGEST);
    }
}

static int fill(struct belay_tls *tls, const struct belay_tls_options *o, struct belay_error *error)
{
    struct bl_tls_print print;
    int code = load_pins(tls, o, error);

    if (code != 0)
        return code;
    tls->bio = bl_tls_bio_method();
    if (!tls->bio || bl_tls_print_begin(&print) != 0)
        return bl_tls_setup_failed(error, "preparing TLS");
    if (tls->foreign) {
        tls->ctx = o->ssl_ctx;
        SSL_CTX_up_ref(tls->ctx);
    } else {
        code = configure(tls, o, error);
        if (code == 0)
            code = bl_tls_load_trust(tls, o, &print, error);
        if (code == 0)
            code = bl_tls_load_client(tls, o, &print, error);
    }
    print_options(tls, o, &print);
    if (bl_tls_print_end(&print, tls->fingerprint) != 0 && code == 0)
        code = bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    return code;
}

static void identity_free(struct belay_tls *tls)
{
    struct bl_mem *mem = &tls->loop->mem;

    bl_tls_sessions_fini(tls);
    SSL_CTX_free(tls->ctx);
    BIO_meth_free(tls->bio);
    bl_free(mem, tls->pins);
    bl_free(mem, tls);
}

int belay_tls_new(struct belay_loop *loop, const struct belay_tls_options *options,
                  struct belay_tls **ret_tls, struct belay_error *error)
{
    struct belay_tls_options o;
    struct belay_tls *tls;
    int code = bl_options_resolve(&o, sizeof o, options, table, BL_COUNT(table), error);

    if (code == 0)
        code = check(&o, error);
    if (code != 0)
        return code;
    tls = bl_zalloc(&loop->mem, sizeof *tls);
    if (!tls)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    tls->loop = loop;
    tls->refs = 1;
    tls->foreign = o.ssl_ctx != NULL;
    tls->no_verify = o.no_verify;
    tls->no_verify_name = o.no_verify_name;
    tls->sessions_max = o.no_resumption ? 0 : (uint32_t)o.sessions_max;
    bl_tls_sessions_init(tls);
    ERR_clear_error();
    code = fill(tls, &o, error);
    ERR_clear_error();
    if (code != 0) {
        identity_free(tls);
        return code;
    }
    *ret_tls = tls;
    return 0;
}

struct belay_tls *belay_tls_ref(struct belay_tls *tls)
{
    if (tls)
        tls->refs++;
    return tls;
}

void belay_tls_unref(struct belay_tls *tls)
{
    if (tls && --tls->refs == 0)
        identity_free(tls);
}
