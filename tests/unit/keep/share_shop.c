/* SPDX-License-Identifier: MIT */
/* A loop's thread that takes orders, and the ledger of its connections. */
#include "unit/keep/share_shop.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the connector ---- */

static void on_open(struct belay_conn *conn, struct belay_endpoint *endpoint, void *arg)
{
    struct shop *s = arg;
    struct thing *t = calloc(1, sizeof *t);
    int pair[2] = {-1, -1};

    (void)endpoint;
    assert_non_null(t);
    if (s->sockets)
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    t->conn = conn;
    t->near = pair[0];
    t->far = pair[1];
    t->next = s->things;
    s->things = t;
    atomic_fetch_add(&s->opened, 1);
    if (s->sockets)
        assert_int_equal(belay_conn_set_descriptor(conn, t->near), 0);
    belay_conn_open_done(conn, t, 1);
}

static void on_close(struct belay_conn *conn, enum belay_reason reason, void *arg)
{
    struct shop *s = arg;
    struct thing *t = belay_conn_state(conn);

    (void)reason;
    assert_int_equal(atomic_load(&t->holders), 0); /* never under somebody's hands */
    assert_false(atomic_exchange(&t->closed, true));
    if (t->near >= 0)
        close(t->near);
    if (t->far >= 0)
        close(t->far);
    atomic_fetch_add(&s->closed, 1);
    belay_conn_closed(conn);
}

struct thing *shop_hold(struct belay_lease lease)
{
    struct thing *t = belay_lease_state(lease);

    if (!t)
        return NULL; /* revoked */
    assert_int_equal(atomic_fetch_add(&t->holders, 1), 0);
    assert_false(atomic_load(&t->closed));
    return t;
}

void shop_let_go(struct thing *t)
{
    if (!t)
        return;
    assert_false(atomic_load(&t->closed));
    assert_int_equal(atomic_fetch_sub(&t->holders, 1), 1);
}

/* ---- the loop's thread ---- */

static void tell(struct shop *s, bool *what)
{
    pthread_mutex_lock(&s->lock);
    *what = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void await(struct shop *s, const bool *what)
{
    pthread_mutex_lock(&s->lock);
    while (!*what)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void on_running(void *arg)
{
    struct shop *s = arg;

    tell(s, &s->ready);
}

static void *run(void *arg)
{
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_world world = {.size = sizeof world};
    struct belay_endpoint *endpoint;
    struct shop *s = arg;
    char url[64];

    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", s->port ? s->port : 1u);
    world.allocator = &s->alloc.allocator;
    o.world = &world;
    if (!s->plain)
        s->options.connector = (struct belay_connector){.ops = &s->ops, .arg = s};
    assert_int_equal(belay_loop_new(&o, &s->loop, NULL), 0);
    assert_int_equal(belay_pool_open(s->loop, &s->options, &s->pool, NULL), 0);
    assert_int_equal(belay_endpoint_parse(s->loop, url, &endpoint, NULL), 0);
    assert_int_equal(belay_pool_peer(s->pool, endpoint, &s->peer), 0);
    belay_endpoint_unref(endpoint);
    assert_int_equal(belay_loop_post(s->loop, on_running, s), 0);
    assert_int_equal(belay_loop_run(s->loop), 0);
    belay_peer_unref(s->peer);
    belay_loop_free(s->loop);
    return NULL;
}

void shop_init(struct shop *s)
{
    memset(s, 0, sizeof *s);
    failing_alloc_init(&s->alloc);
    s->options = belay_pool_options_init();
    s->options.shared = true;
    s->ops = (struct belay_connector_ops){
        .size = sizeof s->ops, .name = "ledger", .open = on_open, .close = on_close};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
}

void shop_open(struct shop *s)
{
    assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
    await(s, &s->ready);
}

struct order {
    struct shop *shop;
    void (*fn)(struct shop *s, void *arg);
    void *arg;
    bool done;
};

static void carry_out(void *arg)
{
    struct order *o = arg;

    o->fn(o->shop, o->arg);
    tell(o->shop, &o->done);
}

void shop_do(struct shop *s, void (*fn)(struct shop *s, void *arg), void *arg)
{
    struct order o = {s, fn, arg, false};

    assert_int_equal(belay_loop_post(s->loop, carry_out, &o), 0);
    await(s, &o.done);
}

static void get_stats(struct shop *s, void *arg)
{
    belay_peer_get_stats(s->peer, arg);
}

struct belay_pool_stats shop_stats(struct shop *s)
{
    struct belay_pool_stats stats = belay_pool_stats_init();

    shop_do(s, get_stats, &stats);
    return stats;
}

void shop_await_waiting(struct shop *s, unsigned n)
{
    while (shop_stats(s).waiting != n)
        continue;
}

void shop_await_closed(struct shop *s, unsigned n)
{
    while (atomic_load(&s->closed) != n)
        shop_stats(s);
}

/* ---- everything that a loop may do meanwhile ---- */

static void on_lease(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct chaos *c = arg;

    c->answered++;
    if (error)
        return;
    if (!c->shop->plain)
        shop_let_go(shop_hold(lease));
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
}

static void lose_one(struct shop *s)
{
    for (struct thing *t = s->things; t; t = t->next) {
        if (!atomic_load(&t->closed)) {
            belay_conn_lost(t->conn, BELAY_REASON_NONE, NULL);
            return;
        }
    }
}

static void set_limit(struct shop *s, int32_t limit)
{
    struct belay_pool_options o = belay_pool_options_init();

    o.max_connections_per_endpoint = limit;
    assert_int_equal(belay_pool_set_options(s->pool, &o, NULL), 0);
}

static void upset(void *arg)
{
    struct chaos *c = arg;
    struct shop *s = c->shop;
    struct belay_lease lease;

    switch (c->step++ % 8) {
    case 0:
        belay_peer_clear(s->peer, BELAY_CLEAR_GENTLY);
        break;
    case 1:
        c->asked += belay_peer_acquire(s->peer, NULL, NULL, on_lease, c) == 0;
        break;
    case 2:
        lose_one(s);
        break;
    case 3:
        belay_pool_suspend(s->pool);
        break;
    case 4:
        belay_pool_resume(s->pool);
        break;
    case 5:
        belay_pool_clear(s->pool, BELAY_CLEAR_NOW);
        break;
    case 6:
        if (belay_peer_try_acquire(s->peer, &lease) == 0)
            belay_lease_release(lease, c->step % 3 ? BELAY_REUSE : BELAY_BROKEN);
        break;
    case 7:
        set_limit(s, c->step % 16 == 8 ? 2 : 4);
        break;
    }
    if (c->step < c->steps) {
        belay_timer_start(c->timer, 1);
        return;
    }
    belay_pool_resume(s->pool);
    atomic_store(&c->stop, true);
}

static void begin_chaos(struct shop *s, void *arg)
{
    struct chaos *c = arg;

    c->shop = s;
    assert_int_equal(belay_timer_new(s->loop, upset, c, &c->timer), 0);
    belay_timer_start(c->timer, 0);
}

static void end_chaos(struct shop *s, void *arg)
{
    (void)s;
    belay_timer_free(((struct chaos *)arg)->timer);
}

void shop_begin_chaos(struct shop *s, struct chaos *c)
{
    shop_do(s, begin_chaos, c);
}

void shop_end_chaos(struct shop *s, struct chaos *c)
{
    shop_do(s, end_chaos, c);
    assert_int_equal(c->asked, c->answered);
}

/* ---- the end ---- */

static void on_closed(void *arg)
{
    struct shop *s = arg;

    assert_int_equal(atomic_load(&s->opened), atomic_load(&s->closed));
    tell(s, &s->over);
}

static void close_pool(struct shop *s, void *arg)
{
    if (*(bool *)arg)
        belay_pool_drain(s->pool, on_closed, s);
    else
        belay_pool_close(s->pool, on_closed, s);
}

void shop_begin_close(struct shop *s, bool drain)
{
    shop_do(s, close_pool, &drain);
}

bool shop_is_over(struct shop *s)
{
    bool over;

    pthread_mutex_lock(&s->lock);
    over = s->over;
    pthread_mutex_unlock(&s->lock);
    return over;
}

void shop_join(struct shop *s)
{
    struct thing *t;

    await(s, &s->over);
    pthread_join(s->thread, NULL);
    while ((t = s->things)) {
        s->things = t->next;
        free(t);
    }
    assert_int_equal(failing_alloc_live(&s->alloc), 0);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

void shop_close(struct shop *s)
{
    shop_begin_close(s, false);
    shop_join(s);
}
