/* SPDX-License-Identifier: MIT */
/* Base64 (RFC 4648), to write it. Pure. */
#ifndef CLI_BASE64_H
#define CLI_BASE64_H

#include <stddef.h>

/* Characters of `len` bytes, without the NUL. */
#define BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* `out` has BASE64_LEN(len) + 1 characters. */
void base64_write(const void *data, size_t len, char *out);

#endif
