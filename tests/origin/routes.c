/* SPDX-License-Identifier: MIT */
/* From the path of a request to the one who answers it. */
#include "origin.h"

#include <string.h>

static void stats(struct conn *c, const struct call *k)
{
    (void)k;
    char text[512];
    if (query_number(c, "reset", 0) == 1) {
        struct counts *n = &loop.counts;
        *n = (struct counts){.connections_now = n->connections_now,
                             .connections_peak = n->connections_now};
    }
    stats_json(text, sizeof(text));
    reply_text(c, 200, "Content-Type: application/json\r\n", text);
}

static void not_found(struct conn *c, const struct call *k)
{
    (void)k;
    reply_text(c, 404, NULL, "there is no such path; see --help\n");
}

static const struct route stats_route = {.name = "/stats", .handle = stats};
static const struct route no_route = {.name = "", .handle = not_found};

static bool matches(const struct route *r, const char *path, size_t n)
{
    size_t len = strlen(r->name);
    bool prefix = r->flags & (ROUTE_NUMBER | ROUTE_REST);
    return (prefix ? n > len : n == len) && memcmp(path, r->name, len) == 0;
}

static const struct route *find_in(const struct route *r, const char *path, size_t n)
{
    while (r->name && !matches(r, path, n)) {
        r++;
    }
    return r->name ? r : NULL;
}

const struct route *route_find(const struct conn *c)
{
    const char *path = conn_text(c, c->req.path);
    size_t n = c->req.path.len;
    if (n == strlen(opt.stats_path) && memcmp(path, opt.stats_path, n) == 0) {
        return &stats_route;
    }
    const struct route *r = find_in(ordinary_routes, path, n);
    r = r ? r : find_in(fault_routes, path, n);
    return r ? r : &no_route;
}

bool route_is_stats(const struct route *r)
{
    return r == &stats_route;
}
