/* SPDX-License-Identifier: MIT */
/*
 * Four threads share two connections, and block: each acquires one, asks, and gives it back. The
 * main thread runs the loop. The protocol is HTTP's HEAD by hand, as its answer ends with an empty
 * line.
 *
 *     threads tcp://127.0.0.1:8080
 */
#include <belay/belay.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define THREADS   4
#define QUESTIONS 10

static struct belay_loop *loop;
static struct belay_peer *peer;
static pthread_t threads[THREADS];
static atomic_int answered, working = THREADS;

static int ask(struct belay_stream *stream)
{
    static const char question[] = "HEAD / HTTP/1.1\r\nHost: example\r\n\r\n";
    char answer[4096];
    size_t len = 0, n;
    int rc = belay_stream_write_wait(stream, question, sizeof question - 1, 5000);

    while (rc == 0 && (len < 4 || memcmp(answer + len - 4, "\r\n\r\n", 4) != 0)) {
        if (len == sizeof answer)
            return BELAY_ELIMIT;
        rc = belay_stream_read_wait(stream, answer + len, sizeof answer - len, 5000, &n);
        len += rc == 0 ? n : 0;
    }
    return rc;
}

static void ask_often(struct belay_attachment *attachment)
{
    struct belay_error error;
    struct belay_lease lease;

    for (int i = 0; i < QUESTIONS; i++) {
        if (belay_attachment_acquire(attachment, 5000, &lease, &error) < 0) {
            fprintf(stderr, "threads: %s\n", error.text);
            return;
        }
        int rc = ask(belay_lease_stream(lease));
        belay_lease_release(lease, rc < 0 ? BELAY_BROKEN : BELAY_REUSE);
        answered += rc == 0;
    }
}

static void *work(void *arg)
{
    struct belay_attachment *attachment;

    (void)arg;
    if (belay_peer_attach(peer, &attachment) == 0) {
        ask_often(attachment);
        belay_attachment_detach(attachment);
    }
    if (--working == 0)
        belay_loop_stop(loop);
    return NULL;
}

/* Once the loop runs, so that nobody asks it too early. */
static void begin(void *arg)
{
    (void)arg;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, NULL);
}

int main(int argc, char **argv)
{
    struct belay_pool_options options = belay_pool_options_init();
    struct belay_endpoint *endpoint;
    struct belay_error error;
    struct belay_pool *pool;

    options.shared = true;
    options.max_connections_per_endpoint = 2;
    if (argc != 2) {
        fprintf(stderr, "usage: threads ENDPOINT\n");
        return 2;
    }
    if (belay_loop_new(NULL, &loop, &error) < 0 ||
        belay_endpoint_parse(loop, argv[1], &endpoint, &error) < 0 ||
        belay_pool_open(loop, &options, &pool, &error) < 0) {
        fprintf(stderr, "threads: %s\n", error.text);
        return 1;
    }
    if (belay_pool_peer(pool, endpoint, &peer) < 0 || belay_loop_post(loop, begin, NULL) < 0)
        return 1;
    belay_loop_run(loop);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    printf("%d answers\n", answered);
    belay_peer_unref(peer);
    belay_endpoint_unref(endpoint);
    belay_loop_free(loop); /* closes the pool as well */
    return answered == THREADS * QUESTIONS ? 0 : 1;
}
