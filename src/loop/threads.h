/* SPDX-License-Identifier: MIT */
/*
 * What other threads touch: the inbox of posts and finished works, the calls of threads that sleep
 * in bl_wait, and the wish to stop. Everything else of a loop is its own thread's alone.
 */
#ifndef BL_LOOP_THREADS_H
#define BL_LOOP_THREADS_H

#include <stdatomic.h>

#include "loop/loop.h"
#include "loop/sys_thread.h"

struct bl_loop_threads {
    uintptr_t owner;
    atomic_bool mail;  /* the inbox is not empty */
    atomic_bool calls; /* `asked` or `cancels` is not empty */
    atomic_bool stop;  /* belay_loop_stop */
    atomic_uint open;  /* calls in `asked`, `started` or `cancels`: a reason to go on turning */

    struct bl_mutex lock; /* of what follows, up to `taken` */
    struct bl_cond left;  /* sleepers became 0 */
    unsigned sleepers;    /* threads inside bl_wait, which may still have to wake up */
    struct bl_list inbox;
    struct bl_list asked, started, cancels; /* struct bl_parked, each in one until it is done */
    unsigned runners;                       /* who turns the loop, see bl_wait in loop.h */
    bool closed;                            /* takes nothing more */
    bool ended;                             /* the backend is going: no more wake-ups */

    struct bl_list taken; /* the part of the inbox that this turn runs; the loop's thread only */
    struct bl_workers workers;
    bool workers_made;
};

int bl_threads_new(struct belay_loop *loop);
void bl_threads_free(struct belay_loop *loop); /* waits until the last sleeper has left */

/* What runs in a turn is what had come when it began: posting in a turn means the next one. */
void bl_threads_take(struct belay_loop *loop);
bool bl_threads_run(struct belay_loop *loop); /* whether there was something */

/* From now on posts and waits give BELAY_ECLOSED. */
void bl_threads_refuse(struct belay_loop *loop);
/* Joins the workers; afterwards no thread wakes the backend. */
void bl_threads_shut(struct belay_loop *loop);

static inline bool bl_threads_pending(const struct bl_loop_threads *t)
{
    return atomic_load_explicit(&t->mail, memory_order_acquire) ||
           atomic_load_explicit(&t->calls, memory_order_acquire) || !bl_list_empty(&t->taken);
}

static inline bool bl_threads_here(const struct belay_loop *loop)
{
    return bl_thread_self() == loop->threads->owner;
}

/* wait.c */
void bl_waits_serve(struct belay_loop *loop);
void bl_waits_enter(struct belay_loop *loop);  /* somebody runs the loop */
void bl_waits_leave(struct belay_loop *loop);  /* the last releases all: BELAY_ENOTRUNNING */
void bl_waits_refuse(struct belay_loop *loop); /* those not started yet get BELAY_ECLOSED */
void bl_waits_end(struct belay_loop *loop, int result);

extern const struct belay_offload bl_sys_offload;

#endif
