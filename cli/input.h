/* SPDX-License-Identifier: MIT */
/*
 * What is read before anything is asked: files of URLs, bodies, uploads. "-" is standard input.
 */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include <sys/types.h>

#include "client_options.h"

/* A file's name for a sentence: "-" is standard input. */
const char *input_name(const char *path, char shown[TEXT_SHOWN_MAX]);

#define INPUT_MAX ((size_t)1 << 30) /* of what is held in memory */

/* The whole file. `what` is what is being done: "reading URLs". */
bool input_read(const char *path, const char *what, struct bytes *ret, struct complaint *why);

/*
 * Adds the URLs of -i to o->urls, with the lines they came from: they point into *ret, which holds
 * all files. A line is a URL; blank ones and those that begin with # are left out.
 */
bool input_urls(struct client_options *o, struct bytes *ret, struct complaint *why);

/* The body that -d and --data-binary make. */
bool input_data(const struct client_options *o, struct bytes *ret, struct complaint *why);

/* Opens -T; *ret_size is -1 when it is not a regular file, and its bytes can be had only once. */
bool input_upload(const char *path, int *ret_fd, off_t *ret_size, struct complaint *why);

#endif
