/* SPDX-License-Identifier: MIT */
/* Who watches for the end of a keeper's object without having asked for it (close_finished). */
#ifndef BL_CONN_WATCHERS_H
#define BL_CONN_WATCHERS_H

#include "base/list.h"
#include "loop/loop.h"

/* One more, to be told once; where it has `ended` already, in a later turn. BELAY_EINVAL (no fn),
 * BELAY_ENOMEM. */
int bl_watchers_add(struct bl_list *watchers, struct belay_loop *loop, bool ended, belay_fn *fn,
                    void *arg);
/* Tells those who are there, in their order; the object they watch may be gone after it. */
void bl_watchers_tell(struct bl_list *watchers);

#endif
