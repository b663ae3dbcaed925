/* SPDX-License-Identifier: MIT */
/*
 * What failed lately: addresses and proxies that are to be tried last for a while. One memory per
 * loop, bounded; when it is full or there is no memory the oldest, or nothing, is remembered.
 */
#ifndef BL_NET_FAILURES_H
#define BL_NET_FAILURES_H

#include "belay/addr.h"
#include "loop/loop.h"

#define BL_FAILURE_MS  60000 /* how long it is remembered */
#define BL_FAILURE_MAX 1024  /* how many */

/* Any bytes may be the key: of an address, of a proxy. */
void bl_failure_note(struct belay_loop *loop, const void *key, size_t len);
void bl_failure_clear(struct belay_loop *loop, const void *key, size_t len);
bool bl_failure_is(struct belay_loop *loop, const void *key, size_t len);
void bl_failures_forget(struct belay_loop *loop); /* the network is another one */

/* The same for addresses, port included. */
void bl_failure_note_addr(struct belay_loop *loop, const struct belay_addr *addr);
void bl_failure_clear_addr(struct belay_loop *loop, const struct belay_addr *addr);
/* Those that failed go last; otherwise the order is kept. */
void bl_failure_sort(struct belay_loop *loop, struct belay_addr *addrs, size_t n);

#endif
