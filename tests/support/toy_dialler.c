/* SPDX-License-Identifier: MIT */
/* It includes belay's public headers and nothing else of belay's. */
#include "support/toy_dialler.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_ready(unsigned events, void *arg);

static void handle_free(struct toy_handle *h)
{
    belay_watch_free(h->watch); /* before its descriptor is closed */
    if (h->fd >= 0)
        close(h->fd);
    free(h);
}

static void fail(struct toy_handle *h, int code, const char *why)
{
    struct belay_error error = {.code = code, .stage = BELAY_STAGE_CONNECT};
    struct belay_conn *conn = h->conn;

    snprintf(error.text, sizeof error.text, "calling %s: %s",
             belay_endpoint_name(belay_conn_endpoint(conn)), why);
    belay_conn_open_failed(conn, &error); /* ends the timer, which needs h; then h may go */
    handle_free(h);
}

static bool set_blocking(int fd, bool blocking)
{
    return fcntl(fd, F_SETFL, O_RDWR | (blocking ? 0 : O_NONBLOCK)) == 0;
}

/* ---- a timer that lives as long as the connection ---- */

static void on_beat(void *arg)
{
    struct toy_handle *h = arg;

    h->beats++;
    belay_timer_start(h->timer, TOY_BEAT_MS);
}

static void end_timer(void *arg)
{
    struct toy_handle *h = arg;

    belay_timer_free(h->timer);
    h->timer = NULL;
}

static int start_timer(struct toy_handle *h)
{
    int rc = belay_timer_new(belay_conn_loop(h->conn), on_beat, h, &h->timer);

    if (rc == 0)
        rc = belay_conn_attach(h->conn, end_timer, h);
    if (rc < 0)
        end_timer(h); /* freeing NULL is harmless */
    else
        belay_timer_start(h->timer, TOY_BEAT_MS);
    return rc;
}

/* ---- opening ---- */

static void come_up(struct toy_handle *h)
{
    belay_watch_free(h->watch); /* from now on belay watches it, while nobody uses it */
    h->watch = NULL;
    if (!set_blocking(h->fd, true) || belay_conn_set_descriptor(h->conn, h->fd) < 0)
        fail(h, BELAY_ENOMEM, "no memory");
    else
        belay_conn_open_done(h->conn, h, 1);
}

static void open_it(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    struct toy_handle *h = calloc(1, sizeof *h);
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct belay_error no_memory = {.code = BELAY_ENOMEM, .stage = BELAY_STAGE_CONNECT};

    (void)arg;
    if (!h) {
        belay_conn_open_failed(conn, &no_memory);
        return;
    }
    h->conn = conn;
    h->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    belay_conn_set_state(conn, h); /* for cancel, which may come before open_done */
    to.sin_port = htons((uint16_t)belay_endpoint_port(endpoint));
    inet_pton(AF_INET, belay_endpoint_host(endpoint), &to.sin_addr);
    if (h->fd < 0)
        fail(h, BELAY_EMFILE, "no descriptor");
    else if (start_timer(h) < 0)
        fail(h, BELAY_ENOMEM, "no memory");
    else if (connect(h->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
        fail(h, BELAY_ECONNECT, strerror(errno));
    else if (belay_watch_new(belay_conn_loop(conn), h->fd, BELAY_WRITABLE, on_ready, h, &h->watch) <
             0)
        fail(h, BELAY_ENOMEM, "no memory");
}

/* Writable: say hello, or ask. Readable: the answer, or the end. */
static void on_ready(unsigned events, void *arg)
{
    struct toy_handle *h = arg;
    const char *say = h->checking ? "PING\n" : "HELLO\n", *hear = h->checking ? "PONG\n" : "OK\n";
    char line[64] = "";
    bool good;

    if (events & BELAY_WRITABLE) {
        bool said = send(h->fd, say, strlen(say), MSG_NOSIGNAL) == (ssize_t)strlen(say);

        if (said && belay_watch_set(h->watch, BELAY_READABLE) == 0)
            return;
    } else if (recv(h->fd, line, sizeof line - 1, 0) < 0) {
        line[0] = 0;
    }
    good = strcmp(line, hear) == 0;
    if (!h->checking && good) {
        come_up(h);
    } else if (!h->checking) {
        fail(h, BELAY_ECONNECT, line[0] ? "it does not say OK" : "nobody answers");
    } else {
        belay_watch_free(h->watch);
        h->watch = NULL;
        h->checking = false;
        belay_conn_checked(h->conn, good && set_blocking(h->fd, true) ? 0 : BELAY_EUNHEALTHY);
    }
}

/* ---- the rest ---- */

static void check(struct belay_conn *conn, void *arg)
{
    struct toy_handle *h = belay_conn_state(conn);

    (void)arg;
    h->checking = true;
    if (!set_blocking(h->fd, false) ||
        belay_watch_new(belay_conn_loop(conn), h->fd, BELAY_WRITABLE, on_ready, h, &h->watch) < 0) {
        h->checking = false;
        belay_conn_checked(conn, BELAY_EUNHEALTHY);
    }
}

static bool is_healthy(struct belay_conn *conn, void *arg)
{
    const struct toy_handle *h = belay_conn_state(conn);

    (void)arg;
    return !h->broken;
}

static void cancel(struct belay_conn *conn, void *arg)
{
    (void)arg;
    handle_free(belay_conn_state(conn)); /* the timer has ended */
    belay_conn_closed(conn);
}

static void end(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    struct toy_handle *h = belay_conn_state(conn);

    (void)reason;
    if (send(h->fd, "BYE\n", 4, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        h->broken = true; /* as good as closed */
    cancel(conn, arg);
}

static const struct belay_connector_ops ops = {
    .size = sizeof ops,
    .name = "toy dialler",
    .open = open_it,
    .cancel = cancel,
    .close = end,
    .check = check,
    .is_healthy = is_healthy,
};
const struct belay_connector toy_dialler = {.ops = &ops};
