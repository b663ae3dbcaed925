/* SPDX-License-Identifier: MIT */
/* Lists of what is reached without a proxy, as no_proxy has them. Pure. */
#ifndef BL_WIRE_NO_PROXY_H
#define BL_WIRE_NO_PROXY_H

#include "base/span.h"

/*
 * Whether the list names the host: items between commas or blanks are "*", a name (with or without
 * "." or "*." before it: it and all below it), an address, a network ("10.0.0.0/8", "fd00::/8"),
 * each but "*" with ":port" if need be. What is none of these names nothing. `host` is a name or an
 * address, with or without brackets, and is not looked up; port 0: not known.
 */
bool bl_no_proxy_names(struct bl_span list, struct bl_span host, unsigned port);

#endif
