/* SPDX-License-Identifier: MIT */
#include "support/tls_front.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a certificate of its own ---- */

static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                  const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    struct tls_front *f = arg;
    unsigned skipped = f->http1_alone ? 3 : 0;

    (void)ssl;
    f->h2_was_offered = in_len >= 3 && memcmp(in, ours, 3) == 0;
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, ours + skipped,
                              (unsigned)(sizeof ours - 1) - skipped, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

static X509 *make_cert(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);

    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"127.0.0.1", -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    return cert;
}

static SSL_CTX *make_ctx(struct tls_front *f)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = make_cert(key);

    assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    SSL_CTX_set_alpn_select_cb(ctx, choose, f);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

/* ---- its life ---- */

static void loopback(struct sockaddr_in *addr, int port)
{
    memset(addr, 0, sizeof *addr);
    addr->sin_family = AF_INET;
    addr->sin_port = htons((uint16_t)port);
    addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

void tls_front_start(struct tls_front *f, int back_port, const char *body)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof addr;

    signal(SIGPIPE, SIG_IGN); /* SSL_write knows no other way */
    memset(f, 0, sizeof *f);
    f->back_port = back_port;
    f->body = body;
    f->ctx = make_ctx(f);
    for (int i = 0; i < TLS_FRONT_LEGS; i++)
        f->legs[i].fd = f->legs[i].back = -1;
    f->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    loopback(&addr, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(f->listener, 16), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&addr, &len), 0);
    f->port = ntohs(addr.sin_port);
}

static void end_leg(struct tls_front_leg *leg)
{
    SSL_shutdown(leg->ssl);
    SSL_free(leg->ssl);
    close(leg->fd);
    if (leg->back >= 0)
        close(leg->back);
    leg->ssl = NULL;
    leg->fd = leg->back = -1;
}

void tls_front_stop(struct tls_front *f)
{
    for (int i = 0; i < TLS_FRONT_LEGS; i++) {
        if (f->legs[i].fd >= 0)
            end_leg(&f->legs[i]);
    }
    close(f->listener);
    SSL_CTX_free(f->ctx);
}

/* ---- turns ---- */

static void accept_one(struct tls_front *f)
{
    int fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    for (int i = 0; i < TLS_FRONT_LEGS; i++) {
        struct tls_front_leg *leg = &f->legs[i];

        if (leg->fd >= 0)
            continue;
        *leg = (struct tls_front_leg){.fd = fd, .back = -1, .ssl = SSL_new(f->ctx)};
        SSL_set_fd(leg->ssl, fd);
        SSL_set_accept_state(leg->ssl);
        return;
    }
    fail_msg("more than %d connections", TLS_FRONT_LEGS);
}

static void agree(struct tls_front *f, struct tls_front_leg *leg)
{
    const unsigned char *alpn;
    struct sockaddr_in addr;
    unsigned len;

    if (SSL_do_handshake(leg->ssl) != 1)
        return;
    SSL_get0_alpn_selected(leg->ssl, &alpn, &len);
    leg->agreed = true;
    leg->h2 = len == 2;
    f->h2 += leg->h2 ? 1 : 0;
    f->http1 += leg->h2 ? 0 : 1;
    if (!leg->h2)
        return;
    leg->back = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    loopback(&addr, f->back_port);
    assert_int_equal(connect(leg->back, (struct sockaddr *)&addr, sizeof addr), 0);
    fcntl(leg->back, F_SETFL, O_NONBLOCK);
}

static void answer(struct tls_front *f, struct tls_front_leg *leg)
{
    char text[256];
    int n;

    leg->head[leg->head_len] = '\0';
    if (!strstr(leg->head, "\r\n\r\n"))
        return;
    f->requests++;
    snprintf(f->method, sizeof f->method, "%.*s", (int)strcspn(leg->head, " "), leg->head);
    leg->head_len = 0;
    n = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                 strlen(f->body), f->body);
    assert_int_equal(SSL_write(leg->ssl, text, n), n);
}

/* Small things alone are said: they fit into the sockets' buffers. */
static void from_client(struct tls_front *f, struct tls_front_leg *leg)
{
    char data[16384];
    int n = SSL_read(leg->ssl, data, sizeof data); /* at most one record */

    f->records += n > 0 ? 1 : 0;
    if (n > 0 && leg->h2) {
        if (send(leg->back, data, (size_t)n, MSG_NOSIGNAL) != n)
            end_leg(leg);
    } else if (n > 0) {
        assert_true(leg->head_len + (size_t)n < sizeof leg->head);
        memcpy(leg->head + leg->head_len, data, (size_t)n);
        leg->head_len += (size_t)n;
        answer(f, leg);
    } else if (SSL_get_error(leg->ssl, n) != SSL_ERROR_WANT_READ) {
        end_leg(leg);
    }
}

static void from_server(struct tls_front_leg *leg)
{
    char data[16384];
    ssize_t n = recv(leg->back, data, sizeof data, 0);

    if (n == 0 || (n > 0 && SSL_write(leg->ssl, data, (int)n) != n))
        end_leg(leg);
}

void tls_front_step(struct tls_front *f)
{
    accept_one(f);
    for (int i = 0; i < TLS_FRONT_LEGS; i++) {
        struct tls_front_leg *leg = &f->legs[i];

        if (leg->fd >= 0 && !leg->agreed)
            agree(f, leg);
        if (leg->fd >= 0 && leg->agreed)
            from_client(f, leg);
        if (leg->fd >= 0 && leg->back >= 0)
            from_server(leg);
    }
}
