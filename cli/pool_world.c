/* SPDX-License-Identifier: MIT */
/*
 * What a run of `belay pool` stands on: a pool for what is asked by HTTP and one for what is
 * leased, each where there is such a URL, and the endpoints, each once, with its URLs.
 */
#include <stdlib.h>

#include "pool_run.h"
#include "say.h"

static void set_pool(const struct pool_run *run, struct belay_pool_options *pool,
                     struct belay_dial_options *dial)
{
    client_set_pool(&run->o->client, pool, dial);
    if (run->o->retries != OPTION_UNSET)
        pool->connect_retry_count = run->o->retries ? (int32_t)run->o->retries : BELAY_NONE;
    if (run->o->events) {
        pool->callbacks = &pool_event_callbacks;
        pool->callbacks_arg = (void *)run;
    }
}

static int open_http(struct pool_run *run)
{
    struct belay_http_options options = belay_http_options_init();
    struct belay_pool_options pool;
    struct belay_dial_options dial;
    int status;

    set_pool(run, &pool, &dial);
    status = client_open_http(&run->o->client, run->loop, run->tls, run->plan.user_agent, &options,
                              &pool, &run->http);
    if (status == EXIT_FINE)
        run->pools[POOL_HTTP] = belay_pool_ref(belay_http_pool(run->http));
    return status;
}

static int open_stream(struct pool_run *run)
{
    struct belay_pool_options pool;
    struct belay_dial_options dial;
    struct belay_error error;

    set_pool(run, &pool, &dial);
    if (belay_pool_open(run->loop, &pool, &run->pools[POOL_STREAM], &error) < 0)
        return client_refuse("starting", &error);
    belay_pool_ref(run->pools[POOL_STREAM]);
    return EXIT_FINE;
}

static int open_pools(struct pool_run *run)
{
    const struct strings *urls = &run->o->client.urls;
    int status = EXIT_FINE;

    for (size_t i = 0; status == EXIT_FINE && i < urls->n; i++) {
        bool http = pool_url_is_http(urls->items[i]);

        if (run->pools[http ? POOL_HTTP : POOL_STREAM])
            continue;
        status = http ? open_http(run) : open_stream(run);
        run->open_n += status == EXIT_FINE;
    }
    return status;
}

/* ---- endpoints ---- */

static struct pool_site *find_site(struct pool_run *run, const struct belay_peer *peer)
{
    for (size_t i = 0; i < run->sites_n; i++)
        if (run->sites[i].peer == peer)
            return &run->sites[i];
    return NULL;
}

/* Takes over the reference. */
static struct pool_site *add_site(struct pool_run *run, enum pool_kind kind,
                                  struct belay_peer *peer)
{
    struct pool_site *site = find_site(run, peer);

    if (site) {
        belay_peer_unref(peer);
        return site;
    }
    site = &run->sites[run->sites_n++];
    site->run = run;
    site->kind = kind;
    site->peer = peer;
    return site;
}

static int add_url(struct pool_run *run, size_t url)
{
    struct belay_http_target *target = NULL;
    struct pool_site *site;
    int status = client_open_target(&run->o->client, run->http, url, &target);

    if (status != EXIT_FINE) {
        belay_http_target_unref(target);
        return status;
    }
    site = add_site(run, POOL_HTTP, belay_peer_ref(belay_http_target_peer(target)));
    site->targets =
        memory_grow(site->targets, site->targets_n + 1, sizeof(struct belay_http_target *));
    site->targets[site->targets_n++] = target;
    return EXIT_FINE;
}

static int add_endpoint(struct pool_run *run, size_t url)
{
    const struct client_options *o = &run->o->client;
    struct belay_endpoint *endpoint;
    struct belay_peer *peer;
    struct belay_error error;
    int status =
        client_open_endpoint(o, run->loop, run->tls, o->urls.items[url], &endpoint, &error);
    int rc;

    if (status != EXIT_FINE)
        return error.kind ? client_refuse_url(o, url, &error) : status;
    rc = belay_pool_peer(run->pools[POOL_STREAM], endpoint, &peer);
    belay_endpoint_unref(endpoint);
    if (rc < 0) {
        say("starting: %s", belay_strerror(rc));
        return EXIT_PROBLEM;
    }
    add_site(run, POOL_STREAM, peer);
    return EXIT_FINE;
}

static void make_jobs(struct pool_site *site, size_t n)
{
    site->jobs = memory_get(n, sizeof *site->jobs);
    while (n-- > 0) {
        site->jobs[n].site = site;
        site->jobs[n].next_free = site->free_jobs;
        site->free_jobs = &site->jobs[n];
    }
}

static int by_peer(const void *a, const void *b)
{
    const struct pool_site *const *x = a, *const *y = b;
    uintptr_t of_x = (uintptr_t)(*x)->peer, of_y = (uintptr_t)(*y)->peer;

    return (of_x > of_y) - (of_x < of_y);
}

struct pool_site *pool_site_of(const struct pool_run *run, const struct belay_peer *peer)
{
    struct pool_site key = {.peer = (struct belay_peer *)peer}, *at = &key, **found;

    if (!run->by_peer)
        return NULL;
    found = bsearch(&at, run->by_peer, run->sites_n, sizeof(struct pool_site *), by_peer);
    return found ? *found : NULL;
}

static int make_sites(struct pool_run *run)
{
    const struct strings *urls = &run->o->client.urls;
    int status = EXIT_FINE;

    run->sites = memory_get(urls->n, sizeof *run->sites);
    for (size_t i = 0; status == EXIT_FINE && i < urls->n; i++)
        status = pool_url_is_http(urls->items[i]) ? add_url(run, i) : add_endpoint(run, i);
    if (status != EXIT_FINE)
        return status;
    run->by_peer = memory_get(run->sites_n, sizeof(struct pool_site *));
    for (size_t i = 0; i < run->sites_n; i++) {
        run->by_peer[i] = &run->sites[i];
        make_jobs(&run->sites[i], (size_t)run->o->client.concurrency);
    }
    qsort(run->by_peer, run->sites_n, sizeof(struct pool_site *), by_peer);
    return EXIT_FINE;
}

int pool_world_open(struct pool_run *run)
{
    int status = client_open_loop(&run->o->client, &run->loop);

    if (status == EXIT_FINE)
        status = client_open_tls(&run->o->client, run->loop, &run->tls);
    if (status == EXIT_FINE)
        status = client_open_proxies((struct client_options *)&run->o->client, run->loop);
    if (status == EXIT_FINE)
        status = open_pools(run);
    if (status == EXIT_FINE)
        status = make_sites(run);
    return status;
}

static void free_site(struct pool_run *run, struct pool_site *site)
{
    for (int64_t i = 0; site->jobs && i < run->o->client.concurrency; i++) {
        body_reader_end(&site->jobs[i].upload);
        belay_timer_free(site->jobs[i].hold);
    }
    for (size_t i = 0; i < site->targets_n; i++)
        belay_http_target_unref(site->targets[i]);
    belay_peer_unref(site->peer);
    free(site->targets);
    free(site->jobs);
}

void pool_world_close(struct pool_run *run)
{
    for (size_t i = 0; i < run->sites_n; i++)
        free_site(run, &run->sites[i]);
    free(run->sites);
    free(run->by_peer);
    if (run->http && !belay_pool_is_closed(run->pools[POOL_HTTP]))
        belay_http_close(run->http, NULL, NULL);
    if (run->pools[POOL_STREAM])
        belay_pool_close(run->pools[POOL_STREAM], NULL, NULL);
    for (int i = 0; i < POOL_KINDS; i++)
        belay_pool_unref(run->pools[i]);
    client_close_proxies((struct client_options *)&run->o->client);
    belay_tls_unref(run->tls);
    if (run->loop)
        belay_loop_free(run->loop);
}
