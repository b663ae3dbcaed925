/* SPDX-License-Identifier: MIT */
/* What to try, for an error of the library's. Pure. */
#ifndef CLI_HINTS_H
#define CLI_HINTS_H

#include "belay/error.h"

/* " (--cacert FILE ...)", or "". `url` is what was asked for. */
const char *hint_for(const struct belay_error *error, const char *url);
/* The same for an answer: a forward proxy's 407 is one. */
const char *hint_for_status(int status);

#endif
