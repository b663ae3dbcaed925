/* SPDX-License-Identifier: MIT */
/* Keys of the terminal, read as they come. */
#include "keys.h"

#include <unistd.h>

static void on_readable(unsigned events, void *arg)
{
    struct keys *k = arg;
    char keys[64];
    ssize_t n = read(0, keys, sizeof keys);

    (void)events;
    if (n <= 0) {
        belay_watch_set(k->watch, 0);
        return;
    }
    if (keys[0] == '\033') /* an arrow, say, is none of ours */
        return;
    for (ssize_t i = 0; i < n; i++)
        k->fn(keys[i], k->arg);
}

void keys_watch(struct keys *k, struct belay_loop *loop, keys_fn *fn, void *arg)
{
    k->fn = fn;
    k->arg = arg;
    if (isatty(0))
        belay_watch_new(loop, 0, BELAY_READABLE, on_readable, k, &k->watch);
}

void keys_unwatch(struct keys *k)
{
    belay_watch_free(k->watch);
    k->watch = NULL;
}
