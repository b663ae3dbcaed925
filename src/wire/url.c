/* SPDX-License-Identifier: MIT */
/* Parsing of URLs: the scheme, what may stand where, and the split into parts. */
#include "wire/url.h"

#include "base/assert.h"
#include "wire/url_parser.h"

const struct bl_scheme_info *bl_scheme_info(enum bl_scheme scheme)
{
    static const struct bl_scheme_info infos[] = {
#define X(name, text, port, tls, target) [BL_SCHEME_##name] = {text, port, tls, target},
        BL_SCHEMES(X)
#undef X
    };

    BL_ASSERT((unsigned)scheme < BL_SCHEMES_N);
    return &infos[scheme];
}

static bool is_alpha(char c)
{
    return bl_lower(c) >= 'a' && bl_lower(c) <= 'z';
}

bool bl_url_is_scheme(struct bl_span text)
{
    if (text.len == 0 || !is_alpha(text.data[0]))
        return false;
    for (size_t i = 1; i < text.len; i++) {
        char c = text.data[i];

        if (!is_alpha(c) && (c < '0' || c > '9') && c != '+' && c != '-' && c != '.')
            return false;
    }
    return true;
}

/* The first byte of `text` that is one of `set`, or its end. */
static const char *find_any(struct bl_span text, const char *set)
{
    size_t i = 0;

    while (i < text.len && !(text.data[i] && strchr(set, text.data[i])))
        i++;
    return text.data + i;
}

long bl_url_scheme_len(struct bl_span text)
{
    const char *colon = find_any(text, ":/?#@[");
    size_t len = (size_t)(colon - text.data);

    if (text.len - len < 3 || memcmp(colon, "://", 3) != 0)
        return -1;
    return (long)len;
}

/* Control characters have no place anywhere. */
static int check_controls(const struct bl_url_parser *p)
{
    for (size_t i = 0; i < p->text.len; i++) {
        unsigned char c = (unsigned char)p->text.data[i];

        if (c == 0)
            return bl_url_refuse(p, "it contains a NUL byte");
        if (c < 0x20 || c == 0x7f)
            return bl_url_refuse(p, "it contains a control character (byte 0x%02x)", (unsigned)c);
    }
    return 0;
}

/* What follows the authority is printable ASCII. */
static int check_target(const struct bl_url_parser *p, const char *part, struct bl_span bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.data[i];

        if (c == ' ')
            return bl_url_refuse(p, "the %s contains a space (write it as %%20)", part);
        if (c >= 0x80)
            return bl_url_refuse(p, "the %s contains a non-ASCII byte (write it as %%%02X)", part,
                                 (unsigned)c);
    }
    return 0;
}

/* unix:///path, unix:/path, unix:@name; `rest` is what follows the colon, and is taken as it is. */
static int parse_unix(struct bl_url_parser *p, struct bl_span rest)
{
    struct belay_addr addr;

    if (rest.len >= 2 && memcmp(rest.data, "//", 2) == 0) {
        rest = bl_span(rest.data + 2, rest.len - 2);
        if (rest.len > 0 && rest.data[0] != '/')
            return bl_url_refuse(p, "a Unix socket has no host (write unix:///path or unix:@name)");
    }
    if (rest.len == 0)
        return bl_url_refuse(p, "the path of the Unix socket is empty");
    if (rest.data[0] != '/' && rest.data[0] != '@')
        return bl_url_refuse(p, "the path of a Unix socket starts with \"/\" or \"@\"");
    if (rest.len > BELAY_UNIX_PATH_MAX - 1)
        return bl_url_refuse(p, "the path of the Unix socket is longer than %d bytes",
                             BELAY_UNIX_PATH_MAX - 1);
    if (belay_addr_from_path(rest.data, rest.len, &addr) < 0)
        return bl_url_refuse(p, "the name of the Unix socket is empty");
    p->url.host = bl_span(rest.data, 0);
    p->url.path = rest;
    return 0;
}

/* Path, query and fragment. */
static int parse_target(struct bl_url_parser *p, struct bl_span rest)
{
    const struct bl_scheme_info *scheme = bl_scheme_info(p->url.scheme);
    const char *end = rest.data + rest.len, *hash = find_any(rest, "#"), *question;
    struct bl_url *url = &p->url;
    int rc;

    question = find_any(bl_span_between(rest.data, hash), "?");
    url->path = bl_span_between(rest.data, question);
    if (question < hash)
        url->query = bl_span_between(question + 1, hash);
    if (hash < end)
        url->fragment = bl_span_between(hash + 1, end);

    if (!scheme->target && (url->path.len > 1 || url->query.data || url->fragment.data))
        return bl_url_refuse(p, "a %s URL ends after the port", scheme->name);
    rc = check_target(p, "path", url->path);
    if (rc == 0)
        rc = check_target(p, "query", url->query);
    if (rc == 0)
        rc = check_target(p, "fragment", url->fragment);
    return rc;
}

static int parse_hierarchy(struct bl_url_parser *p, struct bl_span rest)
{
    const char *end = rest.data + rest.len, *slash = find_any(rest, "/?#");
    int rc = bl_url_parse_authority(p, bl_span_between(rest.data, slash));

    return rc < 0 ? rc : parse_target(p, bl_span_between(slash, end));
}

/* The scheme of that name, or -1. */
static int find_scheme(struct bl_span name)
{
    for (unsigned i = 0; i < BL_SCHEMES_N; i++) {
        if (bl_span_equal_nocase(name, bl_span_of(bl_scheme_info(i)->name)))
            return (int)i;
    }
    return -1;
}

/* "host:port", and what looks like it. */
static int parse_bare(struct bl_url_parser *p)
{
    struct bl_span text = p->text;
    const char *colon = find_any(text, ":/?#@[");
    size_t len = (size_t)(colon - text.data);
    int scheme = len < text.len && *colon == ':' ? find_scheme(bl_span(text.data, len)) : -1;

    if (scheme >= 0 && !(p->schemes & 1u << scheme))
        return bl_url_refuse_scheme(p, bl_span(text.data, len));
    if (scheme == BL_SCHEME_UNIX) {
        p->url.scheme = BL_SCHEME_UNIX;
        return parse_unix(p, bl_span_between(colon + 1, text.data + text.len));
    }
    if (scheme >= 0)
        return bl_url_refuse(p, "after \"%s:\" comes \"//\"",
                             bl_scheme_info((enum bl_scheme)scheme)->name);
    if (!(p->schemes & BL_SCHEME_BIT(TCP)))
        return bl_url_refuse(p, "it has no scheme (such as %s://)",
                             p->schemes & BL_SCHEME_BIT(HTTPS) ? "https" : "unix");
    p->url.scheme = BL_SCHEME_TCP;
    return parse_hierarchy(p, text);
}

static int parse_with_scheme(struct bl_url_parser *p, size_t len)
{
    struct bl_span name = bl_span(p->text.data, len);
    struct bl_span rest = bl_span(name.data + len + 3, p->text.len - len - 3);
    int scheme = find_scheme(name);

    if (len == 0)
        return bl_url_refuse(p, "the scheme is missing before \"://\"");
    if (scheme < 0 || !(p->schemes & 1u << scheme)) {
        if (!bl_url_is_scheme(name))
            return bl_url_refuse(p, "what stands before \"://\" is not a scheme");
        return bl_url_refuse_scheme(p, name);
    }
    p->url.scheme = (enum bl_scheme)scheme;
    if (scheme == BL_SCHEME_UNIX)
        return parse_unix(p, bl_span(rest.data - 2, rest.len + 2));
    return parse_hierarchy(p, rest);
}

int bl_url_parse(const char *text, size_t len, unsigned schemes, struct bl_url *ret,
                 struct belay_error *error)
{
    struct bl_url_parser p = {.text = bl_span(text, len), .schemes = schemes, .error = error};
    long scheme_len;
    int rc;

    if (len == 0)
        return bl_url_refuse(&p, "it is empty");
    if (len > BL_URL_MAX)
        return bl_url_refuse(&p, "it is longer than %d bytes", BL_URL_MAX);
    rc = check_controls(&p);
    if (rc < 0)
        return rc;
    scheme_len = bl_url_scheme_len(p.text);
    rc = scheme_len < 0 ? parse_bare(&p) : parse_with_scheme(&p, (size_t)scheme_len);
    if (rc == 0)
        *ret = p.url;
    return rc;
}

bool bl_url_is_origin(const struct bl_url *url)
{
    return !url->userinfo.data && !url->query.data && !url->fragment.data &&
           (url->scheme == BL_SCHEME_UNIX || url->path.len == 0 ||
            (url->path.len == 1 && url->path.data[0] == '/'));
}
