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
/* A copy with another host and port, or other addresses (n > 0). */
int bl_endpoint_like(const struct belay_endpoint *endpoint, const char *host, uint16_t port,
                     const struct belay_addr *addrs, size_t n, struct belay_endpoint **ret,
                     struct belay_error *error);

#endif
