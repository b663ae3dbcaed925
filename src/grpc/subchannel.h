/* SPDX-License-Identifier: MIT */
/*
 * One address of a channel, and its connections: each opened by the connector of the channel's HTTP
 * client. One that was told to go away takes no further calls, and ends when those on it have.
 */
#ifndef BL_GRPC_SUBCHANNEL_H
#define BL_GRPC_SUBCHANNEL_H

#include "grpc/channel.h"
#include "grpc/channel_health.h"

struct bl_subchannel {
    struct bl_cp_sub cp;
    struct bl_list link; /* of the channel's */
    struct belay_channel *channel;
    struct belay_endpoint *endpoint;
    struct bl_list conns; /* struct bl_sub_conn */
    bool removed;         /* out of the policy's list: gone when its connections are */
};

/* A connection; where calls run (rpc->place). It outlives its conn while calls let go of it. */
struct bl_sub_conn {
    struct bl_list link;
    struct bl_subchannel *sub;
    struct belay_conn *conn; /* NULL: closed */
    struct bl_lessor lessor;
    struct belay_lease lease;
    uint32_t running; /* calls */
    bool open;        /* it was opened */
    bool ready;       /* takes calls */
    bool ending;      /* told to go away; the policy counts it */
    bool closing;
    bool useful;  /* a call was answered on it */
    bool heard;   /* it has said whether it serves; or nobody asks */
    bool serving; /* ... and it does */
    struct bl_health health;
};

static inline struct bl_subchannel *bl_sub_of(struct bl_cp_sub *sub)
{
    return BL_CONTAINER(sub, struct bl_subchannel, cp);
}

/* In no list of the policy's yet. NULL: no memory. */
struct bl_subchannel *bl_sub_new(struct belay_channel *ch, struct belay_endpoint *endpoint);
/* It is out of the policy's list: gone when its last connection is. */
void bl_sub_remove(struct bl_subchannel *sub);

void bl_sub_dial(struct bl_subchannel *sub, bool fresh);
/* The attempt under way, without a word, or because it took too long. */
void bl_sub_cancel(struct bl_subchannel *sub);
void bl_sub_give_up(struct bl_subchannel *sub);
/* What is open takes no further calls. */
void bl_sub_release(struct bl_subchannel *sub);
/* Closes all, at once. */
void bl_sub_close(struct bl_subchannel *sub);

bool bl_sub_has_room(const struct bl_cp_sub *sub);
/* It has connections that take calls, and none has room: not so where they are lost, which will be
 * told. */
bool bl_sub_is_full(struct bl_subchannel *sub);
/* The least loaded that has room; NULL. */
struct bl_sub_conn *bl_sub_pick(struct bl_subchannel *sub);
/* One of its connections has another health, or is none any more. */
void bl_sub_health(struct bl_subchannel *sub);
/* A call on it has gone; it may be freed. */
void bl_sub_conn_freed(struct bl_sub_conn *sc);

#endif
