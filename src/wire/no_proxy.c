/* SPDX-License-Identifier: MIT */
/* no_proxy: each item is cut into host, length of prefix and port, then compared. */
#include "wire/no_proxy.h"

#include "belay/addr.h"
#include "wire/field.h"

struct item {
    struct bl_span host; /* without brackets */
    int prefix;          /* of a network; -1: none is given */
    unsigned port;       /* 0: any */
};

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || (c >= '\t' && c <= '\r');
}

/* ---- parts ---- */

/* The digits behind `mark`, the last in `text`; they are cut off. False: what is there is none. */
static bool cut_number(struct bl_span *text, char mark, uint64_t max, int *ret)
{
    const char *at = text->len ? memrchr(text->data, mark, text->len) : NULL;
    uint64_t value;

    if (!at)
        return true;
    if (!bl_field_decimal(bl_span_between(at + 1, text->data + text->len), max, &value))
        return false;
    *ret = (int)value;
    text->len = (size_t)(at - text->data);
    return true;
}

static bool is_v6(struct bl_span text)
{
    const char *colon = text.len ? memchr(text.data, ':', text.len) : NULL;

    return colon && memchr(colon + 1, ':', text.len - (size_t)(colon + 1 - text.data));
}

/* "[address]", "[address/8]", "[address]/8", each with ":port". */
static bool split_brackets(struct bl_span text, struct item *item)
{
    const char *end = memchr(text.data, ']', text.len);
    struct bl_span rest;
    int port = 0;

    if (!end)
        return false;
    item->host = bl_span_between(text.data + 1, end);
    rest = bl_span_between(end + 1, text.data + text.len);
    if (!cut_number(&rest, ':', 65535, &port) || !cut_number(&rest, '/', 128, &item->prefix))
        return false;
    item->port = (unsigned)port;
    return rest.len == 0 && cut_number(&item->host, '/', 128, &item->prefix);
}

/* False: it names nothing. */
static bool split(struct bl_span text, struct item *item)
{
    int port = 0;

    *item = (struct item){.host = text, .prefix = -1};
    if (text.data[0] == '[')
        return split_brackets(text, item);
    if (!is_v6(text) && !cut_number(&item->host, ':', 65535, &port))
        return false;
    item->port = (unsigned)port;
    return cut_number(&item->host, '/', 128, &item->prefix) && item->host.len > 0;
}

/* ---- comparing ---- */

#define MAPPED_BITS 96 /* before the IPv4 address in one of IPv6 */

/* Addresses of IPv4 that are written as such of IPv6 are the former: *prefix is then less. */
static bool read_ip(struct bl_span text, struct belay_addr *ret, int *prefix)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (belay_addr_parse_ip(text.data, text.len, 0, ret) < 0)
        return false;
    if (ret->family == BELAY_FAMILY_IPV6 && memcmp(ret->u.ip, mapped, sizeof mapped) == 0) {
        if (*prefix >= 0 && (*prefix -= MAPPED_BITS) < 0)
            return false;
        ret->family = BELAY_FAMILY_IPV4;
        memmove(ret->u.ip, ret->u.ip + sizeof mapped, 4);
    }
    return true;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, int bits)
{
    size_t bytes = (size_t)bits / 8;
    unsigned rest = (unsigned)bits % 8;

    return memcmp(a, b, bytes) == 0 &&
           (rest == 0 || ((a[bytes] ^ b[bytes]) & (0xffu << (8 - rest) & 0xffu)) == 0);
}

static bool names_ip(const struct item *item, const struct belay_addr *ip)
{
    int width = ip->family == BELAY_FAMILY_IPV6 ? 128 : 32, prefix = item->prefix;
    struct belay_addr own;

    if (!read_ip(item->host, &own, &prefix) || own.family != ip->family || prefix > width)
        return false;
    if (own.scope_id && own.scope_id != ip->scope_id)
        return false;
    return same_bits(own.u.ip, ip->u.ip, prefix < 0 ? width : prefix);
}

static struct bl_span without_last_dot(struct bl_span name)
{
    if (name.len > 1 && name.data[name.len - 1] == '.')
        name.len--;
    return name;
}

static bool names_name(const struct item *item, struct bl_span host)
{
    struct bl_span own = item->host;
    size_t before;

    if (own.len > 1 && own.data[0] == '*' && own.data[1] == '.')
        own = bl_span(own.data + 1, own.len - 1);
    if (own.data[0] == '.')
        own = bl_span(own.data + 1, own.len - 1);
    own = without_last_dot(own);
    host = without_last_dot(host);
    if (item->prefix >= 0 || own.len == 0 || own.len > host.len)
        return false;
    before = host.len - own.len;
    return bl_span_equal_nocase(own, bl_span(host.data + before, own.len)) &&
           (before == 0 || host.data[before - 1] == '.');
}

static bool names(struct bl_span text, struct bl_span host, const struct belay_addr *ip,
                  unsigned port)
{
    struct item item;

    if (bl_span_equal(text, bl_span_of("*")))
        return true;
    if (!split(text, &item) || (item.port && item.port != port))
        return false;
    return ip ? names_ip(&item, ip) : names_name(&item, host);
}

bool bl_no_proxy_names(struct bl_span list, struct bl_span host, unsigned port)
{
    struct belay_addr ip;
    size_t at = 0;
    int no_prefix = -1;
    bool is_ip;

    if (host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
        host = bl_span(host.data + 1, host.len - 2);
    is_ip = read_ip(host, &ip, &no_prefix);
    while (at < list.len) {
        size_t start = at;

        while (at < list.len && !is_separator(list.data[at]))
            at++;
        if (at > start &&
            names(bl_span(list.data + start, at - start), host, is_ip ? &ip : NULL, port))
            return true;
        at++;
    }
    return false;
}
