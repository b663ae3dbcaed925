/* SPDX-License-Identifier: MIT */
/*
 * belay/proxy.h - the way through proxies: HTTP (CONNECT, or forwarding plain HTTP), SOCKS 4, 4a,
 * 5, over TCP, a Unix socket or TLS, one behind the other, and what to try instead when one fails.
 * Immutable and reference-counted.
 *
 *     http://proxy:3128    an HTTP proxy        https://proxy   the same, spoken to over TLS
 *     socks5://proxy:1080  names looked up here socks5h://      names looked up by the proxy
 *     socks4://, socks4a:// likewise            direct://       no proxy (as an alternative)
 *
 * Without a scheme it is http, without a port 1080 (https: 443), as in curl; "socks" is socks4. A
 * path means nothing.
 * "http://localhost/run/x.sock" names a Unix socket. User and password stand before the host,
 * percent-encoded, or in the options. Both are secrets, kept out of names, logs, errors and
 * statistics; in keys they are an HMAC. An IPv6 host stands in brackets.
 *
 * A request of plain HTTP (belay/http.h) is forwarded by a way that ends in an HTTP proxy without
 * `tunnel`: the proxy hears it in absolute form, with the credentials, and what it answers is a
 * response like any other, a 407 too. Where all alternatives do so, their connections are shared
 * between targets. An endpoint that has addresses of its own, or sends the PROXY protocol, is
 * reached through a tunnel, as everything else is; and so is an http:// endpoint of somebody else's
 * (belay_dial, a pool), unless all alternatives forward, with the same credentials
 * (belay_endpoint_is_forward).
 */
#ifndef BELAY_PROXY_H
#define BELAY_PROXY_H

#include "belay/loop.h"
#include "belay/tls.h"

#ifdef __cplusplus
extern "C" {
#endif

struct belay_proxy;

struct belay_proxy_options {
    size_t size;
    const char *url; /* "http://user:password@proxy:3128", or a list as belay_proxy_parse has it */
    const char *unix_path; /* the proxy listens there; the url's host and port are only its name */
    const char *user;      /* in place of those of the url; SOCKS 4 has no password */
    const char *password;
    struct belay_tls *tls;       /* of https://; NULL: the defaults */
    const char *server_name;     /* SNI, and name to verify; NULL: the url's host */
    bool tunnel;                 /* CONNECT for plain HTTP too, in place of forwarding */
    struct belay_proxy *before;  /* this one is reached through that one: a chain, nearest first */
    struct belay_proxy *or_else; /* tried when this way fails, a refusal of the proxy's included,
                                    within the same attempt; one that has failed comes last for a
                                    while. Where a proxy's rules must hold: not "direct://" */
};
BELAY_OPTIONS_INIT(belay_proxy_options)

/*
 * Of `before`, `or_else` and `tls` references are taken. Every alternative of the url goes through
 * `before`; `or_else` comes after them. unix_path, user, password and server_name are of one proxy:
 * refused with a list. At most 8 proxies behind each other, 16 alternatives.
 *
 * BELAY_EINVAL: `error` names what is wrong, and never shows a secret; BELAY_ENOMEM; and what
 * belay_tls_new returns.
 *
 * A dial that a proxy refuses fails with stage *proxy* and BELAY_EPROXY, `status` being its answer
 * (407, or SOCKS's code): of kind fatal where asking again will not help (credentials, rules), else
 * of kind retry.
 */
BELAY_API int belay_proxy_new(struct belay_loop *loop, const struct belay_proxy_options *options,
                              struct belay_proxy **ret_proxy, struct belay_error *error);

/*
 * From text: alternatives separated by "|", each a chain separated by blanks, nearest first:
 * "socks5h://gate http://proxy:3128 | direct://".
 */
BELAY_API int belay_proxy_parse(struct belay_loop *loop, const char *text,
                                struct belay_proxy **ret_proxy, struct belay_error *error);

/*
 * What the environment says about an origin: http_proxy (in small letters only, as HTTP_PROXY can
 * be set by a request of CGI), https_proxy, else all_proxy, either case; unless no_proxy names the
 * host: "*", a name and all below it ("example.com", ".example.com", "*.example.com"), an address,
 * a network ("10.0.0.0/8"), each with a port if need be (":8080"), between commas or blanks. What
 * is empty counts as not there. *ret_proxy is NULL where it says none. `lookup`
 * (NULL: getenv) gives the value of a variable, or NULL. BELAY_EINVAL names the variable.
 */
typedef const char *belay_env_fn(const char *name, void *arg);
BELAY_API int belay_proxy_from_env(struct belay_loop *loop, const char *scheme, const char *host,
                                   int port, belay_env_fn *lookup, void *arg,
                                   struct belay_proxy **ret_proxy, struct belay_error *error);

/* Whether a list as no_proxy has it names the host. */
BELAY_API bool belay_no_proxy_names(const char *list, const char *host, int port);

BELAY_API struct belay_proxy *belay_proxy_ref(struct belay_proxy *proxy);
BELAY_API void belay_proxy_unref(struct belay_proxy *proxy);

/* "socks5h://gate:1080 http://proxy:3128 | direct://": for people, without secrets. */
BELAY_API const char *belay_proxy_name(const struct belay_proxy *proxy);

#ifdef __cplusplus
}
#endif

#endif
