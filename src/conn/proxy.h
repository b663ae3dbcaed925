/* SPDX-License-Identifier: MIT */
/*
 * A proxy as its floor sees it: one link, what is before it and what is tried instead, and all ways
 * these come to, with whatever dialling needs to know of each link.
 *
 * The ways through a proxy are those through what is before it (directly, if nothing is), each with
 * the proxy behind it, then those of what is tried instead. As proxies never change and refer only
 * to older ones, there are no cycles.
 */
#ifndef BL_CONN_PROXY_H
#define BL_CONN_PROXY_H

#include "belay/proxy.h"
#include "net/dial.h"
#include "wire/proxy_url.h"

#define BL_PROXY_HOPS_MAX 8
#define BL_PROXY_WAYS_MAX 16

struct belay_proxy {
    struct belay_loop *loop;
    uint32_t refs;
    uint32_t depth;      /* the longest row of references from here */
    struct bl_route own; /* this link alone: for its key; no hop for direct:// */
    struct bl_hop hop;
    struct belay_addr addr; /* of a Unix socket, or a numeric host */
    size_t user_len, password_len;
    struct belay_proxy *before, *or_else;

    struct bl_route *ways; /* never none */
    size_t ways_n;
    struct bl_hop *hops; /* of those ways that are not or_else's */
    char *keys;
    char *name;
};

/* Whether the last link of a way forwards plain HTTP, other than through a tunnel. */
bool bl_proxy_way_forwards(const struct bl_route *way);

/* proxy_link.c: one link, with nothing before it and nothing instead. */
struct bl_proxy_link {
    const struct belay_proxy_options *options; /* of a single one; else only tls and tunnel */
    struct bl_span text, link;
    bool chained; /* it is not alone in its way */
};
int bl_proxy_link_set(struct belay_proxy *p, const struct bl_proxy_link *what,
                      struct belay_error *error);
void bl_proxy_link_clear(struct belay_proxy *p);

/* proxy_ways.c: BELAY_EINVAL when they are too many or too long; BELAY_ENOMEM. */
int bl_proxy_ways_set(struct belay_proxy *p, struct belay_error *error);
void bl_proxy_ways_clear(struct belay_proxy *p);

#endif
