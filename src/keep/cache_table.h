/* SPDX-License-Identifier: MIT */
/*
 * Where each connection of a cache is: on the shelf of its peer and binding (inactive), with its
 * owner (active), among those to be closed, or nowhere. Pure: no clock, no descriptor; only making
 * a shelf or an owner's record takes memory, so that moving an entry never fails.
 *
 * An entry has one link for its place, and every move begins by lifting it out of the place where
 * it is: that it stays with a former owner, or on a former shelf, cannot happen.
 *
 *                to_owner        to_shelf        to_closing      leave
 *   unknown      active          inactive        -               -
 *   active       active, moved   inactive        closing         unknown
 *   inactive     active          inactive, first closing         unknown
 *   closing      -               -               -               unknown
 */
#ifndef BL_KEEP_CACHE_TABLE_H
#define BL_KEEP_CACHE_TABLE_H

#include "base/list.h"
#include "base/map.h"
#include "belay/cache.h"

struct bl_cache_table {
    struct bl_mem *mem;
    struct bl_map shelves, owners; /* by key; by the bytes of the owner's pointer */
    struct bl_list active;         /* all, the one that has been for longest first */
    struct bl_list inactive;       /* likewise */
    struct bl_list closing;        /* in the order in which they are to be closed */
    uint32_t active_n, inactive_n, closing_n;
};

/* A shelf or an owner's record. It lives while it is held: by each entry that is in it or has it
 * for its home, and by whoever got it. */
struct bl_cache_group {
    struct bl_map_node node;
    struct bl_cache_table *table;
    struct bl_list entries;          /* of an owner the first to come first, of a shelf the last */
    struct bl_list waits;            /* of a shelf: pools' peers that wait for one (pool_adopt.c) */
    struct belay_endpoint *endpoint; /* of a shelf whose key is an endpoint's; NULL */
    uint32_t n;                      /* of entries */
    uint32_t holds;
    bool is_shelf;
    uint32_t key_len;
    char key[];
};

struct belay_cache_entry {
    const struct bl_cache_ops *ops; /* of the shell (cache.h) */
    struct bl_list place;           /* in its group's entries, or the table's closing */
    struct bl_list age;             /* in the table's active or inactive */
    struct bl_cache_group *at;      /* active: its owner; inactive: its shelf */
    struct bl_cache_group *home;    /* the shelf that it belongs on, when known */
    void *owner;                    /* active; closing: whose it was */
    uint64_t since;                 /* when it became inactive */
    uint64_t found;
    uint8_t state;  /* enum belay_cache_state */
    uint8_t reason; /* closing: enum belay_reason */
};

void bl_cache_table_init(struct bl_cache_table *table, struct bl_mem *mem,
                         const uint64_t hash_key[2]);

/* The shelf with this key, or the record of an owner, made if need be, and held. BELAY_ENOMEM. */
int bl_cache_shelf_get(struct bl_cache_table *table, const void *key, size_t len,
                       struct belay_endpoint *endpoint, struct bl_cache_group **ret);
int bl_cache_owner_get(struct bl_cache_table *table, const void *owner,
                       struct bl_cache_group **ret);
/* The same, not made and not held: NULL. */
struct bl_cache_group *bl_cache_shelf_find(const struct bl_cache_table *table, const void *key,
                                           size_t len);
struct bl_cache_group *bl_cache_owner_find(const struct bl_cache_table *table, const void *owner);
struct bl_cache_group *bl_cache_group_hold(struct bl_cache_group *group);
void bl_cache_group_drop(struct bl_cache_group *group); /* NULL is fine */

void bl_cache_entry_init(struct belay_cache_entry *entry, const struct bl_cache_ops *ops);
/* The shelf that it is to be put on: held. NULL: none. */
void bl_cache_entry_home(struct belay_cache_entry *entry, struct bl_cache_group *shelf);

void bl_cache_to_owner(struct belay_cache_entry *entry, struct bl_cache_group *owner);
void bl_cache_to_shelf(struct belay_cache_entry *entry, uint64_t now); /* its home */
void bl_cache_to_closing(struct belay_cache_entry *entry, enum belay_reason reason);
void bl_cache_leave(struct bl_cache_table *table, struct belay_cache_entry *entry);

/* The one inactive for longest, if that is for `limit_ns` (BELAY_NEVER: no limit); NULL. */
struct belay_cache_entry *bl_cache_expired(const struct bl_cache_table *table, uint64_t limit_ns,
                                           uint64_t now);
/* When that may change; BELAY_NEVER. */
uint64_t bl_cache_expires_at(const struct bl_cache_table *table, uint64_t limit_ns);
/* Who is to go because there are more than so many, on this shelf or in all; NULL. */
struct belay_cache_entry *bl_cache_surplus(const struct bl_cache_table *table,
                                           const struct bl_cache_group *shelf, uint32_t shelf_max,
                                           uint32_t total_max);

static inline struct belay_cache_entry *bl_cache_by_age(const struct bl_list *node)
{
    return node ? BL_CONTAINER(node, struct belay_cache_entry, age) : NULL;
}
static inline struct belay_cache_entry *bl_cache_by_place(const struct bl_list *node)
{
    return node ? BL_CONTAINER(node, struct belay_cache_entry, place) : NULL;
}

/* For tests: asserts what must hold. */
void bl_cache_table_check(const struct bl_cache_table *table);

#endif
