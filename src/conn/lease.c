/* SPDX-License-Identifier: MIT */
/*
 * Leases: { table, slot, generation } that resolve or are stale. A slot's generation is odd while
 * it is out, so a zeroed lease is never valid. Slots of one connection are chained, for revoking.
 */
#include "conn/lease.h"

#include "conn/conn.h"

struct slot {
    uint32_t generation; /* odd: out */
    uint32_t next, prev; /* out: the connection's other leases; free: next free */
    struct bl_lessor *lessor;
};

struct belay_lease_table {
    struct belay_loop *loop;
    struct slot *slots;
    uint32_t n, capacity;
    uint32_t free; /* BL_NO_SLOT when none */
};

static void table_free(struct belay_loop *loop, void *ptr)
{
    struct belay_lease_table *t = ptr;

    bl_free(&loop->mem, t->slots);
    bl_free(&loop->mem, t);
}

static struct belay_lease_table *table_of(struct belay_loop *loop)
{
    struct belay_lease_table *t = loop->rooms[BL_ROOM_CONN].ptr;

    if (BL_LIKELY(t != NULL))
        return t;
    t = bl_zalloc(&loop->mem, sizeof *t);
    if (!t)
        return NULL;
    t->loop = loop;
    t->free = BL_NO_SLOT;
    loop->rooms[BL_ROOM_CONN].ptr = t;
    loop->rooms[BL_ROOM_CONN].free = table_free;
    return t;
}

static int grow(struct belay_lease_table *t)
{
    uint32_t capacity = t->capacity ? t->capacity * 2 : 64;
    struct slot *slots = bl_realloc(&t->loop->mem, t->slots, capacity * sizeof *slots);

    if (!slots)
        return BELAY_ENOMEM;
    for (uint32_t i = capacity; i-- > t->capacity;) {
        slots[i] = (struct slot){.next = t->free};
        t->free = i;
    }
    t->slots = slots;
    t->capacity = capacity;
    return 0;
}

void bl_lessor_init(struct bl_lessor *lessor, const struct bl_lease_owner_ops *ops, void *owner,
                    struct belay_conn *conn)
{
    lessor->ops = ops;
    lessor->owner = owner;
    lessor->conn = conn;
    lessor->first = BL_NO_SLOT;
    lessor->leases = 0;
}

int bl_lease_reserve(struct belay_loop *loop)
{
    struct belay_lease_table *t = table_of(loop);

    return BL_UNLIKELY(!t || (t->free == BL_NO_SLOT && grow(t) < 0)) ? BELAY_ENOMEM : 0;
}

int bl_lease_give(struct belay_loop *loop, struct bl_lessor *lessor, struct belay_lease *ret)
{
    struct belay_lease_table *t;
    struct slot *s;
    uint32_t i;

    if (BL_UNLIKELY(bl_lease_reserve(loop) < 0))
        return BELAY_ENOMEM;
    t = loop->rooms[BL_ROOM_CONN].ptr;
    i = t->free;
    s = &t->slots[i];
    t->free = s->next;
    s->generation++;
    s->lessor = lessor;
    s->prev = BL_NO_SLOT;
    s->next = lessor->first;
    if (s->next != BL_NO_SLOT)
        t->slots[s->next].prev = i;
    lessor->first = i;
    lessor->leases++;
    *ret = (struct belay_lease){.table = t, .slot = i, .generation = s->generation};
    return 0;
}

static void end_slot(struct belay_lease_table *t, uint32_t i)
{
    struct slot *s = &t->slots[i];

    if (s->prev != BL_NO_SLOT)
        t->slots[s->prev].next = s->next;
    else
        s->lessor->first = s->next;
    if (s->next != BL_NO_SLOT)
        t->slots[s->next].prev = s->prev;
    s->lessor->leases--;
    s->lessor = NULL;
    s->generation++;
    s->next = t->free;
    t->free = i;
}

void bl_lease_revoke(struct belay_loop *loop, struct bl_lessor *lessor)
{
    while (lessor->first != BL_NO_SLOT)
        end_slot(loop->rooms[BL_ROOM_CONN].ptr, lessor->first);
}

struct belay_lease bl_lease_none(void)
{
    return (struct belay_lease){0};
}

static struct bl_lessor *resolve(struct belay_lease lease)
{
    if (!lease.table || lease.slot >= lease.table->capacity ||
        lease.table->slots[lease.slot].generation != lease.generation || !(lease.generation & 1))
        return NULL;
    return lease.table->slots[lease.slot].lessor;
}

int belay_lease_release(struct belay_lease lease, enum belay_release how)
{
    struct bl_lessor *lessor = resolve(lease);

    if (!lessor)
        return BELAY_ESTALE;
    end_slot(lease.table, lease.slot);
    lessor->ops->release(lessor->conn, how, lessor->owner);
    return 0;
}

bool belay_lease_valid(struct belay_lease lease)
{
    return resolve(lease) != NULL;
}

struct belay_conn *belay_lease_conn(struct belay_lease lease)
{
    struct bl_lessor *lessor = resolve(lease);
    return lessor ? lessor->conn : NULL;
}

struct belay_stream *belay_lease_stream(struct belay_lease lease)
{
    struct bl_lessor *lessor = resolve(lease);
    return lessor ? belay_conn_stream(lessor->conn) : NULL;
}

void *belay_lease_state(struct belay_lease lease)
{
    struct bl_lessor *lessor = resolve(lease);
    return lessor ? belay_conn_state(lessor->conn) : NULL;
}

int belay_lease_take(struct belay_lease lease, struct belay_stream **ret_stream)
{
    struct bl_lessor *lessor = resolve(lease);

    if (!lessor)
        return BELAY_ESTALE;
    if (lessor->leases > 1)
        return BELAY_EAGAIN;
    if (!belay_conn_stream(lessor->conn))
        return BELAY_ENOTSUP;
    end_slot(lease.table, lease.slot);
    return lessor->ops->take(lessor->conn, ret_stream, lessor->owner);
}
