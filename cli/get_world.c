/* SPDX-License-Identifier: MIT */
/* What a run of `belay get` stands on. */
#include <stdlib.h>

#include "get.h"
#include "say.h"

static int open_http(struct get *g)
{
    struct belay_http_options options = belay_http_options_init();
    struct belay_pool_options pool;
    struct belay_dial_options dial;

    client_set_pool(&g->o->client, &pool, &dial);
    pool.connect_retry_count = BELAY_NONE; /* retries are the requests' own */
    if (g->o->retry.retries == 0)
        options.max_replays = BELAY_NONE;
    return client_open_http(&g->o->client, g->loop, g->tls, g->plan.user_agent, &options, &pool,
                            &g->http);
}

static int make_targets(struct get *g)
{
    const struct client_options *o = &g->o->client;
    int status = EXIT_FINE;

    g->targets = memory_get(o->urls.n, sizeof *g->targets);
    for (size_t i = 0; status == EXIT_FINE && i < o->urls.n; i++)
        status = client_open_target(o, g->http, i, &g->targets[i]);
    return status;
}

int get_world_open(struct get *g)
{
    int status = client_open_loop(&g->o->client, &g->loop);

    if (status == EXIT_FINE)
        status = client_open_tls(&g->o->client, g->loop, &g->tls);
    if (status == EXIT_FINE)
        status = client_open_proxies((struct client_options *)&g->o->client, g->loop);
    if (status == EXIT_FINE)
        status = open_http(g);
    if (status == EXIT_FINE)
        status = make_targets(g);
    return status;
}

void get_world_close(struct get *g)
{
    for (size_t i = 0; g->targets && i < g->o->client.urls.n; i++)
        belay_http_target_unref(g->targets[i]);
    free(g->targets);
    if (g->http)
        belay_http_close(g->http, NULL, NULL);
    client_close_proxies((struct client_options *)&g->o->client);
    belay_tls_unref(g->tls);
    if (g->loop)
        belay_loop_free(g->loop);
}
