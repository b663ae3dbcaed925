/* SPDX-License-Identifier: MIT */
/* The authority of a URL: user, host and port. */
#include "base/assert.h"
#include "wire/url_parser.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (bl_lower(c) >= 'a' && bl_lower(c) <= 'f');
}

static bool is_alnum(char c)
{
    return is_digit(c) || (bl_lower(c) >= 'a' && bl_lower(c) <= 'z');
}

/* ---- user ---- */

static int parse_userinfo(struct bl_url_parser *p, struct bl_span info)
{
    const struct bl_scheme_info *scheme = bl_scheme_info(p->url.scheme);

    if (!scheme->target)
        return bl_url_refuse(p, "a %s URL has no user name", scheme->name);
    for (size_t i = 0; i < info.len; i++) {
        char c = info.data[i];

        if (c == '@')
            return bl_url_refuse(p, "it has more than one \"@\" (in a password, write it as %%40)");
        if (c == '%' &&
            (info.len - i < 3 || !is_hex(info.data[i + 1]) || !is_hex(info.data[i + 2])))
            return bl_url_refuse(p, "a \"%%\" in the user name or password is no escape "
                                    "(write it as %%25)");
        /* RFC 3986: unreserved, escapes, sub-delims and the colon */
        if (!is_alnum(c) && !strchr("%-._~!$&'()*+,;=:", c))
            return bl_url_refuse(p, "a character of the user name or password must be escaped");
    }
    p->url.userinfo = info;
    return 0;
}

/* ---- host ---- */

static int check_host_char(const struct bl_url_parser *p, struct bl_span host, char c)
{
    char part[BL_URL_PART_MAX];

    bl_url_part(p, host, part);
    if (is_alnum(c) || c == '-' || c == '_')
        return 0;
    if ((unsigned char)c >= 0x80)
        return bl_url_refuse(p, "the host%s is not ASCII (write it in its ASCII (xn--) form)",
                             part);
    if (c == '%')
        return bl_url_refuse(p, "the host%s contains a percent-escape", part);
    if (c == '[' || c == ']')
        return bl_url_refuse(p, "the brackets of the host%s are not balanced", part);
    if (c == ' ')
        return bl_url_refuse(p, "the host%s contains a space", part);
    return bl_url_refuse(p, "the host%s contains a character that no host name has", part);
}

/* Whether the last label is a number, decimal or 0x..., so that somebody might take the name for an
 * address. */
static bool ends_in_number(struct bl_span name)
{
    const char *dot = memrchr(name.data, '.', name.len);
    const char *label = dot ? dot + 1 : name.data, *end = name.data + name.len;
    bool hex = end - label >= 2 && label[0] == '0' && bl_lower(label[1]) == 'x';

    if (hex)
        label += 2;
    else if (label == end)
        return false;
    while (label < end && (hex ? is_hex(*label) : is_digit(*label)))
        label++;
    return label == end;
}

static int check_name(struct bl_url_parser *p, struct bl_span host)
{
    struct bl_span name = host;
    char part[BL_URL_PART_MAX];
    size_t label = 0;

    bl_url_part(p, host, part);
    if (name.len > 1 && name.data[name.len - 1] == '.')
        name.len--;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        int rc = c == '.' ? 0 : check_host_char(p, host, c);

        if (rc < 0)
            return rc;
        if (c == '.' && label == 0)
            return bl_url_refuse(p, "the host%s has an empty label", part);
        label = c == '.' ? 0 : label + 1;
        if (label > BL_LABEL_MAX)
            return bl_url_refuse(p, "the host%s has a label longer than %d bytes", part,
                                 BL_LABEL_MAX);
    }
    if (label == 0)
        return bl_url_refuse(p, "the host%s has an empty label", part);
    if (name.len > BL_HOST_MAX)
        return bl_url_refuse(p, "the host%s is longer than %d bytes", part, BL_HOST_MAX);
    if (ends_in_number(name))
        return bl_url_refuse(p, "the host%s is not a full IPv4 address (four numbers up to 255)",
                             part);
    return 0;
}

/* The inside of brackets. The scope's "%" may be written as "%25" (RFC 6874). */
static int parse_ipv6(struct bl_url_parser *p, struct bl_span host)
{
    char copy[64], part[BL_URL_PART_MAX];
    const char *percent = host.len ? memchr(host.data, '%', host.len) : NULL;
    size_t head = percent ? (size_t)(percent + 1 - host.data) : host.len;
    struct bl_span scope = bl_span(host.data + head, host.len - head);

    bl_url_part(p, host, part);
    if (scope.len > 2 && memcmp(scope.data, "25", 2) == 0)
        scope = bl_span(scope.data + 2, scope.len - 2);
    if (percent) {
        bool number = scope.len > 0;

        for (size_t i = 0; i < scope.len; i++)
            number = number && is_digit(scope.data[i]);
        if (!number)
            return bl_url_refuse(p, "the scope in%s is not the number of an interface", part);
    }
    if (head + scope.len <= sizeof copy && memchr(host.data, ':', host.len)) {
        memcpy(copy, host.data, head);
        memcpy(copy + head, scope.data, scope.len);
        if (belay_addr_parse_ip(copy, head + scope.len, 0, &p->url.ip) == 0)
            return 0;
    }
    return bl_url_refuse(p, "what stands in brackets%s is not an IPv6 address", part);
}

bool bl_url_is_bare_ipv6(struct bl_span text)
{
    struct belay_addr addr;

    return text.len > 0 && memchr(text.data, ':', text.len) &&
           belay_addr_parse_ip(text.data, text.len, 0, &addr) == 0;
}

static int parse_host(struct bl_url_parser *p, struct bl_span host, bool brackets)
{
    p->url.host = host;
    if (host.len == 0)
        return bl_url_refuse(p, "the host is empty");
    if (brackets)
        return parse_ipv6(p, host);
    if (belay_addr_parse_ip(host.data, host.len, 0, &p->url.ip) == 0)
        return 0;
    return check_name(p, host);
}

/* ---- port ---- */

static int parse_port(struct bl_url_parser *p, struct bl_span text)
{
    const struct bl_scheme_info *scheme = bl_scheme_info(p->url.scheme);
    char part[BL_URL_PART_MAX];
    uint32_t port = 0;

    bl_url_part(p, text, part);
    if (text.len == 0) {
        if (scheme->port == 0)
            return bl_url_refuse(p, "the port is missing");
        p->url.port = scheme->port;
        return 0;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.data[i]))
            return bl_url_refuse(p, "the port%s is not a number", part);
        if (port <= UINT16_MAX)
            port = port * 10 + (uint32_t)(text.data[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX)
        return bl_url_refuse(p, "the port%s is out of range (1 to 65535)", part);
    p->url.port = (uint16_t)port;
    p->url.port_given = true;
    return 0;
}

/* ---- all of it ---- */

/* "host:port" into its two halves; `port` starts with ":" or is empty. */
static int split_host(struct bl_url_parser *p, struct bl_span text, struct bl_span *host,
                      struct bl_span *port, bool *brackets)
{
    const char *end = text.data + text.len, *cut;
    char part[BL_URL_PART_MAX];

    *brackets = text.len > 0 && text.data[0] == '[';
    if (*brackets) {
        cut = memchr(text.data, ']', text.len);
        if (!cut)
            return bl_url_refuse(p, "the bracket before the host is not closed");
        *host = bl_span_between(text.data + 1, cut);
        *port = bl_span_between(cut + 1, end);
        if (port->len > 0 && port->data[0] != ':')
            return bl_url_refuse(p, "after \"]\" comes the port or the path, not%s",
                                 bl_url_part(p, *port, part));
        return 0;
    }
    cut = text.len ? memchr(text.data, ':', text.len) : NULL;
    if (cut && memchr(cut + 1, ':', (size_t)(end - cut - 1)))
        return bl_url_refuse(p, "the host has several colons (an IPv6 address is written in "
                                "brackets, such as [::1])");
    *host = bl_span_between(text.data, cut ? cut : end);
    *port = bl_span_between(cut ? cut : end, end);
    return 0;
}

int bl_url_parse_authority(struct bl_url_parser *p, struct bl_span authority)
{
    const char *at = authority.len ? memrchr(authority.data, '@', authority.len) : NULL;
    const char *end = authority.data + authority.len;
    struct bl_span host = {0}, port = {0};
    bool brackets = false;
    int rc = 0;

    if (at) {
        rc = parse_userinfo(p, bl_span_between(authority.data, at));
        authority = bl_span_between(at + 1, end);
    }
    if (rc == 0)
        rc = split_host(p, authority, &host, &port, &brackets);
    if (rc == 0)
        rc = parse_host(p, host, brackets);
    if (rc == 0)
        rc = parse_port(p, port.len ? bl_span(port.data + 1, port.len - 1) : port);
    if (rc == 0 && p->url.ip.family != BELAY_FAMILY_NONE)
        p->url.ip.port = p->url.port;
    return rc;
}

size_t bl_url_host(const struct bl_url *url, char out[BL_HOST_MAX + 2])
{
    size_t len = url->host.len;

    if (url->ip.family != BELAY_FAMILY_NONE) {
        struct belay_addr alone = url->ip;

        alone.port = 0;
        return strlen(belay_addr_print(&alone, out, BL_HOST_MAX + 2));
    }
    BL_ASSERT(len <= BL_HOST_MAX + 1);
    for (size_t i = 0; i < len; i++)
        out[i] = bl_lower(url->host.data[i]);
    out[len] = '\0';
    return len;
}
