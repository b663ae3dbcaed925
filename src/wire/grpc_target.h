/* SPDX-License-Identifier: MIT */
/*
 * Where a channel of gRPC goes, as its users write it. Pure; the parts are spans of what was given.
 *
 *     dns:[//server[:port]/]host[:port]   host:port and host are the same
 *     grpc://host[:port]  grpcs://host[:port]   without TLS and with
 *     ipv4:address[:port][,...]  ipv6:[address]:port[,...]  ipv6:address[,...]
 *     ipv4:///... and ipv6:///... are the same
 *     unix:path  unix:///path  unix-abstract:name
 *
 * Schemes are known in any case. What stands before a colon and is no scheme is a host.
 */
#ifndef BL_WIRE_GRPC_TARGET_H
#define BL_WIRE_GRPC_TARGET_H

#include "base/span.h"
#include "belay/error.h"
#include "wire/url.h"

#define BL_GRPC_ADDRESSES_MAX 256

enum bl_grpc_target_kind {
    BL_GRPC_TARGET_NAME,      /* of a host: `host` */
    BL_GRPC_TARGET_ADDRESSES, /* bl_grpc_target_next */
    BL_GRPC_TARGET_UNIX,      /* `socket` */
};

enum bl_grpc_security {
    BL_GRPC_SECURITY_UNSAID, /* by the text: the options of the channel decide */
    BL_GRPC_SECURITY_PLAIN,
    BL_GRPC_SECURITY_TLS,
};

struct bl_grpc_target {
    enum bl_grpc_target_kind kind;
    enum bl_grpc_security security;
    struct bl_url host;   /* host, ip of a numeric one, port, port_given: see bl_url_host */
    struct bl_url server; /* of names, whom to ask about the host, port 53; host.data NULL: none */
    struct belay_addr socket;
    struct bl_span addresses; /* with their commas, checked */
    size_t addresses_n;
};

/*
 * The port that is not written is 443, and 80 with grpc://. BELAY_EINVAL: `error` shows the text and
 * names the part and the reason.
 */
int bl_grpc_target_parse(struct bl_span text, struct bl_grpc_target *ret,
                         struct belay_error *error);

/* The next of `rest`, which starts as target->addresses; false at the end. */
bool bl_grpc_target_next(struct bl_span *rest, struct belay_addr *ret);

#endif
