/* SPDX-License-Identifier: MIT */
/*
 * The session: down-calls write, what comes arrives in on_data, and what is learned from it goes up
 * by up-calls. It includes belay's public headers and nothing else.
 */
#include "support/toy_connector.h"

#include <stdio.h>
#include <stdlib.h>

enum doing { GREETING, NOTHING, CHECKING, ASKING };

struct session {
    struct belay_conn *conn;
    enum doing doing;
    toy_line_fn *fn; /* ASKING */
    void *arg;
};

/* BELAY_EPROTO is fatal: a pool will not try again. */
static void fail(struct belay_conn *conn, int code, const char *line)
{
    struct belay_error error = {.code = code, .stage = BELAY_STAGE_PROTOCOL};

    snprintf(error.text, sizeof error.text, "greeting %s: %.40s",
             belay_endpoint_name(belay_conn_endpoint(conn)), line);
    free(belay_conn_state(conn)); /* nothing more is called after open_failed */
    belay_conn_open_failed(conn, &error);
}

/* Returns whether the session is still there. */
static bool take_line(struct session *s, const char *line)
{
    enum doing was = s->doing;
    bool welcome = was == GREETING && strcmp(line, "OK") == 0;

    s->doing = NOTHING;
    if (was == GREETING && !welcome)
        fail(s->conn, BELAY_EPROTO, line);
    else if (was == GREETING)
        belay_conn_open_done(s->conn, s, 1);
    else if (strcmp(line, "BYE") == 0)
        belay_conn_draining(s->conn); /* for nobody new; `close` comes when it is free */
    else if (was == CHECKING)
        belay_conn_checked(s->conn, strcmp(line, "PONG") == 0 ? 0 : BELAY_EUNHEALTHY);
    else if (was == ASKING)
        s->fn(line, s->arg);
    else
        belay_conn_suspect(s->conn); /* nobody asked: to be checked before it is lent again */
    return was != GREETING || welcome;
}

/* Lines may come in pieces, or several together: what is incomplete is left for the next time. */
static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    const char *at = data, *end;
    char line[256];

    (void)stream;
    while ((end = memchr(at, '\n', len - (size_t)(at - data)))) {
        snprintf(line, sizeof line, "%.*s", (int)(end - at), at);
        at = end + 1;
        if (!take_line(arg, line))
            break;
    }
    return (size_t)(at - data);
}

static void no_answer(struct session *s)
{
    if (s->doing == ASKING)
        s->fn(NULL, s->arg);
    s->doing = NOTHING;
}

/* belay sees by itself that a stream has died or ended: here only who waits is told. */
static void on_lost(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    (void)stream, (void)error;
    no_answer(arg);
}

static void on_end(struct belay_stream *stream, void *arg)
{
    (void)stream;
    no_answer(arg);
}

static const struct belay_stream_callbacks callbacks = {
    .size = sizeof callbacks, .on_data = on_data, .on_end = on_end, .on_lost = on_lost};

/* ---- down-calls; a write that fails means that the stream is dead, of which belay tells ---- */

static void session_open(struct belay_conn *conn, struct belay_stream *stream, void *arg)
{
    struct session *s = calloc(1, sizeof *s);

    (void)arg;
    belay_conn_set_state(conn, s); /* for cancel, which may come before open_done */
    if (!s || belay_stream_write(stream, "HELLO\n", 6) < 0) {
        fail(conn, BELAY_ENOMEM, "out of memory");
        return;
    }
    s->conn = conn;
    belay_stream_set_callbacks(stream, &callbacks, s);
}

static void cancel(struct belay_conn *conn, void *arg)
{
    (void)arg;
    if (belay_conn_stream(conn)) /* NULL after a take: it is in other hands, without callbacks */
        belay_stream_set_callbacks(belay_conn_stream(conn), NULL, NULL);
    free(belay_conn_state(conn));
    belay_conn_closed(conn);
}

static void end(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    (void)reason;
    no_answer(belay_conn_state(conn)); /* to a lease that was revoked */
    if (belay_conn_stream(conn))       /* belay sends it before it closes the stream */
        belay_stream_write(belay_conn_stream(conn), "BYE\n", 4);
    cancel(conn, arg);
}

static void check(struct belay_conn *conn, void *arg)
{
    struct session *s = belay_conn_state(conn);

    (void)arg;
    s->doing = CHECKING;
    if (belay_stream_write(belay_conn_stream(conn), "PING\n", 5) < 0)
        belay_conn_checked(conn, BELAY_EUNHEALTHY);
}

static const struct belay_connector_ops ops = {.size = sizeof ops,
                                               .name = "toy",
                                               .session_open = session_open,
                                               .cancel = cancel,
                                               .close = end,
                                               .check = check};
const struct belay_connector toy_connector = {.ops = &ops};

/* ---- for those who hold a lease ---- */

int toy_ask(struct belay_lease lease, const char *line, toy_line_fn *fn, void *arg)
{
    struct session *s = belay_lease_state(lease);
    char text[256];
    int len = snprintf(text, sizeof text, "%s\n", line), rc;

    if (!s || len >= (int)sizeof text || s->doing != NOTHING)
        return s ? BELAY_EINVAL : BELAY_ESTALE;
    rc = belay_stream_write(belay_lease_stream(lease), text, (size_t)len);
    if (rc == 0)
        *s = (struct session){s->conn, ASKING, fn, arg};
    return rc;
}
