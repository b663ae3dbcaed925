/* SPDX-License-Identifier: MIT */
/* Base64 (RFC 4648). Pure. */
#ifndef CLI_BASE64_H
#define CLI_BASE64_H

#include <stdbool.h>

#include "memory.h"

/* Characters of `len` bytes, without the NUL. */
#define BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* `out` has BASE64_LEN(len) + 1 characters. */
void base64_write(const void *data, size_t len, char *out);

/* Adds what the text stands for: of either alphabet, with or without "=" at the end, blanks left out.
 * False: it is not base64. */
bool base64_read(const char *text, size_t len, struct bytes *ret);

#endif
