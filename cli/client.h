/* SPDX-License-Identifier: MIT */
/*
 * From the options to what a run stands on: loop, TLS identity, route, options of the pool, and the
 * URLs, each parsed once. What returns an int returns an exit status, and has said what was wrong.
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "belay/belay.h"
#include "client_options.h"

/* A failure of making things: bad input is one of usage. */
int client_refuse(const char *what, const struct belay_error *error);

/* BELAY_LOG and -v are obeyed. As many descriptors may be open as the system lets. */
int client_open_loop(const struct client_options *o, struct belay_loop **ret);
/* As it was before, for a program that takes this one's place. */
void client_restore_limits(void);

/* *ret stays NULL where no TLS is needed. */
int client_open_tls(const struct client_options *o, struct belay_loop *loop,
                    struct belay_tls **ret);

/* Proxies, before the first URL; and what is to be given back before the loop is freed. */
int client_open_proxies(struct client_options *o, struct belay_loop *loop);
void client_close_proxies(struct client_options *o);

/* A belay_http_route_fn; arg is the struct client_options: proxies, --resolve and --connect-to. */
int client_route(struct belay_endpoint_options *options, void *arg);

int client_set_route(const struct client_options *o, struct belay_endpoint_options *route);

/* `dial` must stay as long as `pool` is used. */
void client_set_pool(const struct client_options *o, struct belay_pool_options *pool,
                     struct belay_dial_options *dial);

/* --retry-delay, --backoff and --connect-timeout. `o` and `dial` must stay until the link is open. */
void client_set_link(const struct client_options *o, struct belay_link_options *link,
                     struct belay_dial_options *dial);

/*
 * What a URL without a path leads to, by the way the options say. On failure `error` says why, or
 * has kind NONE where it has been said; if it was about proxies, o->proxies.why says why.
 */
int client_open_endpoint(const struct client_options *o, struct belay_loop *loop,
                         struct belay_tls *tls, const char *url, struct belay_endpoint **ret,
                         struct belay_error *error);

/* All but limits of the pool, and what a request retries. */
int client_open_http(const struct client_options *o, struct belay_loop *loop, struct belay_tls *tls,
                     const char *user_agent, struct belay_http_options *options,
                     const struct belay_pool_options *pool, struct belay_http **ret);

/* The URL of that number, parsed. */
int client_open_target(const struct client_options *o, struct belay_http *http, size_t url,
                       struct belay_http_target **ret);

/* -4 and -6 choose among the addresses of a name; an address that is the other is refused. */
int client_check_family(const struct client_options *o, const struct belay_endpoint *endpoint,
                        const char *url);

/* Says what is wrong with a URL, and in which line of which file it stands. */
int client_refuse_url(const struct client_options *o, size_t url, const struct belay_error *error);

/* Milliseconds as the library takes them: not given is its default, 0 none. */
int64_t client_limit_ms(int64_t ms);

/* verbose.c: -v, -vv and BELAY_LOG. */
void verbose_setup(const struct client_options *o, struct belay_loop_options *loop);
int verbose_level(void);

#endif
