/* SPDX-License-Identifier: MIT */
/*
 * How proxies are written, and who is exempt from them: what is accepted is of the text and can be
 * written down again, what is refused is refused without its secrets, and a list names whom any of
 * its items names.
 *
 * Input: lines: proxies, pieces around a password, a host, a list of exceptions.
 */
#include <stdio.h>

#include "fuzz/fuzz.h"
#include "wire/no_proxy.h"
#include "wire/proxy_url.h"

#define SECRET "Zq9Kv"

static void check_within(struct bl_span part, struct bl_span text)
{
    if (part.data)
        BL_ASSERT(part.data >= text.data && part.data + part.len <= text.data + text.len);
}

/* Written down from its parts, a link is the same one. */
static void check_round(const struct bl_proxy_url *u)
{
    char host[BL_HOST_MAX + 2], text[BL_HOST_MAX + 64];
    struct bl_proxy_url again;
    bool v6 = u->where.ip.family == BELAY_FAMILY_IPV6;
    int n;

    if (u->scheme == BL_PROXY_DIRECT || u->path.data)
        return;
    bl_url_host(&u->where, host);
    n = snprintf(text, sizeof text, v6 ? "%s://[%s]:%u" : "%s://%s:%u",
                 bl_proxy_scheme_name(u->scheme), host, (unsigned)u->where.port);
    BL_ASSERT(n > 0 && (size_t)n < sizeof text);
    BL_ASSERT(bl_proxy_url_parse(bl_span_of(text), bl_span_of(text), &again, NULL) == 0);
    BL_ASSERT(again.scheme == u->scheme && again.where.port == u->where.port);
    BL_ASSERT(!again.user.data && !again.path.data);
}

static void check_link(struct bl_span text, struct bl_span link, bool secret)
{
    struct belay_error error = {0};
    struct bl_proxy_url u;

    BL_ASSERT(link.len > 0);
    check_within(link, text);
    if (bl_proxy_url_parse(text, link, &u, &error) < 0) {
        BL_ASSERT(error.code == BELAY_EINVAL);
        fuzz_check_sentence(error.text, sizeof error.text);
        BL_ASSERT(!secret || !strstr(error.text, SECRET));
        return;
    }
    check_within(u.user, link);
    check_within(u.password, link);
    check_within(u.path, link);
    if (u.scheme != BL_PROXY_DIRECT) {
        BL_ASSERT(u.where.host.len > 0 && u.where.port > 0);
        check_within(u.where.host, link);
    }
    check_round(&u);
}

/* A list is read to its end, and each of its pieces is of it. */
static void check_list(struct bl_span text, bool secret)
{
    struct bl_span rest = text, way, link;
    size_t ways = 0;

    while (bl_proxy_next_way(&rest, &way)) {
        check_within(way, text);
        BL_ASSERT(++ways <= text.len + 1);
        while (bl_proxy_next_link(&way, &link))
            check_link(text, link, secret);
    }
}

/* What stands behind the "@" may be shown. */
static void check_secret(struct bl_span before, struct bl_span after, struct bl_span host)
{
    char text[512];
    int n =
        snprintf(text, sizeof text, "http://%.*s" SECRET "%.*s@%.*s", (int)(before.len % 100),
                 before.data ? before.data : "", (int)(after.len % 100),
                 after.data ? after.data : "", (int)(host.len % 100), host.data ? host.data : "");

    if (n > 0 && (size_t)n < sizeof text && !strstr(strrchr(text, '@'), SECRET))
        check_list(bl_span(text, strlen(text)), true);
}

/* ---- exceptions ---- */

static void check_exceptions(struct bl_span list, struct bl_span host, unsigned port)
{
    bool named = bl_no_proxy_names(list, host, port), any = false;
    size_t at = 0;

    while (at < list.len) {
        size_t start = at;

        while (at < list.len && !strchr(", \t\n\v\f\r", list.data[at]))
            at++;
        any |= bl_no_proxy_names(bl_span(list.data + start, at - start), host, port);
        at++;
    }
    BL_ASSERT(named == any);
    if (named)
        BL_ASSERT(port == 0 || bl_no_proxy_names(list, host, port));
    BL_ASSERT(host.len == 0 || bl_no_proxy_names(bl_span_of("*"), host, port));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    unsigned port = fuzz_byte(&in) * 32u;
    struct bl_span proxies = fuzz_line(&in), before = fuzz_line(&in), after = fuzz_line(&in);
    struct bl_span host = fuzz_line(&in), list;

    if (size > 0 && !memchr(data, '\0', size)) {
        list = fuzz_rest(&in);
        check_exceptions(list.data ? list : bl_span("", 0), host, port);
    }
    if (proxies.len > 0)
        check_list(proxies, false);
    check_secret(before, after, host);
    return 0;
}
