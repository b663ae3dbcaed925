/* SPDX-License-Identifier: MIT */
/* The registry: every transition of a connection, under both ready policies. */
#include "unit/keep/cache_kit.h"

#define OWNED(...) ((const int[]){__VA_ARGS__, -1})
#define NONE       ((const int[]){-1})

static struct cache_kit k;
static int o1, o2; /* owners */

static struct belay_cache_peer web(void)
{
    return belay_cache_direct("192.0.2.1", 80);
}

static struct belay_cache_peer mail(void)
{
    return belay_cache_direct("192.0.2.2", 25);
}

/* ---- both policies ---- */

static void unknown_becomes_active(void)
{
    assert_int_equal(cache_kit_state(&k, 0), BELAY_CACHE_UNKNOWN);
    cache_kit_active(&k, 0, &o1);
    cache_kit_active(&k, 1, &o1);
    cache_kit_active(&k, 0, &o1); /* again: it keeps its place */
    assert_int_equal(cache_kit_state(&k, 0), BELAY_CACHE_ACTIVE);
    assert_owned(&k, &o1, OWNED(0, 1));
    assert_owned(&k, &o2, NONE);
}

static void active_moves_to_another_owner(void)
{
    cache_kit_active(&k, 0, &o1);
    cache_kit_active(&k, 1, &o1);
    cache_kit_active(&k, 0, &o2);
    assert_owned(&k, &o1, OWNED(1));
    assert_owned(&k, &o2, OWNED(0));
    cache_kit_active(&k, 1, &o2);
    assert_owned(&k, &o1, NONE);
    assert_int_equal(cache_kit_stats(&k).owners, 1);
}

static void close_connection_forgets_and_closes(void)
{
    cache_kit_active(&k, 0, &o1);
    assert_int_equal(belay_cache_close_connection(k.cache, cache_kit_what(&k, 0)), 0);
    assert_int_equal(cache_kit_state(&k, 0), BELAY_CACHE_CLOSING);
    assert_open(&k, 0); /* not inside the call */
    assert_owned(&k, &o1, NONE);
    assert_int_equal(belay_cache_close_connection(k.cache, cache_kit_what(&k, 0)), 0);
    cache_kit_settle(&k);
    assert_closed(&k, 0, BELAY_REASON_OWNER_CLOSED);
    assert_ptr_equal(k.things[0].owner, &o1);
    assert_int_equal(cache_kit_state(&k, 0), BELAY_CACHE_UNKNOWN);
    assert_int_equal(belay_cache_close_connection(k.cache, cache_kit_what(&k, 0)), BELAY_EINVAL);
    cache_kit_settle(&k);
    assert_closed(&k, 0, BELAY_REASON_OWNER_CLOSED);
}

static void close_all_closes_the_active_too(void)
{
    struct belay_cache_peer peer = web();

    cache_kit_active(&k, 0, &o1);
    cache_kit_active(&k, 1, &o2);
    cache_kit_active(&k, 2, &o1);
    if (cache_kit_inactive(&k, 2, &peer, 0) == BELAY_REFUSED)
        cache_kit_active(&k, 2, &o2);
    belay_cache_close_all(k.cache);
    assert_open(&k, 0);
    cache_kit_settle(&k);
    for (unsigned i = 0; i < 3; i++)
        assert_closed(&k, i, BELAY_REASON_CLEARED);
    assert_ptr_equal(k.things[0].owner, &o1);
    assert_ptr_equal(k.things[1].owner, &o2);
    cache_kit_active(&k, 3, &o1); /* usable still */
    assert_owned(&k, &o1, OWNED(3));
}

#define FOR_BOTH(test)                                                                             \
    static void restrictive_##test(void **state)                                                   \
    {                                                                                              \
        (void)state;                                                                               \
        cache_kit_start(&k, belay_cache_restrictive());                                            \
        test();                                                                                    \
        cache_kit_end(&k);                                                                         \
    }                                                                                              \
    static void aggressive_##test(void **state)                                                    \
    {                                                                                              \
        (void)state;                                                                               \
        cache_kit_start(&k, belay_cache_aggressive());                                             \
        test();                                                                                    \
        cache_kit_end(&k);                                                                         \
    }
FOR_BOTH(unknown_becomes_active)
FOR_BOTH(active_moves_to_another_owner)
FOR_BOTH(close_connection_forgets_and_closes)
FOR_BOTH(close_all_closes_the_active_too)

/* ---- one policy ---- */

static void restrictive_refuses_and_leaves_it_open(void **state)
{
    struct belay_cache_peer peer = web();

    (void)state;
    cache_kit_start(&k, belay_cache_restrictive());
    cache_kit_active(&k, 0, &o1);
    assert_int_equal(cache_kit_inactive_data(&k, 0, &peer, 0), BELAY_REFUSED);
    assert_int_equal(cache_kit_inactive(&k, 1, &peer, 0), BELAY_REFUSED); /* unknown before */
    assert_int_equal(cache_kit_state(&k, 0), BELAY_CACHE_UNKNOWN);
    assert_owned(&k, &o1, NONE);
    cache_kit_settle(&k);
    assert_open(&k, 0);
    assert_int_equal(k.things[0].destroyed, 0); /* its data is the caller's still */
    assert_int_equal(cache_kit_stats(&k).refused, 2);
    assert_int_equal(cache_kit_stats(&k).owners, 0);
    cache_kit_end(&k);
    assert_open(&k, 0);
}

static void restrictive_never_finds(void **state)
{
    struct belay_cache_peer peer = web();

    (void)state;
    cache_kit_start(&k, belay_cache_restrictive());
    assert_int_equal(cache_kit_inactive(&k, 0, &peer, 0), BELAY_REFUSED);
    assert_int_equal(cache_kit_find(&k, &peer, 0, &o1), -1);
    assert_int_equal(cache_kit_stats(&k).missed, 1);
    cache_kit_end(&k);
}

static void aggressive_keeps_what_becomes_inactive(void **state)
{
    struct belay_cache_facts f = belay_cache_facts_init();
    struct belay_cache_peer peer = web();

    (void)state;
    cache_kit_start(&k, belay_cache_aggressive());
    cache_kit_active(&k, 0, &o1);
    assert_int_equal(cache_kit_inactive(&k, 0, &peer, 7), BELAY_KEPT);
    assert_int_equal(cache_kit_inactive(&k, 1, &peer, 7), BELAY_KEPT); /* unknown before */
    assert_owned(&k, &o1, NONE);
    cache_kit_pass(&k, 1500);
    assert_int_equal(belay_cache_get_state(k.cache, cache_kit_what(&k, 0), &f),
                     BELAY_CACHE_INACTIVE);
    assert_int_equal(f.binding, 7);
    assert_string_equal(f.peer.host, "192.0.2.1");
    assert_int_equal(f.peer.port, 80);
    assert_int_equal(f.alike, 1);
    assert_int_equal(f.idle_ms, 1500);
    assert_null(f.owner);
    cache_kit_end(&k);
    assert_closed(&k, 0, BELAY_REASON_POOL_CLOSED);
    assert_closed(&k, 1, BELAY_REASON_POOL_CLOSED);
    assert_int_equal(k.ended, 1);
}

static void aggressive_takes_an_inactive_one_back_into_use(void **state)
{
    struct belay_cache_peer peer = web();

    (void)state;
    cache_kit_start(&k, belay_cache_aggressive());
    assert_int_equal(cache_kit_inactive(&k, 0, &peer, 0), BELAY_KEPT);
    cache_kit_active(&k, 0, &o1);
    assert_owned(&k, &o1, OWNED(0));
    assert_int_equal(cache_kit_find(&k, &peer, 0, &o2), -1);
    assert_int_equal(cache_kit_stats(&k).inactive, 0);
    cache_kit_end(&k);
}

static void aggressive_finds_the_latest_first_and_takes_it_out(void **state)
{
    struct belay_cache_peer peer = web();

    (void)state;
    cache_kit_start(&k, belay_cache_aggressive());
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(cache_kit_inactive(&k, i, &peer, 0), BELAY_KEPT);
    assert_int_equal(cache_kit_find(&k, &peer, 0, &o1), 2);
    assert_int_equal(cache_kit_state(&k, 2), BELAY_CACHE_ACTIVE);
    assert_int_equal(cache_kit_find(&k, &peer, 0, NULL), 1);
    assert_int_equal(cache_kit_state(&k, 1), BELAY_CACHE_UNKNOWN); /* all its finder's now */
    assert_int_equal(cache_kit_inactive(&k, 2, &peer, 0), BELAY_KEPT);
    assert_int_equal(cache_kit_find(&k, &peer, 0, &o1), 2);
    assert_int_equal(cache_kit_find(&k, &peer, 0, &o2), 0);
    assert_int_equal(cache_kit_find(&k, &peer, 0, &o2), -1);
    assert_owned(&k, &o1, OWNED(2));
    assert_owned(&k, &o2, OWNED(0));
    cache_kit_end(&k);
    assert_open(&k, 1);
}

/* ---- the seed's two stale entries ---- */

static void former_owner_never_has_what_has_moved(void **state)
{
    (void)state;
    cache_kit_start(&k, belay_cache_aggressive());
    cache_kit_active(&k, 0, &o1);
    cache_kit_active(&k, 0, &o2);
    assert_owned(&k, &o1, NONE);
    assert_int_equal(belay_cache_close_connection(k.cache, cache_kit_what(&k, 0)), 0);
    cache_kit_settle(&k);
    assert_owned(&k, &o1, NONE);
    assert_owned(&k, &o2, NONE);
    assert_int_equal(cache_kit_stats(&k).owners, 0);
    cache_kit_end(&k);
}

static void former_shelf_never_has_what_has_moved(void **state)
{
    struct belay_cache_peer a = web(), b = mail();

    (void)state;
    cache_kit_start(&k, belay_cache_aggressive());
    assert_int_equal(cache_kit_inactive(&k, 0, &a, 0), BELAY_KEPT);
    assert_int_equal(cache_kit_inactive(&k, 0, &a, 1), BELAY_KEPT); /* another binding */
    assert_int_equal(cache_kit_find(&k, &a, 0, &o1), -1);
    assert_int_equal(cache_kit_inactive(&k, 0, &b, 1), BELAY_KEPT); /* another peer */
    assert_int_equal(cache_kit_find(&k, &a, 1, &o1), -1);
    assert_int_equal(cache_kit_stats(&k).peers, 1);
    assert_int_equal(cache_kit_find(&k, &b, 1, &o1), 0);
    assert_int_equal(cache_kit_find(&k, &b, 1, &o1), -1);
    cache_kit_end(&k);
}

static void inactive_again_is_the_latest_again(void **state)
{
    struct belay_cache_peer peer = web();

    (void)state;
    cache_kit_start(&k, belay_cache_aggressive());
    assert_int_equal(cache_kit_inactive(&k, 0, &peer, 0), BELAY_KEPT);
    assert_int_equal(cache_kit_inactive(&k, 1, &peer, 0), BELAY_KEPT);
    assert_int_equal(cache_kit_inactive(&k, 0, &peer, 0), BELAY_KEPT);
    assert_int_equal(cache_kit_stats(&k).inactive, 2);
    assert_int_equal(cache_kit_find(&k, &peer, 0, &o1), 0);
    assert_int_equal(cache_kit_find(&k, &peer, 0, &o1), 1);
    cache_kit_end(&k);
}

static void forgotten_ones_stay_open(void **state)
{
    struct belay_cache_peer peer = web();

    (void)state;
    cache_kit_start(&k, belay_cache_aggressive());
    cache_kit_active(&k, 0, &o1);
    assert_int_equal(cache_kit_inactive(&k, 1, &peer, 0), BELAY_KEPT);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(belay_cache_forget(k.cache, cache_kit_what(&k, i)), 0);
        assert_int_equal(cache_kit_state(&k, i), BELAY_CACHE_UNKNOWN);
        assert_int_equal(belay_cache_forget(k.cache, cache_kit_what(&k, i)), BELAY_EINVAL);
    }
    assert_owned(&k, &o1, NONE);
    assert_int_equal(cache_kit_find(&k, &peer, 0, &o1), -1);
    belay_cache_close_all(k.cache);
    cache_kit_end(&k);
    assert_open(&k, 0);
    assert_open(&k, 1);
}

static void owned_are_counted_beyond_the_room_for_them(void **state)
{
    struct belay_cached two[2];

    (void)state;
    cache_kit_start(&k, belay_cache_aggressive());
    for (unsigned i = 0; i < 5; i++)
        cache_kit_active(&k, i, &o1);
    assert_int_equal(belay_cache_find_owned(k.cache, &o1, two, 2), 5);
    assert_int_equal(cache_kit_number(&two[1]), 1);
    assert_int_equal(belay_cache_find_owned(k.cache, &o1, NULL, 0), 5);
    cache_kit_end(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restrictive_unknown_becomes_active),
        cmocka_unit_test(aggressive_unknown_becomes_active),
        cmocka_unit_test(restrictive_active_moves_to_another_owner),
        cmocka_unit_test(aggressive_active_moves_to_another_owner),
        cmocka_unit_test(restrictive_close_connection_forgets_and_closes),
        cmocka_unit_test(aggressive_close_connection_forgets_and_closes),
        cmocka_unit_test(restrictive_close_all_closes_the_active_too),
        cmocka_unit_test(aggressive_close_all_closes_the_active_too),
        cmocka_unit_test(restrictive_refuses_and_leaves_it_open),
        cmocka_unit_test(restrictive_never_finds),
        cmocka_unit_test(aggressive_keeps_what_becomes_inactive),
        cmocka_unit_test(aggressive_takes_an_inactive_one_back_into_use),
        cmocka_unit_test(aggressive_finds_the_latest_first_and_takes_it_out),
        cmocka_unit_test(former_owner_never_has_what_has_moved),
        cmocka_unit_test(former_shelf_never_has_what_has_moved),
        cmocka_unit_test(inactive_again_is_the_latest_again),
        cmocka_unit_test(forgotten_ones_stay_open),
        cmocka_unit_test(owned_are_counted_beyond_the_room_for_them),
    };
    return cmocka_run_group_tests_name("keep_cache", tests, NULL, NULL);
}
