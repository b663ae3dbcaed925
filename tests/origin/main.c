/* SPDX-License-Identifier: MIT */
/* belay-origin: start-up. */
#include "origin.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static void die_with_parent(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1); /* it died before the request was made */
    }
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    pid_t parent = getppid();
    options_parse(argc, argv);
    if (opt.parent_death) {
        die_with_parent(parent);
    }
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    tls_open();
    log_open();
    loop_open();
    listen_all();
    return loop_run();
}
