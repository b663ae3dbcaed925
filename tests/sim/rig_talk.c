/* SPDX-License-Identifier: MIT */
/* Talking over a lease on a plain stream: a line there, its echo back. */
#include <stdio.h>

#include "sim/rig.h"

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    struct sim_ask *ask = arg;
    size_t n = strlen(ask->line);

    (void)stream;
    if (ask->rig->in_call)
        sim_fail(ask->rig->w, "on_data runs inside a call");
    if (ask->state != ASK_LEASED && ask->state != ASK_TAKEN)
        sim_fail(ask->rig->w, "on_data runs after the lease ended");
    if (ask->heard + len > n || memcmp(data, ask->line + ask->heard, len) != 0) {
        ask->talk_failed = true; /* something else than the echo: garbage of the server's */
        return len;
    }
    ask->heard += len;
    if (ask->heard == n)
        ask->talked = true;
    return len;
}

static void on_end(struct belay_stream *stream, void *arg)
{
    struct sim_ask *ask = arg;

    (void)stream;
    ask->talk_failed = true;
}

static void on_lost(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    struct sim_ask *ask = arg;

    (void)stream;
    if (!error || error->code == 0)
        sim_fail(ask->rig->w, "a stream is lost without an error");
    ask->talk_failed = true;
}

static const struct belay_stream_callbacks callbacks = {
    .size = sizeof callbacks, .on_data = on_data, .on_end = on_end, .on_lost = on_lost};

void sim_talk(struct sim_ask *ask)
{
    struct belay_stream *stream = belay_lease_stream(ask->lease);
    int r;

    if (!stream)
        sim_fail(ask->rig->w, "a lease has no stream");
    ask->talking = true;
    ask->talked = ask->talk_failed = false;
    ask->heard = 0;
    snprintf(ask->line, sizeof ask->line, "this is %llu\n", (unsigned long long)ask->seq);
    belay_stream_set_callbacks(stream, &callbacks, ask);
    ask->rig->in_call++;
    r = belay_stream_write(stream, ask->line, strlen(ask->line));
    ask->rig->in_call--;
    if (r < 0)
        ask->talk_failed = true;
}

void sim_hang_up(struct sim_ask *ask)
{
    bool clean = ask->talked && !ask->talk_failed;

    sim_release(ask, !ask->talking || clean ? BELAY_REUSE : BELAY_BROKEN);
}
