/* SPDX-License-Identifier: MIT */
/*
 * A connector that dials by itself, and an address of its own type: the address is a command, the
 * connection a running child with a socket for standard input and output. A link keeps one running:
 * it says a line to it, shows what comes back, and ends with the third. Status 1: nothing came.
 *
 *     connector 'read line; echo "$line, says $$"'
 */
#include <belay/link.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN 3

struct child {
    struct belay_conn *conn;
    struct belay_watch *watch;
    pid_t pid;
    int fd;
};

static size_t heard; /* bytes */

/* ---- the connector ---- */

static void print(const void *address, char *out, size_t size, void *arg)
{
    (void)arg;
    snprintf(out, size, "%s", (const char *)address);
}

static const struct belay_address_ops command_ops = {BELAY_SIZED(belay_address_ops),
                                                     .print = print};

static pid_t run(const char *command, int fd)
{
    pid_t pid = fork();

    if (pid == 0) {
        dup2(fd, 0);
        dup2(fd, 1);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void reap(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* A link's connection is in use all the time: that it has died is the connector's to see. */
static void on_readable(unsigned events, void *arg)
{
    struct child *child = arg;
    char text[512];
    ssize_t n = read(child->fd, text, sizeof text);

    (void)events;
    if (n > 0)
        heard += fwrite(text, 1, (size_t)n, stdout);
    else if (n == 0 || errno != EAGAIN)
        belay_conn_lost(child->conn, BELAY_REASON_NONE, NULL); /* `end` follows */
}

static void start(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    struct belay_error error = {.code = BELAY_EOS};
    struct child *child = calloc(1, sizeof *child);
    int fds[2] = {-1, -1};

    (void)arg;
    if (child && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0 &&
        (child->pid = run(belay_endpoint_address(endpoint), fds[1])) > 0 &&
        belay_watch_new(belay_conn_loop(conn), fds[0], BELAY_READABLE, on_readable, child,
                        &child->watch) == 0) {
        close(fds[1]);
        child->conn = conn;
        child->fd = fds[0];
        belay_conn_open_done(conn, child, 1); /* one user at a time */
        return;
    }
    snprintf(error.text, sizeof error.text, "running it: %s", strerror(errno));
    for (int i = 0; i < 2 && fds[i] >= 0; i++)
        close(fds[i]);
    if (child && child->pid > 0)
        reap(child->pid);
    free(child);
    belay_conn_open_failed(conn, &error);
}

static void end(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    struct child *child = belay_conn_state(conn);

    (void)reason, (void)arg;
    belay_watch_free(child->watch);
    close(child->fd);
    reap(child->pid);
    free(child);
    belay_conn_closed(conn);
}

static const struct belay_connector_ops child_ops = {BELAY_SIZED(belay_connector_ops),
                                                     .name = "child", .open = start, .close = end};

/* ---- its use ---- */

static void stop(void *loop)
{
    belay_loop_stop(loop);
}

static void on_event(struct belay_link *link, const struct belay_link_event *event, void *loop)
{
    static int ended;

    if (event->type == BELAY_LINK_CONNECTED) {
        struct child *child = belay_lease_state(event->lease);

        printf("runs: %s\n", belay_endpoint_name(event->address));
        if (write(child->fd, "hello\n", 6) < 0)
            belay_lease_release(event->lease, BELAY_BROKEN); /* the link starts the next */
    } else if (event->type == BELAY_LINK_FAILED_TO_CONNECT) {
        fprintf(stderr, "%s\n", event->error->text);
    } else if (event->type == BELAY_LINK_DISCONNECTED && ++ended == CHILDREN) {
        belay_link_close(link, stop, loop);
    }
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "read line; echo \"$line, says $$\"";
    struct belay_link_options options = belay_link_options_init();
    struct belay_endpoint *endpoint;
    struct belay_link *link;
    struct belay_error error;
    struct belay_loop *loop;

    signal(SIGPIPE, SIG_IGN); /* a child may have ended before it is written to */
    if (belay_loop_new(NULL, &loop, &error) < 0 ||
        belay_endpoint_new_address(loop, &command_ops, command, &endpoint) < 0)
        return 1;
    options.connector.ops = &child_ops;
    options.retry_delay_ms = 100;
    options.on_event = on_event;
    options.event_arg = loop;
    if (belay_link_open_to(endpoint, &options, &link, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    belay_endpoint_unref(endpoint); /* the link has its own */
    belay_loop_run(loop);
    belay_loop_free(loop);
    return heard ? 0 : 1;
}
