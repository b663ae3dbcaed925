/* SPDX-License-Identifier: MIT */
/* The places of a cache, and every move between them. */
#include "keep/cache_table.h"

void bl_cache_table_init(struct bl_cache_table *table, struct bl_mem *mem,
                         const uint64_t hash_key[2])
{
    memset(table, 0, sizeof *table);
    table->mem = mem;
    bl_map_init(&table->shelves, mem, hash_key);
    bl_map_init(&table->owners, mem, hash_key);
    bl_list_init(&table->active);
    bl_list_init(&table->inactive);
    bl_list_init(&table->closing);
}

/* ---- groups ---- */

static struct bl_cache_group *group_of(struct bl_map_node *node)
{
    return node ? BL_CONTAINER(node, struct bl_cache_group, node) : NULL;
}

static struct bl_map *map_of(struct bl_cache_table *table, bool is_shelf)
{
    return is_shelf ? &table->shelves : &table->owners;
}

static int group_get(struct bl_cache_table *table, bool is_shelf, const void *key, size_t len,
                     struct bl_cache_group **ret)
{
    struct bl_map *map = map_of(table, is_shelf);
    struct bl_cache_group *g = group_of(bl_map_find(map, key, len));

    if (!g) {
        g = bl_zalloc(table->mem, sizeof *g + len);
        if (!g)
            return BELAY_ENOMEM;
        memcpy(g->key, key, len);
        g->key_len = (uint32_t)len;
        g->table = table;
        g->is_shelf = is_shelf;
        bl_list_init(&g->entries);
        bl_list_init(&g->waits);
        if (bl_map_add(map, g->key, len, &g->node) < 0) {
            bl_free(table->mem, g);
            return BELAY_ENOMEM;
        }
    }
    *ret = bl_cache_group_hold(g);
    return 0;
}

int bl_cache_shelf_get(struct bl_cache_table *table, const void *key, size_t len,
                       struct belay_endpoint *endpoint, struct bl_cache_group **ret)
{
    int rc = group_get(table, true, key, len, ret);

    if (rc == 0 && endpoint && !(*ret)->endpoint)
        (*ret)->endpoint = belay_endpoint_ref(endpoint);
    return rc;
}

int bl_cache_owner_get(struct bl_cache_table *table, const void *owner, struct bl_cache_group **ret)
{
    return group_get(table, false, &owner, sizeof owner, ret);
}

struct bl_cache_group *bl_cache_shelf_find(const struct bl_cache_table *table, const void *key,
                                           size_t len)
{
    return group_of(bl_map_find(&table->shelves, key, len));
}

struct bl_cache_group *bl_cache_owner_find(const struct bl_cache_table *table, const void *owner)
{
    return group_of(bl_map_find(&table->owners, &owner, sizeof owner));
}

struct bl_cache_group *bl_cache_group_hold(struct bl_cache_group *g)
{
    g->holds++;
    return g;
}

void bl_cache_group_drop(struct bl_cache_group *g)
{
    if (!g || --g->holds > 0)
        return;
    BL_ASSERT(g->n == 0 && bl_list_empty(&g->waits));
    bl_map_remove(map_of(g->table, g->is_shelf), &g->node);
    belay_endpoint_unref(g->endpoint);
    bl_free(g->table->mem, g);
}

/* ---- entries ---- */

void bl_cache_entry_init(struct belay_cache_entry *e, const struct bl_cache_ops *ops)
{
    memset(e, 0, sizeof *e);
    e->ops = ops;
    bl_list_init(&e->place);
    bl_list_init(&e->age);
}

void bl_cache_entry_home(struct belay_cache_entry *e, struct bl_cache_group *shelf)
{
    struct bl_cache_group *former = e->home;

    e->home = shelf ? bl_cache_group_hold(shelf) : NULL;
    bl_cache_group_drop(former);
}

/* Out of the place where it is, whichever that is. Its group may go with it. */
static void lift(struct bl_cache_table *table, struct belay_cache_entry *e)
{
    struct bl_cache_group *from = e->at;

    table->active_n -= e->state == BELAY_CACHE_ACTIVE;
    table->inactive_n -= e->state == BELAY_CACHE_INACTIVE;
    table->closing_n -= e->state == BELAY_CACHE_CLOSING;
    bl_list_remove(&e->place);
    bl_list_remove(&e->age);
    e->state = BELAY_CACHE_UNKNOWN;
    e->at = NULL;
    if (from) {
        from->n--;
        bl_cache_group_drop(from);
    }
}

static void put(struct belay_cache_entry *e, struct bl_cache_group *group)
{
    e->at = bl_cache_group_hold(group);
    group->n++;
}

void bl_cache_to_owner(struct belay_cache_entry *e, struct bl_cache_group *owner)
{
    struct bl_cache_table *table = owner->table;

    BL_ASSERT(e->state != BELAY_CACHE_CLOSING && !owner->is_shelf);
    if (e->at == owner)
        return; /* it keeps its place in the order */
    bl_cache_group_hold(owner);
    lift(table, e);
    put(e, owner);
    bl_cache_group_drop(owner);
    memcpy(&e->owner, owner->key, sizeof e->owner);
    e->state = BELAY_CACHE_ACTIVE;
    bl_list_push_back(&owner->entries, &e->place);
    bl_list_push_back(&table->active, &e->age);
    table->active_n++;
}

void bl_cache_to_shelf(struct belay_cache_entry *e, uint64_t now)
{
    struct bl_cache_group *shelf = e->home;
    struct bl_cache_table *table = shelf->table;

    BL_ASSERT(e->state != BELAY_CACHE_CLOSING && shelf->is_shelf);
    lift(table, e); /* the shelf stays: it is held as its home */
    put(e, shelf);
    e->owner = NULL;
    e->since = now;
    e->state = BELAY_CACHE_INACTIVE;
    bl_list_push_front(&shelf->entries, &e->place);
    bl_list_push_back(&table->inactive, &e->age);
    table->inactive_n++;
}

void bl_cache_to_closing(struct belay_cache_entry *e, enum belay_reason reason)
{
    struct bl_cache_table *table;

    BL_ASSERT(e->state == BELAY_CACHE_ACTIVE || e->state == BELAY_CACHE_INACTIVE);
    table = e->at->table;
    lift(table, e);
    e->state = BELAY_CACHE_CLOSING;
    e->reason = (uint8_t)reason;
    bl_list_push_back(&table->closing, &e->place);
    table->closing_n++;
}

void bl_cache_leave(struct bl_cache_table *table, struct belay_cache_entry *e)
{
    lift(table, e);
    bl_cache_entry_home(e, NULL);
    e->owner = NULL;
}

/* ---- who is to go ---- */

static uint64_t end_of(const struct belay_cache_entry *e, uint64_t limit_ns)
{
    return limit_ns > BELAY_NEVER - e->since ? BELAY_NEVER : e->since + limit_ns;
}

uint64_t bl_cache_expires_at(const struct bl_cache_table *table, uint64_t limit_ns)
{
    const struct belay_cache_entry *e = bl_cache_by_age(bl_list_first(&table->inactive));

    return e ? end_of(e, limit_ns) : BELAY_NEVER;
}

struct belay_cache_entry *bl_cache_expired(const struct bl_cache_table *table, uint64_t limit_ns,
                                           uint64_t now)
{
    uint64_t end = bl_cache_expires_at(table, limit_ns);

    return end != BELAY_NEVER && now >= end ? bl_cache_by_age(bl_list_first(&table->inactive))
                                            : NULL;
}

struct belay_cache_entry *bl_cache_surplus(const struct bl_cache_table *table,
                                           const struct bl_cache_group *shelf, uint32_t shelf_max,
                                           uint32_t total_max)
{
    if (shelf && shelf->n > shelf_max)
        return bl_cache_by_place(bl_list_last(&shelf->entries));
    return table->inactive_n > total_max ? bl_cache_by_age(bl_list_first(&table->inactive)) : NULL;
}

/* ---- for tests ---- */

static uint32_t count(const struct bl_list *list)
{
    uint32_t n = 0;

    BL_LIST_EACH(node, list) n++;
    return n;
}

static uint32_t check_groups(const struct bl_map *map, bool are_shelves)
{
    uint32_t in_all = 0;

    for (struct bl_map_node *n = NULL; (n = bl_map_next(map, n));) {
        const struct bl_cache_group *g = group_of(n);

        BL_ASSERT(g->is_shelf == are_shelves && g->n == count(&g->entries) && g->holds >= g->n);
        BL_ASSERT(g->holds > 0);
        BL_LIST_EACH(node, &g->entries)
        {
            const struct belay_cache_entry *e = bl_cache_by_place(node);

            BL_ASSERT(e->at == g && (!are_shelves || e->home == g));
            BL_ASSERT(e->state == (are_shelves ? BELAY_CACHE_INACTIVE : BELAY_CACHE_ACTIVE));
        }
        in_all += g->n;
    }
    return in_all;
}

void bl_cache_table_check(const struct bl_cache_table *table)
{
    uint64_t since = 0;

    BL_ASSERT(check_groups(&table->shelves, true) == table->inactive_n);
    BL_ASSERT(check_groups(&table->owners, false) == table->active_n);
    BL_ASSERT(count(&table->active) == table->active_n);
    BL_ASSERT(count(&table->inactive) == table->inactive_n);
    BL_ASSERT(count(&table->closing) == table->closing_n);
    BL_LIST_EACH(node, &table->inactive)
    {
        const struct belay_cache_entry *e = bl_cache_by_age(node);

        BL_ASSERT(e->since >= since);
        since = e->since;
    }
    BL_LIST_EACH(node, &table->closing)
    {
        const struct belay_cache_entry *e = bl_cache_by_place(node);

        BL_ASSERT(e->state == BELAY_CACHE_CLOSING && !e->at && !bl_list_linked(&e->age));
    }
}
