/* SPDX-License-Identifier: MIT */
/*
 * Leases that any thread may release: each is one word of a slot that never moves, and whoever
 * changes that word by compare-and-swap has the right to what follows. thread_lease.c has the
 * states.
 */
#ifndef BL_CONN_THREAD_LEASE_H
#define BL_CONN_THREAD_LEASE_H

#include <stdatomic.h>

#include "conn/lease.h"

/* The word: a generation, odd while out, above these. */
#define BL_SLOT_PARKED           1u /* even: whoever swaps it has the connection */
#define BL_SLOT_RECALLED         2u /* odd: goes home at its release */
#define BL_SLOT_REVOKED          4u /* odd: stale to those who ask; recalled, too */
#define BL_SLOT_GENERATION(word) ((uint32_t)((word) >> 32))

#define BL_SLOT_SIZE 128 /* two lines: the processor fetches them in pairs */

/*
 * One connection that may be with the threads, for its life. The loop's thread alone writes what is
 * not atomic, and only while the slot is home; so whoever has swapped the word may read it.
 */
struct bl_thread_slot {
    _Alignas(BL_SLOT_SIZE) _Atomic uint64_t word;
    _Atomic(void *) group; /* those who may acquire it: compared, never followed */
    struct belay_lease_table *table;
    uint32_t index;
    bool broken; /* whoever sent it home writes it, and the loop reads it then */
    _Atomic(struct belay_conn *) conn;
    struct bl_mail mail;
    /* It has come home; on the loop's thread. Or: the next free slot. */
    void (*home)(struct bl_thread_slot *slot, bool broken);
    void *owner;
};
_Static_assert(sizeof(struct bl_thread_slot) == BL_SLOT_SIZE, "no two slots share a line");

/* ---- the loop's thread ---- */

/* A slot that is home. BELAY_ENOMEM. */
int bl_thread_slot_new(struct belay_loop *loop, struct belay_conn *conn, void *owner,
                       void (*home)(struct bl_thread_slot *slot, bool broken),
                       struct bl_thread_slot **ret);
void bl_thread_slot_free(struct bl_thread_slot *slot); /* home */

/* From home, out, to one of `group`. With `recalled` it comes home at its release. */
void bl_thread_slot_lend(struct bl_thread_slot *slot, void *group, bool recalled,
                         struct belay_lease *ret);
/* Takes a parked one home, at once: true. */
bool bl_thread_slot_take(struct bl_thread_slot *slot);
/*
 * The same; one that is out comes home at its release, and with `revoke` its lease is stale from
 * now on. True: it is home. False: it will come.
 */
bool bl_thread_slot_recall(struct bl_thread_slot *slot, bool revoke);

/* ---- any thread ---- */

static inline void bl_thread_slot_lease(struct bl_thread_slot *slot, uint64_t word,
                                        struct belay_lease *ret)
{
    bl_lease_put(ret, slot->table, slot->index, BL_SLOT_GENERATION(word));
}

/* Takes one that is parked, for one of `group`. */
static inline bool bl_thread_slot_try(struct bl_thread_slot *slot, void *group,
                                      struct belay_lease *ret)
{
    uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
    uint64_t next = (word & ~(uint64_t)UINT32_MAX) + ((uint64_t)1 << 32);

    /* A group that is read after the word belongs to it, or the swap fails. */
    if (!(word & BL_SLOT_PARKED) ||
        atomic_load_explicit(&slot->group, memory_order_relaxed) != group ||
        !atomic_compare_exchange_strong_explicit(&slot->word, &word, next, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return false;
    bl_thread_slot_lease(slot, next, ret);
    return true;
}

/* The slot of a lease that was just given. */
struct bl_thread_slot *bl_thread_slot_of(struct belay_lease lease);

/* What lease.c asks for leases of this table. */
int bl_thread_lease_release(struct belay_lease lease, enum belay_release how);
/* The connection while the lease is valid, or NULL. */
struct belay_conn *bl_thread_lease_conn(struct belay_lease lease);
void bl_thread_table_free(struct belay_loop *loop, struct bl_thread_table *table);

#endif
