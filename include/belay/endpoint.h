/* SPDX-License-Identifier: MIT */
/*
 * belay/endpoint.h - where to connect and as whom: immutable and reference-counted.
 *
 * An endpoint is an origin (scheme, host, port), a route (what is dialled instead: addresses, a
 * Unix path, proxies, a source address) and a TLS identity. Whether two requests may share a
 * connection is decided by one canonical key made from all of it, and compared in full. It covers
 * what is dialled: plain HTTP through a forward proxy has no target in its key.
 *
 * Strings: "tcp://host:port", "tls://host:port", "unix:///path", "unix:@abstract",
 * "http://host[:80]", "https://host[:443]", and a bare "host:port", which is tcp. IPv6 in brackets.
 * What follows the port must be empty or "/".
 */
#ifndef BELAY_ENDPOINT_H
#define BELAY_ENDPOINT_H

#include "belay/loop.h"
#include "belay/tls.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_endpoint;
struct belay_proxy; /* belay/proxy.h */

/* Of HAProxy: tells a server behind a load balancer whose connection it is. */
enum belay_proxy_protocol {
    BELAY_PROXY_PROTOCOL_NONE = 0,
    BELAY_PROXY_PROTOCOL_V1,
    BELAY_PROXY_PROTOCOL_V2
};

struct belay_endpoint_options {
    size_t size;
    /* Either url, or scheme with host and port (or path for "unix"). */
    const char *url;
    const char *scheme;
    const char *host;
    const char *path; /* of the Unix socket; "@name" is abstract */
    int32_t port;     /* 0: the scheme's default */
    /* Route. */
    const struct belay_addr *addrs; /* dial these instead of looking up the host */
    size_t addrs_n;
    const char *unix_path;      /* dial this Unix socket instead */
    const char *source_addr;    /* our end: an IP address */
    const char *interface_name; /* our end: "eth0" */
    enum belay_family family;   /* NONE: both */
    /* Identity. */
    struct belay_tls *tls;   /* NULL, for a scheme with TLS: the defaults, made once per loop */
    const char *server_name; /* SNI and name to verify; NULL: host */
    bool no_sni;
    const char *alpn; /* protocols to offer, "h2,http/1.1"; NULL: none */
    const char *tag;  /* keeps connections apart that would be the same: a tenant, a purpose */
    /* Route, continued. */
    struct belay_proxy *proxy; /* NULL: none. Not with a Unix socket; with addrs it is asked for
                                  these in place of the host */
    bool proxy_from_env;       /* without `proxy`: what the environment says now (belay/proxy.h);
                                  nothing of Unix sockets */
    enum belay_proxy_protocol proxy_protocol; /* said to the target before all else, TLS included */
    const struct belay_addr *proxy_source;    /* what it says: both, of one family (v1: IP); NULL:
                                                 the socket's own addresses, none if the route
                                                 leads through proxies */
    const struct belay_addr *proxy_destination;
};
BELAY_OPTIONS_INIT(belay_endpoint_options)

/*
 * From options, with one reference. BELAY_EINVAL: `error` names what is wrong; BELAY_ENOMEM; and,
 * for a scheme with TLS and no `tls`, what belay_tls_new returns.
 */
BELAY_API int belay_endpoint_new(struct belay_loop *loop,
                                 const struct belay_endpoint_options *options,
                                 struct belay_endpoint **ret_endpoint, struct belay_error *error);

/* The same from a string alone. */
BELAY_API int belay_endpoint_parse(struct belay_loop *loop, const char *url,
                                   struct belay_endpoint **ret_endpoint, struct belay_error *error);

BELAY_API struct belay_endpoint *belay_endpoint_ref(struct belay_endpoint *endpoint);
BELAY_API void belay_endpoint_unref(struct belay_endpoint *endpoint);

/* "https://example.com:443", "https://example.com:443 through http://proxy:3128": for people,
 * without secrets. Lives as long as the endpoint. */
BELAY_API const char *belay_endpoint_name(const struct belay_endpoint *endpoint);
BELAY_API const char *belay_endpoint_scheme(const struct belay_endpoint *endpoint);
BELAY_API const char *belay_endpoint_host(const struct belay_endpoint *endpoint); /* "" for unix */
BELAY_API int belay_endpoint_port(const struct belay_endpoint *endpoint);         /* 0 for unix */
BELAY_API bool belay_endpoint_is_tls(const struct belay_endpoint *endpoint);
/*
 * What is dialled instead of looking up the host: addresses that were given, a numeric host, a Unix
 * socket. *ret_n 0, and NULL, when the host is looked up. For connectors that dial by themselves.
 */
BELAY_API const struct belay_addr *belay_endpoint_addrs(const struct belay_endpoint *endpoint,
                                                        size_t *ret_n);
/* Whether its connections lead to a forward proxy: requests have the absolute form
 * (belay/proxy.h). */
BELAY_API bool belay_endpoint_is_forward(const struct belay_endpoint *endpoint);

/* Whether connections of the one may serve the other; of addresses of the caller's own, what `equal`
 * says. */
BELAY_API bool belay_endpoint_equal(const struct belay_endpoint *a, const struct belay_endpoint *b);

/*
 * An address of the caller's own type: for connectors that dial by themselves, which find it
 * unchanged by belay_endpoint_address. Sources give such endpoints and links take them like any
 * other; a pool shares connections only between uses of the same endpoint, never between equal ones.
 * The functions run on the loop's thread, and must outlive the endpoint.
 */
struct belay_address_ops {
    size_t size;
    void *(*copy)(const void *address, void *arg); /* NULL: the pointer is kept; NULL from it: no
                                                      memory */
    void (*free)(void *address, void *arg);        /* may be NULL */
    bool (*equal)(const void *a, const void *b, void *arg); /* NULL: by pointer */
    /* For people, without secrets: at most `size` bytes, terminated. NULL: "address". */
    void (*print)(const void *address, char *out, size_t size, void *arg);
    void *arg;
};
/* BELAY_EINVAL, BELAY_ENOMEM. */
BELAY_API int belay_endpoint_new_address(struct belay_loop *loop,
                                         const struct belay_address_ops *ops, const void *address,
                                         struct belay_endpoint **ret_endpoint);
/* The address, the endpoint's; NULL where it is not one of the caller's own. Whoever dials it by
 * belay's own means gets BELAY_ENOTSUP. */
BELAY_API const void *belay_endpoint_address(const struct belay_endpoint *endpoint);

#ifdef __cplusplus
}
#endif

#endif
