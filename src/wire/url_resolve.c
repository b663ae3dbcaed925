/* SPDX-License-Identifier: MIT */
/* Relative references (RFC 3986, section 5.2), for redirects. Works on any scheme: what is allowed
 * is asked later. */
#include "wire/url_parser.h"

/* The five parts of section 3; absent ones have no data. */
struct parts {
    struct bl_span scheme, authority, path, query, fragment;
};

/* Appendix B of the RFC, by hand. */
static struct parts split(struct bl_span text)
{
    const char *at = text.data, *end = text.data + text.len, *stop;
    struct parts parts = {0};

    for (stop = at; stop < end && !strchr(":/?#", *stop); stop++)
        ;
    if (stop < end && *stop == ':' && bl_url_is_scheme(bl_span_between(at, stop))) {
        parts.scheme = bl_span_between(at, stop);
        at = stop + 1;
    }
    if (end - at >= 2 && at[0] == '/' && at[1] == '/') {
        at += 2;
        for (stop = at; stop < end && !strchr("/?#", *stop); stop++)
            ;
        parts.authority = bl_span_between(at, stop);
        at = stop;
    }
    for (stop = at; stop < end && *stop != '?' && *stop != '#'; stop++)
        ;
    parts.path = bl_span_between(at, stop);
    at = stop;
    if (at < end && *at == '?') {
        for (stop = ++at; stop < end && *stop != '#'; stop++)
            ;
        parts.query = bl_span_between(at, stop);
        at = stop;
    }
    if (at < end)
        parts.fragment = bl_span_between(at + 1, end);
    return parts;
}

static struct bl_span without_userinfo(struct bl_span authority)
{
    const char *at = authority.len ? memrchr(authority.data, '@', authority.len) : NULL;

    return at ? bl_span_between(at + 1, authority.data + authority.len) : authority;
}

static bool starts(struct bl_span text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

/* ---- output ---- */

struct writer {
    struct bl_buf *out;
    struct bl_mem *mem;
    int rc; /* of the first failure */
};

static void put(struct writer *w, const char *data, size_t len)
{
    if (w->rc == 0)
        w->rc = bl_buf_append(w->out, w->mem, data, len);
}

static void put_text(struct writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void put_escaped(struct writer *w, struct bl_span text)
{
    for (size_t i = 0; i < text.len && w->rc == 0; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c == ' ' || c >= 0x80)
            w->rc = bl_buf_printf(w->out, w->mem, "%%%02X", (unsigned)c);
        else
            put(w, text.data + i, 1);
    }
}

/*
 * Takes "." and ".." out of a path, in place; its new length (section 5.2.4: the output never
 * overtakes the input).
 */
static size_t remove_dots(char *path, size_t len)
{
    size_t from = 0, to = 0;

    while (from < len) {
        struct bl_span rest = bl_span(path + from, len - from);
        bool up = starts(rest, "/../") || bl_span_equal(rest, bl_span_of("/.."));

        if (starts(rest, "../") || starts(rest, "./")) {
            from += rest.data[1] == '.' ? 3 : 2;
        } else if (bl_span_equal(rest, bl_span_of(".")) || bl_span_equal(rest, bl_span_of(".."))) {
            break;
        } else if (up || starts(rest, "/./") || bl_span_equal(rest, bl_span_of("/."))) {
            from += up ? 3 : 2;
            while (up && to > 0 && path[--to] != '/')
                ;
            if (from == len)
                path[to++] = '/';
        } else {
            do {
                path[to++] = path[from++];
            } while (from < len && path[from] != '/');
        }
    }
    return to;
}

/* The path of the result: the reference's, merged with the base's unless it is absolute (5.2.3). */
static void put_path(struct writer *w, const struct parts *base, struct bl_span path, bool merge)
{
    size_t start = bl_buf_len(w->out);
    const char *slash = NULL;

    if (merge && base->authority.data && base->path.len == 0) {
        put_text(w, "/");
    } else if (merge && base->path.len > 0) {
        slash = memrchr(base->path.data, '/', base->path.len);
        if (slash)
            put_escaped(w, bl_span_between(base->path.data, slash + 1));
    }
    put_escaped(w, path);
    if (w->rc == 0 && bl_buf_len(w->out) > start) {
        size_t len = bl_buf_len(w->out) - start;

        len = remove_dots(bl_buf_head(w->out) + start, len);
        bl_buf_cut(w->out, start + len);
    }
}

static void put_rest(struct writer *w, struct bl_span query, struct bl_span fragment)
{
    if (query.data) {
        put_text(w, "?");
        put_escaped(w, query);
    }
    if (fragment.data) {
        put_text(w, "#");
        put_escaped(w, fragment);
    }
}

/* Section 5.2.2. */
static void put_target(struct writer *w, const struct parts *base, const struct parts *ref)
{
    bool own_scheme = ref->scheme.data != NULL;
    bool own_authority = own_scheme || ref->authority.data;
    struct bl_span scheme = own_scheme ? ref->scheme : base->scheme;
    struct bl_span authority = own_authority ? ref->authority : without_userinfo(base->authority);
    size_t path_at;

    put(w, scheme.data, scheme.len);
    put_text(w, ":");
    if (authority.data) {
        put_text(w, "//");
        put(w, authority.data, authority.len);
    }
    path_at = bl_buf_len(w->out);
    if (!own_authority && ref->path.len == 0) {
        put_escaped(w, base->path);
        put_rest(w, ref->query.data ? ref->query : base->query, ref->fragment);
        return;
    }
    put_path(w, base, ref->path, !own_authority && ref->path.data[0] != '/');
    if (w->rc == 0 && !authority.data &&
        starts(bl_span(bl_buf_head(w->out) + path_at, bl_buf_len(w->out) - path_at), "//"))
        w->rc = BELAY_EINVAL; /* section 3.3: it would be read as a host */
    put_rest(w, ref->query, ref->fragment);
}

static bool has_controls(struct bl_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return true;
    }
    return false;
}

int bl_url_resolve(struct bl_span base, struct bl_span reference, struct bl_buf *out,
                   struct bl_mem *mem)
{
    struct writer w = {.out = out, .mem = mem};
    size_t before = bl_buf_len(out);
    struct parts base_parts, ref_parts;

    if (base.len > BL_URL_MAX || reference.len > BL_URL_MAX || has_controls(base) ||
        has_controls(reference))
        return BELAY_EINVAL;
    base_parts = split(base);
    ref_parts = split(reference);
    if (!base_parts.scheme.data)
        return BELAY_EINVAL;
    put_target(&w, &base_parts, &ref_parts);
    if (w.rc == 0 && bl_buf_len(out) - before > BL_URL_MAX)
        w.rc = BELAY_EINVAL;
    if (w.rc < 0)
        bl_buf_cut(out, before);
    return w.rc;
}
