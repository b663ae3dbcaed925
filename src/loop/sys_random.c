/* SPDX-License-Identifier: MIT */
/* Randomness from the kernel. */
#include <errno.h>
#include <sys/random.h>

#include "base/assert.h"
#include "loop/sys.h"

static void random_fill(void *out, size_t bytes, void *arg)
{
    (void)arg;
    char *at = out;
    while (bytes > 0) {
        ssize_t n = getrandom(at, bytes, 0);
        if (n < 0) {
            BL_ASSERT(errno ==
                      EINTR); /* nothing else can be, and without it keys would be guessable */
            continue;
        }
        at += n;
        bytes -= (size_t)n;
    }
}

const struct belay_random bl_sys_random = {
    .size = sizeof(struct belay_random),
    .fill = random_fill,
};
