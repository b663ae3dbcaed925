/* SPDX-License-Identifier: MIT */
/* The header of the PROXY protocol: a line of text, or 16 bytes and the addresses. */
#include "wire/proxy_protocol.h"

#include <stdio.h>

#include "base/assert.h"

enum { VERSION_LOCAL = 0x20, VERSION_PROXY = 0x21, TCP_IPV4 = 0x11, TCP_IPV6 = 0x21 };

static bool is_ip(const struct belay_addr *a)
{
    return a && (a->family == BELAY_FAMILY_IPV4 || a->family == BELAY_FAMILY_IPV6);
}

/* As IPv6, and without a scope, which means nothing elsewhere. */
static struct belay_addr widened(const struct belay_addr *a, bool v6)
{
    struct belay_addr out = *a;

    out.scope_id = 0;
    if (v6 && a->family == BELAY_FAMILY_IPV4) {
        out.family = BELAY_FAMILY_IPV6;
        memset(out.u.ip, 0, 10);
        memset(out.u.ip + 10, 0xff, 2);
        memcpy(out.u.ip + 12, a->u.ip, 4);
    }
    return out;
}

static size_t write_1(const struct belay_addr *from, const struct belay_addr *to, bool v6,
                      uint8_t out[BL_PROXY_HEADER_MAX])
{
    struct belay_addr bare_from = *from, bare_to = *to;
    char text[2][BELAY_ADDR_TEXT_MAX];
    int n;

    bare_from.port = bare_to.port = 0; /* printed without brackets */
    n = snprintf((char *)out, BL_PROXY_HEADER_MAX, "PROXY TCP%c %s %s %u %u\r\n", v6 ? '6' : '4',
                 belay_addr_print(&bare_from, text[0], sizeof text[0]),
                 belay_addr_print(&bare_to, text[1], sizeof text[1]), (unsigned)from->port,
                 (unsigned)to->port);
    BL_ASSERT(n > 0 && n < BL_PROXY_HEADER_MAX);
    return (size_t)n;
}

static uint8_t *put(uint8_t *at, const void *data, size_t len)
{
    memcpy(at, data, len);
    return at + len;
}

static uint8_t *put_number(uint8_t *at, size_t number)
{
    *at++ = (uint8_t)(number >> 8);
    *at++ = (uint8_t)(number & 255);
    return at;
}

/* from NULL: of the sender itself. */
static size_t write_2(const struct belay_addr *from, const struct belay_addr *to, bool v6,
                      uint8_t out[BL_PROXY_HEADER_MAX])
{
    static const uint8_t signature[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                        0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
    size_t len = v6 ? 16 : 4;
    uint8_t *at = put(out, signature, sizeof signature);

    *at++ = from ? VERSION_PROXY : VERSION_LOCAL;
    *at++ = !from ? 0 : v6 ? TCP_IPV6 : TCP_IPV4;
    at = put_number(at, from ? 2 * len + 4 : 0);
    if (from) {
        at = put(at, from->u.ip, len);
        at = put(at, to->u.ip, len);
        at = put_number(at, from->port);
        at = put_number(at, to->port);
    }
    return (size_t)(at - out);
}

size_t bl_proxy_header(int version, const struct belay_addr *source,
                       const struct belay_addr *destination, uint8_t out[BL_PROXY_HEADER_MAX])
{
    static const char unknown[] = "PROXY UNKNOWN\r\n";
    struct belay_addr from, to;
    bool v6;

    if (!is_ip(source) || !is_ip(destination)) {
        if (version == 2)
            return write_2(NULL, NULL, false, out);
        memcpy(out, unknown, sizeof unknown - 1);
        return sizeof unknown - 1;
    }
    v6 = source->family == BELAY_FAMILY_IPV6 || destination->family == BELAY_FAMILY_IPV6;
    from = widened(source, v6);
    to = widened(destination, v6);
    return version == 2 ? write_2(&from, &to, v6, out) : write_1(&from, &to, v6, out);
}
