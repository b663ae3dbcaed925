/* SPDX-License-Identifier: MIT */
/* A scripted server, and a connection to it that a pool lends which has the connector of links. */
#ifndef TEST_NET_LENT_H
#define TEST_NET_LENT_H

#include "scripted.h"

struct lent {
    struct kit kit;
    struct scripted server;
    struct belay_pool *pool;         /* these three are the test's to open */
    struct belay_endpoint *endpoint; /* given back by lent_end */
    struct belay_peer *peer;
    struct belay_lease lease;
    struct belay_error error; /* code 0: none */
    bool told, closed;
};

/* The server, and a client on a loop. */
void lent_begin(struct lent *s, const char *const *answers);
void lent_end(struct lent *s);
/* Has a lease of the peer, or its error. */
void lent_acquire(struct lent *s, struct belay_peer *peer);
void lent_must_acquire(struct lent *s, struct belay_peer *peer);
void lent_on_lease(struct belay_lease lease, const struct belay_error *error, void *arg);

/* Runs that with the n-th allocation failing, from the first on, until none has failed: it returns
 * how many have. There must be more than `least`. */
void lent_fail_each(size_t (*run)(size_t n), size_t least);

#endif
