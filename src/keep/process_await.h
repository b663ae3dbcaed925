/* SPDX-License-Identifier: MIT */
/*
 * Awaiting something of a process on the loop's thread, with a deadline: by callback. Embedded in
 * what is to be told, which is not on a stack: an answer may be on its way by mail when it is
 * cancelled. Whichever comes first, answer, deadline or cancel, is the only one.
 */
#ifndef BL_KEEP_PROCESS_AWAIT_H
#define BL_KEEP_PROCESS_AWAIT_H

#include "keep/process.h"

struct bl_loop_await {
    struct bl_await await;
    struct belay_process *process; /* a reference */
    struct bl_object object;       /* until it is over: what comes by mail needs the loop */
    struct bl_timer timer;
    struct bl_task task; /* answered on the loop's thread */
    struct bl_mail mail; /* answered by another */
    bool mailed;
    bool cancelled;
    /* 0 (the reply is in `await`), BELAY_ENOPROC or BELAY_ETIMEDOUT: in a later turn, once. It is
     * over, and may be freed. */
    void (*deliver)(struct bl_loop_await *a, int result);
    /* Cancelled, and over. NULL: nothing. */
    void (*dropped)(struct bl_loop_await *a);
};

/* Begins; one of the bl_loop_await_for functions, or bl_loop_await_end, follows. BELAY_ENOMEM. */
int bl_loop_await_init(struct bl_loop_await *a, struct belay_process *process, int64_t timeout_ms);
/* It comes to nothing: as if it had not been begun. */
void bl_loop_await_end(struct bl_loop_await *a);

/* The message is taken when it returns 0, and destroyed in any case that it was taken. Errors as
 * of bl_process_post; then it is ended. */
int bl_loop_await_for_reply(struct bl_loop_await *a, struct belay_message *message);
/* A process that has ended is an answer, too: it never fails. */
void bl_loop_await_for_state(struct bl_loop_await *a, enum belay_process_state state);

/* `deliver` never runs, `dropped` does: now, or when the answer has come that is on its way. A
 * reply that came is destroyed. */
void bl_loop_await_cancel(struct bl_loop_await *a);

/* ---- for those who block ---- */

/* Whether this thread may sleep until the process's thread answers, without the loop. */
bool bl_process_is_elsewhere(const struct belay_process *process);
/* When that is, of the kernel's monotonic clock. */
uint64_t bl_process_sleep_until(int64_t timeout_ms);

#endif
