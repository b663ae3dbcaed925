/* SPDX-License-Identifier: MIT */
/* What belay's two HTTP benchmark clients share: a loop, a client and a target made from the
 * options. */
#ifndef BELAY_BENCH_CLIENT_H
#define BELAY_BENCH_CLIENT_H

#include <belay/belay.h>
#include <stdio.h>

#include "bench_util.h"

struct bench_client {
    struct belay_loop *loop;
    struct belay_tls *tls;
    struct belay_http *http;
    struct belay_http_target *target;
};

static inline void bench_client_open(struct bench_client *c, const struct bench_options *o,
                                     struct belay_pool_options *pool, bool resume)
{
    struct belay_http_options http = belay_http_options_init();
    struct belay_tls_options tls = belay_tls_options_init();
    struct belay_error error;
    char url[256];

    snprintf(url, sizeof url, "%s://%s:%u/%s", o->tls ? "https" : "http", o->host, o->port,
             bench_is_body(o) ? "big" : "");
    tls.ca_file = o->cafile;
    tls.no_resumption = !resume;
    c->tls = NULL;
    if (belay_loop_new(NULL, &c->loop, &error) < 0 ||
        (o->tls && belay_tls_new(c->loop, &tls, &c->tls, &error) < 0))
        bench_die("%s", error.text);
    http.pool = pool;
    http.tls = c->tls;
    if (bench_h2_connections(o) > 0) {
        http.versions = BELAY_HTTP_2_ONLY;
        http.max_streams = (int32_t)(o->inflight / bench_h2_connections(o));
    }
    if (belay_http_open(c->loop, &http, &c->http, &error) < 0 ||
        belay_http_target_new(c->http, url, &c->target, &error) < 0)
        bench_die("%s", error.text);
}

static inline void bench_client_close(struct bench_client *c)
{
    belay_http_target_unref(c->target);
    belay_http_close(c->http, NULL, NULL);
    belay_tls_unref(c->tls);
    belay_loop_free(c->loop);
}

#endif
