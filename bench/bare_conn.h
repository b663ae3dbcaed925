/* SPDX-License-Identifier: MIT */
/*
 * bare_conn.h - one HTTP/1.1 client connection on bare epoll, plain or with OpenSSL.
 *
 * The floor that a real client is measured against: a response is complete when as many bytes
 * have come as the first one had; nothing is parsed. Per request one send and, when the response
 * comes in one piece, one recv.
 */
#ifndef BELAY_BENCH_BARE_CONN_H
#define BELAY_BENCH_BARE_CONN_H

#include "bench_util.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

/* Whom to talk to, and what is known of the responses. */
struct bare_target {
    struct sockaddr_storage address;
    socklen_t address_length;
    const char *host;
    bool host_is_name;
    char request[256];
    size_t request_length;
    size_t response_length; /* 0 until bare_conn_learn() */
    int epoll_fd;
    SSL_CTX *ctx; /* NULL: plain */
    bool resume;
    SSL_SESSION *ticket; /* the newest one not used yet */
};

enum bare_state {
    BARE_CLOSED,
    BARE_HANDSHAKE,
    BARE_SENDING,
    BARE_READING,
    BARE_IDLE,
};

struct bare_conn {
    int fd;
    enum bare_state state;
    SSL *ssl;
    size_t moved; /* bytes of the request sent, or of the response read */
};

/* Resolves the host, makes the SSL_CTX and the epoll descriptor. */
void bare_target_init(struct bare_target *target, const struct bench_options *options);
void bare_target_fini(struct bare_target *target);

/* Opens a connection and asks for the first response; closes it again. */
void bare_target_learn(struct bare_target *target);

/* Begins to connect; the first request goes out as soon as it can. */
void bare_conn_open(struct bare_conn *conn, struct bare_target *target);

/* Begins the next request on an idle connection. */
void bare_conn_request(struct bare_conn *conn);

/* Goes on as far as it can without waiting. True when a response has just become complete. */
bool bare_conn_drive(struct bare_conn *conn, struct bare_target *target);

/* Closes, with close_notify over TLS, as the RFC wants it. */
void bare_conn_close(struct bare_conn *conn);

#endif
