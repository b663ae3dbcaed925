/* SPDX-License-Identifier: MIT */
/*
 * A pool over a loop in virtual time, with puppets for connections: no descriptor, no thread. Asks
 * count how often they were told and what.
 */
#ifndef TEST_KEEP_POOL_KIT_H
#define TEST_KEEP_POOL_KIT_H

#include "belay/pool.h"
#include "support/failing_alloc.h"
#include "support/puppet.h"
#include "unit/loop/fake_world.h"

struct pool_kit;

struct ask {
    struct pool_kit *kit;
    struct belay_waiter *waiter; /* NULL once it was told */
    struct belay_lease lease;
    unsigned told;
    int code;
    enum belay_stage stage;
    int attempt;
    char text[BELAY_ERROR_TEXT_MAX];
    void (*then)(struct ask *ask); /* from within the callback; may be NULL */
};

struct pool_kit {
    struct failing_alloc alloc;
    struct fake_world world;
    struct belay_loop *loop;
    struct puppet puppet;
    struct belay_pool_options options;
    struct belay_pool *pool;
    struct belay_peer *a, *b;
    unsigned closed; /* on_closed of the pool */
};

/* A loop, puppets, and options to be changed; then the pool and its peers a and b. */
void pool_kit_begin(struct pool_kit *k);
void pool_kit_open(struct pool_kit *k);
/* Closes what is open, ends the loop and looks at what is left of memory. */
void pool_kit_end(struct pool_kit *k);
struct belay_peer *pool_kit_peer(struct pool_kit *k, const char *url);

/* Turns without letting time pass, until nothing is to be done; a loop that spins fails. */
void pool_kit_settle(struct pool_kit *k);
void pool_kit_pass(struct pool_kit *k, int64_t ms);

void ask_init(struct ask *ask, struct pool_kit *k);
int ask_peer(struct ask *ask, struct belay_peer *peer, int64_t timeout_ms, bool fresh);
/* Asks and settles; it must be accepted. */
void ask_now(struct ask *ask, struct pool_kit *k, struct belay_peer *peer);
void assert_served(const struct ask *ask);
void assert_refused(const struct ask *ask, int code, enum belay_stage stage);
/* The connection that a lease is on. */
struct puppet_conn *puppet_of_lease(struct belay_lease lease);
struct belay_pool_stats pool_kit_stats(struct pool_kit *k);
void pool_kit_on_closed(void *kit);

#endif
