/* SPDX-License-Identifier: MIT */
/* The TLS side of the server: one context from the options, OpenSSL on the sockets themselves. */
#include "origin.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

static SSL_CTX *ctx;
static unsigned char alpn_wire[256];
static unsigned alpn_len;

static void die_tls(const char *what, const char *file)
{
    unsigned long err = ERR_peek_error(); /* the first one has the cause */
    const char *why =
        ERR_SYSTEM_ERROR(err) ? strerror(ERR_GET_REASON(err)) : ERR_reason_error_string(err);
    die_usage("%s '%s': %s", what, file, why ? why : "unusable");
}

static void alpn_parse(const char *list)
{
    while (*list) {
        size_t n = strcspn(list, ",");
        if (n == 0 || n > 255 || alpn_len + 1 + n > sizeof(alpn_wire)) {
            die_usage("--alpn: '%s' is not a list of protocol names", opt.alpn);
        }
        alpn_wire[alpn_len++] = (unsigned char)n;
        memcpy(alpn_wire + alpn_len, list, n);
        alpn_len += (unsigned)n;
        list += n + (list[n] == ',');
    }
}

static int alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, alpn_wire, alpn_len, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

void tls_open(void)
{
    if (!opt.cert) {
        return;
    }
    ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        die("no TLS context");
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    if (opt.tls_max && strcmp(opt.tls_max, "1.2") == 0) {
        SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    }
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"belay-origin", 12);
    if (opt.no_tickets) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, opt.cert) != 1) {
        die_tls("--cert: cannot use", opt.cert);
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, opt.key, SSL_FILETYPE_PEM) != 1) {
        die_tls("--key: cannot use", opt.key);
    }
    if (opt.client_ca) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(opt.client_ca);
        if (!names || SSL_CTX_load_verify_file(ctx, opt.client_ca) != 1) {
            die_tls("--client-ca: cannot use", opt.client_ca);
        }
        SSL_CTX_set_client_CA_list(ctx, names);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    if (opt.alpn) {
        alpn_parse(opt.alpn);
        SSL_CTX_set_alpn_select_cb(ctx, alpn_select, NULL);
    }
}

SSL *tls_new(int fd)
{
    if (!ctx) {
        return NULL;
    }
    SSL *ssl = SSL_new(ctx);
    if (!ssl || SSL_set_fd(ssl, fd) != 1) {
        die("out of memory");
    }
    SSL_set_accept_state(ssl);
    return ssl;
}

bool tls_notify(struct conn *c)
{
    ERR_clear_error();
    int r = SSL_shutdown(c->ssl);
    return r >= 0 || SSL_get_error(c->ssl, r) != SSL_ERROR_WANT_WRITE;
}

const char *tls_word(const struct conn *c)
{
    return !c->ssl ? "none" : SSL_session_reused(c->ssl) ? "resumed" : "full";
}
