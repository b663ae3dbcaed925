/* SPDX-License-Identifier: MIT */
/*
 * The client's side of SOCKS 4, 4a (de facto) and 5 (RFC 1928, with user and password of RFC 1929),
 * as far as asking for a connection goes. Pure: it says which bytes to send, and is given those
 * that came. It never asks for a byte too many, so what follows belongs to the tunnel.
 */
#ifndef BL_WIRE_SOCKS_H
#define BL_WIRE_SOCKS_H

#include "base/span.h"
#include "belay/addr.h"
#include "belay/error.h"

#define BL_SOCKS_OUT_MAX 784 /* greeting, user and password, request, each at its longest */
#define BL_SOCKS_IN_MAX  262 /* the longest answer: of a name */

struct bl_socks_want {
    int version;                   /* 4 or 5 */
    const struct belay_addr *addr; /* of the target; NULL: `host`, which the proxy looks up */
    const char *host;
    uint16_t port;
    const char *user, *password; /* NULL: none. SOCKS 4 has no password */
};

struct bl_socks {
    uint8_t version;
    uint8_t state;
    bool has_user;
    uint16_t out_at, out_end;                            /* of `out`: to be sent now */
    uint16_t greeting_end, credentials_end, request_end; /* where each ends in `out` */
    uint16_t in_n, in_need;                              /* of the answer that is coming */
    uint8_t in[BL_SOCKS_IN_MAX];
    uint8_t out[BL_SOCKS_OUT_MAX];
};

/* What is said is made at once. BELAY_EINVAL: what cannot be said, such as a name of 256 bytes;
 * the text shows neither user nor password. */
int bl_socks_init(struct bl_socks *s, const struct bl_socks_want *want, struct belay_error *error);
/* Forgets user and password. */
void bl_socks_fini(struct bl_socks *s);

/* To be sent now; empty when it is the proxy's turn. */
struct bl_span bl_socks_output(const struct bl_socks *s);
void bl_socks_sent(struct bl_socks *s, size_t len);

/* How many bytes of the proxy's are still certain to come: no more may be read. 0: none. */
size_t bl_socks_wants(const struct bl_socks *s);

/*
 * Takes at most that many. 1: the tunnel stands; 0: go on; BELAY_EPROXY: refused, `status` is the
 * proxy's code (255: it does not let us in, for whatever reason); BELAY_EPROTO.
 */
int bl_socks_input(struct bl_socks *s, const void *data, size_t len, struct belay_error *error);

/* Whether a refusal speaks of the target, or of the way to it, and not of the proxy. */
bool bl_socks_blames_target(int version, int status);

#endif
