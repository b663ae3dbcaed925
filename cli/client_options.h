/* SPDX-License-Identifier: MIT */
/*
 * What every command that asks servers can be told: what to ask, how to connect, how connections
 * are kept. It stands first in the command's own struct, so that one table of options fills both.
 */
#ifndef CLI_CLIENT_OPTIONS_H
#define CLI_CLIENT_OPTIONS_H

#include "belay/backoff.h"
#include "belay/tls.h"
#include "options.h"
#include "proxies.h"
#include "route.h"
#include "values.h"

#define OPTION_UNSET (-1) /* of numbers: not given */

struct data_option {
    bool binary; /* --data-binary: as it is */
    const char *text;
};

struct form_option {
    bool literal; /* --form-string: no @, no <, no ;type= */
    const char *text;
};

/* Where a URL came from: a line of a file. */
struct url_line {
    const char *file; /* NULL: the command line */
    unsigned long line;
};

struct client_options {
    struct strings urls; /* as given; -i adds to them */
    struct url_line *url_lines;
    struct strings url_files;
    struct strings owned; /* URLs that were made longer: to be freed */

    /* the request */
    const char *method; /* "GET" in the end */
    bool head, compressed;
    bool http1, http2, http2_only;
    struct header_value *headers;
    size_t headers_n;
    struct data_option *data;
    size_t data_n;
    struct form_option *forms;
    size_t forms_n;
    const char *upload;
    const char *user;
    bool location, fail;
    int64_t max_redirects;

    /* output */
    bool json, quiet;
    int verbose;

    /* connections kept */
    int64_t concurrency;
    int64_t max_connections, max_total, min_idle, max_uses;
    int64_t idle_timeout_ms, lifetime_ms;

    /* connections made */
    struct belay_tls_options tls;
    const char **pins;
    struct route_rules routes;
    struct proxies proxies;
    const char *server_name, *unix_path, *interface;
    bool ipv4, ipv6;
    int64_t connect_timeout_ms, timeout_ms;
    bool needs_tls; /* for what is no URL and leads to TLS */

    /* connections kept up */
    int64_t retry_delay_ms;
    struct belay_backoff_options backoff; /* counts if its delay is set */
};

extern const struct option_group client_ask_group, client_request_group, client_pool_group,
    client_limit_group, client_connect_group, client_link_group, client_help_group;
extern const struct option_hint client_hints[];

void client_options_init(struct client_options *o);
void client_options_free(struct client_options *o);

/* What does not go together. `command` is for the sentence that says where URLs go. */
bool client_options_check(struct client_options *o, const char *command, struct complaint *why);
/* The part of it that concerns connections alone: for commands that send no requests. */
bool client_options_check_connection(const struct client_options *o, struct complaint *why);
bool client_options_clash(struct complaint *why, const char *a, const char *b);

/* An option that needs requests, and was given; NULL: none. */
const char *client_needs_http(const struct client_options *o);

/* Whether what is sent is sent in a body. */
bool client_has_body(const struct client_options *o);

#endif
