/* SPDX-License-Identifier: MIT */
/* --exec: a command in place of standard input and output. */
#ifndef CLI_PIPE_EXEC_H
#define CLI_PIPE_EXEC_H

#include <stdbool.h>
#include <sys/types.h>

#include "text.h"

struct pipe_exec {
    pid_t pid; /* 0: none */
    int from;  /* its output is our input */
    int to;    /* its input */
};

/* Runs it by sh. */
bool pipe_exec_start(struct pipe_exec *exec, const char *command, struct complaint *why);
/* It has read all: its input ends. */
void pipe_exec_end_input(struct pipe_exec *exec);
/* Waits for its end; who does not end is sent SIGTERM, then SIGKILL. Its wait status. */
int pipe_exec_wait(struct pipe_exec *exec);

#endif
