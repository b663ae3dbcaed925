/* SPDX-License-Identifier: MIT */
/* Targets: URLs parsed once, and the client's memory of those it was given as strings. */
#include "http/target.h"

#include "base/error.h"
#include "base/text.h"
#include "wire/h1_write.h"

/* ---- user and password ---- */

static int hex_value(char c)
{
    c = bl_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int append_unescaped(struct bl_buf *out, struct bl_mem *mem, struct bl_span text)
{
    char *at = bl_buf_reserve(out, mem, text.len + 1);
    size_t n = 0;

    if (!at)
        return BELAY_ENOMEM;
    for (size_t i = 0; i < text.len; i++) {
        int high = i + 2 < text.len && text.data[i] == '%' ? hex_value(text.data[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text.data[i + 2]) : -1;

        at[n++] = low >= 0 ? (char)(high * 16 + low) : text.data[i];
        i += low >= 0 ? 2 : 0;
    }
    bl_buf_commit(out, n);
    return 0;
}

static char *base64(struct bl_mem *mem, const char *prefix, const unsigned char *in, size_t len)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t prefix_len = strlen(prefix);
    char *out = bl_alloc(mem, prefix_len + (len + 2) / 3 * 4 + 1), *at;

    if (!out)
        return NULL;
    memcpy(out, prefix, prefix_len);
    at = out + prefix_len;
    for (size_t i = 0; i < len; i += 3) {
        unsigned bits = (unsigned)in[i] << 16;

        bits |= i + 1 < len ? (unsigned)in[i + 1] << 8 : 0;
        bits |= i + 2 < len ? in[i + 2] : 0;
        *at++ = letters[bits >> 18];
        *at++ = letters[bits >> 12 & 63];
        *at++ = i + 1 < len ? letters[bits >> 6 & 63] : '=';
        *at++ = i + 2 < len ? letters[bits & 63] : '=';
    }
    *at = '\0';
    return out;
}

/* "user:password" as it stands in a URL; without a colon the password is empty. */
static int set_credentials(struct belay_http_target *t, struct bl_span userinfo)
{
    struct bl_buf plain = {0};
    int rc;

    if (!userinfo.data)
        return 0;
    rc = append_unescaped(&plain, t->mem, userinfo);
    if (rc == 0 && !memchr(userinfo.data, ':', userinfo.len))
        rc = bl_buf_append(&plain, t->mem, ":", 1);
    if (rc == 0) {
        t->authorization = base64(t->mem, "Basic ", (const unsigned char *)bl_buf_head(&plain),
                                  bl_buf_len(&plain));
        rc = t->authorization ? 0 : BELAY_ENOMEM;
    }
    if (plain.data)
        memset(plain.data, 0, plain.capacity);
    bl_buf_free(&plain, t->mem);
    return rc;
}

/* ---- parts ---- */

/* "example.com:8080", "[::1]": the port only where it is not the scheme's. */
static int append_authority(struct bl_buf *out, struct bl_mem *mem, const struct bl_url *url)
{
    char host[BL_HOST_MAX + 2];
    size_t len = bl_url_host(url, host);
    bool v6 = url->ip.family == BELAY_FAMILY_IPV6;
    int rc = bl_buf_printf(out, mem, v6 ? "[%.*s]" : "%.*s", (int)len, host);

    if (rc == 0 && url->port != bl_scheme_info(url->scheme)->port)
        rc = bl_buf_printf(out, mem, ":%u", url->port);
    return rc;
}

/* "/path?query" */
static int append_request_target(struct bl_buf *out, struct bl_mem *mem, const struct bl_url *url)
{
    int rc = 0;

    if (url->path.len == 0)
        rc = bl_buf_append(out, mem, "/", 1);
    rc = rc < 0 ? rc : bl_buf_append(out, mem, url->path.data, url->path.len);
    if (rc == 0 && url->query.data) {
        rc = bl_buf_append(out, mem, "?", 1);
        rc = rc < 0 ? rc : bl_buf_append(out, mem, url->query.data, url->query.len);
    }
    return rc;
}

static int set_line(struct belay_http_target *t, const struct bl_url *url)
{
    struct bl_buf path = {0}, host = {0};
    int rc = append_request_target(&path, t->mem, url);

    rc = rc < 0 ? rc : append_authority(&host, t->mem, url);
    if (rc == 0)
        rc = bl_h1_write_target(&t->line, t->mem, bl_span(bl_buf_head(&path), bl_buf_len(&path)),
                                bl_span(bl_buf_head(&host), bl_buf_len(&host)), &t->host_at);
    bl_buf_free(&path, t->mem);
    bl_buf_free(&host, t->mem);
    return rc;
}

/* The URL for people, and for what relative redirects start from. */
static int set_url(struct belay_http_target *t, const struct bl_url *url)
{
    struct bl_buf b = {0};
    int rc = bl_buf_printf(&b, t->mem, "%s://", bl_scheme_info(url->scheme)->name);

    rc = rc < 0 ? rc : append_authority(&b, t->mem, url);
    rc = rc < 0 ? rc : append_request_target(&b, t->mem, url);
    if (rc == 0) {
        t->url = bl_strndup(t->mem, bl_buf_head(&b), bl_buf_len(&b));
        rc = t->url ? 0 : BELAY_ENOMEM;
    }
    bl_buf_clear(&b);
    if (rc == 0)
        rc = bl_buf_printf(&b, t->mem, "%.*s%s", (int)strcspn(t->url, "?"), t->url,
                           strchr(t->url, '?') ? "?..." : "");
    if (rc == 0) {
        t->name = bl_strndup(t->mem, bl_buf_head(&b), bl_buf_len(&b));
        rc = t->name ? 0 : BELAY_ENOMEM;
    }
    bl_buf_free(&b, t->mem);
    return rc;
}

/* Whom to dial: the URL's origin, along the client's route, with the caller's last word. */
static int set_endpoint(struct belay_http_target *t, struct belay_http *http,
                        const struct bl_url *url, struct belay_error *error)
{
    struct belay_endpoint_options o = http->route;
    char host[BL_HOST_MAX + 2];
    int rc = 0;

    bl_url_host(url, host);
    o.size = sizeof o;
    o.scheme = bl_scheme_info(url->scheme)->name;
    o.host = host;
    o.port = url->port;
    o.tls = http->tls;
    if (!o.alpn)
        o.alpn = "http/1.1";
    if (http->options.on_route)
        rc = http->options.on_route(&o, http->options.route_arg);
    if (rc < 0)
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "routing %s: %s", t->name,
                            belay_strerror(rc));
    return belay_endpoint_new(http->loop, &o, &t->endpoint, error);
}

static int set_peer(struct belay_http_target *t, struct belay_http *http, const struct bl_url *url,
                    struct belay_error *error)
{
    int rc = set_endpoint(t, http, url, error);

    if (rc < 0)
        return rc;
    rc = belay_pool_peer(http->pool, t->endpoint, &t->peer);
    return rc < 0
               ? bl_error_set(error, rc, BELAY_STAGE_NONE, "parsing a URL: %s", belay_strerror(rc))
               : 0;
}

/* ---- life ---- */

static int make(struct belay_http_target *t, struct belay_http *http, const char *text, size_t len,
                struct belay_error *error)
{
    struct bl_url url;
    int rc = bl_url_parse(text, len, BL_SCHEMES_WEB, &url, error);
    char shown[80];

    if (rc < 0)
        return rc;
    rc = set_url(t, &url);
    rc = rc < 0 ? rc : set_line(t, &url);
    rc = rc < 0 ? rc : set_credentials(t, url.userinfo);
    if (rc == BELAY_EINVAL)
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "the URL \"%s\" holds what cannot be sent",
                            bl_text_show(shown, sizeof shown, t->name, strlen(t->name)));
    if (rc < 0)
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "parsing a URL: out of memory");
    return set_peer(t, http, &url, error);
}

static int target_new(struct belay_http *http, const char *url, size_t len,
                      struct belay_http_target **ret, struct belay_error *error)
{
    struct belay_http_target *t;
    int rc;

    if (http->closing)
        return bl_error_set(error, BELAY_ECLOSED, BELAY_STAGE_NONE,
                            "parsing a URL: the client is closed");
    t = bl_zalloc(&http->loop->mem, sizeof *t);
    if (!t)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "parsing a URL: out of memory");
    t->mem = &http->loop->mem;
    t->http = http;
    t->refs = 1;
    bl_list_init(&t->by_use);
    rc = make(t, http, url, len, error);
    if (rc < 0) {
        belay_http_target_unref(t);
        return rc;
    }
    *ret = t;
    return 0;
}

int belay_http_target_new(struct belay_http *http, const char *url,
                          struct belay_http_target **ret_target, struct belay_error *error)
{
    return target_new(http, url, strnlen(url, BL_URL_MAX + 1), ret_target, error);
}

struct belay_http_target *belay_http_target_ref(struct belay_http_target *target)
{
    if (target)
        target->refs++;
    return target;
}

void belay_http_target_unref(struct belay_http_target *t)
{
    struct bl_mem *mem;

    if (!t || --t->refs > 0)
        return;
    mem = t->mem;
    belay_peer_unref(t->peer);
    belay_endpoint_unref(t->endpoint);
    bl_buf_free(&t->line, mem);
    if (t->authorization)
        memset(t->authorization, 0, strlen(t->authorization));
    bl_free(mem, t->authorization);
    bl_free(mem, t->url);
    bl_free(mem, t->name);
    bl_free(mem, t->given);
    bl_free(mem, t);
}

struct belay_peer *belay_http_target_peer(const struct belay_http_target *target)
{
    return target->peer;
}

const char *belay_http_target_url(const struct belay_http_target *target)
{
    return target->url;
}

/* ---- the client's memory ---- */

static void forget(struct belay_http *http, struct belay_http_target *t)
{
    bl_map_remove(&http->targets, &t->node);
    bl_list_remove(&t->by_use);
    belay_http_target_unref(t);
}

static void remember(struct belay_http *http, struct belay_http_target *t, const char *url,
                     size_t len)
{
    if (http->options.max_targets == 0)
        return;
    t->given = bl_strndup(t->mem, url, len);
    if (!t->given || bl_map_add(&http->targets, t->given, len, &t->node) < 0)
        return; /* it only has to be parsed again */
    bl_list_push_front(&http->targets_by_use, &t->by_use);
    belay_http_target_ref(t);
    if (http->targets.count > (size_t)http->options.max_targets)
        forget(http,
               BL_LIST_OF(bl_list_last(&http->targets_by_use), struct belay_http_target, by_use));
}

int bl_target_get(struct belay_http *http, const char *url, size_t len,
                  struct belay_http_target **ret, struct belay_error *error)
{
    struct bl_map_node *node = bl_map_find(&http->targets, url, len);
    int rc;

    if (BL_LIKELY(node != NULL)) {
        struct belay_http_target *t = BL_CONTAINER(node, struct belay_http_target, node);

        bl_list_remove(&t->by_use);
        bl_list_push_front(&http->targets_by_use, &t->by_use);
        *ret = belay_http_target_ref(t);
        return 0;
    }
    rc = target_new(http, url, len, ret, error);
    if (rc == 0)
        remember(http, *ret, url, len);
    return rc;
}

void bl_targets_clear(struct belay_http *http)
{
    struct bl_list *node;

    while ((node = bl_list_first(&http->targets_by_use)))
        forget(http, BL_LIST_OF(node, struct belay_http_target, by_use));
}
