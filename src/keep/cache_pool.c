/* SPDX-License-Identifier: MIT */
/* The side of a cache that pools use; cache.h says when each is called. */
#include "keep/cache.h"

int bl_cache_join(struct belay_cache *cache, const void *owner, struct bl_cache_group **ret)
{
    if (cache->closed)
        return BELAY_ECLOSED;
    if (bl_cache_owner_get(&cache->table, owner, ret) < 0)
        return BELAY_ENOMEM;
    belay_cache_ref(cache);
    return 0;
}

void bl_cache_part(struct belay_cache *cache, struct bl_cache_group *owner)
{
    bl_cache_group_drop(owner);
    belay_cache_unref(cache);
}

int bl_cache_shelf(struct belay_cache *cache, struct belay_endpoint *endpoint, const void *way,
                   size_t way_len, struct bl_cache_group **ret)
{
    struct bl_cache_key key;
    int rc = bl_cache_key_pooled(&key, &cache->loop->mem, endpoint, way, way_len);

    if (rc < 0)
        return rc;
    rc = bl_cache_shelf_get(&cache->table, key.data, key.len, endpoint, ret);
    bl_cache_key_free(&key, &cache->loop->mem);
    return rc;
}

void bl_cache_enter(struct belay_cache *cache, struct belay_cache_entry *e,
                    const struct bl_cache_ops *ops, struct bl_cache_group *owner,
                    struct bl_cache_group *shelf)
{
    bl_cache_entry_init(e, ops);
    if (cache->closed)
        return;
    bl_cache_entry_home(e, shelf);
    bl_cache_to_owner(e, owner);
}

bool bl_cache_rest(struct belay_cache *cache, struct belay_cache_entry *e)
{
    if (cache->closed)
        return false;
    if (!bl_cache_asks_keep(cache, e)) {
        cache->stats.refused++;
        return false;
    }
    if (e->state != BELAY_CACHE_ACTIVE) /* the policy has closed it */
        return true;
    bl_cache_to_shelf(e, bl_now(cache->loop));
    cache->stats.kept++;
    bl_cache_enforce(cache, e->home);
    return true;
}

void bl_cache_lend(struct belay_cache *cache, struct belay_cache_entry *e,
                   struct bl_cache_group *owner)
{
    bl_cache_to_owner(e, owner);
    cache->stats.found++;
}

struct belay_cache_entry *bl_cache_next_on(const struct bl_cache_group *shelf,
                                           const struct belay_cache_entry *e)
{
    const struct bl_list *next = e ? e->place.next : shelf->entries.next;

    return next == &shelf->entries ? NULL : bl_cache_by_place(next);
}

void bl_cache_gone(struct belay_cache *cache, struct belay_cache_entry *e)
{
    bl_cache_leave(&cache->table, e);
}
