/* SPDX-License-Identifier: MIT */
/*
 * One connection without a pool: dials, says to whom and how, asks one question of the program's
 * own protocol (here a line of HTTP/1.0 written by hand), and copies the answer to standard output.
 *
 *     dial tcp://127.0.0.1:8080      dial tls://example.com:443      dial unix:/run/x.sock
 */
#include <belay/connector.h>
#include <stdio.h>

static int status = 1;

static void tell(const char *what, const struct belay_error *error)
{
    char addr[BELAY_ADDR_TEXT_MAX];

    fprintf(stderr, "%s: %s (stage %s, kind %s)\n", what, error->text,
            belay_stage_name(error->stage), error->kind == BELAY_KIND_RETRY ? "retry" : "final");
    for (size_t i = 0; i < error->tried_n; i++)
        fprintf(stderr, "    tried %s for %lld ms\n",
                belay_addr_print(&error->tried[i].addr, addr, sizeof addr),
                (long long)error->tried[i].took_ms);
}

/* Returns how much was consumed: all of it. */
static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    (void)stream;
    (void)arg;
    fwrite(data, 1, len, stdout);
    return len;
}

/* The peer has finished; closing in a callback is allowed, as is every other call. */
static void on_end(struct belay_stream *stream, void *arg)
{
    (void)arg;
    status = 0;
    belay_stream_close(stream, 1000, NULL, NULL);
}

static void on_lost(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    (void)arg;
    tell("lost", error);
    belay_stream_close(stream, 0, NULL, NULL);
}

static const struct belay_stream_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_data = on_data,
    .on_end = on_end,
    .on_lost = on_lost,
};

static void on_dialled(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    static const char question[] = "GET / HTTP/1.0\r\n\r\n";
    struct belay_tls_facts facts = belay_tls_facts_init();
    char text[BELAY_ADDR_TEXT_MAX];
    struct belay_addr peer;
    int rc;

    (void)arg;
    if (error) {
        tell("not connected", error);
        return;
    }
    if (belay_stream_peer_addr(stream, &peer) == 0)
        fprintf(stderr, "connected to %s\n", belay_addr_print(&peer, text, sizeof text));
    if (belay_stream_tls_facts(stream, &facts) == 0)
        fprintf(stderr, "%s with %s\n", facts.version, facts.cipher);
    belay_stream_set_callbacks(stream, &callbacks, NULL);
    rc = belay_stream_write(stream, question, sizeof question - 1);
    if (rc == 0)
        return;
    fprintf(stderr, "writing: %s\n", belay_strerror(rc));
    belay_stream_close(stream, 0, NULL, NULL);
}

int main(int argc, char **argv)
{
    struct belay_dial_options options = belay_dial_options_init();
    struct belay_endpoint *endpoint = NULL;
    struct belay_error error;
    struct belay_loop *loop;
    int rc;

    if (argc != 2) {
        fprintf(stderr, "usage: dial ENDPOINT\n");
        return 2;
    }
    if (belay_loop_new(NULL, &loop, &error) < 0) {
        fprintf(stderr, "dial: %s\n", error.text);
        return 1;
    }
    options.connect_timeout_ms = 3000; /* each stage has its own limit */
    rc = belay_endpoint_parse(loop, argv[1], &endpoint, &error);
    if (rc < 0)
        fprintf(stderr, "dial: %s\n", error.text);
    else
        rc = belay_dial(endpoint, &options, NULL, on_dialled, NULL);
    if (rc == 0)
        belay_loop_run(loop); /* returns when nothing is left: the stream is closed */
    belay_endpoint_unref(endpoint);
    belay_loop_free(loop);
    return status;
}
