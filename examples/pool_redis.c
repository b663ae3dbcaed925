/* SPDX-License-Identifier: MIT */
/*
 * A pool of redisContexts, blocking: each command takes a connection, asks and gives it back.
 *
 *     pool_redis tcp://127.0.0.1:6379
 */
#include <belay-hiredis.h>
#include <belay/belay.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    struct belay_pool_options options = belay_pool_options_init();
    const char *url = argc > 1 ? argv[1] : "tcp://127.0.0.1:6379";
    struct belay_hiredis *hiredis;
    struct belay_endpoint *server;
    struct belay_pool *pool;
    struct belay_peer *peer;
    struct belay_lease lease;
    struct belay_error error;
    struct belay_loop *loop;

    if (belay_loop_new(NULL, &loop, &error) < 0 || belay_hiredis_new(NULL, &hiredis, &error) < 0 ||
        belay_endpoint_parse(loop, url, &server, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    options.connector = belay_hiredis_connector(hiredis);
    if (belay_pool_open(loop, &options, &pool, &error) < 0 ||
        belay_pool_peer(pool, server, &peer) < 0)
        return 1;
    for (int i = 0; i < 3; i++) {
        if (belay_peer_acquire_wait(peer, 5000, &lease, &error) < 0)
            return fprintf(stderr, "%s\n", error.text), 1;
        redisReply *reply = redisCommand(belay_hiredis_context(lease), "INCR visits");
        if (reply)
            printf("visit %lld\n", reply->integer);
        freeReplyObject(reply);
        belay_lease_release(lease, BELAY_REUSE); /* one that has failed is closed */
    }
    belay_peer_unref(peer);
    belay_endpoint_unref(server);
    belay_loop_free(loop); /* closes the pool as well */
    belay_hiredis_free(hiredis);
    return 0;
}
