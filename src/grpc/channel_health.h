/* SPDX-License-Identifier: MIT */
/*
 * What a server says of its health: the stream of grpc.health.v1.Health/Watch on one connection. A
 * server that does not know the service counts as healthy. A stream that ends is begun again: one
 * that had said something at once, but not sooner than the first delay after it began; another
 * after the backoff.
 */
#ifndef BL_GRPC_CHANNEL_HEALTH_H
#define BL_GRPC_CHANNEL_HEALTH_H

#include "grpc/rpc.h"

struct bl_sub_conn;

struct bl_health {
    struct bl_rpc_home home;
    struct belay_rpc *rpc; /* under way; or NULL */
    struct bl_timer timer; /* the next stream */
    bool on;               /* it was started */
    bool answered;         /* the stream has said something */
    uint64_t begun_at;     /* ... which was begun then */
    struct belay_backoff backoff;
};

/* Answers by bl_sub_health. BELAY_ENOMEM. */
int bl_health_start(struct bl_health *health, struct bl_sub_conn *sc);
void bl_health_stop(struct bl_health *health);

/* The message that asks about a service, and what an answer says. Pure. */
struct bl_buf;
int bl_health_write_request(struct bl_buf *out, struct bl_mem *mem, const char *service);
/* 1: SERVING; 0: anything else; BELAY_EPROTO: it is no such message. */
int bl_health_read_answer(const void *data, size_t len);

#endif
