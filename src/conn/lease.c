/* SPDX-License-Identifier: MIT */
/*
 * Leases: { table, slot, generation } that resolve or are stale. A slot's generation is odd while
 * it is out, so a zeroed lease is never valid; giving and ending each add one.
 */
#include "conn/lease.h"

#include "conn/conn.h"
#include "conn/thread_lease.h"
#include "conn/thread_loan.h"

static void table_free(struct belay_loop *loop, void *ptr)
{
    struct belay_lease_table *t = ptr;

    bl_thread_table_free(loop, t->threads);
    bl_free(&loop->mem, t->slots);
    bl_free(&loop->mem, t);
}

struct belay_lease_table *bl_lease_table(struct belay_loop *loop)
{
    struct belay_lease_table *t = loop->rooms[BL_ROOM_CONN].ptr;

    if (t)
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
    struct bl_lease_slot *slots = bl_realloc(&t->loop->mem, t->slots, capacity * sizeof *slots);

    if (!slots)
        return BELAY_ENOMEM;
    for (uint32_t i = capacity; i-- > t->capacity;) {
        slots[i] = (struct bl_lease_slot){.next = t->free};
        t->free = i;
    }
    t->slots = slots;
    t->capacity = capacity;
    return 0;
}

static int reserve(struct belay_loop *loop)
{
    struct belay_lease_table *t = bl_lease_table(loop);

    return !t || (t->free == BL_NO_SLOT && grow(t) < 0) ? BELAY_ENOMEM : 0;
}

/* A free slot; there is one. */
static uint32_t slot_take(struct belay_lease_table *t, struct bl_lessor *lessor)
{
    uint32_t i = t->free;

    BL_ASSERT(i != BL_NO_SLOT);
    t->free = t->slots[i].next;
    t->slots[i].lessor = lessor;
    t->slots[i].next = t->slots[i].prev = BL_NO_SLOT;
    return i;
}

static void slot_free(struct belay_lease_table *t, uint32_t i)
{
    t->slots[i].lessor = NULL;
    t->slots[i].next = t->free;
    t->free = i;
}

int bl_lessor_init(struct bl_lessor *lessor, struct belay_loop *loop,
                   const struct bl_lease_owner_ops *ops, void *owner, struct belay_conn *conn)
{
    if (reserve(loop) < 0)
        return BELAY_ENOMEM;
    lessor->ops = ops;
    lessor->owner = owner;
    lessor->conn = conn;
    lessor->more = BL_NO_SLOT;
    lessor->leases = 0;
    lessor->shared = false;
    lessor->slot = slot_take(bl_lease_table(loop), lessor);
    return 0;
}

void bl_lessor_fini(struct bl_lessor *lessor, struct belay_loop *loop)
{
    if (!lessor->ops)
        return;
    bl_lease_revoke(loop, lessor);
    slot_free(bl_lease_table(loop), lessor->slot);
    lessor->ops = NULL;
}

int bl_lease_reserve(struct belay_loop *loop)
{
    return reserve(loop);
}

int bl_lease_give_more(struct belay_loop *loop, struct bl_lessor *lessor, struct belay_lease *ret)
{
    struct belay_lease_table *t = bl_lease_table(loop);
    uint32_t i;

    if (reserve(loop) < 0)
        return BELAY_ENOMEM;
    i = slot_take(t, lessor);
    t->slots[i].next = lessor->more;
    if (lessor->more != BL_NO_SLOT)
        t->slots[lessor->more].prev = i;
    lessor->more = i;
    lessor->leases++;
    *ret = (struct belay_lease){.table = t, .slot = i, .generation = ++t->slots[i].generation};
    return 0;
}

static void unchain(struct belay_lease_table *t, struct bl_lessor *lessor, uint32_t i)
{
    struct bl_lease_slot *s = &t->slots[i];

    if (s->prev != BL_NO_SLOT)
        t->slots[s->prev].next = s->next;
    else
        lessor->more = s->next;
    if (s->next != BL_NO_SLOT)
        t->slots[s->next].prev = s->prev;
    slot_free(t, i);
}

static inline void end(struct belay_lease_table *t, struct bl_lessor *lessor, uint32_t i)
{
    t->slots[i].generation++;
    lessor->leases--;
    if (BL_UNLIKELY(i != lessor->slot))
        unchain(t, lessor, i);
}

void bl_lease_revoke(struct belay_loop *loop, struct bl_lessor *lessor)
{
    struct belay_lease_table *t = loop->rooms[BL_ROOM_CONN].ptr;

    while (lessor->more != BL_NO_SLOT)
        end(t, lessor, lessor->more);
    if (t->slots[lessor->slot].generation & 1)
        end(t, lessor, lessor->slot);
}

struct belay_lease bl_lease_none(void)
{
    return (struct belay_lease){0};
}

static inline struct bl_lessor *resolve(struct belay_lease lease)
{
    if (BL_UNLIKELY(!lease.table || !(lease.generation & 1) ||
                    lease.slot >= lease.table->capacity ||
                    lease.table->slots[lease.slot].generation != lease.generation))
        return NULL;
    return lease.table->slots[lease.slot].lessor;
}

/* What resolves in no loop's table may be a thread's: they cost the loop's own nothing. */
static bool is_threads(struct belay_lease lease)
{
    return lease.table && lease.table->capacity == 0 && lease.table->threads;
}

BL_SELDOM static int release_elsewhere(struct belay_lease lease, enum belay_release how)
{
    return is_threads(lease) ? bl_thread_lease_release(lease, how) : BELAY_ESTALE;
}

int belay_lease_release(struct belay_lease lease, enum belay_release how)
{
    struct bl_lessor *lessor = resolve(lease);

    if (BL_UNLIKELY(!lessor))
        return release_elsewhere(lease, how);
    if (BL_UNLIKELY(lessor->shared) && how == BELAY_REUSE)
        return 0;
    end(lease.table, lessor, lease.slot);
    lessor->ops->release(lessor->conn, how, lessor->owner);
    return 0;
}

static inline struct belay_conn *conn_of(struct belay_lease lease)
{
    struct bl_lessor *lessor = resolve(lease);

    if (BL_UNLIKELY(!lessor))
        return is_threads(lease) ? bl_thread_lease_conn(lease) : NULL;
    return lessor->conn;
}

bool belay_lease_valid(struct belay_lease lease)
{
    return conn_of(lease) != NULL;
}

struct belay_conn *belay_lease_conn(struct belay_lease lease)
{
    return conn_of(lease);
}

struct belay_stream *belay_lease_stream(struct belay_lease lease)
{
    struct belay_conn *conn = conn_of(lease);
    return conn ? belay_conn_stream(conn) : NULL;
}

void *belay_lease_state(struct belay_lease lease)
{
    struct belay_conn *conn = conn_of(lease);
    return conn ? belay_conn_state(conn) : NULL;
}

int belay_lease_take(struct belay_lease lease, struct belay_stream **ret_stream)
{
    struct bl_lessor *lessor = resolve(lease);

    if (!lessor)
        return is_threads(lease) && bl_thread_lease_conn(lease) ? BELAY_ENOTSUP : BELAY_ESTALE;
    if (lessor->leases > 1 || bl_thread_loans_out(lessor->conn))
        return BELAY_EAGAIN;
    if (!belay_conn_stream(lessor->conn))
        return BELAY_ENOTSUP;
    end(lease.table, lessor, lease.slot);
    return lessor->ops->take(lessor->conn, ret_stream, lessor->owner);
}
