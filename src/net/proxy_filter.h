/* SPDX-License-Identifier: MIT */
/*
 * What is said to a proxy, and to a server that wants the PROXY protocol, before anything else:
 * filters that talk over the one below, and step aside.
 */
#ifndef BL_NET_PROXY_FILTER_H
#define BL_NET_PROXY_FILTER_H

#include "net/dial.h"
#include "net/filter.h"

/* What the hop is asked for. */
struct bl_proxy_ask {
    const struct belay_addr *addr; /* NULL: `host`, which the hop looks up */
    const char *host;
    uint16_t port;
};

/*
 * Asks a hop (any but BL_HOP_FORWARD) for a way. All is read during the call; user and password are
 * wiped. BELAY_ENOMEM; BELAY_EINVAL: what its protocol cannot say.
 */
int bl_proxy_filter_new(struct belay_loop *loop, const struct bl_hop *hop,
                        const struct bl_proxy_ask *ask, struct bl_filter *below,
                        struct bl_filter **ret, struct belay_error *error);

/* Sends the header of the PROXY protocol. BELAY_ENOMEM. */
int bl_proxy_header_filter_new(struct belay_loop *loop, int version,
                               const struct belay_addr *source,
                               const struct belay_addr *destination, struct bl_filter *below,
                               struct bl_filter **ret, struct belay_error *error);

/* Whether what it answered speaks of the target, or of the way to it: the proxy itself works. */
bool bl_hop_blames_target(enum bl_hop_kind kind, const struct belay_error *error);

/* Whether names are looked up here for it. */
static inline bool bl_hop_wants_address(enum bl_hop_kind kind)
{
    return kind == BL_HOP_SOCKS4 || kind == BL_HOP_SOCKS5;
}

#endif
