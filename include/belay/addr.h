/* SPDX-License-Identifier: MIT */
/*
 * belay/addr.h - a transport address as a plain value: IPv4, IPv6 or a Unix socket's path. Pure;
 * any thread.
 */
#ifndef BELAY_ADDR_H
#define BELAY_ADDR_H

#include "belay/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum belay_family {
    BELAY_FAMILY_NONE = 0,
    BELAY_FAMILY_IPV4,
    BELAY_FAMILY_IPV6,
    BELAY_FAMILY_UNIX,
};

#define BELAY_UNIX_PATH_MAX 108
#define BELAY_ADDR_TEXT_MAX 128

struct belay_addr {
    uint8_t family;    /* enum belay_family */
    uint8_t path_len;  /* Unix: bytes of path; the first is NUL for an abstract name */
    uint16_t port;     /* host byte order */
    uint32_t scope_id; /* IPv6 link-local */
    union {
        uint8_t ip[16]; /* network byte order; IPv4 uses the first 4 */
        char path[BELAY_UNIX_PATH_MAX];
    } u;
};

/*
 * Parses a numeric address, without a port: "192.0.2.1", "2001:db8::1", "fe80::1%3". Only the full
 * dotted form of IPv4 is one. BELAY_EINVAL otherwise, and *ret is untouched.
 */
BELAY_API int belay_addr_parse_ip(const char *text, size_t len, uint16_t port,
                                  struct belay_addr *ret);

/*
 * A Unix socket's address from its path; "@name" is an abstract name (Linux). BELAY_EINVAL when
 * empty, with a NUL inside, or too long (107 bytes).
 */
BELAY_API int belay_addr_from_path(const char *path, size_t len, struct belay_addr *ret);

/*
 * Prints "192.0.2.1:80", "[2001:db8::1]:80", "/run/x.sock" or "@name"; always terminates. With port
 * 0 an IP address is printed alone. Returns `out`.
 */
BELAY_API const char *belay_addr_print(const struct belay_addr *addr, char *out, size_t size);

BELAY_API bool belay_addr_equal(const struct belay_addr *a, const struct belay_addr *b);

#ifdef __cplusplus
}
#endif

#endif
