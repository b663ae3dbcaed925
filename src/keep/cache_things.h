/* SPDX-License-Identifier: MIT */
/* What callers put into a cache: descriptors, streams and handles, each known by what it is. */
#ifndef BL_KEEP_CACHE_THINGS_H
#define BL_KEEP_CACHE_THINGS_H

#include "keep/cache.h"
#include "net/stream.h"

struct bl_cache_thing {
    struct belay_cache_entry entry;
    struct belay_cache *cache;
    struct belay_cached what;
    uintptr_t identity[2]; /* its kind, and the descriptor or address: key in cache->things */
    struct bl_map_node node;
    struct bl_cache_parcel *parcel; /* private data, while inactive */
    struct belay_backend_slot watch;
    uint64_t id; /* in the trace */
};

static inline struct bl_cache_thing *bl_cache_thing_of(const struct belay_cache_entry *entry)
{
    return BL_CONTAINER(entry, struct bl_cache_thing, entry);
}

/* ---- cache_watch.c ---- */

/* From when a stream is known, it is the cache's that closes it, whatever the loop does. */
void bl_cache_thing_keep(struct bl_cache_thing *thing);
/* Ends that, and the watching. */
void bl_cache_thing_let_go(struct bl_cache_thing *thing);
/* While it is inactive. BELAY_ENOMEM, BELAY_EINVAL, BELAY_EOS. */
int bl_cache_thing_watch(struct bl_cache_thing *thing);
void bl_cache_thing_unwatch(struct bl_cache_thing *thing);
/* Whether it can be used again, as far as is known: of a stream. */
bool bl_cached_usable(const struct belay_cached *what);
/* Whether somebody else keeps it: a stream on lease. */
bool bl_cached_is_lent(const struct belay_cached *what);

#endif
