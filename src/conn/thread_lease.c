/* SPDX-License-Identifier: MIT */
/*
 * Leases that any thread may release. A slot is
 *
 *     home      even            with the loop, or on its way there by mail
 *     out       odd             leased
 *     recalled  odd, RECALLED   leased; its release sends it home (REVOKED: and is refused)
 *     parked    even, PARKED    free for the threads
 *
 *     home --lend--> out --release--> parked --try--> out
 *                     |                  |
 *                     | recall           | take, recall
 *                     v                  v
 *                  recalled --release--> home
 *
 * Every arrow but `lend` is one compare-and-swap of one word. So a release happens once however
 * many call it; the loop that wants a connection back either has it now or is sent it; and a wake-up
 * cannot be lost between the two, as there is no second word to disagree with the first. Releasing
 * touches nothing but the slot and, on the way home, the loop's inbox: both live as long as the
 * loop, whatever becomes of the pool meanwhile.
 *
 * Slots lie in chunks that double in size and never move. The generation comes round after 2^31
 * uses of a slot.
 */
#include "conn/thread_lease.h"

#include "conn/conn.h"

#define FIRST  64u /* slots in the first chunk; each has twice as many as the one before */
#define CHUNKS 20u

struct bl_thread_table {
    struct belay_lease_table head; /* of capacity 0: lease.c finds nothing in it, and asks here */
    _Atomic(struct bl_thread_slot *) chunks[CHUNKS];
    void *memory[CHUNKS]; /* of the chunks, before they were aligned */
    uint32_t chunks_n;
    struct bl_thread_slot *free; /* linked by `owner` */
};

static struct bl_thread_slot *slot_at(struct bl_thread_table *t, uint32_t index)
{
    uint32_t n = index / FIRST + 1;
    uint32_t i = 31 - (uint32_t)__builtin_clz(n);
    struct bl_thread_slot *chunk;

    if (BL_UNLIKELY(i >= CHUNKS))
        return NULL;
    chunk = atomic_load_explicit(&t->chunks[i], memory_order_acquire);
    return BL_LIKELY(chunk) ? chunk + (index - FIRST * ((1u << i) - 1)) : NULL;
}

static struct bl_thread_table *table_of(struct belay_loop *loop)
{
    struct belay_lease_table *own = bl_lease_table(loop);
    struct bl_thread_table *t;

    if (!own || own->threads)
        return own ? own->threads : NULL;
    t = bl_zalloc(&loop->mem, sizeof *t);
    if (t)
        t->head = (struct belay_lease_table){.loop = loop, .free = BL_NO_SLOT, .threads = t};
    own->threads = t;
    return t;
}

void bl_thread_table_free(struct belay_loop *loop, struct bl_thread_table *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; i < t->chunks_n; i++)
        bl_free(&loop->mem, t->memory[i]);
    bl_free(&loop->mem, t);
}

static void come_home(struct bl_mail *mail, struct belay_loop *loop)
{
    struct bl_thread_slot *slot = BL_CONTAINER(mail, struct bl_thread_slot, mail);

    (void)loop;
    slot->home(slot, slot->broken);
}

static int grow(struct bl_thread_table *t)
{
    uint32_t i = t->chunks_n, n = FIRST << i, first = FIRST * ((1u << i) - 1);
    struct bl_thread_slot *chunk;
    uintptr_t at;

    if (i == CHUNKS)
        return BELAY_ENOMEM;
    t->memory[i] = bl_zalloc(&t->head.loop->mem, (n + 1) * sizeof *chunk);
    if (!t->memory[i])
        return BELAY_ENOMEM;
    at = ((uintptr_t)t->memory[i] + BL_SLOT_SIZE - 1) & ~(uintptr_t)(BL_SLOT_SIZE - 1);
    chunk = (struct bl_thread_slot *)at;
    for (uint32_t k = n; k-- > 0;) {
        chunk[k].table = &t->head;
        chunk[k].index = first + k;
        chunk[k].mail.run = come_home;
        bl_list_init(&chunk[k].mail.link);
        chunk[k].owner = t->free;
        t->free = &chunk[k];
    }
    atomic_store_explicit(&t->chunks[i], chunk, memory_order_release);
    t->chunks_n++;
    return 0;
}

int bl_thread_slot_new(struct belay_loop *loop, struct belay_conn *conn, void *owner,
                       void (*home)(struct bl_thread_slot *slot, bool broken),
                       struct bl_thread_slot **ret)
{
    struct bl_thread_table *t = table_of(loop);
    struct bl_thread_slot *slot;

    if (!t || (!t->free && grow(t) < 0))
        return BELAY_ENOMEM;
    slot = t->free;
    t->free = slot->owner;
    atomic_store_explicit(&slot->conn, conn, memory_order_relaxed);
    slot->owner = owner;
    slot->home = home;
    *ret = slot;
    return 0;
}

static uint64_t word_of(const struct bl_thread_slot *slot)
{
    return atomic_load_explicit(&slot->word, memory_order_acquire);
}

static bool is_out(uint64_t word)
{
    return BL_SLOT_GENERATION(word) & 1;
}

static uint64_t next_generation(uint64_t word, uint32_t flags)
{
    return (uint64_t)(BL_SLOT_GENERATION(word) + 1) << 32 | flags;
}

static bool swap(struct bl_thread_slot *slot, uint64_t *word, uint64_t next)
{
    return atomic_compare_exchange_strong_explicit(&slot->word, word, next, memory_order_acq_rel,
                                                   memory_order_acquire);
}

void bl_thread_slot_free(struct bl_thread_slot *slot)
{
    struct bl_thread_table *t;

    if (!slot)
        return;
    BL_ASSERT(!is_out(word_of(slot)) && !(word_of(slot) & BL_SLOT_PARKED));
    t = slot->table->threads;
    atomic_store_explicit(&slot->group, NULL, memory_order_relaxed);
    atomic_store_explicit(&slot->conn, NULL, memory_order_relaxed);
    slot->owner = t->free;
    t->free = slot;
}

void bl_thread_slot_lend(struct bl_thread_slot *slot, void *group, bool recalled,
                         struct belay_lease *ret)
{
    uint64_t word = word_of(slot);
    uint64_t next = next_generation(word, recalled ? BL_SLOT_RECALLED : 0);

    BL_ASSERT(!is_out(word) && !(word & BL_SLOT_PARKED));
    atomic_store_explicit(&slot->group, group, memory_order_relaxed);
    atomic_store_explicit(&slot->word, next, memory_order_release);
    bl_thread_slot_lease(slot, next, ret);
}

bool bl_thread_slot_take(struct bl_thread_slot *slot)
{
    uint64_t word = word_of(slot);

    return (word & BL_SLOT_PARKED) && swap(slot, &word, word & ~(uint64_t)BL_SLOT_PARKED);
}

bool bl_thread_slot_recall(struct bl_thread_slot *slot, bool revoke)
{
    uint32_t flags = BL_SLOT_RECALLED | (revoke ? BL_SLOT_REVOKED : 0);
    uint64_t word = word_of(slot);

    do {
        if (word & BL_SLOT_PARKED) {
            if (swap(slot, &word, word & ~(uint64_t)BL_SLOT_PARKED))
                return true;
        } else if (!is_out(word) || swap(slot, &word, word | flags)) {
            return false; /* it is on its way already, or will be */
        }
    } while (true);
}

/* ---- any thread ---- */

struct bl_thread_slot *bl_thread_slot_of(struct belay_lease lease)
{
    return (lease.generation & 1) ? slot_at(lease.table->threads, lease.slot) : NULL;
}

int bl_thread_lease_release(struct belay_lease lease, enum belay_release how)
{
    struct bl_thread_slot *slot = bl_thread_slot_of(lease);
    uint64_t word, next;

    if (BL_UNLIKELY(!slot))
        return BELAY_ESTALE;
    word = word_of(slot);
    do {
        if (BL_UNLIKELY(BL_SLOT_GENERATION(word) != lease.generation))
            return BELAY_ESTALE;
        next = next_generation(
            word, how == BELAY_REUSE && !(word & BL_SLOT_RECALLED) ? BL_SLOT_PARKED : 0);
    } while (!swap(slot, &word, next));
    if (BL_UNLIKELY(!(next & BL_SLOT_PARKED))) {
        slot->broken = how != BELAY_REUSE;
        bl_mail_post(lease.table->loop, &slot->mail);
    }
    return word & BL_SLOT_REVOKED ? BELAY_ESTALE : 0;
}

static bool is_of(const struct bl_thread_slot *slot, struct belay_lease lease)
{
    uint64_t word = word_of(slot);

    return BL_SLOT_GENERATION(word) == lease.generation && !(word & BL_SLOT_REVOKED);
}

/* Another thread may give it back meanwhile: what was read counts if the lease still stands. */
struct belay_conn *bl_thread_lease_conn(struct belay_lease lease)
{
    struct bl_thread_slot *slot = bl_thread_slot_of(lease);
    struct belay_conn *conn;

    if (!slot || !is_of(slot, lease))
        return NULL;
    conn = atomic_load_explicit(&slot->conn, memory_order_acquire);
    return is_of(slot, lease) ? conn : NULL;
}
