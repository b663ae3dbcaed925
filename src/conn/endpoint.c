/* SPDX-License-Identifier: MIT */
/* Endpoints: made from a string or from options, then never changed. */
#include "base/options.h"
#include "conn/endpoint_parts.h"
#include "conn/proxy.h"

/* ---- parts ---- */

int bl_endpoint_refuse(struct belay_error *error, const char *what, const char *why)
{
    return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "%s: %s", what, why);
}

int bl_endpoint_no_memory(struct belay_error *error)
{
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "making an endpoint: out of memory");
}

int bl_endpoint_copy_text(struct belay_endpoint *e, const char *what, const char *text, char **ret,
                          struct belay_error *error)
{
    size_t len = strnlen(text, BL_ENDPOINT_TEXT_MAX + 1);

    if (len == 0)
        return bl_endpoint_refuse(error, what, "is empty");
    if (len > BL_ENDPOINT_TEXT_MAX)
        return bl_endpoint_refuse(error, what, "is longer than 255 bytes");
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return bl_endpoint_refuse(error, what, "has a control character");
    *ret = bl_strndup(&e->loop->mem, text, len);
    return *ret ? 0 : bl_endpoint_no_memory(error);
}

/* "h2,http/1.1" to the wire form. */
static int copy_alpn(struct belay_endpoint *e, const char *list, struct belay_error *error)
{
    size_t len = strnlen(list, BL_ENDPOINT_TEXT_MAX + 1);
    size_t start = 0;

    if (len == 0 || len > BL_ENDPOINT_TEXT_MAX)
        return bl_endpoint_refuse(error, "alpn", "must have 1 to 255 bytes");
    e->alpn = bl_alloc(&e->loop->mem, len + 1);
    if (!e->alpn)
        return bl_endpoint_no_memory(error);
    for (size_t i = 0; i <= len; i++) {
        if (i < len && list[i] != ',')
            continue;
        if (i == start)
            return bl_endpoint_refuse(error, "alpn", "has an empty protocol name");
        e->alpn[start] = (uint8_t)(i - start);
        memcpy(e->alpn + start + 1, list + start, i - start);
        start = i + 1;
    }
    e->alpn_len = len + 1;
    return 0;
}

/* ---- origin ---- */

/* Options without a url, as one: so that there is one parser. */
static int compose_url(struct belay_endpoint *e, const struct belay_endpoint_options *o,
                       struct bl_buf *url, struct belay_error *error)
{
    const char *scheme = o->scheme;
    bool is_unix = scheme && strcmp(scheme, "unix") == 0;
    bool bracket;
    int rc;

    if (!scheme)
        return bl_endpoint_refuse(error, "endpoint", "neither url nor scheme was given");
    if (is_unix && !o->path)
        return bl_endpoint_refuse(error, "endpoint", "scheme unix needs a path");
    if (!is_unix && !o->host)
        return bl_endpoint_refuse(error, "endpoint", "scheme and no host were given");
    if (is_unix && (o->host || o->port))
        return bl_endpoint_refuse(error, o->host ? "host" : "port",
                                  "a Unix socket has a path alone");
    if (!is_unix && o->path)
        return bl_endpoint_refuse(error, "path",
                                  "is for scheme unix (unix_path routes to a Unix socket)");
    if (o->port < 0 || o->port > 65535)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "port: %d is out of range (1 to 65535)", (int)o->port);
    if (is_unix) {
        rc =
            bl_buf_printf(url, &e->loop->mem, o->path[0] == '/' ? "unix://%s" : "unix:%s", o->path);
    } else {
        bracket = strchr(o->host, ':') && o->host[0] != '[';
        rc = bl_buf_printf(url, &e->loop->mem, bracket ? "%s://[%s]" : "%s://%s", scheme, o->host);
        if (rc == 0 && o->port)
            rc = bl_buf_printf(url, &e->loop->mem, ":%d", (int)o->port);
    }
    return rc < 0 ? bl_endpoint_no_memory(error) : 0;
}

static int name_origin(struct belay_endpoint *e, const struct bl_url *url)
{
    bool v6 = url->ip.family == BELAY_FAMILY_IPV6;
    struct bl_buf b = {0};
    int rc;

    if (url->scheme == BL_SCHEME_UNIX)
        rc = bl_buf_printf(&b, &e->loop->mem, "unix:%.*s", (int)url->path.len, url->path.data);
    else
        rc = bl_buf_printf(&b, &e->loop->mem, v6 ? "%s://[%s]:%u" : "%s://%s:%u", e->scheme->name,
                           e->host, (unsigned)e->port);
    if (rc == 0)
        e->origin = bl_strndup(&e->loop->mem, bl_buf_head(&b), bl_buf_len(&b));
    bl_buf_free(&b, &e->loop->mem);
    return e->origin ? 0 : BELAY_ENOMEM;
}

static int set_origin(struct belay_endpoint *e, const char *text, size_t len,
                      struct belay_error *error)
{
    char host[BL_HOST_MAX + 2] = "";
    struct bl_url url;
    size_t host_len = 0;
    int rc = bl_url_parse(text, len, BL_SCHEMES_ENDPOINT, &url, error);

    if (rc < 0)
        return rc;
    if (url.scheme != BL_SCHEME_UNIX && !bl_url_is_origin(&url))
        return bl_endpoint_refuse(
            error, "endpoint",
            "an endpoint is scheme, host and port; no user, path, query or fragment");
    e->scheme = bl_scheme_info(url.scheme);
    e->port = url.port;
    if (url.scheme != BL_SCHEME_UNIX)
        host_len = bl_url_host(&url, host);
    e->host = bl_strndup(&e->loop->mem, host, host_len);
    if (!e->host || name_origin(e, &url) < 0)
        return bl_endpoint_no_memory(error);
    if (url.scheme == BL_SCHEME_UNIX)
        return bl_endpoint_set_unix(e, "path", url.path.data, url.path.len, error);
    return url.ip.family != BELAY_FAMILY_NONE ? bl_endpoint_set_addrs(e, &url.ip, 1, error) : 0;
}

/* ---- route and identity ---- */

static void default_tls_free(struct belay_loop *loop, void *ptr)
{
    (void)loop;
    belay_tls_unref(ptr);
}

int bl_default_tls(struct belay_loop *loop, struct belay_tls **ret, struct belay_error *error)
{
    struct bl_loop_rooms *room = &loop->rooms[BL_ROOM_ENDPOINT];
    struct belay_tls *tls;
    int rc;

    if (!room->ptr) {
        rc = belay_tls_new(loop, NULL, &tls, error);
        if (rc < 0)
            return rc;
        room->ptr = tls;
        room->free = default_tls_free;
    }
    *ret = belay_tls_ref(room->ptr);
    return 0;
}

static int set_identity(struct belay_endpoint *e, const struct belay_endpoint_options *o,
                        struct belay_error *error)
{
    const char *server_name = o->server_name ? o->server_name : e->host;
    int rc = 0;

    if (o->tag)
        rc = bl_endpoint_copy_text(e, "tag", o->tag, &e->tag, error);
    if (rc < 0 || !e->scheme->tls)
        return rc;
    e->no_sni = o->no_sni;
    e->server_named = o->server_name != NULL;
    if (o->alpn)
        rc = copy_alpn(e, o->alpn, error);
    if (rc == 0)
        rc = bl_endpoint_copy_text(e, "server_name", server_name, &e->server_name, error);
    if (rc < 0)
        return rc;
    if (!o->tls)
        return bl_default_tls(e->loop, &e->tls, error);
    e->tls = belay_tls_ref(o->tls);
    return 0;
}

/* ---- life ---- */

void bl_endpoint_free(struct belay_endpoint *e)
{
    struct bl_mem *mem = &e->loop->mem;

    if (e->address && e->own.free)
        e->own.free((void *)(uintptr_t)e->address, e->own.arg);
    belay_tls_unref(e->tls);
    bl_free(mem, e->host);
    bl_free(mem, e->origin);
    bl_free(mem, e->name);
    bl_free(mem, e->server_name);
    bl_free(mem, e->interface_name);
    bl_free(mem, e->tag);
    bl_free(mem, e->alpn);
    bl_free(mem, e->addrs);
    bl_free(mem, e->routes);
    bl_free(mem, e->hops);
    belay_proxy_unref(e->proxy);
    bl_free(mem, e->key);
    bl_free(mem, e);
}

static int build(struct belay_endpoint *e, const struct belay_endpoint_options *o,
                 struct belay_error *error)
{
    struct bl_buf url = {0};
    int rc = 0;

    if (o->url && (o->scheme || o->host || o->path || o->port))
        return bl_endpoint_refuse(error, "url",
                                  "is given, and parts of it (scheme, host, port, path) as well");
    if (!o->url)
        rc = compose_url(e, o, &url, error);
    if (rc == 0)
        rc = set_origin(e, o->url ? o->url : bl_buf_head(&url),
                        o->url ? strlen(o->url) : bl_buf_len(&url), error);
    bl_buf_free(&url, &e->loop->mem);
    if (rc == 0)
        rc = bl_endpoint_set_route(e, o, error);
    if (rc == 0)
        rc = bl_endpoint_set_proxy(e, o, error);
    if (rc == 0)
        rc = set_identity(e, o, error);
    if (rc == 0 && bl_endpoint_set_key(e) < 0)
        rc = bl_endpoint_no_memory(error);
    return rc;
}

int bl_endpoint_make(struct belay_loop *loop, const struct belay_endpoint_options *options,
                     enum bl_forwarding forwarding, struct belay_endpoint **ret_endpoint,
                     struct belay_error *error)
{
    struct belay_endpoint_options o;
    struct belay_endpoint *e;
    int rc = bl_options_resolve(&o, sizeof o, options, NULL, 0, error);

    if (rc < 0)
        return rc;
    e = bl_zalloc(&loop->mem, sizeof *e);
    if (!e)
        return bl_endpoint_no_memory(error);
    e->loop = loop;
    e->refs = 1;
    e->forwarding = (uint8_t)forwarding;
    rc = build(e, &o, error);
    if (rc < 0) {
        bl_endpoint_free(e);
        return rc;
    }
    *ret_endpoint = e;
    return 0;
}

int belay_endpoint_new(struct belay_loop *loop, const struct belay_endpoint_options *options,
                       struct belay_endpoint **ret_endpoint, struct belay_error *error)
{
    return bl_endpoint_make(loop, options, BL_FORWARD_ALL, ret_endpoint, error);
}

int belay_endpoint_parse(struct belay_loop *loop, const char *url,
                         struct belay_endpoint **ret_endpoint, struct belay_error *error)
{
    struct belay_endpoint_options o = belay_endpoint_options_init();

    if (!url)
        return bl_endpoint_refuse(error, "url", "is NULL");
    o.url = url;
    return belay_endpoint_new(loop, &o, ret_endpoint, error);
}

struct belay_endpoint *belay_endpoint_ref(struct belay_endpoint *e)
{
    if (e)
        e->refs++;
    return e;
}

void belay_endpoint_unref(struct belay_endpoint *e)
{
    if (e && --e->refs == 0)
        bl_endpoint_free(e);
}

/* ---- what it says ---- */

const char *belay_endpoint_name(const struct belay_endpoint *e)
{
    return e->name ? e->name : e->origin;
}

const char *belay_endpoint_scheme(const struct belay_endpoint *e)
{
    return e->scheme->name;
}

const char *belay_endpoint_host(const struct belay_endpoint *e)
{
    return e->host;
}

int belay_endpoint_port(const struct belay_endpoint *e)
{
    return e->port;
}

const struct belay_addr *belay_endpoint_addrs(const struct belay_endpoint *e, size_t *ret_n)
{
    *ret_n = e->addrs_n;
    return e->addrs_n ? e->addrs : NULL;
}

bool belay_endpoint_is_tls(const struct belay_endpoint *e)
{
    return e->tls != NULL;
}

bool belay_endpoint_equal(const struct belay_endpoint *a, const struct belay_endpoint *b)
{
    if (a->own.size && b->own.size)
        return a == b || bl_endpoint_same_address(a, b);
    return a == b || (a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0);
}

const void *bl_endpoint_key(const struct belay_endpoint *e, size_t *ret_len)
{
    *ret_len = e->key_len;
    return e->key;
}

struct belay_loop *bl_endpoint_loop(const struct belay_endpoint *e)
{
    return e->loop;
}

bool bl_endpoint_offers(const struct belay_endpoint *e, const char *protocol)
{
    for (size_t at = 0; at < e->alpn_len; at += 1 + (size_t)e->alpn[at]) {
        if (bl_span_equal(bl_span((const char *)e->alpn + at + 1, e->alpn[at]),
                          bl_span_of(protocol)))
            return true;
    }
    return false;
}

/* ---- for those who dial ---- */

void bl_endpoint_plan(const struct belay_endpoint *e, struct bl_dial_plan *plan)
{
    *plan = (struct bl_dial_plan){
        .target = e->origin,
        .host = e->addrs_n || e->own.size ? NULL : e->host,
        .port = e->port,
        .addrs = e->addrs,
        .addrs_n = e->addrs_n,
        .family = (enum belay_family)e->family,
        .source = e->source.family ? &e->source : NULL,
        .interface_name = e->interface_name,
        .tls = e->tls,
        .server_name = e->server_name,
        .no_sni = e->no_sni,
        .alpn = e->alpn,
        .alpn_len = e->alpn_len,
        .session_key = e->key,
        .session_key_len = e->key_len,
        .routes = e->routes,
        .routes_n = e->routes_n,
        .proxy_protocol = e->proxy_protocol,
        .proxy_source = e->proxy_source.family ? &e->proxy_source : NULL,
        .proxy_destination = e->proxy_source.family ? &e->proxy_destination : NULL,
    };
}
