/* SPDX-License-Identifier: MIT */
/* What OpenSSL's results mean, in sentences: alerts by name, a peer that is not TLS, an end that
 * was cut. */
#include <openssl/err.h>

#include "base/text.h"
#include "net/tls.h"

#define ALERTS_FROM 1000 /* reasons from here on are alerts that the peer sent */

enum alert_class { ALERT_OTHER, ALERT_OUR_CERT, ALERT_VERSION, ALERT_NAME, ALERT_ALPN };

static const struct alert {
    uint8_t number;
    uint8_t class;
    const char *name;
} alerts[] = {
    {10, ALERT_OTHER, "unexpected message"},
    {20, ALERT_OTHER, "bad record MAC"},
    {22, ALERT_OTHER, "record overflow"},
    {40, ALERT_OTHER, "handshake failure"},
    {42, ALERT_OUR_CERT, "bad certificate"},
    {43, ALERT_OUR_CERT, "unsupported certificate"},
    {44, ALERT_OUR_CERT, "certificate revoked"},
    {45, ALERT_OUR_CERT, "certificate expired"},
    {46, ALERT_OUR_CERT, "certificate unknown"},
    {47, ALERT_OTHER, "illegal parameter"},
    {48, ALERT_OUR_CERT, "unknown authority"},
    {49, ALERT_OUR_CERT, "access denied"},
    {50, ALERT_OTHER, "decode error"},
    {51, ALERT_OTHER, "decrypt error"},
    {70, ALERT_VERSION, "protocol version"},
    {71, ALERT_OTHER, "insufficient security"},
    {80, ALERT_OTHER, "internal error"},
    {86, ALERT_OTHER, "inappropriate fallback"},
    {90, ALERT_OTHER, "user cancelled"},
    {109, ALERT_OTHER, "missing extension"},
    {110, ALERT_OTHER, "unsupported extension"},
    {112, ALERT_NAME, "unrecognized name"},
    {113, ALERT_OTHER, "bad certificate status"},
    {115, ALERT_OTHER, "unknown PSK identity"},
    {116, ALERT_OUR_CERT, "certificate required"},
    {120, ALERT_ALPN, "no application protocol"},
};

static int describe_alert(struct bl_tls_filter *f, int number, struct belay_error *error)
{
    const struct alert *alert = NULL;
    const char *name;

    for (size_t i = 0; i < BL_COUNT(alerts); i++) {
        if (alerts[i].number == number)
            alert = &alerts[i];
    }
    name = alert ? alert->name : "unknown";
    switch (alert ? alert->class : ALERT_OTHER) {
    case ALERT_OUR_CERT:
        if (SSL_get_certificate(f->ssl) == NULL)
            return bl_error_set(error, BELAY_ETLS, BELAY_STAGE_TLS,
                                "the peer wants a client certificate (alert %d, %s)", number, name);
        return bl_error_set(error, BELAY_ETLS, BELAY_STAGE_TLS,
                            "the peer refused our client certificate (alert %d, %s)", number, name);
    case ALERT_VERSION:
        return bl_error_set(error, BELAY_ETLS, BELAY_STAGE_TLS,
                            "the peer speaks no version of TLS that is allowed here (alert %d, %s)",
                            number, name);
    case ALERT_NAME:
        return bl_error_set(error, BELAY_ETLS, BELAY_STAGE_TLS,
                            "the peer does not serve this name (alert %d, %s)", number, name);
    case ALERT_ALPN:
        return bl_error_set(error, BELAY_EALPN, BELAY_STAGE_TLS,
                            "the peer speaks none of the protocols offered (alert %d, %s)", number,
                            name);
    default:
        return bl_error_set(error, BELAY_ETLS, BELAY_STAGE_TLS,
                            "the peer refused TLS (alert %d, %s)", number, name);
    }
}

/* Records of TLS begin with a type of 20 to 24 and the major version 3. */
static bool is_plain(const struct bl_tls_filter *f)
{
    uint8_t type = (uint8_t)f->first[0];

    return !f->up && f->first_n > 0 &&
           (type < 20 || type > 24 || (f->first_n > 1 && f->first[1] != 3));
}

static bool is_http(const struct bl_tls_filter *f)
{
    static const char http[] = "HTTP/1.";

    return f->first_n >= sizeof http - 1 && memcmp(f->first, http, sizeof http - 1) == 0;
}

/* SETTINGS of HTTP/2, of stream 0: what its servers say first. */
static bool is_http2(const struct bl_tls_filter *f)
{
    static const char zero[4];

    return f->first_n >= 9 && f->first[0] == 0 && f->first[3] == 4 &&
           memcmp(f->first + 5, zero, sizeof zero) == 0;
}

static int describe_plain(struct bl_tls_filter *f, struct belay_error *error)
{
    char shown[BL_TLS_FIRST * 4 + 8];
    size_t n = 0;

    if (!f->eof)
        bl_tls_bio_listen(f);
    if (is_http2(f))
        return bl_error_set(error, BELAY_ETLS, BELAY_STAGE_TLS,
                            "the peer does not speak TLS (it speaks HTTP/2 without it)");
    if (f->discreet)
        return bl_error_set(error, BELAY_ETLS, BELAY_STAGE_TLS, "the peer does not speak TLS%s",
                            is_http(f) ? " (it speaks plain HTTP)" : "");
    while (n < f->first_n && f->first[n] != '\r' && f->first[n] != '\n')
        n++;
    bl_text_show(shown, sizeof shown, f->first, n ? n : f->first_n);
    return bl_error_set(error, BELAY_ETLS, BELAY_STAGE_TLS,
                        "the peer does not speak TLS (it sent '%s')", shown);
}

static int describe_end(const struct bl_tls_filter *f, struct belay_error *error)
{
    if (f->up)
        return bl_error_set(
            error, BELAY_EEOF, BELAY_STAGE_NONE,
            "the peer closed the connection without ending TLS: what came may be cut short");
    return bl_error_set(error, BELAY_EEOF, BELAY_STAGE_TLS,
                        "the peer closed the connection during the TLS handshake");
}

bool bl_tls_out_of_memory(void)
{
    return ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE ||
           ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
}

const char *bl_tls_reason(unsigned long e)
{
    const char *text = ERR_reason_error_string(e);

    return text ? text : "for no reason given";
}

int bl_tls_setup_failed(struct belay_error *error, const char *what)
{
    if (bl_tls_out_of_memory())
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    return bl_error_set(error, BELAY_ETLS, BELAY_STAGE_NONE, "%s failed: %s", what,
                        bl_tls_reason(ERR_peek_error()));
}

static int describe(struct bl_tls_filter *f, unsigned long e, struct belay_error *error)
{
    int reason = ERR_GET_REASON(e);

    if (reason == ERR_R_MALLOC_FAILURE || (!f->up && bl_tls_out_of_memory()))
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "out of memory");
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return bl_error_set(error, BELAY_ECERT, BELAY_STAGE_TLS, "the certificate was refused: %s",
                            X509_verify_cert_error_string(SSL_get_verify_result(f->ssl)));
    if (is_plain(f))
        return describe_plain(f, error);
    if (ERR_GET_LIB(e) == ERR_LIB_SSL && reason >= ALERTS_FROM)
        return describe_alert(f, reason - ALERTS_FROM, error);
    if (reason == SSL_R_UNSUPPORTED_PROTOCOL)
        return bl_error_set(error, BELAY_ETLS, BELAY_STAGE_TLS,
                            "the peer speaks no version of TLS that is allowed here");
    return bl_error_set(error, BELAY_ETLS, BELAY_STAGE_TLS, "TLS failed: %s", bl_tls_reason(e));
}

/*
 * Clearing the error queue before a call costs as much as the call of a small record, so reads and
 * writes do not: what other code on this thread left there must not decide. OpenSSL's fatal errors
 * put the connection back "in init", a blocked write of application data does not.
 */
static bool would_block(const struct bl_tls_filter *f, int result)
{
    int why;

    if (f->starved && !f->choked)
        return true;
    if (!f->choked)
        return false;
    if (!SSL_in_init(f->ssl))
        return true;
    /* A handshake message, or the alert of a failure, was held up. */
    why = SSL_get_error(f->ssl, result);
    return why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ;
}

static int describe_failure(struct bl_tls_filter *f, unsigned long e, struct belay_error *error)
{
    int code;

    f->failed = true;
    if (f->refused)
        return error->code; /* bl_tls_verify has described it */
    code = describe(f, e, error);
    error->tls_code = code == BELAY_ECERT ? SSL_get_verify_result(f->ssl) : (long)e;
    ERR_clear_error();
    return code;
}

int bl_tls_result(struct bl_tls_filter *f, int result, struct belay_error *error)
{
    unsigned long e;
    bool goodbye;

    if (BL_LIKELY(would_block(f, result)))
        return BELAY_EAGAIN;
    e = f->up ? ERR_peek_last_error() : ERR_peek_error();
    goodbye = SSL_get_shutdown(f->ssl) & SSL_RECEIVED_SHUTDOWN;
    if (SSL_in_init(f->ssl) && e != 0)
        return describe_failure(f, e, error);
    if (f->below_code != 0)
        return f->below_code; /* the filter below has described it */
    if (f->up && goodbye)
        return 0;
    if (f->eof || goodbye)
        return is_plain(f) ? describe_plain(f, error) : describe_end(f, error);
    return describe_failure(f, e, error);
}
