/* SPDX-License-Identifier: MIT */
/*
 * The session: what it must send is sent from the down-calls, what comes arrives in on_data, and
 * what it learns goes up by up-calls. It includes belay's public headers and nothing else.
 */
#include "support/toy_connector.h"

#include <stdio.h>
#include <stdlib.h>

#include <belay/belay.h>

enum doing { GREETING, NOTHING, CHECKING, ASKING };

struct session {
    struct belay_conn *conn;
    enum doing doing;
    toy_line_fn *fn; /* ASKING */
    void *arg;
};

/* What belay is told when the other side does not keep to the protocol. Its kind decides what a
 * pool does about it: BELAY_EPROTO is fatal, so it is not tried again. */
static void refused(struct session *s, const char *line)
{
    struct belay_error error = {
        .code = BELAY_EPROTO, .kind = BELAY_KIND_FATAL, .stage = BELAY_STAGE_PROTOCOL};
    struct belay_conn *conn = s->conn;

    snprintf(error.text, sizeof error.text, "greeting %s: the answer is \"%.40s\"",
             belay_endpoint_name(belay_conn_endpoint(conn)), line);
    free(s); /* nothing more is called after open_failed */
    belay_conn_open_failed(conn, &error);
}

/* Returns whether the session is still there. */
static bool take_line(struct session *s, const char *line)
{
    enum doing was = s->doing;

    s->doing = NOTHING;
    if (was == GREETING && strcmp(line, "OK") != 0) {
        refused(s, line);
        return false;
    }
    if (strcmp(line, "BYE") == 0)
        belay_conn_draining(s->conn); /* nobody new; whoever asks now is answered still */
    else if (was == GREETING)
        belay_conn_open_done(s->conn, s, 1);
    else if (was == CHECKING)
        belay_conn_checked(s->conn, strcmp(line, "PONG") == 0 ? 0 : BELAY_EUNHEALTHY);
    else if (was == ASKING)
        s->fn(line, s->arg);
    else
        belay_conn_suspect(s->conn); /* nobody asked: it is checked before it is lent again */
    return true;
}

/* Lines may come in pieces, or several together: what is incomplete is left for the next time. */
static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    char line[256];
    size_t used = 0;

    for (;;) {
        const char *end = memchr(data + used, '\n', len - used);
        size_t n = end ? (size_t)(end - data) - used : 0;

        if (!end || n >= sizeof line) {
            if (used < len)
                belay_stream_resume(stream); /* part of a line: held until the rest comes */
            return used;
        }
        memcpy(line, data + used, n);
        line[n] = '\0';
        used += n + 1;
        if (!take_line(arg, line))
            return used;
    }
}

/* belay sees by itself that a stream has died: here only those who wait are told. */
static void on_lost(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct session *s = arg;

    (void)stream;
    (void)error;
    if (s->doing == ASKING)
        s->fn(NULL, s->arg);
    s->doing = NOTHING;
}

static const struct belay_stream_callbacks callbacks = {
    .size = sizeof callbacks, .on_data = on_data, .on_lost = on_lost};

/* ---- down-calls ---- */

static void session_open(struct belay_conn *conn, struct belay_stream *stream, void *arg)
{
    struct belay_error error = {.code = BELAY_ENOMEM,
                                .kind = BELAY_KIND_LIMIT,
                                .stage = BELAY_STAGE_PROTOCOL,
                                .text = "no memory for a session"};
    struct session *s = calloc(1, sizeof *s);

    (void)arg;
    if (!s) {
        belay_conn_open_failed(conn, &error);
        return;
    }
    s->conn = conn;
    belay_conn_set_state(conn, s); /* for cancel, which may come before open_done */
    belay_stream_set_callbacks(stream, &callbacks, s);
    belay_stream_write(stream, "HELLO\n", 6); /* were it to fail, the stream would be lost too */
}

static void cancel(struct belay_conn *conn, void *arg)
{
    (void)arg;
    free(belay_conn_state(conn));
    belay_conn_closed(conn);
}

/* After a lease was taken (BELAY_REASON_TAKEN) there is no stream any more. */
static void end(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    struct belay_stream *stream = belay_conn_stream(conn);

    (void)reason;
    if (stream) {
        belay_stream_set_callbacks(stream, NULL, NULL);
        belay_stream_write(stream, "BYE\n", 4); /* belay sends it before it closes the stream */
    }
    cancel(conn, arg);
}

static void check(struct belay_conn *conn, void *arg)
{
    struct session *s = belay_conn_state(conn);

    (void)arg;
    s->doing = CHECKING;
    belay_stream_write(belay_conn_stream(conn), "PING\n", 5);
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

    if (!s)
        return BELAY_ESTALE;
    if (len >= (int)sizeof text || s->doing != NOTHING)
        return BELAY_EINVAL;
    rc = belay_stream_write(belay_lease_stream(lease), text, (size_t)len);
    if (rc == 0) {
        s->doing = ASKING;
        s->fn = fn;
        s->arg = arg;
    }
    return rc;
}
