/* SPDX-License-Identifier: MIT */
/* The endpoint as its floor and the keepers see it: its key, and the plan for dialling it. */
#ifndef BL_CONN_ENDPOINT_H
#define BL_CONN_ENDPOINT_H

#include "belay/endpoint.h"
#include "net/dial.h"

/* The canonical key: equal bytes, and only these, may share connections. Secrets in it are HMACs.
 */
const void *bl_endpoint_key(const struct belay_endpoint *endpoint, size_t *ret_len);
struct belay_loop *bl_endpoint_loop(const struct belay_endpoint *endpoint);
/* Whether its ALPN has that protocol. */
bool bl_endpoint_offers(const struct belay_endpoint *endpoint, const char *protocol);
/* Everything but limits and socket options. Points into the endpoint. */
void bl_endpoint_plan(const struct belay_endpoint *endpoint, struct bl_dial_plan *plan);
/*
 * Which ways that end in a forward proxy are gone as such, and not through a tunnel: those of plain
 * HTTP, if whoever made the endpoint speaks to forward proxies. EACH: they look at the way of each
 * connection; ALL: they do not, so it is all ways or none, and all with the same credentials.
 */
enum bl_forwarding { BL_FORWARD_NONE, BL_FORWARD_ALL, BL_FORWARD_EACH };
/* The proxy that is spoken to on that way (of its stream), in absolute form; NULL: the target is. */
const struct bl_hop *bl_endpoint_forward(const struct belay_endpoint *endpoint, unsigned way);
bool bl_endpoint_may_forward(const struct belay_endpoint *endpoint); /* on one way at least */
/* belay_endpoint_new is this with ALL. */
int bl_endpoint_make(struct belay_loop *loop, const struct belay_endpoint_options *options,
                     enum bl_forwarding forwarding, struct belay_endpoint **ret_endpoint,
                     struct belay_error *error);
/* The identity of endpoints and proxies that were given none: made at first use, kept by the loop,
 * and a reference of it. What belay_tls_new returns. */
int bl_default_tls(struct belay_loop *loop, struct belay_tls **ret, struct belay_error *error);
/*
 * A copy with another host and port, or (host NULL, n > 0) with other addresses. The name that TLS
 * verifies stays. BELAY_ENOTSUP for an address of the caller's own, which has neither.
 */
int bl_endpoint_like(const struct belay_endpoint *endpoint, const char *host, uint16_t port,
                     const struct belay_addr *addrs, size_t n, struct belay_endpoint **ret,
                     struct belay_error *error);
/* The same for a host that whoever made the endpoint vouches for: TLS verifies its name, but where
 * another was given. */
int bl_endpoint_of_host(const struct belay_endpoint *endpoint, const char *host, uint16_t port,
                        struct belay_endpoint **ret, struct belay_error *error);

#endif
