/* SPDX-License-Identifier: MIT */
/* One link of a chain: from its URL and options to the hop that is dialled. */
#include "base/error.h"
#include "conn/endpoint.h"
#include "conn/key.h"
#include "conn/proxy.h"
#include "wire/credentials.h"

#define TEXT_MAX   255   /* of a server name, and of what SOCKS can carry */
#define SECRET_MAX 16384 /* of a user or password that HTTP carries */

static const enum bl_hop_kind kinds[] = {
    [BL_PROXY_HTTP] = BL_HOP_FORWARD,  [BL_PROXY_HTTPS] = BL_HOP_FORWARD,
    [BL_PROXY_SOCKS5] = BL_HOP_SOCKS5, [BL_PROXY_SOCKS5H] = BL_HOP_SOCKS5H,
    [BL_PROXY_SOCKS4] = BL_HOP_SOCKS4, [BL_PROXY_SOCKS4A] = BL_HOP_SOCKS4A,
};

static int refuse(struct belay_error *error, const char *what, const char *why)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "proxy: %s: %s", what, why);
}

static int out_of_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "making a proxy: out of memory");
}

/* ---- user and password ---- */

/* Of the option, or of the URL, in which they are escaped. NULL is neither. */
static int copy_secret(struct belay_proxy *p, const char *what, const char *option,
                       struct bl_span escaped, const char **ret, size_t *ret_len,
                       struct belay_error *error)
{
    struct bl_mem *mem = &p->loop->mem;
    size_t len = option ? strnlen(option, SECRET_MAX + 1) : 0;
    char *text;

    if (!option && !escaped.data)
        return 0;
    if (len > SECRET_MAX)
        return refuse(error, what, "is longer than 16,384 bytes");
    text = option ? bl_strndup(mem, option, len) : bl_unescape(mem, escaped, &len);
    if (!text)
        return out_of_memory(error);
    *ret = text;
    *ret_len = len;
    return memchr(text, '\0', len) ? refuse(error, what, "has a NUL byte in it") : 0;
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

/* What Basic can carry (RFC 7617). */
static int check_basic(const struct bl_hop *hop, struct belay_error *error)
{
    if (strchr(hop->user, ':'))
        return refuse(error, "user", "has a colon in it, which HTTP cannot carry");
    if (has_control(hop->user))
        return refuse(error, "user", "has a control character in it");
    return has_control(hop->password) ? refuse(error, "password", "has a control character in it")
                                      : 0;
}

static int check_socks(const struct belay_proxy *p, struct belay_error *error)
{
    bool four = p->hop.kind == BL_HOP_SOCKS4 || p->hop.kind == BL_HOP_SOCKS4A;

    if (four && p->password_len > 0)
        return refuse(error, "password", "SOCKS 4 has none");
    if (p->user_len > TEXT_MAX || p->password_len > TEXT_MAX)
        return refuse(error, p->user_len > TEXT_MAX ? "user" : "password",
                      "is longer than 255 bytes");
    return 0;
}

static int set_credentials(struct belay_proxy *p, const struct belay_proxy_options *o,
                           const struct bl_proxy_url *url, struct belay_error *error)
{
    /* A URL's password belongs to its user. */
    struct bl_span password = o->user ? bl_span(NULL, 0) : url->password;
    int rc = copy_secret(p, "user", o->user, url->user, &p->hop.user, &p->user_len, error);

    rc = rc < 0 ? rc
                : copy_secret(p, "password", o->password, password, &p->hop.password,
                              &p->password_len, error);
    if (rc == 0 && p->hop.password && !p->hop.user)
        return refuse(error, "password", "is given without a user");
    if (rc < 0 || !p->hop.user)
        return rc;
    if (!p->hop.password) {
        p->hop.password = bl_strndup(&p->loop->mem, "", 0);
        if (!p->hop.password)
            return out_of_memory(error);
    }
    return p->hop.kind == BL_HOP_FORWARD ? check_basic(&p->hop, error) : check_socks(p, error);
}

/* ---- where it is ---- */

static int set_unix(struct belay_proxy *p, const char *path, size_t len, struct belay_error *error)
{
    if (belay_addr_from_path(path, len, &p->addr) < 0)
        return refuse(error, "unix_path", "a Unix socket's path has 1 to 107 bytes and no NUL");
    p->hop.addrs = &p->addr;
    p->hop.addrs_n = 1;
    return 0;
}

/* Of a Unix socket in the URL. */
static int set_path(struct belay_proxy *p, struct bl_span escaped, struct belay_error *error)
{
    size_t len;
    char *path = bl_unescape(&p->loop->mem, escaped, &len);
    int rc = path ? set_unix(p, path, len, error) : out_of_memory(error);

    bl_free(&p->loop->mem, path);
    return rc;
}

static int set_place(struct belay_proxy *p, const struct belay_proxy_options *o,
                     const struct bl_proxy_url *url, struct belay_error *error)
{
    char host[BL_HOST_MAX + 2];
    size_t len = bl_url_host(&url->where, host);

    p->hop.host = bl_strndup(&p->loop->mem, host, len);
    if (!p->hop.host)
        return out_of_memory(error);
    p->hop.port = url->where.port;
    if (o->unix_path && url->path.data)
        return refuse(error, "unix_path", "the url names a Unix socket as well");
    if (o->unix_path)
        return set_unix(p, o->unix_path, strlen(o->unix_path), error);
    if (url->path.data)
        return set_path(p, url->path, error);
    if (url->where.ip.family != BELAY_FAMILY_NONE) {
        p->addr = url->where.ip;
        p->hop.addrs = &p->addr;
        p->hop.addrs_n = 1;
    }
    return 0;
}

static int set_name(struct belay_proxy *p, const struct bl_proxy_url *url)
{
    const char *scheme = bl_proxy_scheme_name(url->scheme);
    bool v6 = url->where.ip.family == BELAY_FAMILY_IPV6;
    char path[BELAY_ADDR_TEXT_MAX];
    struct bl_buf b = {0};
    int rc;

    if (p->addr.family == BELAY_FAMILY_UNIX)
        rc = bl_buf_printf(&b, &p->loop->mem, v6 ? "%s://[%s]%s%s" : "%s://%s%s%s", scheme,
                           p->hop.host, p->addr.u.path[0] == '/' ? "" : "/",
                           belay_addr_print(&p->addr, path, sizeof path));
    else
        rc = bl_buf_printf(&b, &p->loop->mem, v6 ? "%s://[%s]:%u" : "%s://%s:%u", scheme,
                           p->hop.host, (unsigned)p->hop.port);
    if (rc == 0)
        p->hop.name = bl_strndup(&p->loop->mem, bl_buf_head(&b), bl_buf_len(&b));
    bl_buf_free(&b, &p->loop->mem);
    return p->hop.name ? 0 : BELAY_ENOMEM;
}

/* ---- TLS ---- */

static int set_tls(struct belay_proxy *p, const struct belay_proxy_options *o,
                   struct belay_error *error)
{
    const char *name = o->server_name ? o->server_name : p->hop.host;
    size_t len = strnlen(name, TEXT_MAX + 1);

    if (len == 0 || len > TEXT_MAX)
        return refuse(error, "server_name", "has 1 to 255 bytes");
    if (has_control(name))
        return refuse(error, "server_name", "has a control character in it");
    p->hop.server_name = bl_strndup(&p->loop->mem, name, len);
    if (!p->hop.server_name)
        return out_of_memory(error);
    if (!o->tls)
        return bl_default_tls(p->loop, &p->hop.tls, error);
    p->hop.tls = belay_tls_ref(o->tls);
    return 0;
}

/* ---- all of it ---- */

static int set_key(struct belay_proxy *p, enum bl_proxy_scheme scheme)
{
    const uint8_t numbers[3] = {(uint8_t)scheme, (uint8_t)(p->hop.port >> 8), (uint8_t)p->hop.port};
    struct bl_mem *mem = &p->loop->mem;
    struct bl_buf key = {0};
    int rc = bl_key_put(&key, mem, 's', numbers, sizeof numbers);

    rc = rc < 0 ? rc : bl_key_put_text(&key, mem, 'h', p->hop.host);
    if (rc == 0 && p->addr.family)
        rc = bl_key_put_addr(&key, mem, 'a', &p->addr);
    if (rc == 0 && p->hop.user)
        rc = bl_key_put_secret(&key, p->loop, 'u', p->hop.user, p->hop.password);
    rc = rc < 0 ? rc : bl_key_put_text(&key, mem, 'n', p->hop.server_name);
    if (rc == 0 && p->hop.tls)
        rc = bl_key_put(&key, mem, 'c', bl_tls_fingerprint(p->hop.tls), 32);
    if (rc < 0) {
        bl_buf_free(&key, mem);
        return rc;
    }
    p->own.key = key.data;
    p->own.key_len = bl_buf_len(&key);
    return 0;
}

static int set_direct(const struct bl_proxy_link *link, struct belay_error *error)
{
    const struct belay_proxy_options *o = link->options;
    const char *what = o->unix_path     ? "unix_path"
                       : o->user        ? "user"
                       : o->password    ? "password"
                       : o->server_name ? "server_name"
                                        : NULL;

    if (link->chained)
        return refuse(error, "url", "\"direct://\" stands alone (alternatives are separated by |)");
    return what ? refuse(error, what, "\"direct://\" is no proxy and has none") : 0;
}

int bl_proxy_link_set(struct belay_proxy *p, const struct bl_proxy_link *what,
                      struct belay_error *error)
{
    const struct belay_proxy_options *o = what->options;
    struct bl_proxy_url url;
    int rc = bl_proxy_url_parse(what->text, what->link, &url, error);

    if (rc < 0) {
        if (error)
            bl_error_prefix(error, "proxy");
        return rc;
    }
    if (url.scheme == BL_PROXY_DIRECT)
        return set_direct(what, error);
    p->hop.kind = kinds[url.scheme];
    if (p->hop.kind == BL_HOP_FORWARD && o->tunnel)
        p->hop.kind = BL_HOP_CONNECT;
    p->own.hops = &p->hop;
    p->own.hops_n = 1;
    rc = set_place(p, o, &url, error);
    rc = rc < 0 ? rc : set_credentials(p, o, &url, error);
    if (rc == 0 && url.scheme == BL_PROXY_HTTPS)
        rc = set_tls(p, o, error);
    if (rc == 0 && (set_name(p, &url) < 0 || set_key(p, url.scheme) < 0))
        rc = out_of_memory(error);
    return rc;
}

void bl_proxy_link_clear(struct belay_proxy *p)
{
    struct bl_mem *mem = &p->loop->mem;

    belay_tls_unref(p->hop.tls);
    bl_free_secret(mem, (char *)(uintptr_t)p->hop.user, p->user_len);
    bl_free_secret(mem, (char *)(uintptr_t)p->hop.password, p->password_len);
    bl_free(mem, (char *)(uintptr_t)p->hop.host);
    bl_free(mem, (char *)(uintptr_t)p->hop.name);
    bl_free(mem, (char *)(uintptr_t)p->hop.server_name);
    bl_free(mem, (void *)(uintptr_t)p->own.key);
}
