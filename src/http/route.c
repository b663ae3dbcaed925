/* SPDX-License-Identifier: MIT */
/* Copies of a route's strings and addresses. What it says of the origin is not kept: the URL says
 * that. */
#include "http/route.h"

#include "base/error.h"
#include "belay/proxy.h"

#define ADDRS_MAX 64

/* Each string of a route. */
#define STRINGS(X) X(unix_path) X(source_addr) X(interface_name) X(server_name) X(alpn) X(tag)

static int copy(struct bl_mem *mem, const char *text, const char **ret)
{
    *ret = text ? bl_strdup(mem, text) : NULL;
    return text && !*ret ? BELAY_ENOMEM : 0;
}

static int copy_strings(struct belay_http *http, const struct belay_endpoint_options *given)
{
    struct bl_mem *mem = &http->loop->mem;
    int rc = 0;

#define X(field) rc = rc < 0 ? rc : copy(mem, given->field, &http->route.field);
    STRINGS(X)
#undef X
    return rc;
}

static int copy_addrs(struct belay_http *http, const struct belay_endpoint_options *given)
{
    size_t bytes = given->addrs_n * sizeof *given->addrs;

    if (given->addrs_n == 0)
        return 0;
    http->route_addrs = bl_alloc(&http->loop->mem, bytes);
    if (!http->route_addrs)
        return BELAY_ENOMEM;
    memcpy(http->route_addrs, given->addrs, bytes);
    http->route.addrs = http->route_addrs;
    http->route.addrs_n = given->addrs_n;
    return 0;
}

static void copy_addr(struct belay_addr *into, const struct belay_addr *given,
                      const struct belay_addr **ret)
{
    if (given)
        *into = *given;
    *ret = given ? into : NULL;
}

int bl_route_copy(struct belay_http *http, const struct belay_endpoint_options *given,
                  struct belay_error *error)
{
    struct belay_endpoint_options o = belay_endpoint_options_init();
    int rc;

    http->route.size = sizeof http->route;
    if (!given)
        return 0;
    memcpy(&o, given, given->size < sizeof o ? given->size : sizeof o);
    if (o.addrs_n > ADDRS_MAX)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "route: addrs: more than 64 addresses");
    http->route.family = o.family;
    http->route.no_sni = o.no_sni;
    http->route.proxy = belay_proxy_ref(o.proxy);
    http->route.proxy_from_env = o.proxy_from_env;
    http->route.proxy_protocol = o.proxy_protocol;
    copy_addr(&http->route_told[0], o.proxy_source, &http->route.proxy_source);
    copy_addr(&http->route_told[1], o.proxy_destination, &http->route.proxy_destination);
    rc = copy_strings(http, &o);
    rc = rc < 0 ? rc : copy_addrs(http, &o);
    return rc < 0
               ? bl_error_set(error, rc, BELAY_STAGE_NONE, "opening an HTTP client: out of memory")
               : 0;
}

void bl_route_clear(struct belay_http *http)
{
    struct bl_mem *mem = &http->loop->mem;

#define X(field) bl_free(mem, (void *)(uintptr_t)http->route.field);
    STRINGS(X)
#undef X
    bl_free(mem, http->route_addrs);
    belay_proxy_unref(http->route.proxy);
}
