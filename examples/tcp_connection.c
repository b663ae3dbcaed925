/* SPDX-License-Identifier: MIT */
/*
 * The example of Elixir's Connection behaviour: a TCP connection that keeps itself up, and says so
 * while it is down. It has a thread of its own, where callbacks may block:
 *     tcp_connection tcp://127.0.0.1:7        (a server that sends back what it gets)
 */
#include <belay/belay.h>
#include <stdio.h>

enum { CONNECT = 1, SEND, RECV, CLOSE }; /* of a reply: 0, or the error made positive */

struct tcp {
    struct belay_endpoint *endpoint;
    struct belay_stream *stream; /* NULL: it is down */
    struct belay_from closer;    /* waits until it is closed */
};
struct bytes { /* of who asks, and waits for the answer */
    char *data;
    size_t len;
    int64_t timeout_ms;
};

static struct belay_directive init(struct belay_process *p, void *args)
{
    (void)p, (void)args; /* which become the state */
    return belay_do_connect(belay_message_tag(CONNECT));
}

static struct belay_directive dial(struct belay_process *p, struct belay_message *m, void *state)
{
    struct tcp *tcp = state;
    struct belay_error error;

    (void)m;
    if (belay_dial_wait(tcp->endpoint, NULL, 5000, &tcp->stream, &error) == 0)
        return belay_do_ok();
    belay_process_connect_failed(p, &error); /* for the log */
    return belay_do_backoff(1000);
}

static struct belay_directive hang_up(struct belay_process *p, struct belay_message *m, void *state)
{
    struct tcp *tcp = state;

    (void)p;
    belay_stream_close_wait(tcp->stream, 1000);
    tcp->stream = NULL;
    if (m->tag == CLOSE)
        belay_from_reply(tcp->closer, belay_message_tag(0));
    else
        fprintf(stderr, "connection lost: %s\n", belay_strerror(-m->tag));
    return belay_do_connect(belay_message_tag(CONNECT));
}

static struct belay_directive handle_call(struct belay_process *p, struct belay_message *m,
                                          struct belay_from from, void *state)
{
    struct tcp *tcp = state;
    struct bytes *b = m->value;
    int rc;

    (void)p;
    if (!tcp->stream)
        return belay_do_reply(belay_message_tag(-BELAY_ECLOSED));
    if (m->tag == CLOSE) {
        tcp->closer = from;
        return belay_do_disconnect(belay_message_tag(CLOSE));
    }
    if (m->tag == SEND)
        rc = belay_stream_write_wait(tcp->stream, b->data, b->len, b->timeout_ms);
    else
        rc = belay_stream_read_wait(tcp->stream, b->data, b->len, b->timeout_ms, &b->len);
    if (rc == 0 || (m->tag == RECV && rc == BELAY_ETIMEDOUT)) /* nothing came: still up */
        return belay_do_reply(belay_message_tag(-rc));
    return belay_with_reply(belay_do_disconnect(belay_message_tag(-rc)), belay_message_tag(-rc));
}

static const struct belay_behaviour tcp_connection = {
    BELAY_SIZED(belay_behaviour), .name = "tcp_connection",   .init = init, .connect = dial,
    .disconnect = hang_up,        .handle_call = handle_call,
};

static int ask(struct belay_process *tcp, int32_t what, struct bytes *bytes)
{
    struct belay_message question = belay_message(what, bytes, NULL), answer;
    int rc = belay_process_call_wait(tcp, question, BELAY_FOREVER, &answer, NULL);

    return rc < 0 ? rc : -answer.tag;
}

int main(int argc, char **argv)
{
    struct belay_error error = {.text = "usage: tcp_connection tcp://HOST:PORT"};
    struct belay_process_options options = {BELAY_SIZED(belay_process_options), .own_thread = true};
    struct belay_process *process;
    struct belay_loop *loop;
    struct tcp tcp = {0};
    int rc = 0;

    if (argc != 2 || belay_loop_new(NULL, &loop, &error) < 0 ||
        belay_endpoint_parse(loop, argv[1], &tcp.endpoint, &error) < 0 ||
        belay_process_start_wait(loop, &tcp_connection, &tcp, &options, &process, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 2;
    for (int i = 0; i < 2 && rc == 0; i++) { /* the second time it has reconnected */
        char line[] = "hello\n";
        struct bytes b = {line, sizeof line - 1, 3000};

        if ((rc = belay_process_wait_until_wait(process, BELAY_PROCESS_CONNECTED, 10000)) == 0 &&
            (rc = ask(process, SEND, &b)) == 0 && (rc = ask(process, RECV, &b)) == 0 &&
            (rc = ask(process, CLOSE, NULL)) == 0)
            printf("sent, received and closed: %.*s", (int)b.len, b.data);
    }
    belay_process_last_error(process, &error); /* why it is down, where it is */
    belay_process_stop_wait(process, BELAY_EXIT_SHUTDOWN, BELAY_FOREVER);
    belay_process_unref(process);
    belay_endpoint_unref(tcp.endpoint);
    belay_loop_free(loop); /* closes the stream as well */
    return rc ? fprintf(stderr, "%s %s\n", belay_strerror(rc), error.code ? error.text : ""), 1 : 0;
}
