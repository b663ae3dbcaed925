/* SPDX-License-Identifier: MIT */
/* --resolve and --connect-to: what is dialled instead of what a URL says. */
#ifndef CLI_ROUTE_H
#define CLI_ROUTE_H

#include "belay/endpoint.h"
#include "text.h"

/* The URL keeps its name, for the Host header and for TLS; the first rule that fits counts. */
struct route_rule {
    char *host;               /* "*": any */
    int port;                 /* 0: any */
    struct belay_addr *addrs; /* --resolve: dial these */
    size_t addrs_n;
    char *to_host; /* --connect-to: dial that; NULL: the URL's own */
    int to_port;   /* 0: the URL's own */
};

struct route_rules {
    struct route_rule *items;
    size_t n;
};

/* "HOST:PORT:ADDR[,ADDR...]" */
bool route_add_resolve(struct route_rules *rules, const char *text, struct complaint *why);
/* "HOST:PORT:TO_HOST:TO_PORT", any of them empty */
bool route_add_connect_to(struct route_rules *rules, const char *text, struct complaint *why);

/* A belay_http_route_fn; arg is the struct route_rules. */
int route_apply(struct belay_endpoint_options *options, void *arg);

void route_free(struct route_rules *rules);

#endif
