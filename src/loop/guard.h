/* SPDX-License-Identifier: MIT */
/*
 * Guards: watches of descriptors that belong to somebody else, who uses them most of the time and
 * may close them then without a word. A guard tells once, when its descriptor is readable, and is
 * put on and to rest as often as one likes: where nothing has stirred that costs no system call.
 *
 * On belay's own backend all guards of a loop share an epoll of their own. A descriptor that was
 * closed leaves it by itself, and so its number, when it is another's, is neither watched by mistake
 * nor taken from libuv, which goes by numbers. On a backend of the caller's a guard is a watch, and
 * is ended when it rests.
 */
#ifndef BL_LOOP_GUARD_H
#define BL_LOOP_GUARD_H

#include "loop/loop.h"

struct bl_guard {
    struct belay_backend_slot slot; /* loop and fd; the watch on a backend of the caller's */
    belay_fn *fn;
    void *arg;
    uint32_t serial; /* of the last time that it was armed */
    bool on;         /* somebody wants to be told */
    bool added;      /* the epoll has had it */
    bool armed;      /* it will stir */
};

void bl_guard_init(struct bl_guard *guard, struct belay_loop *loop, belay_fn *fn, void *arg);
/* Another descriptor, or -1: none. The last one is left alone; it need not be open any more. */
void bl_guard_set_fd(struct bl_guard *guard, int fd);
static inline int bl_guard_fd(const struct bl_guard *guard)
{
    return guard->slot.fd;
}

/*
 * It tells from now on, and is at rest when it has told. BELAY_ECLOSED: the descriptor is no longer
 * what it was, or not open; BELAY_ENOMEM, BELAY_EMFILE, BELAY_EINVAL (it cannot be watched).
 */
int bl_guard_on(struct bl_guard *guard);
void bl_guard_rest(struct bl_guard *guard);
/* The next time that it is put on it finds out whether the descriptor is still what it was. */
void bl_guard_doubt(struct bl_guard *guard);
/* Whether it can be put on without a system call, and therefore without failing. */
static inline bool bl_guard_is_armed(const struct bl_guard *guard)
{
    return guard->armed;
}

/* When the loop ends. */
void bl_guards_free(struct belay_loop *loop);

#endif
