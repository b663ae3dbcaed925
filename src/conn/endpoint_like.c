/* SPDX-License-Identifier: MIT */
/* Endpoints after another's pattern: what sources make of the hosts and addresses they find. */
#include "conn/endpoint_parts.h"

/* The list of protocols in the form that options have. */
static void alpn_text(const struct belay_endpoint *e, char out[BL_ENDPOINT_TEXT_MAX + 1])
{
    size_t at = 0;

    while (at < e->alpn_len) {
        size_t len = e->alpn[at];

        memcpy(out + at, e->alpn + at + 1, len);
        out[at + len] = ',';
        at += len + 1;
    }
    out[e->alpn_len ? e->alpn_len - 1 : 0] = '\0';
}

static int copy(const struct belay_endpoint *e, const char *host, uint16_t port,
                const struct belay_addr *addrs, size_t n, const char *server_name,
                struct belay_endpoint **ret, struct belay_error *error)
{
    struct belay_endpoint_options o = belay_endpoint_options_init();
    char source[BELAY_ADDR_TEXT_MAX], alpn[BL_ENDPOINT_TEXT_MAX + 1];

    if (e->own.size)
        return bl_error_set(error, BELAY_ENOTSUP, BELAY_STAGE_NONE,
                            "%s: an address of the caller's own has no host to be replaced",
                            belay_endpoint_name(e));
    o.scheme = e->scheme->name;
    o.host = host ? host : e->host;
    o.port = host ? port : e->port;
    o.addrs = addrs;
    o.addrs_n = n;
    o.source_addr = e->source.family ? belay_addr_print(&e->source, source, sizeof source) : NULL;
    o.interface_name = e->interface_name;
    o.family = (enum belay_family)e->family;
    o.tls = e->tls;
    o.server_name = server_name;
    o.no_sni = e->no_sni;
    alpn_text(e, alpn);
    o.alpn = e->alpn ? alpn : NULL;
    o.tag = e->tag;
    o.proxy_protocol = (enum belay_proxy_protocol)e->proxy_protocol;
    o.proxy_source = e->proxy_source.family ? &e->proxy_source : NULL;
    o.proxy_destination = e->proxy_source.family ? &e->proxy_destination : NULL;
    o.proxy = e->proxy;
    if (host && e->from_env) { /* what no_proxy says of one host it need not say of another */
        o.proxy = NULL;
        o.proxy_from_env = true;
    }
    return bl_endpoint_make(e->loop, &o, (enum bl_forwarding)e->forwarding, ret, error);
}

int bl_endpoint_like(const struct belay_endpoint *e, const char *host, uint16_t port,
                     const struct belay_addr *addrs, size_t n, struct belay_endpoint **ret,
                     struct belay_error *error)
{
    return copy(e, host, port, addrs, n, e->server_name, ret, error);
}

int bl_endpoint_of_host(const struct belay_endpoint *e, const char *host, uint16_t port,
                        struct belay_endpoint **ret, struct belay_error *error)
{
    return copy(e, host, port, NULL, 0, e->server_named ? e->server_name : NULL, ret, error);
}
