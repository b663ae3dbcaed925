/* SPDX-License-Identifier: MIT */
/* Why a certificate was refused, in a sentence that a person can act on; and pins. */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "base/text.h"
#include "net/tls.h"

#define NAME_MAX_TEXT  96
#define NAMES_MAX_TEXT 160

/* "CN = a.test", in printable ASCII whatever the certificate says. */
static const char *name_text(const X509_NAME *name, char out[NAME_MAX_TEXT])
{
    /* Escaping is left to bl_text_show. */
    const unsigned long flags =
        XN_FLAG_ONELINE & ~(unsigned long)(ASN1_STRFLGS_ESC_2253 | ASN1_STRFLGS_ESC_CTRL |
                                           ASN1_STRFLGS_ESC_MSB | ASN1_STRFLGS_ESC_QUOTE);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long len;

    out[0] = '\0';
    if (bio && X509_NAME_print_ex(bio, name, 0, flags) > 0) {
        len = BIO_get_mem_data(bio, &text);
        bl_text_show(out, NAME_MAX_TEXT, text, (size_t)len);
    }
    BIO_free(bio);
    return out[0] ? out : "no subject";
}

/* " (CN = a.test)", or nothing where names of the peer's are not to be quoted. */
static const char *remark(const struct bl_tls_filter *f, const X509_NAME *name,
                          char out[NAME_MAX_TEXT + 4])
{
    char text[NAME_MAX_TEXT];

    out[0] = '\0';
    if (!f->discreet)
        snprintf(out, NAME_MAX_TEXT + 4, " (%s)", name_text(name, text));
    return out;
}

static const char *date_text(const ASN1_TIME *time, char out[32])
{
    struct tm tm = {0};

    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return "an unreadable date";
    snprintf(out, 32, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    return out;
}

/* What one alternative name says: a host or an address, printable. False for other kinds. */
static bool alternative_text(const GENERAL_NAME *name, char *out, size_t size)
{
    struct belay_addr addr = {0};
    const ASN1_STRING *value;
    int type;

    value = GENERAL_NAME_get0_value(name, &type);
    if (type == GEN_DNS) {
        bl_text_show(out, size, (const char *)ASN1_STRING_get0_data(value),
                     (size_t)ASN1_STRING_length(value));
        return true;
    }
    if (type != GEN_IPADD || (ASN1_STRING_length(value) != 4 && ASN1_STRING_length(value) != 16))
        return false;
    addr.family = ASN1_STRING_length(value) == 4 ? BELAY_FAMILY_IPV4 : BELAY_FAMILY_IPV6;
    memcpy(addr.u.ip, ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
    belay_addr_print(&addr, out, size);
    return true;
}

/* "a.test, *.b.test": the names that a certificate is for; empty when it has none. */
static void names_text(X509 *cert, char out[NAMES_MAX_TEXT])
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    size_t len = 0;

    out[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        char one[BELAY_ADDR_TEXT_MAX];
        int n;

        if (!alternative_text(sk_GENERAL_NAME_value(names, i), one, sizeof one))
            continue;
        if (len + strlen(one) + 8 > NAMES_MAX_TEXT) {
            snprintf(out + len, NAMES_MAX_TEXT - len, ", ...");
            break;
        }
        n = snprintf(out + len, NAMES_MAX_TEXT - len, "%s%s", len ? ", " : "", one);
        len += (size_t)n;
    }
    GENERAL_NAMES_free(names);
}

/* The name or address that was to be verified. */
static const char *wanted_text(SSL *ssl, char out[BELAY_ADDR_TEXT_MAX])
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    const char *host = X509_VERIFY_PARAM_get0_host(param, 0);
    char *ip = host ? NULL : X509_VERIFY_PARAM_get1_ip_asc(param);
    struct belay_addr addr;

    snprintf(out, BELAY_ADDR_TEXT_MAX, "%s", host ? host : ip ? ip : "this peer");
    if (ip && belay_addr_parse_ip(ip, strlen(ip), 0, &addr) == 0)
        belay_addr_print(&addr, out, BELAY_ADDR_TEXT_MAX);
    OPENSSL_free(ip);
    return out;
}

static int describe_name(struct bl_tls_filter *f, X509 *cert, struct belay_error *error)
{
    char names[NAMES_MAX_TEXT], subject[NAME_MAX_TEXT], text[BELAY_ADDR_TEXT_MAX];
    const char *wanted = wanted_text(f->ssl, text);

    if (f->discreet)
        return bl_error_set(error, BELAY_ECERT, BELAY_STAGE_TLS, "the certificate is not for %s",
                            wanted);
    names_text(cert, names);
    if (names[0])
        bl_error_set(error, BELAY_ECERT, BELAY_STAGE_TLS, "the certificate is for %s, not for %s",
                     names, wanted);
    else
        bl_error_set(
            error, BELAY_ECERT, BELAY_STAGE_TLS,
            "the certificate names no host (%s, without subjectAltName), so it is not for %s",
            name_text(X509_get_subject_name(cert), subject), wanted);
    return BELAY_ECERT;
}

static int describe(struct bl_tls_filter *f, X509_STORE_CTX *ctx, struct belay_error *error)
{
    int why = X509_STORE_CTX_get_error(ctx);
    X509 *cert = X509_STORE_CTX_get_current_cert(ctx);
    const char *whose =
        X509_STORE_CTX_get_error_depth(ctx) > 0 ? "the authority's certificate" : "the certificate";
    char name[NAME_MAX_TEXT + 4], date[32];
    const char *subject;

    if (!cert)
        return bl_error_set(error, BELAY_ECERT, BELAY_STAGE_TLS, "the certificate was refused: %s",
                            X509_verify_cert_error_string(why));
    subject = remark(f, X509_get_subject_name(cert), name);
    switch (why) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return bl_error_set(error, BELAY_ECERT, BELAY_STAGE_TLS, "%s expired on %s%s", whose,
                            date_text(X509_get0_notAfter(cert), date), subject);
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return bl_error_set(error, BELAY_ECERT, BELAY_STAGE_TLS, "%s is not valid before %s%s",
                            whose, date_text(X509_get0_notBefore(cert), date), subject);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return bl_error_set(error, BELAY_ECERT, BELAY_STAGE_TLS,
                            "the certificate is self-signed and not trusted here%s", subject);
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return bl_error_set(error, BELAY_ECERT, BELAY_STAGE_TLS,
                            "the certificate comes from an unknown authority%s", subject);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return bl_error_set(error, BELAY_ECERT, BELAY_STAGE_TLS,
                            "the certificate comes from an unknown authority%s",
                            remark(f, X509_get_issuer_name(cert), name));
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return describe_name(f, cert, error);
    default:
        return bl_error_set(error, BELAY_ECERT, BELAY_STAGE_TLS, "%s was refused: %s%s", whose,
                            X509_verify_cert_error_string(why), subject);
    }
}

int bl_tls_verify(int ok, X509_STORE_CTX *ctx)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct bl_tls_filter *f = bl_tls_filter_of(ssl);

    if (ok || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE)
        return 1;
    describe(f, ctx, f->error);
    f->error->tls_code = X509_STORE_CTX_get_error(ctx);
    f->refused = true;
    return 0;
}

int bl_tls_check_pins(struct bl_tls_filter *f, struct belay_error *error)
{
    const struct belay_tls *tls = f->tls;
    const X509 *cert = SSL_get0_peer_certificate(f->ssl);
    uint8_t digest[BL_TLS_DIGEST];
    char pin[BL_TLS_PIN_TEXT];

    if (tls->pins_n == 0)
        return 0;
    if (!cert)
        return bl_error_set(error, BELAY_EPIN, BELAY_STAGE_TLS,
                            "the peer showed no certificate to compare with the pinned keys");
    if (!bl_tls_key_digest(cert, digest))
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_TLS, "out of memory");
    for (uint32_t i = 0; i < tls->pins_n; i++) {
        if (memcmp(tls->pins[i], digest, BL_TLS_DIGEST) == 0)
            return 0;
    }
    bl_tls_pin_print(digest, pin);
    return bl_error_set(error, BELAY_EPIN, BELAY_STAGE_TLS,
                        "the peer's public key is %s, which is not pinned", pin);
}
