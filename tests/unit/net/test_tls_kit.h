/* SPDX-License-Identifier: MIT */
/*
 * What the TLS tests stand on: a loop whose date is the test's, certificates made on the spot, a
 * byte pipe as the filter at the bottom, and a server of plain OpenSSL at its other end. No socket,
 * no clock.
 */
#ifndef TEST_NET_TLS_KIT_H
#define TEST_NET_TLS_KIT_H

#include <openssl/ssl.h>

#include "base/buf.h"
#include "net/filter.h"
#include "support/failing_alloc.h"
#include "support/test.h"

#define KIT_NOW_MS ((int64_t)1893456000000) /* 2030-01-01 */

struct kit {
    struct failing_alloc alloc;
    struct belay_world world;
    struct belay_clock clock;
    struct belay_loop *loop;
    int64_t wall_ms;
    char dir[64]; /* for files; emptied at the end */
};

int kit_set_up(void **state);
int kit_tear_down(void **state);

/* ---- certificates ---- */

struct kit_cert {
    EVP_PKEY *key;
    X509 *cert;
};

struct kit_cert_plan {
    const char *cn;
    const char *san;               /* "DNS:a.test,IP:127.0.0.1"; NULL: none */
    const struct kit_cert *issuer; /* NULL: self-signed */
    int from_days, to_days;        /* from KIT_NOW_MS; both 0: from -10 to 100 */
    bool ca;
};

struct kit_cert kit_cert_make(const struct kit_cert_plan *plan);
void kit_cert_free(struct kit_cert *cert);

/* An authority and a certificate of it for a.test, *.w.test and 127.0.0.1; made once. */
const struct kit_cert *kit_ca(void);
const struct kit_cert *kit_site(void);

/* PEM text; to be freed. */
char *kit_pem(X509 *cert);
/* Files in kit->dir; the path lives until the next call but three. */
const char *kit_file(struct kit *kit, const char *name, const char *text);
const char *kit_cert_file(struct kit *kit, const char *name, X509 *const *certs, size_t n);
const char *kit_key_file(struct kit *kit, const char *name, EVP_PKEY *key, const char *passphrase);

/* An identity that trusts kit_ca(); `more` changes the options first (may be NULL). */
struct belay_tls *kit_identity(struct kit *kit, void (*more)(struct belay_tls_options *o));

/* ---- two ends ---- */

struct kit_wire {
    struct bl_filter filter;
    struct bl_mem mem;
    struct bl_buf in, out; /* to the client, from the client */
    bool chop;             /* one byte at a time */
    bool stutter;          /* BELAY_EAGAIN at every other call */
    bool choked;           /* takes nothing */
    bool eof;              /* after `in` */
    int broken;            /* what write and, after `in`, read return */
    unsigned calls;
    unsigned reads, writes; /* that moved something */
    bool shut, closed;
};

struct kit_server_plan {
    const struct kit_cert *cert; /* NULL: kit_site() */
    int max_version;             /* 0: any */
    const char *alpn;            /* the one it speaks */
    bool wants_client;           /* a certificate of kit_ca() */
};
SSL_CTX *kit_server(const struct kit_server_plan *plan);

struct kit_pair {
    struct kit *kit;
    struct kit_wire wire;
    struct bl_filter *client; /* NULL before kit_dial */
    SSL *server;
    bool server_failed;
    struct belay_error error;
};

/* The ends, not yet shaking hands. `ctx` NULL: no server, the test feeds wire.in itself. */
void kit_pair_init(struct kit_pair *pair, struct kit *kit, SSL_CTX *ctx);
/* bl_tls_filter_new with name (NULL: "a.test") and a session key. */
int kit_dial(struct kit_pair *pair, struct belay_tls *tls, const char *name);
int kit_dial_want(struct kit_pair *pair, const struct bl_tls_want *want);
/* Drives both ends until the client's start has a result. */
int kit_shake(struct kit_pair *pair);
/* init, dial and shake. */
int kit_connect(struct kit_pair *pair, struct kit *kit, SSL_CTX *ctx, struct belay_tls *tls);
void kit_pair_close(struct kit_pair *pair);

void kit_pump(struct kit_pair *pair); /* the server sees what came and answers */
/* The client's read, as often as its EAGAIN can be helped by the server. */
ptrdiff_t kit_read(struct kit_pair *pair, void *out, size_t size);
void kit_write_all(struct kit_pair *pair, const void *data, size_t len);
void kit_server_writes(struct kit_pair *pair, const void *data, size_t len);
size_t kit_server_reads(struct kit_pair *pair, void *out, size_t size);
/* Ten bytes there and back. */
void kit_exchange(struct kit_pair *pair);

void assert_says(const struct belay_error *error, int code, const char *words);

#endif
