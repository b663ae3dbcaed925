/* SPDX-License-Identifier: MIT */
/*
 * The channel's decisions: when to look the target up, which address to dial and when again, which
 * connection a call goes to. Pure: what happened and `now` go in, states change, and bl_cp_next says
 * what is to be done, one thing at a time, until there is nothing; no clock, no memory, no
 * descriptor. channel_run.c performs.
 *
 *     IDLE --a call, or connect--> CONNECTING --> READY --lost (pick_first), no call for long--> IDLE
 *                                   |      ^        |
 *                                   v      +--------+ lost (round_robin)
 *                            TRANSIENT_FAILURE --> READY
 *
 * A channel that failed stays so until a connection is up: attempts that go on are no CONNECTING. So
 * does an address of round_robin. pick_first tries the addresses in order, the next when one has failed
 * or has not answered for 250 ms; when each was tried, each again after its own backoff.
 *
 * The backoff counts from start to start of the attempts of an address, and is forgotten when one
 * succeeds; where what it gave was lost before it was of any use, the first delay is kept all the
 * same.
 */
#ifndef BL_GRPC_CHANNEL_POLICY_H
#define BL_GRPC_CHANNEL_POLICY_H

#include "base/list.h"
#include "base/rand.h"
#include "belay/grpc.h"

#define BL_CP_STAGGER_NS UINT64_C(250000000)  /* from one address to the next, RFC 8305 */
#define BL_CP_RESOLVE_NS UINT64_C(1000000000) /* a name is not looked up more often */

struct bl_cp_limits { /* effective; BELAY_NEVER is none */
    enum belay_lb_policy lb;
    struct belay_backoff backoff; /* without failures */
    uint64_t attempt_ns, idle_ns;
    uint32_t connections_max; /* to one address */
    bool health;              /* READY is when somebody has said so: bl_cp_health */
};

/* One address. Embedded in the shell's, which owns it. */
struct bl_cp_sub {
    struct bl_list link;
    enum belay_channel_state state;
    bool failing;    /* since it was last READY, an attempt has failed */
    bool tried;      /* in this pass of pick_first */
    bool more;       /* another connection is wanted: the calls do not fit */
    bool opening;    /* an attempt is under way */
    bool final;      /* no further attempt, until somebody says otherwise */
    uint32_t ready;  /* connections that are up, and take calls */
    uint32_t ending; /* GOAWAY: only what is under way */
    uint64_t started_at, next_at, limit_at;
    struct belay_backoff backoff;
};

struct bl_cp {
    struct bl_cp_limits limits;
    struct bl_rand rand;
    enum belay_channel_state state;
    struct bl_list subs;      /* in the order of the answer */
    struct bl_cp_sub *chosen; /* of pick_first; NULL */
    struct bl_cp_sub *last;   /* of round_robin: the last that had a call; NULL */
    bool active;              /* it has left IDLE */
    bool closing;
    bool resolving;
    bool want_resolve;
    bool failing;        /* since it was last READY or IDLE */
    bool passed;         /* pick_first: each address was tried */
    uint32_t calls;      /* waiting, or under way */
    uint64_t idle_at;    /* without calls: when it goes to sleep */
    uint64_t resolve_at; /* no look-up before */
    uint64_t stagger_at; /* the next address of the pass */
    struct belay_backoff resolve_backoff;
};

enum bl_cp_todo {
    BL_CP_NONE,
    BL_CP_RESOLVE, /* bl_cp_resolved or bl_cp_unresolved follows */
    BL_CP_DIAL,    /* sub: bl_cp_opened or bl_cp_failed follows */
    BL_CP_GIVE_UP, /* sub: its attempt has lasted too long: it is ended, and has failed */
    BL_CP_CANCEL,  /* sub: its attempt is not wanted any more */
    BL_CP_RELEASE, /* sub: all of it, when its calls are done */
};

void bl_cp_init(struct bl_cp *cp, const struct bl_cp_limits *limits, uint64_t seed, uint64_t now);
void bl_cp_sub_init(struct bl_cp_sub *sub, const struct bl_cp *cp);

/* ---- what happened ---- */

void bl_cp_connect(struct bl_cp *cp, uint64_t now); /* a call, or the caller, wants connections */
void bl_cp_call(struct bl_cp *cp);
void bl_cp_call_done(struct bl_cp *cp, uint64_t now);
/* Its list is what the answer says by now; `changed`: it was not before. */
void bl_cp_resolved(struct bl_cp *cp, bool changed, uint64_t now);
void bl_cp_unresolved(struct bl_cp *cp, uint64_t now);
/* It is in the list no more; what it has is the shell's to release. */
void bl_cp_remove(struct bl_cp *cp, struct bl_cp_sub *sub);
void bl_cp_opened(struct bl_cp *cp, struct bl_cp_sub *sub);
/* `final`: whoever said so wants no further attempt. */
void bl_cp_failed(struct bl_cp *cp, struct bl_cp_sub *sub, bool final, uint64_t now);
/* A connection takes no more calls: it is lost, or, `goaway`, will be when what is under way is
 * done. `useful`: some call was answered on it. */
void bl_cp_lost(struct bl_cp *cp, struct bl_cp_sub *sub, bool goaway, bool useful, uint64_t now);
void bl_cp_ended(struct bl_cp_sub *sub); /* one that had been told to go away is gone */
/* What its connections say of their health: one serves (READY), none does (TRANSIENT_FAILURE), or
 * they have not said (CONNECTING). */
void bl_cp_health(struct bl_cp *cp, struct bl_cp_sub *sub, enum belay_channel_state said);
/* Calls wait, and none of its connections has room. */
void bl_cp_full(struct bl_cp *cp, struct bl_cp_sub *sub);
/* As far as is known, no call waits for room. */
void bl_cp_enough(struct bl_cp *cp);
void bl_cp_reset_backoff(struct bl_cp *cp, uint64_t now);
void bl_cp_close(struct bl_cp *cp);

/* ---- what is to be done ---- */

enum bl_cp_todo bl_cp_next(struct bl_cp *cp, uint64_t now, struct bl_cp_sub **ret_sub);
uint64_t bl_cp_wakes(const struct bl_cp *cp); /* BELAY_NEVER */

/*
 * Where a call goes: of those that are READY the one whose turn it is and that has room (asked of
 * the shell). NULL: nowhere now; *ret_full is then one that is READY but full, if possible one that
 * may have further connections, or NULL.
 */
struct bl_cp_sub *bl_cp_pick(struct bl_cp *cp, bool (*has_room)(const struct bl_cp_sub *sub),
                             struct bl_cp_sub **ret_full);

/* No address will be tried again, until somebody says otherwise. */
bool bl_cp_is_final(const struct bl_cp *cp);

/* ---- between channel_policy.c, which hears, and channel_policy_next.c, which says what to do ---- */

/* The channel's state, from what is known. */
void bl_cp_settle(struct bl_cp *cp);

#define BL_CP_EACH_SUB(sub, cp)                                                                    \
    for (struct bl_cp_sub *sub = bl_cp_sub_of((cp)->subs.next); &sub->link != &(cp)->subs;         \
         sub = bl_cp_sub_of(sub->link.next))

static inline struct bl_cp_sub *bl_cp_sub_of(struct bl_list *node)
{
    return BL_LIST_OF(node, struct bl_cp_sub, link);
}

static inline uint64_t bl_cp_later(uint64_t at, uint64_t span)
{
    return span >= BELAY_NEVER - at ? BELAY_NEVER : at + span;
}

static inline bool bl_cp_may_grow(const struct bl_cp *cp, const struct bl_cp_sub *sub)
{
    return sub->ready + sub->ending < cp->limits.connections_max;
}

#endif
