/* SPDX-License-Identifier: MIT */
/*
 * From a target to a source of endpoints, and to the URL of its requests. A name is looked up, and
 * each of its addresses is an endpoint of its own; where the route says what to dial, or a proxy is
 * in between, which looks names up itself, the name is one endpoint.
 */
#include <stdio.h>

#include "base/buf.h"
#include "base/text.h"
#include "grpc/channel.h"
#include "wire/grpc_target.h"

struct making {
    struct belay_channel *ch;
    const struct belay_channel_options *options;
    struct bl_grpc_target target;
    bool tls;
    char server_name[BL_HOST_MAX + 2]; /* of the option `authority`; or empty */
    char authority[BL_HOST_MAX + 16];
    struct belay_endpoint_options endpoint;
    struct belay_error *error;
};

static int refuse(struct making *m, const char *what, const char *why)
{
    return bl_error_set(m->error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s: %s", what, why);
}

static int out_of_memory(struct making *m)
{
    return bl_error_set(m->error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                        "opening a channel: out of memory");
}

/* ---- who it is spoken to as ---- */

/* The authority is the host and port of a URL; TLS verifies the host alone. */
static int take_authority(struct making *m)
{
    struct bl_url url;
    char text[sizeof m->authority + 10];
    int n;

    if (strlen(m->options->authority) >= sizeof m->authority)
        return refuse(m, "authority", "is too long");
    n = snprintf(text, sizeof text, "https://%s", m->options->authority);
    if (bl_url_parse(text, (size_t)n, BL_SCHEMES_WEB, &url, m->error) < 0 ||
        !bl_url_is_origin(&url) || url.path.len > 0)
        return refuse(m, "authority", "is not a host, or a host and a port");
    bl_url_host(&url, m->server_name);
    snprintf(m->authority, sizeof m->authority, "%s", m->options->authority);
    return 0;
}

static void set_authority(struct making *m, const struct bl_url *host)
{
    char name[BL_HOST_MAX + 2];
    const char *form = host->ip.family == BELAY_FAMILY_IPV6 ? "[%s]:%u" : "%s:%u";

    bl_url_host(host, name);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(m->authority, sizeof m->authority, form, name, host->port);
#pragma GCC diagnostic pop
}

/* ---- endpoints ---- */

/* What is given points to the making's own; without a host: the route's, and what all have. */
static int make_endpoint(struct making *m, const char *host, uint16_t port,
                         const struct belay_addr *unix_socket, struct belay_endpoint **ret)
{
    struct belay_endpoint_options o = m->endpoint;
    char path[BELAY_ADDR_TEXT_MAX];

    o.scheme = m->tls ? "https" : "http";
    o.host = host;
    o.port = port;
    if (unix_socket)
        o.unix_path = belay_addr_print(unix_socket, path, sizeof path);
    if (!o.server_name && m->server_name[0])
        o.server_name = m->server_name;
    return bl_endpoint_make(m->ch->loop, &o, BL_FORWARD_NONE, ret, m->error);
}

static int make_list(struct making *m, struct belay_endpoint *const *endpoints, size_t n)
{
    if (belay_source_list(m->ch->loop, endpoints, n, BELAY_SOURCE_IN_ORDER, &m->ch->source) < 0)
        return out_of_memory(m);
    return 0;
}

static bool is_routed(const struct belay_endpoint_options *o)
{
    return o->addrs_n > 0 || o->unix_path || o->proxy || o->proxy_from_env;
}

static int of_name(struct making *m)
{
    const struct bl_url *host = &m->target.host;
    struct belay_endpoint *endpoint;
    char name[BL_HOST_MAX + 2];
    int rc;

    if (m->target.server.host.data)
        return bl_error_set(m->error, BELAY_ENOTSUP, BELAY_STAGE_NONE,
                            "target: a DNS server of its own is not supported; the loop's option "
                            "dns_servers says whom to ask");
    bl_url_host(host, name);
    if (!m->authority[0])
        set_authority(m, host);
    rc = make_endpoint(m, name, host->port, NULL, &endpoint);
    if (rc < 0)
        return rc;
    if (host->ip.family != BELAY_FAMILY_NONE || is_routed(&m->endpoint)) {
        rc = make_list(m, &endpoint, 1);
    } else {
        rc = belay_source_dns(endpoint, &m->ch->source);
        rc = rc < 0 ? out_of_memory(m) : 0;
    }
    belay_endpoint_unref(endpoint);
    return rc;
}

static int of_socket(struct making *m)
{
    struct belay_endpoint *endpoint;
    int rc;

    if (!m->authority[0])
        snprintf(m->authority, sizeof m->authority, "localhost");
    rc = make_endpoint(m, "localhost", 0, &m->target.socket, &endpoint);
    if (rc < 0)
        return rc;
    rc = make_list(m, &endpoint, 1);
    belay_endpoint_unref(endpoint);
    return rc;
}

static int of_addresses(struct making *m)
{
    struct belay_endpoint *endpoints[BL_GRPC_ADDRESSES_MAX];
    struct bl_span rest = m->target.addresses;
    struct belay_addr addr;
    char host[BELAY_ADDR_TEXT_MAX];
    size_t n = 0;
    int rc = 0;

    while (rc == 0 && n < BL_GRPC_ADDRESSES_MAX && bl_grpc_target_next(&rest, &addr)) {
        uint16_t port = addr.port;

        if (!m->authority[0])
            belay_addr_print(&addr, m->authority, sizeof m->authority);
        addr.port = 0;
        belay_addr_print(&addr, host, sizeof host);
        rc = make_endpoint(m, host, port, NULL, &endpoints[n]);
        n += rc == 0;
    }
    if (rc == 0)
        rc = make_list(m, endpoints, n);
    while (n > 0)
        belay_endpoint_unref(endpoints[--n]);
    return rc;
}

/* ---- all of it ---- */

static void decide_tls(struct making *m)
{
    if (m->target.security == BL_GRPC_SECURITY_UNSAID)
        m->tls = !m->options->plain;
    else
        m->tls = m->target.security == BL_GRPC_SECURITY_TLS;
}

/* As of HTTP clients: what says where to go is the target's. */
static void take_route(struct making *m)
{
    const struct belay_endpoint_options *given = m->options->route;

    m->endpoint = belay_endpoint_options_init();
    if (given)
        memcpy(&m->endpoint, given,
               given->size < sizeof m->endpoint ? given->size : sizeof m->endpoint);
    m->endpoint.size = sizeof m->endpoint;
    m->endpoint.url = m->endpoint.scheme = m->endpoint.host = m->endpoint.path = NULL;
    m->endpoint.port = 0;
    m->endpoint.tls = m->options->tls;
    m->endpoint.alpn = m->tls ? "h2" : NULL;
}

static int make_source(struct making *m)
{
    switch (m->target.kind) {
    case BL_GRPC_TARGET_NAME:
        return of_name(m);
    case BL_GRPC_TARGET_ADDRESSES:
        return of_addresses(m);
    case BL_GRPC_TARGET_UNIX:
        return of_socket(m);
    }
    return BELAY_EINVAL;
}

int bl_channel_make_source(struct belay_channel *ch, const struct belay_channel_options *o,
                           struct belay_error *error)
{
    struct making m = {.ch = ch, .options = o, .error = error};
    struct bl_buf url = {0};
    int rc = bl_grpc_target_parse(bl_span_of(ch->target), &m.target, error);

    if (rc == 0 && m.target.security == BL_GRPC_SECURITY_PLAIN && o->tls)
        rc = refuse(&m, "tls", "the target says that there is none");
    if (rc == 0 && o->authority)
        rc = take_authority(&m);
    if (rc < 0)
        return rc;
    decide_tls(&m);
    take_route(&m);
    rc = make_source(&m);
    if (rc < 0)
        return rc;
    rc = bl_buf_printf(&url, &ch->loop->mem, "%s://%s", m.tls ? "https" : "http", m.authority);
    if (rc == 0)
        ch->url = bl_strndup(&ch->loop->mem, bl_buf_head(&url), bl_buf_len(&url));
    bl_buf_free(&url, &ch->loop->mem);
    return ch->url ? 0 : out_of_memory(&m);
}
