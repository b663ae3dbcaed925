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
/* Everything but limits and socket options. Points into the endpoint. */
void bl_endpoint_plan(const struct belay_endpoint *endpoint, struct bl_dial_plan *plan);
/* The proxy that requests are spoken to, in absolute form; NULL: to the target, or not to a proxy
 * alone. Its user and password are those of whichever way is taken. */
const struct bl_hop *bl_endpoint_forward(const struct belay_endpoint *endpoint);
/* belay_endpoint_new, for someone who may not speak to forward proxies. */
int bl_endpoint_make(struct belay_loop *loop, const struct belay_endpoint_options *options,
                     bool may_forward, struct belay_endpoint **ret_endpoint,
                     struct belay_error *error);
/* The identity of endpoints and proxies that were given none: made at first use, kept by the loop,
 * and a reference of it. What belay_tls_new returns. */
int bl_default_tls(struct belay_loop *loop, struct belay_tls **ret, struct belay_error *error);
/* A copy with another host and port, or other addresses (n > 0). */
int bl_endpoint_like(const struct belay_endpoint *endpoint, const char *host, uint16_t port,
                     const struct belay_addr *addrs, size_t n, struct belay_endpoint **ret,
                     struct belay_error *error);

#endif
