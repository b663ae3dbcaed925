/* SPDX-License-Identifier: MIT */
/*
 * What is sent: the messages of -d, read before anything is asked, or those of standard input, as
 * they come; each as the bytes that its text stands for.
 */
#ifndef CLI_GRPC_FEED_H
#define CLI_GRPC_FEED_H

#include "grpc.h"

struct grpc_feed {
    struct grpc *g;
    const struct grpc_method *method;
    struct grpc_split split;
    struct bytes text;   /* of one message */
    bool live;           /* standard input, as it comes */
    struct bytes *ready; /* those of -d */
    size_t ready_n, at;
};

/* Whether standard input is read, as it comes. */
bool grpc_feed_is_live(const struct grpc_options *o, const struct grpc_method *method);

/* The feed of a method; with `whole` it is read to its end at once. */
bool grpc_feed_begin(struct grpc_feed *feed, struct grpc *g, const struct grpc_method *method,
                     bool whole, struct complaint *why);
void grpc_feed_end(struct grpc_feed *feed);

/* The next message, as grpc_split_next; MORE: grpc_feed_fill. */
enum grpc_split_verdict grpc_feed_next(struct grpc_feed *feed, struct bytes *ret,
                                       struct complaint *why);
/* Reads what has come; false: nothing has. */
bool grpc_feed_fill(struct grpc_feed *feed, struct complaint *why);

#endif
