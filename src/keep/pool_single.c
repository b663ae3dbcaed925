/* SPDX-License-Identifier: MIT */
/* A pool of one endpoint, opened in one call. */
#include "keep/pool.h"

static int give_up(struct belay_pool *pool, belay_fn *done, void *arg, struct belay_error *error)
{
    belay_pool_close(pool, done, arg);
    return bl_error_set(error, BELAY_ENOMEM, BELAY_STAGE_NONE, "opening a pool: out of memory");
}

int belay_pool_open_for(struct belay_endpoint *endpoint, const struct belay_pool_options *options,
                        belay_fn *done, void *arg, struct belay_peer **ret_peer,
                        struct belay_error *error)
{
    struct belay_pool *pool;
    int rc = belay_pool_open(bl_endpoint_loop(endpoint), options, &pool, error);

    if (rc < 0) {
        if (done)
            done(arg);
        return rc;
    }
    if (belay_pool_peer(pool, endpoint, ret_peer) < 0)
        return give_up(pool, done, arg, error);
    if (!done || belay_pool_close_finished(pool, done, arg) == 0)
        return 0;
    belay_peer_unref(*ret_peer);
    return give_up(pool, done, arg, error);
}

struct belay_pool *belay_peer_pool(const struct belay_peer *peer)
{
    return peer->pool;
}
