/* SPDX-License-Identifier: MIT */
/* Pools that keep their connections in a cache: what it sees, decides and closes. */
#include "keep/cache.h"
#include "unit/keep/pool_kit.h"

static struct pool_kit k;
static struct belay_cache *cache;
static struct belay_cache_options cache_options;
static struct belay_cache_policy policy;
static struct ask asks[4];

static struct {
    unsigned n;
    void *owner;
    enum belay_reason reason;
    void (*then)(const struct belay_cache_facts *facts);
} told;

static void on_closed(void *owner, const struct belay_cache_entry *entry, enum belay_reason reason,
                      void *arg)
{
    struct belay_cache_facts f = belay_cache_facts_init();

    assert_ptr_equal(arg, &told);
    belay_cache_entry_facts(entry, &f);
    assert_int_equal(f.what.kind, BELAY_CACHED_CONNECTION);
    assert_int_equal(f.state, BELAY_CACHE_CLOSING);
    told.n++;
    told.owner = owner;
    told.reason = reason;
    if (told.then)
        told.then(&f);
}

static int set_up(void **state)
{
    (void)state;
    memset(&told, 0, sizeof told);
    pool_kit_begin(&k);
    policy = belay_cache_aggressive();
    cache_options = belay_cache_options_init();
    cache_options.policy = &policy;
    cache_options.on_closed = on_closed;
    cache_options.on_closed_arg = &told;
    return 0;
}

static void open_both(void)
{
    assert_int_equal(belay_cache_open(k.loop, &cache_options, &cache, NULL), 0);
    k.options.cache = cache;
    pool_kit_open(&k);
}

static int tear_down(void **state)
{
    (void)state;
    told.then = NULL;
    pool_kit_end(&k); /* the loop closes the cache */
    return 0;
}

static struct belay_cache_stats stats(void)
{
    struct belay_cache_stats s = belay_cache_stats_init();

    bl_cache_table_check(&cache->table);
    belay_cache_get_stats(cache, &s);
    return s;
}

static void assert_stats(unsigned active, unsigned inactive)
{
    assert_int_equal(stats().active, active);
    assert_int_equal(stats().inactive, inactive);
}

static void give_back(struct ask *ask, enum belay_release how)
{
    assert_served(ask);
    assert_int_equal(belay_lease_release(ask->lease, how), 0);
    pool_kit_settle(&k);
}

static void connections_are_active_while_lent_and_inactive_while_idle(void **state)
{
    struct belay_cache_facts f = belay_cache_facts_init();
    struct belay_cached owned;
    uint64_t id;

    (void)state;
    open_both();
    ask_now(&asks[0], &k, k.a);
    assert_served(&asks[0]);
    id = belay_conn_id(belay_lease_conn(asks[0].lease));
    assert_stats(1, 0);
    assert_int_equal(belay_cache_find_owned(cache, k.pool, &owned, 1), 1);
    assert_int_equal(owned.kind, BELAY_CACHED_CONNECTION);
    assert_int_equal(belay_conn_id(owned.conn), id);
    give_back(&asks[0], BELAY_REUSE);
    assert_stats(0, 1);
    pool_kit_pass(&k, 20);
    belay_cache_entry_facts(belay_cache_next(cache, NULL), &f);
    assert_int_equal(f.idle_ms, 20);
    assert_string_equal(belay_endpoint_name(f.peer.endpoint), "tcp://a.test:1");
    ask_now(&asks[1], &k, k.a);
    assert_int_equal(belay_conn_id(belay_lease_conn(asks[1].lease)), id);
    assert_stats(1, 0);
    assert_int_equal(stats().kept, 1);
    assert_int_equal(stats().found, 1);
    give_back(&asks[1], BELAY_BROKEN);
    assert_stats(0, 0);
    assert_int_equal(told.n, 0); /* that was the pool's own decision */
}

static void what_is_lent_again_within_a_turn_does_not_move(void **state)
{
    struct belay_lease lease;

    (void)state;
    open_both();
    ask_now(&asks[0], &k, k.a);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(belay_lease_release(i ? lease : asks[0].lease, BELAY_REUSE), 0);
        assert_int_equal(belay_peer_try_acquire(k.a, &lease), 0);
        pool_kit_settle(&k);
        assert_stats(1, 0);
    }
    assert_int_equal(stats().kept, 0);
    belay_lease_release(lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(stats().kept, 1);
}

static void restrictive_cache_closes_what_nobody_waits_for(void **state)
{
    (void)state;
    policy = belay_cache_restrictive();
    k.options.max_connections_per_endpoint = 1;
    open_both();
    ask_now(&asks[0], &k, k.a);
    ask_now(&asks[1], &k, k.a);
    give_back(&asks[0], BELAY_REUSE); /* somebody waits */
    assert_served(&asks[1]);
    assert_int_equal(k.puppet.n, 1);
    give_back(&asks[1], BELAY_REUSE);
    assert_int_equal(puppet_live(&k.puppet), 0);
    assert_string_equal(belay_reason_name(k.puppet.conns[0].reason), "evicted");
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_EVICTED], 1);
    assert_int_equal(stats().refused, 1);
    assert_stats(0, 0);
    ask_now(&asks[2], &k, k.a);
    assert_served(&asks[2]);
    assert_int_equal(k.puppet.n, 2);
    give_back(&asks[2], BELAY_REUSE);
}

static void limit_of_the_cache_holds_for_the_pool(void **state)
{
    (void)state;
    cache_options.max_inactive = 1;
    open_both();
    ask_now(&asks[0], &k, k.a);
    ask_now(&asks[1], &k, k.b);
    give_back(&asks[0], BELAY_REUSE);
    assert_stats(1, 1);
    give_back(&asks[1], BELAY_REUSE);
    assert_stats(0, 1);
    assert_int_equal(told.n, 1);
    assert_int_equal(told.reason, BELAY_REASON_EVICTED);
    assert_null(told.owner); /* nobody's any more */
    assert_string_equal(belay_reason_name(puppet_conn(&k.puppet, 0)->reason), "evicted");
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_EVICTED], 1);
    assert_int_equal(pool_kit_stats(&k).idle, 1);
}

static void idle_limit_of_the_cache_holds_for_the_pool(void **state)
{
    (void)state;
    cache_options.max_idle_time_ms = 500;
    open_both();
    ask_now(&asks[0], &k, k.a);
    pool_kit_pass(&k, 5000);
    give_back(&asks[0], BELAY_REUSE);
    pool_kit_pass(&k, 499);
    assert_int_equal(puppet_live(&k.puppet), 1);
    pool_kit_pass(&k, 1);
    assert_int_equal(puppet_live(&k.puppet), 0);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_IDLE], 1);
    assert_int_equal(stats().closed[BELAY_REASON_IDLE], 1);
}

static void limits_of_the_pool_hold_in_the_cache(void **state)
{
    (void)state;
    k.options.max_idle_time_ms = 500;
    k.options.max_connection_uses = 2;
    open_both();
    ask_now(&asks[0], &k, k.a);
    give_back(&asks[0], BELAY_REUSE);
    ask_now(&asks[0], &k, k.a);
    give_back(&asks[0], BELAY_REUSE); /* its last use */
    assert_stats(0, 0);
    ask_now(&asks[0], &k, k.a);
    give_back(&asks[0], BELAY_REUSE);
    pool_kit_pass(&k, 500);
    assert_stats(0, 0);
    assert_int_equal(stats().peers, 2); /* those of the pool's peers */
    assert_int_equal(told.n, 0);
}

static void lost_ones_leave_the_cache(void **state)
{
    (void)state;
    open_both();
    ask_now(&asks[0], &k, k.a);
    ask_now(&asks[1], &k, k.a);
    give_back(&asks[0], BELAY_REUSE);
    puppet_lose(puppet_conn(&k.puppet, 0), BELAY_EEOF);
    puppet_lose(puppet_conn(&k.puppet, 1), BELAY_ERESET);
    pool_kit_settle(&k);
    assert_stats(1, 0); /* the lent one, until it is released */
    give_back(&asks[1], BELAY_REUSE);
    assert_stats(0, 0);
}

/* ---- close_all ---- */

static struct belay_lease watched;

static void still_open(const struct belay_cache_facts *f)
{
    assert_int_equal(puppet_of(f->what.conn)->closes, 0);
    if (told.owner)
        assert_true(belay_lease_valid(watched));
}

static void close_all_ends_lent_ones_after_telling(void **state)
{
    (void)state;
    open_both();
    ask_now(&asks[0], &k, k.a);
    ask_now(&asks[1], &k, k.a);
    give_back(&asks[1], BELAY_REUSE);
    watched = asks[0].lease;
    told.then = still_open;
    belay_cache_close_all(cache);
    assert_true(belay_lease_valid(watched)); /* not inside the call */
    assert_int_equal(told.n, 0);
    assert_stats(0, 0);
    assert_int_equal(stats().closing, 2);
    pool_kit_settle(&k);
    assert_int_equal(told.n, 2);
    assert_false(belay_lease_valid(watched));
    assert_int_equal(puppet_live(&k.puppet), 0);
    assert_string_equal(belay_reason_name(puppet_conn(&k.puppet, 0)->reason), "cleared");
    assert_string_equal(belay_reason_name(puppet_conn(&k.puppet, 1)->reason), "cleared");
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_CLEARED], 2);
    ask_now(&asks[2], &k, k.a); /* usable afterwards */
    give_back(&asks[2], BELAY_REUSE);
    assert_stats(0, 1);
}

static void condemned_ones_are_not_lent_again(void **state)
{
    struct belay_lease lease;

    (void)state;
    open_both();
    ask_now(&asks[0], &k, k.a);
    ask_now(&asks[1], &k, k.a);
    give_back(&asks[1], BELAY_REUSE);
    belay_cache_close_all(cache);
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), BELAY_EAGAIN);
    assert_int_equal(belay_lease_release(asks[0].lease, BELAY_REUSE), 0);
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), BELAY_EAGAIN);
    pool_kit_settle(&k);
    assert_int_equal(told.n, 2);
    assert_int_equal(puppet_live(&k.puppet), 0);
}

static void hook_releases(const struct belay_cache_facts *f)
{
    (void)f;
    belay_lease_release(watched, BELAY_REUSE);
}

static void release_inside_on_closed(void **state)
{
    (void)state;
    open_both();
    ask_now(&asks[0], &k, k.a);
    watched = asks[0].lease;
    told.then = hook_releases;
    belay_cache_close_all(cache);
    pool_kit_settle(&k);
    assert_int_equal(told.n, 1);
    assert_int_equal(puppet_conn(&k.puppet, 0)->closes, 1);
    assert_int_equal(puppet_live(&k.puppet), 0);
}

static void hook_closes_pool(const struct belay_cache_facts *f)
{
    (void)f;
    if (k.pool)
        belay_pool_close(k.pool, pool_kit_on_closed, &k);
}

static void close_pool_inside_on_closed(void **state)
{
    (void)state;
    open_both();
    ask_now(&asks[0], &k, k.a);
    ask_now(&asks[1], &k, k.b);
    give_back(&asks[1], BELAY_REUSE);
    told.then = hook_closes_pool;
    belay_cache_close_all(cache);
    pool_kit_settle(&k);
    assert_int_equal(k.closed, 1);
    assert_stats(0, 0);
    assert_int_equal(stats().closing, 0);
}

static void clear_of_the_pool_and_close_all_at_once(void **state)
{
    (void)state;
    open_both();
    ask_now(&asks[0], &k, k.a);
    ask_now(&asks[1], &k, k.a);
    give_back(&asks[1], BELAY_REUSE);
    belay_pool_clear(k.pool, BELAY_CLEAR_GENTLY);
    belay_cache_close_all(cache);
    belay_pool_clear(k.pool, BELAY_CLEAR_NOW);
    pool_kit_settle(&k);
    assert_int_equal(puppet_live(&k.puppet), 0);
    assert_int_equal(stats().closing, 0);
    assert_int_equal(told.n, 2);
}

/* ---- the end ---- */

static unsigned ended;

static void on_ended(void *arg)
{
    assert_ptr_equal(arg, &ended);
    ended++;
}

static void closed_cache_keeps_nothing_and_the_pool_goes_on(void **state)
{
    (void)state;
    open_both();
    ended = 0;
    ask_now(&asks[0], &k, k.a);
    ask_now(&asks[1], &k, k.a);
    give_back(&asks[1], BELAY_REUSE);
    belay_cache_close(cache, on_ended, &ended);
    assert_int_equal(ended, 0);
    pool_kit_settle(&k);
    assert_int_equal(ended, 1);
    assert_int_equal(puppet_live(&k.puppet), 0);
    assert_int_equal(told.reason, BELAY_REASON_POOL_CLOSED);
    ask_now(&asks[2], &k, k.a);
    assert_served(&asks[2]);
    give_back(&asks[2], BELAY_REUSE);
    assert_int_equal(puppet_live(&k.puppet), 0);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_EVICTED], 1);
}

static void cache_waits_for_connections_that_close_slowly(void **state)
{
    (void)state;
    open_both();
    ended = 0;
    ask_now(&asks[0], &k, k.a);
    k.puppet.close_later = true;
    belay_cache_close(cache, on_ended, &ended);
    pool_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 0)->closes, 1);
    assert_false(belay_lease_valid(asks[0].lease));
    assert_int_equal(ended, 0);
    puppet_closed(puppet_conn(&k.puppet, 0));
    pool_kit_settle(&k);
    assert_int_equal(ended, 1);
    k.puppet.close_later = false;
}

static void pool_that_closes_leaves_nothing_behind(void **state)
{
    (void)state;
    open_both();
    ask_now(&asks[0], &k, k.a);
    ask_now(&asks[1], &k, k.b);
    give_back(&asks[1], BELAY_REUSE);
    belay_peer_unref(k.a);
    belay_peer_unref(k.b);
    k.a = k.b = NULL;
    belay_pool_close(k.pool, pool_kit_on_closed, &k);
    pool_kit_settle(&k);
    assert_int_equal(k.closed, 1);
    assert_stats(0, 0);
    assert_int_equal(stats().owners + stats().peers, 0);
    assert_int_equal(told.n, 0);
}

static void loop_that_ends_closes_both(void **state)
{
    (void)state;
    open_both();
    ask_now(&asks[0], &k, k.a);
    ask_now(&asks[1], &k, k.b);
    give_back(&asks[1], BELAY_REUSE);
    belay_peer_unref(k.a);
    belay_peer_unref(k.b);
    k.a = k.b = NULL;
    k.pool = NULL;
    fake_world_close(&k.world);
    assert_int_equal(puppet_live(&k.puppet), 0);
    assert_int_equal(failing_alloc_live(&k.alloc), 0);
    pool_kit_begin(&k);
}

/* ---- bad input ---- */

static void refuse(const char *text)
{
    struct belay_pool *pool;
    struct belay_error error;

    assert_true(belay_pool_open(k.loop, &k.options, &pool, &error) < 0);
    if (!strstr(error.text, text))
        fail_msg("\"%s\" is not in \"%s\"", text, error.text);
}

static void contradictions_are_named(void **state)
{
    struct fake_world other;
    struct belay_cache *foreign;

    (void)state;
    open_both();
    k.options.min_idle = 1;
    refuse("min_idle: cannot be held in a cache");
    k.options.min_idle = 0;
    k.options.shared = true;
    refuse("cache: cannot be used by a shared pool");
    k.options.shared = false;
    fake_world_open(&other, NULL);
    assert_int_equal(belay_cache_open(other.loop, NULL, &foreign, NULL), 0);
    k.options.cache = foreign;
    refuse("cache: is of another loop");
    fake_world_close(&other);
    k.options.cache = belay_cache_ref(cache);
    belay_cache_close(cache, NULL, NULL);
    pool_kit_settle(&k);
    refuse("cache: closed");
    belay_cache_unref(cache);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connections_are_active_while_lent_and_inactive_while_idle),
        TEST(what_is_lent_again_within_a_turn_does_not_move),
        TEST(restrictive_cache_closes_what_nobody_waits_for),
        TEST(limit_of_the_cache_holds_for_the_pool),
        TEST(idle_limit_of_the_cache_holds_for_the_pool),
        TEST(limits_of_the_pool_hold_in_the_cache),
        TEST(lost_ones_leave_the_cache),
        TEST(close_all_ends_lent_ones_after_telling),
        TEST(condemned_ones_are_not_lent_again),
        TEST(release_inside_on_closed),
        TEST(close_pool_inside_on_closed),
        TEST(clear_of_the_pool_and_close_all_at_once),
        TEST(closed_cache_keeps_nothing_and_the_pool_goes_on),
        TEST(cache_waits_for_connections_that_close_slowly),
        TEST(pool_that_closes_leaves_nothing_behind),
        TEST(loop_that_ends_closes_both),
        TEST(contradictions_are_named),
    };
    return cmocka_run_group_tests_name("keep_pool_cache", tests, NULL, NULL);
}
