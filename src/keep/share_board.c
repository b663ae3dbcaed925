/* SPDX-License-Identifier: MIT */
/*
 * The board of a group: where a thread looks for a parked connection when it has none of its own.
 * The loop alone writes it; who reads it may miss one that is being moved, and asks the loop then.
 */
#include "keep/share_parts.h"

#define FIRST 16u

static struct bl_board *board_of(const struct bl_group *g)
{
    return atomic_load_explicit(&g->board, memory_order_relaxed);
}

static uint32_t count(const struct bl_board *b)
{
    return b ? atomic_load_explicit(&b->n, memory_order_relaxed) : 0;
}

static void set(struct bl_board *b, uint32_t i, struct bl_thread_slot *slot)
{
    atomic_store_explicit(&b->slots[i], slot, memory_order_release);
}

static struct bl_thread_slot *get(struct bl_board *b, uint32_t i)
{
    return atomic_load_explicit(&b->slots[i], memory_order_relaxed);
}

static struct bl_board *grow(struct bl_group *g)
{
    struct bl_board *old = board_of(g), *b;
    uint32_t capacity = old ? old->capacity * 2 : FIRST, n = count(old);

    b = bl_zalloc(&g->peer->loop->mem, sizeof *b + capacity * sizeof b->slots[0]);
    if (!b)
        return NULL;
    b->older = old;
    b->capacity = capacity;
    for (uint32_t i = 0; i < n; i++)
        set(b, i, get(old, i));
    atomic_store_explicit(&b->n, n, memory_order_relaxed);
    atomic_store_explicit(&g->board, b, memory_order_release);
    return b;
}

int bl_board_put(struct bl_group *g, struct bl_loan *loan)
{
    struct bl_board *b = board_of(g);
    uint32_t n = count(b);

    if (!b || n == b->capacity)
        b = grow(g);
    if (!b)
        return BELAY_ENOMEM;
    set(b, n, loan->slot);
    atomic_store_explicit(&b->n, n + 1, memory_order_release);
    loan->place = n;
    return 0;
}

/* The last one takes its place. */
void bl_board_remove(struct bl_group *g, struct bl_loan *loan)
{
    struct bl_board *b = board_of(g);
    uint32_t last = count(b) - 1;
    struct bl_thread_slot *moved = get(b, last);
    struct bl_pool_conn *c = moved->owner;

    set(b, loan->place, moved);
    c->loan.place = loan->place;
    atomic_store_explicit(&b->n, last, memory_order_release);
}

void bl_board_free(struct bl_group *g)
{
    struct bl_board *b = board_of(g);

    while (b) {
        struct bl_board *older = b->older;

        bl_free(&g->peer->loop->mem, b);
        b = older;
    }
}
