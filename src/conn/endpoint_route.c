/* SPDX-License-Identifier: MIT */
/* What is dialled in place of what the host says: addresses, a Unix socket; and our own end. */
#include "conn/endpoint_parts.h"

#define ADDRS_MAX 64

int bl_endpoint_set_addrs(struct belay_endpoint *e, const struct belay_addr *addrs, size_t n,
                          struct belay_error *error)
{
    if (!addrs)
        return bl_endpoint_refuse(error, "addrs", "addrs_n says that there are some");
    if (n > ADDRS_MAX)
        return bl_endpoint_refuse(error, "addrs", "more than 64 addresses");
    e->addrs = bl_alloc(&e->loop->mem, n * sizeof *addrs);
    if (!e->addrs)
        return bl_endpoint_no_memory(error);
    memcpy(e->addrs, addrs, n * sizeof *addrs);
    for (size_t i = 0; i < n; i++) {
        if (addrs[i].family < BELAY_FAMILY_IPV4 || addrs[i].family > BELAY_FAMILY_UNIX)
            return bl_endpoint_refuse(error, "addrs", "an address has no family");
        if (addrs[i].family == BELAY_FAMILY_UNIX &&
            (addrs[i].path_len == 0 || addrs[i].path_len > sizeof addrs[i].u.path))
            return bl_endpoint_refuse(error, "addrs",
                                      "the path of a Unix socket has 1 to 108 bytes");
        if (addrs[i].family != BELAY_FAMILY_UNIX && addrs[i].port == 0)
            e->addrs[i].port = e->port;
    }
    e->addrs_n = n;
    return 0;
}

int bl_endpoint_set_unix(struct belay_endpoint *e, const char *what, const char *path, size_t len,
                         struct belay_error *error)
{
    struct belay_addr addr;

    if (belay_addr_from_path(path, len, &addr) < 0)
        return bl_endpoint_refuse(error, what,
                                  "a Unix socket's path has 1 to 107 bytes and no NUL");
    return bl_endpoint_set_addrs(e, &addr, 1, error);
}

int bl_endpoint_set_route(struct belay_endpoint *e, const struct belay_endpoint_options *o,
                          struct belay_error *error)
{
    int rc = 0;

    if (o->addrs_n && o->unix_path)
        return bl_endpoint_refuse(error, "unix_path",
                                  "addrs are given as well; only one can be dialled instead");
    if (o->addrs_n || o->unix_path) {
        bl_free(&e->loop->mem, e->addrs);
        e->addrs = NULL;
        e->addrs_n = 0;
        e->routed = true;
        rc = o->unix_path
                 ? bl_endpoint_set_unix(e, "unix_path", o->unix_path, strlen(o->unix_path), error)
                 : bl_endpoint_set_addrs(e, o->addrs, o->addrs_n, error);
    }
    if (rc == 0 && o->source_addr &&
        belay_addr_parse_ip(o->source_addr, strlen(o->source_addr), 0, &e->source) < 0)
        return bl_endpoint_refuse(error, "source_addr", "is not an IP address");
    if (rc == 0 && o->interface_name)
        rc = bl_endpoint_copy_text(e, "interface_name", o->interface_name, &e->interface_name,
                                   error);
    if (rc == 0 && (unsigned)o->family > BELAY_FAMILY_IPV6)
        return bl_endpoint_refuse(error, "family", "must be NONE, IPV4 or IPV6");
    e->family = (uint8_t)o->family;
    return rc;
}
