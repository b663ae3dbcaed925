/* SPDX-License-Identifier: MIT */
/*
 * Dialing: resolve, race, then the filters (TLS), each stage under its own limit; the result is an
 * open stream, or an error that names the stage, the peer and every address tried.
 */
#ifndef BL_NET_DIAL_H
#define BL_NET_DIAL_H

#include "net/race.h"
#include "net/stream.h"

/*
 * One proxy on the way. The dial connects to the first; each, once the filters below it stand, is
 * asked for a way to the next, the last for one to the target. HOP_FORWARD only comes last and is
 * asked for nothing: the session speaks to the proxy itself.
 */
enum bl_hop_kind {
    BL_HOP_CONNECT, /* HTTP CONNECT */
    BL_HOP_FORWARD, /* HTTP, absolute-form */
    BL_HOP_SOCKS4,
    BL_HOP_SOCKS4A,
    BL_HOP_SOCKS5,
    BL_HOP_SOCKS5H,
};

struct bl_hop {
    enum bl_hop_kind kind;
    const char *name; /* for people: "http://proxy:3128" */
    const char *host; /* to resolve, or to name to the hop before; an IP literal too */
    uint16_t port;
    const struct belay_addr *addrs; /* dial these instead, when it is the first */
    size_t addrs_n;
    struct belay_tls *tls; /* NULL: spoken to in the clear */
    const char *server_name;
    const void *session_key; /* of TLS tickets */
    size_t session_key_len;
    const char *user, *password; /* NULL: none */
};

/* One way to the target; none of its hops: directly. */
struct bl_route {
    const struct bl_hop *hops;
    size_t hops_n;
    const void *key; /* by which its failure is remembered (net/failures.h); NULL: it is not */
    size_t key_len;
};

/* Where to and how. The plan is copied; what it points to must stay until the callback or cancel.
 */
struct bl_dial_plan {
    const char *target; /* for people: "https://example.com:443" */
    const char *host;   /* to resolve; NULL when addrs are given */
    uint16_t port;
    const struct belay_addr *addrs; /* dial these instead (Unix sockets too) */
    size_t addrs_n;
    enum belay_family family;        /* NONE: both */
    const struct belay_addr *source; /* NULL: any */
    const char *interface_name;      /* NULL: any */
    bool fresh;                      /* bypass the name cache */

    struct belay_tls *tls; /* NULL: none */
    const char *server_name;
    bool no_sni;
    const uint8_t *alpn;
    size_t alpn_len;
    const void *session_key;
    size_t session_key_len;

    /* Ways to try one after the other within this attempt; 0: directly. */
    const struct bl_route *routes;
    size_t routes_n;

    /* The first bytes to the target, before TLS with it (PROXY protocol): 0 none, 1, 2. Addresses:
       NULL: those of the socket. */
    uint8_t proxy_protocol;
    const struct belay_addr *proxy_source, *proxy_destination;

    int64_t resolve_timeout_ms, connect_timeout_ms, tls_timeout_ms; /* INT64_MAX: none */
    int64_t proxy_timeout_ms;                                       /* each hop's answer */
    int64_t dial_timeout_ms;                                        /* together; 0: none */
    int64_t race_delay_ms;
    struct bl_stream_options stream;
};

struct bl_dial;
typedef void bl_dial_fn(struct belay_stream *stream, const struct belay_error *error, void *arg);

/* BELAY_ENOMEM. fn runs once, never inside, with a stream that is the callee's, or with an error.
 */
int bl_dial_start(struct belay_loop *loop, const struct bl_dial_plan *plan, bl_dial_fn *fn,
                  void *arg, struct bl_dial **ret);
/* What its caller's own limit found it at: the stage, and the addresses tried, which are put into
 * `tried`. */
void bl_dial_describe_limit(struct bl_dial *dial, int64_t limit_ms, struct belay_error *error,
                            struct belay_tried tried[BL_RACE_MAX]);
/* fn will not run; whatever was open is closed. */
void bl_dial_cancel(struct bl_dial *dial);

#endif
