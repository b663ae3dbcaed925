/* SPDX-License-Identifier: MIT */
/*
 * Two pools that share a cache, while memory runs out and in random histories: whatever happens,
 * the cache knows exactly the connections that are up, each where it is.
 */
#include <stdlib.h>

#include "keep/pool_cache_conn.h"
#include "unit/keep/pool_kit.h"

#define ASKS      12
#define STEPS     300
#define HISTORIES 150

static struct pool_kit k;
static struct belay_cache *cache;
static struct belay_cache_policy policy;
static struct belay_pool *pools[2];
static struct belay_peer *peers[2][2];
static struct ask asks[ASKS];
static bool out[ASKS]; /* asked, and not given back */
static uint64_t random_state, seed_now;

static unsigned draw(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % n);
}

/* ---- what must hold ---- */

static void check_conn(struct bl_pool_conn *c, struct belay_pool *pool)
{
    struct bl_cached_conn *cc = bl_cached_conn_of(c);

    if (c->pp.state == BL_PP_DIALING || !cc->entered)
        return;
    if (c->pp.state == BL_PP_CLOSING) {
        assert_int_equal(cc->entry.state, BELAY_CACHE_UNKNOWN);
        return;
    }
    assert_int_equal(cc->entry.state,
                     bl_pp_is_idle(&c->pp) ? BELAY_CACHE_INACTIVE : BELAY_CACHE_ACTIVE);
    if (cc->entry.state == BELAY_CACHE_ACTIVE)
        assert_ptr_equal(cc->entry.owner, pool);
}

static unsigned check_pool(struct belay_pool *pool)
{
    unsigned up = 0;

    for (struct belay_peer *p = NULL; (p = belay_pool_next_peer(pool, p));) {
        bl_pp_check_peer(&p->pp);
        BL_LIST_EACH(node, &p->pp.conns)
        {
            struct bl_pp_conn *pp = BL_LIST_OF(node, struct bl_pp_conn, link);

            check_conn(bl_pool_conn_of(pp), pool);
            up += pp->state == BL_PP_OPEN || pp->state == BL_PP_CHECKING;
        }
    }
    return up;
}

static void check_all(void)
{
    struct belay_cache_stats s = belay_cache_stats_init();
    unsigned up = 0;

    pool_kit_settle(&k);
    for (int i = 0; i < 2; i++)
        up += pools[i] ? check_pool(pools[i]) : 0;
    bl_cache_table_check(&cache->table);
    belay_cache_get_stats(cache, &s);
    assert_int_equal(s.active + s.inactive, up);
    for (int i = 0; i < ASKS; i++)
        if (out[i] && asks[i].told && asks[i].code == 0 && belay_lease_valid(asks[i].lease))
            assert_non_null(belay_lease_conn(asks[i].lease));
}

/* ---- a life ---- */

static bool open_pool(int i)
{
    static const char *const urls[2] = {"tcp://a.test:1", "tcp://b.test:1"};

    if (belay_pool_open(k.loop, &k.options, &pools[i], NULL) < 0) {
        pools[i] = NULL;
        return false;
    }
    for (int j = 0; j < 2; j++) {
        struct belay_endpoint *endpoint;

        if (belay_endpoint_parse(k.loop, urls[j], &endpoint, NULL) < 0)
            return false;
        if (belay_pool_peer(pools[i], endpoint, &peers[i][j]) < 0)
            peers[i][j] = NULL;
        belay_endpoint_unref(endpoint);
        if (!peers[i][j])
            return false;
    }
    return true;
}

static bool begin(struct belay_cache_options *o)
{
    pool_kit_begin(&k);
    memset(pools, 0, sizeof pools);
    memset(peers, 0, sizeof peers);
    memset(out, 0, sizeof out);
    memset(asks, 0, sizeof asks);
    cache = NULL;
    k.options.max_connections_per_endpoint = 2;
    k.options.max_connections_total = 3;
    return belay_cache_open(k.loop, o, &cache, NULL) == 0;
}

static void on_pool_closed(void *arg)
{
    *(struct belay_pool **)arg = NULL;
}

static void finish(void)
{
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++)
            belay_peer_unref(peers[i][j]);
        if (pools[i])
            belay_pool_close(pools[i], on_pool_closed, &pools[i]);
    }
    for (int i = 0; i < 20; i++) {
        pool_kit_settle(&k);
        for (unsigned n = 0; n < k.puppet.n && n < PUPPET_CONNS_MAX; n++)
            if (k.puppet.conns[n].conn && k.puppet.conns[n].closes)
                puppet_closed(&k.puppet.conns[n]);
    }
    assert_null(pools[0]);
    assert_null(pools[1]);
    pool_kit_end(&k);
}

static void ask_some(int i)
{
    ask_init(&asks[i], &k);
    out[i] = ask_peer(&asks[i], peers[draw(2)][draw(2)], 2000, draw(8) == 0) == 0;
}

static void give_back(int i)
{
    if (!asks[i].told)
        belay_waiter_cancel(asks[i].waiter);
    else if (asks[i].code == 0)
        belay_lease_release(asks[i].lease, draw(6) ? BELAY_REUSE : BELAY_BROKEN);
    out[i] = false;
}

static void lose_one(void)
{
    unsigned n = k.puppet.n < PUPPET_CONNS_MAX ? k.puppet.n : PUPPET_CONNS_MAX;
    unsigned i = n ? draw(n) : 0;

    if (n && k.puppet.conns[i].conn && !k.puppet.conns[i].closes)
        puppet_lose(&k.puppet.conns[i], draw(2) ? BELAY_EEOF : BELAY_ERESET);
}

static void step(void)
{
    int i = (int)draw(ASKS);

    switch (draw(24)) {
    case 0 ... 13:
        if (out[i])
            give_back(i);
        else
            ask_some(i);
        break;
    case 14:
        lose_one();
        break;
    case 15:
        belay_cache_close_all(cache);
        break;
    case 16:
        belay_pool_clear(pools[draw(2)], draw(2) ? BELAY_CLEAR_NOW : BELAY_CLEAR_GENTLY);
        break;
    case 17:
        belay_pool_suspend(pools[draw(2)]);
        break;
    case 18:
        belay_pool_resume(pools[0]);
        belay_pool_resume(pools[1]);
        break;
    case 19:
        pool_kit_pass(&k, (int64_t)draw(300));
        break;
    default:
        check_all();
    }
}

static void play(uint64_t seed)
{
    struct belay_cache_options o = belay_cache_options_init();

    random_state = seed * 0x9e3779b97f4a7c15u + 1;
    policy = draw(5) ? belay_cache_aggressive() : belay_cache_restrictive();
    o.policy = &policy;
    o.max_inactive = draw(2) ? 1 + (int)draw(3) : 0;
    o.max_idle_time_ms = draw(2) ? 100 : 0;
    assert_true(begin(&o));
    k.options.cache = cache;
    k.options.connect_retry_delay_ms = 10;
    k.puppet.capacity = draw(3) ? 1 : 2;
    assert_true(open_pool(0) && open_pool(1));
    for (int i = 0; i < STEPS && k.puppet.n < PUPPET_CONNS_MAX - 8; i++)
        step();
    belay_pool_resume(pools[0]);
    belay_pool_resume(pools[1]);
    check_all();
    if (draw(3) == 0)
        belay_cache_close(cache, NULL, NULL);
    finish();
}

static int say_seed(void **state)
{
    (void)state;
    if (seed_now)
        print_error("history %llu failed; CACHE_SEED=%llu replays it\n",
                    (unsigned long long)seed_now, (unsigned long long)seed_now);
    return 0;
}

static void cache_knows_what_is_up_in_every_history(void **state)
{
    const char *one = getenv("CACHE_SEED");

    (void)state;
    if (one) {
        play(strtoull(one, NULL, 10));
        return;
    }
    for (seed_now = 1; seed_now <= HISTORIES; seed_now++)
        play(seed_now);
    seed_now = 0;
}

/* ---- memory ---- */

static void use_pools(void)
{
    for (int i = 0; i < 3; i++) {
        ask_init(&asks[i], &k);
        out[i] = ask_peer(&asks[i], peers[0][i % 2], 2000, false) == 0;
    }
    pool_kit_pass(&k, 500);
    for (int i = 0; i < 3; i++)
        if (out[i])
            give_back(i);
    pool_kit_settle(&k);
    for (int i = 3; i < 6; i++) {
        ask_init(&asks[i], &k);
        out[i] = ask_peer(&asks[i], peers[1][i % 2], 2000, false) == 0;
    }
    pool_kit_pass(&k, 500);
    belay_cache_close_all(cache);
    pool_kit_settle(&k);
    for (int i = 3; i < 6; i++)
        if (out[i])
            give_back(i);
    check_all();
}

static void sweep(void (*let_fail)(struct failing_alloc *f, size_t n))
{
    struct belay_cache_options o = belay_cache_options_init();
    size_t n, refused = 1;

    random_state = 1;
    for (n = 1; refused > 0 && n < 1000; n++) {
        assert_true(begin(&o));
        k.options.cache = cache;
        let_fail(&k.alloc, n);
        if (open_pool(0) && open_pool(1))
            use_pools();
        refused = failing_alloc_failures(&k.alloc);
        let_fail(&k.alloc, 0);
        finish();
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(cache_knows_what_is_up_in_every_history, say_seed),
        cmocka_unit_test(every_allocation_may_fail_once),
        cmocka_unit_test(every_allocation_may_be_the_last),
    };
    return cmocka_run_group_tests_name("keep_pool_cache_memory", tests, NULL, NULL);
}
