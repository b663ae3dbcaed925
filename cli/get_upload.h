/* SPDX-License-Identifier: MIT */
/* Bodies that are read while they are sent: -T. The argument is the slot. */
#ifndef CLI_GET_UPLOAD_H
#define CLI_GET_UPLOAD_H

#include "get.h"

ptrdiff_t get_upload_read(void *out, size_t size, void *arg); /* a belay_http_read_fn */
int get_upload_rewind(void *arg);                             /* a belay_http_rewind_fn */

#endif
