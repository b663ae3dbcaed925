/* SPDX-License-Identifier: MIT */
/*
 * What canonical keys are made of: a letter, a length, the bytes; so that no two lists of fields
 * have the same bytes. Secrets enter as an HMAC under a random key of the loop.
 */
#ifndef BL_CONN_KEY_H
#define BL_CONN_KEY_H

#include "base/buf.h"
#include "belay/addr.h"
#include "loop/loop.h"

/* BELAY_ENOMEM. */
int bl_key_put(struct bl_buf *key, struct bl_mem *mem, char letter, const void *data, size_t len);
/* NULL puts nothing. */
int bl_key_put_text(struct bl_buf *key, struct bl_mem *mem, char letter, const char *text);
int bl_key_put_addr(struct bl_buf *key, struct bl_mem *mem, char letter,
                    const struct belay_addr *addr);
/* Of a user and a password; the latter may be NULL. */
int bl_key_put_secret(struct bl_buf *key, struct belay_loop *loop, char letter, const char *user,
                      const char *password);

#endif
