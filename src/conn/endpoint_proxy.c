/* SPDX-License-Identifier: MIT */
/*
 * Proxies on an endpoint's way, and what the PROXY protocol says first.
 *
 * A way that ends in a forward proxy is gone as such for plain HTTP, and through a tunnel for the
 * rest, and where the target itself must be reached: at addresses of the caller's, or to hear the
 * PROXY protocol. What is said to a forward proxy depends on the connection's way, so an endpoint of
 * someone who does not look at it forwards on all ways or on none.
 */
#include "conn/endpoint_parts.h"
#include "conn/proxy.h"

/* ---- the PROXY protocol ---- */

static bool may_be_told(const struct belay_addr *addr, enum belay_proxy_protocol version)
{
    return addr->family == BELAY_FAMILY_IPV4 || addr->family == BELAY_FAMILY_IPV6 ||
           (addr->family == BELAY_FAMILY_UNIX && version == BELAY_PROXY_PROTOCOL_V2);
}

static int set_proxy_protocol(struct belay_endpoint *e, const struct belay_endpoint_options *o,
                              struct belay_error *error)
{
    const struct belay_addr *source = o->proxy_source, *destination = o->proxy_destination;

    if ((unsigned)o->proxy_protocol > BELAY_PROXY_PROTOCOL_V2)
        return bl_endpoint_refuse(error, "proxy_protocol", "must be NONE, V1 or V2");
    if (!source != !destination)
        return bl_endpoint_refuse(error, source ? "proxy_destination" : "proxy_source",
                                  "is missing: both addresses are given, or neither");
    e->proxy_protocol = (uint8_t)o->proxy_protocol;
    if (!source)
        return 0;
    if (!o->proxy_protocol)
        return bl_endpoint_refuse(error, "proxy_source", "is given without proxy_protocol");
    if (!may_be_told(source, o->proxy_protocol))
        return bl_endpoint_refuse(error, "proxy_source", "has no family that can be told");
    if (destination->family != source->family)
        return bl_endpoint_refuse(error, "proxy_destination", "is not of proxy_source's family");
    if (source->family == BELAY_FAMILY_UNIX &&
        (source->path_len > sizeof source->u.path || destination->path_len > sizeof source->u.path))
        return bl_endpoint_refuse(error, "proxy_source", "a Unix socket's path has 1 to 108 bytes");
    e->proxy_source = *source;
    e->proxy_destination = *destination;
    return 0;
}

/* ---- which proxy ---- */

static bool dials_unix(const struct belay_endpoint *e)
{
    for (size_t i = 0; i < e->addrs_n; i++)
        if (e->addrs[i].family == BELAY_FAMILY_UNIX)
            return true;
    return false;
}

static bool only_direct(const struct belay_proxy *proxy)
{
    for (size_t i = 0; i < proxy->ways_n; i++)
        if (proxy->ways[i].hops_n > 0)
            return false;
    return true;
}

/* A Unix socket is of this machine: the environment means others. */
static int choose(struct belay_endpoint *e, const struct belay_endpoint_options *o,
                  struct belay_error *error)
{
    int rc = 0;

    if (o->proxy && dials_unix(e))
        return bl_endpoint_refuse(error, "proxy",
                                  "a Unix socket is not reached through proxies (to a proxy, give "
                                  "it a unix_path)");
    if (o->proxy) {
        e->proxy = belay_proxy_ref(o->proxy);
    } else if (o->proxy_from_env) {
        e->from_env = true;
        if (!dials_unix(e))
            rc = belay_proxy_from_env(e->loop, e->scheme->name, e->host, e->port, NULL, NULL,
                                      &e->proxy, error);
    }
    if (e->proxy && only_direct(e->proxy)) {
        belay_proxy_unref(e->proxy);
        e->proxy = NULL;
    }
    return rc;
}

/* ---- the ways ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static const struct bl_hop *last_of(const struct bl_route *way)
{
    return &way->hops[way->hops_n - 1];
}

/* Whether the target need not be reached itself. */
static bool may_forward(const struct belay_endpoint *e)
{
    return e->forwarding != BL_FORWARD_NONE && strcmp(e->scheme->name, "http") == 0 && !e->routed &&
           !e->proxy_protocol;
}

static bool all_forward(const struct belay_endpoint *e)
{
    for (size_t i = 0; i < e->proxy->ways_n; i++)
        if (!bl_proxy_way_forwards(&e->proxy->ways[i]))
            return false;
    return true;
}

static bool same_credentials(const struct bl_route *ways, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (!same_text(last_of(&ways[i])->user, last_of(ways)->user) ||
            !same_text(last_of(&ways[i])->password, last_of(ways)->password))
            return false;
    return true;
}

static int set_routes(struct belay_endpoint *e, bool forwards)
{
    const struct belay_proxy *proxy = e->proxy;
    size_t hops_n = 0;
    struct bl_hop *hops;

    for (size_t i = 0; i < proxy->ways_n; i++)
        hops_n += proxy->ways[i].hops_n;
    e->routes = bl_alloc(&e->loop->mem, proxy->ways_n * sizeof *e->routes);
    e->hops = hops = bl_alloc(&e->loop->mem, hops_n * sizeof *hops);
    if (!e->routes || !e->hops)
        return BELAY_ENOMEM;
    e->routes_n = proxy->ways_n;
    for (size_t i = 0; i < proxy->ways_n; i++) {
        const struct bl_route *way = &proxy->ways[i];

        e->routes[i] = *way;
        e->routes[i].hops = hops;
        if (way->hops_n)
            memcpy(hops, way->hops, way->hops_n * sizeof *hops);
        hops += way->hops_n;
        if (!forwards && bl_proxy_way_forwards(way))
            hops[-1].kind = BL_HOP_CONNECT;
    }
    return 0;
}

static int set_ways(struct belay_endpoint *e)
{
    const struct belay_proxy *proxy = e->proxy;
    bool may = may_forward(e);

    e->forward = may && all_forward(e);
    if (e->forwarding == BL_FORWARD_ALL)
        may = e->forward = e->forward && same_credentials(proxy->ways, proxy->ways_n);
    return set_routes(e, may);
}

static int set_name(struct belay_endpoint *e)
{
    struct bl_mem *mem = &e->loop->mem;
    struct bl_buf b = {0};

    if (bl_buf_printf(&b, mem, "%s through %s", e->origin, e->proxy->name) == 0)
        e->name = bl_strndup(mem, bl_buf_head(&b), bl_buf_len(&b));
    bl_buf_free(&b, mem);
    return e->name ? 0 : BELAY_ENOMEM;
}

int bl_endpoint_set_proxy(struct belay_endpoint *e, const struct belay_endpoint_options *o,
                          struct belay_error *error)
{
    int rc = set_proxy_protocol(e, o, error);

    rc = rc < 0 ? rc : choose(e, o, error);
    if (rc < 0 || !e->proxy)
        return rc;
    return set_ways(e) < 0 || set_name(e) < 0 ? bl_endpoint_no_memory(error) : 0;
}

bool belay_endpoint_is_forward(const struct belay_endpoint *e)
{
    return e->forward;
}

const struct bl_hop *bl_endpoint_forward(const struct belay_endpoint *e, unsigned way)
{
    return way < e->routes_n && bl_proxy_way_forwards(&e->routes[way]) ? last_of(&e->routes[way])
                                                                       : NULL;
}

bool bl_endpoint_may_forward(const struct belay_endpoint *e)
{
    for (size_t i = 0; i < e->routes_n; i++)
        if (bl_proxy_way_forwards(&e->routes[i]))
            return true;
    return false;
}
