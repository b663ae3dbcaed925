/* SPDX-License-Identifier: MIT */
/* Targets: URLs parsed once, and the client's memory of those it was given as strings. */
#include "http/target.h"

#include "base/error.h"
#include "base/text.h"
#include "conn/endpoint.h"
#include "keep/pool.h"
#include "wire/credentials.h"
#include "wire/h1_write.h"

/* ---- user and password ---- */

/* "user:password" as it stands in a URL; without a colon the password is empty. */
static int set_credentials(struct belay_http_target *t, struct bl_span info)
{
    const char *colon = info.len ? memchr(info.data, ':', info.len) : NULL;
    struct bl_span user = info, password = bl_span("", 0);
    size_t user_len = 0, password_len = 0;
    char *plain_user, *plain_password;

    if (!info.data)
        return 0;
    if (colon) {
        user = bl_span_between(info.data, colon);
        password = bl_span_between(colon + 1, info.data + info.len);
    }
    plain_user = bl_unescape(t->mem, user, &user_len);
    plain_password = bl_unescape(t->mem, password, &password_len);
    if (plain_user && plain_password)
        t->authorization = bl_basic_credentials(t->mem, bl_span(plain_user, user_len),
                                                bl_span(plain_password, password_len));
    bl_free_secret(t->mem, plain_user, user_len);
    bl_free_secret(t->mem, plain_password, password_len);
    return t->authorization ? 0 : BELAY_ENOMEM;
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

/* What is asked of the origin; of a forward proxy, all of the URL (RFC 9112, 3.2.2). */
static int set_line(struct belay_http_target *t, const struct bl_url *url, bool forward)
{
    struct bl_target_line *line = &t->lines[forward];
    struct bl_buf path = {0}, host = {0};
    int rc = append_authority(&host, t->mem, url);

    if (rc == 0 && forward)
        rc = bl_buf_append(&path, t->mem, t->url, strlen(t->url));
    else if (rc == 0)
        rc = append_request_target(&path, t->mem, url);
    if (rc == 0)
        rc = bl_h1_write_target(&line->text, t->mem, bl_span(bl_buf_head(&path), bl_buf_len(&path)),
                                bl_span(bl_buf_head(&host), bl_buf_len(&host)), &line->host_at);
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

/* Whether a forward proxy that is told the URL leads where the caller wants to go. */
static bool is_urls(const struct belay_endpoint_options *o, const struct bl_url *url,
                    const char *host)
{
    return !o->url && o->scheme && o->host &&
           strcmp(o->scheme, bl_scheme_info(url->scheme)->name) == 0 &&
           strcmp(o->host, host) == 0 && o->port == url->port;
}

/* What may be spoken; it keeps connections apart without TLS, too. */
static const char *alpn_of(const struct belay_http *http, const struct bl_url *url)
{
    switch (http->options.versions) {
    case BELAY_HTTP_2_ONLY:
        return "h2";
    case BELAY_HTTP_ANY:
        return bl_scheme_info(url->scheme)->tls ? "h2,http/1.1" : "http/1.1";
    default:
        return "http/1.1";
    }
}

/* Else one connection carries one request at a time, and a burst need not wait to find out. */
static bool may_be_h2(const struct belay_http *http, const struct belay_endpoint *endpoint)
{
    return http->options.versions == BELAY_HTTP_2_ONLY ||
           (http->options.versions == BELAY_HTTP_ANY && belay_endpoint_is_tls(endpoint));
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
        o.alpn = alpn_of(http, url);
    if (http->options.on_route)
        rc = http->options.on_route(&o, http->options.route_arg);
    if (rc < 0)
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "routing %s: %s", t->name,
                            belay_strerror(rc));
    return bl_endpoint_make(http->loop, &o,
                            is_urls(&o, url, host) ? BL_FORWARD_EACH : BL_FORWARD_NONE,
                            &t->endpoint, error);
}

/* What is said depends on whom it is said to. */
static int set_head(struct belay_http_target *t, const struct bl_url *url,
                    struct belay_error *error)
{
    char shown[80];
    int rc = set_line(t, url, false);

    if (rc == 0 && bl_endpoint_may_forward(t->endpoint))
        rc = set_line(t, url, true);
    rc = rc < 0 ? rc : set_credentials(t, url->userinfo);
    if (rc == BELAY_EINVAL)
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "the URL \"%s\" holds what cannot be sent",
                            bl_text_show(shown, sizeof shown, t->name, strlen(t->name)));
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

    if (rc < 0)
        return rc;
    rc = set_url(t, &url);
    if (rc < 0)
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "parsing a URL: out of memory");
    rc = set_endpoint(t, http, &url, error);
    rc = rc < 0 ? rc : set_head(t, &url, error);
    if (rc < 0)
        return rc;
    rc = belay_pool_peer(http->pool, t->endpoint, &t->peer);
    if (rc == 0 && !may_be_h2(http, t->endpoint))
        bl_peer_expect(t->peer, 1);
    return rc < 0
               ? bl_error_set(error, rc, BELAY_STAGE_NONE, "parsing a URL: %s", belay_strerror(rc))
               : 0;
}

static struct belay_http_target *target_alloc(struct belay_http *http)
{
    struct belay_http_target *t = bl_zalloc(&http->loop->mem, sizeof *t);

    if (!t)
        return NULL;
    t->mem = &http->loop->mem;
    t->http = http;
    t->refs = 1;
    bl_list_init(&t->by_use);
    return t;
}

static int target_new(struct belay_http *http, const char *url, size_t len,
                      struct belay_http_target **ret, struct belay_error *error)
{
    struct belay_http_target *t;
    int rc;

    if (http->closing)
        return bl_error_set(error, BELAY_ECLOSED, BELAY_STAGE_NONE,
                            "parsing a URL: the client is closed");
    t = target_alloc(http);
    if (!t)
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "parsing a URL: out of memory");
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
    bl_buf_free(&t->lines[0].text, mem);
    bl_buf_free(&t->lines[1].text, mem);
    if (t->authorization)
        bl_free_secret(mem, t->authorization, strlen(t->authorization));
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

/* ---- without a peer ---- */

/* "https://example.com:8443/path": the Host that a Unix socket has none of is this one. */
static int write_url(struct bl_buf *out, struct bl_mem *mem, const struct belay_endpoint *endpoint,
                     const char *path)
{
    const char *host = belay_endpoint_host(endpoint);
    const char *scheme = belay_endpoint_is_tls(endpoint) ? "https" : "http";
    bool v6 = strchr(host, ':') != NULL;
    int port = belay_endpoint_port(endpoint);
    int rc =
        bl_buf_printf(out, mem, v6 ? "%s://[%s]" : "%s://%s", scheme, *host ? host : "localhost");

    if (rc == 0 && port > 0)
        rc = bl_buf_printf(out, mem, ":%d", port);
    return rc < 0 ? rc : bl_buf_append(out, mem, path, strlen(path));
}

static int make_at(struct belay_http_target *t, struct belay_endpoint *endpoint,
                   const struct bl_buf *text, struct belay_error *error)
{
    struct bl_url url;
    int rc = bl_url_parse(bl_buf_head(text), bl_buf_len(text), BL_SCHEMES_WEB, &url, error);

    if (rc < 0)
        return rc;
    t->endpoint = belay_endpoint_ref(endpoint);
    rc = set_url(t, &url);
    if (rc < 0)
        return bl_error_set(error, rc, BELAY_STAGE_NONE, "parsing a URL: out of memory");
    return set_head(t, &url, error);
}

int bl_target_at(struct belay_http *http, struct belay_endpoint *endpoint, const char *path,
                 struct belay_http_target **ret, struct belay_error *error)
{
    struct belay_http_target *t = target_alloc(http);
    struct bl_buf text = {0};
    int rc = t ? write_url(&text, t->mem, endpoint, path) : BELAY_ENOMEM;

    if (rc < 0)
        bl_error_set(error, rc, BELAY_STAGE_NONE, "parsing a URL: out of memory");
    else
        rc = make_at(t, endpoint, &text, error);
    bl_buf_free(&text, &http->loop->mem);
    if (rc < 0)
        belay_http_target_unref(t);
    else
        *ret = t;
    return rc;
}

int bl_target_prepare(struct belay_http_target *t, bool forward)
{
    struct bl_url url;

    if (bl_buf_len(&t->lines[forward].text) > 0)
        return 0;
    if (bl_url_parse(t->url, strlen(t->url), BL_SCHEMES_WEB, &url, NULL) < 0)
        return BELAY_EINVAL;
    return set_line(t, &url, forward);
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

/* Mostly the one that was asked for last. */
static struct belay_http_target *find(struct belay_http *http, const char *url, size_t len)
{
    struct bl_list *last = bl_list_first(&http->targets_by_use);
    struct belay_http_target *t = last ? BL_LIST_OF(last, struct belay_http_target, by_use) : NULL;
    struct bl_map_node *node;

    if (t && strncmp(t->given, url, len) == 0 && t->given[len] == '\0')
        return t;
    node = bl_map_find(&http->targets, url, len);
    if (!node)
        return NULL;
    t = BL_CONTAINER(node, struct belay_http_target, node);
    bl_list_remove(&t->by_use);
    bl_list_push_front(&http->targets_by_use, &t->by_use);
    return t;
}

int bl_target_get(struct belay_http *http, const char *url, size_t len,
                  struct belay_http_target **ret, struct belay_error *error)
{
    struct belay_http_target *t = find(http, url, len);
    int rc;

    if (BL_LIKELY(t != NULL)) {
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
