/* SPDX-License-Identifier: MIT */
/* Base64 (RFC 4648, section 4: the alphabet with "+" and "/"). Pure. */
#ifndef BL_WIRE_BASE64_H
#define BL_WIRE_BASE64_H

#include "base/span.h"

/* Characters of `len` bytes, with padding and without; no NUL. */
#define BL_BASE64_LEN(len)      (((len) + 2) / 3 * 4)
#define BL_BASE64_UNPADDED(len) ((len) / 3 * 4 + ((len) % 3 * 4 + 2) / 3)
/* Bytes that `chars` characters may stand for, at most. */
#define BL_BASE64_BYTES_MAX(chars) (((chars) + 3) / 4 * 3)

/*
 * Writes BL_BASE64_LEN(len), or without `padded` BL_BASE64_UNPADDED(len), characters and no NUL;
 * returns how many. `data` may be the last `len` of BL_BASE64_LEN(len) bytes at `out`.
 */
size_t bl_base64_write(const void *data, size_t len, bool padded, char *out);

/*
 * Reads `text`, padded fully or not at all, into `out`, which has room for BL_BASE64_BYTES_MAX.
 * False when it is no base64: another character, a blank included, or a length that cannot be. Bits
 * past the last byte are ignored.
 */
bool bl_base64_read(struct bl_span text, void *out, size_t *ret_len);

#endif
