/* SPDX-License-Identifier: MIT */
/* A loop over real sockets, and a toy server beside it: what is waited for is waited for in turns. */
#ifndef TEST_CONN_STREAM_KIT_H
#define TEST_CONN_STREAM_KIT_H

#include "belay/endpoint.h"
#include "belay/stream.h"
#include "support/toy_server.h"
#include "unit/net/net_kit.h"

struct stream_kit {
    struct net_kit net;
    struct toy_server server;
    struct belay_endpoint *endpoint; /* the server */
    char got[256];                   /* by streams that gather */
};

void stream_kit_set_up(struct stream_kit *k);
void stream_kit_tear_down(struct stream_kit *k);
/* The same, except that the loop is there already. */
struct belay_endpoint *stream_kit_endpoint(struct stream_kit *k, uint16_t port);

/* All that comes is a string in `got`; it must fit. */
void stream_kit_gather(struct stream_kit *k, struct belay_stream *stream);

/* One turn of both. */
void stream_kit_turn(struct stream_kit *k);
/* Turns until something holds; a test that waits 10 s for it has failed. */
#define STREAM_KIT_UNTIL(k, condition)                                                             \
    do {                                                                                           \
        int turns_ = 0;                                                                            \
                                                                                                   \
        while (!(condition)) {                                                                     \
            if (turns_++ > 10000)                                                                  \
                fail_msg("waited in vain for: %s", #condition);                                    \
            stream_kit_turn(k);                                                                    \
        }                                                                                          \
    } while (0)

#endif
