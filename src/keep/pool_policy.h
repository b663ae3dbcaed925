/* SPDX-License-Identifier: MIT */
/*
 * The pool's decisions: which connection to lend, whom to serve, when to dial, what to close and
 * why. Pure: facts and `now` go in, lists of what is to be done come out; no clock, no memory, no
 * descriptor. pool_run.c performs.
 *
 * Words: a *peer* is one endpoint; a connection is *dialling*, *open* (lent or idle), *checking* or
 * *closing*; it is *ready* when it can carry one more lease; a peer is *eager* when it wants to dial
 * and only the limits of the whole pool are in its way.
 *
 * What is to be done stands in the pool:
 *     closes          connections to end, with their reasons
 *     checks          idle connections to verify before they are ready again
 *     bl_pp_next      the next waiter that can be served, and its connection
 *     bl_pp_next_dial the next peer to dial for
 *     failed          waiters to tell an error (by code; the error itself is the shell's)
 *
 * Files: pool_policy.c lends, pool_queue.c has the waiters, pool_dials.c decides how many to dial,
 * pool_checks.c whom to doubt, pool_idle.c how many to keep, pool_limits.c changes all that while
 * it goes on.
 */
#ifndef BL_KEEP_POOL_POLICY_H
#define BL_KEEP_POOL_POLICY_H

#include "base/heap.h"
#include "base/list.h"
#include "base/rand.h"
#include "belay/backoff.h"
#include "belay/pool.h"
#include "conn/conn.h"

#define BL_PP_PAUSE_NS  100000000u /* dialling rests after a local failure (EMFILE) */
#define BL_PP_SPREAD_NS 50000000u  /* between dials while the capacity is unknown */
#define BL_PP_FILL_NS                                                                              \
    100000000u /* at most, at random, before each dial for min_idle; and at least
                                      after one that failed */
#define BL_PP_STEADY_NS                                                                            \
    1000000000u /* a peer that has been up for as long has no failures behind it */
#define BL_PP_SLOW_NS 1000000000u /* a connection that closes for longer is no slot soon free */

#define BL_PP_ARRIVALS (UINT64_C(1) << 60) /* the number of the first waiter */

#define BL_PP_AGES (UINT64_MAX / 4) /* a time that no clock will show */

struct bl_pp_limits { /* effective; INT64_MAX and INT32_MAX are none */
    int32_t per_endpoint, total, uses, waiters;
    uint64_t idle_ns,
        lifetime_ns; /* BELAY_NEVER: none; kept below BL_PP_AGES, so that adding is safe */
    int32_t retries;
    int32_t expected; /* capacity before any is known; 0: unknown */
    int32_t dials, dials_total;
    int32_t min_idle, max_idle, max_idle_total;
    int32_t jitter;          /* per cent off lifetimes */
    uint64_t check_after_ns; /* idle for as long, checked before it is lent; BELAY_NEVER */
    uint64_t check_every_ns; /* while idle; BELAY_NEVER */
    uint8_t order;           /* enum belay_reuse_order, never DEFAULT */
    bool watched;            /* the shell wants to see every lease: no inline paths */
};

struct bl_pp {
    struct bl_pp_limits limits;
    struct bl_list closes, checks, failed;
    struct bl_list peers;  /* all */
    struct bl_heap eager;  /* those that wish to dial: who waits for longest first */
    struct bl_heap oldest; /* those who may have an idle connection, by when one may have become so:
                              never later than it did */
    int32_t connections;   /* dialling, open and closing, of all peers */
    int32_t dialing, filling, closing;
    int32_t fillers; /* of the eager: for min_idle alone */
    int32_t idle;    /* kept only where max_idle_total is a limit */
    uint64_t pause_until;
    uint64_t blocked_since; /* a slot is awaited that is being closed; 0: none is */
    uint64_t arrivals;      /* numbers waiters */
    uint64_t returns;       /* ... who come back, downwards */
    struct bl_rand rand;
    uint8_t soft;   /* per cent of what shared connections carry, from which on one more
                                     is dialled; 0: not before somebody waits */
    bool closed;    /* nobody is served any more */
    bool suspended; /* nor now */
    bool plain;     /* the limits allow the inline paths */
    bool recall;    /* something abroad is not simple any more */
    uint32_t peak;  /* connections at a time */
    struct belay_pool_stats past; /* counts of peers that are gone */
};

#define BL_PP_QUEUES 4 /* urgent or not, for fresh ones or any */

struct bl_pp_peer { /* what every lease looks at first: with many peers the cache is what counts */
    struct bl_pp *pool;
    struct bl_list ready;  /* the next to be lent first */
    struct bl_list barren; /* idle, with a capacity of 0 */
    int32_t connections;   /* dialling, open, closing */
    int32_t dialing, idle, checking, closing;
    int32_t waiting, waiting_fresh;
    bool listed;                   /* in pool->oldest: as all are who have an idle connection */
    struct belay_pool_stats stats; /* counts; what can be derived is filled in by bl_pp_stats */
    struct bl_list link;           /* pool->peers */
    struct bl_list conns;          /* all */
    struct bl_list queues[BL_PP_QUEUES]; /* of those who wait (pool_queue.c) */
    struct bl_heap_entry eager;          /* pool->eager */
    struct bl_heap_entry oldest;         /* pool->oldest */
    int32_t shared;                      /* leases beside the first of each connection */
    int32_t expected;                    /* what one connection is expected to carry; 0: unknown */
    bool put_off;                        /* who waits is served in the next round */
    bool held;                           /* somebody has its handle: min_idle holds */
    int32_t filling;                     /* of dialing: for min_idle alone */
    uint64_t fill_at;                    /* when the next may begin; 0: none is wanted */
    struct belay_backoff fill;
    struct belay_backoff backoff;
    uint64_t round;     /* failed rounds of dialling: dials that fail together are one */
    uint64_t retry_at;  /* no dial before */
    uint64_t opened_at; /* the last that came up */
    uint64_t failed_at, fill_failed_at;
    uint64_t first_dial; /* of those in flight while the capacity is unknown */
    uint64_t first_uses; /* leases given on connections that had not been used before */
};

enum bl_pp_state { BL_PP_DIALING, BL_PP_OPEN, BL_PP_CHECKING, BL_PP_CLOSING };

struct bl_pp_conn {
    struct bl_pp_peer *peer;
    union {
        struct bl_list ready; /* link: peer->ready or barren, while open */
        struct bl_list todo;  /* link: checks while checking, closes while closing */
    };
    uint64_t expires_at; /* end of its lifetime */
    uint64_t idle_since;
    uint64_t due_at; /* while idle: when it expires, by one or the other */
    int32_t leases, capacity;
    uint8_t state;  /* enum bl_pp_state */
    uint8_t reason; /* enum belay_reason: what it will be closed for, once the last lease is back;
                       0: none */
    bool suspect;
    bool checkable;      /* there is a way to ask */
    bool filling;        /* dialled for min_idle */
    bool barren;         /* in that list */
    bool abroad;         /* lent to a thread: not closed before it is back */
    bool simple;         /* open, exclusive, nothing against it: what the inline paths below take */
    struct bl_list link; /* peer->conns */
    uint64_t round;      /* of the peer when its dial began */
    uint64_t opened_at;  /* another pool that takes it over keeps that */
    uint64_t proved_at;  /* when it was last known to be good; kept where anybody asks */
    int32_t uses;        /* without a limit only whether there was one */
    uint32_t addr;       /* a number made of its remote address; 0: not known */
};

struct bl_pp_waiter {
    struct bl_pp_peer *peer;
    struct bl_list link; /* one of peer->queues, or pool->failed */
    uint64_t arrival;
    uint64_t since_ns;
    uint64_t round; /* of the peer at arrival */
    int code;       /* in failed: why */
    bool fresh, urgent;
};

void bl_pp_init(struct bl_pp *pp, const struct bl_pp_limits *limits);
void bl_pp_fini(struct bl_pp *pp, struct bl_mem *mem); /* peers are gone */
/* Room for one more peer: before its init. BELAY_ENOMEM. */
int bl_pp_peer_reserve(struct bl_pp *pp, struct bl_mem *mem);
void bl_pp_peer_init(struct bl_pp_peer *peer, struct bl_pp *pp,
                     const struct belay_backoff *backoff);
/* It goes; its counts stay with the pool. */
void bl_pp_peer_fini(struct bl_pp_peer *peer);

/* All counts and gauges; of a peer, or of all together. */
void bl_pp_peer_stats(const struct bl_pp_peer *peer, struct belay_pool_stats *ret);
void bl_pp_stats(const struct bl_pp *pp, struct belay_pool_stats *ret);

/* ---- lending ---- */

/* The connection to be lent next, or NULL. Those met on the way that have expired go to `closes`,
 * those in doubt to `checks`. */
struct bl_pp_conn *bl_pp_pick(struct bl_pp_peer *peer, bool fresh, uint64_t now);
/* The same for one who does not wait: NULL also when somebody does, or the pool lends nothing. */
struct bl_pp_conn *bl_pp_pick_now(struct bl_pp_peer *peer, uint64_t now);
void bl_pp_lend(struct bl_pp_conn *conn);
/* One lease is back. */
void bl_pp_release(struct bl_pp_conn *conn, bool broken, uint64_t now);

/* The same for what happens all the time; they decline (NULL, false) whatever is not simple. */
static inline struct bl_pp_conn *bl_pp_try_simple(struct bl_pp_peer *peer, uint64_t now)
{
    struct bl_list *head = peer->ready.next;
    struct bl_pp_conn *c = BL_LIST_OF(head, struct bl_pp_conn, ready);

    if (head == &peer->ready || peer->waiting || !c->simple || now >= c->due_at)
        return NULL;
    bl_list_remove(head);
    c->leases = 1;
    peer->idle--;
    peer->stats.acquired++;
    return c;
}

static inline bool bl_pp_release_simple(struct bl_pp_conn *c, bool broken, uint64_t now)
{
    struct bl_pp_peer *peer = c->peer;
    uint64_t idle_end = now + peer->pool->limits.idle_ns;

    if (!c->simple || broken || now >= c->expires_at || !peer->listed)
        return false;
    c->leases = 0;
    c->idle_since = now;
    c->due_at = c->expires_at < idle_end ? c->expires_at : idle_end;
    peer->idle++;
    bl_list_push_front(&peer->ready, &c->ready);
    return true;
}

static inline bool bl_pp_is_idle(const struct bl_pp_conn *c)
{
    return c->state == BL_PP_OPEN && c->leases == 0;
}
/* When to look at an idle connection again (bl_pp_expire); BELAY_NEVER when lent. */
uint64_t bl_pp_due(const struct bl_pp_conn *conn);
void bl_pp_expire(struct bl_pp_conn *conn, uint64_t now);

/* ---- waiters (pool_queue.c) ---- */

/* 0, BELAY_EFULL or BELAY_ECLOSED. `waiter` says whether it is fresh and urgent. */
int bl_pp_wait(struct bl_pp_peer *peer, struct bl_pp_waiter *waiter, uint64_t now);
/* Before all who wait: it had been served, and its connection has no room for it now. Of several the
 * last comes first. No limit is in its way. */
int bl_pp_wait_again(struct bl_pp_peer *peer, struct bl_pp_waiter *waiter, uint64_t now);
void bl_pp_forget(struct bl_pp_waiter *waiter); /* cancelled, or its deadline has passed */
/* The next waiter of the peer that can be served, and with what; nothing has changed yet. */
struct bl_pp_waiter *bl_pp_next(struct bl_pp_peer *peer, struct bl_pp_conn **ret, uint64_t now);
void bl_pp_served(struct bl_pp_waiter *waiter, uint64_t now); /* it leaves the queue */
/* Whether bl_pp_next might find something. */
static inline bool bl_pp_hungry(const struct bl_pp_peer *peer)
{
    return peer->waiting > 0;
}
/* Who came first of the urgent, or of the others. NULL: none of them waits. */
struct bl_pp_waiter *bl_pp_first(const struct bl_pp_peer *peer, bool urgent);
/* Who came first of all. NULL: nobody waits. */
struct bl_pp_waiter *bl_pp_oldest(const struct bl_pp_peer *peer);
/* Who came first of those who take a used one. */
struct bl_pp_waiter *bl_pp_oldest_used(const struct bl_pp_peer *peer);
/* All waiters of a peer, or the oldest, fail with `code`. */
void bl_pp_fail_all(struct bl_pp_peer *peer, int code);
void bl_pp_fail_oldest(struct bl_pp_peer *peer, int code);

/* ---- connections ---- */

/* Whether the lease just given was one of the last: bl_pp_consider may want one more. */
static inline bool bl_pp_is_tight(const struct bl_pp_conn *c)
{
    return c->peer->pool->soft > 0 && c->capacity > 1 &&
           (int64_t)c->leases * 100 >= (int64_t)c->capacity * c->peer->pool->soft;
}
/* Something about the peer has changed: does it wish to dial? May put an idle connection on
 * `closes` to make room. */
void bl_pp_consider(struct bl_pp_peer *peer, uint64_t now);
/* It wishes for nothing. */
void bl_pp_calm(struct bl_pp_peer *peer);
/*
 * For whom to dial now; NULL: nobody. The oldest waiter goes first. Where the total limit is in the
 * way, the connection idle for longest is put on `closes`.
 */
struct bl_pp_peer *bl_pp_next_dial(struct bl_pp *pp, uint64_t now);
/* When the answer of bl_pp_consider may change by itself. */
uint64_t bl_pp_dial_due(const struct bl_pp_peer *peer, uint64_t now);
/* When the rest after a local failure ends, if anybody waits for that. */
uint64_t bl_pp_pause_due(const struct bl_pp *pp, uint64_t now);

void bl_pp_dial_started(struct bl_pp_conn *conn, struct bl_pp_peer *peer, uint64_t now);
void bl_pp_opened(struct bl_pp_conn *conn, const struct bl_conn_facts *facts, uint64_t now);
/*
 * A dial failed, and its connection is gone. Waiters that fail by it are put on `failed` with
 * `code`. `random` is for the backoff's jitter.
 */
void bl_pp_dial_failed(struct bl_pp_conn *conn, const struct belay_error *error, uint64_t random,
                       uint64_t now);
/*
 * One that came up ended before it served anybody. Whoever waits for it is no better off than after
 * a failed dial, and the next one is no more urgent.
 */
void bl_pp_wasted(struct bl_pp_conn *conn, const struct belay_error *error, uint64_t random,
                  uint64_t now);
/* It came up with a capacity of 0. Whoever waits goes on waiting for it, and the next, for them or
 * to have one more, is dialled as after a failure: it would be like this one. */
void bl_pp_came_for_nobody(struct bl_pp_conn *conn, uint64_t random, uint64_t now);
/* A dial could not even be started, for want of memory. */
void bl_pp_dial_refused(struct bl_pp_peer *peer, int code, uint64_t now);
void bl_pp_changed(struct bl_pp_conn *conn, const struct bl_conn_facts *facts);
/* Ends it for a reason: at once, or (`gently`) when the last lease is back. */
void bl_pp_close(struct bl_pp_conn *conn, enum belay_reason reason, bool gently);
/* It is gone. */
void bl_pp_gone(struct bl_pp_conn *conn);

/* ---- checks (pool_checks.c) ---- */

/* Whether an idle one must be asked before it may be lent. */
bool bl_pp_in_doubt(const struct bl_pp_conn *conn, uint64_t now);
/* Whether fewer are asked than somebody wants. */
bool bl_pp_wants_check(const struct bl_pp_peer *peer);
/* An idle one is asked from now on: with `todo` it goes to `checks`, else the shell has begun. */
void bl_pp_begin_check(struct bl_pp_conn *conn, bool todo);
void bl_pp_checked(struct bl_pp_conn *conn, int result, uint64_t now);
/* When an idle one is to be checked though nobody wants it; BELAY_NEVER. */
uint64_t bl_pp_check_due(const struct bl_pp_conn *conn);
/*
 * One to that address has failed hard; the others to it are in doubt. `silent`: nothing came any
 * more, so that those which cannot be asked are as good as dead.
 */
void bl_pp_doubt(const struct bl_pp_conn *failed, bool silent);

/* ---- how many to keep (pool_idle.c) ---- */

struct bl_pp_conn *bl_pp_longest_idle(const struct bl_pp_peer *peer);
/* Closes the longest idle connection of all, if there is one. */
void bl_pp_make_room(struct bl_pp *pp);
/* One of the peer's has become idle, by the inline path or not. */
void bl_pp_idled(struct bl_pp_peer *peer, uint64_t since);
static inline void bl_pp_count_idle(struct bl_pp_peer *peer, int32_t n)
{
    peer->idle += n;
    if (peer->pool->limits.max_idle_total != INT32_MAX)
        peer->pool->idle += n;
}
/* It has been idle for longer than its release says. */
void bl_pp_backdate(struct bl_pp_conn *conn, uint64_t since);
/* Nobody waits for what is idle now: more than the limits allow is closed. */
void bl_pp_trim(struct bl_pp_peer *peer);
void bl_pp_trim_total(struct bl_pp *pp); /* after all peers */
/* Whether min_idle wants one more than waiters do; decides when, too. */
bool bl_pp_wants_fill(struct bl_pp_peer *peer, int32_t for_waiters, uint64_t now);
uint64_t bl_pp_fill_due(const struct bl_pp_peer *peer, uint64_t now);
void bl_pp_fill_failed(struct bl_pp_peer *peer, uint64_t now);
/* Whether min_idle may have one more, as far as the whole pool is concerned. */
bool bl_pp_fill_fits(const struct bl_pp *pp);
/* pool_dials.c: how long to wait after one more failure. What came up and held for a while in
 * between has ended the outage; what did not has not. */
uint64_t bl_pp_failure_delay(const struct bl_pp_peer *peer, struct belay_backoff *backoff,
                             uint64_t *failed_at, uint64_t random, uint64_t now);

/* ---- changes while it goes on (pool_limits.c) ---- */

void bl_pp_set_limits(struct bl_pp *pp, const struct bl_pp_limits *limits);
void bl_pp_suspend(struct bl_pp *pp, bool suspended);
/* All connections of a peer, those in use at their release or (`now`) at once; failures are
 * forgotten. */
void bl_pp_clear(struct bl_pp_peer *peer, bool at_once);
/* More connections than the limits allow, those that are closing aside. */
static inline bool bl_pp_over(const struct bl_pp_peer *peer)
{
    const struct bl_pp *pp = peer->pool;

    return peer->connections - peer->closing > pp->limits.per_endpoint ||
           pp->connections - pp->closing > pp->limits.total;
}
/* pool_policy.c: puts a connection into the list where it belongs now. */
void bl_pp_settle(struct bl_pp_conn *conn);

/* ---- for tests ---- */
void bl_pp_check_peer(const struct bl_pp_peer *peer); /* asserts what must hold */

#endif
