/* SPDX-License-Identifier: MIT */
/* A client: its pool, the targets it remembers, and its requests. */
#ifndef BL_HTTP_CLIENT_H
#define BL_HTTP_CLIENT_H

#include "base/map.h"
#include "belay/http.h"
#include "loop/loop.h"
#include "wire/h1_parse.h"

#define BL_SPARE_REQUESTS_MAX 64 /* kept, so that a busy client allocates nothing */

struct bl_request_limits { /* in ns, effective; BELAY_NEVER is none */
    uint64_t total, first_byte, idle, go_on, window;
    uint64_t min_rate; /* bytes per second; 0: none */
};

struct belay_http {
    struct belay_loop *loop;
    struct bl_object object;
    struct belay_pool *pool;
    struct belay_tls *tls;
    struct belay_http_options options; /* effective; strings and route are copies */
    struct belay_endpoint_options route;
    struct belay_addr *route_addrs;
    struct belay_addr route_told[2]; /* by the PROXY protocol: source, destination */
    char *user_agent;                /* NULL: none */
    struct bl_h1_limits limits;
    struct bl_request_limits request_limits; /* of requests that bring none of their own */

    struct bl_map targets;         /* by URL as given */
    struct bl_list targets_by_use; /* the one used last is first */
    struct bl_list requests;       /* under way */
    struct bl_list links;          /* sessions whose connections are another keeper's */
    struct bl_http_check *check;   /* of these; or NULL */
    struct bl_list spare;
    uint32_t spare_n;
    struct bl_buf head; /* a request is written here before it goes to its stream */

    /* Only the floor above makes requests: it has checked method and headers, whose names are in
     * lower case, and keeps these until the request is over; and its read_body runs no code of
     * the user's. */
    bool ours;
    bool closing, draining;
    struct bl_task end; /* looks whether all requests are done */
    belay_fn *on_closed;
    void *closed_arg;
};

/* A request is done, or a link's session gone: with the last one a closing client ends. */
void bl_http_less(struct belay_http *http);

#endif
