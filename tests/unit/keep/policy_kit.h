/* SPDX-License-Identifier: MIT */
/*
 * The pool's policy by itself: peers, connections and waiters made by hand, in time that the test
 * sets. pk_run performs what was decided, as the pool does, and writes down what it performed.
 */
#ifndef TEST_KEEP_POLICY_KIT_H
#define TEST_KEEP_POLICY_KIT_H

#include "keep/pool_policy.h"
#include "support/test.h"

#define PK_PEERS   3
#define PK_CONNS   64
#define PK_WAITERS 64
#define PK_START   1000000000u
#define PK_MS(ms)  ((uint64_t)(ms)*1000000u)

struct pk_conn {
    struct bl_pp_conn pp;
    struct bl_conn_facts facts;
    struct bl_pp_peer *peer;
    bool exists;
    bool checking; /* the policy wants to know */
    bool closing;  /* the policy has ended it */
};

struct pk_waiter {
    struct bl_pp_waiter pp;
    bool waiting;
    int code; /* what it failed with */
    struct pk_conn *got;
    unsigned order; /* of being served, from 1 */
};

struct pk {
    struct bl_pp pp;
    struct bl_pp_peer peers[PK_PEERS];
    struct bl_heap_entry *eager[PK_PEERS], *oldest[PK_PEERS]; /* room in the heaps */
    uint64_t now;
    struct pk_conn conns[PK_CONNS];
    struct pk_waiter waiters[PK_WAITERS];
    unsigned served, dials;
    unsigned latest; /* number of the connection dialled last */
};

/* Ten connections per endpoint, no retries' jitter, 100 ms of backoff; the rest without limit. */
struct bl_pp_limits pk_limits(void);
void pk_init(struct pk *k, const struct bl_pp_limits *limits);
/* Serves, dials, fails, checks and closes until there is nothing more to do at this instant. */
void pk_run(struct pk *k);
void pk_pass(struct pk *k, uint64_t ms); /* time goes by; then pk_run */

struct bl_pp_peer *pk_peer(struct pk *k, int i);
/* Waits and runs. The n-th of the kit's waiters. */
struct pk_waiter *pk_wait(struct pk *k, int peer);
struct pk_waiter *pk_wait_fresh(struct pk *k, int peer);
struct pk_waiter *pk_wait_urgent(struct pk *k, int peer);
struct pk_waiter *pk_wait_again(struct pk *k, int peer); /* it had been served */
/* The oldest connection of the peer that is dialling; the test fails when there is none. */
struct pk_conn *pk_dialing(struct pk *k, int peer);
void pk_up(struct pk *k, struct pk_conn *c, int capacity);        /* and runs */
void pk_fail(struct pk *k, struct pk_conn *c, int code);          /* the same */
void pk_release(struct pk *k, struct pk_conn *c, bool broken);    /* the same */
struct pk_conn *pk_try(struct pk *k, int peer);                   /* NULL: nothing is ready */
void pk_changed(struct pk *k, struct pk_conn *c, bool can_check); /* c->facts have changed */
void pk_checked(struct pk *k, struct pk_conn *c, int result);
void pk_gone(struct pk *k, struct pk_conn *c);
/* An idle connection of the peer, opened for a waiter that gave it back. */
struct pk_conn *pk_idle(struct pk *k, int peer);
/* Dials in flight of the peer. */
int pk_dials(struct pk *k, int peer);
struct belay_pool_stats pk_stats(const struct pk *k);
struct belay_pool_stats pk_peer_stats(const struct pk *k, int peer);
/* The policy has ended it, for that reason. */
void pk_assert_closing(const struct pk_conn *c, enum belay_reason reason);

#endif
