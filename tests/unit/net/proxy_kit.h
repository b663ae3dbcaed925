/* SPDX-License-Identifier: MIT */
/*
 * Dials through scripted proxies on loopback. One peer plays all the roles on a way, one after the
 * other, on its one connection: it waits for exactly the bytes it expects, says its own, and may
 * then go on inside TLS, or leave.
 */
#ifndef TESTS_UNIT_PROXY_KIT_H
#define TESTS_UNIT_PROXY_KIT_H

#include "net_kit.h"
#include "test_tls_kit.h"

#include "net/dial.h"
#include "net/race.h"
#include "support/fake_dns.h"

#define PX_PEERS  4
#define PX_LAYERS 3

enum px_then { PX_GO_ON = 0, PX_CLOSE, PX_TLS };

struct px_step {
    const char *expect; /* exactly; for TLS servers in what was decrypted */
    size_t expect_n;
    const char *say;
    size_t say_n;
    enum px_then then;
    SSL_CTX *ctx; /* PX_TLS: goes on inside it */
};

/* A step of string literals, which may have NULs inside. */
#define PX_BYTES(e, s, ...)                                                                        \
    {                                                                                              \
        .expect = (e), .expect_n = sizeof(e) - 1, .say = (s), .say_n = sizeof(s) - 1, __VA_ARGS__  \
    }

struct px_peer {
    int listener, fd; /* fd -1: nobody */
    struct belay_addr addr;
    const struct px_step *steps; /* for each connection anew */
    size_t steps_n, at;
    unsigned accepted;
    bool chop; /* says one byte at a time, a turn of the loop between them */
    bool gone; /* the other end has closed */
    SSL *layers[PX_LAYERS];
    size_t layers_n;
    char in[8192];
    size_t in_n;
    char out[65536];
    size_t out_n, out_at;
    bool close_after;
    size_t cut, said; /* closes after so many bytes of all; 0: does not */
};

struct px {
    struct net_kit net;
    struct kit tls; /* its loop only */
    struct fake_dns dns;
    struct belay_clock clock;
    struct px_peer peers[PX_PEERS];
    size_t peers_n;
    struct bl_dial_plan plan;
    struct bl_route routes[4];
    struct bl_dial *dial;
    struct belay_stream *stream;
    struct belay_error error;
    char heard[65536]; /* what the stream brought */
    size_t heard_n;
    bool told;
};

void px_begin(struct px *t);
void px_finish(struct px *t);

struct px_peer *px_listen(struct px *t, const struct px_step *steps, size_t n);
/* Adds a way: these hops. The first without addresses is given the peer's (may be NULL). */
void px_route(struct px *t, struct bl_hop *hops, size_t n, const struct px_peer *peer);

void px_start(struct px *t);
int px_try(struct px *t); /* may fail */
/* Turns the loop and the peers until *flag. */
void px_until(struct px *t, const bool *flag);
void px_turn(struct px *t);
void px_dial(struct px *t);
/* The peer is at the end of its script; what is sent then arrives there, and back. */
void px_expect_tunnel(struct px *t, struct px_peer *peer);
void px_expect_heard(struct px *t, const char *data, size_t n);
void px_expect_failure(struct px *t, int code, enum belay_stage stage, const char *words);
/* The text has none of what is below. */
void px_expect_no_secret(const struct px *t);

#define PX_USER     "hidden-user"
#define PX_PASSWORD "hidden-password"

#endif
