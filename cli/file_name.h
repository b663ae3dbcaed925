/* SPDX-License-Identifier: MIT */
/* Names of files made from URLs. Pure. */
#ifndef CLI_FILE_NAME_H
#define CLI_FILE_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define FILE_NAME_MAX 200

/*
 * The last part of the URL's path, percent-escapes undone, made safe: no slash, no control
 * character, no bytes that are not UTF-8, no dot or dash in front, at most FILE_NAME_MAX - 1 bytes.
 * "index.html" when there is nothing.
 */
void file_name_of_url(const char *url, char out[FILE_NAME_MAX]);

/* The n-th alternative, for one that is taken: "name.1"; n 0 is the name itself. */
void file_name_numbered(const char *name, unsigned n, char *out, size_t size);

#endif
