/* SPDX-License-Identifier: MIT */
/* Several connections that many requests share: how many are dialled, and how they are loaded. */
#include "h2_kit.h"

#include "belay/cache.h"

static void begin(struct h2_kit *k, struct call *calls, int n)
{
    for (int i = 0; i < n; i++)
        h2_begin(k, &calls[i], NULL);
}

static void answer_all(struct h2_kit *k, struct call *calls, int n)
{
    for (unsigned c = 0; c < k->server.accepted; c++) {
        for (unsigned i = 0; i < k->server.conns[c].requests; i++)
            h2_answer(&k->server, c, k->server.conns[c].ids[i], "x");
    }
    for (int i = 0; i < n; i++) {
        h2_until(k, &calls[i].done);
        h2_good(&calls[i], "x");
    }
}

static void a_burst_dials_as_many_as_it_needs(void **state)
{
    struct call calls[35] = {{0}};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    k.server.max = 10;
    begin(&k, calls, 35);
    h2_until_requests(&k, 35);
    assert_int_equal(k.server.accepted, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(k.server.conns[i].requests, 5, 10);
    answer_all(&k, calls, 35);
    h2_close(&k);
}

static void a_burst_that_one_connection_carries_has_one(void **state)
{
    struct call calls[70] = {{0}};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    begin(&k, calls, 70);
    h2_until_requests(&k, 70);
    h2_turn(&k);
    assert_int_equal(k.server.accepted, 1);
    answer_all(&k, calls, 70);
    h2_close(&k);
}

/* Nobody waits for it yet. */
static void near_the_limit_another_comes_up_and_takes_its_share(void **state)
{
    struct call calls[14] = {{0}};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    k.server.max = 10;
    begin(&k, calls, 7);
    h2_until_requests(&k, 7);
    h2_turn(&k);
    assert_int_equal(k.server.accepted, 1);
    begin(&k, calls + 7, 1);
    h2_until_requests(&k, 8);
    h2_turn(&k);
    assert_int_equal(k.server.accepted, 2);
    assert_int_equal(k.server.conns[1].requests, 0);
    begin(&k, calls + 8, 6);
    h2_until_requests(&k, 14);
    assert_int_equal(k.server.conns[1].requests, 6); /* the less loaded of the two */
    answer_all(&k, calls, 14);
    h2_close(&k);
}

static void a_limit_that_falls_calls_for_another(void **state)
{
    struct call calls[6] = {{0}};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    begin(&k, calls, 5);
    h2_until_requests(&k, 5);
    k.server.max = 5;
    h2_setting(&k.server, 0, 3, 5); /* MAX_CONCURRENT_STREAMS: full now */
    h2_turn(&k);
    begin(&k, calls + 5, 1);
    h2_until_requests(&k, 6);
    assert_int_equal(k.server.accepted, 2);
    assert_int_equal(k.server.conns[1].requests, 1);
    answer_all(&k, calls, 6);
    h2_close(&k);
}

/* Its life is over: it finishes what it has, and a new one takes what comes. */
static void one_that_is_too_old_is_replaced_without_haste(void **state)
{
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http_options o = h2_options();
    struct call old = {0}, young = {0};
    struct belay_pool_stats stats;
    struct h2_kit k;
    int64_t end;

    (void)state;
    pool.max_connection_lifetime_ms = 50;
    o.pool = &pool;
    h2_open(&k, &o);
    begin(&k, &old, 1);
    h2_until_requests(&k, 1);
    end = belay_loop_now_ms(k.kit.loop) + 80;
    while (belay_loop_now_ms(k.kit.loop) < end)
        h2_turn(&k);
    begin(&k, &young, 1);
    h2_until_requests(&k, 2);
    assert_int_equal(k.server.accepted, 2);
    h2_answer(&k.server, 1, 1, "young");
    h2_until(&k, &young.done);
    h2_good(&young, "young");
    assert_false(old.done);
    h2_answer(&k.server, 0, 1, "old");
    h2_until(&k, &old.done);
    h2_good(&old, "old");
    h2_until_closed(&k, 0);
    kit_stats(&k.kit, &stats);
    assert_true(stats.closed[BELAY_REASON_LIFETIME] >= 1);
    h2_close(&k);
}

/* It would be idle at first, and be closed for it. */
static void where_none_may_be_idle_none_is_dialled_before_it_is_wanted(void **state)
{
    static const struct {
        int32_t idle, idle_total;
        int64_t idle_ms;
    } rows[] = {{BELAY_NONE, 0, 0}, {0, BELAY_NONE, 0}, {0, 0, BELAY_NONE}, {0, 0, 5}};

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct belay_pool_options pool = belay_pool_options_init();
        struct belay_http_options o = h2_options();
        struct call calls[11] = {{0}};
        struct h2_kit k;

        pool.max_idle_per_endpoint = rows[i].idle;
        pool.max_idle_total = rows[i].idle_total;
        pool.max_idle_time_ms = rows[i].idle_ms;
        o.pool = &pool;
        h2_open(&k, &o);
        k.server.max = 10;
        begin(&k, calls, 9);
        h2_until_requests(&k, 9);
        h2_turn(&k);
        if (k.server.accepted != 1)
            fail_msg("%zu: %u", i, k.server.accepted);
        begin(&k, calls + 9, 2);
        h2_until_requests(&k, 11);
        assert_int_equal(k.server.accepted, 2);
        answer_all(&k, calls, 11);
        h2_close(&k);
    }
}

/* The next would be like it. */
static void one_that_comes_up_with_no_room_is_not_followed_at_once(void **state)
{
    struct call calls[9] = {{0}};
    struct h2_kit k;

    (void)state;
    h2_open(&k, NULL);
    k.server.max = 10;
    begin(&k, calls, 7);
    h2_until_requests(&k, 7);
    k.server.max = 0;
    begin(&k, calls + 7, 2);
    h2_until_requests(&k, 9);
    h2_turn(&k);
    assert_int_equal(k.server.accepted, 2);
    answer_all(&k, calls, 9);
    h2_close(&k);
}

static struct belay_http *open_sharing(struct h2_kit *k, struct belay_cache *cache,
                                       struct belay_http_options o)
{
    struct belay_pool_options pool = belay_pool_options_init();
    struct belay_http *http;

    pool.cache = cache;
    o.pool = &pool;
    assert_int_equal(belay_http_open(k->kit.loop, &o, &http, NULL), 0);
    return http;
}

/* Two clients that share their connections; the second is the kit's from now on, after a request of
 * the first. */
static void open_after_another(struct h2_kit *k, struct belay_http_options first,
                               struct belay_http_options second)
{
    struct belay_cache_options o = belay_cache_options_init();
    struct belay_cache_policy policy = belay_cache_aggressive();
    struct call call = {0};
    struct belay_http *other;
    struct belay_cache *cache;

    o.policy = &policy;
    h2_open(k, NULL);
    assert_int_equal(belay_cache_open(k->kit.loop, &o, &cache, NULL), 0);
    belay_http_close(k->kit.http, NULL, NULL);
    k->kit.http = open_sharing(k, cache, first);
    other = open_sharing(k, cache, second);
    begin(k, &call, 1);
    h2_until_requests(k, 1);
    h2_answer(&k->server, 0, 1, "x");
    h2_until(k, &call.done);
    h2_good(&call, "x");
    h2_turn(k);
    k->kit.http = other;
}

/* Each asks for as many at a time as it may. */
static void a_connection_that_goes_to_another_client_has_its_limit(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct belay_http_options few = h2_options(), many = h2_options();
        struct call calls[3] = {{0}};
        struct h2_kit k;

        few.max_streams = 1;
        many.max_streams = 100;
        open_after_another(&k, more ? few : many, more ? many : few);
        begin(&k, calls, 3);
        h2_until_requests(&k, 4);
        assert_int_equal(k.server.accepted, more ? 1 : 3);
        for (unsigned c = 0; c < k.server.accepted; c++) {
            for (unsigned i = c == 0; i < k.server.conns[c].requests; i++)
                h2_answer(&k.server, c, k.server.conns[c].ids[i], "x");
        }
        for (int i = 0; i < 3; i++) {
            h2_until(&k, &calls[i].done);
            h2_good(&calls[i], "x");
        }
        h2_close(&k);
    }
}

/* The peer was told the former's window, and would wait for ever for a quarter of a larger one. */
static void its_streams_windows_are_those_that_the_peer_knows(void **state)
{
    static const char block[16384];
    struct belay_http_options small = h2_options(), large = h2_options();
    struct call call = {0};
    struct h2_kit k;
    unsigned before;

    (void)state;
    small.stream_window = 65535;
    large.stream_window = 1 << 20;
    open_after_another(&k, small, large);
    begin(&k, &call, 1);
    h2_until_requests(&k, 2);
    assert_int_equal(k.server.accepted, 1);
    before = k.server.conns[0].got[H2_WINDOW_UPDATE];
    h2_head(&k.server, 0, 0, 3, ":status: 200\n");
    for (int i = 0; i < 3; i++)
        h2_frame(&k.server, 0, H2_DATA, 0, 3, block, sizeof block);
    h2_turn(&k);
    assert_int_equal(call.len, 3 * sizeof block);
    assert_true(k.server.conns[0].got[H2_WINDOW_UPDATE] > before);
    h2_data(&k.server, 0, H2_END_STREAM, 3, "");
    h2_until(&k, &call.done);
    call_clear(&call);
    h2_close(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_dials_as_many_as_it_needs),
        cmocka_unit_test(a_burst_that_one_connection_carries_has_one),
        cmocka_unit_test(near_the_limit_another_comes_up_and_takes_its_share),
        cmocka_unit_test(a_limit_that_falls_calls_for_another),
        cmocka_unit_test(one_that_is_too_old_is_replaced_without_haste),
        cmocka_unit_test(where_none_may_be_idle_none_is_dialled_before_it_is_wanted),
        cmocka_unit_test(one_that_comes_up_with_no_room_is_not_followed_at_once),
        cmocka_unit_test(a_connection_that_goes_to_another_client_has_its_limit),
        cmocka_unit_test(its_streams_windows_are_those_that_the_peer_knows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
