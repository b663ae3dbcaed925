/* SPDX-License-Identifier: MIT */
/* Turns of a loop and of the server beside it. */
#include "unit/conn/stream_kit.h"

#include <stdio.h>

struct belay_endpoint *stream_kit_endpoint(struct stream_kit *k, uint16_t port)
{
    struct belay_endpoint *endpoint;
    char url[64];

    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", (unsigned)port);
    assert_int_equal(belay_endpoint_parse(k->net.loop, url, &endpoint, NULL), 0);
    return endpoint;
}

void stream_kit_set_up(struct stream_kit *k)
{
    memset(k, 0, sizeof *k);
    net_kit_set_up(&k->net);
    toy_server_open(&k->server);
    k->endpoint = stream_kit_endpoint(k, k->server.port);
}

void stream_kit_tear_down(struct stream_kit *k)
{
    toy_server_close(&k->server);
    belay_endpoint_unref(k->endpoint);
    net_kit_tear_down(&k->net);
}

void stream_kit_turn(struct stream_kit *k)
{
    assert_int_equal(belay_loop_turn(k->net.loop, 1), 0);
    steady_clock_ns(&k->net.clock);
    toy_server_poll(&k->server);
}

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    struct stream_kit *k = arg;

    (void)stream;
    assert_true(strlen(k->got) + len < sizeof k->got);
    strncat(k->got, data, len);
    return len;
}

void stream_kit_gather(struct stream_kit *k, struct belay_stream *stream)
{
    static const struct belay_stream_callbacks callbacks = {.size = sizeof callbacks,
                                                            .on_data = on_data};

    belay_stream_set_callbacks(stream, &callbacks, k);
}
