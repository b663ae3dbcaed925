/* SPDX-License-Identifier: MIT */
/* Keys of the terminal as events of the loop. */
#ifndef CLI_KEYS_H
#define CLI_KEYS_H

#include "belay/loop.h"

typedef void keys_fn(char key, void *arg);

struct keys {
    struct belay_watch *watch; /* NULL: none are read */
    keys_fn *fn;
    void *arg;
};

/* Hands over each key, where the standard input is a terminal. */
void keys_watch(struct keys *k, struct belay_loop *loop, keys_fn *fn, void *arg);
void keys_unwatch(struct keys *k);

#endif
