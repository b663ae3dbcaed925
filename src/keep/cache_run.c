/* SPDX-License-Identifier: MIT */
/*
 * What becomes of the entries: the policy asked, limits held, and, from one task, those that must
 * go closed and told.
 */
#include "keep/cache.h"

/* ---- deciding ---- */

void bl_cache_condemn(struct belay_cache *cache, struct belay_cache_entry *e,
                      enum belay_reason reason)
{
    if (e->state != BELAY_CACHE_ACTIVE && e->state != BELAY_CACHE_INACTIVE)
        return;
    bl_cache_to_closing(e, reason);
    if (e->ops->condemned)
        e->ops->condemned(e);
    bl_task_post(cache->loop, &cache->run);
}

bool bl_cache_asks_keep(struct belay_cache *cache, struct belay_cache_entry *e)
{
    bool keep;

    if (!cache->policy.keep)
        return true;
    cache->asking = true;
    keep = cache->policy.keep(cache, e, cache->policy.arg);
    cache->asking = false;
    return keep;
}

struct belay_cache_entry *bl_cache_asks_pick(struct belay_cache *cache,
                                             struct bl_cache_group *shelf)
{
    struct belay_cache_entry *latest = bl_cache_by_place(bl_list_first(&shelf->entries));
    struct belay_cache_entry *answer;

    if (!cache->policy.pick || !latest)
        return latest;
    cache->asking = true;
    /* Entries are the cache's own: const is for the policy. */
    answer =
        (struct belay_cache_entry *)(uintptr_t)cache->policy.pick(cache, latest, cache->policy.arg);
    cache->asking = false;
    return answer && answer->at == shelf ? answer : NULL;
}

/* Whom the policy wants closed; NULL: nobody, or not one that is inactive here. */
static struct belay_cache_entry *asks_evict(struct belay_cache *cache, enum belay_reason *ret)
{
    int64_t again_ms = BELAY_FOREVER;
    struct belay_cache_entry *answer;

    *ret = BELAY_REASON_EVICTED;
    cache->asking = true;
    answer = (struct belay_cache_entry *)(uintptr_t)cache->policy.evict(cache, ret, &again_ms,
                                                                        cache->policy.arg);
    cache->asking = false;
    cache->again_at =
        again_ms < 0 ? BELAY_NEVER : bl_after_ms(bl_now(cache->loop), again_ms > 0 ? again_ms : 1);
    if (*ret <= BELAY_REASON_NONE || *ret >= BELAY_REASONS_N)
        *ret = BELAY_REASON_EVICTED;
    if (!answer || answer->state != BELAY_CACHE_INACTIVE || answer->at->table != &cache->table)
        return NULL;
    return answer;
}

static uint64_t idle_limit(const struct belay_cache *cache)
{
    int64_t ms = cache->options.max_idle_time_ms;

    return ms == INT64_MAX ? BELAY_NEVER : BL_MS(ms);
}

static void arm(struct belay_cache *cache)
{
    uint64_t at = bl_cache_expires_at(&cache->table, idle_limit(cache));

    bl_timer_at(&cache->timer, cache->loop, at < cache->again_at ? at : cache->again_at);
}

void bl_cache_enforce(struct belay_cache *cache, struct bl_cache_group *shelf)
{
    const struct belay_cache_options *o = &cache->options;
    uint64_t now = bl_now(cache->loop);
    struct belay_cache_entry *e;
    enum belay_reason reason;

    if (cache->closed)
        return;
    while ((e = bl_cache_expired(&cache->table, idle_limit(cache), now)))
        bl_cache_condemn(cache, e, BELAY_REASON_IDLE);
    while ((e = bl_cache_surplus(&cache->table, shelf, (uint32_t)o->max_inactive_per_peer,
                                 (uint32_t)o->max_inactive)))
        bl_cache_condemn(cache, e, BELAY_REASON_EVICTED);
    while (cache->policy.evict && (e = asks_evict(cache, &reason)))
        bl_cache_condemn(cache, e, reason);
    arm(cache);
}

void bl_cache_on_timer(void *arg)
{
    bl_cache_enforce(arg, NULL);
}

void bl_cache_destroy_later(struct belay_cache *cache, struct bl_cache_parcel *parcel)
{
    if (!parcel)
        return;
    bl_list_push_back(&cache->parcels, &parcel->link);
    bl_task_post(cache->loop, &cache->run);
}

/* ---- doing ---- */

void bl_cache_left(struct belay_cache *cache)
{
    cache->leaving--;
    if (cache->closed)
        bl_task_post(cache->loop, &cache->run);
}

static void log_end(struct belay_cache *cache, const struct belay_cache_entry *e)
{
    struct belay_cache_facts f = belay_cache_facts_init();
    char peer[BL_CACHE_TEXT_MAX], what[BL_CACHE_TEXT_MAX];
    const char *reason = belay_reason_name((enum belay_reason)e->reason);

    if (cache->loop->log.loudest < (int)BELAY_LOG_DEBUG)
        return;
    belay_cache_entry_facts(e, &f);
    bl_loop_log(cache->loop, "cache", BELAY_LOG_DEBUG, "closing %s (%s): %s",
                bl_cached_print(&f.what, what, sizeof what),
                bl_cache_peer_print(&f.peer, peer, sizeof peer), reason);
}

/* The entry stays where calls find it, closing, until on_closed has returned: in it nothing can be
 * done to it. */
static void end_entry(struct belay_cache *cache, struct belay_cache_entry *e)
{
    enum belay_reason reason = (enum belay_reason)e->reason;

    log_end(cache, e);
    cache->stats.closed[reason]++;
    if (cache->options.on_closed)
        cache->options.on_closed(e->owner, e, reason, cache->options.on_closed_arg);
    e->ops->close(e, cache, reason);
}

void bl_cache_run(void *arg)
{
    struct belay_cache *cache = arg;
    struct bl_list *node;

    if (cache->ended) {
        bl_cache_ended(cache);
        return;
    }
    while ((node = bl_list_first(&cache->table.closing)))
        end_entry(cache, bl_cache_by_place(node));
    while ((node = bl_list_pop_front(&cache->parcels))) {
        struct bl_cache_parcel *parcel = BL_LIST_OF(node, struct bl_cache_parcel, link);
        struct belay_cache_data data = parcel->data;

        bl_free(&cache->loop->mem, parcel);
        if (data.destroy)
            data.destroy(data.data);
    }
    if (!bl_list_empty(&cache->table.closing)) /* whom the last destroyer condemned */
        bl_task_post(cache->loop, &cache->run);
    else if (cache->closed && cache->leaving == 0)
        bl_cache_end(cache);
}
