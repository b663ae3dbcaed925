/* SPDX-License-Identifier: MIT */
/* --exec: a command in place of standard input and output. */
#include "pipe_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 2000 /* before each of the signals */

/* In the child: nothing but what may be called between fork and exec. */
static void become(const char *command, int in, int out)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    dup2(in, 0);
    dup2(out, 1);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

bool pipe_exec_start(struct pipe_exec *exec, const char *command, struct complaint *why)
{
    int to[2] = {-1, -1}, from[2] = {-1, -1};

    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0 || (exec->pid = fork()) < 0) {
        complain(why, "running --exec: %s", strerror(errno));
        exec->pid = 0;
        for (int i = 0; i < 2; i++) {
            close(to[i]);
            close(from[i]);
        }
        return false;
    }
    if (exec->pid == 0)
        become(command, to[0], from[1]);
    close(to[0]);
    close(from[1]);
    exec->to = to[1];
    exec->from = from[0];
    return true;
}

void pipe_exec_end_input(struct pipe_exec *exec)
{
    if (exec->pid && exec->to >= 0)
        close(exec->to);
    exec->to = -1;
}

int pipe_exec_wait(struct pipe_exec *exec)
{
    static const int signals[] = {0, SIGTERM, SIGKILL};
    struct pollfd end = {.events = POLLIN};
    int status = 0;

    pipe_exec_end_input(exec);
    close(exec->from);
    end.fd = pidfd_open(exec->pid, 0);
    for (int i = 0; end.fd >= 0 && i < 3; i++) {
        if (signals[i])
            kill(exec->pid, signals[i]);
        if (poll(&end, 1, PATIENCE_MS) > 0)
            break;
    }
    while (waitpid(exec->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (end.fd >= 0)
        close(end.fd);
    exec->pid = 0;
    return status;
}
