/* SPDX-License-Identifier: MIT */
/*
 * A connector of form 1: a session over a stream to a line server. It says hello and is up at the
 * echo; a check is one more line; it says bye at its close. Bytes that nobody asked for make it
 * unhealthy.
 */
#include <stdlib.h>

#include "base/error.h"
#include "sim/parts.h"

struct session {
    struct belay_conn *conn;
    struct belay_stream *stream;
    struct sim_world *world;
    bool up, checking;
};

static void say(struct session *s, const char *line)
{
    struct belay_error e;
    int r = belay_stream_write(s->stream, line, strlen(line));

    if (r == 0)
        return;
    bl_error_set(&e, r, BELAY_STAGE_PROTOCOL, "saying %s: %s", line, belay_strerror(r));
    if (s->up)
        belay_conn_lost(s->conn, BELAY_REASON_ERROR, &e);
}

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    struct session *s = arg;
    struct belay_error e;

    (void)stream;
    if (!memchr(data, '\n', len))
        return len; /* part of a line: what it says does not matter, its end does */
    if (!s->up) {
        s->up = true;
        belay_conn_open_done(s->conn, s, 1);
    } else if (s->checking) {
        s->checking = false;
        belay_conn_checked(s->conn, 0);
    } else {
        bl_error_set(&e, BELAY_EUNHEALTHY, BELAY_STAGE_USE, "%zu bytes came unasked", len);
        belay_conn_lost(s->conn, BELAY_REASON_UNHEALTHY, &e);
    }
    return len;
}

static void over(struct session *s, const struct belay_error *error)
{
    if (s->up) {
        belay_conn_lost(s->conn, BELAY_REASON_NONE, error);
    } else {
        struct belay_conn *conn = s->conn;

        free(s);
        belay_conn_open_failed(conn, error);
    }
}

static void on_end(struct belay_stream *stream, void *arg)
{
    struct belay_error e;

    (void)stream;
    bl_error_set(&e, BELAY_EEOF, BELAY_STAGE_PROTOCOL, "the server said nothing and left");
    over(arg, &e);
}

static void on_lost(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    (void)stream;
    over(arg, error);
}

static const struct belay_stream_callbacks callbacks = {
    .size = sizeof callbacks, .on_data = on_data, .on_end = on_end, .on_lost = on_lost};

static void session_open(struct belay_conn *conn, struct belay_stream *stream, void *arg)
{
    struct session *s = calloc(1, sizeof *s);

    if (!s)
        abort();
    s->conn = conn;
    s->stream = stream;
    s->world = arg;
    belay_conn_set_state(conn, s);
    belay_stream_set_callbacks(stream, &callbacks, s);
    say(s, "hello\n");
}

static void session_cancel(struct belay_conn *conn, void *arg)
{
    (void)arg;
    free(belay_conn_state(conn));
    belay_conn_closed(conn);
}

static void session_close(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    struct session *s = belay_conn_state(conn);

    (void)arg;
    if (reason != BELAY_REASON_ERROR && reason != BELAY_REASON_PEER_CLOSED)
        belay_stream_write(s->stream, "bye\n", 4);
    belay_stream_set_callbacks(s->stream, NULL, NULL);
    free(s);
    belay_conn_closed(conn);
}

static void session_check(struct belay_conn *conn, void *arg)
{
    struct session *s = belay_conn_state(conn);

    (void)arg;
    s->checking = true;
    say(s, "check\n");
}

const struct belay_connector_ops sim_session_ops = {
    .size = sizeof sim_session_ops,
    .name = "session",
    .session_open = session_open,
    .cancel = session_cancel,
    .close = session_close,
    .check = session_check,
};
