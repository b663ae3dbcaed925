/* SPDX-License-Identifier: MIT */
/* One timer per connection, in a binary heap by time. */
#include "origin.h"

#include <limits.h>
#include <stdlib.h>

static struct conn **heap; /* heap[1] is the earliest */
static size_t used, space;

static void put(size_t at, struct conn *c)
{
    heap[at] = c;
    c->timer_slot = at;
}

static void sift_up(size_t at, struct conn *c)
{
    while (at > 1 && heap[at / 2]->timer_at > c->timer_at) {
        put(at, heap[at / 2]);
        at /= 2;
    }
    put(at, c);
}

static void sift_down(size_t at, struct conn *c)
{
    for (;;) {
        size_t child = at * 2;
        if (child > used) {
            break;
        }
        if (child < used && heap[child + 1]->timer_at < heap[child]->timer_at) {
            child++;
        }
        if (heap[child]->timer_at >= c->timer_at) {
            break;
        }
        put(at, heap[child]);
        at = child;
    }
    put(at, c);
}

void timer_clear(struct conn *c)
{
    size_t at = c->timer_slot;
    if (at == 0) {
        return;
    }
    c->timer_slot = 0;
    struct conn *last = heap[used--];
    if (last == c) {
        return;
    }
    if (at > 1 && heap[at / 2]->timer_at > last->timer_at) {
        sift_up(at, last);
    } else {
        sift_down(at, last);
    }
}

void timer_set(struct conn *c, uint64_t in_ms)
{
    timer_clear(c);
    if (used + 1 >= space) {
        size_t more = space ? space * 2 : 64;
        struct conn **p = realloc(heap, more * sizeof(*p));
        if (!p) {
            die("out of memory");
        }
        heap = p;
        space = more;
    }
    c->timer_at = loop.now_ms + (in_ms ? in_ms : 1); /* never due in the turn that set it */
    sift_up(++used, c);
}

struct conn *timer_due(void)
{
    if (used == 0 || heap[1]->timer_at > loop.now_ms) {
        return NULL;
    }
    struct conn *c = heap[1];
    timer_clear(c);
    return c;
}

int timer_wait_ms(void)
{
    if (used == 0) {
        return -1;
    }
    if (heap[1]->timer_at <= loop.now_ms) {
        return 0;
    }
    uint64_t wait = heap[1]->timer_at - loop.now_ms;
    return wait > INT_MAX ? INT_MAX : (int)wait;
}
