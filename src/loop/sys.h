/* SPDX-License-Identifier: MIT */
/* The defaults of the world: what the kernel and libuv give. */
#ifndef BL_LOOP_SYS_H
#define BL_LOOP_SYS_H

#include "belay/world.h"

struct belay_loop;

extern const struct belay_clock bl_sys_clock;
extern const struct belay_random bl_sys_random;
extern const struct belay_transport bl_sys_transport;

uint64_t bl_sys_monotonic_ns(void);

/* A point in the loop's time as one of the kernel's monotonic clock; they differ where the clock is
 * replaced. */
uint64_t bl_sys_monotonic_of(struct belay_loop *loop, uint64_t at_ns);
/* Whether the loop's clock is the kernel's. */
bool bl_sys_clock_is_system(const struct belay_loop *loop);

/*
 * The libuv backend, on the caller's uv_loop_t or with NULL on its own. Its state is the loop's
 * memory and is freed by `detach`. BELAY_ENOMEM, BELAY_EMFILE, BELAY_EOS.
 */
int bl_backend_uv_new(struct belay_loop *loop, void *uv_loop, struct belay_backend *ret);

#endif
