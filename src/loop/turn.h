/* SPDX-License-Identifier: MIT */
/* Between the files of the loop: one turn, and what runs in it. */
#ifndef BL_LOOP_TURN_H
#define BL_LOOP_TURN_H

#include "loop/loop.h"

enum { BL_TURN_GONE = 1 }; /* the loop ended and was freed */

/* One turn of a loop of belay's own: 0, BL_TURN_GONE or the backend's error. Negative: no time
 * limit. */
int bl_turn(struct belay_loop *loop, int64_t timeout_ns);

/* Whether belay_loop_run has something to wait for. */
bool bl_loop_alive(const struct belay_loop *loop);

bool bl_timers_run(struct belay_loop *loop); /* those that are due; whether one fired */
bool bl_tasks_run(struct belay_loop *loop);  /* those posted before; whether there was one */
bool bl_flushes_run(struct belay_loop *loop);

/* The caller's timers and watches: stopped when the loop closes, freed when it ends. */
void bl_user_timers_stop(struct belay_loop *loop);
void bl_user_timers_free(struct belay_loop *loop);
void bl_user_watches_stop(struct belay_loop *loop);
void bl_user_watches_free(struct belay_loop *loop);

/* Closing, in steps: whether all is gone that must go first; then the rest, which frees the loop.
 */
bool bl_loop_may_end(const struct belay_loop *loop);
void bl_loop_end(struct belay_loop *loop);

/* Effective options and world; strings are copies in the loop's memory. */
int bl_loop_take_options(struct belay_loop *loop, const struct belay_loop_options *given,
                         struct belay_error *error);
int bl_loop_take_world(struct belay_loop *loop, const struct belay_world *world,
                       struct belay_error *error);

#endif
