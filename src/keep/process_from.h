/* SPDX-License-Identifier: MIT */
/*
 * Who awaits something of a process: a reply, or a state. Calls have a slot in the loop's table as
 * well, which is what a struct belay_from points at: it is answered by any thread, once, and stale
 * from then on. One lock guards all of it; the table lives as long as its loop.
 */
#ifndef BL_KEEP_PROCESS_FROM_H
#define BL_KEEP_PROCESS_FROM_H

#include "base/list.h"
#include "belay/process.h"
#include "loop/sys_thread.h"

/* Those who await something of one process. */
struct bl_awaits {
    struct bl_list calls, states;
    bool ended; /* nothing will come any more */
};

/* One of them; embedded in what knows how it is told. */
struct bl_await {
    struct bl_list link; /* in its process's calls or states */
    struct belay_from_table *table;
    uint32_t slot; /* of a call */
    bool call;
    bool waits;                               /* not answered, and not given up */
    int result;                               /* 0, or BELAY_ENOPROC */
    int32_t wanted;                           /* of a state */
    struct belay_message reply;               /* of a call: of whoever awaits it */
    void (*answered)(struct bl_await *await); /* once, by any thread, under the lock */
};

/* The loop's, made at need, on its thread; NULL without memory. */
struct belay_from_table *bl_from_table(struct belay_loop *loop);

/* ---- any thread ---- */

/* The table's lock, which guards the ties between processes as well (process_links.c). */
void bl_from_lock(struct belay_from_table *table);
void bl_from_unlock(struct belay_from_table *table);

void bl_awaits_init(struct bl_awaits *awaits);

/* From here on a reply may come; `answered` must be set. BELAY_ENOPROC, BELAY_ENOMEM. */
int bl_await_reply(struct belay_from_table *table, struct bl_awaits *awaits, struct bl_await *await,
                   struct belay_from *ret);
/* The same for a state; `now` is read under the lock: where it is what is wanted, it is answered. */
int bl_await_state(struct belay_from_table *table, struct bl_awaits *awaits, struct bl_await *await,
                   const _Atomic int32_t *now, int32_t wanted);
/* True: nothing was answered, nor will be. False: it has been. */
bool bl_await_give_up(struct bl_await *await);

/* The state is another one; those who want it are answered. */
void bl_awaits_set_state(struct belay_from_table *table, struct bl_awaits *awaits,
                         _Atomic int32_t *now, int32_t state);
/* The process has ended: all are answered, and whoever comes later is refused. */
void bl_awaits_end(struct belay_from_table *table, struct bl_awaits *awaits);

/* For a thread that sleeps until its await is answered. */
struct bl_sleeper {
    struct bl_await await;
    struct bl_cond wake;
};
/* Of a thread whose sleep can be interrupted; zero at first, under the lock. */
struct bl_nap {
    struct bl_sleeper *sleeper; /* it sleeps */
    bool interrupted;           /* and is not to */
};

int bl_sleeper_init(struct bl_sleeper *sleeper); /* BELAY_ENOMEM */
/*
 * Until then, or until `at_ns` of the kernel's monotonic clock: the await's result, or
 * BELAY_ETIMEDOUT, or BELAY_ECLOSED where `nap` (may be NULL) is interrupted. The await is over in
 * any case.
 */
int bl_sleeper_wait(struct bl_sleeper *sleeper, uint64_t at_ns, struct bl_nap *nap);
void bl_sleeper_fini(struct bl_sleeper *sleeper);

void bl_nap_interrupt(struct belay_from_table *table, struct bl_nap *nap);
void bl_nap_allow(struct belay_from_table *table, struct bl_nap *nap);

#endif
