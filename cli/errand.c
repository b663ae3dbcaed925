/* SPDX-License-Identifier: MIT */
/* Commands that run beside the loop. */
#include "errand.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "say.h"

extern char **environ;

struct errand {
    struct belay_loop *loop;
    pid_t pid;
    int fd; /* of the process: readable when it has ended */
    struct belay_watch *watch;
    struct belay_timer *timer;
    bool late;
    errand_done_fn *fn;
    void *arg;
};

/* ---- the environment ---- */

static bool is_variable(const char *entry, const struct errand_variable *v)
{
    size_t len = strlen(v->name);

    return strncmp(entry, v->name, len) == 0 && entry[len] == '=';
}

static bool is_replaced(const char *entry, const struct errand_variable *variables, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_variable(entry, &variables[i]))
            return true;
    return false;
}

static char *make_entry(const struct errand_variable *v)
{
    size_t size = strlen(v->name) + strlen(v->value) + 2;
    char *entry = memory_get(size, 1);

    snprintf(entry, size, "%s=%s", v->name, v->value);
    return entry;
}

/* Its first `n` entries are to be freed. */
static char **make_environment(const struct errand_variable *variables, size_t n)
{
    size_t own = 0, at = n;
    char **all;

    while (environ[own])
        own++;
    all = memory_get(own + n + 1, sizeof *all);
    for (size_t i = 0; i < n; i++)
        all[i] = make_entry(&variables[i]);
    for (size_t i = 0; i < own; i++)
        if (!is_replaced(environ[i], variables, n))
            all[at++] = environ[i];
    return all;
}

static void free_environment(char **all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(all[i]);
    free(all);
}

/* ---- starting ---- */

static int launch(const char *command, char **env, bool silent, pid_t *ret)
{
    char *argv[] = {"sh", "-c", (char *)(uintptr_t)command, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t set;
    int rc;

    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (silent) {
        posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
        posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    } else {
        posix_spawn_file_actions_adddup2(&files, 2, 1);
    }
    sigemptyset(&set);
    posix_spawnattr_setsigmask(&attr, &set);
    sigaddset(&set, SIGPIPE);
    posix_spawnattr_setsigdefault(&attr, &set);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                        POSIX_SPAWN_SETPGROUP);
    rc = posix_spawn(ret, "/bin/sh", &files, &attr, argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return rc;
}

static void let_go(struct errand *s)
{
    belay_watch_free(s->watch);
    belay_timer_free(s->timer);
    if (s->fd >= 0)
        close(s->fd);
    free(s);
}

static void reap(struct errand *s, int *status)
{
    while (waitpid(s->pid, status, 0) < 0 && errno == EINTR)
        ;
}

static void on_ended(unsigned events, void *arg)
{
    struct errand *s = arg;
    errand_done_fn *fn = s->fn;
    void *fn_arg = s->arg;
    bool late = s->late;
    int status = 0;

    (void)events;
    reap(s, &status);
    let_go(s);
    fn(status, late, fn_arg);
}

static void on_limit(void *arg)
{
    struct errand *s = arg;

    s->late = true;
    kill(-s->pid, SIGKILL);
}

struct errand *errand_start(struct belay_loop *loop, const char *command,
                            const struct errand_variable *variables, size_t variables_n,
                            bool silent, int64_t limit_ms, errand_done_fn *fn, void *arg,
                            struct complaint *why)
{
    struct errand *s = memory_get(1, sizeof *s);
    char **env = make_environment(variables, variables_n);
    int rc = launch(command, env, silent, &s->pid);

    free_environment(env, variables_n);
    s->loop = loop;
    s->fn = fn;
    s->arg = arg;
    s->fd = rc == 0 ? pidfd_open(s->pid, 0) : -1;
    if (rc == 0 && s->fd < 0)
        rc = errno;
    if (rc == 0 && (fcntl(s->fd, F_SETFD, FD_CLOEXEC) < 0 ||
                    belay_watch_new(loop, s->fd, BELAY_READABLE, on_ended, s, &s->watch) < 0 ||
                    belay_timer_new(loop, on_limit, s, &s->timer) < 0))
        rc = ENOMEM;
    if (rc == 0) {
        belay_timer_start(s->timer, limit_ms);
        return s;
    }
    complain(why, "%s", strerror(rc));
    if (s->pid > 0)
        errand_kill(s);
    else
        let_go(s);
    return NULL;
}

void errand_kill(struct errand *s)
{
    int status;

    if (!s)
        return;
    kill(-s->pid, SIGKILL);
    reap(s, &status);
    let_go(s);
}

const char *errand_describe(char out[64], int status)
{
    const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;

    if (name)
        snprintf(out, 64, "was killed by SIG%s", name);
    else if (WIFSIGNALED(status))
        snprintf(out, 64, "was killed by signal %d", WTERMSIG(status));
    else
        snprintf(out, 64, "ended with status %d", WEXITSTATUS(status));
    return out;
}

int errand_become(char **argv)
{
    char shown[TEXT_SHOWN_MAX];
    int why;

    signal(SIGPIPE, SIG_DFL);
    execvp(argv[0], argv);
    why = errno;
    say("running %s: %s", text_show(shown, sizeof shown, argv[0]), strerror(why));
    return why == ENOENT ? 127 : 126;
}
