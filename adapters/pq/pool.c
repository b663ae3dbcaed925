/* SPDX-License-Identifier: MIT */
/* A pool of PGconns in one call: it frees the connector at its end. */
#include "belay-pq.h"

static void free_connector(void *arg)
{
    belay_pq_free(arg);
}

int belay_pq_open(struct belay_loop *loop, const struct belay_pq_options *options,
                  const struct belay_pool_options *pool_options, struct belay_peer **ret_peer,
                  struct belay_error *error)
{
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_endpoint *endpoint;
    size_t size;
    struct belay_pq *pq;
    int rc = belay_pq_new(options, &pq, error);

    if (rc < 0)
        return rc;
    rc = belay_pq_endpoint(pq, loop, &endpoint, error);
    if (rc < 0) {
        belay_pq_free(pq);
        return rc;
    }
    if (pool_options) {
        size = pool_options->size < sizeof o ? pool_options->size : sizeof o;
        memcpy(&o, pool_options, size);
        o.size = size; /* one that is too small is refused with the rest */
    }
    o.connector = belay_pq_connector(pq);
    rc = belay_pool_open_for(endpoint, &o, free_connector, pq, ret_peer, error);
    belay_endpoint_unref(endpoint);
    return rc;
}
