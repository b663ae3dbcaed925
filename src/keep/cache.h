/* SPDX-License-Identifier: MIT */
/*
 * The cache's shell. cache_table.c knows where each entry is; here the policy is asked, the time
 * and the descriptors are watched, and what is to be closed is closed, from one task.
 *
 * Entries come from two sides, and differ by their table of functions (struct bl_cache_ops):
 *
 *   things (cache_things.c)  descriptors, streams and handles of callers, by the public calls
 *   a pool's connections     each embeds its entry, so that nothing is allocated when it is lent
 *                            or comes back; by these calls, on the pool's side of which nothing is
 *                            asked when it has no cache:
 *
 *     pool opened, ended     bl_cache_join, part  the pool is an owner; it holds a reference
 *     peer made              bl_cache_shelf       its shelf, by endpoint and way of dialling
 *     connection is up       bl_cache_enter       active, the pool's
 *     nobody uses it         bl_cache_rest        inactive; false: refused, the pool closes it,
 *                                                 reason `evicted`; it stays active until then
 *     lent                   bl_cache_lend        active again
 *     none idle of its own   bl_cache_next_on     those on the same shelf, the latest first: the
 *                                                 pools settle between them which one moves, and
 *                                                 who waits there (`waits` of the shelf)
 *     ending, or gone        bl_cache_gone        out of the cache, from wherever it is
 *
 *   What the cache decides reaches the pool by two functions: `condemned`, inside whatever call
 *   made the decision, says that it may not be lent any more (the pool takes it off its lists, and
 *   no more); `close`, from the cache's task and after on_closed, that it is to end now, revoking
 *   leases. bl_cache_gone must follow, then or later.
 *
 * What user code is called, and when: a policy's functions inside the calls that need their answer
 * (`asking` refuses those that would change the cache meanwhile); on_closed, the closing of handles
 * and the destroying of private data by the task alone.
 */
#ifndef BL_KEEP_CACHE_H
#define BL_KEEP_CACHE_H

#include "base/options.h"
#include "keep/cache_peer.h"
#include "keep/cache_table.h"
#include "loop/loop.h"

struct bl_cache_ops {
    /* Fills in `what` and `data`. */
    void (*describe)(const struct belay_cache_entry *entry, struct belay_cache_facts *facts);
    /* It has become one of those to be closed. NULL: nothing to do. */
    void (*condemned)(struct belay_cache_entry *entry);
    void (*close)(struct belay_cache_entry *entry, struct belay_cache *cache,
                  enum belay_reason reason);
};

/* Private data on its way out. */
struct bl_cache_parcel {
    struct bl_list link; /* cache->parcels */
    struct belay_cache_data data;
};

struct belay_cache {
    struct bl_cache_table table;
    struct bl_object object;
    struct belay_loop *loop;
    struct belay_cache_options options; /* effective */
    struct belay_cache_policy policy;
    struct bl_map things;   /* callers' entries, by what they are */
    struct bl_list parcels; /* to be destroyed */
    struct bl_list watchers;
    struct bl_task run;
    struct bl_timer timer;
    uint64_t again_at;              /* when the policy wants to be asked again */
    struct belay_cache_stats stats; /* counts; gauges are filled in when asked for */
    uint32_t refs;                  /* the callers', and one of its own until it has ended */
    uint32_t leaving;               /* closed, and not gone yet: streams, pools' connections */
    bool closed;                    /* close was called */
    bool ended;
    bool telling; /* ended, and somebody who asked for the end after it is still to be told */
    bool asking;  /* a policy's function is running */
    belay_fn *on_closed;
    void *closed_arg;
};

extern const struct bl_option bl_cache_options[];
extern const size_t bl_cache_options_n;

/* cache_run.c */
void bl_cache_run(void *cache);      /* the task */
void bl_cache_on_timer(void *cache); /* its timer */
/* Out of use, to be closed by the task. Harmless unless it is active or inactive. */
void bl_cache_condemn(struct belay_cache *cache, struct belay_cache_entry *entry,
                      enum belay_reason reason);
/* Whether the policy keeps it; its home is where it would be. */
bool bl_cache_asks_keep(struct belay_cache *cache, struct belay_cache_entry *entry);
struct belay_cache_entry *bl_cache_asks_pick(struct belay_cache *cache,
                                             struct bl_cache_group *shelf);
/* After one was kept on this shelf (NULL: after time has passed): limits, then the policy. */
void bl_cache_enforce(struct belay_cache *cache, struct bl_cache_group *shelf);
void bl_cache_destroy_later(struct belay_cache *cache, struct bl_cache_parcel *parcel);
/* What had been handed over to be closed is gone. */
void bl_cache_left(struct belay_cache *cache);

/* cache_pool.c: for pools, as above. BELAY_ENOMEM, BELAY_ECLOSED. */
int bl_cache_join(struct belay_cache *cache, const void *owner, struct bl_cache_group **ret);
void bl_cache_part(struct belay_cache *cache, struct bl_cache_group *owner);
int bl_cache_shelf(struct belay_cache *cache, struct belay_endpoint *endpoint, const void *way,
                   size_t way_len, struct bl_cache_group **ret);
/* Into a closed cache none enters. */
void bl_cache_enter(struct belay_cache *cache, struct belay_cache_entry *entry,
                    const struct bl_cache_ops *ops, struct bl_cache_group *owner,
                    struct bl_cache_group *shelf);
bool bl_cache_rest(struct belay_cache *cache, struct belay_cache_entry *entry);
void bl_cache_lend(struct belay_cache *cache, struct belay_cache_entry *entry,
                   struct bl_cache_group *owner);
struct belay_cache_entry *bl_cache_next_on(const struct bl_cache_group *shelf,
                                           const struct belay_cache_entry *entry);
void bl_cache_gone(struct belay_cache *cache, struct belay_cache_entry *entry);

/* cache.c */
void bl_cache_end(struct belay_cache *cache);   /* nothing is in it any more: tells, and lets go */
void bl_cache_ended(struct belay_cache *cache); /* tells who asked for the end after it */

#endif
