/* SPDX-License-Identifier: MIT */
/* Ends the process when an invariant of belay's own is broken. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void bl_assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "belay: broken invariant: %s (%s:%d)\n", what, file, line);
    abort();
}
