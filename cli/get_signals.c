/* SPDX-License-Identifier: MIT */
/* SIGINT and SIGTERM end a run of `belay get` with the summary of what was done. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "get.h"
#include "say.h"

static void on_signal(unsigned events, void *arg)
{
    struct get *g = arg;
    struct signalfd_siginfo info;

    (void)events;
    if (read(g->signals_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    g->interrupted_by = (int)info.ssi_signo;
    get_go_on(g);
}

/* A signal that was ignored when the program was started (nohup, a job in the background) stays
 * ignored. */
static void add_unless_ignored(sigset_t *set, int number)
{
    struct sigaction action;

    if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
        sigaddset(set, number);
}

bool get_signals_watch(struct get *g)
{
    sigset_t set;

    sigemptyset(&set);
    add_unless_ignored(&set, SIGINT);
    add_unless_ignored(&set, SIGTERM);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    g->signals_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (g->signals_fd < 0 ||
        belay_watch_new(g->loop, g->signals_fd, BELAY_READABLE, on_signal, g, &g->signals) < 0) {
        say("starting: watching for signals: %s", strerror(errno));
        return false;
    }
    return true;
}

void get_signals_unwatch(struct get *g)
{
    sigset_t set;

    belay_watch_free(g->signals);
    g->signals = NULL;
    if (g->signals_fd >= 0)
        close(g->signals_fd);
    g->signals_fd = -1;
    /* From here on a signal ends the program as it would any other. */
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}
