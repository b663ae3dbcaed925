/* SPDX-License-Identifier: MIT */
/*
 * A pool's connections see a change of their names: the name of a peer with open connections is
 * looked up every resolve_interval_ms, and those to addresses that have vanished are retired
 * gently. pool_names.c says when an address has.
 */
#ifndef BL_KEEP_POOL_NAMES_H
#define BL_KEEP_POOL_NAMES_H

#include "base/mem.h"
#include "belay/addr.h"
#include "belay/pool.h"

struct bl_names_watch;

/* Of one peer, embedded in it. Made at the first need: a peer without a name costs a pointer. */
struct bl_pool_names {
    struct bl_names_watch *watch;
};

static inline void bl_names_init(struct bl_pool_names *names)
{
    names->watch = NULL;
}
/* A connection of the peer has opened, or gone; the pool's options have changed. Never fails: for
 * want of memory the name is not watched until the next call. */
void bl_names_consider(struct belay_peer *peer);
/* Another network: what was seen is void, and so is a look-up under way. Calls nobody. */
void bl_names_forget(struct belay_peer *peer);
/* The peer, or its pool, goes: before either is freed; harmless twice. */
void bl_names_fini(struct belay_peer *peer);

/* ---- the decision, pure: which addresses have vanished ---- */

#define BL_NAMES_MISSES     2  /* answers in a row without it, where answers are steady */
#define BL_NAMES_MISSES_MAX 16 /* where they are not */
#define BL_NAMES_CALM       64 /* answers after which a return is forgotten */
#define BL_NAMES_ADDRS_MAX  64 /* remembered; those that were missing for longest are given up */

struct bl_names_addr {
    uint8_t ip[16];
    uint32_t scope_id;
    uint8_t family; /* enum belay_family */
    uint8_t missed; /* answers in a row without it, of its family, up to BL_NAMES_MISSES_MAX */
    bool was_in;    /* has been in an answer */
};

struct bl_names_seen {
    struct bl_names_addr *addrs;
    uint32_t n, capacity;
    uint32_t patience; /* misses that make an address vanish while answers are steady */
    uint32_t calm;     /* answers since one came back */
    bool steady;       /* the last answer had the addresses of the one before */
};

void bl_names_seen_init(struct bl_names_seen *seen);
void bl_names_seen_fini(struct bl_names_seen *seen, struct bl_mem *mem);

/* What one look-up came to: the addresses, and the families that it leaves open as their query
 * failed. */
struct bl_names_answer {
    const struct belay_addr *addrs;
    size_t n;
    bool no_ipv4, no_ipv6; /* unknown, not empty */
};
/* An address that a connection goes to: it is remembered, as one not seen yet, unless it is known.
 * For want of room or memory it is not, and stays present. */
void bl_names_use(struct bl_names_seen *seen, struct bl_mem *mem, const struct belay_addr *addr);
/* One more answer. Empty ones change nothing. */
void bl_names_take(struct bl_names_seen *seen, struct bl_mem *mem,
                   const struct bl_names_answer *answer);
bool bl_names_gone(const struct bl_names_seen *seen, const struct belay_addr *addr);

#endif
