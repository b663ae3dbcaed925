/* SPDX-License-Identifier: MIT */
/* Taking options, and telling what became of them. */
#include "build/option_subjects.h"

#include <openssl/ssl.h>

#include "conn/conn.h"
#include "keep/cache.h"
#include "keep/link.h"
#include "keep/pool.h"
#include "keep/process.h"
#include "keep/supervisor.h"
#include "net/tls.h"
#include "support/test.h"
#ifdef TEST_HTTP
#include "http/request.h"
#endif
#ifdef TEST_GRPC
#include "grpc/channel.h"
#include "service/chronicle.h"
#endif

static struct belay_loop *loop;
static struct belay_endpoint *endpoint;

void subjects_open(void)
{
    assert_int_equal(belay_loop_new(NULL, &loop, NULL), 0);
    assert_int_equal(belay_endpoint_parse(loop, "tcp://127.0.0.1:1", &endpoint, NULL), 0);
}

void subjects_close(void)
{
    belay_endpoint_unref(endpoint);
    belay_loop_free(loop);
}

static int take_backoff(const void *given, void *effective, struct belay_error *error)
{
    struct belay_backoff b;
    int rc = belay_backoff_init(&b, given);

    (void)error;
    if (rc == 0)
        memcpy(effective, &b.options, sizeof b.options);
    return rc;
}

static int take_dial(const void *given, void *effective, struct belay_error *error)
{
    return bl_dial_options_resolve(effective, given, error);
}

static int is_well(struct belay_conn *conn, void *arg)
{
    (void)conn;
    (void)arg;
    return 1;
}

/* Whatever would contradict the one option that is given gives way: limits to min_idle; and checks
 * have somebody to ask. */
static void avoid_contradictions(struct belay_pool_options *o)
{
    static const struct belay_pool_callbacks callbacks = {.size = sizeof callbacks,
                                                          .health_check = is_well};

    if (o->size >= offsetof(struct belay_pool_options, callbacks_arg))
        o->callbacks = &callbacks;
    if (o->size < sizeof *o || o->min_idle <= 0)
        return;
    o->max_connections_per_endpoint = o->max_connections_total = BELAY_FOREVER;
}

static int take_pool(const void *given, void *effective, struct belay_error *error)
{
    struct belay_pool *pool;
    union given o;
    int rc;

    memcpy(&o, given, sizeof o);
    avoid_contradictions(&o.pool);
    rc = belay_pool_open(loop, &o.pool, &pool, error);
    if (rc < 0)
        return rc;
    memcpy(effective, &pool->options, sizeof pool->options);
    belay_pool_close(pool, NULL, NULL);
    assert_int_equal(belay_loop_turn(loop, 0), 0);
    return 0;
}

static void check(struct belay_conn *conn, void *arg)
{
    (void)arg;
    belay_conn_checked(conn, 0);
}

static int take_link(const void *given, void *effective, struct belay_error *error)
{
    static const struct belay_connector_ops ops = {.size = sizeof ops, .check = check};
    struct belay_link_options *o = calloc(1, sizeof(union given));
    struct belay_link *link;
    int rc;

    assert_non_null(o);
    memcpy(o, given, sizeof(union given));
    if (o->size >= offsetof(struct belay_link_options, dial))
        o->connector.ops = &ops; /* checks have somebody to ask */
    rc = belay_link_open_to(endpoint, o, &link, error);
    free(o);
    if (rc < 0)
        return rc;
    memcpy(effective, &link->options, sizeof link->options);
    belay_link_close(link, NULL, NULL);
    assert_int_equal(belay_loop_turn(loop, 0), 0);
    return 0;
}

static int take_process(const void *given, void *effective, struct belay_error *error)
{
    struct belay_backoff backoff;

    return bl_process_options_resolve(effective, given, &backoff, error);
}

static int take_supervisor(const void *given, void *effective, struct belay_error *error)
{
    struct belay_supervisor *s;
    int rc = belay_supervisor_open(loop, given, &s, error);

    if (rc < 0)
        return rc;
    memcpy(effective, &s->options, sizeof s->options);
    belay_supervisor_close(s, NULL, NULL);
    assert_int_equal(belay_loop_turn(loop, 0), 0);
    return 0;
}

static int start_nothing(struct belay_loop *of, struct belay_child *child, void *arg)
{
    (void)of;
    (void)child;
    (void)arg;
    return BELAY_EIGNORED;
}

static void stop_nothing(struct belay_child *child, void *object, void *arg)
{
    (void)child;
    (void)object;
    (void)arg;
}

static int take_child(const void *given, void *effective, struct belay_error *error)
{
    static const struct belay_child_ops ops = {
        .size = sizeof ops, .noun = "nothing", .start = start_nothing, .stop = stop_nothing};
    struct belay_child_spec *o;
    struct bl_child_spec taken;
    union given spec;
    int rc;

    memcpy(&spec, given, sizeof spec);
    o = (struct belay_child_spec *)(void *)spec.bytes;
    if (o->size >= offsetof(struct belay_child_spec, arg))
        o->ops = &ops;
    rc = bl_child_spec_take(&taken, &loop->mem, o, error);
    if (rc < 0)
        return rc;
    o = effective;
    o->restart = (enum belay_restart)taken.restart;
    o->shutdown_ms = taken.shutdown_ms;
    bl_child_spec_drop(&taken, &loop->mem);
    return 0;
}

static void nobody(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    (void)lease;
    (void)error;
    (void)arg;
}

/* 0 is the pool's own limit. */
static int take_acquire(const void *given, void *effective, struct belay_error *error)
{
    struct belay_acquire_options *o = effective;
    struct belay_waiter *waiter;
    struct belay_pool *pool;
    struct belay_peer *peer;
    int rc;

    (void)error;
    assert_int_equal(belay_pool_open(loop, NULL, &pool, NULL), 0);
    assert_int_equal(belay_pool_peer(pool, endpoint, &peer), 0);
    rc = belay_peer_acquire(peer, given, &waiter, nobody, NULL);
    if (rc == 0) {
        o->timeout_ms = waiter->timeout_ms;
        belay_waiter_cancel(waiter);
    }
    belay_peer_unref(peer);
    belay_pool_close(pool, NULL, NULL);
    assert_int_equal(belay_loop_turn(loop, 0), 0);
    return rc;
}

static int take_cache(const void *given, void *effective, struct belay_error *error)
{
    struct belay_cache *cache;
    int rc = belay_cache_open(loop, given, &cache, error);

    if (rc < 0)
        return rc;
    memcpy(effective, &cache->options, sizeof cache->options);
    belay_cache_close(cache, NULL, NULL);
    assert_int_equal(belay_loop_turn(loop, 0), 0);
    return 0;
}

static int take_loop(const void *given, void *effective, struct belay_error *error)
{
    struct belay_loop *made;
    int rc = belay_loop_new(given, &made, error);

    if (rc < 0)
        return rc;
    memcpy(effective, &made->options, sizeof made->options);
    belay_loop_free(made);
    return 0;
}

static int take_tls(const void *given, void *effective, struct belay_error *error)
{
    struct belay_tls_options *o = effective;
    struct belay_tls *tls;
    int rc = belay_tls_new(loop, given, &tls, error);

    if (rc < 0)
        return rc;
    o->sessions_max = (int32_t)tls->sessions_max;
    o->min_version =
        SSL_CTX_get_min_proto_version(tls->ctx) == TLS1_3_VERSION ? BELAY_TLS_1_3 : BELAY_TLS_1_2;
    belay_tls_unref(tls);
    return 0;
}

#ifdef TEST_HTTP
static int take_http(const void *given, void *effective, struct belay_error *error)
{
    struct belay_http *http;
    int rc = belay_http_open(loop, given, &http, error);

    if (rc < 0)
        return rc;
    memcpy(effective, &http->options, sizeof http->options);
    belay_http_close(http, NULL, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(belay_loop_turn(loop, 0), 0);
    return 0;
}

static ptrdiff_t read_body(void *out, size_t size, void *arg)
{
    (void)out;
    (void)size;
    (void)arg;
    return 0;
}

static int take_request(const void *given, void *effective, struct belay_error *error)
{
    struct belay_http_request_options *o;
    struct belay_http_request *request;
    struct belay_http *http;
    size_t size;
    int rc;

    (void)effective;
    memcpy(&size, given, sizeof size);
    o = calloc(1, size < sizeof *o ? sizeof *o : size);
    assert_non_null(o);
    memcpy(o, given, size);
    if (size >= sizeof *o) {
        o->read_body = read_body;
        o->method = "PUT";
    }
    o->url = "http://127.0.0.1:1/";
    assert_int_equal(belay_http_open(loop, NULL, &http, NULL), 0);
    rc = belay_http_request(http, o, NULL, &request, error);
    if (rc == 0)
        belay_http_request_cancel(request);
    belay_http_close(http, NULL, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(belay_loop_turn(loop, 0), 0);
    free(o);
    return rc;
}

/* What is bad is not above what is good. */
static int take_check(const void *given, void *effective, struct belay_error *error)
{
    struct belay_connector connector;
    struct belay_http *http;
    union given g;
    int rc;

    memcpy(&g, given, sizeof g);
    if (g.size >= sizeof g.check && g.check.status_min > 0)
        g.check.status_max = 599;
    assert_int_equal(belay_http_open(loop, NULL, &http, NULL), 0);
    rc = belay_http_connector(http, &g.check, &connector, error);
    if (rc == 0)
        memcpy(effective, &http->check->options, sizeof http->check->options);
    belay_http_close(http, NULL, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(belay_loop_turn(loop, 0), 0);
    return rc;
}
#endif

#ifdef TEST_GRPC
static void turn_thrice(void)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(belay_loop_turn(loop, 0), 0);
}

static int take_channel(const void *given, void *effective, struct belay_error *error)
{
    struct belay_channel *channel;
    int rc = belay_channel_open(loop, "ipv4:127.0.0.1:1", given, &channel, error);

    if (rc < 0)
        return rc;
    memcpy(effective, &channel->options, sizeof channel->options);
    belay_channel_close(channel, NULL, NULL);
    turn_thrice();
    return 0;
}

static int take_retry(const void *given, void *effective, struct belay_error *error)
{
    struct belay_retry_policy *p = effective;
    struct bl_retry_limits limits;
    int rc = bl_retry_resolve(&limits, given, error);

    if (rc < 0)
        return rc;
    p->attempts_max = limits.attempts_max;
    p->delay_ms = limits.delay_ms;
    p->delay_max_ms = limits.delay_max_ms;
    p->factor_percent = limits.factor_percent;
    p->statuses = limits.statuses;
    p->tokens_max = limits.tokens_max;
    return 0;
}

static void on_rpc_done(struct belay_rpc *rpc, const struct belay_rpc_result *result, void *arg)
{
    (void)rpc;
    (void)result;
    (void)arg;
}

static int take_rpc(const void *given, void *effective, struct belay_error *error)
{
    static const struct belay_rpc_callbacks callbacks = {.size = sizeof callbacks,
                                                         .on_done = on_rpc_done};
    struct belay_rpc_options *o = effective;
    struct belay_channel *channel;
    struct belay_rpc *rpc;
    int rc;

    assert_int_equal(belay_channel_open(loop, "ipv4:127.0.0.1:1", NULL, &channel, NULL), 0);
    rc = belay_rpc_start(channel, "/s/M", given, &callbacks, NULL, &rpc, error);
    if (rc == 0) {
        o->deadline_ms = rpc->deadline_ms;
        belay_rpc_cancel(rpc);
    }
    belay_channel_close(channel, NULL, NULL);
    turn_thrice();
    return rc;
}

static int take_chronicle(const void *given, void *effective, struct belay_error *error)
{
    struct belay_chronicle *chronicle;
    int rc = belay_chronicle_start(loop, given, &chronicle, error);

    if (rc < 0)
        return rc;
    memcpy(effective, &chronicle->options, sizeof chronicle->options);
    belay_chronicle_disconnect(chronicle, NULL, NULL);
    turn_thrice();
    return 0;
}
#endif

const struct subject subjects[SUBJECTS] = {
    [BACKOFF] = {.name = "belay_backoff_options",
                 .file = "src/conn/backoff.c",
                 .size = sizeof(struct belay_backoff_options),
                 .take = take_backoff,
                 .unnamed = true},
    [DIAL] = {.name = "belay_dial_options",
              .file = "src/conn/dial.c",
              .size = sizeof(struct belay_dial_options),
              .take = take_dial},
    [POOL] = {.name = "belay_pool_options",
              .file = "src/keep/pool_options.c",
              .size = sizeof(struct belay_pool_options),
              .take = take_pool},
    [ACQUIRE] = {.name = "belay_acquire_options",
                 .file = "src/keep/pool_acquire.c",
                 .size = sizeof(struct belay_acquire_options),
                 .take = take_acquire,
                 .unnamed = true},
    [CACHE] = {.name = "belay_cache_options",
               .file = "src/keep/cache.c",
               .size = sizeof(struct belay_cache_options),
               .take = take_cache},
    [LINK] = {.name = "belay_link_options",
              .file = "src/keep/link_options.c",
              .size = sizeof(struct belay_link_options),
              .take = take_link},
    [PROCESS] = {.name = "belay_process_options",
                 .file = "src/keep/process_options.c",
                 .size = sizeof(struct belay_process_options),
                 .take = take_process},
    [SUPERVISOR] = {.name = "belay_supervisor_options",
                    .file = "src/keep/supervisor.c",
                    .size = sizeof(struct belay_supervisor_options),
                    .take = take_supervisor},
    [CHILD] = {.name = "belay_child_spec",
               .file = "src/conn/child.c",
               .size = sizeof(struct belay_child_spec),
               .take = take_child},
    [LOOP] = {.name = "belay_loop_options",
              .file = "src/loop/loop_options.c",
              .size = sizeof(struct belay_loop_options),
              .take = take_loop},
    [TLS] = {.name = "belay_tls_options",
             .file = "src/net/tls_identity.c",
             .size = sizeof(struct belay_tls_options),
             .take = take_tls},
#ifdef TEST_HTTP
    [HTTP] = {.name = "belay_http_options",
              .file = "src/http/client.c",
              .size = sizeof(struct belay_http_options),
              .take = take_http},
    [REQUEST] = {.name = "belay_http_request_options",
                 .file = "src/http/request_make.c",
                 .size = sizeof(struct belay_http_request_options),
                 .take = take_request,
                 .hidden = true},
    [CHECK] = {.name = "belay_http_check",
               .file = "src/http/http_check.c",
               .size = sizeof(struct belay_http_check),
               .take = take_check},
#endif
#ifdef TEST_GRPC
    [CHANNEL] = {.name = "belay_channel_options",
                 .file = "src/grpc/channel_options.c",
                 .size = sizeof(struct belay_channel_options),
                 .take = take_channel},
    [RETRY] = {.name = "belay_retry_policy",
               .file = "src/grpc/retry_policy.c",
               .size = sizeof(struct belay_retry_policy),
               .take = take_retry},
    [RPC] = {.name = "belay_rpc_options",
             .file = "src/grpc/rpc_make.c",
             .size = sizeof(struct belay_rpc_options),
             .take = take_rpc},
    [CHRONICLE] = {.name = "belay_chronicle_options",
                   .file = "src/service/chronicle_options.c",
                   .size = sizeof(struct belay_chronicle_options),
                   .take = take_chronicle},
#endif
};
