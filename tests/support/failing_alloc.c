/* SPDX-License-Identifier: MIT */
/* The counting allocator. Each block has a head that knows its size and whether it lives. */
#include "support/failing_alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIVE ((size_t)0x600db10c)
#define DEAD  ((size_t)0xdeadb10c)

struct head {
    _Alignas(max_align_t) size_t size;
    size_t mark;
};

static struct head *head_of(void *memory)
{
    struct head *head = (struct head *)memory - 1;

    if (head->mark != ALIVE) {
        fprintf(stderr, "failing_alloc: %p is not a live block\n", memory);
        abort();
    }
    return head;
}

static bool refuses(struct failing_alloc *f)
{
    size_t number = atomic_fetch_add(&f->calls, 1) + 1, from = atomic_load(&f->fail_from);

    if (from == 0 || number < from || number > atomic_load(&f->fail_to))
        return false;
    atomic_fetch_add(&f->failures, 1);
    return true;
}

static void raise_to(_Atomic size_t *peak, size_t value)
{
    size_t seen = atomic_load(peak);

    while (seen < value && !atomic_compare_exchange_weak(peak, &seen, value))
        ;
}

static void count_in(struct failing_alloc *f, size_t bytes)
{
    raise_to(&f->peak, atomic_fetch_add(&f->live, 1) + 1);
    raise_to(&f->peak_bytes, atomic_fetch_add(&f->live_bytes, bytes) + bytes);
}

static void count_out(struct failing_alloc *f, size_t bytes)
{
    atomic_fetch_sub(&f->live, 1);
    atomic_fetch_sub(&f->live_bytes, bytes);
}

/* Fresh memory holds no zeros, so that reading it before writing shows. */
static void *allocate(size_t bytes, void *arg)
{
    struct failing_alloc *f = arg;
    struct head *head;

    if (refuses(f) || bytes > SIZE_MAX - sizeof *head)
        return NULL;
    head = malloc(sizeof *head + bytes);
    if (!head)
        return NULL;
    memset(head + 1, 0xa5, bytes);
    head->size = bytes;
    head->mark = ALIVE;
    count_in(f, bytes);
    return head + 1;
}

static void look_for_secret(struct failing_alloc *f, const struct head *head)
{
    if (f->secret && memmem(head + 1, head->size, f->secret, strlen(f->secret)))
        atomic_fetch_add(&f->spilt, 1);
}

static void release(void *memory, void *arg)
{
    struct head *head;

    if (!memory)
        return;
    head = head_of(memory);
    count_out(arg, head->size);
    look_for_secret(arg, head);
    head->mark = DEAD;
    free(head);
}

/* Always moves, so that a pointer kept across it shows. */
static void *reallocate(void *memory, size_t bytes, void *arg)
{
    void *moved = allocate(bytes, arg);

    if (moved && memory) {
        size_t old = head_of(memory)->size;

        memcpy(moved, memory, old < bytes ? old : bytes);
        release(memory, arg);
    }
    return moved;
}

void failing_alloc_init(struct failing_alloc *f)
{
    memset(f, 0, sizeof *f);
    f->allocator.size = sizeof f->allocator;
    f->allocator.allocate = allocate;
    f->allocator.reallocate = reallocate;
    f->allocator.release = release;
    f->allocator.arg = f;
}

static void fail(struct failing_alloc *f, size_t n, bool onwards)
{
    size_t from = n ? atomic_load(&f->calls) + n : 0;

    atomic_store(&f->fail_to, onwards ? SIZE_MAX : from);
    atomic_store(&f->fail_from, from);
}

void failing_alloc_once(struct failing_alloc *f, size_t n)
{
    fail(f, n, false);
}

void failing_alloc_from(struct failing_alloc *f, size_t n)
{
    fail(f, n, true);
}
