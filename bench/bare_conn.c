/* SPDX-License-Identifier: MIT */
/*
 * bare_conn.c - the bare connection.
 *
 * Watches are edge-triggered and set once: a read shorter than the buffer has emptied the socket,
 * so a response costs no second recv, and the watch never changes. OpenSSL reads ahead, so the
 * header and the body of a record come with one recv.
 */
#include "bare_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static char scratch[64 * 1024];

static _Noreturn void die_tls(const char *what)
{
    char text[256];

    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    bench_die("%s: %s", what, text);
}

/* TLS 1.3 tickets arrive after the handshake, one by one; the newest is kept. */
static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
    struct bare_target *target = SSL_get_app_data(ssl);

    SSL_SESSION_free(target->ticket);
    target->ticket = session;
    return 1;
}

static void target_init_tls(struct bare_target *target, const struct bench_options *options)
{
    X509_VERIFY_PARAM *param;
    int host_is_set;

    target->ctx = SSL_CTX_new(TLS_client_method());
    if (target->ctx == NULL ||
        SSL_CTX_load_verify_locations(target->ctx, options->cafile, NULL) != 1)
        die_tls(options->cafile);
    SSL_CTX_set_verify(target->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_read_ahead(target->ctx, 1);
    param = SSL_CTX_get0_param(target->ctx);
    if (target->host_is_name)
        host_is_set = X509_VERIFY_PARAM_set1_host(param, target->host, 0);
    else
        host_is_set = X509_VERIFY_PARAM_set1_ip_asc(param, target->host);
    if (host_is_set != 1)
        die_tls(target->host);
    target->resume = strcmp(options->mode, "connect-resumed") == 0;
    if (target->resume) {
        SSL_CTX_set_session_cache_mode(target->ctx,
                                       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
        SSL_CTX_sess_set_new_cb(target->ctx, on_ticket);
    }
    if (strcmp(options->mode, "idle") == 0)
        SSL_CTX_set_mode(target->ctx, SSL_MODE_RELEASE_BUFFERS);
}

void bare_target_init(struct bare_target *target, const struct bench_options *options)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    struct in6_addr number;
    char port[8];
    int error;

    *target = (struct bare_target){.host = options->host};
    snprintf(port, sizeof(port), "%u", options->port);
    error = getaddrinfo(options->host, port, &hints, &found);
    if (error != 0)
        bench_die("%s: %s", options->host, gai_strerror(error));
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->address_length = found->ai_addrlen;
    freeaddrinfo(found);
    target->host_is_name = inet_pton(AF_INET, options->host, &number) != 1 &&
                           inet_pton(AF_INET6, options->host, &number) != 1;
    error = snprintf(target->request, sizeof(target->request),
                     "GET /%s HTTP/1.1\r\nHost: %s:%u\r\n\r\n", bench_is_body(options) ? "big" : "",
                     options->host, options->port);
    if (error < 0 || (size_t)error >= sizeof(target->request))
        bench_die("the host name is too long");
    target->request_length = (size_t)error;
    target->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (target->epoll_fd < 0)
        bench_die("epoll_create1: %s", strerror(errno));
    if (options->tls)
        target_init_tls(target, options);
}

void bare_target_fini(struct bare_target *target)
{
    close(target->epoll_fd);
    SSL_SESSION_free(target->ticket);
    SSL_CTX_free(target->ctx);
}

static void conn_start_tls(struct bare_conn *conn, struct bare_target *target)
{
    conn->ssl = SSL_new(target->ctx);
    if (conn->ssl == NULL || SSL_set_fd(conn->ssl, conn->fd) != 1)
        die_tls("SSL_new");
    SSL_set_app_data(conn->ssl, target);
    SSL_set_connect_state(conn->ssl);
    if (target->host_is_name && SSL_set_tlsext_host_name(conn->ssl, target->host) != 1)
        die_tls("SNI");
    if (target->ticket != NULL) {
        SSL_set_session(conn->ssl, target->ticket);
        SSL_SESSION_free(target->ticket); /* each ticket is used once */
        target->ticket = NULL;
    }
}

void bare_conn_open(struct bare_conn *conn, struct bare_target *target)
{
    struct epoll_event watch = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = conn};
    int on = 1;

    *conn = (struct bare_conn){.state = target->ctx != NULL ? BARE_HANDSHAKE : BARE_SENDING};
    conn->fd =
        socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (conn->fd < 0)
        bench_die("socket: %s", strerror(errno));
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(conn->fd, (struct sockaddr *)&target->address, target->address_length) != 0 &&
        errno != EINPROGRESS)
        bench_die("connect: %s", strerror(errno));
    if (epoll_ctl(target->epoll_fd, EPOLL_CTL_ADD, conn->fd, &watch) != 0)
        bench_die("epoll_ctl: %s", strerror(errno));
    if (target->ctx != NULL)
        conn_start_tls(conn, target);
}

void bare_conn_request(struct bare_conn *conn)
{
    conn->state = BARE_SENDING;
    conn->moved = 0;
}

/* Returns when the call is to be made again at the next event, else ends the program. */
static void tls_expect_wait(const struct bare_conn *conn, int result, const char *what)
{
    int error = SSL_get_error(conn->ssl, result);

    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return;
    if (error == SSL_ERROR_SYSCALL)
        bench_die("%s: %s", what, errno != 0 ? strerror(errno) : "the server closed");
    die_tls(what);
}

static bool conn_send(struct bare_conn *conn, const struct bare_target *target)
{
    const char *rest = target->request + conn->moved;
    size_t length = target->request_length - conn->moved;
    ssize_t sent;

    if (conn->ssl != NULL) {
        int result = SSL_write(conn->ssl, rest, (int)length);

        if (result <= 0) {
            tls_expect_wait(conn, result, "write");
            return false;
        }
        sent = result;
    } else {
        sent = send(conn->fd, rest, length, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            return false;
        if (sent < 0)
            bench_die("send: %s", strerror(errno));
    }
    conn->moved += (size_t)sent;
    if (conn->moved == target->request_length) {
        conn->state = BARE_READING;
        conn->moved = 0;
    }
    return true;
}

/* The length of the first response, from its headers; 0 while they are incomplete. */
static size_t response_length(size_t have)
{
    static const char field[] = "\r\nContent-Length: ";
    const char *end, *length;

    scratch[have] = '\0';
    end = strstr(scratch, "\r\n\r\n");
    if (end == NULL)
        return 0;
    length = strstr(scratch, field);
    if (strncmp(scratch, "HTTP/1.1 200 ", 13) != 0 || length == NULL || length > end)
        bench_die("the first response is not a 200 with a Content-Length");
    return (size_t)(end + 4 - scratch) + strtoul(length + sizeof(field) - 1, NULL, 10);
}

/* True when there may be more to read at once. */
static bool conn_read(struct bare_conn *conn, struct bare_target *target)
{
    bool learning = target->response_length == 0;
    char *into = learning ? scratch + conn->moved : scratch;
    size_t room = sizeof(scratch) - 1 - (learning ? conn->moved : 0);
    ssize_t got;

    if (conn->ssl != NULL) {
        int result = SSL_read(conn->ssl, into, (int)room);

        if (result <= 0) {
            tls_expect_wait(conn, result, "read");
            return false;
        }
        got = result;
    } else {
        got = recv(conn->fd, into, room, 0);
        if (got < 0 && errno == EAGAIN)
            return false;
        if (got <= 0)
            bench_die("recv: %s", got < 0 ? strerror(errno) : "the server closed");
    }
    conn->moved += (size_t)got;
    if (learning) {
        target->response_length = response_length(conn->moved);
        if (target->response_length == 0)
            return true;
    }
    if (conn->moved > target->response_length)
        bench_die("a response of %zu bytes where the first had %zu", conn->moved,
                  target->response_length);
    if (conn->moved == target->response_length)
        conn->state = BARE_IDLE;
    return conn->ssl != NULL || (size_t)got == room;
}

static bool conn_handshake(struct bare_conn *conn)
{
    int result = SSL_do_handshake(conn->ssl);

    if (result != 1) {
        tls_expect_wait(conn, result, "handshake");
        return false;
    }
    conn->state = BARE_SENDING;
    return true;
}

bool bare_conn_drive(struct bare_conn *conn, struct bare_target *target)
{
    for (;;) {
        switch (conn->state) {
        case BARE_HANDSHAKE:
            if (!conn_handshake(conn))
                return false;
            break;
        case BARE_SENDING:
            if (!conn_send(conn, target))
                return false;
            /* The answer cannot be here yet: its edge will tell. */
            if (conn->state == BARE_READING)
                return false;
            break;
        case BARE_READING: {
            bool more = conn_read(conn, target);

            if (conn->state == BARE_IDLE)
                return true;
            if (!more)
                return false;
            break;
        }
        case BARE_IDLE:
        case BARE_CLOSED:
            return false;
        }
    }
}

void bare_conn_close(struct bare_conn *conn)
{
    if (conn->ssl != NULL) {
        SSL_shutdown(conn->ssl);
        SSL_free(conn->ssl);
    }
    close(conn->fd);
    *conn = (struct bare_conn){.state = BARE_CLOSED, .fd = -1};
}

void bare_target_learn(struct bare_target *target)
{
    struct bare_conn conn;
    struct epoll_event event;

    bare_conn_open(&conn, target);
    while (!bare_conn_drive(&conn, target)) {
        if (epoll_wait(target->epoll_fd, &event, 1, 5000) != 1)
            bench_die("no answer within 5 s");
    }
    bare_conn_close(&conn);
}
