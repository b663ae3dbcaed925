/* SPDX-License-Identifier: MIT */
/*
 * TLS before a server in plain text: what was agreed to be h2 goes to that server, in HTTP/1.1 the
 * front answers itself. No thread: it moves when turned.
 */
#ifndef TEST_SUPPORT_TLS_FRONT_H
#define TEST_SUPPORT_TLS_FRONT_H

#include "support/test.h"

#include <openssl/ssl.h>
#include <stdbool.h>

#define TLS_FRONT_LEGS 16

struct tls_front_leg {
    int fd, back; /* -1: closed; there is no server behind HTTP/1.1 */
    SSL *ssl;
    bool agreed, h2;
    char head[4096]; /* HTTP/1.1: what came of a request */
    size_t head_len;
};

struct tls_front {
    int listener, port, back_port;
    SSL_CTX *ctx;
    unsigned h2, http1;  /* connections */
    unsigned requests;   /* in HTTP/1.1 */
    unsigned records;    /* with what clients say behind the handshake */
    const char *body;    /* of answers to them */
    bool http1_alone;    /* it does not agree to h2 */
    char method[16];     /* of the last */
    bool h2_was_offered; /* by the last connection */
    struct tls_front_leg legs[TLS_FRONT_LEGS];
};

void tls_front_start(struct tls_front *f, int back_port, const char *body);
void tls_front_step(struct tls_front *f);
void tls_front_stop(struct tls_front *f);

#endif
