/* SPDX-License-Identifier: MIT */
/* A pool of redisContexts in one call: it frees the connector at its end. */
#include "belay-hiredis.h"

static void free_connector(void *arg)
{
    belay_hiredis_free(arg);
}

int belay_hiredis_open(struct belay_loop *loop, const char *url,
                       const struct belay_hiredis_options *options,
                       const struct belay_pool_options *pool_options, struct belay_peer **ret_peer,
                       struct belay_error *error)
{
    struct belay_pool_options o = belay_pool_options_init();
    struct belay_endpoint *endpoint;
    size_t size;
    struct belay_hiredis *hiredis;
    int rc = belay_hiredis_new(options, &hiredis, error);

    if (rc < 0)
        return rc;
    rc = belay_endpoint_parse(loop, url, &endpoint, error);
    if (rc < 0) {
        belay_hiredis_free(hiredis);
        return rc;
    }
    if (pool_options) {
        size = pool_options->size < sizeof o ? pool_options->size : sizeof o;
        memcpy(&o, pool_options, size);
        o.size = size; /* one that is too small is refused with the rest */
    }
    o.connector = belay_hiredis_connector(hiredis);
    rc = belay_pool_open_for(endpoint, &o, free_connector, hiredis, ret_peer, error);
    belay_endpoint_unref(endpoint);
    return rc;
}
