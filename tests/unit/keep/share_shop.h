/* SPDX-License-Identifier: MIT */
/*
 * A shared pool whose loop runs in a thread of its own, over a connector that keeps a ledger: who
 * holds which connection, and which are open. What a test wants done on the loop's thread it has
 * done there by shop_do, and waits for it.
 */
#ifndef TEST_KEEP_SHARE_SHOP_H
#define TEST_KEEP_SHARE_SHOP_H

#include <pthread.h>
#include <stdatomic.h>

#include "belay/share.h"
#include "support/failing_alloc.h"
#include "support/test.h"

/* One connection: a pair of sockets, the far end in the same hands. */
struct thing {
    struct belay_conn *conn;
    atomic_int holders;
    atomic_bool closed;
    int near, far;
    struct thing *next;
};

struct shop {
    struct failing_alloc alloc;
    struct belay_pool_options options;
    struct belay_connector_ops ops;
    bool sockets;  /* things have descriptors */
    uint16_t port; /* 0: nobody dials */
    bool plain;    /* streams to that port, no things */
    struct belay_loop *loop;
    struct belay_pool *pool;
    struct belay_peer *peer;
    struct thing *things; /* all that ever were; the loop's thread */
    atomic_uint opened, closed;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool ready, over; /* under the lock */
};

void shop_init(struct shop *s);
/* Opens loop, pool and peer, with s->options, and runs the loop. */
void shop_open(struct shop *s);
/* Runs it on the loop's thread and waits until it has. */
void shop_do(struct shop *s, void (*fn)(struct shop *s, void *arg), void *arg);
struct belay_pool_stats shop_stats(struct shop *s);
/* Waits until so many acquires wait. */
void shop_await_waiting(struct shop *s, unsigned n);
void shop_await_closed(struct shop *s, unsigned n);
void shop_begin_close(struct shop *s, bool drain);
bool shop_is_over(struct shop *s);
/* Waits for the end of pool and loop, and looks at what is left. */
void shop_join(struct shop *s);
void shop_close(struct shop *s); /* both */

/*
 * So many steps, one each millisecond: the pool is cleared, gently and not, suspended, resumed,
 * asked on the loop, its connections are lost, its limit changes; then `stop`.
 */
struct chaos {
    struct shop *shop;
    struct belay_timer *timer;
    unsigned step, steps, asked, answered;
    atomic_bool stop;
};
void shop_begin_chaos(struct shop *s, struct chaos *chaos);
/* Once `stop` is set and nobody waits any more. */
void shop_end_chaos(struct shop *s, struct chaos *chaos);

/* Marks what the lease is on as held, and lets go; fails when somebody else has it. */
struct thing *shop_hold(struct belay_lease lease);
void shop_let_go(struct thing *thing);

#endif
