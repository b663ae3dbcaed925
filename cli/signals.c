/* SPDX-License-Identifier: MIT */
/* Signals as events of the loop. */
#include "signals.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "say.h"

static void on_signal(unsigned events, void *arg)
{
    struct signals *s = arg;
    struct signalfd_siginfo info;

    (void)events;
    if (read(s->fd, &info, sizeof info) == (ssize_t)sizeof info)
        s->fn((int)info.ssi_signo, s->arg);
}

bool signals_watch(struct signals *s, struct belay_loop *loop, const int *numbers, signals_fn *fn,
                   void *arg)
{
    struct sigaction action;

    s->fn = fn;
    s->arg = arg;
    sigemptyset(&s->set);
    for (; *numbers; numbers++)
        if (sigaction(*numbers, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&s->set, *numbers);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &s->set, NULL);
    s->fd = signalfd(-1, &s->set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->fd < 0 || belay_watch_new(loop, s->fd, BELAY_READABLE, on_signal, s, &s->watch) < 0) {
        say("starting: watching for signals: %s", strerror(errno));
        return false;
    }
    return true;
}

void signals_unwatch(struct signals *s)
{
    belay_watch_free(s->watch);
    s->watch = NULL;
    if (s->fd < 0)
        return;
    close(s->fd);
    s->fd = -1;
    sigprocmask(SIG_UNBLOCK, &s->set, NULL);
}

void signals_stop_self(const struct signals *s)
{
    sigset_t one;

    sigemptyset(&one);
    sigaddset(&one, SIGTSTP);
    kill(getpid(), SIGTSTP);
    sigprocmask(SIG_UNBLOCK, &one, NULL); /* it stops here */
    sigprocmask(SIG_BLOCK, &s->set, NULL);
}
