/* SPDX-License-Identifier: MIT */
/*
 * A world for tests of the loop alone: time stands until the backend has nothing to do, then jumps
 * to the deadline or the limit of the turn; watches get the events that the test injects.
 */
#ifndef TEST_LOOP_FAKE_WORLD_H
#define TEST_LOOP_FAKE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/loop.h"

#define FAKE_WATCHES_MAX 16

struct fake_world {
    struct belay_loop *loop;
    struct belay_clock clock;
    struct belay_backend backend;
    struct belay_world world;
    uint64_t now_ns;
    uint64_t deadline_ns;
    unsigned clock_reads, deadlines_told, turns, detaches;
    bool slept; /* the last run had to wait for time to pass */
    struct {
        struct belay_backend_slot *slot;
        unsigned mask, ready;
    } watches[FAKE_WATCHES_MAX];
    int watch_fails; /* the next watch gives this */
};

/* Makes the loop too; `allocator` may be NULL. Time begins at one second. */
void fake_world_open(struct fake_world *w, const struct belay_allocator *allocator);
void fake_world_init(struct fake_world *w,
                     const struct belay_allocator *allocator); /* without it */
void fake_world_close(struct fake_world *w);
/* The watch of `fd` has these events in the next turn. */
void fake_world_ready(struct fake_world *w, int fd, unsigned events);
/* Turns without letting time pass, until nothing is to be done; a loop that spins fails. */
void fake_world_settle(struct fake_world *w);
/* Turns until that time has passed, and settles. */
void fake_world_pass(struct fake_world *w, int64_t ms);

#endif
