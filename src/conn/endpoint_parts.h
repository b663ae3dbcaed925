/* SPDX-License-Identifier: MIT */
/*
 * What the files of the endpoint share.
 *
 *     endpoint.c        origin, identity, life     endpoint_route.c    what is dialled instead
 *     endpoint_proxy.c  proxies on the way         endpoint_key.c      the canonical key
 *     endpoint_like.c   copies with another host   endpoint_address.c  addresses of the caller's own
 */
#ifndef BL_CONN_ENDPOINT_PARTS_H
#define BL_CONN_ENDPOINT_PARTS_H

#include "base/buf.h"
#include "base/error.h"
#include "conn/endpoint.h"
#include "wire/url.h"

#define BL_ENDPOINT_TEXT_MAX 255 /* of alpn, tag, interface and server names */

struct belay_endpoint {
    struct belay_loop *loop;
    uint32_t refs;
    uint16_t port;
    uint8_t family; /* enum belay_family */
    bool no_sni;
    bool server_named; /* server_name was given, and does not follow from the host */
    const struct bl_scheme_info *scheme;
    struct belay_tls *tls;
    char *host;        /* "" for unix */
    char *origin;      /* for people: "http://a.test:80" */
    char *name;        /* the same, and through which proxies; NULL without */
    char *server_name; /* NULL without TLS */
    char *interface_name;
    char *tag;
    uint8_t *alpn; /* wire form: each protocol behind its length */
    size_t alpn_len;
    struct belay_addr *addrs; /* what is dialled; none: the host is looked up */
    size_t addrs_n;
    bool routed; /* addrs were given, and are not just what the host says */
    struct belay_addr source;
    struct belay_proxy *proxy; /* NULL: none */
    struct bl_route *routes;   /* its ways, as this endpoint goes them */
    struct bl_hop *hops;       /* of all of them */
    size_t routes_n;
    uint8_t forwarding;     /* enum bl_forwarding */
    bool forward;           /* to the proxy, in absolute form, whatever the target */
    bool from_env;          /* the environment was asked for a proxy */
    uint8_t proxy_protocol; /* enum belay_proxy_protocol */
    struct belay_addr proxy_source, proxy_destination;
    struct belay_address_ops own; /* size 0: it is no address of the caller's own */
    const void *address;
    void *key;
    size_t key_len;
};

void bl_endpoint_free(struct belay_endpoint *e);
/* "port: is missing", and BELAY_EINVAL. */
int bl_endpoint_refuse(struct belay_error *error, const char *what, const char *why);
int bl_endpoint_no_memory(struct belay_error *error);
/* A short text without control characters, copied. */
int bl_endpoint_copy_text(struct belay_endpoint *e, const char *what, const char *text, char **ret,
                          struct belay_error *error);

/* endpoint_route.c */
int bl_endpoint_set_addrs(struct belay_endpoint *e, const struct belay_addr *addrs, size_t n,
                          struct belay_error *error);
int bl_endpoint_set_unix(struct belay_endpoint *e, const char *what, const char *path, size_t len,
                         struct belay_error *error);
int bl_endpoint_set_route(struct belay_endpoint *e, const struct belay_endpoint_options *o,
                          struct belay_error *error);

/* endpoint_proxy.c: after the route. Puts the way into the name. */
int bl_endpoint_set_proxy(struct belay_endpoint *e, const struct belay_endpoint_options *o,
                          struct belay_error *error);

/* endpoint_address.c: what `equal` says of two addresses of the caller's own. */
bool bl_endpoint_same_address(const struct belay_endpoint *a, const struct belay_endpoint *b);

/* endpoint_key.c: last. BELAY_ENOMEM. */
int bl_endpoint_set_key(struct belay_endpoint *e);

#endif
