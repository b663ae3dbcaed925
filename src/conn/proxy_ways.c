/* SPDX-License-Identifier: MIT */
/*
 * The ways that a proxy, what is before it and what is tried instead come to. Strings, addresses and
 * identities stay with the proxies whose they are, which are held.
 */
#include "base/assert.h"
#include "base/error.h"
#include "conn/proxy.h"

bool bl_proxy_way_forwards(const struct bl_route *way)
{
    return way->hops_n > 0 && way->hops[way->hops_n - 1].kind == BL_HOP_FORWARD;
}

static int out_of_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "making a proxy: out of memory");
}

/* The ways to this link: those through what is before it, or the empty one. */
static const struct bl_route *ways_before(const struct belay_proxy *p, size_t *ret_n)
{
    static const struct bl_route directly = {0};

    *ret_n = p->before ? p->before->ways_n : 1;
    return p->before ? p->before->ways : &directly;
}

static int check(const struct belay_proxy *p, const struct bl_route *before, size_t n,
                 struct belay_error *error)
{
    if (n + (p->or_else ? p->or_else->ways_n : 0) > BL_PROXY_WAYS_MAX)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "proxy: there are more than 16 alternatives");
    for (size_t i = 0; i < n; i++) {
        if (before[i].hops_n + p->own.hops_n > BL_PROXY_HOPS_MAX)
            return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                                "proxy: there are more than 8 in one chain");
        if (before[i].hops_n > 0 && p->addr.family == BELAY_FAMILY_UNIX)
            return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                                "proxy: unix_path: %s is behind another proxy, which cannot reach "
                                "a Unix socket",
                                p->hop.name);
    }
    return 0;
}

/* One way, extended by this link; hops and keys move on. */
static void extend(const struct belay_proxy *p, const struct bl_route *before, struct bl_route *way,
                   struct bl_hop **hops, char **keys)
{
    size_t n = before->hops_n;

    *way = (struct bl_route){.hops = *hops, .hops_n = n + p->own.hops_n};
    if (n)
        memcpy(*hops, before->hops, n * sizeof **hops);
    if (p->own.hops_n) {
        if (n && (*hops)[n - 1].kind == BL_HOP_FORWARD)
            (*hops)[n - 1].kind = BL_HOP_CONNECT;
        (*hops)[n] = p->hop;
    }
    way->key_len = before->key_len + p->own.key_len;
    if (way->key_len == 0)
        return;
    way->key = *keys;
    if (before->key_len)
        memcpy(*keys, before->key, before->key_len);
    if (p->own.key_len) {
        memcpy(*keys + before->key_len, p->own.key, p->own.key_len);
        (*hops)[n].session_key = *keys;
        (*hops)[n].session_key_len = way->key_len;
    }
    *hops += way->hops_n;
    *keys += way->key_len;
}

static int make_ways(struct belay_proxy *p, const struct bl_route *before, size_t n)
{
    struct bl_mem *mem = &p->loop->mem;
    size_t hops_n = 0, keys_len = 0;
    struct bl_hop *hops;
    char *keys;

    for (size_t i = 0; i < n; i++) {
        hops_n += before[i].hops_n + p->own.hops_n;
        keys_len += before[i].key_len + p->own.key_len;
    }
    p->ways_n = n + (p->or_else ? p->or_else->ways_n : 0);
    p->ways = bl_alloc(mem, p->ways_n * sizeof *p->ways);
    p->hops = hops = bl_alloc(mem, (hops_n + 1) * sizeof *p->hops);
    p->keys = keys = bl_alloc(mem, keys_len + 1);
    if (!p->ways || !p->hops || !p->keys)
        return BELAY_ENOMEM;
    for (size_t i = 0; i < n; i++)
        extend(p, &before[i], &p->ways[i], &hops, &keys);
    if (p->or_else)
        memcpy(p->ways + n, p->or_else->ways, p->or_else->ways_n * sizeof *p->ways);
    return 0;
}

static int make_name(struct belay_proxy *p)
{
    struct bl_mem *mem = &p->loop->mem;
    struct bl_buf b = {0};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < p->ways_n; i++) {
        const struct bl_route *way = &p->ways[i];

        if (i > 0)
            rc = bl_buf_append(&b, mem, " | ", 3);
        if (rc == 0 && way->hops_n == 0)
            rc = bl_buf_append(&b, mem, "direct://", 9);
        for (size_t j = 0; rc == 0 && j < way->hops_n; j++)
            rc = bl_buf_printf(&b, mem, j ? " %s" : "%s", way->hops[j].name);
    }
    if (rc == 0)
        p->name = bl_strndup(mem, bl_buf_head(&b), bl_buf_len(&b));
    bl_buf_free(&b, mem);
    return p->name ? 0 : BELAY_ENOMEM;
}

int bl_proxy_ways_set(struct belay_proxy *p, struct belay_error *error)
{
    size_t n;
    const struct bl_route *before = ways_before(p, &n);
    int rc = check(p, before, n, error);

    if (rc < 0)
        return rc;
    return make_ways(p, before, n) < 0 || make_name(p) < 0 ? out_of_memory(error) : 0;
}

void bl_proxy_ways_clear(struct belay_proxy *p)
{
    struct bl_mem *mem = &p->loop->mem;

    bl_free(mem, p->ways);
    bl_free(mem, p->hops);
    bl_free(mem, p->keys);
    bl_free(mem, p->name);
}
