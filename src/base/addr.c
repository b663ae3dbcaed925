/* SPDX-License-Identifier: MIT */
/* Transport addresses as values: parsing, printing, comparing. */
#include "belay/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "belay/error.h"

/* Decimal without sign or leading zero, at most `max`; -1 otherwise. */
static int64_t parse_number(const char *text, size_t len, uint32_t max)
{
    uint64_t value = 0;

    if (len == 0 || len > 10 || (len > 1 && text[0] == '0'))
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    return value <= max ? (int64_t)value : -1;
}

static bool parse_ipv4(const char *text, size_t len, uint8_t ip[16])
{
    const char *end = text + len;

    for (int i = 0; i < 4; i++) {
        const char *dot = i < 3 ? memchr(text, '.', (size_t)(end - text)) : end;
        int64_t value = dot ? parse_number(text, (size_t)(dot - text), 255) : -1;

        if (value < 0)
            return false;
        ip[i] = (uint8_t)value;
        text = dot + 1;
    }
    return true;
}

/* The scope is a number: names of interfaces would have to be looked up. */
static bool parse_ipv6(const char *text, size_t len, uint8_t ip[16], uint32_t *scope)
{
    char copy[INET6_ADDRSTRLEN];
    const char *percent = memchr(text, '%', len);
    size_t ip_len = percent ? (size_t)(percent - text) : len;

    *scope = 0;
    if (percent) {
        int64_t value = parse_number(percent + 1, len - ip_len - 1, UINT32_MAX);

        if (value <= 0)
            return false;
        *scope = (uint32_t)value;
    }
    if (ip_len >= sizeof copy || memchr(text, '\0', ip_len))
        return false;
    memcpy(copy, text, ip_len);
    copy[ip_len] = '\0';
    return inet_pton(AF_INET6, copy, ip) == 1;
}

int belay_addr_parse_ip(const char *text, size_t len, uint16_t port, struct belay_addr *ret)
{
    struct belay_addr addr;

    if (!text || len == 0 || !ret)
        return BELAY_EINVAL;
    memset(&addr, 0, sizeof addr);
    if (memchr(text, ':', len)) {
        addr.family = BELAY_FAMILY_IPV6;
        if (!parse_ipv6(text, len, addr.u.ip, &addr.scope_id))
            return BELAY_EINVAL;
    } else {
        addr.family = BELAY_FAMILY_IPV4;
        if (!parse_ipv4(text, len, addr.u.ip))
            return BELAY_EINVAL;
    }
    addr.port = port;
    *ret = addr;
    return 0;
}

int belay_addr_from_path(const char *path, size_t len, struct belay_addr *ret)
{
    struct belay_addr addr;
    bool abstract;

    if (!path || !ret || len == 0 || len > BELAY_UNIX_PATH_MAX - 1 || memchr(path, '\0', len))
        return BELAY_EINVAL;
    abstract = path[0] == '@';
    if (abstract && len == 1)
        return BELAY_EINVAL;
    memset(&addr, 0, sizeof addr);
    addr.family = BELAY_FAMILY_UNIX;
    addr.path_len = (uint8_t)len;
    memcpy(addr.u.path, path, len);
    if (abstract)
        addr.u.path[0] = '\0';
    *ret = addr;
    return 0;
}

static void print_ip(const struct belay_addr *addr, char *out, size_t size)
{
    char ip[INET6_ADDRSTRLEN] = "", scope[12] = "";
    bool v6 = addr->family == BELAY_FAMILY_IPV6;

    inet_ntop(v6 ? AF_INET6 : AF_INET, addr->u.ip, ip, sizeof ip);
    if (v6 && addr->scope_id)
        snprintf(scope, sizeof scope, "%%%u", (unsigned)addr->scope_id);
    if (addr->port == 0)
        snprintf(out, size, "%s%s", ip, scope);
    else
        snprintf(out, size, v6 ? "[%s%s]:%u" : "%s%s:%u", ip, scope, (unsigned)addr->port);
}

/* Control characters, which would spoil a line of a log, are shown as "?". */
static void print_path(const struct belay_addr *addr, char *out, size_t size)
{
    size_t len = addr->path_len, i;

    if (len > sizeof addr->u.path)
        len = sizeof addr->u.path;
    for (i = 0; i < len && i + 1 < size; i++) {
        unsigned char c = (unsigned char)addr->u.path[i];

        if (i == 0 && c == '\0')
            out[i] = '@';
        else
            out[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    out[i] = '\0';
}

const char *belay_addr_print(const struct belay_addr *addr, char *out, size_t size)
{
    if (size == 0)
        return out;
    switch (addr->family) {
    case BELAY_FAMILY_IPV4:
    case BELAY_FAMILY_IPV6:
        print_ip(addr, out, size);
        break;
    case BELAY_FAMILY_UNIX:
        print_path(addr, out, size);
        break;
    default:
        snprintf(out, size, "(no address)");
    }
    return out;
}

bool belay_addr_equal(const struct belay_addr *a, const struct belay_addr *b)
{
    if (a->family != b->family)
        return false;
    switch (a->family) {
    case BELAY_FAMILY_IPV4:
        return a->port == b->port && memcmp(a->u.ip, b->u.ip, 4) == 0;
    case BELAY_FAMILY_IPV6:
        return a->port == b->port && a->scope_id == b->scope_id &&
               memcmp(a->u.ip, b->u.ip, 16) == 0;
    case BELAY_FAMILY_UNIX:
        return a->path_len == b->path_len && memcmp(a->u.path, b->u.path, a->path_len) == 0;
    default:
        return true;
    }
}
