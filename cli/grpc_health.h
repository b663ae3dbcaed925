/* SPDX-License-Identifier: MIT */
/* The messages of grpc.health.v1, without a schema. Pure. */
#ifndef CLI_GRPC_HEALTH_H
#define CLI_GRPC_HEALTH_H

#include "memory.h"

enum { GRPC_SERVING = 1 };

/* "SERVING" */
const char *grpc_health_name(int status);
/* What an answer says; -1: it is none. */
int grpc_health_read(const void *data, size_t len);
/* Adds the question about a service; NULL or "": about the server. */
void grpc_health_request(struct bytes *ret, const char *service);

#endif
