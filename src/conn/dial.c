/* SPDX-License-Identifier: MIT */
/* How connections are dialled: the options of it, and belay_dial, which dials without a keeper. */
#include "belay/connector.h"
#include "conn/conn.h"
#include "conn/endpoint.h"
#include "conn/options.h"
#include "loop/threads.h"

#define HOUR_MS INT64_C(3600000)
#define LIMIT(field, fallback)                                                                     \
    BL_OPTION(belay_dial_options, field, fallback, BL_NOT_ALLOWED, INT64_MAX, 1, 24 * HOUR_MS)

const struct bl_option bl_dial_options[] = {
    LIMIT(resolve_timeout_ms, 5000),
    LIMIT(connect_timeout_ms, 10000),
    LIMIT(tls_timeout_ms, 10000),
    LIMIT(session_timeout_ms, 10000),
    BL_OPTION(belay_dial_options, close_timeout_ms, 2000, 0, BL_NOT_ALLOWED, 1, HOUR_MS),
    BL_OPTION(belay_dial_options, race_delay_ms, 250, 0, 24 * HOUR_MS, 1, HOUR_MS),
    BL_OPTION(belay_dial_options, keepalive_idle_s, 20, 0, BL_NOT_ALLOWED, 1, 32767),
    BL_OPTION(belay_dial_options, keepalive_every_s, 5, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 1, 32767),
    BL_OPTION(belay_dial_options, keepalive_probes, 3, BL_NOT_ALLOWED, BL_NOT_ALLOWED, 1, 127),
    BL_OPTION(belay_dial_options, user_timeout_ms, 30000, INT64_MAX, INT64_MAX, 1, 24 * HOUR_MS),
    LIMIT(dial_timeout_ms, INT64_MAX),
    LIMIT(proxy_timeout_ms, 10000),
};
const size_t bl_dial_options_n = BL_COUNT(bl_dial_options);

int bl_dial_options_resolve(struct belay_dial_options *out, const struct belay_dial_options *given,
                            struct belay_error *error)
{
    return bl_options_resolve(out, sizeof *out, given, bl_dial_options, bl_dial_options_n, error);
}

struct bl_stream_options bl_dial_stream_options(const struct belay_dial_options *o)
{
    return (struct bl_stream_options){
        .keepalive_idle_s = o->keepalive_idle_s,
        .keepalive_every_s = o->keepalive_every_s,
        .keepalive_probes = o->keepalive_probes,
        .user_timeout_ms = o->user_timeout_ms,
    };
}

/* One dial is a connection whose keeper takes the stream and closes what is left. */
struct belay_dial {
    struct bl_object object;
    struct belay_loop *loop;
    struct belay_conn *conn;
    struct belay_dial_options options;
    belay_dial_fn *fn; /* NULL once called or cancelled */
    void *arg;
};

static const struct belay_connector plain_connector = {0};

static void dial_free(struct belay_dial *d)
{
    bl_object_fini(&d->object, d->loop);
    bl_free(&d->loop->mem, d);
}

static void dial_opened(struct belay_conn *conn, void *keeper)
{
    struct belay_dial *d = keeper;
    belay_dial_fn *fn = d->fn;
    struct belay_stream *stream = bl_conn_take(conn);

    d->fn = NULL;
    bl_conn_close(conn, BELAY_REASON_TAKEN);
    fn(stream, NULL, d->arg);
}

static void dial_failed(struct belay_conn *conn, const struct belay_error *error, void *keeper)
{
    struct belay_dial *d = keeper;
    belay_dial_fn *fn = d->fn;
    void *arg = d->arg;

    fn(NULL, error, arg);
    bl_conn_free(conn);
    dial_free(d);
}

static void dial_changed(struct belay_conn *conn, const struct belay_error *lost, void *keeper)
{
    (void)conn;
    (void)lost;
    (void)keeper;
}

static void dial_checked(struct belay_conn *conn, int result, void *keeper)
{
    (void)conn;
    (void)result;
    (void)keeper;
}

static void dial_closed(struct belay_conn *conn, void *keeper)
{
    struct belay_dial *d = keeper;
    struct belay_error error;

    bl_conn_free(conn);
    if (d->fn) { /* the loop is ending */
        bl_error_set(&error, BELAY_ECLOSED, BELAY_STAGE_CONNECT, "the loop was closed");
        d->fn(NULL, &error, d->arg);
    }
    dial_free(d);
}

static const struct bl_conn_keeper_ops dial_keeper = {
    .opened = dial_opened,
    .failed = dial_failed,
    .changed = dial_changed,
    .checked = dial_checked,
    .closed = dial_closed,
};

static void dial_close_object(struct bl_object *object)
{
    struct belay_dial *d = BL_CONTAINER(object, struct belay_dial, object);

    bl_conn_close(d->conn, BELAY_REASON_OWNER_CLOSED);
}

int belay_dial(struct belay_endpoint *endpoint, const struct belay_dial_options *options,
               struct belay_dial **ret_dial, belay_dial_fn *fn, void *arg)
{
    struct belay_loop *loop = bl_endpoint_loop(endpoint);
    struct belay_dial_options effective;
    struct belay_dial *d;
    int rc;

    if (!fn)
        return BELAY_EINVAL;
    if (!bl_threads_here(loop))
        return BELAY_ENOTSUP;
    if (loop->closing)
        return BELAY_ECLOSED;
    rc = bl_dial_options_resolve(&effective, options, NULL);
    if (rc < 0)
        return rc;
    d = bl_zalloc(&loop->mem, sizeof *d);
    if (!d)
        return BELAY_ENOMEM;
    d->loop = loop;
    d->options = effective;
    d->fn = fn;
    d->arg = arg;
    rc = bl_conn_open(loop, endpoint, &plain_connector, &d->options, false, &dial_keeper, d, 0,
                      &d->conn);
    if (rc < 0) {
        bl_free(&loop->mem, d);
        return rc;
    }
    bl_object_init(&d->object, loop, "dial", dial_close_object);
    if (ret_dial)
        *ret_dial = d;
    return 0;
}

void belay_dial_cancel(struct belay_dial *d)
{
    if (!d)
        return;
    d->fn = NULL;
    bl_conn_close(d->conn, BELAY_REASON_OWNER_CLOSED);
}
