/* SPDX-License-Identifier: MIT */
/*
 * ADDRESS on the command line of commands that keep connections up: a service, and where its
 * addresses come from.
 *
 *     [NAME=]ADDRESS[,ADDRESS...]   tcp://H:P, H:P, tls://H:P, unix://PATH, http://..., https://...,
 *                                   grpc://H:P, grpcs://H:P
 *     [NAME=]srv:[SCHEME://]_service._proto.domain
 *     [NAME=]file:[SCHEME://]PATH   one HOST:PORT a line, read anew at each attempt
 */
#ifndef CLI_SERVICE_H
#define CLI_SERVICE_H

#include "belay/source.h"
#include "client_options.h"

#define SERVICE_SYNTAX                                                                             \
    "ADDRESS: tcp://HOST:PORT, HOST:PORT, tls://HOST:PORT, unix://PATH; several of one service\n"  \
    "as NAME=ADDRESS,ADDRESS; srv:_NAME._tcp.DOMAIN, file:PATH (a HOST:PORT a line, read again\n"  \
    "at each attempt), srv:tls://... and file:tls://... for TLS."

enum service_kind { SERVICE_LIST, SERVICE_SRV, SERVICE_FILE };

struct service {
    char *name; /* NAME, else the whole as it was given */
    enum service_kind kind;
    struct strings addresses; /* LIST: without paths; else the one name or path */
    char *scheme;             /* of all its addresses: "tcp"; "http" and "https" have paths */
    char *path;               /* what a request asks for: "/health?full"; "/" */
    struct belay_source *source;
};

/* Pure. What is wrong with single addresses shows when it is opened. */
bool service_parse(struct service *service, const char *text, struct complaint *why);
bool service_is_http(const struct service *service);
bool service_is_grpc(const struct service *service);
bool service_is_tls(const struct service *service);
/* What the user calls an address of its source, which lives as long as that and `out`: endpoints of
 * gRPC are those of HTTP. */
#define SERVICE_ADDRESS_MAX 512
const char *service_address(const struct service *service, const struct belay_endpoint *address,
                            char out[SERVICE_ADDRESS_MAX]);

/* Makes its source; returns an exit status, having said what is wrong. */
int service_open(struct service *service, const struct client_options *o, struct belay_loop *loop,
                 struct belay_tls *tls);
/* Before the loop is freed; `service` may be all zero. */
void service_free(struct service *service);

#endif
