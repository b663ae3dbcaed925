/* SPDX-License-Identifier: MIT */
/* URLs of proxies: the parser of URLs does the authority, and says what is wrong with it. */
#include "wire/proxy_url.h"

#include "base/assert.h"
#include "base/text.h"
#include "wire/url_parser.h"

static const struct scheme {
    const char *name;
    uint16_t port;
    bool tls;
} schemes[] = {
#define X(name, text, port, tls) [BL_PROXY_##name] = {text, port, tls},
    BL_PROXY_SCHEMES(X)
#undef X
};

const char *bl_proxy_scheme_name(enum bl_proxy_scheme scheme)
{
    BL_ASSERT((unsigned)scheme < BL_PROXY_SCHEMES_N);
    return schemes[scheme].name;
}

/* ---- lists ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool bl_proxy_next_way(struct bl_span *rest, struct bl_span *ret_way)
{
    const char *end, *bar;

    if (!rest->data)
        return false;
    end = rest->data + rest->len;
    bar = rest->len ? memchr(rest->data, '|', rest->len) : NULL;
    *ret_way = bl_span_between(rest->data, bar ? bar : end);
    *rest = bar ? bl_span_between(bar + 1, end) : bl_span(NULL, 0);
    return true;
}

bool bl_proxy_next_link(struct bl_span *rest, struct bl_span *ret_link)
{
    size_t start = 0, end;

    while (start < rest->len && is_blank(rest->data[start]))
        start++;
    if (start == rest->len)
        return false;
    end = start;
    while (end < rest->len && !is_blank(rest->data[end]))
        end++;
    *ret_link = bl_span(rest->data + start, end - start);
    *rest = bl_span(rest->data + end, rest->len - end);
    return true;
}

/* ---- one ---- */

static int refuse_scheme(const struct bl_url_parser *p, struct bl_span name)
{
    const char *nearest = NULL;
    char shown[40];
    size_t best = 3;

    if (p->text.data > name.data) /* see what_may_be_shown */
        return bl_url_refuse(p, "what stands before \"://\" is no proxy's scheme");
    for (size_t i = 0; i < BL_PROXY_SCHEMES_N; i++) {
        size_t distance = bl_text_distance(name, bl_span_of(schemes[i].name));

        if (distance < best) {
            best = distance;
            nearest = schemes[i].name;
        }
    }
    if (!bl_url_is_scheme(name))
        return bl_url_refuse(p, "what stands before \"://\" is not a scheme");
    bl_text_show(shown, sizeof shown, name.data, name.len);
    if (nearest)
        return bl_url_refuse(p, "no proxy is a \"%s\" (did you mean \"%s\"?)", shown, nearest);
    return bl_url_refuse(p, "no proxy is a \"%s\" (http, https, socks5, socks5h, socks4, socks4a)",
                         shown);
}

static int find_scheme(const struct bl_url_parser *p, struct bl_span name,
                       enum bl_proxy_scheme *ret)
{
    *ret = BL_PROXY_SOCKS4;
    if (bl_span_equal_nocase(name, bl_span_of("socks")))
        return 0;
    for (unsigned i = 0; i < BL_PROXY_SCHEMES_N; i++) {
        *ret = (enum bl_proxy_scheme)i;
        if (bl_span_equal_nocase(name, bl_span_of(schemes[i].name)))
            return 0;
    }
    return refuse_scheme(p, name);
}

static void split_userinfo(struct bl_proxy_url *u)
{
    struct bl_span info = u->where.userinfo;
    const char *colon, *end;

    if (!info.data)
        return;
    colon = memchr(info.data, ':', info.len);
    end = info.data + info.len;
    u->user = bl_span_between(info.data, colon ? colon : end);
    if (colon)
        u->password = bl_span_between(colon + 1, end);
}

/*
 * What follows the authority, from there to the end of the link, names a Unix socket or, as in
 * curl, nothing. With an "@" after it, the authority may be a user and the beginning of a password.
 */
static int set_path(struct bl_url_parser *p, struct bl_span rest, struct bl_proxy_url *u)
{
    static const char *const local = "localhost";
    const char *end = p->text.data + p->text.len;

    if (rest.len == 0 || (rest.len == 1 && rest.data[0] == '/'))
        return 0;
    if (rest.data[0] == '/' && !u->where.port_given &&
        bl_span_equal_nocase(u->where.host, bl_span_of(local)))
        u->path = rest;
    else if (memchr(rest.data, '@', (size_t)(end - rest.data)))
        return bl_url_refuse(p, "an \"@\" follows the host "
                                "(in a password, \"/\", \"?\" and \"#\" are %%2F, %%3F and %%23)");
    return 0;
}

static int parse_place(struct bl_url_parser *p, struct bl_span rest, struct bl_proxy_url *u)
{
    size_t len = 0;
    int rc;

    while (len < rest.len && !memchr("/?#", rest.data[len], 3))
        len++;
    p->url.scheme = BL_SCHEME_HTTP; /* whose authority may hold all that a proxy's may */
    rc = bl_url_parse_authority(p, bl_span(rest.data, len));
    if (rc < 0)
        return rc;
    if (rest.data[len - 1] == ':') /* more often a piece of a password with a blank in it */
        return bl_url_refuse(p, "the port is missing");
    u->where = p->url;
    if (!p->url.port_given)
        u->where.port = u->where.ip.port = schemes[u->scheme].port;
    split_userinfo(u);
    return set_path(p, bl_span(rest.data + len, rest.len - len), u);
}

/*
 * From this link to the end, where the parser hides what stands between a scheme and the last "@".
 * What follows the first link may be a piece of a password with a blank or a bar in it; then, and
 * where there is no scheme, all before the "@" is hidden.
 */
static struct bl_span what_may_be_shown(struct bl_span text, struct bl_span link)
{
    struct bl_span rest = bl_span_between(link.data, text.data + text.len), first = text;
    const char *at = memrchr(rest.data, '@', rest.len);

    bl_proxy_next_link(&text, &first);
    if (at && (link.data > first.data || bl_url_scheme_len(link) < 0))
        rest = bl_span_between(at, rest.data + rest.len);
    return rest;
}

int bl_proxy_url_parse(struct bl_span text, struct bl_span link, struct bl_proxy_url *ret,
                       struct belay_error *error)
{
    struct bl_url_parser p = {.text = what_may_be_shown(text, link), .error = error};
    struct bl_proxy_url u = {.scheme = BL_PROXY_HTTP};
    long len = bl_url_scheme_len(link);
    int rc = 0;

    for (size_t i = 0; i < link.len; i++)
        if ((unsigned char)link.data[i] < 0x20 || link.data[i] == 0x7f)
            return bl_url_refuse(&p, "it contains a control character");
    if (len >= 0) {
        rc = find_scheme(&p, bl_span(link.data, (size_t)len), &u.scheme);
        link = bl_span(link.data + len + 3, link.len - (size_t)len - 3);
    }
    if (rc == 0 && u.scheme == BL_PROXY_DIRECT) {
        if (link.len > 0)
            rc = bl_url_refuse(&p, "\"direct://\" stands alone");
    } else if (rc == 0) {
        rc = parse_place(&p, link, &u);
    }
    if (rc == 0)
        *ret = u;
    return rc;
}
