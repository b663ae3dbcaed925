/* SPDX-License-Identifier: MIT */
/*
 * The pool's shell: what its files share.
 *
 *     pool.c          life: open, suspend, close, who waits for the end
 *     pool_options.c  options, and their change while it works
 *     pool_peer.c     endpoints: handles, clearing, what they tell
 *     pool_acquire.c  those who wait
 *     pool_lend.c     leases: given, asked about, given back
 *     pool_conns.c    what happens to connections
 *     pool_hooks.c    the caller's hooks
 *     pool_cache.c    connections in a cache of the caller's
 *     pool_leaks.c    leases out for too long
 *     pool_names.c    names that change
 *     pool_run.c      the task that does what the policy decided
 *     pool_wait.c     acquire for those who block
 *     share.h         connections with other threads
 */
#ifndef BL_KEEP_POOL_H
#define BL_KEEP_POOL_H

#include "base/map.h"
#include "base/options.h"
#include "conn/conn.h"
#include "conn/endpoint.h"
#include "conn/error_copy.h"
#include "conn/lease.h"
#include "keep/pool_cache.h"
#include "keep/pool_leaks.h"
#include "keep/pool_names.h"
#include "keep/pool_policy.h"
#include "keep/share.h"

#define BL_SPARE_WAITERS_MAX                                                                       \
    128 /* kept for the next acquire, so that a busy pool allocates nothing */

struct belay_pool {
    struct bl_pp pp;
    struct bl_object object;
    struct belay_loop *loop;
    struct belay_pool_options options; /* effective; dial and callbacks point at the next */
    struct belay_dial_options dial;
    struct belay_dial_options dial_words; /* the same, as it would be given */
    struct belay_pool_callbacks callbacks;
    struct belay_backoff backoff; /* as each peer begins */
    struct bl_map peers;          /* by endpoint key */
    struct bl_list dirty;         /* peers to look at in the next run */
    struct bl_list reused;        /* connections of which the hook is to tell */
    struct bl_list spare_waiters;
    uint32_t spare_waiters_n;
    struct bl_leaks leaks;
    struct bl_pool_cache kept;
    struct bl_task run;
    struct bl_timer pause;  /* dialling rests after a local failure */
    bool asks;              /* about the health of connections, before they are lent and after */
    bool closing;           /* close or drain was called */
    bool closed;            /* and came to its end */
    struct bl_share *share; /* NULL: the loop's thread alone uses it */
    uint32_t refs;
    struct bl_list watchers; /* of the end */
    belay_fn *on_closed;
    void *closed_arg;
};

struct belay_peer {
    struct belay_pool *pool; /* NULL once it is closed */
    struct belay_loop *loop;
    struct bl_pp_peer pp;
    struct belay_endpoint *endpoint;
    struct bl_map_node node;
    struct bl_list dirty;  /* link */
    struct bl_timer timer; /* when dialling becomes possible */
    struct bl_pool_names names;
    struct bl_cache_group *shelf; /* in the cache; NULL: there is none */
    struct bl_cache_wait wait;    /* at that shelf */
    const uint8_t *alpn; /* to be offered, rather than what the endpoint says; NULL: that */
    size_t alpn_len;
    struct bl_error_copy last_error;
    uint64_t last_error_at;
    struct bl_group *group; /* threads attached to it; NULL: none */
    uint32_t refs;
};

struct belay_waiter {
    struct bl_pp_waiter pp;
    struct belay_peer *peer;
    struct bl_timer timer;
    int64_t timeout_ms;
    const char *tag, *place;
    belay_acquire_fn *fn;
    void *arg;
    uint64_t id;
};

/* What a connection of a pool has beside belay's own part: in its extra bytes. */
struct bl_pool_conn {
    struct bl_lessor lessor;
    bool heeded; /* its connector, a trace or the pool wants to hear of its leases */
    bool trimmed;
    bool created; /* told so */
    bool mourned; /* its loss was told */
    struct bl_loan loan;
    struct bl_pp_conn pp;
    struct bl_list reused; /* link */
    uint32_t untold;       /* times it was lent again, and the hook does not know */
};

static inline struct belay_peer *bl_peer_of(struct bl_pp_peer *pp)
{
    return BL_CONTAINER(pp, struct belay_peer, pp);
}
static inline struct bl_pool_conn *bl_pool_conn_of(struct bl_pp_conn *pp)
{
    return BL_CONTAINER(pp, struct bl_pool_conn, pp);
}
static inline uint64_t bl_pool_now(const struct belay_pool *pool)
{
    return bl_now(pool->loop);
}
static inline const char *bl_peer_name(const struct belay_peer *peer)
{
    return belay_endpoint_name(peer->endpoint);
}

/* ---- pool.c ---- */

/* Everything is closed: tells, and frees the pool unless somebody holds it. */
void bl_pool_finish(struct belay_pool *pool);

/* ---- pool_options.c ---- */

extern const struct bl_option bl_pool_options[];
extern const size_t bl_pool_options_n;

struct bl_pool_settings {
    struct belay_pool_options options;
    struct belay_dial_options dial;
    struct belay_pool_callbacks callbacks;
    struct belay_backoff backoff;
    struct bl_pp_limits limits;
    bool asks;
};
/* From what was given to what holds; EINVAL names the option. */
int bl_pool_settings_make(struct bl_pool_settings *ret, const struct belay_pool_options *given,
                          struct belay_error *error);

/* ---- pool_peer.c ---- */

/* It goes if it has no handle, connection or waiter any more. */
void bl_peer_reap(struct belay_peer *peer);
/* What one connection of it carries is known before any is open. */
static inline void bl_peer_expect(struct belay_peer *peer, int32_t capacity)
{
    if (peer->pp.expected == 0)
        peer->pp.expected = capacity;
}
void bl_peer_clear(struct belay_peer *peer, enum belay_clear how);
/* From now on its connections offer no more than that, whatever its endpoint does, and carry as
 * many as that; those that there are serve nobody else. `alpn`, in wire form, stays. */
void bl_peer_narrow(struct belay_peer *peer, const uint8_t *alpn, size_t len, int32_t capacity);
/* Its pool has ended. */
void bl_peer_orphan(struct belay_peer *peer);
void bl_peer_note_error(struct belay_peer *peer, const struct belay_error *error);

/* ---- pool_acquire.c ---- */

/* The waiter has left the queue: tells it, last of all. */
void bl_waiter_tell(struct belay_waiter *waiter, struct belay_lease lease,
                    const struct belay_error *error);
/* Those whom the policy has given up on. `cause` is NULL when only the code is known. */
void bl_pool_tell_failed(struct belay_pool *pool, const struct belay_error *cause);
void bl_pool_free_spares(struct belay_pool *pool);
/* As belay_peer_acquire, ahead of all who wait: it had a lease, on a connection that turned out to
 * have no room. Of several the last asks first. */
int bl_peer_acquire_again(struct belay_peer *peer, struct belay_waiter **ret_waiter,
                          belay_acquire_fn *fn, void *arg);

/* ---- pool_lend.c ---- */

extern const struct bl_lease_owner_ops bl_pool_lessor_ops;

/* Who leases, for leaks. */
struct bl_lessee {
    const char *tag, *place;
};
/*
 * Whether what was picked may be lent as it is. If not, it has been asked, or put where it belongs,
 * and whoever wants one picks again: what was known before, waiters too, may have gone.
 */
bool bl_pool_vet(struct belay_pool *pool, struct bl_pp_conn *pp);
/* Lends it; there is room in the table. False: its connector lost it over that; pick again. */
bool bl_pool_give(struct belay_pool *pool, struct bl_pp_conn *pp, struct bl_lessee lessee,
                  struct belay_lease *ret);
/* What threads had parked is back, and idle since then. */
void bl_pool_unpark(struct belay_pool *pool, struct bl_pool_conn *conn, uint64_t since);
/* When an idle connection is to be looked at again. */
void bl_pool_look_again(struct belay_pool *pool, struct bl_pool_conn *conn);

#define BL_POOL_TRIM_NS 1000000000u /* idle for as long, a connection gives its buffers back */

/* ---- pool_conns.c ---- */

/* One more for the peer. BELAY_ENOMEM, ... */
int bl_pool_dial(struct belay_pool *pool, struct belay_peer *peer);
/* Whose a connection is; NULL: another keeper's than a pool. */
struct belay_peer *bl_pool_peer_of(const struct belay_conn *conn);
/* It came up, and ended before anybody had any use of it; `lost` may be NULL. From the task. */
void bl_pool_waste(struct belay_pool *pool, struct bl_pool_conn *conn,
                   const struct belay_error *lost);
/* The pool's own health check: 1, 0, or BELAY_EAGAIN. There is one. */
int bl_pool_ask_health(struct belay_pool *pool, struct belay_conn *conn);
/* What has been reported of it counts from now on, told by its task or not. */
void bl_pool_heed_facts(struct belay_pool *pool, struct bl_pool_conn *conn);
/* Decides who wants to hear of the connection's leases. */
void bl_pool_heed(struct belay_pool *pool, struct bl_pool_conn *conn);
/* Asks an idle connection; the answer comes later, or on_due gives it. */
void bl_pool_check(struct belay_pool *pool, struct bl_pool_conn *conn);
/* Limits its check, which has begun. */
void bl_pool_await_check(struct belay_pool *pool, struct bl_pool_conn *conn);

/* ---- pool_hooks.c ---- */

void bl_hook_created(struct belay_pool *pool, struct bl_pool_conn *conn);
void bl_hook_reused(struct belay_pool *pool, struct bl_pool_conn *conn); /* to be told */
void bl_hook_tell_reused(struct belay_pool *pool);
void bl_hook_closed(struct belay_pool *pool, struct bl_pool_conn *conn);
/* It was another pool's until now. */
void bl_hook_moved(struct belay_peer *from, struct bl_pool_conn *conn, uint32_t untold);

/* ---- pool_wait.c ---- */

/* belay_peer_acquire_wait; `keep` (may be NULL) gets the lease on the loop's thread, and may put
 * another in its place, or fail. */
int bl_peer_acquire_wait(struct belay_peer *peer, int64_t timeout_ms,
                         const struct belay_acquire_options *options,
                         int (*keep)(struct belay_lease *lease, void *arg), void *arg,
                         struct belay_lease *ret_lease, struct belay_error *error);

/* ---- pool_run.c ---- */

/* The policy of this peer has something to say. */
void bl_pool_touch(struct belay_peer *peer);
void bl_pool_run(void *pool);      /* the task */
void bl_pool_on_pause(void *pool); /* its timer */
void bl_peer_on_timer(void *peer); /* its timer */

#endif
