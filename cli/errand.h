/* SPDX-License-Identifier: MIT */
/* Commands that run beside the loop: `sh -c`, in a process group of their own, for so long and no
 * longer. */
#ifndef CLI_ERRAND_H
#define CLI_ERRAND_H

#include "belay/loop.h"
#include "text.h"

struct errand;

/* Beyond the program's own environment; `value` may be "". */
struct errand_variable {
    const char *name, *value;
};

/* The status as waitpid gives it; `late`: the time was up, and it was killed. The errand is gone. */
typedef void errand_done_fn(int status, bool late, void *arg);

/*
 * Starts `sh -c command` with nothing to read; what it writes goes to standard error, or with
 * `silent` nowhere. fn runs once, later. NULL, and why, where it could not be started.
 */
struct errand *errand_start(struct belay_loop *loop, const char *command,
                            const struct errand_variable *variables, size_t variables_n,
                            bool silent, int64_t limit_ms, errand_done_fn *fn, void *arg,
                            struct complaint *why);
/* Kills it, and waits for its end; fn does not run. NULL is fine. */
void errand_kill(struct errand *errand);

/* "ended with status 3", "was killed by SIGSEGV" */
const char *errand_describe(char out[64], int status);

/* A program in place of this one, with its signals as they were; returns the status of the failure,
 * which has been said. */
int errand_become(char **argv);

#endif
