/* SPDX-License-Identifier: MIT */
/*
 * The canonical key: everything that decides what is dialled and who is trusted, here and nowhere
 * else. What is not dialled is not in it: a forward proxy's connection is one for all targets.
 */
#include "conn/endpoint_parts.h"
#include "conn/key.h"

struct writer {
    struct bl_buf key;
    struct bl_mem *mem;
    int rc;
};

static void put(struct writer *w, char letter, const void *data, size_t len)
{
    if (w->rc == 0)
        w->rc = bl_key_put(&w->key, w->mem, letter, data, len);
}

static void put_text(struct writer *w, char letter, const char *text)
{
    if (w->rc == 0)
        w->rc = bl_key_put_text(&w->key, w->mem, letter, text);
}

static void put_addr(struct writer *w, char letter, const struct belay_addr *addr)
{
    if (w->rc == 0 && addr->family)
        w->rc = bl_key_put_addr(&w->key, w->mem, letter, addr);
}

static void put_target(struct writer *w, const struct belay_endpoint *e)
{
    const uint8_t port[2] = {(uint8_t)(e->port >> 8), (uint8_t)e->port};

    put_text(w, 'h', e->host);
    put(w, 'd', port, sizeof port);
    put(w, 'r', &e->routed, 1);
    for (size_t i = 0; i < e->addrs_n; i++)
        put_addr(w, 'a', &e->addrs[i]);
}

static void put_way(struct writer *w, const struct belay_endpoint *e)
{
    for (size_t i = 0; i < e->routes_n; i++)
        put(w, bl_endpoint_forward(e, (unsigned)i) ? 'x' : 'w', e->routes[i].key,
            e->routes[i].hops_n ? e->routes[i].key_len : 0);
    if (e->proxy_protocol)
        put(w, 'v', &e->proxy_protocol, 1);
    put_addr(w, 'S', &e->proxy_source);
    put_addr(w, 'D', &e->proxy_destination);
}

int bl_endpoint_set_key(struct belay_endpoint *e)
{
    struct writer w = {.mem = &e->loop->mem};
    const uint8_t flags[2] = {e->family, e->no_sni};

    put_text(&w, 's', e->scheme->name);
    put(&w, 'f', flags, sizeof flags);
    if (!e->forward)
        put_target(&w, e);
    put_way(&w, e);
    put_addr(&w, 'o', &e->source);
    put_text(&w, 'i', e->interface_name);
    put_text(&w, 't', e->tag);
    put_text(&w, 'n', e->server_name);
    if (e->alpn)
        put(&w, 'p', e->alpn, e->alpn_len);
    if (e->tls)
        put(&w, 'c', bl_tls_fingerprint(e->tls), 32);
    if (w.rc < 0) {
        bl_buf_free(&w.key, w.mem);
        return w.rc;
    }
    e->key = w.key.data;
    e->key_len = bl_buf_len(&w.key);
    for (size_t i = 0; i < e->routes_n; i++) {
        if (e->routes[i].hops_n > 0)
            continue;
        e->routes[i].key =
            e->key; /* that the way without a proxy failed is a matter of the target */
        e->routes[i].key_len = e->key_len;
    }
    return 0;
}
