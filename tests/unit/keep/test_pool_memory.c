/* SPDX-License-Identifier: MIT */
/* A whole scenario of a pool in which every allocation fails, once or with all that follow. */
#include "unit/keep/pool_kit.h"

#define ASKS 8

static struct pool_kit k;
static struct ask asks[ASKS];

/* Whoever was accepted is told once; what could not be asked is not told. */
static bool accepted[ASKS];

static void ask_some(struct belay_peer *peer, int from, int to, bool fresh)
{
    for (int i = from; i < to; i++) {
        int rc;

        ask_init(&asks[i], &k);
        rc = ask_peer(&asks[i], peer, 5000, fresh);
        accepted[i] = rc == 0;
        if (rc < 0)
            assert_int_equal(rc, BELAY_ENOMEM);
    }
}

static void give_back(int from, int to, enum belay_release how)
{
    for (int i = from; i < to; i++)
        if (asks[i].told && asks[i].code == 0)
            belay_lease_release(asks[i].lease, how);
}

static void check_told(int from, int to)
{
    for (int i = from; i < to; i++) {
        assert_int_equal(asks[i].told, accepted[i]);
        if (asks[i].told && asks[i].code)
            assert_true(asks[i].code == BELAY_ENOMEM || asks[i].code == BELAY_ECONNECT ||
                        asks[i].code == BELAY_ETIMEDOUT);
    }
}

static bool make_peer(const char *url, struct belay_peer **ret)
{
    struct belay_endpoint *endpoint;
    int rc = belay_endpoint_parse(k.loop, url, &endpoint, NULL);

    if (rc == 0) {
        rc = belay_pool_peer(k.pool, endpoint, ret);
        belay_endpoint_unref(endpoint);
    }
    assert_true(rc == 0 || rc == BELAY_ENOMEM);
    return rc == 0;
}

/* Shared and exclusive connections, failures, retries, expiry, loss, checks, eviction. */
static void use_pool(void)
{
    struct belay_lease lease;

    ask_some(k.a, 0, 5, false);
    pool_kit_pass(&k, 200);
    give_back(0, 2, BELAY_REUSE);
    if (belay_peer_try_acquire(k.a, &lease) == 0)
        belay_lease_release(lease, BELAY_BROKEN);
    pool_kit_pass(&k, 5000);
    check_told(0, 5);
    if (k.puppet.n > 0 && k.puppet.conns[0].conn)
        belay_conn_suspect(k.puppet.conns[0].conn);
    give_back(2, 5, BELAY_REUSE);
    pool_kit_settle(&k);

    k.puppet.fail = BELAY_ECONNECT;
    ask_some(k.b, 5, 7, false);
    pool_kit_pass(&k, 150);
    k.puppet.fail = 0;
    pool_kit_pass(&k, 5000);
    check_told(5, 7);
    for (unsigned i = 0; i < k.puppet.n; i++)
        if (k.puppet.conns[i].conn)
            puppet_lose(&k.puppet.conns[i], BELAY_ERESET);
    give_back(5, 7, BELAY_REUSE);
    ask_some(k.a, 7, 8, true);
    pool_kit_pass(&k, 6000);
    check_told(7, 8);
    give_back(7, 8, BELAY_REUSE);
}

static void scenario(void)
{
    int rc;

    k.puppet.capacity = 2;
    k.options.max_connections_total = 3;
    k.options.max_idle_time_ms = 3000;
    k.options.expected_capacity = BELAY_NONE;
    rc = belay_pool_open(k.loop, &k.options, &k.pool, NULL);
    if (rc < 0) {
        assert_int_equal(rc, BELAY_ENOMEM);
        k.pool = NULL;
        return;
    }
    if (make_peer("tcp://a.test:1", &k.a) && make_peer("tcp://b.test:1", &k.b))
        use_pool();
    failing_alloc_once(&k.alloc, 0); /* healed: whatever happened, it works again */
    if (!k.a)
        assert_true(make_peer("tcp://a.test:1", &k.a));
    pool_kit_pass(&k, 10000);
    ask_some(k.a, 0, 1, false);
    pool_kit_pass(&k, 1000);
    assert_served(&asks[0]);
    belay_pool_drain(k.pool, pool_kit_on_closed, &k);
    pool_kit_settle(&k);
    belay_lease_release(asks[0].lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(k.closed, 1);
}

static void sweep(void (*let_fail)(struct failing_alloc *f, size_t n))
{
    size_t n;

    for (n = 1; n < 1000; n++) {
        size_t refused;

        pool_kit_begin(&k);
        let_fail(&k.alloc, n);
        scenario();
        refused = failing_alloc_failures(&k.alloc);
        let_fail(&k.alloc, 0);
        pool_kit_end(&k);
        if (refused == 0)
            break;
    }
    assert_true(n > 20 && n < 1000);
}

static void every_allocation_may_fail_once(void **state)
{
    (void)state;
    sweep(failing_alloc_once);
}

static void every_allocation_may_be_the_last(void **state)
{
    (void)state;
    sweep(failing_alloc_from);
}

/* The table of leases grows as the connections do, in the middle of dialling. */
static void more_connections_than_ever_before(void **state)
{
    enum { FULL = 63 };
    static struct ask many[FULL + 2];
    size_t n, refused = 1;

    (void)state;
    for (n = 1; refused && n < 50; n++) {
        pool_kit_begin(&k);
        k.options.max_connections_per_endpoint = 100;
        pool_kit_open(&k);
        for (int i = 0; i < FULL; i++)
            ask_now(&many[i], &k, k.a);
        failing_alloc_once(&k.alloc, n);
        for (int i = FULL; i < FULL + 2; i++) {
            ask_init(&many[i], &k);
            accepted[i - FULL] = ask_peer(&many[i], k.a, 0, false) == 0;
        }
        pool_kit_pass(&k, 1000);
        refused = failing_alloc_failures(&k.alloc);
        failing_alloc_once(&k.alloc, 0);
        for (int i = FULL; i < FULL + 2; i++)
            assert_int_equal(many[i].told, accepted[i - FULL]);
        for (int i = 0; i < FULL + 2; i++)
            if (many[i].told && many[i].code == 0)
                assert_int_equal(belay_lease_release(many[i].lease, BELAY_REUSE), 0);
        pool_kit_settle(&k);
        assert_int_equal(pool_kit_stats(&k).leases, 0);
        pool_kit_end(&k);
    }
    assert_true(n > 4 && n < 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail_once),
        cmocka_unit_test(every_allocation_may_be_the_last),
        cmocka_unit_test(more_connections_than_ever_before),
    };
    return cmocka_run_group_tests_name("keep_pool_memory", tests, NULL, NULL);
}
