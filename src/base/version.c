/* SPDX-License-Identifier: MIT */
/* The version of the library that is running, as opposed to that of the headers. */
#include "belay/base.h"

const char *belay_version(void)
{
    return BELAY_VERSION;
}
