/* SPDX-License-Identifier: MIT */
/* The lines of a file of addresses, and the endpoints that they are. */
#include "conn/source_lines.h"

#include <stdio.h>

#include "base/error.h"
#include "conn/endpoint.h"
#include "wire/url.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct bl_span trim(struct bl_span text)
{
    const char *hash = text.len ? memchr(text.data, '#', text.len) : NULL;

    if (hash)
        text.len = (size_t)(hash - text.data);
    while (text.len && is_blank(text.data[text.len - 1]))
        text.len--;
    while (text.len && is_blank(text.data[0])) {
        text.data++;
        text.len--;
    }
    return text;
}

bool bl_source_lines_next(struct bl_source_lines *lines, struct bl_source_line *ret)
{
    while (lines->at < lines->len) {
        const char *start = lines->text + lines->at;
        size_t left = lines->len - lines->at;
        const char *end = memchr(start, '\n', left);
        size_t len = end ? (size_t)(end - start) : left;

        lines->at += end ? len + 1 : len;
        lines->number++;
        ret->text = trim(bl_span(start, len));
        ret->number = lines->number;
        if (ret->text.len)
            return true;
    }
    return false;
}

size_t bl_source_lines_count(const struct bl_source_lines *lines)
{
    struct bl_source_lines rest = *lines;
    struct bl_source_line line;
    size_t n = 0;

    while (bl_source_lines_next(&rest, &line))
        n++;
    return n;
}

/* Whether the line says by itself where to: a URL, or a host with a port. */
static bool is_whole(struct bl_span text)
{
    const char *bracket = memrchr(text.data, ']', text.len);
    const char *from = bracket ? bracket : text.data;

    return memchr(from, ':', text.len - (size_t)(from - text.data)) != NULL;
}

static int parse(struct bl_span text, const struct belay_endpoint *like, char *room, size_t size,
                 struct bl_url *url, struct belay_error *error)
{
    struct belay_addr ip;
    bool bare_v6 = belay_addr_parse_ip(text.data, text.len, 0, &ip) == 0 &&
                   ip.family == BELAY_FAMILY_IPV6; /* its colons are no port's */
    size_t at = bare_v6;

    if (!bare_v6 && is_whole(text))
        return bl_url_parse(text.data, text.len, BL_SCHEMES_ENDPOINT, url, error);
    if (text.len > size - sizeof "[]:65535")
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "longer than the name of a host can be");
    room[0] = '[';
    memcpy(room + at, text.data, text.len);
    snprintf(room + at + text.len, size - at - text.len, bare_v6 ? "]:%d" : ":%d",
             belay_endpoint_port(like));
    at += text.len;
    return bl_url_parse(room, at + strlen(room + at), BL_SCHEMES_ENDPOINT, url, error);
}

int bl_source_line_endpoint(const struct bl_source_line *line, const struct belay_endpoint *like,
                            struct belay_endpoint **ret, struct belay_error *error)
{
    char room[2 * BL_HOST_MAX], host[BL_HOST_MAX + 2];
    bool has_scheme = memmem(line->text.data, line->text.len, "://", 3) != NULL;
    const char *scheme;
    struct bl_url url;
    int rc = parse(line->text, like, room, sizeof room, &url, error);

    if (rc < 0)
        return rc;
    scheme = bl_scheme_info(url.scheme)->name;
    if ((has_scheme || url.scheme == BL_SCHEME_UNIX) &&
        strcmp(scheme, belay_endpoint_scheme(like)) != 0)
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE, "its scheme is %s, and not %s",
                            scheme, belay_endpoint_scheme(like));
    if (!bl_url_is_origin(&url))
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "an address is scheme, host and port; no user, path or query");
    bl_url_host(&url, host);
    return bl_endpoint_of_host(like, host, url.port, ret, error);
}
