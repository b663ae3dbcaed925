/* SPDX-License-Identifier: MIT */
/* Signals as events of the loop. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <signal.h>

#include "belay/loop.h"

typedef void signals_fn(int number, void *arg);

struct signals {
    sigset_t set;
    int fd; /* -1: none are watched */
    struct belay_watch *watch;
    signals_fn *fn;
    void *arg;
};

/*
 * Hands over each of `numbers` (ending with 0) that was not ignored when the program was started
 * (nohup, a job in the background). SIGPIPE is ignored from here on. False: errno, and it has said
 * so.
 */
bool signals_watch(struct signals *s, struct belay_loop *loop, const int *numbers, signals_fn *fn,
                   void *arg);
/* From here on a signal ends the program as it would any other. */
void signals_unwatch(struct signals *s);

/* Stops the program, as the signal it was sent would have, until it is told to go on. */
void signals_stop_self(const struct signals *s);

#endif
