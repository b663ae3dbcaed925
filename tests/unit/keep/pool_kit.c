/* SPDX-License-Identifier: MIT */
/* A pool in virtual time, and asks that remember what they were told. */
#include "unit/keep/pool_kit.h"

#include <stdio.h>

void pool_kit_begin(struct pool_kit *k)
{
    memset(k, 0, sizeof *k);
    failing_alloc_init(&k->alloc);
    fake_world_open(&k->world, &k->alloc.allocator);
    k->loop = k->world.loop;
    puppet_init(&k->puppet);
    k->puppet.capacity = 1;
    k->options = belay_pool_options_init();
    k->options.connector = k->puppet.connector;
}

struct belay_peer *pool_kit_peer(struct pool_kit *k, const char *url)
{
    struct belay_endpoint *endpoint;
    struct belay_peer *peer;

    assert_int_equal(belay_endpoint_parse(k->loop, url, &endpoint, NULL), 0);
    assert_int_equal(belay_pool_peer(k->pool, endpoint, &peer), 0);
    belay_endpoint_unref(endpoint);
    return peer;
}

void pool_kit_open(struct pool_kit *k)
{
    struct belay_error error;

    if (belay_pool_open(k->loop, &k->options, &k->pool, &error) < 0)
        fail_msg("%s", error.text);
    k->a = pool_kit_peer(k, "tcp://a.test:1");
    k->b = pool_kit_peer(k, "tcp://b.test:1");
}

void pool_kit_on_closed(void *kit)
{
    struct pool_kit *k = kit;

    k->closed++;
    k->pool = NULL;
}

void pool_kit_end(struct pool_kit *k)
{
    if (k->pool) {
        belay_pool_close(k->pool, pool_kit_on_closed, k);
        for (int i = 0; k->pool && i < PUPPET_CONNS_MAX; i++) {
            pool_kit_settle(k);
            for (unsigned n = 0; n < k->puppet.n; n++) /* those that close later */
                if (k->puppet.conns[n].conn)
                    puppet_closed(&k->puppet.conns[n]);
        }
        assert_null(k->pool);
    }
    belay_peer_unref(k->a);
    belay_peer_unref(k->b);
    assert_int_equal(puppet_live(&k->puppet), 0);
    fake_world_close(&k->world);
    assert_int_equal(failing_alloc_live(&k->alloc), 0);
}

void pool_kit_settle(struct pool_kit *k)
{
    fake_world_settle(&k->world);
}

void pool_kit_pass(struct pool_kit *k, int64_t ms)
{
    fake_world_pass(&k->world, ms);
}

void ask_init(struct ask *ask, struct pool_kit *k)
{
    memset(ask, 0, sizeof *ask);
    ask->kit = k;
}

static void on_answer(struct belay_lease lease, const struct belay_error *error, void *arg)
{
    struct ask *ask = arg;

    ask->told++;
    ask->waiter = NULL;
    ask->lease = lease;
    ask->code = error ? error->code : 0;
    if (error) {
        assert_false(belay_lease_valid(lease));
        assert_int_equal(error->kind, belay_error_kind_of(error->code));
        ask->stage = error->stage;
        ask->attempt = error->attempt;
        memcpy(ask->text, error->text, sizeof ask->text);
    } else {
        assert_true(belay_lease_valid(lease));
    }
    if (ask->then)
        ask->then(ask);
}

int ask_peer(struct ask *ask, struct belay_peer *peer, int64_t timeout_ms, bool fresh)
{
    struct belay_acquire_options o = belay_acquire_options_init();
    unsigned before = ask->told;
    int rc;

    o.timeout_ms = timeout_ms;
    o.fresh = fresh;
    rc = belay_peer_acquire(peer, &o, &ask->waiter, on_answer, ask);
    assert_int_equal(ask->told, before); /* never inside the call */
    return rc;
}

void ask_now(struct ask *ask, struct pool_kit *k, struct belay_peer *peer)
{
    ask_init(ask, k);
    assert_int_equal(ask_peer(ask, peer, 0, false), 0);
    pool_kit_settle(k);
}

void assert_served(const struct ask *ask)
{
    assert_int_equal(ask->told, 1);
    if (ask->code)
        fail_msg("%s", ask->text);
    assert_true(belay_lease_valid(ask->lease));
}

void assert_refused(const struct ask *ask, int code, enum belay_stage stage)
{
    assert_int_equal(ask->told, 1);
    assert_string_equal(belay_error_name(ask->code), belay_error_name(code));
    assert_string_equal(belay_stage_name(ask->stage), belay_stage_name(stage));
    assert_true(ask->text[0]);
}

struct puppet_conn *puppet_of_lease(struct belay_lease lease)
{
    struct belay_conn *conn = belay_lease_conn(lease);

    assert_non_null(conn);
    assert_ptr_equal(belay_lease_state(lease), puppet_of(conn));
    return puppet_of(conn);
}

struct belay_pool_stats pool_kit_stats(struct pool_kit *k)
{
    struct belay_pool_stats s = belay_pool_stats_init();

    belay_pool_get_stats(k->pool, &s);
    assert_int_equal(s.size, sizeof s);
    return s;
}
