/* SPDX-License-Identifier: MIT */
/* The one descriptor that tells a foreign loop when to turn this one. */
#ifndef BL_LOOP_NEST_H
#define BL_LOOP_NEST_H

#include "loop/loop.h"

int bl_nest_new(struct belay_loop *loop); /* BELAY_ENOTSUP, BELAY_EMFILE, BELAY_ENOMEM, BELAY_EOS */
void bl_nest_free(struct belay_loop *loop);
int bl_nest_descriptor(const struct bl_nest *nest);

/* Something was changed outside a turn: readable until bl_nest_clear, which each turn begins with.
 */
void bl_nest_signal(struct bl_nest *nest);
void bl_nest_clear(struct bl_nest *nest);
/* At the end of a turn. */
void bl_nest_set_deadline(struct bl_nest *nest, struct belay_loop *loop);

#endif
