/* SPDX-License-Identifier: MIT */
/*
 * Leaks: who was lent what, and when, in order of lending. The watch looks at the first alone: has
 * it come back it is forgotten, is it over the threshold it is told, else the timer waits for it.
 * What comes back is not looked for: a slot of the lease table has one record, which its next lease
 * takes over.
 */
#include "keep/pool_leaks.h"

#include "keep/pool.h"

struct bl_leak_record {
    struct belay_lease lease; /* generation 0: none */
    uint64_t since;
    const char *tag, *place;
    uint32_t next, prev;
};

static void on_timer(void *arg);

int bl_leaks_init(struct bl_leaks *l, struct belay_pool *pool)
{
    l->first = l->last = BL_NO_SLOT;
    return bl_timer_init(&l->timer, pool->loop, on_timer, pool);
}

void bl_leaks_fini(struct bl_leaks *l, struct belay_pool *pool)
{
    bl_timer_fini(&l->timer, pool->loop);
    bl_free(&pool->loop->mem, l->records);
    l->records = NULL;
    l->capacity = 0;
    l->first = l->last = BL_NO_SLOT;
}

static bool make_room(struct bl_leaks *l, struct bl_mem *mem, uint32_t slot)
{
    uint32_t capacity = l->capacity ? l->capacity : 16;
    struct bl_leak_record *records;

    if (slot < l->capacity)
        return true;
    while (capacity <= slot)
        capacity *= 2;
    records = bl_realloc(mem, l->records, capacity * sizeof *records);
    if (!records)
        return false;
    memset(records + l->capacity, 0, (capacity - l->capacity) * sizeof *records);
    l->records = records;
    l->capacity = capacity;
    return true;
}

static void unlink_record(struct bl_leaks *l, uint32_t slot)
{
    struct bl_leak_record *r = &l->records[slot];

    *(r->prev == BL_NO_SLOT ? &l->first : &l->records[r->prev].next) = r->next;
    *(r->next == BL_NO_SLOT ? &l->last : &l->records[r->next].prev) = r->prev;
    r->lease.generation = 0;
}

static uint64_t threshold(const struct belay_pool *pool)
{
    return pool->options.leak_threshold_ms == INT64_MAX ? BELAY_NEVER
                                                        : BL_MS(pool->options.leak_threshold_ms);
}

void bl_leaks_arm(struct belay_pool *pool)
{
    struct bl_leaks *l = &pool->leaks;
    uint64_t limit = threshold(pool);

    if (l->first == BL_NO_SLOT || limit == BELAY_NEVER)
        bl_timer_stop(&l->timer);
    else
        bl_timer_at(&l->timer, pool->loop, l->records[l->first].since + limit);
}

void bl_leaks_add(struct belay_pool *pool, struct belay_lease lease, const char *tag,
                  const char *place)
{
    struct bl_leaks *l = &pool->leaks;
    struct bl_leak_record *r;

    if (!make_room(l, &pool->loop->mem, lease.slot))
        return;
    r = &l->records[lease.slot];
    if (r->lease.generation)
        unlink_record(l, lease.slot);
    *r = (struct bl_leak_record){.lease = lease,
                                 .since = bl_pool_now(pool),
                                 .tag = tag,
                                 .place = place,
                                 .next = BL_NO_SLOT,
                                 .prev = l->last};
    *(l->last == BL_NO_SLOT ? &l->first : &l->records[l->last].next) = lease.slot;
    l->last = lease.slot;
    if (l->first == lease.slot)
        bl_leaks_arm(pool);
}

static void tell(struct belay_pool *pool, const struct bl_leak_record *r)
{
    struct belay_conn *conn = belay_lease_conn(r->lease);
    struct bl_pool_conn *c = bl_conn_extra(conn);
    struct belay_leak leak = {
        .size = sizeof leak,
        .lease = r->lease,
        .peer = bl_peer_of(c->pp.peer),
        .connection = belay_conn_id(conn),
        .tag = r->tag,
        .place = r->place,
        .held_ms = (int64_t)((bl_pool_now(pool) - r->since) / 1000000u),
    };

    c->pp.peer->stats.leaks++;
    bl_loop_log(pool->loop, "pool", BELAY_LOG_WARN,
                "a lease on %s has been held for %lld ms; acquired at %s, tag %s",
                bl_peer_name(leak.peer), (long long)leak.held_ms, r->place ? r->place : "?",
                r->tag ? r->tag : "none");
    if (pool->callbacks.on_leak)
        pool->callbacks.on_leak(&leak, pool->options.callbacks_arg);
}

static void on_timer(void *arg)
{
    struct belay_pool *pool = arg;
    struct bl_leaks *l = &pool->leaks;
    uint64_t limit = threshold(pool), now = bl_pool_now(pool);

    while (l->first != BL_NO_SLOT) {
        struct bl_leak_record r = l->records[l->first];
        bool out = belay_lease_valid(r.lease);

        if (out && (limit == BELAY_NEVER || now - r.since < limit))
            break;
        unlink_record(l, l->first);
        if (out)
            tell(pool, &r);
    }
    bl_leaks_arm(pool);
}
