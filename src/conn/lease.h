/* SPDX-License-Identifier: MIT */
/* The lease table of a loop: slots with generations. Keepers give leases out and are told of
 * release and take. */
#ifndef BL_CONN_LEASE_H
#define BL_CONN_LEASE_H

#include "base/list.h"
#include "belay/lease.h"
#include "loop/loop.h"

struct bl_lease_owner_ops {
    void (*release)(struct belay_conn *conn, enum belay_release how, void *owner);
    int (*take)(struct belay_conn *conn, struct belay_stream **ret, void *owner);
};

/*
 * The owner's side of what it lends: one per connection, embedded. Its first slot is its own for
 * life, so that lending an exclusive connection is one increment; those who share it get further
 * slots, chained for revoking.
 */
struct bl_lessor {
    const struct bl_lease_owner_ops *ops;
    void *owner;
    struct belay_conn *conn;
    uint32_t slot;   /* its own */
    uint32_t more;   /* first of the further slots; BL_NO_SLOT */
    uint32_t leases; /* out now */
    bool shared;     /* all have the same lease, which is nobody's to give back: REUSE leaves it */
};
#define BL_NO_SLOT UINT32_MAX

_Static_assert(offsetof(struct belay_lease, generation) == offsetof(struct belay_lease, slot) + 4,
               "neighbours");

struct bl_lease_slot {
    uint32_t generation;      /* odd: out. Comes round again after 2^31 uses of a slot */
    uint32_t next, prev;      /* further slots: the chain of one lessor; free ones: `next` */
    struct bl_lessor *lessor; /* NULL: free */
};

struct bl_thread_table;

struct belay_lease_table {
    struct belay_loop *loop;
    struct bl_lease_slot *slots;
    uint32_t capacity;               /* 0 for ever in the table of the threads' leases */
    uint32_t free;                   /* BL_NO_SLOT when none */
    struct bl_thread_table *threads; /* that table: the loop's, made at need, or itself */
};

/* The loop's, made at need; NULL without memory. */
struct belay_lease_table *bl_lease_table(struct belay_loop *loop);

/* BELAY_ENOMEM. */
int bl_lessor_init(struct bl_lessor *lessor, struct belay_loop *loop,
                   const struct bl_lease_owner_ops *ops, void *owner, struct belay_conn *conn);
/* Revokes what is out. Harmless on zeroed memory, or twice. */
void bl_lessor_fini(struct bl_lessor *lessor, struct belay_loop *loop);

/* Makes sure that one more can be given; BELAY_ENOMEM only when more leases are out than ever
 * before. */
int bl_lease_reserve(struct belay_loop *loop);
/* Never fails after bl_lease_reserve, nor when none is out. */
int bl_lease_give_more(struct belay_loop *loop, struct bl_lessor *lessor, struct belay_lease *ret);
/*
 * The slot and its generation in one store: a lease is passed on in registers, and loading them
 * together right after two stores would wait for both to reach the cache.
 */
static inline void bl_lease_put(struct belay_lease *ret, struct belay_lease_table *t, uint32_t slot,
                                uint32_t generation)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t both = (uint64_t)generation << 32 | slot;
#else
    uint64_t both = (uint64_t)slot << 32 | generation;
#endif
    ret->table = t;
    memcpy((char *)ret + offsetof(struct belay_lease, slot), &both, sizeof both);
}

static inline int bl_lease_give(struct belay_loop *loop, struct bl_lessor *lessor,
                                struct belay_lease *ret)
{
    struct belay_lease_table *t = (struct belay_lease_table *)loop->rooms[BL_ROOM_CONN].ptr;
    struct bl_lease_slot *s = &t->slots[lessor->slot];

    if (BL_UNLIKELY(s->generation & 1))
        return bl_lease_give_more(loop, lessor, ret);
    lessor->leases++;
    bl_lease_put(ret, t, lessor->slot, ++s->generation);
    return 0;
}
/* All leases out become stale; nobody is told. */
void bl_lease_revoke(struct belay_loop *loop, struct bl_lessor *lessor);
/* A value that is stale. */
struct belay_lease bl_lease_none(void);

#endif
