/* SPDX-License-Identifier: MIT */
/*
 * URLs: what is parsed and written down again is parsed as the same; what is refused is refused
 * without its secrets; what is resolved stays where it must.
 *
 * Input: the schemes that are allowed; then lines: a URL, a reference, and pieces to build URLs
 * with a password of.
 */
#include <ctype.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"
#include "fuzz/fuzz.h"
#include "wire/url.h"

#define SECRET "Zq9Kv"

static struct bl_mem mem;

static void put(struct bl_buf *out, struct bl_span text)
{
    if (text.len > 0)
        BL_ASSERT(bl_buf_append(out, &mem, text.data, text.len) == 0);
}

static void put_text(struct bl_buf *out, const char *text)
{
    put(out, bl_span_of(text));
}

static struct bl_span span_of_buf(const struct bl_buf *buf)
{
    return bl_span(buf->data ? bl_buf_head(buf) : "", bl_buf_len(buf));
}

static bool holds(struct bl_span text, const char *word)
{
    return text.len > 0 && memmem(text.data, text.len, word, strlen(word)) != NULL;
}

static bool starts(struct bl_span text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

/* ---- parsing ---- */

static void check_within(struct bl_span part, struct bl_span text)
{
    if (part.data)
        BL_ASSERT(part.data >= text.data && part.data + part.len <= text.data + text.len);
}

static void check_parts(const struct bl_url *url, struct bl_span text)
{
    check_within(url->userinfo, text);
    check_within(url->host, text);
    check_within(url->path, text);
    check_within(url->query, text);
    check_within(url->fragment, text);
    BL_ASSERT((url->scheme == BL_SCHEME_UNIX) == (url->host.len == 0));
    BL_ASSERT((url->scheme == BL_SCHEME_UNIX) == (url->port == 0));
    BL_ASSERT(url->path.len == 0 || url->path.data[0] == '/' || url->scheme == BL_SCHEME_UNIX);
}

static void write_down(const struct bl_url *url, struct bl_buf *out)
{
    char host[BL_HOST_MAX + 2], port[8];
    bool brackets = url->ip.family == BELAY_FAMILY_IPV6;

    put_text(out, bl_scheme_info(url->scheme)->name);
    if (url->scheme == BL_SCHEME_UNIX) {
        put_text(out, url->path.data[0] == '/' ? "://" : ":");
        put(out, url->path);
        return;
    }
    put_text(out, "://");
    put(out, url->userinfo);
    put_text(out, url->userinfo.data ? "@" : "");
    BL_ASSERT(bl_url_host(url, host) == strlen(host));
    put_text(out, brackets ? "[" : "");
    put_text(out, host);
    put_text(out, brackets ? "]" : "");
    snprintf(port, sizeof port, ":%u", (unsigned)url->port);
    put_text(out, port);
    put(out, url->path);
    put_text(out, url->query.data ? "?" : "");
    put(out, url->query);
    put_text(out, url->fragment.data ? "#" : "");
    put(out, url->fragment);
}

static void check_equal(struct bl_span a, struct bl_span b)
{
    BL_ASSERT(!a.data == !b.data && bl_span_equal(a, b));
}

static void check_origin(const struct bl_url *a, const struct bl_url *b)
{
    char host_a[BL_HOST_MAX + 2], host_b[BL_HOST_MAX + 2];

    BL_ASSERT(a->scheme == b->scheme && a->port == b->port);
    BL_ASSERT(a->ip.family == b->ip.family);
    bl_url_host(a, host_a);
    bl_url_host(b, host_b);
    BL_ASSERT(strcmp(host_a, host_b) == 0);
}

static void check_round(const struct bl_url *url)
{
    struct bl_buf out = {0};
    struct bl_url again;
    struct bl_span text;

    write_down(url, &out);
    text = span_of_buf(&out);
    if (text.len <= BL_URL_MAX) {
        BL_ASSERT(bl_url_parse(text.data, text.len, BL_SCHEMES_ENDPOINT, &again, NULL) == 0);
        check_origin(url, &again);
        check_equal(url->userinfo, again.userinfo);
        BL_ASSERT(bl_span_equal(url->path, again.path));
        check_equal(url->query, again.query);
        check_equal(url->fragment, again.fragment);
        BL_ASSERT(bl_url_is_origin(url) == bl_url_is_origin(&again));
    }
    bl_buf_free(&out, &mem);
}

static bool check_parse(struct bl_span text, unsigned schemes, struct bl_url *ret)
{
    struct belay_error error = {.code = 0};
    struct bl_url quiet;
    int rc = bl_url_parse(text.data, text.len, schemes, ret, &error);

    BL_ASSERT(rc == bl_url_parse(text.data, text.len, schemes, &quiet, NULL));
    if (rc == 0) {
        BL_ASSERT(schemes & 1u << ret->scheme);
        check_parts(ret, text);
        check_round(ret);
        return true;
    }
    BL_ASSERT(rc == BELAY_EINVAL && error.code == rc);
    fuzz_check_sentence(error.text, sizeof error.text);
    return false;
}

/* ---- secrets ---- */

/* Whether the secret is a part of what stands before "://", which is no secret. */
static bool is_in_scheme(struct bl_span text)
{
    size_t i = 0;

    while (i < text.len && !(text.data[i] && strchr(":/?#@[", text.data[i])))
        i++;
    return starts(bl_span(text.data + i, text.len - i), "://") &&
           holds(bl_span(text.data, i), SECRET);
}

/* The secret stands before an "@" or after a "?": no error shows it. */
static void check_secret(struct bl_span before, struct bl_span behind, struct bl_span rest,
                         const char *mark, bool mark_first, unsigned schemes)
{
    struct bl_buf out = {0};
    struct belay_error error = {.code = 0};
    struct bl_span text, lead;
    struct bl_url url;

    put(&out, before);
    put_text(&out, mark_first ? mark : "");
    put_text(&out, SECRET);
    put(&out, behind);
    put_text(&out, mark_first ? "" : mark);
    put(&out, rest);
    text = span_of_buf(&out);
    lead = bl_span(text.data, text.len < 5 ? text.len : 5);
    /* A Unix socket has no user, password or query. */
    if (!bl_span_equal_nocase(lead, bl_span_of("unix:")) && !is_in_scheme(text) &&
        !holds(before, SECRET) && !holds(behind, SECRET) && !holds(rest, SECRET) &&
        bl_url_parse(text.data, text.len, schemes, &url, &error) < 0)
        BL_ASSERT(!strstr(error.text, SECRET));
    bl_buf_free(&out, &mem);
}

/* ---- resolving ---- */

static bool has_dots(struct bl_span path)
{
    const char *end = path.data + path.len;

    return holds(path, "/./") || holds(path, "/../") ||
           (path.len >= 2 && memcmp(end - 2, "/.", 2) == 0) ||
           (path.len >= 3 && memcmp(end - 3, "/..", 3) == 0);
}

/* Resolved once more, against itself, it does not move; a reference of "" drops the fragment. */
static void check_rests(struct bl_span text, const struct bl_url *url)
{
    struct bl_buf out = {0};
    struct bl_url again;
    struct bl_span twice;

    BL_ASSERT(bl_url_resolve(text, bl_span("", 0), &out, &mem) == 0);
    twice = span_of_buf(&out);
    BL_ASSERT(bl_url_parse(twice.data, twice.len, BL_SCHEMES_WEB, &again, NULL) == 0);
    check_origin(url, &again);
    check_equal(url->query, again.query);
    BL_ASSERT(bl_span_equal(url->path, again.path));
    BL_ASSERT(!again.userinfo.data && !again.fragment.data);
    bl_buf_free(&out, &mem);
}

/* "http:/path" and "mailto:x" have no host, whatever their dots do. */
static bool lacks_authority(struct bl_span reference)
{
    const char *colon = reference.len ? memchr(reference.data, ':', reference.len) : NULL;
    struct bl_span scheme = bl_span(reference.data, 0), rest;

    if (!colon)
        return false;
    scheme.len = (size_t)(colon - reference.data);
    rest = bl_span(colon + 1, reference.len - scheme.len - 1);
    for (size_t i = 0; i < scheme.len; i++)
        if (!isalpha((unsigned char)scheme.data[i]) &&
            (i == 0 || (!isdigit((unsigned char)scheme.data[i]) &&
                        (!scheme.data[i] || !strchr("+-.", scheme.data[i])))))
            return false;
    return scheme.len > 0 && !starts(rest, "//");
}

static void check_resolved(struct bl_span text, struct bl_span reference, const struct bl_url *base,
                           const struct bl_url *url)
{
    char first = reference.len ? reference.data[0] : '?';
    bool stays =
        first == '?' || first == '#' || first == '.' || (first == '/' && !starts(reference, "//"));

    if (stays) {
        check_origin(base, url);
        BL_ASSERT(!url->userinfo.data);
    }
    if (first != '?' && first != '#')
        BL_ASSERT(!has_dots(url->path));
    if (!base->userinfo.data || stays)
        check_rests(text, url);
}

static void check_resolve(struct bl_span base, struct bl_span reference)
{
    struct bl_buf out = {0};
    struct bl_url base_url, url;
    bool web = bl_url_parse(base.data, base.len, BL_SCHEMES_WEB, &base_url, NULL) == 0;
    struct bl_span text;

    put_text(&out, "before");
    if (bl_url_resolve(base, reference, &out, &mem) < 0) {
        BL_ASSERT(bl_span_equal(span_of_buf(&out), bl_span_of("before")));
    } else {
        bl_buf_consume(&out, 6);
        text = span_of_buf(&out);
        BL_ASSERT(text.len > 0 && text.len <= BL_URL_MAX);
        if (bl_url_parse(text.data, text.len, BL_SCHEMES_WEB, &url, NULL) == 0) {
            BL_ASSERT(!lacks_authority(reference));
            if (web)
                check_resolved(text, reference, &base_url, &url);
        } else if (web && reference.len > 0 && strchr("?#", reference.data[0])) {
            BL_UNREACHABLE("a query or fragment spoils no URL");
        }
    }
    bl_buf_free(&out, &mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned sets[] = {BL_SCHEMES_ENDPOINT, BL_SCHEMES_WEB, BL_SCHEME_BIT(TCP),
                                    BL_SCHEME_BIT(TLS) | BL_SCHEME_BIT(UNIX)};
    struct fuzz_input in = {data, size};
    unsigned schemes = sets[fuzz_below(&in, BL_COUNT(sets))];
    struct bl_span text = fuzz_rest(&in), first = fuzz_line(&in), second = fuzz_line(&in);
    struct bl_span third = fuzz_line(&in);
    struct bl_url url;

    bl_mem_init(&mem, NULL);
    check_parse(text, schemes, &url); /* all of it, line ends included */
    check_parse(first, schemes, &url);
    check_resolve(first, second);
    check_secret(first, second, third, "@", false, schemes);
    check_secret(first, second, third, "?", true, schemes);
    BL_ASSERT(mem.live == 0);
    return 0;
}
