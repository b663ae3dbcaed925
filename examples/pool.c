/* SPDX-License-Identifier: MIT */
/*
 * A pool of plain streams, for a protocol of the program's own: forty questions over at most four
 * connections. The protocol here is HTTP's HEAD by hand, as its answer ends with an empty line.
 *
 *     pool tcp://127.0.0.1:8080
 */
#include <belay/pool.h>
#include <inttypes.h>
#include <stdio.h>

#define QUESTIONS 40

struct question {
    struct belay_lease lease;
    bool line_is_empty; /* so far */
};

static struct belay_pool *pool;
static struct belay_peer *peer;
static int asked, answered, failed;

/* The connection goes back. One whose answer did not end as it should is not lent again. */
static void finish(struct question *q, enum belay_release how)
{
    belay_lease_release(q->lease, how);
    answered += how == BELAY_REUSE;
    failed += how != BELAY_REUSE;
    if (answered + failed == asked)
        belay_pool_drain(pool, NULL, NULL);
}

static size_t on_data(struct belay_stream *stream, const char *data, size_t len, void *arg)
{
    struct question *q = arg;

    (void)stream;
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n' && q->line_is_empty) {
            finish(q, i + 1 == len ? BELAY_REUSE : BELAY_BROKEN);
            return len; /* the stream is the pool's again: nothing more of it is touched */
        }
        q->line_is_empty = data[i] == '\n' || (data[i] == '\r' && q->line_is_empty);
    }
    return len;
}

static void on_end(struct belay_stream *stream, void *arg)
{
    (void)stream;
    finish(arg, BELAY_BROKEN);
}

static void on_lost(struct belay_stream *stream, const struct belay_error *error, void *arg)
{
    fprintf(stderr, "pool: %s\n", error->text);
    on_end(stream, arg);
}

static const struct belay_stream_callbacks callbacks = {
    .size = sizeof callbacks,
    .on_data = on_data,
    .on_end = on_end,
    .on_lost = on_lost,
};

static void on_acquired(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    static const char text[] = "HEAD / HTTP/1.1\r\nHost: example\r\n\r\n";
    struct belay_stream *stream = belay_lease_stream(lease);
    struct question *q = arg;

    q->lease = lease;
    q->line_is_empty = false;
    if (error) {
        fprintf(stderr, "pool: %s\n", error->text);
        finish(q, BELAY_BROKEN); /* a stale lease: releasing it does nothing */
        return;
    }
    belay_stream_set_callbacks(stream, &callbacks, q);
    if (belay_stream_write(stream, text, sizeof text - 1) < 0)
        finish(q, BELAY_BROKEN);
}

int main(int argc, char **argv)
{
    struct belay_pool_options options = belay_pool_options_init();
    struct belay_pool_stats stats = belay_pool_stats_init();
    struct question questions[QUESTIONS];
    struct belay_endpoint *endpoint;
    struct belay_error error;
    struct belay_loop *loop;

    options.max_connections_per_endpoint = 4;
    if (argc != 2) {
        fprintf(stderr, "usage: pool ENDPOINT\n");
        return 2;
    }
    if (belay_loop_new(NULL, &loop, &error) < 0 ||
        belay_endpoint_parse(loop, argv[1], &endpoint, &error) < 0 ||
        belay_pool_open(loop, &options, &pool, &error) < 0) {
        fprintf(stderr, "pool: %s\n", error.text);
        return 1;
    }
    if (belay_pool_peer(pool, endpoint, &peer) < 0)
        return 1;
    for (int i = 0; i < QUESTIONS; i++)
        asked += belay_peer_acquire(peer, NULL, NULL, on_acquired, &questions[i]) == 0;
    if (asked > 0)
        belay_loop_run(loop); /* returns when the pool is drained */

    belay_peer_get_stats(peer, &stats);
    printf("%d answers, %d failures, %" PRIu64 " connections, %" PRIu64 " times used again\n",
           answered, failed, stats.opened, stats.reused);
    belay_peer_unref(peer);
    belay_endpoint_unref(endpoint);
    belay_loop_free(loop);
    return answered == QUESTIONS ? 0 : 1;
}
