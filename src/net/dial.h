/* SPDX-License-Identifier: MIT */
/*
 * Dialing: resolve, race, then the filters (TLS), each stage under its own limit; the result is an
 * open stream, or an error that names the stage, the peer and every address tried.
 */
#ifndef BL_NET_DIAL_H
#define BL_NET_DIAL_H

#include "net/stream.h"

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

    int64_t resolve_timeout_ms, connect_timeout_ms, tls_timeout_ms; /* INT64_MAX: none */
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
/* fn will not run; whatever was open is closed. */
void bl_dial_cancel(struct bl_dial *dial);

#endif
