/* SPDX-License-Identifier: MIT */
/* Users and passwords: out of URLs, and into Basic credentials (RFC 7617). What is no longer needed
 * is wiped. */
#ifndef BL_WIRE_CREDENTIALS_H
#define BL_WIRE_CREDENTIALS_H

#include "base/buf.h"
#include "base/mem.h"
#include "base/span.h"

/* A part of a URL with its %XX undone, terminated; *ret_len may count NULs inside. NULL: no memory.
 */
char *bl_unescape(struct bl_mem *mem, struct bl_span text, size_t *ret_len);

/* Appends `text` to `out`, what is not plain as %XX. BELAY_ENOMEM. */
int bl_escape(struct bl_buf *out, struct bl_mem *mem, struct bl_span text,
              bool (*is_plain)(char c));

/* Letters, digits and "-._~": what stands for itself in every part of a URL (RFC 3986, 2.3). */
bool bl_is_unreserved(char c);

/* "Basic ...", the value of Authorization and Proxy-Authorization. NULL: no memory. */
char *bl_basic_credentials(struct bl_mem *mem, struct bl_span user, struct bl_span password);

/* Overwrites and frees `len` bytes; NULL is fine. */
void bl_free_secret(struct bl_mem *mem, char *secret, size_t len);

#endif
