/* SPDX-License-Identifier: MIT */
/*
 * The connection of `belay pipe`: what is sent on it, what comes from it, and what its end did to
 * what was sent.
 *
 * It is seen from below, by a connector, as that is told of a connection's end while the stream can
 * still be asked how much of what was written has left.
 */
#include <stdio.h>
#include <string.h>

#include "hints.h"
#include "pipe_run.h"
#include "say.h"

#define OUTPUT_MAX (256u << 10) /* received and not written: then nothing more is read */

/* ---- sending ---- */

/* Of what was written to the stream, --hello goes first. */
static uint64_t sent_of_input(const struct pipe_run *run)
{
    uint64_t sent = belay_stream_sent(run->stream), hello = run->o->hello_bytes.len;

    return sent > hello ? sent - hello : 0;
}

static void count_sent(struct pipe_run *run, uint64_t len)
{
    pipe_buffer_sent(&run->buffer, (size_t)len);
    run->sent_here += len;
    run->sent += len;
    if (len)
        run->moved_ms = belay_loop_now_ms(run->loop);
}

/* The stream is through with one: it was sent, unless the stream has died. */
static void on_through(void *arg)
{
    struct pipe_sending *s = arg;
    struct pipe_run *run = s->run;

    s->busy = false;
    if (run->stream && s->connection == run->connection &&
        sent_of_input(run) >= run->sent_here + s->len)
        count_sent(run, s->len);
    pipe_go_on(run);
}

static struct pipe_sending *free_sending(struct pipe_run *run)
{
    for (int i = 0; i < PIPE_PIECES; i++)
        if (!run->sendings[i].busy)
            return &run->sendings[i];
    return NULL;
}

static void send_some(struct pipe_run *run)
{
    struct pipe_sending *s;
    const char *data;
    size_t n;
    int rc = 0;

    while (rc == 0 && (s = free_sending(run)) != NULL) {
        n = pipe_buffer_next(&run->buffer, PIPE_PIECE, &data);
        if (n == 0)
            return;
        rc = belay_stream_write_ref(run->stream, data, n, on_through, s);
        if (rc < 0)
            break;
        pipe_buffer_wrote(&run->buffer, n);
        *s = (struct pipe_sending){run, n, run->connection, true};
    }
    if (rc == BELAY_ENOMEM) {
        say("sending: out of memory");
        pipe_end(run, EXIT_PROBLEM);
    } /* after anything else the stream drains, or dies */
}

/* Bytes that a former stream was to send: until it lets go of them, they stay as they are. */
static bool has_stale_sendings(const struct pipe_run *run)
{
    for (int i = 0; i < PIPE_PIECES; i++)
        if (run->sendings[i].busy &&
            (run->sendings[i].connection != run->connection || !run->stream))
            return true;
    return false;
}

static void read_on(struct pipe_run *run)
{
    if (run->o->no_input || run->buffer.ended)
        return;
    if (pipe_buffer_is_stuck(&run->buffer)) {
        say("reading lines: one is longer than the buffer (--buffer SIZE)");
        pipe_end(run, EXIT_PROBLEM);
        return;
    }
    pipe_in_want(&run->in, has_stale_sendings(run) ? 0 : pipe_buffer_space(&run->buffer));
}

/* All was sent, and there is no more. */
static void finish_input(struct pipe_run *run)
{
    if (run->o->close_at_end && run->connections) {
        pipe_end(run, EXIT_FINE);
    } else if (run->up && !run->ended) {
        run->ended = true;
        belay_stream_end(run->stream);
    } else if (!run->up && run->connections) {
        pipe_end(run, EXIT_FINE); /* the last one is gone, and nothing is left to say */
    }
}

void pipe_go_on(struct pipe_run *run)
{
    if (run->ending || run->finished)
        return;
    if (run->up && !run->ended)
        send_some(run);
    if (!run->ending)
        read_on(run);
    if (!run->ending && pipe_buffer_is_done(&run->buffer))
        finish_input(run);
}

/* ---- receiving ---- */

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    struct pipe_run *run = arg;

    run->received += len;
    run->moved_ms = belay_loop_now_ms(run->loop);
    if (run->finished)
        return len;
    pipe_out_write(&run->out, data, len);
    if (run->out.error)
        run->out.fn(&run->out, run);
    else if (!run->rest && pipe_out_waiting(&run->out) >= OUTPUT_MAX) {
        run->paused = true;
        belay_stream_pause(stream);
    }
    return len;
}

void pipe_resume(struct pipe_run *run)
{
    if (!run->paused || !run->stream || run->lost || pipe_out_waiting(&run->out) > OUTPUT_MAX / 2)
        return;
    run->paused = false;
    belay_stream_resume(run->stream);
}

static void on_drain(struct belay_stream *stream, void *arg)
{
    (void)stream;
    pipe_go_on(arg);
}

static void on_lost(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct pipe_run *run = arg;

    (void)error;
    run->lost = run->lost || stream == run->stream;
}

static const struct belay_stream_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_data = on_data,
    .on_drain = on_drain,
    .on_lost = on_lost,
};

/* ---- the end of a connection ---- */

static void detach(struct pipe_run *run)
{
    struct pipe_loss *loss = &run->loss;
    int64_t unacked;

    if (!run->stream)
        return;
    count_sent(run, sent_of_input(run) - run->sent_here);
    memset(loss, 0, sizeof *loss);
    loss->sent = run->sent_here;
    loss->reset = run->lost;
    loss->ended = run->ended;
    unacked = belay_stream_unacked(run->stream);
    if (unacked < 0)
        unacked = run->lost ? INT64_MAX : 0; /* nobody knows */
    if (run->finished && !run->lost)
        unacked = 0; /* it is closed here, and the kernel goes on sending */
    loss->doubtful = (uint64_t)unacked < loss->sent ? (uint64_t)unacked : loss->sent;
    loss->cut = pipe_buffer_lost(&run->buffer);
    loss->unsent = pipe_buffer_unsent(&run->buffer);
    run->sent -= loss->cut;
    run->doubtful += loss->doubtful;
    run->unsure = run->unsure || loss->doubtful || (loss->reset && loss->sent);
    run->stream = NULL;
    run->up = run->ended = run->lost = false;
}

/* ---- the last bytes of a dead one ---- */

static void on_rest_gone(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct pipe_run *run = arg;
    struct belay_conn *conn = run->rest;

    (void)stream;
    (void)error;
    run->rest = NULL;
    if (conn)
        belay_conn_closed(conn);
    pipe_finish_if_written(run);
}

static void on_rest_end(struct belay_stream *stream, void *arg)
{
    on_rest_gone(stream, NULL, arg);
}

static const struct belay_stream_callbacks rest_callbacks = {
    .size = sizeof rest_callbacks,
    .on_data = on_data,
    .on_end = on_rest_end,
    .on_lost = on_rest_gone,
};

/* ---- the connector ---- */

static void session_open(struct belay_conn *conn, struct belay_stream *stream, void *arg)
{
    struct pipe_run *run = arg;
    const struct bytes *hello = &run->o->hello_bytes;
    int rc = hello->len ? belay_stream_write(stream, hello->data, hello->len) : 0;

    if (rc < 0) {
        struct belay_error error = {.code = rc};

        snprintf(error.text, sizeof error.text, "sending --hello to %.200s: %s",
                 belay_endpoint_name(belay_conn_endpoint(conn)), belay_strerror(rc));
        belay_conn_open_failed(conn, &error);
        return;
    }
    run->stream = stream;
    run->connection++;
    run->sent_here = 0;
    run->paused = false;
    belay_stream_set_callbacks(stream, &callbacks, run);
    belay_conn_open_done(conn, NULL, 1);
}

/* What came before it died may still be in the kernel, if the output was too slow to take it. */
static void session_close(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    struct pipe_run *run = arg;
    struct belay_stream *stream = belay_conn_stream(conn);
    bool has_rest = run->paused && run->lost && stream == run->stream && !run->finished;

    (void)reason;
    if (stream && stream == run->stream)
        detach(run);
    if (!has_rest) {
        belay_conn_closed(conn);
        return;
    }
    run->paused = false;
    run->rest = conn;
    belay_stream_set_callbacks(stream, &rest_callbacks, run);
}

static const struct belay_connector_ops connector_ops = {
    .size = sizeof connector_ops,
    .name = "pipe",
    .session_open = session_open,
    .close = session_close,
};

/* ---- the link ---- */

static void end_with_connection(struct pipe_run *run)
{
    bool good = !run->loss.reset && run->loss.unsent == 0 && run->loss.doubtful == 0;

    if (run->o->once)
        pipe_end(run, good ? EXIT_FINE : EXIT_PROBLEM);
    else if (run->loss.ended && pipe_buffer_is_done(&run->buffer))
        pipe_end(run, run->loss.reset ? EXIT_PROBLEM : EXIT_FINE);
    else
        pipe_go_on(run);
}

static void on_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    struct pipe_run *run = arg;

    (void)link;
    if (run->finished)
        return;
    if (event->type == BELAY_LINK_DISCONNECTED)
        detach(run);
    pipe_say_event(run, event);
    if (event->type == BELAY_LINK_CONNECTED && run->stream) {
        run->up = true;
        run->connections++;
        run->moved_ms = belay_loop_now_ms(run->loop);
        pipe_go_on(run);
    } else if (event->type == BELAY_LINK_DISCONNECTED) {
        end_with_connection(run);
    }
}

/* By itself only after an error that is final, or when all tries are spent. */
static void on_link_closed(void *arg)
{
    struct pipe_run *run = arg;
    struct belay_error error;

    if (run->finished || run->ending)
        return;
    if (belay_link_last_error(run->link, &error, NULL))
        say("%s%s", error.text, hint_for(&error, NULL));
    run->why = "gave_up";
    pipe_end(run, EXIT_PROBLEM);
}

int pipe_link_open(struct pipe_run *run)
{
    struct belay_link_options options;
    struct belay_dial_options dial;
    struct belay_error error;
    int rc;

    client_set_link(&run->o->client, &options, &dial);
    run->connector = (struct belay_connector){&connector_ops, run};
    options.server_name = run->o->service.name;
    options.connector = run->connector;
    options.on_event = on_event;
    options.event_arg = run;
    if (belay_link_open(run->o->service.source, &options, &run->link, &error) < 0)
        return client_refuse("starting", &error);
    belay_link_ref(run->link);
    rc = belay_link_close_finished(run->link, on_link_closed, run);
    if (rc == 0)
        return EXIT_FINE;
    say("starting: %s", belay_strerror(rc));
    return EXIT_PROBLEM;
}
