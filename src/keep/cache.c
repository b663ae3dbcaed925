/* SPDX-License-Identifier: MIT */
/* The cache as an object: options, life, figures. */
#include "keep/cache.h"

#include "conn/watchers.h"

#define YEAR_MS INT64_C(31536000000)
#define DAY_MS  INT64_C(86400000)

const struct bl_option bl_cache_options[] = {
    BL_OPTION(belay_cache_options, max_idle_time_ms, INT64_MAX, BL_NOT_ALLOWED, INT64_MAX, 1,
              YEAR_MS),
    BL_OPTION(belay_cache_options, max_inactive, INT32_MAX, BL_NOT_ALLOWED, INT32_MAX, 1,
              INT32_MAX),
    BL_OPTION(belay_cache_options, max_inactive_per_peer, INT32_MAX, BL_NOT_ALLOWED, INT32_MAX, 1,
              INT32_MAX),
    BL_OPTION(belay_cache_options, close_timeout_ms, 2000, 0, INT64_MAX, 1, DAY_MS),
};
const size_t bl_cache_options_n = BL_COUNT(bl_cache_options);

/* ---- life ---- */

static void condemn(struct belay_cache *cache, struct bl_list *all, enum belay_reason reason)
{
    struct bl_list *node;

    while ((node = bl_list_first(all)))
        bl_cache_condemn(cache, bl_cache_by_age(node), reason);
}

static void condemn_all(struct belay_cache *cache, enum belay_reason reason)
{
    condemn(cache, &cache->table.active, reason);
    condemn(cache, &cache->table.inactive, reason);
}

static void close_object(struct bl_object *object)
{
    belay_cache_close(BL_CONTAINER(object, struct belay_cache, object), NULL, NULL);
}

static void change_network(struct bl_object *object)
{
    struct belay_cache *cache = BL_CONTAINER(object, struct belay_cache, object);

    condemn(cache, &cache->table.inactive, BELAY_REASON_CLEARED);
}

static int take_policy(struct belay_cache_policy *ret, const struct belay_cache_policy *given,
                       struct belay_error *error)
{
    int rc = bl_options_resolve(ret, sizeof *ret, given, NULL, 0, error);

    if (rc < 0)
        bl_error_prefix(error, "policy");
    return rc;
}

int belay_cache_open(struct belay_loop *loop, const struct belay_cache_options *options,
                     struct belay_cache **ret_cache, struct belay_error *error)
{
    struct belay_cache_options o;
    struct belay_cache_policy policy;
    struct belay_cache *cache;
    int rc = bl_options_resolve(&o, sizeof o, options, bl_cache_options, bl_cache_options_n, error);

    if (rc == 0)
        rc = take_policy(&policy, o.policy, error);
    if (rc < 0)
        return rc;
    if (loop->closing)
        return bl_error_set(error, BELAY_ECLOSED, BELAY_STAGE_NONE,
                            "opening a cache: the loop is closed");
    cache = bl_zalloc(&loop->mem, sizeof *cache);
    if (!cache || bl_timer_init(&cache->timer, loop, bl_cache_on_timer, cache) < 0) {
        bl_free(&loop->mem, cache);
        return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE,
                            "opening a cache: out of memory");
    }
    bl_timer_stop(&cache->timer);
    bl_cache_table_init(&cache->table, &loop->mem, loop->hash_key);
    cache->loop = loop;
    cache->options = o;
    cache->options.policy = NULL;
    cache->policy = policy;
    cache->again_at = BELAY_NEVER;
    cache->refs = 1;
    bl_map_init(&cache->things, &loop->mem, loop->hash_key);
    bl_list_init(&cache->parcels);
    bl_list_init(&cache->watchers);
    bl_task_init(&cache->run, bl_cache_run, cache);
    bl_object_init(&cache->object, loop, "cache", close_object);
    cache->object.network_changed = change_network;
    BL_TRACE(loop, "cache", cache->object.id, "", NULL, "open", "");
    *ret_cache = cache;
    return 0;
}

void belay_cache_close_all(struct belay_cache *cache)
{
    if (cache)
        condemn_all(cache, BELAY_REASON_CLEARED);
}

/* The cache stays until that is done. */
static void tell_late(struct belay_cache *cache)
{
    if (!cache->telling)
        belay_cache_ref(cache);
    cache->telling = true;
    bl_task_post(cache->loop, &cache->run);
}

void belay_cache_close(struct belay_cache *cache, belay_fn *on_closed, void *arg)
{
    if (!cache || (cache->ended && !on_closed))
        return;
    if (on_closed) {
        cache->on_closed = on_closed;
        cache->closed_arg = arg;
    }
    if (cache->ended) {
        tell_late(cache);
        return;
    }
    if (!cache->closed)
        BL_TRACE(cache->loop, "cache", cache->object.id, "", "open", "closing", "");
    cache->closed = true;
    condemn_all(cache, BELAY_REASON_POOL_CLOSED);
    bl_task_post(cache->loop, &cache->run);
}

struct belay_cache *belay_cache_ref(struct belay_cache *cache)
{
    if (cache)
        cache->refs++;
    return cache;
}

void belay_cache_unref(struct belay_cache *cache)
{
    if (!cache || --cache->refs > 0)
        return;
    BL_ASSERT(cache->ended); /* until then it holds one of its own */
    bl_free(&cache->loop->mem, cache);
}

bool belay_cache_is_closed(const struct belay_cache *cache)
{
    return cache->closed;
}

int belay_cache_close_finished(struct belay_cache *cache, belay_fn *fn, void *arg)
{
    return bl_watchers_add(&cache->watchers, cache->loop, cache->ended, fn, arg);
}

void bl_cache_ended(struct belay_cache *cache)
{
    belay_fn *on_closed = cache->on_closed;
    void *arg = cache->closed_arg;

    cache->telling = false;
    cache->on_closed = NULL;
    belay_cache_unref(cache);
    on_closed(arg);
}

void bl_cache_end(struct belay_cache *cache)
{
    struct belay_loop *loop = cache->loop;
    belay_fn *on_closed = cache->on_closed;
    void *arg = cache->closed_arg;
    struct bl_list watchers;

    BL_ASSERT(cache->things.count == 0);
    BL_TRACE(loop, "cache", cache->object.id, "", "closing", NULL, "");
    cache->ended = true;
    cache->on_closed = NULL;
    bl_list_init(&watchers);
    bl_list_splice(&watchers, &cache->watchers);
    bl_task_cancel(&cache->run);
    bl_timer_fini(&cache->timer, loop);
    bl_object_fini(&cache->object, loop);
    belay_cache_unref(cache);
    if (on_closed)
        on_closed(arg);
    bl_watchers_tell(&watchers);
}

/* ---- what is known ---- */

void belay_cache_entry_facts(const struct belay_cache_entry *e, struct belay_cache_facts *facts)
{
    struct belay_cache_facts f = {.size = sizeof f};
    struct bl_cache_group *shelf = e->home;
    size_t size = facts->size < sizeof f ? facts->size : sizeof f;

    f.state = (enum belay_cache_state)e->state;
    f.owner = e->owner;
    f.found = e->found;
    if (shelf) {
        struct belay_loop *loop = BL_CONTAINER(shelf->table, struct belay_cache, table)->loop;

        bl_cache_key_read(shelf->key, shelf->endpoint, &f.peer, &f.binding);
        f.alike = shelf->n - (e->at == shelf);
        if (e->state == BELAY_CACHE_INACTIVE)
            f.idle_ms = (int64_t)((bl_now(loop) - e->since) / 1000000u);
    }
    e->ops->describe(e, &f);
    memcpy(facts, &f, size);
    memcpy(facts, &size, sizeof size);
}

const struct belay_cache_entry *belay_cache_next(const struct belay_cache *cache,
                                                 const struct belay_cache_entry *e)
{
    const struct bl_list *all = &cache->table.inactive;
    const struct bl_list *next = e ? e->age.next : all->next;

    return next == all ? NULL : bl_cache_by_age(next);
}

const struct belay_cache_entry *belay_cache_older(const struct belay_cache_entry *e)
{
    if (e->state != BELAY_CACHE_INACTIVE || e->place.next == &e->at->entries)
        return NULL;
    return bl_cache_by_place(e->place.next);
}

void belay_cache_get_stats(const struct belay_cache *cache, struct belay_cache_stats *stats)
{
    struct belay_cache_stats s = cache->stats;
    size_t size = stats->size < sizeof s ? stats->size : sizeof s;

    s.active = cache->table.active_n;
    s.inactive = cache->table.inactive_n;
    s.closing = cache->table.closing_n + cache->leaving;
    s.owners = (uint32_t)cache->table.owners.count;
    s.peers = (uint32_t)cache->table.shelves.count;
    memcpy(stats, &s, size);
    memcpy(stats, &size, sizeof size);
}

/* In the words of options, so that they may be given back. */
void belay_cache_get_options(const struct belay_cache *cache, struct belay_cache_options *options)
{
    size_t size = options->size < sizeof *options ? options->size : sizeof *options;
    struct belay_cache_options o = cache->options;

    bl_options_express(&o, bl_cache_options, bl_cache_options_n);
    memcpy(options, &o, size);
    memcpy(options, &size, sizeof size);
}
