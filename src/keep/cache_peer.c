/* SPDX-License-Identifier: MIT */
/* Peers of a cache as keys and as text. */
#include "keep/cache_peer.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/error.h"
#include "base/text.h"
#include "conn/conn.h"
#include "conn/endpoint.h"

static const char *const route_names[] = {
    [BELAY_CACHE_DIRECT] = "direct",
    [BELAY_CACHE_DIRECT_NAME] = "direct_name",
    [BELAY_CACHE_HTTP_PROXY] = "http_proxy",
    [BELAY_CACHE_HTTP_PROXY_CONNECT] = "http_proxy_connect",
    [BELAY_CACHE_SOCKS5] = "socks5",
    [BELAY_CACHE_ENDPOINT] = "endpoint",
};

static bool has_target(enum belay_cache_route route)
{
    return route == BELAY_CACHE_HTTP_PROXY_CONNECT || route == BELAY_CACHE_SOCKS5;
}

/* ---- keys ---- */

static void put_head(struct bl_cache_key *key, int route, uint64_t binding, int port,
                     int target_port)
{
    uint16_t ports[2] = {(uint16_t)port, (uint16_t)target_port};

    key->data[0] = (char)route;
    memcpy(key->data + 1, &binding, sizeof binding);
    memcpy(key->data + 9, ports, sizeof ports);
    key->len = BL_CACHE_KEY_HEAD;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* One spelling per address, small letters for names. */
static void put_host(struct bl_cache_key *key, const char *host)
{
    char *out = key->data + key->len;
    size_t len = strlen(host);
    struct belay_addr addr;

    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (belay_addr_parse_ip(host, len, 0, &addr) == 0) {
        belay_addr_print(&addr, out, BL_CACHE_HOST_MAX + 1);
        len = strlen(out);
    } else {
        for (size_t i = 0; i < len; i++)
            out[i] = lower(host[i]);
        out[len] = '\0';
    }
    key->len += len + 1;
}

static int check_hop(enum belay_cache_route route, const char *what, const char *host, int port,
                     struct belay_error *error)
{
    const char *name = route_names[route];
    char shown[64];

    if (!host || !host[0])
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s: %s is empty", name, what);
    if (strlen(host) > BL_CACHE_HOST_MAX)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s: %s is longer than %d bytes",
                            name, what, BL_CACHE_HOST_MAX);
    for (const char *c = host; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                                "%s: %s \"%s\" has a blank or control character", name, what,
                                bl_text_show(shown, sizeof shown, host, strlen(host)));
    if (port < 1 || port > 65535)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "%s: port %d of %s \"%s\" is out of range (1 to 65535)", name, port,
                            what, bl_text_show(shown, sizeof shown, host, strlen(host)));
    return 0;
}

static int check_peer(const struct belay_cache_peer *peer, struct belay_error *error)
{
    int rc;

    if (!peer || peer->route < BELAY_CACHE_DIRECT || peer->route > BELAY_CACHE_ENDPOINT)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "the peer has no route; make it with belay_cache_direct or another");
    if (peer->route == BELAY_CACHE_ENDPOINT)
        return peer->endpoint ? 0
                              : bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                                             "the peer's endpoint is NULL");
    rc = check_hop(peer->route, "host", peer->host, peer->port, error);
    if (rc == 0 && has_target(peer->route))
        rc = check_hop(peer->route, "target_host", peer->target_host, peer->target_port, error);
    return rc;
}

/* Room for the head and `len` bytes more. */
static int make_room(struct bl_cache_key *key, struct bl_mem *mem, size_t len)
{
    key->len = 0;
    key->heap = NULL;
    key->data = key->local;
    if (BL_CACHE_KEY_HEAD + len <= sizeof key->local)
        return 0;
    key->heap = bl_alloc(mem, BL_CACHE_KEY_HEAD + len);
    key->data = key->heap;
    return key->heap ? 0 : BELAY_ENOMEM;
}

static void put_bytes(struct bl_cache_key *key, const void *data, size_t len)
{
    memcpy(key->data + key->len, data, len);
    key->len += len;
}

int bl_cache_key_make(struct bl_cache_key *key, struct bl_mem *mem,
                      const struct belay_cache_peer *peer, uint64_t binding,
                      struct belay_error *error)
{
    const void *bytes = NULL;
    size_t len = 0;
    int rc = check_peer(peer, error);

    if (rc < 0)
        return rc;
    if (peer->route == BELAY_CACHE_ENDPOINT)
        bytes = bl_endpoint_key(peer->endpoint, &len);
    rc = make_room(key, mem, len);
    if (rc < 0)
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "out of memory");
    if (bytes) {
        put_head(key, (int)peer->route, binding, 0, 0);
        put_bytes(key, bytes, len);
        return 0;
    }
    put_head(key, (int)peer->route, binding, peer->port,
             has_target(peer->route) ? peer->target_port : 0);
    put_host(key, peer->host);
    if (has_target(peer->route))
        put_host(key, peer->target_host);
    return 0;
}

int bl_cache_key_pooled(struct bl_cache_key *key, struct bl_mem *mem,
                        struct belay_endpoint *endpoint, const void *way, size_t way_len)
{
    size_t len;
    const void *bytes = bl_endpoint_key(endpoint, &len);
    int rc = make_room(key, mem, way_len + len);

    if (rc < 0)
        return rc;
    put_head(key, BL_CACHE_POOLED, 0, 0, 0);
    put_bytes(key, way, way_len); /* of one length, so that the rest begins where it seems to */
    put_bytes(key, bytes, len);
    return 0;
}

void bl_cache_key_free(struct bl_cache_key *key, struct bl_mem *mem)
{
    bl_free(mem, key->heap);
    key->heap = NULL;
}

void bl_cache_key_read(const char *key, struct belay_endpoint *endpoint,
                       struct belay_cache_peer *ret, uint64_t *ret_binding)
{
    const char *hosts = key + BL_CACHE_KEY_HEAD;
    uint16_t ports[2];

    memset(ret, 0, sizeof *ret);
    memcpy(ret_binding, key + 1, sizeof *ret_binding);
    memcpy(ports, key + 9, sizeof ports);
    if (key[0] == BL_CACHE_POOLED || key[0] == BELAY_CACHE_ENDPOINT) {
        *ret = belay_cache_endpoint(endpoint);
        return;
    }
    ret->route = (enum belay_cache_route)key[0];
    ret->host = hosts;
    ret->port = ports[0];
    if (has_target(ret->route)) {
        ret->target_host = hosts + strlen(hosts) + 1;
        ret->target_port = ports[1];
    }
}

/* ---- text ---- */

/* "example.com:443", "[::1]:443". */
static const char *hop_print(const char *host, int port, char *out, size_t size)
{
    bool colons = strchr(host, ':') != NULL;
    char shown[64];

    bl_text_show(shown, sizeof shown, host, strlen(host));
    snprintf(out, size, colons ? "[%s]:%d" : "%s:%d", shown, port);
    return out;
}

const char *bl_cache_peer_print(const struct belay_cache_peer *peer, char *out, size_t size)
{
    char host[80], target[80];

    switch (peer->route) {
    case BELAY_CACHE_ENDPOINT:
        snprintf(out, size, "%s", belay_endpoint_name(peer->endpoint));
        break;
    case BELAY_CACHE_DIRECT:
    case BELAY_CACHE_DIRECT_NAME:
        snprintf(out, size, "%s", hop_print(peer->host, peer->port, host, sizeof host));
        break;
    case BELAY_CACHE_HTTP_PROXY:
        snprintf(out, size, "the HTTP proxy %s",
                 hop_print(peer->host, peer->port, host, sizeof host));
        break;
    case BELAY_CACHE_HTTP_PROXY_CONNECT:
    case BELAY_CACHE_SOCKS5:
        snprintf(out, size, "%s through the %s proxy %s",
                 hop_print(peer->target_host, peer->target_port, target, sizeof target),
                 peer->route == BELAY_CACHE_SOCKS5 ? "SOCKS5" : "HTTP",
                 hop_print(peer->host, peer->port, host, sizeof host));
        break;
    default:
        snprintf(out, size, "an unknown peer");
    }
    return out;
}

const char *bl_cached_print(const struct belay_cached *what, char *out, size_t size)
{
    char text[BELAY_ADDR_TEXT_MAX];
    struct belay_addr addr;

    switch (what->kind) {
    case BELAY_CACHED_DESCRIPTOR:
        snprintf(out, size, "descriptor %d", what->fd);
        break;
    case BELAY_CACHED_STREAM:
        if (belay_stream_peer_addr(what->stream, &addr) == 0)
            snprintf(out, size, "the stream to %s", belay_addr_print(&addr, text, sizeof text));
        else
            snprintf(out, size, "a stream");
        break;
    case BELAY_CACHED_HANDLE:
        snprintf(out, size, "handle %p", what->handle);
        break;
    case BELAY_CACHED_CONNECTION:
        snprintf(out, size, "connection %llu", (unsigned long long)belay_conn_id(what->conn));
        break;
    default:
        snprintf(out, size, "nothing that could be kept");
    }
    return out;
}
