/* SPDX-License-Identifier: MIT */
/* A shared pool as one thread sees it, in virtual time: what parks, and what brings it home. */
#include <pthread.h>

#include "keep/pool.h"
#include "unit/keep/share_kit.h"

static struct pool_kit k;
static struct belay_attachment *att;

static int set_up(void **state)
{
    (void)state;
    share_kit_begin(&k);
    att = NULL;
    return 0;
}

static void open_and_attach(void)
{
    pool_kit_open(&k);
    assert_int_equal(belay_peer_attach(k.a, &att), 0);
}

static int tear_down(void **state)
{
    (void)state;
    belay_attachment_detach(att);
    pool_kit_end(&k);
    return 0;
}

/* ---- acquiring ---- */

static void what_is_released_is_parked_and_taken_again_without_the_loop(void **state)
{
    struct belay_pool_stats stats;
    struct belay_lease lease;
    size_t calls;

    (void)state;
    open_and_attach();
    assert_int_equal(belay_attachment_try_acquire(att, &lease), BELAY_EAGAIN);
    lease = share_kit_acquire(att);
    assert_ptr_equal(belay_lease_state(lease), puppet_conn(&k.puppet, 0));
    stats = pool_kit_stats(&k);
    assert_int_equal(stats.in_use + stats.leases, 2);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    stats = pool_kit_stats(&k);
    assert_int_equal(stats.in_use + stats.leases, 0);
    assert_int_equal(stats.idle, 1);

    calls = failing_alloc_calls(&k.alloc);
    for (int i = 0; i < 1000; i++) {
        if (i & 1)
            lease = share_kit_acquire(att);
        else
            assert_int_equal(belay_attachment_try_acquire(att, &lease), 0);
        assert_true(belay_lease_valid(lease));
        assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    }
    assert_int_equal(failing_alloc_calls(&k.alloc), calls);
    stats = pool_kit_stats(&k);
    assert_int_equal(stats.acquired, 1001);
    assert_int_equal(stats.reused, 1000);
    pool_kit_pass(&k, 5000); /* home, and counted once */
    stats = pool_kit_stats(&k);
    assert_int_equal(stats.acquired, 1001);
    assert_int_equal(stats.idle, 1);
}

static void an_attachment_takes_what_another_has_parked(void **state)
{
    struct belay_attachment *other;
    struct belay_lease first, second;

    (void)state;
    open_and_attach();
    assert_int_equal(belay_peer_attach(k.a, &other), 0);
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    assert_int_equal(belay_attachment_try_acquire(other, &first), 0);
    assert_int_equal(belay_attachment_try_acquire(other, &second), BELAY_EAGAIN);
    assert_int_equal(belay_attachment_try_acquire(att, &second), BELAY_EAGAIN);
    assert_int_equal(belay_lease_release(first, BELAY_REUSE), 0);
    second = share_kit_acquire(att);
    assert_int_equal(k.puppet.n, 1);
    belay_attachment_detach(other);
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).leases, 1);
    belay_attachment_detach(att); /* with a lease out, which goes on */
    att = NULL;
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).leases, 1);
    assert_int_equal(belay_lease_release(second, BELAY_REUSE), 0);
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).idle, 1);
}

static void an_attachment_of_one_peer_gets_nothing_of_another(void **state)
{
    struct belay_attachment *other;
    struct belay_lease lease;

    (void)state;
    open_and_attach();
    assert_int_equal(belay_peer_attach(k.b, &other), 0);
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    assert_int_equal(belay_attachment_try_acquire(other, &lease), BELAY_EAGAIN);
    belay_lease_release(share_kit_acquire(other), BELAY_REUSE);
    assert_int_equal(k.puppet.n, 2);
    assert_string_equal(belay_endpoint_name(belay_conn_endpoint(puppet_conn(&k.puppet, 1)->conn)),
                        "tcp://b.test:1");
    belay_attachment_detach(other);
}

static void a_wait_ends_at_its_limit(void **state)
{
    struct belay_error error;
    struct belay_lease held, lease;

    (void)state;
    k.options.max_connections_per_endpoint = 1;
    open_and_attach();
    held = share_kit_acquire(att);
    assert_int_equal(belay_attachment_acquire(att, 70, &lease, &error), BELAY_ETIMEDOUT);
    assert_int_equal(error.stage, BELAY_STAGE_QUEUE);
    assert_int_equal(belay_attachment_acquire(att, 0, &lease, NULL), BELAY_ETIMEDOUT);
    assert_int_equal(belay_lease_release(held, BELAY_REUSE), 0);
    lease = share_kit_acquire(att);
    belay_lease_release(lease, BELAY_REUSE);
    assert_int_equal(k.puppet.n, 1);
}

static void a_dial_that_fails_is_told(void **state)
{
    struct belay_error error;
    struct belay_lease lease;

    (void)state;
    k.puppet.fail = BELAY_ECERT;
    open_and_attach();
    assert_int_equal(belay_attachment_acquire(att, 1000, &lease, &error), BELAY_ECERT);
    assert_int_equal(error.stage, BELAY_STAGE_PROTOCOL);
}

static void only_a_shared_pool_may_be_attached_to(void **state)
{
    struct belay_attachment *none = NULL;

    (void)state;
    k.options.shared = false;
    pool_kit_open(&k);
    assert_int_equal(belay_peer_attach(k.a, &none), BELAY_ENOTSUP);
    belay_pool_close(k.pool, pool_kit_on_closed, &k);
    assert_int_equal(belay_peer_attach(k.a, &none), BELAY_ECLOSED);
    pool_kit_settle(&k);
    assert_int_equal(belay_peer_attach(k.a, &none), BELAY_ECLOSED);
    assert_null(none);
    belay_attachment_detach(NULL);
}

static void *use_what_is_there(void *arg)
{
    struct belay_lease lease, other;
    struct belay_attachment *a;

    assert_int_equal(belay_attachment_acquire(arg, 1000, &lease, NULL), 0);
    assert_int_equal(belay_attachment_acquire(arg, 1000, &other, NULL), BELAY_ENOTRUNNING);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    assert_int_equal(belay_peer_attach(k.a, &a), BELAY_ENOTRUNNING);
    return NULL;
}

static void without_the_loop_there_is_what_is_parked(void **state)
{
    pthread_t thread;

    (void)state;
    open_and_attach();
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    assert_int_equal(pthread_create(&thread, NULL, use_what_is_there, att), 0);
    pthread_join(thread, NULL);
}

/* ---- leases ---- */

static void what_is_stale_stays_so(void **state)
{
    struct belay_lease first, second, foreign;
    struct belay_stream *stream;

    (void)state;
    open_and_attach();
    first = share_kit_acquire(att);
    assert_int_equal(belay_lease_take(first, &stream), BELAY_ENOTSUP);
    assert_null(belay_lease_stream(first));
    assert_int_equal(belay_lease_release(first, BELAY_REUSE), 0);
    assert_int_equal(belay_lease_release(first, BELAY_REUSE), BELAY_ESTALE);
    assert_int_equal(belay_lease_take(first, &stream), BELAY_ESTALE);
    assert_null(belay_lease_state(first));
    assert_null(belay_lease_conn(first));
    second = share_kit_acquire(att);
    assert_false(belay_lease_valid(first));
    assert_int_equal(belay_lease_release(first, BELAY_BROKEN), BELAY_ESTALE);
    assert_true(belay_lease_valid(second));
    foreign = second;
    foreign.slot = 5000000;
    assert_int_equal(belay_lease_release(foreign, BELAY_REUSE), BELAY_ESTALE);
    foreign.slot = UINT32_MAX;
    assert_int_equal(belay_lease_release(foreign, BELAY_REUSE), BELAY_ESTALE);
    assert_false(belay_lease_valid(foreign));
    foreign = second;
    foreign.generation++;
    assert_int_equal(belay_lease_release(foreign, BELAY_REUSE), BELAY_ESTALE);
    assert_int_equal(belay_lease_release(second, BELAY_REUSE), 0);
}

static void a_broken_one_is_not_lent_again(void **state)
{
    struct belay_lease lease;

    (void)state;
    open_and_attach();
    assert_int_equal(belay_lease_release(share_kit_acquire(att), BELAY_BROKEN), 0);
    assert_int_equal(belay_attachment_try_acquire(att, &lease), BELAY_EAGAIN);
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_BROKEN], 1);
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    assert_int_equal(k.puppet.n, 2);
}

static void what_wants_to_hear_of_its_leases_goes_through_the_loop(void **state)
{
    struct belay_lease lease;

    (void)state;
    puppet_init(&k.puppet);
    k.puppet.capacity = 1;
    open_and_attach();
    for (unsigned i = 1; i <= 3; i++) {
        lease = share_kit_acquire(att);
        assert_int_equal(puppet_conn(&k.puppet, 0)->acquires, i);
        assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
        assert_int_equal(belay_attachment_try_acquire(att, &lease), BELAY_EAGAIN);
        pool_kit_settle(&k);
        assert_int_equal(puppet_conn(&k.puppet, 0)->releases, i);
    }
    assert_int_equal(k.puppet.n, 1);
}

static void uses_are_counted_through_the_loop(void **state)
{
    (void)state;
    k.options.max_connection_uses = 2;
    open_and_attach();
    for (int i = 0; i < 4; i++) {
        belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
        pool_kit_settle(&k);
    }
    assert_int_equal(k.puppet.n, 2);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_USES], 2);
}

/* ---- whoever waits ---- */

static void who_asks_the_loop_gets_what_is_parked(void **state)
{
    struct belay_lease lease;
    struct ask ask;

    (void)state;
    k.options.max_connections_per_endpoint = 2;
    open_and_attach();
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    ask_now(&ask, &k, k.a);
    assert_served(&ask);
    assert_int_equal(k.puppet.n, 1);
    belay_lease_release(ask.lease, BELAY_REUSE);
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), 0);
    assert_int_equal(k.puppet.n, 1);
    belay_lease_release(lease, BELAY_REUSE);
}

static void nobody_overtakes_who_waits(void **state)
{
    struct belay_lease first, second, lease;
    struct ask asks[3];

    (void)state;
    k.options.max_connections_per_endpoint = 2;
    open_and_attach();
    first = share_kit_acquire(att);
    second = share_kit_acquire(att);
    for (int i = 0; i < 3; i++)
        ask_now(&asks[i], &k, k.a);
    belay_lease_release(first, BELAY_REUSE);
    assert_int_equal(belay_attachment_try_acquire(att, &lease), BELAY_EAGAIN);
    pool_kit_settle(&k);
    assert_served(&asks[0]);
    belay_lease_release(second, BELAY_REUSE);
    assert_int_equal(belay_attachment_try_acquire(att, &lease), BELAY_EAGAIN);
    pool_kit_settle(&k);
    assert_served(&asks[1]);
    assert_int_equal(asks[2].told, 0);
    belay_lease_release(asks[0].lease, BELAY_REUSE);
    assert_int_equal(belay_attachment_acquire(att, 0, &lease, NULL), BELAY_ETIMEDOUT);
    assert_served(&asks[2]);
    belay_lease_release(asks[1].lease, BELAY_REUSE);
    belay_lease_release(asks[2].lease, BELAY_REUSE);
    lease = share_kit_acquire(att);
    belay_lease_release(lease, BELAY_REUSE);
    assert_int_equal(belay_attachment_try_acquire(att, &lease), 0); /* they park again */
    belay_lease_release(lease, BELAY_REUSE);
}

static void another_endpoint_gets_the_place_of_what_is_parked(void **state)
{
    struct belay_lease lease;
    struct ask ask, other;

    (void)state;
    k.options.max_connections_total = 2;
    open_and_attach();
    lease = share_kit_acquire(att);
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    ask_now(&ask, &k, k.b);
    assert_served(&ask);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_EVICTED], 1);
    ask_now(&other, &k, k.b);
    assert_int_equal(other.told, 0);
    belay_lease_release(lease, BELAY_REUSE); /* not parked: its place is wanted */
    pool_kit_settle(&k);
    assert_served(&other);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_EVICTED], 2);
    belay_lease_release(ask.lease, BELAY_REUSE);
    belay_lease_release(other.lease, BELAY_REUSE);
}

/* ---- memory ---- */

static bool run_without(size_t n)
{
    struct belay_attachment *a = NULL;
    struct belay_lease leases[40];
    struct ask ask;
    unsigned out = 0;
    bool failed;
    int rc;

    share_kit_begin(&k);
    k.options.max_connections_per_endpoint = 30;
    pool_kit_open(&k);
    failing_alloc_once(&k.alloc, n);
    rc = belay_peer_attach(k.a, &a);
    assert_true(rc == 0 || rc == BELAY_ENOMEM);
    for (int i = 0; a && i < 40; i++) {
        rc = belay_attachment_acquire(a, 1000, &leases[out], NULL);
        assert_true(rc == 0 || rc == BELAY_ENOMEM);
        if (rc == 0 && i < 20)
            assert_int_equal(belay_lease_release(leases[out], BELAY_REUSE), 0);
        else if (rc == 0)
            out++;
    }
    ask_init(&ask, &k);
    if (ask_peer(&ask, k.a, 0, false) == 0)
        pool_kit_settle(&k);
    failed = failing_alloc_failures(&k.alloc) > 0;
    failing_alloc_once(&k.alloc, 0);
    belay_attachment_detach(a);
    belay_pool_drain(k.pool, pool_kit_on_closed, &k);
    if (ask.told && !ask.code)
        belay_lease_release(ask.lease, BELAY_REUSE);
    while (out > 0)
        assert_int_equal(belay_lease_release(leases[--out], BELAY_REUSE), 0);
    pool_kit_settle(&k);
    assert_int_equal(k.closed, 1);
    pool_kit_end(&k);
    return failed;
}

static void every_allocation_may_fail(void **state)
{
    size_t n = 1;

    (void)state;
    while (run_without(n))
        n++;
    assert_true(n > 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_released_is_parked_and_taken_again_without_the_loop),
        TEST(an_attachment_takes_what_another_has_parked),
        TEST(an_attachment_of_one_peer_gets_nothing_of_another),
        TEST(a_wait_ends_at_its_limit),
        TEST(a_dial_that_fails_is_told),
        TEST(only_a_shared_pool_may_be_attached_to),
        TEST(without_the_loop_there_is_what_is_parked),
        TEST(what_is_stale_stays_so),
        TEST(a_broken_one_is_not_lent_again),
        TEST(what_wants_to_hear_of_its_leases_goes_through_the_loop),
        TEST(uses_are_counted_through_the_loop),
        TEST(who_asks_the_loop_gets_what_is_parked),
        TEST(nobody_overtakes_who_waits),
        TEST(another_endpoint_gets_the_place_of_what_is_parked),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("keep_share", tests, NULL, NULL);
}
