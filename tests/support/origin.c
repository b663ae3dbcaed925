/* SPDX-License-Identifier: MIT */
/* The server as a child process. It tells its address on its standard output. */
#include "support/origin.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/test.h"

#define ARGS_MAX 24

extern char **environ;

static const char *must_have(const char *name)
{
    const char *value = getenv(name);

    if (!value)
        fail_msg("%s is not set: run the tests with ctest", name);
    return value;
}

static pid_t spawn(char *const argv[], int out)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int rc;

    posix_spawn_file_actions_init(&actions);
    if (out >= 0)
        posix_spawn_file_actions_adddup2(&actions, out, 1);
    rc = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0)
        fail_msg("%s: %s", argv[0], strerror(rc));
    return pid;
}

/* Lines until "ready"; the first address is ours. */
static void read_address(struct origin *o, int fd)
{
    FILE *in = fdopen(fd, "r");
    char line[256];

    assert_non_null(in);
    while (fgets(line, sizeof line, in) && strcmp(line, "ready\n") != 0) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "listening ", 10) == 0 && !o->base[0])
            snprintf(o->base, sizeof o->base, "%.100s", line + 10);
    }
    fclose(in);
    if (!o->base[0])
        fail_msg("belay-origin did not start");
    if (strrchr(o->base, ':'))
        o->port = atoi(strrchr(o->base, ':') + 1);
}

static void start(struct origin *o, const char *const first[], const char *const args[])
{
    char program[4096];
    char *argv[ARGS_MAX] = {program, (char *)(uintptr_t) "--parent-death"};
    int pipe_fds[2], n = 2;

    memset(o, 0, sizeof *o);
    snprintf(program, sizeof program, "%s/tests/origin/belay-origin",
             must_have("BELAY_BINARY_DIR"));
    for (; first && *first; first++)
        argv[n++] = (char *)(uintptr_t)*first;
    for (; args && *args; args++) {
        assert_true(n < ARGS_MAX - 1);
        argv[n++] = (char *)(uintptr_t)*args;
    }
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    o->pid = spawn(argv, pipe_fds[1]);
    close(pipe_fds[1]);
    read_address(o, pipe_fds[0]);
}

void origin_start(struct origin *o, const char *const args[])
{
    start(o, NULL, args);
}

void origin_start_tls(struct origin *o, const char *name, const char *const args[])
{
    char cert[64], key[64], cert_path[4200], key_path[4200];

    snprintf(cert, sizeof cert, "%.40s.pem", name);
    snprintf(key, sizeof key, "%.40s.key", name);
    snprintf(cert_path, sizeof cert_path, "%s", origin_cert(cert));
    snprintf(key_path, sizeof key_path, "%s", origin_cert(key));
    start(o, (const char *const[]){"--cert", cert_path, "--key", key_path, NULL}, args);
}

void origin_stop(struct origin *o, int signal)
{
    int status;

    if (o->pid <= 0)
        return;
    kill(o->pid, signal);
    waitpid(o->pid, &status, 0);
    o->pid = 0;
}

const char *origin_url(const struct origin *o, const char *path)
{
    static char urls[8][512];
    static unsigned next;
    char *url = urls[next++ % 8];

    snprintf(url, sizeof urls[0], "%s%s", o->base, path);
    return url;
}

/* ---- certificates ---- */

static char cert_dir[64];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void remove_certs(void)
{
    nftw(cert_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void make_certs(void)
{
    char script[4096];
    int status;
    pid_t pid;

    strcpy(cert_dir, "/tmp/belay-certs.XXXXXX");
    if (!mkdtemp(cert_dir))
        fail_msg("no directory for certificates");
    atexit(remove_certs);
    snprintf(script, sizeof script, "%s/tests/origin/make-certs", must_have("BELAY_SOURCE_DIR"));
    pid = spawn((char *const[]){script, cert_dir, NULL}, -1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

const char *origin_cert(const char *file)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];

    if (!cert_dir[0])
        make_certs();
    snprintf(path, sizeof paths[0], "%s/%.40s", cert_dir, file);
    return path;
}
