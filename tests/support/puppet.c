/* SPDX-License-Identifier: MIT */
/* The connector on strings: down-calls are counted, up-calls made on demand. */
#include "support/puppet.h"

#include "base/error.h"

struct belay_error puppet_error(int code, enum belay_stage stage)
{
    struct belay_error error;

    bl_error_set(&error, code, stage, "puppet: %s", belay_strerror(code));
    return error;
}

struct puppet_conn *puppet_conn(struct puppet *p, unsigned n)
{
    assert_true(n < p->n);
    return &p->conns[n];
}

unsigned puppet_live(const struct puppet *p)
{
    unsigned n = 0;

    for (unsigned i = 0; i < p->n; i++)
        n += p->conns[i].conn != NULL;
    return n;
}

void puppet_up(struct puppet_conn *c, int capacity)
{
    belay_conn_open_done(c->conn, c, capacity);
}

void puppet_fail(struct puppet_conn *c, int code)
{
    struct belay_error error = puppet_error(code, BELAY_STAGE_PROTOCOL);
    struct belay_conn *conn = c->conn;

    error.final = c->puppet->final;
    c->conn = NULL; /* nothing more is called on it */
    belay_conn_open_failed(conn, &error);
}

void puppet_lose(struct puppet_conn *c, int code)
{
    struct belay_error error = puppet_error(code, BELAY_STAGE_USE);

    belay_conn_lost(c->conn, BELAY_REASON_NONE, &error);
}

void puppet_closed(struct puppet_conn *c)
{
    struct belay_conn *conn = c->conn;

    c->conn = NULL;
    belay_conn_closed(conn);
}

/* ---- down-calls ---- */

static void begin(struct belay_conn *conn, struct puppet *p)
{
    struct puppet_conn *c;

    assert_true(p->n < PUPPET_CONNS_MAX);
    c = &p->conns[p->n++];
    memset(c, 0, sizeof *c);
    c->conn = conn;
    c->id = belay_conn_id(conn);
    c->puppet = p;
    c->opens = 1;
    belay_conn_set_state(conn, c);
    if (p->fail)
        puppet_fail(c, p->fail);
    else if (p->capacity)
        puppet_up(c, p->capacity < 0 ? 0 : p->capacity);
}

static void on_open(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    assert_ptr_equal(endpoint, belay_conn_endpoint(conn));
    assert_null(belay_conn_stream(conn));
    begin(conn, arg);
}

static void on_session(struct belay_conn *conn, struct belay_stream *stream, void *arg)
{
    assert_non_null(stream);
    assert_ptr_equal(stream, belay_conn_stream(conn));
    begin(conn, arg);
}

/* A down-call on what is gone is the library's mistake. */
static struct puppet_conn *alive(struct belay_conn *conn, void *arg)
{
    struct puppet_conn *c = belay_conn_state(conn);

    assert_non_null(c);
    assert_ptr_equal(c->puppet, arg);
    assert_ptr_equal(c->conn, conn);
    return c;
}

static void on_cancel(struct belay_conn *conn, void *arg)
{
    struct puppet_conn *c = alive(conn, arg);

    assert_int_equal(c->cancels + c->closes, 0);
    c->cancels++;
    c->has_stream = belay_conn_stream(conn) != NULL;
    if (!c->puppet->cancel_later)
        puppet_closed(c);
}

static void on_close(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    struct puppet_conn *c = alive(conn, arg);

    assert_int_equal(c->cancels + c->closes, 0);
    c->closes++;
    c->reason = reason;
    c->has_stream = belay_conn_stream(conn) != NULL;
    if (!c->puppet->close_later)
        puppet_closed(c);
}

static void on_check(struct belay_conn *conn, void *arg)
{
    struct puppet_conn *c = alive(conn, arg);

    c->checks++;
    if (!c->puppet->check_later)
        belay_conn_checked(conn, c->puppet->check_result);
}

static void on_acquired(struct belay_conn *conn, void *arg)
{
    alive(conn, arg)->acquires++;
}

static void on_released(struct belay_conn *conn, void *arg)
{
    alive(conn, arg)->releases++;
}

static void init(struct puppet *p)
{
    memset(p, 0, sizeof *p);
    p->ops = (struct belay_connector_ops){
        .size = sizeof p->ops,
        .name = "puppet",
        .cancel = on_cancel,
        .close = on_close,
        .check = on_check,
        .acquired = on_acquired,
        .released = on_released,
    };
    p->connector.ops = &p->ops;
    p->connector.arg = p;
}

void puppet_init(struct puppet *p)
{
    init(p);
    p->ops.open = on_open;
}

void puppet_init_session(struct puppet *p)
{
    init(p);
    p->ops.session_open = on_session;
}

struct puppet_conn *puppet_of(struct belay_conn *conn)
{
    return belay_conn_state(conn);
}
