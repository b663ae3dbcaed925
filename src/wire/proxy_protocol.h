/* SPDX-License-Identifier: MIT */
/* PROXY protocol of HAProxy, versions 1 and 2: the header that says whose connection it is. Pure. */
#ifndef BL_WIRE_PROXY_PROTOCOL_H
#define BL_WIRE_PROXY_PROTOCOL_H

#include "belay/addr.h"

#define BL_PROXY_HEADER_MAX 108

/*
 * Writes the header, returns its length. Where the two are not both IP addresses (NULL, a Unix
 * socket), it says that the connection is the sender's own: UNKNOWN, LOCAL. An IPv4 address beside
 * an IPv6 one is written as an IPv6 one (::ffff:192.0.2.1).
 */
size_t bl_proxy_header(int version, const struct belay_addr *source,
                       const struct belay_addr *destination, uint8_t out[BL_PROXY_HEADER_MAX]);

#endif
