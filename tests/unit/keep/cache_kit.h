/* SPDX-License-Identifier: MIT */
/*
 * A cache over a loop in virtual time, and connections that are numbers: descriptors that no kernel
 * knows, and handles. Counts what was closed, told and destroyed.
 */
#ifndef TEST_KEEP_CACHE_KIT_H
#define TEST_KEEP_CACHE_KIT_H

#include "belay/cache.h"
#include "support/failing_alloc.h"
#include "unit/loop/fake_world.h"

#define CACHE_KIT_THINGS 64
#define CACHE_KIT_FD     100 /* of the first descriptor */

struct cache_kit;

struct cache_kit_thing {
    struct cache_kit *kit;
    struct belay_cached what;
    unsigned closed, told, destroyed, data_given;
    void *owner; /* on_closed said so */
    enum belay_reason reason;
    ptrdiff_t reads; /* what reading the descriptor gives */
};

struct cache_kit {
    struct failing_alloc alloc;
    struct fake_world world;
    struct belay_loop *loop;
    struct belay_transport transport;
    struct belay_cache_options options;
    struct belay_cache_policy policy; /* of the options, if the test points at it */
    struct belay_cache *cache;
    struct cache_kit_thing things[CACHE_KIT_THINGS]; /* even ones descriptors, odd ones handles */
    unsigned ended;                                  /* on_closed of the cache */
    unsigned order[4 * CACHE_KIT_THINGS], order_n;   /* things as they were closed */
    void (*on_closed)(struct cache_kit *k, unsigned thing); /* from within the hook; NULL */
};

void cache_kit_begin(struct cache_kit *k);
void cache_kit_open(struct cache_kit *k);
/* Begin and open, with one of the ready policies. */
void cache_kit_start(struct cache_kit *k, struct belay_cache_policy policy);
/* Closes the cache, ends the loop and looks at what is left of memory. */
void cache_kit_end(struct cache_kit *k);
void cache_kit_settle(struct cache_kit *k);
void cache_kit_pass(struct cache_kit *k, int64_t ms);
void cache_kit_ended(void *kit);

const struct belay_cached *cache_kit_what(struct cache_kit *k, unsigned thing);
unsigned cache_kit_number(const struct belay_cached *what);
struct cache_kit_thing *cache_kit_of(struct cache_kit *k, const struct belay_cache_entry *entry);

/* Short forms; the calls must be accepted. */
void cache_kit_active(struct cache_kit *k, unsigned thing, void *owner);
int cache_kit_inactive(struct cache_kit *k, unsigned thing, const struct belay_cache_peer *peer,
                       uint64_t binding); /* KEPT or REFUSED */
/* The same with private data that is counted at its destruction. */
int cache_kit_inactive_data(struct cache_kit *k, unsigned thing,
                            const struct belay_cache_peer *peer, uint64_t binding);
/* Number of the thing, or -1. */
int cache_kit_find(struct cache_kit *k, const struct belay_cache_peer *peer, uint64_t binding,
                   void *owner);
enum belay_cache_state cache_kit_state(struct cache_kit *k, unsigned thing);
struct belay_cache_stats cache_kit_stats(struct cache_kit *k);

/* Owned are exactly those, in this order: -1 ends. */
void assert_owned(struct cache_kit *k, void *owner, const int *things);
void assert_closed(struct cache_kit *k, unsigned thing, enum belay_reason reason);
void assert_open(struct cache_kit *k, unsigned thing);

#endif
