/* SPDX-License-Identifier: MIT */
/* Pools that share a cache: nobody waits at one while a connection that would do is idle at another. */
#include "keep/cache.h"
#include "unit/keep/pool_kit.h"

#define POOLS 3

static struct pool_kit k;
static struct belay_cache *cache;
static struct belay_cache_policy policy;
static struct belay_pool *pools[POOLS]; /* the first is the kit's */
static struct belay_peer *peers[POOLS]; /* all to a */
static struct belay_pool_options options[POOLS];
static struct belay_pool_callbacks hooks;
static struct ask asks[6];
static unsigned pool_closed;

static int set_up(void **state)
{
    (void)state;
    pool_kit_begin(&k);
    policy = belay_cache_aggressive();
    hooks = (struct belay_pool_callbacks){.size = sizeof hooks};
    memset(pools, 0, sizeof pools);
    memset(peers, 0, sizeof peers);
    for (int i = 0; i < POOLS; i++)
        options[i] = k.options;
    pool_closed = 0;
    return 0;
}

static struct belay_peer *peer_of(struct belay_pool *pool, const char *url)
{
    struct belay_endpoint *endpoint;
    struct belay_peer *peer;

    assert_int_equal(belay_endpoint_parse(k.loop, url, &endpoint, NULL), 0);
    assert_int_equal(belay_pool_peer(pool, endpoint, &peer), 0);
    belay_endpoint_unref(endpoint);
    return peer;
}

static void open_all(void)
{
    struct belay_cache_options o = belay_cache_options_init();

    o.policy = &policy;
    assert_int_equal(belay_cache_open(k.loop, &o, &cache, NULL), 0);
    for (int i = 0; i < POOLS; i++)
        options[i].cache = cache;
    k.options = options[0];
    pool_kit_open(&k);
    pools[0] = k.pool;
    peers[0] = k.a;
    for (int i = 1; i < POOLS; i++) {
        assert_int_equal(belay_pool_open(k.loop, &options[i], &pools[i], NULL), 0);
        peers[i] = peer_of(pools[i], "tcp://a.test:1");
    }
}

static void on_pool_closed(void *arg)
{
    (void)arg;
    pool_closed++;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 1; i < POOLS; i++) {
        belay_peer_unref(peers[i]);
        belay_pool_close(pools[i], on_pool_closed, NULL);
    }
    pool_kit_settle(&k);
    assert_int_equal(pool_closed, POOLS - 1);
    pool_kit_end(&k);
    return 0;
}

static struct belay_pool_stats stats_of(int pool)
{
    struct belay_pool_stats s = belay_pool_stats_init();

    belay_pool_get_stats(pools[pool], &s);
    return s;
}

static struct belay_cache_stats cache_stats(void)
{
    struct belay_cache_stats s = belay_cache_stats_init();

    bl_cache_table_check(&cache->table);
    belay_cache_get_stats(cache, &s);
    return s;
}

static void ask_at(struct ask *ask, int pool)
{
    ask_init(ask, &k);
    assert_int_equal(ask_peer(ask, peers[pool], 60000, false), 0);
    pool_kit_settle(&k);
}

static void give_back(struct ask *ask, enum belay_release how)
{
    assert_served(ask);
    assert_int_equal(belay_lease_release(ask->lease, how), 0);
    pool_kit_settle(&k);
}

/* The first pool has lent `n`, to asks from 0, and whoever dials from now on hears nothing. */
static void lend_and_fall_silent(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        ask_at(&asks[i], 0);
        assert_served(&asks[i]);
    }
    k.puppet.capacity = 0;
}

static void waiter_is_served_by_what_comes_back_elsewhere_while_its_dial_hangs(void **state)
{
    (void)state;
    open_all();
    lend_and_fall_silent(1);
    ask_at(&asks[1], 1);
    pool_kit_pass(&k, 500);
    assert_int_equal(asks[1].told, 0);
    give_back(&asks[0], BELAY_REUSE);
    assert_served(&asks[1]);
    assert_int_equal(cache_stats().adopted, 1);
    assert_int_equal(puppet_of_lease(asks[1].lease)->id, k.puppet.conns[0].id);
    give_back(&asks[1], BELAY_REUSE);
    assert_int_equal(cache_stats().inactive, 1);
}

static void waiter_is_served_by_what_comes_back_elsewhere_while_dialling_rests(void **state)
{
    (void)state;
    options[1].connect_retry_count = 100;
    options[1].connect_retry_delay_ms = 10000;
    open_all();
    lend_and_fall_silent(1);
    k.puppet.fail = BELAY_ECONNECT;
    ask_at(&asks[1], 1);
    pool_kit_pass(&k, 100);
    assert_int_equal(asks[1].told, 0);
    give_back(&asks[0], BELAY_REUSE);
    assert_served(&asks[1]);
    give_back(&asks[1], BELAY_REUSE);
}

static void who_has_waited_longest_is_served_first_whichever_its_pool(void **state)
{
    (void)state;
    open_all();
    lend_and_fall_silent(2);
    ask_at(&asks[2], 2);
    pool_kit_pass(&k, 10);
    ask_at(&asks[3], 1);
    pool_kit_pass(&k, 10);
    ask_at(&asks[4], 2);
    give_back(&asks[0], BELAY_REUSE);
    assert_served(&asks[2]);
    assert_int_equal(asks[3].told + asks[4].told, 0);
    give_back(&asks[1], BELAY_REUSE);
    assert_served(&asks[3]); /* before the second of a pool that came first */
    assert_int_equal(asks[4].told, 0);
    give_back(&asks[3], BELAY_REUSE);
    assert_served(&asks[4]);
    give_back(&asks[2], BELAY_REUSE);
    give_back(&asks[4], BELAY_REUSE);
}

static void pool_that_may_not_have_one_more_is_passed_over(void **state)
{
    (void)state;
    options[1].max_connections_per_endpoint = 1; /* its dial is that one */
    open_all();
    lend_and_fall_silent(1);
    ask_at(&asks[1], 1);
    pool_kit_pass(&k, 10);
    ask_at(&asks[2], 2);
    give_back(&asks[0], BELAY_REUSE);
    assert_int_equal(asks[1].told, 0);
    assert_served(&asks[2]);
    give_back(&asks[2], BELAY_REUSE);
    puppet_fail(puppet_conn(&k.puppet, 1), BELAY_ECONNECT); /* now it may */
    pool_kit_settle(&k);
    assert_served(&asks[1]);
    give_back(&asks[1], BELAY_REUSE);
}

static void as_many_waiters_are_served_as_come_back(void **state)
{
    (void)state;
    policy = belay_cache_restrictive(); /* which has no part in it: they are needed */
    open_all();
    lend_and_fall_silent(3);
    ask_at(&asks[3], 1);
    ask_at(&asks[4], 1);
    for (int i = 0; i < 3; i++)
        belay_lease_release(asks[i].lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_served(&asks[3]);
    assert_served(&asks[4]);
    assert_int_equal(cache_stats().adopted, 2);
    assert_int_equal(cache_stats().refused, 1);
    give_back(&asks[3], BELAY_REUSE);
    give_back(&asks[4], BELAY_REUSE);
    assert_int_equal(cache_stats().refused, 3);
}

static void one_of_many_requests_serves_many(void **state)
{
    (void)state;
    k.puppet.capacity = 10;
    open_all();
    ask_at(&asks[5], 0);
    lend_and_fall_silent(1); /* on the same */
    ask_at(&asks[2], 1);
    ask_at(&asks[3], 1);
    give_back(&asks[5], BELAY_REUSE);
    assert_int_equal(asks[2].told, 0);
    give_back(&asks[0], BELAY_REUSE);
    assert_served(&asks[2]);
    assert_served(&asks[3]);
    assert_int_equal(cache_stats().adopted, 1);
    give_back(&asks[2], BELAY_REUSE);
    give_back(&asks[3], BELAY_REUSE);
}

static void own_waiters_come_first(void **state)
{
    (void)state;
    options[0].max_connections_per_endpoint = 1;
    open_all();
    lend_and_fall_silent(1);
    ask_at(&asks[1], 1);
    ask_at(&asks[2], 0);
    give_back(&asks[0], BELAY_REUSE);
    assert_served(&asks[2]);
    assert_int_equal(asks[1].told, 0);
    give_back(&asks[2], BELAY_REUSE);
    assert_served(&asks[1]);
    give_back(&asks[1], BELAY_REUSE);
}

static unsigned again;

static void ask_again(struct ask *ask)
{
    assert_int_equal(belay_lease_release(ask->lease, BELAY_REUSE), 0);
    if (again-- > 0) {
        ask->told = 0;
        assert_int_equal(ask_peer(ask, peers[0], 0, false), 0);
    }
}

static void who_asks_again_in_its_callback_keeps_the_connection(void **state)
{
    (void)state;
    policy = belay_cache_restrictive();
    open_all();
    lend_and_fall_silent(1);
    ask_init(&asks[1], &k);
    again = 5;
    asks[1].then = ask_again;
    assert_int_equal(ask_peer(&asks[1], peers[0], 0, false), 0);
    ask_at(&asks[2], 1);
    give_back(&asks[0], BELAY_REUSE);
    assert_int_equal(again, -1u);
    assert_int_equal(cache_stats().refused, 0);
    assert_served(&asks[2]); /* in its turn */
    assert_int_equal(puppet_of_lease(asks[2].lease)->id, k.puppet.conns[0].id);
    give_back(&asks[2], BELAY_REUSE);
}

static void resumed_pool_gives_what_it_has(void **state)
{
    (void)state;
    open_all();
    lend_and_fall_silent(1);
    ask_at(&asks[1], 1);
    belay_pool_suspend(pools[0]);
    give_back(&asks[0], BELAY_REUSE);
    assert_int_equal(asks[1].told, 0);
    assert_int_equal(cache_stats().inactive, 1);
    belay_pool_resume(pools[0]);
    pool_kit_settle(&k);
    assert_served(&asks[1]);
    give_back(&asks[1], BELAY_REUSE);
}

static void one_that_can_be_used_again_serves_who_waits(void **state)
{
    (void)state;
    open_all();
    lend_and_fall_silent(1);
    belay_conn_set_capacity(puppet_conn(&k.puppet, 0)->conn, 0);
    give_back(&asks[0], BELAY_REUSE);
    ask_at(&asks[1], 1);
    assert_int_equal(asks[1].told, 0);
    assert_int_equal(cache_stats().inactive, 1);
    belay_conn_set_capacity(puppet_conn(&k.puppet, 0)->conn, 1);
    pool_kit_settle(&k);
    assert_served(&asks[1]);
    give_back(&asks[1], BELAY_REUSE);
}

static void one_that_proves_good_serves_who_waits(void **state)
{
    (void)state;
    open_all();
    lend_and_fall_silent(1);
    give_back(&asks[0], BELAY_REUSE);
    k.puppet.check_later = true;
    belay_conn_suspect(puppet_conn(&k.puppet, 0)->conn);
    pool_kit_settle(&k);
    ask_at(&asks[1], 1);
    assert_int_equal(asks[1].told, 0);
    belay_conn_checked(puppet_conn(&k.puppet, 0)->conn, 0);
    pool_kit_settle(&k);
    assert_served(&asks[1]);
    give_back(&asks[1], BELAY_REUSE);
}

static void one_too_old_for_the_pool_that_waits_rests(void **state)
{
    (void)state;
    options[1].max_connection_lifetime_ms = 1000;
    open_all();
    lend_and_fall_silent(1);
    pool_kit_pass(&k, 1000);
    ask_at(&asks[1], 1);
    give_back(&asks[0], BELAY_REUSE);
    assert_int_equal(asks[1].told, 0);
    assert_int_equal(cache_stats().inactive, 1);
    belay_waiter_cancel(asks[1].waiter);
}

static void what_a_suspended_pool_has_idle_rests_though_its_own_wait(void **state)
{
    (void)state;
    open_all();
    lend_and_fall_silent(1);
    belay_pool_suspend(pools[0]);
    ask_at(&asks[1], 0);
    give_back(&asks[0], BELAY_REUSE);
    assert_int_equal(cache_stats().inactive, 1);
    belay_pool_resume(pools[0]);
    pool_kit_settle(&k);
    assert_served(&asks[1]);
    give_back(&asks[1], BELAY_REUSE);
}

static void no_more_are_asked_than_are_needed(void **state)
{
    (void)state;
    options[1].check_after_idle_ms = 100;
    open_all();
    lend_and_fall_silent(2);
    give_back(&asks[0], BELAY_REUSE);
    give_back(&asks[1], BELAY_REUSE);
    pool_kit_pass(&k, 100);
    k.puppet.check_later = true;
    ask_at(&asks[2], 1);
    assert_int_equal(asks[2].told, 0);
    assert_int_equal(cache_stats().adopted, 1);
    ask_at(&asks[0], 0); /* the other one */
    give_back(&asks[0], BELAY_REUSE);
    assert_served(&asks[2]); /* as it has just proved good */
    give_back(&asks[2], BELAY_REUSE);
}

static void room_in_the_whole_pool_is_for_one_that_is_idle_elsewhere(void **state)
{
    struct belay_peer *b;
    unsigned dials;

    (void)state;
    options[1].max_connections_total = 1;
    open_all();
    b = peer_of(pools[1], "tcp://b.test:1");
    ask_now(&asks[5], &k, b);
    lend_and_fall_silent(1);
    ask_at(&asks[1], 1);
    give_back(&asks[0], BELAY_REUSE);
    assert_int_equal(asks[1].told, 0);
    dials = k.puppet.n;
    give_back(&asks[5], BELAY_BROKEN);
    assert_served(&asks[1]);
    assert_int_equal(k.puppet.n, dials);
    give_back(&asks[1], BELAY_REUSE);
    belay_peer_unref(b);
}

static void those_of_no_use_do_not_keep_others_away(void **state)
{
    (void)state;
    open_all();
    lend_and_fall_silent(1);
    k.puppet.capacity = -1; /* the second pool gets some that carry nothing */
    ask_at(&asks[1], 1);
    k.puppet.capacity = 0;
    assert_int_equal(asks[1].told, 0);
    assert_true(stats_of(1).idle > 0);
    belay_conn_set_capacity(puppet_conn(&k.puppet, 0)->conn, 2);
    options[1].max_connections_per_endpoint = 100;
    assert_int_equal(belay_pool_set_options(pools[1], &options[1], NULL), 0);
    give_back(&asks[0], BELAY_REUSE);
    assert_served(&asks[1]);
    give_back(&asks[1], BELAY_REUSE);
}

/* ---- who has gone ---- */

static void cancelled_waiter_is_given_nothing(void **state)
{
    (void)state;
    open_all();
    lend_and_fall_silent(1);
    ask_at(&asks[1], 1);
    belay_waiter_cancel(asks[1].waiter);
    give_back(&asks[0], BELAY_REUSE);
    assert_int_equal(cache_stats().adopted, 0);
    assert_int_equal(stats_of(0).idle, 1);
}

static void pool_that_has_closed_waits_no_more(void **state)
{
    (void)state;
    open_all();
    lend_and_fall_silent(1);
    ask_at(&asks[1], 1);
    belay_pool_close(pools[1], on_pool_closed, NULL);
    belay_lease_release(asks[0].lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_refused(&asks[1], BELAY_ECLOSED, BELAY_STAGE_QUEUE);
    assert_int_equal(cache_stats().adopted, 0);
    assert_int_equal(pool_closed, 1);
    pools[1] = NULL;
}

static void closed_cache_hands_nothing_over(void **state)
{
    (void)state;
    open_all();
    lend_and_fall_silent(1);
    ask_at(&asks[1], 1);
    belay_cache_ref(cache);
    belay_cache_close(cache, NULL, NULL);
    pool_kit_settle(&k);
    k.puppet.capacity = 1;
    ask_at(&asks[2], 0); /* one that the cache does not know */
    give_back(&asks[2], BELAY_REUSE);
    assert_int_equal(asks[1].told, 0);
    assert_int_equal(cache_stats().adopted, 0);
    assert_int_equal(stats_of(0).idle, 0);
    belay_waiter_cancel(asks[1].waiter);
    belay_cache_unref(cache);
}

/* ---- what nobody needs after all ---- */

static void cancel_ask(struct belay_peer *peer, uint64_t connection, void *arg)
{
    (void)peer;
    (void)connection;
    (void)arg;
    if (asks[1].waiter)
        belay_waiter_cancel(asks[1].waiter);
    asks[1].waiter = NULL;
}

static void adopted_one_that_nobody_wants_rests(void **state)
{
    (void)state;
    hooks.on_connection_created = cancel_ask;
    options[1].callbacks = &hooks;
    open_all();
    lend_and_fall_silent(1);
    ask_at(&asks[1], 1);
    give_back(&asks[0], BELAY_REUSE);
    assert_int_equal(asks[1].told, 0);
    assert_int_equal(cache_stats().adopted, 1);
    assert_int_equal(stats_of(1).idle, 1);
    assert_int_equal(cache_stats().inactive, 1);
    assert_int_equal(cache_stats().active, 0);
}

static void assert_dials_do_not_go_on(bool fresh)
{
    k.puppet.capacity = -1;
    ask_init(&asks[0], &k);
    assert_int_equal(ask_peer(&asks[0], peers[0], 60000, fresh), 0);
    pool_kit_pass(&k, 1000);
    assert_true(k.puppet.n <= 8);
    assert_int_equal(asks[0].told, 0);
    assert_true(stats_of(0).idle > 0);
    belay_waiter_cancel(asks[0].waiter);
    pool_kit_settle(&k);
    assert_int_equal(stats_of(0).idle, 0);
    assert_int_equal(puppet_live(&k.puppet), 0);
}

static void those_that_carry_nothing_are_not_refused_while_somebody_waits(void **state)
{
    (void)state;
    policy = belay_cache_restrictive();
    options[0].max_connections_per_endpoint = 8;
    open_all();
    assert_dials_do_not_go_on(false);
}

static void those_that_carry_nothing_are_as_good_as_any_fresh_one(void **state)
{
    (void)state;
    policy = belay_cache_restrictive();
    options[0].max_connections_per_endpoint = 8;
    open_all();
    assert_dials_do_not_go_on(true);
}

static void those_that_carry_nothing_stay_without_the_cache(void **state)
{
    (void)state;
    options[0].max_connections_per_endpoint = 8;
    open_all();
    belay_cache_close(cache, NULL, NULL);
    pool_kit_settle(&k);
    assert_dials_do_not_go_on(false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(waiter_is_served_by_what_comes_back_elsewhere_while_its_dial_hangs),
        TEST(waiter_is_served_by_what_comes_back_elsewhere_while_dialling_rests),
        TEST(who_has_waited_longest_is_served_first_whichever_its_pool),
        TEST(pool_that_may_not_have_one_more_is_passed_over),
        TEST(as_many_waiters_are_served_as_come_back),
        TEST(one_of_many_requests_serves_many),
        TEST(own_waiters_come_first),
        TEST(who_asks_again_in_its_callback_keeps_the_connection),
        TEST(resumed_pool_gives_what_it_has),
        TEST(one_that_can_be_used_again_serves_who_waits),
        TEST(one_that_proves_good_serves_who_waits),
        TEST(one_too_old_for_the_pool_that_waits_rests),
        TEST(what_a_suspended_pool_has_idle_rests_though_its_own_wait),
        TEST(no_more_are_asked_than_are_needed),
        TEST(room_in_the_whole_pool_is_for_one_that_is_idle_elsewhere),
        TEST(those_of_no_use_do_not_keep_others_away),
        TEST(cancelled_waiter_is_given_nothing),
        TEST(pool_that_has_closed_waits_no_more),
        TEST(closed_cache_hands_nothing_over),
        TEST(adopted_one_that_nobody_wants_rests),
        TEST(those_that_carry_nothing_are_not_refused_while_somebody_waits),
        TEST(those_that_carry_nothing_are_as_good_as_any_fresh_one),
        TEST(those_that_carry_nothing_stay_without_the_cache),
    };
    return cmocka_run_group_tests_name("keep_pool_adopt_waits", tests, NULL, NULL);
}
