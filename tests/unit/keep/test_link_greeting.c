/* SPDX-License-Identifier: MIT */
/*
 * A server that speaks first, over TLS 1.2, in the very packet that ends the handshake: what it says
 * is there before anybody has the connection, and must be there when somebody has.
 */
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "belay/link.h"
#include "unit/conn/stream_kit.h"
#include "unit/net/test_tls_kit.h"

#define GREETING "220 welcome\r\n"

static struct stream_kit kit;
static struct kit_cert cert;
static unsigned refused;

/* ---- the server: one connection, on a thread ---- */

static void send_all(int fd, SSL *ssl)
{
    char bytes[16384];
    int n;

    while ((n = BIO_read(SSL_get_wbio(ssl), bytes, sizeof bytes)) > 0)
        if (send(fd, bytes, (size_t)n, MSG_NOSIGNAL) != n)
            return;
}

/* The greeting goes out with the last flight. */
static void greet(int fd, SSL *ssl)
{
    char bytes[16384];
    ssize_t n;

    while (SSL_do_handshake(ssl) != 1) {
        send_all(fd, ssl);
        n = recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0)
            return;
        BIO_write(SSL_get_rbio(ssl), bytes, (int)n);
    }
    SSL_write(ssl, GREETING, sizeof GREETING - 1);
    send_all(fd, ssl);
    while (recv(fd, bytes, sizeof bytes, 0) > 0) /* until the other side closes */
        ;
}

static void *serve(void *arg)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    int fd = accept(*(int *)arg, NULL, NULL);
    SSL *ssl;

    SSL_CTX_use_certificate(ctx, cert.cert);
    SSL_CTX_use_PrivateKey(ctx, cert.key);
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    ssl = SSL_new(ctx);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl);
    if (fd >= 0)
        greet(fd, ssl);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    return NULL;
}

static int listen_somewhere(uint16_t *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

/* ---- the link ---- */

static void on_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    (void)link;
    (void)arg;
    if (event->type == BELAY_LINK_CONNECTED)
        stream_kit_gather(&kit, belay_lease_stream(event->lease));
    refused += event->type == BELAY_LINK_FAILED_TO_CONNECT;
}

static struct belay_endpoint *tls_endpoint(uint16_t port)
{
    struct belay_endpoint_options o = belay_endpoint_options_init();
    struct belay_tls_options t = belay_tls_options_init();
    struct belay_endpoint *endpoint;

    t.no_verify = true; /* it is about bytes */
    assert_int_equal(belay_tls_new(kit.net.loop, &t, &o.tls, NULL), 0);
    o.scheme = "tls";
    o.host = "127.0.0.1";
    o.port = port;
    assert_int_equal(belay_endpoint_new(kit.net.loop, &o, &endpoint, NULL), 0);
    belay_tls_unref(o.tls);
    return endpoint;
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void a_greeting_that_comes_with_the_handshake_is_heard(void **state)
{
    struct belay_link_options o = belay_link_options_init();
    struct belay_endpoint *endpoint;
    struct belay_link *link;
    bool closed = false;
    pthread_t thread;
    uint16_t port;
    int fd;

    (void)state;
    cert = kit_cert_make(&(struct kit_cert_plan){.cn = "x", .from_days = -3650, .to_days = 3650});
    fd = listen_somewhere(&port);
    assert_int_equal(pthread_create(&thread, NULL, serve, &fd), 0);
    stream_kit_set_up(&kit);
    endpoint = tls_endpoint(port);
    o.on_event = on_event;
    assert_int_equal(belay_link_open_to(endpoint, &o, &link, NULL), 0);
    STREAM_KIT_UNTIL(&kit, refused || strcmp(kit.got, GREETING) == 0);
    assert_int_equal(refused, 0);
    belay_link_close(link, on_closed, &closed);
    STREAM_KIT_UNTIL(&kit, closed);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(fd);
    belay_endpoint_unref(endpoint);
    stream_kit_tear_down(&kit);
    kit_cert_free(&cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_greeting_that_comes_with_the_handshake_is_heard),
    };
    return cmocka_run_group_tests_name("keep_link_greeting", tests, NULL, NULL);
}
