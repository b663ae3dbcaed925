/* SPDX-License-Identifier: MIT */
/*
 * A pool of redisContexts, blocking.
 *
 *     pool_redis tcp://127.0.0.1:6379
 */
#include <belay-hiredis.h>
#include <belay/belay.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "tcp://127.0.0.1:6379";
    struct belay_error error = {0};
    struct belay_lease lease;
    struct belay_loop *loop;
    struct belay_peer *peer;

    if (belay_loop_new(NULL, &loop, &error) < 0 ||
        belay_hiredis_open(loop, url, NULL, NULL, &peer, &error) < 0)
        return fprintf(stderr, "%s\n", error.text), 1;
    for (int i = 0; i < 3 && belay_peer_acquire_wait(peer, 5000, &lease, &error) == 0; i++) {
        redisReply *reply = redisCommand(belay_hiredis_context(lease), "INCR visits");
        if (reply)
            printf("visit %lld\n", reply->integer);
        freeReplyObject(reply);
        belay_lease_release(lease, BELAY_REUSE); /* one that has failed is closed */
    }
    if (error.code != 0)
        fprintf(stderr, "%s\n", error.text);
    belay_peer_unref(peer);
    belay_loop_free(loop); /* closes the pool as well */
    return error.code != 0;
}
