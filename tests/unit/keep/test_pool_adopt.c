/* SPDX-License-Identifier: MIT */
/* Pools that share a cache: an idle connection of the one serves those who wait at the other. */
#include "keep/cache.h"
#include "unit/keep/pool_kit.h"

static struct pool_kit k;
static struct belay_cache *cache;
static struct belay_pool *second;
static struct belay_peer *second_a;
static struct belay_pool_options second_options;
static struct belay_pool_callbacks hooks[2];
static struct ask asks[4];

static struct {
    unsigned created, closed;
    enum belay_reason reason;
    void (*then)(void);
} told[2];

static int number_of(const void *arg)
{
    return arg == &told[1];
}

static void on_created(struct belay_peer *peer, uint64_t connection, void *arg)
{
    (void)peer;
    assert_true(connection > 0);
    told[number_of(arg)].created++;
    if (told[number_of(arg)].then)
        told[number_of(arg)].then();
}

static void on_closed(struct belay_peer *peer, uint64_t connection, enum belay_reason reason,
                      const struct belay_error *error, void *arg)
{
    int i = number_of(arg);

    (void)peer;
    (void)error;
    assert_true(connection > 0);
    told[i].closed++;
    told[i].reason = reason;
    if (told[i].then)
        told[i].then();
}

static int set_up(void **state)
{
    (void)state;
    memset(told, 0, sizeof told);
    pool_kit_begin(&k);
    for (int i = 0; i < 2; i++)
        hooks[i] = (struct belay_pool_callbacks){.size = sizeof hooks[i],
                                                 .on_connection_created = on_created,
                                                 .on_connection_closed = on_closed};
    assert_int_equal(belay_cache_open(k.loop, NULL, &cache, NULL), 0);
    k.options.cache = cache;
    k.options.callbacks = &hooks[0];
    k.options.callbacks_arg = &told[0];
    second_options = k.options;
    second_options.callbacks = &hooks[1];
    second_options.callbacks_arg = &told[1];
    second = NULL;
    second_a = NULL;
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

static void open_both(void)
{
    pool_kit_open(&k);
    assert_int_equal(belay_pool_open(k.loop, &second_options, &second, NULL), 0);
    second_a = peer_of(second, "tcp://a.test:1");
}

static void on_second_closed(void *arg)
{
    assert_null(arg);
    second = NULL;
}

static int tear_down(void **state)
{
    (void)state;
    told[0].then = told[1].then = NULL;
    belay_peer_unref(second_a);
    if (second)
        belay_pool_close(second, on_second_closed, NULL);
    pool_kit_settle(&k);
    assert_null(second);
    pool_kit_end(&k);
    return 0;
}

static struct belay_pool_stats second_stats(void)
{
    struct belay_pool_stats s = belay_pool_stats_init();

    belay_pool_get_stats(second, &s);
    return s;
}

static struct belay_cache_stats cache_stats(void)
{
    struct belay_cache_stats s = belay_cache_stats_init();

    bl_cache_table_check(&cache->table);
    belay_cache_get_stats(cache, &s);
    return s;
}

/* The first pool has one idle connection to a. */
static void leave_one(void)
{
    ask_now(&asks[0], &k, k.a);
    assert_served(&asks[0]);
    assert_int_equal(belay_lease_release(asks[0].lease, BELAY_REUSE), 0);
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).idle, 1);
}

static void idle_connection_moves_to_the_pool_that_needs_it(void **state)
{
    struct belay_pool_stats a, b;
    uint64_t id;

    (void)state;
    open_both();
    leave_one();
    id = puppet_conn(&k.puppet, 0)->id;
    ask_now(&asks[1], &k, second_a);
    assert_served(&asks[1]);
    assert_int_equal(belay_conn_id(belay_lease_conn(asks[1].lease)), id);
    assert_int_equal(k.puppet.n, 1);
    assert_int_equal(cache_stats().adopted, 1);
    a = pool_kit_stats(&k);
    b = second_stats();
    assert_int_equal(a.idle + a.in_use + a.dialing, 0);
    assert_int_equal(a.closed[BELAY_REASON_TAKEN], 1);
    assert_int_equal(b.in_use, 1);
    assert_int_equal(b.opened, 1);
    assert_int_equal(b.reused, 1);
    assert_int_equal(told[0].created, 1);
    assert_int_equal(told[0].closed, 1);
    assert_int_equal(told[0].reason, BELAY_REASON_TAKEN);
    assert_int_equal(told[1].created, 1);
    assert_int_equal(belay_cache_find_owned(cache, second, NULL, 0), 1);
    assert_int_equal(belay_cache_find_owned(cache, k.pool, NULL, 0), 0);
    belay_lease_release(asks[1].lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(second_stats().idle, 1);
    assert_int_equal(k.puppet.conns[0].releases, 2);
    ask_now(&asks[2], &k, k.a); /* and back */
    assert_served(&asks[2]);
    assert_int_equal(k.puppet.n, 1);
    belay_lease_release(asks[2].lease, BELAY_REUSE);
}

static void adopted_ones_are_the_new_pools_in_everything(void **state)
{
    (void)state;
    open_both();
    leave_one();
    ask_now(&asks[1], &k, second_a);
    belay_pool_close(k.pool, pool_kit_on_closed, &k);
    pool_kit_settle(&k);
    assert_int_equal(k.closed, 1);
    assert_true(belay_lease_valid(asks[1].lease));
    belay_lease_release(asks[1].lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(second_stats().idle, 1);
    puppet_lose(puppet_conn(&k.puppet, 0), BELAY_EEOF);
    pool_kit_settle(&k);
    assert_int_equal(second_stats().closed[BELAY_REASON_PEER_CLOSED], 1);
    assert_int_equal(told[1].closed, 1);
    assert_int_equal(told[1].reason, BELAY_REASON_PEER_CLOSED);
}

static void age_and_uses_go_with_it(void **state)
{
    (void)state;
    second_options.max_connection_uses = 3;
    k.options.max_connection_lifetime_ms = 2000;
    open_both();
    leave_one();
    pool_kit_pass(&k, 1000);
    ask_now(&asks[1], &k, second_a); /* its second use */
    belay_lease_release(asks[1].lease, BELAY_REUSE);
    pool_kit_settle(&k);
    ask_now(&asks[1], &k, second_a); /* its third, and last */
    pool_kit_settle(&k);
    belay_lease_release(asks[1].lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(second_stats().closed[BELAY_REASON_USES], 1);
    leave_one();
    pool_kit_pass(&k, 1500);
    ask_now(&asks[1], &k, second_a);
    belay_lease_release(asks[1].lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(second_stats().idle, 1);
    pool_kit_pass(&k, 500); /* the life that its first pool gave it */
    assert_int_equal(second_stats().closed[BELAY_REASON_LIFETIME], 1);
}

static void age_counts_against_the_new_pools_limit(void **state)
{
    (void)state;
    second_options.max_connection_lifetime_ms = 3000;
    second_options.lifetime_jitter = BELAY_NONE;
    k.options.max_connection_lifetime_ms = BELAY_FOREVER;
    open_both();
    leave_one();
    pool_kit_pass(&k, 2000);
    ask_now(&asks[1], &k, second_a);
    assert_int_equal(cache_stats().adopted, 1);
    belay_lease_release(asks[1].lease, BELAY_REUSE);
    pool_kit_pass(&k, 999);
    assert_int_equal(second_stats().idle, 1);
    pool_kit_pass(&k, 1);
    assert_int_equal(second_stats().closed[BELAY_REASON_LIFETIME], 1);
}

static void age_goes_with_it_from_pool_to_pool(void **state)
{
    (void)state;
    second_options.max_connection_lifetime_ms = BELAY_FOREVER;
    k.options.max_connection_lifetime_ms = 3000;
    k.options.lifetime_jitter = BELAY_NONE;
    open_both();
    ask_now(&asks[1], &k, second_a);
    pool_kit_pass(&k, 1000);
    belay_lease_release(asks[1].lease, BELAY_REUSE);
    ask_now(&asks[0], &k, k.a); /* there */
    belay_lease_release(asks[0].lease, BELAY_REUSE);
    ask_now(&asks[1], &k, second_a); /* and back */
    belay_lease_release(asks[1].lease, BELAY_REUSE);
    assert_int_equal(cache_stats().adopted, 2);
    ask_now(&asks[0], &k, k.a);
    belay_lease_release(asks[0].lease, BELAY_REUSE);
    assert_int_equal(k.puppet.n, 1);
    pool_kit_pass(&k, 2000);
    assert_int_equal(pool_kit_stats(&k).closed[BELAY_REASON_LIFETIME], 1);
}

static void assert_dials_anew(struct belay_peer *peer)
{
    unsigned before = k.puppet.n;

    ask_now(&asks[1], &k, peer);
    assert_served(&asks[1]);
    assert_int_equal(k.puppet.n, before + 1);
    assert_int_equal(cache_stats().adopted, 0);
    belay_lease_release(asks[1].lease, BELAY_BROKEN);
    pool_kit_settle(&k);
}

static void other_endpoints_are_not_served(void **state)
{
    struct belay_peer *b;

    (void)state;
    open_both();
    leave_one();
    b = peer_of(second, "tcp://b.test:1");
    assert_dials_anew(b);
    belay_peer_unref(b);
}

static void other_connectors_are_not_served(void **state)
{
    static struct puppet other;

    (void)state;
    puppet_init(&other);
    other.capacity = 1;
    second_options.connector = other.connector;
    open_both();
    leave_one();
    ask_now(&asks[1], &k, second_a);
    assert_served(&asks[1]);
    assert_int_equal(other.n, 1);
    assert_int_equal(cache_stats().adopted, 0);
    belay_lease_release(asks[1].lease, BELAY_BROKEN);
    pool_kit_settle(&k);
}

static struct puppet other_context;
static bool moves;

static bool move(struct belay_conn *conn, void *arg, void *to)
{
    assert_ptr_equal(arg, &k.puppet);
    assert_ptr_equal(to, &other_context);
    if (moves)
        puppet_of(conn)->puppet = to;
    return moves;
}

static void open_with_another_context(void)
{
    memset(&other_context, 0, sizeof other_context);
    other_context.capacity = 1;
    second_options.connector.arg = &other_context;
    open_both();
    leave_one();
    ask_now(&asks[1], &k, second_a);
    assert_served(&asks[1]);
}

static void other_contexts_are_served_where_the_connector_can_move(void **state)
{
    (void)state;
    moves = true;
    k.puppet.ops.move = move;
    open_with_another_context();
    assert_int_equal(cache_stats().adopted, 1);
    assert_int_equal(other_context.n, 0);
    assert_int_equal(k.puppet.conns[0].acquires, 2); /* told in its new context */
    belay_lease_release(asks[1].lease, BELAY_BROKEN);
    pool_kit_settle(&k);
}

static void connector_that_will_not_move_keeps_its_connection(void **state)
{
    (void)state;
    moves = false;
    k.puppet.ops.move = move;
    open_with_another_context();
    assert_int_equal(cache_stats().adopted, 0);
    assert_int_equal(other_context.n, 1);
    assert_int_equal(pool_kit_stats(&k).idle, 1);
    belay_lease_release(asks[1].lease, BELAY_BROKEN);
    pool_kit_settle(&k);
}

static void other_contexts_are_not_served_where_it_cannot(void **state)
{
    (void)state;
    open_with_another_context();
    assert_int_equal(cache_stats().adopted, 0);
    assert_int_equal(other_context.n, 1);
    belay_lease_release(asks[1].lease, BELAY_BROKEN);
    pool_kit_settle(&k);
}

static void who_wants_a_fresh_one_gets_it(void **state)
{
    (void)state;
    open_both();
    leave_one();
    ask_init(&asks[1], &k);
    assert_int_equal(ask_peer(&asks[1], second_a, 0, true), 0);
    pool_kit_settle(&k);
    assert_served(&asks[1]);
    assert_int_equal(k.puppet.n, 2);
    assert_int_equal(cache_stats().adopted, 0);
    belay_lease_release(asks[1].lease, BELAY_REUSE);
}

static void connections_in_use_stay_where_they_are(void **state)
{
    (void)state;
    open_both();
    leave_one();
    ask_now(&asks[0], &k, k.a);
    assert_dials_anew(second_a);
    assert_true(belay_lease_valid(asks[0].lease));
    belay_lease_release(asks[0].lease, BELAY_REUSE);
}

static void suspended_pool_gives_nothing_away(void **state)
{
    (void)state;
    open_both();
    leave_one();
    belay_pool_suspend(k.pool);
    assert_dials_anew(second_a);
    belay_pool_resume(k.pool);
}

static void limits_stay_each_pools_own(void **state)
{
    (void)state;
    second_options.max_connections_per_endpoint = 1;
    open_both();
    ask_now(&asks[1], &k, second_a);
    leave_one();
    ask_now(&asks[2], &k, second_a);
    assert_int_equal(asks[2].told, 0); /* it may have one */
    assert_int_equal(pool_kit_stats(&k).idle, 1);
    belay_lease_release(asks[1].lease, BELAY_BROKEN);
    pool_kit_settle(&k);
    assert_served(&asks[2]);
    assert_int_equal(cache_stats().adopted, 1);
    assert_int_equal(second_stats().peak, 1);
    belay_lease_release(asks[2].lease, BELAY_REUSE);
}

static void uses_beyond_the_new_pools_limit_do_not_begin(void **state)
{
    (void)state;
    second_options.max_connection_uses = 1;
    open_both();
    leave_one();
    assert_dials_anew(second_a);
}

static void one_too_old_for_the_new_pool_stays(void **state)
{
    (void)state;
    k.options.max_connection_lifetime_ms = BELAY_FOREVER;
    second_options.max_connection_lifetime_ms = 1000;
    open_both();
    leave_one();
    pool_kit_pass(&k, 1000);
    assert_dials_anew(second_a);
    assert_int_equal(pool_kit_stats(&k).idle, 1);
}

static void idle_limit_of_the_new_pool_counts(void **state)
{
    (void)state;
    second_options.max_idle_time_ms = 300;
    open_both();
    leave_one();
    pool_kit_pass(&k, 300);
    assert_dials_anew(second_a);
}

static void one_that_has_just_been_lost_is_not_taken(void **state)
{
    (void)state;
    open_both();
    leave_one();
    ask_init(&asks[1], &k);
    assert_int_equal(ask_peer(&asks[1], second_a, 0, false), 0);
    puppet_lose(puppet_conn(&k.puppet, 0), BELAY_EEOF);
    pool_kit_settle(&k);
    assert_served(&asks[1]);
    assert_int_equal(k.puppet.n, 2);
    assert_int_equal(cache_stats().adopted, 0);
    belay_lease_release(asks[1].lease, BELAY_REUSE);
}

/* ---- in the hooks ---- */

static void close_second(void)
{
    if (second)
        belay_pool_close(second, on_second_closed, NULL);
}

static void pool_that_closes_while_it_adopts(void **state)
{
    (void)state;
    open_both();
    leave_one();
    told[0].then = close_second; /* in the former pool's on_connection_closed */
    ask_now(&asks[1], &k, second_a);
    assert_refused(&asks[1], BELAY_ECLOSED, BELAY_STAGE_QUEUE);
    assert_null(second);
    assert_int_equal(puppet_live(&k.puppet), 0);
    assert_int_equal(cache_stats().active + cache_stats().inactive, 0);
}

static void close_first(void)
{
    if (k.pool)
        belay_pool_close(k.pool, pool_kit_on_closed, &k);
}

static void pool_that_closes_while_it_gives(void **state)
{
    (void)state;
    open_both();
    leave_one();
    told[0].then = close_first;
    ask_now(&asks[1], &k, second_a);
    assert_served(&asks[1]);
    assert_int_equal(k.closed, 1);
    belay_lease_release(asks[1].lease, BELAY_REUSE);
}

static void close_cache(void)
{
    belay_cache_close_all(cache);
}

static void close_all_while_one_moves(void **state)
{
    (void)state;
    open_both();
    leave_one();
    told[0].then = close_cache;
    ask_now(&asks[1], &k, second_a);
    told[0].then = NULL;
    pool_kit_settle(&k);
    assert_served(&asks[1]); /* by another, as that one was to be closed */
    assert_int_equal(k.puppet.n, 2);
    belay_lease_release(asks[1].lease, BELAY_REUSE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(idle_connection_moves_to_the_pool_that_needs_it),
        TEST(adopted_ones_are_the_new_pools_in_everything),
        TEST(age_and_uses_go_with_it),
        TEST(age_counts_against_the_new_pools_limit),
        TEST(age_goes_with_it_from_pool_to_pool),
        TEST(other_endpoints_are_not_served),
        TEST(other_connectors_are_not_served),
        TEST(other_contexts_are_served_where_the_connector_can_move),
        TEST(connector_that_will_not_move_keeps_its_connection),
        TEST(other_contexts_are_not_served_where_it_cannot),
        TEST(who_wants_a_fresh_one_gets_it),
        TEST(connections_in_use_stay_where_they_are),
        TEST(suspended_pool_gives_nothing_away),
        TEST(limits_stay_each_pools_own),
        TEST(uses_beyond_the_new_pools_limit_do_not_begin),
        TEST(one_too_old_for_the_new_pool_stays),
        TEST(idle_limit_of_the_new_pool_counts),
        TEST(one_that_has_just_been_lost_is_not_taken),
        TEST(pool_that_closes_while_it_adopts),
        TEST(pool_that_closes_while_it_gives),
        TEST(close_all_while_one_moves),
    };
    return cmocka_run_group_tests_name("keep_pool_adopt", tests, NULL, NULL);
}
